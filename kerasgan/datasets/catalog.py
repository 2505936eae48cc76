"""`read` and `load`: which reader a name or a path goes to."""

import difflib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerasgan.datasets import arrays, folder, pipeline, synthetic, tfds
from kerasgan.datasets.resizing import fit_images
from kerasgan.datasets.source import Source, check_image_options, check_only_split, check_points, checked_size
from kerasgan.errors import DataError, DataTypeError, checked_range, invalid

_POINTS: dict[str, Callable] = {"ring": synthetic.ring, "grid": synthetic.grid, "swiss_roll": synthetic.swiss_roll}
NAMES = ("digits", *_POINTS, "stacked_mnist")


def read(
    name_or_path: str | os.PathLike,
    *,
    split: str = "train",
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    data_dir: str | os.PathLike | None = None,
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
    fit: str = "crop",
) -> Source:
    """Reads a whole dataset into memory.

    Looks for a built-in name first, then for a path, then for a name of TensorFlow Datasets.

    Args:
        name_or_path: `"digits"` (8x8, needs no network), `"ring"`, `"grid"`, `"swiss_roll"` (points),
            `"stacked_mnist"`; a folder of images, searched recursively, whose sub-folders are the classes; an `.npz`
            file; or a name of TensorFlow Datasets such as `"mnist"`, `"cifar10"` or `"name/config"`, which is
            downloaded if needed.
        split: `"train"`, `"test"`, or what TensorFlow Datasets understands, such as `"train[:10%]"`.
        image_size: Size in pixels that all images are resized to, with antialiasing: the side of a square, or
            `(height, width)`. Defaults to the size of the images if all are one square of at most 128 pixels, else to
            64; images of an `.npz` file keep their size.
        channels: 1 or 3. Defaults to those of the images; a folder is grey if every file is.
        data_dir: Where TensorFlow Datasets keeps its data. Defaults to its own default.
        on_bad_file: `"raise"`, or `"skip"` to leave out image files that cannot be read, and note it.
        value_range: For a folder or an `.npz` file, the values `(low, high)` that become black and white. Defaults to
            [0, 255] for 8-bit images. Deeper images and floats share one range, chosen from the values of all of them
            and noted: the narrowest of [0, 1], [-1, 1] and [0, 2**bits - 1] that holds them, or from the lowest to the
            highest if they fill less than half of that.
        keep_depth: Whether images of a folder or an `.npz` file become float32 in [-1, 1] with all their levels
            instead of 256 levels.
        fit: What is done to images of other proportions than `image_size`: `"crop"` cuts off what is too long, alike
            on both sides; `"pad"` adds black bars; `"resize"` stretches them.

    Raises:
        DataError: There is no such dataset, or it cannot be trained on.
    """
    check_image_options(fit, channels)
    if on_bad_file not in ("raise", "skip"):
        raise invalid("on_bad_file", "'raise' or 'skip'", f"on_bad_file={on_bad_file!r}")
    name = _checked_name(name_or_path)
    options: dict[str, Any] = {"split": split, "size": checked_size(image_size), "channels": channels, "fit": fit}
    path = _existing_path(name)
    if path is None:
        _check_bytes(name, value_range, keep_depth)
        if name in NAMES:
            return _built_in(name, data_dir=data_dir, **options)
        return tfds.read(_tfds_builder(name, data_dir), **options)
    if value_range is not None:
        value_range = checked_range("value_range", value_range)
    options |= {"value_range": value_range, "keep_depth": keep_depth}
    return folder.read(path, on_bad_file=on_bad_file, **options) if path.is_dir() else arrays.read(path, **options)


