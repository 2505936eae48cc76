"""`train_on_batch` and `test_on_batch`: one batch, checked and scaled as `fit` does it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kerasgan import arguments, data_checks
from kerasgan.data import stretched
from kerasgan.datasets.advice import Form, checked_labels
from kerasgan.datasets.pipeline import as_array, checked_images, scale
from kerasgan.errors import DataError, invalid, warn

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel


def checked(model: "GenerativeModel", x: Any, y: Any, training: bool) -> tuple[tf.Tensor | np.ndarray, Any]:
    """The images and labels of one batch, as a step of `model` takes them.

    Args:
        x: Array `(batch, ...)`, or `(batch, batches_per_step, ...)` to train on.
        y: Integer array of as many labels, or None.

    Raises:
        DataError, DataTypeError, ModelContractError, NonFiniteError: The model cannot be trained on them.
    """
    if model.num_replicas > 1:
        instead = "fit" if training else "evaluate"
        raise invalid("strategy", f"one with one replica: use `{instead}`", f"{model.num_replicas} replicas")
    images = as_array(arguments.checked_kind(x, model), "x")
    axes = 2 if training and images.ndim == len(model.image_shape) + 2 else 1
    batch = images.shape[:axes]
    images = images.reshape(-1, *images.shape[axes:])
    form, bounds = Form(labelled=y is not None, array=images), model.output_range.bounds
    images = checked_images(images, form, bounds)
    data_checks.check_shape(images.shape, model, form, images.dtype == np.uint8)
    labels = _labels(model, y, form, batch)
    if images.dtype == np.uint8:
        images = stretched(scale(images), bounds)
    else:
        data_checks.check_range(images, bounds)
    return tf.reshape(images, (*batch, *images.shape[1:])), labels


def _labels(model, y, form, batch):
    if not model.conditional:
        if y is not None:
            warn(data_checks.IGNORED_LABELS)
        return None
    if y is None:
        raise invalid("y", "labels, because the networks take them", "None", DataError)
    labels = as_array(y, "y")
    if labels.shape[: len(batch)] == batch:
        labels = labels.reshape(-1, *labels.shape[len(batch) :])
    return checked_labels(labels, len(form.array), form, model.num_classes, "y").reshape(batch)
