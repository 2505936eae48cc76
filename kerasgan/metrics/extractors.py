"""From images to features: pixels, a Keras model, `keras.applications`, the network of FID.

A feature extractor is any callable, images `(n, ...)` -> features `(n, d)`. Values are labelled with its attribute
`identifier`, or its name.
"""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike

from kerasgan.datasets.advice import Form, scaled
from kerasgan.datasets.pipeline import scale
from kerasgan.errors import checked_integer, invalid, warn

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
    if isinstance(extractor, keras.Model) and not hasattr(extractor, "identifier"):
        return f"{extractor.name}-{_digest(extractor)}"
    name = getattr(owner, "identifier", None) or getattr(extractor, "__name__", None)
    return str(name or type(extractor).__name__)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images `(n, ...)`, flattened to `(n, d)`: features for points and small images."""
    return np.reshape(images, (len(images), -1))


def _digest(model):
    """A hash of the weights."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:8]


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
        self.identifier = f"{name}-{_digest(model)}"

    def __call__(self, images: ArrayLike) -> np.ndarray:
        """Float32 features `(n, d)` of images in [-1, 1], or uint8. Warns of floats on another scale."""
        return self._in_batches(self.model, images)

    def _in_batches(self, model, images):
        images = np.asarray(images)
        if images.ndim < 2 or not len(images):
            raise invalid("images", "an array (n, height, width, channels), n >= 1", f"shape {images.shape}")
        warn_of_range(images)
        parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        return np.concatenate([self._apply(model, tf.convert_to_tensor(scale(part))) for part in parts])

    def _apply(self, model, batch):
        return np.asarray(model(batch if self.preprocess is None else self.preprocess(batch), training=False))


def warn_of_range(images: np.ndarray) -> None:
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
    if not callable(build):  # some names are those of modules
        raise invalid("name", "a network of keras.applications, e.g. 'InceptionV3'", repr(name))
    # Only a whole network has a default size; MobileNetV3 has none.
    with _channels_last():
        size = image_size or build(weights=None).input_shape[1] or 224
        model = build(include_top=False, weights=weights, input_shape=(size, size, 3), pooling="avg")
    # The submodule that defines the network also has its preprocessing.
    modules = vars(keras.applications).values()
    module = next(module for module in modules if hasattr(module, "preprocess_input") and hasattr(module, name))

    def preprocess(images):
        images = tf.image.resize(_in_colour(images), (size, size), method="bicubic", antialias=True)
        return module.preprocess_input(tf.clip_by_value(127.5 * (images + 1.0), 0.0, 255.0), "channels_last")

    return NetworkFeatures(model, f"keras-{name.lower()}-{size}", preprocess)


def _in_colour(images):
    """The images with three channels."""
    if images.shape[-1] not in (1, 3):
        expected = "images of 1 or 3 channels: select them with `lambda x: extractor(x[..., :3])`"
        raise invalid("images", expected, f"shape {tuple(images.shape)}")
    return tf.image.grayscale_to_rgb(images) if images.shape[-1] == 1 else images


@contextlib.contextmanager
def _channels_last():
    """For `keras.applications`, which reads the order of an image's axes from Keras's configuration."""
    configured = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(configured)


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
        self.preprocess = lambda images: 127.5 * (_in_colour(images) + 1.0)
        self.identifier = f"inception-2015-{hashlib.sha256(content).hexdigest()[:8]}"


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
