"""`kerasgan.plots`: what is in the picture, and that there is one."""

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

    def plot(log, path):
        plots.curves(log, path)
        return figures[-1].axes

    return plot


def write_log(path, rows, names=("d_loss", "g_loss", "gradient_norm", "wasserstein"), held_out=False, every=1):
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
    axes = axes_of(write_log(tmp_path / "metrics.csv", 30, held_out=True), tmp_path / "curves.png")
    titles = [panel.get_title(loc="center") or panel.get_title(loc="left") for panel in axes]
    assert titles[0].startswith("Wasserstein estimate")
    assert titles[1].endswith("draws to 1")
    assert titles[2].startswith("Losses")
    assert axes[-1].get_xlabel() == "generator steps"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["training, median of 3 steps", "held out"]
    picture = Image.open(tmp_path / "curves.png")
    assert picture.width == 1200
    assert [path.name for path in tmp_path.iterdir() if "curves" not in path.name] == ["metrics.csv"]


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
