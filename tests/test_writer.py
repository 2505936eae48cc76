"""Checkpoints that a thread writes: what they hold, one at a time, and nothing of their errors lost."""

import errno
import os
import signal
import threading
import time

import keras
import numpy as np
import pytest
from trainings import assert_same, model

import kerasgan as kg
from kerasgan import checkpoint
from kerasgan.callbacks.writer import Writer
from kerasgan.errors import CheckpointWriteError


def arrays(value=1.0):
    return {"a": np.full((4,), value)}


def names(directory):
    return [path.name for path in checkpoint.checkpoints(directory)]


@pytest.fixture
def slow(monkeypatch):
    """Each write takes a while; returns the moments at which one began and ended."""
    moments, write = [], checkpoint.write

    def slowly(directory, step, *args):
        moments.append(("begins", step))
        time.sleep(0.1)
        path = write(directory, step, *args)
        moments.append(("ends", step))
        return path

    monkeypatch.setattr(checkpoint, "write", slowly)
    return moments


@pytest.fixture
def full(monkeypatch):
    """A disk without room."""

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", fail)


def writer(directory, on_error="raise", threaded=True, keep=2):
    return Writer(directory, keep, on_error, threaded)


def test_old_checkpoints_that_cannot_be_removed_are_warned_of(tmp_path, monkeypatch):
    def busy(*args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", lambda old, new: busy() if ".tmp-step" in str(new) else os.rename(old, new))
    warned = pytest.warns(UserWarning, match=r"Old checkpoints in .* cannot be removed: Permission denied")
    with warned, writer(tmp_path, threaded=False, keep=1) as one:
        for step in (1, 2):
            one.write((step, 0), arrays(), {})
            one.settle(strict=True)
            assert one.saved == (step, 0)
    assert len(names(tmp_path)) == 2


def interrupted(directory, step):
    """An error in the training while a checkpoint is written."""
    with writer(directory) as one:
        one.write((step, 1), arrays(), {})
        raise ZeroDivisionError


def test_a_write_returns_at_once_and_the_position_is_saved_when_the_checkpoint_is_there(tmp_path, slow):
    with writer(tmp_path) as one:
        one.write((3, 1), arrays(), {})
        assert (one.saved, names(tmp_path)) == (None, [])
        one.settle()
        assert (one.saved, names(tmp_path)) == ((3, 1), ["step-00000003-epoch-0001"])


def test_without_a_thread_the_checkpoint_is_there_when_write_returns(tmp_path, slow):
    with writer(tmp_path, threaded=False) as one:
        one.write((3, 1), arrays(), {})
        assert (one.saved, names(tmp_path)) == ((3, 1), ["step-00000003-epoch-0001"])


def test_the_old_ones_are_removed_only_when_the_new_one_is_there(tmp_path, slow):
    with writer(tmp_path, keep=1) as one:
        one.write((3, 1), arrays(), {})
        one.settle()
        one.write((6, 1), arrays(), {})
        assert names(tmp_path) == ["step-00000003-epoch-0001"]
    assert names(tmp_path) == ["step-00000006-epoch-0001"]


def test_the_end_waits_for_the_write_and_says_so_where_it_takes_long(tmp_path, slow, capsys, monkeypatch):
    monkeypatch.setattr("kerasgan.callbacks.writer._SILENT", 0.01)
    with pytest.raises(ZeroDivisionError):
        interrupted(tmp_path, 1_003)
    assert names(tmp_path) == ["step-00001003-epoch-0001"]
    assert capsys.readouterr().err == "Waiting for the checkpoint of step 1,003 to be written.\n"


@pytest.mark.parametrize("threaded", [True, False])
def test_an_error_is_raised_once_with_the_words_of_the_write(tmp_path, full, threaded):
    with writer(tmp_path, threaded=threaded) as one:
        one.write((3, 1), arrays(), {})
        with pytest.raises(CheckpointWriteError, match=r"No space left.*a checkpoint of 32 bytes.*bytes are free"):
            one.settle()
        assert not one.has_failed
        one.settle()
        assert one.saved is None


def test_an_error_is_seen_before_anybody_waits(tmp_path, full):
    one = writer(tmp_path)
    one.write((3, 1), arrays(), {})
    end = time.monotonic() + 10
    while not one.has_failed:
        assert time.monotonic() < end
        time.sleep(0.001)
    with pytest.raises(CheckpointWriteError):
        one.__exit__(None, None, None)


def test_an_error_is_a_warning_where_that_is_wanted_or_where_another_is_on_its_way(tmp_path, full):
    with writer(tmp_path, "warn") as one:
        one.write((3, 1), arrays(), {})
        with pytest.warns(UserWarning, match="No space left.*The run continues without it"):
            one.settle()
        one.write((6, 1), arrays(), {})
        with pytest.raises(CheckpointWriteError):
            one.settle(strict=True)
    with pytest.warns(UserWarning, match=r"No space left.*step-00000003"), pytest.raises(ZeroDivisionError):
        interrupted(tmp_path, 3)


@pytest.mark.parametrize("threaded", [True, False])
def test_a_signal_during_a_write_ends_without_a_wait_for_what_nobody_writes(tmp_path, monkeypatch, threaded):
    """A handler raises in the main thread, wherever it is: in a write, if no thread writes."""
    begun, later = threading.Event(), threading.Event()

    def stalled(*args):
        begun.set()
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(143)
        assert later.wait(60)

    monkeypatch.setattr(checkpoint, "write", stalled)
    monkeypatch.setattr(checkpoint, "prune", lambda *args: None)
    one = writer(tmp_path, threaded=threaded)

    def ended():
        with one:
            one.write((3, 1), arrays(), {})
            assert begun.wait(60)
            later.set()
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        ended()
    assert one.saved == ((3, 1) if threaded else None)


def test_the_error_of_a_write_whose_wait_was_interrupted_is_a_warning(tmp_path, monkeypatch):
    begun, pressed = threading.Event(), threading.Event()

    def fail(*args):
        begun.set()
        assert pressed.wait(60)
        time.sleep(0.1)
        raise CheckpointWriteError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    def press():
        assert begun.wait(60)
        time.sleep(0.1)
        pressed.set()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(checkpoint, "write", fail)
    pressing = threading.Thread(target=press)

    def ended():
        with writer(tmp_path) as one:
            one.write((3, 1), arrays(), {})
            pressing.start()

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="No space left"), pytest.raises(KeyboardInterrupt):
            ended()
    finally:
        pressing.join()
        signal.signal(signal.SIGINT, previous)


