"""A dataset in memory, and the few checks that all readers share."""

import dataclasses

import numpy as np

from kerasgan.errors import DataError, checked_integer


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A dataset in memory, before it is scaled, shuffled and batched.

    Args:
        name: What the user asked for: a name or a path.
        images: uint8 `(n, height, width, channels)`, or float32 in [-1, 1] where more than 8 bits are kept; float32
            points `(n, d)`.
        labels: int32 `(n,)`, or None where there are none.
        class_names: Name of each label, or None where the classes have no names.
        notes: What was converted or left out on the way, a sentence each.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_examples(self) -> int:
        return len(self.images)

    @property
    def example_shape(self) -> tuple[int, ...]:
        return self.images.shape[1:]

    @property
    def num_classes(self) -> int | None:
        """Number of classes, or None without labels."""
        if self.labels is None:
            return None
        return len(self.class_names) if self.class_names else int(self.labels.max()) + 1


def check_image_options(image_size: int | None, channels: int | None) -> None:
    """Refuse sizes and channel counts that no reader can give."""
    if image_size is not None:
        checked_integer("image_size", image_size, advice=", the side of the square images")
    if channels not in (None, 1, 3):
        raise ValueError(
            "Invalid value for argument `channels`. Expected 1 (grey), 3 (RGB) or None (as the data are). "
            f"Received: channels={channels!r}"
        )


def one_split(name: str, split: str) -> None:
    """Refuse any split but "train" for a set that has no other."""
    if split != "train":
        raise DataError(
            f"Invalid value for argument `split`. {name!r} has one split; use split='train'. Received: split={split!r}"
        )


def points_only(name: str, image_size: int | None, channels: int | None) -> None:
    """Refuse image options for sets of points."""
    if image_size is not None or channels is not None:
        raise DataError(
            f"{name!r} holds points, not images; leave out `image_size` and `channels`. "
            f"Received: image_size={image_size}, channels={channels}"
        )
