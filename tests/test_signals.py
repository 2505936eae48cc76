"""SIGTERM and Ctrl-C while a model trains, without a model."""

import fcntl
import hashlib
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time

import pytest
import tensorflow as tf

from kerasgan.signals import Signals

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def hangups():
    """Those of a terminal, even if these tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def signals(may_end=False):
    announced = []
    return Signals(tf.distribute.get_strategy(), lambda: may_end, announced.append, lambda *_: None), announced


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_the_handlers_of_before_are_back_afterwards_and_after_an_error():
    before = handlers()
    with signals()[0].handled():
        assert not set(handlers()) & set(before)
    assert handlers() == before
    with pytest.raises(ZeroDivisionError), signals()[0].handled():
        raise ZeroDivisionError
    assert handlers() == before


def test_a_thread_has_no_handlers():
    before, during = handlers(), []

    def look():
        with signals()[0].handled():
            during.append(handlers())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert during == [before]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_is_noted_and_a_second_one_ends(number, monkeypatch):
    monkeypatch.setattr("kerasgan.signals._ONE", 0.01)
    monkeypatch.setattr("kerasgan.signals._mute", lambda stack: None)
    noted, announced = signals()

    def run():
        with noted.handled():
            signal.raise_signal(number)
            assert noted.received == number == noted.agreed(step=3, batch=1)
            assert not announced
            time.sleep(0.02)
            signal.raise_signal(number)

    if number == signal.SIGTERM:
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == 143
        assert announced == [number.name]
    elif number == signal.SIGINT:
        with pytest.raises(KeyboardInterrupt):
            run()
        assert announced == [number.name]
    else:  # a shell sends it again; nobody does who is in haste
        run()
        assert not announced


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["nohup", "own"])
def test_a_hangup_that_is_ignored_or_handled_stays_so(handler):
    signal.signal(signal.SIGHUP, handler)
    with signals()[0].handled():
        assert signal.getsignal(signal.SIGHUP) == handler


def test_sigterm_after_a_hangup_is_no_second_one(monkeypatch):
    """As they come when a user is logged out."""
    monkeypatch.setattr("kerasgan.signals._ONE", 0.01)
    monkeypatch.setattr("kerasgan.signals._ENDS_WITHIN", 0.01)
    monkeypatch.setattr("kerasgan.signals._mute", lambda stack: None)
    answers = []
    noted = Signals(tf.distribute.get_strategy(), lambda: False, lambda name: None, lambda *said: answers.append(said))
    with noted.handled():
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)
            time.sleep(0.05)
    assert answers == [("SIGHUP", True), ("SIGTERM", True)]
    assert noted.received == signal.SIGTERM


def test_a_pipe_is_written_again_when_the_run_has_ended():
    code = (
        "import os, signal, tensorflow as tf; from kerasgan.signals import Signals\n"
        "noted = Signals(tf.distribute.get_strategy(), lambda: True, lambda name: print('stopped'), None)\n"
        "try:\n with noted.handled(): os.kill(os.getpid(), signal.SIGHUP); print('never')\n"
        "except SystemExit as ended: print('ended', ended.code)"
    )
    restored = lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, preexec_fn=restored
    )
    assert done.stdout == "ended 129\n"


_IN_A_TERMINAL = """
import time
import numpy as np
import kerasgan as kg

