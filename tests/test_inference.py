"""From seeds to images: closed forms, and that images depend on nothing but their own seed."""

import math

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import kerasgan as kg
from kerasgan import images, inference

LATENT_DIM = 6


@pytest.fixture(scope="module")
def gan():
    return made()


def made(policy="float32", num_classes=None, output="tanh"):
    keras.utils.set_random_seed(1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        generator = kg.networks.mlp_generator(
            (4, 4, 1), LATENT_DIM, (16,), num_classes=num_classes, output_activation=output
        )
        return kg.GAN(generator, kg.networks.mlp_discriminator((4, 4, 1), (8,), num_classes=num_classes))
    finally:
        keras.config.set_dtype_policy(before)


def test_arguments_that_are_no_lists_or_no_numbers_are_named(gan):
    with pytest.raises(ValueError, match=r"`seeds`. Expected a list of integers in \[0, 2\*\*63\), one per image"):
        gan.generate(1, seeds=5)
    with pytest.raises(ValueError, match=r"`x`. Expected latents of shape \(n, 6\).*shape \(0,\)"):
        gan.predict([])


def test_one_hot_labels_are_named_without_a_number_of_images():
    with pytest.raises(ValueError, match=r"`labels`.*np.argmax\(labels, axis=-1\)"):
        made(num_classes=3).generate(labels=np.eye(3))


@pytest.mark.parametrize("labels", [np.eye(3), [0.5, 1.0, 2.0], [-1, 0, 1]], ids=["one-hot", "floats", "negative"])
def test_labels_of_unknown_classes_are_integers_all_the_same(labels):
    with pytest.raises(ValueError, match=r"`labels`. Expected integers >= 0, one per image"):
        inference.checked_labels(labels, 3, True, None)


def test_an_image_depends_on_its_own_seed_alone(gan):
    alone = np.concatenate([gan.generate(seeds=[seed]) for seed in (3, 2**62, 0)])
    together = gan.generate(seeds=[3, 2**62, 0])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(gan.generate(seeds=[9, 9, 0, 3], batch_size=3)[[3, 2]], together[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(gan.generate(5, seed=3)[0], together[0], atol=1e-6)
    assert np.abs(together[0] - together[2]).max() > 0.1


def test_latents_of_seeds_are_normal_and_independent():
    latents = inference.latents_of(tf.range(4_000, dtype=tf.int64), LATENT_DIM).numpy()
    assert latents.shape == (4_000, LATENT_DIM)
    assert scipy.stats.kstest(latents.ravel(), "norm").pvalue > 1e-3
    of_columns, of_neighbours = np.corrcoef(latents.T), np.corrcoef(latents[:-1, 0], latents[1:, 0])
    assert np.abs(of_columns - np.eye(LATENT_DIM)).max() < 0.06
    assert abs(of_neighbours[0, 1]) < 0.06


@pytest.mark.parametrize("t", [0.3, 1.0, 2.5])
def test_truncated_latents_are_of_the_truncated_normal_distribution(t):
    z = tf.random.stateless_normal((2_000, 2), [0, 0])
    moved = inference.truncated(z, tf.fill((2_000,), t)).numpy()
    assert np.abs(moved).max() <= t
    assert scipy.stats.kstest(moved.ravel(), scipy.stats.truncnorm(-t, t).cdf).pvalue > 1e-3
    expected = scipy.stats.truncnorm.ppf(scipy.stats.norm.cdf(z.numpy().astype("f8")), -t, t)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_a_large_truncation_changes_nothing_in_the_far_tails_either():
    z = tf.constant([[0.0, 1e-3, -3.0, 5.5, -6.0, 20.0]])
    for nothing in (1e6, math.inf):
        np.testing.assert_allclose(inference.truncated(z, tf.constant([nothing])), z, atol=1e-5)
    assert np.abs(inference.truncated(z, tf.constant([2.0]))).max() <= 2.0


def test_interpolation_goes_along_the_great_circle():
    a, b = tf.constant([[3.0, 0.0]]), tf.constant([[0.0, 3.0]])
    for t in (0.0, 0.25, 1 / 3, 1.0):
        expected = [[3 * np.cos(t * np.pi / 2), 3 * np.sin(t * np.pi / 2)]]
        np.testing.assert_allclose(inference.interpolated(a, b, tf.constant([t])), expected, atol=1e-6)
    for other, t, expected in ((a, 0.3, [[3.0, 0.0]]), (2 * a, 0.5, [[4.5, 0.0]]), (-a, 0.25, [[1.5, 0.0]])):
        np.testing.assert_allclose(inference.interpolated(a, other, tf.constant([t])), expected, atol=1e-5)


def test_interpolated_images_begin_and_end_at_those_of_the_seeds(gan):
    walk = gan.interpolate([4, 4, 4], [7, 7, 7], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(walk[[0, 2]], gan.generate(seeds=[4, 7]), atol=1e-6)
    assert np.abs(walk[1] - walk[[0, 2]]).max(axis=(1, 2, 3)).min() > 1e-2


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0)])
def test_levels_are_those_of_saved_pictures(bounds):
    low, high = bounds
    x = np.concatenate([np.linspace(-1.2, 1.2, 5_000), [np.nan, np.inf, -np.inf]]).astype("float32")
    own = ((x + np.float32(1)) / np.float32(2) * np.float32(high - low) + np.float32(low)).astype("float32")
    difference = inference.levels(own, bounds).numpy().astype(int) - images.to_uint8(x).astype(int)
    assert np.abs(difference).max() <= (bounds == (0.0, 1.0))  # the map of the test itself rounds
    assert inference.levels(tf.constant([-1.0, 1.0, np.nan]), (-1.0, 1.0)).numpy().tolist() == [0, 255, 0]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_generate_computes_in_float32_whatever_the_policy(policy):
    gan, reference = made(policy), made()
    reference.generator.set_weights(gan.generator.get_weights())
    expected = reference.generate(seeds=range(8))
    np.testing.assert_allclose(gan.generate(seeds=range(8)), expected, atol=1e-6)
    assert (
        np.abs(gan.predict(inference.latents_of(tf.range(8, dtype=tf.int64), LATENT_DIM), verbose=0) - expected).max()
        > 1e-5
    )
    # and with the weights of the moment
    gan.generator.set_weights([0.5 * weight for weight in gan.generator.get_weights()])
    reference.generator.set_weights(gan.generator.get_weights())
    np.testing.assert_allclose(gan.generate(seeds=range(8)), reference.generate(seeds=range(8)), atol=1e-6)


def unusual(policy, last=lambda x: keras.layers.Lambda(lambda x: 0.5 * x)(x)):
    """A network of what a copy may lose: nested and wrapped layers, adapted ones, operations, a lambda."""
    keras.utils.set_random_seed(3)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        latents = keras.Input((LATENT_DIM,), name="latents")
        normalization = keras.layers.Normalization()
        normalization.adapt(np.random.default_rng(0).normal(3.0, 2.0, (64, LATENT_DIM)))
        inner = keras.Sequential([keras.Input((LATENT_DIM,)), keras.layers.Dense(8), kg.layers.LeakyReLU()])
        x = inner(normalization(latents))
        x = x + keras.layers.SpectralNormalization(keras.layers.Dense(8))(x)
        x = last(keras.ops.sin(x))
        return keras.Model(latents, keras.layers.Dense(2, dtype="float32")(x))
    finally:
        keras.config.set_dtype_policy(before)


def test_float32_reaches_every_layer_and_ends_with_the_block():
    network, reference = unusual("mixed_bfloat16"), unusual("float32")
    z = np.random.default_rng(1).normal(size=(16, LATENT_DIM)).astype("float32")
    expected = reference(z).numpy()
    before = [layer.dtype_policy for layer in network._flatten_layers()]
    assert np.abs(network(z) - expected).max() > 1e-3
    with inference.in_float32(network):
        np.testing.assert_allclose(network(z), expected, atol=1e-6)
    assert [layer.dtype_policy for layer in network._flatten_layers()] == before
    np.testing.assert_allclose(inference.Sampler(network)(z), expected, atol=1e-6)
    assert np.abs(network(z) - expected).max() > 1e-3


def test_an_average_of_an_adapted_layer_begins_as_the_generator():
    generator = unusual("float32", last=lambda x: x)  # Keras copies no lambda
    gan = kg.GAN(generator, kg.networks.mlp_discriminator((2,), (8,)), ema_momentum=0.9)
    z = np.random.default_rng(1).normal(size=(16, LATENT_DIM)).astype("float32")
    np.testing.assert_allclose(gan(z), generator(z), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`num_images`. Expected an integer >= 0"),
        ({"seeds": [-1]}, r"`seeds`. Expected integers in \[0, 2\*\*63\)"),
        ({"seeds": [0.5]}, "`seeds`"),
        ({"seeds": 3}, "`seeds`"),
        ({"seeds": [[3]]}, "`seeds`"),
        ({"num_images": 1, "seed": np.uint64(2**63)}, "`seed`"),
        ({"num_images": 2, "seeds": [1]}, "`seeds`. Expected 2 seeds, one per image"),
        ({"seed": 1, "seeds": [1]}, "one per image, without `seed`"),
        ({"num_images": 1, "truncation": 0.0}, "`truncation`. Expected a number > 0"),
        ({"num_images": 1, "truncation": np.nan}, "`truncation`"),
        *(
            ({"num_images": 1, "truncation": value}, "`truncation`. Expected numbers")
            for value in ("a", "1", b"1", ["1"], True, 1j, [None])
        ),
        ({"num_images": True}, "`num_images`"),
        ({"num_images": 2, "batch_size": 0}, "`batch_size`"),
    ],
)
def test_arguments_out_of_range_are_refused(gan, arguments, message):
    with pytest.raises(ValueError, match=message):
        gan.generate(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], [2], [1.1]), r"`positions`. Expected numbers in \[0, 1\]"),
        (([1, 2, 3], [2, 3], [0.5]), "`positions`. Expected as many"),
        (([1], [2], ["0.5"]), "`positions`. Expected numbers"),
        (([1], [2], True), "`positions`. Expected numbers"),
    ],
)
def test_positions_out_of_range_are_refused(gan, arguments, message):
    with pytest.raises(ValueError, match=message):
        gan.interpolate(*arguments)


