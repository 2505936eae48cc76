"""Ends a training whose numbers have left the reals."""

import keras
import numpy as np


class TerminateOnNaN(keras.callbacks.TerminateOnNaN):
    """Keras's callback of this name, for every metric: Keras's own looks at `loss` alone, which a GAN does not log.

    Args:
        raise_error: Whether to raise a RuntimeError instead of ending the training. Defaults to False.
    """

    finds_nan = True

    def on_batch_end(self, batch, logs=None):
        for value in (logs or {}).values():
            if not np.isfinite(value):
                super().on_batch_end(batch, {"loss": value})
                return
