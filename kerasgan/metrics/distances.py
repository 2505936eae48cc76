"""Euclidean distances between all rows of two sets: by one matrix product, and exactly where it matters."""

import numpy as np

from kerasgan.metrics import features

# Squared distances that differ by less, relatively, are equal: far above the rounding of a sum of squares.
_TIE = 1e-10


class Distances:
    """Squared distances between the rows of two arrays.

    |x|^2 - 2 x . y + |y|^2 is fast, but its rounding depends on where a row stands, and hides that near rows differ, or
    do not. So squares that are compared with something are computed again, as |x - y|^2, where rounding could decide.

    Args:
        x, y: Float64 arrays `(n, d)` and `(m, d)`.

    Attributes:
        squares: Float64 array `(n, m)`.
    """

    def __init__(self, x, y):
        self._x, self._y = x, y
        norms = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
        self.squares = np.maximum(norms - 2.0 * (x @ y.T), 0.0)
        # What each square, and one that was chosen among these, may be wrong by.
        self._error = norms
        self._error *= 8.0 * (x.shape[1] + 4) * np.finfo(np.float64).eps

    def settle(self, thresholds):
        """Computes the squares again that are as near to the thresholds, which broadcast, as rounding is large."""
        with np.errstate(invalid="ignore"):  # infinity from infinity, where a row alone is compared with itself
            near = np.abs(self.squares - thresholds) <= self._error + 4.0 * _TIE * thresholds
        rows, columns = np.nonzero(near)
        for some in features.slices(len(rows), 8 * self._x.shape[1]):
            difference = self._x[rows[some]] - self._y[columns[some]]
            self.squares[rows[some], columns[some]] = np.einsum("ij,ij->i", difference, difference)

    def within(self, thresholds, inclusive):
        """Boolean array `(n, m)`: whether squares are below the thresholds, or equal to them where `inclusive`."""
        self.settle(thresholds)
        if inclusive:
            return self.squares <= thresholds * (1.0 + _TIE)
        return self.squares < thresholds * (1.0 - _TIE)


def distances_in_blocks(x, y):
    """`Distances` from some rows of `x` to all of `y`, block by block, with the slice of these rows before them."""
    y = np.asarray(y, np.float64)
    for rows in features.slices(len(x), 8 * max(y.shape)):
        yield rows, Distances(np.asarray(x[rows], np.float64), y)
