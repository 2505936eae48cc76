"""What `fit` asks of a callback beyond Keras's hooks."""

import contextlib
import inspect
import pathlib
from typing import TYPE_CHECKING, Any

import keras

from kerasgan.errors import invalid

if TYPE_CHECKING:
    from kerasgan.training import Training

# Packages whose callbacks log nothing that the model does not.
_KNOWN = ("keras", "kerasgan")


class Callback(keras.callbacks.Callback):
    """Base of the callbacks of kerasgan; `adapters.py` gives those of Keras and of users the same interface.

    Attributes:
        chief_only: Whether it writes files or prints: with several workers, only the chief runs it.
        finds_nan: Whether it reports metrics that are NaN, so that `fit` need not.
        saves_run: Whether it saves `Training.state()`: it is called after the others, whose state it saves.
    """

    chief_only = False
    finds_nan = False
    saves_run = False

    def __repr__(self) -> str:
        """Returns one line: the class, and the plain arguments that are not the defaults."""
        told = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            value = getattr(self, name, parameter.default)
            if isinstance(value, bool | int | float | str | pathlib.Path) and value != parameter.default:
                told.append(f"{name}={(str(value) if isinstance(value, pathlib.Path) else value)!r}")
        return f"{type(self).__name__}({', '.join(told)})"

    @property
    def original(self) -> keras.callbacks.Callback:
        """The callback that Keras calls."""
        return self

    @property
    def adds_logs(self) -> bool:
        """Whether it may log values that the model does not."""
        return type(self.original).__module__.split(".")[0] not in _KNOWN

    def check(self, model: keras.Model) -> None:
        """Refuses a model that the callback cannot work with."""

    def get_state(self) -> dict[str, Any]:
        """Returns what to keep across a resume, in values that JSON can hold."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` returned; called after `on_train_begin`."""

    def ended(self, state: dict[str, Any]) -> bool:
        """Whether this callback had ended the run that was saved with this state."""
        return False

    def running(self, training: "Training") -> contextlib.AbstractContextManager[None]:
        """What `fit` enters before the first hook, and leaves after the last one, whatever happens."""
        return contextlib.nullcontext()


def is_generative(model: keras.Model) -> bool:
    """Whether a model is one of kerasgan."""
    from kerasgan.model import GenerativeModel  # which imports this module

    return isinstance(model, GenerativeModel)


class ModelCallback(Callback):
    """A callback for the models of kerasgan only: it needs their steps, images and optimizers."""

    def set_model(self, model: keras.Model) -> None:
        if not is_generative(model):
            expected = f"{type(self).__name__} with a model of kerasgan, e.g. kerasgan.GAN: take it out of `callbacks`"
            raise invalid("callbacks", expected, f"{type(self).__name__} with a model of type {type(model).__name__}")
        super().set_model(model)
