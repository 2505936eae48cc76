"""PacGAN: the discriminator judges several images at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import SHAPE, distance, images, networks, sgd, trained
from selection import some

import kerasgan as kg
from kerasgan import batching, stateless
from kerasgan.cli import main
from kerasgan.errors import DataError, ModelContractError


def packed_networks(pack, shape=SHAPE):
    packed = (*shape[:-1], pack * shape[-1])
    return kg.networks.mlp_generator(shape, 3, (8,)), kg.networks.mlp_discriminator(packed, (8,))


def wgan_gp(pack):
    return kg.WGANGP(*packed_networks(pack), n_critic=2, pack=pack)


def test_images_that_follow_one_another_share_a_pack_and_keep_their_channels():
    x = np.random.default_rng(0).normal(size=(6, 2, 4, 3)).astype("f4")
    packs = batching.packed(tf.constant(x), 3).numpy()
    assert packs.shape == (2, 2, 4, 9)
    for i in range(2):
        for k in range(3):
            np.testing.assert_array_equal(packs[i, ..., 3 * k : 3 * k + 3], x[3 * i + k])
    assert batching.packed(x, 1) is x


def test_packs_of_points_are_points_side_by_side():
    np.testing.assert_array_equal(batching.packed(tf.reshape(tf.range(8.0), (4, 2)), 2), [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_losses_and_penalties_are_those_of_packs():
    keras.utils.set_random_seed(0)
    model = wgan_gp(2)
    model.compile(**sgd())
    x = images(8)
    logged = model.evaluate(tf.data.Dataset.from_tensors(x), verbose=0, return_dict=True)
    # The same by hand: the critic's slope at points between packs, one weight for each pack.
    random = stateless.Stream(0, stateless.evaluation_position(tf.constant(0, tf.int64)))
    fake = model.generator(random.normal((8, 3)))
    t = random.uniform((4, 1, 1, 1))
    real_packs, fake_packs = (tf.concat([one[0::2], one[1::2]], -1) for one in (x, fake))
    critic = model.discriminator
    estimate = float(tf.reduce_mean(critic(real_packs)) - tf.reduce_mean(critic(fake_packs)))
    between = real_packs + t * (fake_packs - real_packs)
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = critic(between)
    slopes = tf.norm(tf.reshape(tape.gradient(logits, between), (4, -1)), axis=1)
    assert logged["wasserstein"] == pytest.approx(estimate, rel=1e-5)
    assert logged["gradient_norm"] == pytest.approx(float(tf.reduce_mean(slopes)), rel=1e-5)
    assert logged["gradient_penalty"] == pytest.approx(float(10 * tf.reduce_mean((slopes - 1) ** 2)), rel=1e-5)
    assert logged["g_loss"] == pytest.approx(float(-tf.reduce_mean(critic(fake_packs))), rel=1e-5)


@pytest.mark.parametrize("make", some([kg.GAN, kg.WGAN, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN], 2))
def test_every_variant_packs_and_is_saved_with_it(make, tmp_path):
    model = trained(lambda: make(*packed_networks(4), pack=4), epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.pack == 4
    assert distance(model, loaded) == 0.0
    assert model.generate(3).shape == (3, *SHAPE)


@pytest.mark.slow
def test_two_replicas_give_the_weights_of_one_with_packs_too(mirrored):
    one = trained(lambda: wgan_gp(2))
    with mirrored.scope():
        two = trained(lambda: wgan_gp(2))
    assert distance(one, two) < 2e-6


def test_an_evaluation_leaves_the_partial_batch_out():
    model = wgan_gp(4)
    model.compile()
    x = images(11)
    values = [model.evaluate(tf.data.Dataset.from_tensor_slices(y).batch(8), verbose=0) for y in (x, x[:8])]
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kg.GAN(*packed_networks(2), pack=0), "`pack`. Expected a positive integer.*pack=0"),
        (lambda: kg.GAN(*networks(), pack=2), r"takes \(4, 4, 1\).*pack=2 images of that shape, \(4, 4, 2\)"),
        (lambda: kg.GAN(*packed_networks(2)), r"takes \(4, 4, 2\).*for \(4, 4, 1\)"),
        (
            lambda: kg.GAN(
                kg.networks.mlp_generator(SHAPE, 3, (8,), num_classes=3),
                kg.networks.mlp_discriminator((4, 4, 2), (8,), num_classes=3),
                pack=2,
            ),
            "`pack`. Expected 1 with labels",
        ),
    ],
)
def test_packs_that_cannot_be_are_refused(make, message):
    with pytest.raises((ValueError, ModelContractError), match=message):
        make()


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_a_batch_that_is_no_multiple_of_the_pack_is_refused(method):
    model = kg.GAN(*packed_networks(4), pack=4)
    model.compile()
    arguments = {"batch_size": 6, "verbose": 0} if method in ("fit", "evaluate") else {}
    with pytest.raises(DataError, match=r"a multiple of pack=4.*of 6"):
        getattr(model, method)(images(6), **arguments)
    assert int(model.step.numpy()) == 0


@pytest.mark.slow
def test_the_command_trains_with_packs_and_generates(tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["--dataset=ring", "--model=gan", "--pack=2", "--units=8", "--steps=4", "--batch_size=16"]
    assert main(["train", *arguments, f"--workdir={run}"]) == 0
    assert keras.models.load_model(run / "model.keras").pack == 2
    assert main(["generate", str(run), "--num_images=3", f"--out={tmp_path / 'points.npz'}"]) == 0
