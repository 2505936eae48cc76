import errno
import math
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from selection import some

from kerasgan import callbacks, datasets
from kerasgan.cli import main, run_directory
from kerasgan.cli.export import without_place
from kerasgan.datasets import reachability, resizing, tfds
from kerasgan.errors import DataError, DataTypeError, RunDirError


def epoch(dataset):
    """All elements of one pass, as one array (or a tuple of arrays)."""
    elements = list(dataset.as_numpy_iterator())
    if isinstance(elements[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*elements, strict=True))
    return np.concatenate(elements)


def numbered(n, shape=(1, 1, 1)):
    """n uint8 images, image k being all k."""
    return np.arange(n, dtype=np.uint8).reshape(n, *(1,) * len(shape)) * np.ones((1, *shape), np.uint8)


def to_levels(images):
    return np.rint((images + 1) * 127.5).astype(np.uint8)


# ------------------------------------------------------------------------------------------------ batches


def test_uint8_is_scaled_to_minus_one_to_one():
    # x / 127.5 - 1: 0 -> -1, 51 -> -0.6, 255 -> 1.
    images = np.array([[0, 51], [255, 204]], np.uint8)
    batch = next(iter(datasets.from_arrays(images, batch_size=2, shuffle=False)))
    np.testing.assert_allclose(batch, [[-1, -0.6], [1, 0.6]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (3, 4), (4, 4, 3), (2, 2, 2, 1)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_of_any_rank_pass_unchanged(shape, dtype):
    images = np.random.default_rng(0).uniform(-4, 4, (6, *shape)).astype(dtype)
    dataset = datasets.from_arrays(images, batch_size=3, shuffle=False)
    assert dataset.element_spec == tf.TensorSpec((3, *shape), tf.float32)
    np.testing.assert_array_equal(epoch(dataset), images.astype("float32"))


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"dequantize": True}, {"flip": True, "dequantize": True}])
@pytest.mark.parametrize("labels", [False, True])
def test_shapes_are_static_and_the_cardinality_is_known(options, labels):
    dataset = datasets.load("digits", 32, labels=labels, **options)
    image_spec, label_spec = tf.TensorSpec((32, 8, 8, 1), tf.float32), tf.TensorSpec((32,), tf.int32)
    assert dataset.element_spec == ((image_spec, label_spec) if labels else image_spec)
    assert dataset.cardinality() == 1797 // 32 == len(list(dataset))


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_shows_distinct_examples(shuffle):
    levels = to_levels(epoch(datasets.from_arrays(numbered(100), batch_size=32, shuffle=shuffle))).ravel()
    # 3 full batches of 32; nothing twice.
    assert len(levels) == len(set(levels)) == 96
    assert (levels.tolist() == list(range(96))) is not shuffle


def test_each_iteration_has_a_new_order_that_the_seed_decides():
    def orders(seed):
        dataset = datasets.from_arrays(numbered(100), batch_size=50, seed=seed)
        return [to_levels(epoch(dataset)).ravel().tolist() for _ in range(2)]

    first, second = orders(seed=0)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(100))
    assert orders(seed=0) == [first, second]
    assert orders(seed=1)[0] != first


def test_the_examples_left_out_are_other_ones_each_time():
    dataset = datasets.from_arrays(numbered(100), batch_size=64)
    assert len({frozenset(to_levels(epoch(dataset)).ravel().tolist()) for _ in range(3)}) == 3


def test_labels_stay_with_their_images():
    images, labels = epoch(datasets.from_arrays(numbered(100), np.arange(100) * 7, 20, flip=True))
    np.testing.assert_array_equal(labels, to_levels(images).ravel().astype(int) * 7)
    assert labels.dtype == np.int32


def test_half_of_the_images_are_mirrored_whole_and_others_each_time():
    digits = datasets.read("digits").images
    dataset = datasets.from_arrays(digits, batch_size=599, shuffle=False, flip=True)  # 1797 = 3 * 599
    chosen = []
    for _ in range(2):
        shown = to_levels(epoch(dataset))
        same = (shown == digits).all((1, 2, 3))
        mirrored = (shown == digits[:, :, ::-1]).all((1, 2, 3))
        assert (same | mirrored).all()
        # Binomial(1797, 1/2) has a standard deviation of 1.2 %; 5 of them.
        assert abs(mirrored[same != mirrored].mean() - 0.5) < 0.06
        chosen.append(mirrored & ~same)
    assert (chosen[0] != chosen[1]).mean() > 0.4


def test_dequantizing_fills_each_grey_level_uniformly():
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1), dtype=np.uint8)
    dataset = datasets.from_arrays(images, batch_size=64, shuffle=False, dequantize=True)
    first, second = epoch(dataset), epoch(dataset)
    # (x + u) / 128 - 1, so u = (y + 1) * 128 - x; U[0, 1] has mean 1/2 and variance 1/12.
    noise = (first.astype(np.float64) + 1) * 128 - images
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert first.max() <= 1
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(noise.var() - 1 / 12) < 0.002
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.03
    assert (first != second).mean() > 0.99


def test_flips_and_noise_of_one_batch_are_independent():
    images = np.zeros((2000, 1, 2, 1), np.uint8)
    images[:, 0, 0] = 100
    shown = (epoch(datasets.from_arrays(images, batch_size=2000, flip=True, dequantize=True)) + 1) * 128
    flipped = shown[:, 0, 1, 0] > 50
    noise = (shown % 1).ravel()[:2000]
    # The same random numbers, in their order, would give a correlation of 0.87; independent ones deviate by 0.022.
    assert abs(np.corrcoef(flipped, noise)[0, 1]) < 0.11


@pytest.mark.parametrize("consumed", some([5, 12, 18, 24, 30], 1, 3))
@pytest.mark.parametrize("streamed", [False, True])
def test_an_iterator_restored_from_a_checkpoint_continues_exactly(tmp_path, streamed, consumed, monkeypatch, prepared):
    # 12 batches make an epoch: saved within the first, at its end, within the second, at its end, within the third.
    def iterator():
        if streamed:
            monkeypatch.setattr(tfds, "MEMORY_LIMIT", 0)
            monkeypatch.setattr(tfds, "SHUFFLE_BUFFER", 100)
            dataset = datasets.load(
                "mnist", 16, split="test[:200]", labels=True, flip=True, dequantize=True, data_dir=prepared
            )
        else:
            dataset = datasets.load("digits", 144, labels=True, flip=True, dequantize=True)
        # Reading ahead is safe after `repeat`.
        return iter(dataset.repeat().prefetch(2))

    first = iterator()
    for _ in range(consumed):
        next(first)
    path = tf.train.Checkpoint(iterator=first).save(tmp_path / "data")
    expected = [next(first) for _ in range(30)]
    second = iterator()
    tf.train.Checkpoint(iterator=second).restore(path)
    for (images, labels), (restored_images, restored_labels) in zip(expected, second, strict=False):
        np.testing.assert_array_equal(restored_images, images)
        np.testing.assert_array_equal(restored_labels, labels)
    assert len({images.numpy().tobytes() for images, _ in expected}) == 30


