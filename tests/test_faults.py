"""What a training does when it is ended, when the disk fails, and when it is started with something else."""

import errno
import itertools
import os
import pathlib
import resource
import shutil
import signal
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import unchanged
from selection import each
from trainings import IMAGES, TerminatedAt, assert_same, model, train

import kerasgan as kg
from kerasgan.callbacks import metrics_log
from kerasgan.errors import (
    CheckpointCorruptError,
    CheckpointMismatchError,
    CheckpointWriteError,
    RunDirError,
)


def newest(directory):
    return kg.checkpoint.newest(directory / "checkpoints").name


# Ended by a signal


class At(keras.callbacks.Callback):
    """Calls a function at a hook of a step: `on_train_batch_begin`, say, of step 8."""

    def __init__(self, hook, step, function):
        super().__init__()
        setattr(self, hook, lambda *args, **kwargs: function() if self.model.training.step == step else None)


def terminate(times=1):
    for left in reversed(range(times)):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.4 if left else 0.0)  # what comes at once is one signal


class Tracing(kg.losses.Wasserstein):
    """Sends SIGTERM while the first step is being traced."""

    armed = False

    def discriminator(self, real_logits, fake_logits):
        if Tracing.armed:
            Tracing.armed = False
            terminate()
        return super().discriminator(real_logits, fake_logits)


def in_the_first_compilation():
    Tracing.armed = True
    return {"make": lambda: model(kg.GAN, loss=Tracing(), n_critic=2, ema_momentum=0.9)}, "step-00000000-epoch-0000"


def in_a_step():
    return {"interruption": [At("on_train_batch_begin", 7, terminate)]}, "step-00000008-epoch-0001"


def while_samples_are_drawn():
    return {"interruption": [At("on_train_batch_end", 8, terminate)]}, "step-00000008-epoch-0001"


def in_an_evaluation():
    return {"interruption": [TerminatedAt(validation=True)]}, "step-00000005-epoch-0000"


def at_the_end_of_an_epoch():
    return {"interruption": [At("on_epoch_end", 10, terminate)]}, "step-00000010-epoch-0002"


@pytest.mark.parametrize(
    "moment",
    each(
        [in_the_first_compilation, in_a_step, while_samples_are_drawn, in_an_evaluation, at_the_end_of_an_epoch],
        [in_a_step],
    ),
    ids=lambda moment: moment.__name__,
)
def test_sigterm_saves_the_step_it_has_come_to_and_the_training_goes_on_from_it(tmp_path, moment):
    fit = {"steps_per_epoch": 5, "validation_data": kg.datasets.load("digits", 128, seed=1)}
    make = moment()[0].get("make", lambda: model(n_critic=2, ema_momentum=0.9))
    Tracing.armed = False
    calm, history = train(tmp_path / "calm", make=make, **fit)
    options, expected = moment()
    with pytest.raises(SystemExit) as ended:
        train(tmp_path / "ended", **{"make": make, **options}, **fit)
    assert ended.value.code == 143
    assert newest(tmp_path / "ended") == expected
    resumed, resumed_history = train(tmp_path / "ended", make=make, **fit)
    assert_same(calm, resumed)
    assert resumed_history.history == history.history


@pytest.mark.slow
def test_sigterm_in_a_save_lets_it_end_and_leaves_with_it(tmp_path, monkeypatch):
    write = kg.checkpoint.write

    def interrupted(directory, step, *args):
        if step == 6:
            terminate()
        return write(directory, step, *args)

    monkeypatch.setattr(kg.checkpoint, "write", interrupted)
    with pytest.raises(SystemExit):
        train(tmp_path, steps_per_epoch=5)
    # The thread writes while the next steps run; the signal ends the run after one of them.
    assert "step-00000006-epoch-0001" <= newest(tmp_path) <= "step-00000009-epoch-0001"


@pytest.mark.slow
def test_a_second_sigterm_leaves_at_once(tmp_path):
    with pytest.raises(SystemExit) as ended:
        train(tmp_path, [At("on_train_batch_end", 8, lambda: terminate(times=2))], steps_per_epoch=5)
    assert ended.value.code == 143
    assert newest(tmp_path) == "step-00000006-epoch-0001"


