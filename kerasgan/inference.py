"""From seeds to images once training is over: one mathematics for `generate` and for what is served.

All of it is TensorFlow without a state, so that it is the same eagerly, in a graph and in a server.
"""

import math

import keras
import tensorflow as tf


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


def computes_in_float32(network):
    """Whether all layers of a network do, whatever the policy of training was."""
    return not any(_half(layer) for layer in network._flatten_layers())


def _half(layer):
    return layer.compute_dtype in ("float16", "bfloat16")


def copy_in_float32(network):
    """A copy of a network, on one device, that computes in float32 with its weights."""

    def remade(layer):
        return type(layer).from_config({**layer.get_config(), **({"dtype": "float32"} if _half(layer) else {})})

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # of the model itself and of its inputs
    try:
        copy = keras.models.clone_model(network, clone_function=remade, recursive=True)
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(network.get_weights())
    return copy


class Sampler:
    """A generator as a function of latents and labels, in float32 whatever the policy that it is trained under.

    Args:
        network: Keras model, `latents` [, `labels`] -> images.
    """

    def __init__(self, network):
        self._network = network
        self._own = network if computes_in_float32(network) else copy_in_float32(network)
        self._call = tf.function(self._images, reduce_retracing=True)

    def refreshed(self):
        """This, with the weights of the moment."""
        if self._own is not self._network:
            self._own.set_weights(self._network.get_weights())
        return self

    def __call__(self, latents, labels=None):
        """Float32 tensor `(n, ...)` of images for `latents` `(n, latent_dim)` and integer `labels` `(n,)`."""
        return self._call(latents if labels is None else [latents, labels])

    def _images(self, inputs):
        return tf.cast(self._own(inputs, training=False), tf.float32)
