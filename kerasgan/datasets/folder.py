"""A folder of images: found, checked, decoded in threads, and labelled by its sub-folders."""

import collections
import concurrent.futures
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from kerasgan import files
from kerasgan.datasets import image_files, scaling
from kerasgan.datasets.image_files import FORMATS, UNREADABLE, Extent, Header
from kerasgan.datasets.resizing import FITS, Size, check_memory, default_size, other_proportions, shown
from kerasgan.datasets.source import Source, check_only_split
from kerasgan.errors import DataError, invalid

BAD_FILES_LISTED = 10

_OF_SYSTEMS = {"@eaDir", "@Recycle", "#recycle", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
NO_CLASSES = "no classes: "  # how a note begins that says why


def read(
    root: Path,
    *,
    split: str,
    size: Size | None,
    channels: int | None,
    fit: str = "crop",
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> Source:
    """Reads all images below a folder, in the order of their paths.

    Every mode becomes grey or RGB: turned as EXIF says, transparency on white, palettes looked up, CMYK converted, the
    first frame of animations. Images of more than 8 bits ("deep") are scaled alike, by the values of all of them (see
    `scaling.usual_range`) or by `value_range`; 8-bit images beside them keep [0, 255]. All are brought to one size (see
    `resizing.fit_image`). `Source.notes` counts each of these. There are labels if every image lies in exactly one
    level of sub-folders: classes in the order of their names, or of the numbers if every name is one.

    Raises:
        DataError: There is no image, or one that cannot be read (it names them), or they take more than 8 GiB.
    """
    check_only_split(str(root), split)
    paths, others, closed = _find(root)
    _check_closed(root, closed, on_bad_file)
    if not paths:
        found = f"but {extensions}" if (extensions := _count_extensions(others)) else "and no other files"
        found += f", and folders that cannot be read: {_reasons(root, closed, 3)}" if closed else ""
        expected = f"a folder with files of {', '.join(sorted(FORMATS))}; check the path"
        raise invalid("name_or_path", expected, f"no images found in {str(root)!r}, {found}", DataError)
    total = len(paths)
    headers, bad = _headers(paths)
    paths = list(headers)
    size = size or (default_size({headers[path].size for path in paths}) if paths else (1, 1))
    channels = channels or (1 if all(headers[path].grey for path in paths) else 3)
    check_memory(len(paths), size, channels, 4 if keep_depth else 1)
    extents, unscalable = _extents(headers)
    bad |= unscalable
    paths = [path for path in paths if path not in bad]
    range_ = value_range or _common_range(root, extents, len(paths))
    everywhere = value_range is not None and not extents
    decoding = size, channels, range_, everywhere, fit
    images, clipped, undecodable = _decode_all(paths, decoding, keep_depth)
    bad |= undecodable
    _check_bad(root, bad, total, on_bad_file)
    paths = [path for path in paths if path not in bad]
    labels, class_names = _labels(root, paths)
    notes = _notes([headers[path] for path in paths], size, channels, fit)
    notes += _class_notes(root, paths, class_names, closed)
    deep = [extents[path] for path in paths if path in extents]
    notes += _range_notes(range_, deep, clipped, value_range is not None, keep_depth)
    if everywhere:
        scaling.warn_of_clipping(clipped, range_)
    if others:
        notes.append(f"files of other formats, ignored: {len(others)} ({_count_extensions(others)})")
    for kind, skipped in (("files", bad), ("folders", closed)):
        if skipped:
            notes.append(f"{kind} that cannot be read, skipped: {len(skipped)} ({_reasons(root, skipped, 3)})")
    return Source(str(root), images, labels, class_names, tuple(notes))


def survey(root: Path) -> tuple[collections.Counter, dict[str, str]]:
    """Looks at every image below a folder and keeps none.

    Returns: The number of images of each size `(height, width)`, and by file name what is wrong with those that cannot
        be read.
    """
    paths, _, closed = _find(root)
    headers, bad = _headers(paths)
    _, undecodable = _in_threads(lambda path: image_files.decode(path, (8, 8), 3, (0, 1), False), list(headers))
    bad |= undecodable | _extents(headers)[1] | closed
    sizes = collections.Counter(headers[path].size for path in headers if path not in bad)
    return sizes, {str(path.relative_to(root)): reason for path, reason in bad.items()}


def _find(root: Path) -> tuple[list[Path], list[Path], dict[Path, str]]:
    """All image files below `root` and all others, sorted, and folders that cannot be read with the reason.

    What systems make (`.DS_Store`, `@eaDir`) is left out.
    """
    files, seen, closed = [], set(), {}

    def note(error):
        closed[Path(error.filename)] = error.strerror

    for folder, subfolders, names in os.walk(root, onerror=note, followlinks=True):
        real = os.path.realpath(folder)
        # A link to a folder above would otherwise be followed for ever.
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not _is_hidden(name))
        if real not in seen:
            files += [Path(folder, name) for name in names if not _is_hidden(name)]
        seen.add(real)
    files.sort(key=lambda path: path.relative_to(root).parts)
    images = [path for path in files if path.suffix.lower() in FORMATS]
    return images, [path for path in files if path.suffix.lower() not in FORMATS], closed


def _is_hidden(name):
    """Whether a file or a folder is one that systems make: of thumbnails, of what was removed."""
    return name.startswith(".") or name in _OF_SYSTEMS


def _headers(paths: list[Path]) -> tuple[dict[Path, Header], dict[Path, str]]:
    """The headers that can be read, and what is wrong with the others."""
    with warnings.catch_warnings():
        # Pillow's own warning, from 89 million pixels on, is about files that MAX_PIXELS refuses.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return _in_threads(image_files.header, paths)


def _extents(headers: dict[Path, Header]) -> tuple[dict[Path, Extent], dict[Path, str]]:
    return _in_threads(image_files.extent, [path for path in headers if headers[path].deep])


def _in_threads(function: Callable, paths: list[Path]) -> tuple[dict, dict[Path, str]]:
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


def _decode_all(paths, decoding, keep_depth):
    """The images that can be decoded, the share of clipped pixels of each, and what is wrong with the others."""
    size, channels, *_ = decoding
    images = np.empty((len(paths), *size, channels), np.float32 if keep_depth else np.uint8)
    rows = {path: row for row, path in enumerate(paths)}

    def decode(path):
        levels, clipped = image_files.decode(path, *decoding)
        images[rows[path]] = scaling.finished(levels, keep_depth)
        return clipped

    decoded, bad = _in_threads(decode, paths)
    return (images[[rows[path] for path in decoded]] if bad else images), list(decoded.values()), bad


def _common_range(root: Path, extents: dict[Path, Extent], total: int) -> tuple[float, float]:
    """The one range of all deep files."""
    ranges = {}
    for kind in ("integers", "floats"):
        alike = [extent for extent in extents.values() if extent.kind == kind]
        if alike:
            ranges[kind] = min(extent.low for extent in alike), max(extent.high for extent in alike)
    # Beside files of 8 bits a dark file is dark.
    alone = len(extents) == total
    usual = {scaling.usual_range(*range_, stretch=alone) for range_ in ranges.values()}
    if len(usual) > 1:
        held = " and ".join(f"{kind} from {low:g} to {high:g}" for kind, (low, high) in ranges.items())
        some = [next(path for path, extent in extents.items() if extent.kind == kind) for kind in ranges]
        held += f" (such as {' and '.join(str(path.relative_to(root)) for path in some)})"
        expected = (
            "images that can be scaled alike: save all of them as one kind, or give the range that all of them have as "
            "`value_range`, e.g. value_range=(0, 4095)"
        )
        raise invalid("name_or_path", expected, f"{held} in {str(root)!r}", DataError)
    return usual.pop() if usual else (0.0, 255.0)


def _check_closed(root: Path, closed: dict[Path, str], on_bad_file: str) -> None:
    if closed and (on_bad_file == "raise" or root in closed):
        fix = "" if root in closed else ", or leave them out with on_bad_file='skip'"
        expected = f"folders that can be read: allow it with `chmod u+rx`{fix}"
        received = f"{len(closed)} in {str(root)!r} that cannot: {_reasons(root, closed, BAD_FILES_LISTED)}"
        raise invalid("name_or_path", expected, received, DataError)


def _check_bad(root: Path, bad: dict[Path, str], total: int, on_bad_file: str) -> None:
    if bad and (on_bad_file == "raise" or len(bad) == total):
        fix = "remove the others, or skip them with on_bad_file='skip'" if len(bad) < total else "check what they are"
        more = f"; and {len(bad) - BAD_FILES_LISTED} more" if len(bad) > BAD_FILES_LISTED else ""
        reasons = f"{_reasons(root, bad, BAD_FILES_LISTED)}{more}"
        received = f"{len(bad)} of {total} files in {str(root)!r} that cannot be read: {reasons}"
        raise invalid("name_or_path", f"image files that can be read; {fix}", received, DataError)


def _reasons(root: Path, bad: dict[Path, str], count: int) -> str:
    return "; ".join(f"{path.relative_to(root)}: {bad[path]}" for path in sorted(bad)[:count])


def _labels(root: Path, paths: list[Path]) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    parts = [path.relative_to(root).parts for path in paths]
    if any(len(names) != 2 for names in parts):
        return None, None
    found = {names[0] for names in parts}
    numbers = all(name.isascii() and name.isdecimal() for name in found)
    class_names = tuple(sorted(found, key=lambda name: (int(name) if numbers else 0, name)))
    index = {name: k for k, name in enumerate(class_names)}
    labels = np.array([index[names[0]] for names in parts], np.int32)
    return labels, tuple(files.readable(name) for name in class_names)


def _class_notes(
    root: Path, paths: list[Path], class_names: tuple[str, ...] | None, closed: dict[Path, str]
) -> list[str]:
    """Why there are no classes despite sub-folders, or which sub-folders are none."""
    if class_names is None:
        loose = [str(path.relative_to(root)) for path in paths if len(path.relative_to(root).parts) != 2]
        if all(path.parent == root for path in paths):
            return []
        parts = [path.relative_to(root).parts for path in paths]
        if all(len(names) == 3 for names in parts):  # splits, of which each has the classes
            (largest, _), *_ = collections.Counter(names[0] for names in parts).most_common()
            return [f"{NO_CLASSES}these are in sub-folders of sub-folders; read one, e.g. {str(root / largest)!r}"]
        return [f"{NO_CLASSES}images that are not in one level of sub-folders: {len(loose)} ({_listed(loose)})"]
    folders = sorted(
        files.readable(path.name)
        for path in root.iterdir()
        if path.is_dir() and not _is_hidden(path.name) and path not in closed
    )
    empty = [name for name in folders if name not in class_names]
    return [f"sub-folders without an image, which are no classes: {len(empty)} ({_listed(empty)})"] if empty else []


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _notes(headers: list[Header], size: Size, channels: int, fit: str) -> list[str]:
    counts = collections.Counter(conversion for header in headers for conversion in header.conversions)
    grey = sum(header.grey for header in headers)
    counts["grey, repeated to three channels"] = grey if channels == 3 else 0
    counts["colour, to grey"] = len(headers) - grey if channels == 1 else 0
    proportions = "not square" if size[0] == size[1] else "of other proportions"
    counts[f"{proportions}, {FITS[fit]}"] = sum(other_proportions(header.size, size) for header in headers)
    counts[f"resized to {shown(size)}"] = sum(header.size != size for header in headers)
    return [f"{conversion}: {count}" for conversion, count in counts.items() if count]


def _range_notes(range_, deep, clipped, given, keep_depth):
    """The range by which files were scaled, and how many have values outside it."""
    notes, total, scaled = [], len(clipped), scaling.described(range_, keep_depth)
    if deep:
        reduced = "" if keep_depth else f" ({scaling.REDUCED})"
        low, high = min(extent.low for extent in deep), max(extent.high for extent in deep)
        notes.append(f"16 bits or more, from {low:g} to {high:g}, all scaled by {scaled}{reduced}: {len(deep)}")
    elif given:
        notes.append(f"all scaled by {scaled}")
    if 0 < len(deep) < total and given:
        notes.append(f"8 bits, scaled by {scaling.described((0, 255), keep_depth)} beside them: {total - len(deep)}")
    outside = sum(share > 0 for share in clipped)
    if outside and given:
        notes.append(f"with values outside of value_range, clipped: {outside}")
    return notes


def _count_extensions(paths: list[Path]) -> str:
    counts = collections.Counter(path.suffix.lower() or "without extension" for path in paths)
    return ", ".join(f"{extension} ({count})" for extension, count in counts.most_common(10))
