"""What the usual recipes train on without a word: each refused before the first step, and nothing is written."""

import os
import pathlib
import re
import time
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from selection import some

import kerasgan as kg
from kerasgan import cli
from kerasgan.cli import run_directory
from kerasgan.errors import (
    CheckpointCorruptError,
    CheckpointMismatchError,
    CheckpointVersionError,
    DataError,
    DataTypeError,
    ModelContractError,
    NonFiniteError,
    RunDirError,
)

SHAPE = (4, 4, 1)
UNKNOWN = tf.TensorSpec(None, tf.float32)
TF = tf.data.Dataset


def images(n=16, shape=SHAPE, low=-1.0, high=1.0):
    return np.random.default_rng(0).uniform(low, high, (n, *shape)).astype("float32")


def batches(x, size=4):
    return TF.from_tensor_slices(x).batch(size)


def generator(shape=SHAPE, **kwargs):
    return kg.networks.mlp_generator(shape, 3, (8,), **kwargs)


def critic(*last, shape=SHAPE):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), *(last or (keras.layers.Dense(1),))])


def fit(data, *arguments, output="tanh", shape=SHAPE, num_classes=None, **kwargs):
    """Trains a WGAN-GP on this, in the current directory."""
    discriminator = kg.networks.mlp_discriminator(shape, (8,), num_classes=num_classes)
    gan = kg.WGANGP(generator(shape, output_activation=output, num_classes=num_classes), discriminator, n_critic=3)
    gan.compile()
    try:
        gan.fit(data, *arguments, verbose=0, **kwargs)
    finally:
        assert gan.d_optimizer.iterations.numpy() == 0, "a step was made"


def sharing(layer):
    """A GAN both of whose networks have this layer of 8 units."""
    last = [keras.layers.Dense(16, activation="tanh"), keras.layers.Reshape(SHAPE)]
    made = keras.Sequential([keras.Input((8,)), layer, *last])
    return kg.GAN(made, critic(keras.layers.Dense(8), layer, keras.layers.Dense(1)))


def bounded(operation):
    """A critic that ends with an operation."""
    taken = keras.Input(SHAPE)
    return keras.Model(taken, operation(critic()(taken)))


def with_nan():
    x = images()
    x[6, 1, 1, 0] = np.nan
    return x


