"""One image file: what its header says, its range of values, its pixels."""

import pathlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, ImageFile, ImageOps

from kerasgan.datasets import scaling
from kerasgan.datasets.resizing import LUMA, Size, fit_image

# Only these decoders are tried: some of Pillow's others start programs.
FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
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
# Larger images are treated as decompression bombs. Pillow itself warns from 89 million pixels on.
MAX_PIXELS = 64_000_000
# What Pillow raises for damaged files.
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error)
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_ORIENTATION = 0x0112  # EXIF


class Header(NamedTuple):
    """What a file says of itself before its pixels are decoded.

    Args:
        size: Height and width, upright.
        grey: Whether there are no colours.
        deep: Whether pixels have more than 8 bits.
        conversions: What `decode` will convert, in the words of the notes.
    """

    size: Size
    grey: bool
    deep: bool
    conversions: tuple[str, ...]


class Extent(NamedTuple):
    """Lowest and highest value of a deep file, and its kind, "floats" or "integers"."""

    low: float
    high: float
    kind: str


def header(path: pathlib.Path) -> Header:
    """Reads the header of a file."""
    with _open(path) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"too large: {image.width} x {image.height}, the limit is {MAX_PIXELS / 1e6:g} megapixels")
        grey, deep, conversions = _is_grey(image), _is_deep(image), tuple(_conversions(image, path))
        # Last, because to read its EXIF may load a PNG, which then no longer says how deep it is.
        return Header(_upright_size(image), grey, deep, conversions)


def extent(path: pathlib.Path) -> Extent:
    """Decodes a deep file for its extent."""
    with _open(path) as image:
        pixels, _ = _deep_pixels(image, path)
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("NaN or infinity among its pixels")
        return Extent(low, high, "floats" if image.mode == "F" else "integers")


def decode(
    path: pathlib.Path, size: Size, channels: int, range_: tuple[float, float], everywhere: bool, fit: str = "crop"
) -> tuple[np.ndarray, float]:
    """Grey levels `(*size, channels)`, uint8 or (deep files) float32, and the share of clipped pixels.

    Args:
        size, fit: As in `fit_image`.
        range_: The values that become black and white, in deep files, and `everywhere` in 8-bit files too.
    """
    clipped = 0.0
    with _open(path) as image:
        # A JPEG decodes faster at 1/2, 1/4 or 1/8; twice the target still leaves the last step to Lanczos.
        image.draft(None, (2 * max(size), 2 * max(size)))
        if _is_deep(image):
            pixels, opacity = _deep_pixels(image, path)
            levels, clipped = scaling.to_levels(pixels, range_), scaling.clipped_share(pixels, range_)
            levels = np.atleast_3d(levels * opacity + 255 * (1 - opacity))
            if levels.shape[-1] > channels:
                levels = levels @ LUMA[:, None]
            planes = [Image.fromarray(levels[..., k]) for k in range(levels.shape[-1])]
        else:
            plane = _flatten(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
            if everywhere:
                clipped = scaling.clipped_share(np.asarray(plane), range_)
                table = np.rint(scaling.to_levels(np.arange(256), range_)).astype(int).tolist()
                plane = plane.point(table * len(plane.getbands()))
            planes = [plane]
        planes = [fit_image(plane, size, fit) for plane in planes]
        levels = np.concatenate([np.asarray(plane).reshape(*size, -1) for plane in planes], axis=-1)
        return (np.repeat(levels, channels, axis=-1) if levels.shape[-1] < channels else levels), clipped


def _open(path: pathlib.Path) -> ImageFile.ImageFile:
    if not path.stat().st_size:
        raise ValueError("empty file")
    try:
        return Image.open(path, formats=sorted(set(FORMATS.values())))
    except Image.UnidentifiedImageError:
        raise ValueError("not an image") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large: {error}") from None


def _is_grey(image: ImageFile.ImageFile) -> bool:
    if _is_deep_colour(image):
        return str(image.tile[0][3]).startswith("LA")
    if image.mode == "P" and image.palette:
        palette = np.reshape(image.getpalette("RGB") or (), (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in _GREY_MODES


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether pixels are 16 or 32 bits, or floats; for an image that is not loaded yet."""
    return image.mode.startswith("I") or image.mode == "F" or (image.format == "PNG" and _is_deep_colour(image))


def _is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether there are 16 bits per channel, of which Pillow reads 8."""
    return image.mode in ("RGB", "RGBA", "LA") and bool(image.tile) and ";16" in str(image.tile[0][3])


def _is_turned(image: ImageFile.ImageFile) -> bool:
    return image.getexif().get(_ORIENTATION, 1) != 1


def _upright_size(image: ImageFile.ImageFile) -> Size:
    on_its_side = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return image.size if on_its_side else (image.height, image.width)


def _conversions(image: ImageFile.ImageFile, path: pathlib.Path) -> Iterator[str]:
    # A photo of several pictures (MPO) is a JPEG file to everybody else.
    format_ = "JPEG" if image.format == "MPO" else image.format
    if format_ != FORMATS[path.suffix.lower()]:
        yield "files of another format than their name says, read as what they are"
    if format_ != "JPEG" and getattr(image, "is_animated", False):  # only some formats have it
        yield "animations or several pages, first one taken"
    if _is_turned(image):
        yield "turned or mirrored as EXIF says"
    if image.has_transparency_data:
        yield "transparency, composited on white"
    if image.mode in ("P", "PA"):
        yield "palette, looked up"
    elif _is_deep_colour(image) and format_ != "PNG":
        yield "16 bits per channel, of which the upper 8 are read"
    elif image.mode == "1":
        yield "black and white of one bit, to 0 and 255"
    elif not _is_deep(image) and image.mode not in ("L", "LA", "RGB", "RGBA"):
        yield f"{image.mode}, to RGB"


def _deep_pixels(image: ImageFile.ImageFile, path: pathlib.Path) -> tuple[np.ndarray, np.ndarray | float]:
    """Numbers `(height, width)` or `(height, width, 3)` as in the file, and the opacity, from 0 to 1."""
    if not _is_deep_colour(image):
        return np.asarray(ImageOps.exif_transpose(image)), 1.0
    if _is_turned(image):
        raise ValueError("16 bits per channel, and turned by EXIF; save it upright")
    try:
        pixels = tf.io.decode_png(path.read_bytes(), dtype=tf.uint16).numpy()
    except tf.errors.OpError as error:
        raise ValueError(error.message) from error
    opaque = pixels.shape[-1] in (1, 3)
    return (pixels, 1.0) if opaque else (pixels[..., :-1], pixels[..., -1:] / np.float32(65_535))


def _flatten(image: Image.Image) -> Image.Image:
    """An 8-bit image of any mode -> "L" or "RGB", without transparency."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
