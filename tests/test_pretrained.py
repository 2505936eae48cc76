"""A run that starts from a trained model: `kerasgan train --from`, and the same in Python."""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import each

from kerasgan import checkpoint, datasets, optimization, serving
from kerasgan.cli import configuration as configurations
from kerasgan.cli import main, pretrained
from kerasgan.cli.build import build

ZOO = pathlib.Path(__file__).resolve().parents[1] / "saved_models"
SMALL = ("--units=8,8", "--latent_dim=4", "--n_critic=1", "--batch_size=32")
NETWORKS = ("generator", "discriminator", "ema_generator")


def refused(capsys, *arguments):
    """The one line in which the command refuses something."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The directory of a run of two steps, by class, with an average that is not the generator."""
    workdir = tmp_path_factory.mktemp("runs") / "source"
    arguments = ["--conditional", "--ema_momentum=0.9", "--penalty_weight=3", "--steps=2"]
    assert main(["train", *SMALL, *arguments, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.fixture(scope="module")
def started(source, tmp_path_factory):
    """The directory of a run of two steps that started from a copy of the source, which is gone, and what it read."""
    directory = tmp_path_factory.mktemp("runs")
    copy = shutil.copytree(source, directory / "copy")
    arguments = ["--dataset=digits", f"--from={copy}", "--n_critic=1", "--steps=2", "--seed=1", "--keep_checkpoints=3"]
    assert main(["train", *arguments, f"--workdir={directory / 'run'}"]) == 0
    shutil.rmtree(copy)
    return directory / "run"


@pytest.fixture(scope="module")
def trained(source):
    """Every array of the source."""
    return state_of(keras.models.load_model(source / "model.keras"))


@pytest.fixture(scope="module")
def new(started):
    """Every array of a model with the settings of the new run, and with random weights."""
    return state_of(build(configurations.read(started / "config.json"), datasets.read("digits")))


def arrays_at(run, step, names):
    (path,) = (path for path in checkpoint.checkpoints(run / "checkpoints") if checkpoint.number(path)[0] == step)
    return checkpoint.read_arrays(path, dict.fromkeys(names), ignored="metrics/")


def state_of(model):
    return {name: value.numpy() for name, value in model.state().items() if not name.startswith("metrics/")}


def of_networks(arrays):
    return {name: value for name, value in arrays.items() if name.split("/")[0] in NETWORKS}


def unchanged(before, after):
    return [name for name, value in before.items() if np.array_equal(value, after[name])]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_a_run_starts_with_every_weight_of_its_source_and_new_optimizers(trained, started, new):
    here, weights = arrays_at(started, 0, new), of_networks(trained)
    assert {name.split("/")[0] for name in weights} == set(NETWORKS)
    assert_equal(here, {name: weights.get(name, value) for name, value in new.items()})
    assert any(np.any(here[name] != trained[name]) for name in here if name.startswith("g_optimizer/"))


def test_its_first_step_changes_every_network(started, new):
    before, after = (of_networks(arrays_at(started, step, new)) for step in (0, 1))
    (bias,) = unchanged(before, after)  # a Wasserstein critic is free up to a constant
    assert bias.startswith("discriminator/")
    assert before[bias].shape == (1,)


def test_it_has_the_settings_of_its_source_and_says_so(source, started):
    there, here = (configurations.read(run / "config.json") for run in (source, started))
    for name in ("model", "network", "units", "latent_dim", "conditional", "penalty_weight", "pack"):
        assert getattr(there, name) == getattr(here, name), name
    assert (here.penalty_weight, here.units, here.ema_momentum, here.seed) == (3, (8, 8), 0.999, 1)
    assert json.loads((started / "config.json").read_text())["from"] == str(started.parent / "copy")


@pytest.mark.slow
def test_it_resumes_exactly_without_its_source(started, tmp_path, capsys):
    run = shutil.copytree(started, tmp_path / "run")
    newest = checkpoint.checkpoints(run / "checkpoints")[0]
    shutil.rmtree(newest)
    for name in ("model.keras", "metrics.json"):
        (run / name).unlink()
    assert "'from'" in refused(capsys, "resume", str(run), "--from=saved_models/mnist")
    assert main(["resume", str(run)]) == 0
    assert "step_00000001" in capsys.readouterr().out or newest.exists()
    assert_equal(*(state_of(keras.models.load_model(path / "model.keras")) for path in (started, run)))


@pytest.mark.slow
def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_from_its_source_again(
    source, started, tmp_path, capsys
):
    run, copy = tmp_path / "run", started.parent / "copy"
    run.mkdir()
    shutil.copy(started / "config.json", run)
    assert f"no such directory: {copy}" in refused(capsys, "resume", str(run))
    copy.symlink_to(source)
    try:
        assert main(["resume", str(run)]) == 0
    finally:
        copy.unlink()
    assert_equal(*(state_of(keras.models.load_model(path / "model.keras")) for path in (started, run)))


@pytest.mark.parametrize("name", each(["digits", "mnist"], ["digits"]))
def test_a_model_of_the_zoo_can_be_trained_further(name, capsys):
    origin = pretrained.read(str(ZOO / name))
    card = json.loads((ZOO / name / "1/model_card.json").read_text())
    given = origin.with_kept({"dataset": "digits"})
    data = datasets.read("digits", image_size=given["image_size"], channels=given["channels"])
    origin.check_data(data)
    configuration = origin.keep(configurations.resolve(source=data, **given))
    for setting in ("filters", "units", "latent_dim", "penalty_weight", "conditional"):
        assert json.loads(json.dumps(getattr(configuration, setting))) == card["training"][setting], setting
    model = build(configuration, data)
    origin.start(model)
    for network in (model.generator, model.ema_generator):
        assert serving.weights_sha256(network) == card["weights_sha256"]
    origin.print_header(model.num_classes)
    steps = f"{card['steps']:,}"
    expected = f"from       {ZOO / name}: {card['training']['model']} of {name}, {steps} steps\n"
    assert capsys.readouterr().out == expected
    images = (data.images[:8] / 127.5 - 1).astype("float32")
    inputs = {"images": tf.constant(images)}
    if model.conditional:
        inputs["labels"] = tf.constant(data.labels[:8])
    scores = tf.saved_model.load(str(ZOO / name / "1")).signatures["score"](**inputs)["logits"]
    ours = model.discriminator([*inputs.values()] if model.conditional else images)[:, 0]
    np.testing.assert_allclose(ours, scores, rtol=1e-4, atol=1e-4)


def test_other_classes_get_new_embeddings_and_everything_else_is_kept(source, trained, capsys):
    origin = pretrained.read(str(source))
    images = np.zeros((300, 8, 8, 1), "uint8")
    data = datasets.Source("test", images, np.arange(300, dtype="int32") % 3)
    model = build(origin.keep(configurations.resolve(source=data, **origin.with_kept({"dataset": "test"}))), data)
    new = state_of(model)
    origin.start(model)
    there, here = of_networks(trained), of_networks(state_of(model))
    embeddings = [name for name in here if here[name].shape != there[name].shape]
    assert len(embeddings) == 3
    for name, value in here.items():
        np.testing.assert_array_equal(value, new[name] if name in embeddings else there[name], err_msg=name)
    origin.print_header(model.num_classes)
    assert "new label embeddings: 3 classes instead of 10" in capsys.readouterr().out


def test_classes_are_known_by_their_names(source, trained, capsys):
    origin = pretrained.read(str(source))
    assert origin.class_names == tuple("0123456789")
    names = ("x", "7", "2")
    data = datasets.Source("test", np.zeros((300, 8, 8, 1), "uint8"), np.arange(300, dtype="int32") % 3, names)
    model = build(origin.keep(configurations.resolve(source=data, **origin.with_kept({"dataset": "test"}))), data)
    new = state_of(model)
    origin.start(model, names)
    there, here = of_networks(trained), of_networks(state_of(model))
    embeddings = [name for name in here if here[name].shape != there[name].shape]
    assert len(embeddings) == 3
    for name in embeddings:
        np.testing.assert_array_equal(here[name], [new[name][0], there[name][7], there[name][2]], err_msg=name)
    origin.print_header(model.num_classes, names)
    assert "label embeddings by name: 2; new: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "has"),
    [
        ("--model=gan", "wgan_gp"),
        ("--network=dcgan", "mlp"),
        ("--units=256,256", "256,256,256"),
        ("--filters=8", "none"),
        ("--blur", "False"),
        ("--latent_dim=64", "32"),
        ("--conditional", "False"),
        ("--penalty_weight=1", "10.0"),
        ("--pack=2", "1"),
        ("--image_size=16", "8"),
        ("--channels=3", "1"),
    ],
)
def test_a_flag_that_contradicts_the_source_is_refused(flag, has, tmp_path, capsys):
    error = refused(capsys, "train", f"--from={ZOO / 'digits'}", flag, f"--workdir={tmp_path / 'run'}")
    name = flag.split("=")[0]
    assert f": {name}=" in error
    assert f"has {has}, and a run keeps the networks that it starts from. Leave out {name}, or --from." in error
    assert not (tmp_path / "run").exists()


def test_a_flag_that_agrees_with_the_source_is_accepted(capsys):
    flags = ["--model=wgan_gp", "--units=256,256,256", "--noconditional", "--penalty_weight=10", "--image_size=8"]
    assert main(["train", "--dry_run", "--json", f"--from={ZOO / 'digits'}", *flags, "--ema_momentum=0"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["from"], shown["ema_momentum"], shown["channels"]) == (str(ZOO / "digits"), None, 1)


def test_without_a_dataset_it_learns_that_of_its_source(tmp_path, capsys):
    source, other = tmp_path / "source", tmp_path / "other"
    np.savez(tmp_path / "data.npz", images=np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3)).astype("uint8"))
    small = ["--units=4", "--latent_dim=4", "--batch_size=8"]
    data = f"--dataset={tmp_path / 'data.npz'}"
    assert main(["train", data, "--value_range=0,200", "--steps=1", f"--workdir={source}", *small]) == 0
    assert main(["train", f"--from={source}", "--steps=1", f"--workdir={other}"]) == 0
    of_other = json.loads((other / "config.json").read_text())
    assert (of_other["dataset"], of_other["value_range"]) == (str(tmp_path / "data.npz"), [0, 200])
    (tmp_path / "data.npz").unlink()
    error = refused(capsys, "train", f"--from={source}", f"--workdir={tmp_path / 'third'}")
    assert f"The model was trained on {tmp_path / 'data.npz'}; pass --dataset with where that is" in error