def test_however_often_somebody_interrupts_the_end_no_thread_is_left(tmp_path, monkeypatch):
    """Whoever holds the directory next would lose checkpoints to it."""
    later = threading.Event()

    def held_back(*args):
        assert later.wait(60)

    def interrupts():
        for _ in range(3):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        later.set()

    monkeypatch.setattr(checkpoint, "write", held_back)
    monkeypatch.setattr(checkpoint, "prune", lambda *args: None)
    pressing = threading.Thread(target=interrupts)

    def ended():
        with writer(tmp_path) as one:
            one.write((3, 1), arrays(), {})
            pressing.start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # xdist's workers ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            ended()
        pressing.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert later.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("checkpoint")]


# In a run


class Seen(keras.callbacks.Callback):
    """Remembers something, and calls a function after each step."""

    def __init__(self, after_step=lambda step: None):
        super().__init__()
        self.steps, self.after_step = [], after_step

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(float(logs["d_loss"]))
        self.after_step(self.model.training.step)

    def get_state(self):
        return {"steps": self.steps}

    def set_state(self, state):
        self.steps = state["steps"]


def trained(directory, seen, **options):
    gan = model(ema_momentum=0.9)
    saved = kg.callbacks.Checkpoint(directory, **{"every": 3, "keep": 9, **options})
    fit = {"epochs": 2, "steps_per_epoch": 5, "verbose": 0}
    gan.fit(kg.datasets.load("digits", 128), callbacks=[seen, saved], **fit)
    return gan


