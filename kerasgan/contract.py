"""What networks and data have to satisfy, checked before the first training step."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import batching, distribution, layers
from kerasgan.errors import DataError, DataTypeError, ModelContractError, invalid

# What a generator's last activation can make.
_RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


def check_network(network, role, example):
    """A network is a Keras model that knows its inputs: one, or one and labels."""
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        expected = f"a functional or Sequential Keras model with its Input, e.g. {example}"
        raise invalid(role, expected, type(network).__name__, ModelContractError)
    distribution.check_made_here(role, network.weights)
    if len(network.inputs) > 2 or len(network.outputs) != 1:
        expected = "one input, or two of which the second is the labels, and one output"
        received = f"{len(network.inputs)} inputs and {len(network.outputs)} outputs"
        raise invalid(role, expected, received, ModelContractError)
    for layer in network._flatten_layers():
        if getattr(layer, "seed_generator", None) is not None and not isinstance(layer, layers.Dropout):
            warnings.warn(
                f"Layer {layer.name!r} of the {role} ({type(layer).__name__}) draws from a state of its own: the same "
                "on every replica, and another with XLA. Use kerasgan.layers.Dropout, which is a function of seed and "
                "step.",
                stacklevel=4,
            )


def check_adversaries(generator, discriminator, pack):
    """The discriminator takes what the generator makes, `pack` of them at once, and gives one logit."""
    made, taken = tuple(generator.outputs[0].shape[1:]), tuple(discriminator.inputs[0].shape[1:])
    if taken != (*made[:-1], pack * made[-1]):
        received = f"the generator makes images of shape {made}, the discriminator takes {taken}"
        of_packs = f" pack={pack} images of that shape," if pack > 1 else ""
        fix = f"Build the discriminator for{of_packs} {(*made[:-1], pack * made[-1])}."
        raise ModelContractError(f"The networks do not fit: {received}. {fix}")
    if pack > 1 and len(generator.inputs) > 1:
        expected = "1 with labels, because the images of a pack would have one each"
        raise invalid("pack", expected, f"pack={pack}", ModelContractError)
    if len(discriminator.inputs) != len(generator.inputs):
        raise ModelContractError(
            f"The networks do not fit: the generator has {len(generator.inputs)} inputs, the discriminator "
            f"{len(discriminator.inputs)}. Build both with `num_classes`, or neither."
        )
    shape = tuple(discriminator.outputs[0].shape)
    if shape[1:] != (1,):
        expected = "one logit an image (or pack), an output of shape (None, 1): end it with `keras.layers.Dense(1)`"
        raise invalid("discriminator", expected, f"an output of shape {shape}", ModelContractError)
    if _last_activation(discriminator) == "sigmoid":
        expected = "logits, because the losses hold the sigmoid: remove the last activation"
        received = f"layer {discriminator.layers[-1].name!r} with activation='sigmoid'"
        raise invalid("discriminator", expected, received, ModelContractError)


def check_penalized(discriminator):
    """A penalty is about the gradient at one image, and is differentiated twice."""
    for layer in discriminator._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            expected = (
                "no batch normalisation, which mixes the images that a penalty looks at one by one: use "
                "kerasgan.layers.GroupNormalization(groups=1), or `normalization='layer'`"
            )
            raise invalid("discriminator", expected, f"layer {layer.name!r}", ModelContractError)
    for layer, replacement in layers.inexact_layers(discriminator):
        warnings.warn(
            f"The penalty's gradient through layer {layer.name!r} of the discriminator ({type(layer).__name__}) is not "
            f"exact on TensorFlow. Use {replacement}.",
            stacklevel=4,
        )


def suited(dataset, model):
    """The dataset with the elements that `model` takes: checked, and without labels it has no use for.

    Args:
        dataset: `tf.data.Dataset` of batches of images, or of `(images, labels)`.
        model: `GenerativeModel`; its `image_shape`, `generator` and `conditional` are looked at.

    Raises:
        DataError, DataTypeError: The model cannot be trained on it.
    """
    spec = dataset.element_spec
    if isinstance(spec, dict):
        expected = "elements `images` or `(images, labels)`: map them by `lambda e: (e['image'], e['label'])`"
        raise invalid("x", expected, f"dictionaries with the keys {sorted(spec)}", DataError)
    images, labels = batching.split(spec)
    if not isinstance(images, tf.TensorSpec) or not images.dtype.is_floating:
        expected = "floating-point images in [-1, 1]: scale bytes by `tf.cast(x, tf.float32) / 127.5 - 1`"
        raise invalid("x", expected, getattr(images, "dtype", images), DataTypeError)
    _check_shape(images.shape, model.image_shape)
    if model.conditional and labels is None:
        expected = "elements `(images, labels)`, because the networks take labels: add them, or use `num_classes=None`"
        raise invalid("x", expected, "images alone", DataError)
    if not model.conditional and labels is not None:
        warnings.warn(
            "The dataset has labels and the networks take none: the labels are ignored. For a conditional model, "
            "build both networks with `num_classes=...`.",
            stacklevel=3,
        )
    first = list(dataset.take(1))
    if not first:
        expected = "at least one batch: use a smaller batch size, or `drop_remainder=False`"
        raise invalid("x", expected, "a dataset that yields none", DataError)
    for element in first:
        images, labels = batching.split(element)
        _check_pixels(np.asarray(images, "float32"), model.generator)
        if model.conditional and model.num_classes:
            _check_labels(np.asarray(labels), model.num_classes)
    if isinstance(spec, tuple) and not model.conditional:
        return batching.mapped(dataset, lambda *element: element[0])
    return dataset


def check_divisible(dataset, replicas, pack):
    """Each replica takes an equal part of every batch, in whole packs."""
    size = tf.nest.flatten(dataset.element_spec)[0].shape[0]
    if size % (replicas * pack):
        names = [f"the {replicas} replicas"] * (replicas > 1) + [f"pack={pack}"] * (pack > 1)
        expected = f"a multiple of {' times '.join(names)}"
        raise invalid("batch_size", expected, f"batches of {size}", DataError)


def _check_shape(shape, expected):
    if shape.rank is None:
        return
    if shape.rank == len(expected):
        fix = "call `.batch(...)` on the dataset, or add the channel axis by `x[..., None]`"
        raise invalid("x", f"batches of images {('batch', *expected)}: {fix}", f"shape {tuple(shape)}", DataError)
    if not shape[1:].is_compatible_with(expected):
        fix = "resize them, or build the networks for this shape"
        raise invalid("x", f"images of shape {expected}: {fix}", f"images of shape {tuple(shape[1:])}", DataError)


def _check_pixels(images, generator):
    """Looks at one batch: what would train without a word and never learn is refused here."""
    finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        expected = "finite pixels: look for a division by zero in the preprocessing"
        raise invalid("x", expected, f"NaN or infinity in example {finite.argmin()} of the first batch", DataError)
    lowest, highest = float(images.min()), float(images.max())
    bounds = range_of(generator)
    if bounds and not bounds[0] - 1e-3 <= lowest <= highest <= bounds[1] + 1e-3:
        scale = "`x / 127.5 - 1`" if bounds[0] < 0 else "`x / 255`"
        expected = f"pixels in {list(bounds)}, the range of the generator's last activation: scale bytes by {scale}"
        raise invalid("x", expected, f"pixels from {lowest:.3g} to {highest:.3g}", DataError)

    if bounds and bounds[0] < 0 <= lowest and highest > 0.5:
        warnings.warn(
            f"The first batch holds pixels from {lowest:.3g} to {highest:.3g}, and the generator makes {list(bounds)}. "
            "If the images are scaled to [0, 1], use `x * 2 - 1`.",
            stacklevel=4,
        )


def _check_labels(labels, num_classes):
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        expected = "one integer label an image: take `tf.argmax(labels, axis=-1)` of one-hot ones"
        raise invalid("x", expected, f"labels of shape {labels.shape}", DataError)
    if labels.min() < 0 or labels.max() >= num_classes:
        expected = f"labels in [0, {num_classes}), the classes of the networks"
        raise invalid("x", expected, f"labels from {labels.min()} to {labels.max()}", DataError)


def range_of(generator):
    """`(lowest, highest)` of what the last activation can make, None where it is not known."""
    return _RANGES.get(_last_activation(generator))


def _last_activation(network):
    return getattr(getattr(network.layers[-1], "activation", None), "__name__", None)
