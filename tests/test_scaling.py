"""Images of more than 8 bits and of floats: one range for all images of a dataset."""

import json
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasgan import cli, datasets
from kerasgan.datasets.scaling import usual_range
from kerasgan.errors import DataError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def ramp(low, high, dtype):
    """8 x 8 pixels from the lowest to the highest value."""
    values = low + (high - low) * RAMP
    return (values if np.issubdtype(dtype, np.floating) else np.rint(values)).astype(dtype)


def write(folder, images, suffix="tif"):
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{number:02d}.{suffix}")
    return folder


def write_npz(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 0.8), (0, 1)),
        ((-0.9, 1.0), (-1, 1)),
        ((-0.001, 1.001), (0, 1)),  # what interpolation leaves
        ((0.0, 200.0), (0, 255)),
        ((0, 900), (0, 1023)),
        ((3, 4095), (0, 4095)),
        ((0, 60_000), (0, 65_535)),
        ((-1000, 2999), (-1000, 2999)),
        ((-3.5, 4.1), (-3.5, 4.1)),
        ((0, 1e6), (0, 1e6)),
        ((30_000, 34_000), (30_000, 34_000)),  # an offset: of [0, 65535] they are 16 of 256 levels
        ((0.0, 0.01), (0.0, 0.01)),
        ((0, 0), (0, 1)),
        ((25_700, 25_700), (0, 65_535)),
        ((-7, -7), (-7, 0)),
    ],
)
def test_the_range_is_the_narrowest_usual_one_that_is_filled(values, expected):
    assert usual_range(*values) == expected


def test_a_range_that_is_not_filled_is_kept_beside_images_of_8_bits():
    assert usual_range(0, 40, stretch=False) == (0, 255)


@pytest.mark.parametrize(
    ("tops", "dtype", "suffix"),
    [
        ([0.8, 1.0, 30.0, 200.0, 250.0], np.float32, "tif"),
        ([0.1, 0.5, 3000.0], np.float32, "tif"),
        ([10, 300, 4095], np.uint16, "png"),
        ([10, 300, 1023], np.uint16, "tif"),
        ([200, 70_000, 90_000], np.int32, "tif"),
        ([10, 4_095], np.uint16, "pgm"),
    ],
)
def test_all_files_of_a_folder_are_scaled_alike(tmp_path, tops, dtype, suffix):
    source = datasets.read(write(tmp_path, [ramp(0, top, dtype) for top in tops], suffix))
    _, high = usual_range(0, max(tops))
    for top, image in zip(tops, source.images, strict=True):
        expected = np.rint(ramp(0, top, dtype) * (255 / high))
        np.testing.assert_allclose(image[..., 0], expected, atol=1)
    (note,) = source.notes
    levels = "256 levels; all of them with keep_depth"
    assert note.endswith(f"all scaled by [0, {high:g}] -> [0, 255] ({levels}): {len(tops)}")


