"""From arrays to batches: shuffled, gathered, scaled, and randomised by stateless ops only.

There is no Python in the data path and every shape is static, as a TPU needs.

An iterator over `dataset.repeat()` can be saved in a `tf.train.Checkpoint` and continues exactly. Stateful random ops
would break that. So would, silently, reading ahead over the end of an epoch: the state of a used-up iterator is not
saved, and with it goes the number of the epoch, which decides the next order. Hence nothing here reads ahead of what
ends; add `prefetch` or a parallel `map` after `repeat`.

What `from_arrays` returns needs no saved iterator: its attribute `starting_at(number)` gives the batches of endless
epochs from any number on, and `digest` tells it from others. A further transformation has neither.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasgan.datasets.advice import Form, check_finite, checked_labels, of_texts, scaled, shown_range
from kerasgan.errors import DataError, DataTypeError, checked_boolean, checked_integer, invalid

_HASHED_AT_ONCE = 1_024


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    batch_size: int = 64,
    *,
    seed: int = 0,
    shuffle: bool = True,
    flip: bool = False,
    dequantize: bool = False,
) -> tf.data.Dataset:
    """One epoch of batches from arrays in memory.

    uint8:  images / 127.5 - 1,  or (images + u) / 128 - 1 with u ~ U[0, 1) if `dequantize`.
    float:  unchanged; they should already be in the range of the generator, [-1, 1] for tanh.

    Args:
        images: uint8 or float array `(n, ...)`; uint8 is scaled to [-1, 1].
        labels: Integer array `(n,)`, or None.
        batch_size: Examples per batch; the last `n % batch_size` of an epoch are left out. With `shuffle` they differ
            between epochs; without, `fit` begins the next epoch with them, unless the dataset was transformed since.
            Defaults to `64`.
        seed: Seed of order, flips and noise. (`tf.random.set_seed` changes them too, as everywhere in `tf.data`.)
        shuffle: Whether to draw a new order at each iteration. Defaults to `True`.
        flip: Whether to mirror each image left to right with probability 1/2.
        dequantize: Whether to fill each grey level with uniform noise, so that the data have a density.

    Returns: A finite `tf.data.Dataset` of float32 images, or of `(images, labels)` with int32 labels.

    Raises:
        DataError: Shapes, lengths or values cannot be trained on.
        DataTypeError: Images are not uint8 or float, or labels are not integers.

    Reference: Theis et al., A Note on the Evaluation of Generative Models, 2016, section 3.1; Gulrajani et al.,
        Improved Training of Wasserstein GANs, 2017, whose CIFAR-10 code adds noise of one level of 128 this way.
    """
    check_flags(shuffle=shuffle, flip=flip, dequantize=dequantize)
    form = Form("images", "labels", labels is not None, array=images)
    images = checked_images(images, form, flip=flip, dequantize=dequantize)
    labels = None if labels is None else checked_labels(as_array(labels, "labels"), len(images), form)
    batch_size = checked_batch_size(batch_size, len(images))
    # On the host even if there is a GPU: tf.data runs there.
    with tf.device("CPU:0"):
        arrays = (tf.convert_to_tensor(images),) + (() if labels is None else (tf.convert_to_tensor(labels),))

    per_epoch = len(images) // batch_size

    def prepare(epoch, batch):
        index = (batch * batch_size + tf.range(batch_size, dtype=tf.int64)) % len(images)
        if shuffle:
            last = tf.constant(len(images) - 1, tf.int64)
            index = tf.random.experimental.index_shuffle(index, tf.stack([seed, epoch]), last)
        number = 2 * (epoch * per_epoch + batch)
        seeds = tf.stack([[seed, number], [seed, number + 1]])
        return finish_batch([tf.gather(array, index) for array in arrays], seeds, flip, dequantize)

    def batches(numbers):
        return with_options(numbers.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))

    def starting_at(number):
        """Batches without end, from this number on: each is a function of the seed and its number.

        In a new order each epoch leaves out other images; in one order an epoch begins where the last one ended.
        """

        def place(number):
            return (number // per_epoch, number % per_epoch) if shuffle else (tf.zeros_like(number), number)

        return batches(tf.data.Dataset.range(number, tf.int64.max).map(place))

    # Endless up to `take`, so that reading ahead meets no end.
    epochs = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    numbers = epochs.flat_map(lambda epoch: tf.data.Dataset.range(per_epoch).map(lambda batch: (epoch, batch)))
    dataset = batches(numbers).take(per_epoch).apply(tf.data.experimental.assert_cardinality(per_epoch))
    dataset.starting_at = starting_at
    dataset.digest = fingerprint(images, labels, (batch_size, seed, shuffle, flip, dequantize))
    dataset.of_bytes = images.dtype == np.uint8
    return dataset


def fingerprint(images: np.ndarray, labels: np.ndarray | None, options: tuple) -> str:
    """A hash of shape, type, options and every example, at about a gigabyte a second."""
    digest = hashlib.sha256(repr((images.shape, str(images.dtype), options)).encode())
    for array in (images,) if labels is None else (images, labels):
        for start in range(0, len(array), _HASHED_AT_ONCE):
            digest.update(array[start : start + _HASHED_AT_ONCE].tobytes())
    return digest.hexdigest()[:16]


def finish_batch(
    batch: Sequence[tf.Tensor], seeds: tf.Tensor, flip: bool, dequantize: bool
) -> tf.Tensor | tuple[tf.Tensor, ...]:
    """Flips, scales and adds noise to a batch `[images]` or `[images, labels]`."""
    images = batch[0]
    if flip:  # first, while a pixel is one byte
        chosen = tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), seeds[0], alg="philox") < 0.5
        images = tf.where(chosen, tf.reverse(images, axis=[2]), images)
    images = scale(images, seeds[1] if dequantize else None)
    return (images, *batch[1:]) if len(batch) > 1 else images


def with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without what TensorFlow would add unasked."""
    options = tf.data.Options()
    # There are no files to divide among workers; without this each of them warns.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    # Both would read ahead over the end of an epoch.
    options.experimental_optimization.map_parallelization = False
    options.experimental_optimization.inject_prefetch = False
    return untuned(dataset.with_options(options))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without the thread that tunes it, unless its options set `autotune.enabled`.

    In TensorFlow 2.21 that thread can miss that its iterator was dropped. The iterator then waits for it, up to a
    minute, and all of Python with it, signals included. Without the thread, AUTOTUNE means one thread a core.
    """
    if dataset.options().autotune.enabled is not None:
        return dataset
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def scale(images: tf.Tensor, noise_seed: tf.Tensor | None = None) -> tf.Tensor:
    """uint8 images -> float32 in [-1, 1], with noise within each grey level if there is a seed; floats -> float32."""
    values = tf.cast(images, tf.float32)
    if images.dtype != tf.uint8:
        return values
    if noise_seed is None:
        return values / 127.5 - 1.0
    return (values + tf.random.stateless_uniform(tf.shape(values), noise_seed, alg="philox")) / 128.0 - 1.0


def check_flags(**flags: Any) -> None:
    """Refuses what only seems to be a boolean, such as the text 'False'."""
    for name, value in flags.items():
        checked_boolean(name, value)


def checked_batch_size(batch_size: int, num_examples: int) -> int:
    """Refuses an epoch without one full batch: `fit` would do nothing and say nothing."""
    batch_size = checked_integer("batch_size", batch_size)
    if num_examples < batch_size:
        most = f"a `batch_size` of at most {num_examples}, one full batch"
        raise invalid("batch_size", most, f"{num_examples} examples, batch_size={batch_size}", DataError)
    return batch_size


def checked_images(
    images: Any,
    form: Form,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
    flip: bool = False,
    dequantize: bool = False,
) -> np.ndarray:
    """Images as uint8 or float32.

    Args:
        images: Array of any type and shape.
        form: How they were given, for the advice in errors.
        bounds: What the generator makes, as in `advice.scaled`.
        flip, dequantize: As in `from_arrays`.

    Raises:
        DataError, DataTypeError: They cannot be trained on.
    """
    images = as_array(images, form.images)
    if images.ndim and not len(images):
        raise invalid(form.images, "at least one image", "0 images", DataError)
    if images.dtype.name == "bfloat16":  # which is none of NumPy's own
        images = images.astype(np.float32)
    if images.dtype.kind not in "biufc":
        _refuse_type(images, form, bounds)
    if images.ndim < 2:
        fix = f"add the axis of channels with {form.of_images('x[:, None]')}"
        expected = f"`(n, height, width, channels)` or `(n, d)`: {fix}"
        raise invalid(form.images, expected, f"shape {images.shape}", DataError)
    if images.dtype.kind != "f" and images.dtype != np.uint8:
        _refuse_type(images, form, bounds)
    if flip and images.ndim != 4:
        expected = "flip=False, because only images `(n, height, width, channels)` can be mirrored"
        raise invalid("flip", expected, f"images of shape {images.shape}", DataError)
    if images.dtype == np.uint8:
        return images
    if dequantize:
        expected = "dequantize=False, because only uint8 images have grey levels to fill"
        raise invalid("dequantize", expected, f"images of dtype {images.dtype}", DataError)
    check_finite(images, form)
    return images.astype(np.float32, copy=False)


def _refuse_type(images, form, bounds):
    expected, of, received = "uint8 in [0, 255], or floats", "x", images.dtype
    if images.dtype.kind == "c":
        images, of = np.abs(images), "np.abs(x)"
    if images.dtype.kind in "biu" or of != "x":
        low, high = (float(images.min()), float(images.max())) if images.size else (0, 255)
        what = "scale" if of == "x" else "take the modulus, and scale it"
        fix = scaled(form, low, high, images.dtype, bounds, images.ndim, of)
        expected += f" in {shown_range(bounds or (-1.0, 1.0))}: {what} with {fix}"
        raise invalid(form.images, expected, f"{received} from {low:g} to {high:g}", DataTypeError)
    if images.dtype.kind in "OSU":
        expected += f": {of_texts(form, images)}"
    raise invalid(form.images, expected, f"dtype={images.dtype}, shape={images.shape}", DataTypeError)


def as_array(values: Any, argument: str) -> np.ndarray:
    """An array of numbers or strings.

    Raises:
        DataTypeError: The values do not make one.
    """
    if np.ma.is_masked(values):
        expected = f"an array without a mask: fill it, e.g. with `{argument}.filled(0)`, or leave out what is masked"
        raise invalid(argument, expected, "a masked array", DataTypeError)
    expected, fix = "an array of numbers of one shape", "pad or resize the examples first"
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise invalid(argument, f"{expected}; {fix}", f"{type(values).__name__} ({error})", DataTypeError) from error
    if array.dtype != object or (array.size and all(isinstance(value, str | bytes) for value in array.ravel())):
        return array
    shapes = {np.shape(value) for value in array.ravel()}
    missing = [number for number, value in enumerate(array.ravel()) if value is None]
    if shapes == {()} and missing:
        fix = f"leave out the examples without one, the first is number {missing[0]}"
    elif shapes == {()}:
        fix = f"convert it with `np.asarray({argument}, {'int' if array.ndim == 1 else 'float'})`"
    elif len(shapes) == 1 and isinstance(array.ravel()[0], np.ndarray):
        fix = f"stack them with `np.stack({argument})`"
    raise invalid(argument, f"{expected}; {fix}", f"dtype=object, shape={array.shape}", DataTypeError)
