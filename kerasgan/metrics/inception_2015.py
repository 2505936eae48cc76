"""The network of FID: Inception as TensorFlow's authors froze it on 2015-12-05, from a file that a user has."""

import hashlib
import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError

from kerasgan.errors import invalid
from kerasgan.metrics.extractors import NetworkFeatures

_INPUT, _OUTPUT, _DIMENSION = "ExpandDims", "pool_3", 2048
# What a frozen network of images is made of. Others could read and write files.
# fmt: off
_OPS = {
    "Add", "AddV2", "AvgPool", "BatchNormWithGlobalNormalization", "BiasAdd", "Cast", "CheckNumerics", "Concat",
    "ConcatV2", "Const", "Conv2D", "DecodeJpeg", "ExpandDims", "FusedBatchNorm", "FusedBatchNormV3", "Identity",
    "MatMul", "MaxPool", "Mean", "Mul", "Pad", "Placeholder", "Relu", "Reshape", "ResizeBilinear", "Rsqrt", "Shape",
    "Softmax", "Squeeze", "Sub",
}
# fmt: on


class InceptionFeatures(NetworkFeatures):
    """The 2,048 features of FID, by the network of 2015 alone: values with other features are not comparable.

    Images of any size are resized inside of the network, bilinear without antialiasing, as the first FIDs were; one
    channel is repeated to three.

    Args:
        path: Name of the frozen graph, `classify_image_graph_def.pb` of `inception-2015-12-05.tgz`, which
            download.tensorflow.org gives.

    Raises:
        ValueError: The file is no such graph, or holds operations that a network does not need.

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017; Szegedy et al., Rethinking the
        Inception Architecture for Computer Vision, 2016.
    """

    def __init__(self, path):
        content = pathlib.Path(path).read_bytes()
        graph = _checked(content, path)

        def network(images):
            return tf.import_graph_def(graph, {f"{_INPUT}:0": images}, [f"{_OUTPUT}:0"])[0]

        self._function = tf.compat.v1.wrap_function(network, [tf.TensorSpec((None, None, None, 3), tf.float32)])
        self.identifier = f"inception-2015-{hashlib.sha256(content).hexdigest()[:8]}"

    def __call__(self, images):
        """Features of images in [-1, 1], or uint8, `(n, height, width, 1 or 3)`: float32 `(n, 2048)`."""
        return self._in_batches(self._features, images)

    def _features(self, images, training):
        images = tf.image.grayscale_to_rgb(images) if images.shape[-1] == 1 else images
        return tf.reshape(self._function(127.5 * (images + 1.0)), (-1, _DIMENSION))

    preprocess = None


def _checked(content, path):
    """The graph of a file, without what comes after the features."""
    expected = "the frozen graph of Inception of 2015-12-05, classify_image_graph_def.pb"
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except DecodeError:
        raise invalid("path", expected, f"{path}, which is no graph") from None
    names = {node.name for node in graph.node}
    if not {_INPUT, _OUTPUT} <= names:
        raise invalid("path", expected, f"{path}, a graph without {_INPUT!r} and {_OUTPUT!r}")
    graph = tf.compat.v1.graph_util.extract_sub_graph(graph, [_OUTPUT])
    others = sorted({node.op for node in graph.node} - _OPS)
    if others or graph.library.function:
        raise invalid("path", expected, f"{path}, a graph with the operations {others or 'of functions'}")
    return graph
