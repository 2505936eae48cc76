"""Every variable, trainable or not, is the same eager, in graphs, with XLA, on replicas, in two steps an execution.

Weights alone, under SGD, once hid that graphs lost the moving statistics of all but the last critic update.
"""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import MODES, SHAPE, scope_of
from selection import some

import kerasgan as kg
from kerasgan import layers, stateless

IMAGES = np.random.default_rng(0).uniform(-1, 1, (160, *SHAPE)).astype("float32")
VARIANTS = {
    variant.__name__: variant for variant in (kg.GAN, kg.WGAN, kg.WGANGP, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN)
}
OPTIMIZERS = {"SGD": lambda: keras.optimizers.SGD(0.01), "Adam": lambda: keras.optimizers.Adam(1e-3, 0.0, 0.9)}
TOLERANCE = 1e-5
# Of the generator and of the discriminator.
NORMALIZATIONS = [("batch", None), ("batch", "layer"), ("layer", "spectral")]


class Counts(keras.layers.Layer):
    """Writes a `tf.Variable` that Keras does not know of, in an order that matters."""

    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False)

    def call(self, x, training=False):
        if training:
            self.calls.assign(1.5 * self.calls + tf.stop_gradient(tf.reduce_mean(x)))
        return x


class Averages(keras.layers.Layer):
    """Writes a weight of its own at each training call."""

    def build(self, shape):
        self.average = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.average.assign(0.9 * self.average + 0.1 * keras.ops.mean(x, axis=0))
        return x - self.average


def networks(normalizations):
    of_generator, of_discriminator = normalizations
    return (
        kg.networks.mlp_generator(SHAPE, 3, (8,), of_generator),
        kg.networks.mlp_discriminator(SHAPE, (8,), of_discriminator),
    )


def hand_made(*of_hidden):
    """Networks whose generator has these layers after its hidden one."""
    generator = [keras.Input((3,)), keras.layers.Dense(8), *of_hidden]
    generator += [keras.layers.Dense(16, "tanh"), keras.layers.Reshape(SHAPE)]
    return keras.Sequential(generator), kg.networks.mlp_discriminator(SHAPE, (8,))


def trained(make, optimizer, mode="graph", mirrored=None, **arguments):
    """Every variable of the model after two steps, and what was logged."""
    keras.utils.set_random_seed(0)
    with scope_of(mode, mirrored):
        model = make()
        count = 1 if isinstance(model, kg.VAE) else 2
        model.compile(*(OPTIMIZERS[optimizer]() for _ in range(count)), **MODES[mode], **arguments)
    model.fit(IMAGES, batch_size=16, steps_per_epoch=2, verbose=0)
    others = {
        f"{role}/calls": layer.calls
        for role, network in model.networks.items()
        for layer in network.layers
        if isinstance(layer, Counts)
    }
    logs = {name: np.asarray(values) for name, values in model.history.history.items()}
    return logs | {name: variable.numpy() for name, variable in (model.state() | others).items()}


def assert_the_same_in(mode, make, optimizer="Adam", mirrored=None):
    expected = eager(make, optimizer)
    received = trained(make, optimizer, mode, mirrored)
    # XLA sums in another order, and of a gradient near zero Adam makes a whole step, 0.003.
    tolerance = TOLERANCE * {"SGD": 10, "Adam": 100}[optimizer] if mode == "XLA" else TOLERANCE
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        largest = max(1.0, np.abs(value).max())  # what sums are rounded by
        np.testing.assert_allclose(received[name], value, 0, tolerance * largest, err_msg=f"{name} in {mode}")


@functools.cache
def eager(make, optimizer):
    return trained(make, optimizer, run_eagerly=True)


def wgan_gp():
    """The README's example."""
    return kg.WGANGP(*networks(("batch", "layer")), n_critic=3, ema_momentum=0.9)


@pytest.mark.parametrize("mode", some(MODES, 0))
def test_batch_normalisation_of_a_wgan_gp_is_the_same_in(mode, mirrored):
    assert_the_same_in(mode, wgan_gp, mirrored=mirrored)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: kg.R3GAN(*networks(("batch", None)), n_critic=2),
        lambda: kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,), "batch"), networks(("batch", None))[0]),
    ],
    ids=["R3GAN", "VAE"],
)
def test_batch_normalisation_of_other_models_is_the_same_in_graphs(make):
    assert_the_same_in("graph", make)


@pytest.mark.filterwarnings("ignore:Layer .* holds the tf.Variable")
@pytest.mark.parametrize("layer", some([Counts, Averages, keras.layers.BatchNormalization], 0))
def test_whatever_a_layer_writes_is_the_same_in_graphs(layer):
    assert_the_same_in("graph", lambda: kg.WGAN(*hand_made(layer()), n_critic=2))


@pytest.mark.parametrize("layer", some([keras.layers.Dropout, keras.layers.GaussianNoise], 0))
def test_stock_random_layers_draw_the_same_in_graphs(layer):
    assert_the_same_in("graph", lambda: kg.WGAN(*hand_made(layer(0.5)), n_critic=2, seed=3))


