"""A convolution in groups of channels that is fast on a CPU."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("kerasgan")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose `groups` do not make it slow on a CPU.

    Keras compiles a convolution of several groups by XLA, which takes hundreds of times as long on a CPU. This layer
    calls TensorFlow's own. Where that has no gradients (on a CPU: float64, without oneDNN, and on some in 16 bits), it
    is one convolution with a kernel that is zero between the groups: as exact, with the work of all pairs of channels.
    With channels first it is the stock layer.

    Reference: Xie et al., Aggregated Residual Transformations for Deep Neural Networks, 2017.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.groups == 1 or self.data_format == "channels_first" or not self.use_bias:
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        # By group, because TensorFlow fuses a convolution and its bias, and without oneDNN that has no groups.
        shape = (self.groups, self.filters // self.groups)
        biased = ops.reshape(outputs, (-1, *shape)) + ops.reshape(self.bias, shape)
        outputs = ops.reshape(biased, ops.shape(outputs))
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if self.groups == 1 or self.data_format == "channels_first":
            return super().convolution_op(inputs, kernel)
        if not _has_gradients(keras.backend.standardize_dtype(inputs.dtype)):
            return super().convolution_op(inputs, self._masked(kernel))
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)

    def _masked(self, kernel):
        """The kernel `(height, width, channels, filters)` from all channels, zero between the groups."""
        channels, filters = kernel.shape[-2:]
        mask = np.kron(np.eye(self.groups), np.ones((channels, filters // self.groups)))
        return ops.tile(kernel, (1, 1, self.groups, 1)) * ops.cast(mask, kernel.dtype)


@functools.cache
def _has_gradients(dtype):
    """Whether TensorFlow has the gradients of a grouped convolution here, found out by trying."""
    size = (1, 1, 1, 2)  # of the images and of the kernel: two groups of one channel
    with tf.init_scope():
        zeros = tf.zeros(size, dtype)
        common = {"out_backprop": zeros, "strides": [1] * 4, "padding": "VALID"}
        try:
            tf.raw_ops.Conv2DBackpropInput(input_sizes=size, filter=zeros, **common)
            tf.raw_ops.Conv2DBackpropFilter(input=zeros, filter_sizes=size, **common)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True
