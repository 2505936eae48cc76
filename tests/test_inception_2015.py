"""The network of FID, on a small graph with the names and operations of the one that no machine here can download."""

import numpy as np
import pytest
import tensorflow as tf

from kerasgan import metrics

WEIGHTS = np.random.default_rng(0).normal(size=(3, 3, 3, 2048)).astype("f4")


def frozen(path, batch=1, harmful=False):
    """Writes a graph: pixels, resized to 299, scaled to [-1, 1], convolved, averaged to `pool_3`, classified."""
    graph = tf.Graph()
    v1 = tf.compat.v1
    with graph.as_default():
        decoded = v1.placeholder(tf.float32, (None, None, 3), name="Cast")
        x = tf.expand_dims(decoded, 0, name="ExpandDims")
        x = v1.image.resize_bilinear(x, (299, 299))
        x = tf.multiply(tf.subtract(x, 128.0), 1 / 128.0)
        x = tf.nn.relu(tf.nn.conv2d(x, WEIGHTS, strides=37, padding="VALID"))
        if harmful:
            with tf.control_dependencies([tf.io.write_file(str(harmful), "owned")]):
                x = tf.identity(x)
        x = tf.nn.avg_pool2d(x, x.shape[1:3], 1, "VALID", name="pool_3")
        tf.nn.softmax(tf.matmul(tf.reshape(x, (batch, 2048)), tf.ones((2048, 4))), name="softmax")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return metrics.InceptionFeatures(frozen(tmp_path_factory.mktemp("graph") / "graph.pb"))


def by_hand(images):
    x = tf.compat.v1.image.resize_bilinear(tf.constant(images, tf.float32), (299, 299))
    x = tf.nn.relu(tf.nn.conv2d((x - 128.0) / 128.0, WEIGHTS, strides=37, padding="VALID"))
    return tf.reduce_mean(x, (1, 2)).numpy()


def test_batches_of_any_size_give_the_features_of_each_image(features):
    images = np.random.default_rng(1).integers(0, 256, (5, 20, 24, 3), "uint8")
    made = features(images)
    assert made.shape == (5, 2048)
    np.testing.assert_allclose(made, by_hand(images), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(features(images.astype("f4") / 127.5 - 1), made, rtol=1e-3, atol=1e-3)


def test_grey_images_are_made_colour_ones(features):
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 1), "uint8")
    np.testing.assert_array_equal(features(images), features(np.repeat(images, 3, axis=-1)))


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_refused(features, channels):
    with pytest.raises(ValueError, match=rf"`images`.*1 or 3 channels.*x\[\.\.\., :3\].*{channels}\)"):
        features(np.zeros((2, 8, 8, channels), "uint8"))


def test_only_these_features_are_called_fid(features):
    images = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 1), "uint8")
    for metric, name in ((metrics.FrechetDistance, "FID"), (metrics.KernelDistance, "KID"), (metrics.PRDC, "PRDC")):
        ours = metric(features)
        ours.update_state(images, images)
        assert ours.title == f"{name}[{features.identifier}, n=4/4]"
    assert metrics.FrechetDistance().title.startswith("FD[pixels")


def test_a_file_that_is_no_such_graph_is_refused(tmp_path):
    (tmp_path / "noise.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"noise\.pb, which is not a graph"):
        metrics.InceptionFeatures(tmp_path / "noise.pb")
    (tmp_path / "empty.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="a graph without 'ExpandDims' and 'pool_3'"):
        metrics.InceptionFeatures(tmp_path / "empty.pb")
    with pytest.raises(FileNotFoundError):
        metrics.InceptionFeatures(tmp_path / "none.pb")


def test_a_graph_that_writes_files_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"operations .*'WriteFile'"):
        metrics.InceptionFeatures(frozen(tmp_path / "graph.pb", harmful=tmp_path / "owned"))
    assert not (tmp_path / "owned").exists()
