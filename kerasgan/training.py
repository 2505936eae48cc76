"""The loop of `fit`: epochs, steps, validation and callbacks, from any step on."""

import contextlib
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from kerasgan import _keras, averages, distribution, optimization
from kerasgan.callbacks import adapters
from kerasgan.configured import is_ours
from kerasgan.data import ANEW, Batches
from kerasgan.errors import DataError, invalid, warn
from kerasgan.reading import Reader

_MANY_SKIPPED = 0.1  # share of the updates of an epoch; a loss scale that is too high at first costs a few


class Training:
    """One call of `fit`: Keras's loop, with two additions.

    It can begin in the middle of an epoch: `state` says where it is, `restore` puts it there. And it enters the context
    `running` of each callback (`callbacks.base.Callback`). With several workers, only the chief runs callbacks that
    write files.

    Args:
        model: Compiled `GenerativeModel`.
        batches: `Batches` that fit the model.
        rewind: Function that undoes what looking at them has changed in the dataset (`iterators.rewinder`).
        steps_per_epoch: Integer >= 1, a multiple of the steps per execution.
        epochs, initial_epoch, verbose, callbacks: As in Keras.
        validate: Function of an epoch and the callbacks that returns the `val_` metrics, empty in an epoch without
            validation; None where there are no validation data.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Batches,
        rewind: Callable[[], None],
        steps_per_epoch: int,
        epochs: int,
        initial_epoch: int,
        verbose: int | str,
        callbacks: Any,
        validate: Callable[[int, keras.callbacks.CallbackList], dict[str, float]] | None,
    ):
        self.model = model
        self.batches = batches
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.verbose = verbose
        self.validate = validate
        self.callbacks = adapters.of_run(callbacks, model)
        originals = [callback.original for callback in self.callbacks]
        self.history = next(one for one in originals if isinstance(one, keras.callbacks.History))
        self.reader = Reader(model, batches, rewind)
        self.epoch, self.batch, self.step = initial_epoch, 0, int(model.step.numpy())
        self._epoch_logs: dict[str, float] | None = None  # those of the epoch, while it is validated
        self._recorded: dict[str, int] = {}  # values in the history, by name, when the epoch began
        self._logs: dict[str, Any] = {}  # of the last step
        self._warned_of_nan = False
        self._restored: dict[str, Any] | None = None

    @property
    def position(self) -> tuple[int, int]:
        """(step, epoch): generator steps of the model, epochs done."""
        return self.step, self.epoch

    @property
    def metric_names(self) -> list[str]:
        """Names in the logs of an epoch, except those that callbacks add."""
        names = [metric.name for metric in self.model.metrics]
        held_out = [*names, *(name for metric in self.model.quality for name in metric.names)]
        return [*names, *(f"val_{name}" for name in held_out if self.validate)]

    @property
    def logs_more(self) -> bool:
        """Whether the logs may hold more than `metric_names`: callbacks and a user's own steps may add to them."""
        steps = (is_ours(type(self.model), "train_step"), is_ours(type(self.model), "test_step"))
        return not all(steps) or any(callback.adds_logs for callback in self.callbacks if not callback.saves_run)

    @property
    def was_stopped_early(self) -> bool:
        """Whether EarlyStopping, with the same patience, had ended the run that resumes."""
        return any(callback.ended(state) for callback, state in self._remembered())

    def run(self) -> keras.callbacks.History:
        """Trains; returns the history."""
        averages.check(self.model)
        averages.start(self.model)
        # Callbacks may give the model metrics and variables in `set_model`: before a checkpoint is read or written.
        callbacks = keras.callbacks.CallbackList(
            [callback.original for callback in self.callbacks],
            add_progbar=self.verbose != 0,
            verbose=self.verbose,
            epochs=self.epochs,
            steps=self.steps_per_epoch,
            model=self.model,
        )
        if any(callback.saves_run for callback in self.callbacks):
            self.reader.look_for_large_buffers()
        with contextlib.ExitStack() as stack:
            stack.enter_context(distribution.explained(self.model.distribute_strategy))
            for callback in self.callbacks:
                stack.enter_context(callback.running(self))
            return self._run(callbacks)

    def _run(self, callbacks):
        model = self.model
        model.history = self.history
        model.stop_training = False
        model.make_train_function()
        self.reader.begin()
        callbacks.on_train_begin()
        if self._restored is not None:
            history = self._restored["history"]
            self.history.epoch = list(history["epoch"])
            self.history.history = {name: list(values) for name, values in history["history"].items()}
            for callback, state in self._remembered():
                callback.set_state(state)
        backed_up = _keras.initial_epoch(model)
        if backed_up:  # Keras's BackupAndRestore has loaded weights
            self.epoch, self.step = backed_up, int(model.step.numpy())
            self.reader.begin(anew=True)
        logs, epochs = {}, 0 if self.was_stopped_early else self.epochs
        left = (epochs - self.epoch) * self.steps_per_epoch - self.batch
        optimization.check_rates(model, left, self.steps_per_epoch)
        while self.epoch < epochs:
            logs = self._run_epoch(callbacks)
            if model.stop_training:
                break
        callbacks.on_train_end(logs)
        return self.history

    def _run_epoch(self, callbacks):
        model = self.model
        self._recorded = {name: len(values) for name, values in self.history.history.items()}
        if not self.batch:
            model.reset_metrics()
        callbacks.on_epoch_begin(self.epoch)
        model.retrace_changed()  # callbacks may set the weight of a penalty, say
        while self.batch < self.steps_per_epoch:
            callbacks.on_train_batch_begin(self.batch)
            try:
                logs = model.train_function(self.reader.iterator)
            except tf.errors.OutOfRangeError as error:  # those that can be read again are repeated
                received = f"data that ended after step {self.step}"
                raise invalid("x", f"a dataset that can be read again: {ANEW}", received, DataError) from error
            if not self._logs:
                _scalars(logs)  # what cannot be logged is refused after one step, not after an epoch
            self._logs = logs  # not read at each step, which would wait for an accelerator
            self.batch += model.steps_per_execution
            self.step += model.steps_per_execution
            callbacks.on_train_batch_end(self.batch - 1, logs)
            if model.stop_training:
                break
        if self._epoch_logs is None:
            # As in Keras, a value that no metric averages is that of the last step.
            self._epoch_logs = _scalars(model._get_metrics_result_or_logs(_scalars(self._logs)))
        self._warn_of_nan(self._epoch_logs)
        unfinished = self.batch < self.steps_per_epoch  # a callback has stopped it: what resumes finishes it
        means = [variable for metric in model.metrics for variable in metric.variables] if unfinished else []
        values = [variable.numpy() for variable in means]
        held_out = self.validate(self.epoch, callbacks) if self.validate else {}
        for variable, value in zip(means, values, strict=True):  # which the validation has reset
            variable.assign(value)
        logs = {**self._epoch_logs, **held_out}
        if held_out:
            model.learn_from(logs)
        epoch, self._epoch_logs = self.epoch, None
        if not unfinished:
            self.epoch, self.batch = epoch + 1, 0
        callbacks.on_epoch_end(epoch, logs)
        return logs

    def _warn_of_nan(self, logs):
        """Warns once where no callback does: from outside, a run that has diverged looks like any other."""
        broken = [name for name, value in logs.items() if math.isnan(value)]
        # Under loss scaling updates that overflow are left out, and what they logged is in the means.
        skipped = logs.get("skipped", 0.0)
        watched = any(callback.finds_nan for callback in self.callbacks)
        if not broken or watched or self._warned_of_nan or 0.0 < skipped < _MANY_SKIPPED:
            return
        self._warned_of_nan = True
        what = f"{broken[0]} is NaN in epoch {self.epoch + 1}"
        what += f", and {skipped:.0%} of its updates were left out" if skipped else ": training has diverged"
        warn(
            f"{what}. Add kerasgan.callbacks.Health() to find the step and the batch, TerminateOnNaN() to stop there, "
            "or Checkpoint to keep what was before.",
        )

    # Resuming

    def state(self) -> tuple[dict[str, Any], bytes | None]:
        """Returns where the run is: what JSON can hold, and the state of the data's iterator where it can be saved."""
        reading, data = self.reader.state()
        # Keras gives a History its `epoch` in `on_train_begin` only.
        epochs, values = getattr(self.history, "epoch", []), self.history.history
        if self.batch:  # an epoch that a callback has stopped is recorded when it is finished
            epochs = [epoch for epoch in epochs if epoch < self.epoch]
            values = {name: values[name][:count] for name, count in self._recorded.items()}
        history = {"epoch": epochs, "history": values}
        return {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "epoch_logs": self._epoch_logs,
            "logs": _scalars(self._logs),
            **reading,
            "history": adapters.plain("history", history),
            "callbacks": adapters.states(self.callbacks),
        }, data

    def restore(self, state: dict[str, Any], iterator: Iterator | None) -> str:
        """Resumes from a state, after the model; as in `Reader.restore`."""
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        self._epoch_logs, self._logs, self._restored = state["epoch_logs"], state.get("logs", {}), state
        return self.reader.restore(state, iterator)

    def _remembered(self):
        """Pairs of a callback and its state in the run that resumes."""
        return adapters.with_states(self.callbacks, self._restored["callbacks"] if self._restored else ())


