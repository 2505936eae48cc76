"""`train_on_batch` and `test_on_batch`: what is wrong with a batch is said as `fit` and `evaluate` say it."""

import keras
import numpy as np
import pytest
from gans import SHAPE, images, networks, unchanged

import kerasgan as kg

LABELS = np.arange(16) % 10


def model(num_classes=10, variant=kg.GAN, **kwargs):
    gan = variant(*networks(num_classes), **kwargs)
    gan.compile(run_eagerly=True)
    return gan


def with_number(value):
    batch = images(16)
    batch[3] = value
    return batch


BAD = {
    "a label below zero": (lambda: (images(16), LABELS - 10), "labels in \\[0, 10\\).*labels from -10 to -1"),
    "a label of no class": (lambda: (images(16), LABELS + 1), "labels in \\[0, 10\\).*labels from 1 to 10"),
    "one-hot labels": (lambda: (images(16), np.eye(10)[LABELS]), "one integer label per image.*argmax"),
    "labels that are floats": (lambda: (images(16), LABELS.astype("f4")), "`y`. Expected integer labels"),
    "fewer labels": (lambda: (images(16), LABELS[:8]), "16 images and 8 labels"),
    "NaN": (lambda: (with_number(np.nan), LABELS), "`x`. Expected finite numbers.*x\\[3\\]"),
    "infinity": (lambda: (with_number(np.inf), LABELS), "`x`. Expected finite numbers.*x\\[3\\]"),
    "another height": (lambda: (images(16)[:, :3], LABELS), "`x`. Expected batches of images.*resize them with"),
    "no axis of channels": (lambda: (images(16)[..., 0], LABELS), "add the channel axis with `x\\[..., None\\]`"),
    "a list of both": (lambda: ([images(16), LABELS], None), "`x`. Expected one array of images"),
    "a tuple of both": (lambda: ((images(16), LABELS), None), "images, and labels as `y`, two arrays"),
    "numbers beyond the range": (lambda: (images(16) * 127.5 + 127.5, LABELS), "the range of the generator: scale"),
    "integers": (lambda: ((images(16) * 99).astype("int32"), LABELS), "uint8 in \\[0, 255\\], or floats"),
    "no images": (lambda: (images(16)[:0], LABELS[:0]), "at least one image"),
}


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_batch_is_refused_in_the_words_of_fit_and_changes_nothing(fault, method):
    (x, y), message = BAD[fault][0](), BAD[fault][1]
    gan, more = model(), {"batch_size": 8} if method == "fit" else {}
    with unchanged(gan), pytest.raises((ValueError, TypeError), match=message):
        getattr(gan, method)(x, y, **more)


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
@pytest.mark.parametrize("weights", [{"sample_weight": np.ones(16)}, {"class_weight": {0: 1.0}}], ids=list)
def test_weights_are_refused_by_their_name(method, weights):
    (name,) = weights
    with pytest.raises(ValueError, match=f"`{name}`. Expected None, because the losses weigh all images alike"):
        getattr(model(), method)(images(16), LABELS, **weights)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_labels_are_needed_where_the_networks_take_them_and_ignored_aloud_elsewhere(method):
    with pytest.raises(ValueError, match=r"`y`\. Expected labels, because the networks take them"):
        getattr(model(), method)(images(16))
    with pytest.warns(UserWarning, match="the labels are ignored"):
        getattr(model(None), method)(images(16), LABELS)


def test_the_batches_of_a_step_are_checked_alike():
    gan = model(n_critic=2)
    x, y = images(16).reshape(8, 2, *SHAPE), LABELS.reshape(8, 2)
    assert np.isfinite(gan.train_on_batch(x, y)).all()
    with unchanged(gan):
        with pytest.raises(ValueError, match=r"labels in \[0, 10\)"):
            gan.train_on_batch(x, y + 1)
        with pytest.raises(ValueError, match="Expected finite numbers"):
            gan.train_on_batch(np.full_like(x, np.nan), y)
        with pytest.raises(ValueError, match="16 images and 8 labels"):
            gan.train_on_batch(x, y[:, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: model(None, kg.WGANGP, n_critic=1),
        lambda: kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), kg.networks.mlp_generator(SHAPE, 3, (8,))),
    ],
    ids=["WGANGP", "VAE"],
)
def test_values_come_in_one_order_that_of_their_names(make):
    first, second = make(), make()
    for one in (first, second):
        one.compile(run_eagerly=True)
    second.set_weights(first.get_weights())
    for method in ("train_on_batch", "test_on_batch", "evaluate"):
        values = getattr(first, method)(images(16))
        by_name = getattr(second, method)(images(16), return_dict=True)
        assert first.metrics_names == [metric.name for metric in first.metrics] == list(by_name)
        np.testing.assert_allclose(values, list(by_name.values()), rtol=1e-6)
    assert first.metrics_names[0] in ("d_loss", "loss")


@pytest.mark.parametrize(("activation", "low", "high"), [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0)])
def test_bytes_are_scaled_to_what_the_generator_makes(activation, low, high):
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16, activation), keras.layers.Reshape(SHAPE)])
    gan = kg.GAN(generator, networks()[1])
    gan.compile(run_eagerly=True)
    levels = np.arange(8 * 16, dtype=np.uint8).reshape(8, *SHAPE)
    values = gan.test_on_batch(levels)
    gan.reset_metrics()
    gan.evaluated_batches.assign(0)
    np.testing.assert_allclose(gan.test_on_batch(low + levels / np.float32(255.0 / (high - low))), values, rtol=1e-5)
