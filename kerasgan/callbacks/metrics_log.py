"""The metrics of every step, in a CSV file."""

import csv
import math
import os
import time
from typing import Any

from kerasgan import files
from kerasgan.callbacks.base import ModelCallback
from kerasgan.errors import checked_integer, warn
from kerasgan.logs import read_rows

_OWN = ("step", "epoch", "seconds")


class MetricsLog(ModelCallback):
    """Appends the mean metrics of every few steps to a CSV file.

    value of a row = mean of the step values since the row before

    With `steps_per_execution=k`, Keras hands over the values of the last of `k` steps; they stand for all `k`.
    Columns are `step` (generator steps since the model was new), `epoch` (from 1), `seconds` of training, then the
    metrics by name. The row at the end of an epoch also has the `val_` metrics, where there is validation data, and
    what earlier callbacks in the list have added to the logs. Every row is flushed: a crash loses at most one. The log
    of a model that has trained before is continued, without rows of later steps than the model's; that of a new model
    replaces a file that exists.

    Args:
        path: Name of the file.
        every: Integer >= 1, steps per row.

    Raises:
        ValueError: `every` is not positive; `path` cannot be a file; or a run resumes and the file there is not a log.
    """

    chief_only = True

    def __init__(self, path: str | os.PathLike, every: int = 1):
        super().__init__()
        self.path = files.checked_path("path", path, "the name of a file, e.g. 'metrics.csv'")
        self.every = checked_integer("every", every)
        self._file: Any = None
        self._sums: dict[str, float] = {}
        self._counted = 0
        self._last: int | None = None  # step of the last row

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.path = self.path.absolute()  # whatever becomes the working directory
        self._columns = [*_OWN, *(metric.name for metric in self.model.metrics)]
        self._of_steps = set(_OWN)
        self._sums, self._counted = {}, 0
        self._step = int(self.model.step.numpy())
        run = self.model.training
        self._epoch = 1 if run is None else run.epoch + bool(run.batch)  # of what a row still lacks
        there = self.path.exists()
        if there and not self._step and self.path.read_bytes().count(b"\n") > 1:
            warn(f"{self.path} has rows of an earlier training, which are replaced. Name another file to keep them.")
        rows = self._rows_until(self._step) if self._step and there else []
        self._columns += [name for name in (rows[0] if rows else ()) if name not in self._columns]
        self._rewrite(rows)
        self._last = _last(rows)
        self._start = time.monotonic() - (float(rows[-1].get("seconds") or 0.0) if rows else 0.0)

    def get_state(self) -> dict[str, Any]:
        """The row that is not full yet, and the step of the last that is."""
        return {"sums": self._sums, "counted": self._counted, "last": self._last}

    def set_state(self, state: dict[str, Any]) -> None:
        self._sums, self._counted = dict(state["sums"]), state["counted"]
        self._of_steps.update(self._sums)  # the epoch may end without another step
        self._step = int(self.model.step.numpy())
        # A row of steps that are in the sums was written after the checkpoint.
        rows = self._rows_until(self._step - self._counted)
        last, self._last = state.get("last"), _last(rows)
        if last != self._last and last is not None:
            since = f"after step {self._last} " if rows else ""
            warn(
                f"{self.path} has lost its rows {since}up to step {last}: the run continues without them.",
            )
        self._rewrite(rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._step = epoch + 1, self._step_of_run()

    def _step_of_run(self):
        # Reading the variable waits for an accelerator; a loop of the user's has nothing else.
        run = self.model.training
        return int(self.model.step.numpy()) if run is None else run.step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # A full row is written when the next one begins: the last of an epoch waits for the values of the validation.
        if self._counted >= self.every:
            self._write({})
        step = self._step_of_run()
        steps, self._step = step - self._step, step  # more than one where Keras runs several in an execution
        self._of_steps.update(logs or ())
        for name, value in (logs or {}).items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * steps
        self._counted += steps

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Those of the validation, and of callbacks before this one: a learning rate, a score of the user's own.
        others = {name: _number(value) for name, value in (logs or {}).items() if name not in self._of_steps}
        others = {name: number for name, number in others.items() if number is not None}
        if others or self._counted >= self.every:
            self._write(others)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._counted:
            self._write({})
        with files.best_effort(self.path):
            if self._file:
                self._file.close()

    def _write(self, others):
        means = {name: value / self._counted for name, value in self._sums.items()}
        seconds = f"{time.monotonic() - self._start:.3f}"
        numbers = {name: f"{value:.7g}" for name, value in {**means, **others}.items()}
        new = [name for name in numbers if name not in self._columns]
        if new:
            with files.best_effort(self.path):
                self._file.flush()  # what could not be written before
                self._rewrite(self._rows_until(math.inf), new)
        row = {"step": self._step, "epoch": self._epoch, "seconds": seconds, **numbers}
        with files.best_effort(self.path):  # the next row writes this one, too
            self._writer.writerow(row)
            self._file.flush()
        self._last = self._step
        self._sums, self._counted = {}, 0

    def _rows_until(self, step):
        try:
            return [row for row in read_rows(self.path) if _step_of(row) <= step]
        except (csv.Error, ValueError, KeyError) as error:
            reason = f"there is no column {error}" if isinstance(error, KeyError) else error
            raise ValueError(
                f"{self.path} is not the log of a run: {reason}. Restore it, or remove it to continue without its rows."
            ) from error

    def _rewrite(self, rows, more=()):
        """Begins the file with a header and these rows, and leaves it open to append; `more` are further columns."""
        columns = [*self._columns, *more]
        with files.replacing(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = _writer_to(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        if self._file:
            self._file.close()
        self._columns = columns
        self._file = open(self.path, "a", newline="", encoding="utf-8")  # noqa: SIM115 (until the training ends)
        self._writer = _writer_to(self._file, columns)


def _writer_to(file, columns):
    return csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")


def _step_of(row):
    """The step of a row, whose values must be numbers."""
    for value in row.values():
        float(value or "nan")
    return int(row["step"])


def _number(value):
    """A value that a callback may have put into the logs as a float; None if it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _last(rows):
    """The step of the last row, or None."""
    return _step_of(rows[-1]) if rows else None
