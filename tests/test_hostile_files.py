"""Damaged and hostile files: named, refused, and nothing of them run or written outside."""

import io
import json
import os
import pathlib
import pickle
import shutil
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from manifests import sign
from PIL import Image

import kerasgan as kg
from kerasgan import checkpoint, cli, files
from kerasgan.datasets import arrays as datasets_arrays
from kerasgan.datasets import folder
from kerasgan.errors import CheckpointError, DataError, DataTypeError, ModelContractError

# Images

FORMATS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP", "ppm": "PPM"}


def encoded(format_, seed):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (23, 31, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format=format_)
    return buffer.getvalue()


def flipped(content, random):
    """With a hundredth of its bytes changed."""
    content = bytearray(content)
    for place in random.integers(0, len(content), 1 + len(content) // 100):
        content[place] ^= 1 << random.integers(8)
    return bytes(content)


# What is done to a file, and whether it can still be an image.
DAMAGES = {
    "cut in half": (lambda content, random: content[: len(content) // 2], False),
    "cut after the header": (lambda content, random: content[:20], False),
    "empty": (lambda content, random: b"", False),
    "text": (lambda content, random: b"<html>404 Not Found</html>", False),
    "without its beginning": (lambda content, random: content[16:], False),
    "zeros": (lambda content, random: bytes(len(content)), False),
    "random bytes": (lambda content, random: random.bytes(len(content)), False),
    "bits flipped": (flipped, True),
}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A folder of 3 images and 210 damaged ones; by name whether it can still be an image."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(3):
        (root / f"good-{number}.png").write_bytes(encoded("PNG", number))
    random, kinds = np.random.default_rng(0), {}
    for number in range(210):
        suffix, format_ = list(FORMATS.items())[number % len(FORMATS)]
        damage, (function, possible) = list(DAMAGES.items())[number // len(FORMATS) % len(DAMAGES)]
        name = f"{damage.replace(' ', '-')}-{number}.{suffix}"
        (root / name).write_bytes(function(encoded(format_, number), random))
        kinds[name] = possible
    return root, kinds


def test_every_damaged_image_is_named_and_the_others_are_read(damaged):
    root, kinds = damaged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of metadata
        sizes, bad = folder.survey(root)
        source = kg.datasets.read(str(root), image_size=16, on_bad_file="skip")
    unnamed = {name for name, possible in kinds.items() if not possible} - bad.keys()
    assert not unnamed
    assert not [name for name in bad if name.startswith("good")]
    assert source.num_examples == len(kinds) + 3 - len(bad) == sum(sizes.values())
    assert any(f"skipped: {len(bad)} (" in note for note in source.notes)
    with pytest.raises(DataError, match=rf"{len(bad)} of 213 files in .*; and {len(bad) - 10} more"):
        kg.datasets.read(str(root), image_size=16)


def test_inspect_and_train_name_the_same_files(damaged, capsys, tmp_path):
    root, _ = damaged
    small = tmp_path / "photos"
    small.mkdir()
    for name in [*sorted(os.listdir(root))[::30], "good-0.png", "good-1.png", "good-2.png"]:
        shutil.copy(root / name, small)
    assert cli.main(["inspect", str(small), f"--out={tmp_path / 'grid.png'}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    inspected = {line.split(": ")[1] for line in lines if line.startswith("cannot be read")}
    flags = ["--image_size=8", "--steps=1", "--units=4", "--latent_dim=2", "--batch_size=2", "--dry_run"]
    assert cli.main(["train", f"--dataset={small}", *flags]) == 2
    error = capsys.readouterr().err
    assert len(inspected) >= 5
    assert all(name in error for name in sorted(inspected)[:10])
    assert cli.main(["train", f"--dataset={small}", *flags, "--on_bad_file=skip"]) == 0


# Archives


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


def npy(shape, dtype="<f4", data=b""):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def npz(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return str(path)


def dataset(entries, **options):
    """Reads images from an archive of these entries."""
    return lambda path: kg.datasets.read(npz(path / "x.npz", entries, **options))


def stolen(path):
    """A link to a file outside, as an entry of an archive."""
    entry = zipfile.ZipInfo("images.npy")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path / "x.npz", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return kg.datasets.read(str(path / "x.npz"))


def gan():
    keras.utils.set_random_seed(0)
    model = kg.GAN(kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,)))
    model.compile()
    return model


def changed(change):
    """Loads a `.keras` file whose configuration was changed."""

    def attack(path):
        gan().save(path / "good.keras")
        with zipfile.ZipFile(path / "good.keras") as good:
            parts = {name: good.read(name) for name in good.namelist()}
        configuration = json.loads(parts["config.json"])
        change(configuration)
        parts["config.json"] = json.dumps(configuration).encode()
        npz(path / "bad.keras", parts)
        (path / "good.keras").unlink()
        return keras.models.load_model(path / "bad.keras")

    return attack


def naming_a_function(configuration):
    function = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    configuration["config"]["loss"] = function


def naming_a_class(configuration):
    class_ = {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch trapped"}}
    configuration["config"]["loss"] = class_


def with_a_lambda(configuration):
    lambda_ = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None, "closure": None}}
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "trap", "function": lambda_}}
    configuration["config"]["constraint"] = layer


def with_weights(write):
    """Loads weights from an HDF5 file that has been tampered with."""

    def attack(path):
        model = gan()
        model.save_weights(path / "x.weights.h5")
        with h5py.File(path / "x.weights.h5", "r+") as file:
            matrix = file.visititems(lambda name, item: name if getattr(item, "ndim", 0) == 2 else None)
            shape = file[matrix].shape
            del file[matrix]
            write(file, matrix, shape, path)
        before = [weight.numpy() for weight in model.weights]
        try:
            model.load_weights(path / "x.weights.h5")
        finally:
            for weight, value in zip(model.weights, before, strict=True):
                np.testing.assert_array_equal(weight.numpy(), value)

    return attack


def external_data(file, name, shape, path):
    (path / "secret").write_bytes(bytes(4 * int(np.prod(shape))))
    file.create_dataset(name, shape, "f4", external=[(str(path / "secret"), 0, h5py.h5f.UNLIMITED)])


def external_link(file, name, shape, path):
    with h5py.File(path / "other.h5", "w") as other:
        other["secret"] = np.ones(shape, "f4")
    file[name] = h5py.ExternalLink(str(path / "other.h5"), "/secret")


def shape_bomb(file, name, shape, path):
    file.create_dataset(name, (10**7, 10**7), "f4", chunks=(1, 10**4), fillvalue=0)


def of_checkpoint(entries):
    """Reads a checkpoint whose archive is an attacker's, with a manifest that fits."""

    def attack(path):
        written = checkpoint.write(path, 1, 1, {"a": np.zeros(3, "float32")}, {})
        npz(written / "state.npz", entries)
        manifest = json.loads((written / "manifest.json").read_bytes())
        del manifest["sha256"]
        manifest["files"] = {name: checkpoint._described(written / name) for name in manifest["files"]}
        (written / "manifest.json").write_bytes(checkpoint._signed(manifest))
        checkpoint.verify(written)
        return checkpoint.read_arrays(written, {"a": ((3,), np.dtype("float32"))})

    return attack


def pickled(path):
    (path / "x.npz").write_bytes(TRAP)
    return kg.datasets.read(str(path / "x.npz"))


TRAP = pickle.dumps(np.array([Trap()], dtype=object))
BOMB = npy((10**6, 10**6), data=bytes(64))
OURS = (DataError, DataTypeError, ModelContractError, CheckpointError)
ATTACKS = {
    "pickle in a dataset": (dataset({"images.npy": npy((1,), "|O", TRAP)}), "holds objects"),
    "pickle instead of an archive": (pickled, "can be read"),
    "shape bomb in a dataset": (dataset({"images.npy": BOMB}), "does not hold the array"),
    "path in a dataset": (dataset({"../../outside.npy": npy((2, 4, 4), "|u1", bytes(32))}), None),
    "link in a dataset": (stolen, "can be read"),
    "swelling dataset": (
        dataset({"images.npy": npy((1,), "|u1", bytes(10**7))}, compression=zipfile.ZIP_DEFLATED),
        "does not hold the array",
    ),
    "function of another module in a model": (changed(naming_a_function), None),
    "class of another module in a model": (changed(naming_a_class), None),
    "lambda in a model": (changed(with_a_lambda), None),
    "external data of weights": (with_weights(external_data), None),
    "external link of weights": (with_weights(external_link), None),
    "shape bomb in weights": (with_weights(shape_bomb), None),
    "pickle in a checkpoint": (of_checkpoint({"a.npy": npy((1,), "|O", TRAP)}), "holds objects"),
    "path in a checkpoint": (of_checkpoint({"../../outside.npy": npy((3,), data=bytes(12))}), "outside"),
    "shape bomb in a checkpoint": (of_checkpoint({"a.npy": BOMB}), "does not hold"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_leaves_nothing(name, tmp_path, monkeypatch):
    attack, message = ATTACKS[name]
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(inside)}
    before = pathlib.Path("/proc/self/statm").read_text().split()
    if name == "path in a dataset":  # the only array there is: its name is a key, and leads nowhere
        assert attack(inside).num_examples == 2
    else:
        with pytest.raises((*OURS, ValueError, TypeError, OSError, KeyError), match=message):
            attack(inside)
    grown = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) - int(before[1])
    assert grown * os.sysconf("SC_PAGE_SIZE") < 500e6
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(inside)} == outside
    assert not (inside / "trapped").exists()
    assert not tf.io.gfile.exists("/outside.npy")


def test_the_command_names_a_hostile_file_in_one_line(tmp_path, capsys):
    path = npz(tmp_path / "x.npz", {"images.npy": BOMB})
    assert cli.main(["train", f"--dataset={path}", "--dry_run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "x.npz" in line
    assert "does not hold the array that it declares" in line


# Run directories that somebody else has sent


def test_a_checkpoint_does_not_choose_where_a_callback_writes(tmp_path):
    (tmp_path / "outside").mkdir()

    def train(epochs):
        keeper = keras.callbacks.ModelCheckpoint(
            tmp_path / "mine.keras", save_best_only=True, monitor="g_loss", mode="min"
        )
        saver = kg.callbacks.Checkpoint(tmp_path / "checkpoints")
        model = gan()
        images = np.random.default_rng(0).uniform(-1, 1, (32, *model.image_shape)).astype("float32")
        model.fit(images, batch_size=8, epochs=epochs, steps_per_epoch=1, verbose=0, callbacks=[keeper, saver])

    train(1)
    newest = checkpoint.newest(tmp_path / "checkpoints")
    values = json.loads((newest / "training.json").read_bytes())
    [state] = [one["state"] for one in values["training"]["callbacks"] if one["class"] == "ModelCheckpoint"]
    state.update(filepath=str(tmp_path / "outside/x.keras"), best=1e9)
    (newest / "training.json").write_text(json.dumps(values))
    sign(newest)
    train(2)
    assert not os.listdir(tmp_path / "outside")


@pytest.mark.parametrize("place", [".lock", "manifest.json", "state.npz"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_in_a_directory_of_checkpoints_is_neither_read_nor_written(tmp_path, place, kind):
    path = checkpoint.write(tmp_path / "run", 1, 1, {"a": np.zeros(3)}, {})
    victim = tmp_path / "victim"
    victim.write_text("precious")
    target = tmp_path / "run" / place if place == ".lock" else path / place
    target.unlink(missing_ok=True)
    target.symlink_to(victim) if kind == "link" else os.mkfifo(target)
    with pytest.raises((CheckpointError, OSError)), checkpoint.locked(tmp_path / "run"):
        checkpoint.newest(tmp_path / "run")
    assert victim.read_text() == "precious"


def test_a_link_where_a_file_is_about_to_be_written_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".tmp.x.txt").symlink_to(victim)
    with files.replacing(tmp_path / "x.txt") as temporary:
        temporary.write_text("mine")
    assert victim.read_text() == "precious"
    assert (tmp_path / "x.txt").read_text() == "mine"
    assert not (tmp_path / "x.txt").is_symlink()


@pytest.mark.parametrize("name", ["manifest.json", "training.json"])
def test_json_that_is_too_deep_is_damage(tmp_path, name):
    checkpoint.write(tmp_path, 1, 1, {"a": np.zeros(3)}, {})
    path = checkpoint.write(tmp_path, 2, 1, {"a": np.zeros(3)}, {})
    (path / name).write_text("[" * 100_000)
    if name == "manifest.json":
        with pytest.warns(UserWarning, match="Skipped"):
            assert checkpoint.newest(tmp_path).name == "step-00000001-epoch-0001"
    else:
        with pytest.raises(CheckpointError, match=r"training\.json cannot be read"):
            checkpoint.read_values(path)


def test_no_byte_that_is_changed_in_an_archive_of_images_is_an_error_of_others(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=np.random.default_rng(0).integers(0, 255, (9, 4, 4, 1), dtype=np.uint8))
    content, kinds = path.read_bytes(), set()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            kg.datasets.read(str(path))
        except (DataError, DataTypeError) as error:
            kinds.add(type(error.__cause__).__name__)
    assert len(kinds) > 3


def test_a_header_is_not_read_where_it_is_longer_than_one(tmp_path):
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}" + b" " * 100_000_000
    header = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text
    read = dataset({"images.npy": header}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="header takes more than 4096 bytes"):
        read(tmp_path)


def test_what_is_read_of_an_archive_is_what_was_checked(tmp_path):
    """An array in front of a zip file, which NumPy would take for the file."""
    good = npz(tmp_path / "x.npz", {"images.npy": npy("(2, 2, 2, 1)", "|u1", bytes(8))})
    content = pathlib.Path(good).read_bytes()
    pathlib.Path(good).write_bytes(npy("(10000000000000,)", "<f8") + content)
    assert kg.datasets.read(good).images.shape == (2, 2, 2, 1)


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (3, 0, 0, 1)])
def test_an_archive_without_pixels_is_refused(tmp_path, shape):
    np.savez(tmp_path / "x.npz", images=np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match="at least one image with pixels"):
        kg.datasets.read(str(tmp_path / "x.npz"))


def test_an_archive_that_takes_too_much_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets_arrays, "MEMORY_LIMIT", 1_000)
    np.savez(tmp_path / "x.npz", images=np.zeros((3, 32, 32, 1), np.uint8))
    with pytest.raises(DataError, match="GiB, more than"):
        kg.datasets.read(str(tmp_path / "x.npz"))
