"""Networks as users bring them: wrapped, subclassed, compiled, frozen, random, with inputs of any kind and order.

They work, or are refused when the model is made, and what the error advises is done here.
"""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from selection import some

import kerasgan as kg
from kerasgan.errors import DataError, DataTypeError, ModelContractError

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (32, *SHAPE)).astype("float32")
LABELS = np.arange(32) % 3
register = keras.saving.register_keras_serializable("test_user_networks")


def generator():
    return kg.networks.mlp_generator(SHAPE, 3, (8,))


def discriminator():
    return kg.networks.mlp_discriminator(SHAPE, (8,))


def trained(model, *data):
    model.compile()
    model.fit(*(data or (IMAGES,)), batch_size=8, steps_per_epoch=2, verbose=0)
    return model


def advice(error, **names):
    """What the statements between backticks in a message make."""
    *statements, expression = re.search("`([^`]*keras[^`]*)`", str(error)).group(1).split("; ")
    for statement in statements:
        exec(statement, names | {"keras": keras}, names)
    return eval(expression, names | {"keras": keras})


# Subclassed


@register
class Subclassed(keras.Model):
    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.out, self.shaped = L.Dense(units, "relu"), L.Dense(16, "tanh"), L.Reshape(SHAPE)

    def call(self, latents, training=False):
        return self.shaped(self.out(self.hidden(latents)))


@register
class Critic(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flat, self.out = L.Flatten(), L.Dense(1)

    def call(self, images):
        return self.out(self.flat(images))


@pytest.mark.slow
def test_subclassed_networks_are_wrapped_as_advised(tmp_path):
    with pytest.raises(ModelContractError, match=r"`generator`.*subclassed") as refused:
        kg.GAN(Subclassed(), discriminator())
    made = advice(refused.value, shape=(3,), network=Subclassed())
    with pytest.raises(ModelContractError, match=r"`discriminator`.*subclassed") as refused:
        kg.GAN(made, Critic())
    model = trained(kg.WGANGP(made, advice(refused.value, shape=SHAPE, network=Critic()), ema_momentum=0.9))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.generate(2, seed=0), model.generate(2, seed=0))


def test_an_activation_is_found_behind_wrappers():
    images = keras.Input((4, 3))
    scores = L.TimeDistributed(L.Dense(1, activation="sigmoid"))
    makes = keras.Sequential([keras.Input((3,)), L.Dense(12, "tanh"), L.Reshape((4, 3))])
    for values in (L.GlobalAveragePooling1D()(scores(images)), scores(images[:, :1])):
        with pytest.raises(ModelContractError, match=r"outputs in \[0, 1\]"):
            kg.GAN(makes, keras.Model(images, L.Reshape((1,))(values)))


class Bounded(keras.Model):
    """A subclassed network: Keras does not know what is in it."""

    def __init__(self, units, activation):
        super().__init__()
        self.dense = L.Dense(units, activation)

    def call(self, inputs):
        return self.dense(inputs)


def made_by(last):
    """A network whose last layer does not show its activation."""
    return {
        "lambda": [L.Dense(last[0]), L.Lambda(getattr(tf.nn, last[1]))],
        "subclassed": [Bounded(*last)],
    }


@pytest.mark.parametrize("kind", ["lambda", "subclassed"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_an_activation_is_found_where_keras_does_not_show_it(kind, activation):
    critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), *made_by((1, activation))[kind]])
    with pytest.raises(ModelContractError, match="remove the last activation"):
        kg.GAN(generator(), critic)
    makes = keras.Sequential([keras.Input((3,)), *made_by((16, activation))[kind], L.Reshape(SHAPE)])
    gan = kg.GAN(makes, discriminator())
    gan.compile(run_eagerly=True)
    wrong = IMAGES if activation == "sigmoid" else abs(IMAGES)
    with pytest.raises(DataError, match=r"the range of the generator: scale them with"):
        gan.fit(wrong, batch_size=8, verbose=0)


