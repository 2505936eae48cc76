"""TensorBoard's events, in memory that stays flat, by step, with pictures of what a model makes."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, files, images, optimization
from kerasgan.callbacks import samples
from kerasgan.callbacks.base import Callback, is_generative
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

    With a model of kerasgan, at its generator's steps, which a run that resumes continues:

    - after each epoch `samples`, what the model makes of the same latents: a grid of images with a class per column, or
      a scatter plot of points in the plane;
    - with `update_freq=100`, in every 100th step, all metrics and learning rates: `batch_wasserstein`,
      `batch_gradient_norm`, `batch_learning_rate_d_optimizer`, `batch_learning_rate_g_optimizer`, ...

    After each epoch, at its number, the means over the epoch: `epoch_wasserstein`, ..., and both learning rates.

    TensorFlow keeps each Python number that it was ever given as a tensor, about a kilobyte for one, and Keras's
    callback gives it those of every batch, even where only epochs are written (`update_freq="epoch"`). Here only those
    that are written are passed on, as NumPy scalars, which TensorFlow does not keep.

    Args:
        num_images: Integer >= 0, generated images in a picture; 0 for no pictures.
        class_names: Sequence of texts, one for each class: the captions of columns. Defaults to none.
        log_dir, *args, **kwargs: As in `keras.callbacks.TensorBoard`.

    Raises:
        ValueError: An argument is out of its range.
        DataError: The model has other classes than those that are named; before the first step.
    """

    chief_only = True
    summary = _Summary()

    def __init__(
        self,
        log_dir: str | os.PathLike = "logs",
        *args: Any,
        num_images: int = 64,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ):
        path = files.checked_path("log_dir", log_dir, "a directory for logs, e.g. 'logs'", True)
        files.check_unicode("log_dir", path)
        is_remote = "://" in os.fspath(log_dir)
        super().__init__(os.fspath(log_dir if is_remote else path.absolute()), *args, **kwargs)
        self.num_images = checked_integer("num_images", num_images, 0)
        self.class_names = class_names

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if is_generative(self.model):
            samples.check_class_names(self.class_names, self.model)
        super().on_train_begin(logs)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if is_generative(self.model) and self.model.training is not None:  # which a loop of the user's has not
            end = self.model.training.step + self.model.steps_per_execution
            _keras.set_batches_written(self, end - 1)  # to which Keras adds one
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.update_freq == "epoch" or _keras.batches_written(self) % self.update_freq:
            logs = None
        elif logs is not None and is_generative(self.model):
            rates = {name: optimization.learning_rate(one) for name, one in self.model.optimizers.items()}
            logs = {**logs, **{f"learning_rate_{name}": rate for name, rate in rates.items()}}
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with tf.summary.record_if(True):  # Keras records every `update_freq` steps only, whatever it is that it records
            self._write_epoch(epoch, logs)

    def _write_epoch(self, epoch, logs):
        super().on_epoch_end(epoch, logs)
        if self.num_images and self._makes_pictures():
            picture = samples.picture(self.model, self.num_images, class_names=self.class_names)
            with self._train_writer.as_default():
                tf.summary.image("samples", picture[None], step=np.int64(self.model.step.numpy()))

    def _makes_pictures(self):
        if not is_generative(self.model):
            return False
        # Without a number of classes there are none to show in turn.
        unknown = self.model.conditional and self.model.num_classes is None
        return images.can_be_drawn(self.model.image_shape) and not unknown
