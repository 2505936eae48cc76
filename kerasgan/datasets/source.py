"""A dataset in memory, and the checks that all readers share."""

import dataclasses
import textwrap
from typing import Any

import numpy as np

from kerasgan.datasets.resizing import FITS, Size, as_argument
from kerasgan.errors import DataError, checked_integer, invalid


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Source:
    """A dataset in memory, before it is scaled, shuffled and batched.

    Args:
        name: What the user asked for: a name or a path.
        images: uint8 `(n, height, width, channels)`, or float32 in [-1, 1] if more than 8 bits are kept; float32
            points `(n, d)`.
        labels: int32 `(n,)`, or None.
        class_names: Name of each class, or None.
        notes: What was converted or left out, a sentence each.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Returns one line: the shapes of the arrays, not what they hold."""
        kind = "points" if self.images.ndim == 2 else "images"
        told = [repr(self.name), f"{self.num_examples:,} {kind} {self.example_shape} {self.images.dtype}"]
        told += [] if self.labels is None else [f"{self.num_classes} classes"]
        names = ", ".join(self.class_names or ())
        return f"Source({', '.join(told)}{': ' + textwrap.shorten(names, 60, placeholder=' ...') if names else ''})"

    @property
    def num_examples(self) -> int:
        return len(self.images)

    @property
    def example_shape(self) -> tuple[int, ...]:
        return self.images.shape[1:]

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None without labels."""
        if self.labels is None:
            return None
        return len(self.class_names) if self.class_names else int(self.labels.max()) + 1


def checked_size(image_size: Any) -> Size | None:
    """Returns the height and width for `image_size`, which is the side of a square, such a pair, or None.

    Raises:
        ValueError: It is something else.
    """
    if image_size is None:
        return None
    try:
        height, width = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
        return checked_integer("image_size", height), checked_integer("image_size", width)
    except ValueError:
        expected = "a positive integer, the side of square images, or a pair (height, width), e.g. (48, 64)"
        raise invalid("image_size", expected, f"image_size={image_size!r}") from None


def check_image_options(fit: Any, channels: Any) -> None:
    """Refuses ways of resizing and numbers of channels that no reader supports."""
    if not (isinstance(fit, str) and fit in FITS):
        raise invalid("fit", f"one of {', '.join(map(repr, FITS))}", f"fit={fit!r}")
    if channels not in (None, 1, 3):
        raise invalid("channels", "1 (grey), 3 (RGB) or None (unchanged)", f"channels={channels!r}")


def check_only_split(name: str, split: str) -> None:
    """Refuses any split but "train" for a dataset that has no other."""
    if split != "train":
        raise invalid("split", f"'train', the only split of {name!r}", f"split={split!r}", DataError)


def check_points(
    name: str,
    size: Size | None,
    channels: int | None,
    fit: str,
    value_range: tuple[float, float] | None = None,
    keep_depth: bool = False,
) -> None:
    """Refuses image options for a dataset of points."""
    defaults = {"image_size": None, "channels": None, "fit": "crop", "value_range": None, "keep_depth": False}
    values: dict[str, Any] = {"image_size": as_argument(size), "channels": channels, "fit": fit}
    values |= {"value_range": value_range, "keep_depth": keep_depth}
    for argument, default in defaults.items():
        if (value := values[argument]) != default:
            expected = f"{default!r}: {name!r} holds points, not images"
            raise invalid(argument, expected, f"{argument}={value!r}", DataError)
