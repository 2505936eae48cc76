"""Checkpoints of a whole training, from which it resumes as if it had not stopped."""

import contextlib
import json
import os
import pathlib
import platform
import signal
import textwrap
import threading
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import checkpoint, distribution, optimization, saving
from kerasgan._version import __version__
from kerasgan.callbacks.base import ModelCallback
from kerasgan.compilation import own_optimizers
from kerasgan.errors import (
    CheckpointMismatchError,
    CheckpointWriteError,
    NonFiniteError,
    checked_integer,
    invalid,
)
from kerasgan.training import APPROXIMATE, EXACT, REPLAYED

_DATA, _METRICS = "data/iterator", "metrics/"
# Steps after which several workers tell one another of signals.
_AGREED_EVERY = 10
_INEXACT = {
    REPLAYED: "the batches trained on so far are read again, to get to the position; what follows is exact if the "
    "dataset gives the same batches each time it is read, else approximate. Arrays and `kerasgan.datasets.load` "
    "need neither, nor does a pipeline that shuffles file names or indices and does not cache.",
    APPROXIMATE: "approximate: the dataset cannot give its position back, because it draws from a random state or runs "
    "Python (tf.random in `map`, `from_generator`). Use stateless random ops, arrays or `kerasgan.datasets.load`.",
}


