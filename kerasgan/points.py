"""Scatter plots of points in the plane."""

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import DataError, invalid

SCATTER_SIZE = 512


def scatter(points: ArrayLike, real: ArrayLike | None = None) -> np.ndarray:
    """Returns a plot of generated points in colour over real ones in grey, uint8 `(512, 512, 3)`.

    Args:
        points: Float `(n, 2)`. Those that are not finite are left out.
        real: Float `(m, 2)`, or None. They set the view: with the same ones each time, plots can be compared.
    """
    # Here, not above: matplotlib is slow to import. The object API leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = _checked_points(points, "points")
    behind = None if real is None else _checked_points(real, "real")
    figure = Figure(figsize=(SCATTER_SIZE / 100, SCATTER_SIZE / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.07, 0.895, 0.9))
    if behind is not None:
        axes.scatter(behind[:, 0], behind[:, 1], s=6, color="0.65", linewidths=0, label="real")
    axes.scatter(shown[:, 0], shown[:, 1], s=6, color="#d1495b", alpha=0.6, linewidths=0, label="generated")
    centre, half = _view(shown if behind is None or not len(behind) else behind)
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8, color="0.6", labelcolor="0.3")
    axes.spines[:].set_color("0.8")
    if behind is not None:
        axes.legend(loc="upper right", fontsize=8, markerscale=2.5, framealpha=0.9, edgecolor="0.8")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _view(points):
    """Centre and half width of a square with a margin of 25 % around the points."""
    if not len(points):
        return np.zeros(2), 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float(max(high - low) / 2 * 1.25) or 1.0


def _checked_points(points, argument):
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        expected = "points in the plane, shape `(n, 2)`; project others"
        raise invalid(argument, expected, f"shape={points.shape}", DataError)
    points = points.astype(np.float64)
    return points[np.isfinite(points).all(axis=1)]