@pytest.mark.parametrize("bounds", some([(0.0, 1.0), (-0.5, 0.5), (0.0, 2.0), (-1.0, 3.0)], 3, whole=True))
def test_images_and_pictures_have_the_range_of_a_generator_that_scales_its_output(bounds, tmp_path):
    low, high = bounds
    ends = [L.Dense(16, "tanh"), L.Rescaling((high - low) / 2, (high + low) / 2), L.Reshape(SHAPE)]
    gan = kg.GAN(keras.Sequential([keras.Input((3,)), *ends]), discriminator())
    gan.compile(run_eagerly=True)
    seen = []
    gan.train_step = lambda data, step=gan.train_step: seen.append(data.numpy()) or step(data)
    levels = np.arange(16 * 16, dtype=np.uint8).reshape(16, *SHAPE)
    grids = kg.callbacks.SampleGrid(tmp_path, num_images=4)
    gan.fit(levels, batch_size=16, verbose=0, callbacks=[grids])
    np.testing.assert_allclose([seen[0].min(), seen[0].max()], bounds, atol=1e-6)
    images = gan.generate(4, seed=0)
    np.testing.assert_array_equal(kg.images.to_uint8(images, bounds).shape, images.shape)
    with pytest.raises(DataError, match=r"`x`.*scale them with") as raised:
        gan.fit(4.0 * IMAGES, batch_size=8, verbose=0)
    fixed = eval(re.search("scale them with `(.*?)`", str(raised.value))[1], {"x": 4.0 * IMAGES, "np": np})
    gan.fit(fixed, batch_size=8, verbose=0)
    np.testing.assert_allclose([seen[-1].min(), seen[-1].max()], bounds, atol=0.05 * (high - low))


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_an_activation_can_be_changed_as_the_error_says(change):
    critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(1), L.Activation("sigmoid", name="last")])
    with pytest.raises(ModelContractError, match=r"from Sigmoid of layer 'last'"):
        kg.GAN(generator(), critic)
    if change == "removed":
        critic.pop()
    else:
        critic.layers[-1].activation = keras.activations.linear
    makes = keras.Sequential([keras.Input((3,)), L.Dense(16), L.Activation("sigmoid", name="last"), L.Reshape(SHAPE)])
    gan = kg.GAN(makes, critic)
    gan.compile(run_eagerly=True)
    with pytest.raises(DataError, match=r"in \[0.0, 1.0\]"):
        gan.fit(IMAGES, batch_size=16, verbose=0)
    makes.get_layer("last").activation = keras.activations.tanh
    gan.fit(IMAGES, batch_size=16, verbose=0)


def test_clipping_is_no_range_of_images():
    ends = [L.Dense(16), L.Lambda(lambda x: tf.clip_by_value(x, -10.0, 10.0)), L.Reshape(SHAPE)]
    gan = kg.GAN(keras.Sequential([keras.Input((3,)), *ends]), discriminator())
    gan.compile(run_eagerly=True)
    seen = []
    gan.train_step = lambda data, step=gan.train_step: seen.append(data.numpy()) or step(data)
    gan.fit(np.arange(16 * 16, dtype=np.uint8).reshape(16, *SHAPE), batch_size=16, verbose=0)
    np.testing.assert_allclose([seen[0].min(), seen[0].max()], (-1, 1))
    with pytest.raises(ModelContractError, match=r"makes \[-10, 10\]: end it without an activation"):
        gan.fit(20.0 * IMAGES, batch_size=16, verbose=0)


def test_bright_arrays_are_warned_about_and_may_be_right():
    gan = kg.GAN(generator(), discriminator())
    gan.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match="If they are in another range and not just bright, scale them with"):
        gan.fit(0.6 + 0.4 * IMAGES, batch_size=16, verbose=0)


def test_a_later_batch_in_another_range_ends_the_run():
    gan = kg.GAN(generator(), discriminator())
    gan.compile()
    later = np.concatenate([IMAGES] * 3)
    later[-1] = 255.0
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"pixels in \[-1.0, 1.0\], as in the first"):
        gan.fit(tf.data.Dataset.from_tensor_slices(later).batch(8), verbose=0)


