"""`kerasgan.plots`: what is in the picture, and that there is one."""

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kerasgan import plots


@pytest.fixture
def axes_of(monkeypatch):
    """Plots, and returns the panels."""
    figures = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr("matplotlib.figure.Figure", Kept)

    def plot(*arguments, function=plots.curves):
        function(*arguments)
        return figures[-1].axes

    return plot


NAMES = ("d_loss", "g_loss", "gradient_norm", "wasserstein")


def write_log(path, rows, names=NAMES, held_out=False, every=1):
    rng = np.random.default_rng(0)
    header = ["step", "epoch", "seconds", *names, *(["val_wasserstein"] if held_out else [])]
    lines = [",".join(header)]
    for row in range(rows):
        values = [str(every * (row + 1)), "1", "0.1", *(f"{value:.4f}" for value in rng.normal(size=len(names)))]
        values += [("" if row % 5 else "0.5")] if held_out else []
        lines.append(",".join(values))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_wgan_gp_has_three_panels(axes_of, tmp_path):
    log = write_log(tmp_path / "metrics.csv", 30, (*NAMES, "gradient_penalty"), held_out=True)
    axes = axes_of(log, tmp_path / "curves.png")
    titles = [panel.get_title(loc="center") or panel.get_title(loc="left") for panel in axes]
    assert titles[0].startswith("Wasserstein estimate")
    assert titles[1].endswith("draws to 1")
    assert titles[2].startswith("Losses")
    assert axes[-1].get_xlabel() == "generator steps"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["training, median of 3 steps", "held out"]
    picture = Image.open(tmp_path / "curves.png")
    assert picture.width == 1200
    assert [path.name for path in tmp_path.iterdir() if "curves" not in path.name] == ["metrics.csv"]


@pytest.mark.parametrize(
    ("penalty", "ends"), [("r1", "draws to 0"), ("lipschitz_penalty", "discriminator"), ("mine", "discriminator")]
)
def test_what_a_penalty_draws_the_norm_to_is_said_where_its_name_tells(axes_of, tmp_path, penalty, ends):
    names = ("d_loss", "g_loss", penalty, "gradient_norm")
    panel = axes_of(write_log(tmp_path / "metrics.csv", 30, names=names), tmp_path / "curves.png")[0]
    assert (panel.get_title(loc="center") or panel.get_title(loc="left")).endswith(ends)


def test_a_gan_has_losses_alone(axes_of, tmp_path):
    axes = axes_of(write_log(tmp_path / "metrics.csv", 30, names=("d_loss", "g_loss")), tmp_path / "curves.png")
    assert len(axes) == 1
    assert [text.get_text()[:9] for text in axes[0].get_legend().get_texts()] == ["discrimin", "generator"]


def test_a_vae_has_its_two_terms(axes_of, tmp_path):
    names = ("loss", "reconstruction", "kl", "sigma")
    axes = axes_of(write_log(tmp_path / "metrics.csv", 30, names=names), tmp_path / "curves.svg")
    assert len(axes) == 1
    assert len(axes[0].get_legend().get_texts()) == 3
    assert (tmp_path / "curves.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("rows", "every", "label"),
    [
        (1000, 1, "training, median of 101 steps"),
        (1000, 3, "training, median of 101 x 3 steps"),
        (400, 1, "training, median of 39 steps"),
        (8, 1, "training"),
    ],
)
def test_the_window_is_101_rows_or_a_tenth_and_the_legend_says_so(axes_of, tmp_path, rows, every, label):
    axes = axes_of(write_log(tmp_path / "metrics.csv", rows, every=every), tmp_path / "curves.png")
    assert axes[0].get_legend().get_texts()[0].get_text() == label


def test_the_median_filter_by_hand():
    # Windows of 3, less at the ends: symmetric there, so of 1.
    np.testing.assert_array_equal(plots.median_filter(np.array([9.0, 1, 5, 2, 8]), 3), [9, 5, 2, 5, 8])


