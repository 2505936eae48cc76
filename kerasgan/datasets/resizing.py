"""Cropping, antialiased resizing and channel conversion with Pillow."""

import math

import numpy as np
from PIL import Image

from kerasgan.errors import DataError, invalid

DEFAULT_IMAGE_SIZE = 64
# Images that all share one square size up to this one keep it by default.
LARGEST_KEPT_SIZE = 128
# ITU-R 601: what Pillow's convert("L") makes of red, green and blue.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MEMORY_LIMIT = 8 * 1024**3


def default_size(sizes: set[tuple[int, int]]) -> int:
    """The common side if all images are one small square, else 64."""
    height, width = next(iter(sizes))
    same_square = len(sizes) == 1 and height == width
    return height if same_square and height <= LARGEST_KEPT_SIZE else DEFAULT_IMAGE_SIZE


def crop_and_resize(image: Image.Image, size: int) -> Image.Image:
    """The centre square of an "L", "RGB" or "F" image, resized by Lanczos, whose support grows with the factor."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS)


def fit_images(images: np.ndarray, image_size: int | None, channels: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Brings images `(n, h, w, channels)` to a size and a number of channels; None leaves them as they are.

    Args:
        images: uint8, or float32 in [-1, 1].

    Returns: The images, and notes that say what was done.

    Raises:
        DataError: They would take more than 8 GiB, or the channels cannot be converted.
    """
    notes = []
    if image_size is not None:
        check_memory(len(images), image_size, channels or images.shape[-1], itemsize=images.itemsize)
    if channels is not None and images.shape[-1] != channels:
        notes.append(f"channels: {images.shape[-1]} -> {channels}")
        images = _convert_channels(images, channels)
    height, width = images.shape[1:3]
    if image_size is not None and (height, width) != (image_size, image_size):
        notes.append(f"size: {height} x {width} -> {image_size} x {image_size} (centre, Lanczos)")
        images = np.stack([_resize(image, image_size) for image in images])
    return images, tuple(notes)


def check_memory(count: int, size: int, channels: int, itemsize: int = 1) -> None:
    """Refuses images that would take more than 8 GiB."""
    needed = count * size * size * channels * itemsize
    if needed > MEMORY_LIMIT:
        largest = math.isqrt(MEMORY_LIMIT // (count * channels * itemsize))
        expected = f"an `image_size` of at most {largest}, because images may take {MEMORY_LIMIT / 1024**3:g} GiB"
        received = f"{count} images of {size} x {size} x {channels}, {needed / 1024**3:,.1f} GiB"
        raise invalid("image_size", expected, received, DataError)


def _convert_channels(images: np.ndarray, channels: int) -> np.ndarray:
    if images.shape[-1] not in (1, 3):
        received = f"channels={channels} for images of shape {images.shape}"
        raise invalid("channels", "None, because only 1 and 3 channels can be converted", received, DataError)
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    if images.dtype != np.uint8:
        return images @ LUMA[:, None]
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])[..., None]


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    """Channel by channel, so that any number of channels will do."""
    planes = [crop_and_resize(Image.fromarray(image[..., k]), size) for k in range(image.shape[-1])]
    resized = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    # Pillow clips Lanczos's overshoot in bytes, not in floats.
    return resized if image.dtype == np.uint8 else np.clip(resized, -1, 1)
