"""Numbers of images as the bytes that are shown and saved."""

import typing
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import DataTypeError, NonFiniteError, checked_range, invalid, warn


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


def warn_of_clipping(images: ArrayLike, value_range: tuple[float, float]) -> None:
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


def warn_of_unit_range(images: np.ndarray, value_range: tuple[float, float]) -> None:
    """Warns if all pixels are floats in [0, 1], and the range is the default."""
    floats = images.dtype.kind == "f" or images.dtype.name == "bfloat16"
    if not (floats and images.ndim == 4 and images.size and checked_range("value_range", value_range) == (-1, 1)):
        return
    if 0 <= images.min() < images.max() <= 1:
        warn("All pixels are in [0, 1]: if the generator makes such images, pass `value_range=(0, 1)`.")


def look_channels_first(shape: Sequence[typing.Any]) -> bool:
    """Whether images of that shape, without the batch axis, are probably `(channels, height, width)`, as in PyTorch."""
    return len(shape) == 3 and None not in shape and shape[0] in (1, 3, 4) and shape[1] == shape[2] > 4


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
