"""Every path that something is written to: what cannot be one is refused before there is anything to lose."""

import types

import keras
import numpy as np
import pytest

import kerasgan as kg
from kerasgan import metrics
from kerasgan.serving import client as served

PICTURE = np.zeros((8, 8, 3), "uint8")
CLASSIFIER = types.SimpleNamespace(save=lambda path: metrics.Classifier.save(types.SimpleNamespace(whole=gan()), path))


def gan():
    keras.utils.set_random_seed(0)
    model = kg.GAN(kg.networks.mlp_generator((4, 4, 1), 3, (4,)), kg.networks.mlp_discriminator((4, 4, 1), (4,)))
    model.compile()
    return model


def history():
    made = keras.callbacks.History()
    made.epoch, made.history = [0, 1], {"d_loss": [1.0, 2.0], "g_loss": [1.0, 2.0]}
    return made


# Name of the argument, and what takes it.
DIRECTORIES = {
    "SampleGrid": ("directory", kg.callbacks.SampleGrid),
    "Checkpoint": ("directory", kg.callbacks.Checkpoint),
    "TensorBoard": ("log_dir", kg.callbacks.TensorBoard),
    "export": ("filepath", lambda path: gan().export(path)),
    "write_page": ("directory", lambda path: served.Served.write_page(types.SimpleNamespace(card={}), path)),
}
FILES = {
    "MetricsLog": ("path", kg.callbacks.MetricsLog, "metrics.csv"),
    "save": ("filepath", lambda path: gan().save(path), "model.keras"),
    "save_weights": ("filepath", lambda path: gan().save_weights(path), "model.weights.h5"),
    "save_picture": ("path", lambda path: kg.images.save_picture(path, PICTURE), "picture.png"),
    "save_grid": ("path", lambda path: kg.images.save_grid(path, PICTURE[None]), "grid.png"),
    "curves": ("path", lambda path: kg.plots.curves(history(), path), "curves.png"),
    "classifier": ("path", lambda path: CLASSIFIER.save(path), "classifier.keras"),
    "save_gif": ("path", lambda path: kg.images.save_gif(path, [PICTURE]), "pictures.gif"),
}


@pytest.mark.parametrize("name", DIRECTORIES)
def test_what_cannot_be_a_directory_is_refused(name, tmp_path):
    argument, take = DIRECTORIES[name]
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "file/within", tmp_path / "file/with/in"):
        with pytest.raises(ValueError, match=rf"`{argument}`.*directory.*which is a file"):
            take(path)
    for nothing, error in ((None, TypeError), (3, TypeError), (b"bytes", TypeError), ("", ValueError)):
        with pytest.raises(error, match=rf"`{argument}`"):
            take(nothing)
    assert (tmp_path / "file").read_text() == "precious"


def test_what_cannot_be_a_directory_of_classifiers_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "file/within"):
        with pytest.raises(ValueError, match=r"`directory`.*which is a file"):
            kg.metrics.train_classifier(np.zeros((4, 8, 8, 1)), np.arange(4) % 2, directory=path)


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_a_file_is_refused(name, tmp_path):
    argument, take, file = FILES[name]
    (tmp_path / "file").write_text("precious")
    (tmp_path / file).mkdir()
    with pytest.raises(ValueError, match=rf"`{argument}`.*, a directory"):
        take(tmp_path / file)
    with pytest.raises(ValueError, match=rf"`{argument}`.*which is a file"):
        take(tmp_path / "file" / file)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["file", file])


@pytest.mark.parametrize("name", ["MetricsLog", "save_picture", "save_gif"])
@pytest.mark.parametrize(("nothing", "error"), [(None, TypeError), (3, TypeError), ("", ValueError), (".", ValueError)])
def test_what_is_no_path_is_refused(name, nothing, error):
    argument, take, _ = FILES[name]
    with pytest.raises(error, match=rf"`{argument}`"):
        take(nothing)


def test_a_link_to_nothing_is_no_directory(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"`directory`.*which is a link to what does not exist"):
        kg.callbacks.SampleGrid(tmp_path / "link")


@pytest.mark.parametrize("name", FILES)
def test_a_tilde_is_the_home_directory(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    _, take, file = FILES[name]
    made = take(f"~/{file}")
    if isinstance(made, keras.callbacks.Callback):
        assert made.path == tmp_path / "home" / file
    else:
        assert (tmp_path / "home" / file).is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("name", FILES)
def test_directories_that_are_missing_are_made(name, tmp_path):
    _, take, file = FILES[name]
    made = take(tmp_path / "some/where" / file)
    if isinstance(made, keras.callbacks.Callback):
        return  # which writes when `fit` begins
    assert (tmp_path / "some/where" / file).is_file()


def test_what_was_saved_in_the_home_directory_is_asked_about_and_read_from_there(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("builtins.input", lambda *text: asked.append(text) or "n")
    model = gan()
    for save, file in ((model.save, "model.keras"), (model.save_weights, "model.weights.h5")):
        save(f"~/{file}", overwrite=False)
        before = (tmp_path / file).read_bytes()
        save(f"~/{file}", overwrite=False)
        assert (tmp_path / file).read_bytes() == before
    assert len(asked) == 2
    model.load_weights("~/model.weights.h5")


def test_a_classifier_is_read_from_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    images = np.random.default_rng(0).random((16, 8, 8, 1), "float32") * 2 - 1
    classifier = metrics.train_classifier(images, np.arange(16) % 2, epochs=1, filters=2)
    classifier.save("~/classifier.keras")
    assert metrics.Classifier.load("~/classifier.keras").identifier == classifier.identifier