def test_a_checkpoint_of_an_iterator_is_small(tmp_path):
    iterator = iter(datasets.from_arrays(np.zeros((60_000, 1), np.uint8), batch_size=64).repeat())
    next(iterator)
    tf.train.Checkpoint(iterator=iterator).save(tmp_path / "data")
    # The order takes 4 bytes an example, 240 kB; a buffer of shuffled indices took 17 MB.
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1e6


@pytest.mark.slow
def test_two_replicas_share_each_batch():
    code = (
        "import tensorflow as tf, kerasgan.datasets as d\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])\n"
        "whole = next(iter(d.load('digits', 64)))\n"
        "parts = strategy.experimental_local_results("
        "next(iter(strategy.experimental_distribute_dataset(d.load('digits', 64)))))\n"
        "print([tuple(p.shape) for p in parts], bool(tf.reduce_all(tf.concat(parts, 0) == whole)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[(32, 8, 8, 1), (32, 8, 8, 1)] True"


def test_a_data_set_too_small_for_one_batch_is_refused_with_both_numbers():
    with pytest.raises(DataError, match=r"at most 8,.*8 examples, batch_size=16"):
        datasets.from_arrays(numbered(8), batch_size=16)
    with pytest.raises(DataError, match=r"at least one image. Received: 0 images"):
        datasets.from_arrays(numbered(0), batch_size=16)
    with pytest.raises(DataError, match=r"at most 1797,.*1797 examples, batch_size=2000"):
        datasets.load("digits", 2000)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, None])
def test_a_batch_size_that_is_none_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"`batch_size`.*positive integer.*batch_size={batch_size}"):
        datasets.from_arrays(numbered(8), batch_size=batch_size)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((8, 4, 4, 1), int), DataTypeError, r"`images \* 2.0 - 1`.*int64 from 0 to 0"),
        (np.array(["a"] * 8), DataTypeError, "dtype=<U1"),
        (np.array([{}] * 8), DataTypeError, "one shape.*dtype=object"),
        ([[1.0], [1.0, 2.0]], DataTypeError, "one shape.*pad or resize.*list"),
        (np.zeros(8, np.float32), DataError, r"images\[:, None\].*shape \(8,\)"),
    ],
)
def test_what_is_not_an_array_of_images_is_refused(images, error, message):
    with pytest.raises(error, match=message):
        datasets.from_arrays(images, batch_size=2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_not_finite_is_found(value):
    images = np.zeros((8, 4, 4, 1), np.float32)
    images[5, 1, 2, 0] = images[7, 0, 0, 0] = value
    with pytest.raises(DataError, match=r"2 of 8 examples, first in images\[5\]"):
        datasets.from_arrays(images, batch_size=2)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.zeros(8, np.float32), DataTypeError, r"tf.cast\(labels, tf.int32\).*dtype float32"),
        (np.zeros(7, int), DataError, "8 images and 7 labels"),
        (np.eye(8, dtype=int), DataError, r"argmax\(labels, axis=-1\).*shape \(8, 8\)"),
        (np.full(8, -1), DataError, r"from -1 to -1"),
    ],
)
def test_labels_that_are_no_class_indices_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        datasets.from_arrays(numbered(8), labels, batch_size=2)


def test_labels_of_one_column_are_taken_as_a_vector():
    _, labels = epoch(datasets.from_arrays(numbered(8), np.arange(8)[:, None], 8, shuffle=False))
    np.testing.assert_array_equal(labels, np.arange(8))


def test_options_that_do_not_fit_the_data_are_refused():
    with pytest.raises(DataError, match=r"`flip`.*flip=False.*\(8, 2\)"):
        datasets.from_arrays(np.zeros((8, 2), np.float32), batch_size=2, flip=True)
    with pytest.raises(DataError, match=r"`dequantize`.*dequantize=False.*float32"):
        datasets.from_arrays(np.zeros((8, 2), np.float32), batch_size=2, dequantize=True)


# ------------------------------------------------------------------------------------------- names and digits


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    source, bunch = datasets.read("digits"), load_digits()
    assert source.images.shape == (1797, 8, 8, 1)
    assert source.images.dtype == np.uint8
    assert source.labels.dtype == np.int32
    # 17 levels, 0 to 16, over 0 to 255: 16 -> 255, 8 -> 127.5 -> 128 (to even).
    assert {int(level) for level in np.unique(source.images)} == {round(k * 255 / 16) for k in range(17)}
    np.testing.assert_array_equal(np.rint(source.images[..., 0] / 255 * 16), bunch.images)
    np.testing.assert_array_equal(source.labels, bunch.target)
    assert (source.num_examples, source.example_shape, source.num_classes) == (1797, (8, 8, 1), 10)


def test_digits_have_one_split():
    with pytest.raises(DataError, match=r"Expected 'train', the only split of 'digits'.*split='test'"):
        datasets.load("digits", split="test")


@pytest.mark.parametrize(("image_size", "channels", "shape"), [(16, None, (16, 16, 1)), (None, 3, (8, 8, 3))])
def test_arrays_are_resized_and_given_channels_on_request(image_size, channels, shape):
    source = datasets.read("digits", image_size=image_size, channels=channels)
    assert source.example_shape == shape
    assert len(source.notes) == 1
    if channels == 3:
        np.testing.assert_array_equal(source.images, np.repeat(datasets.read("digits").images, 3, -1))


def test_an_unknown_name_lists_what_there_is_and_what_is_close():
    with pytest.raises(DataError, match=r"digits, ring, grid, swiss_roll, stacked_mnist.*'digitz'.*mean 'digits'"):
        datasets.load("digitz")
    with pytest.raises(DataError, match=r"path of a folder.*TensorFlow dataset.*'mnits'.*mean 'mnist'"):
        datasets.read("mnits")


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/no/where", "nowhere.npz", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_name(name):
    with pytest.raises(DataError, match=r"a path that exists; check it.*no such file or folder"):
        datasets.load(name)


