"""Networks from a notebook: subclassed, with one-hot labels as channels, with random layers in the discriminator."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import SHAPE, images, networks
from keras import layers as L
from selection import some
from test_user_networks import Critic, Subclassed, advice

import kerasgan as kg
from kerasgan import contract, stateless
from kerasgan.errors import ModelContractError

RGB = (8, 8, 3)
register = keras.saving.register_keras_serializable("test_foreign_networks")


def judge(*layers, shape=SHAPE):
    return keras.Sequential([keras.Input(shape), *layers, L.Flatten(), L.Dense(1)])


def gan(*layers, kind=kg.GAN, shape=SHAPE, **kwargs):
    return kind(kg.networks.mlp_generator(shape, 3, (8,)), judge(*layers, shape=shape), **kwargs)


@register
class Recorded(kg.WGANGP):
    """Its arguments are recorded, not read from attributes."""

    def __init__(self, generator, discriminator, **kwargs):
        super().__init__(generator, discriminator, n_critic=1, **kwargs)


@pytest.mark.parametrize("kind", some([kg.WGANGP, Recorded], 1))
def test_subclassed_networks_work_as_they_are_once_they_were_called(kind, tmp_path):
    generator, critic = Subclassed(), Critic()
    generator(np.zeros((2, 3), "float32"))
    critic(np.zeros((2, *SHAPE), "float32"))
    model = kind(generator, critic, ema_momentum=0.9)
    model.compile(run_eagerly=True)
    model.train_on_batch(np.stack([images(8)] * model.n_critic, 1))
    before = {name: variable.numpy() for name, variable in model.state().items() if not name.startswith("metrics/")}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    after = loaded.state()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name].numpy(), err_msg=name)
    np.testing.assert_array_equal(loaded.generate(2, seed=0), model.generate(2, seed=0))
    assert {id(variable) for variable in model.generator.weights} == {id(variable) for variable in generator.weights}


def test_networks_that_were_never_called_are_refused_with_what_to_do():
    with pytest.raises(ModelContractError, match=r"call it once on a batch .*Subclassed, a subclassed model"):
        kg.GAN(Subclassed(), networks()[1])
    sequential = keras.Sequential([L.Flatten(), L.Dense(1)])
    with pytest.raises(ModelContractError, match=r"call it once on a batch .*Sequential, without its Input"):
        kg.GAN(networks()[0], sequential)
    sequential(np.zeros((2, *SHAPE), "float32"))
    kg.GAN(networks()[0], sequential)
    encoder = Critic()
    with pytest.raises(ModelContractError, match=r"`encoder`. .* call it once on a batch"):
        kg.VAE(encoder, networks()[0])
    encoder(np.zeros((2, *SHAPE), "float32"))
    with pytest.raises(ModelContractError, match="twice latent_dim"):
        kg.VAE(encoder, networks()[0])


def test_one_hot_labels_as_channels_and_latents_become_class_numbers_as_advised():
    one_hot = (
        keras.Sequential([keras.Input((3 + 5,)), L.Dense(16, "tanh"), L.Reshape(SHAPE)]),
        judge(shape=(4, 4, 1 + 5)),
    )
    with pytest.raises(ModelContractError, match="If its last 5 channels are one-hot labels") as refused:
        kg.GAN(*one_hot)
    discriminator = advice(refused.value, network=one_hot[1])
    with pytest.raises(ModelContractError, match="If the generator's last 5 latents are one-hot labels") as refused:
        kg.GAN(one_hot[0], discriminator)
    model = kg.GAN(advice(refused.value, network=one_hot[0]), discriminator)
    assert (model.num_classes, model.latent_dim) == (5, 3)
    data, labels = images(8), np.arange(8) % 5
    maps = np.broadcast_to(np.eye(5)[labels][:, None, None], (8, 4, 4, 5))
    np.testing.assert_allclose(
        model.discriminator([data, labels]), one_hot[1](np.concatenate([data, maps], -1)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.filterwarnings("error:Layer")
@pytest.mark.parametrize(
    "layer",
    some(
        [
            lambda: L.GaussianNoise(0.1),
            lambda: L.RandomFlip("horizontal"),
            lambda: L.RandomContrast(0.3, value_range=(-1, 1)),
        ],
        0,
    ),
    ids=["GaussianNoise", "RandomFlip", "RandomContrast"],
)
def test_random_layers_of_keras_are_functions_of_seed_and_step_in_a_discriminator(layer):
    def logs(seed):
        keras.utils.set_random_seed(0)
        model = gan(layer(), kind=kg.WGANGP, n_critic=1)
        model.compile(run_eagerly=True)
        keras.utils.set_random_seed(seed)  # which the run does not depend on
        first = model.train_on_batch(images(8)[:, None], return_dict=True)
        return first, model.test_on_batch(images(8)), model.test_on_batch(images(8))

    assert logs(1) == logs(2)


@pytest.mark.parametrize(
    ("layer", "policy"),
    some(
        [
            (lambda: L.RandomTranslation(0.1, 0.1), "('translation',)"),
            (lambda: L.RandomRotation(0.1), "('translation',)"),
            (lambda: L.RandomHue(0.2, value_range=(-1, 1)), "('color',)"),
            (lambda: L.RandAugment(value_range=(-1, 1)), "('color', 'translation')"),
            (lambda: L.CutMix(), "('cutout',)"),
        ],
        0,
        4,
    ),
    ids=["translation", "rotation", "hue", "several", "a mixture"],
)
def test_augmentation_that_a_generator_cannot_learn_through_is_refused_with_what_it_can(layer, policy):
    with pytest.raises(ModelContractError, match="Expected layers that the generator can learn") as refused:
        gan(layer(), shape=RGB)
    (argument,) = re.findall("`augment=(kerasgan[^`]*)`", str(refused.value))
    assert policy in argument
    assert gan(shape=RGB, augment=eval(argument, {"kerasgan": kg})).augment is not None


def gradient_and_change(layer):
    """The derivative of a sum of pixels in a direction by the tape (None without one), and by moving the images."""
    images, direction, weights = (tf.random.stateless_uniform((4, *RGB), (0, seed), -0.5, 0.5) for seed in range(3))

    def total(images):
        with stateless.Writes(stateless.Stream(0, tf.constant(5, tf.int64))):
            return tf.reduce_sum(weights * layer(images, training=True))

    with tf.GradientTape() as tape:
        tape.watch(images)
        before = total(images)
    gradient = tape.gradient(before, images)
    change = (total(images + 0.01 * direction) - total(images - 0.01 * direction)) / 0.02
    return None if gradient is None else float(tf.reduce_sum(gradient * direction)), float(change)


def test_what_is_refused_still_has_a_wrong_gradient_and_what_is_not_an_exact_one():
    for layer in (L.RandomTranslation(0.2, 0.2), L.RandomRotation(0.2), L.RandomZoom(0.3)):
        gradient, change = gradient_and_change(layer)
        assert abs(gradient - change) > 0.05 * abs(change), layer.name
    assert gradient_and_change(L.RandomHue(0.2, value_range=(-1, 1)))[0] is None
    for layer in (L.RandomFlip(), L.GaussianNoise(0.1), L.RandomContrast(0.1, value_range=(-1, 1))):
        np.testing.assert_allclose(*gradient_and_change(layer), rtol=2e-2, err_msg=layer.name)


def test_augmentation_for_bytes_is_refused_where_pixels_are_not_bytes():
    with pytest.raises(ModelContractError, match=r"give it `value_range=\(-1, 1\)`. Received: layer 'random_contrast"):
        gan(L.RandomContrast(0.3))
    gan(L.Rescaling(127.5, 127.5), L.RandomContrast(0.3), L.Rescaling(1 / 127.5, -1.0))


@pytest.mark.parametrize(
    ("library", "message"),
    [("tf_keras", "`import keras`, not `tf_keras`.* Received: Functional from tf_keras"), ("torch", "from torch")],
)
def test_a_network_of_another_library_is_named_with_it(library, message):
    other = type("Functional", (), {"__module__": f"{library}.src.engine.functional"})()
    with pytest.raises(ModelContractError, match=message):
        kg.GAN(networks()[0], other)


def test_a_lambda_whose_modules_are_not_saved_is_warned_of_and_a_function_is_loaded(tmp_path):
    def generator(function):
        return keras.Sequential([keras.Input((3,)), L.Dense(16), L.Lambda(function), L.Reshape(SHAPE)])

    with pytest.warns(UserWarning, match="is a Lambda that uses `tf`, which is not saved with it"):
        model = kg.GAN(generator(lambda x: tf.tanh(x)), networks()[1])
    model.save(tmp_path / "model.keras")
    with pytest.raises(Exception):  # noqa: B017, PT011  Keras's
        keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # they are saved by other means, or are not the user's
        for function in (tf.function(lambda x: tf.tanh(x)), tf.autograph.experimental.do_not_convert(lambda x: x)):
            contract.check_network(generator(function), "generator", "")

    @register
    def squashed(x):
        return tf.tanh(x)

    model = kg.GAN(generator(squashed), networks()[1])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(2, seed=0), model.generate(2, seed=0))
