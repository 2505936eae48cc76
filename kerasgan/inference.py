"""From seeds to images after training: the mathematics that `generate` and served models share.

All of it is stateless TensorFlow, so it gives the same images eagerly, in a graph and on a server.
"""

import contextlib
import functools
import math
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan import _keras, stateless
from kerasgan.errors import invalid

UNTRUNCATED = 50.0  # a truncation, in standard deviations, that changes nothing


@tf.function(reduce_retracing=True)
def latents_of(seeds: tf.Tensor, latent_dim: int) -> tf.Tensor:
    """Standard normal latents `(n, latent_dim)`; each depends only on its own int64 seed >= 0."""

    def latent(seed):
        return tf.random.stateless_normal((latent_dim,), tf.stack([seed, 0]), alg="philox")

    return tf.map_fn(latent, seeds, fn_output_signature=tf.TensorSpec((latent_dim,), tf.float32))


def truncated(latents: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    """Latents of the normal distribution truncated at `truncation`: less varied images, but more typical ones.

    Every number moves to the one with its quantile, sqrt(2) erfinv(erf(t / sqrt(2)) erf(z / sqrt(2))). So an image
    changes smoothly with t, and for large t is the untruncated one.

    Args:
        latents: Float32 tensor `(n, latent_dim)`.
        truncation: Float32 tensor `(n,)`, each > 0, in standard deviations.

    Reference: Brock, Donahue, Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis, 2019,
    section 3.1, where numbers outside are redrawn instead.
    """
    z, t = tf.cast(latents, tf.float64), tf.cast(truncation, tf.float64)[:, None]
    t = tf.minimum(t, UNTRUNCATED)  # erf is 1 long before, but NaN of infinity in TensorFlow
    root = math.sqrt(2.0)
    moved = root * tf.math.erfinv(tf.math.erf(t / root) * tf.math.erf(tf.abs(z) / root))
    # Far out erf rounds to 1, and the quantile is infinite.
    return tf.cast(tf.sign(z) * tf.minimum(moved, tf.minimum(tf.abs(z), t)), tf.float32)


def interpolated(first: tf.Tensor, second: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Latents on the great circle between two, as probable as these are: a straight line leaves the sphere.

    Args:
        first, second: Float32 tensors `(n, latent_dim)`.
        position: Float32 tensor `(n,)` in [0, 1], from `first` to `second`.

    Reference: White, Sampling Generative Networks, 2016, section 2.1.
    """
    cosine = tf.reduce_sum(tf.math.l2_normalize(first, -1) * tf.math.l2_normalize(second, -1), -1, keepdims=True)
    angle, position = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)), position[:, None]
    sine = tf.sin(angle)
    parallel = sine < 1e-4
    sine = tf.where(parallel, 1.0, sine)
    weights = (
        tf.where(parallel, 1.0 - position, tf.sin((1.0 - position) * angle) / sine),
        tf.where(parallel, position, tf.sin(position * angle) / sine),
    )
    return weights[0] * first + weights[1] * second


def levels(images: tf.Tensor, bounds: tuple[float, float]) -> tf.Tensor:
    """Pixels as uint8, rounded and clipped, NaN as 0, like `kerasgan.images.to_uint8`; `bounds` become 0 and 255."""
    low, high = bounds
    values = tf.round((images - low) / (high - low) * 255.0)
    return tf.cast(tf.clip_by_value(tf.where(tf.math.is_nan(values), 0.0, values), 0.0, 255.0), tf.uint8)


# Arguments of `generate` and `interpolate`


def checked_seeds(name: str, seeds: ArrayLike) -> np.ndarray:
    """Int64 array `(n,)` of seeds, each >= 0."""
    values = np.asarray(seeds)
    integers = values.size == 0 or np.issubdtype(values.dtype, np.integer)
    if values.ndim != 1 or not integers or (values.astype(np.int64) < 0).any():
        what = "integers in [0, 2**63)" if values.ndim == 1 else "a list of integers in [0, 2**63), one per image"
        raise invalid(name, what, f"{name}={seeds!r}")
    return values.astype(np.int64)


def checked_truncation(truncation: ArrayLike, count: int) -> np.ndarray:
    """Float32 array `(count,)` of numbers > 0, from one for all or one each."""
    values = _numbers("truncation", truncation)
    if values.shape not in ((), (count,)) or not (values > 0).all():
        raise invalid("truncation", f"a number > 0, or {count} of them", f"truncation={truncation!r}")
    return np.broadcast_to(values, (count,))


def _numbers(name, values):
    try:
        numbers = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise invalid(name, "numbers", f"{name}={values!r}") from error
    if not any(kind in numbers.dtype.name for kind in ("int", "float")):  # not strings, which NumPy would convert
        raise invalid(name, "numbers", f"{name}={values!r}")
    return numbers.astype(np.float32)


def checked_walk(seeds: ArrayLike, other_seeds: ArrayLike, positions: ArrayLike) -> list[np.ndarray]:
    """Arrays `(n,)`: two of seeds, and float32 positions in [0, 1]; scalars are repeated."""
    first, second = (
        checked_seeds("seeds", np.atleast_1d(seeds)),
        checked_seeds("other_seeds", np.atleast_1d(other_seeds)),
    )
    place = np.atleast_1d(_numbers("positions", positions))
    if not ((place >= 0) & (place <= 1)).all():
        raise invalid("positions", "numbers in [0, 1]", f"positions from {place.min()} to {place.max()}")
    try:
        return list(np.broadcast_arrays(first, second, place))
    except ValueError as error:
        shapes = f"shapes {first.shape}, {second.shape} and {place.shape}"
        raise invalid("positions", "as many as `seeds` and `other_seeds`, or one", shapes) from error


def checked_labels(
    labels: ArrayLike | None, count: int, conditional: bool, num_classes: int | None
) -> np.ndarray | None:
    """Array of labels, one per image; None for a model without labels.

    Args:
        labels: One for all, an array with one per image, or None for the classes in turn.
        count: Number of images.
        conditional: Whether the model takes labels.
        num_classes: Integer, or None if it is not known.
    """
    if not conditional:
        if labels is not None:
            raise invalid("labels", "None, because the generator takes no labels", "labels")
        return None
    if labels is None:
        if num_classes is None:
            expected = "one label per image, because the number of classes is not known: pass labels"
            raise invalid("labels", expected, "labels=None")
        labels = np.arange(count) % num_classes
    labels = np.asarray(labels)
    labels = np.full(count, labels) if labels.ndim == 0 else labels
    if len(labels) != count:
        raise invalid("labels", f"{count} labels, one per image", f"{len(labels)} labels")
    if not count:
        return labels
    expected = f"integers in [0, {num_classes}), one per image" if num_classes else "integers >= 0, one per image"
    if labels.ndim == 2 and labels.shape[1] > 1 and num_classes in (None, labels.shape[1]):
        expected += "; convert one-hot labels with `np.argmax(labels, axis=-1)`"
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape not in ((count,), (count, 1)):
        raise invalid("labels", expected, f"{labels.dtype} of shape {labels.shape}")
    if labels.min() < 0 or (num_classes and labels.max() >= num_classes):
        raise invalid("labels", expected, f"labels from {labels.min()} to {labels.max()}")
    return labels.reshape(count)


# The generator in float32


@contextlib.contextmanager
def in_float32(network: keras.Model) -> Iterator[None]:
    """Inside the block, a network computes in float32 with its weights, whatever its policy is.

    What is traced inside stays so. Not thread-safe.
    """
    halves = [layer for layer in _keras.layers_of(network) if layer.compute_dtype in ("float16", "bfloat16")]
    policies = [(layer, layer.dtype_policy) for layer in halves]
    if not policies:
        yield
        return
    for layer, _ in policies:
        layer.dtype_policy = "float32"
    finalize(network)
    try:
        with _keras.AutocastScope("float32"):  # for variables of 16 bits
            yield
    finally:
        for layer, policy in policies:
            layer.dtype_policy = policy
        finalize(network)


def finalize(network: keras.Model) -> None:
    """Updates what layers such as Normalization compute from their weights and keep."""
    with tf.init_scope():
        for layer in _keras.layers_of(network):
            if hasattr(layer, "finalize_state"):  # of preprocessing layers only
                layer.finalize_state()


class Sampler:
    """A generator as a function of latents and labels, in float32 whatever its training policy.

    Args:
        network: Keras model, `latents` [, `labels`] -> images. If its layers draw random numbers, images are made one
            at a time, each with numbers determined by its seed.
    """

    def __init__(self, network: keras.Model):
        images = _images_one_by_one if any(stateless.layers_that_draw(network)) else _images
        self._variables = list(network.variables)
        # TensorFlow counts the traces of a method for all objects together, and warns of them.
        self._call = tf.function(functools.partial(images, network), reduce_retracing=True)

    def is_of(self, network: keras.Model) -> bool:
        """Whether it was made of the variables that `network` has now: quantization and LoRA give it others."""
        return list(map(id, self._variables)) == list(map(id, network.variables))

    def __call__(self, latents: tf.Tensor, labels: ArrayLike | None = None, keys: tf.Tensor | None = None) -> tf.Tensor:
        """Float32 images.

        Args:
            latents: Float32 tensor `(n, latent_dim)`.
            labels: Integers `(n,)`, or None.
            keys: Int64 tensor `(n, 2)`: the seed of each image, and its number among the images with that seed.
                Required if layers draw.
        """
        return self._call(latents if labels is None else [latents, labels], keys)


def _images(network, inputs, keys):
    with in_float32(network):
        return tf.cast(network(inputs, training=False), tf.float32)


def _images_one_by_one(network, inputs, keys):
    def image(element):
        inputs, key = tf.nest.map_structure(lambda part: part[None], element[0]), element[1]
        with stateless.everything_from(stateless.Stream(key[0], stateless.image_position(key[1]))):
            return _images(network, inputs, None)[0]

    return tf.map_fn(image, (inputs, keys), fn_output_signature=tf.float32)