def contents(directory):
    return {
        (path.name, name): (path / name).read_bytes()
        for path in checkpoint.checkpoints(directory)
        for name in ("state.npz", "training.json")
    }


def test_a_thread_writes_the_run_as_it_was_at_the_step_bit_for_bit(tmp_path, monkeypatch):
    later, write = threading.Event(), checkpoint.write

    def held_back(directory, step, *args):
        if step == 3:
            assert later.wait(60)  # the training continues meanwhile
        return write(directory, step, *args)

    trained(tmp_path / "at once", Seen(), background=False)
    monkeypatch.setattr(checkpoint, "write", held_back)
    trained(tmp_path / "beside", Seen(lambda step: later.set() if step == 5 else None))
    expected = contents(tmp_path / "at once")
    assert len(expected) == 2 * 5  # steps 0, 3, 6, 9, 10
    assert contents(tmp_path / "beside") == expected


@pytest.mark.slow
def test_a_save_waits_for_the_one_before(tmp_path, slow):
    trained(tmp_path, Seen(), every=1)
    assert slow == [(what, step) for step in range(11) for what in ("begins", "ends")]


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 10], ids=["while another is written", "at the end"])
def test_sigterm_saves_the_step_and_waits_until_it_is_written(tmp_path, slow, step):
    def interrupt(now):
        if now == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        trained(tmp_path, Seen(interrupt))
    assert ended.value.code == 143
    assert checkpoint.number(checkpoint.newest(tmp_path))[0] == step
    assert_same(trained(tmp_path, Seen()), trained(tmp_path / "calm", Seen()))


@pytest.mark.slow
def test_an_error_in_the_training_waits_for_the_checkpoint_that_is_being_written(tmp_path, slow):
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path, Seen(lambda step: 1 / (step - 4)))
    assert slow[-1] == ("ends", 3)
    assert checkpoint.newest(tmp_path).name == "step-00000003-epoch-0000"


@pytest.mark.slow
def test_the_last_write_is_part_of_fit_and_so_is_its_error(tmp_path, monkeypatch):
    write = checkpoint.write

    def fails_at_the_end(directory, step, *args):
        if step == 10:
            raise CheckpointWriteError(errno.ENOSPC, "No space left", str(directory))
        return write(directory, step, *args)

    monkeypatch.setattr(checkpoint, "write", fails_at_the_end)
    with pytest.raises(CheckpointWriteError, match="No space left"):
        trained(tmp_path, Seen())
    with pytest.warns(UserWarning, match=r"No space left.*The run continues without it"):
        trained(tmp_path, Seen(), on_error="warn")


def test_ctrl_c_during_the_first_save_waits_for_it(tmp_path, monkeypatch):
    """Otherwise the thread could remove the checkpoints of whoever holds the directory next."""
    write = checkpoint.write

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        return write(*args)

    monkeypatch.setattr(checkpoint, "write", interrupted)
    seen = Seen()
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, seen)
    assert (names(tmp_path), seen.steps) == (["step-00000000-epoch-0000"], [])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("checkpoint")]


@pytest.fixture
def too_large(monkeypatch):
    """No room for a generator, but for checkpoints."""

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(keras.Model, "save", fail)


def test_a_best_generator_that_cannot_be_written_is_an_error_after_which_the_run_resumes(tmp_path, too_large):
    with pytest.raises(CheckpointWriteError, match=r"best\.keras cannot be written: No space left"):
        trained(tmp_path, Seen(), monitor="d_loss")
    assert names(tmp_path)[0] == "step-00000005-epoch-0001"  # the epoch is not lost


def test_a_best_generator_that_cannot_be_written_is_a_warning_where_that_is_wanted(tmp_path, too_large):
    with pytest.warns(UserWarning, match=r"best\.keras cannot be written: No space left.*The run continues"):
        trained(tmp_path, Seen(), monitor="d_loss", on_error="warn")
    assert names(tmp_path)[0] == "step-00000010-epoch-0002"
