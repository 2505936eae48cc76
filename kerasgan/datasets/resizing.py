"""Cropping, padding, antialiased resizing and channel conversion with Pillow."""

import math

import numpy as np
from PIL import Image

from kerasgan.errors import DataError, invalid

DEFAULT_IMAGE_SIZE = 64
# What is done to images of other proportions than those wanted, and how the notes say it.
FITS = {"crop": "centre cropped", "pad": "padded with black", "resize": "stretched"}
Size = tuple[int, int]  # height, width
# Images that all share one square size up to this one keep it by default.
LARGEST_KEPT_SIZE = 128
# ITU-R 601: what Pillow's convert("L") makes of red, green and blue.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MEMORY_LIMIT = 8 * 1024**3


def default_size(sizes: set[Size]) -> Size:
    """That of the images if all are one small square, else 64 x 64."""
    height, width = next(iter(sizes))
    same_square = len(sizes) == 1 and height == width
    side = height if same_square and height <= LARGEST_KEPT_SIZE else DEFAULT_IMAGE_SIZE
    return side, side


def within(size: Size, proportions: Size) -> Size:
    """The largest size within `size` that has the proportions of another, rounded to pixels, at least 1."""
    (height, width), (rows, columns) = size, proportions
    if height * columns > width * rows:
        return max(1, (2 * width * rows + columns) // (2 * columns)), width
    return height, max(1, (2 * height * columns + rows) // (2 * rows))


def fit_image(image: Image.Image, size: Size, fit: str = "crop", black: float = 0) -> Image.Image:
    """Brings an "L", "RGB" or "F" image to a size by Lanczos, whose support grows with the factor.

    Args:
        size: Height and width.
        fit: One of `FITS`, for an image of other proportions.
        black: The value that pads an "F" image.
    """
    rows, columns = size
    own = image.height, image.width
    if fit == "crop":
        height, width = within(own, size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    height, width = within(size, own) if fit == "pad" else size
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    if (height, width) == size:
        return image
    padded = Image.new(image.mode, (columns, rows), black if image.mode == "F" else 0)
    padded.paste(image, ((columns - width) // 2, (rows - height) // 2))
    return padded


def fit_images(
    images: np.ndarray, size: Size | None, channels: int | None, fit: str = "crop"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Brings images `(n, h, w, channels)` to a size and a number of channels; None leaves them as they are.

    Args:
        images: uint8, or float32 in [-1, 1].
        size, fit: As in `fit_image`.

    Returns: The images, and notes that say what was done.

    Raises:
        DataError: They would take more than 8 GiB, or the channels cannot be converted.
    """
    notes = []
    if size is not None:
        check_memory(len(images), size, channels or images.shape[-1], itemsize=images.itemsize)
    if channels is not None and images.shape[-1] != channels:
        notes.append(f"channels: {images.shape[-1]} -> {channels}")
        images = _convert_channels(images, channels)
    own = images.shape[1:3]
    if size is not None and own != size:
        notes.append(f"size: {shown(own)} -> {shown(size)} ({described(own, size, fit)})")
        images = np.stack([_resize(image, size, fit) for image in images])
    return images, tuple(notes)


def other_proportions(size: Size, wanted: Size) -> bool:
    """Whether something has to be cropped, padded or stretched."""
    return size[0] * wanted[1] != size[1] * wanted[0]


def described(size: tuple[int | None, int | None], wanted: Size, fit: str) -> str:
    """How images of a size, None for any, get to another, in the words of a note."""
    height, width = size
    alike = height is not None and width is not None and not other_proportions((height, width), wanted)
    return "Lanczos" if alike else f"{FITS[fit]}, Lanczos"


def as_argument(size: Size | None) -> int | Size | None:
    """A size as users give it: the side of a square."""
    return size[0] if size is not None and size[0] == size[1] else size


def shown(size: Size) -> str:
    """Height and width in the words of a note."""
    return f"{size[0]} x {size[1]}"


def check_memory(count: int, size: Size, channels: int, itemsize: int = 1) -> None:
    """Refuses images that would take more than 8 GiB."""
    needed = count * math.prod(size) * channels * itemsize
    if needed > MEMORY_LIMIT:
        largest = as_argument(_smaller(size, MEMORY_LIMIT // (count * channels * itemsize)))
        expected = f"an `image_size` of at most {largest}, because images may take {MEMORY_LIMIT / 1024**3:g} GiB"
        received = f"{count} images of {shown(size)} x {channels}, {needed / 1024**3:,.1f} GiB"
        raise invalid("image_size", expected, received, DataError)


def _smaller(size: Size, pixels: int) -> Size:
    """The largest size of the same proportions with at most so many pixels."""
    height, width = size
    return math.isqrt(pixels * height // width), math.isqrt(pixels * width // height)


def _convert_channels(images: np.ndarray, channels: int) -> np.ndarray:
    if images.shape[-1] not in (1, 3):
        received = f"channels={channels} for images of shape {images.shape}"
        expected = f"None, because only 1 and 3 channels can be converted; or save `images[..., :{channels}]`"
        raise invalid("channels", expected, received, DataError)
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    if images.dtype != np.uint8:
        return images @ LUMA[:, None]
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])[..., None]


def _resize(image: np.ndarray, size: Size, fit: str) -> np.ndarray:
    """Channel by channel, so that any number of channels will do."""
    planes = [fit_image(Image.fromarray(image[..., k]), size, fit, black=-1) for k in range(image.shape[-1])]
    resized = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    # Pillow clips Lanczos's overshoot in bytes, not in floats.
    return resized if image.dtype == np.uint8 else np.clip(resized, -1, 1)