@pytest.mark.parametrize(
    ("ends", "advice"),
    [
        ([L.Conv2D(1, 3)], [L.Flatten(), L.Dense(1)]),
        ([L.Flatten(), L.Dense(3)], [L.Dense(1)]),
    ],
    ids=["patches", "several"],
)
def test_a_critic_of_several_scores_is_ended_as_the_error_says(ends, advice):
    named = ".*".join(rf"keras.layers.{type(layer).__name__}\(" for layer in advice)
    with pytest.raises(ModelContractError, match=named):
        kg.GAN(generator(), keras.Sequential([keras.Input(SHAPE), *ends]))
    kg.GAN(generator(), keras.Sequential([keras.Input(SHAPE), *ends, *advice]))


def test_an_average_is_kept_of_a_generator_with_a_lambda():
    makes = keras.Sequential([keras.Input((3,)), L.Dense(16), L.Lambda(tf.tanh), L.Reshape(SHAPE)])
    gan = trained(kg.GAN(makes, discriminator(), ema_momentum=0.5))
    assert not np.array_equal(gan.ema_generator.get_weights()[0], makes.get_weights()[0])


def test_an_average_that_cannot_be_kept_is_refused_in_words():
    class Uncopied(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = L.Dense(units, "tanh")

        def call(self, inputs):
            return self.dense(inputs)

    x = keras.Input((3,))
    makes = keras.Model(x, L.Reshape(SHAPE)(Uncopied(16)(x)))
    with pytest.raises(ModelContractError, match=r"`ema_momentum`.*a generator that Keras can copy"):
        kg.GAN(makes, discriminator(), ema_momentum=0.5)


def test_labels_of_a_dataset_that_are_no_tensor_are_refused_in_words():
    networks = encoding_generator(L.Embedding(3, 2)), kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=3)
    gan = kg.GAN(*networks)
    gan.compile()
    with pytest.raises(DataTypeError, match="labels of type dict"):
        gan.fit(tf.data.Dataset.from_tensor_slices((IMAGES, {"a": LABELS})).batch(8), verbose=0)


def test_pixels_far_from_one_are_warned_about_whatever_the_generator_makes():
    ends = [L.Dense(16, "tanh"), L.Rescaling(127.5, 127.5), L.Reshape(SHAPE)]
    gan = kg.GAN(keras.Sequential([keras.Input((3,)), *ends]), discriminator())
    gan.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match=r"from 0 to 255.*Scale them to \[-1, 1\]"):
        gan.fit(np.arange(16 * 16, dtype=np.uint8).reshape(16, *SHAPE), batch_size=8, verbose=0)


def test_bright_images_at_the_beginning_of_a_dataset_are_no_reason_to_refuse_it():
    gan = kg.GAN(generator(), discriminator())
    gan.compile(run_eagerly=True)
    bright = np.concatenate([np.abs(np.tile(IMAGES[:16], (3, 1, 1, 1))), IMAGES[:16]])
    gan.fit(tf.data.Dataset.from_tensor_slices(bright).batch(8), steps_per_epoch=1, verbose=0)
    with pytest.raises(DataError, match="scale them with"):
        gan.fit(tf.data.Dataset.from_tensor_slices(abs(bright)).batch(8), steps_per_epoch=1, verbose=0)


# Inputs


def test_networks_in_the_wrong_order_are_named_so():
    critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(1)])
    makes = keras.Sequential([keras.Input((1,)), L.Dense(16), L.Reshape(SHAPE)])
    with pytest.raises(ModelContractError, match="wrong order"):
        kg.GAN(discriminator(), generator())
    with pytest.raises(ModelContractError, match="wrong order"):
        kg.GAN(critic, makes)
    encoder, decoder = kg.networks.mlp_encoder(SHAPE, 3, (4,)), kg.networks.mlp_generator(SHAPE, 3, (4,))
    with pytest.raises(ModelContractError, match=r"wrong order\. Pass the encoder first"):
        kg.VAE(decoder, encoder)
    kg.VAE(encoder, decoder)


