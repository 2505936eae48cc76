"""From numbers in any range to grey levels: one range for all images of a dataset."""

import numpy as np

from kerasgan.errors import warn

# Ranges that images usually have, the narrowest first. Sensors have the depths between 8 and 16 bits.
_CONTAINERS = ((0, 1), (-1, 1), (0, 255), (0, 65_535))
_USUAL = (*_CONTAINERS[:3], *((0, 2**bits - 1) for bits in range(9, 17)))


def usual_range(low: float, high: float, stretch: bool = True) -> tuple[float, float]:
    """The range that images with values from `low` to `high` are assumed to have.

    The narrowest usual one: [0, 1], [-1, 1], or [0, 2**bits - 1] for 8 to 16 bits. If none holds the values, or they
    fill less than half of it, `(low, high)` itself: so at least 128 of the 256 grey levels can occur.

    Args:
        low, high: Finite numbers, the lowest and the highest of all images.
        stretch: Whether a range that is not filled may be replaced by `(low, high)`.
    """
    low, high = float(low), float(high)  # NumPy's integers overflow
    # A single value says nothing about the depth.
    usual = _CONTAINERS if low == high else _USUAL
    range_ = next((range_ for range_ in usual if _holds(range_, low, high)), None)
    if range_ is None:
        return (low, high) if low < high else (min(low, 0.0), max(high, 0.0))
    filled = high == low or 2 * (high - low) >= range_[1] - range_[0]
    return range_ if filled or not stretch else (low, high)


def _holds(range_, low, high):
    # Half a grey level of slack, because interpolation overshoots.
    slack = min(0.5, (range_[1] - range_[0]) / 510)
    return range_[0] - slack <= low and high <= range_[1] + slack


def to_levels(values: np.ndarray, range_: tuple[float, float]) -> np.ndarray:
    """Float32 grey levels, 0 at the low end of the range and 255 at the high one; clipped, not rounded."""
    low, high = range_
    # In float64: 32-bit integers have more digits than float32.
    return np.clip((values.astype(np.float64) - low) * (255 / (high - low)), 0, 255).astype(np.float32)


def clipped_share(values: np.ndarray, range_: tuple[float, float]) -> float:
    """Share of the values that lie outside the range."""
    return float(np.mean((values < range_[0]) | (values > range_[1])))


def warn_of_clipping(shares: list[float], range_: tuple[float, float]) -> None:
    """Warns if `value_range` does not seem to be that of these 8-bit images.

    Args:
        shares: Share of the pixels of each image that are clipped.
    """
    share = float(np.mean(shares)) if shares else 0.0
    asked = f"value_range=({range_[0]:g}, {range_[1]:g})"
    if range_[1] - range_[0] > 2 * 255:
        warn(
            f"8-bit images fill a small part of {asked} and become dark. Is it the range of these images? They "
            "usually use 0 to 255.",
        )
    if share > 0.5:
        warn(
            f"{share:.0%} of the pixels lie outside of {asked} and become black or white. Is it the range of these "
            "images? 8-bit images usually use 0 to 255.",
        )


# What a note adds about images of more than 8 bits, unless they keep their depth.
REDUCED = "256 levels; all of them with keep_depth"


def finished(levels: np.ndarray, keep_depth: bool) -> np.ndarray:
    """Grey levels -> uint8, or float32 in [-1, 1] with `keep_depth`."""
    if keep_depth:
        return np.clip(levels, 0, 255).astype(np.float32) / np.float32(127.5) - 1
    return levels if levels.dtype == np.uint8 else np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def described(range_: tuple[float, float], keep_depth: bool) -> str:
    """The conversion in the words of a note."""
    return f"[{range_[0]:g}, {range_[1]:g}] -> {'[-1, 1], floats' if keep_depth else '[0, 255]'}"
