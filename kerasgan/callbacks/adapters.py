"""The callbacks of Keras and of users, with the interface of ours; those of one run."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kerasgan import _keras, distribution, optimization
from kerasgan.callbacks.base import Callback
from kerasgan.errors import invalid


class Adapter(Callback):
    """A callback that does not derive from ours. It may have methods `get_state` and `set_state` all the same."""

    remembered: tuple[str, ...] = ()  # numbers that it keeps as attributes from epoch to epoch

    def __init__(self, callback: keras.callbacks.Callback):
        super().__init__()
        self.callback = callback
        # A user's may declare these without deriving from ours.
        self.chief_only = bool(getattr(callback, "chief_only", self.chief_only))
        self.finds_nan = bool(getattr(callback, "finds_nan", self.finds_nan))

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
        values = {name: getattr(self.callback, name, None) for name in self.remembered}
        return {name: value if isinstance(value, int | None) else float(value) for name, value in values.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        if hasattr(self.callback, "set_state"):  # a user's
            self.callback.set_state(state)
            return
        for name in self.remembered:
            value = state.get(name)
            if isinstance(value, int | float | None):
                setattr(self.callback, name, value)


class _Monitor(Adapter):
    def check(self, model: keras.Model) -> None:
        super().check(model)
        if getattr(self.callback, "save_best_only", True) and not _keras.knows_direction(self.callback, model):
            kind, monitor = type(self.callback).__name__, self.callback.monitor
            expected = f"{kind}(monitor={monitor!r}, mode='min'), or mode='max' if more of it is better"
            raise invalid("callbacks", expected, "mode='auto', for which Keras does not know this metric")


class _EarlyStopping(_Monitor):
    remembered = ("best", "wait", "best_epoch", "stopped_epoch")

    def ended(self, state: dict[str, Any]) -> bool:
        """With more patience than before, the run continues."""
        return bool(state.get("stopped_epoch")) and state.get("wait", 0) >= self.callback.patience


class _SetsRate(Adapter):
    def check(self, model: keras.Model) -> None:
        super().check(model)
        kind = type(self.callback)
        if kind not in _ADAPTERS:  # a subclass may set nothing
            return
        for name, optimizer in model.optimizers.items():
            if optimization.has_schedule(optimizer):
                expected = f"no {kind.__name__} with a schedule as the learning rate of `{name}`: compile with a number"
                raise invalid("callbacks", expected, "both, of which only one can set the rate")


class _ReduceLROnPlateau(_Monitor, _SetsRate):
    remembered = ("best", "wait", "cooldown_counter")


class _Writer(Adapter):
    chief_only = True


class _ModelCheckpoint(_Monitor, _Writer):
    remembered = ("best",)


class _TerminateOnNaN(Adapter):
    def check(self, model: keras.Model) -> None:
        # A subclass may look at more.
        looks_at_loss_only = type(self.callback) is keras.callbacks.TerminateOnNaN
        if looks_at_loss_only and "loss" not in [metric.name for metric in model.metrics]:
            expected = "kerasgan.callbacks.TerminateOnNaN, because Keras's looks at `loss` alone, which is not logged"
            raise invalid("callbacks", expected, "keras.callbacks.TerminateOnNaN")


class _SwapEMAWeights(Adapter):
    def check(self, model: keras.Model) -> None:
        expected = (
            "no SwapEMAWeights: with `ema_momentum` the model averages its generator's weights, and `generate`, "
            "`export` and metrics of quality use the average"
        )
        raise invalid("callbacks", expected, "keras.callbacks.SwapEMAWeights")


_MOST_VALUES = 100_000  # of an array in a checkpoint, which holds it as text
_ADAPTERS = {
    keras.callbacks.EarlyStopping: _EarlyStopping,
    keras.callbacks.LearningRateScheduler: _SetsRate,
    keras.callbacks.ReduceLROnPlateau: _ReduceLROnPlateau,
    keras.callbacks.ModelCheckpoint: _ModelCheckpoint,
    keras.callbacks.CSVLogger: _Writer,
    keras.callbacks.TensorBoard: _Writer,
    keras.callbacks.TerminateOnNaN: _TerminateOnNaN,
    keras.callbacks.SwapEMAWeights: _SwapEMAWeights,
}


def of_run(callbacks: Any, model: keras.Model) -> list[Callback]:
    """Returns the callbacks that `fit` was given, in any form, and a `History`; those that save the run are last."""
    given = []
    for leaf in keras.tree.flatten(callbacks or []):
        for callback in leaf.callbacks if isinstance(leaf, keras.callbacks.CallbackList) else [leaf]:
            # Keras, too, calls whatever has the methods of a callback.
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                expected = "objects of keras.callbacks.Callback, e.g. [TerminateOnNaN()]"
                raise invalid("callbacks", expected, repr(callback))
            given.append(_adapted(callback))
    for callback in given:  # on every worker, because the others would wait for one that has raised
        callback.check(model)
    if not distribution.is_chief(model.distribute_strategy):
        given = [callback for callback in given if not callback.chief_only]
    if not any(isinstance(callback.original, keras.callbacks.History) for callback in given):
        given.append(Adapter(keras.callbacks.History()))
    return sorted(given, key=lambda callback: callback.saves_run)


def _adapted(callback):
    if isinstance(callback, Callback):
        return callback
    adapters = (adapter for kind, adapter in _ADAPTERS.items() if isinstance(callback, kind))
    return next(adapters, Adapter)(callback)


def states(callbacks: Iterable[Callback]) -> list[dict[str, Any]]:
    """Returns what callbacks keep across a resume, in values that JSON can hold, or raises a TypeError."""
    states = []
    for callback in callbacks:
        name = type(callback.original).__name__
        state = plain(f"{name}.get_state()", callback.get_state())
        if state:
            states.append({"class": name, "state": state})
    return states


def with_states(callbacks: Iterable[Callback], states: Iterable[dict[str, Any]]) -> Iterator[tuple[Callback, dict]]:
    """Yields the callbacks that have a state, and the state: the first that is left of their class."""
    left = list(states)
    for callback in callbacks:
        found = next((state for state in left if state["class"] == type(callback.original).__name__), None)
        if found is not None:
            left.remove(found)
            yield callback, found["state"]


def plain(argument: str, value: Any) -> Any:
    """Returns the value as JSON holds it: NumPy numbers and tensors as numbers, arrays and tuples as lists.

    Raises:
        TypeError: The value, of `argument`, holds something that JSON does not give back.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(argument, part) for part in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(argument, part) for key, part in value.items()}
    # Arrays and tensors, of whatever package.
    if not isinstance(value, dict) and hasattr(value, "dtype") and np.asarray(value).dtype.kind in "biufU":
        array = np.asarray(value)
        if array.size > _MOST_VALUES:
            expected = f"arrays of at most {_MOST_VALUES:,} values in a checkpoint: keep what is larger in a file"
            raise invalid(argument, expected, f"one of shape {array.shape}")
        return array.tolist()
    expected = "numbers, strings, lists, and dicts whose keys are strings, which a checkpoint can hold"
    raise invalid(argument, expected, f"{type(value).__name__} {value!r:.80}", TypeError)
