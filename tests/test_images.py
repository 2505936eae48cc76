import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerasgan import images
from kerasgan.errors import DataError, DataTypeError

BACKGROUND = images.BACKGROUND


def solid(*levels, size=(2, 2), channels=1):
    """One constant uint8 image for each level."""
    return np.stack([np.full((*size, channels), level, np.uint8) for level in levels])


def test_to_uint8_rounds_and_clips():
    # (x + 1) * 127.5: -1 -> 0, 0 -> 127.5 -> 128 (rint to even), 1 -> 255; 0.5 -> 191.25 -> 191; outside is clipped.
    values = np.array([-1.5, -1.0, 0.0, 0.5, 1.0, 3.0, np.nan, np.inf])
    np.testing.assert_array_equal(images.to_uint8(values), [0, 0, 128, 191, 255, 255, 0, 255])
    assert images.to_uint8(values).dtype == np.uint8


def test_a_picture_shows_the_range_it_is_given(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3), dtype=np.uint8)
    shown = images.grid(levels)
    np.testing.assert_array_equal(images.grid(levels / 255, value_range=(0, 1)), shown)
    np.testing.assert_array_equal(images.picture(levels / 255, value_range=np.array([0, 1])), shown)
    images.save_grid(tmp_path / "grid.png", levels / 255, value_range=(0, 1))
    np.testing.assert_array_equal(Image.open(tmp_path / "grid.png"), shown)
    for value_range in ((1, 0), (0, 0), (0,), 1, (0, np.nan), ("0", "1"), None):
        with pytest.raises(ValueError, match=r"`value_range`. Expected two finite numbers .*, e\.g\. \(0, 1\)"):
            images.to_uint8(np.zeros(3), value_range)


def test_to_uint8_inverts_the_scaling_of_the_datasets():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(levels.astype(np.float32) / 127.5 - 1), levels)
    assert images.to_uint8(levels) is levels


def test_to_uint8_refuses_integers_whose_range_it_cannot_know():
    with pytest.raises(DataTypeError, match=r"scale them with `images / .*dtype=int64"):
        images.to_uint8(np.arange(3))


def test_a_grid_places_each_image_in_reading_order():
    # 3 columns of 2 pixels, padding 1: image k starts at row 1 + 3 * (k // 3) and column 1 + 3 * (k % 3).
    picture = images.grid(solid(10, 20, 30, 40, 50), columns=3, padding=1, scale=1)
    assert picture.shape == (7, 10, 1)
    expected = np.full((7, 10), BACKGROUND)
    for k, level in enumerate((10, 20, 30, 40, 50)):
        expected[1 + 3 * (k // 3) :, 1 + 3 * (k % 3) :][:2, :2] = level
    np.testing.assert_array_equal(picture[..., 0], expected)


@pytest.mark.parametrize(
    ("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (10, (2, 5)), (16, (4, 4)), (24, (4, 6)), (64, (8, 8)), (13, (3, 5))]
)
def test_a_grid_is_near_a_square_with_few_empty_cells(n, shape):
    picture = images.grid(solid(*range(n), size=(1, 1)), padding=0, scale=1)
    assert picture.shape[:2] == shape


@pytest.mark.parametrize(("size", "side"), [(8, 64), (28, 84), (32, 64), (60, 60), (64, 64), (200, 200)])
def test_small_images_are_enlarged_by_whole_factors(size, side):
    assert images.grid(solid(*[0] * 25, size=(size, size)), padding=0).shape == (5 * side, 5 * side, 1)


@pytest.mark.parametrize(("n", "size", "side"), [(1, 28, 280), (1, 256, 256), (2, 28, 140), (4, 32, 128), (9, 28, 112)])
def test_a_grid_of_few_images_is_large_enough_to_look_at(n, size, side):
    rows, columns = images.layout(n)
    assert images.grid(solid(*[0] * n, size=(size, size)), padding=0).shape == (rows * side, columns * side, 1)


def test_enlarging_repeats_pixels_without_interpolation():
    image = np.array([[0, 255], [255, 0]], np.uint8)[None, ..., None]
    picture = images.grid(image, padding=0, scale=3)[..., 0]
    np.testing.assert_array_equal(picture, np.kron(image[0, ..., 0], np.ones((3, 3), np.uint8)))


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3), (7, 3)])
def test_two_channels_show_the_first_and_four_or_more_the_first_three(channels, shown):
    image = np.arange(1, channels + 1, dtype=np.uint8) * np.ones((1, 1, 1, 1), np.uint8)
    picture = images.grid(image, padding=0, scale=1)
    np.testing.assert_array_equal(picture, np.arange(1, shown + 1).reshape(1, 1, shown))


