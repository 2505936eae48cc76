"""Pictures for people: grids of images, scatter plots of points, contact sheets, GIFs.

A picture is a uint8 array `(height, width, channels)` of 1 or 3 channels. Files appear whole or not at all.
"""

import math
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from kerasgan import files
from kerasgan.errors import (
    DataError,
    DataTypeError,
    NonFiniteError,
    checked_integer,
    checked_number,
    checked_range,
    invalid,
    warn,
)

BACKGROUND = 236
PADDING = 4
SCATTER_SIZE = 512
# Smaller images are enlarged to at least this many pixels.
_CELL = 60
_INK = 40
_FONT_SIZE = 15
_MARGIN = 12
_MOST_COLUMNS = 16


def to_uint8(images: ArrayLike, value_range: tuple[float, float] = (-1.0, 1.0)) -> np.ndarray:
    """Returns floats as 0 to 255, rounded and clipped, NaN as 0; uint8 passes through.

    uint8 = clip(round((x - low) / (high - low) * 255), 0, 255)

    Args:
        images: Array, uint8 or floats.
        value_range: `(low, high)`, the floats that become black and white: `(0, 1)` for a generator that ends with a
            sigmoid. Defaults to `(-1, 1)`.

    Raises:
        DataTypeError: The images are neither uint8 nor floats.
        ValueError: `value_range` is not such a pair.
    """
    low, high = checked_range("value_range", value_range)
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if not (np.issubdtype(images.dtype, np.floating) or images.dtype.name == "bfloat16"):
        fix = "numbers"
        if images.dtype.kind in "iub" and images.size:
            from kerasgan.datasets.advice import Form, scaled  # TensorFlow is slow to import

            form = Form("images", array=images)
            fix = f"scale them with {scaled(form, images.min(), images.max(), images.dtype, rank=images.ndim)}"
        raise invalid("images", f"uint8, or floats in [-1, 1]: {fix}", f"dtype={images.dtype}", DataTypeError)
    levels = np.rint((images.astype(np.float32) - low) * (255.0 / (high - low)))
    return np.clip(np.nan_to_num(levels, nan=0.0), 0, 255).astype(np.uint8)


def _warn_of_clipping(images, value_range):
    """Warns if most pixels are outside of the range, or NaN."""
    low, high = value_range
    values = np.asarray(images, np.float32)
    slack = (high - low) / 255
    share = float(np.mean(~((values >= low - slack) & (values <= high + slack))))
    if share > 0.5:
        warn(
            f"{share:.0%} of the pixels are outside of value_range=({low:g}, {high:g}), or NaN, and are shown black or "
            "white: pass the range of the images.",
        )


