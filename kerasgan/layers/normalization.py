"""Normalisations that are exact to second order."""

import keras
import tensorflow as tf
from keras import ops


def _normalize(layer, inputs, axes, shape):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, at least in float32.

    The moments are written out, because `tf.nn.moments` stops the gradient of the mean inside the variance.

    Args:
        layer: Has `epsilon`, `gamma` and `beta`; the last two may be None.
        axes: What the moments are taken over.
        shape: Of gamma and beta, to broadcast.
    """
    x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
    mean = ops.mean(x, axis=axes, keepdims=True)
    variance = ops.mean(ops.square(x - mean), axis=axes, keepdims=True)
    outputs = (x - mean) * ops.rsqrt(variance + layer.epsilon)
    if layer.gamma is not None:
        outputs = outputs * ops.cast(ops.reshape(layer.gamma, shape), x.dtype)
    if layer.beta is not None:
        outputs = outputs + ops.cast(ops.reshape(layer.beta, shape), x.dtype)
    return outputs


@keras.saving.register_keras_serializable("kerasgan")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization`, exact to second order.

    Reference: Ba, Kiros, Hinton, Layer Normalization, 2016.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.rms_scaling:
            return super().call(inputs)
        axes = [axis % len(inputs.shape) for axis in self.axis]
        shape = [size if axis in axes else 1 for axis, size in enumerate(inputs.shape)]
        return ops.cast(_normalize(self, inputs, axes, shape), self.compute_dtype)


@keras.saving.register_keras_serializable("kerasgan")
class GroupNormalization(keras.layers.GroupNormalization):
    """`keras.layers.GroupNormalization`, exact to second order.

    `groups=-1` is instance normalisation. `groups=1` normalises over height, width and channels, with a gain and a
    bias for each channel: the "layer normalisation" of the critics of the WGAN-GP authors.

    Reference: Wu, He, Group Normalization, 2018.
    """

    def _apply_normalization(self, reshaped_inputs, input_shape):
        rank = len(reshaped_inputs.shape)
        group_axis = self.axis if self.axis >= 0 else rank + self.axis - 1  # the groups stand before their channels
        axes = [axis for axis in range(1, rank) if axis != group_axis]
        outputs = _normalize(self, reshaped_inputs, axes, self._create_broadcast_shape(input_shape))
        return ops.cast(outputs, reshaped_inputs.dtype)


@keras.saving.register_keras_serializable("kerasgan")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, exact to second order; `synchronized=True` takes the global batch's moments.

    With a mask it is the stock layer, whose second order is not exact.

    Reference: Ioffe, Szegedy, Batch Normalization, 2015.
    """

    def _moments(self, inputs, mask):
        if mask is not None:
            return super()._moments(inputs, mask)
        context = tf.distribute.get_replica_context()
        synchronized = self.synchronized and context is not None and context.num_replicas_in_sync > 1

        def mean_over_batch(x):
            mean = ops.mean(x, axis=self._reduction_axes, keepdims=True)
            return context.all_reduce(tf.distribute.ReduceOp.MEAN, mean) if synchronized else mean

        mean = mean_over_batch(inputs)
        variance = mean_over_batch(ops.square(inputs - mean))
        return ops.squeeze(mean, self._reduction_axes), ops.squeeze(variance, self._reduction_axes)