class Checkpoint(ModelCallback):
    """Saves the whole training every so often, and resumes from the newest checkpoint when `fit` is called again.

    A checkpoint holds both networks, the average, both optimizers with their loss scales, the counters that all random
    numbers are functions of, the position in the data and in the epoch, the history and what callbacks remember. On one
    CPU a run that was stopped and resumed ends with the very weights of one that was not; elsewhere up to the
    order of floating-point sums.

    - Before the first step one checkpoint is written and read: what would fail at three in the morning fails now.
    - SIGTERM and Ctrl-C save once and end the process with exit status 143 and 130.
    - A checkpoint that is incomplete or changed is passed over with a warning; the newest that is intact is used.
    - A checkpoint of another configuration or other data is refused, with what differs.
    - A model that has been trained further than the checkpoint is refused: resuming would throw its steps away.
    - On several workers the first one writes; all read, from a directory that all of them see.

    Unless `fit` has `verbose=0`, a line tells where a run resumes, that it is complete, or where it was stopped.

    Call `fit` with the same arguments to go on: `epochs` counts from the beginning; a training that EarlyStopping has
    ended stays so. Learning rates are those of the checkpoint: another one is set by
    `keras.callbacks.LearningRateScheduler`. A callback of yours that has to
    remember something has a method `get_state()`, which returns what JSON can hold, and `set_state(state)`, which is
    called after `on_train_begin`. EarlyStopping's best weights (`restore_best_weights=True`) are not remembered.

    Args:
        directory: Where the checkpoints are, of one training alone; it is made if it is not there.
        every: Integer >= 1, steps between two checkpoints; None for one at the end of each epoch.
        keep: Integer >= 1, how many checkpoints are kept: the newest. Defaults to `3`.
        monitor: String, a metric as in the logs, e.g. `"val_wasserstein"`: the generator with its best value at the
            end of an epoch is kept as `best.keras`, the averaged one if there is one. Epochs without it, because of
            `validation_freq`, are passed over. None for no such file.
        mode: `"min"` or `"max"`, what is best. Defaults to `"min"`.
        on_error: `"raise"`, or `"warn"` to train on when a checkpoint cannot be written, and try again at the next.
            The first one is always raised.

    Raises:
        ValueError: An argument is out of its range.
        CheckpointWriteError: A checkpoint cannot be written, e.g. because the disk is full. The others are untouched.
        CheckpointCorruptError: There are checkpoints in the directory, and none is intact.
        CheckpointMismatchError: They are of another model, other data or other optimizers.
        RunDirError: Another process is training in this directory.
        NonFiniteError: The weights hold NaN or infinity before the first step.
    """

    def __init__(self, directory, every=None, keep=3, monitor=None, mode="min", on_error="raise"):
        super().__init__()
        every = None if every is None else checked_integer("every", every)
        keep = checked_integer("keep", keep)
        for name, value, choices in (("mode", mode, ("min", "max")), ("on_error", on_error, ("raise", "warn"))):
            if value not in choices:
                raise invalid(name, " or ".join(map(repr, choices)), f"{name}={value!r}")
        if monitor is not None and not isinstance(monitor, str):
            raise invalid("monitor", "the name of a metric in the logs, e.g. 'val_wasserstein'", f"monitor={monitor!r}")
        self.directory = _directory(directory)
        self.every = every
        self.keep = keep
        self.monitor = monitor
        self.mode = mode
        self.on_error = on_error
        self._signal = None
        self.restored = None  # path of the checkpoint that the training has gone on from

    @contextlib.contextmanager
    def running(self, training):
        """Holds the directory while `fit` runs: restores the newest checkpoint, and listens to signals."""
        self._training, model = training, training.model
        self._writes = distribution.is_chief(model.distribute_strategy)
        self._workers = distribution.has_workers(model.distribute_strategy)
        self._saved = self._signal = self._best = self._names = None
        self._saving = self._leaving = self._said = False
        self._check_monitor()
        with contextlib.ExitStack() as stack:
            if self._writes:
                stack.enter_context(checkpoint.locked(self.directory))
                checkpoint.sweep(self.directory)
            self._restore()
            self._last = training.step
            self._write_first()
            self._say_where()
            stack.enter_context(self._listening())
            yield

    # When

    def on_train_begin(self, logs=None):
        model = self._training.model
        self._check_names(model.state())
        for name, optimizer in own_optimizers(model).items():
            if not optimizer.built:
                expected = f"optimizers that are built before a checkpoint is read: call `self.{name}.build(variables)`"
                raise invalid("callbacks", f"{expected} in `compile`", f"an unbuilt {type(optimizer).__name__}")

    def on_train_batch_end(self, batch, logs=None):
        # At the end of an epoch after its validation, in `on_epoch_end`.
        if self._told() or (self._due() and self._training.batch < self._training.steps_per_epoch):
            self._save()

    def on_test_batch_end(self, batch, logs=None):
        if self._signal and not self._workers:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is not None and self._improves(value):
            self._best = float(value)
            self._keep_generator()
        if self._told() or self.every is None or self._due():
            self._save()

    def on_train_end(self, logs=None):
        self._save()

    def _check_monitor(self):
        names = self._training.metric_names
        if self.monitor and self.monitor not in names and not self._training.logs_more:
            raise invalid("monitor", f"a metric in the logs: {', '.join(names)}", f"monitor={self.monitor!r}")

    def _due(self):
        return self.every is not None and self._training.step // self.every > self._last // self.every

    def _improves(self, value):
        better = self._best is None or (value < self._best if self.mode == "min" else value > self._best)
        return better and np.isfinite(value)

    def _keep_generator(self):
        if self._writes:
            model = self.model
            generator = model.networks.get("ema_generator", model.generator)
            with saving.replacing(self.directory / "best.keras") as temporary:
                generator.save(temporary)

    # Signals

    def _told(self):
        """The signal after which to save and leave, or None: of several workers, one that has reached any of them."""
        if not self._workers:
            return self._signal
        if self._training.step % _AGREED_EVERY and self._training.batch:
            return None
        return int(distribution.gathered(self._training.model.distribute_strategy, self._signal or 0).max()) or None

    @contextlib.contextmanager
    def _listening(self):
        if threading.current_thread() is not threading.main_thread():  # only the main thread can
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
            self._leave_if_told()
        except Exception:
            if self._leaving:  # TensorFlow has wrapped what the handler raised in the middle of its own code
                _leave(self._signal)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number, frame):
        again, self._signal = self._signal is not None, number
        # While a step compiles for minutes, the checkpoint before it is that of the current step.
        if again or (self._saved == self._training.position and not self._saving and not self._workers):
            self._leave(number)

    def _leave_if_told(self):
        number = self._told()
        if number:
            distribution.wait(self._training.model.distribute_strategy)
            self._leave(number)

    def _leave(self, number):
        step, _ = self._training.position
        saved = f"saved in {self.directory}" if self._saved == self._training.position else "not saved"
        self._say(f"Stopped by {signal.Signals(number).name} at step {step:,}, {saved}. Call `fit` again to go on.")
        self._leaving = True
        _leave(number)

    # What is said

    def _say(self, line):
        if self._writes and self._training.verbose:
            print(f"\n{line}", flush=True)

    def _say_where(self):
        training = self._training
        if self.restored is None:
            return
        where = f"step {training.step:,}, epoch {training.epoch:,} of {training.epochs:,}"
        complete = training.epoch >= training.epochs or training.was_stopped_early
        how = "The training is complete" if complete else "Resuming"
        more = " For more raise `epochs`." if complete and not training.was_stopped_early else ""
        early = " EarlyStopping has ended it." if training.was_stopped_early else ""
        self._say(f"{how}: {where}, from {self.restored}.{early}{more}")

    # What

    def _save(self):
        """Saves, unless this very position is saved, and leaves where a signal says so."""
        position = self._training.position
        if self._saved != position:
            self._saving = True
            try:
                self._write()
            except CheckpointWriteError as error:
                if self.on_error == "raise" or self._signal:
                    raise
                warnings.warn(f"{error}. The run continues without it.", stacklevel=2)
            finally:
                self._saving = False
        self._last = self._training.step
        self._leave_if_told()

    def _write(self):
        training = self._training
        # On all workers, because some variables are summed over them when they are read.
        arrays = {name: np.asarray(variable.numpy()) for name, variable in training.model.state().items()}
        # Metrics may be what they are.
        broken = [name for name, array in arrays.items() if not name.startswith(_METRICS) and not _finite(array)]
        if broken:
            reason = f"{broken[0]} holds NaN or infinity at step {training.step}"
            if self._saved is None:
                raise NonFiniteError(f"{reason}, before the training: build the model anew, or load other weights.")
            warnings.warn(f"No checkpoint was written: {reason}. Go on from the one before.", stacklevel=2)
            return
        self._check_names(arrays)
        if self._writes:
            state, data = training.state()
            self._say_how_exact(state["data"])
            if data is not None:
                arrays[_DATA] = np.frombuffer(data, np.uint8)
            values = {"training": state, "configuration": self._configuration(), "best": self._best, **self._machine()}
            step, epoch = training.position
            checkpoint.prune(checkpoint.write(self.directory, step, epoch, arrays, values), self.keep)
        self._saved = training.position

    def _check_names(self, arrays):
        """A run that resumes has only the variables that are there before the first step."""
        names = {name for name in arrays if not name.startswith(_METRICS)}
        self._names = self._names or names
        if names != self._names:
            new = sorted(names ^ self._names)[0]
            expected = "callbacks that make variables of the model in `set_model`, before a checkpoint is read"
            raise invalid("callbacks", expected, f"{new}, which was made or removed since")

    def _write_first(self):
        """One real checkpoint, written and read, before hours are spent."""
        if self._saved == self._training.position:
            return
        self._write()
        if self._writes and self._saved:
            checkpoint.verify(checkpoint.checkpoints(self.directory)[0])

    def _say_how_exact(self, kind):
        """Once, before the first step if it is known then, that a run which resumes has to read data again."""
        too_large = self._training.too_large
        if kind == APPROXIMATE and not self._said:
            warnings.warn(f"A run that resumes from a checkpoint will be {_INEXACT[APPROXIMATE]}", stacklevel=2)
        elif too_large and not self._said:
            warnings.warn(
                f"Checkpoints do not hold the position in the data, because {too_large}. When this run resumes "
                f"from one, {_INEXACT[REPLAYED]}",
                stacklevel=2,
            )
        self._said = self._said or kind == APPROXIMATE or bool(too_large)

    def _restore(self):
        training = self._training
        path = checkpoint.newest(self.directory)
        self._agree(path)
        if path is None:
            return
        values = checkpoint.read_values(path)
        step = values["training"]["step"]
        if training.step > step:
            raise CheckpointMismatchError(
                f"{path} is of step {step:,}, and the model has been trained for {training.step:,} steps: resuming "
                f"from there would throw {training.step - step:,} away. Name another directory to continue with the "
                "model, or build it anew to resume from the checkpoint."
            )
        differences = list(_differences(values["configuration"], self._configuration()))
        if differences:
            checkpoint.mismatch(path, differences)
        rates = training.model.compilation.learning_rates_set(training.model)
        kind = self._read(path, values)
        self.restored = path
        for name, rate in rates.items():
            restored = optimization.learning_rate(training.model.optimizers[name])
            if rate != restored:
                warnings.warn(
                    f"The learning rate {rate:.7g} that was set on `{name}` is replaced by the checkpoint's, "
                    f"{restored:.7g}. To change it pass keras.callbacks.LearningRateScheduler to `fit`.",
                    stacklevel=2,
                )
        if kind != EXACT:
            warnings.warn(f"Resuming from {path.name}: {_INEXACT[kind]}", stacklevel=2)
            self._said = True
        changed = [f"{k} {values[k]} -> {v}" for k, v in self._machine().items() if values.get(k) != v]
        if changed:
            warnings.warn(f"Resuming from {path.name}, not bit for bit: {'; '.join(changed)}.", stacklevel=2)

    def _read(self, path, values):
        """Puts the model and the training where a checkpoint says; returns how exact the position in the data is."""
        training = self._training
        variables = training.model.state()
        specs = {name: (tuple(variable.shape), variable.numpy().dtype) for name, variable in variables.items()}
        # Metrics are what callbacks have made of them: one more or less is no other training.
        optional = [_DATA, *(name for name in specs if name.startswith(_METRICS))]
        arrays = checkpoint.read_arrays(path, {**specs, _DATA: None}, optional, ignored=_METRICS)
        data = arrays.pop(_DATA, None)
        # What can fail comes before anything is changed.
        iterator = None if data is None else training.iterator_at(data.tobytes())
        training.model.reset_metrics()
        for name, array in arrays.items():
            variables[name].assign(array)
        kind = training.restore(values["training"], iterator)
        self._best, self._saved = values["best"], training.position
        return kind

    def _agree(self, path):
        """All workers have found the same checkpoint, or all of them stop."""
        strategy = self._training.model.distribute_strategy
        if not distribution.has_workers(strategy):
            return
        numbers = distribution.gathered(strategy, checkpoint.number(path) if path else (-1, -1))
        if (numbers != numbers[0]).any():
            steps = ", ".join("none" if step < 0 else f"that of step {step}" for step, _ in numbers.tolist())
            raise CheckpointMismatchError(
                f"The workers have found different checkpoints in {self.directory}: {steps}. Give all of them one "
                "directory, on a file system that they share."
            )

    def _configuration(self):
        """What must be the same for a training to go on."""
        training = self._training
        batches = training.batches
        data = {
            "elements": str(batches.dataset.element_spec),
            "steps_per_epoch": training.steps_per_epoch,
            "fingerprint": batches.digest if batches.seekable else None,
        }
        return _canonical({"model": training.model.compilation.recipe(training.model), "data": data})

    def _machine(self):
        """What must be the same for a training to go on bit for bit."""
        model = self._training.model
        return {
            "kerasgan": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "gpus": len(tf.config.list_physical_devices("GPU")),
            "replicas": model.distribute_strategy.num_replicas_in_sync,
            **{name: str(value) for name, value in model.compilation.arguments.items()},
        }


