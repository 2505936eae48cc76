"""What callbacks show of a model: images of the same latents each time, with classes in columns."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasgan import captions, images
from kerasgan.errors import DataError, invalid


def check_class_names(class_names: Sequence[str] | None, model: keras.Model) -> None:
    """Refuses names of classes that are not those of the model.

    Raises:
        DataError: They are no texts, or not as many as the classes.
    """
    if class_names is None:
        return
    if not model.conditional:
        raise invalid("class_names", "None, because the model takes no labels", f"{class_names!r:.80}", DataError)
    listed = captions.texts(class_names)
    count = len(listed) if model.num_classes is None else model.num_classes
    if not listed or len(listed) != count:
        of_data = "pass `class_names` of `kerasgan.datasets.read`"
        expected = f"a sequence of {count or 'one'} texts, one for each class: {of_data}"
        raise invalid("class_names", expected, f"{class_names!r:.80}", DataError)


def picture(
    model: keras.Model,
    num_images: int,
    seed: int = 0,
    labels: np.ndarray | None = None,
    real: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
) -> np.ndarray:
    """Returns what the model makes of some latents: a grid of images, or a scatter plot of points.

    Args:
        model: One of kerasgan, that makes images or points in the plane.
        num_images: Integer >= 1.
        seed: Integer >= 0, of the latents.
        labels: Integer array `(num_images,)`. Defaults to the classes in turn, in columns where there are not too many.
        real: Real points to draw below generated ones.
        class_names: Captions of these columns.

    Returns:
        uint8 array `(height, width, 1 or 3)`.
    """
    examples = model.generate(num_images, labels=labels, seed=seed)
    options = {} if examples.ndim == 2 else grid_options(model, labels, class_names)
    return images.picture(examples, real, **options)


def grid_options(
    model: keras.Model, labels: np.ndarray | None = None, class_names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Returns the arguments of `kerasgan.images.grid` for images of the model; see `picture`."""
    columns = images.class_columns(model.num_classes if labels is None else None, class_names)
    return {**columns, "value_range": model.output_range.bounds or (-1.0, 1.0)}
