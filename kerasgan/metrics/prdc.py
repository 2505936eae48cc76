"""Precision, recall, density, coverage: do generated examples lie among real ones, and do they reach all of them."""

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import checked_integer
from kerasgan.metrics.distances import distances_in_blocks
from kerasgan.metrics.features import checked_pair


def prdc(real: ArrayLike, fake: ArrayLike, k: int = 5, inclusive: bool = False) -> dict[str, float]:
    """Precision, recall, density and coverage from k-th nearest neighbours.

        r(x) = distance from x to the k-th nearest other example of its own set

        precision = mean over fake of [ |fake - x| <  r(x)  for some real x ]
        recall    = mean over real of [ |real - y| <  r(y)  for some fake y ]
        density   = mean over fake of   number of real x with |fake - x| < r(x),  divided by k
        coverage  = mean over real of [ |real - y| <  r(real)  for some fake y ]

    Generated examples that do not look real lower precision and density; real ones that are never generated lower
    recall and coverage. A perfect sampler has a mean density of 1, which can be exceeded, and `expected_coverage`.
    Prefer these two: a single outlier can raise precision or recall. Values depend on both sizes, so compare at equal
    ones.

    Args:
        real: Array `(n, d)`: features, or pixels, of real examples, n > k.
        fake: Array `(m, d)` of generated ones, m > k.
        k: Integer >= 1. Defaults to 5, as in the paper.
        inclusive: Whether the boundary belongs to a ball, `<=` for `<`, as in torch-fidelity and StyleGAN. It matters
            if distances are equal, as among duplicates and images with few levels. Distances whose squares differ by
            less than one part in 10^10 are equal. Defaults to False, as in the paper.

    Reference: Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, 2020, eq. 3 and 4;
        Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, 2019, eq. 1.
        Equals the authors' package `prdc` unless distances are equal: rounding decides its ties. Its memory grows as
        n * m, ours does not.

    Example:
        >>> real = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> prdc(real, real[:2], k=1)
        {'precision': 1.0, 'recall': 0.5, 'density': 1.0, 'coverage': 0.5}
    """
    k = checked_integer("k", k)
    real, fake = checked_pair(real, fake, k + 1, f", to have a neighbour number k={k}")
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii, fake_radii = _squared_radii(real, k), _squared_radii(fake, k)
    reached = np.zeros(len(fake), np.int64)  # how many real examples' balls hold each generated one
    recalled = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    for rows, distances in distances_in_blocks(real, fake):
        within = distances.within(real_radii[rows, None], inclusive)
        reached += within.sum(axis=0)
        covered[rows] = within.any(axis=1)
        recalled[rows] = distances.within(fake_radii, inclusive).any(axis=1)
    return {
        "precision": float((reached > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(1.0 / k * reached.mean()),
        "coverage": float(covered.mean()),
    }


def expected_coverage(num_real: int, num_fake: int, k: int = 5) -> float:
    """Mean coverage of a perfect sampler, for any distribution and dimension.

    1 - prod over i < k of (n - 1 - i) / (n + m - 1 - i),  n real and m generated

    A real example is missed if its k nearest among the n + m - 1 others are all real.

    Reference: Naeem et al., 2020, lemma 2.

    Example:
        >>> round(expected_coverage(1797, 1797), 4)
        0.9689
    """
    num_real, num_fake = checked_integer("num_real", num_real), checked_integer("num_fake", num_fake)
    i = np.arange(checked_integer("k", k))
    return float(1.0 - np.prod((num_real - 1 - i) / (num_real + num_fake - 1 - i)))


def _squared_radii(points, k):
    """Squared distance of each point to its k-th nearest other point."""
    radii = np.empty(len(points))
    for rows, distances in distances_in_blocks(points, points):
        # The point itself then comes first, and its k-th neighbour is at index k.
        np.fill_diagonal(distances.squares[:, rows], -np.inf)
        distances.settle(np.partition(distances.squares, k, axis=1)[:, k, None])
        radii[rows] = np.partition(distances.squares, k, axis=1)[:, k]
    return radii
