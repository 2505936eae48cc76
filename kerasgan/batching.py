"""From what a user gives `fit` to what a training step takes."""

import math
import time

import numpy as np
import tensorflow as tf

from kerasgan.datasets import from_arrays
from kerasgan.datasets.advice import Form, checked_labels
from kerasgan.datasets.pipeline import as_array, checked_images, fingerprint, scale, untuned
from kerasgan.errors import DataError, DataTypeError, checked_integer, invalid

_BATCH_SIZE = 64
# Batches that are looked at before the first step.
LOOKED_AT = 4
# For so long the batches of a dataset of unknown length are counted, and so many of them.
_COUNTED_SECONDS = 4
_MOST_COUNTED = 100_000


def as_dataset(x, y=None, batch_size=None, seed=0, training=True, shuffle=True, model=None, bounds=None):
    """A `tf.data.Dataset` of batches of images, or of `(images, labels)`.

    Args:
        x: Array or tensor `(n, ...)`, or a `tf.data.Dataset` of batches.
        y: Integer array `(n,)` of labels, or None.
        batch_size: Integer for arrays, 64 by default; None for a dataset.
        seed: Integer, of the order in which arrays are read.
        training: Whether arrays are read for training: their last, partial batch is left out.
        shuffle: Whether arrays are read in another order each epoch of a training.
        model: `GenerativeModel` that the data are for, and `bounds`, the range of what it makes, or None: errors
            advise by them.

    Raises:
        DataError, DataTypeError: What came cannot be read as batches.
    """
    if isinstance(x, tf.data.Dataset):
        for name, value, fix in (("y", y, "put labels into its elements"), ("batch_size", batch_size, "batch it")):
            if value is not None:
                raise invalid(name, f"None, because `x` is a tf.data.Dataset: {fix}", f"{name}={value!r}", DataError)
        return untuned(x)
    form = Form(labelled=y is not None, array=x)
    array = as_array(checked_kind(x, model), "x")
    array = checked_images(array, form, bounds)
    batch_size = _BATCH_SIZE if batch_size is None else checked_integer("batch_size", batch_size)
    if y is not None:
        y = checked_labels(as_array(y, "y"), len(array), form, None if model is None else model.num_classes, "y")
    dataset = (
        from_arrays(array, y, batch_size, seed=seed, shuffle=shuffle) if training else _in_turn(array, y, batch_size)
    )
    dataset.form = form
    # Bytes become what the generator makes: `from_arrays` gives [-1, 1].
    if bounds in (None, (-1.0, 1.0)) or array.dtype != np.uint8:
        return dataset

    def in_bounds(images, *labels):
        return (stretched(images, bounds), *labels) if labels else stretched(images, bounds)

    return mapped(dataset, in_bounds)


def stretched(images, bounds):
    """Images in [-1, 1] as those in `bounds`, None for [-1, 1]."""
    low, high = bounds or (-1.0, 1.0)
    return low + (images + 1.0) * ((high - low) / 2.0)


def _in_turn(x, y, batch_size):
    """All examples, in an order that is random and always the same: arrays may be sorted, and some metrics look at the
    first so many."""
    order = np.random.default_rng(0).permutation(len(x))
    parts = tuple(part[order] for part in ((x,) if y is None else (x, y)))
    batches = untuned(tf.data.Dataset.from_tensor_slices(parts).batch(batch_size))
    dataset = batches.map(lambda images, *labels: (scale(images), *labels) if labels else scale(images))
    dataset.digest = fingerprint(x, y, (batch_size,))
    dataset.of_bytes = x.dtype == np.uint8
    return dataset


def checked_kind(x, model=None):
    """What can be read as one array of images; refuses all else, and says how to make a dataset or an array of it."""
    shape = None if model is None else model.image_shape
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor):
        dense = "x.to_tensor()" if isinstance(x, tf.RaggedTensor) else "tf.sparse.to_dense(x)"
        raise invalid("x", f"a dense array: make one with `{dense}`", f"x of type {type(x).__name__}", DataTypeError)
    if isinstance(x, dict):
        parts = of_keys(x, np.ndim, model is None or model.conditional)
        expected = f"one array of images, and labels as `y`: take `{parts}` out of the dictionary"
        raise invalid("x", expected, f"a dictionary with the keys {sorted(x)}", DataTypeError)
    if isinstance(x, tuple | list):
        raise invalid("x", _of_parts(x, shape), f"x of type {type(x).__name__}", DataTypeError)
    if hasattr(x, "__array__"):  # tensors, and arrays of pandas, torch and JAX
        return x
    made = "lambda: x"
    if callable(x):
        made = "x"
    elif hasattr(x, "__getitem__") and hasattr(x, "__len__"):  # keras.utils.PyDataset
        made = "lambda: (x[i] for i in range(len(x)))"
    elif hasattr(x, "__next__"):  # it is used up after one pass
        made = "make"
    elif not hasattr(x, "__iter__"):
        raise invalid("x", "a tf.data.Dataset of batches, or an array", f"x of type {type(x).__name__}", DataTypeError)
    signature = f"tf.TensorSpec({(None, *(shape or (None,) * 3))}, tf.float32)"
    if model is not None and model.conditional:
        signature = f"({signature}, tf.TensorSpec((None,), tf.int32))"
    how = f"`tf.data.Dataset.from_generator({made}, output_signature={signature})`"
    where = ", where make is a function that returns such a generator" if made == "make" else ""
    expected = f"a tf.data.Dataset of batches, or an array: wrap it with {how}{where}"
    raise invalid("x", expected, f"x of type {type(x).__name__}", DataTypeError)


