"""TensorBoard's events, in memory that stays flat, and pictures of what a model makes."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasgan import images
from kerasgan.callbacks.base import Callback
from kerasgan.errors import checked_integer


class _Summary:
    """`tf.summary`, which is given NumPy's numbers."""

    def __getattr__(self, name):
        return getattr(tf.summary, name)

    @staticmethod
    def scalar(name: str, data: Any, step: Any) -> Any:
        step = step.numpy() if isinstance(step, keras.Variable) else step
        return tf.summary.scalar(name, np.float32(data), step=np.int64(step))


class TensorBoard(Callback, keras.callbacks.TensorBoard):
    """Keras's `TensorBoard`, for runs of any length, and with pictures: arguments and scalars are the same.

    After each epoch `samples` shows what the model makes of the same latents: a grid of images, or a scatter plot of
    points in the plane. The learning rates of a GAN are `epoch_learning_rate_d_optimizer` and `..._g_optimizer`.

    TensorFlow keeps each Python number that it was ever given as a tensor, about a kilobyte for one, and Keras's
    callback gives it those of every batch, even where only epochs are written (`update_freq="epoch"`). Here these are
    not given, and all others are NumPy's, which are not kept.

    Args:
        num_images: Integer >= 0, generated images in a picture; 0 for no pictures.
        *args, **kwargs: As in `keras.callbacks.TensorBoard`.

    Raises:
        ValueError: An argument is out of its range.
    """

    chief_only = True
    summary = _Summary()

    def __init__(self, *args: Any, num_images: int = 64, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.num_images = checked_integer("num_images", num_images, 0)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, None if self.update_freq == "epoch" else logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if self.num_images and self._makes_pictures():
            examples = self.model.generate(self.num_images, seed=0)
            with self._train_writer.as_default():
                tf.summary.image("samples", images.picture(examples)[None], step=np.int64(epoch))

    def _makes_pictures(self):
        model = self.model
        shape = getattr(model, "image_shape", ())  # another Keras model has none
        # Without a number of classes there are none to show in turn.
        return (len(shape) == 3 or shape == (2,)) and not (model.conditional and model.num_classes is None)
