"""Which reader a name or a path goes to; the two functions most users need: `read` and `load`."""

import difflib
import os
import pathlib

import tensorflow as tf

from kerasgan.datasets import arrays, digits, folder, pipeline, synthetic, tfds
from kerasgan.datasets.source import Source, check_image_options
from kerasgan.errors import DataError, checked_range, invalid

# Each reader takes (name, split=, image_size=, channels=, data_dir=) and returns a Source.
BUILT_IN = {
    "digits": digits.read,
    "ring": synthetic.read_ring,
    "grid": synthetic.read_grid,
    "swiss_roll": synthetic.read_swiss_roll,
    "stacked_mnist": synthetic.read_stacked_mnist,
}
NAMES = tuple(BUILT_IN)


def read(
    name_or_path: str | os.PathLike,
    *,
    split: str = "train",
    image_size: int | None = None,
    channels: int | None = None,
    data_dir: str | os.PathLike | None = None,
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> Source:
    """Read a whole dataset into memory.

    Looked up in this order: a built-in name, a path that exists, a TensorFlow Datasets name.

    Args:
        name_or_path: `"digits"` (8x8, needs no network), `"ring"`, `"grid"`, `"swiss_roll"` (points),
            `"stacked_mnist"`; a folder of images, searched recursively, its sub-folders being the classes; an
            `.npz` file; or a TensorFlow Datasets name such as `"mnist"`, `"cifar10"` or `"name/config"`, which is
            downloaded where it is not prepared yet.
        split: `"train"`, `"test"`, or what TensorFlow Datasets understands, such as `"train[:10%]"`.
        image_size: Side of the square images in pixels: the centre is cropped, then resized with antialiasing.
            Defaults to the size the images have if it is one square of at most 128 pixels, else to 64; images of
            an `.npz` are left as they are.
        channels: 1 or 3. Defaults to what the images have; a folder is grey if every file is.
        data_dir: Where TensorFlow Datasets keeps its data. Defaults to its own default.
        on_bad_file: `"raise"`, or `"skip"` to leave out image files that cannot be read, and note it.
        value_range: Of a folder or an `.npz` file, the two values `(low, high)` that become black and white. By
            default all of 8 bits; for images of more bits and of floats one range for all of them, told from the
            values of all of them, and noted: the narrowest of [0, 1], [-1, 1] and [0, 2**bits - 1] that holds them,
            or from the lowest to the highest where they fill less than half of that.
        keep_depth: Whether images of a folder or an `.npz` file are kept as float32 in [-1, 1], with all their levels,
            instead of 256 of them.

    Returns: A `Source`.

    Raises:
        DataError: If there is no such dataset, or it holds something that cannot be trained on.
    """
    check_image_options(image_size, channels)
    if on_bad_file not in ("raise", "skip"):
        raise ValueError(
            f"Invalid value for argument `on_bad_file`. Expected 'raise' or 'skip'. Received: {on_bad_file=}"
        )
    name = os.fspath(name_or_path)
    options = {"split": split, "image_size": image_size, "channels": channels}
    path = None if name in BUILT_IN else _existing_path(name)
    if path is None:
        _check_files_only(name, value_range, keep_depth)
        if name in BUILT_IN:
            return BUILT_IN[name](name, data_dir=data_dir, **options)
        return tfds.read(_tfds_builder(name, data_dir), **options)
    if value_range is not None:
        value_range = checked_range("value_range", value_range)
    options |= {"value_range": value_range, "keep_depth": keep_depth}
    if path.is_dir():
        return folder.read(path, on_bad_file=on_bad_file, **options)
    return arrays.read(path, **options)


def load(
    name_or_path: str | os.PathLike,
    batch_size: int = 64,
    *,
    labels: bool = False,
    split: str = "train",
    image_size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    flip: bool = False,
    dequantize: bool = False,
    data_dir: str | os.PathLike | None = None,
    on_bad_file: str = "raise",
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> tf.data.Dataset:
    """One epoch of a dataset, ready for `fit`: float32 images in [-1, 1], in batches of one static shape.

    Sets of at most 2 GiB (folders: 8 GiB) are held in memory; larger ones of TensorFlow Datasets are streamed.
    The last `n % batch_size` examples of an epoch are left out, other ones each time. Points are not rescaled.

    Args:
        name_or_path, split, image_size, channels, data_dir, on_bad_file, value_range, keep_depth: See `read`.
        batch_size: Examples per batch. Defaults to `64`.
        labels: Whether elements are `(images, labels)`, labels int32, instead of images.
        seed, shuffle, flip, dequantize: See `from_arrays`.

    Returns: A finite `tf.data.Dataset` of known cardinality, in another order at each iteration.

    Raises:
        DataError: As `read` does; if labels are asked of a set that has none; if there is not one full batch.

    Example:
    >>> load("digits", 32).element_spec.shape
    TensorShape([32, 8, 8, 1])
    """
    name = os.fspath(name_or_path)
    batching = {"seed": seed, "shuffle": shuffle, "flip": flip, "dequantize": dequantize}
    check_image_options(image_size, channels)
    if name not in BUILT_IN and _existing_path(name) is None:
        _check_files_only(name, value_range, keep_depth)
        builder = _tfds_builder(name, data_dir)
        tfds.prepare(builder, split)
        if not tfds.fits_in_memory(builder, split, image_size, channels):
            return tfds.stream(builder, split, image_size, channels, batch_size, labels=labels, **batching)
    source = read(
        name,
        split=split,
        image_size=image_size,
        channels=channels,
        data_dir=data_dir,
        on_bad_file=on_bad_file,
        value_range=value_range,
        keep_depth=keep_depth,
    )
    if labels and source.labels is None:
        raise DataError(f"{name!r} has no labels; use labels=False, or put each class in a sub-folder of its own.")
    return pipeline.from_arrays(source.images, source.labels if labels else None, batch_size, **batching)


def _check_files_only(name: str, value_range, keep_depth: bool) -> None:
    """Refuse options of pixels that have other than 8 bits for sets that do not."""
    for argument, value in (("value_range", value_range), ("keep_depth", keep_depth or None)):
        if value is not None:
            expected = f"to be left out for {name!r}, whose pixels have 8 bits: it is for folders and `.npz` files"
            raise invalid(argument, expected, f"{argument}={value!r}")


def _tfds_builder(name: str, data_dir: str | os.PathLike | None):
    """The TensorFlow Datasets builder of that name; there is nothing else that an unknown name could be."""
    builder = tfds.find(name, data_dir)
    if builder is None:
        close = difflib.get_close_matches(name, [*NAMES, *tfds.names()], n=3)
        meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise DataError(
            f"Unknown dataset {name!r}.{meant} Expected one of {', '.join(NAMES)}, the path of a folder of images or "
            "of an `.npz` file, or the name of a TensorFlow dataset, such as 'mnist' or 'cifar10'."
        )
    return builder


def _existing_path(name: str) -> pathlib.Path | None:
    """The path of that name, or None if `name` may be a dataset's; a path that does not exist is an error."""
    path = pathlib.Path(name).expanduser()
    if path.exists():
        return path
    if name.startswith((".", "~", os.sep)) or name.count(os.sep) > 1 or path.suffix in (".npz", ".npy", ".zip"):
        raise DataError(f"No such file or folder: {name!r} (from {os.getcwd()}). Check the path.")
    return None