def of_keys(parts, rank, labelled, each="x"):
    """The expression for the images of a dictionary, its part of the highest rank, and for labels where wanted."""
    keys = sorted(parts, key=lambda key: rank(parts[key]) or 0, reverse=True)
    images, *others = (f"{each}[{key!r}]" for key in keys)
    return f"({images}, {others[0]})" if labelled and others else images


def _of_parts(x, shape):
    """What to make of a tuple or a list."""
    ranks = [np.ndim(part) for part in x]
    if isinstance(x, tuple) and len(x) in (2, 3) and ranks[1] < ranks[0]:
        return "images, and labels as `y`, two arrays: as in `fit(images, labels)`, with `x[0], x[1]`"
    of_batches = shape is not None and set(ranks) == {len(shape) + 1}
    return f"one array of images: make it with `{'np.concatenate' if of_batches else 'np.stack'}(x)`"


def held_out(x, y, share, model):
    """Arrays `x, y` without their last examples, and these, as Keras divides them."""
    x = checked_kind(x, model)
    kept = int(len(x) * (1.0 - share))
    if not 0 < kept < len(x):
        expected = "a fraction that leaves at least one image for training and one for validation"
        raise invalid("validation_split", expected, f"validation_split={share} of {len(x)} images", DataError)
    if y is None:
        return x[:kept], None, x[kept:]
    return x[:kept], y[:kept], (x[kept:], y[kept:])


def refuse_weights(**weights):
    """The losses weigh all images alike, so what counts more has to be there more often."""
    for name, value in weights.items():
        if value is not None:
            fix = "leave it out"
            if name == "sample_weight":
                p = "np.asarray(sample_weight) / np.sum(sample_weight)"
                fix = f"draw more often what counts more, as in `x[np.random.choice(len(x), len(x), p={p})]`"
            expected = f"None, because the losses weigh all images alike: {fix}"
            raise invalid(name, expected, f"{name} of type {type(value).__name__}")


def checked_epochs(argument, value):
    """A positive integer, or a list of them: every so many epochs, or these."""
    if isinstance(value, list | tuple | set | range) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return [checked_integer(argument, one) for one in value]
    return checked_integer(argument, value, advice=", or a list of epochs")


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


def form_of(dataset):
    """How it was given: `advice.Form`."""
    spec = dataset.element_spec
    parts = len(spec) if isinstance(spec, tuple) else 0
    return getattr(dataset, "form", None) or Form(labelled=parts > 1, parts=parts)


def sizes(dataset):
    """The sizes of the first batches."""
    return [len(tf.nest.flatten(element)[0]) for element in dataset.take(LOOKED_AT)]


def of_static_size(dataset):
    """The dataset with batches as large as the largest of its first ones, and none that is smaller."""
    if tf.nest.flatten(dataset.element_spec)[0].shape[0] is not None:
        return dataset
    return dataset.rebatch(max(sizes(dataset)), drop_remainder=True)


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
    for name in ("digest", "of_bytes", "form"):
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
    """Batches of a dataset that does not know how many it holds, of the size they are trained in: by one pass over it.

    Raises:
        DataError: The pass does not come to its end in a few seconds, or the data can be read but once.
    """
    begun, count, examples, largest = time.monotonic(), 0, 0, 1
    for count, element in enumerate(dataset, 1):
        size = len(tf.nest.flatten(element)[0])
        examples += size
        largest = max(largest, size) if count <= LOOKED_AT else largest
        if time.monotonic() - begun > _COUNTED_SECONDS or count == _MOST_COUNTED:
            expected = (
                "a number of training steps, because the dataset does not know its length: pass `steps_per_epoch`, or, "
                "if it has an end, `x.apply(tf.data.experimental.assert_cardinality(number_of_batches))`"
            )
            received = f"steps_per_epoch=None, and {count:,} batches in {_COUNTED_SECONDS} s without an end"
            raise invalid("steps_per_epoch", expected, received, DataError)
    if not any(True for _ in dataset.take(1)):
        expected = "a number of training steps, because the dataset can be read only once: pass `steps_per_epoch`"
        raise invalid("steps_per_epoch", expected, "steps_per_epoch=None", DataError)
    return math.ceil(examples / largest)


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


def split(element, argument="x", fix="`x.map(lambda *parts: parts[:2])`"):
    """`(images, labels)` of an element `x`, `(x,)`, `(x, y)` or `(x, y, None)`; labels None where it has none."""
    if not isinstance(element, tuple | list):
        return element, None
    images, labels, *rest = (*element, None)[: max(2, len(element))]
    if any(part is not None for part in rest):
        expected = f"elements `images` or `(images, labels)`, without weights: make them with {fix}"
        raise invalid(argument, expected, f"elements of {len(element)} parts", DataError)
    return images, labels
