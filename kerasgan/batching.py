"""From what a user gives `fit` to what a training step takes."""

import numpy as np
import tensorflow as tf

from kerasgan.datasets import from_arrays
from kerasgan.datasets.pipeline import checked_images, checked_labels, fingerprint, scale, untuned
from kerasgan.errors import DataError, DataTypeError, checked_integer, invalid

_BATCH_SIZE = 64
# A dataset of unknown length with more batches than this is taken for endless.
_MOST_COUNTED = 100_000


def as_dataset(x, y=None, batch_size=None, seed=0, training=True):
    """A `tf.data.Dataset` of batches of images, or of `(images, labels)`.

    Args:
        x: Array or tensor `(n, ...)`, or a `tf.data.Dataset` of batches.
        y: Integer array `(n,)` of labels, or None.
        batch_size: Integer for arrays, 64 by default; None for a dataset.
        seed: Integer, of the order in which arrays are read.
        training: Whether arrays are read in another order each epoch, and their last, partial batch is left out.

    Raises:
        DataError, DataTypeError: What came cannot be read as batches.
    """
    if isinstance(x, tf.data.Dataset):
        for name, value, fix in (("y", y, "put labels into its elements"), ("batch_size", batch_size, "batch it")):
            if value is not None:
                raise invalid(name, f"None, because `x` is a tf.data.Dataset: {fix}", f"{name}={value!r}", DataError)
        return untuned(x)
    if isinstance(x, tuple | list):
        expected = "images, and labels as `y`, two arrays: as in `fit(images, labels)`"
        raise invalid("x", expected, f"x of type {type(x).__name__}", DataTypeError)
    if not isinstance(x, np.ndarray | tf.Tensor):
        expected = "a tf.data.Dataset of batches, or an array: wrap a generator by `tf.data.Dataset.from_generator`"
        raise invalid("x", expected, f"x of type {type(x).__name__}", DataTypeError)
    if y is not None and len(y) != len(x):
        raise invalid("y", "one label an image", f"{len(x)} images and {len(y)} labels", DataError)
    batch_size = _BATCH_SIZE if batch_size is None else checked_integer("batch_size", batch_size)
    if training:
        return from_arrays(x, y, batch_size, seed=seed)
    x, y = checked_images(x), None if y is None else checked_labels(y, len(x))
    # In an order that is random and always the same: arrays may be sorted, and what is looked at, the first so many.
    order = np.random.default_rng(0).permutation(len(x))
    parts = tuple(np.asarray(part)[order] for part in ((x,) if y is None else (x, y)))
    batches = untuned(tf.data.Dataset.from_tensor_slices(parts).batch(batch_size))
    dataset = batches.map(lambda images, *labels: (scale(images), *labels) if labels else scale(images))
    dataset.digest = fingerprint(x, y, (batch_size,))
    dataset.of_bytes = x.dtype == np.uint8
    return dataset


def of_bytes(dataset):
    """Whether its images are known to have been bytes, which were scaled to [-1, 1]."""
    return getattr(dataset, "of_bytes", False)


