"""What every metric asks of features, and how it reads them: in blocks, in float64."""

import numpy as np

from kerasgan.errors import NonFiniteError, invalid

# Bytes of one block in float64: of rows, or of distances.
BLOCK_BYTES = 64 * 1024**2


def checked(features, argument, least=2, why=""):
    """Features as an array `(n, d)` of numbers, finite, of at least `least` examples; not copied.

    Raises:
        ValueError: The shape, the type or the number of examples is another.
        NonFiniteError: There are NaN or infinity in it.
    """
    features = np.asarray(features)
    if features.ndim == 2 and not features.size:
        raise invalid(
            argument, f"{max(1, least)} examples or more, of one feature or more{why}", f"shape {features.shape}"
        )
    if features.ndim != 2 or features.dtype.kind not in "iufb":
        advice = {1: "; of one feature they are `x[:, None]`"}.get(features.ndim, "")
        if features.ndim > 2:
            advice = "; flatten images with `images.reshape(len(images), -1)`"
        received = f"{features.dtype} of shape {features.shape}"
        raise invalid(argument, f"numbers of shape (examples, features){advice}", received)
    if len(features) < least:
        raise invalid(argument, f"{least} examples or more{why}", f"{len(features)} examples")
    finite = np.concatenate([np.isfinite(rows).all(axis=1) for rows in blocks(features)])
    if not finite.all():
        received = f"NaN or infinity in {(~finite).sum()} examples, first in row {finite.argmin()}"
        raise invalid(argument, "finite numbers", received, NonFiniteError)
    return features


def checked_pair(real, fake, least=2, why=""):
    """Both `checked`, of as many features."""
    real, fake = checked(real, "real", least, why), checked(fake, "fake", least, why)
    if real.shape[1] != fake.shape[1]:
        raise invalid("fake", f"{real.shape[1]} features, as `real` has", f"{fake.shape[1]} features")
    check_scale("fake", fake, real)
    return real, fake


def check_scale(argument, features, others):
    """Refuses bytes with floats, of arrays: a forgotten scale makes such pairs."""
    kinds = [getattr(some, "dtype", np.dtype(bool)) for some in (features, others)]
    if np.uint8 in kinds and any(kind.kind == "f" for kind in kinds):
        expected = "both as bytes, or both as floats on one scale: `x / 127.5 - 1` makes [-1, 1] of bytes"
        raise invalid(argument, expected, f"{kinds[0]} with {kinds[1]}")


def blocks(features, row_bytes=None):
    """The rows in float64, some at a time.

    Args:
        features: Array `(n, d)`.
        row_bytes: Bytes that one row takes of what is made from the block. Defaults to the row itself.
    """
    for rows in slices(len(features), row_bytes or 8 * features.shape[1]):
        yield features[rows].astype(np.float64)


def slices(count, row_bytes):
    """Slices of `count` rows that take `BLOCK_BYTES` at most, or are one row."""
    size = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
