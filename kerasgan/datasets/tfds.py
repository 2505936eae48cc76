"""TensorFlow Datasets: into memory while it fits, streamed where it does not."""

import math
import os

import numpy as np
import tensorflow as tf
from absl import logging

from kerasgan.datasets import pipeline
from kerasgan.datasets.resizing import DEFAULT_IMAGE_SIZE, default_size
from kerasgan.datasets.source import Source
from kerasgan.errors import DataError

# What is read into memory, after resizing.
MEMORY_LIMIT = 2 * 1024**3
# A stream is shuffled within a buffer of this many examples, or of so many bytes where that is less.
SHUFFLE_BUFFER = 10_000
SHUFFLE_BUFFER_BYTES = 512 * 1024**2


def find(name: str, data_dir: str | os.PathLike | None):
    """The builder of that name, or None if there is none."""
    import tensorflow_datasets

    try:
        return tensorflow_datasets.builder(name, data_dir=data_dir)
    except tensorflow_datasets.core.DatasetNotFoundError:
        return None
    except (ValueError, KeyError) as error:  # A configuration or a version that the dataset does not have.
        raise DataError(
            f"TensorFlow Datasets refuses {name!r}; check the part after the `/` or `:`. Received: {error}"
        ) from error


def names() -> list[str]:
    """Names of all datasets that the installed TensorFlow Datasets knows."""
    import tensorflow_datasets

    return tensorflow_datasets.list_builders(with_community_datasets=False)


def prepare(builder, split: str) -> None:
    """Check that a dataset holds images, download it unless it is there, and check that it has that split."""
    image = _feature(builder, "image")
    if image is None or image.np_dtype != np.uint8 or len(image.shape) != 3 or image.shape[-1] not in (1, 3, 4):
        raise DataError(
            f"{builder.name!r} has no feature `image` of uint8 images; choose another dataset, or save its images as "
            f"an `.npz` file. Received: {' '.join(str(builder.info.features).split())[:300]}"
        )
    if not builder.is_prepared():
        _download(builder)
    try:
        _num_examples(builder, split)
    except (KeyError, ValueError) as error:
        raise DataError(
            f"Invalid value for argument `split`. {builder.name!r} has {', '.join(builder.info.splits)}; use one of "
            f"them. Received: split={split!r}"
        ) from error


def _download(builder) -> None:
    try:
        builder.download_and_prepare()
    except Exception as error:  # Whatever a download, an archive or a generator can raise.
        raise DataError(
            f"{builder.name!r} is not prepared in {builder.data_dir} and cannot be downloaded "
            f"({type(error).__name__}: {str(error)[:200]}). Prepare it where there is a network, as with "
            f"`tfds build {builder.name}`, and pass that folder as `data_dir` or TFDS_DATA_DIR."
        ) from error


def read(builder, *, split: str, image_size: int | None = None, channels: int | None = None) -> Source:
    """Read a split into memory: its features `image` and, if there is one, `label`."""
    prepare(builder, split)
    shape = _target_shape(builder, image_size, channels)
    n = _num_examples(builder, split)
    if not fits_in_memory(builder, split, image_size, channels):
        raise DataError(
            f"{builder.name!r} takes {n * math.prod(shape) / 1024**3:.1f} GiB as {n} images of shape {shape}, more "
            f"than {MEMORY_LIMIT / 1024**3:g} GiB. Stream it with `load`, or use a smaller `image_size`."
        )
    images, labels = np.empty((n, *shape), np.uint8), np.empty(n, np.int32)
    start = 0
    batches = pipeline.untuned(_examples(builder, split, shape, labels=True).batch(256).prefetch(2))
    for batch in batches.as_numpy_iterator():
        stop = start + len(batch[0])
        images[start:stop] = batch[0]
        if len(batch) > 1:
            labels[start:stop] = batch[1]
        start = stop
    names = _class_names(builder)
    return Source(builder.info.full_name, images, labels if names else None, names, _notes(builder, shape))


