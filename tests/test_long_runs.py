"""What happens to a training in its days and nights: the clock is set, /tmp fills up, TensorBoard dies."""

import csv
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import IMAGES, assert_same, model

import kerasgan as kg


def at_epochs(function):
    """A callback that calls a function of the epoch."""
    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: function(epoch))


def fit(directory, *callbacks, epochs=3):
    """A training with all that writes files."""
    gan = model(ema_momentum=0.9)
    gan.fit(
        IMAGES,
        batch_size=16,
        epochs=epochs,
        steps_per_epoch=4,
        validation_data=IMAGES[:32],
        verbose=0,
        callbacks=[
            kg.callbacks.SampleGrid(directory / "samples", num_images=4),
            kg.callbacks.MetricsLog(directory / "metrics.csv"),
            kg.callbacks.TensorBoard(directory / "tensorboard", write_graph=False),
            *callbacks,
            kg.callbacks.Checkpoint(directory / "checkpoints", every=3),
        ],
    )
    return gan


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """Trainings to which nothing happens, by their numbers of epochs."""
    return {epochs: fit(tmp_path_factory.mktemp("calm"), epochs=epochs) for epochs in (3, 4)}


# Memory and open files


def resident():
    """Megabytes of this process."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fifty_evaluations_leave_memory_and_files_as_they_are():
    gan = model(ema_momentum=0.9)
    gan.compile(metrics=[kg.metrics.PRDC()])
    readings = []
    for _ in range(50):
        gan.evaluate(IMAGES, batch_size=16, verbose=0)
        readings.append((resident(), len(os.listdir("/proc/self/fd"))))
    memory, files = np.array(readings[10:]).T
    assert np.polyfit(np.arange(len(memory)), memory, 1)[0] < 0.05
    assert files[-1] <= files[0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hundred_epochs_leave_memory_and_files_as_they_are(tmp_path):
    readings = []
    fit(tmp_path, at_epochs(lambda _: readings.append((resident(), len(os.listdir("/proc/self/fd"))))), epochs=100)
    memory, files = np.array(readings[25:]).T
    assert np.polyfit(np.arange(len(memory)), memory, 1)[0] < 0.1
    assert files[-1] <= files[0]
    assert len(list((tmp_path / "checkpoints").glob("step-*"))) == 3


# The clock


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-30, 24 * 365 * 20])
def test_a_clock_that_is_set_changes_nothing(tmp_path, monkeypatch, calm, hours):
    true, shift = time.time, []
    monkeypatch.setattr(time, "time", lambda: true() + 3_600 * sum(shift))
    gan = fit(tmp_path / "set", at_epochs(lambda epoch: shift.append(hours)))
    monkeypatch.undo()
    assert_same(gan, calm[3])
    with open(tmp_path / "set/metrics.csv", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= seconds[-1] < 600


@pytest.mark.slow
@pytest.mark.parametrize("year", [1980, 2100])
def test_the_newest_checkpoint_is_told_by_its_step_and_not_by_the_clock(tmp_path, calm, year):
    fit(tmp_path)
    newest, oldest = (sorted((tmp_path / "checkpoints").glob("step-*"))[index] for index in (-1, 0))
    for path, moment in ((newest, year), (oldest, 2_000)):
        for one in (path, *path.rglob("*")):
            os.utime(one, (365.25 * 86_400 * (moment - 1_970),) * 2)
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    assert_same(fit(tmp_path, count, epochs=4), calm[4])
    assert len(steps) == 4


# Temporary files


@pytest.mark.slow
def test_nothing_needs_room_for_temporary_files(tmp_path, monkeypatch, calm):
    """Stricter than a full /tmp: the directory for temporary files, chosen at the start, is gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError):
        tempfile.mkstemp()
    gan = fit(tmp_path / "run")
    gan.save(tmp_path / "model.keras")
    gan.save_weights(tmp_path / "model.weights.h5")
    assert_same(gan, keras.models.load_model(tmp_path / "model.keras"))
    gan.evaluate(IMAGES, batch_size=16, verbose=0)
    version = gan.export(tmp_path / "served")
    served = tf.saved_model.load(str(version)).signatures["generate"]
    images = served(seed=tf.range(3, dtype=tf.int64))["images"]
    np.testing.assert_array_equal(images, kg.images.to_uint8(gan.generate(seeds=[0, 1, 2])))
    assert_same(fit(tmp_path / "run", epochs=4), calm[4])


# TensorBoard


@pytest.mark.slow
def test_tensorboard_is_killed_and_the_training_does_not_notice(tmp_path, calm):
    board = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(tmp_path), "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def kill(epoch):
        if epoch == 1:
            board.send_signal(signal.SIGKILL)

    try:
        for line in board.stderr:
            if "http://" in line:
                break
        gan = fit(tmp_path / "watched", at_epochs(kill))
    finally:
        board.kill()
        board.wait()
        board.stderr.close()
    assert board.returncode == -signal.SIGKILL
    assert_same(gan, calm[3])


@pytest.mark.slow
def test_events_that_are_removed_while_they_are_written_do_not_end_the_training(tmp_path, calm):
    remove = at_epochs(lambda epoch: shutil.rmtree(tmp_path / "run/tensorboard", ignore_errors=True))
    assert_same(fit(tmp_path / "run", remove), calm[3])
