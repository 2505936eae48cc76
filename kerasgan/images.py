"""Pictures for people: grids of images, scatter plots of points, contact sheets, GIFs.

A picture is a uint8 array `(height, width, channels)` of 1 or 3 channels. Files appear whole or not at all.
"""

import math
import os
import typing
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from kerasgan import captions as captions_
from kerasgan import files
from kerasgan.captions import BACKGROUND, to_pillow
from kerasgan.errors import DataError, checked_integer, checked_number, invalid, warn
from kerasgan.pixels import as_saved, look_channels_first, to_uint8, warn_of_clipping, warn_of_unit_range
from kerasgan.points import SCATTER_SIZE, scatter

__all__ = [
    "BACKGROUND",
    "PADDING",
    "SCATTER_SIZE",
    "as_saved",
    "can_be_drawn",
    "class_columns",
    "columns_of",
    "contact_sheet",
    "grid",
    "layout",
    "picture",
    "save_gif",
    "save_grid",
    "save_picture",
    "scatter",
    "show",
    "titled",
    "to_uint8",
]

PADDING = 4
# Smaller images, grids and animations are enlarged to at least this many pixels.
_CELL, _PICTURE = 60, 256
_MOST_COLUMNS, _MANY_COLUMNS = 16, 8
_MOST_SHOWN = 2_500


def can_be_drawn(shape: Sequence[int]) -> bool:
    """Whether `picture` takes examples of this shape: images, or points in the plane."""
    return len(shape) == 3 or tuple(shape) == (2,)


def show(
    images: ArrayLike,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    title: str | None = None,
) -> Image.Image:
    """Returns what `generate` made as one Pillow image: a `grid` of images, or a `scatter` plot of points.

    As the value of a cell, a notebook displays it. In a script call its `show()` or `save(path)`.

    Args:
        images: As in `grid`, at most 2,500; or points `(n, 2)`.
        captions, columns, scale, value_range: As in `grid`; not used for points.
        title: Caption above the whole. Defaults to none.

    Raises:
        DataError: The array does not hold images, is empty, or holds too many.
        DataTypeError: The images are neither uint8 nor floats.
    """
    images = np.asarray(images)
    if images.ndim == 4 and len(images) > _MOST_SHOWN:
        expected = f"at most {_MOST_SHOWN:,} images in one picture: show some of them, e.g. `images[:64]`"
        raise invalid("images", expected, f"{len(images):,} images", DataError)
    warn_of_unit_range(images, value_range)
    are_points = images.ndim == 2 and images.shape[1] == 2
    shown = scatter(images) if are_points else grid(images, columns, PADDING, scale, value_range, captions)
    return to_pillow(shown) if title is None else titled(shown, title)


def titled(picture: np.ndarray, title: str) -> Image.Image:
    """Returns a picture, as from `grid`, below a caption, as a Pillow image."""
    return to_pillow(captions_.above(picture, title))


