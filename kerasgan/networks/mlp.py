"""Multilayer perceptrons, for small images and for points."""

import math

import keras
import numpy as np
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer, invalid
from kerasgan.networks import blocks


def mlp_generator(
    image_shape, latent_dim=128, units=(512, 512, 512), normalization=None, num_classes=None, output_activation="tanh"
):
    """Generator of fully connected layers: latents -> images.

    Args:
        image_shape: Tuple of integers, `(height, width, channels)`, or `(dimension,)` for points.
        latent_dim: Integer. Defaults to `128`.
        units: Widths of the hidden layers. Defaults to the three of 512 of the WGAN-GP authors' toy script.
        normalization: None, `"batch"` or `"layer"`. Defaults to None.
        num_classes: Integer for a class-conditional generator `[latents, labels] -> images`. Defaults to None.
        output_activation: Defaults to `"tanh"`, images in [-1, 1]; None for points.

    Returns:
        `keras.Model`.
    """
    image_shape = blocks.checked_shape(image_shape, normalization, (None, "batch", "layer"), ranks=(1, 2, 3))
    inputs, x = blocks.generator_inputs(latent_dim, num_classes)
    x = _hidden(x, units, normalization, negative_slope=0.0)
    x = keras_layers.Dense(math.prod(image_shape), dtype="float32")(x)
    x = keras_layers.Reshape(image_shape, dtype="float32")(x)
    images = keras_layers.Activation(output_activation, dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def mlp_discriminator(image_shape, units=(512, 512, 512), normalization=None, num_classes=None):
    """Discriminator of fully connected layers: images -> logits `(batch, 1)`.

    Args:
        image_shape: Tuple of integers, `(height, width, channels)`, or `(dimension,)` for points.
        units: Widths of the hidden layers. Defaults to `(512, 512, 512)`.
        normalization: None, `"batch"`, `"layer"` or `"spectral"`. Defaults to None.
        num_classes: Integer for a projection discriminator `[images, labels] -> logits`. Defaults to None.

    Returns:
        `keras.Model`.
    """
    images, features = _trunk(image_shape, units, normalization)
    return blocks.discriminator_model(images, features, num_classes, normalization, "discriminator")


def mlp_encoder(image_shape, latent_dim=128, units=(512, 512), normalization=None):
    """Encoder of a `VAE`: images -> `(batch, 2 * latent_dim)`, means and logarithms of variances.

    Args:
        image_shape: Tuple of integers.
        latent_dim: Integer. Defaults to `128`.
        units: Widths of the hidden layers. Defaults to `(512, 512)`.
        normalization: None, `"batch"` or `"layer"`. Defaults to None.

    Returns:
        `keras.Model`.
    """
    latent_dim = checked_integer("latent_dim", latent_dim)
    images, features = _trunk(image_shape, units, normalization)
    return keras.Model(images, keras_layers.Dense(2 * latent_dim, dtype="float32")(features), name="encoder")


def _trunk(image_shape, units, normalization):
    image_shape = blocks.checked_shape(
        image_shape, normalization, (None, "batch", "layer", "spectral"), ranks=(1, 2, 3)
    )
    images = keras.Input(image_shape, name="images")
    return images, _hidden(keras_layers.Flatten("channels_last")(images), units, normalization, negative_slope=0.2)


def _hidden(x, units, normalization, negative_slope):
    if not isinstance(units, tuple | list | np.ndarray):
        raise invalid("units", "a sequence of widths, e.g. (512, 512)", f"units={units!r}")
    dense, use_bias = blocks.dense(normalization), blocks.has_bias(normalization)
    for width in [checked_integer("units", width) for width in units]:
        x = dense(width, use_bias=use_bias, kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(negative_slope)(blocks.normalize(x, normalization))
    return x