@pytest.mark.parametrize(
    "option",
    [
        *({"image_size": size} for size in (0, 2.5, "48x64", True, math.nan, (4,), (8, 0), (8, "8"), (8, 8, 3))),
        *({"channels": channels} for channels in (2, 4)),
        *({"fit": fit} for fit in ("stretch", None, ["crop"])),
        {"on_bad_file": "ignore"},
    ],
)
def test_options_out_of_range_are_named(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {re.escape(f'{name}={value!r}')}"):
        datasets.load("digits", **option)


@pytest.mark.slow
def test_importing_datasets_does_not_import_what_only_some_of_them_need():
    code = (
        "import sys, kerasgan.datasets as d; d.load('ring')\n"
        "print([m for m in ('tensorflow_datasets', 'sklearn.datasets') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


# ------------------------------------------------------------------------------------------------ synthetic


@pytest.mark.parametrize(
    ("name", "centres", "std"), [("ring", datasets.ring_modes(), 0.01), ("grid", datasets.grid_modes(), 0.05)]
)
def test_points_lie_around_their_modes(name, centres, std):
    source = datasets.read(name)
    assert source.images.shape == (100_000, 2)
    assert source.images.dtype == np.float32
    assert source.num_classes == len(centres)
    offsets = source.images - centres[source.labels]
    np.testing.assert_allclose(offsets.std(axis=0), std, rtol=0.02)
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=5 * std / 100_000**0.5)
    # Rayleigh: within 3 standard deviations lie 1 - exp(-4.5) = 98.89 % of them; 0.03 % is one deviation of that.
    assert abs((np.linalg.norm(offsets, axis=1) < 3 * std).mean() - (1 - np.exp(-4.5))) < 0.002
    # Each mode holds 1/k of the points, to 5 binomial deviations.
    share = np.bincount(source.labels) / 100_000
    np.testing.assert_allclose(share, 1 / len(centres), atol=5 * (1 / len(centres) / 100_000) ** 0.5)


def test_the_modes_are_where_the_papers_put_them():
    np.testing.assert_allclose(np.linalg.norm(datasets.ring_modes(), axis=1), 1, rtol=1e-6)
    # Eight on a circle of radius 1: neighbours are 2 sin(pi / 8) apart.
    gaps = np.linalg.norm(np.diff(datasets.ring_modes(), axis=0, append=[[1, 0]]), axis=1)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 8), rtol=1e-5)
    axis = {-4, -2, 0, 2, 4}
    assert {tuple(centre) for centre in datasets.grid_modes().tolist()} == {(x, y) for x in axis for y in axis}
    points, labels = datasets.ring(1000, modes=3, radius=5.0, std=0.0)
    np.testing.assert_allclose(points, datasets.ring_modes(3, 5.0)[labels])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 5, rtol=1e-6)


def test_the_swiss_roll_is_the_spiral_of_the_toy_experiments():
    points, labels = datasets.swiss_roll(5000, noise=0.0)
    assert labels is None
    # scikit-learn's roll: (t cos t, t sin t), t from 1.5 pi to 4.5 pi; here divided by 7.5.
    t = np.linalg.norm(points, axis=1) * 7.5
    assert t.min() > 1.5 * np.pi - 1e-3
    assert t.max() < 4.5 * np.pi + 1e-3
    np.testing.assert_allclose(points * 7.5, np.stack([t * np.cos(t), t * np.sin(t)], 1), atol=1e-3)
    noisy, _ = datasets.swiss_roll(5000)
    # The same rolls (the same seed draws t first), so that the difference is the noise: 0.25 / 7.5.
    np.testing.assert_allclose((noisy - points).std(axis=0), 0.25 / 7.5, rtol=0.05)
    assert datasets.read("swiss_roll").num_classes is None


@pytest.mark.parametrize("draw", [datasets.ring, datasets.grid, datasets.swiss_roll])
def test_points_are_a_function_of_the_seed(draw):
    np.testing.assert_array_equal(draw(100, seed=3)[0], draw(100, seed=3)[0])
    assert (draw(100, seed=3)[0] != draw(100, seed=4)[0]).any()


def test_points_are_batched_without_rescaling():
    points = epoch(datasets.load("grid", 100))
    assert points.shape == (100_000, 2)
    np.testing.assert_array_equal(np.sort(points, 0), np.sort(datasets.read("grid").images, 0))


def test_points_have_no_image_options_and_the_roll_no_labels():
    with pytest.raises(DataError, match=r"points, not images.*image_size=32"):
        datasets.load("ring", image_size=32)
    with pytest.raises(DataError, match=r"`labels`. Expected False, because 'swiss_roll' has no labels"):
        datasets.load("swiss_roll", labels=True)


# -------------------------------------------------------------------------------------- TensorFlow Datasets


# What TensorFlow Datasets calls its sets, and how many random images of them are prepared: train, test.
PREPARED = {"mnist": ("3.0.1", (28, 28, 1), (120, 300)), "cifar10": ("3.0.2", (32, 32, 3), (80, 20))}


