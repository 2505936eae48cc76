"""From numbers of any range to grey levels: one range for all images of a dataset."""

import warnings

import numpy as np

# Ranges that images usually have, the narrowest first. The depths between 8 and 16 bits are those of sensors.
_CONTAINERS = ((0, 1), (-1, 1), (0, 255), (0, 65_535))
_MOST_CLIPPED = 0.5  # share of the pixels
_USUAL = (*_CONTAINERS[:3], *((0, 2**bits - 1) for bits in range(9, 17)))


def usual_range(low: float, high: float, stretch: bool = True) -> tuple[float, float]:
    """The range that numbers from `low` to `high` are taken to have.

    The narrowest usual one: [0, 1], [-1, 1], or [0, 2**bits - 1] for 8 to 16 bits. Where there is none, or they fill
    less than half of it, `(low, high)` itself: so at least 128 of the 256 grey levels can occur.

    Args:
        low, high: Finite numbers, the lowest and the highest of all images.
        stretch: Whether a range that is not filled may be left for a narrower one.
    """
    low, high = float(low), float(high)  # NumPy's integers overflow
    # A single value tells nothing of a depth.
    usual = _CONTAINERS if low == high else _USUAL
    range_ = next((range_ for range_ in usual if _holds(range_, low, high)), None)
    if range_ is None:
        return (low, high) if low < high else (min(low, 0.0), max(high, 0.0))
    filled = high == low or 2 * (high - low) >= range_[1] - range_[0]
    return range_ if filled or not stretch else (low, high)


def _holds(range_, low, high) -> bool:
    # Half a grey level of slack, for what interpolation leaves.
    slack = min(0.5, (range_[1] - range_[0]) / 510)
    return range_[0] - slack <= low and high <= range_[1] + slack


def to_levels(values: np.ndarray, range_: tuple[float, float]) -> np.ndarray:
    """Float32 grey levels, 0 at the low end of the range and 255 at the high one; clipped, not rounded."""
    low, high = range_
    # In float64: 32-bit integers have more digits than float32.
    return np.clip((values.astype(np.float64) - low) * (255 / (high - low)), 0, 255).astype(np.float32)


def clipped_share(values: np.ndarray, range_: tuple[float, float]) -> float:
    """Share of the values that lie outside of the range."""
    return float(np.mean((values < range_[0]) | (values > range_[1])))


def warn_of_clipping(shares: list[float], range_: tuple[float, float]) -> None:
    """Warns where most pixels are clipped: such a range is one of other images."""
    share = float(np.mean(shares)) if shares else 0.0
    if range_[1] - range_[0] > 2 * 255:
        warnings.warn(
            f"8-bit images fill a small part of value_range=({range_[0]:g}, {range_[1]:g}) and become dark. Is it the "
            "range of these images? They usually use 0 to 255.",
            stacklevel=5,
        )
    if share > _MOST_CLIPPED:
        warnings.warn(
            f"{share:.0%} of the pixels lie outside of value_range=({range_[0]:g}, {range_[1]:g}) and become black or "
            "white. Is it the range of these images? 8-bit images usually use 0 to 255.",
            stacklevel=5,
        )


def finished(levels: np.ndarray, keep_depth: bool) -> np.ndarray:
    """Grey levels -> uint8, or float32 in [-1, 1] where the depth is kept."""
    if keep_depth:
        return np.clip(levels, 0, 255).astype(np.float32) / np.float32(127.5) - 1
    return levels if levels.dtype == np.uint8 else np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def described(range_: tuple[float, float], keep_depth: bool) -> str:
    """What was done, in the words of a note."""
    return f"[{range_[0]:g}, {range_[1]:g}] -> {'[-1, 1], floats' if keep_depth else '[0, 255]'}"