def steps_in(dataset, batches_per_step, steps_per_epoch=None):
    """Training steps an epoch: `steps_per_epoch`, or by default what the dataset holds.

    A dataset of unknown length is read once to tell.

    Raises:
        DataError: The dataset is endless and there is no `steps_per_epoch`.
    """
    if steps_per_epoch is not None:
        return checked_integer("steps_per_epoch", steps_per_epoch)
    batches = int(dataset.cardinality())
    if batches == tf.data.INFINITE_CARDINALITY:
        expected = "a number of training steps, because the dataset is endless"
        raise invalid("steps_per_epoch", expected, "steps_per_epoch=None", DataError)
    if batches == tf.data.UNKNOWN_CARDINALITY:
        batches = _counted(dataset)
    return max(1, batches // batches_per_step)


def of_static_size(dataset):
    """The dataset with batches as large as its first, and none that is smaller."""
    if tf.nest.flatten(dataset.element_spec)[0].shape[0] is not None:
        return dataset
    return dataset.rebatch(len(tf.nest.flatten(next(iter(dataset)))[0]), drop_remainder=True)


def seekable(dataset):
    """Whether the dataset can begin at any of its batches, as those of arrays and of `kerasgan.datasets` can."""
    return hasattr(dataset, "starting_at")


def in_fixed_order(dataset):
    """The batches of the first epoch at each iteration, where the dataset is seekable."""
    return dataset.starting_at(0).take(dataset.cardinality()) if seekable(dataset) else dataset


def mapped(dataset, function):
    """The dataset mapped, seekable if it was."""
    result = dataset.map(function)
    if seekable(dataset):
        result.starting_at = lambda number: dataset.starting_at(number).map(function)
    for name in ("digest", "of_bytes"):
        if hasattr(dataset, name):
            setattr(result, name, getattr(dataset, name))
    return result


def for_training(dataset, batches_per_step, start=0):
    """Groups batches so that one element is one training step.

    Every element of `dataset` is the batch of one discriminator update. Elements of the result are
    `(batch, batches_per_step, ...)`, batch first, because a distribution strategy splits the first axis and every
    replica must see its part of the same minibatches. The dataset is repeated, so that an epoch which does not hold
    a multiple of `batches_per_step` batches streams on into the next, and no batch is left out; where its batch size
    is not static, it is batched anew across the end of an epoch, so that no batch is partial.

    Args:
        dataset: `tf.data.Dataset` of batches.
        batches_per_step: Integer >= 1.
        start: Integer, number of the first batch, where the dataset is seekable.
    """
    dataset = of_static_size(dataset.starting_at(start) if seekable(dataset) else dataset.repeat())
    grouped = dataset.batch(batches_per_step, drop_remainder=True)
    # Few are read ahead: what is waiting has to be saved where the dataset is not seekable.
    return grouped.map(_batch_first).prefetch(2)


def _counted(dataset):
    """Batches of a dataset that does not know how many it holds, by one pass over it."""
    batches = sum(1 for _ in dataset.take(_MOST_COUNTED))
    if batches == _MOST_COUNTED or not any(True for _ in dataset.take(1)):
        expected = "a number of training steps, because the dataset is of unknown length and endless or read but once"
        raise invalid("steps_per_epoch", expected, "steps_per_epoch=None", DataError)
    return batches


def _batch_first(*element):
    """`(n, batch, ...)` to `(batch, n, ...)`, for each part of an element."""
    parts = tuple(tf.transpose(part, [1, 0, *range(2, part.shape.rank)]) for part in element)
    return parts if len(parts) > 1 else parts[0]


def size(images):
    """Size of a batch: an integer where it is static, else a scalar tensor."""
    return images.shape[0] or tf.shape(images)[0]


def packed(images, pack):
    """`(batch / pack, ..., pack * channels)`: every `pack` images that follow one another, along the last axis.

    Args:
        images: Tensor `(batch, ..., channels)`.
        pack: Integer >= 1 that divides the batch.
    """
    if pack == 1:
        return images
    if images.shape[0] and images.shape[0] % pack:
        raise invalid("batch_size", f"a multiple of pack={pack}", f"a batch of {images.shape[0]}", DataError)
    shape = tuple(images.shape[1:])
    groups = tf.reshape(images, (-1, pack, *shape))
    in_channels = tf.transpose(groups, [0, *range(2, len(shape) + 1), 1, len(shape) + 1])
    return tf.reshape(in_channels, (-1, *shape[:-1], pack * shape[-1]))


def split(element):
    """`(images, labels)` of an element `x`, `(x,)`, `(x, y)` or `(x, y, None)`; labels None where it has none."""
    if not isinstance(element, tuple | list):
        return element, None
    images, labels, *rest = (*element, None)[: max(2, len(element))]
    if any(part is not None for part in rest):
        expected = "elements `images` or `(images, labels)`: map the dataset to the two"
        raise invalid("x", expected, f"elements of {len(element)} parts", DataError)
    return images, labels
