"""Which layers of a network are not exact to second order."""

import keras

from kerasgan import _keras
from kerasgan.layers.normalization import GroupNormalization, LayerNormalization
from kerasgan.layers.resampling import UpSampling2D

# Stock layers that are wrong to second order on TensorFlow, and what replaces them.
INEXACT = {
    keras.layers.LayerNormalization: "kerasgan.layers.LayerNormalization",
    keras.layers.GroupNormalization: "kerasgan.layers.GroupNormalization",
    keras.layers.SpectralNormalization: "kerasgan.layers.SpectralConv2D or SpectralDense",
    keras.layers.UpSampling2D: "kerasgan.layers.UpSampling2D",
    keras.layers.Resizing: "kerasgan.layers.UpSampling2D or keras.layers.AveragePooling2D",
    keras.layers.MaxPooling1D: "keras.layers.AveragePooling1D or strides (XLA picks the wrong cell)",
    keras.layers.MaxPooling2D: "keras.layers.AveragePooling2D or strides (XLA picks the wrong cell)",
    keras.layers.MaxPooling3D: "keras.layers.AveragePooling3D or strides (XLA picks the wrong cell)",
    keras.layers.GlobalMaxPooling1D: "keras.layers.GlobalAveragePooling1D (XLA picks the wrong cell)",
    keras.layers.GlobalMaxPooling2D: "keras.layers.GlobalAveragePooling2D (XLA picks the wrong cell)",
    keras.layers.GlobalMaxPooling3D: "keras.layers.GlobalAveragePooling3D (XLA picks the wrong cell)",
}


def inexact_layers(model: keras.Model) -> list[tuple[keras.Layer, str]]:
    """The layers of `model` whose second-order gradient is wrong or missing, each with what to use instead."""
    return [
        (layer, replacement)
        for layer in _keras.layers_of(model)
        for stock, replacement in INEXACT.items()
        if isinstance(layer, stock) and not _is_exact(layer)
    ]


def _is_exact(layer):
    if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest":
        return True
    if isinstance(layer, keras.layers.LayerNormalization) and layer.rms_scaling:
        return True
    return isinstance(layer, LayerNormalization | GroupNormalization | UpSampling2D)
