"""Plots: the curves of a run, from its log; two runs side by side; an evaluation."""

import io
import math
import os
import typing
from collections.abc import Sequence

import numpy as np

from kerasgan import files
from kerasgan.errors import invalid
from kerasgan.logs import of_history, read_log, read_rows

if typing.TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

__all__ = ["comparison", "curves", "evaluation", "median_filter", "read_log", "read_rows"]

_WINDOW = 101
_FEW_ROWS = 1000
_COLOURS = {"main": "#1f5a93", "second": "#d1495b", "third": "#4f8a5b", "held out": "#e08e1b", "line": "0.55"}
_DASHES = (0, (4, 3))
_WASSERSTEIN = "Wasserstein estimate of the critic"
_GRADIENT_NORM = "Gradient norm of the discriminator"
# The norm that a penalty draws it to, by the penalty's name in the log.
_DRAWN_TO = {"gradient_penalty": 1.0, "dragan_penalty": 1.0, "r1": 0.0, "r2": 0.0}
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


def curves(
    metrics_csv: "keras.callbacks.History | str | os.PathLike", path: str | os.PathLike | None = None
) -> "Figure":
    """Plots the losses of a run, and where logged the Wasserstein estimate and the gradient norm.

    The Wasserstein estimate is shown with its median filter of 101 rows, as in the paper; a tenth of the rows where
    there are fewer than 1,000.

    Args:
        metrics_csv: The file of a `kerasgan.callbacks.MetricsLog`, the directory of a run, or the `History` that `fit`
            returned, which has one value per epoch.
        path: Name of a picture to write; its suffix gives the format. Defaults to none.

    Returns:
        The Matplotlib figure, which a notebook displays as the value of a cell.

    Raises:
        FileNotFoundError: There is no such file, or no log in the directory.
        ValueError: The file is not a log, or there is nothing in it to plot.

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, figure 3: the estimate tracks the quality of samples.
    """
    # A History has such a dict; nothing here imports Keras.
    log = read_log(metrics_csv) if isinstance(metrics_csv, str | os.PathLike) else of_history(metrics_csv)
    panels = [_plot_wasserstein] if "wasserstein" in log else []
    panels += [_plot_gradient_norm] if "gradient_norm" in log else []
    panels += [_plot_losses] if _LOSSES.keys() & log.keys() else []
    if not panels:
        expected = f"the log of a model of kerasgan, with one of {', '.join(_LOSSES)}"
        raise invalid("metrics_csv", expected, f"values of {', '.join(log)}")
    figure = _figure(8, 0.6 + 2.6 * len(panels))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, plot in zip(all_axes, panels, strict=True):
        plot(axes, log)
        _tidy(axes)
    all_axes[-1].set_xlabel("training steps" if "loss" in log else "generator steps")
    _count_steps(all_axes[-1], log["step"][-1])
    if path is not None:
        _save(figure, path)
    return figure


def comparison(
    logs: dict[str, dict[str, np.ndarray]], samples: dict[str, np.ndarray | None], path: str | os.PathLike
) -> None:
    """Plots two runs: the samples of both, then a panel for each quantity that either has logged.

    Args:
        logs: What `read_log` gives, by the name of each run.
        samples: A picture, uint8 `(height, width, 3)`, by the same names; None where there is none.
        path: Name of the picture; its suffix gives the format.
    """
    names = _quantities(logs.values())
    colours = dict(zip(logs, (_COLOURS["main"], _COLOURS["second"]), strict=True))
    shapes = [picture.shape for picture in samples.values() if picture is not None]
    heights = {"legend": 0.6, "curves": 0.3 + 2.3 * math.ceil(len(names) / 2)}
    if shapes:
        tallest = max(_SAMPLES_WIDTH * height / width for height, width, _ in shapes)
        heights = {"legend": 0.6, "samples": 0.4 + min(tallest, _TALLEST_SAMPLES), "curves": heights["curves"]}
    figure = _figure(_WIDTH, sum(heights.values()))
    parts = dict(zip(heights, figure.subfigures(len(heights), 1, height_ratios=[*heights.values()]), strict=True))
    _plot_legend(parts["legend"], logs, colours)
    if shapes:
        _plot_samples(parts["samples"], samples, colours)
    _plot_quantities(parts["curves"], names, logs, colours)
    _save(figure, path)


def evaluation(
    distances: dict[str, np.ndarray],
    shares: Sequence[np.ndarray] | None,
    class_names: Sequence[str] | None,
    path: str | os.PathLike,
) -> None:
    """Plots how near generated examples are to real ones, and the share of each class.

    Args:
        distances: Arrays of nearest distances, by their label; the first is drawn in front.
        shares: Two arrays `(classes,)`: the share of each class among real and among generated examples; or None.
        class_names: Name of each class, or None.
        path: Name of the picture; its suffix gives the format.
    """
    figure = _figure(8, 3.2 if shares is None else 6.0)
    panels = figure.subplots(1 if shares is None else 2, 1, squeeze=False)[:, 0]
    _plot_distances(panels[0], distances)
    if shares is not None:
        _plot_shares(panels[1], shares, class_names)
    for axes in panels:
        _tidy(axes)
    _save(figure, path)


