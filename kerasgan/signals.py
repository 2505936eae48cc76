"""Signals that end a process while a model trains: noted, so that the run can be saved before."""

import contextlib
import math
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import tensorflow as tf

from kerasgan import distribution

_AGREED_EVERY = 10  # steps after which several workers tell one another of signals
_HANGUP = getattr(signal, "SIGHUP", None)  # the terminal is gone; not on Windows
_HANDLED = tuple(number for number in (signal.SIGTERM, signal.SIGINT, _HANGUP) if number is not None)
# Seconds in which signals are one: `timeout`, for instance, sends each to the process and again to its group.
_ONE = 0.3
_ENDS_WITHIN = 0.3  # seconds: a process that ends so soon only says that it has
_TOLD_WITHIN = 0.02  # seconds in which the thread that watches has seen a signal


class Signals:
    """Notes a signal, and ends the process as the signal would have.

    Args:
        strategy: Strategy of the run.
        may_end: Function that returns whether the process may end at once, because everything is saved. A second
            signal ends it anyway.
        announce: Function that is called with the name of the signal before the process ends.
        explain: Function that is called, in another thread, with the name of the signal and whether it is the first
            besides SIGHUP, where the process does not end at once: it says what is waited for.

    Attributes:
        received: Integer, the number of the signal that this process has received; None where there was none.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        may_end: Callable[[], bool],
        announce: Callable[[str], None],
        explain: Callable[[str, bool], None],
    ):
        self.received: int | None = None
        self._strategy = strategy
        self._may_end = may_end
        self._announce = announce
        self._explain = explain
        self._asked = False  # whether there was a signal besides SIGHUP, which nobody sends in haste
        self._muted = contextlib.ExitStack()  # what gives standard output and error back
        self._insisted = False  # whether there was a second signal, of which Python may not have told yet
        self._leaving = threading.Event()
        self._ending: int | None = None  # the signal that ends the process

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handles signals, in the main thread: others cannot."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # `nohup` has it ignored, and a program may have a handler of its own.
        handled = [one for one in _HANDLED if one != _HANGUP or signal.getsignal(one) == signal.SIG_DFL]
        before = {number: signal.signal(number, self._handle) for number in handled}
        try:
            with self._watched(), contextlib.ExitStack() as self._muted:
                yield
        except Exception:
            if self._ending is not None:  # TensorFlow has wrapped what the handler raised in the middle of its own code
                _end(self._ending)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not from Python

    def agreed(self, step: int, batch: int) -> int | None:
        """Returns the signal after which to save and end; with several workers, one that any of them has received.

        All workers have to call it, at the same step. They ask one another at every tenth, and between two epochs.
        """
        if not distribution.has_workers(self._strategy):
            return self.received
        if step % _AGREED_EVERY and batch:
            return None
        return int(distribution.gathered(self._strategy, self.received or 0).max()) or None

    def end(self, number: int) -> NoReturn:
        """Ends the process with the exit status of the signal."""
        self._leaving.set()
        if self._ending is None:
            self._announce(signal.Signals(number).name)
        self._ending = number
        _end(number)

    @contextlib.contextmanager
    def _watched(self):
        """Has a thread answer signals: Python calls handlers only when TensorFlow, which may take long, returns."""
        receiver, sender = socket.socketpair()
        sender.setblocking(False)
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        thread = threading.Thread(target=self._watch, args=(receiver, before), daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self._leaving.set()
            sender.close()
            thread.join()
            receiver.close()

    def _watch(self, receiver, other):
        answered = -math.inf  # when the newest signal came
        while received := receiver.recv(1):
            with contextlib.suppress(OSError):  # an event loop, say, has waited for signals
                if other != -1:
                    os.write(other, received)
            now = time.monotonic()
            if received[0] in _HANDLED and now - answered > _ONE:
                asks, answered = received[0] != _HANGUP, now
                self._insisted = self._insisted or (asks and self._asked)
                self._asked = self._asked or asks
                name = signal.Signals(received[0]).name
                answer = threading.Timer(_ENDS_WITHIN, self._answer, (name, not self._insisted))
                answer.daemon = True
                answer.start()

    def _answer(self, name, first):
        if not self._leaving.is_set():
            self._explain(name, first)

    def _handle(self, number, frame):
        if self.received is not None:  # only the thread that watches knows when signals came, not when Python heard
            time.sleep(_TOLD_WITHIN)
        self.received = number
        if number == _HANGUP:
            _mute(self._muted)
        if self._insisted or self._may_end():
            self.end(number)


def _mute(stack):
    """Standard output and error lead nowhere from now on, if they were a terminal that is gone, or a pipe.

    Who reads a pipe may end with the terminal; `stack` opens it again.
    """
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            os.write(descriptor, b"")  # fails if the terminal is gone
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                continue
            stack.callback(_restore, stream, descriptor, os.dup(descriptor))
        except OSError:
            pass
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), descriptor)


def _restore(stream, descriptor, kept):
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    os.dup2(kept, descriptor)
    os.close(kept)


def _end(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
