"""Layers that are exact to second order, usable in any Keras model.

A gradient penalty differentiates twice, and on TensorFlow several stock layers are then silently wrong:
`tf.nn.moments` stops the gradient of the mean inside the variance, the gradient of a bilinear resize is declared not
differentiable, and `keras.layers.SpectralNormalization` overwrites its kernel instead of differentiating through it.
These layers take the arguments of the Keras layers they replace and give the same outputs.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan import _keras, stateless
from kerasgan.errors import checked_integer, checked_number, invalid


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


@keras.saving.register_keras_serializable("kerasgan")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` whose masks, in a kerasgan model, are a function of (seed, step).

    Outside a kerasgan model it is the stock layer, with masks that `seed` decides.

    Args:
        rate: Float in [0, 1], the share of the inputs that become 0.
        noise_shape: Shape of the mask; None stands for the size of the inputs. In a kerasgan model the first, the
            batch, has to be None. Defaults to the shape of the inputs.
        seed: Integer, or None.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(checked_number("rate", rate, "[0, 1]"), noise_shape=noise_shape, seed=seed, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        stream = stateless.current()
        if not training or not 0 < self.rate < 1 or stream is None:
            return super().call(inputs, training=training)
        wanted = self.noise_shape or (None,) * len(inputs.shape)
        if wanted[0] is not None:
            expected = f"noise_shape={(None, *wanted[1:])}: in a kerasgan model each example has its own mask"
            raise invalid("noise_shape", expected, f"noise_shape={wanted}", NotImplementedError)
        sizes = [inputs.shape[i] or tf.shape(inputs)[i] if size is None else size for i, size in enumerate(wanted)]
        kept = stream.uniform(tuple(sizes)) >= self.rate
        return ops.where(kept, inputs / (1.0 - self.rate), ops.zeros_like(inputs))


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
    with: put it behind one, before the activation.

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


class _SpectralNormalization(keras.layers.Layer):
    """Kernel over its largest singular value, with the gradient through that value.

    sigma = norm(W u),  W the kernel as a matrix, u a running estimate of its first right singular vector

    In a kerasgan model `u` advances by one power iteration at each update of the discriminator, elsewhere at each
    training call. A kernel of zeros stays as it is, as in `keras.layers.SpectralNormalization`. LoRA and quantized
    dtypes would bypass the normalisation: they raise NotImplementedError.

    Reference: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, algorithm 1.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Only quantizable layers have a configuration of it.
        if self.lora_rank or self.dtype_policy.quantization_mode or getattr(self, "quantization_config", None):
            self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__} has no LoRA and cannot be quantized: its kernel is divided by its largest singular "
            "value at each call. Use keras.layers.Dense or Conv2D, with the kernel that `normalized_kernel()` gives."
        )

    enable_lora = quantize = quantized_build = _refuse

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(self._kernel.shape[-1], 1),
            initializer="random_normal",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self.u.assign(_unit(ops.convert_to_tensor(self.u)))

    def power_iteration(self) -> None:
        """Advances `u` by one iteration; leaves it if the kernel is zero, because it would stay zero for ever."""
        matrix = self._matrix()
        right = ops.matmul(ops.transpose(matrix), _unit(ops.matmul(matrix, self.u)))
        self.u.assign(ops.where(ops.any(right != 0), _unit(right), self.u))

    def normalized_kernel(self) -> tf.Tensor:
        """`W / sigma(W)`, in the layer's compute dtype."""
        kernel, matrix = self._kernel.value, self._matrix()
        square = ops.sum(ops.square(ops.matmul(matrix, self.u)))
        sigma = ops.sqrt(ops.where(square > 0, square, 1.0))  # the gradient of a root at 0 is infinite
        return ops.cast(kernel, self.compute_dtype) / ops.cast(sigma, self.compute_dtype)

    # Those of Dense and Conv2D leave out `u`.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def _matrix(self):
        """The kernel as a matrix in the dtype of `u`: float32 under a mixed policy too."""
        return ops.cast(ops.reshape(self._kernel.value, (-1, self._kernel.shape[-1])), self.u.dtype)

    def _iterate_outside_kerasgan(self, training):
        if training and stateless.current() is None:
            self.power_iteration()


def _unit(x):
    norm = ops.norm(x)
    return x / ops.where(norm > 0, norm, 1.0)


@keras.saving.register_keras_serializable("kerasgan")
class SpectralConv2D(_SpectralNormalization, keras.layers.Conv2D):
    __doc__ = f"`keras.layers.Conv2D` with spectral normalisation.\n\n{_SpectralNormalization.__doc__}"

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], *args: Any, **kwargs: Any) -> None:
        super().__init__(checked_integer("filters", filters), kernel_size, *args, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        self._iterate_outside_kerasgan(training)
        return super().call(inputs)

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return super().convolution_op(inputs, self.normalized_kernel())


@keras.saving.register_keras_serializable("kerasgan")
class SpectralDense(_SpectralNormalization, keras.layers.Dense):
    __doc__ = f"`keras.layers.Dense` with spectral normalisation.\n\n{_SpectralNormalization.__doc__}"

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(checked_integer("units", units), *args, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        self._iterate_outside_kerasgan(training)
        outputs = ops.matmul(inputs, self.normalized_kernel())
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


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