def drawn(name, split):
    """The images and labels that `prepared` has written."""
    _, shape, sizes = PREPARED[name]
    count = dict(zip(("train", "test"), sizes, strict=True))[split]
    rng = np.random.default_rng(count)
    return {"image": rng.integers(0, 256, (count, *shape), dtype=np.uint8), "label": np.arange(count) % 10}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of TensorFlow Datasets with sets of the names and formats of real ones: nothing is downloaded."""
    import tensorflow_datasets

    features, folder = tensorflow_datasets.features, tmp_path_factory.mktemp("tensorflow_datasets")
    for name, (version, shape, _) in PREPARED.items():
        tensorflow_datasets.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=version,
            data_dir=folder,
            features=features.FeaturesDict(
                {"image": features.Image(shape=shape), "label": features.ClassLabel(num_classes=10)}
            ),
            split_datasets={
                split: tf.data.Dataset.from_tensor_slices(drawn(name, split)) for split in ("train", "test")
            },
            disable_shuffling=True,
        )
    return folder


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_set_of_tensorflow_datasets_is_read_whole(name, split, prepared):
    images, labels = drawn(name, split).values()
    source = datasets.read(name, split=split, data_dir=prepared)
    np.testing.assert_array_equal(source.images, images)
    assert source.images.dtype == np.uint8
    assert source.labels.tolist() == labels.tolist()
    assert source.class_names == tuple("0123456789")
    assert source.name == f"{name}/{PREPARED[name][0]}"
    assert source.notes == ()


@pytest.mark.parametrize("name", PREPARED)
def test_load_gives_the_images_that_read_gives(name, prepared):
    images, labels = epoch(datasets.load(name, 20, labels=True, shuffle=False, data_dir=prepared))
    np.testing.assert_array_equal(to_levels(images), drawn(name, "train")["image"])
    assert labels.tolist() == drawn(name, "train")["label"].tolist()


@pytest.mark.slow
def test_the_command_trains_on_a_set_of_tensorflow_datasets(prepared, tmp_path):
    arguments = ["--dataset=cifar10", f"--data_dir={prepared}", "--network=mlp", "--units=4", "--model=gan"]
    arguments += ["--steps=2", "--batch_size=10", "--conditional", f"--workdir={tmp_path / 'run'}"]
    assert main(["train", *arguments]) == 0
    assert main(["generate", str(tmp_path / "run"), "--num_images=3", f"--out={tmp_path / 'images.npz'}"]) == 0
    with np.load(tmp_path / "images.npz") as file:
        assert file["images"].shape == (3, 32, 32, 3)


def test_what_does_not_fit_in_memory_is_streamed_just_the_same(monkeypatch, prepared):
    size = {"split": "test", "image_size": 32, "channels": 3, "data_dir": prepared}
    options = {"labels": True, **size}
    expected = epoch(datasets.load("mnist", 64, shuffle=False, **options))
    monkeypatch.setattr(tfds, "MEMORY_LIMIT", 300 * 32 * 32 * 3 - 1)
    with pytest.raises(DataError, match=r"`load`.*smaller `image_size`.*0.0 GiB as 300 images of shape \(32, 32, 3\)"):
        datasets.read("mnist", **size)
    streamed = datasets.load("mnist", 64, shuffle=False, **options)
    assert streamed.element_spec == (tf.TensorSpec((64, 32, 32, 3), tf.float32), tf.TensorSpec((64,), tf.int32))
    assert streamed.cardinality() == 4
    for images, labels in (epoch(streamed), epoch(streamed)):
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])


def test_a_stream_has_labels_or_says_that_there_are_none(monkeypatch, prepared):
    monkeypatch.setattr(tfds, "MEMORY_LIMIT", 0)
    monkeypatch.setattr(tfds, "class_names", lambda builder: None)
    with pytest.raises(DataError, match=r"`labels`. Expected False, because 'mnist' has no labels"):
        datasets.load("mnist", 50, split="test[:250]", labels=True, data_dir=prepared)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, rng):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / name / "1.png")
    scandir = os.scandir

    def denied(path):
        if pathlib.Path(path).name == "cats":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match=r"folders that can be read: allow.*skip.*cats: Permission denied"):
        datasets.read(tmp_path)
    source = datasets.read(tmp_path, on_bad_file="skip")
    assert source.num_examples == 1
    assert "folders that cannot be read, skipped: 1 (cats: Permission denied)" in source.notes[-1]
    assert not any("no classes" in note for note in source.notes)


def test_infinity_in_any_split_of_an_archive_is_named(tmp_path):
    train, test = np.ones((4, 4, 4, 1), "float32"), np.ones((4, 4, 4, 1), "float32")
    test[2, 0] = np.inf
    np.savez(tmp_path / "data.npz", x_train=train, x_test=test)
    with pytest.raises(DataError, match=r"`x_test`. Expected finite numbers.*first in x_test\[2\]"):
        datasets.read(tmp_path / "data.npz")
    test[2, 0] = np.nan  # has no part in the range
    np.savez(tmp_path / "data.npz", x_train=train, x_test=test)
    assert datasets.read(tmp_path / "data.npz").num_examples == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", r"`name_or_path`. Expected a name or a path; '.' is the current directory. Received: ''"),
        (["a.png", "b.png"], r"`name_or_path`. Expected one name or path; for a list of files, the folder"),
        (None, r"`name_or_path`. Expected one name or path"),
        (r"C:\\Users\\me\\photos", r"write '/' between folders.*no such file or folder"),
    ],
)
@pytest.mark.parametrize("reader", [datasets.read, datasets.load])
def test_what_names_no_dataset_is_refused(reader, name, message):
    with pytest.raises((DataError, DataTypeError), match=message):
        reader(name)


def test_other_arrays_of_an_archive_are_noted(tmp_path, rng):
    images = rng.integers(0, 256, (8, 6, 6, 3)).astype("uint8")
    np.savez(tmp_path / "data.npz", images=images, x_test=images, masks=images, class_names=["a", "b"])
    assert "arrays of other names, ignored: masks, class_names" in datasets.read(tmp_path / "data.npz").notes
    np.savez(tmp_path / "alone.npz", masks=images)
    assert not datasets.read(tmp_path / "alone.npz").notes
    np.savez(tmp_path / "matlab.npz", images=images.transpose(1, 2, 3, 0))
    with pytest.raises(DataError, match=r"images along the first axis.*images.transpose\(3, 0, 1, 2\).*\(6, 6, 3, 8\)"):
        datasets.read(tmp_path / "matlab.npz")


@pytest.mark.parametrize("option", [{"value_range": (0, 10)}, {"keep_depth": True}])
def test_options_of_images_are_refused_for_points(tmp_path, option):
    np.savez(tmp_path / "points.npz", np.ones((4, 2), "float32"))
    with pytest.raises(DataError, match=f"`{next(iter(option))}`.* holds points, not images"):
        datasets.read(tmp_path / "points.npz", **option)


@pytest.mark.parametrize("name", ["shuffle", "flip", "dequantize"])
def test_a_flag_that_is_no_boolean_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}`. Expected True or False. Received: {name}='False'"):
        datasets.load("digits", **{name: "False"})
    with pytest.raises(ValueError, match=f"`{name}`. Expected True or False. Received: {name}=1.0"):
        datasets.load("digits", **{name: 1.0})


def test_a_stream_is_shuffled_anew_by_its_seed(monkeypatch, prepared):
    monkeypatch.setattr(tfds, "MEMORY_LIMIT", 0)

    def orders(seed):
        dataset = datasets.load("mnist", 50, split="test[:250]", seed=seed, data_dir=prepared)
        return [[image.tobytes() for image in epoch(dataset)] for _ in range(2)]

    first, second = orders(0)
    assert first != second
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 250
    assert orders(0) == [first, second]
    assert orders(1)[0] != first
    with pytest.raises(DataError, match="250 examples, batch_size=256"):
        datasets.load("mnist", 256, split="test[:250]", data_dir=prepared)


def test_a_split_that_a_set_does_not_have_is_refused(prepared):
    with pytest.raises(DataError, match=r"one of train, test, the splits of 'mnist'.*split='valid'"):
        datasets.load("mnist", split="valid", data_dir=prepared)


def test_stacked_mnist_stacks_three_digits_with_their_label(prepared):
    label_of = {image.tobytes(): label for image, label in zip(*drawn("mnist", "train").values(), strict=True)}
    images, labels = datasets.stacked_mnist(2000, data_dir=prepared)
    assert images.shape == (2000, 28, 28, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int32
    for image, label in zip(images, labels, strict=True):
        red, green, blue = (label_of[image[..., k : k + 1].tobytes()] for k in range(3))
        assert label == 100 * red + 10 * green + blue
    # Channels are drawn apart: 1 in 10 pairs of digits agree, not all.
    assert 0.05 < (labels // 100 == labels % 10).mean() < 0.15


def test_stacked_mnist_by_name_has_its_128_000_images_of_1000_modes(prepared):
    source = datasets.read("stacked_mnist", data_dir=prepared)
    assert source.images.shape == (128_000, 28, 28, 3)
    assert source.num_classes == 1000
    assert len(np.unique(source.labels)) == 1000


def test_a_set_that_cannot_be_downloaded_says_where_it_was_sought(tmp_path, monkeypatch):
    import tensorflow_datasets

    def offline(self, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(reachability, "unreachable", lambda urls: {})
    monkeypatch.setattr(tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", offline)
    with pytest.raises(DataError, match=rf"prepared in {tmp_path}.*tfds build mnist.*data_dir.*'mnist'.*no route"):
        datasets.load("mnist", data_dir=tmp_path)


def test_without_a_network_no_download_is_tried_unless_files_are_there(tmp_path, monkeypatch):
    import tensorflow_datasets

    asked = []
    monkeypatch.setattr(reachability, "unreachable", lambda urls: asked.extend(urls) or {"a.host": "unknown"})
    monkeypatch.setattr(
        tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", lambda self: pytest.fail("downloads")
    )
    with pytest.raises(DataError, match=r"'digits' or a folder.*'mnist' .*not on disk, and no host .*: a.host: unkn"):
        datasets.load("mnist", data_dir=tmp_path)
    assert len(asked) == 4
    (tmp_path / "downloads/mnist").mkdir(parents=True)
    (tmp_path / "downloads/mnist/train.gz.INFO").write_text(f'{{"urls": ["{asked[0]}"]}}')
    with pytest.raises(pytest.fail.Exception, match="downloads"):
        datasets.load("mnist", data_dir=tmp_path)


@pytest.fixture
def listening():
    """The port of a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_host_is_reached_itself_or_through_its_proxy(listening, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
    here, nowhere = f"http://127.0.0.1:{listening}/x", f"http://127.0.0.1:{closed}/x"
    assert reachability.unreachable([]) == {}
    assert reachability.unreachable([nowhere, here]) == {}
    assert reachability.unreachable([nowhere]) == {"127.0.0.1": "Connection refused"}
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{listening}")
    assert reachability.unreachable(["https://nowhere.invalid/x"]) == {}
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{closed}")
    assert reachability.unreachable(["https://nowhere.invalid/x"]) == {"127.0.0.1": "Connection refused"}


def test_a_host_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(reachability, "_SECONDS", 0.05)
    monkeypatch.setattr(reachability, "_connect", lambda host, port, results: time.sleep(0.5))
    begun = time.monotonic()
    assert reachability.unreachable(["http://a.host/x", "http://a.host/y"]) == {"a.host": "no answer in 0.05 s"}
    assert time.monotonic() - begun < 0.4


def test_a_set_without_images_is_refused_before_it_is_downloaded(tmp_path, monkeypatch):
    import tensorflow_datasets

    monkeypatch.setattr(
        tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", lambda self: pytest.fail("downloads")
    )
    with pytest.raises(DataError, match=r"with a feature `image`.*'imdb_reviews'.*text"):
        datasets.load("imdb_reviews", data_dir=tmp_path)


def test_a_configuration_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"check the part after.*'mnist/nope'"):
        datasets.load("mnist/nope", data_dir=tmp_path)


