"""TensorFlow Datasets: read into memory while they fit, streamed otherwise."""

import math
import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from kerasgan.datasets import pipeline, reachability
from kerasgan.datasets.resizing import DEFAULT_IMAGE_SIZE, Size, default_size, described
from kerasgan.datasets.source import Source
from kerasgan.errors import DataError, invalid

# `tensorflow_datasets.core.DatasetBuilder`, which is slow to import.
Builder = Any
# What is read into memory, after resizing.
MEMORY_LIMIT = 2 * 1024**3
# A stream is shuffled within a buffer of this many examples or bytes, whichever is less.
SHUFFLE_BUFFER = 10_000
SHUFFLE_BUFFER_BYTES = 512 * 1024**2


def find(name: str, data_dir: str | os.PathLike | None) -> Builder | None:
    """The builder of that name, or None if there is none."""
    import tensorflow_datasets

    try:
        return tensorflow_datasets.builder(name, data_dir=data_dir)
    except tensorflow_datasets.core.DatasetNotFoundError:
        return None
    except (ValueError, KeyError) as error:  # a configuration or a version that the dataset does not have
        expected = "a name that TensorFlow Datasets has: check the part after the `/` or `:`"
        raise invalid("name_or_path", expected, f"{name!r} ({error})", DataError) from error


def names() -> list[str]:
    """Names of all datasets that the installed TensorFlow Datasets knows."""
    import tensorflow_datasets

    return tensorflow_datasets.list_builders(with_community_datasets=False)


def prepare(builder: Builder, split: str) -> None:
    """Checks that a dataset holds images, downloads it if needed, and checks that it has that split."""
    image = _feature(builder, "image")
    if image is None or image.np_dtype != np.uint8 or len(image.shape) != 3 or image.shape[-1] not in (1, 3, 4):
        expected = (
            "a dataset with a feature `image` of uint8 images; choose another, or save its images as an `.npz` file"
        )
        features = " ".join(str(builder.info.features).split())[:300]
        raise invalid("name_or_path", expected, f"{builder.name!r} with {features}", DataError)
    if not builder.is_prepared():
        _download(builder)
    try:
        _num_examples(builder, split)
    except (KeyError, ValueError) as error:
        expected = f"one of {', '.join(builder.info.splits)}, the splits of {builder.name!r}"
        raise invalid("split", expected, f"split={split!r}", DataError) from error


def _download(builder):
    try:
        _check_network(builder)
        builder.download_and_prepare()
    except Exception as error:  # whatever a download, an archive or a generator can raise
        expected = (
            f"a dataset that is prepared in {builder.data_dir} or can be downloaded. Prepare it where there is a "
            f"network, as with `tfds build {builder.name}`, and pass that folder as `data_dir` or TFDS_DATA_DIR; or "
            "use 'digits' or a folder of images, which need no network"
        )
        received = f"{builder.name!r} ({type(error).__name__}: {str(error)[:200]})"
        raise invalid("name_or_path", expected, received, DataError) from error


def _check_network(builder):
    """Raises a ConnectionError where no host of the data answers: TensorFlow Datasets would retry for minutes."""
    urls = builder.url_infos or {}
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS or _has_downloaded(builder, urls):
        return
    reasons = reachability.unreachable(urls)
    if reasons:
        hosts = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
        raise ConnectionError(f"it is not on disk, and no host of its files can be reached: {hosts}")


def _has_downloaded(builder, urls):
    """Whether one of the files of these URLs is among the downloads, which note theirs."""
    depth = len(pathlib.PurePath(builder.info.full_name).parts)
    downloads = pathlib.Path(builder.data_dir).parents[depth - 1] / "downloads"
    notes = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in [*downloads.glob("*.INFO"), *downloads.glob("*/*.INFO")]
    ]
    return any(url in note for note in notes for url in urls)


def read(
    builder: Builder, *, split: str, size: Size | None = None, channels: int | None = None, fit: str = "crop"
) -> Source:
    """Reads a split into memory: its features `image` and, if there is one, `label`."""
    prepare(builder, split)
    shape, count = _target_shape(builder, size, channels), _num_examples(builder, split)
    if not fits_in_memory(builder, split, size, channels):
        needed = count * math.prod(shape) / 1024**3
        expected = (
            f"a dataset of at most {MEMORY_LIMIT / 1024**3:g} GiB: stream it with `load`, or use a smaller `image_size`"
        )
        received = f"{builder.name!r}, {needed:.1f} GiB as {count} images of shape {shape}"
        raise invalid("name_or_path", expected, received, DataError)
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int32)
    start = 0
    batches = pipeline.untuned(_examples(builder, split, shape, fit, labels=True).batch(256).prefetch(2))
    for batch in batches.as_numpy_iterator():
        stop = start + len(batch[0])
        images[start:stop] = batch[0]
        if len(batch) > 1:
            labels[start:stop] = batch[1]
        start = stop
    names = class_names(builder)
    native = builder.info.features["image"].shape
    how = described(native[:2], shape[:2], fit)
    notes = () if native == shape else (f"shape: {native} -> {shape} ({how})",)
    return Source(builder.info.full_name, images, labels if names else None, names, notes)