def test_a_generator_of_an_unknown_number_of_channels_is_refused():
    made = L.Lambda(lambda x: keras.ops.reshape(x, (-1, *SHAPE)), output_shape=(*SHAPE[:2], None))
    makes = keras.Sequential([keras.Input((3,)), L.Dense(16, "tanh"), made])
    with pytest.raises(ModelContractError, match=r"argument `generator`. Expected images with a known number"):
        kg.GAN(makes, discriminator())


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_a_network_without_trainable_variables_is_called_by_its_argument(role):
    gan = kg.GAN(generator(), discriminator())
    getattr(gan, role).trainable = False
    with pytest.raises(ModelContractError, match=f"argument `{role}`. Expected trainable variables"):
        gan.compile()


@pytest.mark.parametrize("shape", some([(1, 1, 3), (2, 3)], 0, whole=True))
def test_latents_that_are_no_vectors_are_reshaped_as_advised(shape):
    makes = keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(16, "tanh"), L.Reshape(SHAPE)])
    with pytest.raises(ModelContractError, match="latents of shape") as refused:
        kg.GAN(makes, discriminator())
    assert trained(kg.GAN(advice(refused.value, generator=makes), discriminator())).generate(2).shape == (2, *SHAPE)


def conditional(condition, dtype="float32", order=lambda *inputs: list(inputs)):
    """Networks whose second input is anything."""

    def merged(x, c):
        return L.Concatenate()([L.Flatten()(x), L.Flatten()(keras.ops.cast(c, "float32"))])

    z, c = keras.Input((3,)), keras.Input(condition, dtype=dtype)
    makes = keras.Model(order(z, c), L.Reshape(SHAPE)(L.Dense(16, "tanh")(merged(z, c))))
    x, c = keras.Input(SHAPE), keras.Input(condition, dtype=dtype)
    return makes, keras.Model(order(x, c), L.Dense(1)(merged(x, c)))


def test_networks_of_one_hot_labels_are_wrapped_as_advised():
    networks = []
    for network, other in zip(
        conditional((3,)), (kg.networks.mlp_discriminator, kg.networks.mlp_generator), strict=True
    ):
        known = other(SHAPE, num_classes=3, units=(8,))
        pair = (network, known) if "generator" not in known.name else (known, network)
        with pytest.raises(ModelContractError, match="one-hot") as refused:
            kg.GAN(*pair)
        networks.append(advice(refused.value, network=network))
    model = trained(kg.GAN(*networks), IMAGES, LABELS)
    assert model.num_classes == 3
    assert model.generate(6).shape == (6, *SHAPE)


@pytest.mark.parametrize("condition", [(2,), SHAPE, (5, 2)], ids=["numbers", "images", "sequences"])
def test_conditions_that_are_no_classes_are_refused(condition):
    with pytest.raises(ModelContractError, match="conditions of other kinds are not supported"):
        kg.GAN(*conditional(condition))


@pytest.mark.parametrize("condition", some([(), (1,)], 1, whole=True))
def test_labels_come_second_and_by_position_as_advised(condition):
    names = lambda first, labels: {"images": first, "labels": labels}
    swapped = lambda first, labels: [labels, first]

    def networks(order):
        z, c = keras.Input((3,), name="z"), keras.Input(condition, dtype="int32", name="c")
        vector = L.Flatten()(L.Embedding(3, 2)(c))
        makes = keras.Model(order(z, c), L.Reshape(SHAPE)(L.Dense(16, "tanh")(L.Concatenate()([z, vector]))))
        x, c = keras.Input(SHAPE, name="x"), keras.Input(condition, dtype="int32", name="c")
        vector = L.Flatten()(L.Embedding(3, 2)(c))
        return makes, keras.Model(order(x, c), L.Dense(1)(L.Concatenate()([L.Flatten()(x), vector])))

    straight = networks(lambda *inputs: list(inputs))
    made = []
    for network in networks(swapped):
        with pytest.raises(ModelContractError, match="and then labels") as refused:
            kg.GAN(*((network, straight[1]) if not made else (straight[0], network)))
        made.append(advice(refused.value, network=network))
    assert trained(kg.GAN(*made), IMAGES, LABELS).generate(3).shape == (3, *SHAPE)
    for network, place in zip(networks(names), (0, 1), strict=True):
        pair = [*straight]
        pair[place] = network
        with pytest.raises(ModelContractError, match="a dict of inputs, images, labels"):
            kg.GAN(*pair)