def test_floats_and_their_uint8_give_the_same_grid():
    levels = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(images.grid(levels / 127.5 - 1), images.grid(levels))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 8, 8)), r"images\[\.\.\., None\].*shape=\(4, 8, 8\)"),
        (np.zeros((4, 2)), r"points go to `picture`.*shape=\(4, 2\)"),
        (np.zeros((0, 8, 8, 1)), r"n >= 1.*shape=\(0, 8, 8, 1\)"),
    ],
)
def test_a_grid_of_what_is_not_images_says_what_to_do(bad, message):
    with pytest.raises(DataError, match=message):
        images.grid(bad)


@pytest.mark.parametrize("option", [{"columns": 0}, {"padding": -1}, {"scale": 0}, {"scale": 1.5}])
def test_grid_options_out_of_range_are_named(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        images.grid(solid(0), **option)


def test_picture_dispatches_on_rank():
    examples = solid(1, 2, 3)
    np.testing.assert_array_equal(images.picture(examples), images.grid(examples))
    points = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_array_equal(images.picture(points, points), images.scatter(points, points))


def test_a_scatter_plot_shows_points_where_they_are():
    # Real points fill the square [-1, 1]^2, so that the middle of the picture is about the origin.
    real = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]], float)
    for x, y in [(-0.8, 0.8), (-0.8, -0.8), (0.8, -0.8)]:  # Not upper right: there is the legend.
        drawn = images.scatter(np.array([[x, y]] * 20), real).astype(int)
        rows, columns = np.nonzero(drawn[..., 0] - drawn[..., 1] > 60)  # Only generated points are red.
        outside_legend = ~((rows < 256) & (columns > 256))
        rows, columns = rows[outside_legend], columns[outside_legend]
        assert len(rows) > 5
        assert ((columns > 256) == (x > 0)).all()
        assert ((rows < 256) == (y > 0)).all()


def test_real_points_set_the_view_so_that_pictures_can_be_compared():
    rng = np.random.default_rng(0)
    real, near = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    far = np.concatenate([near, [[1e6, 1e6]]])
    np.testing.assert_array_equal(images.scatter(near, real), images.scatter(far, real))
    assert (images.scatter(near) != images.scatter(far)).any()


def test_points_that_are_not_finite_are_left_out():
    points = np.random.default_rng(0).normal(size=(50, 2))
    broken = np.concatenate([points, [[np.nan, 0], [0, np.inf]]])
    np.testing.assert_array_equal(images.scatter(points), images.scatter(broken))
    assert images.scatter(np.full((3, 2), np.nan)).shape == (512, 512, 3)
    assert images.scatter(np.zeros((3, 2))).shape == (512, 512, 3)


def test_points_outside_of_the_plane_are_refused():
    with pytest.raises(DataError, match=r"`points`.*\(n, 2\).*shape=\(5, 3\)"):
        images.picture(np.zeros((5, 3)))


def test_a_scatter_plot_leaves_the_state_of_pyplot_alone():
    import matplotlib.pyplot

    before = matplotlib.pyplot.get_fignums(), matplotlib.get_backend()
    images.scatter(np.zeros((3, 2)))
    assert (matplotlib.pyplot.get_fignums(), matplotlib.get_backend()) == before


def test_a_contact_sheet_shows_every_frame_in_order_under_its_caption():
    frames = [np.full((40, 60, 1), 10, np.uint8), np.full((30, 20, 3), (200, 0, 0), np.uint8)]
    sheet = images.contact_sheet(frames, ["step 0", "a caption that is wider than its little picture"])
    assert sheet.dtype == np.uint8
    assert sheet.shape[-1] == 3
    first, second = (sheet == 10).all(-1), (sheet == (200, 0, 0)).all(-1)
    assert first.sum() == 40 * 60
    assert second.sum() == 30 * 20
    top_of_second = np.nonzero(second)[0].min()
    assert np.nonzero(first)[0].max() < top_of_second
    # Both captions have ink, above their frames, and the long one does not touch the right edge.
    dark = (sheet < 150).all(-1) & ~first
    caption_rows = np.nonzero(dark)[0]
    assert (caption_rows < np.nonzero(first)[0].min()).any()
    between = dark[np.nonzero(first)[0].max() + 1 : top_of_second]
    assert between.any()
    assert not between[:, -5:].any()