def returning_logs(name: str, step: Callable) -> Callable:
    """The `train_step` or `test_step` of a subclass, refused in words if it returns no dict.

    Errors in a `train_step` about shapes say that of its data.
    """

    def checked(self, data):
        try:
            logs = step(self, data)
        except Exception as error:
            if name == "train_step" and "shape" in str(error).lower() and not _raised_by_us(error):
                shape = ("batch", self.batches_per_step, *self.image_shape)
                error.add_note(
                    f"Images in the data of `train_step` have shape ({', '.join(map(str, shape))}), for all updates of "
                    "the step that take a batch. `images[:, 0]` is the first."
                )
            raise
        if isinstance(logs, Mapping):
            return logs
        expected = f"a dict of scalars to log, e.g. that of `super().{name}(data)`"
        raise invalid(name, expected, "None: it has no `return`" if logs is None else repr(logs))

    return checked


def _raised_by_us(error):
    """Whether the step of a subclass called kerasgan, which raised the error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][2:]  # below the wrapper and the step
    return bool(frames) and frames[0].f_globals.get("__name__", "").startswith("kerasgan.")


def _scalars(logs):
    """Floats by name of what a training step has returned."""
    try:
        return {name: float(value) for name, value in logs.items()}
    except (AttributeError, TypeError, ValueError) as error:
        shown = {k: str(getattr(v, "shape", v)) for k, v in logs.items()} if isinstance(logs, dict) else repr(logs)
        expected = "a dict of scalars: reduce what is larger with `tf.reduce_mean`"
        raise invalid("train_step", expected, f"{shown} returned by `train_step`") from error
