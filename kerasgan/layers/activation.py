"""An activation whose penalties are cheap."""

from typing import Any

import keras
import tensorflow as tf

from kerasgan.errors import checked_number


@keras.saving.register_keras_serializable("kerasgan")
class LeakyReLU(keras.layers.Layer):
    """Leaky rectifier whose slope is a constant to the tape.

        y = x * slope(x),  slope(x) = 1 where x > 0, else negative_slope

    TensorFlow's second derivative of `leaky_relu` and `relu` is a tensor of zeros, not "none", so a gradient penalty
    through them runs a whole backward pass to no effect. The values and gradients are the same, the work is not.

    Args:
        negative_slope: Float >= 0. Defaults to `0.2`; `0.0` is the ReLU.
    """

    def __init__(self, negative_slope: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = checked_number("negative_slope", negative_slope)
        self.supports_masking = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        one, slope = tf.constant(1.0, inputs.dtype), tf.constant(self.negative_slope, inputs.dtype)
        return inputs * tf.stop_gradient(tf.where(inputs > 0, one, slope))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}
