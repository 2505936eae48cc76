"""`kerasgan.callbacks` in short trainings of small networks."""

import contextlib
import csv
import io
import os
import re
import signal
import sys
import threading
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from selection import some

import kerasgan as kg
from kerasgan import notebook
from kerasgan.callbacks.progress import clock


@pytest.fixture
def gan(make_generator, make_discriminator):
    model = kg.WGANGP(make_generator(), make_discriminator(), n_critic=2)
    model.compile()
    return model


@pytest.fixture
def dataset(rng):
    return tf.data.Dataset.from_tensor_slices(rng.uniform(-1, 1, (40, 4, 4, 1)).astype("float32")).batch(4)


class Steps(keras.callbacks.Callback):
    """Keeps every step's values."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_of_the_log_is_the_mean_of_its_steps(gan, dataset, tmp_path):
    steps = Steps()
    log = kg.callbacks.MetricsLog(tmp_path / "metrics.csv", every=3)
    gan.fit(dataset, epochs=2, verbose=0, callbacks=[steps, log])  # 5 steps an epoch
    rows = rows_of(tmp_path / "metrics.csv")
    assert list(rows[0])[:3] == ["step", "epoch", "seconds"]
    assert set(list(rows[0])[3:]) == {metric.name for metric in gan.metrics}
    assert [int(row["step"]) for row in rows] == [3, 6, 9, 10]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 2, 2]
    first = [step["wasserstein"] for step in steps.logs]
    for row, part in zip(rows, (first[:3], first[3:6], first[6:9], first[9:]), strict=True):
        assert float(row["wasserstein"]) == pytest.approx(np.mean(part), rel=1e-5)
    assert len(set(first)) == 10
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_what_a_step_returns_besides_its_metrics_is_a_mean_of_steps(dataset, tmp_path):
    class Counts(kg.GAN):
        def train_step(self, data):
            return {**super().train_step(data), "mine": tf.cast(self.step, tf.float32)}

    shape = tuple(dataset.element_spec.shape[1:])
    gan = Counts(kg.networks.mlp_generator(shape, 3, (8,)), kg.networks.mlp_discriminator(shape, (8,)))
    gan.compile()
    log = kg.callbacks.MetricsLog(tmp_path / "metrics.csv", every=100)
    gan.fit(dataset, epochs=3, verbose=0, callbacks=[log])
    (row,) = rows_of(tmp_path / "metrics.csv")
    assert float(row["mine"]) == pytest.approx((int(gan.step) + 1) / 2)


def test_what_other_callbacks_put_into_the_logs_of_an_epoch_has_columns(gan, dataset, tmp_path):
    class Scores(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(score=epoch + 0.5, step=-1, note="fine")

    rate = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate)
    log = kg.callbacks.MetricsLog(tmp_path / "metrics.csv")
    gan.fit(dataset, epochs=2, verbose=0, callbacks=[rate, Scores(), log])
    rows = rows_of(tmp_path / "metrics.csv")
    assert [row["score"] for row in rows] == ["", "", "", "", "0.5", "", "", "", "", "1.5"]
    assert [bool(row["learning_rate"]) for row in rows] == [False, False, False, False, True] * 2
    assert [int(row["step"]) for row in rows] == list(range(1, 11))
    assert "note" not in rows[0]


@pytest.mark.slow
def test_validation_has_columns_of_its_own_in_the_last_row_of_an_epoch(gan, dataset, tmp_path):
    history = gan.fit(
        dataset,
        epochs=2,
        verbose=0,
        validation_data=dataset.take(2),
        callbacks=[kg.callbacks.MetricsLog(tmp_path / "metrics.csv")],
    ).history
    rows = rows_of(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 11))
    held_out = [row["val_wasserstein"] for row in rows]
    assert [bool(value) for value in held_out] == [False, False, False, False, True] * 2
    assert [float(held_out[4]), float(held_out[9])] == pytest.approx(history["val_wasserstein"], rel=1e-5)
    assert all(row["wasserstein"] for row in rows)


def test_pictures_of_an_earlier_training_are_not_replaced_in_silence(gan, dataset, tmp_path):
    gan.fit(dataset, epochs=2, verbose=0, callbacks=[kg.callbacks.SampleGrid(tmp_path, 4)])
    with pytest.warns(UserWarning, match="holds pictures of an earlier training, which are replaced"):
        gan.fit(dataset, verbose=0, callbacks=[kg.callbacks.SampleGrid(tmp_path, 4)])


@pytest.mark.parametrize("validated", [True, False])
def test_a_run_that_was_stopped_at_the_end_of_an_epoch_has_the_rows_of_one_that_was_not(tmp_path, validated):
    class Stops(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.step == 10:
                os.kill(os.getpid(), signal.SIGTERM)

    def train(directory, *others):
        keras.utils.set_random_seed(0)
        generator = kg.networks.mlp_generator((2,), 3, (4,), output_activation=None)
        gan = kg.GAN(generator, kg.networks.mlp_discriminator((2,), (4,)))
        gan.compile()
        log, saved = kg.callbacks.MetricsLog(directory / "log.csv", every=3), kg.callbacks.Checkpoint(directory)
        x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
        held_out = x[:16] if validated else None
        gan.fit(x, batch_size=8, epochs=3, verbose=0, validation_data=held_out, callbacks=[log, *others, saved])

    train(tmp_path / "whole")
    with pytest.raises(SystemExit):
        train(tmp_path / "parts", Stops())
    train(tmp_path / "parts")
    whole, parts = (rows_of(tmp_path / name / "log.csv") for name in ("whole", "parts"))
    assert [{**row, "seconds": ""} for row in parts] == [{**row, "seconds": ""} for row in whole]


def test_every_row_but_the_last_is_on_disk_when_a_training_dies(gan, dataset, tmp_path):
    class Dies(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise RuntimeError("power cut")

    log = kg.callbacks.MetricsLog(tmp_path / "metrics.csv")
    with pytest.raises(RuntimeError, match="power cut"):
        gan.fit(dataset, verbose=0, callbacks=[log, Dies()])
    assert [int(row["step"]) for row in rows_of(tmp_path / "metrics.csv")] == [1, 2, 3]


@pytest.mark.slow
def test_a_training_that_goes_on_continues_its_log(gan, dataset, tmp_path):
    path = tmp_path / "metrics.csv"
    gan.fit(dataset, verbose=0, callbacks=[kg.callbacks.MetricsLog(path)])
    before = rows_of(path)
    # After step 5 of a checkpoint, the crashed training had come further and left half a row.
    with open(path, "a") as file:
        file.write("6,2,0.1" + ",7" * (len(before[0]) - 3) + "\n7,2,0")
    gan.fit(dataset, initial_epoch=1, epochs=2, verbose=0, callbacks=[kg.callbacks.MetricsLog(path)])
    rows = rows_of(path)
    assert [int(row["step"]) for row in rows] == list(range(1, 11))
    assert rows[:5] == before
    assert float(rows[5]["wasserstein"]) != 7
    assert float(rows[5]["seconds"]) >= float(rows[4]["seconds"])


def test_a_new_model_begins_a_new_log_and_says_that_it_replaces_another(gan, dataset, tmp_path):
    (tmp_path / "metrics.csv").write_text("of another training\n1\n")
    with pytest.warns(UserWarning, match=r"metrics.csv has rows of an earlier training, which are replaced"):
        gan.fit(dataset, verbose=0, callbacks=[kg.callbacks.MetricsLog(tmp_path / "metrics.csv")])
    assert len(rows_of(tmp_path / "metrics.csv")) == 5


@pytest.mark.slow
def test_samples_come_from_the_same_latents_before_and_after_each_epoch(gan, dataset, tmp_path):
    before = kg.images.grid(gan.generate(6, seed=3))
    gan.fit(dataset, epochs=3, verbose=0, callbacks=[kg.callbacks.SampleGrid(tmp_path / "s", 6, every=2, seed=3)])
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    # The last epoch is there whatever `every`.
    assert names == ["contact_sheet.png", "epoch_0000.png", "epoch_0002.png", "epoch_0003.png", "training.gif"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "s/epoch_0000.png")), before[..., 0])
    after = kg.images.grid(gan.generate(6, seed=3))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "s/epoch_0003.png")), after[..., 0])
    assert Image.open(tmp_path / "s/training.gif").n_frames >= 3
    sheet = Image.open(tmp_path / "s/contact_sheet.png")
    assert sheet.height > before.shape[0]


def test_a_copy_of_a_picture_does_not_end_the_training(tmp_path):
    for name in ("epoch_0000 (1).png", "epoch_1 copy.png", "epoch_.png"):
        (tmp_path / name).write_bytes(b"a copy")
    train(conditional(None), kg.callbacks.SampleGrid(tmp_path, 4), epochs=2)
    assert Image.open(tmp_path / "training.gif").n_frames >= 3


@pytest.mark.slow
def test_a_conditional_model_shows_a_class_a_column(rng, tmp_path):
    generator = kg.networks.mlp_generator((4, 4, 1), latent_dim=2, units=(8,), num_classes=5)
    discriminator = kg.networks.mlp_discriminator((4, 4, 1), units=(8,), num_classes=5)
    gan = kg.GAN(generator, discriminator)
    gan.compile()
    images = rng.uniform(-1, 1, (16, 4, 4, 1)).astype("float32")
    gan.fit(images, rng.integers(0, 5, 16), 4, verbose=0, callbacks=[kg.callbacks.SampleGrid(tmp_path, 15)])
    expected = kg.images.grid(gan.generate(15, seed=0, labels=np.arange(15) % 5), columns=5)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "epoch_0001.png")), expected[..., 0])


def conditional(num_classes, shape=(4, 4, 1)):
    generator = kg.networks.mlp_generator(shape, latent_dim=2, units=(8,), num_classes=num_classes)
    gan = kg.GAN(generator, kg.networks.mlp_discriminator(shape, units=(8,), num_classes=num_classes))
    gan.compile()
    return gan


def train(gan, *callbacks, epochs=1):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (8, *gan.image_shape)).astype("float32")
    labels = np.arange(8) % gan.num_classes if gan.conditional else None
    gan.fit(images, labels, 8, epochs=epochs, verbose=0, callbacks=list(callbacks))


def events(directory):
    """The values in the event files of TensorBoard."""
    files = [tf.compat.v1.train.summary_iterator(str(path)) for path in directory.rglob("events*")]
    return [value for file in files for event in file for value in event.summary.value]


@pytest.mark.parametrize("update_freq", ["epoch", 100])
def test_tensorboard_has_the_values_and_the_picture_of_each_epoch_however_seldom_it_has_those_of_steps(
    gan, tmp_path, update_freq
):
    train(gan, kg.callbacks.TensorBoard(tmp_path, write_graph=False, update_freq=update_freq), epochs=3)
    tags = [value.tag for value in events(tmp_path)]
    assert (tags.count("samples"), tags.count("epoch_d_loss")) == (3, 3)


@pytest.mark.slow
def test_columns_are_captioned_with_the_names_of_their_classes(tmp_path):
    gan, names = conditional(2), ["cat", "dog"]
    grids = kg.callbacks.SampleGrid(tmp_path / "samples", 24, class_names=names)
    board = kg.callbacks.TensorBoard(tmp_path, write_graph=False, num_images=24, class_names=names)
    train(gan, grids, board)
    expected = kg.images.grid(gan.generate(24, seed=0), columns=8, captions=names)
    saved = np.asarray(Image.open(tmp_path / "samples/epoch_0001.png"))
    np.testing.assert_array_equal(saved, expected[..., 0])
    (shown,) = [
        tf.io.decode_png(tf.make_ndarray(value.tensor)[2]).numpy()
        for value in events(tmp_path)
        if value.tag == "samples"
    ]
    np.testing.assert_array_equal(shown, expected)
    # The contact sheet shows the captions and two of three rows, each of 4 + 60 pixels, in both of its frames.
    head = len(expected) - 3 * 64 - 4
    one = kg.images.contact_sheet([expected[: head + 2 * 64 + 4]], ["before training"])
    assert Image.open(tmp_path / "samples/contact_sheet.png").size == (2 * one.shape[1], one.shape[0])


def test_names_that_are_not_those_of_the_classes_are_refused_before_the_first_step(gan, tmp_path):
    labelled = conditional(2)
    cases = [
        (gan, ["cat"], "None, because the model takes no labels"),
        *((labelled, names, "a sequence of 2 texts, one for each class") for names in (["cat"], "ab", [0, 1], 7, [])),
    ]
    for callback in (kg.callbacks.SampleGrid, kg.callbacks.TensorBoard):
        for model, names, message in cases:
            made = callback(tmp_path, class_names=names)
            made.set_model(model)
            with pytest.raises(kg.errors.DataError, match=f"`class_names`. Expected {message}"):
                made.on_train_begin()


class Notebook:
    """An IPython that keeps what it is asked to show."""

    def __init__(self, monkeypatch, shell="ZMQInteractiveShell"):
        self.outputs = []
        derived = type("Shell", (type(shell, (), {}),), {})()  # as Colab's
        package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        package.get_ipython, module.display = lambda: derived, self._display
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", module)

    def _display(self, picture, display_id):
        shown = [picture]
        self.outputs.append(shown)
        return types.SimpleNamespace(update=shown.append)


@pytest.mark.slow
def test_a_notebook_shows_the_newest_picture_in_one_output_of_each_cell(gan, tmp_path, monkeypatch):
    shown_by = Notebook(monkeypatch)
    grids, silent = (kg.callbacks.SampleGrid(tmp_path / str(inline), 6, inline=inline) for inline in (True, False))
    for _ in range(2):
        train(gan, grids, silent, epochs=2)
    assert [len(shown) for shown in shown_by.outputs] == [3, 3]
    expected = kg.images.titled(grids.picture(), f"step {int(gan.step):,}")
    np.testing.assert_array_equal(np.asarray(shown_by.outputs[-1][-1]), np.asarray(expected))
    assert (np.asarray(shown_by.outputs[0][0])[40:, :200] != np.asarray(expected)[40:, :200]).any()
    with pytest.raises(ValueError, match=r"`inline`\. Expected True or False"):
        kg.callbacks.SampleGrid(tmp_path, inline="no")


@pytest.mark.parametrize("shell", [None, "TerminalInteractiveShell", "NoneType"])
def test_what_is_no_notebook_shows_nothing(monkeypatch, shell):
    if shell is None:
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    else:
        terminal = Notebook(monkeypatch, shell)
    notebook.Output().show(Image.new("L", (9, 9)))
    assert shell is None or terminal.outputs == []


@pytest.mark.slow
def test_points_are_shown_as_points(make_discriminator, rng, tmp_path):
    generator = kg.networks.mlp_generator((2,), latent_dim=2, units=(8,), output_activation=None)
    gan = kg.WGANGP(generator, make_discriminator((2,)), n_critic=1)
    gan.compile()
    points = rng.normal(size=(16, 2)).astype("float32")
    grids = kg.callbacks.SampleGrid(tmp_path, 20, real=points)
    gan.fit(points, batch_size=8, verbose=0, callbacks=[grids])
    expected = kg.images.picture(gan.generate(20, seed=0), points)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "epoch_0001.png")), expected)
    assert Image.open(tmp_path / "contact_sheet.png").width > 2 * kg.images.SCATTER_SIZE


@pytest.mark.slow
def test_a_long_training_makes_a_bounded_animation(gan, tmp_path):
    from kerasgan.callbacks import sample_grid

    for epoch in range(100):
        kg.images.save_picture(tmp_path / f"epoch_{epoch:04d}.png", np.full((70, 70, 1), epoch, np.uint8))
    kg.images.save_picture(tmp_path / "epoch_0050.png", np.zeros((9, 9, 1), np.uint8))  # of another run
    sample_grid.summarize(tmp_path, row_height=68, steps={99: 1234})
    assert Image.open(tmp_path / "training.gif").n_frames <= 65


@pytest.mark.slow
@pytest.mark.parametrize("content", some([b"", b"x", b"half"], 2))
def test_a_picture_that_cannot_be_read_is_left_out_with_a_warning(gan, dataset, tmp_path, content):
    grids = kg.callbacks.SampleGrid(tmp_path, 6)
    gan.fit(dataset, epochs=2, verbose=0, callbacks=[grids])
    damaged = tmp_path / "epoch_0001.png"
    damaged.write_bytes(damaged.read_bytes()[:-30] if content == b"half" else content)
    with pytest.warns(UserWarning, match=r"epoch_0001\.png is left out of contact sheet and animation"):
        gan.fit(dataset, initial_epoch=2, epochs=3, verbose=0, callbacks=[grids])
    assert Image.open(tmp_path / "training.gif").n_frames == 3  # of epochs 0, 2 and 3, which stays a while


def test_pictures_of_which_none_can_be_read_make_no_sheet(tmp_path):
    from kerasgan.callbacks import sample_grid

    (tmp_path / "epoch_0001.png").write_bytes(b"x")
    with pytest.warns(UserWarning, match="cannot be read"):
        sample_grid.summarize(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_0001.png"]


@pytest.mark.parametrize(
    ("callback", "arguments"),
    [
        ("SampleGrid", {"num_images": 0}),
        ("SampleGrid", {"every": 0}),
        ("SampleGrid", {"seed": -1}),
        ("MetricsLog", {"every": 0.5}),
        ("TensorBoard", {"num_images": True}),
        ("Progress", {"steps": 0}),
    ],
)
def test_numbers_out_of_their_range_are_refused(callback, arguments, tmp_path):
    first = () if callback == "Progress" else (tmp_path / "new",)
    with pytest.raises(ValueError, match=rf"`{next(iter(arguments))}`. Expected (a positive integer|an integer >= 0)"):
        getattr(kg.callbacks, callback)(*first, **arguments)


MADE = {
    "Checkpoint": kg.callbacks.Checkpoint,
    "Health": lambda path: kg.callbacks.Health(),
    "MetricsLog": lambda path: kg.callbacks.MetricsLog(path / "log.csv"),
    "Progress": lambda path: kg.callbacks.Progress(file=io.StringIO()),
    "SampleGrid": kg.callbacks.SampleGrid,
    "TensorBoard": kg.callbacks.TensorBoard,
    "TerminateOnNaN": lambda path: kg.callbacks.TerminateOnNaN(),
}
WORK_EVERYWHERE = ("Progress", "TensorBoard", "TerminateOnNaN")


@pytest.mark.parametrize("name", kg.callbacks.__all__)
def test_every_callback_works_with_another_model_of_keras_or_refuses_it_in_words(name, tmp_path):
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    expected = contextlib.nullcontext()
    if name not in WORK_EVERYWHERE:
        expected = pytest.raises(ValueError, match=f"`callbacks`. Expected {name} with a model of kerasgan.*Sequential")
    with expected:
        other.fit(np.ones((4, 2)), np.ones(4), epochs=2, callbacks=[MADE[name](tmp_path)], verbose=0)


class Clock:
    """A clock that the test advances."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def run_progress(progress, model, epochs, steps, clock, per_step, compilation=0.0):
    """The calls of `fit` with a step a fixed time."""
    progress.set_model(model)
    progress.set_params({"steps": steps, "epochs": epochs})
    progress.on_train_begin()
    for epoch in range(epochs):
        progress.on_epoch_begin(epoch)
        for batch in range(steps):
            clock.now += per_step + (compilation if epoch == batch == 0 else 0)
            values = {"wasserstein": float(batch), "gradient_norm": 1.0, "d_loss": -float(batch), "g_loss": 0.5}
            progress.on_train_batch_begin(batch)
            progress.on_train_batch_end(batch, values)
        progress.on_epoch_end(epoch, {"val_wasserstein": 9.0})
    progress.on_train_end()


