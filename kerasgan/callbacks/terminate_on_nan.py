"""Ends a run whose metrics are no longer numbers."""

from typing import Any

import keras
import numpy as np

from kerasgan.callbacks.base import Callback


class TerminateOnNaN(Callback, keras.callbacks.TerminateOnNaN):
    """Keras's callback of this name, for every metric: Keras's own only checks `loss`, which a GAN does not log.

    Args:
        raise_error: Whether to raise a RuntimeError instead of ending the run. Defaults to False.
    """

    finds_nan = True

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        for value in (logs or {}).values():
            if not np.isfinite(value):
                super().on_batch_end(batch, {"loss": value})
                return
