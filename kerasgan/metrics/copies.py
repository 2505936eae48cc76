"""Whether generated examples are copies: of training examples, or of one another."""

import numpy as np

from kerasgan.errors import checked_number, invalid
from kerasgan.metrics import features as features_
from kerasgan.metrics.distances import distances_in_blocks
from kerasgan.metrics.frechet import frechet_distance

# Cosine distance from which on nothing counts as memorised, and what keeps the quotient finite.
_MEMORIZED, _TINY = 0.1, 1e-14


def nearest_distances(features, others=None):
    """Euclidean distance of each example to the nearest of others, or of its own set without itself.

    Args:
        features: Array `(n, d)`.
        others: Array `(m, d)`. Defaults to the same set.

    Returns:
        Float64 array `(n,)`.
    """
    features = features_.checked(features, "features", least=2 if others is None else 1)
    targets = features if others is None else features_.checked(others, "others", least=1)
    if targets.shape[1] != features.shape[1]:
        raise invalid("others", f"{features.shape[1]} features, as `features` has", f"{targets.shape[1]} features")
    features_.check_scale("others", targets, features)
    nearest = np.full(len(features), np.inf)
    for rows, distances in distances_in_blocks(targets, features):
        if others is None:
            np.fill_diagonal(distances.squares[:, rows], np.inf)
        distances.settle(distances.squares.min(axis=0))
        nearest = np.minimum(nearest, distances.squares.min(axis=0))
    return np.sqrt(nearest)


def copy_rate(real, fake, quantile=0.01, held_out=None):
    """Share of generated examples that are nearer to a training example than other real ones are.

    "Nearer": not beyond the `quantile` of the distances of other real examples to their nearest training example, those
    that repeat it left out. A perfect sampler has about that quantile, and besides the share of real examples that
    repeat others; a generator that repeats its training set has nearly 1. Blur hides copies, because blurred ones are
    farther from their originals.

    Args:
        real: Array `(n, d)` of all training examples, n >= 2: what is left out cannot be found to be copied.
        fake: Array `(m, d)` of generated ones; None for the other real examples themselves, which gives what a perfect
            sampler has.
        quantile: Float in (0, 1). Defaults to `0.01`.
        held_out: Array `(l, d)` of real examples that were not trained on. Defaults to the training examples, each with
            the others.

    Returns:
        Float in [0, 1].
    """
    if fake is not None:
        real, fake = features_.checked_pair(real, fake, least=1)
    quantile = checked_number("quantile", quantile, "(0, 1)")
    others = None if held_out is None else nearest_distances(held_out, real)
    new = _nearest_among_distinct(real) if held_out is None else others[others > 0]
    threshold = np.quantile(new, quantile) if len(new) else 0.0
    if fake is not None:
        others = nearest_distances(fake, real)
    elif held_out is None:
        others = nearest_distances(real)
    return float((others <= threshold).mean())


def duplicate_rate(real, fake, fraction=0.25):
    """Share of generated examples that are far nearer to another generated one than real ones are to each other.

    The sign of a collapse: a generator that makes few examples repeats them. "Far nearer": not beyond `fraction` of the
    median distance of distinct real examples to their nearest one, so that examples that are merely blurred, or lie a
    little nearer to the mean, do not count. In many dimensions a perfect sampler has 0; in few, about
    1 - 2^(-1/4^d) are so near by chance, a sixth in one, 0.04 in two. Compare sets of one size, as nearest
    distances shrink with it.

    Args:
        real: Array `(n, d)`, n >= 2.
        fake: Array `(m, d)` of generated ones, m >= 2.
        fraction: Float in (0, 1). Defaults to `0.25`.

    Returns:
        Float in [0, 1].

    Reference: Arora, Risteski, Zhang, Do GANs learn the distribution?, 2018: the birthday paradox.
    """
    real, fake = features_.checked_pair(real, fake)
    return float((nearest_distances(fake) <= duplicate_distance(real, fraction)).mean())


def duplicate_distance(real, fraction=0.25):
    """How near a duplicate is, by the measure of `duplicate_rate`."""
    fraction = checked_number("fraction", fraction, "(0, 1)")
    return fraction * float(np.median(_nearest_among_distinct(real)))


def memorization_informed_frechet_distance(real, fake):
    """Frechet distance divided by how far generated examples are from real ones, where that is suspiciously little.

    MiFID = FD / (distance + 1e-14),  distance = mean over real x of min over fake y of 1 - |cos(x, y)|, and 1 if >= 0.1

    Args:
        real, fake: Arrays `(n, d)` of features.

    Returns:
        Float >= 0; infinity where the generated examples are the real ones.

    Reference: Bai et al., On Training Sample Memorization, 2021. The mean is over real examples, as in torchmetrics;
        Kaggle's had it over generated ones.
    """
    real, fake = features_.checked_pair(real, fake)
    distance = frechet_distance(real, fake)
    unit = _unit(fake)
    nearest = np.concatenate(
        [1.0 - np.abs(_unit(rows) @ unit.T).max(axis=1) for rows in features_.blocks(real, 8 * len(fake))]
    )
    memorized = nearest.mean()
    if memorized <= _TINY:
        return float("inf")
    return float(distance / ((memorized if memorized < _MEMORIZED else 1.0) + _TINY))


def _unit(features):
    features = np.asarray(features, np.float64)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1.0)


def _nearest_among_distinct(features):
    """`nearest_distances` of examples of which none repeats another; 0 where there is one."""
    rows = np.ascontiguousarray(features + 0)  # -0 is 0
    rows = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    distinct = features[np.sort(np.unique(rows, return_index=True)[1])]
    return nearest_distances(distinct) if len(distinct) > 1 else np.zeros(1)