def _directory(directory):
    """The path of the directory, which is no file, nor meant as one."""
    expected = "a directory for the checkpoints of one training, e.g. 'checkpoints'"
    if not isinstance(directory, str | os.PathLike) or not str(directory):
        raise invalid("directory", expected, f"directory={directory!r}", TypeError)
    path = pathlib.Path(directory)
    if path.suffix in (".keras", ".h5") or "{" in path.name or (path.exists() and not path.is_dir()):
        raise invalid("directory", expected, f"directory={str(directory)!r}, the name of a file")
    return path


def _leave(number):
    """Ends the process as the signal would."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _finite(array):
    # The sum is finite only if all are: one pass without a mask of the size of the array.
    return array.dtype.kind in "iub" or bool(np.isfinite(array.sum(dtype=np.float64)))


def _canonical(value):
    """As JSON gives it back, with the names that Keras has counted replaced by numbers of their own."""
    value = json.loads(json.dumps(value, default=str))
    names = {}

    def collect(node):
        if isinstance(node, dict):
            if isinstance(node.get("name"), str):
                names.setdefault(node["name"], f"#{len(names)}")
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            collect(child)

    def replaced(node):
        if isinstance(node, dict):
            return {key: replaced(child) for key, child in node.items()}
        if isinstance(node, list):
            return [replaced(child) for child in node]
        return names.get(node, node) if isinstance(node, str) else node

    collect(value)
    return replaced(value)


def _differences(there, here, path=""):
    """Sentences on where two configurations differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            yield from _differences(there.get(key), here.get(key), f"{path}.{key}" if path else key)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, pair in enumerate(zip(there, here, strict=True)):
            yield from _differences(*pair, f"{path}.{index}")
    elif there != here:
        there, here = (textwrap.shorten(_shown(value), 120) for value in (there, here))
        yield f"{path}: {there} in the checkpoint, {here} here"


def _shown(value):
    # A float32 of a variable has digits that nobody has written.
    return str(float(f"{value:.7g}") if isinstance(value, float) else value)