# Row of the table: what is done, the class of the error, and what its message says.
FIT = {
    "no images": (lambda: fit(images(0)), DataError, "`x`. Expected at least one image. Received: 0 images"),
    "no images held out": (
        lambda: fit(images(64), validation_data=images(0)),
        DataError,
        "In `validation_data`.*at least one image. Received: 0 images",
    ),
    "what was read": (
        lambda: fit(kg.datasets.read("digits")),
        DataTypeError,
        "`x`. Expected a tf.data.Dataset of batches, or an array: pass `x.images`. Received: x of type Source",
    ),
    "no numbers": (lambda: fit(np.array(1.0)), DataError, r"Received: shape \(\)"),
    "images as targets": (
        lambda: fit(images(64), images(64)),
        DataError,
        "`y`. Expected one integer label per image.*leave them out, if they are images: a GAN has no other targets",
    ),
    "uint8 batches": (
        lambda: fit(batches(np.zeros((8, *SHAPE), "uint8"))),
        DataTypeError,
        r"`x`.*floating-point.*tf.cast\(x, tf.float32\) / 127.5 - 1\)`. Received: uint8 from 0 to 0",
    ),
    "other channels held out": (
        lambda: fit(images(), batch_size=4, validation_data=images(shape=(4, 4, 3))),
        ModelContractError,
        r"In `validation_data`, .*images with 1 channels",
    ),
    "uint8 batches of another size": (
        lambda: fit(batches(np.zeros((8, 5, 4, 1), "uint8"))),
        DataError,
        r"\('batch', 4, 4, 1\): resize.*\(None, 5, 4, 1\)",
    ),
    "complex numbers in an array": (lambda: fit(images(64) * 1j), DataTypeError, "modulus.* Received: complex64 from "),
    "labels beside a dataset": (
        lambda: fit(batches(images()), np.arange(16)),
        DataError,
        r"`y`. Expected None.*put labels into its elements. Received: an array \(16,\)$",
    ),
    "an array without labels for classes": (
        lambda: fit(images(), batch_size=4, num_classes=3),
        DataError,
        r"`y`. Expected labels, because the networks take labels: add them, or build both networks without",
    ),
    "float 0 to 255": (
        lambda: fit(images(64, low=0, high=255)),
        DataError,
        r"\[-1.0, 1.0\].*`x / 127.5 - 1`. Received: pixels from 0.* to 25\d$",
    ),
    "0 to 1 for tanh": (
        lambda: fit(images(64, low=0)),
        DataError,
        r"\[-1.0, 1.0\].*`x \* 2 - 1`. Received: pixels from 0.* to (1|0.9)",
    ),
    "-1 to 1 for a sigmoid": (
        lambda: fit(images(64), output="sigmoid"),
        DataError,
        r"\[0.0, 1.0\].*`\(x \+ 1\) / 2`. Received: pixels from -",
    ),
    "no channel axis": (
        lambda: fit(batches(images()[..., 0])),
        DataError,
        r"\('batch', 4, 4, 1\).*x\[..., None\]\)`. Received: shape \(None, 4, 4\)",
    ),
    "channels first": (
        lambda: fit(batches(images(shape=(3, 4, 4))), shape=(4, 4, 3)),
        DataError,
        r"\('batch', 4, 4, 3\).*channels first.*tf.transpose\(x, \[0, 2, 3, 1\]\).*\(None, 3, 4, 4\)",
    ),
    "other channels": (
        lambda: fit(batches(images(shape=(4, 4, 3)))),
        ModelContractError,
        r"images with 1 channels.*: read them with 1 with `x.map.*, or build.*Received: images with 3 channels",
    ),
    "other size": (
        lambda: fit(batches(images(shape=(5, 4, 1)))),
        DataError,
        r"\('batch', 4, 4, 1\): resize.*\(None, 5, 4, 1\)",
    ),
    "triples": (lambda: fit(batches((images(),) * 3)), DataError, "`images` or `.images, labels.`.*3 parts"),
    "dictionaries": (
        lambda: fit(batches({"image": images(), "label": np.zeros(16)})),
        DataError,
        r"lambda e: .*Received: dictionaries with the keys \['image', 'label'\]",
    ),
    "no batches": (
        lambda: fit(TF.from_tensor_slices(images())),
        DataError,
        r"call `x.batch\(64\)`.*Received: shape \(4, 4, 1\)",
    ),
    "fewer images than a batch": (
        lambda: fit(TF.from_tensor_slices(images(8)).batch(16, drop_remainder=True)),
        DataError,
        "at least one batch.*smaller batch size, or `drop_remainder=False`",
    ),
    "fewer images in an array than a batch": (lambda: fit(images(8), batch_size=16), DataError, "8.*16"),
    "an empty array": (lambda: fit(images(0)), DataError, "0"),
    "an endless dataset": (
        lambda: fit(batches(images()).repeat()),
        DataError,
        "`steps_per_epoch`.*endless.*steps_per_epoch=None",
    ),
    "NaN": (lambda: fit(batches(with_nan())), NonFiniteError, "NaN or infinity in example 2 of batch 1"),
    "NaN in an array": (lambda: fit(with_nan(), batch_size=4), (DataError, NonFiniteError), "NaN|finite"),
    "strings": (lambda: fit(np.array([["a"]] * 8)), DataTypeError, "dtype|type"),
    "strings in a dataset": (lambda: fit(TF.from_tensor_slices(["a"] * 8).batch(4)), DataTypeError, "string"),
    "objects": (lambda: fit(np.array([images(3), images(2)], dtype=object)), DataTypeError, "object"),
    "ragged tensors": (
        lambda: fit(TF.from_tensor_slices(tf.ragged.constant([[1.0], [1.0, 2.0]])).batch(2)),
        DataTypeError,
        "Ragged",
    ),
    "a list": (lambda: fit([images()]), DataTypeError, r"np.concatenate\(x\).*type list"),
    "labels that are no classes": (
        lambda: fit(images(), np.full(16, 7), num_classes=3, batch_size=4),
        DataError,
        r"labels in \[0, 3\).*from 7 to 7",
    ),
    "labels of another number": (
        lambda: fit(images(), np.zeros(3, int), num_classes=3),
        DataError,
        "16 images and 3 labels",
    ),
    "float labels in a dataset": (
        lambda: fit(batches((images(), np.full(16, 0.5))), num_classes=3),
        DataTypeError,
        r"integer labels: make them with `x.map\(.*tf.cast.*float64",
    ),
    "names as labels in a dataset": (
        lambda: fit(batches((images(), np.full(16, "cat"))), num_classes=3),
        DataTypeError,
        "integer labels.*StringLookup",
    ),
    "one-hot labels in a dataset": (
        lambda: fit(batches((images(), np.eye(3, dtype=int)[np.zeros(16, int)])), num_classes=3),
        DataError,
        r"tf.argmax.*\(4, 3\)",
    ),
    "labels that do not fit into 32 bits": (
        lambda: fit(images(), np.full(16, 2**32 + 1), num_classes=3, batch_size=4),
        DataError,
        "4294967297",
    ),
    "images of several sizes": (
        lambda: fit(
            TF.from_generator(lambda: (images(4, (4, 4 + n, 1)) for n in range(3)), output_signature=UNKNOWN),
            steps_per_epoch=1,
        ),
        DataError,
        r"\('batch', 4, 4, 1\): resize.*\(4, 4, 5, 1\)",
    ),
    "batches of no image": (
        lambda: fit(TF.from_tensor_slices(np.zeros((2, 0, *SHAPE), "float32"))),
        DataError,
        "at least one image",
    ),
    "NaN in the fourth batch": (
        lambda: fit(TF.from_tensor_slices(np.stack([images(4)] * 3 + [images(4) * np.nan])), steps_per_epoch=1),
        NonFiniteError,
        "NaN or infinity in example 0 of batch 3",
    ),
    "batch_size 0": (lambda: fit(images(), batch_size=0), ValueError, "`batch_size`.*positive integer.*0"),
    "epochs -1": (lambda: fit(images(), batch_size=4, epochs=-1), ValueError, "`epochs`.*integer >= 0.*epochs=-1"),
    "epochs that are no integer": (lambda: fit(images(), batch_size=4, epochs=1.5), ValueError, "`epochs`.*1.5"),
    "a share of more than all": (
        lambda: fit(images(), batch_size=4, validation_split=1.5),
        ValueError,
        r"`validation_split`.*\[0, 1\).*1.5",
    ),
    "a validation every 0 epochs": (
        lambda: fit(images(), batch_size=4, validation_data=images(), validation_freq=0),
        ValueError,
        "`validation_freq`.*positive",
    ),
    "endless validation data": (
        lambda: fit(images(), batch_size=4, validation_data=batches(images()).repeat()),
        DataError,
        r"`validation_steps`\. Expected a number of batches, because the dataset is endless",
    ),
    "integers of 64 bits as validation data": (
        lambda: fit(images(), batch_size=4, validation_data=np.zeros((8, *SHAPE), int)),
        DataTypeError,
        "uint8.*int64",
    ),
    "labels that are numbers with a fraction": (
        lambda: fit(images(), np.full(16, 0.5), num_classes=3, batch_size=4),
        DataTypeError,
        "integer",
    ),
}


