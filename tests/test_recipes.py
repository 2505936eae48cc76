"""The recipe for images: the command's default, and the same model in Python."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import some

import kerasgan as kg
from kerasgan import augmentations
from kerasgan.cli import configuration as configurations
from kerasgan.cli import main
from kerasgan.cli.build import build
from kerasgan.datasets import Source


def source(num_images, shape=(32, 32, 3), classes=None):
    labels = None if classes is None else np.arange(num_images, dtype="int32") % classes
    return Source("some", np.zeros((num_images, *shape), "uint8"), labels)


def unnamed(configuration):
    """Without the names that Keras counts on."""
    if isinstance(configuration, dict):
        names = ("name", "registered_name", "inbound_nodes", "input_layers", "output_layers")
        return {key: unnamed(value) for key, value in configuration.items() if key not in names}
    return [unnamed(value) for value in configuration] if isinstance(configuration, list) else configuration


@pytest.mark.parametrize("shape", [28, (), (28, 28), (28, 28, "3"), None])
def test_what_is_no_shape_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"`image_shape`. Expected positive integers, e\.g\. \(28, 28, 1\)"):
        kg.recipes.gan(shape, num_images=100)


@pytest.mark.parametrize(
    ("num_images", "shape", "policy"),
    [
        (404, (32, 32, 3), ["flip", "translation:0.5", "cutout"]),
        (404, (17, 20, 2), ["flip", "translation:0.5", "cutout"]),
        (404, (28, 28, 1), None),
        (10_000, (28, 28, 1), None),
    ],
)
def test_the_command_and_python_make_the_same_model(num_images, shape, policy):
    of_command = build(configurations.resolve("some", source=source(num_images, shape)), source(num_images, shape))
    in_python = kg.recipes.gan(shape, num_images)
    assert isinstance(in_python, kg.R3GAN)
    for described in ("get_config", "get_compile_config"):
        assert unnamed(getattr(in_python, described)()) == unnamed(getattr(of_command, described)())
    assert (in_python.augment and in_python.augment.policy) == policy


def test_one_image_is_refused_before_the_training():
    with pytest.raises(ValueError, match=r"some holds one example.* Give it two or more"):
        configurations.resolve("some", source=source(1))


@pytest.mark.slow
def test_it_trains_and_its_rate_ends_at_zero():
    model = kg.recipes.gan((18, 18, 3), num_images=64, num_classes=2, steps=4, filters=4)
    images = np.random.default_rng(0).integers(0, 256, (64, 18, 18, 3)).astype("uint8")
    model.fit(images, np.arange(64) % 2, batch_size=16, epochs=1, verbose=0)
    assert isinstance(model.augment, augmentations.DiffAugment)
    assert float(np.array(model.d_optimizer.learning_rate)) == float(np.array(model.g_optimizer.learning_rate)) == 0.0
    assert model.generate(3, labels=1, seed=0).shape == (3, 18, 18, 3)


def test_rates_fall_to_zero_with_the_last_update_of_each_network():
    of_critic, of_generator = kg.optimization.linear_decays(0.5, steps=4, n_critic=3)
    assert [float(of_critic(update)) for update in (0, 6, 12, 13)] == [0.5, 0.25, 0.0, 0.0]
    assert [float(of_generator(update)) for update in (0, 2, 4, 5)] == [0.5, 0.25, 0.0, 0.0]


def small_gan(*rates, n_critic=1, accumulated=None):
    networks = kg.networks.mlp_generator((4, 4, 1), 3, (4,)), kg.networks.mlp_discriminator((4, 4, 1), (4,))
    model = kg.GAN(*networks, n_critic=n_critic)
    model.compile(*(keras.optimizers.SGD(rate, gradient_accumulation_steps=accumulated) for rate in rates))
    return model


def fit(model, epochs, **options):
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1)).astype("uint8")
    before = int(model.step.numpy())
    model.fit(images, batch_size=4, steps_per_epoch=4, epochs=epochs, verbose=0, **options)
    return int(model.step.numpy()) - before


def decays(steps, n_critic=1):
    return kg.optimization.linear_decays(1e-3, steps, n_critic)


@pytest.mark.parametrize(("n_critic", "accumulated", "replicated"), [(1, None, True), (3, None, False), (1, 2, False)])
def test_a_training_after_the_rates_have_reached_zero_is_refused(n_critic, accumulated, replicated):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"]) if replicated else tf.distribute.get_strategy()
    with strategy.scope():
        model = small_gan(*decays(6, n_critic), n_critic=n_critic, accumulated=accumulated)
    with pytest.warns(UserWarning, match="end at 0 after 6 of these 12 steps: the others change nothing"):
        assert fit(model, 3) == 12
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"`epochs`. Expected a model whose learning rates are above 0.*Received: 4 mo"
    ):
        fit(model, 1)
    kg.optimization.check_rates(model, 3, 4)  # the rest of an epoch, in a run that resumes
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with strategy.scope():
        model.compile(*(keras.optimizers.SGD(rate) for rate in decays(4, n_critic)))
    assert fit(model, 1) == 4


SCHEDULES = keras.optimizers.schedules
UsersOwn = type("UsersOwn", (SCHEDULES.LearningRateSchedule,), {"__call__": lambda self, step: 1e-3 * step.value[None]})


@pytest.mark.parametrize(
    "rates",
    [
        [SCHEDULES.CosineDecay(0.0, 100, warmup_target=1e-3, warmup_steps=8)] * 2,  # begins at 0
        [1e-3, SCHEDULES.PiecewiseConstantDecay([100], [0.0, 1e-3])],  # a generator that waits
        [SCHEDULES.PolynomialDecay(1e-3, 4, 0.0, cycle=True)] * 2,  # is 0 in some steps
        [decays(4)[0], 1e-3],  # a discriminator that stops
        decays(5),  # ends in the last epoch
    ],
)
def test_rates_that_are_zero_for_another_reason_are_left_alone(rates):
    assert fit(small_gan(*rates), 2) == 8


def test_a_schedule_that_cannot_be_asked_is_left_to_keras():
    assert math.isnan(kg.optimization._scheduled(UsersOwn(), 3))


@pytest.mark.parametrize(
    "arguments", [{"num_images": 0}, {"num_images": 10, "steps": 0}, {"num_images": 1, "seed": -1}]
)
def test_what_cannot_be_used_is_refused(arguments):
    with pytest.raises(ValueError, match=rf"`{list(arguments)[-1]}`"):
        kg.recipes.gan((28, 28, 1), **arguments)


def test_small_images_and_points_keep_what_was_tuned_for_them():
    digits = configurations.resolve("digits", source=source(1_797, (8, 8, 1)))
    assert (digits.model, digits.network, digits.blur, digits.augment) == ("wgan_gp", "mlp", False, ())
    other = configurations.resolve("some", "wgan_gp", source=source(20_000))
    assert (other.model, other.learning_rate, other.learning_rate_decay) == ("wgan_gp", 1e-4, False)
    assert (other.filters, other.latent_dim, other.steps, other.blur) == (64, 128, 20_000, False)
    tuned = configurations.resolve("mnist", "wgan_gp", source=source(60_000, (28, 28, 1)))
    assert (tuned.filters, tuned.latent_dim, tuned.steps, tuned.learning_rate) == (32, 128, 7_000, 5e-4)


def test_classes_without_images_are_not_asked_for():
    labels = np.arange(400, dtype="int32") % 3 + 1  # from 1, as some count
    gap = Source("some", np.zeros((400, 32, 32, 3), "uint8"), labels)
    assert not configurations.resolve("some", source=gap).conditional
    with pytest.raises(ValueError, match="--conditional: no image of some has label 0"):
        configurations.resolve("some", source=gap, conditional=True)


@pytest.mark.parametrize(
    ("flags", "classes", "conditional"),
    [
        ({}, 10, True),
        ({}, None, False),
        ({}, 1, False),
        ({}, 101, False),
        ({"conditional": False}, 10, False),
        ({"pack": 2}, 10, False),
        ({"model": "vae"}, 10, False),
        ({"model": "wgan_gp"}, 10, True),
    ],
)
def test_images_are_generated_by_class_where_there_are_classes(flags, classes, conditional):
    resolved = configurations.resolve("some", source=source(400, classes=classes), **flags)
    assert resolved.conditional is conditional
    assert build(resolved, source(400, classes=classes)).conditional is conditional


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "lines"),
    some(
        [
            (
                [],
                [
                    "augment    flip, translation:0.5, cutout; probability 1.0\n",
                    "classes    2, generated by label",
                ],
            ),
            (["--augment=none", "--noconditional"], []),
        ],
        0,
    ),
)
def test_a_run_says_whether_it_augments_and_generates_by_class(flags, lines, tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (60, 18, 18, 3)).astype("uint8")
    np.savez(tmp_path / "some.npz", images=images, labels=np.arange(60) % 2)
    flags = [*flags, f"--dataset={tmp_path / 'some.npz'}", f"--workdir={tmp_path / 'run'}", "--steps=1", "--filters=4"]
    assert main(["train", "--batch_size=8", *flags]) == 0
    out = capsys.readouterr().out
    for line in lines:
        assert line in out
    assert ("augment    " in out) == ("classes    " in out) == bool(lines)


@pytest.mark.parametrize(
    ("network", "flags", "message"),
    [("mlp", {"blur": True}, "--blur is for"), ("resnet", {"skips": True}, "--skips is for")],
)
def test_blur_and_skips_need_dcgan(network, flags, message):
    with pytest.raises(ValueError, match=message):
        configurations.resolve("some", source=source(400), network=network, **flags)
    assert not configurations.resolve("some", source=source(400), network=network).blur
