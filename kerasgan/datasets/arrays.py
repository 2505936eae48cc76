"""Images and labels from an `.npz` file."""

import pathlib
import zipfile

import numpy as np

from kerasgan import archives
from kerasgan.datasets.pipeline import check_finite, checked_labels
from kerasgan.datasets.resizing import MEMORY_LIMIT, fit_images
from kerasgan.datasets.source import Source, points_only
from kerasgan.errors import DataError, DataTypeError


def read(path: pathlib.Path, *, split: str, image_size: int | None, channels: int | None) -> Source:
    """Read an `.npz` file as `numpy.savez` writes it.

    Images are the array `images`, `x` or `x_train` (`x_test` for split="test"), or the only array there is; labels
    are `labels`, `y` or `y_train` (`y_test`), if any. `(n, height, width)` gets a channel axis. Float arrays of rank
    2 are points and stay as they are. Other float images become uint8, their range being told from their values:

        maximum above 1.5 -> [0, 255];  else minimum below 0 -> [-1, 1];  else [0, 1]

    Raises:
        DataError: If the file is damaged, holds no such array, or one with values outside of these ranges.
        DataTypeError: If the array does not hold numbers.
    """
    arrays = _arrays(path)
    images, labels = _pick(path, arrays, split)
    notes = []
    if np.issubdtype(images.dtype, np.floating):
        check_finite(images)
        if images.ndim == 2:
            points_only(str(path), image_size, channels)
            return Source(str(path), images.astype(np.float32), labels)
        images, note = _from_floats(path, images)
        notes.append(note)
    images = _as_nhwc(path, _as_uint8(path, images))
    images, more = fit_images(images, image_size, channels)
    return Source(str(path), images, labels, None, (*notes, *more))


def _arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() != ".npz":
        raise DataError(f"{str(path)!r} is neither a folder nor an `.npz` file; give the folder that holds the images.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                archives.header(archive, entry)
            size = sum(entry.file_size for entry in entries)
            if size > MEMORY_LIMIT:
                raise ValueError(f"it takes {size / 1024**3:.1f} GiB, more than {MEMORY_LIMIT / 1024**3:g}")
            return {entry.filename.removesuffix(".npy"): archives.read(archive, entry) for entry in entries}
    except archives.DAMAGED as error:
        raise DataError(f"Cannot read {str(path)!r}: {error}. Write it again with `numpy.savez`.") from error


def _pick(path: pathlib.Path, arrays: dict[str, np.ndarray], split: str) -> tuple[np.ndarray, np.ndarray | None]:
    plain = split == "train"
    image_keys = (*(("images", "x") if plain else ()), f"x_{split}")
    label_keys = (*(("labels", "y") if plain else ()), f"y_{split}")
    found = [key for key in image_keys if key in arrays]
    if not found and plain and len(arrays) == 1:
        found = list(arrays)
    if not found:
        raise DataError(
            f"No images in {str(path)!r} for split={split!r}. Expected an array named one of {', '.join(image_keys)}; "
            f"rename it. Received: {', '.join(arrays) or 'no array'}"
        )
    images = arrays[found[0]]
    if not images.size:
        raise DataError(f"No pixels in {str(path)!r}. Expected at least one image. Received: shape {images.shape}")
    labels = next((arrays[key] for key in label_keys if key in arrays), None)
    if labels is None:
        return images, None
    count = images.shape[:1]
    if not np.issubdtype(labels.dtype, np.integer) or not count or labels.shape not in (count, (*count, 1)):
        raise DataError(
            f"Invalid labels in {str(path)!r}. Expected integers of shape {count}, one for each image; "
            f"one-hot labels become that by `labels.argmax(-1)`. Received: {labels.dtype} of shape {labels.shape}"
        )
    return images, checked_labels(labels.reshape(-1), len(images))


def _from_floats(path: pathlib.Path, images: np.ndarray) -> tuple[np.ndarray, str]:
    """Floats -> uint8, and a note that says in which range they were taken to be."""
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if high > 1.5:
        range_, levels = (0, 255), images
    elif low < 0:
        range_, levels = (-1, 1), (images + 1.0) * 127.5
    else:
        range_, levels = (0, 1), images * 255.0
    # Half a grey level of slack, for what interpolation leaves.
    slack = 0.5 * (range_[1] - range_[0]) / 255
    if low < range_[0] - slack or high > range_[1] + slack:
        raise DataError(
            f"Float images in {str(path)!r} are in none of the ranges [0, 255], [-1, 1] and [0, 1]; "
            f"rescale them to one. Received: minimum {low:g}, maximum {high:g}"
        )
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8), f"floats taken as [{range_[0]}, {range_[1]}] -> uint8"


def _as_uint8(path: pathlib.Path, images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.integer):
        raise DataTypeError(
            f"Invalid images in {str(path)!r}. Expected uint8 or float numbers; save them as such. "
            f"Received: dtype={images.dtype}"
        )
    if images.size and (images.min() < 0 or images.max() > 255):
        raise DataError(
            f"Integer images in {str(path)!r} are outside of [0, 255]; rescale them to uint8. "
            f"Received: {images.dtype} from {images.min()} to {images.max()}"
        )
    return images.astype(np.uint8)


def _as_nhwc(path: pathlib.Path, images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4:
        raise DataError(
            f"Invalid images in {str(path)!r}. Expected (n, height, width, channels); reshape them. "
            f"Received: shape {images.shape}"
        )
    if images.shape[1] in (1, 3) and images.shape[3] > 4:
        raise DataError(
            f"Images in {str(path)!r} look like channels first; save `images.transpose(0, 2, 3, 1)`. "
            f"Received: shape {images.shape}"
        )
    return images
