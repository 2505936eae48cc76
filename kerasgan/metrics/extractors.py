"""From images to features: pixels, a small classifier of the user's data, `keras.applications`, the network of FID.

A feature extractor is any callable, images `(n, ...)` -> features `(n, d)`. Values are labelled with its attribute
`identifier`, or its name.
"""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Self

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike

from kerasgan import saving
from kerasgan.datasets.advice import Form, scaled
from kerasgan.datasets.pipeline import scale, untuned
from kerasgan.errors import checked_integer, checked_number, invalid, warn

_BATCH = 256
# FID's frozen network: its tensors, and the operations that such a network needs. Others could read and write files.
_INPUT, _OUTPUT, _DIMENSION = "ExpandDims", "pool_3", 2048
# fmt: off
_OPS = {
    "Add", "AddV2", "AvgPool", "BatchNormWithGlobalNormalization", "BiasAdd", "Cast", "CheckNumerics", "Concat",
    "ConcatV2", "Const", "Conv2D", "DecodeJpeg", "ExpandDims", "FusedBatchNorm", "FusedBatchNormV3", "Identity",
    "MatMul", "MaxPool", "Mean", "Mul", "Pad", "Placeholder", "Relu", "Reshape", "ResizeBilinear", "Rsqrt", "Shape",
    "Softmax", "Squeeze", "Sub",
}
# fmt: on


