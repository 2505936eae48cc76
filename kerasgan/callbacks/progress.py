"""One line that says how far a run has got, and the time left."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from kerasgan.callbacks.base import Callback
from kerasgan.errors import checked_integer, warn

if TYPE_CHECKING:
    from kerasgan.training import Training

# Shown in this order if the model has any of them; otherwise all its metrics.
_SHOWN = ("wasserstein", "gradient_norm", "d_loss", "g_loss")
_LINES = 20
_SECONDS = 2.0
_SECONDS_ON_TERMINAL = 0.2
# Without a terminal, the first line comes as soon as there is an estimate; then none is longer away than this.
_FIRST_SECONDS = 10.0
_MOST_SECONDS = 50.0
_MOST_SECONDS_ON_TERMINAL = 1.0
_DAY = 24 * 3_600.0


class Progress(Callback):
    """Shows steps, metrics, time elapsed and time left: one line, rewritten on a terminal, else about 20 lines in all.

        step 1200/3500  34%  wasserstein 1.23  gradient_norm 0.98  g_loss -0.41  0:41 elapsed, 1:17 left

    There is a line at least every minute, also while a step compiles or validation runs. A run that will take longer
    than a day gives a warning once a few steps have been timed.

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
        self._lock = threading.Lock()  # of what a line shows
        self._active = False

    @contextlib.contextmanager
    def running(self, training: "Training") -> Iterator[None]:
        """Has a thread write a line where steps have written none for long."""
        ended = threading.Event()

        def watch():
            while not ended.wait(_MOST_SECONDS_ON_TERMINAL):
                with self._lock:
                    now = time.monotonic()
                    if self._active and now - self._last >= self._most_seconds:
                        self._print(now)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._active = False
            ended.set()
            thread.join()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._out = self.file or sys.stdout
        self._terminal = self._out.isatty()
        self._most_seconds = _MOST_SECONDS_ON_TERMINAL if self._terminal else _MOST_SECONDS
        self._names: list[str] = []  # of the metrics that are shown
        self._held_out: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._means: dict[str, float] = {}  # of the last steps
        self._counted = 0
        step = getattr(self.model, "step", None)  # another Keras model has none
        self._done = self._begun = 0 if step is None else int(step.numpy())
        self._written, self._width = -1, 0
        self._end: int | None = None  # the step at which `fit` ends
        self._start = self._last = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._warned = False
        self._active = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begins, self._epoch = True, epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._begins:  # the first batch of an epoch, or that at which the run resumes
            self._begins, self._before = False, self._done - batch
            params = self.params or {}  # a loop of the user's may have set none
            if params.get("steps"):
                self._end = self._before + (params["epochs"] - self._epoch) * params["steps"]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if not self._names:
            shown = [name for name in _SHOWN if name in logs] or list(logs)
            self._names = [name for name in shown if name != "d_loss" or "wasserstein" not in shown]
        values = {name: float(logs[name]) for name in self._names}  # waits for an accelerator
        with self._lock:
            now = time.monotonic()
            self._done = self._before + batch + 1
            # The first step compiles: it tells nothing about the speed of the others.
            self._first = self._first or (now, self._done)
            for name, value in values.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
            self._counted += 1
            if self._due(now):
                self._print(now)
        self._warn_of_days(now)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        held_out = {name: (logs or {}).get(f"val_{name}") for name in self._names[:1]}
        self._held_out = {name: value for name, value in held_out.items() if value is not None}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        with self._lock:
            self._active = False
            if self._done > self._written and self._first is not None:  # there was a step to make
                self._print(time.monotonic())
        if self._terminal:
            print(file=self._out, flush=True)

    def _due(self, now):
        waited, total = now - self._last, self._total()
        if self._terminal:
            return waited >= _SECONDS_ON_TERMINAL
        if waited >= _MOST_SECONDS or (self._written < 0 and self._measured(now)):
            return True
        before = max(self._written, self._begun)
        share = self._done * _LINES // total > before * _LINES // total if total else waited >= 30.0
        return waited >= _SECONDS and share

    def _measured(self, now):
        """Whether the time of a step is known well."""
        return self._first is not None and self._done > self._first[1] and now - self._first[0] >= _FIRST_SECONDS

    def _warn_of_days(self, now):
        total = self._total()
        if self._warned or not total or not self._measured(now):
            return
        self._warned = True
        left = self._left(now, total)
        if left > _DAY:
            warn(
                f"This run will take {left / _DAY:.1f} days, at {self._per_step(now):.3g} s per step. Fewer steps, "
                "smaller images, smaller networks or a GPU shorten it."
            )

    def _total(self):
        return self.steps or self._end

    def _print(self, now):
        total = self._total()
        head = f"step {self._done}/{total}  {self._done / total:4.0%}" if total else f"step {self._done}"
        tail = f"{clock(now - self._start)} elapsed" + (f", {self._shown_left(now, total)}" if total else "")
        if self._counted:
            self._means = {name: self._sums[name] / self._counted for name in self._names}
        metrics = [self._shown(name) for name in self._means]
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
        return f"{name} {self._means[name]:.3g}{held_out}"

    def _shown_left(self, now, total):
        if self._first is None:
            return "the first step compiles"
        known = self._done > self._first[1] or self._done >= total
        return f"{clock(self._left(now, total)) if known else '?'} left"

    def _left(self, now, total):
        return self._per_step(now) * max(0, total - self._done)

    def _per_step(self, now):
        begun, first = self._first or (self._start, 0)
        return (now - begun) / max(1, self._done - first)


def clock(seconds: float) -> str:
    """Seconds as `0:41`, or `1:02:03` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