def test_progress_tells_the_time_left_without_the_compilation(gan, monkeypatch):
    out = io.StringIO()
    run_progress(kg.callbacks.Progress(file=out), gan, 10, 100, Clock(monkeypatch), per_step=0.5, compilation=30.0)
    lines = out.getvalue().splitlines()
    # 1000 steps of 0.5 s, and 30 s before the first.
    assert 18 <= len(lines) <= 21
    # The first estimate comes before the first twentieth.
    assert lines[0].startswith("step 21/1000    2%")
    assert lines[0].endswith("0:40 elapsed, 8:10 left")
    tenth = next(line for line in lines if "step 500/1000" in line)
    assert "  50%  " in tenth
    assert tenth.endswith("4:40 elapsed, 4:10 left")
    assert "(held out 9)" in tenth
    assert "gradient_norm 1  g_loss 0.5" in tenth
    assert "d_loss" not in tenth
    assert lines[-1].startswith("step 1000/1000  100%")
    assert lines[-1].endswith("8:50 elapsed, 0:00 left")


def test_progress_of_a_second_fit_ends_at_its_own_last_step(gan, dataset):
    for last in (10, 20):
        out = io.StringIO()
        gan.fit(dataset, epochs=2, verbose=0, callbacks=[kg.callbacks.Progress(file=out)])
        assert out.getvalue().splitlines()[-1].startswith(f"step {last}/{last}  100%")