def grid(
    images: ArrayLike,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Returns images side by side, row by row, on a light background, as an array; `show` returns a Pillow image.

    Args:
        images: uint8, or floats in `value_range`, `(n, height, width, channels)`. With 2 channels the first is shown,
            with 4 or more the first three.
        columns: Images per row. Defaults to one for each caption; without captions nearly a square, with few empty
            cells.
        padding: Pixels around each image. Defaults to `4`.
        scale: Integer factor of enlargement, without interpolation. Defaults to what makes each image 60 pixels and
            the grid 256 pixels, or a little more; 1 for larger images.
        value_range: As in `to_uint8`.
        captions: Texts above the columns, such as the names of classes that images have in turn. With more columns
            they are repeated, so their number must divide that of the columns. Defaults to none.

    Returns:
        uint8 array `(height, width, 1 or 3)`.

    Raises:
        DataError: The array does not hold images, or is empty, or the captions do not fit the columns.
        DataTypeError: The images are neither uint8 nor floats.

    Example:
        >>> grid(np.zeros((10, 28, 28, 1))).shape
        (180, 444, 1)
    """
    images = _checked_images(images)
    scale = None if scale is None else checked_integer("scale", scale)
    padding = checked_integer("padding", padding, 0)
    captions = None if captions is None else captions_.checked(captions, columns)
    rows, columns = layout(len(images), len(captions) if captions and columns is None else columns)
    levels = to_uint8(images, value_range)
    if images.dtype != np.uint8:
        warn_of_clipping(images, value_range)
    images = levels[..., : 3 if images.shape[-1] >= 3 else 1]
    scale = scale or math.ceil(max(_CELL, _PICTURE / max(rows, columns)) / max(images.shape[1:3]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    _, height, width, channels = images.shape
    row, column = height + padding, width + padding
    picture = np.full((padding + rows * row, padding + columns * column, channels), BACKGROUND, np.uint8)
    for k, image in enumerate(images):
        top, left = padding + k // columns * row, padding + k % columns * column
        picture[top : top + height, left : left + width] = image
    if not captions:
        return picture
    head = captions_.strip([captions[k % len(captions)] for k in range(columns)], width, padding)
    return np.concatenate([head.repeat(channels, axis=-1), picture])


def layout(n: int, columns: int | None = None) -> tuple[int, int]:
    """Returns the numbers of rows and columns of a `grid` of `n` images."""
    columns = min(checked_integer("columns", _columns(n) if columns is None else columns), n)
    return math.ceil(n / columns), columns


def picture(
    examples: ArrayLike,
    real: ArrayLike | None = None,
    columns: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Returns a picture of whatever a generator makes: a `grid` of images, or a `scatter` plot of points in the plane.

    Args:
        examples: Images `(n, height, width, channels)`, or points `(n, 2)`.
        real: Real points to draw behind; not used for images.
        columns, value_range, captions: As in `grid`; not used for points.
    """
    examples = np.asarray(examples)
    if examples.ndim == 2:
        return scatter(examples, real)
    return grid(examples, columns, value_range=value_range, captions=captions)


def columns_of(num_classes: int | None) -> int | None:
    """Returns the columns of a grid of classes in turn: one for each, with few classes several; None for many."""
    if not num_classes or num_classes > _MOST_COLUMNS:
        return None
    return num_classes * max(1, _MANY_COLUMNS // num_classes)


def class_columns(num_classes: int | None, names: Sequence[str] | None = None) -> dict[str, typing.Any]:
    """Returns `columns` and `captions` of a `grid` of classes in turn: the names, where each class has columns."""
    columns = columns_of(num_classes)
    return {"columns": columns, "captions": names if columns else None}


def contact_sheet(frames: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Returns pictures one below the other, each with its caption: how samples change over a run.

    Args:
        frames: Pictures, uint8 `(height, width, 1 or 3)`, as from `grid` or `picture`.
        titles: A caption for each, such as `"step 1,000"`.
    """
    frames = _checked_frames(frames)
    if len(titles) != len(frames):
        raise invalid("titles", f"one for each of {len(frames)} frames", f"{len(titles)} titles", DataError)
    frames = [captions_.above(frame, title) for frame, title in zip(frames, titles, strict=True)]
    width = max(frame.shape[1] for frame in frames)
    pad = lambda frame: ((0, 0), (0, width - frame.shape[1]), (0, 0))
    return np.concatenate([np.pad(frame, pad(frame), constant_values=BACKGROUND) for frame in frames])


def save_picture(path: str | os.PathLike, picture: np.ndarray, title: str | None = None) -> None:
    """Writes a picture in the format that the suffix names, with the title as a caption above."""
    picture = _checked_picture("picture", picture)
    _save(path, to_pillow(picture) if title is None else titled(picture, title))


def save_grid(
    path: str | os.PathLike,
    images: ArrayLike,
    title: str | None = None,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    captions: Sequence[str] | None = None,
) -> None:
    """Writes a `grid` of images; see there for the arguments."""
    warn_of_unit_range(np.asarray(images), value_range)
    save_picture(path, grid(images, columns, padding, scale, value_range, captions), title)


def save_gif(
    path: str | os.PathLike, frames: Sequence[np.ndarray], duration: float = 0.2, scale: int | None = None
) -> None:
    """Writes a looping animation of pictures of one shape.

    Args:
        path: File name that ends in `.gif`.
        frames: Pictures, uint8 `(height, width, 1 or 3)`.
        duration: Seconds per frame. Defaults to `0.2`.
        scale: Integer factor of enlargement. Defaults to what makes the longer side 256 pixels or a little more.
    """
    if files.checked_path("path", path, "the name of a file, e.g. 'grids.gif'").suffix.lower() != ".gif":
        raise invalid("path", "a name that ends in .gif", path)
    frames = _checked_frames(frames)
    duration = checked_number("duration", duration, "[0.01, 600]", ", the seconds per frame")
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        raise invalid("frames", "pictures of one shape", shapes, DataError)
    scale = math.ceil(_PICTURE / max(frames[0].shape[:2])) if scale is None else checked_integer("scale", scale)
    first, *others = (to_pillow(frame.repeat(scale, axis=0).repeat(scale, axis=1)) for frame in frames)
    _save(path, first, save_all=True, append_images=others, duration=round(1000 * duration), loop=0)


def _columns(n):
    """The number of columns, from the side of a square up to 3:2, that leaves the fewest cells empty."""
    side = math.ceil(math.sqrt(n))
    return min(range(side, math.ceil(1.5 * side) + 1), key=lambda columns: -n % columns)


def _checked_images(images: ArrayLike) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or 0 in images.shape:
        advice = "points go to `picture`"
        if images.ndim == 3:
            one = images.shape[-1] in (1, 3, 4)
            advice = f"add the {'first' if one else 'channel'} axis with `images[{'None' if one else '..., None'}]`"
        elif images.ndim == 2 and images.shape[1] != 2:
            advice = "one grey image is `images[None, ..., None]`, and points are (n, 2)"
        expected = f"shape `(n, height, width, channels)` with n >= 1; {advice}"
        raise invalid("images", expected, f"shape={images.shape}", DataError)
    if look_channels_first(images.shape[1:]):
        transposed = "`np.transpose(images, (0, 2, 3, 1))`"
        warn(f"Images of shape {images.shape[1:]} look like channels first: transpose them with {transposed}.")
    return images


def _checked_frames(frames):
    if not (frames := [_checked_picture(f"frames[{number}]", frame) for number, frame in enumerate(frames)]):
        raise invalid("frames", "at least one picture", "none", DataError)
    return frames


def _checked_picture(name, picture):
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] not in (1, 3):
        expected = "a picture, uint8 (height, width, 1 or 3), as `grid(images)` returns"
        raise invalid(name, expected, f"{picture.dtype} of shape {picture.shape}", DataError)
    return picture


def _save(path, image, **options):
    path = files.checked_path("path", path, "the name of a file, e.g. 'grid.png'")
    format_ = Image.registered_extensions().get(path.suffix.lower())
    if format_ not in Image.SAVE:
        raise invalid("path", "a name that ends as an image does, such as .png", path)
    with files.replacing(path) as temporary:
        image.save(temporary, format=format_, **options)