@pytest.mark.slow
def test_a_dict_of_outputs_is_taken_apart_as_advised():
    latents = keras.Input((3,))
    makes = keras.Model(latents, {"images": generator()(latents)})
    with pytest.raises(ModelContractError, match="a dict of outputs, images") as refused:
        kg.GAN(makes, discriminator())
    trained(kg.GAN(advice(refused.value, network=makes), discriminator()))


@pytest.mark.slow
def test_regularizers_of_layers_are_part_of_the_objective():
    def kernels(regularizer):
        """Before and after one update."""
        keras.utils.set_random_seed(0)
        critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(1, kernel_regularizer=regularizer)])
        before = critic.get_weights()[0]
        model = kg.GAN(generator(), critic)
        model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        model.fit(IMAGES, batch_size=8, steps_per_epoch=1, verbose=0)
        return before, critic.get_weights()[0]

    (before, plain), (_, regularized) = kernels(None), kernels(keras.regularizers.L2(0.5))
    # d/dw l * w**2 = 2 * l * w, of which SGD subtracts a tenth.
    np.testing.assert_allclose(plain - regularized, 0.1 * before, atol=1e-6)


# Compiled, frozen


@pytest.mark.slow
@pytest.mark.parametrize("scaled", some([False, True], 0), ids=["", "loss scaling"])
def test_the_optimizer_of_a_compiled_network_goes_into_the_model_and_its_files(scaled, tmp_path):
    critic = discriminator()
    critic.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
    critic.fit(IMAGES, np.ones((32, 1)), verbose=0)
    optimizer = critic.optimizer
    model = kg.WGANGP(generator(), critic, n_critic=1)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer)
    model.fit(IMAGES, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [v.numpy().tolist() for v in loaded.d_optimizer.variables] == [
        v.numpy().tolist() for v in model.d_optimizer.variables
    ]
    assert loaded.discriminator.optimizer is getattr(loaded.d_optimizer, "inner_optimizer", loaded.d_optimizer)
    for one in (model, loaded):
        one.fit(IMAGES, batch_size=8, verbose=0)
    np.testing.assert_array_equal(loaded.generate(4, seed=0), model.generate(4, seed=0))


@pytest.mark.slow
def test_a_compiled_generator_can_be_averaged_and_resumed_without_being_compiled(tmp_path):
    def fitted(compiled, epochs):
        keras.utils.set_random_seed(0)
        makes = generator()
        if compiled:
            makes.compile("adam", "mse", metrics=["mae"])
            makes.fit(np.zeros((8, 3)), IMAGES[:8], verbose=0)
        model = kg.GAN(makes, discriminator(), ema_momentum=0.9)
        model.compile()
        model.fit(IMAGES, batch_size=8, epochs=epochs, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path)])
        return int(model.step.numpy())

    assert (fitted(True, 1), fitted(False, 2)) == (4, 8)


@pytest.mark.slow
def test_frozen_batch_normalisation_is_allowed_under_a_penalty_until_it_is_set_free():
    norm = L.BatchNormalization(trainable=False)
    critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), norm, L.Dense(1)])
    model = trained(kg.WGANGP(generator(), critic))
    norm.trainable = True
    with pytest.raises(ModelContractError, match="batch normalisation"):
        model.compile()
    images = keras.Input(SHAPE)
    kg.WGANGP(generator(), keras.Model(images, L.Dense(1)(L.BatchNormalization()(L.Flatten()(images), training=False))))


@pytest.mark.slow
def test_a_layer_that_is_frozen_between_two_fits_stays_as_it_is():
    model = trained(kg.GAN(generator(), discriminator()))
    layer = next(layer for layer in model.discriminator.layers if isinstance(layer, L.Dense))
    layer.trainable = False
    before = layer.get_weights()
    model.fit(IMAGES, batch_size=8, verbose=0)
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


# Random


class Seeded(L.Layer):
    def __init__(self):
        super().__init__()
        self.mine = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.mine)