def test_one_step_is_enough_and_none_is_not(tmp_path):
    plots.curves(write_log(tmp_path / "metrics.csv", 1), tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size == (1200, 1260)
    with pytest.raises(ValueError, match="holds no row"):
        plots.curves(write_log(tmp_path / "metrics.csv", 0), tmp_path / "curves.png")


def samples(height=60):
    return np.full((height, 100, 3), 200, np.uint8)


def compared(axes_of, tmp_path, first, second, pictures=(None, None)):
    """The panels of a comparison of two logs."""
    logs = {"A": plots.read_log(first), "B": plots.read_log(second)}
    shown = dict(zip(logs, pictures, strict=True))
    return axes_of(logs, shown, tmp_path / "pair.png", function=plots.comparison)


def colours_of(panel):
    return {line.get_color() for line in panel.lines if len(line.get_xdata()) > 2}


def test_a_comparison_has_a_panel_for_each_quantity_that_either_has(axes_of, tmp_path):
    first = write_log(tmp_path / "first.csv", 30, held_out=True)
    second = write_log(tmp_path / "second.csv", 50, names=("d_loss", "g_loss", "skipped"))
    panels = compared(axes_of, tmp_path, first, second)
    assert [panel.get_title() for panel in panels] == [
        "Wasserstein estimate of the critic",
        "Gradient norm of the discriminator",
        "Loss: discriminator",
        "Loss: generator",
        "Skipped",
    ]
    blue, red = "#1f5a93", "#d1495b"
    assert [colours_of(panel) for panel in panels] == [{blue}, {blue}, {blue, red}, {blue, red}, {red}]
    assert {panel.get_xlim() for panel in panels} == {(0, 50)}
    assert [panel.get_xlabel() for panel in panels] == ["", "", "", "steps", "steps"]
    held_out = [line for line in panels[0].lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in held_out] == [[1, 6, 11, 16, 21, 26]]
    assert [text.get_text() for text in panels[0].figure.figure.subfigs[0].legends[0].get_texts()] == [
        "A",
        "B",
        "every row of the log",
        "its running median",
        "held out",
    ]


@pytest.mark.parametrize("cut", [1, 2, 4, 9])
def test_a_row_that_is_half_written_is_not_read(tmp_path, cut):
    log = write_log(tmp_path / "metrics.csv", 5)
    whole = plots.read_rows(log)
    text = log.read_text()
    log.write_text(text[:-cut])
    assert len(whole) == 5
    assert plots.read_rows(log) == whole[:4]
    log.write_text("")
    assert plots.read_rows(log) == []


def test_held_out_values_are_in_sight_however_far_they_are_from_those_of_training(axes_of, tmp_path):
    log = write_log(tmp_path / "metrics.csv", 30, held_out=True)
    log.write_text(log.read_text().replace(",0.5\n", ",-20.5\n"))
    low, high = axes_of(log, tmp_path / "curves.png")[0].get_ylim()
    assert low < -20.5 < 1 < high


def test_what_only_held_out_data_have_is_a_panel_too(axes_of, tmp_path):
    log = write_log(tmp_path / "log.csv", 30, names=("d_loss",), held_out=True)
    panels = compared(axes_of, tmp_path, log, log)
    assert [panel.get_title() for panel in panels] == ["Loss: discriminator", "Wasserstein estimate of the critic"]


def test_a_short_training_is_in_view_beside_a_long_one(axes_of, tmp_path):
    for name, rows, value in (("short", 4, 9.0), ("long", 5000, 1.0)):
        lines = [f"{step},1,0.1,{value + 0.01 * (step % 3)}" for step in range(1, rows + 1)]
        (tmp_path / name).write_text("\n".join(["step,epoch,seconds,d_loss", *lines, ""]))
    (panel,) = compared(axes_of, tmp_path, tmp_path / "short", tmp_path / "long")
    low, high = panel.get_ylim()
    assert low < 1.0
    assert 9.02 < high < 12.0


def test_the_samples_of_both_are_above_the_curves(axes_of, tmp_path):
    log = write_log(tmp_path / "log.csv", 30)
    axes = compared(axes_of, tmp_path, log, log, (samples(), None))
    assert [panel.get_title() for panel in axes[:2]] == ["A", "B"]
    assert (axes[0].images[0].get_array() == 200).all()
    assert [text.get_text() for text in axes[1].texts] == ["no samples yet"]
    with_samples = Image.open(tmp_path / "pair.png").size
    compared(axes_of, tmp_path, log, log)
    without = Image.open(tmp_path / "pair.png").size
    assert with_samples[0] == without[0] == 1800
    assert with_samples[1] - without[1] == pytest.approx(150 * (0.4 + 5.7 * 0.6), abs=2)


def test_a_name_that_no_picture_has_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Expected a name that ends in one of .*\.png.* Received: .*curves\.mp4"):
        plots.curves(write_log(tmp_path / "metrics.csv", 5), tmp_path / "curves.mp4")


def history(steps=50, **values):
    """What `fit` returns after epochs of 50 steps."""
    made = keras.callbacks.History()
    made.on_train_begin()
    made.set_params({"epochs": 3, "steps": steps})
    made.epoch, made.history = list(range(len(values.get("d_loss", ())))), values
    return made


@pytest.mark.parametrize(("steps", "last"), [(50, 150), (None, 3)])
def test_a_history_has_a_value_at_the_last_step_of_each_epoch(steps, last, tmp_path):
    run = history(steps, d_loss=[3.0, 2.0, 1.0], g_loss=[1.0, 2.0, 4.0], gradient_norm=[1.0] * 3, val_d_loss=[2.0])
    figure = plots.curves(run, tmp_path / "curves.png")
    norm, losses = figure.axes
    assert norm.get_title().startswith("Gradient norm")
    assert losses.get_xlim() == (0, last)
    np.testing.assert_array_equal(losses.lines[0].get_xdata(), np.array([1, 2, 3]) * (steps or 1))
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), [3, 2, 1])
    assert (tmp_path / "curves.png").is_file()


def test_curves_of_a_run_directory_are_a_figure_that_a_notebook_displays(tmp_path):
    write_log(tmp_path / "metrics.csv", 30)
    for log in (tmp_path, str(tmp_path), tmp_path / "metrics.csv"):
        figure = plots.curves(log)
        assert isinstance(figure, Figure)
        assert len(figure.axes) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("log", "kind", "message"),
    [
        ("nowhere.csv", FileNotFoundError, r"nowhere\.csv, which does not exist"),
        ("", FileNotFoundError, r"a directory without metrics\.csv"),
        (history(), ValueError, "call `fit` first"),
        (history().history, ValueError, r"the `History` that `fit` returned \(not its attribute .*Received: dict"),
        (None, ValueError, "Received: NoneType None"),
        (history(d_loss=[]), ValueError, "call `fit` first"),
    ],
)
def test_a_log_that_is_not_there_is_refused_in_words(log, kind, message, tmp_path):
    with pytest.raises(kind, match=f"`metrics_csv`.*{message}"):
        plots.curves(tmp_path / log if isinstance(log, str) else log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_log_without_the_losses_of_our_models_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"with one of d_loss, .* values of step, epoch, seconds, accuracy"):
        plots.curves(write_log(tmp_path / "metrics.csv", 3, names=("accuracy",)))