@pytest.mark.parametrize(("low", "high"), [(0, 600), (0, 1000), (0, 4096), (0, 20_000), (30_000, 34_000)])
@pytest.mark.parametrize("kind", ["png", "npz"])
def test_no_levels_are_lost_that_8_bits_can_hold(tmp_path, low, high, kind):
    pixels = np.linspace(low, high - 1, 15 * 64).astype(np.uint16).reshape(15, 8, 8)
    path = write(tmp_path, pixels, "png") if kind == "png" else write_npz(tmp_path, images=pixels)
    assert len(np.unique(datasets.read(path).images)) >= 128


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_colours_of_16_bits_keep_their_levels(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 4096, (2, 8, 8, channels)).astype(np.uint16)
    if channels in (2, 4):
        pixels[..., -1] = 65_535
        pixels[0, 0, 0, -1] = 0
    for number, image in enumerate(pixels):
        (tmp_path / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    source = datasets.read(tmp_path, keep_depth=True)
    colours = pixels[..., :-1] if channels in (2, 4) else pixels
    expected = colours / np.float32(2047.5) - 1
    if channels in (2, 4):
        expected[0, 0, 0] = 1  # clear, on white
    np.testing.assert_allclose(source.images, expected, atol=2e-6)
    np.testing.assert_array_equal(datasets.read(tmp_path).images, np.rint((expected + 1) * 127.5))
    grey = datasets.read(tmp_path, channels=1, image_size=4)
    assert grey.images.std() > 10
    (tmp_path / "2.png").write_bytes(tf.io.encode_png(pixels[0]).numpy()[:-60])
    with pytest.raises(DataError, match=r"1 of 3 files.*2\.png"):
        datasets.read(tmp_path)


def test_numbers_below_zero_in_a_folder_are_scaled_from_their_lowest(tmp_path):
    source = datasets.read(write(tmp_path, [ramp(-1024, 3071, np.int32), ramp(-1024, 0, np.int32)]))
    assert (source.images[0].min(), source.images[0].max(), source.images[1].max()) == (0, 255, 64)


def test_a_float_image_beside_bytes_is_scaled_by_its_own_kind_alone(tmp_path):
    write(tmp_path, [ramp(0, 255, np.uint8), ramp(0, 200, np.float32)])
    source = datasets.read(tmp_path)
    assert source.images.max(axis=(1, 2, 3)).tolist() == [255, 200]
    (note,) = source.notes
    assert note.startswith("16 bits or more, from 0 to 200, all scaled by [0, 255] -> [0, 255] (256 levels; ")


def test_floats_and_integers_that_seem_to_have_other_ranges_are_refused(tmp_path):
    write(tmp_path, [ramp(0, 4095, np.uint16), ramp(0, 1, np.float32)])
    held = r"integers from 0 to 4095 and floats from 0 to 1 \(such as \S+ and \S+\) in "
    with pytest.raises(DataError, match=rf"value_range=\(0, 4095\).*{held}"):
        datasets.read(tmp_path)
    assert datasets.read(tmp_path, value_range=(0, 4095)).images[1].max() == 0


def test_images_of_8_bits_beside_deeper_ones_keep_their_levels_where_a_range_is_given(tmp_path):
    source = datasets.read(write(tmp_path, [ramp(0, 4095, np.uint16), ramp(0, 255, np.uint8)]), value_range=(0, 4095))
    assert source.images.max(axis=(1, 2, 3)).tolist() == [255, 255]
    assert "8 bits, scaled by [0, 255] -> [0, 255] beside them: 1" in source.notes


def test_a_folder_of_black_images_is_black(tmp_path):
    source = datasets.read(write(tmp_path, [np.zeros((8, 8), np.uint16)] * 2, "png"))
    assert not source.images.any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_with_pixels_that_are_not_finite_is_named_or_skipped(tmp_path, value):
    bad = ramp(0, 1, np.float32)
    bad[3, 3] = value
    write(tmp_path, [ramp(0, 1, np.float32), bad])
    with pytest.raises(DataError, match=r"1 of 2 files.*1\.tif: NaN or infinity among its pixels"):
        datasets.read(tmp_path)
    source = datasets.read(tmp_path, on_bad_file="skip")
    assert source.images.max() == 255
    assert source.num_examples == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_the_range_can_be_given(tmp_path, dtype, kind):
    images = [ramp(0, 200, dtype)]
    path = write(tmp_path, images) if kind == "folder" else write_npz(tmp_path, images=np.stack(images))
    source = datasets.read(path, value_range=(np.int64(50), 150.0))
    expected = np.clip((images[0].astype(float) - 50) * 2.55, 0, 255)
    np.testing.assert_allclose(source.images[0, ..., 0], expected, atol=0.51)
    assert "scaled by [50, 150] -> [0, 255]" in source.notes[0]


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_a_range_that_clips_most_pixels_of_8_bits_is_warned_about(tmp_path, kind):
    images = [ramp(0, 200, np.uint8)]
    path = write(tmp_path, images) if kind == "folder" else write_npz(tmp_path, images=np.stack(images))
    with pytest.warns(UserWarning, match=r"9\d% of the pixels lie outside of value_range=\(0, 1\)"):
        source = datasets.read(path, value_range=(0, 1))
    if kind == "folder":
        assert "with values outside of value_range, clipped: 1" in source.notes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "clipped" not in str(datasets.read(path, value_range=(0, 255)).notes)


def test_a_range_of_which_8_bits_fill_little_is_warned_about(tmp_path):
    with pytest.warns(UserWarning, match=r"fill a small part of value_range=\(0, 65535\)"):
        datasets.read(write(tmp_path, [ramp(0, 200, np.uint8)]), value_range=(0, 65_535))


@pytest.mark.parametrize("value_range", [(1, 0), (1, 1), (0, np.nan), (0, np.inf), (0,), 4095, "ab", ("0", "1")])
def test_a_range_that_is_none_is_refused(tmp_path, value_range):
    with pytest.raises(ValueError, match=r"`value_range`. Expected"):
        datasets.load(write(tmp_path, [ramp(0, 1, np.float32)]), 1, value_range=value_range)


@pytest.mark.parametrize("option", [{"value_range": (0, 1)}, {"keep_depth": True}])
def test_sets_of_bytes_have_no_range(option):
    with pytest.raises(ValueError, match=rf"`{next(iter(option))}`. Expected to be left out for 'digits'"):
        datasets.load("digits", **option)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0, 1, 2, 255.0]), [0, 1, 2, 255]),
        (np.array([-1, -0.6, 0.6, 1]), [0, 51, 204, 255]),
        (np.array([0, 0.2, 0.4, 1]), [0, 51, 102, 255]),
        (np.array([0, 1365, 2730, 4095], np.uint16), [0, 85, 170, 255]),
        (np.array([-32768, -10923, 10922, 32767], np.int16), [0, 85, 170, 255]),
        (np.array([-3.0, 3.0, 0.0, 1.0]), [0, 255, 128, 170]),
        (np.array([False, True]), [0, 255]),
        (np.array([0, 2**40]), [0, 255]),
    ],
)
def test_arrays_of_any_numbers_are_scaled(tmp_path, images, expected):
    source = datasets.read(write_npz(tmp_path, images=images.reshape(-1, 1, 1, 1)))
    assert source.images.dtype == np.uint8
    assert source.images.ravel().tolist() == expected
    assert "scaled by [" in source.notes[0]
    assert ("256 levels; all of them with keep_depth" in source.notes[0]) == (images.dtype != bool)