@pytest.mark.parametrize(("size", "fit"), [((32, 32), "crop"), *(((24, 40), fit) for fit in resizing.FITS)])
@pytest.mark.parametrize("shape", [(50, 70, 3), (70, 50, 1), (20, 20, 3)])
def test_resizing_in_tensorflow_is_that_of_pillow(shape, size, fit):
    # Smooth, so that a shift by half a pixel or the other kernel would show: those differ by 5 levels and more.
    y, x, c = np.meshgrid(*map(np.arange, shape), indexing="ij")
    image = (127 + 60 * np.sin(x / 4 + c) + 60 * np.cos(y / 5)).astype(np.uint8)
    ours = tfds._fit(tf.constant(image), (*size, shape[-1]), fit).numpy()
    pillow = resizing.fit_images(image[None], size, None, fit)[0][0]
    assert ours.shape == pillow.shape == (*size, shape[-1])
    assert np.abs(ours.astype(int) - pillow).max() <= 2


def test_transparent_images_of_tensorflow_datasets_are_put_on_white():
    image = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 51]]], np.uint8)
    # Alpha 0 is white, 255 the colour, and black at 51 / 255 = 0.2 is 0.8 * 255 = 204.
    shown = tfds._convert_channels(tf.constant(image), 3)
    np.testing.assert_array_equal(shown[0], [[255, 255, 255], [10, 20, 30], [204, 204, 204]])


# -------------------------------------------------------------------------------------------------- folders


def write(path, pixels, **options):
    """Save an array or a Pillow image, by default as an 8 x 8 RGB image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(path, **options)
    return path


def colour(*rgb, size=(8, 8)):
    return Image.new("RGB", size, rgb)


def png_header(path, width, height):
    """A PNG file that claims a size and has no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))


def test_sub_folders_are_the_classes(tmp_path):
    for name, level in [("dogs/2.png", 20), ("cats/1.png", 10), ("dogs/1.png", 15), ("cats/ä ü 猫.PNG", 12)]:
        write(tmp_path / name, colour(level, 0, 0))
    source = datasets.read(tmp_path)
    # In the order of their paths.
    assert source.images[:, 0, 0, 0].tolist() == [10, 12, 15, 20]
    assert source.labels.tolist() == [0, 0, 1, 1]
    assert source.labels.dtype == np.int32
    assert source.class_names == ("cats", "dogs")
    assert source.example_shape == (8, 8, 3)
    assert source.notes == ()
    images, labels = next(iter(datasets.load(tmp_path, 4, labels=True, shuffle=False)))
    np.testing.assert_array_equal(to_levels(images.numpy()), source.images)
    np.testing.assert_array_equal(labels, source.labels)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["10", "9", "0", "100"], ["0", "9", "10", "100"]),
        (["010", "9", "09"], ["09", "9", "010"]),
        (["10", "9", "a"], ["10", "9", "a"]),
        (["class 10", "class 9"], ["class 10", "class 9"]),
        (["10", "9", "²"], ["10", "9", "²"]),
    ],
)
def test_classes_that_are_numbers_are_in_the_order_of_the_numbers(tmp_path, folders, expected):
    for name in folders:
        write(tmp_path / name / "1.png", colour(len(name), 2, 3))
    source = datasets.read(tmp_path)
    assert source.class_names == tuple(expected)
    in_order_of_paths = [expected.index(name) for name in sorted(folders)]
    assert source.labels.tolist() == in_order_of_paths


@pytest.mark.parametrize("names", [["a.png", "b.png"], ["a.png", "x/b.png"], ["x/y/a.png", "x/z/b.png"]])
def test_images_at_any_other_depth_have_no_labels(tmp_path, names):
    for name in names:
        write(tmp_path / name, colour(1, 2, 3))
    source = datasets.read(str(tmp_path))
    assert source.num_examples == 2
    assert source.labels is None
    assert source.class_names is None
    with pytest.raises(DataError, match=r"no labels.*sub-folder"):
        datasets.load(tmp_path, 2, labels=True)


def test_splits_with_classes_are_noted_with_the_one_to_read(tmp_path):
    for name in ("train/cats/1.png", "train/cats/2.png", "train/dogs/1.png", "test/cats/1.png"):
        write(tmp_path / name, colour(1, 2, 3))
    (note,) = datasets.read(tmp_path).notes
    assert note.startswith("no classes: these are in sub-folders of sub-folders; read one, e.g. ")
    assert datasets.read(note.split("'")[1]).class_names == ("cats", "dogs")