def edited_card(path, change):
    card = json.loads((path / "1/model_card.json").read_text())
    change(card)
    (path / "1/model_card.json").write_text(json.dumps(card))


def cut(path):
    file = path / "1/variables/variables.index"
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: edited_card(path, lambda card: card.pop("training")), "has no settings of `kerasgan train`"),
        (lambda path: (path / "1/model_card.json").unlink(), "has no settings of `kerasgan train`"),
        (lambda path: edited_card(path, lambda card: card["signatures"].pop("score")), "holds no discriminator"),
        (lambda path: edited_card(path, lambda card: card.pop("steps")), "model_card.json is damaged: 'steps'"),
        (lambda path: edited_card(path, lambda card: card.update(image_shape=8)), "model_card.json is damaged"),
        (lambda path: edited_card(path, lambda card: card["training"].update(units=[256])), "weights do not fit"),
        (lambda path: edited_card(path, lambda card: card["training"].update(units="x")), "`units` cannot be used"),
        (lambda path: edited_card(path, lambda card: card["training"].update(model="vae")), "holds a VAE"),
        (lambda path: (path / "1/variables/variables.index").unlink(), "is damaged: its weights cannot be read"),
        (cut, "is damaged: its weights cannot be read"),
    ],
)
def test_an_export_that_no_run_can_start_from_is_refused(damage, message, tmp_path, capsys):
    damage(shutil.copytree(ZOO / "digits", tmp_path / "model"))
    assert message in refused(capsys, "train", f"--from={tmp_path / 'model'}", f"--workdir={tmp_path / 'run'}")
    assert not (tmp_path / "run").exists()


