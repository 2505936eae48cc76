"""The network of FID: Inception as TensorFlow's authors froze it on 2015-12-05, from a file that the user provides."""

import hashlib
import os
import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError

from kerasgan.errors import invalid
from kerasgan.metrics.extractors import NetworkFeatures

_INPUT, _OUTPUT, _DIMENSION = "ExpandDims", "pool_3", 2048
# Operations of a frozen image network. Others could read and write files.
# fmt: off
_OPS = {
    "Add", "AddV2", "AvgPool", "BatchNormWithGlobalNormalization", "BiasAdd", "Cast", "CheckNumerics", "Concat",
    "ConcatV2", "Const", "Conv2D", "DecodeJpeg", "ExpandDims", "FusedBatchNorm", "FusedBatchNormV3", "Identity",
    "MatMul", "MaxPool", "Mean", "Mul", "Pad", "Placeholder", "Relu", "Reshape", "ResizeBilinear", "Rsqrt", "Shape",
    "Softmax", "Squeeze", "Sub",
}
# fmt: on


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
        graph = _checked(content, path)

        def network(images):
            return tf.import_graph_def(graph, {f"{_INPUT}:0": images}, [f"{_OUTPUT}:0"])[0]

        function = tf.compat.v1.wrap_function(network, [tf.TensorSpec((None, None, None, 3), tf.float32)])
        self.model = lambda images, training: tf.reshape(function(images), (-1, _DIMENSION))
        self.preprocess = _colours
        self.identifier = f"inception-2015-{hashlib.sha256(content).hexdigest()[:8]}"


def _colours(images):
    """The network's input: three channels in [0, 255]."""
    images = tf.image.grayscale_to_rgb(images) if images.shape[-1] == 1 else images
    return 127.5 * (images + 1.0)


def _checked(content, path):
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
