"""Images and labels from an `.npz` file."""

import pathlib
import zipfile

import numpy as np

from kerasgan import archives
from kerasgan.datasets.advice import Form, check_finite, checked_labels
from kerasgan.datasets.resizing import MEMORY_LIMIT, Size, fit_images
from kerasgan.datasets.scaling import (
    REDUCED,
    clipped_share,
    described,
    finished,
    to_levels,
    usual_range,
    warn_of_clipping,
)
from kerasgan.datasets.source import Source, check_points
from kerasgan.errors import DataError, DataTypeError, invalid

_IMAGE_KEYS = ("images", "x", "x_train", "x_test")
# Up to so many rows of images with as many channels as columns are rather channels of square images.
_MOST_CHANNELS_FIRST = 16
# The float64 of this much is held at a time.
_BLOCK_BYTES = 64 * 1024**2


def read(
    path: pathlib.Path,
    *,
    split: str,
    size: Size | None,
    channels: int | None,
    fit: str = "crop",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> Source:
    """Reads an `.npz` file as `numpy.savez` writes it.

    Images are the array `images`, `x` or `x_train` (`x_test` for split="test"), or the only array there is; labels
    are `labels`, `y` or `y_train` (`y_test`), if any. `(n, height, width)` gets a channel axis. Float arrays of rank
    2 are points and, like uint8 images, stay as they are. Other numbers are scaled by the values of all images in the
    file, of every split (see `scaling.usual_range`), or by `value_range`.

    Raises:
        DataError: The file is damaged, or has no such array.
        DataTypeError: The array does not hold numbers.
    """
    arrays = _arrays(path)
    images, labels = _pick(path, arrays, split)
    if images.dtype.kind not in "buif":
        _refuse("integers or floats; save them as such", path, f"dtype={images.dtype}", DataTypeError)
    if images.dtype.kind == "f":
        check_finite(images, Form(images="images"))
        if images.ndim == 2:
            check_points(str(path), size, channels, fit, value_range, keep_depth)
            return Source(str(path), images.astype(np.float32), labels, None, _notes_of_others(arrays))
    others = {key: arrays[key] for key in _IMAGE_KEYS if key in arrays and arrays[key].dtype == images.dtype}
    if value_range is None and images.dtype.kind == "f":  # then their range counts, too, in which NaN has no part
        for key, array in others.items():
            if np.isinf(array).any():
                check_finite(array, Form(images=key))
    images, notes = _scaled(images, list(others.values()), value_range, keep_depth)
    images, more = fit_images(_as_nhwc(path, images), size, channels, fit)
    notes = (*notes, *more, *_channel_notes(images.shape[-1]), *_notes_of_others(arrays))
    return Source(str(path), images, labels, None, notes)


def _refuse(expected, path, received, kind=DataError):
    raise invalid("name_or_path", expected, f"{received} in {str(path)!r}", kind)


def _arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() != ".npz":
        raise invalid("name_or_path", "a folder that holds the images, or an `.npz` file", repr(str(path)), DataError)
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
        expected = "a file that can be read; write it again with `numpy.savez`"
        raise invalid("name_or_path", expected, f"{str(path)!r} ({error})", DataError) from error


def _pick(path: pathlib.Path, arrays: dict[str, np.ndarray], split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Images, and labels if there are any."""
    plain = split == "train"
    image_keys = (*(("images", "x") if plain else ()), f"x_{split}")
    label_keys = (*(("labels", "y") if plain else ()), f"y_{split}")
    found = [key for key in image_keys if key in arrays]
    if not found and plain and len(arrays) == 1:
        found = list(arrays)
    if not found:
        expected = f"an array of images named one of {', '.join(image_keys)} for split={split!r}; rename it"
        _refuse(expected, path, ", ".join(arrays) or "no array")
    images = arrays[found[0]]
    if not images.size:
        _refuse("at least one image with pixels", path, f"shape {images.shape}")
    labels = next((arrays[key] for key in label_keys if key in arrays), None)
    if labels is None:
        return images, None
    form = Form("images", "labels", labelled=True)
    return images, checked_labels(labels, len(images), form, argument=f"labels in {str(path)!r}")


def _scaled(images, others, value_range, keep_depth):
    """Numbers of any type -> uint8, or float32 with `keep_depth`, and a note about the range used."""
    if images.dtype == np.uint8 and value_range is None:
        return finished(images, keep_depth), ()
    if value_range is None:
        filled = [array for array in (images, *others) if array.size]
        ends = min(float(array.min()) for array in filled), max(float(array.max()) for array in filled)
        value_range = usual_range(*ends)
    elif images.dtype == np.uint8:
        warn_of_clipping([clipped_share(images, value_range)], value_range)
    note = f"{images.dtype} from {images.min():g} to {images.max():g}, scaled by {described(value_range, keep_depth)}"
    if images.dtype.itemsize > 1 and not keep_depth:
        note += f" ({REDUCED})"
    parts = min(len(images), 1 + images.size * 8 // _BLOCK_BYTES)
    levels = np.concatenate([to_levels(part, value_range) for part in np.array_split(images, parts)])
    return finished(levels, keep_depth), (note,)


def _channel_notes(channels):
    """What pictures show of images that are neither grey nor colour."""
    if channels in (1, 3):
        return ()
    return (f"{channels} channels, all learned; pictures show the first{' 3' if channels > 3 else ''}",)


def _notes_of_others(arrays):
    """Which arrays are neither images nor labels of any split."""
    names = [key for key in arrays if key.partition("_")[0] not in ("images", "labels", "x", "y")]
    return (f"arrays of other names, ignored: {', '.join(names)}",) if names and len(arrays) > 1 else ()


def _as_nhwc(path: pathlib.Path, images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4:
        _refuse("images (n, height, width, channels); reshape them", path, f"shape {images.shape}")
    height, width, third, last = images.shape
    if third in (1, 3) and height == width > 4 and last > 4:  # as MATLAB has them
        expected = "images along the first axis; these seem to be along the last: save `images.transpose(3, 0, 1, 2)`"
        _refuse(expected, path, f"shape {images.shape}")
    _, first, *sides = images.shape
    if (first in (1, 3) and sides[1] > 4) or first <= _MOST_CHANNELS_FIRST < sides[0] == sides[1]:
        expected = "channels last; these look like channels first: save `images.transpose(0, 2, 3, 1)`"
        _refuse(expected, path, f"shape {images.shape}")
    return images
