"""Wasserstein distances of two sets: exact and sliced."""

import numpy as np
import scipy.optimize
import scipy.spatial
import scipy.stats
from numpy.typing import ArrayLike

from kerasgan.errors import checked_integer, invalid
from kerasgan.metrics.features import blocks, checked, checked_pair

_LARGEST_EXACT = 10_000
# Projections held at once, of either set: 128 MB.
_PROJECTIONS = 2**24


def wasserstein_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Exact Wasserstein-1 distance of two equally large sets: mean length of the best one-to-one assignment.

    Args:
        real, fake: Arrays `(n, d)` with the same n, at most 10,000: time grows as n^3, to about a minute.

    Returns:
        Float >= 0, in units of the features. Two samples of one distribution score above 0.

    Raises:
        ValueError: The sets differ in size, or are too large.

    Reference: Villani, Optimal Transport, 2009, introduction; SciPy finds the assignment.
    """
    real, fake = checked_pair(real, fake, least=1)
    if len(real) != len(fake) or len(real) > _LARGEST_EXACT:
        expected = f"two sets of equal size, at most {_LARGEST_EXACT:,}: pass the first examples of each"
        raise invalid("fake", expected, f"{len(real):,} real and {len(fake):,} generated examples")
    if real.shape[1] == 1:
        return float(scipy.stats.wasserstein_distance(real[:, 0], fake[:, 0]))
    lengths = scipy.spatial.distance.cdist(real.astype(np.float64), fake.astype(np.float64))
    return float(lengths[scipy.optimize.linear_sum_assignment(lengths)].mean())


def sliced_wasserstein_distance(
    real: ArrayLike, fake: ArrayLike, num_directions: int = 512, seed: int = 0, directions: ArrayLike | None = None
) -> float:
    """Mean Wasserstein-1 distance of the projections on random directions.

    Args:
        real, fake: Arrays `(n, d)`; n may differ.
        num_directions: Integer >= 1.
        seed: Integer, for the directions.
        directions: Array `(d, num_directions)` of unit columns, in place of random ones.

    Returns:
        Float >= 0. Two samples of one distribution score above 0, and the smaller they are, the higher: compare with
        the value of real against real.

    Reference: Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing, 2011, eq. 6, with p = 1.
    """
    real, fake = checked_pair(real, fake, least=1)
    if directions is not None:
        directions = checked(directions, "directions", least=1)
        norms = np.linalg.norm(directions, axis=0)
        if len(directions) != real.shape[1] or not np.allclose(norms, 1.0, atol=1e-3):
            received = f"shape {directions.shape}, norms {norms[:3]}, ..."
            raise invalid("directions", f"unit columns with {real.shape[1]} coordinates", received)
    else:
        num_directions = checked_integer("num_directions", num_directions)
        directions = np.random.default_rng(seed).normal(size=(real.shape[1], num_directions))
        directions /= np.linalg.norm(directions, axis=0)
    at_once = max(1, _PROJECTIONS // max(len(real), len(fake)))
    parts = [directions[:, start : start + at_once] for start in range(0, directions.shape[1], at_once)]
    return float(np.mean(np.concatenate([_along(part, real, fake) for part in parts])))


def _along(directions, real, fake):
    """Distance of the projections on each direction."""
    one, other = (np.sort(_projected(features, directions), axis=0) for features in (real, fake))
    if len(one) == len(other):
        return np.abs(one - other).mean(axis=0)
    return [scipy.stats.wasserstein_distance(x, y) for x, y in zip(one.T, other.T, strict=True)]


def _projected(features, directions):
    return np.concatenate([rows @ directions for rows in blocks(features)])
