"""DCGAN for images of any size: strided convolutions, mirrored.

The sizes come from the image: 64 -> 32 -> 16 -> 8 -> 4 as in the paper, and 28 -> 14 -> 7 -> 4 as in the WGAN-GP
authors' MNIST script, whose generator cuts 8 x 8 to 7 x 7 on its way back.

References: Radford, Metz, Chintala, Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks, 2015; for `skips`, Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, figure 7 (b).
"""

import math

import keras
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_boolean, checked_integer
from kerasgan.networks import blocks

_SMALLEST = 4
_WIDEST = 8  # times `filters`


def dcgan_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int = 128,
    filters: int = 64,
    normalization: str | None = "batch",
    num_classes: int | None = None,
    kernel_size: int = 4,
    blur: bool = False,
    skips: bool = False,
) -> keras.Model:
    """Generator of transposed convolutions: latents -> images in [-1, 1].

    Args:
        image_shape: `(height, width, channels)`: any size, any number of channels.
        latent_dim: Defaults to `128`.
        filters: Filters of the layer nearest to the image; doubled at each halving, up to eight times.
        normalization: None, `"batch"`, `"layer"` or `"instance"`. Defaults to `"batch"`, the paper's.
        num_classes: Number of classes for a conditional generator `[latents, labels] -> images`.
        kernel_size: Defaults to `4`: a multiple of the stride covers every pixel alike.
        blur: Whether a low-pass filter follows each transposed convolution, so that a young generator has no
            checkerboard either. Defaults to False.
        skips: Whether every resolution above the first adds to the image, upsampled, what a 1 x 1 convolution makes of
            its features; otherwise the last layer alone makes the image. Defaults to False.
    """
    height, width, channels = blocks.checked_shape(image_shape, normalization, (None, "batch", "layer", "instance"))
    filters, kernel_size = checked_integer("filters", filters), checked_integer("kernel_size", kernel_size)
    sizes = blocks.halvings((height, width), _SMALLEST)
    widths = blocks.doubled(filters, len(sizes) - 1, _WIDEST)
    blur, skips = checked_boolean("blur", blur), checked_boolean("skips", skips)
    inputs, x = blocks.generator_inputs(latent_dim, num_classes)
    start = (*sizes[-1], widths[-1] if widths else filters)
    x = keras_layers.Dense(math.prod(start), use_bias=normalization is None, kernel_initializer="he_normal")(x)
    x, image = _activate(keras_layers.Reshape(start)(x), normalization), None
    for size, filters in zip(sizes[-2:0:-1], widths[-2::-1], strict=True):
        x = keras_layers.Conv2DTranspose(
            filters,
            kernel_size,
            2,
            "same",
            data_format="channels_last",
            use_bias=normalization is None,
            kernel_initializer="he_normal",
        )(x)
        x = _activate(_cleared(x, size, blur), normalization)
        if skips:
            skip = keras_layers.Conv2D(channels, 1, data_format="channels_last")(x)
            image = skip if image is None else _added(image, skip, size)
    strides = 2 if len(sizes) > 1 else 1
    x = keras_layers.Conv2DTranspose(channels, kernel_size, strides, "same", data_format="channels_last")(x)
    x = _cleared(x, (height, width), blur)
    return blocks.generator_model(inputs, x if image is None else _added(image, x, (height, width)), "tanh")


def dcgan_discriminator(
    image_shape: tuple[int, int, int],
    filters: int = 64,
    normalization: str | None = None,
    num_classes: int | None = None,
    kernel_size: int = 4,
) -> keras.Model:
    """Discriminator of strided convolutions: images -> logits `(batch, 1)`.

    Args:
        image_shape: `(height, width, channels)`: any size, any number of channels.
        filters: Filters of the first layer; doubled at each halving, up to eight times. Defaults to `64`.
        normalization: None, `"batch"`, `"layer"`, `"instance"` or `"spectral"`; the first layer has only the last, as
            in the paper. Defaults to None. A gradient penalty allows all but `"batch"`.
        num_classes: Number of classes for a projection discriminator `[images, labels] -> logits`.
        kernel_size: Defaults to `4`.
    """
    images, features = _trunk(image_shape, filters, normalization, kernel_size)
    return blocks.discriminator_model(images, features, num_classes, normalization)


def dcgan_encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int = 128,
    filters: int = 64,
    normalization: str | None = "batch",
    kernel_size: int = 4,
) -> keras.Model:
    """Encoder of a `VAE`, with the trunk of `dcgan_discriminator` and its arguments."""
    images, features = _trunk(image_shape, filters, normalization, kernel_size)
    return blocks.encoder_model(images, features, latent_dim)


def _cleared(x, size, blur):
    """What a transposed convolution leaves, cut to `size`, without its checkerboard where that is wanted."""
    x = blocks.crop(x, size)
    return layers.Blur2D()(x) if blur else x


def _added(image, x, size):
    """The image of the resolution before, upsampled to `size`, plus what this resolution makes of it."""
    larger = layers.UpSampling2D(2, "channels_last", "bilinear")(image)
    return keras_layers.Add()([blocks.crop(larger, size), x])


def _trunk(image_shape, filters, normalization, kernel_size):
    image_shape = blocks.checked_shape(image_shape, normalization)
    filters, kernel_size = checked_integer("filters", filters), checked_integer("kernel_size", kernel_size)
    images = x = keras.Input(image_shape, name="images")
    count = len(blocks.halvings(image_shape[:2], _SMALLEST)) - 1
    for i, width in enumerate(blocks.doubled(filters, count, _WIDEST) or [filters]):
        strides, use_bias = 2 if count else 1, i == 0 or blocks.has_bias(normalization)
        x = blocks.conv(normalization)(
            width, kernel_size, strides, "same", "channels_last", use_bias=use_bias, kernel_initializer="he_normal"
        )(x)
        x = layers.LeakyReLU(0.2)(blocks.normalize(x, normalization) if i else x)
    return images, keras_layers.Flatten("channels_last")(x)


def _activate(x, normalization):
    return layers.LeakyReLU(0.0)(blocks.normalize(x, normalization))
