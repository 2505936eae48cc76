"""TensorBoard's events, in memory that stays flat."""

import keras
import numpy as np


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's `TensorBoard`, for trainings of any length: arguments and events are the same.

    TensorFlow keeps each Python number that it was ever given as a tensor, about 0.8 kB for one, and Keras's callback
    gives it the logs of every batch, also where only those of epochs are written (`update_freq="epoch"`). Here these
    are not given, and the others are as `numpy.float32`, which are not kept.
    """

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, None if self.update_freq == "epoch" else _float32(logs))

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, _float32(logs))

    def on_test_end(self, logs=None):
        super().on_test_end(_float32(logs))


def _float32(logs):
    return {name: np.float32(value) for name, value in (logs or {}).items()}
