"""Frechet distance of two Gaussians: the distance behind FID, of any features."""

import numpy as np
import scipy.linalg

from kerasgan import files
from kerasgan.errors import invalid
from kerasgan.metrics import features as features_

# What rounding may take a distance below zero by, as a share of both traces.
_TOLERANCE = 1e-6


class GaussianStatistics:
    """Mean and covariance of features that come in batches, in any order.

    Sums are float64 of differences from the mean so far: raw moments in float32 are worth nothing at an offset of 1e3.

    Args:
        features: Array `(n, d)` of the first of them. Defaults to none.

    Attributes:
        count: Integer, examples so far.
        mean: Float64 `(d,)`.
        scatter: Float64 `(d, d)`, sum of the outer products of the differences from the mean.

    Reference: Chan, Golub, LeVeque, Algorithms for Computing the Sample Variance, 1983.
    """

    def __init__(self, features=None):
        self.count, self.mean, self.scatter = 0, None, None
        if features is not None:
            self.update(features)

    def update(self, features):
        """Takes a batch `(n, d)`, n >= 1; returns itself."""
        features = features_.checked(features, "features", least=1)
        if self.count and features.shape[1] != len(self.mean):
            raise invalid("features", f"{len(self.mean)} features, as before", f"{features.shape[1]} features")
        for rows in features_.blocks(features):
            mean = rows.mean(axis=0)
            rows -= mean
            self._add(len(rows), mean, rows.T @ rows)
        return self

    def merge(self, other):
        """Takes what another has seen; returns itself."""
        if self.count and other.count and len(self.mean) != len(other.mean):
            raise invalid("other", f"{len(self.mean)} features, as this one", f"{len(other.mean)} features")
        if other.count:
            self._add(other.count, other.mean, other.scatter)
        return self

    def _add(self, count, mean, scatter):
        if not self.count:
            self.count, self.mean, self.scatter = count, mean.copy(), scatter.copy()
            return
        total = self.count + count
        difference = mean - self.mean
        self.mean += difference * (count / total)
        self.scatter += scatter
        self.scatter += np.outer(difference * (self.count * count / total), difference)
        self.count = total

    @property
    def covariance(self):
        """Float64 `(d, d)`, unbiased: divided by n - 1."""
        if self.count < 2:
            raise invalid("features", "2 examples or more, to have a covariance", f"{self.count} examples")
        return self.scatter / (self.count - 1)

    def save(self, path):
        """Writes a `.npz` file, whole or not at all."""
        if not self.count:
            raise invalid("features", "some examples before they are saved: call `update`", "none")
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, count=self.count, mean=self.mean, scatter=self.scatter)

    @classmethod
    def load(cls, path):
        """What `save` has written."""
        statistics = cls()
        with np.load(path, allow_pickle=False) as file:
            statistics.count, statistics.mean, statistics.scatter = int(file["count"]), file["mean"], file["scatter"]
        return statistics


def frechet_distance(real, fake):
    """Squared Frechet (2-Wasserstein) distance of the Gaussians with the moments of the features.

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2),  covariances divided by n - 1

    The trace of the square root is the sum of the roots of the eigenvalues of L' S2 L, S1 = L L' by Cholesky; or of the
    singular values of a product of centred features, where there are fewer of them than dimensions, which is exact
    where the usual ways are not. Two samples of one distribution have not 0 but, where the covariance is 1, about
    (d (d + 1) / 2 + 2 d) / n, and in proportion to it: compare values of one n alone.

    Args:
        real, fake: Arrays `(n, d)` of features, n >= 2, or `GaussianStatistics`.

    Returns:
        Float >= 0.

    Raises:
        ValueError: The features cannot be compared.
        NonFiniteError: There are NaN or infinity among them.

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, eq. 6; Mathiasen, Hvilshoj,
        Backpropagating through FID, 2020, for fewer examples than dimensions.
    """
    features_.check_scale("fake", fake, real)
    real, fake = _moments(real, "real"), _moments(fake, "fake")
    if len(real.mean) != len(fake.mean):
        raise invalid("fake", f"{len(real.mean)} features, as `real` has", f"{len(fake.mean)} features")
    traces = real.trace + fake.trace
    distance = np.sum((real.mean - fake.mean) ** 2) + traces - 2.0 * _trace_of_root(real, fake)
    if distance < -_TOLERANCE * traces:
        raise ArithmeticError(f"The Frechet distance came out as {distance}, below what rounding explains.")
    return float(max(distance, 0.0))


class _Moments:
    """Mean and covariance, the latter as a matrix or as centred rows whose product it is."""

    def __init__(self, mean, covariance=None, rows=None):
        self.mean, self.covariance, self.rows = mean, covariance, rows
        self.trace = np.trace(covariance) if rows is None else np.sum(rows**2)


def _moments(given, argument):
    if isinstance(given, GaussianStatistics):
        return _Moments(given.mean, given.covariance)
    features = features_.checked(given, argument)
    if len(features) > features.shape[1]:
        statistics = GaussianStatistics(features)
        return _Moments(statistics.mean, statistics.covariance)
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    rows /= np.sqrt(len(rows) - 1)
    return _Moments(mean, rows=rows)


def _trace_of_root(one, other):
    """tr (S1 S2)^(1/2)."""
    if one.rows is not None and other.rows is not None:
        return scipy.linalg.svdvals(one.rows @ other.rows.T).sum()
    if one.rows is not None:
        one, other = other, one
    factor = _factor(one.covariance).T if other.rows is None else other.rows
    matrix = factor @ (other.covariance if other.rows is None else one.covariance) @ factor.T
    eigenvalues = scipy.linalg.eigvalsh(matrix, overwrite_a=True, check_finite=False)
    # Centred rows have one direction less than there are of them: the root of its rounded 0 would be seen.
    known = eigenvalues if other.rows is None else eigenvalues[1:]
    return np.sqrt(np.maximum(known, 0.0)).sum()


def _factor(covariance):
    """F with F F' = S, by Cholesky, or by the eigenvectors of a matrix that is not positive definite."""
    try:
        return scipy.linalg.cholesky(covariance, lower=True)
    except scipy.linalg.LinAlgError:
        values, vectors = scipy.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))
