"""Frechet distance of two Gaussians: the distance behind FID, of any features."""

import dataclasses
from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from kerasgan.errors import invalid
from kerasgan.metrics.features import blocks, check_features, check_scale, checked

# How far below zero rounding may take a distance, as a share of both traces.
_TOLERANCE = 1e-6


class GaussianStatistics:
    """Mean and covariance of features that arrive in batches, in any order.

    Sums are float64, of differences from the running mean: raw moments in float32 are useless at an offset of 1e3.

    Args:
        features: Array `(n, d)`, the first batch. Defaults to none.

    Attributes:
        count: Integer, examples so far.
        mean: Float64 `(d,)`.
        scatter: Float64 `(d, d)`, sum of the outer products of the differences from the mean.

    Reference: Chan, Golub, LeVeque, Algorithms for Computing the Sample Variance, 1983.
    """

    count: int = 0
    mean: np.ndarray
    scatter: np.ndarray

    def __init__(self, features: ArrayLike | None = None):
        if features is not None:
            self.update(features)

    def update(self, features: ArrayLike) -> Self:
        """Adds a batch `(n, d)`, n >= 1; returns itself."""
        features = checked(features, "features", least=1)
        if not self.count:
            self.mean, self.scatter = np.zeros(features.shape[1]), np.zeros((features.shape[1],) * 2)
        if features.shape[1] != len(self.mean):
            raise invalid("features", f"{len(self.mean)} features, as before", f"{features.shape[1]} features")
        for rows in blocks(features):
            mean = rows.mean(axis=0)
            rows -= mean
            total = self.count + len(rows)
            difference = mean - self.mean
            self.mean += difference * (len(rows) / total)
            self.scatter += rows.T @ rows
            self.scatter += np.outer(difference * (self.count * len(rows) / total), difference)
            self.count = total
        return self

    @property
    def covariance(self) -> np.ndarray:
        """Float64 `(d, d)`, unbiased: divided by n - 1."""
        if self.count < 2:
            raise invalid("features", "2 or more examples, to have a covariance", str(self.count))
        return self.scatter / (self.count - 1)


def frechet_distance(real: ArrayLike | GaussianStatistics, fake: ArrayLike | GaussianStatistics) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians with the moments of the features.

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2),  covariances divided by n - 1

    The trace of the root is the sum of the roots of the eigenvalues of L' S2 L, where S1 = L L' by Cholesky. With fewer
    examples than dimensions it is the sum of the singular values of a product of centred features, which is exact where
    the usual methods are not. Two samples of one distribution do not score 0 but, for unit covariance, about
    (d (d + 1) / 2 + 2 d) / n: compare only values at equal n.

    Args:
        real, fake: Arrays `(n, d)` of features, n >= 2, or `GaussianStatistics`.

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, eq. 6; Mathiasen, Hvilshoj,
        Backpropagating through FID, 2020, for fewer examples than dimensions.
    """
    check_scale("fake", fake, real)
    x, y = _moments(real, "real"), _moments(fake, "fake")
    check_features("fake", len(y.mean), len(x.mean))
    traces = x.trace + y.trace
    distance = np.sum((x.mean - y.mean) ** 2) + traces - 2.0 * _trace_of_root(x, y)
    if distance < -_TOLERANCE * traces:
        raise ArithmeticError(f"The Frechet distance came out as {distance}, below what rounding explains.")
    return float(max(distance, 0.0))


@dataclasses.dataclass
class _Moments:
    """Mean and covariance; the latter as a matrix S, or as centred rows R with R' R = S."""

    mean: np.ndarray
    trace: float
    covariance: np.ndarray | None = None
    rows: np.ndarray | None = None


def _moments(given, argument):
    if not isinstance(given, GaussianStatistics):
        features = checked(given, argument)
        if len(features) <= features.shape[1]:
            rows = features.astype(np.float64)
            mean = rows.mean(axis=0)
            rows -= mean
            rows /= np.sqrt(len(rows) - 1)
            return _Moments(mean, np.sum(rows**2), rows=rows)
        given = GaussianStatistics(features)
    covariance = given.covariance
    return _Moments(given.mean, np.trace(covariance), covariance)


def _trace_of_root(one, other):
    """tr (S1 S2)^(1/2)."""
    if one.rows is not None and other.rows is not None:
        return scipy.linalg.svdvals(one.rows @ other.rows.T).sum()
    if other.rows is not None:
        one, other = other, one
    factor = _factor(one.covariance).T if one.rows is None else one.rows
    eigenvalues = scipy.linalg.eigvalsh(factor @ other.covariance @ factor.T, overwrite_a=True, check_finite=False)
    # n centred rows span n - 1 directions: the smallest eigenvalue is a rounded 0, whose root would show.
    known = eigenvalues if one.rows is None else eigenvalues[1:]
    return np.sqrt(np.maximum(known, 0.0)).sum()


def _factor(covariance):
    """F with F F' = S, by Cholesky, or by eigenvectors if S is not positive definite."""
    try:
        return scipy.linalg.cholesky(covariance, lower=True)
    except scipy.linalg.LinAlgError:
        values, vectors = scipy.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))
