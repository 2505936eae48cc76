"""The loop of `fit`: epochs, steps, validation and callbacks, from any step on."""

import contextlib
import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, buffers, data_checks, distribution, iterators
from kerasgan.errors import CheckpointMismatchError, invalid

# What Keras's own callbacks remember from epoch to epoch.
_REMEMBERED = {
    keras.callbacks.EarlyStopping: ("best", "wait", "best_epoch", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
# Those of Keras that write files; ours have an attribute `chief_only`.
_CHIEF_ONLY = (keras.callbacks.ModelCheckpoint, keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)
# Packages whose callbacks, LambdaCallback aside, log nothing that the model does not.
_KNOWN = ("keras", "kerasgan")
_READ_AHEAD = 4  # training steps of which batches are read ahead, one to be safe
_MANY_SKIPPED = 0.1  # share of the updates of an epoch; a loss scale that is too high at first costs a few
_MOST_VALUES = 100_000  # of an array that a callback has a checkpoint remember
EXACT, REPLAYED, APPROXIMATE = "exact", "replayed", "approximate"


class Training:
    """One call of `fit`, as Keras's own with two things more.

    It can begin in the middle of an epoch: `state` is where it is, `restore` puts it there. And a callback may have a
    method `running(training)`, a context manager that is entered before everything and left at last, whatever happens.
    Such callbacks are called after all others. Of several workers only the chief has the callbacks that write files.

    Args:
        model: Compiled `GenerativeModel`.
        batches: `Batches` that fit the model.
        rewind: Function that undoes what looking at the dataset has changed in it (`iterators.rewinder`).
        steps_per_epoch: Integer >= 1, a multiple of the steps an execution.
        epochs, initial_epoch, verbose: As in Keras.
        callbacks: List of `keras.callbacks.Callback`.
        validate: Function of an epoch and the callbacks that returns the `val_` metrics, empty where there are none.
        validated: Whether there is validation data.
    """

    def __init__(
        self, model, batches, rewind, steps_per_epoch, epochs, initial_epoch, verbose, callbacks, validate, validated
    ):
        self.model = model
        self.batches = batches
        self._rewind = rewind
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.verbose = verbose
        self.validate = validate
        callbacks = _listed(callbacks)
        if not distribution.is_chief(model.distribute_strategy):
            callbacks = [one for one in callbacks if not _chief_only(one)]
        self.history = next((one for one in callbacks if isinstance(one, keras.callbacks.History)), None)
        if self.history is None:
            self.history = keras.callbacks.History()
            callbacks.append(self.history)
        blind = any(type(callback) is keras.callbacks.TerminateOnNaN for callback in callbacks)
        if blind and "loss" not in [metric.name for metric in model.metrics]:
            expected = "kerasgan.callbacks.TerminateOnNaN, because Keras's looks at `loss` alone, which is not logged"
            raise invalid("callbacks", expected, "keras.callbacks.TerminateOnNaN")
        self._companions = [callback for callback in callbacks if hasattr(callback, "running")]
        self._callbacks = [callback for callback in callbacks if not hasattr(callback, "running")]
        self.epoch, self.batch, self.step = initial_epoch, 0, int(model.step.numpy())
        self._epoch_logs = None  # those of the epoch, while it is validated
        self._logs = {}  # of the last step
        self._validated = validated
        self._first = model.batches_taken
        self._pointed_out = False
        self._iterator = None
        self._restored = None
        self.too_large = None  # what keeps the iterator from being saved, in words

    @property
    def position(self):
        """(step, epoch): generator steps of the model, epochs done."""
        return self.step, self.epoch

    @property
    def metric_names(self):
        """List of the names in the logs of an epoch, those of callbacks aside."""
        names = [metric.name for metric in self.model.metrics]
        held_out = [*names, *(name for metric in self.model.quality for name in metric.names)]
        return [*names, *(f"val_{name}" for name in held_out if self._validated)]

    @property
    def logs_more(self):
        """Whether callbacks or steps of the user's may log something that is not known before."""
        steps = (type(self.model).train_step, type(self.model).test_step)
        return any(step.__module__.split(".")[0] not in _KNOWN for step in steps) or any(
            isinstance(one, keras.callbacks.LambdaCallback) or type(one).__module__.split(".")[0] not in _KNOWN
            for one in self._callbacks
        )

    @property
    def was_stopped_early(self):
        """Whether the run that resumes had been ended by EarlyStopping, with the same patience."""
        return any(
            state["stopped_epoch"] and state["wait"] >= callback.patience
            for callback, state in self._remembered()
            if isinstance(callback, keras.callbacks.EarlyStopping)
        )

    def run(self):
        """Trains; returns the history."""
        model = self.model
        # Callbacks may give the model metrics and variables in `set_model`: before a checkpoint is read or written.
        callbacks = keras.callbacks.CallbackList(
            [*self._callbacks, *self._companions],
            add_progbar=self.verbose != 0,
            verbose=self.verbose,
            epochs=self.epochs,
            steps=self.steps_per_epoch,
            model=model,
        )
        if self._companions and not self.batches.seekable and not self._several:
            self.too_large = buffers.too_large(self.batches.dataset, _READ_AHEAD * self._bytes_of_step())
        with contextlib.ExitStack() as stack:
            for callback in self._companions:
                stack.enter_context(callback.running(self))
            return self._run(callbacks)

    def _run(self, callbacks):
        model = self.model
        model.history = self.history
        model.stop_training = False
        model.make_train_function()
        self._iterator = self._iterator or self._read()
        callbacks.on_train_begin()
        self._restore_callbacks()
        if _keras.initial_epoch(model):  # Keras's BackupAndRestore has loaded weights
            self.epoch, self.step, self._iterator = _keras.initial_epoch(model), int(model.step.numpy()), self._read()
        logs, epochs = {}, 0 if self.was_stopped_early else self.epochs
        while self.epoch < epochs:
            logs = self._run_epoch(callbacks)
            if model.stop_training:
                break
        callbacks.on_train_end(logs)
        return self.history

    def _run_epoch(self, callbacks):
        model = self.model
        if not self.batch:
            model.reset_metrics()
        callbacks.on_epoch_begin(self.epoch)
        model.retrace_changed()  # callbacks may set the weight of a penalty, say
        while self.batch < self.steps_per_epoch:
            callbacks.on_train_batch_begin(self.batch)
            logs = model.train_function(self._iterator)
            if not self._logs:
                _scalars(logs)  # what cannot be logged is said after one step, not after an epoch
            self._logs = logs  # not read at each step, which would wait for an accelerator
            self.batch += model.steps_per_execution
            self.step += model.steps_per_execution
            callbacks.on_train_batch_end(self.batch - 1, logs)
            if model.stop_training:
                break
        if self._epoch_logs is None:
            # As in Keras, a value that no metric averages is that of the last step.
            means = {name: float(value) for name, value in model.get_metrics_result().items()}
            last = _scalars(self._logs)
            self._epoch_logs = {**means, **{name: last[name] for name in last if name not in means}}
        self._point_out_nan()
        logs = {**self._epoch_logs, **self.validate(self.epoch, callbacks)}
        self.epoch, self.batch, self._epoch_logs = self.epoch + 1, 0, None
        callbacks.on_epoch_end(self.epoch - 1, logs)
        return logs

    def _point_out_nan(self):
        """Once, where nobody else does: a training that is lost looks like any other from outside."""
        broken = [name for name, value in self._epoch_logs.items() if math.isnan(value)]
        watched = any(getattr(one, "finds_nan", False) for one in self._callbacks)
        # Under loss scaling updates that overflow are left out, and what they logged is in the means.
        skipped = self._epoch_logs.get("skipped", 0.0)
        if broken and not watched and not self._pointed_out and not 0.0 < skipped < _MANY_SKIPPED:
            self._pointed_out = True
            what = f"{broken[0]} is NaN in epoch {self.epoch + 1}"
            what += f", and {skipped:.0%} of its updates were left out" if skipped else ": the training is lost"
            warnings.warn(
                f"{what}. kerasgan.callbacks.Health() finds the step and the batch, TerminateOnNaN() ends it there, "
                "Checkpoint keeps what was before.",
                stacklevel=2,
            )

    # Resuming

    def state(self):
        """Where the training is.

        Returns:
            Dict of values that JSON can hold, and bytes: the position in the data where it is more than a number.
        """
        kind, data = self._data_state()
        callbacks = [state for state in map(_state_of, self._callbacks) if state]
        return {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "epoch_logs": self._epoch_logs,
            "logs": _scalars(self._logs),
            "first": self._first,
            "data": kind,
            "history": plain("history", {"epoch": getattr(self.history, "epoch", []), "history": self.history.history}),
            "callbacks": callbacks,
        }, data

    def iterator_at(self, data):
        """An iterator over training steps at the position `data`, bytes of `state`; None where steps are counted.

        Raises:
            CheckpointMismatchError: This dataset has no such position.
        """
        if self.batches.seekable or self._several:
            return None
        iterator = self._read()
        try:
            iterators.move(iterator, data)
        except tf.errors.OpError as error:
            raise CheckpointMismatchError(
                "The checkpoint's position in the data does not fit this dataset, which has other transformations: "
                "build it as it was, or name another directory to begin anew."
            ) from error
        return iterator

    def restore(self, state, iterator):
        """Resumes from a state; the model has to be restored before.

        Returns:
            How exact the position in the data is: `"exact"`, `"replayed"` (exact for a dataset that gives the same
            batches each time it is read) or `"approximate"`.
        """
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        self._epoch_logs, self._first, self._restored = state["epoch_logs"], state["first"], state
        self._logs = state.get("logs", {})
        kind = state["data"]
        if not self.batches.seekable and kind == EXACT and iterator is None:
            kind = REPLAYED  # the number of replicas has changed since
        self._iterator = iterator or self._read(replay=kind != EXACT)
        return kind

    @property
    def _several(self):
        return self.model.distribute_strategy.num_replicas_in_sync > 1

    def _read(self, replay=False):
        """An iterator over training steps, from the model's position where the dataset is seekable."""
        model = self.model
        taken = model.batches_taken
        dataset = self.batches.for_training(model.batches_per_step, taken)
        if replay:
            dataset = dataset.skip((taken - self._first) // model.batches_per_step)
        strategy = model.distribute_strategy
        data_checks.check_divisible(dataset, strategy.num_replicas_in_sync, model.pack)
        self._rewind()
        return iter(strategy.experimental_distribute_dataset(dataset) if self._several else dataset)

    def _bytes_of_step(self):
        """Bytes of the batches of one step, 0 where their shapes do not tell."""
        return self.model.batches_per_step * (buffers.bytes_in(self.batches.dataset.element_spec) or 0)

    def _data_state(self):
        if self.batches.seekable:
            return EXACT, None
        if self._several or self.too_large:
            return REPLAYED, None
        if self._iterator is None:
            self._iterator = self._read()
        try:
            data = iterators.position(self._iterator)
        except tf.errors.FailedPreconditionError:  # a random op with a state, or Python
            return APPROXIMATE, None
        own = _READ_AHEAD * buffers.bytes_in(self._iterator.element_spec)
        if len(data) > buffers.LIMIT + own:  # an autotuned `prefetch` has grown
            self.too_large = f"the batches that are read ahead hold {buffers.shown(len(data))}"
            return REPLAYED, None
        return EXACT, data

    def _restore_callbacks(self):
        if self._restored is None:
            return
        self.history.epoch = list(self._restored["history"]["epoch"])
        self.history.history = {name: list(values) for name, values in self._restored["history"]["history"].items()}
        for callback, state in self._remembered():
            if hasattr(callback, "set_state"):
                callback.set_state(state)
            else:
                # What names a file, say, is not taken from a checkpoint.
                numbers = {name: state.get(name) for name in _remembered_names(callback)}
                vars(callback).update({k: v for k, v in numbers.items() if isinstance(v, int | float | None)})

    def _remembered(self):
        """Pairs of a callback and what it had to remember."""
        states = list(self._restored["callbacks"]) if self._restored else []
        for callback in self._callbacks:
            own = next((state for state in states if state["class"] == type(callback).__name__), None)
            if own is not None:
                states.remove(own)
                yield callback, own["state"]


def _remembered_names(callback):
    return next((names for kind, names in _REMEMBERED.items() if isinstance(callback, kind)), ())


def _listed(callbacks):
    """A list of callbacks, of one, a structure of them, or a `CallbackList`."""
    callbacks = keras.tree.flatten(callbacks or [])
    made = [one.callbacks if isinstance(one, keras.callbacks.CallbackList) else [one] for one in callbacks]
    for one in (callbacks := [one for some in made for one in some]):
        if isinstance(one, type) or not hasattr(one, "set_model"):
            raise invalid("callbacks", "objects of keras.callbacks.Callback, e.g. [TerminateOnNaN()]", repr(one))
    return callbacks


def _scalars(logs):
    """Floats by name of what a training step has returned."""
    try:
        return {name: float(value) for name, value in logs.items()}
    except (AttributeError, TypeError, ValueError) as error:
        shown = {k: str(getattr(v, "shape", v)) for k, v in logs.items()} if isinstance(logs, dict) else repr(logs)
        expected = "a dict of scalars: reduce what is larger with `tf.reduce_mean`"
        raise invalid("train_step", expected, f"{shown} returned by `train_step`") from error


def _chief_only(callback):
    return getattr(callback, "chief_only", False) or isinstance(callback, _CHIEF_ONLY)


def _state_of(callback):
    """What a callback has to remember: by its method `get_state`, or of Keras's own."""
    if hasattr(callback, "get_state"):
        state = plain(f"{type(callback).__name__}.get_state()", callback.get_state())
    else:
        values = {name: getattr(callback, name, None) for name in _remembered_names(callback)}
        state = {name: value if isinstance(value, int | None) else float(value) for name, value in values.items()}
    return {"class": type(callback).__name__, "state": state} if state else None


def plain(argument, value):
    """The value as JSON holds it: NumPy numbers and tensors become numbers, arrays and tuples lists.

    Args:
        argument: String, what holds the value.
        value: Anything.

    Raises:
        TypeError: It holds something that JSON does not give back.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(argument, one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(argument, one) for key, one in value.items()}
    if not isinstance(value, dict) and hasattr(value, "dtype") and np.asarray(value).dtype.kind in "biufU":
        array = np.asarray(value)
        if array.size > _MOST_VALUES:
            expected = f"arrays of at most {_MOST_VALUES:,} values in a checkpoint: keep what is larger in a file"
            raise invalid(argument, expected, f"one of shape {array.shape}")
        return array.tolist()
    expected = "numbers, strings, lists, and dicts whose keys are strings, which a checkpoint can hold"
    raise invalid(argument, expected, f"{type(value).__name__} {value!r:.80}", TypeError)
