"""Checkpoints that are written beside the training: by a thread, one at a time."""

import concurrent.futures
import os
import pathlib
import sys
import types
from typing import Any

import numpy as np

from kerasgan import checkpoint
from kerasgan.errors import CheckpointWriteError, warn

_SILENT = 1.0  # seconds to wait before saying so


class Writer:
    """Writes the checkpoints of a run, in a thread or at once. The errors of a write are raised by `settle`.

    Leaving its context waits for the write that is in progress. There its error is raised, or reported as a warning
    where another exception is on its way.

    Args:
        directory, keep, on_error: As in `callbacks.Checkpoint`.
        threaded: Whether a thread writes; otherwise `write` returns when everything is on the disk.

    Attributes:
        saved: Position of the run at the newest checkpoint on the disk; None before there is one.
    """

    def __init__(self, directory: pathlib.Path, keep: int, on_error: str, threaded: bool):
        self.saved: tuple[int, int] | None = None
        self._directory = directory.absolute()  # whatever becomes the working directory
        self._keep = keep
        self._on_error = on_error
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "checkpoint") if threaded else None
        self._writing: concurrent.futures.Future[None] | None = None
        self._position = 0, 0  # of the run at the checkpoint that is being written
        self._place: tuple[int, int] | None = None  # what the directory is to the system, whatever its name

    def write(self, position: tuple[int, int], arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Begins to write a checkpoint, and then removes old ones; the one before has to be settled.

        Args:
            position: (step, epoch) of the run.
            arrays, values: As in `checkpoint.write`; they must not change any more.
        """
        self._position = position
        if self._executor is not None:
            self._writing = self._executor.submit(self._write, position, arrays, values)
            return
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        try:
            done.set_result(self._write(position, arrays, values))
        except Exception as error:  # a signal that ends the process leaves nothing to wait for
            done.set_exception(error)
        self._writing = done

    def _write(self, position, arrays, values):
        step, epoch = position
        self.check_place()
        try:
            path = checkpoint.write(self._directory, step, epoch, arrays, values)
        except CheckpointWriteError:
            self.check_place()  # it may have been moved just now
            raise
        self.saved = position
        try:
            checkpoint.prune(path, self._keep)
        except OSError as error:  # somebody else has removed one, or has it open
            warn(f"Old checkpoints in {self._directory} cannot be removed: {error.strerror or error}.")

    def check_place(self) -> None:
        """Raises a CheckpointWriteError if the directory was moved or removed: what is there now is no run's."""
        place = _place(self._directory)
        if self._place in (None, place) or self.saved is None:
            return
        # Some network file systems number a directory anew. Then the newest checkpoint is still there.
        if place is not None and checkpoint.path_of(self._directory, *self.saved).exists():
            return
        raise CheckpointWriteError(
            f"{self._directory} was moved, removed or replaced during the training. If it was moved, resume from its "
            f"new place; its newest checkpoint is that of step {self.saved[0]:,}."
        )

    def is_writing(self, position: tuple[int, int]) -> bool:
        """Whether a thread is writing the checkpoint of this position."""
        return self._writing is not None and not self._writing.done() and self._position == position

    @property
    def has_failed(self) -> bool:
        """Whether `settle` would report an error at once."""
        return self._writing is not None and self._writing.done() and self._writing.exception() is not None

    def settle(self, strict: bool = False) -> None:
        """Waits for the checkpoint that is being written. Raises its error, once, or warns as `on_error` says.

        Args:
            strict: Whether to raise it whatever `on_error` says.
        """
        try:
            self._wait()
        except CheckpointWriteError as error:
            if strict or self._on_error == "raise":
                raise
            warn(f"{error}. The run continues without it.")

    def _wait(self):
        if self._writing is None:
            return
        if not concurrent.futures.wait([self._writing], _SILENT).done:
            waits = f"Waiting for the checkpoint of step {self._position[0]:,} to be written."
            print(waits, file=sys.stderr, flush=True)
            concurrent.futures.wait([self._writing])
        writing, self._writing = self._writing, None  # only now: a signal may interrupt a wait
        writing.result()

    def __enter__(self) -> "Writer":
        self._place = _place(self._directory)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        try:
            self._wait()
        except Exception as error:
            if raised is None:
                raise
            if str(error) != str(raised):
                warn(str(error))
        finally:
            self._end()

    def _end(self):
        """Waits for the write whatever signals come: then no thread of ours changes the directory any more."""
        interrupt = None
        while self._writing is not None and not self._writing.done():
            try:
                concurrent.futures.wait([self._writing])
            except BaseException as error:  # KeyboardInterrupt, or what a handler raises
                interrupt = error
        if self.has_failed and self._writing is not None:  # what interrupted the wait is raised, not this
            warn(str(self._writing.exception()))
        if self._executor is not None:
            self._executor.shutdown()
        if interrupt is not None:
            raise interrupt


def _place(directory):
    """Device and number of a directory; None where there is none."""
    try:
        found = os.stat(directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