def as_saved(images: ArrayLike) -> np.ndarray:
    """Returns `to_uint8` of images that are to be measured: NaN is an error here, not black.

    Raises:
        NonFiniteError: The images hold NaN or infinity.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        finite = np.isfinite(images.astype(np.float32)).all(axis=tuple(range(1, images.ndim)))
        if not finite.all():
            received = f"NaN or infinity in {(~finite).sum()} of {len(images)}, first in number {finite.argmin()}"
            expected = "finite numbers; the generator is broken, go back to a checkpoint"
            raise invalid("images", expected, received, NonFiniteError)
    return to_uint8(images)


def grid(
    images: ArrayLike,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> np.ndarray:
    """Returns images side by side, row by row, on a light background.

    Args:
        images: uint8, or floats in `value_range`, `(n, height, width, channels)`. With 2 channels the first is shown,
            with 4 or more the first three.
        columns: Images per row. Defaults to nearly a square, with few empty cells.
        padding: Pixels around each image. Defaults to `4`.
        scale: Integer factor of enlargement, without interpolation. Defaults to what makes each image 60 pixels or a
            little more; 1 for larger images.
        value_range: As in `to_uint8`.

    Raises:
        DataError: The array does not hold images, or is empty.
        DataTypeError: The images are neither uint8 nor floats.

    Example:
    >>> grid(np.zeros((10, 28, 28, 1))).shape
    (174, 432, 1)
    """
    images = np.asarray(images)
    if images.ndim != 4 or 0 in images.shape:
        advice = "points go to `picture`"
        if images.ndim == 3:
            one = images.shape[-1] in (1, 3, 4)
            advice = f"add the {'first' if one else 'channel'} axis with `images[{'None' if one else '..., None'}]`"
        expected = f"shape `(n, height, width, channels)` with n >= 1; {advice}"
        raise invalid("images", expected, f"shape={images.shape}", DataError)
    columns = None if columns is None else checked_integer("columns", columns)
    scale = None if scale is None else checked_integer("scale", scale)
    padding = checked_integer("padding", padding, 0)
    levels = to_uint8(images, value_range)
    if images.dtype != np.uint8:
        _warn_of_clipping(images, value_range)
    images = levels[..., : 3 if images.shape[-1] >= 3 else 1]
    scale = scale or math.ceil(_CELL / max(images.shape[1:3]))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width, channels = images.shape
    columns = min(columns or _columns(n), n)
    rows = math.ceil(n / columns)
    row, column = height + padding, width + padding
    picture = np.full((padding + rows * row, padding + columns * column, channels), BACKGROUND, np.uint8)
    for k, image in enumerate(images):
        top, left = padding + k // columns * row, padding + k % columns * column
        picture[top : top + height, left : left + width] = image
    return picture


def scatter(points: ArrayLike, real: ArrayLike | None = None) -> np.ndarray:
    """Returns a plot of generated points in colour over real ones in grey, uint8 `(512, 512, 3)`.

    Args:
        points: Float `(n, 2)`. Those that are not finite are left out.
        real: Float `(m, 2)`, or None. They set the view: with the same ones each time, plots can be compared.
    """
    # Here, not above: matplotlib is slow to import. The object API leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = _checked_points(points, "points")
    behind = None if real is None else _checked_points(real, "real")
    figure = Figure(figsize=(SCATTER_SIZE / 100, SCATTER_SIZE / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.07, 0.895, 0.9))
    if behind is not None:
        axes.scatter(behind[:, 0], behind[:, 1], s=6, color="0.65", linewidths=0, label="real")
    axes.scatter(shown[:, 0], shown[:, 1], s=6, color="#d1495b", alpha=0.6, linewidths=0, label="generated")
    centre, half = _view(shown if behind is None or not len(behind) else behind)
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8, color="0.6", labelcolor="0.3")
    axes.spines[:].set_color("0.8")
    if behind is not None:
        axes.legend(loc="upper right", fontsize=8, markerscale=2.5, framealpha=0.9, edgecolor="0.8")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def picture(
    examples: ArrayLike,
    real: ArrayLike | None = None,
    columns: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> np.ndarray:
    """Returns a picture of whatever a generator makes: a `grid` of images, or a `scatter` plot of points in the plane.

    Args:
        examples: Images `(n, height, width, channels)`, or points `(n, 2)`.
        real: Real points to draw behind; not used for images.
        columns, value_range: As in `grid`.
    """
    examples = np.asarray(examples)
    return scatter(examples, real) if examples.ndim == 2 else grid(examples, columns, value_range=value_range)


def columns_of(num_classes: int | None) -> int | None:
    """Returns the columns of a grid of classes in turn: one for each, or None if there are too many."""
    return num_classes if num_classes and num_classes <= _MOST_COLUMNS else None


def contact_sheet(frames: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Returns pictures one below the other, each with its caption: how samples change over a run.

    Args:
        frames: Pictures, uint8 `(height, width, 1 or 3)`, as from `grid` or `picture`.
        titles: A caption for each, such as `"step 1,000"`.
    """
    frames = _checked_frames(frames)
    if len(titles) != len(frames):
        raise invalid("titles", f"one for each of {len(frames)} frames", f"{len(titles)} titles", DataError)
    frames = [_captioned(frame, title) for frame, title in zip(frames, titles, strict=True)]
    width = max(frame.shape[1] for frame in frames)
    pad = lambda frame: ((0, 0), (0, width - frame.shape[1]), (0, 0))
    return np.concatenate([np.pad(frame, pad(frame), constant_values=BACKGROUND) for frame in frames])


