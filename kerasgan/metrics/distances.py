"""Euclidean distances between all rows of two sets: by one matrix product, and exact where it matters."""

from collections.abc import Iterator

import numpy as np

from kerasgan.metrics.features import slices

# Squared distances are equal if their relative difference is less: far above the rounding of a sum of squares.
_TIE = 1e-10


class Distances:
    """Squared distances between the rows of two arrays.

    |x|^2 - 2 x . y + |y|^2 is fast, but its rounding error depends on the row's position in the array and can hide a
    small difference, or fake one. So where rounding could decide a comparison, the square is recomputed as |x - y|^2.

    Args:
        x, y: Float64 arrays `(n, d)` and `(m, d)`.

    Attributes:
        squares: Float64 array `(n, m)`.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self._x, self._y = x, y
        norms = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
        self.squares = np.maximum(norms - 2.0 * (x @ y.T), 0.0)
        # Bound of the error of each square, and of one chosen among them.
        self._error = norms
        self._error *= 8.0 * (x.shape[1] + 4) * np.finfo(np.float64).eps

    def settle(self, thresholds: np.ndarray) -> None:
        """Recomputes the squares that are within rounding error of the thresholds, which broadcast."""
        with np.errstate(invalid="ignore"):  # inf - inf, where a single row is compared with itself
            near = np.abs(self.squares - thresholds) <= self._error + 4.0 * _TIE * thresholds
        rows, columns = np.nonzero(near)
        for part in slices(len(rows), 8 * self._x.shape[1]):
            difference = self._x[rows[part]] - self._y[columns[part]]
            self.squares[rows[part], columns[part]] = np.einsum("ij,ij->i", difference, difference)

    def within(self, thresholds: np.ndarray, inclusive: bool) -> np.ndarray:
        """Boolean array `(n, m)`: whether squares are below the thresholds, or equal to them if `inclusive`."""
        self.settle(thresholds)
        if inclusive:
            return self.squares <= thresholds * (1.0 + _TIE)
        return self.squares < thresholds * (1.0 - _TIE)


def distances_in_blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, Distances]]:
    """Yields slices of the rows of `x`, each with the `Distances` from these rows to all of `y`."""
    y = np.asarray(y, np.float64)
    for rows in slices(len(x), 8 * max(y.shape)):
        yield rows, Distances(np.asarray(x[rows], np.float64), y)