def test_progress_shows_means_since_the_line_before(gan, monkeypatch):
    out = io.StringIO()
    run_progress(kg.callbacks.Progress(file=out), gan, 1, 40, Clock(monkeypatch), per_step=3.0)
    # 20 lines of 2 steps; the values are 0, 1, 2, ...
    assert [line.split("wasserstein ")[1].split()[0] for line in out.getvalue().splitlines()[:3]] == [
        "0.5",
        "2.5",
        "4.5",
    ]


def test_progress_in_a_log_has_a_line_each_minute_however_few_steps_that_are(gan, monkeypatch):
    out = io.StringIO()
    with pytest.warns(UserWarning, match=r"will take 2.3 days, at 40 s per step\. Fewer steps"):
        run_progress(kg.callbacks.Progress(5_000, out), gan, 1, 10, Clock(monkeypatch), per_step=40.0)
    lines = out.getvalue().splitlines()
    assert [line.split("/")[0] for line in lines] == ["step 2", "step 4", "step 6", "step 8", "step 10"]
    assert lines[0].endswith("1:20 elapsed, 55:32:00 left")


def test_progress_has_lines_while_a_step_or_a_validation_runs(gan, monkeypatch):
    monkeypatch.setattr("kerasgan.callbacks.progress._MOST_SECONDS", 0.02)
    monkeypatch.setattr("kerasgan.callbacks.progress._MOST_SECONDS_ON_TERMINAL", 0.01)
    out = io.StringIO()
    progress = kg.callbacks.Progress(100, out)
    progress.set_model(gan)

    def lines():
        written = out.getvalue().count("\n")
        until = time.monotonic() + 60
        while out.getvalue().count("\n") < written + 2:  # the first may be older
            assert time.monotonic() < until, out.getvalue()
            time.sleep(0.01)
        return out.getvalue().splitlines()

    with progress.running(None):
        progress.on_train_begin()
        assert re.fullmatch(r"step 0/100    0%  \d+:\d\d elapsed, the first step compiles", lines()[-1])
        progress.on_epoch_begin(0)
        progress.on_train_batch_begin(0)
        progress.on_train_batch_end(0, {"g_loss": 0.5})
        assert re.fullmatch(r"step 1/100    1%  g_loss .*  \d+:\d\d elapsed, \? left", lines()[-1])
        progress.on_train_end()
        ended = out.getvalue()
        time.sleep(0.05)
    assert out.getvalue() == ended
    assert "watch" not in str(threading.enumerate())