def stream(
    builder,
    split: str,
    image_size: int | None,
    channels: int | None,
    batch_size: int,
    *,
    labels: bool,
    seed: int,
    shuffle: bool,
    flip: bool,
    dequantize: bool,
) -> tf.data.Dataset:
    """What `load` gives, decoded on the way instead of held in memory, and shuffled within a buffer.

    Files are read in their order: TensorFlow Datasets has shuffled most sets when it wrote them, and the order of
    files is lost in a checkpoint, whereas that of the buffer is not.
    """
    shape = _target_shape(builder, image_size, channels)
    n = _num_examples(builder, split)
    batch_size = pipeline.checked_batch_size(batch_size, n)
    examples = _examples(builder, split, shape, labels=labels).prefetch(batch_size)
    if shuffle:
        buffer = max(1, min(SHUFFLE_BUFFER, SHUFFLE_BUFFER_BYTES // math.prod(shape)))
        examples = examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
    batches = examples.batch(batch_size, drop_remainder=True)
    batches = batches.apply(tf.data.experimental.assert_cardinality(n // batch_size))

    # From the shuffle on nothing runs ahead (see `pipeline`); the work of decoding does, before it.
    def finish(batch, seeds):
        return pipeline.finish_batch(batch, seeds, flip, dequantize)

    return pipeline.with_options(tf.data.Dataset.zip(batches, pipeline.random_seeds(seed)).map(finish))


def fits_in_memory(builder, split: str, image_size: int | None, channels: int | None) -> bool:
    return _num_examples(builder, split) * math.prod(_target_shape(builder, image_size, channels)) <= MEMORY_LIMIT


def has_labels(builder) -> bool:
    return _class_names(builder) is not None


def _num_examples(builder, split: str) -> int:
    return builder.info.splits[split].num_examples


def _feature(builder, key: str):
    features = builder.info.features
    return features[key] if hasattr(features, "keys") and key in features else None


def _class_names(builder) -> tuple[str, ...] | None:
    label = _feature(builder, "label")
    return tuple(label.names) if hasattr(label, "names") else None


def _target_shape(builder, image_size: int | None, channels: int | None) -> tuple[int, int, int]:
    height, width, native = builder.info.features["image"].shape
    if image_size is None:
        image_size = DEFAULT_IMAGE_SIZE if None in (height, width) else default_size({(height, width)})
    return image_size, image_size, channels or (3 if native == 4 else native)


def _notes(builder, shape: tuple[int, int, int]) -> tuple[str, ...]:
    native = builder.info.features["image"].shape
    return () if native == shape else (f"shape: {native} -> {shape} (centre, Lanczos)",)


def _examples(builder, split: str, shape: tuple[int, int, int], *, labels: bool) -> tf.data.Dataset:
    """uint8 images of one shape, one by one: `(image,)`, or `(image, label)` where wanted and there."""
    import tensorflow_datasets

    keys = ["image", "label"] if labels and has_labels(builder) else ["image"]
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # 4.9.10 warns of its own use of what it has deprecated
    try:
        dataset = builder.as_dataset(
            split=split,
            decoders=tensorflow_datasets.decode.PartialDecoding(dict.fromkeys(keys, True)),
            read_config=tensorflow_datasets.ReadConfig(try_autocache=False),
        )
    finally:
        logging.set_verbosity(verbosity)

    def fit(example):
        return (_fit(example["image"], shape), *(tf.cast(example[key], tf.int32) for key in keys[1:]))

    return dataset.map(fit, num_parallel_calls=tf.data.AUTOTUNE)


def _fit(image: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Channels, centre crop and antialiased resize of one uint8 image, as `resizing` does with Pillow."""
    image = _convert_channels(image, shape[-1])
    if image.shape[:2] == shape[:2]:
        return image
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    resized = tf.image.resize(square, shape[:2], "lanczos3", antialias=True)
    image = tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(image, shape)


def _convert_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    if image.shape[-1] == 4:
        # On white, as transparent files are in `folder`.
        alpha = tf.cast(image[..., 3:], tf.float32) / 255.0
        image = tf.cast(tf.round(tf.cast(image[..., :3], tf.float32) * alpha + 255.0 * (1.0 - alpha)), tf.uint8)
    if image.shape[-1] == channels:
        return image
    return tf.image.grayscale_to_rgb(image) if channels == 3 else tf.image.rgb_to_grayscale(image)