@pytest.mark.parametrize("shape", [(8, 128), (5, 7, 1)])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_draws_are_those_of_tensorflow_with_xla_too_where_the_number_of_the_draw_is_a_variable(kind, shape):
    number = tf.Variable(7, dtype=tf.int64)  # of a constant, TensorFlow folds the draw before XLA sees it

    def draw():
        return getattr(stateless.Stream(3, stateless.training_position(number)), kind)(shape)

    expected = getattr(tf.random, f"stateless_{kind}")(shape, (3, 8 * 4096), alg="philox")
    for compiled in (False, True):
        values = tf.function(draw, jit_compile=compiled)()
        np.testing.assert_allclose(values, expected, atol=0 if kind == "uniform" else 5e-6)


def test_our_dropout_draws_the_same_with_xla():
    assert_the_same_in("XLA", lambda: kg.WGAN(*hand_made(layers.Dropout(0.5)), n_critic=2, seed=3), "SGD")


@pytest.mark.parametrize("name", some([*VARIANTS, "VAE"], 2))
def test_a_whole_step_is_the_same_compiled_by_xla_as_on_a_tpu(name):
    def after(compiled):
        keras.utils.set_random_seed(0)
        model = make()
        model.compile(*(OPTIMIZERS["SGD"]() for _ in range(1 if name == "VAE" else 2)))
        shape = SHAPE if name == "VAE" else (model.n_critic, *SHAPE)
        step = tf.function(lambda images: model.train_step(images), jit_compile=compiled)
        for images in IMAGES[:96].reshape(2, -1, *shape):
            step(tf.constant(images))
        return {name: variable.numpy() for name, variable in model.state().items()}

    def make():
        if name == "VAE":
            return kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), networks((None, None))[0])
        return VARIANTS[name](*networks((None, None)), n_critic=2, ema_momentum=0.9)

    expected, received = after(False), after(True)
    for variable, value in expected.items():
        largest = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(received[variable], value, 0, TOLERANCE * largest, err_msg=variable)


class Draws(keras.layers.Layer):
    """Random, and its generator is not called `seed_generator`."""

    def __init__(self):
        super().__init__()
        self.generators, self.drawn = [keras.random.SeedGenerator(1)], []

    def call(self, x, training=False):
        drawn = keras.random.normal((4,), seed=self.generators[0])
        if tf.executing_eagerly():  # and not traced, to see what a network can put out
            self.drawn.append(drawn)
        return x


def test_stock_random_layers_draw_anew_in_each_update():
    layer = Draws()
    model = kg.GAN(*hand_made(layer), n_critic=2)
    model.compile(run_eagerly=True)
    layer.drawn.clear()
    model.fit(IMAGES, batch_size=16, steps_per_epoch=2, verbose=0)
    assert len(layer.drawn) == len(np.unique(layer.drawn, axis=0)) == 6


def test_stock_random_layers_draw_other_numbers_on_each_replica(mirrored):
    with mirrored.scope():
        layer = Draws()
        model = kg.GAN(*hand_made(layer))
        model.compile(run_eagerly=True)
    layer.drawn.clear()
    model.fit(IMAGES, batch_size=16, steps_per_epoch=1, verbose=0)
    assert len(layer.drawn) == len(np.unique(layer.drawn, axis=0)) == 4  # two updates on two replicas


@pytest.mark.parametrize(
    ("skips", "scaled"), [(True, False), (True, True), (False, True)], ids=["skips", "skips and scales", "scales"]
)
def test_an_update_that_is_left_out_leaves_moving_statistics_alone(skips, scaled):
    critic = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    model = kg.GAN(networks((None, None))[0], critic)
    optimizers = [keras.optimizers.SGD(0.01) for _ in range(2)]
    if scaled:
        optimizers = [keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in optimizers]
    model.compile(*optimizers)
    if skips:
        model.skip_non_finite()
    before = {variable.path: variable.numpy() for variable in critic.variables}
    assert model.critic_step(np.full((4, 1, *SHAPE), np.nan, "float32"))["skipped"] == 1.0
    for variable in critic.variables:
        np.testing.assert_array_equal(variable.numpy(), before[variable.path], err_msg=variable.path)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("normalizations", NORMALIZATIONS, ids=lambda pair: "-".join(map(str, pair)))
@pytest.mark.parametrize("n_critic", [1, 2, 5])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variable_of_every_model_in_every_mode(name, n_critic, normalizations, optimizer, mirrored):
    make = lambda: VARIANTS[name](*networks(normalizations), n_critic=n_critic, ema_momentum=0.9)
    for mode in MODES:
        assert_the_same_in(mode, make, optimizer, mirrored)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("normalizations", list(itertools.product([None, "batch", "layer"], repeat=2)))
def test_every_variable_of_a_vae_in_every_mode(normalizations, optimizer, mirrored):
    built = (kg.networks.mlp_encoder, kg.networks.mlp_generator)
    make = lambda: kg.VAE(*(build(SHAPE, 3, (8,), name) for build, name in zip(built, normalizations, strict=True)))
    for mode in MODES:
        assert_the_same_in(mode, make, optimizer, mirrored)
