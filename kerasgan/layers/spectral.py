"""Layers with spectral normalisation, differentiated through the singular value."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan import stateless
from kerasgan.errors import checked_integer
from kerasgan.layers.convolution import GroupedConv2D


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
class SpectralConv2D(_SpectralNormalization, GroupedConv2D):
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
