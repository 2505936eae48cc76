"""The residual networks of R3GAN, without normalisation, for images of any size.

Huang et al. differ: their resampling sees zeros outside of an image, where this one repeats the edge; their generator
does not end in tanh; and they encode labels otherwise (here as in every network of the package).

These networks are for accelerators. On a CPU a step takes several times that of DCGAN.

Reference: Huang, Gokaslan, Kuleshov, Tompkin, The GAN is dead; long live the GAN! A Modern GAN Baseline, 2024.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers as keras_layers

from kerasgan import layers
from kerasgan.errors import checked_integer, invalid
from kerasgan.networks.blocks import (
    checked_shape,
    crop,
    discriminator_model,
    doubled,
    generator_inputs,
    generator_model,
    halvings,
)

_LARGEST_START = 7  # so 4 to 7 pixels: 28 -> 14 -> 7, and 32 -> 16 -> 8 -> 4
_WIDEST = 4  # times `filters`
_EXPANSION = 2
_SLOPE = 0.2


def r3gan_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int = 64,
    filters: int | Sequence[int] = 32,
    blocks: int = 1,
    group_width: int = 16,
    num_classes: int | None = None,
) -> keras.Model:
    """Residual generator: a learned array times a linear layer of the latents, blocks, doublings between them, tanh.

    Args:
        image_shape: `(height, width, channels)`: any size, any number of channels.
        latent_dim: Defaults to `64`.
        filters: Width of the stage next to the image; doubled at each halving, up to four times. Or the widths of all
            stages from the image inwards, e.g. `(768,) * 4`, the authors' for images of 32 pixels. Defaults to `32`.
        blocks: Residual blocks of each stage. Defaults to `1`; the authors' is 2.
        group_width: Channels of each group of a 3 x 3 convolution, whose width is twice that of the stage; a stage with
            fewer has one group. Defaults to `16`.
        num_classes: Number of classes for a conditional generator `[latents, labels] -> images`.
    """
    shape, sizes, widths, block = _plan(image_shape, filters, blocks, group_width)
    inputs, x = generator_inputs(latent_dim, num_classes)
    x = keras_layers.Dense(widths[-1], use_bias=False, kernel_initializer=_normal(1.0))(x)
    x = layers.LearnedConstant2D(sizes[-1])(x)
    for stage in reversed(range(len(sizes))):
        if x.shape[1:3] != sizes[stage]:
            x = keras_layers.UpSampling2D(data_format="channels_last")(_widened(x, widths[stage]))
            x = layers.Blur2D()(crop(x, sizes[stage]))
        x = block(x)
    return generator_model(inputs, _pointwise(x, shape[-1], 1.0), "tanh")


def r3gan_discriminator(
    image_shape: tuple[int, int, int],
    filters: int | Sequence[int] = 32,
    blocks: int = 1,
    group_width: int = 16,
    num_classes: int | None = None,
) -> keras.Model:
    """Residual discriminator, the generator mirrored: images -> logits `(batch, 1)`.

    Args:
        image_shape: `(height, width, channels)`: any size, any number of channels.
        filters, blocks, group_width: As those of `r3gan_generator`.
        num_classes: Number of classes for a projection discriminator `[images, labels] -> logits`.
    """
    shape, sizes, widths, block = _plan(image_shape, filters, blocks, group_width)
    images = keras.Input(shape, name="images")
    x = block(_pointwise(images, widths[0], 1.0))
    for width in widths[1:]:
        x = keras_layers.AveragePooling2D(2, padding="same", data_format="channels_last")(layers.Blur2D()(x))
        x = block(_widened(x, width))
    spread = keras.initializers.RandomNormal(stddev=1 / math.sqrt(math.prod(sizes[-1])))
    x = keras_layers.EinsumDense("bhwc,hwc->bc", widths[-1], kernel_initializer=spread)(x)
    return discriminator_model(images, x, num_classes, None, use_bias=False, kernel_initializer=_normal(1.0))


def _plan(image_shape, filters, blocks, group_width):
    """The checked shape, the size and the width of each stage from the image inwards, and what makes its blocks."""
    shape = checked_shape(image_shape, None)
    sizes = halvings(shape[:2], _LARGEST_START)
    widths = _widths(filters, len(sizes))
    blocks, group_width = checked_integer("blocks", blocks), checked_integer("group_width", group_width)
    for width in widths:
        if width * _EXPANSION > group_width and width * _EXPANSION % group_width:
            expected = f"widths whose double is a multiple of group_width={group_width}, or at most that"
            raise invalid("filters", expected, f"filters={filters!r}, with a stage of {width}")
    gain = math.sqrt(2 / (1 + _SLOPE**2)) * (blocks * len(sizes)) ** -0.25

    def stage(x):
        for _ in range(blocks):
            x = _block(x, gain, group_width)
        return x

    return shape, sizes, widths, stage


def _widths(filters, stages):
    if not isinstance(filters, tuple | list | np.ndarray):
        filters = checked_integer("filters", filters, advice=", or a sequence of one for each stage")
        return doubled(filters, stages, _WIDEST)
    if len(filters) != stages:
        raise invalid("filters", f"a width for each of the {stages} stages of this image", f"filters={filters!r}")
    return [checked_integer("filters", width) for width in filters]


def _block(x, gain, group_width):
    """x + 1x1(grouped 3x3(1x1(x))); nothing but x at the start of training, because the last kernel is zero."""
    width = x.shape[-1]
    inner = _EXPANSION * width
    y = layers.LeakyReLU(_SLOPE)(_pointwise(x, inner, gain, use_bias=True))
    y = layers.GroupedConv2D(
        inner,
        3,
        padding="same",
        data_format="channels_last",
        groups=max(1, inner // group_width),
        kernel_initializer=_normal(gain),
    )(y)
    y = _pointwise(layers.LeakyReLU(_SLOPE)(y), width, 0.0)
    return keras_layers.Add()([x, y])


def _widened(x, width):
    return x if x.shape[-1] == width else _pointwise(x, width, 1.0)


def _pointwise(x, filters, gain, use_bias=False):
    return keras_layers.Conv2D(
        filters,
        1,
        padding="same",
        data_format="channels_last",
        use_bias=use_bias,
        kernel_initializer=_normal(gain),
    )(x)


def _normal(gain):
    """N(0, gain^2 / fan_in), or zeros."""
    if not gain:
        return keras.initializers.Zeros()
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")
