"""From what a user gives `fit` to what a training step takes."""

import numpy as np
import tensorflow as tf

from kerasgan.datasets import from_arrays
from kerasgan.errors import DataError, DataTypeError


def as_dataset(x, y=None, batch_size=None, seed=0, training=True):
    """A `tf.data.Dataset` of batches of images, or of `(images, labels)`.

    Args:
        x: Array or tensor `(n, ...)`, or a `tf.data.Dataset` of batches.
        y: Integer array `(n,)` of labels, or None.
        batch_size: Integer for arrays, 64 by default; None for a dataset.
        seed: Integer, of the order in which arrays are read.
        training: Whether arrays are shuffled and their last, partial batch is left out.

    Raises:
        DataError, DataTypeError: What came cannot be read as batches.
    """
    if isinstance(x, tf.data.Dataset):
        for name, value in (("y", y), ("batch_size", batch_size)):
            if value is not None:
                raise DataError(
                    f"Invalid value for argument `{name}`. Expected None, because `x` is a tf.data.Dataset: put labels "
                    f"into its elements, and call `.batch(...)` on it. Received: {name}={value!r}"
                )
        return x
    if not isinstance(x, np.ndarray | tf.Tensor):
        raise DataTypeError(
            "Invalid value for argument `x`. Expected a tf.data.Dataset of batches, or an array of images. "
            f"Received: x of type {type(x).__name__}. Wrap a generator by `tf.data.Dataset.from_generator`."
        )
    images, labels = np.asarray(x), None if y is None else np.asarray(y)
    if labels is not None and len(labels) != len(images):
        raise DataError(
            "Invalid value for argument `y`. Expected one label an image. "
            f"Received: {len(images)} images and {len(labels)} labels."
        )
    batch_size = batch_size or 64
    if training:
        return from_arrays(images, labels, batch_size, seed=seed)
    return tf.data.Dataset.from_tensor_slices(images if labels is None else (images, labels)).batch(batch_size)


def for_training(dataset, batches_per_step, steps_per_epoch=None):
    """Groups batches so that one element is one training step.

    Every element of `dataset` is the batch of one discriminator update. Elements of the result are
    `(batch, batches_per_step, ...)`, batch first, because a distribution strategy splits the first axis and every
    replica must see its part of the same minibatches. The dataset is repeated, so that an epoch which does not hold a
    multiple of `batches_per_step` batches streams on into the next, and no batch is left out; where its batch size is not
    static, it is batched anew across the end of an epoch, so that no batch is partial.

    Args:
        dataset: `tf.data.Dataset` of batches.
        batches_per_step: Integer >= 1.
        steps_per_epoch: Integer, or None for what the dataset holds.

    Returns:
        The dataset, and the number of steps an epoch, None where only iterating can tell.

    Raises:
        DataError: The dataset is empty, endless without `steps_per_epoch`, or of unknown length and shorter than a step.
    """
    batches = int(dataset.cardinality())
    if batches == 0:
        raise DataError(
            "Invalid value for argument `x`. Expected at least one batch. Received: a dataset of 0 batches. "
            "If it was batched with `drop_remainder=True`, the batch size is larger than the number of images."
        )
    if batches == tf.data.INFINITE_CARDINALITY and steps_per_epoch is None:
        raise DataError(
            "Invalid value for argument `steps_per_epoch`. Expected a number of training steps, because the dataset is "
            "endless. Received: steps_per_epoch=None"
        )
    if batches == tf.data.UNKNOWN_CARDINALITY and steps_per_epoch is None:
        held = sum(1 for _ in dataset.take(batches_per_step))
        if held < batches_per_step:
            raise DataError(
                f"Invalid value for argument `x`. Expected at least n_critic={batches_per_step} batches an epoch. Received: a "
                f"dataset of unknown length that ends after {held}. Call `.repeat()` on it and pass `steps_per_epoch`."
            )
    else:
        steps_per_epoch = steps_per_epoch or max(1, batches // batches_per_step)
        dataset = dataset.repeat()
    static = tf.nest.flatten(dataset.element_spec)[0].shape[0]
    if static is None:
        size = len(tf.nest.flatten(next(iter(dataset)))[0])
        dataset = dataset.rebatch(size, drop_remainder=True)
    grouped = dataset.batch(batches_per_step, drop_remainder=True).map(
        _batch_first, num_parallel_calls=tf.data.AUTOTUNE
    )
    return grouped.prefetch(tf.data.AUTOTUNE), steps_per_epoch


def _batch_first(*element):
    """`(n, batch, ...)` to `(batch, n, ...)`, for each part of an element."""

    def swap(x):
        return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])

    parts = tuple(swap(x) for x in element)
    return parts if len(parts) > 1 else parts[0]


def split(element):
    """`(images, labels)` of an element `x`, `(x,)`, `(x, y)` or `(x, y, None)`; labels None where it has none."""
    if not isinstance(element, tuple | list):
        return element, None
    images, labels, *rest = (*element, None)[: max(2, len(element))]
    if any(part is not None for part in rest):
        raise DataError(
            "Invalid value for argument `x`. Expected elements `images` or `(images, labels)`. "
            f"Received: elements of {len(element)} parts. Map the dataset to the two."
        )
    return images, labels
