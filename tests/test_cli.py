"""The command, in this process and in one of its own."""

import csv
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image
from selection import each, some

import kerasgan
from kerasgan import callbacks, checkpoint, datasets, metrics, serving
from kerasgan import images as kerasgan_images
from kerasgan.callbacks import health
from kerasgan.cli import classes, export, kinds, main, run_directory, settings, waiting
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli.build import build
from kerasgan.cli.commands import COMMANDS, FORMATS
from kerasgan.cli.options import Flags
from kerasgan.datasets import resizing
from kerasgan.errors import DataError, RunDirError
from kerasgan.networks import blocks

SMALL = ("--units=16,16", "--latent_dim=4", "--n_critic=1")
SAVED = pathlib.Path(__file__).resolve().parents[1] / "saved_models"
QUALITY = (
    r"^quality    coverage [01]\.\d\d \(perfect 0\.97\), density \d\.\d\d \(perfect 1\.00\): "
    r"1,797 generated against 1,797 real, pixels, k = 5$"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a training of 20 steps."""
    workdir = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "--steps=20", *SMALL, f"--workdir={workdir}"]) == 0
    return workdir


def refused(capsys, *arguments):
    """The one line in which the command refuses something."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("kerasgan")
    return error


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# train


def test_a_run_directory_is_complete_and_readable(run):
    expected = {"config.json", "contact_sheet.png", "curves.png", "metrics.csv", "metrics.json", "model.keras"}
    expected |= {"checkpoints", "samples", "samples.png", "tensorboard", "training.gif"}
    assert {path.name for path in run.iterdir()} == expected
    for name in ("contact_sheet.png", "curves.png", "samples.png", "training.gif", "samples/epoch_0000.png"):
        Image.open(run / name).load()
    assert len(list((run / "samples").iterdir())) == 21  # before training, and 20 epochs of one step
    assert any(path.stat().st_size > 1000 for path in (run / "tensorboard").rglob("events*"))
    rows = rows_of(run / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 21))
    assert {"wasserstein", "gradient_norm", "d_loss", "g_loss"} <= set(rows[0])
    quality = json.loads((run / "metrics.json").read_text())
    assert (quality["num_real"], quality["num_fake"], quality["k"], quality["steps"]) == (1797, 1797, 5, 20)
    # Closed form for a perfect sampler: 1 - prod over i < 5 of (1796 - i) / (3593 - i).
    assert quality["perfect_coverage"] == pytest.approx(1 - np.prod([(1796 - i) / (3593 - i) for i in range(5)]))
    assert 0 <= quality["coverage"] <= 1
    assert 0 <= quality["duplicates"] <= 1
    assert quality["problems"] == {}


def test_the_configuration_of_a_run_can_be_read_again(run):
    configuration = configurations.read(run / "config.json")
    assert (configuration.steps, configuration.units, configuration.model) == (20, (16, 16), "wgan_gp")
    assert settings.Configuration.from_json(json.loads(json.dumps(configuration.to_json()))) == configuration
    assert set(json.loads((run / "config.json").read_text())["versions"]) >= {"kerasgan", "keras", "tensorflow"}


@pytest.mark.slow
def test_the_model_of_a_run_has_been_trained_and_goes_on(run):
    model = keras.models.load_model(run / "model.keras")
    assert int(model.step.numpy()) == 20
    model.fit(datasets.load("digits", 64), epochs=1, steps_per_epoch=1, verbose=0)
    assert int(model.step.numpy()) == 21


@pytest.mark.slow
def test_a_process_of_its_own_trains_without_a_warning(tmp_path):
    script = "import sys, kerasgan_command; sys.exit(kerasgan_command.main())"  # as the console script does
    command = [sys.executable, "-c", script, "train", "--steps=10", *SMALL]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(QUALITY, done.stdout, re.MULTILINE)
    assert re.search(r"^step 10/10  100%  wasserstein .* elapsed, 0:00 left$", done.stdout, re.MULTILINE)
    named = re.findall(r"runs/digits-wgan_gp-1/\S+\.\w+\b", done.stdout)
    assert len(named) == 6
    assert all((tmp_path / name).is_file() for name in named)
    command = [sys.executable, "-c", script, "generate", "runs/digits-wgan_gp-1", "--num_images=4", "--out=more.png"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "more.png").is_file()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_images(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert main(["train", "--steps=2", *SMALL, f"--seed={seed}", f"--workdir={tmp_path / name}"]) == 0
    a, b, c = ((tmp_path / name / "samples/epoch_0002.png").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.slow
def test_points_and_a_vae_train_too(tmp_path, monkeypatch, capsys):
    small = [np.random.default_rng(0).normal(size=(300, 2)).astype("float32"), np.zeros(300, "int32")]
    np.savez(tmp_path / "points.npz", images=small[0])
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--dataset=points.npz", "--model=vae", "--steps=2", *SMALL[:2]]) == 0
    assert "300 generated against 300 real, points" in capsys.readouterr().out
    assert Image.open("runs/points-vae-1/samples.png").size == (512, 512)
    assert main(["generate", "runs/points-vae-1", "--num_images=7", "--out=seven.npz"]) == 0
    assert np.load("seven.npz")["images"].shape == (7, 2)
    assert "cannot be written as a folder of images" in refused(capsys, "generate", "runs/points-vae-1", "--out=folder")


@pytest.mark.slow
def test_a_conditional_model_on_a_folder_with_held_out_images(tmp_path, rng, capsys, monkeypatch):
    monkeypatch.setattr("kerasgan.cli.data._ENOUGH_TO_HOLD_OUT", 200)
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(150):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), "uint8")).save(tmp_path / f"pets/{name}/{i}.png")
    workdir = tmp_path / "run"
    arguments = [f"--dataset={tmp_path / 'pets'}", "--conditional", "--batch_size=16", "--flip", "--dequantize"]
    assert main(["train", *arguments, "--steps=2", *SMALL, f"--workdir={workdir}"]) == 0
    assert "270 images of 8 x 8 x 3, 30 held out" in capsys.readouterr().out
    assert all(row["val_wasserstein"] for row in rows_of(workdir / "metrics.csv"))
    out = tmp_path / "dogs.npz"
    assert main(["generate", str(workdir), "--labels=1", "--num_images=3", f"--out={out}"]) == 0
    model = keras.models.load_model(workdir / "model.keras")
    expected = np.rint((model.generate(labels=[1, 1, 1], seeds=[0, 1, 2]) + 1) * 127.5)
    np.testing.assert_array_equal(np.load(out)["images"], expected)
    assert "integers in [0, 2)" in refused(capsys, "generate", str(workdir), "--labels=2")


def test_dry_run_shows_everything_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--dry_run", "--dataset=digits", "--image_size=28", "--filters=4"]) == 0
    shown = capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert re.search(r"^network +dcgan$", shown, re.MULTILINE)
    assert re.search(r"^filters +4$", shown, re.MULTILINE)
    assert 'Model: "generator"' in shown
    assert 'Model: "discriminator"' in shown