def load(
    name_or_path: str | os.PathLike,
    batch_size: int = 64,
    *,
    labels: bool = False,
    split: str = "train",
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    flip: bool = False,
    dequantize: bool = False,
    data_dir: str | os.PathLike | None = None,
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
    fit: str = "crop",
) -> tf.data.Dataset:
    """One epoch of a dataset, ready for `fit`: float32 images in [-1, 1], in batches of one static shape.

    Datasets of at most 2 GiB (folders: 8 GiB) are held in memory; larger ones of TensorFlow Datasets are streamed.
    The last `n % batch_size` examples of an epoch are left out, different ones each time. Points are not rescaled.

    Args:
        name_or_path, split, image_size, channels, data_dir, on_bad_file, value_range, keep_depth, fit: See `read`.
        batch_size: Examples per batch. Defaults to `64`.
        labels: Whether elements are `(images, labels)`, labels int32, instead of images.
        seed, shuffle, flip, dequantize: See `from_arrays`.

    Returns: A finite `tf.data.Dataset` of known cardinality, in a new order at each iteration.

    Raises:
        DataError: As `read` does; or labels are wanted and there are none; or there is not one full batch.

    Example:
        >>> load("digits", 32).element_spec.shape
        TensorShape([32, 8, 8, 1])
    """
    name = _checked_name(name_or_path)
    size: dict[str, Any] = {"size": checked_size(image_size), "channels": channels, "fit": fit}
    batching: dict[str, Any] = {"seed": seed, "shuffle": shuffle, "flip": flip, "dequantize": dequantize}
    check_image_options(fit, channels)
    if name not in NAMES and _existing_path(name) is None:
        _check_bytes(name, value_range, keep_depth)
        builder = _tfds_builder(name, data_dir)
        tfds.prepare(builder, split)
        if not tfds.fits_in_memory(builder, split, size["size"], channels):
            _check_labels(labels, name, tfds.class_names(builder) is not None)
            return tfds.stream(builder, split, batch_size=batch_size, labels=labels, **size, **batching)
    files: dict[str, Any] = {"on_bad_file": on_bad_file, "value_range": value_range, "keep_depth": keep_depth}
    source = read(name, split=split, image_size=image_size, channels=channels, data_dir=data_dir, fit=fit, **files)
    _check_labels(labels, name, source.labels is not None, source.notes)
    return pipeline.from_arrays(source.images, source.labels if labels else None, batch_size, **batching)


def _check_labels(wanted, name, there, notes=()):
    if wanted and not there:
        expected = f"False, because {name!r} has no labels; or put each class in a sub-folder of its own"
        reasons = [note for note in notes if note.startswith(folder.NO_CLASSES)]
        expected += f" ({reasons[0]})" if reasons else ""
        raise invalid("labels", expected, "labels=True", DataError)


def _built_in(name, *, split, size, channels, fit, data_dir):
    if name != "stacked_mnist":
        check_only_split(name, split)
    if name in _POINTS:
        check_points(name, size, channels, fit)
        return Source(name, *_POINTS[name]())
    if name == "digits":
        images, labels = _digits()
        class_names = tuple("0123456789")
    else:
        images, labels = synthetic.stacked_mnist(split=split, data_dir=data_dir)
        class_names = tuple(f"{k:03d}" for k in range(1000))
    images, notes = fit_images(images, size, channels, fit)
    return Source(name, images, labels, class_names, notes)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships.

    Reference: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    import sklearn.datasets

    bunch = sklearn.datasets.load_digits()
    # The 17 levels 0..16 spread over 0..255.
    return np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None], bunch.target.astype(np.int32)


def _check_bytes(name: str, value_range: tuple[float, float] | None, keep_depth: bool) -> None:
    """Refuses the options of deeper images for datasets of 8 bits."""
    for argument, value in (("value_range", value_range), ("keep_depth", keep_depth or None)):
        if value is not None:
            expected = f"to be left out for {name!r}, whose pixels have 8 bits: it is for folders and `.npz` files"
            raise invalid(argument, expected, f"{argument}={value!r}")


def _tfds_builder(name: str, data_dir: str | os.PathLike | None) -> tfds.Builder:
    """The builder of TensorFlow Datasets for a name that is neither built in nor a path."""
    builder = tfds.find(name, data_dir)
    if builder is None:
        close = difflib.get_close_matches(name, [*NAMES, *tfds.names()], n=3)
        meant = f". Did you mean {' or '.join(map(repr, close))}?" if close else ""
        expected = (
            f"one of {', '.join(NAMES)}, the path of a folder of images or of an `.npz` file, or the name of a "
            "TensorFlow dataset, such as 'mnist' or 'cifar10'"
        )
        raise invalid("name_or_path", expected, f"{name!r}{meant}", DataError)
    return builder


def _checked_name(name_or_path: Any) -> str:
    if not isinstance(name_or_path, str | os.PathLike):
        expected = "one name or path; for a list of files, the folder that they are in"
        raise invalid("name_or_path", expected, f"{type(name_or_path).__name__} {name_or_path!r:.80}", DataTypeError)
    if not os.fspath(name_or_path):
        raise invalid("name_or_path", "a name or a path; '.' is the current directory", "''", DataError)
    return os.fspath(name_or_path)


def _existing_path(name: str) -> pathlib.Path | None:
    """The path of that name; None if it may be the name of a dataset. Refuses a path that does not exist."""
    path = pathlib.Path(name).expanduser()
    if name in NAMES:
        return None
    if path.exists():
        return path
    is_path = name.startswith((".", "~", os.sep)) or name.count(os.sep) > 1 or "\\" in name
    if is_path or path.suffix in (".npz", ".npy", ".zip"):
        received = f"no such file or folder: {name!r} (from {os.getcwd()})"
        fix = "write '/' between folders, as in 'me/photos'" if "\\" in name and os.sep == "/" else "check it"
        raise invalid("name_or_path", f"a path that exists; {fix}", received, DataError)
    return None