@pytest.mark.parametrize("row", FIT)
def test_data_that_cannot_be_learnt_are_refused_before_the_first_step(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    action, error, message = FIT[row]
    begun = time.process_time()
    with pytest.raises(error, match=message) as raised:
        action()
    assert time.process_time() - begun < 10
    assert error is ValueError or type(raised.value).__module__ == "kerasgan.errors"
    assert pathlib.Path(kg.__file__).parent in pathlib.Path(raised.traceback[-1].path).parents
    assert not os.listdir(tmp_path)


BUILD = {
    "generator of another size": (
        lambda: kg.WGANGP(generator((7, 7, 1)), critic()),
        ModelContractError,
        r"generator makes images of shape \(7, 7, 1\), the discriminator takes \(4, 4, 1\).*Build the discriminator",
    ),
    "generator of one pixel": (
        lambda: kg.WGANGP(
            generator((1, 1, 1)),
            keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 8), keras.layers.Flatten()]),
        ),
        ModelContractError,
        r"\(1, 1, 1\).*\(8, 8, 1\)",
    ),
    "batch normalisation in a penalised critic": (
        lambda: kg.WGANGP(generator(), critic(keras.layers.BatchNormalization(name="bn"), keras.layers.Dense(1))),
        ModelContractError,
        "GroupNormalization.*normalization='layer'.*'bn'",
    ),
    "sigmoid on a critic": (
        lambda: kg.WGAN(generator(), critic(keras.layers.Dense(1), keras.layers.Activation("sigmoid", name="last"))),
        ModelContractError,
        "remove the last activation. Received: outputs in .0, 1. from Sigmoid of layer 'last'",
    ),
    "sigmoid behind a linear activation in float32": (
        lambda: kg.GAN(
            generator(),
            critic(keras.layers.Dense(1, activation="sigmoid"), keras.layers.Activation("linear", dtype="float32")),
        ),
        ModelContractError,
        "outputs in .0, 1. from Sigmoid",
    ),
    "sigmoid as an operation": (
        lambda: kg.GAN(generator(), bounded(keras.ops.sigmoid)),
        ModelContractError,
        "outputs in .0, 1. from Sigmoid",
    ),
    "tanh on a critic": (
        lambda: kg.WGANGP(generator(), critic(keras.layers.Dense(1, activation="tanh"))),
        ModelContractError,
        "any real number.*outputs in .-1, 1. from Tanh of layer '.*'",
    ),
    "networks that share a layer": (
        lambda: sharing(keras.layers.Dense(8)),
        ModelContractError,
        "share the weight.*its own layers",
    ),
    "networks of other classes": (
        lambda: kg.GAN(generator(num_classes=10), kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=3)),
        ModelContractError,
        "generator has 10 classes, the discriminator 3",
    ),
    "two logits": (
        lambda: kg.WGANGP(generator(), critic(keras.layers.Dense(2))),
        ModelContractError,
        r"one logit.*`keras.layers.Dense\(1\)`. Received: an output of shape \(None, 2\)",
    ),
    "a map of logits": (
        lambda: kg.WGANGP(generator(), keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(1, 1)])),
        ModelContractError,
        r"one logit.*\(None, 4, 4, 1\)",
    ),
    "negative penalty": (lambda: kg.WGANGP(generator(), critic(), weight=-10), ValueError, "`weight`.*-10"),
    "n_critic of 0": (
        lambda: kg.WGANGP(generator(), critic(), n_critic=0),
        ValueError,
        "`n_critic`. Expected a positive integer.*n_critic=0",
    ),
    "a number as penalties": (
        lambda: kg.GAN(generator(), critic(), penalties=5.0),
        ValueError,
        "`penalties`. Expected a sequence: put the penalty into a list. Received: 5.0",
    ),
    "a seed an image": (
        lambda: kg.WGANGP(generator(), critic()).generate(2, seed=np.arange(2)),
        ValueError,
        r"`seed`. Expected one integer for all images; pass one for each as `seeds`",
    ),
    "a file without a suffix": (
        lambda: kg.WGANGP(generator(), critic()).save("model"),
        ValueError,
        "`filepath`. Expected a name that ends in .keras",
    ),
    "an array as a shape": (
        lambda: kg.networks.mlp_generator(np.zeros((64, 8, 8, 1))),
        ValueError,
        r"`image_shape`. [^\n]{1,600}$",
    ),
    "latents of another size": (
        lambda: kg.WGANGP(generator(), critic()).predict(np.zeros((2, 7), "float32")),
        ModelContractError,
        r"latents of shape \(n, 3\).*shape \(2, 7\)",
    ),
}
BUILD |= {
    f"learning rate {rate}": (
        lambda rate=rate: kg.WGANGP(generator(), critic()).compile(keras.optimizers.Adam(rate)),
        ValueError,
        rf"`learning_rate`. Expected a number > 0.*Adam\(learning_rate={rate:g}",
    )
    for rate in (0.0, -1.0)
}