def test_sigterm_while_the_data_is_waited_for_saves_after_the_step(tmp_path):
    def images():
        for number in range(10**6):
            if number == 8:
                terminate()
            yield np.zeros((16, 8, 8, 1), "float32")

    def data():
        return tf.data.Dataset.from_generator(images, output_signature=tf.TensorSpec((16, 8, 8, 1)))

    with pytest.warns(UserWarning, match="approximate"), pytest.raises(SystemExit):
        train(tmp_path, make=lambda: model(kg.GAN), data=data, steps_per_epoch=100)
    step = int(newest(tmp_path)[5:13])
    assert 0 < step <= 10


@pytest.mark.slow
def test_the_handlers_of_signals_are_those_of_before_when_fit_has_ended(tmp_path):
    def handler(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, handler)
    try:
        train(tmp_path / "calm", steps_per_epoch=2)
        assert signal.getsignal(signal.SIGTERM) is handler
        with pytest.raises(ZeroDivisionError):
            train(tmp_path / "broken", [At("on_train_batch_end", 3, lambda: 1 / 0)], steps_per_epoch=2)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_a_thread_trains_without_handlers(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    during = []
    look = At("on_train_batch_end", 2, lambda: during.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=lambda: train(tmp_path, [look], steps_per_epoch=2))
    thread.start()
    thread.join()
    assert during == [before]
    assert newest(tmp_path) == "step-00000006-epoch-0003"


@pytest.mark.slow
def test_an_error_in_the_training_leaves_its_checkpoints_and_its_directory_free(tmp_path):
    calm, _ = train(tmp_path / "calm", steps_per_epoch=5)
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "broken", [At("on_train_batch_end", 8, lambda: 1 / 0)], steps_per_epoch=5)
    assert newest(tmp_path / "broken") == "step-00000006-epoch-0001"
    assert_same(calm, train(tmp_path / "broken", steps_per_epoch=5)[0])


# The disk


class Disk:
    """Saves fail while it is full."""

    def __init__(self, monkeypatch):
        self.full, self.attempts, savez = False, 0, np.savez

        def write(*args, **kwargs):
            self.attempts += 1
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return savez(*args, **kwargs)

        monkeypatch.setattr(np, "savez", write)

    def fill(self):
        self.full = True

    def clear(self):
        self.full = False


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def fit(directory, callbacks=(), gan=None, epochs=3, data=None, steps_per_epoch=5, validation_data=None, **checkpoint):
    gan = gan or model()
    data = kg.datasets.load("digits", 128) if data is None else data
    saver = kg.callbacks.Checkpoint(directory / "checkpoints", **{"every": 3, **checkpoint})
    lengths = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    gan.fit(data, **lengths, validation_data=validation_data, verbose=0, callbacks=[*callbacks, saver])
    return gan


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_disk_that_is_full_is_found_before_the_first_step(tmp_path, disk, on_error):
    disk.fill()
    gan = model()
    with pytest.raises(CheckpointWriteError, match=r"No space left.*a checkpoint of [\d,]+ bytes.*bytes are free"):
        fit(tmp_path, gan=gan, on_error=on_error)
    assert int(gan.step) == 0


def test_a_disk_that_fills_up_ends_the_training_and_the_checkpoint_before_is_good(tmp_path, disk):
    with pytest.raises(CheckpointWriteError) as caught:
        fit(tmp_path, [At("on_train_batch_end", 8, disk.fill)])
    assert caught.value.errno == errno.ENOSPC
    assert "step-00000009" in caught.value.filename
    assert newest(tmp_path) == "step-00000006-epoch-0001"
    disk.clear()
    assert_same(fit(tmp_path), fit(tmp_path / "calm"))


