"""Curves of a training, from its log; of two trainings side by side; of an evaluation."""

import csv
import math
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from kerasgan import files
from kerasgan.errors import invalid

_WINDOW = 101
_FEW_ROWS = 1000
_COLOURS = {"main": "#1f5a93", "second": "#d1495b", "third": "#4f8a5b", "held out": "#e08e1b", "line": "0.55"}
_DASHES = (0, (4, 3))
_WASSERSTEIN = "Wasserstein estimate of the critic"
_GRADIENT_NORM = "Gradient norm of the discriminator"
_LOSSES = {
    "d_loss": "discriminator",
    "g_loss": "generator",
    "loss": "negative ELBO",
    "reconstruction": "reconstruction",
    "kl": "KL",
}
# Of a comparison, in inches.
_WIDTH = 12.0
_SAMPLES_WIDTH = 5.7
_TALLEST_SAMPLES = 4.2


def curves(metrics_csv: str | os.PathLike, path: str | os.PathLike) -> None:
    """Plots the log of a `kerasgan.callbacks.MetricsLog`: losses, and where they are the Wasserstein estimate and the
    gradient norm.

    The Wasserstein estimate is shown with its median filter of 101 rows, as in the paper; a tenth of the rows where
    there are fewer than 1,000.

    Args:
        metrics_csv: The log.
        path: Name of the picture; its suffix tells the format.

    Raises:
        ValueError: The log holds no row, or is none.

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, figure 3: the estimate tracks the quality of samples.
    """
    log = read_log(metrics_csv)
    panels = [_plot_losses]
    panels += [_plot_wasserstein] if "wasserstein" in log else []
    panels += [_plot_gradient_norm] if "gradient_norm" in log else []
    figure = _figure(8, 0.6 + 2.6 * len(panels))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, plot in zip(all_axes, panels[1:] + panels[:1], strict=True):  # the most telling first
        plot(axes, log)
        _tidy(axes)
    all_axes[-1].set_xlabel("training steps" if "loss" in log else "generator steps")
    _count_steps(all_axes[-1], log["step"][-1])
    _save(figure, path)


def comparison(
    logs: dict[str, dict[str, np.ndarray]], samples: dict[str, np.ndarray | None], path: str | os.PathLike
) -> None:
    """Plots two trainings over each other: the samples of both, then a panel for each quantity that either has logged.

    Args:
        logs: By the name of each training what `read_log` gives.
        samples: By the same names a picture, uint8 `(height, width, 3)`, or None where there is none.
        path: Name of the picture; its suffix tells the format.
    """
    names = _quantities(logs.values())
    colours = dict(zip(logs, (_COLOURS["main"], _COLOURS["second"]), strict=True))
    sections = [(0.6, lambda part: _plot_legend(part, logs, colours))]
    shapes = [picture.shape for picture in samples.values() if picture is not None]
    if shapes:
        tallest = max(_SAMPLES_WIDTH * height / width for height, width, _ in shapes)
        sections += [(0.4 + min(tallest, _TALLEST_SAMPLES), lambda part: _plot_samples(part, samples, colours))]
    sections += [(0.3 + 2.3 * math.ceil(len(names) / 2), lambda part: _plot_quantities(part, names, logs, colours))]
    heights = [height for height, _ in sections]
    figure = _figure(_WIDTH, sum(heights))
    parts = figure.subfigures(len(sections), 1, height_ratios=heights)
    for part, (_, plot) in zip(parts, sections, strict=True):
        plot(part)
    _save(figure, path)


def read_log(metrics_csv: str | os.PathLike) -> dict[str, np.ndarray]:
    """The columns of the log of a `kerasgan.callbacks.MetricsLog` by name, NaN where a row has no value.

    Args:
        metrics_csv: The log. What a crash, or a training that is still writing, has left of a last row is not read.

    Raises:
        ValueError: The log holds no row, or is none.
    """
    try:
        rows = read_rows(metrics_csv)
        log = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]} if rows else {}
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{metrics_csv} is not the log of a run: {error}. Restore it, or train again.") from error
    if not rows:
        raise ValueError(f"Nothing to plot: {metrics_csv} holds no row. Train for one step at least.")
    if not np.isfinite(log.get("step", np.nan)).all():
        raise ValueError(
            f"{metrics_csv} is not the log of a run: not every row has a step. Restore it, or train again."
        )
    return log