generator = kg.networks.mlp_generator((2,), latent_dim=2, units=(4,))
gan = kg.GAN(generator, kg.networks.mlp_discriminator((2,), units=(4,)))
gan.compile()
saved = kg.callbacks.Checkpoint("run", every=10**6)
gan.fit(np.zeros((8, 2), "float32"), batch_size=8, epochs=10**6, callbacks=[saved])
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("piped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_whose_terminal_is_closed_is_saved(piped, tmp_path):
    terminal, of_process = os.openpty()
    reader, writer = os.pipe() if piped else (None, of_process)
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_TERMINAL],
        cwd=tmp_path,
        stdin=of_process,
        stdout=writer,
        stderr=writer,
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(of_process, termios.TIOCSCTTY, 0)),
    )
    os.close(of_process)
    if piped:
        os.close(writer)
    printed, source = b"", reader if piped else terminal
    try:
        while b"Epoch 3/" not in printed:
            assert select.select([source], [], [], 60)[0], printed.decode()
            try:
                more = os.read(source, 1_000)
            except OSError:  # as a terminal says that it has ended
                more = b""
            assert more, printed.decode()
            printed += more
        for descriptor in (terminal, reader) if piped else (terminal,):  # `| tee` ends with the terminal, too
            os.close(descriptor)
        status = process.wait(60)
    finally:
        process.kill()
    assert status == 128 + signal.SIGHUP
    assert len([path for path in (tmp_path / "run").iterdir() if path.name.startswith("step-")]) == 2


def test_a_signal_that_is_delivered_twice_is_one():
    """As by `timeout`, which sends it to the process and to its group."""
    noted, announced = signals()
    with noted.handled():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
    assert (noted.received, announced) == (signal.SIGTERM, [])


def test_a_second_signal_counts_even_if_python_hears_of_both_at_once(monkeypatch):
    monkeypatch.setattr("kerasgan.signals._ONE", 0.05)
    noted, announced = signals()

    def run():
        with noted.handled():
            for delay in (0.01, 0.2):
                threading.Timer(delay, os.kill, (os.getpid(), signal.SIGTERM)).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000)  # Python can call no handler before this returns

    with pytest.raises(SystemExit):
        run()
    assert announced == ["SIGTERM"]


def test_a_second_signal_counts_soon_after_python_has_heard_of_the_first(monkeypatch):
    monkeypatch.setattr("kerasgan.signals._ONE", 0.05)
    noted, announced = signals()

    def run():
        with noted.handled():
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000)
            assert noted.received
            os.kill(os.getpid(), signal.SIGTERM)  # long after the first was sent
            time.sleep(0.1)

    with pytest.raises(SystemExit):
        run()
    assert announced == ["SIGTERM"]


def test_the_end_is_announced_once(monkeypatch):
    monkeypatch.setattr("kerasgan.signals._ONE", 0.01)
    noted, announced = signals(may_end=True)
    with noted.handled():
        for _ in range(2):
            with pytest.raises(SystemExit):
                signal.raise_signal(signal.SIGTERM)
            time.sleep(0.02)
    assert announced == ["SIGTERM"]


def test_a_signal_ends_at_once_where_everything_is_saved():
    noted, announced = signals(may_end=True)
    with pytest.raises(SystemExit), noted.handled():
        signal.raise_signal(signal.SIGTERM)
    assert announced == ["SIGTERM"]


def test_an_exit_that_tensorflow_has_wrapped_is_still_one():
    noted, _ = signals()

    def op():
        try:
            noted.end(signal.SIGTERM)
        except SystemExit as ended:
            raise RuntimeError("of an op") from ended

    with pytest.raises(SystemExit), noted.handled():
        op()


def test_a_signal_is_answered_while_the_main_thread_is_busy_in_a_library(monkeypatch):
    monkeypatch.setattr("kerasgan.signals._ENDS_WITHIN", 0.01)
    answered = []

    def explain(name, first):
        answered.append((name, first, noted.received))

    noted = Signals(tf.distribute.get_strategy(), lambda: False, lambda name: None, explain)
    with noted.handled():
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 800_000)  # Python can call no handler before this returns
    assert answered == [("SIGINT", True, None)]
    assert noted.received == signal.SIGINT


def test_who_has_waited_for_signals_before_still_hears_of_them():
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write)
    try:
        with signals()[0].handled():
            signal.raise_signal(signal.SIGTERM)
            assert os.read(read, 1) == bytes([signal.SIGTERM])
    finally:
        assert signal.set_wakeup_fd(before) == write
        os.close(read)
        os.close(write)