def save_picture(path: str | os.PathLike, picture: np.ndarray, title: str | None = None) -> None:
    """Writes a picture in the format that the suffix names, with the title as a caption above."""
    (picture,) = _checked_frames([picture])
    _save(path, _to_pillow(picture if title is None else _captioned(picture, title)))


def save_grid(
    path: str | os.PathLike,
    images: ArrayLike,
    title: str | None = None,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> None:
    """Writes a `grid` of images; see there for the arguments."""
    save_picture(path, grid(images, columns, padding, scale, value_range), title)


def save_gif(path: str | os.PathLike, frames: Sequence[np.ndarray], duration: float = 0.2) -> None:
    """Writes an endless animation of pictures of one shape.

    Args:
        path: File name that ends in `.gif`.
        frames: Pictures, uint8 `(height, width, 1 or 3)`.
        duration: Seconds per frame. Defaults to `0.2`.
    """
    frames = _checked_frames(frames)
    if pathlib.Path(path).suffix.lower() != ".gif":
        raise invalid("path", "a name that ends in .gif", path)
    duration = checked_number("duration", duration, "[0.01, 600]", ", the seconds per frame")
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        raise invalid("frames", "pictures of one shape", shapes, DataError)
    first, *others = map(_to_pillow, frames)
    _save(path, first, save_all=True, append_images=others, duration=round(1000 * duration), loop=0)


def _columns(n):
    """The number of columns, from the side of a square up to 3:2, that leaves the fewest cells empty."""
    side = math.ceil(math.sqrt(n))
    return min(range(side, math.ceil(1.5 * side) + 1), key=lambda columns: -n % columns)


def _captioned(frame, title):
    """An RGB picture with a margin and a caption above, wide enough for both."""
    font = ImageFont.load_default(size=_FONT_SIZE)
    height, width = frame.shape[:2]
    text = round(font.getlength(title))
    head = _MARGIN + round(1.6 * _FONT_SIZE)
    canvas = Image.new("RGB", (2 * _MARGIN + max(width, text), head + height + _MARGIN), (BACKGROUND,) * 3)
    ImageDraw.Draw(canvas).text((_MARGIN + 2, _MARGIN - 2), title, fill=(_INK,) * 3, font=font)
    canvas.paste(_to_pillow(frame), (_MARGIN, head))
    return np.asarray(canvas)


def _view(points):
    """Centre and half width of a square with a margin of 25 % around the points."""
    if not len(points):
        return np.zeros(2), 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float(max(high - low) / 2 * 1.25) or 1.0


def _checked_points(points, argument):
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        expected = "points in the plane, shape `(n, 2)`; project others"
        raise invalid(argument, expected, f"shape={points.shape}", DataError)
    points = points.astype(np.float64)
    return points[np.isfinite(points).all(axis=1)]


def _checked_frames(frames):
    frames = [np.asarray(frame) for frame in frames]
    if not frames:
        raise invalid("frames", "at least one picture", "none", DataError)
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] not in (1, 3):
            expected = "a picture, uint8 (height, width, 1 or 3), as `grid` and `picture` return"
            raise invalid("picture", expected, f"{frame.dtype} of shape {frame.shape}", DataError)
    return frames


def _to_pillow(picture):
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _save(path, image, **options):
    path = pathlib.Path(path)
    format_ = Image.registered_extensions().get(path.suffix.lower())
    if format_ not in Image.SAVE:
        raise invalid("path", "a name that ends as an image does, such as .png", path)
    with files.replacing(path) as temporary:
        image.save(temporary, format=format_, **options)