@pytest.mark.parametrize("row", BUILD)
def test_models_that_cannot_learn_are_refused_when_they_are_built(row):
    action, error, message = BUILD[row]
    with pytest.raises(error, match=message) as raised:
        action()
    assert "kerasgan" in str(raised.traceback[-1].path)


# Warnings, where a mistake is only likely


def test_labels_without_a_use_are_warned_of():
    gan = kg.GAN(generator(), critic())
    gan.compile()
    with pytest.warns(UserWarning, match="labels are ignored. For a conditional model"):
        gan.fit(batches((images(), np.zeros(16, "int32"))), verbose=0)


@pytest.mark.parametrize(
    "x", some([np.zeros((8, *SHAPE), "float32"), np.repeat(images(1), 8, axis=0)], 1), ids=["black", "same"]
)
def test_images_that_are_all_the_same_are_warned_of(x):
    gan = kg.GAN(generator(), critic())
    gan.compile()
    with pytest.warns(UserWarning, match="first 8 images are all the same"):
        gan.fit(batches(x), verbose=0)


@pytest.mark.slow
def test_a_narrow_range_is_not_refused():
    gan = kg.GAN(generator(), critic())
    gan.compile()
    gan.fit(images(low=-0.2, high=0.3), batch_size=4, verbose=0)
    gan.fit(images(low=0.0, high=0.4), batch_size=4, verbose=0)


