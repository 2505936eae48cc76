"""The residual networks of WGAN-GP's CIFAR-10 experiments, for images of any size.

Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, appendix F, and the authors'
`gan_cifar_resnet.py`.
"""

import math

import keras
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer
from kerasgan.networks import blocks


def resnet_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int = 128,
    filters: int = 128,
    normalization: str | None = "batch",
    num_classes: int | None = None,
) -> keras.Model:
    """Residual generator: a linear layer to 4 x 4, a block for each doubling, normalisation, ReLU, convolution, tanh.

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: Defaults to `128`.
        filters: Of every convolution. Defaults to `128`.
        normalization: None, `"batch"`, `"layer"` or `"instance"`. Defaults to `"batch"`.
        num_classes: Number of classes for a conditional generator `[latents, labels] -> images`.
    """
    height, width, channels = blocks.checked_shape(image_shape, normalization, (None, "batch", "layer", "instance"))
    filters = checked_integer("filters", filters)
    sizes = blocks.halvings((height, width), 4)
    inputs, x = blocks.generator_inputs(latent_dim, num_classes)
    start = (*sizes[-1], filters)
    x = keras_layers.Reshape(start)(keras_layers.Dense(math.prod(start))(x))
    for size in sizes[-2::-1]:
        x = _up_block(x, filters, size, normalization)
    x = layers.LeakyReLU(0.0)(blocks.normalize(x, normalization))
    x = keras_layers.Conv2D(channels, 3, padding="same", data_format="channels_last")(x)
    return blocks.generator_model(inputs, x, "tanh")


def resnet_discriminator(
    image_shape: tuple[int, int, int],
    filters: int = 128,
    normalization: str | None = None,
    num_classes: int | None = None,
) -> keras.Model:
    """Residual discriminator: blocks that halve down to 8 x 8, two that do not, ReLU, mean over pixels, linear.

    Args:
        image_shape: `(height, width, channels)`.
        filters: Of every convolution. Defaults to `128`.
        normalization: None, `"batch"`, `"layer"`, `"instance"` or `"spectral"`. Defaults to None.
        num_classes: Number of classes for a projection discriminator `[images, labels] -> logits`.
    """
    shape, filters = blocks.checked_shape(image_shape, normalization), checked_integer("filters", filters)
    images = x = keras.Input(shape, name="images")
    for i in range(max(1, len(blocks.halvings(shape[:2], 8)) - 1)):
        x = _down_block(x, filters, normalization, first=i == 0)
    for _ in range(2):
        x = keras_layers.Add()([x, _residual(x, filters, normalization)])
    features = keras_layers.GlobalAveragePooling2D("channels_last")(layers.LeakyReLU(0.0)(x))
    return blocks.discriminator_model(images, features, num_classes, normalization)


def _convolution(x, filters, kernel_size, normalization):
    initializer = "he_normal" if kernel_size > 1 else "glorot_normal"
    return blocks.conv(normalization)(
        filters, kernel_size, padding="same", data_format="channels_last", kernel_initializer=initializer
    )(x)


def _up_block(x, filters, size, normalization):
    def doubled(x):
        return blocks.crop(keras_layers.UpSampling2D(data_format="channels_last")(x), size)

    shortcut = _convolution(doubled(x), filters, 1, None)
    x = layers.LeakyReLU(0.0)(blocks.normalize(x, normalization))
    x = _convolution(doubled(x), filters, 3, None)
    x = layers.LeakyReLU(0.0)(blocks.normalize(x, normalization))
    return keras_layers.Add()([shortcut, _convolution(x, filters, 3, None)])


def _down_block(x, filters, normalization, first):
    """Halves the image. The block that sees the image has no activation in front of it."""
    pool = keras_layers.AveragePooling2D(2, padding="same", data_format="channels_last")
    if first:
        shortcut = _convolution(pool(x), filters, 1, normalization)
        x = layers.LeakyReLU(0.0)(_convolution(x, filters, 3, normalization))
        return keras_layers.Add()([shortcut, pool(_convolution(x, filters, 3, normalization))])
    shortcut = pool(_convolution(x, filters, 1, normalization))
    return keras_layers.Add()([shortcut, pool(_residual(x, filters, normalization))])


def _residual(x, filters, normalization):
    for _ in range(2):
        x = layers.LeakyReLU(0.0)(blocks.normalize(x, normalization))
        x = _convolution(x, filters, 3, normalization)
    return x