def test_one_number_stands_for_all_of_a_walk_and_labels_tell_how_many():
    gan = made(num_classes=3)
    walk = gan.interpolate(4, 7, [0.0, 0.5, 1.0], labels=2)
    np.testing.assert_allclose(walk, gan.interpolate([4] * 3, [7] * 3, [0.0, 0.5, 1.0], labels=[2] * 3), atol=1e-6)
    assert gan.generate(labels=[1, 2]).shape == (2, 4, 4, 1)
    assert gan.generate(0, labels=2).shape == gan.generate(seeds=[], labels=2).shape == (0, 4, 4, 1)


@pytest.mark.parametrize("labels", [0.5, "1", np.eye(3, dtype=int), 3, -1, [0.0, 1.0, 2.0]])
def test_labels_are_integers_in_their_range_one_an_image(labels):
    with pytest.raises(ValueError, match=r"`labels`. Expected integers in \[0, 3\), one per image"):
        made(num_classes=3).generate(3, labels=labels)


def test_a_batch_of_nothing_is_nothing(gan):
    assert gan.generate(0).shape == gan.generate(seeds=[]).shape == gan.interpolate([], [], []).shape == (0, 4, 4, 1)


def test_a_column_of_labels_is_a_row_of_them():
    labels = inference.checked_labels(np.array([[0], [2], [1]]), 3, True, 3)
    np.testing.assert_array_equal(labels, [0, 2, 1])