def test_progress_rewrites_one_line_on_a_terminal(gan, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    run_progress(kg.callbacks.Progress(file=out), gan, 2, 10, Clock(monkeypatch), per_step=0.5)
    written = out.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert written.count("\r") == 20
    lines = written.rstrip().split("\r")[1:]
    # Metrics give way to the time left where there is little room.
    assert all(len(line) < 80 and line.rstrip().endswith(" left") for line in lines)


def test_progress_in_a_training(gan, dataset, capsys):
    gan.fit(dataset, epochs=2, verbose=0, callbacks=[kg.callbacks.Progress()])
    assert "step 10/10  100%  wasserstein" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (41.4, "0:41"), (77, "1:17"), (3723, "1:02:03")])
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_a_sample_grid_shows_the_range_of_the_generator(make_discriminator, tmp_path):
    generator = kg.networks.mlp_generator((4, 4, 1), 3, (8,), output_activation="sigmoid")
    gan = kg.GAN(generator, make_discriminator())
    gan.compile()
    grids = kg.callbacks.SampleGrid(tmp_path, 6)
    images = np.random.default_rng(0).uniform(0, 1, (8, 4, 4, 1)).astype("float32")
    gan.fit(images, batch_size=8, verbose=0, callbacks=[grids])
    expected = kg.images.grid(gan.generate(6, seed=0), value_range=(0, 1))
    np.testing.assert_array_equal(Image.open(tmp_path / "epoch_0001.png"), expected[..., 0])


@pytest.mark.slow
@pytest.mark.parametrize("shape", some([(3,), (6, 2)], 1, whole=True), ids=str)
def test_a_sample_grid_refuses_what_is_no_picture_before_the_first_step(shape, tmp_path):
    gan = kg.GAN(kg.networks.mlp_generator(shape, 3, (8,)), kg.networks.mlp_discriminator(shape, (8,)))
    gan.compile()
    data = np.random.default_rng(0).uniform(-1, 1, (8, *shape)).astype("float32")
    with pytest.raises(kg.errors.DataError, match=re.escape(f"leave it out. Received: examples of shape {shape}")):
        gan.fit(data, batch_size=8, verbose=0, callbacks=[kg.callbacks.SampleGrid(tmp_path / "samples")])
    assert int(gan.step) == 0
    assert not (tmp_path / "samples").exists()
    gan.fit(data, batch_size=8, verbose=0)
