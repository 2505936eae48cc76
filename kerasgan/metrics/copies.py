"""Whether generated examples are copies: of training examples, or of one another."""

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import checked_number
from kerasgan.metrics.distances import distances_in_blocks
from kerasgan.metrics.features import check_features, check_scale, checked, checked_pair


def nearest_distances(features: ArrayLike, others: ArrayLike | None = None) -> np.ndarray:
    """Euclidean distance of each example to its nearest neighbour among others.

    Args:
        features: Array `(n, d)`.
        others: Array `(m, d)`. Defaults to the other examples of `features`.

    Returns:
        Float64 array `(n,)`.
    """
    features = checked(features, "features", least=2 if others is None else 1)
    targets = features if others is None else checked(others, "others", least=1)
    check_features("others", targets.shape[1], features.shape[1], "features")
    check_scale("others", targets, features)
    nearest = np.full(len(features), np.inf)
    for rows, distances in distances_in_blocks(targets, features):
        if others is None:
            np.fill_diagonal(distances.squares[:, rows], np.inf)
        distances.settle(distances.squares.min(axis=0))
        nearest = np.minimum(nearest, distances.squares.min(axis=0))
    return np.sqrt(nearest)


def copy_rate(
    real: ArrayLike, fake: ArrayLike | None, quantile: float = 0.01, held_out: ArrayLike | None = None
) -> float:
    """Share of generated examples that are closer to a training example than nearly all other real ones are.

    "Closer": within the `quantile` of the distances from other real examples to their nearest training example,
    ignoring exact repeats. A perfect sampler scores about that quantile plus the share of real examples that repeat
    others; a generator that repeats its training set scores nearly 1. Blur hides copies by moving them away from
    their originals.

    Args:
        real: Array `(n, d)` of all training examples, n >= 2: copies of an example left out are not found.
        fake: Array `(m, d)` of generated examples. None measures the other real examples instead, which gives the
            score of a perfect sampler.
        quantile: Float in (0, 1).
        held_out: Array `(l, d)` of real examples that were not trained on. Defaults to the training examples, each
            against the others.
    """
    if fake is not None:
        real, fake = checked_pair(real, fake, least=1)
    quantile = checked_number("quantile", quantile, "(0, 1)")
    others = None if held_out is None else nearest_distances(held_out, real)
    new = _nearest_among_distinct(np.asarray(real)) if others is None else others[others > 0]
    threshold = np.quantile(new, quantile) if len(new) else 0.0
    if fake is not None:
        others = nearest_distances(fake, real)
    elif others is None:
        others = nearest_distances(real)
    return float((others <= threshold).mean())


def duplicate_rate(real: ArrayLike, fake: ArrayLike, fraction: float = 0.25) -> float:
    """Share of generated examples that are far closer to another generated one than real ones are to each other.

    A symptom of collapse. "Far closer": within `fraction` of the median distance from distinct real examples to their
    nearest neighbour, so that examples which are only blurred, or slightly nearer to the mean, do not count. A perfect
    sampler scores 0 in many dimensions. In few, about 1 - 2^(-1/4^d) are that close by chance: 0.16 in one dimension,
    0.04 in two. Compare sets of equal size, because nearest distances shrink as a set grows.

    Args:
        real: Array `(n, d)`, n >= 2.
        fake: Array `(m, d)` of generated examples, m >= 2.
        fraction: Float in (0, 1).

    Reference: Arora, Risteski, Zhang, Do GANs learn the distribution?, 2018: the birthday paradox.
    """
    real, fake = checked_pair(real, fake)
    return float((nearest_distances(fake) <= duplicate_distance(real, fraction)).mean())


def duplicate_distance(real: np.ndarray, fraction: float = 0.25) -> float:
    """The largest distance between duplicates, as `duplicate_rate` defines them."""
    fraction = checked_number("fraction", fraction, "(0, 1)")
    return fraction * float(np.median(_nearest_among_distinct(real)))


def _nearest_among_distinct(features):
    """`nearest_distances` without repeated examples; 0 if all are the same."""
    rows = np.ascontiguousarray(features + 0)  # -0 is 0
    rows = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    distinct = features[np.sort(np.unique(rows, return_index=True)[1])]
    return nearest_distances(distinct) if len(distinct) > 1 else np.zeros(1)
