"""From seeds to images once training is over: one mathematics for `generate` and for what is served.

All of it is TensorFlow without a state, so that it is the same eagerly, in a graph and in a server.
"""

import contextlib
import functools
import math

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, stateless
from kerasgan.errors import ModelContractError, invalid

_HALF = ("float16", "bfloat16")


@tf.function(reduce_retracing=True)
def latents_of(seeds, latent_dim):
    """Standard normal latents, one vector a seed, whatever the other seeds are.

    Args:
        seeds: Int64 tensor `(n,)`, each >= 0.
        latent_dim: Integer.

    Returns:
        Float32 tensor `(n, latent_dim)`.
    """

    def latent(seed):
        return tf.random.stateless_normal((latent_dim,), tf.stack([seed, 0]), alg="philox")

    return tf.map_fn(latent, seeds, fn_output_signature=tf.TensorSpec((latent_dim,), tf.float32))


def truncated(latents, truncation):
    """Latents of the normal distribution that is cut off at `truncation`: fewer kinds of images, more usual ones.

    Every number goes to the one with its quantile, sqrt(2) erfinv(erf(t / sqrt(2)) erf(z / sqrt(2))), so an image
    changes smoothly with t, and is the untruncated one where t is large.

    Args:
        latents: Float32 tensor `(n, latent_dim)`.
        truncation: Float32 tensor `(n,)`, each > 0, in standard deviations.

    Returns:
        Float32 tensor `(n, latent_dim)`, in [-truncation, truncation].

    Reference: Brock, Donahue, Simonyan, Large Scale GAN Training for High Fidelity Natural Image Synthesis, 2019,
    section 3.1, where what is outside is drawn again instead.
    """
    z, t = tf.cast(latents, tf.float64), tf.cast(truncation, tf.float64)[:, None]
    root = math.sqrt(2.0)
    moved = root * tf.math.erfinv(tf.math.erf(t / root) * tf.math.erf(tf.abs(z) / root))
    # Far out erf is 1, and the quantile infinite.
    return tf.cast(tf.sign(z) * tf.minimum(moved, tf.minimum(tf.abs(z), t)), tf.float32)