def test_sub_folders_that_are_no_classes_are_noted(tmp_path):
    for name in ("cats/1.png", "dogs/1.png"):
        write(tmp_path / name, colour(1, 2, 3))
    for name in ("birds", ".cache"):
        (tmp_path / name).mkdir()
    source = datasets.read(tmp_path)
    assert source.class_names == ("cats", "dogs")
    assert source.notes == ("sub-folders without an image, which are no classes: 1 (birds)",)
    for name in ("loose.png", "cats/more/2.png"):
        write(tmp_path / name, colour(1, 2, 3))
    source = datasets.read(tmp_path)
    assert source.labels is None
    listed = f"2 ({pathlib.Path('cats/more/2.png')}, loose.png)"
    assert source.notes == (f"no classes: images that are not in one level of sub-folders: {listed}",)


def test_hidden_files_are_ignored_and_others_counted(tmp_path):
    write(tmp_path / "a.png", colour(1, 2, 3))
    for name in ("._a.png", ".DS_Store", ".cache/b.png", "@eaDir/a.png/T.jpg", "c.txt", "d.csv", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("not an image")
    source = datasets.read(tmp_path)
    assert source.num_examples == 1
    assert source.notes == ("files of other formats, ignored: 3 (.txt (2), .csv (1))",)


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path):
    write(tmp_path / "data" / "a" / "1.png", colour(1, 2, 3))
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data" / "b").symlink_to(tmp_path / "more", target_is_directory=True)
    write(tmp_path / "more" / "2.png", colour(4, 5, 6))
    assert datasets.read(tmp_path / "data").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(20, 20)] * 2, 20), ([(128, 128)], 128), ([(129, 129)], 64), ([(20, 30)] * 2, 64), ([(20, 20), (30, 30)], 64)],
)
def test_the_default_size_is_the_common_square_or_64(tmp_path, sizes, expected):
    for k, size in enumerate(sizes):
        write(tmp_path / f"{k}.png", colour(1, 2, 3, size=size))
    assert datasets.read(tmp_path).example_shape == (expected, expected, 3)
    assert datasets.read(tmp_path, image_size=10).example_shape == (10, 10, 3)


def test_the_centre_is_cropped(tmp_path):
    # Thirds of red, green and blue: the centre square of both is all green.
    thirds = np.repeat(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8), 20, axis=1).repeat(20, axis=0)
    write(tmp_path / "wide.png", thirds)
    write(tmp_path / "high.png", thirds.transpose(1, 0, 2))
    source = datasets.read(tmp_path, image_size=10)
    np.testing.assert_array_equal(source.images, np.full((2, 10, 10, 3), (0, 255, 0)))
    assert "not square, centre cropped: 2" in source.notes
    assert "resized to 10 x 10: 2" in source.notes


# Thirds of black, grey and white, 20 x 60, as images of 10 x 20: what a row and a column of them show.
FITTED = {
    "crop": ([0] * 5 + [128] * 10 + [255] * 5, [128] * 10),
    "pad": ([0] * 7 + [128] * 6 + [255] * 7, [0] + [128] * 7 + [0] * 2),
    "resize": ([0] * 7 + [128] * 6 + [255] * 7, [128] * 10),
}


@pytest.mark.parametrize("fit", FITTED)
@pytest.mark.parametrize("kind", ["folder", "npz", "floats"])
def test_images_of_other_proportions_are_cropped_padded_or_stretched(tmp_path, fit, kind):
    thirds = np.array([[0, 128, 255]], np.uint8).repeat(20, axis=1).repeat(20, axis=0)
    write(tmp_path / "images" / "wide.png", thirds)
    np.savez(tmp_path / "thirds.npz", images=thirds[None] / 255 if kind == "floats" else thirds[None])
    path = tmp_path / ("images" if kind == "folder" else "thirds.npz")
    source = datasets.read(path, image_size=(10, 20), fit=fit, keep_depth=kind == "floats")
    assert source.example_shape == (10, 20, 1)
    image = (to_levels(source.images) if kind == "floats" else source.images)[0, ..., 0].astype(int)
    row, column = FITTED[fit]
    # Lanczos overshoots and blurs where two thirds meet.
    clear = np.abs(np.diff(row, prepend=row[0])) + np.abs(np.diff(row, append=row[-1])) == 0
    assert np.abs(image[5] - row)[clear].max() <= 24
    assert np.abs(image[:, 10] - column).max() <= 3
    assert any(resizing.FITS[fit] in note for note in source.notes)


def test_a_photograph_on_its_side_has_its_upright_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "a.png", colour(1, 2, 3, size=(20, 30)), exif=exif)
    source = datasets.read(tmp_path, image_size=(20, 30))
    assert source.notes == ("turned or mirrored as EXIF says: 1",)
    assert datasets.folder.survey(tmp_path)[0] == {(20, 30): 1}


def test_resizing_is_antialiased(tmp_path):
    # A checkerboard of single pixels is grey from afar; without antialiasing it stays black or white.
    board = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)
    write(tmp_path / "board.png", board)
    inner = datasets.read(tmp_path, image_size=16).images[0, 2:-2, 2:-2].astype(int)
    assert np.abs(inner - 127.5).max() < 4


def test_large_jpegs_decoded_at_a_fraction_look_as_if_decoded_whole(tmp_path):
    # Rings and hard edges: decoded at 1/4 they differ by 9 levels, at 1/8 by 146; at 1/2, as they should be, by 3.
    y, x = np.indices((500, 500))
    rings = np.sin(((x - 250) ** 2 + (y - 250) ** 2) / 900)
    rgb = np.stack([rings, np.sign(np.sin(x / 9)), np.sign(np.sin((x + 2 * y) / 17))], -1)
    path = write(tmp_path / "photo.jpg", (127 + 100 * rgb).astype(np.uint8), quality=95, subsampling=0)
    whole = Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.LANCZOS)
    difference = np.abs(datasets.read(tmp_path).images[0].astype(int) - np.asarray(whole))
    assert difference.mean() < 1
    assert difference.max() < 6


def with_palette():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((0, 0), 0)
    return image


