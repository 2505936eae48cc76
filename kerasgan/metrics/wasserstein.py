"""Wasserstein distances of two sets: exact and sliced."""

import numpy as np
import scipy.optimize
import scipy.spatial
import scipy.stats

from kerasgan.errors import checked_integer, invalid
from kerasgan.metrics import features as features_

_LARGEST_EXACT = 10_000
# The most projections that are held at once, of either set: 128 MB.
_PROJECTIONS = 2**24


def wasserstein_distance(real, fake):
    """Exact Wasserstein-1 distance of two equally large sets: the mean length of the best one-to-one assignment.

    Args:
        real, fake: Arrays `(n, d)`, n the same and at most 10,000: time grows as n^3, to about a minute.

    Returns:
        Float >= 0, in units of the features. Two samples of one distribution have more than 0.

    Raises:
        ValueError: The sets are not equally large, or too large.

    Reference: Villani, Optimal Transport, 2009, introduction; the assignment is found by SciPy.
    """
    real, fake = features_.checked_pair(real, fake, least=1)
    if len(real) != len(fake) or len(real) > _LARGEST_EXACT:
        expected = f"as many examples in both, at most {_LARGEST_EXACT:,}: pass as many of each"
        raise invalid("fake", expected, f"{len(real):,} real and {len(fake):,} generated ones")
    if real.shape[1] == 1:
        return float(scipy.stats.wasserstein_distance(real[:, 0], fake[:, 0]))
    lengths = scipy.spatial.distance.cdist(real.astype(np.float64), fake.astype(np.float64))
    return float(lengths[scipy.optimize.linear_sum_assignment(lengths)].mean())


def sliced_wasserstein_distance(real, fake, num_directions=512, seed=0, directions=None):
    """Mean of the Wasserstein-1 distances of the projections on random directions.

    Args:
        real, fake: Arrays `(n, d)`; their numbers may differ.
        num_directions: Integer >= 1. Defaults to `512`.
        seed: Integer, of the directions.
        directions: Array `(d, num_directions)` of unit columns instead of random ones.

    Returns:
        Float >= 0. Two samples of one distribution have more than 0, the more the fewer they are: look at the value
        of real against real beside.

    Reference: Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing, 2011, eq. 6, with p = 1.
    """
    real, fake = features_.checked_pair(real, fake, least=1)
    if directions is not None:
        directions = features_.checked(directions, "directions", least=1)
        norms = np.linalg.norm(directions, axis=0)
        if len(directions) != real.shape[1] or not np.allclose(norms, 1.0, atol=1e-3):
            received = f"shape {directions.shape}, norms {norms[:3]}, ..."
            raise invalid("directions", f"unit columns of {real.shape[1]} coordinates", received)
    else:
        num_directions = checked_integer("num_directions", num_directions)
        directions = np.random.default_rng(seed).normal(size=(real.shape[1], num_directions))
        directions /= np.linalg.norm(directions, axis=0)
    at_once = max(1, _PROJECTIONS // max(len(real), len(fake)))
    parts = [directions[:, start : start + at_once] for start in range(0, directions.shape[1], at_once)]
    return float(np.mean(np.concatenate([_along(part, real, fake) for part in parts])))


def _along(directions, real, fake):
    """Distances of the projections on each direction."""
    one, other = (np.sort(_projected(features, directions), axis=0) for features in (real, fake))
    if len(one) == len(other):
        return np.abs(one - other).mean(axis=0)
    return [scipy.stats.wasserstein_distance(x, y) for x, y in zip(one.T, other.T, strict=True)]


def _projected(features, directions):
    return np.concatenate([rows @ directions for rows in features_.blocks(features)])