def read_rows(metrics_csv: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of a log as they are written, without a last one that a crash, or a writer, has left half written."""
    *lines, last = pathlib.Path(metrics_csv).read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    rows = csv.DictReader([*lines, last] if last.endswith("\n") else lines)
    return [row for row in rows if None not in row and None not in row.values()]


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
    _save(figure, path)


def _figure(width, height):
    # matplotlib is slow to import; the object API leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure, path):
    suffix, known = pathlib.Path(path).suffix, figure.canvas.get_supported_filetypes()
    if suffix[1:].lower() not in known:
        raise invalid("path", f"a name that ends in one of .{', .'.join(sorted(known))}", path)
    with files.replacing(path) as temporary:
        figure.savefig(temporary)


def median_filter(values: np.ndarray, window: int) -> np.ndarray:
    """Running median over an odd window, centred; at the ends over what there is of it, symmetrically."""
    half = window // 2
    result = np.empty(len(values))
    for i in range(len(values)):
        reach = min(half, i, len(values) - 1 - i)
        result[i] = np.median(values[i - reach : i + reach + 1])
    return result


def _plot_wasserstein(axes, log):
    _plot_smoothed(axes, log["step"], log["wasserstein"], _COLOURS["main"], "training")
    _plot_held_out(axes, log, "wasserstein")
    _limit(axes, *(log[name] for name in ("wasserstein", "val_wasserstein") if name in log))
    axes.set_title(_WASSERSTEIN)
    axes.legend(loc="best", frameon=False)


def _plot_gradient_norm(axes, log):
    target = _target(log)
    _plot_target(axes, target)
    _plot_smoothed(axes, log["step"], log["gradient_norm"], _COLOURS["main"])
    _limit(axes, np.append(log["gradient_norm"], target))
    axes.set_title(f"{_GRADIENT_NORM}, which the penalty draws to {target:g}")


def _plot_losses(axes, log):
    shown = [name for name in _LOSSES if name in log]
    colours = [_COLOURS["main"], _COLOURS["second"], _COLOURS["third"]]
    for name, colour in zip(shown, colours, strict=False):
        _plot_smoothed(axes, log["step"], log[name], colour, _LOSSES[name])
    if "loss" in log:
        _plot_held_out(axes, log, "loss", "negative ELBO, held out")
    _limit(axes, np.concatenate([log[name] for name in shown]), *([log["val_loss"]] if "val_loss" in log else []))
    axes.set_title("Losses, without penalties" if "gradient_norm" in log else "Losses")
    axes.legend(loc="best", frameon=False, ncols=2 if len(shown) == 2 else 1)


def _target(log):
    """The gradient norm that the penalty draws to."""
    return 0.0 if "r1" in log or "r2" in log else 1.0


def _plot_target(axes, target):
    axes.axhline(target, color=_COLOURS["line"], linewidth=1.0, linestyle=_DASHES)


def _quantities(logs):
    """Names of what the logs hold, the most telling first, those of held-out data alone last; `val_` is left out."""
    columns = [name for log in logs for name in log if name not in ("step", "epoch", "seconds")]
    trained = [name for name in columns if not name.startswith("val_")]
    held_out = [name.removeprefix("val_") for name in columns if name.startswith("val_")]
    first = [name for name in ("wasserstein", "gradient_norm", *_LOSSES) if name in trained]
    return list(dict.fromkeys(first + trained + held_out))


def _pairs(figure, count):
    """Panels with one x axis, two in a row; of an odd number the first is as wide as two."""
    odd = count % 2
    grid = figure.add_gridspec((count + odd) // 2, 2)
    first = figure.add_subplot(grid[0, :] if odd else grid[0, 0])
    return [first, *(figure.add_subplot(grid[k // 2, k % 2], sharex=first) for k in range(1 + odd, count + odd))]


def _plot_quantities(figure, names, logs, colours):
    panels = _pairs(figure, len(names))
    for axes, name in zip(panels, names, strict=True):
        _plot_quantity(axes, name, logs, colours)
        _tidy(axes)
        place = axes.get_subplotspec()
        wide = place.is_first_col() and place.is_last_col()
        axes.xaxis.set_tick_params(labelbottom=wide or place.is_last_row())
        axes.set_xlabel("steps" if place.is_last_row() else None)
    _count_steps(panels[0], max(log["step"][-1] for log in logs.values()))


def _plot_quantity(axes, name, logs, colours):
    """One quantity of several trainings."""
    title = {"wasserstein": _WASSERSTEIN, "gradient_norm": _GRADIENT_NORM}.get(name)
    title = title or (f"Loss: {_LOSSES[name]}" if name in _LOSSES else name.replace("_", " ").capitalize())
    axes.set_title(title)
    shown = []
    for run, log in logs.items():
        if name == "gradient_norm" and name in log:
            _plot_target(axes, _target(log))
        if name in log:
            _plot_smoothed(axes, log["step"], log[name], colours[run])
        _plot_held_out(axes, log, name, colour=colours[run], linestyle=_DASHES)
        shown += [log[column] for column in (name, f"val_{name}") if column in log]
    _limit(axes, *shown)


def _plot_samples(figure, samples, colours):
    """Pictures side by side, each below the name of its training."""
    for axes, (run, picture) in zip(figure.subplots(1, len(samples)), samples.items(), strict=True):
        axes.set_axis_off()
        axes.set_anchor("N")
        if picture is None:
            axes.text(0.5, 0.5, "no samples yet", ha="center", va="center", color="0.5", transform=axes.transAxes)
        else:
            axes.imshow(picture)
        axes.set_title(run, color=colours[run], fontsize=13, fontweight="bold")


def _plot_legend(figure, logs, colours):
    """What the colours and the strokes of all panels mean."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linewidth=2.5, label=run) for run, colour in colours.items()]
    lines += [Line2D([], [], color="0.4", linewidth=0.6, label="every row of the log")]
    lines += [Line2D([], [], color="0.4", linewidth=1.6, label="its running median")]
    if any(name.startswith("val_") for log in logs.values() for name in log):
        lines += [Line2D([], [], color="0.4", linestyle=_DASHES, marker="o", markersize=3, label="held out")]
    figure.legend(handles=lines, loc="center", ncols=len(lines), frameon=False)


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


def _plot_held_out(axes, log, name, label="held out", colour=_COLOURS["held out"], linestyle="-"):
    if f"val_{name}" in log:
        values = log[f"val_{name}"]
        there = np.isfinite(values)
        options = {"color": colour, "linestyle": linestyle, "marker": "o", "markersize": 3, "label": label}
        axes.plot(log["step"][there], values[there], **options)


def _limit(axes, *series):
    """Shows all series, each but for what lies beyond 1.5 times the spread of 99 % of it, as first steps often do."""
    ranges = [_range(values[np.isfinite(values)]) for values in series if np.isfinite(values).any()]
    if not ranges:
        return
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    margin = 0.06 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)


def _range(values):
    low, high = np.quantile(values, [0.005, 0.995])
    reach = 0.5 * (high - low) or max(abs(high), 1.0) * 0.1
    return max(values.min(), low - reach), min(values.max(), high + reach)


def _count_steps(axes, last):
    """Makes the x axis one of steps, from 0 to the last."""
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(0, max(last, 1))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")


def _tidy(axes):
    axes.title.set(ha="left", x=0.0, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.7")
    axes.tick_params(color="0.7", labelcolor="0.25", labelsize=9)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