class Unseeded(L.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


SHARED = keras.random.SeedGenerator(9)


class Elsewhere(L.Layer):
    """Its generator is not its own."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=SHARED)


class Stateful(L.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x)) + tf.random.uniform(tf.shape(x))


def noisy(layer):
    return keras.Sequential([keras.Input((3,)), L.Dense(8), layer, L.Dense(16, "tanh"), L.Reshape(SHAPE)])


@pytest.mark.filterwarnings("ignore:Layer 'stateful")
@pytest.mark.parametrize("layer", some([Seeded, Unseeded, Elsewhere, Stateful], 1, 3))
def test_one_seed_is_one_image_of_a_generator_that_draws(layer, tmp_path):
    model = kg.GAN(noisy(layer()), discriminator())
    images = model.generate(5, seed=1)
    np.testing.assert_array_equal(model.generate(5, seed=1, batch_size=2), images)
    assert len(np.unique(images.reshape(5, -1), axis=0)) == 5
    np.testing.assert_array_equal(model.generate(seeds=[1, 4])[0], images[0])
    assert np.abs(model.generate(5, seed=2) - images).max() > 0.1
    np.testing.assert_array_equal(*(model.interpolate([1], [2], 0.5) for _ in range(2)))
    with pytest.raises(ModelContractError, match="draws random numbers"):
        model.export(tmp_path / "served")


def test_noise_differs_between_images_of_the_same_latents():
    model = kg.GAN(noisy(Seeded()), discriminator())
    model.generator.layers[0].set_weights([np.zeros((3, 8)), np.zeros(8)])
    assert len(np.unique(model.generate(5, seed=1).reshape(5, -1), axis=0)) == 5


def test_dropout_that_is_on_in_inference_is_found():
    latents = keras.Input((3,))
    makes = keras.Model(latents, L.Reshape(SHAPE)(L.Dropout(0.5)(L.Dense(16, "tanh")(latents), training=True)))
    model = kg.GAN(makes, discriminator())
    np.testing.assert_array_equal(model.generate(4, seed=1), model.generate(4, seed=1))


def test_only_layers_that_draw_from_the_state_of_tensorflow_are_warned_of():
    @register
    class Holds(L.Layer):
        """Has a seed generator and draws nothing."""

        def __init__(self):
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator(1)

        def call(self, x):
            return x

    quiet = [Holds(), Seeded(), L.Dropout(0.5), L.GaussianNoise(0.1), L.Lambda(lambda x: 2 * x)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer in quiet:
            kg.GAN(noisy(layer), discriminator())
    with pytest.warns(UserWarning, match="Layer 'lambda.*' of the generator draws"):
        kg.GAN(noisy(L.Lambda(lambda x: x + tf.random.normal(tf.shape(x)))), discriminator())
    critic = keras.Sequential([keras.Input(SHAPE), Stateful(), L.Flatten(), L.Dense(1)])
    with pytest.warns(UserWarning, match="Layer 'stateful.*' of the discriminator draws"):
        kg.GAN(generator(), critic)


# What may change between two fits


@pytest.mark.slow
def test_n_critic_may_change_between_two_fits_and_is_saved(tmp_path):
    model = trained(kg.WGANGP(generator(), discriminator(), n_critic=5))
    model.n_critic = 2
    model.fit(IMAGES, batch_size=8, steps_per_epoch=2, verbose=0)
    assert int(model.updates.numpy()) == 2 * 6 + 2 * 3
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").n_critic == 2
    with pytest.raises(ValueError, match="`n_critic`"):
        model.n_critic = 0


@pytest.mark.slow
def test_the_weight_of_a_penalty_may_change_between_two_fits():
    model = trained(kg.WGANGP(generator(), discriminator(), n_critic=1))
    model.penalties[0].weight = 0.0
    history = model.fit(IMAGES, batch_size=8, steps_per_epoch=1, verbose=0).history
    assert history["gradient_penalty"] == [0.0]


@pytest.mark.parametrize(
    "argument",
    [{"steps_per_execution": 0}, {"steps_per_execution": "2"}, {"jit_compile": "yes"}, {"run_eagerly": "no"}],
)
def test_arguments_of_compile_are_checked(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"`{name}`"):
        kg.GAN(generator(), discriminator()).compile(**argument)


@pytest.mark.parametrize("value", ["0.9", True, 1.0, -0.1, float("nan")])
def test_the_momentum_of_the_average_is_checked(value):
    with pytest.raises(ValueError, match="`ema_momentum`"):
        kg.GAN(generator(), discriminator(), ema_momentum=value)
    assert kg.GAN(generator(), discriminator(), ema_momentum=np.float32(0.5)).ema_momentum == 0.5


@pytest.mark.parametrize("eager", some([False, True], 1))
def test_arrays_are_taken_batch_by_batch_in_every_mode(eager):
    models = (
        kg.GAN(generator(), discriminator()),
        kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), generator()),
        kg.GAN(
            *(
                build(SHAPE, units=(8,), num_classes=3)
                for build in (kg.networks.mlp_generator, kg.networks.mlp_discriminator)
            )
        ),
    )
    for model in models:
        model.compile(run_eagerly=eager)
        data = (IMAGES, LABELS) if model.conditional else (IMAGES,)
        assert np.isfinite(model.train_on_batch(*data)).all()
        assert np.isfinite(model.test_on_batch(*data)).all()


def test_accumulated_gradients_are_refused_on_replicas(mirrored):
    with mirrored.scope():
        model = kg.GAN(generator(), discriminator())
        with pytest.raises(ValueError, match=r"`g_optimizer`.*2 times as large"):
            model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))


# What changes after `compile`, and what no step takes


@pytest.mark.slow
def test_layers_that_are_unfrozen_after_compile_are_named_and_compile_takes_them():
    gan = kg.GAN(generator(), discriminator())
    gan.generator.layers[1].trainable = False
    trained(gan, IMAGES)
    gan.generator.layers[1].trainable = True
    before = gan.generator.layers[1].get_weights()[0]
    with pytest.raises(
        ModelContractError, match=r"compile again, with new optimizers. Received: 2 more, the first .*kernel"
    ):
        gan.fit(IMAGES, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"`g_optimizer`. Expected a new optimizer: this one was built for other"):
        gan.compile(gan.d_optimizer, gan.g_optimizer)
    trained(gan, IMAGES)
    assert np.abs(before - gan.generator.layers[1].get_weights()[0]).max() > 0


class Adding(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        return inputs


@pytest.mark.parametrize(
    "layer", some([Adding, lambda: L.ActivityRegularization(1.0)], 0), ids=["add_loss", "activity"]
)
def test_losses_that_layers_add_are_said_to_be_left_out(layer):
    critic = keras.Sequential([keras.Input(SHAPE), L.Flatten(), layer(), L.Dense(1)])
    with pytest.warns(UserWarning, match="Losses added by layers .* are not part of the objective"):
        trained(kg.GAN(generator(), critic), IMAGES)


class Counting(keras.layers.Layer):
    def build(self, input_shape):
        self.count = tf.Variable(0.0, trainable=False)

    def call(self, inputs):
        return inputs


def test_variables_that_nothing_saves_are_pointed_out():
    made = keras.Sequential([keras.Input((3,)), Counting(name="counting"), L.Dense(16, "tanh"), L.Reshape(SHAPE)])
    with pytest.warns(
        UserWarning, match="'counting' of the generator holds the tf.Variable `count`.*`self.add_weight`"
    ):
        kg.GAN(made, discriminator())


def encoding_generator(layer):
    latents, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    hidden = L.Concatenate()([latents, layer(labels)])
    return keras.Model([latents, labels], L.Reshape(SHAPE)(L.Dense(16, "tanh")(hidden)))


@pytest.mark.parametrize("late", some([3, -1], 0))
def test_labels_that_no_class_has_are_found_in_whatever_batch_they_are(late):
    """Of an Embedding on a CPU TensorFlow finds them; of an encoding, and on a GPU, it makes zeros of them."""
    labels = np.append(LABELS[:-1], late)
    encoding = L.CategoryEncoding(num_tokens=3, output_mode="one_hot")
    gan = kg.GAN(encoding_generator(encoding), kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=3))
    gan.compile()
    data = tf.data.Dataset.from_tensor_slices((IMAGES, labels)).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`x`. Expected labels in \[0, 3\)"):
        gan.fit(data, verbose=0)


@pytest.mark.parametrize("dtype", some(["uint8", "int8", "int32", "int64", "uint16"], 0))
@pytest.mark.parametrize("num_classes", [None, 3, 300])
def test_class_numbers_of_any_integer_type_are_taken(dtype, num_classes):
    encoding = L.Embedding(num_classes, 2) if num_classes else L.Lambda(lambda y: keras.ops.one_hot(y, 3))
    gan = kg.GAN(encoding_generator(encoding), kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=num_classes or 3))
    gan.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS.astype(dtype))).batch(16)
    gan.fit(data, steps_per_epoch=1, verbose=0)
    assert gan.num_classes == num_classes


class OwnEmbedding(L.Embedding):
    pass


def test_the_number_of_classes_is_found_in_an_embedding_of_a_subclass():
    made = encoding_generator(OwnEmbedding(5, 2))
    assert kg.GAN(made, kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=5)).num_classes == 5


@pytest.mark.slow
def test_names_of_classes_are_numbered_from_all_batches():
    networks = encoding_generator(L.Embedding(3, 2)), kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=3)
    gan = kg.GAN(*networks)
    gan.compile(run_eagerly=True)
    names = np.array(["ant", "bee", "cat"])[np.sort(LABELS)]  # the last comes after the batches that are looked at
    x = tf.data.Dataset.from_tensor_slices((IMAGES, names)).batch(4)
    with pytest.raises(DataTypeError, match="number the names with") as raised:
        gan.fit(x, verbose=0)
    x = eval(re.search("names with `(.*)`", str(raised.value))[1], {"x": x, "tf": tf})
    gan.fit(x, verbose=0)
    assert {int(label) for _, labels in x for label in labels} == {0, 1, 2}


@pytest.mark.parametrize("end", some(["relu", "softplus", L.ReLU()], 0), ids=str)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_generator_that_makes_nothing_below_0_is_refused_for_images_that_have_it(end, dtype):
    last = [L.Dense(16, end)] if isinstance(end, str) else [L.Dense(16), end]
    gan = kg.GAN(keras.Sequential([keras.Input((3,)), *last, L.Reshape(SHAPE)]), discriminator())
    gan.compile()
    images = IMAGES if dtype == "float32" else np.uint8(127.5 * IMAGES + 127.5)
    with pytest.raises(ModelContractError, match=r"`generator`.*makes \[0, inf\]: end it with 'tanh'"):
        gan.fit(images, batch_size=8, verbose=0)
    gan.compile(run_eagerly=True)
    gan.fit(abs(IMAGES), batch_size=8, steps_per_epoch=1, verbose=0)


def test_weights_in_float16_are_refused():
    keras.config.set_dtype_policy("float16")
    gan = kg.GAN(generator(), discriminator())
    with pytest.raises(ValueError, match=r"`d_optimizer`.*build with the policy 'mixed_float16'"):
        gan.compile()


@pytest.mark.slow
def test_layers_that_are_frozen_after_compile_are_pointed_out_when_the_model_is_saved(tmp_path):
    gan = trained(kg.GAN(generator(), discriminator()), IMAGES)
    gan.discriminator.layers[-1].trainable = False
    with pytest.warns(
        UserWarning, match=r"frozen after `compile`, the first .*loses the optimizer's state. Call `compile\(\)`"
    ):
        gan.save(tmp_path / "gan.keras")
    gan.compile()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*were frozen.*")
        gan.save(tmp_path / "gan.keras")


def test_arguments_of_keras_compile_are_answered_with_ours():
    with pytest.raises(TypeError, match=r"`optimizer`. Expected to be left out: .*, `d_optimizer` and `g_optimizer`"):
        kg.GAN(generator(), discriminator()).compile(optimizer="adam")


@register
class WithEncoder(kg.GAN):
    """Has a network that no optimizer of ours moves."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.encoder = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(3)])


@pytest.mark.slow
def test_a_network_of_a_subclass_is_its_own():
    gan = WithEncoder(generator(), discriminator())
    before = gan.encoder.get_weights()
    trained(gan, IMAGES)
    for was, now in zip(before, gan.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