def interpolated(first, second, position):
    """Latents on the great circle between two, as probable as these are: the straight line leaves the sphere.

    Args:
        first, second: Float32 tensors `(n, latent_dim)`.
        position: Float32 tensor `(n,)`, in [0, 1].

    Returns:
        Float32 tensor `(n, latent_dim)`: `first` at 0, `second` at 1.

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


def levels(images, bounds):
    """Pixels as 0 to 255, rounded and clipped, NaN as 0, as `kerasgan.images.to_uint8` makes them of [-1, 1].

    Args:
        images: Float32 tensor.
        bounds: `(lowest, highest)`, what becomes 0 and 255.

    Returns:
        Uint8 tensor.
    """
    low, high = bounds
    values = tf.round((images - low) / (high - low) * 255.0)
    return tf.cast(tf.clip_by_value(tf.where(tf.math.is_nan(values), 0.0, values), 0.0, 255.0), tf.uint8)


def checked_seeds(name, seeds):
    """Int64 array `(n,)` of seeds, each >= 0."""
    values = np.asarray(seeds)
    integers = values.size == 0 or np.issubdtype(values.dtype, np.integer)
    if values.ndim != 1 or not integers or (values.astype(np.int64) < 0).any():
        raise invalid(name, "integers in [0, 2**63)", f"{name}={seeds!r}")
    return values.astype(np.int64)


def checked_truncation(truncation, count):
    """Float32 array `(count,)` of numbers > 0, from one for all or one each."""
    values = _numbers("truncation", truncation)
    if values.shape not in ((), (count,)) or not (values > 0).all():
        raise invalid("truncation", f"a number > 0, or {count} of them", f"truncation={truncation!r}")
    return np.broadcast_to(values, (count,))


def _numbers(name, values):
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise invalid(name, "numbers", f"{name}={values!r}") from error


def checked_walk(seeds, other_seeds, positions):
    """Arrays `(n,)`: two of seeds, and float32 positions in [0, 1]; one number stands for all."""
    seeds, other_seeds = (
        checked_seeds(name, np.atleast_1d(some)) for name, some in (("seeds", seeds), ("other_seeds", other_seeds))
    )
    positions = np.atleast_1d(_numbers("positions", positions))
    try:
        seeds, other_seeds, positions = np.broadcast_arrays(seeds, other_seeds, positions)
    except ValueError as error:
        shapes = f"shapes {seeds.shape}, {other_seeds.shape} and {positions.shape}"
        raise invalid("positions", "as many as `seeds` and `other_seeds`, or one", shapes) from error
    if not ((positions >= 0) & (positions <= 1)).all():
        raise invalid("positions", "numbers in [0, 1]", f"positions from {positions.min()} to {positions.max()}")
    return seeds, other_seeds, positions


def checked_labels(labels, count, conditional, num_classes):
    """Array of labels, one an image; None for a model that takes none.

    Args:
        labels: One for all, an array with one each, or None for the classes in turn.
        count: Integer, how many images there are.
        conditional: Whether the model takes labels.
        num_classes: Integer, or None where it is not known.
    """
    if not conditional:
        if labels is not None:
            raise invalid("labels", "None, because the generator takes no labels", "labels")
        return None
    if labels is None:
        if num_classes is None:
            expected = "one label an image, because the number of classes is not known: pass labels"
            raise invalid("labels", expected, "labels=None")
        labels = np.arange(count) % num_classes
    labels = np.asarray(labels)
    labels = np.full(count, labels) if labels.ndim == 0 else labels
    if len(labels) != count:
        raise invalid("labels", f"{count} labels, one an image", f"{len(labels)} labels")
    if num_classes is None or not count:
        return labels
    expected = f"integers in [0, {num_classes}), one an image"
    if labels.shape == (count, num_classes) and num_classes > 1:
        expected += "; convert one-hot labels with `np.argmax(labels, axis=-1)`"
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape not in ((count,), (count, 1)):
        raise invalid("labels", expected, f"{labels.dtype} of shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise invalid("labels", expected, f"labels from {labels.min()} to {labels.max()}")
    return labels


@contextlib.contextmanager
def in_float32(network):
    """Inside the block a network computes in float32, with the weights that it has, whatever its policy is.

    What is traced here stays so. Not for several threads at once.
    """
    policies = [(layer, layer.dtype_policy) for layer in _keras.layers_of(network) if layer.compute_dtype in _HALF]
    if not policies:
        yield
        return
    for layer, _ in policies:
        layer.dtype_policy = "float32"
    finalize(network)
    try:
        with _keras.AutocastScope("float32"):  # of variables of 16 bits
            yield
    finally:
        for layer, policy in policies:
            layer.dtype_policy = policy
        finalize(network)


def finalize(network):
    """Has layers that keep what they compute from their weights, as Normalization does, compute it again."""
    with tf.init_scope():
        for layer in _keras.layers_of(network):
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()


def frozen_copy(network):
    """A copy of a network with weights of its own, none of which is trainable: an average begins with it.

    Raises:
        ModelContractError: Keras cannot copy it.
    """

    def copied(layer):  # Keras refuses to copy a Lambda, which has no variables
        return layer if isinstance(layer, keras.layers.Lambda) else type(layer).from_config(layer.get_config())

    try:
        copy = keras.models.clone_model(network, clone_function=copied, recursive=True)
    except Exception as error:
        expected = "None, or a generator that Keras can copy: give layers of your own a `get_config` and `**kwargs`"
        raise invalid("ema_momentum", expected, str(error), ModelContractError) from error
    copy.name = f"ema_{network.name}"
    copy.set_weights(network.get_weights())
    finalize(copy)
    copy.trainable = False
    return copy


class Sampler:
    """A generator as a function of latents and labels, in float32 whatever the policy that it is trained under.

    Args:
        network: Keras model, `latents` [, `labels`] -> images. If its layers draw random numbers of their own, images
            are made one by one, each with numbers that its seed decides.
    """

    def __init__(self, network):
        images = _images_one_by_one if any(stateless.layers_that_draw(network)) else _images
        # TensorFlow counts the traces of methods for all objects together, and warns of them.
        self._call = tf.function(functools.partial(images, network), reduce_retracing=True)

    def __call__(self, latents, labels=None, keys=None):
        """Float32 tensor of images.

        Args:
            latents: Float32 tensor `(n, latent_dim)`.
            labels: Integer tensor `(n,)`, or None.
            keys: Int64 tensor `(n, 2)`, for each image its seed, and its number among the images of this seed. Needed
                where layers draw.
        """
        return self._call(latents if labels is None else [latents, labels], keys)


def _images(network, inputs, keys):
    with in_float32(network):
        return tf.cast(network(inputs, training=False), tf.float32)


def _images_one_by_one(network, inputs, keys):
    def image(element):
        one, key = tf.nest.map_structure(lambda part: part[None], element[0]), element[1]
        with stateless.everything_from(stateless.Stream(key[0], stateless.image_position(key[1]))):
            return _images(network, one, None)[0]

    return tf.map_fn(image, (inputs, keys), fn_output_signature=tf.float32)
