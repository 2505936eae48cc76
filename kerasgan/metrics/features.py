"""The features that metrics compare: checked, and read in blocks of float64."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import NonFiniteError, invalid

# Size of one block in float64, of rows or of distances.
BLOCK_BYTES = 64 * 1024**2


def checked(features: ArrayLike, argument: str, least: int = 2, why: str = "") -> np.ndarray:
    """Returns features as an array `(n, d)` of finite numbers, without a copy.

    Args:
        features: The value received.
        argument: Its name, for the message.
        least: The fewest examples that are accepted.
        why: Why that many are needed, for the message.

    Raises:
        ValueError: The shape or type is wrong, or there are too few examples.
        NonFiniteError: Some features are NaN or infinite.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1] or features.dtype.kind not in "iufb":
        advice = "; reshape one feature with `x[:, None]`" if features.ndim == 1 else ""
        if features.ndim > 2:
            advice = "; flatten images with `images.reshape(len(images), -1)`"
        received = f"{features.dtype} of shape {features.shape}"
        raise invalid(argument, f"numbers of shape (examples, features){advice}", received)
    if len(features) < least:
        raise invalid(argument, f"{least} or more examples{why}", str(len(features)))
    finite = np.concatenate([np.isfinite(rows).all(axis=1) for rows in blocks(features)])
    if not finite.all():
        received = f"NaN or infinity in {(~finite).sum()} examples, first in row {finite.argmin()}"
        raise invalid(argument, "finite numbers", received, NonFiniteError)
    return features


def checked_pair(real: ArrayLike, fake: ArrayLike, least: int = 2, why: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Returns both sets `checked`; refuses sets with different numbers of features or on different scales."""
    real, fake = checked(real, "real", least, why), checked(fake, "fake", least, why)
    check_features("fake", fake.shape[1], real.shape[1])
    check_scale("fake", fake, real)
    return real, fake


def check_features(argument: str, count: int, expected: int, other: str = "real") -> None:
    """Refuses an argument whose number of features is not that of the other one."""
    if count != expected:
        raise invalid(argument, f"{expected} features, like `{other}`", f"{count} features")


def check_scale(argument: str, features: object, others: object) -> None:
    """Refuses bytes beside floats, which is what forgetting to scale one set leads to."""
    kinds = np.asarray(features).dtype, np.asarray(others).dtype
    if np.uint8 in kinds and any(kind.kind == "f" for kind in kinds):
        expected = "both as bytes, or both as floats on one scale: `x / 127.5 - 1` maps bytes to [-1, 1]"
        raise invalid(argument, expected, f"{kinds[0]} with {kinds[1]}")


def blocks(features: np.ndarray, row_bytes: int | None = None) -> Iterator[np.ndarray]:
    """Yields the rows in float64, a block at a time.

    Args:
        features: Array `(n, d)`.
        row_bytes: Bytes needed for what is computed from one row. Defaults to those of the row.
    """
    for rows in slices(len(features), row_bytes or 8 * features.shape[1]):
        yield features[rows].astype(np.float64)


def slices(count: int, row_bytes: int) -> Iterator[slice]:
    """Yields slices of `count` rows, each of at most `BLOCK_BYTES` or of one row."""
    size = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
