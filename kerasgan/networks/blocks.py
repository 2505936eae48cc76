"""What every network here is made of: its inputs, its normalisation and its last layer."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer, invalid

NORMALIZATIONS = (None, "batch", "layer", "instance", "spectral")


def checked_shape(
    image_shape: Sequence[int],
    normalization: str | None,
    allowed: Sequence[str | None] = NORMALIZATIONS,
    ranks: Sequence[int] = (3,),
) -> tuple[int, ...]:
    """`image_shape` as a tuple of `int`; raises `ValueError` if no network can be built from the arguments."""
    sizes = tuple(image_shape) if isinstance(image_shape, tuple | list | np.ndarray) else ()
    try:
        sizes = tuple(checked_integer("image_shape", size) for size in sizes)
    except ValueError:
        sizes = ()
    if len(sizes) not in ranks:
        expected = "positive integers, e.g. (28, 28, 1) as (height, width, channels)"
        raise invalid("image_shape", expected, f"image_shape={image_shape}")
    if normalization not in allowed:
        raise invalid("normalization", f"one of {allowed}", f"normalization={normalization!r}")
    return sizes


def normalize(x: KerasTensor, normalization: str | None) -> KerasTensor:
    """Applies a normalisation, exact to second order. `"spectral"` is in the weights, not here."""
    if normalization == "batch":
        # DCGAN's 0.9, not Keras's 0.99: the moving average has to follow a generator that never settles.
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x)
    if normalization == "layer" and len(x.shape) != 4:
        return layers.LayerNormalization(epsilon=1e-5)(x)
    if normalization in ("layer", "instance"):
        return layers.GroupNormalization(groups=1 if normalization == "layer" else -1, epsilon=1e-5)(x)
    return x


def has_bias(normalization: str | None) -> bool:
    """Whether a bias before the normalisation has an effect: these two subtract it again."""
    return normalization not in ("batch", "instance")


def conv(normalization: str | None) -> type[keras.Layer]:
    """Class of a convolution."""
    return layers.SpectralConv2D if normalization == "spectral" else keras_layers.Conv2D


def dense(normalization: str | None) -> type[keras.Layer]:
    """Class of a fully connected layer."""
    return layers.SpectralDense if normalization == "spectral" else keras_layers.Dense


def _checked_classes(num_classes):
    return checked_integer("num_classes", num_classes, advice=", or None for an unconditional network")


def generator_inputs(latent_dim: int, num_classes: int | None) -> tuple[KerasTensor | list[KerasTensor], KerasTensor]:
    """Inputs of a generator, and its first vector: the latents, followed by the label's embedding."""
    latent_dim = checked_integer("latent_dim", latent_dim)
    latents = keras.Input((latent_dim,), name="latents")
    if num_classes is None:
        return latents, latents
    labels = keras.Input((), dtype="int32", name="labels")
    embedding = keras_layers.Embedding(
        _checked_classes(num_classes), latent_dim, embeddings_initializer="random_normal", name="label_embedding"
    )(labels)
    return [latents, labels], keras_layers.Concatenate()([latents, embedding])


def generator_model(inputs: KerasTensor | list[KerasTensor], x: KerasTensor, activation: str | None) -> keras.Model:
    """The generator that ends in `x` and an activation in float32."""
    return keras.Model(inputs, keras_layers.Activation(activation, dtype="float32", name="images")(x), name="generator")


def discriminator_model(
    images: KerasTensor, features: KerasTensor, num_classes: int | None, normalization: str | None, **last: Any
) -> keras.Model:
    """The discriminator that ends in `features`: one linear unit in float32, and a projection if conditional.

        logit = w . features + embedding[label] . features

    Args:
        images: The input.
        features: `(batch, size)`.
        num_classes: Number of classes, or None.
        normalization: `"spectral"` for spectral normalisation of the linear unit.
        **last: Other arguments of the linear unit.

    Reference: Miyato, Koyama, cGANs with Projection Discriminator, 2018, eq. 3.
    """
    logits = dense(normalization)(1, dtype="float32", name="logits", **last)(features)
    if num_classes is None:
        return keras.Model(images, logits, name="discriminator")
    labels = keras.Input((), dtype="int32", name="labels")
    num_classes = _checked_classes(num_classes)
    embedding = keras_layers.Embedding(num_classes, features.shape[-1], dtype="float32", name="label_embedding")(labels)
    projection = keras_layers.Dot(axes=1, dtype="float32", name="projection")([embedding, features])
    logits = keras_layers.Add(dtype="float32")([logits, projection])
    return keras.Model([images, labels], logits, name="discriminator")


def encoder_model(images: KerasTensor, features: KerasTensor, latent_dim: int) -> keras.Model:
    """The encoder of a `VAE` that ends in `features`: means and logarithms of variances, in float32."""
    latent_dim = checked_integer("latent_dim", latent_dim)
    return keras.Model(images, keras_layers.Dense(2 * latent_dim, dtype="float32")(features), name="encoder")


def halvings(size: Sequence[int], smallest: int) -> list[tuple[int, ...]]:
    """Heights and widths from `size` down by strides of two until the smaller is at most `smallest`: 28, 14, 7, 4."""
    sizes = [tuple(size)]
    while min(sizes[-1]) > smallest:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def doubled(filters: int, count: int, most: int) -> list[int]:
    """Widths from the image inwards: doubled from one to the next, up to `most` times the first."""
    return [filters * min(2**i, most) for i in range(count)]


def crop(x: KerasTensor, size: Sequence[int]) -> KerasTensor:
    """Cuts the bottom and the right to `size`: 8 x 8 -> 7 x 7, as the WGAN-GP authors do for MNIST."""
    excess = [(0, have - want) for have, want in zip(x.shape[1:3], size, strict=True)]
    return keras_layers.Cropping2D(excess, "channels_last")(x) if any(end for _, end in excess) else x
