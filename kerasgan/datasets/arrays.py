"""Images and labels from an `.npz` file."""

import pathlib
import zipfile

import numpy as np

from kerasgan import archives
from kerasgan.datasets.advice import Form, check_finite, checked_labels
from kerasgan.datasets.resizing import MEMORY_LIMIT, fit_images
from kerasgan.datasets.scaling import clipped_share, described, finished, to_levels, usual_range, warn_of_clipping
from kerasgan.datasets.source import Source, points_only
from kerasgan.errors import DataError, DataTypeError

_IMAGE_KEYS = ("images", "x", "x_train", "x_test")
_BLOCK_BYTES = 64 * 1024**2


def read(
    path: pathlib.Path,
    *,
    split: str,
    image_size: int | None,
    channels: int | None,
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> Source:
    """Read an `.npz` file as `numpy.savez` writes it.

    Images are the array `images`, `x` or `x_train` (`x_test` for split="test"), or the only array there is; labels
    are `labels`, `y` or `y_train` (`y_test`), if any. `(n, height, width)` gets a channel axis. Float arrays of rank
    2 are points and stay as they are. Images of uint8 stay as they are, too; those of any other numbers are scaled by
    the values of all images of the file, of every split (see `scaling.usual_range`), or by `value_range`.

    Raises:
        DataError: If the file is damaged, or holds no such array.
        DataTypeError: If the array does not hold numbers.
    """
    arrays = _arrays(path)
    images, labels = _pick(path, arrays, split)
    if np.issubdtype(images.dtype, np.floating) and images.ndim == 2:
        check_finite(images, Form(images="images"))
        points_only(str(path), image_size, channels)
        return Source(str(path), images.astype(np.float32), labels)
    others = [arrays[key] for key in _IMAGE_KEYS if key in arrays and arrays[key].dtype == images.dtype]
    images, notes = _scaled(path, images, others, value_range, keep_depth)
    images, more = fit_images(_as_nhwc(path, images), image_size, channels)
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
    form = Form("images", "labels", labelled=True)
    return images, checked_labels(labels, len(images), form, argument=f"labels in {str(path)!r}")


def _scaled(path, images, others, value_range, keep_depth) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of any kind -> uint8, or float32 where the depth is kept, and a note that says by which range."""
    if images.dtype.kind not in "buif":
        raise DataTypeError(
            f"Invalid images in {str(path)!r}. Expected integers or floats; save them as such. "
            f"Received: dtype={images.dtype}"
        )
    if images.dtype.kind == "f":
        check_finite(images, Form(images="images"))
    range_, note = value_range, ()
    if images.dtype == np.uint8:
        range_ = value_range or (0, 255)
    elif range_ is None:
        filled = [array for array in (images, *others) if array.size]
        ends = min(float(array.min()) for array in filled), max(float(array.max()) for array in filled)
        range_ = usual_range(*ends)
    if images.dtype != np.uint8 or value_range is not None:
        low, high = images.min(), images.max()
        note = (f"{images.dtype} from {low:g} to {high:g}, scaled by {described(range_, keep_depth)}",)
        if images.dtype == np.uint8:
            warn_of_clipping([clipped_share(images, value_range)], value_range)
        images = np.concatenate([to_levels(part, range_) for part in np.array_split(images, _parts(images))])
    return finished(images, keep_depth), note


def _parts(images) -> int:
    """So many that the float64 of one of them stays small."""
    return min(len(images), 1 + images.size * 8 // _BLOCK_BYTES)


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
