"""Constraints on the discriminator's variables."""

import keras
import tensorflow as tf
from keras import ops

from kerasgan import papers
from kerasgan.configured import Configured
from kerasgan.errors import checked_number


@keras.saving.register_keras_serializable("kerasgan")
class Clip(Configured, keras.constraints.Constraint):
    """Weight clipping: every element is kept in [-clip, clip].

    Args:
        clip: Float > 0, `c` in the paper. Defaults to `0.01`.

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, algorithm 1, line 7.
    """

    def __init__(self, clip: float = papers.WGAN.clip) -> None:
        self.clip = checked_number("clip", clip, "(0, inf)", ", e.g. 0.01")

    def __call__(self, value: tf.Tensor) -> tf.Tensor:
        return ops.clip(value, -self.clip, self.clip)
