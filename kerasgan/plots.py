"""Curves of a training, from its log."""

import csv
import os
from collections.abc import Sequence

import numpy as np

from kerasgan import files

_WINDOW = 101
_FEW_ROWS = 1000
_COLOURS = {"main": "#1f5a93", "second": "#d1495b", "third": "#4f8a5b", "held out": "#e08e1b", "line": "0.55"}


def curves(metrics_csv: str | os.PathLike, path: str | os.PathLike) -> None:
    """Plots the log of a `kerasgan.callbacks.MetricsLog`: losses, and where they are the Wasserstein estimate and the
    gradient norm.

    The Wasserstein estimate is shown with its median filter of 101 rows, as in the paper; a tenth of the rows where
    there are fewer than 1,000.

    Args:
        metrics_csv: The log.
        path: Name of the picture; its suffix tells the format.

    Raises:
        ValueError: The log holds no row.

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, figure 3: the estimate tracks the quality of samples.
    """
    log = _read(metrics_csv)
    panels = [_plot_losses]
    panels += [_plot_wasserstein] if "wasserstein" in log else []
    panels += [_plot_gradient_norm] if "gradient_norm" in log else []
    figure = _figure(8, 0.6 + 2.6 * len(panels))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, plot in zip(all_axes, panels[1:] + panels[:1], strict=True):  # the most telling first
        plot(axes, log)
        _tidy(axes)
    all_axes[-1].set_xlabel("training steps" if "loss" in log else "generator steps")
    all_axes[-1].xaxis.get_major_locator().set_params(integer=True)
    all_axes[-1].set_xlim(0, max(log["step"][-1], 1))
    all_axes[-1].xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    with files.replacing(path) as temporary:
        figure.savefig(temporary)


def evaluation(
    distances: dict[str, np.ndarray], shares, class_names: Sequence[str] | None, path: str | os.PathLike
) -> None:
    """Plots how near generated examples are to real ones, and which classes they have.

    Args:
        distances: Arrays of nearest distances by what they are from and to; the first is drawn in front.
        shares: Two arrays `(classes,)`: the share of each class among real and among generated examples; None for none.
        class_names: Name of each class, or None.
        path: Name of the picture; its suffix tells the format.
    """
    figure = _figure(8, 3.2 if shares is None else 6.0)
    panels = figure.subplots(1 if shares is None else 2, 1, squeeze=False)[:, 0]
    edges = np.linspace(0.0, max(values.max() for values in distances.values()), 51)
    colours = (_COLOURS["main"], _COLOURS["second"])
    for (label, values), colour in zip(distances.items(), colours, strict=False):
        panels[0].hist(values, edges, density=True, color=colour, alpha=0.45, label=label)
    panels[0].set_title("Distance to the nearest real example")
    panels[0].set_xlabel("distance")
    panels[0].set_ylabel("density of examples")
    panels[0].legend(loc="best", frameon=False)
    if shares is not None:
        classes = np.arange(len(shares[0]))
        for offset, label, values, colour in zip(
            (0.2, -0.2), ("real", "generated"), shares, colours[::-1], strict=True
        ):
            panels[1].bar(classes - offset, values, 0.4, color=colour, alpha=0.8, label=label)
        if class_names is not None and len(classes) <= 30:
            panels[1].set_xticks(classes, class_names, rotation=45 if max(map(len, class_names)) > 3 else 0)
        panels[1].yaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g} %")
        panels[1].set_title("Share of each class, by the classifier")
        panels[1].set_ylim(0.0, 1.2 * max(map(np.max, shares)))
        panels[1].legend(loc="upper right", frameon=False, ncols=2)
    for axes in panels:
        _tidy(axes)
    with files.replacing(path) as temporary:
        figure.savefig(temporary)


def _figure(width, height):
    # matplotlib is slow to import; the object API leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def median_filter(values: np.ndarray, window: int) -> np.ndarray:
    """Running median over an odd window, centred; at the ends over what there is of it, symmetrically."""
    half = window // 2
    result = np.empty(len(values))
    for i in range(len(values)):
        reach = min(half, i, len(values) - 1 - i)
        result[i] = np.median(values[i - reach : i + reach + 1])
    return result


def _read(metrics_csv) -> dict[str, np.ndarray]:
    with open(metrics_csv, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"Nothing to plot: {metrics_csv} holds no row. Train for one step at least.")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def _plot_wasserstein(axes, log):
    _plot_smoothed(axes, log["step"], log["wasserstein"], _COLOURS["main"], "training")
    _plot_held_out(axes, log, "wasserstein")
    _limit(axes, log["wasserstein"])
    axes.set_title("Wasserstein estimate of the critic")
    axes.legend(loc="best", frameon=False)


def _plot_gradient_norm(axes, log):
    target = 0.0 if "r1" in log or "r2" in log else 1.0
    axes.axhline(target, color=_COLOURS["line"], linewidth=1.0, linestyle=(0, (4, 3)))
    _plot_smoothed(axes, log["step"], log["gradient_norm"], _COLOURS["main"])
    _limit(axes, np.append(log["gradient_norm"], target))
    axes.set_title(f"Gradient norm of the discriminator, which the penalty draws to {target:g}")


def _plot_losses(axes, log):
    names = {"d_loss": "discriminator", "g_loss": "generator", "loss": "negative ELBO"}
    names |= {"reconstruction": "reconstruction", "kl": "KL"}
    shown = [name for name in names if name in log]
    colours = [_COLOURS["main"], _COLOURS["second"], _COLOURS["third"]]
    for name, colour in zip(shown, colours, strict=False):
        _plot_smoothed(axes, log["step"], log[name], colour, names[name])
    if "loss" in log:
        _plot_held_out(axes, log, "loss", "negative ELBO, held out")
    _limit(axes, *(log[name] for name in shown))
    axes.set_title("Losses, without penalties" if "gradient_norm" in log else "Losses")
    axes.legend(loc="best", frameon=False, ncols=2 if len(shown) == 2 else 1)


def _plot_smoothed(axes, step, values, colour, label=None):
    """The values, faint, and their running median on top."""
    step, values = step[np.isfinite(values)], values[np.isfinite(values)]
    rows = len(values)
    if not rows:
        return
    window = _WINDOW if rows >= _FEW_ROWS else max(1, rows // 10)
    window -= 1 - window % 2
    axes.plot(step, values, color=colour, alpha=0.3, linewidth=0.6)
    if label and window > 1:
        per_row = round(step[-1] / rows)
        label += f", median of {window}" + (f" x {per_row} steps" if per_row > 1 else " steps")
    axes.plot(step, median_filter(values, window), color=colour, linewidth=1.6, label=label)


def _plot_held_out(axes, log, name, label="held out"):
    if f"val_{name}" in log:
        there = np.isfinite(log[f"val_{name}"])
        axes.plot(
            log["step"][there], log[f"val_{name}"][there], "o-", color=_COLOURS["held out"], markersize=3, label=label
        )


def _limit(axes, *series):
    """The first steps of a training may be far out: what lies beyond 1.5 times the spread of 99 % is cut off."""
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = np.quantile(values, [0.005, 0.995])
    reach = 0.5 * (high - low) or max(abs(high), 1.0) * 0.1
    low, high = max(values.min(), low - reach), min(values.max(), high + reach)
    margin = 0.06 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)


def _tidy(axes):
    axes.title.set(ha="left", x=0.0, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.7")
    axes.tick_params(color="0.7", labelcolor="0.25", labelsize=9)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