# (file name, image, options of save, expected first pixel in RGB, words of the expected notes): the origin beside it.
CONVERSIONS = {
    "grey": ("a.png", Image.new("L", (8, 8), 77), {}, (77, 77, 77), []),
    "one bit": ("a.png", Image.new("1", (8, 8), 1), {}, (255, 255, 255), ["one bit"]),
    # Half transparent black on white: 255 * (1 - 128 / 255) = 127.
    "RGBA": ("a.png", Image.new("RGBA", (8, 8), (0, 0, 0, 128)), {}, (127, 127, 127), ["transparency"]),
    "RGBA clear": ("a.png", Image.new("RGBA", (8, 8), (200, 0, 0, 0)), {}, (255, 255, 255), ["transparency"]),
    "LA": ("a.png", Image.new("LA", (8, 8), (100, 0)), {}, (255, 255, 255), ["transparency"]),
    "palette": ("a.gif", colour(200, 10, 30).quantize(4), {}, (200, 10, 30), ["palette"]),
    "clear": ("a.png", with_palette(), {"transparency": 0}, (255, 255, 255), ["transparency", "palette"]),
    "opaque": ("a.png", with_palette(), {"transparency": 1}, (10, 20, 30), ["transparency", "palette"]),
    "colour key": ("a.png", colour(9, 9, 9), {"transparency": (9, 9, 9)}, (255, 255, 255), ["transparency"]),
    # No cyan, all magenta and yellow, no black: red.
    "CMYK": ("a.tif", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), {}, (255, 0, 0), ["CMYK"]),
    # 16 bits: 65535 -> 255, so 25700 = 100 * 257 -> 100. Clipping would give 255.
    "16 bits": ("a.png", Image.fromarray(np.full((8, 8), 25700, np.uint16)), {}, (100, 100, 100), ["16 bits"]),
    "16 bits, tiff": ("a.tiff", Image.fromarray(np.full((8, 8), 25700, np.uint16)), {}, (100, 100, 100), ["16 bits"]),
    "32 bits": ("a.tiff", Image.fromarray(np.full((8, 8), 25700, np.int32)), {}, (100, 100, 100), ["16 bits"]),
    # Floats up to 1: 0.2 * 255 = 51.
    "float": ("a.tiff", Image.fromarray(np.full((8, 8), 0.2, np.float32)), {}, (51, 51, 51), ["16 bits"]),
    "animation": (
        "a.gif",
        colour(255, 0, 0).quantize(4),
        {"save_all": True, "append_images": [colour(0, 255, 0), colour(0, 0, 255)]},
        (255, 0, 0),
        ["first one taken", "palette"],
    ),
    "webp": ("a.jpg", colour(5, 6, 7), {"format": "WEBP", "lossless": True}, (5, 6, 7), ["another format"]),
    "bmp": ("a.bmp", colour(1, 2, 3), {}, (1, 2, 3), []),
    "ppm": ("a.ppm", colour(1, 2, 3), {}, (1, 2, 3), []),
}


@pytest.mark.parametrize("case", CONVERSIONS)
def test_every_mode_becomes_rgb_of_8_bits_and_is_noted(tmp_path, case):
    name, image, options, expected, words = CONVERSIONS[case]
    write(tmp_path / name, image, **options)
    source = datasets.read(tmp_path, channels=3)
    assert source.images.shape == (1, 8, 8, 3)
    assert tuple(source.images[0, 0, 0].tolist()) == expected
    notes = [line for line in source.notes if not line.startswith("grey, repeated")]
    assert len(notes) == len(words)
    assert all(word in note and note.endswith(": 1") for word, note in zip(words, notes, strict=True))


@pytest.mark.parametrize(
    ("channels", "said"),
    [(1, None), (2, "pictures show the first"), (3, None), (4, "pictures show the first 3"), (7, "show the first 3")],
)
def test_which_channels_of_an_npz_pictures_show_is_noted(tmp_path, channels, said):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8, channels), np.uint8))
    notes = datasets.read(tmp_path / "a.npz").notes
    assert (not notes) if said is None else notes[0].endswith(said)
    if said is not None:
        with pytest.raises(DataError, match=rf"save `images\[\.\.\., :1\]`.*\(2, 8, 8, {channels}\)"):
            datasets.read(tmp_path / "a.npz", channels=1)


def test_images_are_turned_as_exif_says(tmp_path):
    image = colour(0, 0, 0)
    image.paste((255, 255, 255), (4, 0, 8, 8))  # Dark left, light right.
    exif = Image.Exif()
    exif[0x0112] = 6  # "Turn by 90 degrees clockwise to display": left becomes top.
    write(tmp_path / "a.png", image, exif=exif)
    source = datasets.read(tmp_path)
    assert (source.images[0, :4] == 0).all()
    assert (source.images[0, 4:] == 255).all()
    assert source.notes == ("turned or mirrored as EXIF says: 1",)


