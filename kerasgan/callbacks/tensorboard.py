"""TensorBoard's events, in memory that stays flat."""

import keras
import numpy as np
import tensorflow as tf


class _Summary:
    """`tf.summary`, which is given NumPy's numbers."""

    def __getattr__(self, name):
        return getattr(tf.summary, name)

    @staticmethod
    def scalar(name, data, step):
        return tf.summary.scalar(name, np.float32(data), step=np.int64(int(step)))


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's `TensorBoard`, for trainings of any length: arguments and events are the same.

    TensorFlow keeps each Python number that it was ever given as a tensor, about a kilobyte for one, and Keras's
    callback gives it those of every batch, also where only epochs are written (`update_freq="epoch"`). Here these are
    not given, and all others are NumPy's, which are not kept.
    """

    summary = _Summary()

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, None if self.update_freq == "epoch" else logs)
