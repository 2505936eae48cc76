"""Layers that are exact to second order, usable in any Keras model.

A gradient penalty differentiates twice, and on TensorFlow several stock layers are then silently wrong:
`tf.nn.moments` stops the gradient of the mean inside the variance, the gradient of a bilinear resize is declared not
differentiable, and `keras.layers.SpectralNormalization` overwrites its kernel instead of differentiating through it.
These layers take the arguments of the Keras layers they replace and give the same outputs. `GroupedConv2D` replaces one
that is exact, but slow on a CPU.
"""

from kerasgan.layers.activation import LeakyReLU
from kerasgan.layers.constant import LearnedConstant2D
from kerasgan.layers.convolution import GroupedConv2D
from kerasgan.layers.dropout import Dropout
from kerasgan.layers.exactness import INEXACT, inexact_layers
from kerasgan.layers.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from kerasgan.layers.resampling import Blur2D, UpSampling2D
from kerasgan.layers.spectral import SpectralConv2D, SpectralDense

__all__ = [
    "INEXACT",
    "BatchNormalization",
    "Blur2D",
    "Dropout",
    "GroupNormalization",
    "GroupedConv2D",
    "LayerNormalization",
    "LeakyReLU",
    "LearnedConstant2D",
    "SpectralConv2D",
    "SpectralDense",
    "UpSampling2D",
    "inexact_layers",
]

# Saved configurations name this module, and a checkpoint resumes only what has the same configuration.
for _layer in [value for value in globals().values() if isinstance(value, type)]:
    _layer.__module__ = __name__
