"""What a generator begins with besides its latents."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasgan.errors import checked_integer, invalid


@keras.saving.register_keras_serializable("kerasgan")
class LearnedConstant2D(keras.layers.Layer):
    """A learned array, times the inputs: `(batch, channels)` -> `(batch, height, width, channels)`.

    Args:
        size: `(height, width)`.

    Reference: Karras, Laine, Aila, A Style-Based Generator Architecture for GANs, 2019, table 1, without the inputs;
    Huang et al., The GAN is dead; long live the GAN!, 2024, with them.
    """

    def __init__(self, size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(size, tuple | list) or len(size) != 2:
            raise invalid("size", "(height, width), e.g. (4, 4)", f"size={size!r}")
        self.size = [checked_integer("size", side) for side in size]

    def build(self, input_shape: Sequence[int | None]) -> None:
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.constant = self.add_weight(name="constant", shape=(*self.size, input_shape[-1]), initializer=normal)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[:, None, None, :] * self.constant

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