def test_a_folder_is_grey_only_if_every_file_is(tmp_path):
    write(tmp_path / "a.png", Image.new("L", (8, 8), 10))
    write(tmp_path / "b.png", Image.new("LA", (8, 8), (20, 255)))
    write(tmp_path / "c.png", np.full((8, 8), 30 * 257, np.uint16))
    write(tmp_path / "d.gif", Image.new("L", (8, 8), 40))
    source = datasets.read(tmp_path)
    assert source.example_shape == (8, 8, 1)
    assert source.images[:, 0, 0, 0].tolist() == [10, 20, 30, 40]
    write(tmp_path / "e.png", colour(255, 0, 0))
    mixed = datasets.read(tmp_path)
    assert mixed.example_shape == (8, 8, 3)
    assert "grey, repeated to three channels: 4" in mixed.notes
    grey = datasets.read(tmp_path, channels=1)
    # ITU-R 601: 0.299 * 255 = 76.2.
    assert grey.images[:, 0, 0, 0].tolist() == [10, 20, 30, 40, 76]
    assert "colour, to grey: 1" in grey.notes


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not UTF-8")
def test_names_that_are_not_utf_8_can_be_written_in_every_file(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    for name in (b"a", b"b\xfe", b"c\xff"):
        (root / os.fsdecode(name)).mkdir(parents=True)
        for k in range(2):
            write(root / os.fsdecode(name) / f"{k}.png", np.full((8, 8), 40 * k, np.uint8))
    (root / os.fsdecode(b"d\xfe")).mkdir()
    source = datasets.read(root)
    assert source.class_names == ("a", "b\\xfe", "c\\xff")
    assert source.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert source.notes == ("sub-folders without an image, which are no classes: 1 (d\\xfe)",)
    assert without_place(str(root)) == "caf\\xe9"
    with pytest.raises(RunDirError, match="a path in UTF-8, which TensorFlow needs"):
        run_directory.check_new(root / "run", overwrite=False)
    with pytest.raises(ValueError, match="in UTF-8, which TensorFlow needs"):
        callbacks.TensorBoard(root / "logs")


def write_bad_files(root):
    write(root / "good.png", colour(1, 2, 3))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = write(root / "truncated.jpg", noise)
    whole.write_bytes(whole.read_bytes()[:3000])
    (root / "empty.png").write_bytes(b"")
    (root / "text.jpg").write_text("<html>404</html>")
    png_header(root / "bomb.png", 9000, 9000)
    png_header(root / "larger bomb.png", 60000, 60000)


def test_files_that_cannot_be_read_are_listed_with_their_reasons(tmp_path):
    write_bad_files(tmp_path)
    with pytest.raises(DataError) as raised:
        datasets.load(tmp_path, 1)
    message = str(raised.value)
    for reason in (
        "remove the others, or skip them with on_bad_file='skip'.",
        "5 of 6 files",
        "truncated.jpg: image file is truncated",
        "empty.png: empty file",
        "text.jpg: not an image",
        "bomb.png: too large: 9000 x 9000, the limit is 64 megapixels",
        "larger bomb.png: too large",
    ):
        assert reason in message


def test_files_that_cannot_be_read_are_skipped_on_request_and_noted(tmp_path):
    write_bad_files(tmp_path)
    write(tmp_path / "zebra.png", colour(4, 5, 6))
    source = datasets.read(tmp_path, image_size=8, on_bad_file="skip")
    assert source.images[:, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert any(note.startswith("files that cannot be read, skipped: 5 (bomb.png: too large") for note in source.notes)


def test_at_most_ten_bad_files_are_listed(tmp_path):
    write(tmp_path / "good.png", colour(1, 2, 3))
    for k in range(13):
        (tmp_path / f"{k:02d}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"13 of 14 files.*09\.png: empty file; and 3 more$"):
        datasets.read(tmp_path)


@pytest.mark.parametrize("on_bad_file", ["raise", "skip"])
def test_a_folder_of_bad_files_only_is_refused_either_way(tmp_path, on_bad_file):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 1 files.*a\.png: empty file"):
        datasets.read(tmp_path, on_bad_file=on_bad_file)


def test_a_folder_without_images_says_what_it_found(tmp_path):
    with pytest.raises(DataError, match=r"\.jpg.*no images found.*and no other files"):
        datasets.read(tmp_path)
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "b.heic").write_text("")
    with pytest.raises(DataError, match=r"no images found.*but (\.heic \(1\), \.txt \(1\)|\.txt \(1\), \.heic \(1\))"):
        datasets.read(tmp_path)


def test_a_folder_too_large_for_memory_is_refused_with_a_size_that_fits(tmp_path, monkeypatch):
    for k in range(4):
        write(tmp_path / f"{k}.png", colour(k, 0, 0, size=(20, 20)))
    monkeypatch.setattr(resizing, "MEMORY_LIMIT", 4 * 12 * 12 * 3)
    with pytest.raises(DataError, match=r"`image_size` of at most 12,.*4 images of 20 x 20 x 3"):
        datasets.load(tmp_path, 2)
    assert datasets.read(tmp_path, image_size=12).num_examples == 4
    with pytest.raises(DataError, match=r"`image_size` of at most \(8, 16\),.*4 images of 10 x 20 x 3"):
        datasets.load(tmp_path, 2, image_size=(10, 20))
    assert datasets.read(tmp_path, image_size=(8, 16)).num_examples == 4


@pytest.mark.parametrize("channels", [None, 3])
def test_images_that_are_too_large_for_memory_when_resized_are_refused_at_once(channels):
    size = math.isqrt(8 * 1024**3 // (1797 * (channels or 1)))
    with pytest.raises(DataError, match=rf"`image_size` of at most {size},.*1797 images of 100000 x "):
        datasets.read("digits", image_size=100_000, channels=channels)


def test_a_folder_has_one_split(tmp_path):
    write(tmp_path / "a.png", colour(1, 2, 3))
    with pytest.raises(DataError, match=r"the only split.*split='test'"):
        datasets.read(tmp_path, split="test")


def test_a_folder_of_photographs_is_read_as_it_was_written(tmp_path, rng):
    images, labels = rng.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8), rng.integers(0, 5, 60)
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        write(tmp_path / f"flower {label}" / f"{k:04d}.png", image)
    source = datasets.read(tmp_path)
    order = np.argsort(labels, kind="stable")
    np.testing.assert_array_equal(source.images, images[order])
    assert source.class_names == tuple(f"flower {label}" for label in range(5))
    assert source.labels.tolist() == labels[order].tolist()
    assert source.notes == ()
    batch = next(iter(datasets.load(tmp_path, 32, flip=True)))
    assert batch.shape == (32, 64, 64, 3)


# ---------------------------------------------------------------------------------------------------- .npz


def save_npz(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train"), ("whatever", None)])
def test_arrays_of_an_npz_are_found_by_name(tmp_path, names):
    images, labels = numbered(6, (4, 4, 3)), np.arange(6, dtype=np.int64)[:, None]
    arrays = {names[0]: images} | ({names[1]: labels} if names[1] else {})
    source = datasets.read(save_npz(tmp_path, **arrays))
    np.testing.assert_array_equal(source.images, images)
    if names[1]:
        assert source.labels.tolist() == [0, 1, 2, 3, 4, 5]
        assert source.labels.dtype == np.int32
    else:
        assert source.labels is None


def test_an_npz_may_have_a_test_split(tmp_path):
    path = save_npz(tmp_path, x_train=numbered(6), x_test=numbered(3), y_test=np.array([7, 8, 9]))
    assert datasets.read(path).num_examples == 6
    assert datasets.read(path, split="test").labels.tolist() == [7, 8, 9]
    with pytest.raises(DataError, match=r"x_valid for split='valid'.*x_train, x_test, y_test"):
        datasets.read(path, split="valid")


def test_images_without_a_channel_axis_get_one(tmp_path):
    assert datasets.read(save_npz(tmp_path, images=np.zeros((6, 4, 5), np.uint8))).example_shape == (4, 5, 1)


def test_points_of_an_npz_stay_as_they_are(tmp_path):
    points = np.random.default_rng(0).normal(size=(6, 2)) * 10
    source = datasets.read(save_npz(tmp_path, images=points))
    np.testing.assert_array_equal(source.images, points.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"images": np.array([[[0.0, np.nan]]])}, DataError, r"NaN or infinity in 1 of 1.*images\[0\]"),
        ({"images": np.array([[["a"]]])}, DataTypeError, "dtype=<U1"),
        ({"images": np.array([[{}]])}, DataError, r"can be read.*holds objects"),
        ({"images": np.zeros((2, 3, 32, 32), np.uint8)}, DataError, r"channels first.*transpose\(0, 2, 3, 1\)"),
        ({"images": np.zeros((2, 7, 32, 32), np.uint8)}, DataError, r"channels first.*transpose\(0, 2, 3, 1\)"),
        (
            {"images": np.zeros((2, 8), np.uint8)},
            DataError,
            r"Expected images \(n, height, width, channels\).*\(2, 8\)",
        ),
        ({"a": np.zeros(2), "b": np.zeros(2)}, DataError, r"images, x, x_train.*Received: a, b"),
        ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(3, int)}, DataError, "2 images and 3 labels"),
        ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.eye(2)}, DataError, r"argmax.*shape \(2, 2\)"),
        ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.array([0, -1])}, DataError, r"from -1 to 0"),
    ],
)
def test_an_npz_that_cannot_be_trained_on_is_refused(tmp_path, arrays, error, message):
    path = save_npz(tmp_path, **arrays)
    with pytest.raises(error, match=message):
        datasets.load(path, 1, labels="y" in arrays)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut off"])
def test_a_damaged_npz_is_refused_by_name(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"can be read.*numpy\.savez.*data\.npz'"):
        datasets.read(path)


def test_a_truncated_npz_is_refused_by_name(tmp_path):
    path = save_npz(tmp_path, images=np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"can be read.*data\.npz'"):
        datasets.read(path)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    path = write(tmp_path / "a.png", colour(1, 2, 3))
    with pytest.raises(DataError, match=r"Expected a folder that holds the images, or an `\.npz` file.*a\.png"):
        datasets.read(path)
