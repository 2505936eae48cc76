"""What a batch is to a model: its images, labels and size, and the packs of PacGAN."""

from typing import Any

import tensorflow as tf

from kerasgan.errors import DataError, ModelContractError, invalid


def split(element: Any, argument: str = "x", fix: str = "`x.map(lambda *parts: parts[:2])`") -> tuple[Any, Any]:
    """`(images, labels)` of an element `x`, `(x,)`, `(x, y)` or `(x, y, None)`; labels None where it has none."""
    if not isinstance(element, tuple | list):
        return element, None
    images, labels, *rest = (*element, None)[: max(2, len(element))]
    if any(part is not None for part in rest):
        expected = f"elements `images` or `(images, labels)`, without weights: make them with {fix}"
        raise invalid(argument, expected, f"elements of {len(element)} parts", DataError)
    return images, labels


def size(images: tf.Tensor) -> int | tf.Tensor:
    """Size of a batch: an integer where it is static, else a scalar tensor."""
    return images.shape[0] or tf.shape(images)[0]


def total(batches: list[tuple[tf.Tensor, tf.Tensor | None]]) -> int | tf.Tensor:
    """Number of images in batches of one size, pairs of images and labels."""
    return len(batches) * size(batches[0][0])


def divided(
    images: tf.Tensor, labels: tf.Tensor | None, count: int, rank: int
) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
    """`count` pairs of images and labels out of `(batch, count, ...)`, or one out of `(batch, ...)`.

    Args:
        rank: Rank of one image.
    """
    if images.shape.rank == rank + 1:
        images, labels = images[:, None], None if labels is None else labels[:, None]
    if images.shape[1] != count:
        expected = (
            f"batches for n_critic={count} updates, of shape (batch, {count}, ...): call `fit`, which groups them"
        )
        raise invalid("x", expected, f"images of shape {images.shape}", ModelContractError)
    return [(images[:, k], None if labels is None else labels[:, k]) for k in range(count)]


def packed(images: tf.Tensor, pack: int) -> tf.Tensor:
    """`(batch / pack, ..., pack * channels)`: every `pack` images that follow one another, along the last axis.

    Args:
        images: Tensor `(batch, ..., channels)`.
        pack: Integer >= 1 that divides the batch.
    """
    if pack == 1:
        return images
    if images.shape[0] and images.shape[0] % pack:
        raise invalid("batch_size", f"a multiple of pack={pack}", f"a batch of {images.shape[0]}", DataError)
    shape = tuple(images.shape[1:])
    groups = tf.reshape(images, (-1, pack, *shape))
    in_channels = tf.transpose(groups, [0, *range(2, len(shape) + 1), 1, len(shape) + 1])
    return tf.reshape(in_channels, (-1, *shape[:-1], pack * shape[-1]))