def test_a_contact_sheet_wants_one_title_for_each_frame():
    with pytest.raises(DataError, match=r"2 frames.*1 titles"):
        images.contact_sheet([solid(0)[0]] * 2, ["one"])
    with pytest.raises(DataError, match="at least one picture"):
        images.contact_sheet([], [])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_grid_reads_back_as_the_same_pixels(tmp_path, channels):
    examples = np.random.default_rng(0).integers(0, 256, (5, 8, 8, channels), dtype=np.uint8)
    path = tmp_path / "new folder" / "grid.png"
    images.save_grid(path, examples, columns=2)
    saved = np.asarray(Image.open(path))
    np.testing.assert_array_equal(saved.reshape(*saved.shape[:2], channels), images.grid(examples, columns=2))
    images.save_grid(path, examples, title="step 5", columns=2)
    assert Image.open(path).height > saved.shape[0]
    assert [file.name for file in path.parent.iterdir()] == ["grid.png"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    images.save_grid(path, solid(7))
    before = path.read_bytes()

    def full_disk(self, target, **options):
        pathlib.Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        images.save_grid(path, solid(9))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_suffix_that_names_no_image_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.png.*grid\.txt"):
        images.save_grid(tmp_path / "grid.txt", solid(0))
    with pytest.raises(DataError, match=r"uint8.*float64 of shape \(4, 4, 1\)"):
        images.save_picture(tmp_path / "a.png", np.zeros((4, 4, 1)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_holds_every_frame_for_its_duration(tmp_path, channels):
    path = tmp_path / "samples.gif"
    frames = list(solid(0, 100, 255, size=(16, 16), channels=channels))
    images.save_gif(path, frames, duration=0.25)
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        for k, frame in enumerate(frames):
            gif.seek(k)
            assert gif.info["duration"] == 250
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), np.broadcast_to(frame[:1, :1], (256, 256, 3)))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("size", "scale", "shape"), [((28, 20), None, (280, 200)), ((300, 9), None, (300, 9))])
def test_a_gif_of_small_pictures_is_enlarged_by_whole_factors(tmp_path, size, scale, shape):
    images.save_gif(tmp_path / "walk.gif", solid(0, 255, size=size), scale=scale)
    assert Image.open(tmp_path / "walk.gif").size == shape[::-1]
    images.save_gif(tmp_path / "walk.gif", solid(0, 255, size=size), scale=1)
    assert Image.open(tmp_path / "walk.gif").size == size[::-1]
    with pytest.raises(ValueError, match="`scale`"):
        images.save_gif(tmp_path / "walk.gif", solid(0, 255, size=size), scale=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_show_returns_the_grid_as_a_pillow_image(channels):
    made = np.random.default_rng(0).uniform(-1, 1, (10, 28, 28, channels)).astype("float32")
    shown = images.show(made)
    assert isinstance(shown, Image.Image)
    np.testing.assert_array_equal(np.asarray(shown).reshape(180, 444, channels), images.grid(made))
    np.testing.assert_array_equal(np.asarray(images.show(images.to_uint8(made))), np.asarray(shown))
    assert images.show(made, title="step 1,000").size > shown.size
    np.testing.assert_array_equal(np.asarray(images.show(np.zeros((3, 2)))), images.scatter(np.zeros((3, 2))))


def test_show_refuses_more_images_than_one_can_look_at():
    with pytest.raises(DataError, match=r"at most 2,500 .*`images\[:64\]`. Received: 2,501 images"):
        images.show(np.zeros((2501, 1, 1, 1), "uint8"))


@pytest.mark.parametrize("channels", [1, 3])
def test_captions_stand_above_their_columns(channels):
    made = solid(*[200] * 10, size=(28, 28), channels=channels)
    plain, captioned = images.grid(made, columns=5), images.grid(made, captions=["one", "", "", "", "five"])
    assert captioned.shape[1:] == plain.shape[1:]
    head = len(captioned) - len(plain)
    np.testing.assert_array_equal(captioned[head:], plain)
    inked = np.unique(np.nonzero((captioned[:head] < 150).all(-1))[1]) // 88  # a cell is 84 pixels and 4 of padding
    assert set(inked) == {0, 4}
    repeated = images.grid(made, columns=4, captions=["a", "b"])
    first, third = (repeated[:20, start : start + 84] for start in (4, 4 + 2 * 88))
    np.testing.assert_array_equal(first, third)
    assert (repeated[:20, 92:176] != first).any()


def test_a_caption_stays_within_its_column_however_long_it_is():
    made = solid(*[200] * 8, size=(64, 64))
    names = ["golden retriever", "Supercalifragilisticexpialidocious", "a_b", "W" * 40, "", " ", "x y " * 30, "cat"]
    head = images.grid(made, captions=names)[:-72]
    gaps = [head[:, 68 * column : 68 * column + 4] for column in range(9)]
    assert all((gap == BACKGROUND).all() for gap in gaps)


@pytest.mark.parametrize(
    ("captions", "columns", "message"),
    [
        ("cats", None, "a sequence of texts.*captions='cats'"),
        ([], None, "a sequence of texts"),
        ([1, 2], None, r"a sequence of texts.*captions=\[1, 2\]"),
        (7, None, "a sequence of texts.*captions=7"),
        (["a", "b"], 3, "as many texts as columns, 3.*2 texts"),
    ],
)
def test_captions_that_fit_no_column_are_refused(captions, columns, message):
    with pytest.raises(DataError, match=message):
        images.grid(solid(1, 2, 3), columns=columns, captions=captions)


@pytest.mark.parametrize(("classes", "columns"), [(None, None), (1, 8), (2, 8), (3, 6), (5, 5), (16, 16), (17, None)])
def test_classes_in_turn_have_columns_of_their_own(classes, columns):
    assert images.columns_of(classes) == columns


def test_a_gif_of_frames_of_two_shapes_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"one shape.*\(2, 2, 1\), \(3, 3, 1\)"):
        images.save_gif(tmp_path / "a.gif", [solid(0)[0], solid(0, size=(3, 3))[0]])
    with pytest.raises(ValueError, match=r"ends in \.gif"):
        images.save_gif(tmp_path / "a.png", [solid(0)[0]])
    with pytest.raises(ValueError, match=r"seconds.*duration=0"):
        images.save_gif(tmp_path / "a.gif", [solid(0)[0]], duration=0)
    with pytest.raises(DataError, match=r"`frames\[1\]`.*as `grid\(images\)` returns. Received: uint8 of shape \(1, "):
        images.save_gif(tmp_path / "a.gif", [solid(0)[0], solid(0)])
    with pytest.raises(TypeError, match=r"`path`. Expected the name of a file"):
        images.save_gif([solid(0)[0]], "a.gif")