# What is said of what works


@pytest.mark.slow
def test_a_dead_critic_stays_finite():
    discriminator = critic()
    discriminator.set_weights([np.zeros_like(weight) for weight in discriminator.get_weights()])
    gan = kg.WGANGP(generator(), discriminator)
    gan.compile()
    history = gan.fit(images(32), batch_size=4, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


@pytest.mark.slow
def test_a_last_partial_batch_is_used():
    gan = kg.WGANGP(generator(), critic(), n_critic=2)
    gan.compile()
    gan.fit(batches(images(10)), epochs=2, verbose=0)
    assert np.isfinite(gan.evaluate(batches(images(10)), verbose=0)).all()


def test_a_learning_rate_of_0_that_a_training_has_come_to_is_loaded(tmp_path):
    gan = kg.GAN(generator(), critic())
    gan.compile()
    gan.d_optimizer.learning_rate.assign(0.0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert float(loaded.d_optimizer.learning_rate.numpy()) == 0.0
    with pytest.raises(ValueError, match="`learning_rate`"):
        loaded.compile(keras.optimizers.Adam(0.0))


# Files


def write_images(root, count=3):
    root.mkdir()
    for number in range(count):
        Image.fromarray(np.full((9, 9, 3), 40 * number, np.uint8)).save(root / f"{number}.png")


BAD_FILES = {
    "truncated": lambda path: path.write_bytes((path.parent / "0.png").read_bytes()[:-30]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not an image"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_named_or_skipped_and_counted(kind, tmp_path):
    write_images(tmp_path / "photos")
    BAD_FILES[kind](tmp_path / "photos/bad.png")
    with pytest.raises(DataError, match=r"on_bad_file='skip'.*1 of 4 files.*bad.png: "):
        kg.datasets.read(str(tmp_path / "photos"))
    source = kg.datasets.read(str(tmp_path / "photos"), on_bad_file="skip")
    assert source.num_examples == 3
    assert any("skipped: 1 (bad.png" in note for note in source.notes)


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(DataError, match=r"\.jpg.*no images found in .*but .txt \(1\)"):
        kg.datasets.read(str(tmp_path))


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    write_images(tmp_path / "photos")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "photos/bomb.png")
    begun = time.process_time()
    with pytest.raises(DataError, match=r"bomb.png: too large: .*400000000 pixels"):
        kg.datasets.read(str(tmp_path / "photos"))
    assert time.process_time() - begun < 5


# Run directories and checkpoints

SMALL = ("train", "--steps=2", "--units=4,4", "--latent_dim=2")


def said(capsys, *arguments):
    assert cli.main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_directory_that_is_in_use_or_cannot_be_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    assert "is a file. Name a directory" in said(capsys, *SMALL, "--workdir=file")
    assert "--workdir=file/run is in file, which is a file" in said(capsys, *SMALL, "--workdir=file/run")
    message = said(capsys, *SMALL, "--workdir=full")
    assert "is not empty. Name another" in message
    assert "--overwrite" in message
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]
    with pytest.raises(RunDirError, match="not empty"):
        run_directory.check_new(tmp_path / "full", overwrite=False)


@pytest.mark.slow
def test_a_truncated_model_is_said_to_be_damaged(tmp_path, capsys):
    assert cli.main([*SMALL, f"--workdir={tmp_path / 'run'}"]) == 0
    path = tmp_path / "run/model.keras"
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[: len(content) // 2], b"", b"text", bytes(flipped)):
        path.write_bytes(damaged)
        capsys.readouterr()
        message = said(capsys, "generate", str(tmp_path / "run"))
        assert re.search(rf"model.keras.* is damaged.*{len(damaged):,} bytes", message), message
        assert "kerasgan resume" in message
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert cli.main(["generate", str(tmp_path / "run"), "--num_images=4"]) == 0
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "is complete: 2 steps" in capsys.readouterr().out


def test_a_checkpoint_of_another_format_or_damaged_is_refused(tmp_path):
    gan = kg.GAN(generator(), critic())
    gan.compile()
    gan.fit(images(), batch_size=4, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path, keep=1)])
    (path,) = kg.checkpoint.checkpoints(tmp_path)
    manifest = path / "manifest.json"
    content = manifest.read_bytes()
    values = kg.checkpoint.json.loads(content)
    del values["sha256"]
    manifest.write_bytes(kg.checkpoint._signed(values | {"format": 99}))
    with pytest.raises(CheckpointVersionError, match=r"format 99; kerasgan .* reads format 1"):
        kg.checkpoint.verify(path)
    manifest.write_bytes(content)
    state = path / "state.npz"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(CheckpointCorruptError, match=r"state\.npz"):
        kg.checkpoint.verify(path)


def trained(x, **kwargs):
    """A WGAN-GP that has made a step on this."""
    gan = kg.WGANGP(generator(**kwargs), critic())
    gan.compile()
    gan.fit(x, batch_size=4, steps_per_epoch=1, verbose=0)
    return gan


@pytest.mark.slow
def test_bytes_may_be_bright():
    """They are scaled here, and in no need of being scaled with `x * 2 - 1`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        trained(np.random.default_rng(0).integers(128, 256, (64, *SHAPE), dtype=np.uint8))


@pytest.mark.parametrize("most", some([2, 17], 0))
def test_bytes_that_are_masks_are_warned_of(most):
    with pytest.warns(UserWarning, match=r"from 0 to \d+, but uint8 images usually use 0 to 255: are they masks"):
        trained(np.random.default_rng(0).integers(0, most, (64, *SHAPE), dtype=np.uint8))


@pytest.mark.slow
def test_large_numbers_for_a_generator_without_bounds_are_warned_of():
    with pytest.warns(
        UserWarning, match=r"to 25\d, and networks learn best from values of about 1. Scale them to \[-1, 1\]"
    ):
        trained(images(64, low=0, high=255), output_activation=None)


def test_a_training_does_not_begin_with_nan(tmp_path):
    gan = kg.WGANGP(generator(), critic())
    gan.compile()
    gan.generator.trainable_variables[0].assign(np.nan * gan.generator.trainable_variables[0])
    with pytest.raises(NonFiniteError, match=r"generator/.*NaN or infinity at step 0, before the training: build"):
        gan.fit(images(), batch_size=4, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path)])
    assert not list(tmp_path.glob("step-*"))


@pytest.mark.slow
def test_a_position_in_the_data_that_is_none_is_refused_and_nothing_is_changed(tmp_path, monkeypatch):
    def train(epochs):
        keras.utils.set_random_seed(0)
        gan = kg.WGANGP(generator(), critic())
        gan.compile()
        saver = kg.callbacks.Checkpoint(tmp_path)
        gan.fit(batches(images(64)), epochs=epochs, steps_per_epoch=1, verbose=0, callbacks=[saver])
        return gan

    train(1)
    monkeypatch.setattr(
        tf.io, "parse_tensor", lambda data, dtype: tf.raw_ops.ParseTensor(serialized=b"x", out_type=dtype)
    )
    made = []
    monkeypatch.setattr(kg.GAN, "state", lambda self, state=kg.GAN.state: made.append(self) or state(self))
    with pytest.raises(CheckpointMismatchError, match=r"position in the data.*name another directory"):
        train(2)
    assert not int(made[-1].step)


def test_only_a_name_of_keras_3_is_saved_under(tmp_path):
    with pytest.raises(ValueError, match=r"`filepath`.*ends in \.keras.*a\.h5"):
        trained(images(64)).save(tmp_path / "a.h5")


def test_a_rate_without_end_is_refused():
    with pytest.raises(ValueError, match=r"`learning_rate`.*inf"):
        kg.GAN(generator(), critic()).compile(keras.optimizers.Adam(np.inf))


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", some([None, 3], 1))
def test_data_of_unknown_rank_are_taken_as_what_they_are(num_classes):
    x, y = images(), np.arange(16) % 3
    parts, specs = ((x,), UNKNOWN) if num_classes is None else ((x, y), (UNKNOWN, tf.TensorSpec(None, tf.int64)))

    def read():
        for start in range(0, 16, 4):
            batch = tuple(part[start : start + 4] for part in parts)
            yield batch if num_classes else batch[0]

    data = TF.from_generator(read, output_signature=specs)
    discriminator = kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=num_classes)
    gan = kg.WGANGP(generator(num_classes=num_classes), discriminator, n_critic=2)
    gan.compile()
    history = gan.fit(data, validation_data=data, verbose=0).history
    assert np.isfinite(history["val_wasserstein"]).all()


@pytest.mark.parametrize("batch_size", [0, -1, 3.5, "32"])
def test_a_batch_size_that_is_none_is_refused_by_evaluate_too(batch_size):
    gan = kg.WGANGP(generator(), critic())
    gan.compile()
    with pytest.raises(ValueError, match=r"`batch_size`. Expected a positive integer"):
        gan.evaluate(images(), batch_size=batch_size, verbose=0)


@pytest.mark.parametrize("value", [0, True, 2.0, "2", None, np.float32(2)])
def test_a_count_is_a_positive_integer(value):
    with pytest.raises(ValueError, match=r"`n_critic`. Expected a positive integer. Received: n_critic="):
        kg.WGANGP(generator(), critic(), n_critic=value)
    with pytest.raises(ValueError, match=r"`batch_size`. Expected a positive integer. Received: batch_size="):
        kg.datasets.from_arrays(images(), batch_size=value)


@pytest.mark.parametrize("make", [kg.networks.mlp_generator, kg.networks.mlp_discriminator])
def test_no_classes_are_none(make):
    message = "`num_classes`. Expected a positive integer, or None for an unconditional network. Received: .*=0"
    with pytest.raises(ValueError, match=message):
        make(SHAPE, num_classes=0)


def test_an_integer_of_numpy_is_one(tmp_path):
    gan = kg.WGANGP(generator(), critic(), n_critic=np.int64(2), pack=np.uint8(1))
    gan.save(tmp_path / "gan.keras")
    assert type(keras.models.load_model(tmp_path / "gan.keras").n_critic) is int
    same = [kg.datasets.from_arrays(images(), batch_size=one).digest for one in (4, np.int32(4))]
    assert same[0] == same[1]
    own = kg.networks.mlp_generator(SHAPE, np.int64(3), (8,), num_classes=np.int64(2))
    other = kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=np.int64(2))
    assert type(kg.GAN(own, other, seed=np.uint8(7)).seed) is int
    columns, padding = np.uint8(4), np.uint8(2)
    assert kg.images.grid(np.zeros((8, 28, 28, 1)), columns, padding, np.uint8(1)).shape == (62, 122, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gp_weight": 10.0}, r"`gp_weight`. Expected `weight`. Received: gp_weight= for WGANGP"),
        ({"discriminator_extra_steps": 3}, r"Expected `n_critic`"),
        ({"latent_dim": 64}, r"to be left out: it is the size of the generator's input"),
        ({"lr": 1e-4}, r"to be left out: set it on the optimizers, in `compile`"),
        ({"colour": 1}, r"`colour`. Expected one of generator, discriminator, weight, .*Received: colour= for WGANGP"),
    ],
)
def test_an_argument_that_a_model_does_not_have_is_answered_with_what_it_has(arguments, message):
    with pytest.raises(ValueError, match=message):
        kg.WGANGP(generator(), critic(), **arguments)
    assert kg.WGANGP(generator(), critic(), name="mine", dtype="float32").name == "mine"


def test_arguments_that_a_subclass_hands_on_are_known():
    class Mine(kg.R3GAN):
        def __init__(self, *args, extra=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = extra

    assert Mine(generator(), critic(), ema_momentum=0.9, activity_regularizer=None).ema_momentum == 0.9
    with pytest.raises(ValueError, match=r"`gp_weight`. Expected `gamma`. Received: gp_weight= for Mine"):
        Mine(generator(), critic(), gp_weight=1.0)
    with pytest.raises(ValueError, match=r"`colour`. Expected one of extra, generator, discriminator, gamma"):
        Mine(generator(), critic(), colour=1)
