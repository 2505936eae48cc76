"""How many known modes a generator reaches."""

import numpy as np
import scipy.spatial
import scipy.stats
from numpy.typing import ArrayLike

from kerasgan.errors import checked_integer, checked_number, invalid
from kerasgan.metrics.features import check_features, checked


def mode_coverage(
    points: ArrayLike, centres: ArrayLike, std: float, radius: float = 3.0, enough: int = 20
) -> dict[str, float]:
    """Modes of a mixture of equal Gaussians that generated points reach, and how faithfully.

    Args:
        points: Array `(n, d)` of generated points.
        centres: Array `(modes, d)`, e.g. `kerasgan.datasets.ring_modes()`.
        std: Float, standard deviation of each Gaussian in each coordinate, 0.01 for the ring and 0.05 for the grid.
        radius: Float: a point within this many standard deviations of a centre is of high quality.
        enough: Integer >= 1: a mode with this many points of high quality is held, with fewer only touched.

    Returns:
        Dict:
        - `modes`: centres with a point of high quality, as papers count; a uniform sampler already has most of them.
        - `modes_held`: centres with `enough` of them.
        - `high_quality`: share of the points; a perfect sampler in two dimensions has 1 - exp(-4.5) = 0.989.
        - `kl`: KL(histogram of the points of high quality over modes || uniform), log(modes) without such points; a
          perfect sampler has (modes - 1) / (2 n) on average.
        - `radius_ratio`: root mean square distance of the points of high quality from their centres, relative to a
          perfect sampler's; NaN without such points. A generator far below 1 knows only the centres.

    Reference: Srivastava et al., VEEGAN, 2017, section 4.1; Lin et al., PacGAN, 2018, section 4.1.
    """
    centres = checked(centres, "centres", least=1).astype(np.float64)
    points = checked(points, "points", least=1).astype(np.float64)
    check_features("points", points.shape[1], centres.shape[1], "centres")
    std, radius = checked_number("std", std, "(0, inf)"), checked_number("radius", radius, "(0, inf)")
    enough = checked_integer("enough", enough)
    distances, nearest = scipy.spatial.cKDTree(centres).query(points)
    good = distances < radius * std
    counts = np.bincount(nearest[good], minlength=len(centres))
    scale = std * np.sqrt(points.shape[1] * _truncated_variance(radius, points.shape[1]))
    return {
        "modes": int((counts > 0).sum()),
        "modes_held": int((counts >= enough).sum()),
        "high_quality": float(good.mean()),
        "kl": _kl_from_uniform(counts),
        "radius_ratio": float(np.sqrt(np.mean(distances[good] ** 2)) / scale) if good.any() else float("nan"),
    }


def mode_coverage_of_labels(labels: ArrayLike, num_modes: int, enough: int = 5) -> dict[str, float]:
    """Modes that generated examples reach, by the class that a classifier predicts for each.

    Args:
        labels: Integer array `(n,)`; for stacked MNIST, 100 * red + 10 * green + blue.
        num_modes: Integer, how many there are.
        enough: Integer >= 1, examples that make a mode held. Defaults to 5, because a classifier with an error rate of
            0.5% touches hundreds of modes that were never generated.

    Returns:
        Dict: `modes`, `modes_held`, `kl` as in `mode_coverage`, and `kl_perfect`, (modes - 1) / (2 n).

    Reference: Metz et al., Unrolled GANs, 2017, section 3.3.1; Lin et al., PacGAN, 2018, section 4.2.
    """
    num_modes, enough = checked_integer("num_modes", num_modes), checked_integer("enough", enough)
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu":
        raise invalid("labels", "integers of shape (n,)", f"{labels.dtype} of shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= num_modes:
        raise invalid("labels", f"integers in [0, {num_modes})", f"labels from {labels.min()} to {labels.max()}")
    counts = np.bincount(labels, minlength=num_modes)
    return {
        "modes": int((counts > 0).sum()),
        "modes_held": int((counts >= enough).sum()),
        "kl": _kl_from_uniform(counts),
        "kl_perfect": (num_modes - 1) / (2 * len(labels)),
    }


def _kl_from_uniform(counts):
    if not counts.any():
        return float(np.log(len(counts)))
    p = counts[counts > 0] / counts.sum()
    return float(np.sum(p * np.log(p * len(counts))))


def _truncated_variance(radius, dimension):
    """Variance in each coordinate of a standard normal vector that is shorter than `radius`."""
    # E[r^2 | r < R] = d P(chi^2_{d+2} < R^2) / P(chi^2_d < R^2).
    square = radius**2
    return scipy.stats.chi2.cdf(square, dimension + 2) / scipy.stats.chi2.cdf(square, dimension)
