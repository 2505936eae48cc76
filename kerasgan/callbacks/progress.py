"""One line that says how far a run is, and how long it will still take."""

import shutil
import sys
import time
from typing import Any, TextIO

from kerasgan.callbacks.base import Callback
from kerasgan.errors import checked_integer

# Shown in this order if the model has any of them; otherwise all its metrics.
_SHOWN = ("wasserstein", "gradient_norm", "d_loss", "g_loss")
_LINES = 20
_SECONDS = 2.0
_SECONDS_ON_TERMINAL = 0.2


class Progress(Callback):
    """Shows steps, metrics, time elapsed and time left: one line, rewritten on a terminal, else about 20 lines in all.

    step 1200/3500  34%  wasserstein 1.23  gradient_norm 0.98  g_loss -0.41  0:41 elapsed, 1:17 left

    Metrics are means over the steps since the line before. Use it with `fit(..., verbose=0)`.

    Args:
        steps: Integer >= 1, total steps. Defaults to those that `fit` was asked for.
        file: Where to write. Defaults to standard output.
    """

    chief_only = True

    def __init__(self, steps: int | None = None, file: TextIO | None = None):
        super().__init__()
        self.steps = None if steps is None else checked_integer("steps", steps)
        self.file = file

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._out = self.file or sys.stdout
        self._terminal = self._out.isatty()
        self._names: list[str] = []  # of the metrics that are shown
        self._held_out: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._counted = 0
        step = getattr(self.model, "step", None)  # another Keras model has none
        self._done = self._begun = 0 if step is None else int(step.numpy())
        self._written, self._width = -1, 0
        self._start = self._last = time.monotonic()
        self._first: tuple[float, int] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begins = True

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._begins:  # the first batch of an epoch, or that at which the run resumes
            self._begins, self._before = False, self._done - batch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        self._done = self._before + batch + 1
        # The first step compiles: it tells nothing about the speed of the others.
        self._first = self._first or (now, self._done)
        logs = logs or {}
        if not self._names:
            shown = [name for name in _SHOWN if name in logs] or list(logs)
            self._names = [name for name in shown if name != "d_loss" or "wasserstein" not in shown]
        for name in self._names:
            self._sums[name] = self._sums.get(name, 0.0) + float(logs[name])
        self._counted += 1
        if self._due(now):
            self._print(now)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        held_out = {name: (logs or {}).get(f"val_{name}") for name in self._names[:1]}
        self._held_out = {name: value for name, value in held_out.items() if value is not None}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._done > self._written and self._first is not None:  # there was a step to make
            self._print(time.monotonic())
        if self._terminal:
            print(file=self._out, flush=True)

    def _due(self, now):
        total = self._total()
        if self._terminal:
            return now - self._last >= _SECONDS_ON_TERMINAL
        share = self._done - max(self._written, self._begun) >= total / _LINES if total else now - self._last >= 30.0
        return now - self._last >= _SECONDS and share

    def _total(self):
        if self.steps:
            return self.steps
        return self.params["steps"] * self.params["epochs"] if self.params.get("steps") else None

    def _print(self, now):
        total = self._total()
        head = f"step {self._done}/{total}  {self._done / total:4.0%}" if total else f"step {self._done}"
        tail = f"{clock(now - self._start)} elapsed" + (f", {clock(self._left(now, total))} left" if total else "")
        metrics = [self._shown(name) for name in self._names]
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            while metrics and len("  ".join([head, *metrics, tail])) >= columns:
                metrics.pop()
            line = "  ".join([head, *metrics, tail])[: columns - 1]
            print("\r" + line.ljust(self._width), end="", file=self._out, flush=True)
            self._width = len(line)
        else:
            print("  ".join([head, *metrics, tail]), file=self._out, flush=True)
        self._sums, self._counted = {}, 0
        self._written, self._last = self._done, now

    def _shown(self, name):
        held_out = f" (held out {self._held_out[name]:.3g})" if name in self._held_out else ""
        return f"{name} {self._sums[name] / max(self._counted, 1):.3g}{held_out}"

    def _left(self, now, total):
        begun, done = self._first or (self._start, self._done)
        per_step = (now - begun) / (self._done - done) if self._done > done else now - self._start
        return max(0.0, per_step * (total - self._done))


def clock(seconds: float) -> str:
    """Seconds as `0:41`, or `1:02:03` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
