"""A small classifier of the user's data, whose features measure generated images of the same classes."""

import os
from collections.abc import Sequence
from typing import Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan import files, saving
from kerasgan._version import __version__
from kerasgan.datasets.pipeline import fingerprint, scale, untuned
from kerasgan.errors import checked_integer, checked_number, invalid
from kerasgan.metrics.extractors import NetworkFeatures, warn_of_range

_BATCH_SIZE = 64
_STEPS, _MOST_EPOCHS = 2_000, 20
_FEW = 1_000


class Classifier(NetworkFeatures):
    """A small classifier: its last hidden layer gives features, its outputs classes.

    Args:
        model: `keras.Model`, images -> `[features, logits]`.
        accuracy: Float in [0, 1], on held-out images.
    """

    def __init__(self, model: keras.Model, accuracy: float):
        features, logits = model.outputs
        super().__init__(keras.Model(model.inputs, features), "classifier")
        self.whole, self.accuracy = model, accuracy
        self._logits = keras.Model(model.inputs, logits)

    def logits(self, images: ArrayLike) -> np.ndarray:
        """Float32 `(n, classes)`."""
        return self._in_batches(self._logits, images)

    def classes(self, images: ArrayLike) -> np.ndarray:
        """Integers `(n,)`: the most probable class of each image."""
        return self.logits(images).argmax(axis=1)

    def save(self, path: str | os.PathLike) -> None:
        """Writes a `.keras` file, which appears whole or not at all."""
        path = files.checked_path("path", path, "the name of a file, e.g. 'classifier.keras'")
        with saving.replacing(path) as temporary:
            self.whole.save(temporary)

    @classmethod
    def load(cls, path: str | os.PathLike, accuracy: float = float("nan")) -> Self:
        """Loads a file that `save` wrote."""
        return cls(keras.models.load_model(os.path.expanduser(path)), accuracy)


def train_classifier(
    images: ArrayLike,
    labels: ArrayLike,
    epochs: int | None = None,
    held_out: float = 0.1,
    filters: int | None = None,
    seed: int = 0,
    verbose: int = 0,
    directory: str | os.PathLike | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Classifier:
    """Trains a small convolutional classifier, whose features then measure generated images of these classes.

    Two blocks of two 3 x 3 convolutions with batch normalisation and a dense layer of 128, with Adam at a rate that
    decays from 1e-3 to 0 along a cosine, and shifts of about a pixel as augmentation. On MNIST, one epoch takes about
    a minute on two cores.

    Args:
        images: Array `(n, height, width, channels)`, uint8 or floats in [-1, 1].
        labels: Integer array `(n,)`, classes from 0.
        epochs: Integer. Defaults to the number that makes 2,000 steps of 64, at least one and at most 20.
        held_out: Float in (0, 1): the share of the images kept out of training, for the accuracy.
        filters: Integer, of the first block. Defaults to 32, or to 16 for fewer than 1,000 images, where more take
            longer and are right no more often.
        seed: Integer, for weights, order and shifts; it becomes Keras's global seed.
        verbose: As in Keras.
        directory: Where the classifier is kept, as `classifier-HASH.keras`. One of the same data, arguments and version
            of kerasgan is loaded instead of trained. None keeps nothing.
        callbacks: Of Keras, e.g. `[kerasgan.callbacks.Progress()]`.

    Returns:
        `Classifier`. Check its `accuracy`: one that is often wrong sees little.

    Raises:
        ValueError: These are not images with labels, or all have one class; `directory` is none.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    _check(images, labels)
    held_out = checked_number("held_out", held_out, "(0, 1)")
    filters = (16 if len(images) < _FEW else 32) if filters is None else checked_integer("filters", filters)
    seed = checked_integer("seed", seed, 0)
    epochs = None if epochs is None else checked_integer("epochs", epochs, 1, ", or None")
    options = (__version__, epochs, held_out, filters, seed)
    file = None
    if directory is not None:
        expected = "a directory, new or not, or None"
        file = files.checked_path("directory", directory, expected, True) / _name(images, labels, options)
    order = np.random.default_rng(seed).permutation(len(images))
    count = max(1, int(held_out * len(images)))
    test, train = order[:count], order[count:]
    kept = _kept(file)
    if kept is None:
        keras.utils.set_random_seed(seed)
        network = _network(images.shape[1:], int(labels.max()) + 1, filters)
        _train(network, images[train], labels[train], epochs, seed, verbose, callbacks)
    result = Classifier(network if kept is None else kept, float("nan"))
    if kept is None and file is not None:
        result.save(file)
    result.accuracy = float((result.classes(images[test]) == labels[test]).mean())
    return result


def _check(images, labels):
    warn_of_range(images)
    if images.ndim != 4 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        expected = "one integer per image, with images (n, height, width, channels)"
        raise invalid("labels", expected, f"{labels.dtype} {labels.shape} with images {images.shape}")
    if not len(images) or labels.min() < 0 or len(np.unique(labels)) < 2:
        raise invalid("labels", "at least two classes, numbered from 0", f"{np.unique(labels)[:5].tolist()}")


def _name(images, labels, options):
    return f"classifier-{fingerprint(images, labels, options)}.keras"


def _kept(file):
    """The network in a file; None where there is none, or a damaged one, which is replaced."""
    if file is None or not file.is_file():
        return None
    try:
        return keras.models.load_model(file)
    except Exception:  # Keras raises whatever its parts do
        return None


def _train(network, images, labels, epochs, seed, verbose, callbacks):
    classifier = keras.Model(network.inputs, network.outputs[1])
    batch_size = min(_BATCH_SIZE, len(images))
    steps = max(1, len(images) // batch_size)
    epochs = epochs or max(1, min(_STEPS // steps, _MOST_EPOCHS))
    shift = keras.layers.RandomTranslation(0.06, 0.06, fill_mode="nearest", seed=seed, data_format="channels_last")
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed)
    dataset = dataset.batch(batch_size, drop_remainder=True).map(lambda x, y: (shift(scale(x), training=True), y))
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(rate), loss)
    dataset = untuned(dataset.prefetch(2))
    classifier.fit(dataset, epochs=epochs, verbose=verbose, shuffle=False, callbacks=list(callbacks))


def _network(shape, classes, filters):
    inputs = keras.Input(shape)
    x = inputs
    for width in (filters, 2 * filters):
        for _ in range(2):
            x = keras.layers.Conv2D(width, 3, padding="same", data_format="channels_last", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        if min(x.shape[1:3]) > 3:
            x = keras.layers.MaxPooling2D(data_format="channels_last")(x)
    features = keras.layers.Dense(128, "relu")(keras.layers.Flatten("channels_last")(x))
    logits = keras.layers.Dense(classes)(keras.layers.Dropout(0.3)(features))
    return keras.Model(inputs, [features, logits])
