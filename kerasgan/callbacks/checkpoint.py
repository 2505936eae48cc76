"""Checkpoints of a whole run, from which it resumes as if it had not stopped."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasgan import averages, checkpoint, distribution, files, saving
from kerasgan.callbacks import snapshot
from kerasgan.callbacks.base import ModelCallback
from kerasgan.callbacks.writer import Writer
from kerasgan.compilation import own_optimizers
from kerasgan.errors import CheckpointWriteError, NonFiniteError, checked_boolean, checked_integer, invalid, warn
from kerasgan.reading import EXACT
from kerasgan.signals import Signals

if TYPE_CHECKING:
    from kerasgan.training import Training


class Checkpoint(ModelCallback):
    """Saves the whole run at regular intervals, and resumes from the newest checkpoint when `fit` is called again.

    A checkpoint holds both networks, the average, both optimizers with their loss scales, the counters that all random
    numbers are functions of, the position in the data and in the epoch, the history and what callbacks remember. On one
    CPU a run that was stopped and resumed ends with exactly the weights of an uninterrupted one; elsewhere they agree
    up to the order of floating-point sums.

    - Before the first step a checkpoint is written and read: what would fail at three in the morning fails now.
    - SIGTERM, Ctrl-C and a terminal that is closed (SIGHUP) save once and end the process with exit status 143, 130 and
      129.
    - The arrays are copied at the step; a thread writes them while the training continues. The copy takes as much
      memory as a checkpoint. The next save waits for the one before, and so does the end of the run, however it ends.
    - An incomplete or changed checkpoint is passed over with a warning; the newest intact one is used.
    - A checkpoint of another configuration or other data is refused, with what differs; so is one of fewer steps than
      the model has been trained for.
    - With several workers the first one writes; all read, from a directory that all of them see.
    - Unless `fit` has `verbose=0`, a line says where a run resumes, that it is complete, or where it was stopped.

    Call `fit` with the same arguments to resume: `epochs` counts from the beginning; a run that EarlyStopping has ended
    stays so. Learning rates are those of the checkpoint: to change them, use `keras.callbacks.LearningRateScheduler`.
    To keep state across a resume, give your callback `get_state()`, returning JSON-serialisable values, and
    `set_state(state)`, which is called after `on_train_begin`. EarlyStopping's best weights
    (`restore_best_weights=True`) are not kept.

    Args:
        directory: For the checkpoints of this run only; it is made if it does not exist.
        every: Integer >= 1, steps between two checkpoints; None for one at the end of each epoch.
        keep: Integer >= 1, how many of the newest checkpoints are kept.
        monitor: A metric in the logs, e.g. `"val_wasserstein"`: the generator with its best value at the end of an
            epoch, the averaged one if there is one, is kept as `best.keras`. None for no such file.
        mode: `"min"` or `"max"`, which value is best.
        on_error: `"raise"`, or `"warn"` to train on when a checkpoint, but not the first, cannot be written.
        background: Whether a thread writes the checkpoints: then an error is raised at the end of the step that it
            happens in. If not, each saving step waits for the disk and then frees the copy.

    Attributes:
        restored: Path of the checkpoint that the run has resumed from; None where there was none.

    Raises:
        ValueError: An argument is out of its range.
        CheckpointWriteError: A checkpoint cannot be written, e.g. because the disk is full. The others are untouched.
        CheckpointCorruptError: There are checkpoints in the directory, and none is intact.
        CheckpointMismatchError: They are of another model, other data or other optimizers.
        RunDirError: Another process is training in this directory.
        NonFiniteError: The weights hold NaN or infinity before the first step.
    """

    saves_run = True

    def __init__(
        self,
        directory: str | os.PathLike,
        every: int | None = None,
        keep: int = 3,
        monitor: str | None = None,
        mode: str = "min",
        on_error: str = "raise",
        background: bool = True,
    ):
        super().__init__()
        self.every = None if every is None else checked_integer("every", every)
        self.keep = checked_integer("keep", keep)
        for name, value, choices in (("mode", mode, ("min", "max")), ("on_error", on_error, ("raise", "warn"))):
            if value not in choices:
                raise invalid(name, " or ".join(map(repr, choices)), f"{name}={value!r}")
        if monitor is not None and not isinstance(monitor, str):
            raise invalid("monitor", "the name of a metric in the logs, e.g. 'val_wasserstein'", f"monitor={monitor!r}")
        self.directory = _checked_directory(directory)
        self.monitor = monitor
        self.mode = mode
        self.on_error = on_error
        self.background = checked_boolean("background", background)
        self.restored: pathlib.Path | None = None
        self._signals: Any = None  # `Signals` while `fit` runs

    @contextlib.contextmanager
    def running(self, training: "Training") -> Iterator[None]:
        """Holds the directory while `fit` runs: restores the newest checkpoint, and handles signals."""
        self._training = training
        self._strategy = training.model.distribute_strategy
        self._writes = distribution.is_chief(self._strategy)
        self._workers = distribution.has_workers(self._strategy)
        self._signals = Signals(self._strategy, self._may_end, self._say_stopped, self._explain)
        self._best = _Best(self.monitor, self.mode, training)
        self._writer = Writer(self.directory, self.keep, self.on_error, self.background and self._writes)
        # Position of the newest checkpoint that was read or, written or not, tried: the same on all workers.
        self._tried: tuple[int, int] | None = None
        self._names: set[str] = set()
        self._warned = False
        with contextlib.ExitStack() as stack:
            if self._writes:
                stack.enter_context(checkpoint.locked(self.directory))
                checkpoint.sweep(self.directory)
            self._restore()  # nothing to save yet: a signal ends it at once
            stack.enter_context(self._signals.handled())
            stack.enter_context(self._writer)
            self._last = training.step
            if self._tried is None:
                self._write()
                self._writer.settle(strict=True)
                if self._writes:  # what cannot be read is found before hours are spent
                    checkpoint.verify(checkpoint.checkpoints(self.directory)[0])
            if self.restored:
                self._say(_where(training, self.restored))
            self._end_if_signalled()
            yield
            self._end_if_signalled()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._check_names(self._training.model.state())
        _check_built(own_optimizers(self._training.model))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._check_place()
        # At the end of an epoch after its validation, in `on_epoch_end`.
        if self._agreed_signal() or (self._due() and self._training.batch < self._training.steps_per_epoch):
            self._save()
        elif self._writer.has_failed:
            self._writer.settle()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._signals is not None and self._signals.received and not self._workers:
            self._save()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._signals is not None and self._training.model.training is self._training:
            self._check_place()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        failed = self._keep_best(logs or {}) if self._writes else None
        if self._agreed_signal() or self.every is None or self._due() or (failed and not self._workers):
            self._save()
        if failed:
            raise failed

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writes and self.monitor and self._best.value is None and self._training.epoch:
            warn(f"There is no {self.directory / 'best.keras'}: no epoch had a finite {self.monitor!r} in its logs.")
        self._save(last=True)

    def _check_place(self):
        """At once, because other callbacks would make the directory anew."""
        if self.on_error == "raise":
            self._writer.check_place()

    def _keep_best(self, logs):
        """Returns the error that is to be raised once the epoch is saved."""
        path = self.directory / "best.keras"
        try:
            self._best.update(logs, path)
        except OSError as error:
            reason = f"{path} cannot be written: {error.strerror or error}. The one before it is untouched"
            if self.on_error == "raise":
                failed = CheckpointWriteError(f"{reason}.")
                failed.__cause__ = error
                return failed
            warn(f"{reason}. The run continues.")
        return None

    def _due(self):
        return self.every is not None and self._training.step // self.every > self._last // self.every

    # Signals

    def _agreed_signal(self):
        return self._signals.agreed(self._training.step, self._training.batch)

    def _may_end(self):
        # While a step compiles for minutes, the checkpoint before it is that of the current step.
        return self._writer.saved == self._training.position and not self._workers

    def _end_if_signalled(self):
        number = self._agreed_signal()
        if number:
            self._writer.settle(strict=True)
            distribution.wait(self._strategy)
            self._signals.end(number)

    def _say(self, line):
        if self._writes and self._training.verbose:
            print(f"\n{line}", flush=True)

    def _say_stopped(self, signal_name):
        name, step, where = _name(signal_name), self._training.step, f"saved in {self.directory}"
        if self._writer.is_writing(self._training.position):
            where = f"which is being {where}"
        elif self._writer.saved != self._training.position:
            where = "not saved"
        self._say(f"Stopped by {name} at step {step:,}, {where}. Call `fit` again to resume.")

    def _explain(self, signal_name, first):
        """Answers a signal that has to wait; whatever `verbose` is, because somebody may have pressed Ctrl-C."""
        if self._writes:
            waits, saved = first and not self._may_end(), self._writer.saved or (0, 0)
            name, step = _name(signal_name), self._training.step
            if not first and self._writer.is_writing(self._training.position):
                answer = f"{name}: ending as soon as step {step:,} is saved in {self.directory}."
            else:
                answer = _answer(name, waits, step, saved[0], self.directory)
            print(f"\n{answer}", file=sys.stderr, flush=True)

    # Saving and restoring

    def _save(self, last=False):
        """Saves, unless this very position is saved, and ends the process where a signal says so.

        With several workers, only one knows whether a write failed, so all go by what was tried.
        """
        self._writer.settle()
        if (self._tried if self._workers else self._writer.saved) != self._training.position:
            self._write()
            if last or not self.background:
                self._writer.settle(strict=self._signals.received is not None)
        self._last = self._training.step
        self._end_if_signalled()

    def _write(self):
        """Copies the run as it is now, and begins to write it."""
        training = self._training
        arrays = snapshot.arrays_of(training.model)
        broken = snapshot.first_non_finite(arrays)
        if broken:
            reason = f"{broken} holds NaN or infinity at step {training.step}"
            if self._tried is None:
                raise NonFiniteError(f"{reason}, before the training: build the model anew, or load other weights.")
            warn(f"No checkpoint was written: {reason}. Resume from the one before.")
            return
        self._check_names(arrays)
        self._tried = training.position
        if not self._writes:
            return
        arrays, values, kind = snapshot.contents(training, arrays, self._best.value)
        inexact = snapshot.inexact(kind, training.reader.too_large)
        if inexact and not self._warned:
            self._warned = True
            warn(inexact)
        self._writer.write(training.position, arrays, values)

    def _check_names(self, variables):
        """Refuses variables that are made after the first checkpoint: a run that resumes would not have them yet."""
        names = set(snapshot.without_metrics(variables))
        self._names = self._names or names
        if names != self._names:
            new = sorted(names ^ self._names)[0]
            expected = "callbacks that make variables of the model in `set_model`, before a checkpoint is read"
            raise invalid("callbacks", expected, f"{new}, which was made or removed since")

    def _restore(self):
        path = checkpoint.newest(self.directory)
        snapshot.check_agreement(self.directory, path, self._strategy)
        if path is not None:
            self._best.value, kind = snapshot.restore(path, self._training)
            self._tried = self._writer.saved = self._training.position
            self.restored = path
            self._warned = kind != EXACT


def _check_built(optimizers):
    """Refuses optimizers that get their variables later."""
    for name, optimizer in optimizers.items():
        if not optimizer.built:
            expected = f"optimizers that are built before a checkpoint is read: call `self.{name}.build(variables)`"
            raise invalid("callbacks", f"{expected} in `compile`", f"an unbuilt {type(optimizer).__name__}")


class _Best:
    """The best value of a metric, and the generator that had it."""

    def __init__(self, monitor, mode, training):
        names = training.metric_names
        if monitor and monitor not in names and not training.logs_more:
            raise invalid("monitor", f"a metric in the logs: {', '.join(names)}", f"monitor={monitor!r}")
        self.value: float | None = None
        self._monitor = monitor
        self._sign = 1.0 if mode == "min" else -1.0
        self._model = training.model

    def update(self, logs, path):
        """Keeps the generator of an epoch whose logs have a better value, which is then the best."""
        value = logs.get(self._monitor)
        if value is None or not np.isfinite(value):
            return
        if self.value is None or self._sign * value < self._sign * self.value:
            generator, average = self._model.generator, self._model.networks.get("ema_generator")
            if average is not None:  # which is not trainable; somebody may want to train what is loaded
                generator = averages.copied(generator, average)
            with saving.replacing(path) as temporary:
                generator.save(temporary)
            self.value = float(value)


def _where(training, path):
    """Says where a run resumes, or that it is complete."""
    where = f"step {training.step:,}, epoch {training.epoch:,} of {training.epochs:,}, from {path}."
    if training.was_stopped_early:
        return f"The run is complete: {where} EarlyStopping has ended it."
    if training.epoch >= training.epochs:
        return f"The run is complete: {where} To train on, raise `epochs`."
    return f"Resuming: {where}"


def _name(signal_name):
    return {"SIGINT": "Ctrl-C"}.get(signal_name, signal_name)


def _answer(name, waits, step, saved, directory):
    """Says what a signal leads to, which the process waits for or leaves out."""
    newest = f"the newest checkpoint is that of step {saved:,}"
    if not waits:
        return f"{name}: ending without saving, after the current operation: {newest}, in {directory}."
    plan = f"finishing the current step, after step {step:,}, then saving the run in {directory}"
    if name == "SIGHUP":
        return f"{name}: {plan}."
    return f"{name}: {plan}. A second {name} leaves that out: {newest}."


def _checked_directory(directory):
    """The path of the directory: neither a file, nor a name for one."""
    expected = "a directory for the checkpoints of one training, e.g. 'checkpoints'"
    path = files.checked_path("directory", directory, expected, True)
    if path.suffix in (".keras", ".h5") or "{" in path.name:
        raise invalid("directory", expected, f"directory={str(directory)!r}, the name of a file")
    return path
