"""The callbacks of a run as a whole."""

from collections.abc import Iterator
from typing import Any

import keras

from kerasgan import checkpoint, distribution
from kerasgan.callbacks.adapters import Adapter, adapted
from kerasgan.callbacks.base import Callback
from kerasgan.errors import invalid


class Callbacks:
    """The callbacks of one run, and what `fit` asks all of them.

    Args:
        callbacks: What `fit` was given: a callback, a structure of them, a `keras.callbacks.CallbackList`, or None.
        model: `GenerativeModel`.

    Attributes:
        originals: List of the callbacks that Keras calls, in this order; those that save the run are last.
        history: `keras.callbacks.History`, one of them.
    """

    def __init__(self, callbacks: Any, model: keras.Model):
        given = [adapted(callback) for callback in _flattened(callbacks)]
        if not distribution.is_chief(model.distribute_strategy):
            given = [callback for callback in given if not callback.chief_only]
        if not any(isinstance(callback.original, keras.callbacks.History) for callback in given):
            given.append(Adapter(keras.callbacks.History()))
        for callback in given:
            callback.check(model)
        self._all = sorted(given, key=lambda callback: callback.saves_run)
        self.originals = [callback.original for callback in self._all]
        self.history = next(one for one in self.originals if isinstance(one, keras.callbacks.History))

    def __iter__(self) -> Iterator[Callback]:
        return iter(self._all)

    @property
    def save_run(self) -> bool:
        """Whether one of them saves the run."""
        return any(callback.saves_run for callback in self)

    @property
    def find_nan(self) -> bool:
        """Whether one of them reports metrics that are NaN."""
        return any(callback.finds_nan for callback in self)

    @property
    def add_logs(self) -> bool:
        """Whether one of them may log values that the model does not."""
        return any(callback.adds_logs for callback in self if not callback.saves_run)

    def state(self) -> list[dict[str, Any]]:
        """Returns what the callbacks have to remember, in values that JSON can hold.

        Raises:
            TypeError: A callback wants to remember what JSON does not give back.
        """
        states = []
        for callback in self:
            name = type(callback.original).__name__
            state = checkpoint.plain(f"{name}.get_state()", callback.get_state())
            if state:
                states.append({"class": name, "state": state})
        return states

    def set_state(self, states: list[dict[str, Any]]) -> None:
        """Gives each callback what it had to remember."""
        for callback, state in self._with_state(states):
            callback.set_state(state)

    def ended(self, states: list[dict[str, Any]]) -> bool:
        """Whether one of them had ended the run that was saved with these states."""
        return any(callback.ended(state) for callback, state in self._with_state(states))

    def _with_state(self, states):
        """Pairs of a callback and its state: the first that is left of its class."""
        left = list(states)
        for callback in self:
            found = next((one for one in left if one["class"] == type(callback.original).__name__), None)
            if found is not None:
                left.remove(found)
                yield callback, found["state"]


def _flattened(callbacks):
    """List of the callbacks in a structure, whose leaves may be `CallbackList`s."""
    flat = []
    for one in keras.tree.flatten(callbacks or []):
        flat += one.callbacks if isinstance(one, keras.callbacks.CallbackList) else [one]
    for one in flat:
        # Keras, too, calls whatever has the methods of a callback.
        if isinstance(one, type) or not hasattr(one, "set_model"):
            raise invalid("callbacks", "objects of keras.callbacks.Callback, e.g. [TerminateOnNaN()]", repr(one))
    return flat
