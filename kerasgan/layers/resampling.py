"""Larger images, and smoother ones."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("kerasgan")
class UpSampling2D(keras.layers.UpSampling2D):
    """`keras.layers.UpSampling2D`, exact to second order with every interpolation, as two matrix products."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.interpolation == "nearest":
            return super().call(inputs)
        first = 1 if self.data_format == "channels_last" else 2
        for axis, factor in zip((first, first + 1), self.size, strict=True):
            matrix = ops.cast(self._matrix(inputs, axis, factor), inputs.dtype)
            inputs = ops.moveaxis(ops.tensordot(inputs, matrix, axes=[[axis], [0]]), -1, axis)
        return inputs

    def _matrix(self, inputs, axis, factor):
        """Float32 `(size, size * factor)`: what the interpolation makes of each unit vector."""
        if inputs.shape[axis] is None:
            return self._interpolated(tf.eye(tf.shape(inputs)[axis]), factor)
        with tf.init_scope():  # a constant, because XLA has no bicubic interpolation
            matrix = self._interpolated(tf.eye(inputs.shape[axis]), factor).numpy()
        return tf.constant(matrix)

    def _interpolated(self, units, factor):
        return self._resize_images(units[:, :, None, None], factor, 1, "channels_last", self.interpolation)[:, :, 0, 0]


@keras.saving.register_keras_serializable("kerasgan")
class Blur2D(keras.layers.Layer):
    """Low-pass filter [1, 2, 1] / 4 along height and width; edges are repeated.

    It removes the highest frequency, and with it the checkerboard that a transposed convolution of stride 2 starts
    with: put it after one, before the activation.

    Args:
        inputs: `(batch, height, width, channels)`; the outputs have the same shape.

    Reference: Zhang, Making Convolutional Networks Shift-Invariant Again, 2019 (its filter Triangle-3).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = self._blurred(inputs, [inputs[:, :1], inputs, inputs[:, -1:]], 1)
        return self._blurred(inputs, [inputs[:, :, :1], inputs, inputs[:, :, -1:]], 2)

    def _blurred(self, inputs, padded, axis):
        padded = ops.concatenate(padded, axis)
        before, after = (padded[:, :-2], padded[:, 2:]) if axis == 1 else (padded[:, :, :-2], padded[:, :, 2:])
        return 0.5 * inputs + 0.25 * (before + after)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)