def identifier(extractor: Callable) -> str:
    """The name of a feature extractor, for the names of values."""
    # A callable may be a method, a function, or an object with neither attribute.
    owner = getattr(extractor, "__self__", extractor)
    name = getattr(owner, "identifier", None) or getattr(extractor, "__name__", None)
    return str(name or type(extractor).__name__)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images `(n, ...)`, flattened to `(n, d)`: features for points and small images."""
    return np.reshape(images, (len(images), -1))


class NetworkFeatures:
    """Features from a Keras model, in batches.

    Args:
        model: `keras.Model`, images -> features.
        name: String; followed by a hash of the weights, it is the identifier.
        preprocess: Function of a float32 batch in [-1, 1], e.g. one that resizes. Defaults to none.
    """

    def __init__(self, model: keras.Model, name: str, preprocess: Callable[[tf.Tensor], tf.Tensor] | None = None):
        self.model = model
        self.preprocess = preprocess
        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
        self.identifier = f"{name}-{digest.hexdigest()[:8]}"

    def __call__(self, images: ArrayLike) -> np.ndarray:
        """Float32 features `(n, d)` of images in [-1, 1], or uint8. Warns of floats on another scale."""
        return self._in_batches(self.model, images)

    def _in_batches(self, model, images):
        images = np.asarray(images)
        if images.ndim < 2 or not len(images):
            raise invalid("images", "an array (n, height, width, channels), n >= 1", f"shape {images.shape}")
        _check_range(images)
        parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        return np.concatenate([self._apply(model, tf.convert_to_tensor(scale(part))) for part in parts])

    def _apply(self, model, batch):
        return np.asarray(model(batch if self.preprocess is None else self.preprocess(batch), training=False))


def _check_range(images):
    """Warns of floats that seem to be on another scale; no error, because generators need not be bounded."""
    if images.dtype == np.uint8 or not images.size:
        return
    lowest, highest = float(images.min()), float(images.max())
    if (lowest >= 0.0 and highest > 0.5) or max(-lowest, highest) > 2.0:
        fix = scaled(Form(array=images), lowest, highest, images.dtype, rank=images.ndim)
        warn(
            f"The images range from {lowest:.3g} to {highest:.3g}, but should be in [-1, 1]. If they are on another "
            f"scale, use {fix}.",
        )


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
        with saving.replacing(path) as temporary:
            self.whole.save(temporary)

    @classmethod
    def load(cls, path: str | os.PathLike, accuracy: float = float("nan")) -> Self:
        """Loads a file that `save` wrote."""
        return cls(keras.models.load_model(path), accuracy)


def train_classifier(
    images: ArrayLike,
    labels: ArrayLike,
    epochs: int | None = None,
    held_out: float = 0.1,
    filters: int = 32,
    seed: int = 0,
    verbose: int = 0,
) -> Classifier:
    """Trains a small convolutional classifier, whose features then measure generated images of these classes.

    Two blocks of two 3 x 3 convolutions with batch normalisation and a dense layer of 128, with Adam at a rate that
    decays from 1e-3 to 0 along a cosine, and shifts of about a pixel as augmentation. On MNIST, one epoch takes about
    a minute on two cores.

    Args:
        images: Array `(n, height, width, channels)`, uint8 or floats in [-1, 1].
        labels: Integer array `(n,)`, classes from 0.
        epochs: Integer. Defaults to the number that makes 2,000 steps of 64, at least one.
        held_out: Float in (0, 1): the share of the images kept out of training, for the accuracy.
        filters: Integer, of the first block.
        seed: Integer, for weights, order and shifts; it becomes Keras's global seed.
        verbose: As in Keras.

    Returns:
        `Classifier`. Check its `accuracy`: one that is often wrong sees little.

    Raises:
        ValueError: These are not images with labels, or all have one class.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    _check_range(images)
    if images.ndim != 4 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        expected = "one integer per image, with images (n, height, width, channels)"
        raise invalid("labels", expected, f"{labels.dtype} {labels.shape} with images {images.shape}")
    if not len(images) or labels.min() < 0 or len(np.unique(labels)) < 2:
        raise invalid("labels", "at least two classes, numbered from 0", f"{np.unique(labels)[:5].tolist()}")
    held_out, filters = checked_number("held_out", held_out, "(0, 1)"), checked_integer("filters", filters)
    seed = checked_integer("seed", seed, 0)
    epochs = None if epochs is None else checked_integer("epochs", epochs, 1, ", or None")
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(images))
    count = max(1, int(held_out * len(images)))
    test, train = order[:count], order[count:]
    network = _classifier_network(images.shape[1:], int(labels.max()) + 1, filters)
    classifier = keras.Model(network.inputs, network.outputs[1])
    batch_size = min(64, len(train))
    steps = max(1, len(train) // batch_size)
    epochs = max(1, 2_000 // steps) if epochs is None else epochs
    shift = keras.layers.RandomTranslation(0.06, 0.06, fill_mode="nearest", seed=seed, data_format="channels_last")
    dataset = tf.data.Dataset.from_tensor_slices((images[train], labels[train])).shuffle(len(train), seed)
    dataset = dataset.batch(batch_size, drop_remainder=True).map(lambda x, y: (shift(scale(x), training=True), y))
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(rate), loss)
    classifier.fit(untuned(dataset.prefetch(2)), epochs=epochs, verbose=verbose, shuffle=False)
    result = Classifier(network, float("nan"))
    result.accuracy = float((result.classes(images[test]) == labels[test]).mean())
    return result


def application_features(
    name: str = "InceptionV3", weights: str | None = "imagenet", image_size: int | None = None
) -> NetworkFeatures:
    """Features from a network of `keras.applications`, before its last layer, averaged over the image.

    These are not the features of FID, whose network has other weights and pooling: values are labelled with this one.
    Images are resized as PIL does, bicubically with antialiasing; one channel is repeated to three.

    Args:
        name: String, e.g. `"InceptionV3"`, `"ResNet50"`, `"EfficientNetB0"`.
        weights: `"imagenet"`, which Keras downloads, the path of a file of weights, or None for random ones: values
            with these are only good for tests.
        image_size: Integer, side of the network's input. Defaults to the network's own, e.g. 299.
    """
    image_size = None if image_size is None else checked_integer("image_size", image_size, 1, ", or None")
    build = getattr(keras.applications, name, None)
    if build is None:
        raise invalid("name", "a network of keras.applications, e.g. 'InceptionV3'", repr(name))
    # Only a whole network has a default size; MobileNetV3 has none.
    with _channels_last():
        size = image_size or build(weights=None).input_shape[1] or 224
        model = build(include_top=False, weights=weights, input_shape=(size, size, 3), pooling="avg")
    # The submodule that defines the network also has its preprocessing.
    modules = vars(keras.applications).values()
    module = next(module for module in modules if hasattr(module, "preprocess_input") and hasattr(module, name))

    def preprocess(images):
        if images.shape[-1] not in (1, 3):
            expected = "images of 1 or 3 channels: select them with `lambda x: extractor(x[..., :3])`"
            raise invalid("images", expected, f"shape {tuple(images.shape)}")
        images = tf.image.grayscale_to_rgb(images) if images.shape[-1] == 1 else images
        images = tf.image.resize(images, (size, size), method="bicubic", antialias=True)
        return module.preprocess_input(tf.clip_by_value(127.5 * (images + 1.0), 0.0, 255.0), "channels_last")

    return NetworkFeatures(model, f"keras-{name.lower()}-{size}", preprocess)


@contextlib.contextmanager
def _channels_last():
    """For `keras.applications`, which reads the order of an image's axes from Keras's configuration."""
    configured = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(configured)


def _classifier_network(shape, classes, filters):
    inputs = keras.Input(shape)
    x = inputs
    for width in (filters, 2 * filters):
        for _ in range(2):
            x = keras.layers.Conv2D(width, 3, padding="same", data_format="channels_last", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        if min(x.shape[1:3]) > 3:
            x = keras.layers.MaxPooling2D(data_format="channels_last")(x)
    features = keras.layers.Dense(128, "relu")(keras.layers.Flatten("channels_last")(x))
    return keras.Model(inputs, [features, keras.layers.Dense(classes)(keras.layers.Dropout(0.3)(features))])


class InceptionFeatures(NetworkFeatures):
    """The 2,048 features of FID, from the network of 2015. Values with other features are not comparable.

    The network resizes images of any size, bilinearly without antialiasing, as the first FIDs did; one channel is
    repeated to three.

    Args:
        path: Path of the frozen graph, `classify_image_graph_def.pb` of `inception-2015-12-05.tgz` from
            download.tensorflow.org. Its weights are not verified: the identifier beside every value contains the first
            digits of the file's SHA-256.

    Raises:
        ValueError: The file is not such a graph, or contains operations that a network does not need.

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017; Szegedy et al., Rethinking the
        Inception Architecture for Computer Vision, 2016.
    """

    of_papers = True  # values have the names that papers give them

    def __init__(self, path: str | os.PathLike):
        content = pathlib.Path(path).read_bytes()
        graph = _checked_graph(content, path)

        def network(images):
            return tf.import_graph_def(graph, {f"{_INPUT}:0": images}, [f"{_OUTPUT}:0"])[0]

        function = tf.compat.v1.wrap_function(network, [tf.TensorSpec((None, None, None, 3), tf.float32)])
        self.model = lambda images, training: tf.reshape(function(images), (-1, _DIMENSION))
        self.preprocess = _to_colours
        self.identifier = f"inception-2015-{hashlib.sha256(content).hexdigest()[:8]}"


def _to_colours(images):
    """The network's input: three channels in [0, 255]."""
    images = tf.image.grayscale_to_rgb(images) if images.shape[-1] == 1 else images
    return 127.5 * (images + 1.0)


def _checked_graph(content, path):
    """The graph in a file, up to the features."""
    expected = "the frozen graph of Inception of 2015-12-05, classify_image_graph_def.pb"
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except DecodeError:
        raise invalid("path", expected, f"{path}, which is not a graph") from None
    names = {node.name for node in graph.node}
    if not {_INPUT, _OUTPUT} <= names:
        raise invalid("path", expected, f"{path}, a graph without {_INPUT!r} and {_OUTPUT!r}")
    graph = tf.compat.v1.graph_util.extract_sub_graph(graph, [_OUTPUT])
    others = sorted({node.op for node in graph.node} - _OPS)
    if others or graph.library.function:
        raise invalid("path", expected, f"{path}, a graph with the operations {others or 'of functions'}")
    return graph