def test_importing_images_does_not_import_tensorflow_or_matplotlib():
    # As the command `kerasgan`: the package imports its models (and TensorFlow) for everybody else.
    code = (
        "import sys, kerasgan_command; import kerasgan.images\n"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize("made", [np.linspace(0, 255, 64).reshape(1, 8, 8, 1), np.full((1, 8, 8, 1), np.nan)])
def test_a_picture_that_shows_little_of_the_pixels_is_warned_about(made):
    with pytest.warns(UserWarning, match=r"of the pixels are outside of value_range=\(-1, 1\), or NaN"):
        images.grid(made)


@pytest.mark.filterwarnings("error")
def test_images_from_0_to_1_are_not_shown_without_a_word(tmp_path):
    made = np.linspace(0, 1, 64).reshape(1, 8, 8, 1)
    for show in (images.show, lambda made: images.save_grid(tmp_path / "a.png", made)):
        with pytest.raises(UserWarning, match=r"All pixels are in \[0, 1\]: .*pass `value_range=\(0, 1\)`"):
            show(made)
    images.show(made, value_range=(0, 1))
    images.show(made * 2 - 1)
    images.show(np.zeros((1, 8, 8, 1)))
    images.show(made, value_range=np.array([0, 1]))
    images.show(np.eye(8, dtype="uint8")[None, ..., None])  # which no range changes
    with pytest.raises(TypeError, match=r"`images`. Expected uint8, or floats"):
        images.show(np.full((1, 8, 8, 1), "a"))


def test_images_with_channels_first_are_warned_of():
    with pytest.warns(UserWarning, match=r"\(3, 8, 8\) look like channels first: .*np.transpose"):
        images.show(np.zeros((2, 3, 8, 8)))


def test_one_image_is_shown_as_the_error_says():
    with pytest.raises(DataError, match=r"one grey image is `images\[None, ..., None\]`"):
        images.show(np.zeros((8, 8)))
    assert images.show(np.zeros((8, 8))[None, ..., None]).size
    with pytest.raises(DataError, match=r"`images\[None\]`"):
        images.grid(np.zeros((8, 8, 3)))
    with pytest.raises(DataError, match=r"`images\[..., None\]`"):
        images.grid(np.zeros((8, 8, 8)))