def _plot_distances(axes, distances):
    edges = np.linspace(0.0, max(values.max() for values in distances.values()), 51)
    for (label, values), colour in zip(distances.items(), ("main", "second"), strict=False):
        axes.hist(values, edges, density=True, color=_COLOURS[colour], alpha=0.45, label=label)
    axes.set_title("Distance to the nearest real example")
    axes.set_xlabel("distance")
    axes.set_ylabel("density of examples")
    axes.legend(loc="best", frameon=False)


def _plot_shares(axes, shares, class_names):
    classes = np.arange(len(shares[0]))
    real, generated = shares
    axes.bar(classes - 0.2, real, 0.4, color=_COLOURS["second"], alpha=0.8, label="real")
    axes.bar(classes + 0.2, generated, 0.4, color=_COLOURS["main"], alpha=0.8, label="generated")
    if class_names is not None and len(classes) <= 30:
        axes.set_xticks(classes, class_names, rotation=45 if max(map(len, class_names)) > 3 else 0)
    axes.yaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g} %")
    axes.set_title("Share of each class, by the classifier")
    axes.set_ylim(0.0, 1.2 * max(map(np.max, shares)))
    axes.legend(loc="upper right", frameon=False, ncols=2)


def _figure(width, height):
    # matplotlib is slow to import; the object API leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Shown(Figure):
        """Displays itself in notebooks that have not imported pyplot, too."""

        def _repr_png_(self):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    figure = Shown(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure, path):
    path = files.checked_path("path", path, "the name of a picture, e.g. 'curves.png'")
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise invalid("path", f"a name that ends in one of .{', .'.join(sorted(known))}", path)
    with files.replacing(path) as temporary:
        figure.savefig(temporary)


def median_filter(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the running median over an odd, centred window, which shrinks symmetrically at the ends."""
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
    target = _plot_target(axes, log)
    _plot_smoothed(axes, log["step"], log["gradient_norm"], _COLOURS["main"])
    _limit(axes, log["gradient_norm"], np.array([] if target is None else [target]))
    axes.set_title(_GRADIENT_NORM + ("" if target is None else f", which the penalty draws to {target:g}"))


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


def _plot_target(axes, log):
    """Draws, and returns, the gradient norm that the penalty draws to; None if that of its name is not known."""
    target = next((norm for name, norm in _DRAWN_TO.items() if name in log), None)
    if target is not None:
        axes.axhline(target, color=_COLOURS["line"], linewidth=1.0, linestyle=_DASHES)
    return target


def _quantities(logs):
    """Names of the logged quantities, without `val_`: the most telling first, those of held-out data alone last."""
    columns = [name for log in logs for name in log if name not in ("step", "epoch", "seconds")]
    trained = [name for name in columns if not name.startswith("val_")]
    held_out = [name.removeprefix("val_") for name in columns if name.startswith("val_")]
    first = [name for name in ("wasserstein", "gradient_norm", *_LOSSES) if name in trained]
    return list(dict.fromkeys(first + trained + held_out))


def _plot_quantities(figure, names, logs, colours):
    """Panels with one x axis, two in a row; with an odd number the first is as wide as two."""
    odd = len(names) % 2
    rows = [names[:1] * 2] * odd + [names[k : k + 2] for k in range(odd, len(names), 2)]
    panels = figure.subplot_mosaic(rows, sharex=True)
    for name, axes in panels.items():
        _plot_quantity(axes, name, logs, colours)
        _tidy(axes)
        axes.set_xlabel("steps" if name in rows[-1] else None)
    panels[names[0]].xaxis.set_tick_params(labelbottom=bool(odd) or len(rows) == 1)
    _count_steps(panels[names[0]], max(log["step"][-1] for log in logs.values()))


def _plot_quantity(axes, name, logs, colours):
    """One quantity of several runs."""
    title = {"wasserstein": _WASSERSTEIN, "gradient_norm": _GRADIENT_NORM}.get(name)
    title = title or (f"Loss: {_LOSSES[name]}" if name in _LOSSES else name.replace("_", " ").capitalize())
    axes.set_title(title)
    shown = []
    for run, log in logs.items():
        if name == "gradient_norm" and name in log:
            _plot_target(axes, log)
        if name in log:
            _plot_smoothed(axes, log["step"], log[name], colours[run])
        _plot_held_out(axes, log, name, colour=colours[run], linestyle=_DASHES)
        shown += [log[column] for column in (name, f"val_{name}") if column in log]
    _limit(axes, *shown)


def _plot_samples(figure, samples, colours):
    """Pictures side by side, each below the name of its run."""
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
    """Brings all series into view, except for values far outside 99 % of their own, as first steps often are."""
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
