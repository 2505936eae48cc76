"""Dropout that a kerasgan model can reproduce."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan import stateless
from kerasgan.errors import checked_number, invalid


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