def test_both_splits_of_an_npz_are_scaled_alike(tmp_path):
    path = write_npz(tmp_path, x_train=ramp(0, 4095, np.uint16)[None], x_test=ramp(0, 300, np.uint16)[None])
    assert datasets.read(path, split="test").images.max() == round(300 * 255 / 4095)


@pytest.mark.parametrize("image_size", [None, 4])
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_levels_beyond_8_bits_can_be_kept(tmp_path, kind, image_size):
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 8, 8)
    path = write(tmp_path, pixels, "png") if kind == "folder" else write_npz(tmp_path, images=pixels)
    source = datasets.read(path, keep_depth=True, image_size=image_size, channels=3)
    assert source.images.dtype == np.float32
    assert -1 <= source.images.min() < source.images.max() <= 1
    assert any("-> [-1, 1], floats" in note for note in source.notes)
    if image_size is None:
        np.testing.assert_allclose(source.images[..., 0], pixels / 2047.5 - 1, atol=2e-6)
    images = next(iter(datasets.load(path, 64, keep_depth=True, image_size=image_size, flip=True)))
    assert images.shape == (64, image_size or 8, image_size or 8, 1)
    with pytest.raises(DataError, match="dequantize=False"):
        datasets.load(path, 64, keep_depth=True, dequantize=True)


@pytest.mark.slow
def test_the_command_line_trains_and_evaluates_on_levels_beyond_8_bits(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 4096, (32, 8, 8)).astype(np.uint16)
    path, run = write_npz(tmp_path, images=images), tmp_path / "run"
    data = [f"--dataset={path}", "--value_range=-1,4096.5", "--keep_depth"]
    assert cli.main(["train", *data, "--steps=1", "--units=4", "--batch_size=8", f"--workdir={run}"]) == 0
    assert "scaled by [-1, 4096.5] -> [-1, 1], floats" in capsys.readouterr().out
    configuration = json.loads((run / "config.json").read_text())
    assert (configuration["value_range"], configuration["keep_depth"]) == ([-1, 4096.5], True)
    assert cli.main(["evaluate", str(run), "--num_images=8"]) == 0
    assert cli.main(["resume", str(run), "--steps=2"]) == 0
    (run / "config.json").write_text(json.dumps(configuration | {"value_range": [1, 0]}))
    assert cli.main(["resume", str(run)]) == 2
    assert "`value_range` cannot be used. Expected two finite numbers" in capsys.readouterr().err
    assert cli.main(["train", f"--dataset={path}", "--value_range=5,1"]) == 2
    assert "e.g. 0,4095" in capsys.readouterr().err


def test_the_command_advises_flags(tmp_path, tmp_path_factory, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("pictures"))
    mixed = write(tmp_path, [ramp(0, 4095, np.uint16), ramp(0, 1, np.float32)])
    assert cli.main(["inspect", str(mixed)]) == 2
    assert "as --value_range, e.g. --value_range=0,4095." in capsys.readouterr().err
    assert cli.main(["inspect", str(mixed), "--value_range=0,4095"]) == 0
    (tmp_path / "3.png").write_bytes(b"none")
    assert cli.main(["train", f"--dataset={mixed}", "--value_range=0,4095"]) == 2
    assert "--on_bad_file=skip" in capsys.readouterr().err