def test_a_path_without_a_model_is_refused(source, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    without = tmp_path / "without"
    without.mkdir()
    shutil.copy(source / "model.keras", without)
    shutil.copy(source / "model.keras", tmp_path / "other.keras")
    for path, message in (
        ("", "expected a text that is not empty"),
        (tmp_path / "nowhere", "no such directory"),
        (tmp_path / "empty", "holds no model.keras"),
        (ZOO, "though exported models, such as"),
        (tmp_path / "notes.txt", "is a file. Give a run directory"),
        (tmp_path / "other.keras", "In Python, load a .keras file"),
        (without, "config.json is missing"),
    ):
        assert message in refused(capsys, "train", f"--from={path}", f"--workdir={tmp_path / 'run'}")
    for path in (source, source / "model.keras"):
        error = refused(capsys, "train", f"--from={path}", f"--workdir={source}", "--overwrite")
        assert "is --workdir, which the new run replaces" in error
    assert not (tmp_path / "run").exists()


def test_data_are_brought_to_the_size_and_channels_of_the_model_or_refused(tmp_path, capsys):
    def arguments(shape, name):
        np.savez(tmp_path / "data.npz", images=np.arange(100 * np.prod(shape)).reshape(100, *shape).astype("float32"))
        return f"--dataset={tmp_path / 'data.npz'}", f"--from={ZOO / name}", "--dry_run"

    assert main(["train", "--json", *arguments((20, 10, 3), "digits")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["image_size"], shown["channels"]) == (8, 1)
    for shape, name, message in (
        ((28, 28, 1), "mnist", "generates by label, 10 classes, and "),
        ((8, 8, 2), "digits", f"(wanted as 8 x 8 x 1, for --from={ZOO / 'digits'})"),
        ((2,), "digits", "(wanted as 8 x 8 x 1, "),
    ):
        assert message in refused(capsys, "train", *arguments(shape, name))


@pytest.mark.slow
def test_in_python_a_loaded_model_that_is_compiled_anew_starts_with_all_its_weights(source, trained):
    gan = keras.models.load_model(source / "model.keras")
    gan.compile(optimization.adam(1e-3, 0.0, 0.9), optimization.adam(1e-3, 0.0, 0.9))
    before = of_networks(state_of(gan))
    assert_equal(before, of_networks(trained))
    assert [int(one.iterations.numpy()) for one in (gan.d_optimizer, gan.g_optimizer)] == [0, 0]
    gan.fit(datasets.load("digits", 32, labels=True), epochs=1, steps_per_epoch=1, verbose=0)
    assert int(gan.g_optimizer.iterations.numpy()) == 1
    assert len(unchanged(before, state_of(gan))) == 1