def stream(
    builder: Builder,
    split: str,
    size: Size | None,
    channels: int | None,
    fit: str,
    batch_size: int,
    *,
    labels: bool,
    seed: int,
    shuffle: bool,
    flip: bool,
    dequantize: bool,
) -> tf.data.Dataset:
    """What `load` gives, decoded on the way instead of held in memory, and shuffled within a buffer.

    Files are read in their order: TensorFlow Datasets shuffled most datasets when it wrote them, and a checkpoint
    keeps the order of the buffer but not that of files.
    """
    pipeline.check_flags(shuffle=shuffle, flip=flip, dequantize=dequantize)
    shape, count = _target_shape(builder, size, channels), _num_examples(builder, split)
    batch_size = pipeline.checked_batch_size(batch_size, count)
    examples = _examples(builder, split, shape, fit, labels=labels).prefetch(batch_size)
    if shuffle:
        buffer = max(1, min(SHUFFLE_BUFFER, SHUFFLE_BUFFER_BYTES // math.prod(shape)))
        examples = examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
    batches = examples.batch(batch_size, drop_remainder=True)
    batches = batches.apply(tf.data.experimental.assert_cardinality(count // batch_size))

    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    seeds = numbers.batch(2, drop_remainder=True).batch(2, drop_remainder=True)  # two, for flips and for noise

    # Nothing runs ahead after the shuffle (see `pipeline`); decoding does, before it.
    def finish(batch, seeds):
        return pipeline.finish_batch(batch, seeds, flip, dequantize)

    return pipeline.with_options(tf.data.Dataset.zip(batches, seeds).map(finish))


def fits_in_memory(builder: Builder, split: str, size: Size | None, channels: int | None) -> bool:
    return _num_examples(builder, split) * math.prod(_target_shape(builder, size, channels)) <= MEMORY_LIMIT


def _num_examples(builder: Builder, split: str) -> int:
    return builder.info.splits[split].num_examples


def _feature(builder, key):
    """A feature of the examples; None without it, or if examples are not dictionaries."""
    features = builder.info.features
    return features[key] if hasattr(features, "keys") and key in features else None


def class_names(builder: Builder) -> tuple[str, ...] | None:
    """The names of its classes, without which there are no labels."""
    label = _feature(builder, "label")
    return tuple(label.names) if hasattr(label, "names") else None  # only a ClassLabel has them


def _target_shape(builder: Builder, size: Size | None, channels: int | None) -> tuple[int, int, int]:
    height, width, native = builder.info.features["image"].shape
    if size is None:
        size = (DEFAULT_IMAGE_SIZE,) * 2 if None in (height, width) else default_size({(height, width)})
    return *size, channels or (3 if native == 4 else native)


def _examples(builder: Builder, split: str, shape: tuple[int, int, int], fit: str, *, labels: bool) -> tf.data.Dataset:
    """uint8 images of one shape, one by one: `(image,)`, or `(image, label)` if wanted and there."""
    import tensorflow_datasets

    keys = ["image", "label"] if labels and class_names(builder) else ["image"]
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # 4.9.10 warns of its own deprecated calls
    try:
        dataset = builder.as_dataset(
            split=split,
            decoders=tensorflow_datasets.decode.PartialDecoding(dict.fromkeys(keys, True)),
            read_config=tensorflow_datasets.ReadConfig(try_autocache=False),
        )
    finally:
        logging.set_verbosity(verbosity)

    def finish(example):
        return (_fit(example["image"], shape, fit), *(tf.cast(example[key], tf.int32) for key in keys[1:]))

    return dataset.map(finish, num_parallel_calls=tf.data.AUTOTUNE)


def _fit(image: tf.Tensor, shape: tuple[int, int, int], fit: str = "crop") -> tf.Tensor:
    """Channels, proportions and antialiased resize of one uint8 image, as `resizing.fit_image` does with Pillow."""
    image = _convert_channels(image, shape[-1])
    if image.shape[:2] == shape[:2]:
        return image
    own = tf.shape(image)[0], tf.shape(image)[1]
    if fit == "crop":
        height, width = _within(own, shape[:2])
        image = tf.image.crop_to_bounding_box(image, (own[0] - height) // 2, (own[1] - width) // 2, height, width)
    height, width = _within(shape[:2], own) if fit == "pad" else shape[:2]
    resized = tf.image.resize(image, (height, width), "lanczos3", antialias=True)
    image = tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
    if fit == "pad":
        image = tf.image.pad_to_bounding_box(image, (shape[0] - height) // 2, (shape[1] - width) // 2, *shape[:2])
    return tf.ensure_shape(image, shape)


def _within(size, proportions):
    """`resizing.within` of tensors."""
    (height, width), (rows, columns) = size, proportions
    narrower = tf.maximum(1, (2 * height * columns + rows) // (2 * rows))
    lower = tf.maximum(1, (2 * width * rows + columns) // (2 * columns))
    tall = height * columns > width * rows
    return tf.where(tall, lower, height), tf.where(tall, width, narrower)


def _convert_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    if image.shape[-1] == 4:
        # On white, like transparent files in a folder.
        alpha = tf.cast(image[..., 3:], tf.float32) / 255.0
        image = tf.cast(tf.round(tf.cast(image[..., :3], tf.float32) * alpha + 255.0 * (1.0 - alpha)), tf.uint8)
    if image.shape[-1] == channels:
        return image
    return tf.image.grayscale_to_rgb(image) if channels == 3 else tf.image.rgb_to_grayscale(image)