@pytest.mark.slow
def test_images_may_be_oblong_and_have_any_number_of_channels(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "one.npz"
    np.savez(tmp_path / "seven.npz", images=np.random.default_rng(0).integers(0, 256, (16, 8, 8, 7), "uint8"))
    data = (f"--dataset={tmp_path / 'seven.npz'}", "--image_size=6x9", "--fit=pad", "--model=gan")
    assert main(["train", "--steps=1", *SMALL, *data, f"--workdir={run}"]) == 0
    shown = capsys.readouterr().out
    assert "size: 8 x 8 -> 6 x 9 (padded with black, Lanczos)" in shown
    assert "7 channels, all learned; pictures show the first 3" in shown
    configuration = configurations.read(run / "config.json")
    assert (configuration.image_size, configuration.fit) == ((6, 9), "pad")
    assert data_.read_again(configuration).train.example_shape == (6, 9, 7)
    assert main(["generate", str(run), "--num_images=1", f"--out={out}"]) == 0
    assert np.load(out)["images"].shape == (1, 6, 9, 7)
    error = refused(capsys, "generate", str(run), f"--out={tmp_path / 'folder'}")
    assert "these have 7. Use a name that ends in .npz" in error
    assert main(["train", "--dry_run", "--json", f"--from={run}", data[0]]) == 0
    started = json.loads(capsys.readouterr().out)
    assert (started["image_size"], started["channels"], started["fit"]) == ([6, 9], None, "crop")
    assert "has 6x9, and a run keeps" in refused(capsys, "train", f"--from={run}", data[0], "--image_size=9x6")


@pytest.mark.parametrize(("text", "value"), [("64", 64), ("48x64", (48, 64)), ("64x64", 64)])
def test_sizes_of_images_are_read(text, value):
    assert Flags("inspect").parse([f"--image_size={text}"])[0]["image_size"] == value


@pytest.mark.parametrize("text", ["0", "-8", "8x0", "8x", "x8", "8x8x3", "8.5", "8,8", "big"])
def test_what_is_no_size_of_images_is_refused(capsys, text):
    error = refused(capsys, "train", f"--image_size={text}")
    assert "expected a positive integer, or height and width, e.g. 48x64" in error


@pytest.mark.slow
def test_a_rate_that_falls_to_zero_allows_no_more_steps(tmp_path, capsys):
    arguments = ["train", "--steps=3", *SMALL, f"--workdir={tmp_path}"]
    assert main([*arguments, "--learning_rate_decay"]) == 0
    before = (tmp_path / "config.json").read_bytes()
    error = refused(capsys, "resume", str(tmp_path), "--steps=6")
    assert "--steps=6: the learning rate of this run falls to zero at step 3, its last. Start a new run" in error
    assert (tmp_path / "config.json").read_bytes() == before
    assert main(["resume", str(tmp_path), "--steps=3"]) == 0
    assert capsys.readouterr().out == f"{tmp_path} is complete: 3 steps.\n"


def test_gamma_is_a_weight(capsys):
    assert main(["train", "--dry_run", "--json", *SMALL, "--model=r3gan", "--penalty_weight=0.5"]) == 0
    configuration = settings.Configuration.from_json(json.loads(capsys.readouterr().out))
    assert build(configuration, source_of()).gamma == 0.5


def test_what_the_papers_set_can_be_set(capsys):
    arguments = ["--penalty_weight=3", "--beta_1=0.25", "--beta_2=0.75", "--learning_rate=0.5", "--learning_rate_decay"]
    assert main(["train", "--dry_run", "--json", *SMALL, *arguments]) == 0
    shown = json.loads(capsys.readouterr().out)
    model = build(settings.Configuration.from_json(shown), source_of())
    assert [penalty.weight for penalty in model.penalties] == [3.0]
    for optimizer in model.optimizers.values():
        assert (optimizer.beta_1, optimizer.beta_2) == (0.25, 0.75)
        assert optimizer.learning_rate.numpy() == 0.5
        optimizer.iterations.assign(shown["steps"] * (model.n_critic if optimizer is model.d_optimizer else 1))
        assert optimizer.learning_rate.numpy() == 0.0


def test_only_a_run_is_replaced_and_only_on_demand(tmp_path):
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(RunDirError, match="it holds no run of kerasgan"):
            run_directory.check_new(tmp_path, overwrite)
    (tmp_path / "config.json").write_text('{"dataset": "digits", "model": "gan", "steps": 1}')
    with pytest.raises(RunDirError, match="pass --overwrite to replace the run there"):
        run_directory.check_new(tmp_path, overwrite=False)
    run_directory.check_new(tmp_path, overwrite=True)
    run_directory.clear(tmp_path)
    assert not (tmp_path / "config.json").exists()
    assert mine.read_text() == "mine"


@pytest.mark.slow
def test_a_run_is_refused_and_overwritten_on_demand(tmp_path, run, capsys):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    arguments = ["train", "--steps=1", *SMALL, f"--workdir={tmp_path}"]
    (tmp_path / "samples/epoch_0099.png").write_bytes(b"of an older run")
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not empty. Name another" in refused(capsys, *arguments)
    assert main([*arguments, "--overwrite"]) == 0
    assert not (tmp_path / "samples/epoch_0099.png").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert {kept.name for kept in checkpoint.checkpoints(tmp_path / "checkpoints")} <= {
        "step-00000000-epoch-0000",
        "step-00000001-epoch-0001",
    }


@pytest.mark.parametrize("config", [None, "{}", "no JSON", '{"model": "theirs"}'])
def test_a_directory_that_is_no_run_is_not_overwritten(tmp_path, capsys, config):
    mine = [tmp_path / name for name in ("samples/holiday/a.jpg", "checkpoints/torch.pt", "samples.png")]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    arguments = ["train", "--steps=1", *SMALL, f"--workdir={tmp_path}"]
    for more in ((), ("--overwrite",)):
        error = refused(capsys, *arguments, *more)
        assert "it holds no run of kerasgan, and --overwrite replaces nothing else" in error
        assert "pass --overwrite" not in error
    assert all(path.read_bytes() == b"mine" for path in mine)


def test_a_training_that_goes_on_is_not_overwritten(tmp_path, run, capsys):
    shutil.copytree(run, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with checkpoint.locked(tmp_path / "run/checkpoints"):
        error = refused(capsys, "train", "--steps=1", *SMALL, f"--workdir={tmp_path / 'run'}", "--overwrite")
    assert f"{tmp_path / 'run/checkpoints'} is in use by process {os.getpid()} on " in error
    assert all(path.read_bytes() == content for path, content in before.items() if path.name != ".lock")


def test_ctrl_c_leaves_what_has_been_learned(tmp_path, monkeypatch, capsys):
    def interrupt(self, batch, logs=None):
        if int(self.model.step.numpy()) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.Progress, "on_train_batch_end", interrupt)
    assert main(["train", "--steps=9", *SMALL, f"--workdir={tmp_path / 'run'}"]) == 130
    assert "stopped at step 3 of 9" in capsys.readouterr().out
    assert int(keras.models.load_model(tmp_path / "run/model.keras").step.numpy()) == 3
    assert (tmp_path / "run/curves.png").is_file()
    assert len(rows_of(tmp_path / "run/metrics.csv")) == 3


@pytest.mark.slow
def test_a_training_that_is_terminated_goes_on_to_the_same_files(tmp_path, monkeypatch, capsys):
    arguments = ["train", "--steps=12", "--checkpoint_every=4", *SMALL]
    assert main([*arguments, f"--workdir={tmp_path / 'calm'}"]) == 0
    on_train_batch_end = callbacks.Progress.on_train_batch_end

    def terminate(self, batch, logs=None):
        on_train_batch_end(self, batch, logs)
        if self.model.training.step == 6:  # the step before its last
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_train_batch_end", terminate)
        assert main([*arguments, f"--workdir={tmp_path / 'stopped'}"]) == 143
    assert f"resume with: kerasgan resume {tmp_path / 'stopped'}" in capsys.readouterr().out
    assert not (tmp_path / "stopped/model.keras").exists()
    assert "resume it with" in refused(capsys, *arguments, f"--workdir={tmp_path / 'stopped'}")

    assert main(["resume", str(tmp_path / "stopped")]) == 0
    assert "resuming   from" in capsys.readouterr().out
    for name in ("samples.png", "contact_sheet.png", "training.gif"):
        assert (tmp_path / "calm" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()
    assert set(os.listdir(tmp_path / "calm/samples")) == set(os.listdir(tmp_path / "stopped/samples"))
    calm, stopped = (rows_of(tmp_path / name / "metrics.csv") for name in ("calm", "stopped"))
    assert [{**row, "seconds": 0} for row in calm] == [{**row, "seconds": 0} for row in stopped]

    assert main(["resume", str(tmp_path / "stopped")]) == 0
    assert "is complete: 12 steps" in capsys.readouterr().out
    assert main(["resume", str(tmp_path / "stopped"), "--steps=14"]) == 0
    assert rows_of(tmp_path / "stopped/metrics.csv")[-1]["step"] == "14"


@pytest.mark.parametrize("stop", some([3, 4], 0))  # within a row of the log, and at the end of one
def test_a_stopped_run_may_end_where_it_is_but_not_before(tmp_path, monkeypatch, capsys, stop):
    def interrupt(self, batch, logs=None):
        if self.model.training.step == stop:
            signal.raise_signal(signal.SIGINT)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_train_batch_end", interrupt)
        log = callbacks.MetricsLog.__init__
        patch.setattr(callbacks.MetricsLog, "__init__", lambda self, path, every: log(self, path, 2))
        assert main(["train", "--steps=9", *SMALL, f"--workdir={run}"]) == 130
        configuration = (run / "config.json").read_bytes()
        assert f"--steps={stop - 1}: this run has reached step {stop}. Give at least {stop}." in refused(
            capsys, "resume", str(run), f"--steps={stop - 1}"
        )
        assert (run / "config.json").read_bytes() == configuration
        assert main(["resume", str(run), f"--steps={stop}"]) == 0
    assert int(keras.models.load_model(run / "model.keras").step.numpy()) == stop
    assert rows_of(run / "metrics.csv")[-1]["step"] == str(stop)
    assert json.loads((run / "metrics.json").read_text())["steps"] == stop
    assert main(["resume", str(run), f"--steps={stop + 2}"]) == 0
    assert rows_of(run / "metrics.csv")[-1]["step"] == str(stop + 2)


def test_a_short_run_that_is_made_long_has_the_pictures_and_checkpoints_of_a_long_one(tmp_path, monkeypatch):
    run = str(tmp_path / "run")
    assert main(["train", "--steps=2", *SMALL, f"--workdir={run}"]) == 0
    saved = []
    save = callbacks.Checkpoint._save
    monkeypatch.setattr(callbacks.Checkpoint, "_save", lambda self, last=False: (saved.append(1), save(self, last)))
    assert main(["resume", run, "--steps=120"]) == 0
    pictures = sorted(path.name for path in (tmp_path / "run/samples").glob("epoch_*.png"))
    assert len(pictures) <= 25
    assert pictures[-1] == "epoch_0120.png"
    assert len(saved) <= 25


@pytest.mark.parametrize(
    ("command", "named"),
    {"evaluate": "WORKDIR", "generate": "--out", "interpolate": "--out", "export": "--to", "inspect": "--out"}.items(),
)
def test_a_place_that_is_read_only_is_refused_before_the_work(run, tmp_path, monkeypatch, capsys, command, named):
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: not pathlib.Path(path).resolve().is_relative_to(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    error = refused(capsys, command, "digits" if command == "inspect" else "run")
    assert f"argument `{named}`" in error
    assert "in a place you can write to" in error
    assert "where this user cannot write" in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_what_was_measured_of_the_model_before_is_not_said_of_another(run, tmp_path, monkeypatch, capsys, sent):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    assert main(["evaluate", str(workdir), "--num_images=50", "--noclassifier"]) == 0

    def stop(self, batch, logs=None):
        signal.raise_signal(sent)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_train_batch_end", stop)
        assert main(["resume", str(workdir), "--steps=40"]) == 128 + sent
    measured = {name for name in ("metrics.json", "samples.png", "evaluation.png") if (workdir / name).exists()}
    capsys.readouterr()
    assert main(["generate", str(workdir), "--num_images=1", f"--out={tmp_path / 'one.png'}"]) == 0
    behind = f"of step 20; the run has reached 21: `kerasgan resume {workdir}` finishes it" in capsys.readouterr().out
    # The second leaves no time for a model: there is still the one before, and what was measured of it.
    assert (len(measured), behind) == ((0, False) if sent == signal.SIGINT else (3, True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "message"),
    some([(0, "its rows up to step 20"), (3, "its rows after step 2 up to step 20"), (None, "its rows up")], 1),
)
def test_a_log_that_has_lost_rows_is_warned_of_when_a_training_goes_on(tmp_path, run, kept, message):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    log = workdir / "metrics.csv"
    lines = log.read_text().splitlines(keepends=True)
    log.unlink() if kept is None else log.write_text("".join(lines[:kept]))
    with pytest.warns(UserWarning, match=f"metrics.csv has lost {message}"):
        assert main(["resume", str(workdir), "--steps=22"]) == 0
    assert [int(row["step"]) for row in rows_of(log)] == [*range(1, kept or 1), 21, 22]


def test_metrics_without_a_number_of_steps_are_damaged(tmp_path, run, capsys):
    shutil.copy(run / "config.json", tmp_path)
    (tmp_path / "metrics.json").write_text('{"steps": "x"}')
    assert "metrics.json is damaged: expected an integer as `steps`" in refused(capsys, "resume", str(tmp_path))


@pytest.mark.slow
def test_a_log_that_is_none_is_named_when_a_training_goes_on(tmp_path, run, capsys):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    log = workdir / "metrics.csv"
    lines = log.read_text().splitlines(keepends=True)
    for damaged in (
        b"\xff\xfe\n",
        b"a,b\n1,2\n",
        (lines[0] + "x" + lines[1]).encode(),
        (lines[0] + lines[1].replace(",", ",x")).encode(),
    ):
        log.write_bytes(damaged)
        capsys.readouterr()
        error = refused(capsys, "resume", str(workdir), "--steps=22")
        assert f"{log} is not the log of a run: " in error
        assert "remove it to continue without its rows" in error
        assert log.read_bytes() == damaged


@pytest.mark.slow
def test_a_run_without_its_checkpoints_is_not_trained_from_the_beginning(tmp_path, run, capsys):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    shutil.rmtree(workdir / "checkpoints")
    arguments = ["resume", str(workdir), "--steps=21"]
    before = sorted(workdir.rglob("*"))
    assert "holds no checkpoint to resume from. Restore it, or start a new run" in refused(capsys, *arguments)
    (workdir / "model.keras").unlink()
    assert "holds no checkpoint to resume from" in refused(capsys, *arguments)
    assert sorted([*workdir.rglob("*"), workdir / "model.keras"]) == before
    log = workdir / "metrics.csv"  # as of a training that was killed before its first checkpoint
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    assert main(arguments) == 0


def trained_on_a_folder(tmp_path, monkeypatch):
    """A run of 6 steps, with paths relative to the directory it was started in."""
    rng = np.random.default_rng(0)
    for index in range(12):
        path = tmp_path / f"there/photos/{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), "uint8")).save(path)
    monkeypatch.chdir(tmp_path / "there")
    assert main(["train", "--dataset=photos", "--workdir=run", "--steps=6", "--batch_size=4", "--units=8"]) == 0
    return tmp_path / "there"


def test_a_run_resumes_from_another_directory_and_where_its_data_were_moved(tmp_path, monkeypatch, capsys):
    there = trained_on_a_folder(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "there/run", "--steps=8"]) == 0
    assert main(["evaluate", "there/run", "--num_images=6"]) == 0
    (there / "photos").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    for command in (["evaluate", "there/run", "--num_images=6"], ["resume", "there/run", "--steps=10"]):
        error = refused(capsys, *command)
        assert "--dataset. Expected a path that exists" in error
        assert "moved, pass --dataset with where they are" in error
        assert main([*command, "--dataset=elsewhere"]) == 0
    assert main(["resume", "there/run", "--steps=12"]) == 0  # it knows where they are now
    (tmp_path / "elsewhere").rename(there / "photos")
    (there / "others").mkdir()
    for path in sorted(there.glob("photos/*"))[1:]:
        shutil.copy(path, there / "others")
    capsys.readouterr()
    assert "(11 now, 12 then)" in refused(capsys, "evaluate", "there/run", "--dataset=there/others")


def test_a_part_of_a_run_stands_for_it(run, tmp_path, capsys):
    out = tmp_path / "images.png"
    assert main(["generate", str(run / "model.keras"), "--num_images=4", f"--out={out}"]) == 0
    assert out.exists()
    capsys.readouterr()
    assert main(["resume", str(run / "checkpoints")]) == 0
    assert f"{run} is complete: 20 steps" in capsys.readouterr().out


def test_a_run_that_is_moved_with_its_data_resumes(tmp_path, monkeypatch):
    there = trained_on_a_folder(tmp_path, monkeypatch)
    monkeypatch.chdir(there.rename(tmp_path / "elsewhere"))
    assert main(["resume", "run", "--steps=8"]) == 0


@pytest.mark.parametrize(
    ("arguments", "advised"),
    [
        (("train", "--dataset=."), "--workdir={}/runs"),
        (("train", "--dataset=.", "--workdir=a/my run"), "--workdir='{}/my run'"),
        (("inspect", "."), "--out={}/inspect-data.png"),
        (("inspect", "../photos"), "--out={}/inspect-photos.png"),
    ],
)
def test_nothing_is_written_among_the_images(tmp_path, monkeypatch, capsys, arguments, advised):
    (tmp_path / "photos").mkdir()
    for name in ("0.png", "1.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path / "photos")
    before = sorted(tmp_path.rglob("*"))
    error = refused(capsys, *arguments)
    assert error.endswith(f", e.g. {advised.format(tmp_path)}\n")
    assert sorted(tmp_path.rglob("*")) == before
    assert main(["train", "--dataset=.", "--dry_run", "--model=gan"]) == 0
    data_.check_outside("--workdir", pathlib.Path(".cache/run"), ".")
    with pytest.raises(DataError, match=r"Name a place outside with --out$"):
        data_.check_outside("--out", pathlib.Path("/x.png"), "/")


@pytest.mark.parametrize("command", ["train", "generate", "inspect", "compare"])
def test_where_memory_ends_flags_of_the_command_are_advised(run, monkeypatch, capsys, command):
    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr(f"kerasgan.cli.{command}.run", full)
    error = refused(capsys, command, *[str(run)] * len(COMMANDS[command].arguments))
    smaller = {
        "train": "Use a smaller --batch_size or a smaller --image_size or a smaller network",
        "generate": "Use a smaller --num_images",
        "inspect": "Use a smaller --image_size",
        "compare": "Close other programs",
    }
    assert error == f"kerasgan {command}: out of memory. {smaller[command]}, or use a machine with more memory.\n"


@pytest.mark.parametrize("change", ["fewer", "others", "none"])
def test_a_run_whose_data_have_changed_is_not_resumed_and_the_error_says_so(tmp_path, monkeypatch, capsys, change):
    there = trained_on_a_folder(tmp_path, monkeypatch)
    first, second = sorted(there.glob("photos/*"))[:2]
    if change == "others":
        shutil.copy(first, second)
    for path in sorted(there.glob("photos/*"))[: {"fewer": 10, "others": 0, "none": 12}[change]]:
        path.unlink()
    before = (there / "run/config.json").read_bytes()
    capsys.readouterr()
    error = refused(capsys, "resume", "run", "--steps=8")
    if change == "none":
        assert "photos" in error
        assert "pass --dataset" in error
    else:
        numbers = {"fewer": "2 now, 12 then", "others": "the same number"}[change]
        assert f"The examples in photos are not those that the run was started with ({numbers})" in error
        assert "--from=run" in error
        if change == "fewer":
            assert numbers in refused(capsys, "evaluate", "run")
        else:
            with pytest.warns(UserWarning, match="in photos are not exactly those that the run was trained on"):
                assert main(["evaluate", "run", "--num_images=6"]) == 0
        assert main(["train", "--dataset=photos", "--from=run", "--steps=2", "--batch_size=2"]) == 0
    assert (there / "run/config.json").read_bytes() == before


def test_a_directory_without_a_run_is_not_resumed(tmp_path, capsys):
    assert "holds no run: config.json is missing. Give a directory" in refused(capsys, "resume", str(tmp_path))
    error = refused(capsys, "resume", str(tmp_path / "new"))
    assert f"does not exist. Start a run there with `kerasgan train --workdir={tmp_path / 'new'}`" in error
    assert "is an exported model" in refused(capsys, "resume", str(SAVED / "digits"))


@pytest.mark.slow
def test_a_full_disk_is_named(tmp_path, monkeypatch, capsys):
    def save(self, path, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", save)
    error = refused(capsys, "train", "--steps=1", *SMALL, f"--workdir={tmp_path / 'run'}")
    assert error == f"kerasgan train: {tmp_path / 'run/model.keras'}: No space left on device\n"


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian'. Expected train, resume, evaluate, "),
        (["train", "--stepz=3"], "Unknown command line flag 'stepz'"),
        (["train", "digits"], "expected flags alone. Received: digits. Write --dataset=digits."),
        (["train", "--flip", "false"], "expected flags alone. Received: false. Write --flip=false."),
        (["train", "--flip=maybe"], "--flip=maybe: expected true or false; the flag alone means true"),
        (["resume", "runs/x", "100"], "expected WORKDIR. Received: runs/x 100. Usage"),
        (["train", "--flip", "photos"], "expected flags alone. Received: photos. Write --dataset=photos."),
        (["train", "--dataset=digits", "photos"], "expected flags alone. Received: photos. Usage"),
        (["train", "--steps=0"], "--steps=0: expected an integer >= 1"),
        (["train", "--learning_rate=inf"], "--learning_rate=inf: expected a finite number"),
        (["train", "--learning_rate=nan"], "--learning_rate=nan: expected a finite number"),
        (["train", "--learning_rate=0"], "--learning_rate=0: expected a finite number above 0"),
        (["train", "--beta_1=1"], "--beta_1=1: expected a finite number >= 0 and below 1"),
        (["train", "--ema_momentum=-0.1"], "--ema_momentum=-0.1: expected a finite number >= 0 and below 1"),
        (["train", "--model=wgan", "--beta_2=0.9"], "--beta_2 is for models that Adam trains"),
        (["train", "--model=gan", "--penalty_weight=1"], "--penalty_weight is for wgan_gp, wgan_lp, dragan, r3gan"),
        (["train", "--steps=3", "--epochs=3"], "--epochs or --steps, not both"),
        (["train", "--units=16,many"], "--units=16,many: expected a list of integers >= 1"),
        (["train", "--value_range=5,1"], "--value_range=5,1: expected two finite numbers, the lower one first"),
        (["train", "--seed=-1"], "--seed=-1: expected an integer from 0 to 4294967295"),
        (["train", "--filters=16"], "use --units"),
        (["train", "--model=vae", "--n_critic=2"], "has no critic"),
        (["train", "--model=vae", "--pack=2"], "has no critic"),
        (["train", "--pack=3"], "--batch_size=64 and --pack=3"),
        (["train", "--pack=2", "--conditional"], "leave out --conditional"),
        (["train", "--dataset=./nowhere"], "no such file or folder: './nowhere'"),
        (["train", "--batch_size=5000"], "`batch_size` of at most"),
        (["train", "--model=wgangp"], "--model=wgangp: expected one of wgan_gp, wgan, "),
        (["train", "--network=foo"], "--network=foo: expected one of mlp, dcgan, resnet, r3gan, or auto"),
        (
            ["train", "--workdir=/dev/null/run"],
            "--workdir=/dev/null/run is in /dev/null, which is a file. Name a directory",
        ),
        (["generate"], "expected SOURCE"),
        (["generate", "nowhere"], "no such directory: nowhere"),
        (["generate", "."], "holds no model.keras"),
        (["inspect", "./nowhere"], "no such file or folder"),
        (["inspect"], "expected DATASET"),
        (["inspect", ""], "expected DATASET. Received: ''."),
        (["compare", "a", ""], "expected A B. Received: a ''."),
        (["inspect", "digits", "--out="], "--out=: expected a text that is not empty"),
        (["train", "--dataset="], "--dataset=: expected a text that is not empty"),
        (["train", "--steps=1", "--workdir="], "--workdir=: expected a text that is not empty"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("made", [True, False])
def test_a_training_that_is_refused_before_its_first_step_leaves_nothing(tmp_path, monkeypatch, capsys, made):
    def refuse(self, batch, logs=None):
        raise ValueError("Expected images in [-1, 1]")

    workdir = tmp_path / "run"
    if not made:
        workdir.mkdir()
    arguments = ["train", "--steps=1", *SMALL, f"--workdir={workdir}"]
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_train_batch_begin", refuse)
        assert "Expected images in" in refused(capsys, *arguments)
    assert [path.name for path in tmp_path.rglob("*")] == ([] if made else ["run"])
    assert main(arguments) == 0


def test_debug_shows_the_traceback(capsys):
    assert main(["generate", "nowhere", "--debug"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.slow
def test_json_is_all_that_standard_output_holds(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--steps=4", *SMALL, "--workdir=run", "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert (report["workdir"], report["steps"]) == ("run", 4)
    assert report["coverage"] == json.loads((tmp_path / "run/metrics.json").read_text())["coverage"]
    assert "samples    run/samples.png" in printed.err
    assert [sentence.split(":")[0] for sentence in report["verdict"]] == ["Good", "Not good", "Next"]
    assert report["verdict"][2] == "Next: train longer, because 4 steps are few."
    assert printed.err.splitlines()[-1].strip() == report["verdict"][2]
    assert main(["inspect", "nowhere", "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"error": printed.err.strip().removeprefix("kerasgan inspect: "), "exit_code": 2}


def test_a_closed_pipe_ends_without_a_traceback():
    code = "import sys; sys.argv = ['kerasgan', '--help']; from kerasgan_command import main; sys.exit(main())"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("end", "status", "said"), [(">&-", 0, ""), ("2>&-", 0, ""), (">/dev/full", 2, "No space left")]
)
def test_a_closed_or_full_standard_output_costs_no_work(tmp_path, end, status, said):
    command = f"{sys.executable} -m kerasgan inspect digits --json --out={tmp_path / 'digits.png'} {end}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "digits.png").is_file()


@pytest.mark.parametrize("arguments", [["-m", "kerasgan", "train", "--help"], ["-mkerasgan", "--help"]])
def test_help_of_the_module_needs_no_tensorflow(arguments):
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, timeout=60)
    assert "Usage: kerasgan" in done.stdout
    assert "kerasgan.cli" in done.stderr
    assert not re.search(r"\| +(tensorflow|keras|numpy)$", done.stderr, re.MULTILINE)


@pytest.mark.slow
def test_a_script_with_the_arguments_of_the_module_still_registers_the_classes():
    code = "import kerasgan, keras; assert keras.saving.get_registered_object('kerasgan>WGANGP')"
    subprocess.run([sys.executable, "-c", code, "-m", "kerasgan"], check=True, timeout=120)


def test_help_needs_no_tensorflow_and_less_than_a_second():
    # CPU time, so that a busy machine does not fail the test.
    code = (
        "import sys, time\n"
        "import kerasgan_command\n"  # as the console script does
        "from kerasgan.cli import main\n"
        "assert main([]) == main(['--version']) == 0\n"
        "for command in ('train', 'generate', 'compare', 'inspect'): assert main([command, '--help']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 1, time.process_time()\n"
        "sys.argv = ['kerasgan', '--help']\n"
        "sys.exit(kerasgan_command.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for expected in ("--dataset=digits", "--dry_run", "\nTraining\n", "--seed=0", "--out=PATH", "  kerasgan train  "):
        assert expected in done.stdout


@pytest.mark.slow
def test_python_dash_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "kerasgan", "--version"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"kerasgan {kerasgan.__version__}\n")


@pytest.mark.slow
def test_import_registers_the_classes_whatever_the_arguments_of_the_program(tmp_path):
    (tmp_path / "mine").mkdir()
    found = "print(keras.saving.get_registered_object('kerasgan>WGANGP').__name__, flush=True)\n"
    (tmp_path / "mine/__init__.py").write_text(f"import kerasgan\nimport keras\n{found}")
    (tmp_path / "mine/__main__.py").touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "mine", "-m", "kerasgan"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "WGANGP\n", done.stderr


def test_every_flag_is_explained_in_the_help():
    for name in COMMANDS:
        options = Flags(name)
        shown = " ".join(options.help().split())
        entries = {flag: setting for group in options.groups.values() for flag, setting in group.items()}
        assert {*entries, "h"} == set(options.values), name
        for flag, setting in entries.items():
            assert setting.explanation.endswith(".")
            value = "" if setting.kind is kinds.BOOLEAN else f"={setting.shown}"
            assert f"--{flag}{value} {setting.explanation}" in shown


@pytest.mark.parametrize("name", [name for name, setting in settings.SETTINGS.items() if setting.tuned])
def test_help_says_every_default_and_what_it_is_for(name):
    setting = settings.SETTINGS[name]
    defaults = setting.explanation.split(" By default ")[1].rstrip(".").split("; ")
    for key, value in setting.tuned.items():
        dataset, model = (key, "") if isinstance(key, str) else key
        text = "for " if setting.kind is kinds.BOOLEAN else f"{setting.kind.text(value)} for "
        assert any(part.startswith(text) and dataset in part and model in part for part in defaults), (key, defaults)


@pytest.mark.parametrize("name", sorted(settings.SETTINGS.keys() - settings.OPTIONAL))
def test_every_default_is_one_that_the_setting_can_have(name):
    setting = settings.SETTINGS[name]
    for value in [*setting.tuned.values(), *([] if setting.default is None else [setting.default])]:
        assert setting.kind.holds(value)


# generate


@pytest.mark.slow
def test_evaluate_says_how_good_the_images_are_beside_real_ones(run, monkeypatch, capsys):
    monkeypatch.setattr(metrics, "train_classifier", functools.partial(metrics.train_classifier, epochs=20))
    assert main(["evaluate", str(run), "--num_images=300"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"generated +real +better +300 examples each", printed)
    # A training of 20 steps has learnt nothing.
    distance, floor = (
        float(value) for value in re.search(r"^FD\[pixels\] +(\S+) +(\S+)", printed, re.MULTILINE).groups()
    )
    assert distance > 10 * floor > 0
    assert re.search(r"^FD\[pixels\] .* lower$", printed, re.MULTILINE)
    assert re.search(r"^coverage\[pixels\] .* higher$", printed, re.MULTILINE)
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["steps"] == 20  # what the training has written is still there
    values = summary["evaluation"]["values"]
    assert values["FD[pixels]"] == pytest.approx(distance, rel=1e-3)
    assert sum(summary["evaluation"]["class_shares"]) == pytest.approx(1.0)
    trained_on = r"^classifier classifier-[0-9a-f]{8}: trained on the training examples; 9\d\.\d\d% right on a tenth "
    assert re.search(trained_on, printed, re.MULTILINE)
    assert summary["evaluation"]["other_real"] == "other training examples"
    assert len(list(run.glob("classifier-*.keras"))) == 1
    assert printed.splitlines()[-1].strip() == "Next: train longer, because 20 steps are few."
    for name in ("evaluation.png", "nearest.png"):
        Image.open(run / name).load()


@pytest.mark.slow
def test_evaluate_compares_with_held_out_examples_where_there_are_enough(tmp_path, capsys):
    source, rng = datasets.read("digits"), np.random.default_rng(0)
    rows = rng.integers(source.num_examples, size=3_000)
    noise = rng.integers(-9, 10, (3_000, 8, 8, 1))
    images = np.clip(source.images[rows].astype(int) + noise, 0, 255).astype("uint8")
    np.savez(tmp_path / "many.npz", x_train=images)
    run = tmp_path / "run"
    assert main(["train", f"--dataset={tmp_path / 'many.npz'}", "--steps=2", *SMALL, f"--workdir={run}"]) == 0
    for count, others in ((200, "held-out examples"), (400, "other training examples")):
        capsys.readouterr()
        assert main(["evaluate", str(run), f"--num_images={count}"]) == 0
        assert f"{count} examples each; real: {others}" in capsys.readouterr().out
        evaluation = json.loads((run / "metrics.json").read_text())["evaluation"]
        assert evaluation["other_real"] == others
        assert evaluation["real_against_real"]["copies"] == pytest.approx(0.01, abs=0.005)
        assert evaluation["real_against_real"]["coverage[pixels]"] > 0.8
    for name in ("evaluation.png", "nearest.png"):
        Image.open(run / name).load()


@pytest.mark.parametrize(("there", "held_out"), [(10_000, 2_500), (1_200, 1_000), (0, 300)])
def test_what_is_held_out_was_never_trained_on(there, held_out, monkeypatch):
    """A test split that has fewer examples than are asked for still is the test split."""
    digits = datasets.read("digits")

    def some(count, value):
        images = np.full((count, 8, 8, 1), value, "uint8")
        return dataclasses.replace(digits, images=images, labels=np.zeros(count, "int64"))

    def reader(name, split="train", **options):
        if split == "train":
            return some(3_000, 1)
        if int(split[6:-1]) > there:
            raise DataError("There are not so many.")
        return some(int(split[6:-1]), 2)

    monkeypatch.setattr(datasets, "read", reader)
    for count in (1_000, 2_500):
        data = data_.read("mnist", num_test=count)
        assert data.held_out.num_examples == min(count, held_out)
        assert data.train.num_examples == (3_000 if there else 2_700)
        assert set(data.held_out.images.ravel()) == {2 if there else 1}


def test_no_more_is_held_out_than_was_asked_for_however_many_a_split_makes(monkeypatch):
    many = source_of(n=5_000)
    monkeypatch.setattr(datasets, "read", lambda name, **options: many)  # as stacked_mnist stacks anew
    data = data_.read("stacked_mnist")
    assert (data.train.num_examples, data.held_out.num_examples) == (5_000, 1_000)


def test_a_class_keeps_an_image_to_train_on(monkeypatch):
    source = source_of(n=3_000)
    held_out = np.random.default_rng(0).permutation(3_000)[0]
    source.labels[held_out] = 3  # the only one of its class

    def reader(name, split="train", **options):
        if split != "train":
            raise DataError("There is no test split.")
        return source

    monkeypatch.setattr(datasets, "read", reader)
    data = data_.read("pets")
    assert set(data.train.labels) == {0, 1, 2, 3}
    assert data.train.num_examples + data.held_out.num_examples == 3_000
    source.labels[:] = np.arange(3_000)  # which stand for the images, not for classes
    assert data_.read("pets").held_out.num_examples == 300


def test_points_that_cannot_be_drawn_are_refused_by_train_and_described_by_inspect(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    np.savez("points.npz", rng.normal(size=(50, 3)))
    assert "points of 3 numbers, and the command draws those of 2" in refused(capsys, "train", "--dataset=points.npz")
    assert main(["inspect", "points.npz"]) == 0
    assert "picture    none: only points" in capsys.readouterr().out
    assert os.listdir() == ["points.npz"]


def test_a_home_directory_is_that_of_the_user_in_every_flag(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/00.png").write_bytes(b"mine")
    assert "a folder that is not empty" in refused(capsys, "generate", str(run), "--out=~/pictures")
    assert (tmp_path / "pictures/00.png").read_bytes() == b"mine"


def test_labels_that_are_all_the_same_need_no_classifier(tmp_path, capsys):
    images = datasets.read("digits").images
    np.savez(tmp_path / "ones.npz", images=images, labels=np.ones(len(images), "int32"))
    workdir = f"--workdir={tmp_path / 'run'}"
    assert main(["train", f"--dataset={tmp_path / 'ones.npz'}", "--steps=1", *SMALL, workdir]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--num_images=50"]) == 0
    assert not list((tmp_path / "run").glob("*classifier*"))


def test_evaluate_refuses_damaged_metrics_before_it_computes(run, tmp_path, monkeypatch, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/metrics.json").write_text("{")
    monkeypatch.setattr(metrics, "prdc", None)
    assert "metrics.json is damaged" in (error := refused(capsys, "evaluate", str(tmp_path / "run")))
    assert "or remove it" in error


@pytest.mark.slow
def test_evaluate_counts_the_modes_of_points(tmp_path, capsys):
    run = tmp_path / "ring"
    assert main(["train", "--dataset=ring", "--steps=5", *SMALL, f"--workdir={run}"]) == 0
    assert main(["evaluate", str(run), "--num_images=500"]) == 0
    printed = capsys.readouterr().out
    modes, perfect = re.search(r"^modes +(\S+) +(\S+)", printed, re.MULTILINE).groups()
    assert int(modes) < int(perfect) == 8
    assert re.search(r"^W1 ", printed, re.MULTILINE)
    assert not (run / "nearest.png").exists()
    assert "--classifier" in refused(capsys, "evaluate", str(run), "--classifier")


def test_what_takes_long_is_said_and_what_does_not_is_not(monkeypatch, capsys):
    with waiting.announced("reading"):
        assert not capsys.readouterr().err
    monkeypatch.setattr(waiting, "_SECONDS", 0.01)
    with waiting.announced("counting"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "counting ...\n"


def test_generated_pictures_depend_on_the_seed_alone(run, tmp_path, capsys):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        path = tmp_path / f"{name}.png"
        assert main(["generate", str(run), "--num_images=9", f"--seed={seed}", f"--out={path}"]) == 0
        assert capsys.readouterr().out == f"9 images: {path}\n"
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_npz_folder_and_grid_hold_the_same_images(run, tmp_path):
    for out in ("images.npz", "folder/", "grid.png"):
        assert main(["generate", str(run), "--num_images=11", f"--out={tmp_path / out}"]) == 0
    images = np.load(tmp_path / "images.npz")["images"]
    assert (images.shape, images.dtype) == ((11, 8, 8, 1), np.uint8)
    files = sorted((tmp_path / "folder").iterdir())
    assert [path.name for path in files] == [f"{i:02d}.png" for i in range(11)]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(path)) for path in files]), images[..., 0])
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    np.testing.assert_array_equal(grid[4:68:8, 4:68:8], images[0, ..., 0])  # 8 pixels enlarged to 64, padding 4


def test_the_default_picture_is_in_the_run_directory(run):
    try:
        assert main(["generate", str(run)]) == 0
        Image.open(run / "generated.png").load()
    finally:
        (run / "generated.png").unlink(missing_ok=True)


def test_a_folder_that_is_not_empty_is_left_alone(run, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert "not empty" in refused(capsys, "generate", str(run), f"--out={tmp_path}")
    assert "ends in .png or .npz" in refused(capsys, "generate", str(run), f"--out={tmp_path / 'a.mp4'}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_the_images_that_are_there(run, tmp_path, monkeypatch, capsys):
    path = tmp_path / "images.npz"
    before = arrays("generate", str(run), "--num_images=3", out=path)

    def save(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", save)
    error = refused(capsys, "generate", str(run), "--seed=7", f"--out={path}")
    assert error == f"kerasgan generate: {path}: No space left on device\n"
    np.testing.assert_array_equal(np.load(path)["images"], before)
    assert os.listdir(tmp_path) == ["images.npz"]


# inspect


def test_inspect_describes_a_dataset(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "digits"]) == 0
    shown = capsys.readouterr().out
    for line in ("images     1,797", "shape      8 x 8, 1 channel (grey)", "classes    10: 0 (178), 1 (182)"):
        assert line in shown
    assert "0 to 255" in shown
    picture = Image.open(re.search(r"^picture +(\S+)$", shown, re.MULTILINE)[1])
    assert picture.size == (548, 548)  # 8 cells of 64, 9 paddings of 4


def test_inspect_counts_images_that_are_repeated(tmp_path, capsys):
    images = np.zeros((40, 8, 8, 1), "uint8")
    images[:3, 0, 0] = [[1], [2], [3]]
    np.savez(tmp_path / "images.npz", images=images)
    assert main(["inspect", str(tmp_path / "images.npz"), f"--out={tmp_path / 'grid.png'}"]) == 0
    assert "\nrepeated   36 are copies of another" in capsys.readouterr().out
    assert main(["inspect", "ring", f"--out={tmp_path / 'points.png'}"]) == 0
    assert "repeated" not in capsys.readouterr().out


def test_inspect_lists_every_file_that_cannot_be_read(tmp_path, rng, capsys):
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (10 + i % 2, 10, 3), "uint8")).save(root / f"{i}.png")
    for i in range(25):
        (root / f"bad{i:02d}.jpg").write_bytes(b"no image" if i else b"")
    assert main(["inspect", str(root), f"--out={tmp_path / 'grid.png'}"]) == 1
    shown = capsys.readouterr().out
    assert [f"cannot be read: bad{i:02d}.jpg: not an image" in shown for i in range(25)] == [False] + [True] * 24
    assert "cannot be read: bad00.jpg: empty file" in shown
    assert "sizes      10 x 10 (3), 11 x 10 (2), height x width" in shown
    Image.open(tmp_path / "grid.png").load()


# The configuration


def source_of(shape=(8, 8, 1), n=1000, labels=True):
    images = np.zeros((n, *shape), "uint8" if len(shape) == 3 else "float32")
    return datasets.Source("test", images, np.arange(n, dtype="int32") % 3 if labels else None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model", "foo", "one of wgan_gp, wgan, "),
        ("model", None, "one of wgan_gp, wgan, "),
        ("network", "foo", "one of mlp, dcgan, resnet, r3gan; "),
        ("network", "dcgan", "filters` cannot be used. Expected an integer >= 1; "),
        ("batch_size", "x", "an integer >= 1; "),
        ("batch_size", 0, "an integer >= 1; "),
        ("steps", 2.5, "an integer >= 1; "),
        ("steps", True, "an integer >= 1; "),
        ("seed", -1, "an integer from 0 to 4294967295; "),
        ("penalty_weight", "a", "a finite number >= 0, or null; "),
        ("learning_rate", float("inf"), "a finite number above 0; "),
        ("learning_rate", 0, "a finite number above 0; "),
        ("beta_1", 1.0, "a finite number >= 0 and below 1; "),
        ("beta_1", None, "a finite number >= 0 and below 1; "),
        ("model", "lsgan", "`penalty_weight` cannot be used. Expected null, because lsgan has no penalty; "),
        ("dataset", 5, "a text that is not empty; "),
        ("conditional", 1, "true or false; "),
        ("units", 5, "a list of integers >= 1; "),
        ("units", [], "a list of integers >= 1; "),
        ("units", [4, "4"], "a list of integers >= 1; "),
        ("jit_compile", 1, "one of auto, true, false; "),
        ("precision", "float31", "one of float32, "),
        ("generator_normalization", "foo", "one of batch, "),
        ("data_dir", ["here"], "a text that is not empty, or null; "),
    ],
)
def test_a_value_of_a_configuration_that_cannot_be_is_named(run, tmp_path, capsys, name, value, expected):
    path = tmp_path / "config.json"
    values = json.loads((run / "config.json").read_text()) | {"penalty_weight": 10.0}
    path.write_text(json.dumps(values | {name: value}))
    error = refused(capsys, "resume", str(tmp_path))
    assert f"{path}: `" in error
    assert expected in error
    assert "correct it. Received: " in error


def test_the_choices_of_a_configuration_are_those_of_the_package():
    assert all(map(settings.SETTINGS["on_non_finite"].kind.holds, health.POLICIES))
    assert all(map(settings.SETTINGS["fit"].kind.holds, resizing.FITS))
    assert set(settings.NORMALIZATIONS) == set(blocks.NORMALIZATIONS) - {None}


def test_flags_go_before_recipes_and_recipes_before_the_rest():
    setting = settings.SETTINGS["latent_dim"]
    assert configurations.resolve("other", source=source_of()).latent_dim == setting.default
    tuned = setting.tuned["digits"]
    assert configurations.resolve("digits", source=source_of()).latent_dim == tuned != setting.default
    assert configurations.resolve("digits", source=source_of(), latent_dim=7).latent_dim == 7


@pytest.mark.parametrize(
    ("shape", "network"), [((8, 8, 1), "mlp"), ((16, 16, 3), "mlp"), ((17, 17, 3), "dcgan"), ((2,), "mlp")]
)
def test_the_network_follows_the_size_of_the_images(shape, network):
    assert configurations.resolve("other", source=source_of(shape)).network == network


@pytest.mark.parametrize(("images", "pack", "size"), [(40, 1, 40), (41, 2, 40), (64, 1, 64), (1000, 1, 64)])
def test_few_images_are_one_batch(images, pack, size):
    assert configurations.resolve("other", source=source_of(n=images), pack=pack).batch_size == size
    assert configurations.resolve("other", source=source_of(n=images), batch_size=8).batch_size == 8


def test_epochs_are_passes_over_the_data():
    # 1000 images are 15 batches of 64 and so 3 steps of 5.
    configuration = configurations.resolve("other", source=source_of(), epochs=30)
    assert configuration.steps == 90


@pytest.mark.parametrize(("steps", "kept"), [(1, 2), (10, 2), (59, 2), (300, 2), (1000, 3), (123_457, 3)])
def test_a_training_is_divided_into_few_pictures(steps, kept):
    configuration = configurations.resolve("other", source=source_of(), steps=steps)
    assert configuration.keep_checkpoints == kept
    assert configurations.resolve("other", source=source_of(), steps=steps, keep_checkpoints=5).keep_checkpoints == 5
    assert configuration.epochs <= (20 if steps < 1000 else 40)
    assert configuration.epochs >= min(steps, 20)
    assert (configuration.epochs - 1) * configuration.steps_per_epoch < steps


@pytest.mark.parametrize(
    ("model", "network"),
    each(
        list(itertools.product(settings.MODELS, settings.NETWORKS)),
        [
            *((name, "mlp") for name in settings.MODELS),
            ("wgan_gp", "dcgan"),
            ("gan", "resnet"),
            ("r3gan", "r3gan"),
            ("vae", "dcgan"),
        ],
    ),
)
def test_every_model_is_built_of_every_network(model, network):
    if model == "vae" and network not in settings.WITH_ENCODERS:
        with pytest.raises(ValueError, match=f"--model=vae has no encoder for --network={network}: use mlp or dcgan"):
            configurations.resolve("other", model, source=source_of(), network=network)
        return
    source = source_of()
    size = {"units": (4,)} if network == "mlp" else {"filters": 4}
    configuration = configurations.resolve("other", model, source=source, network=network, latent_dim=3, **size)
    built = build(configuration, source)
    assert built.compiled
    assert (built.latent_dim, built.image_shape) == (3, (8, 8, 1))


def test_a_normalization_is_refused_for_networks_without(run, tmp_path, capsys):
    for name in ("generator_normalization", "discriminator_normalization"):
        with pytest.raises(ValueError, match=f"--{name}: the networks of --network=r3gan have no normalization"):
            configurations.resolve("other", source=source_of(), network="r3gan", **{name: "layer"})
        values = json.loads((run / "config.json").read_text())
        values |= {"network": "r3gan", "filters": 4, "units": None, name: "layer"}
        (tmp_path / "config.json").write_text(json.dumps(values))
        error = refused(capsys, "resume", str(tmp_path))
        assert f"`{name}` cannot be used. Expected null, because r3gan has no normalization" in error


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_directory.default_workdir("digits", "gan") == pathlib.Path("runs/digits-gan-1")
    for number in (1, 9, 10):
        pathlib.Path(f"runs/digits-gan-{number}").mkdir(parents=True)
    assert run_directory.default_workdir("digits", "gan") == pathlib.Path("runs/digits-gan-11")
    assert run_directory.default_workdir("/data/my photos/", "gan") == pathlib.Path("runs/my_photos-gan-1")
    assert run_directory.default_workdir("faces.npz", "wgan_gp") == pathlib.Path("runs/faces-wgan_gp-1")


@pytest.mark.slow
def test_a_training_that_breaks_down_says_where_and_stops(tmp_path, capsys):
    workdir = tmp_path / "run"
    arguments = ["--dataset=ring", "--learning_rate=1e30", "--steps=40", "--checkpoint_every=5", "--units=8"]
    message = refused(capsys, "train", *arguments, f"--workdir={workdir}")
    assert "not finite at step" in message
    assert "on_non_finite" in message
    assert not (workdir / "model.keras").exists()


def arrays(*arguments, out):
    assert main([*arguments, f"--out={out}"]) == 0
    return np.load(out)["images"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    path = tmp_path_factory.mktemp("labelled") / "run"
    assert main(["train", "--conditional", "--steps=5", *SMALL, f"--workdir={path}"]) == 0
    return path


@pytest.fixture(scope="module")
def exported(labelled, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model"
    assert main(["export", str(labelled), f"--to={path}"]) == 0
    return path


@pytest.mark.slow
def test_an_exported_model_generates_what_its_run_does(labelled, exported, tmp_path):
    flags = ["--num_images=12", "--labels=7,2", "--truncation=0.5", "--seed=5"]
    own, served = (
        arrays("generate", str(source), *flags, out=tmp_path / "images.npz") for source in (labelled, exported)
    )
    assert own.dtype == served.dtype == np.uint8
    assert np.abs(own.astype(int) - served).max() <= 1


@pytest.mark.slow
def test_an_exported_model_generates_what_the_run_does_whatever_is_asked(run, labelled, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for path, *all_flags in (
        (run, [], ["--truncation=0.5"]),
        (labelled, []),
        (labelled, ["--labels=7,2", "--truncation=0.5", "--seed=5"]),
    ):
        to = f"--to=saved_models/{path.parent.name}"
        assert main(["export", str(path), to]) == 0
        for flags in all_flags:
            own, exported = (
                arrays("generate", source, "--num_images=12", *flags, out=f"{name}.npz")
                for name, source in (("own", str(path)), ("exported", to.removeprefix("--to=")))
            )
            assert own.dtype == exported.dtype == np.uint8
            # Another CPU kernel may round the last place of a float otherwise, at the edge of a grey level.
            assert np.abs(own.astype(int) - exported).max() <= 1
            assert np.mean(own != exported) < 1e-3
    assert [path.name for path in sorted((tmp_path / "saved_models" / labelled.parent.name).iterdir())] == ["1", "2"]


def test_an_image_is_the_same_among_others_and_alone(run, tmp_path):
    many = arrays("generate", str(run), "--num_images=10", out=tmp_path / "many.npz")
    np.testing.assert_array_equal(
        arrays("generate", str(run), "--num_images=1", "--seed=7", out=tmp_path / "one.npz")[0], many[7]
    )


@pytest.mark.parametrize("anew", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_interpolate_writes_an_endless_walk_through_the_images_of_the_seeds(
    labelled, exported, tmp_path, monkeypatch, capsys, anew
):
    monkeypatch.chdir(tmp_path)
    if anew:
        assert main(["export", str(labelled)]) == 0  # saved_models/digits, by the dataset
    flags = ["--num_images=2", "--stops=3", "--frames=4", "--labels=4", "--seed=10", "--json"]
    for source in (labelled, "saved_models/digits" if anew else exported):
        capsys.readouterr()
        assert main(["interpolate", str(source), *flags]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["num_frames"] == 12
        with Image.open(report["out"]) as gif:
            assert (gif.n_frames, gif.info["loop"]) == (12, 0)
            gif.seek(4)  # the second stop
            frame = np.asarray(gif.convert("L"), dtype=int)
        images_ = keras.models.load_model(labelled / "model.keras").generate(seeds=[12, 13], labels=4)
        expected = kerasgan_images.grid(images_)[..., 0]
        assert np.abs(frame - expected).mean() < 2
    assert (tmp_path / "interpolation.gif").is_file()
    assert (labelled / "interpolation.gif").is_file()


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture
def worded(labelled, tmp_path):
    """A run whose classes have words as names."""
    path = shutil.copytree(labelled, tmp_path / "worded", ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    config = json.loads((path / "config.json").read_text())
    config["data"]["class_names"] = WORDS
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.slow
def test_classes_are_asked_for_by_name_and_captioned(worded, labelled, tmp_path):
    by_name, by_number = (
        arrays("generate", str(worded), "--num_images=4", labels, out=tmp_path / "images.npz")
        for labels in ("--labels=seven,2", "--labels=7,2")
    )
    np.testing.assert_array_equal(by_name, by_number)
    assert main(["generate", str(worded), "--num_images=8", "--labels=seven, two"]) == 0
    made = keras.models.load_model(worded / "model.keras").generate(seeds=range(8), labels=[7, 2] * 4)
    expected = kerasgan_images.grid(made, columns=8, captions=["seven", "two"])[..., 0]
    np.testing.assert_array_equal(Image.open(worded / "generated.png"), expected)


def test_names_of_classes_come_from_the_run_and_from_the_card(worded, exported, labelled, tmp_path):
    model = keras.models.load_model(labelled / "model.keras")
    assert classes.names_in(str(worded), model) == tuple(WORDS)
    assert classes.names_in(str(exported), serving.Served(exported)) == tuple("0123456789")
    assert classes.names_in(str(tmp_path), model) is None
    for data in (None, "digits", {}, {"class_names": None}, {"class_names": [1]}, {"class_names": ["one"]}):
        (worded / "config.json").write_text(json.dumps({"data": data}))
        assert classes.names_in(str(worded), model) is None


def test_a_class_that_is_not_there_is_refused_with_those_that_are(worded, run, capsys):
    capsys.readouterr()
    line = refused(capsys, "generate", str(worded), "--labels=sevn")
    assert f"--labels=sevn: no such class. Expected some of {', '.join(WORDS)}. Did you mean seven?" in line
    assert "no classes with names" in refused(capsys, "interpolate", str(run), "--labels=seven")
    for value in ("", "1,,2", ","):
        assert "expected a list of classes, by number or by name" in refused(
            capsys, "generate", str(run), f"--labels={value}"
        )
    with pytest.raises(ValueError, match=r"class0, .*class19, and 80 others\."):
        classes.numbers(["x"], [f"class{k}" for k in range(100)])
    assert classes.numbers(None, WORDS) is None
    assert classes.grid_options(range(17), ["x"] * 17) == {"columns": None, "captions": None}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (None, None),
        ("mnist", "mnist"),
        ("imagenet_resized/64x64", "imagenet_resized/64x64"),  # of TensorFlow Datasets
        ("mnist:3.0.1", "mnist:3.0.1"),
        ("/home/me/secret/photos/", "photos"),
        ("~/secret/photos.npz", "photos.npz"),
        ("../secret/photos", "photos"),
        ("mine/photos", "photos"),
        (".", "here"),
        ("/", "data"),
    ],
)
def test_only_the_last_part_of_a_place_is_told(name, told, tmp_path, monkeypatch):
    (tmp_path / "here/mine/photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert export.without_place(name) == told


def test_a_class_whose_name_has_a_comma_is_chosen_as_the_error_writes_it():
    names = ("rose, red", "daisy", '5" lily')
    parse = kinds.classes().parse
    assert classes.numbers(parse('"rose, red", daisy,5" lily'), names) == [0, 1, 2]
    with pytest.raises(ValueError, match="Expected some of ") as caught:
        classes.numbers(parse("rose"), names)
    written = """'"rose, red"', daisy, '5" lily'"""
    assert f"Expected some of {written}." in str(caught.value)
    assert classes.numbers(parse("".join(shlex.split(written))), names) == [0, 1, 2]


def test_a_command_that_is_printed_works_in_a_shell():
    for path in ("runs/digits-gan-1", "my runs/cls ü", "it's", "$HOME/~x"):
        assert shlex.split(run_directory.command("resume", pathlib.Path(path))) == ["kerasgan", "resume", path]
    assert run_directory.command("resume", pathlib.Path("runs/digits-gan-1")) == "kerasgan resume runs/digits-gan-1"


@pytest.mark.parametrize(("given", "number"), [(1, 0), (10, 1), ("2", 2)])
def test_a_number_is_the_name_of_a_class_where_names_are_numbers(given, number):
    assert classes.numbers([given], ("1", "10", "2")) == [number]
    with pytest.raises(ValueError, match=r"--labels=0: no such class. Expected some of 1, 10, 2"):
        classes.numbers([0], ("1", "10", "2"))


def test_what_cannot_be_written_is_refused_with_the_flag_before_anything_is_read(tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "a.png").mkdir()
    assert main(["inspect", "nowhere", f"--out={tmp_path / 'a.png'}"]) == 2
    assert "`--out`. Expected the name of a picture" in capsys.readouterr().err
    assert main(["train", f"--workdir={tmp_path / 'file/within'}"]) == 2
    assert f"is in {tmp_path / 'file'}, which is a file" in capsys.readouterr().err


def test_an_export_tells_nobody_where_the_data_were(labelled, tmp_path):
    path = shutil.copytree(labelled, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    config = json.loads((path / "config.json").read_text())
    config |= {"dataset": "/home/me/secret/photos", "data_dir": "/home/me/secret", "from": "/home/me/secret/runs/old"}
    (path / "config.json").write_text(json.dumps(config))
    assert main(["export", str(path), f"--to={tmp_path / 'shared'}"]) == 0
    files = [file for file in (tmp_path / "shared").rglob("*") if file.is_file()]
    assert [file.name for file in files if b"secret" in file.read_bytes() or bytes(tmp_path) in file.read_bytes()] == []
    training = json.loads((tmp_path / "shared/1/model_card.json").read_text())["training"]
    assert (training["dataset"], training["from"], training["data_dir"]) == ("photos", "old", None)


def test_the_card_of_an_export_tells_data_training_and_metrics(labelled, tmp_path, capsys):
    capsys.readouterr()
    assert main(["export", str(labelled), f"--to={tmp_path / 'm'}", "--license=CC-BY-4.0", "--noscore", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    card = json.loads((tmp_path / "m/1/model_card.json").read_text())
    assert (report["version"], card["license"]) == (str(tmp_path / "m/1"), "CC-BY-4.0")
    assert len(card["data"].pop("fingerprint")) == 16
    assert card["data"] == {
        "dataset": "digits",
        "num_examples": 1797,
        "example_shape": [8, 8, 1],
        "num_classes": 10,
        "class_names": [str(digit) for digit in range(10)],
    }
    assert card["training"]["steps"] == card["steps"] == 5
    assert card["metrics"] == json.loads((labelled / "metrics.json").read_text())
    assert set(card["signatures"]) == {
        "serving_default",
        "generate",
        "generate_truncated",
        "interpolate",
        "generate_png",
    }
    assert card["signatures"]["generate"] == {
        "inputs": {"seed": "int64 [n]", "labels": "int32 [n]"},
        "outputs": {"images": "uint8 [n, 8, 8, 1]"},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "MODEL", "--labels=10"], "`labels`. Expected integers in [0, 10), one per image"),
        (["generate", "MODEL", "--truncation=0"], "--truncation"),
        (["interpolate", "MODEL", "--out=walk.png"], "expected a name that ends in .gif"),
        (["interpolate", "MODEL", "--stops=1"], "--stops"),
        (["export", "MODEL"], "model is an exported model. Give the run directory"),
        (["export", "RUN", "--to=models/7"], "in which its versions are numbered"),
        (
            ["export", "RUN", "--to=m.onnx"],
            "--to=m.onnx: expected the directory of a model, e.g. 'saved_models/mnist'. With",
        ),
        (["export", "RUN", "--to=m.h5"], "The run directory has it as model.keras"),
        (["export", "RUN", "--also=onnx,pickle"], "expected some of keras, litert, onnx, web, with commas"),
        (["generate", "."], "holds no model.keras"),
    ],
)
def test_mistakes_about_exported_models_are_one_line(
    labelled, exported, arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported, "model")
    capsys.readouterr()
    assert message in refused(capsys, *({"MODEL": "model", "RUN": str(labelled)}.get(a, a) for a in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_directory_of_models_is_not_one(labelled, exported, tmp_path, capsys):
    shutil.copytree(exported, tmp_path / "models/mine")
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    error = refused(capsys, "export", str(labelled), f"--to={tmp_path / 'models'}")
    assert f"such as {tmp_path / 'models/mine'}. Name that of one, e.g. --to={tmp_path / 'models/'}" in error
    assert sorted(tmp_path.rglob("*")) == before


def test_the_formats_of_the_flag_are_those_of_export():
    assert tuple(serving.FORMATS) == FORMATS


def test_a_warning_of_the_command_is_text_for_people(tmp_path):
    np.savez(tmp_path / "same.npz", images=np.zeros((40, 8, 8, 1), "uint8"))
    command = [sys.executable, "-m", "kerasgan", "train", "--dataset=same.npz", "--steps=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "\nwarning    The first 40 images are all the same" in done.stderr, done.stderr
    assert "UserWarning" not in done.stderr
