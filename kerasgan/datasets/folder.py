"""Images from a folder: found, checked by their headers, converted, cropped and resized."""

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import struct
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from kerasgan.datasets import scaling
from kerasgan.datasets.resizing import LUMA, check_memory, crop_and_resize, default_size
from kerasgan.datasets.source import Source, one_split
from kerasgan.errors import DataError

# Only these decoders are tried: some of Pillow's others start programs.
FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
# A larger image is taken for a decompression bomb. Pillow itself warns from 89 million pixels on.
MAX_PIXELS = 64_000_000
BAD_FILES_LISTED = 10
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
# What Pillow raises for damaged files.
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error)


@dataclasses.dataclass(frozen=True)
class _Header:
    """What a file says of itself before its pixels are decoded."""

    size: tuple[int, int]
    grey: bool
    deep: bool
    kinds: tuple[str, ...]


def read(
    root: pathlib.Path,
    *,
    split: str,
    image_size: int | None,
    channels: int | None,
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> Source:
    """Read all images below a folder, in the order of their paths.

    Every mode becomes grey or RGB: turned as EXIF says, transparency on white, palettes looked up, CMYK converted, the
    first frame of animations. Images of more than 8 bits are scaled alike, by the values of all of them together (see
    `scaling.usual_range`) or with `value_range`; 8-bit images beside them keep [0, 255]. The centre is cropped and
    resized by Lanczos.
    `Source.notes` counts each of these. Labels are there if every image lies in exactly one level of sub-folders; notes
    tell of sub-folders that are no classes.

    Raises:
        DataError: If there is no image, or more than fit in 8 GiB, or one that cannot be read (it names them).
    """
    one_split(str(root), split)
    paths, others = _find(root)
    if not paths:
        found = _count_extensions(others) or "no files at all"
        raise DataError(
            f"No images found in {str(root)!r}. Expected files of {', '.join(sorted(FORMATS))}; check the path. "
            f"Found: {found}"
        )
    total = len(paths)
    headers, bad = _headers(paths)
    paths = [path for path in paths if path in headers]
    size = image_size or (default_size({headers[path].size[::-1] for path in paths}) if paths else 1)
    channels = channels or (1 if all(headers[path].grey for path in paths) else 3)
    check_memory(len(paths), size, channels, f" from {str(root)!r}", 4 if keep_depth else 1)
    extents, unscalable = _in_threads(_extent, [path for path in paths if headers[path].deep])
    bad |= unscalable
    paths = [path for path in paths if path not in bad]
    range_ = value_range or _common_range(root, headers, extents, len(paths))
    everywhere = range_ is not None and not extents
    images, clipped, undecodable = _decode_all(paths, size, channels, keep_depth, range_, everywhere)
    bad |= undecodable
    _check_bad(root, bad, total, on_bad_file)
    paths = [path for path in paths if path not in bad]
    labels, class_names = _labels(root, paths)
    notes = _notes([headers[path] for path in paths], size, channels) + _class_notes(root, paths, class_names)
    if range_ is not None:
        deep = [extents[path] for path in paths if path in extents]
        notes += _range_notes(range_, deep, clipped, value_range, keep_depth)
    if everywhere:
        scaling.warn_of_clipping(clipped, range_)
    if others:
        notes.append(f"files that are not images, ignored: {len(others)} ({_count_extensions(others)})")
    if bad:
        notes.append(f"files that cannot be read, skipped: {len(bad)} ({_first(root, bad, 3)})")
    return Source(str(root), images, labels, class_names, tuple(notes))


def survey(root: pathlib.Path) -> tuple[collections.Counter, dict[str, str]]:
    """Looks at every image below a folder and keeps none.

    Returns: How many images there are of each size `(width, height)`, and by file name what is wrong with those that
        cannot be read.
    """
    paths, _ = _find(root)
    headers, bad = _headers(paths)
    _, undecodable = _in_threads(_survey_one, list(headers))
    bad |= undecodable
    sizes = collections.Counter(headers[path].size for path in headers if path not in bad)
    return sizes, {str(path.relative_to(root)): reason for path, reason in bad.items()}


def _survey_one(path):
    with _open(path) as image:
        image.draft(None, (16, 16))
        deep = _is_deep(image)
        image.load()
        if deep:
            _extent(path)


def _find(root: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """All image files below `root`, and all others, sorted; hidden ones (`.DS_Store`, `._x.jpg`) left out."""
    files, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        # A link to a folder above would otherwise be followed for ever.
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
        if real not in seen:
            files += [pathlib.Path(folder, name) for name in names if not name.startswith(".")]
        seen.add(real)
    files.sort(key=lambda path: path.relative_to(root).parts)
    images = [path for path in files if path.suffix.lower() in FORMATS]
    return images, [path for path in files if path.suffix.lower() not in FORMATS]


def _headers(paths: list[pathlib.Path]) -> tuple[dict[pathlib.Path, _Header], dict[pathlib.Path, str]]:
    """The headers of the files that have one, and what is wrong with the others."""
    with warnings.catch_warnings():
        # Pillow's warning, from 89 million pixels, comes for nothing that MAX_PIXELS lets pass.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return _in_threads(_header, paths)


def _header(path: pathlib.Path) -> _Header:
    with _open(path) as image:
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise ValueError(f"too large: {image.width} x {image.height}, the limit is {MAX_PIXELS / 1e6:g} megapixels")
        return _Header(image.size, _is_grey(image), _is_deep(image), tuple(_kinds(image, path)))


def _open(path: pathlib.Path) -> Image.Image:
    if not path.stat().st_size:
        raise ValueError("empty file")
    try:
        return Image.open(path, formats=sorted(set(FORMATS.values())))
    except Image.UnidentifiedImageError:
        raise ValueError("not an image") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large: {error}") from None


def _is_grey(image: Image.Image) -> bool:
    if _is_deep_colour(image):
        return str(image.tile[0][3]).startswith("LA")
    if image.mode == "P" and image.palette:
        palette = np.reshape(image.getpalette("RGB"), (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in GREY_MODES


def _is_deep(image: Image.Image) -> bool:
    """Whether pixels are 16 or 32 bits, or floats; of an image that is not loaded yet."""
    return image.mode.startswith("I") or image.mode == "F" or (image.format == "PNG" and _is_deep_colour(image))


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether there are 16 bits a colour, of which Pillow reads 8."""
    return image.mode in ("RGB", "RGBA", "LA") and bool(image.tile) and ";16" in str(image.tile[0][3])


def _kinds(image: Image.Image, path: pathlib.Path):
    """What there is to convert in a file, in the words of the notes."""
    # A photo of several pictures (MPO) is a JPEG file to everybody else.
    format_ = "JPEG" if image.format == "MPO" else image.format
    if format_ != FORMATS[path.suffix.lower()]:
        yield "files of another format than their name says, read as what they are"
    if format_ != "JPEG" and getattr(image, "is_animated", False):
        yield "animations or several pages, first one taken"
    if image.getexif().get(0x0112, 1) != 1:
        yield "turned or mirrored as EXIF says"
    if image.has_transparency_data:
        yield "transparency, composited on white"
    if image.mode in ("P", "PA"):
        yield "palette, looked up"
    elif _is_deep_colour(image) and format_ != "PNG":
        yield "16 bits a colour, of which the upper 8 are read"
    elif image.mode == "1":
        yield "black and white of one bit, to 0 and 255"
    elif not _is_deep(image) and image.mode not in ("L", "LA", "RGB", "RGBA"):
        yield f"{image.mode}, to RGB"


def _extent(path: pathlib.Path) -> tuple[float, float, str]:
    """Lowest and highest value of a file of more than 8 bits, and what its numbers are."""
    with _open(path) as image:
        pixels, _ = _deep_pixels(image, path)
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("NaN or infinity among its pixels")
        return low, high, "floats" if image.mode == "F" else "integers"


def _deep_pixels(image: Image.Image, path: pathlib.Path) -> tuple[np.ndarray, np.ndarray | float]:
    """Numbers `(height, width)` or `(height, width, 3)` as they are in the file, and the opacity, from 0 to 1."""
    if not _is_deep_colour(image):
        return np.asarray(ImageOps.exif_transpose(image)), 1.0
    if image.getexif().get(0x0112, 1) != 1:
        raise ValueError("16 bits a colour, and turned by EXIF; save it as it has to be looked at")
    try:
        pixels = tf.io.decode_png(path.read_bytes(), dtype=tf.uint16).numpy()
    except tf.errors.OpError as error:
        raise ValueError(error.message) from error
    opaque = pixels.shape[-1] in (1, 3)
    return (pixels, 1.0) if opaque else (pixels[..., :-1], pixels[..., -1:] / np.float32(65_535))


def _common_range(root, headers, extents, total: int) -> tuple[float, float] | None:
    """The one range of all files of more than 8 bits; None where there is no such file."""
    if not extents:
        return None
    # Beside files of 8 bits a dark file is dark.
    alone = len(extents) == total
    ranges = {}
    for kind in ("integers", "floats"):
        ends = [extent[:2] for extent in extents.values() if extent[2] == kind]
        if ends:
            lows, highs = zip(*ends, strict=True)
            ranges[kind] = (min(lows), max(highs))
    taken = {scaling.usual_range(*range_, stretch=alone) for range_ in ranges.values()}
    if len(taken) > 1:
        held = " and ".join(f"{kind} from {low:g} to {high:g}" for kind, (low, high) in ranges.items())
        raise DataError(
            f"The images in {str(root)!r} cannot be scaled alike: there are {held}. Save all of them as one kind, or "
            "give the range that all of them have as `value_range`, e.g. value_range=(0, 4095)."
        )
    return taken.pop()


def _range_notes(range_, extents, clipped: list[float], value_range, keep_depth: bool) -> list[str]:
    """By which range the files were scaled, and how many have values outside of it."""
    notes, total = [], len(clipped)
    scaled = scaling.described(range_, keep_depth)
    if extents:
        low, high = min(extent[0] for extent in extents), max(extent[1] for extent in extents)
        notes.append(f"16 bits or more, from {low:g} to {high:g}, all scaled by {scaled}: {len(extents)}")
    elif value_range is not None:
        notes.append(f"all scaled by {scaled}")
    if extents and len(extents) < total and value_range is not None:
        notes.append(f"8 bits, scaled by {scaling.described((0, 255), keep_depth)} beside them: {total - len(extents)}")
    outside = sum(share > 0 for share in clipped)
    if outside and value_range is not None:
        notes.append(f"with values outside of value_range, clipped: {outside}")
    return notes


def _decode_all(
    paths: list[pathlib.Path], size: int, channels: int, keep_depth: bool, range_, everywhere: bool
) -> tuple[np.ndarray, list[float], dict[pathlib.Path, str]]:
    """All images, without those that cannot be decoded, the share of clipped pixels of each, and what is wrong with
    the others."""
    images = np.empty((len(paths), size, size, channels), np.float32 if keep_depth else np.uint8)
    rows = {path: row for row, path in enumerate(paths)}

    def decode(path):
        levels, clipped = _decode(path, size, channels, range_, everywhere)
        images[rows[path]] = scaling.finished(levels, keep_depth)
        return clipped

    decoded, bad = _in_threads(decode, paths)
    return (images[[rows[path] for path in decoded]] if bad else images), list(decoded.values()), bad


def _decode(path: pathlib.Path, size: int, channels: int, range_, everywhere: bool) -> tuple[np.ndarray, float]:
    """Grey levels `(size, size, channels)`, uint8 or float32 of a file of more than 8 bits, and the share of pixels
    that were clipped.

    Args:
        range_: What becomes black and white in files of more than 8 bits, and in all files where `everywhere`.
    """
    clipped = 0.0
    with _open(path) as image:
        # A JPEG decodes faster at 1/2, 1/4 or 1/8; twice the target still leaves the last step to Lanczos.
        image.draft(None, (2 * size, 2 * size))
        if _is_deep(image):
            pixels, opacity = _deep_pixels(image, path)
            levels, clipped = scaling.to_levels(pixels, range_), scaling.clipped_share(pixels, range_)
            levels = np.atleast_3d(levels * opacity + 255 * (1 - opacity))
            if levels.shape[-1] > channels:
                levels = levels @ LUMA[:, None]
            planes = [Image.fromarray(levels[..., k]) for k in range(levels.shape[-1])]
        else:
            image = _flatten(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
            if everywhere:
                clipped = scaling.clipped_share(np.asarray(image), range_)
                table = np.rint(scaling.to_levels(np.arange(256), range_)).astype(int).tolist()
                image = image.point(table * len(image.getbands()))
            planes = [image]
        planes = [plane if plane.size == (size, size) else crop_and_resize(plane, size) for plane in planes]
        levels = np.concatenate([np.asarray(plane).reshape(size, size, -1) for plane in planes], axis=-1)
        return (np.repeat(levels, channels, axis=-1) if levels.shape[-1] < channels else levels), clipped


def _flatten(image: Image.Image) -> Image.Image:
    """An image of 8 bits of any mode -> one of mode "L" or "RGB", without transparency."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _in_threads(function, paths: list[pathlib.Path]) -> tuple[dict, dict[pathlib.Path, str]]:
    """Results by path, and reasons by path where reading failed."""

    def attempt(path):
        try:
            return True, function(path)
        except UNREADABLE as error:
            return False, str(error) or type(error).__name__

    # Pillow releases the interpreter lock while it decodes and resizes.
    with concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        outcomes = dict(zip(paths, pool.map(attempt, paths), strict=True))
    results = {path: result for path, (ok, result) in outcomes.items() if ok}
    return results, {path: reason for path, (ok, reason) in outcomes.items() if not ok}


def _labels(root: pathlib.Path, paths: list[pathlib.Path]) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    parts = [path.relative_to(root).parts for path in paths]
    if any(len(names) != 2 for names in parts):
        return None, None
    class_names = tuple(sorted({names[0] for names in parts}))
    index = {name: k for k, name in enumerate(class_names)}
    return np.array([index[names[0]] for names in parts], np.int32), class_names


def _class_notes(root: pathlib.Path, paths: list[pathlib.Path], class_names: tuple[str, ...] | None) -> list[str]:
    """Why there are no classes, though there are sub-folders, or which of these are none."""
    if class_names is None:
        loose = [str(path.relative_to(root)) for path in paths if len(path.relative_to(root).parts) != 2]
        if all(path.parent == root for path in paths):
            return []
        return [f"no classes: images that are not in one level of sub-folders: {len(loose)} ({_listed(loose)})"]
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    empty = [name for name in folders if name not in class_names]
    return [f"sub-folders without an image, which are no classes: {len(empty)} ({_listed(empty)})"] if empty else []


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _notes(headers: list[_Header], size: int, channels: int) -> list[str]:
    counts = collections.Counter(kind for header in headers for kind in header.kinds)
    grey = sum(header.grey for header in headers)
    counts["grey, repeated to three channels"] = grey if channels == 3 else 0
    counts["colour, to grey"] = len(headers) - grey if channels == 1 else 0
    counts["not square, centre cropped"] = sum(header.size[0] != header.size[1] for header in headers)
    counts[f"resized to {size} x {size}"] = sum(header.size != (size, size) for header in headers)
    return [f"{kind}: {count}" for kind, count in counts.items() if count]


def _check_bad(root: pathlib.Path, bad: dict[pathlib.Path, str], total: int, on_bad_file: str) -> None:
    if bad and (on_bad_file == "raise" or len(bad) == total):
        advice = "Remove them, or skip them with on_bad_file=skip." if len(bad) < total else "Check what they are."
        more = f"; and {len(bad) - BAD_FILES_LISTED} more" if len(bad) > BAD_FILES_LISTED else ""
        raise DataError(
            f"{len(bad)} of {total} files in {str(root)!r} cannot be read: "
            f"{_first(root, bad, BAD_FILES_LISTED)}{more}. {advice}"
        )


def _first(root: pathlib.Path, bad: dict[pathlib.Path, str], count: int) -> str:
    return "; ".join(f"{path.relative_to(root)}: {bad[path]}" for path in sorted(bad)[:count])


def _count_extensions(paths: list[pathlib.Path]) -> str:
    counts = collections.Counter(path.suffix.lower() or "without extension" for path in paths)
    return ", ".join(f"{extension} ({count})" for extension, count in counts.most_common(10))