def test_pictures_and_rows_that_cannot_be_written_cost_no_training(tmp_path):
    """As far as the system goes: no file may grow beyond 800 bytes for two of four epochs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(most):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))

    log = kg.callbacks.MetricsLog(tmp_path / "metrics.csv")
    limits = [
        At("on_train_batch_begin", 5, lambda: limit(800)),
        At("on_train_batch_begin", 15, lambda: limit(before[0])),
    ]
    gan = model()
    samples = kg.callbacks.SampleGrid(tmp_path / "samples")
    data = kg.datasets.load("digits", 128)
    try:
        with pytest.warns(UserWarning, match=r"cannot be written: File too large. The run continues") as caught:
            history = gan.fit(data, epochs=4, steps_per_epoch=5, verbose=0, callbacks=[*limits, samples, log])
    finally:
        limit(before[0])
    assert len(history.epoch) == 4
    assert {pathlib.Path(str(one.message).split()[0]).name for one in caught} >= {"epoch_0002.png", "metrics.csv"}
    kept = {path.name for path in (tmp_path / "samples").iterdir()}
    assert kept == {"epoch_0000.png", "epoch_0001.png", "epoch_0004.png", "contact_sheet.png", "training.gif"}
    assert [int(row["step"]) for row in metrics_log.read_rows(tmp_path / "metrics.csv")] == list(range(1, 21))


def test_a_first_picture_that_cannot_be_written_ends_the_training_before_it_begins(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(kg.images, "save_picture", fail)
    gan = model()
    with pytest.raises(PermissionError):
        fit(tmp_path, [kg.callbacks.SampleGrid(tmp_path / "samples")], gan)
    assert int(gan.step) == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_is_warned_of_and_tried_again_where_that_is_wanted(tmp_path, disk):
    steps = [At("on_train_batch_end", 8, disk.fill), At("on_train_batch_end", 11, disk.clear)]
    with pytest.warns(UserWarning, match="No space left.*The run continues without it") as caught:
        fit(tmp_path, steps, on_error="warn", keep=9)
    assert len([one for one in caught if "No space left" in str(one.message)]) == 1
    steps = [path.name[11:13] for path in kg.checkpoint.checkpoints(tmp_path / "checkpoints")]
    assert steps == ["15", "12", "06", "03", "00"]


@pytest.mark.slow
def test_what_was_damaged_since_is_passed_over_and_the_training_ends_the_same(tmp_path):
    with pytest.raises(SystemExit):
        fit(tmp_path, [At("on_train_batch_end", 8, terminate)])
    (tmp_path / "checkpoints/step-00000008-epoch-0001/state.npz").write_bytes(b"")
    with pytest.warns(UserWarning, match="Skipped.*step-00000008.*Going back to step-00000006"):
        resumed = fit(tmp_path)
    assert_same(resumed, fit(tmp_path / "calm"))


def test_where_no_checkpoint_is_intact_nothing_is_trained(tmp_path):
    fit(tmp_path)
    for path in kg.checkpoint.checkpoints(tmp_path / "checkpoints"):
        (path / "state.npz").unlink()
    gan = model()
    with pytest.raises(CheckpointCorruptError, match=r"(?s)No checkpoint.*step-00000015.*step-00000012"):
        fit(tmp_path, gan=gan)
    assert int(gan.step) == 0


def moved(run):
    run.rename(run.with_name("elsewhere"))


def replaced(run):
    """By the run that somebody begins under the name that has become free."""
    moved(run)
    train(run)


def test_a_directory_that_is_moved_during_a_validation_is_not_made_anew(tmp_path):
    move = At("on_test_begin", 5, lambda: moved(tmp_path / "run"))
    samples = kg.callbacks.SampleGrid(tmp_path / "run" / "samples", num_images=4)
    with pytest.raises(CheckpointWriteError, match="moved, removed or replaced"):
        fit(tmp_path / "run", [move, samples], validation_data=IMAGES, monitor="val_wasserstein")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_a_directory_that_a_file_system_numbers_anew_is_no_other(tmp_path, monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr("kerasgan.callbacks.writer._place", lambda directory: (0, next(numbers)))
    assert int(fit(tmp_path, epochs=1).step) == 5


@pytest.mark.parametrize("change", [moved, replaced, shutil.rmtree])
def test_a_directory_that_is_moved_ends_the_training_and_nothing_is_written_in_its_place(tmp_path, change):
    there = []

    def move():
        while not (tmp_path / "run/checkpoints/step-00000003-epoch-0000").exists():
            time.sleep(0.01)
        change(tmp_path / "run")
        there.extend(sorted(tmp_path.rglob("*")))

    samples = kg.callbacks.SampleGrid(tmp_path / "run" / "samples", num_images=4)
    with pytest.raises(CheckpointWriteError, match=r"was moved, removed or replaced.* new place; .* that of step 3"):
        train(tmp_path / "run", [At("on_train_batch_begin", 4, move), samples])
    assert sorted(tmp_path.rglob("*")) == there
    if change is not shutil.rmtree:
        gan, history = train(tmp_path / "elsewhere")
        whole, expected = train(tmp_path / "whole")
        assert_same(gan, whole)
        assert history.history == expected.history


def test_a_directory_that_is_moved_is_warned_of_where_that_is_wanted(tmp_path):
    gan, where = model(), tmp_path / "run"
    saved = kg.callbacks.Checkpoint(where, every=3, on_error="warn")
    with pytest.warns(UserWarning, match="moved, removed or replaced"):
        gan.fit(
            kg.datasets.load("digits", 128),
            epochs=1,
            verbose=0,
            callbacks=[At("on_train_batch_begin", 1, lambda: moved(where)), saved],
        )
    assert not where.exists()


def test_two_trainings_cannot_share_a_directory(tmp_path):
    def second():
        with pytest.raises(RunDirError, match=f"in use by process {os.getpid()} on .*, this one, .* Leave one of them"):
            fit(tmp_path)

    fit(tmp_path, [At("on_train_batch_end", 4, second)])


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    gan = model()

    def poison():
        gan.generator.trainable_variables[0].assign(gan.generator.trainable_variables[0] * float("nan"))

    with pytest.warns(UserWarning, match=r"No checkpoint was written: generator/.* holds NaN or infinity at step 9"):
        fit(tmp_path, [At("on_train_batch_end", 8, poison)], gan)
    assert newest(tmp_path) == "step-00000006-epoch-0001"


# What is kept


@pytest.mark.slow
def test_as_many_are_kept_as_wanted_and_what_a_killed_process_left_is_swept(tmp_path):
    (tmp_path / "checkpoints/.tmp-step-00000003-epoch-0000-left").mkdir(parents=True)
    fit(tmp_path, keep=2)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [".lock", "step-00000012-epoch-0002", "step-00000015-epoch-0003"]


class Score(keras.callbacks.Callback):
    """A metric of the end of an epoch: `values` in turn."""

    def __init__(self, *values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self.values[epoch]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "best"), each([("min", 2), ("max", 1)], [("max", 1)]))
def test_the_generator_of_the_best_epoch_is_kept_over_a_stop(tmp_path, mode, best):
    def run(epochs, gan):
        generators = {}
        keep = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: generators.update({epoch + 1: gan.ema_generator.get_weights()})
        )
        fit(tmp_path, [Score(2.0, 1.0, 1.5), keep], gan, epochs, monitor="score", mode=mode)
        return generators

    generators = run(2, model(ema_momentum=0.5))
    generators |= run(3, model(ema_momentum=0.5))  # goes on, and the third is no better in either mode
    kept = keras.models.load_model(tmp_path / "checkpoints/best.keras")
    best = {"min": 2, "max": 1}[mode]
    for ours, theirs in zip(kept.get_weights(), generators[best], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_best_average_can_be_trained_further_and_a_frozen_layer_stays_frozen(tmp_path):
    gan = model(ema_momentum=0.9)
    gan.generator.layers[1].trainable = False
    gan.compile()
    fit(tmp_path, gan=gan, epochs=1, monitor="wasserstein")
    best = keras.models.load_model(tmp_path / "checkpoints/best.keras")
    assert [one.path for one in best.trainable_variables] == [one.path for one in gan.generator.trainable_variables]
    assert not gan.ema_generator.trainable_variables
    for array, expected in zip(best.get_weights(), gan.ema_generator.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_metric_that_is_not_logged_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"`monitor`.*d_loss, g_loss.*monitor='fid'"):
        fit(tmp_path, monitor="fid")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every`"),
        ({"keep": 0}, "`keep`"),
        ({"monitor": 3}, "`monitor`"),
        ({"mode": "auto"}, "'min' or 'max'"),
        ({"on_error": 1}, "or"),
        ({"background": "yes"}, "`background`.*True or False"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        kg.callbacks.Checkpoint(tmp_path, **arguments)


# Started with something else


def compiled(gan, rate=1e-4, beta=0.5):
    gan.compile(keras.optimizers.Adam(rate, beta), keras.optimizers.Adam(1e-4))
    return gan


def wider():
    networks = (kg.networks.mlp_generator((8, 8, 1), latent_dim=4, units=(9,)), model().discriminator)
    gan = kg.WGANGP(*networks, n_critic=2)
    gan.compile()
    return gan


OTHERS = {
    "learning rate": (
        {"gan": lambda: compiled(model(), 1e-3)},
        r"d_optimizer.*learning_rate: 0\.0001 in the checkpoint, 0\.001 here",
    ),
    "optimizer": ({"gan": lambda: compiled(model(), beta=0.9)}, r"d_optimizer.*beta_1: 0\.5.* 0\.9"),
    "network": ({"gan": wider}, r"generator.*units: 8 in the checkpoint, 9 here"),
    "n_critic": ({"gan": lambda: compiled(model(n_critic=3))}, r"n_critic: 2 in the checkpoint, 3 here"),
    "penalty": ({"gan": lambda: compiled(model(weight=1.0))}, r"model\.weight: 10\.0 in the checkpoint, 1\.0 here"),
    "model": ({"gan": lambda: compiled(model(kg.WGANLP))}, r"class: WGANGP in the checkpoint, WGANLP here"),
    "seed": ({"gan": lambda: compiled(model(seed=1))}, r"seed: 0 in the checkpoint, 1 here"),
    "data": ({"data": lambda: kg.datasets.load("digits", 128, seed=1)}, r"data\.fingerprint"),
    "batch size": ({"data": lambda: kg.datasets.load("digits", 64)}, r"data\.elements: .*128.*64"),
    "length of an epoch": ({"steps_per_epoch": lambda: 4}, r"data\.steps_per_epoch: 5 in the checkpoint, 4 here"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    fit(directory, gan=compiled(model()))
    return directory


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_another_configuration_is_refused_with_what_differs(tmp_path, trained, what):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    changed, message = OTHERS[what]
    changed = {name: make() for name, make in changed.items()}
    gan = changed.pop("gan", None) or compiled(model())
    with unchanged(gan), pytest.raises(CheckpointMismatchError, match=message) as caught:
        fit(tmp_path, gan=gan, epochs=4, **changed)
    assert "name another directory" in str(caught.value)
    assert newest(tmp_path) == "step-00000015-epoch-0003"


@pytest.mark.slow
def test_a_training_that_has_come_to_its_end_is_not_repeated_and_goes_on_for_more_epochs(tmp_path, trained):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    gan = compiled(model())
    fit(tmp_path, gan=gan)
    assert int(gan.step) == 15
    assert len(gan.history.history["g_loss"]) == 3
    fit(tmp_path, gan=compiled(model()), epochs=4)
    assert_same(
        gan := fit(tmp_path, gan=compiled(model()), epochs=4), fit(tmp_path / "calm", epochs=4, gan=compiled(model()))
    )
    assert len(gan.history.history["g_loss"]) == 4


@pytest.mark.slow
def test_a_rate_that_a_callback_has_lowered_is_no_other_configuration(tmp_path):
    lower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    calm = fit(tmp_path / "calm", [lower])
    fit(tmp_path, [lower], epochs=2)
    assert_same(fit(tmp_path, [lower]), calm)
