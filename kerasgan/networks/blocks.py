"""What every network here is made of: its inputs, its normalisation and its last layer."""

import keras
import numpy as np
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer, invalid

NORMALIZATIONS = (None, "batch", "layer", "instance", "spectral")


def checked_shape(image_shape, normalization, allowed=NORMALIZATIONS, ranks=(3,)):
    """`image_shape` as a tuple of `int`; raises `ValueError` for what no network can be built from."""
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


def normalize(x, normalization):
    """Applies the normalisation of this name, exact to second order. `"spectral"` is in the weights, not here."""
    if normalization == "batch":
        # DCGAN's 0.9 rather than Keras's 0.99: the moving average has to follow a generator that never settles.
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x)
    if normalization == "layer":
        layer = (
            layers.GroupNormalization(groups=1, epsilon=1e-5)
            if len(x.shape) == 4
            else layers.LayerNormalization(epsilon=1e-5)
        )
        return layer(x)
    if normalization == "instance":
        return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)
    return x


def has_bias(normalization):
    """Whether a bias in front of the normalisation changes anything: these two subtract it again."""
    return normalization not in ("batch", "instance")


def conv(normalization):
    """Class of a convolution."""
    return layers.SpectralConv2D if normalization == "spectral" else keras_layers.Conv2D


def dense(normalization):
    """Class of a fully connected layer."""
    return layers.SpectralDense if normalization == "spectral" else keras_layers.Dense


def _checked_classes(num_classes):
    return checked_integer("num_classes", num_classes, advice=", or None for an unconditional network")


def generator_inputs(latent_dim, num_classes):
    """Inputs of a generator and the vector that it starts from: the latents, with the label's embedding behind them."""
    latent_dim = checked_integer("latent_dim", latent_dim)
    latents = keras.Input((latent_dim,), name="latents")
    if num_classes is None:
        return latents, latents
    labels = keras.Input((), dtype="int32", name="labels")
    embedding = keras_layers.Embedding(
        _checked_classes(num_classes), latent_dim, embeddings_initializer="random_normal", name="label_embedding"
    )(labels)
    return [latents, labels], keras_layers.Concatenate()([latents, embedding])


def discriminator_model(images, features, num_classes, normalization, name):
    """The discriminator that ends in `features`: one linear unit, in float32, and a projection when conditional.

    logit = w . features + embedding[label] . features

    Reference: Miyato, Koyama, cGANs with Projection Discriminator, 2018, eq. 3.
    """
    logits = dense(normalization)(1, dtype="float32", name="logits")(features)
    if num_classes is None:
        return keras.Model(images, logits, name=name)
    labels = keras.Input((), dtype="int32", name="labels")
    num_classes = _checked_classes(num_classes)
    embedding = keras_layers.Embedding(num_classes, features.shape[-1], dtype="float32", name="label_embedding")(labels)
    projection = keras_layers.Dot(axes=1, dtype="float32", name="projection")([embedding, features])
    return keras.Model([images, labels], keras_layers.Add(dtype="float32")([logits, projection]), name=name)


def halvings(size, smallest):
    """Sizes from `size` down by strides of two until at most `smallest`: 28 -> [28, 14, 7, 4].

    Args:
        size: Pair of integers, height and width.
        smallest: Integer, where the smaller of the two may stop.
    """
    sizes = [tuple(size)]
    while min(sizes[-1]) > smallest:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def crop(x, size):
    """Cuts the bottom and the right to `size`: 8 x 8 -> 7 x 7, as the WGAN-GP authors do for MNIST."""
    excess = [(0, have - want) for have, want in zip(x.shape[1:3], size, strict=True)]
    return keras_layers.Cropping2D(excess, "channels_last")(x) if any(end for _, end in excess) else x
