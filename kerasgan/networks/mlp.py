"""Multilayer perceptrons, for small images and for points."""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer, invalid
from kerasgan.networks import blocks


def mlp_generator(
    image_shape: tuple[int, ...],
    latent_dim: int = 128,
    units: Sequence[int] = (512, 512, 512),
    normalization: str | None = None,
    num_classes: int | None = None,
    output_activation: str | None = "tanh",
) -> keras.Model:
    """Generator of fully connected layers: latents -> images.

    Args:
        image_shape: `(height, width, channels)`, or `(dimension,)` for points.
        latent_dim: Defaults to `128`.
        units: Widths of the hidden layers. Defaults to the three of 512 of the WGAN-GP authors' toy script.
        normalization: None, `"batch"` or `"layer"`. Defaults to None.
        num_classes: Number of classes for a conditional generator `[latents, labels] -> images`.
        output_activation: Defaults to `"tanh"`, images in [-1, 1]; None for points.
    """
    image_shape = blocks.checked_shape(image_shape, normalization, (None, "batch", "layer"), ranks=(1, 2, 3))
    inputs, x = blocks.generator_inputs(latent_dim, num_classes)
    x = _hidden(x, units, normalization, negative_slope=0.0)
    x = keras_layers.Dense(math.prod(image_shape), dtype="float32")(x)
    return blocks.generator_model(inputs, keras_layers.Reshape(image_shape, dtype="float32")(x), output_activation)


def mlp_discriminator(
    image_shape: tuple[int, ...],
    units: Sequence[int] = (512, 512, 512),
    normalization: str | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """Discriminator of fully connected layers: images -> logits `(batch, 1)`.

    Args:
        image_shape: `(height, width, channels)`, or `(dimension,)` for points.
        units: Widths of the hidden layers. Defaults to `(512, 512, 512)`.
        normalization: None, `"batch"`, `"layer"` or `"spectral"`. Defaults to None.
        num_classes: Number of classes for a projection discriminator `[images, labels] -> logits`.
    """
    images, features = _trunk(image_shape, units, normalization)
    return blocks.discriminator_model(images, features, num_classes, normalization)


def mlp_encoder(
    image_shape: tuple[int, ...],
    latent_dim: int = 128,
    units: Sequence[int] = (512, 512),
    normalization: str | None = None,
) -> keras.Model:
    """Encoder of a `VAE`, with the trunk of `mlp_discriminator` and its arguments."""
    images, features = _trunk(image_shape, units, normalization)
    return blocks.encoder_model(images, features, latent_dim)


def _trunk(image_shape, units, normalization):
    allowed = (None, "batch", "layer", "spectral")
    images = keras.Input(blocks.checked_shape(image_shape, normalization, allowed, ranks=(1, 2, 3)), name="images")
    return images, _hidden(keras_layers.Flatten("channels_last")(images), units, normalization, negative_slope=0.2)


def _hidden(x, units, normalization, negative_slope):
    if not isinstance(units, tuple | list | np.ndarray):
        raise invalid("units", "a sequence of widths, e.g. (512, 512)", f"units={units!r}")
    dense, use_bias = blocks.dense(normalization), blocks.has_bias(normalization)
    for width in [checked_integer("units", width) for width in units]:
        x = dense(width, use_bias=use_bias, kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(negative_slope)(blocks.normalize(x, normalization))
    return x
