"""The callbacks of Keras and of users, with the interface of ours."""

from typing import Any

import keras

from kerasgan.callbacks.base import Callback
from kerasgan.errors import invalid


class Adapter(Callback):
    """A callback that does not derive from ours. It may have methods `get_state` and `set_state` all the same."""

    remembered: tuple[str, ...] = ()  # numbers that it keeps as attributes from epoch to epoch

    def __init__(self, callback: keras.callbacks.Callback):
        super().__init__()
        self.callback = callback

    @property
    def original(self) -> keras.callbacks.Callback:
        return self.callback

    @property
    def adds_logs(self) -> bool:
        return super().adds_logs or isinstance(self.callback, keras.callbacks.LambdaCallback)

    def get_state(self) -> dict[str, Any]:
        if hasattr(self.callback, "get_state"):  # a user's
            return self.callback.get_state()
        # Keras makes some of them in `on_train_begin` only.
        values = {name: vars(self.callback).get(name) for name in self.remembered}
        return {name: value if isinstance(value, int | None) else float(value) for name, value in values.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        if hasattr(self.callback, "set_state"):  # a user's
            self.callback.set_state(state)
            return
        for name in self.remembered:
            value = state.get(name)
            if isinstance(value, int | float | None):
                setattr(self.callback, name, value)


class _EarlyStopping(Adapter):
    remembered = ("best", "wait", "best_epoch", "stopped_epoch")

    def ended(self, state: dict[str, Any]) -> bool:
        """With more patience than before, the run continues."""
        return bool(state.get("stopped_epoch")) and state.get("wait", 0) >= self.callback.patience


class _ReduceLROnPlateau(Adapter):
    remembered = ("best", "wait", "cooldown_counter")


class _Writer(Adapter):
    chief_only = True


class _ModelCheckpoint(_Writer):
    remembered = ("best",)


class _TerminateOnNaN(Adapter):
    def check(self, model: keras.Model) -> None:
        # A subclass may look at more.
        looks_at_loss_only = type(self.callback) is keras.callbacks.TerminateOnNaN
        if looks_at_loss_only and "loss" not in [metric.name for metric in model.metrics]:
            expected = "kerasgan.callbacks.TerminateOnNaN, because Keras's looks at `loss` alone, which is not logged"
            raise invalid("callbacks", expected, "keras.callbacks.TerminateOnNaN")


_ADAPTERS = {
    keras.callbacks.EarlyStopping: _EarlyStopping,
    keras.callbacks.ReduceLROnPlateau: _ReduceLROnPlateau,
    keras.callbacks.ModelCheckpoint: _ModelCheckpoint,
    keras.callbacks.CSVLogger: _Writer,
    keras.callbacks.TensorBoard: _Writer,
    keras.callbacks.TerminateOnNaN: _TerminateOnNaN,
}


def adapted(callback: keras.callbacks.Callback) -> Callback:
    """The callback itself if it is one of ours, otherwise its adapter."""
    if isinstance(callback, Callback):
        return callback
    adapters = (adapter for kind, adapter in _ADAPTERS.items() if isinstance(callback, kind))
    return next(adapters, Adapter)(callback)
