"""The layers against finite differences in float64, and against the stock layers they replace.

A penalty is a function of the critic's gradient, so its own gradient holds second derivatives of every layer. Central
differences of the penalty's value need only first derivatives, in which the stock layers are right too: where the two
disagree, the layer's second derivative is wrong.
"""

import collections
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import some

import kerasgan as kg
from kerasgan import layers, penalties, stateless
from kerasgan.errors import ModelContractError
from kerasgan.layers import convolution

PENALTIES = (
    penalties.GradientPenalty(10.0),
    penalties.LipschitzPenalty(10.0),
    penalties.DRAGANPenalty(10.0),
    penalties.R1(10.0),
    penalties.R2(10.0),
)

# Every layer that kerasgan.networks puts into a discriminator or that the package offers for one.
EXACT = {
    "layer_norm": lambda: layers.LayerNormalization(epsilon=1e-5),
    "layer_norm_all_axes": lambda: layers.LayerNormalization(axis=[1, 2, 3]),
    "group_norm_1": lambda: layers.GroupNormalization(groups=1, epsilon=1e-5),
    "group_norm_2": lambda: layers.GroupNormalization(groups=2),
    "instance_norm": lambda: layers.GroupNormalization(groups=-1, epsilon=1e-5),
    "group_norm_axis": lambda: layers.GroupNormalization(groups=5, axis=-2),
    # The penalty takes the gradient of the sum of the logits, which is defined for batch statistics too.
    "batch_norm": lambda: layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
    "leaky_relu": lambda: layers.LeakyReLU(0.2),
    "relu": lambda: layers.LeakyReLU(0.0),
    "spectral_conv": lambda: layers.SpectralConv2D(5, 3, 2, "same"),
    "spectral_dense": lambda: layers.SpectralDense(5),
    "grouped_conv": lambda: layers.GroupedConv2D(6, 3, 2, "same", groups=2),
    "bilinear": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    "bicubic": lambda: layers.UpSampling2D((2, 3), interpolation="bicubic"),
    "lanczos3": lambda: layers.UpSampling2D(2, interpolation="lanczos3"),
    "nearest": lambda: layers.UpSampling2D(2),
    "conv": lambda: keras.layers.Conv2D(5, 3, 2, "same"),
    "transposed_conv": lambda: keras.layers.Conv2DTranspose(5, 4, 2, "same"),
    "average_pool": lambda: keras.layers.AveragePooling2D(2, padding="same"),
    "global_pool": lambda: keras.layers.GlobalAveragePooling2D(),
    "dense": lambda: keras.layers.Dense(5),
    "crop": lambda: keras.layers.Cropping2D([(0, 1), (0, 2)]),
    # Stock layers of the kinds that are wrong, which `inexact_layers` lets pass.
    "rms_norm": lambda: keras.layers.RMSNormalization(),
    "rms_scaling": lambda: keras.layers.LayerNormalization(rms_scaling=True),
}
STOCK = {
    "layer_norm": lambda: keras.layers.LayerNormalization(epsilon=1e-5),
    "group_norm_1": lambda: keras.layers.GroupNormalization(groups=1, epsilon=1e-5),
    "instance_norm": lambda: keras.layers.GroupNormalization(groups=-1, epsilon=1e-5),
    "batch_norm": lambda: keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
    "bilinear": lambda: keras.layers.UpSampling2D(2, interpolation="bilinear"),
    "spectral": lambda: keras.layers.SpectralNormalization(keras.layers.Conv2D(5, 3, 2, "same")),
    "resizing": lambda: keras.layers.Resizing(7, 7),
}
KINKED = ("leaky_relu", "relu")

STREAM = stateless.Stream(0, tf.constant(0, tf.int64))


def each_of(made):
    """Each layer with every penalty; by default with one of them, which are taken in turn."""
    pairs = list(itertools.product(made, PENALTIES))
    in_turn = [len(PENALTIES) * number + number % len(PENALTIES) for number in range(len(made))]
    return pytest.mark.parametrize(
        ("name", "penalty"), some(pairs, *in_turn), ids=[f"{name}-{penalty.name}" for name, penalty in pairs]
    )


each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: penalty.name)


class Float64Ops:
    """`keras.ops` for kerasgan.penalties without its cast to float32: finite differences need the digits."""

    def __getattr__(self, name):
        return getattr(keras.ops, name)

    @staticmethod
    def cast(x, dtype):
        return x


def critic_around(layer):
    """Smooth critic of 5 x 5 images with `layer` in its middle; a kinked layer is its only nonlinearity before tanh."""
    images = keras.Input((5, 5, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="softplus")(images)
    x = layer(keras.layers.Conv2D(4, 3, padding="same")(x))
    x = keras.layers.Activation("tanh")(x)
    if len(x.shape) == 4:
        x = keras.layers.Flatten()(keras.layers.Conv2D(3, 3, padding="same", activation="softplus")(x))
    return keras.Model(images, keras.layers.Dense(1)(x))


def projection_critic():
    """The end of a conditional discriminator: a linear unit, and the label's embedding times the features."""
    images, labels = keras.Input((5, 5, 2)), keras.Input((), dtype="int32")
    features = keras.layers.Dense(4, activation="tanh")(keras.layers.Flatten()(images))
    projection = keras.layers.Dot(axes=1)([keras.layers.Embedding(3, 4)(labels), features])
    return keras.Model([images, labels], keras.layers.Add()([keras.layers.Dense(1)(features), projection]))


def scatter(model, rng):
    """Weights away from where they start: a gain of 1 and a bias of 0 hide mistakes. Slopes above 1, for WGAN-LP."""
    for variable in model.trainable_variables:
        variable.assign(variable + 0.3 * rng.normal(size=variable.shape))
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    last.kernel.assign(100.0 * last.kernel)


def converge_spectral_layers(model):
    """Sets `u` to the first right singular vector, where a running estimate ends."""
    for layer in model._flatten_layers():
        if hasattr(layer, "power_iteration"):
            layer.u.assign(first_right_singular_vector(layer.kernel)[:, None])
        if isinstance(layer, keras.layers.SpectralNormalization):
            layer.vector_u.assign(first_right_singular_vector(layer.layer.kernel)[None])


def matrix(kernel):
    return np.reshape(kernel.numpy(), (-1, kernel.shape[-1]))


def first_right_singular_vector(kernel):
    return np.linalg.svd(matrix(kernel))[2][0]


def second_order_error(model, penalty, rng, labels=None, kinked=None):
    """Relative error of the penalty's gradient along a random direction, against central differences of its value."""
    real, fake = (tf.constant(rng.normal(size=(4, 5, 5, 2))) for _ in range(2))
    noise = penalty.sample(tf.cast(real, tf.float32), STREAM)
    noise = None if noise is None else tf.cast(noise, tf.float64)
    variables = model.trainable_variables
    start = [variable.numpy() for variable in variables]

    def discriminate(x):
        return model(x if labels is None else [x, labels], training=True)

    def turn():
        direction = [rng.normal(size=variable.shape) for variable in variables]
        length = np.sqrt(sum(np.sum(d**2) for d in direction))
        return [d / length for d in direction]

    def move(distance):
        for variable, value, d in zip(variables, start, direction, strict=True):
            variable.assign(value + distance * d)
        converge_spectral_layers(model)

    def at(distance):
        move(distance)
        return float(penalty(discriminate, real, fake, noise)[0])

    # Fourth order: with this step both the truncation and the rounding of the differences stay far below 1e-6.
    h = 1e-3

    def has_kink():
        signs = []
        for distance in (-2 * h, 0.0, 2 * h):
            move(distance)
            signs.append(np.sign(kinked(penalty.points(real, fake, noise))))
        return not all(np.array_equal(sign, signs[0]) for sign in signs)

    direction = turn()
    while kinked is not None and has_kink():
        direction = turn()
    differences = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    move(0.0)
    with tf.GradientTape() as tape:
        value, _ = penalty(discriminate, real, fake, noise)
    gradients = tape.gradient(
        value, [variable.value for variable in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    slope = sum(np.sum(tf.convert_to_tensor(g) * d) for g, d in zip(gradients, direction, strict=True))
    assert differences != 0
    return abs(slope - differences) / abs(differences)


@pytest.fixture
def exact_penalties(float64, monkeypatch):
    monkeypatch.setattr(penalties, "ops", Float64Ops())


@each_of(EXACT)
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_second_order_gradient_is_exact(name, penalty, exact_penalties, rng):
    model = critic_around(EXACT[name]())
    scatter(model, rng)
    kinked = None
    if name in KINKED:
        layer = next(layer for layer in model.layers if isinstance(layer, layers.LeakyReLU))
        kinked = keras.Model(model.inputs, layer.input)
    assert second_order_error(model, penalty, rng, kinked=kinked) < 1e-6


@each_penalty
def test_second_order_gradient_of_a_projection_is_exact(penalty, exact_penalties, rng):
    model = projection_critic()
    scatter(model, rng)
    assert second_order_error(model, penalty, rng, labels=tf.constant([0, 1, 2, 1])) < 1e-6


@each_of(STOCK)
def test_second_order_gradient_of_the_stock_layer_is_wrong(name, penalty, exact_penalties, rng):
    # The day this fails TensorFlow or Keras has mended it, and the layer here may go.
    model = critic_around(STOCK[name]())
    scatter(model, rng)
    assert second_order_error(model, penalty, rng) > 1e-4


# First order: the outputs and states of the layers that are replaced


def same_outputs(own, stock, x, rng, **arguments):
    """Whether both layers map `x` to the same, with the same random weights."""
    own.build(x.shape)
    stock.build(x.shape)
    weights = [rng.normal(size=weight.shape) ** 2 for weight in stock.get_weights()]
    own.set_weights(weights)
    stock.set_weights(weights)
    np.testing.assert_allclose(own(x, **arguments), stock(x, **arguments), rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(own.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.fixture
def images(rng):
    return tf.constant(rng.normal(2.0, 3.0, (6, 4, 5, 8)), tf.float32)


@pytest.mark.parametrize("axis", [-1, 3, 1, [1, 2], [1, 2, 3], [-1, -2], [-1, 1]], ids=str)
def test_layer_normalization_is_the_stock_layer_to_first_order(axis, images, rng):
    same_outputs(layers.LayerNormalization(axis), keras.layers.LayerNormalization(axis), images, rng)


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("arguments", [{"center": False}, {"scale": False}, {"rms_scaling": True}], ids=str)
def test_layer_normalization_takes_the_arguments_of_the_stock_layer(arguments, images, rng):
    same_outputs(layers.LayerNormalization(**arguments), keras.layers.LayerNormalization(**arguments), images, rng)


@pytest.mark.parametrize("groups", [1, 2, 8, -1])
def test_group_normalization_is_the_stock_layer_to_first_order(groups, images, rng):
    same_outputs(layers.GroupNormalization(groups), keras.layers.GroupNormalization(groups), images, rng)


@pytest.mark.parametrize(
    "arguments", [{"center": False}, {"scale": False}, {"axis": 1}, {"axis": -2}, {"axis": -3}], ids=str
)
def test_group_normalization_takes_the_arguments_of_the_stock_layer(arguments, rng):
    x = tf.constant(rng.normal(size=(3, 4, 6, 8)), tf.float32)
    same_outputs(layers.GroupNormalization(2, **arguments), keras.layers.GroupNormalization(2, **arguments), x, rng)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization_is_the_stock_layer_to_first_order(axis, training, images, rng):
    # Moving mean and variance are among the weights that are compared.
    own, stock = layers.BatchNormalization(axis, 0.9), keras.layers.BatchNormalization(axis, 0.9)
    same_outputs(own, stock, images, rng, training=training)


def test_batch_normalization_moves_its_statistics_in_training_only(images):
    layer = layers.BatchNormalization(momentum=0.9)
    layer(images, training=False)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(8))
    layer(images, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * images.numpy().mean((0, 1, 2)), rtol=1e-5)


def test_batch_normalization_with_a_mask_leaves_the_masked_steps_out(rng):
    x, mask = tf.constant(rng.normal(size=(4, 3, 2)), tf.float32), tf.constant([[True, True, False]] * 4)
    own, stock = layers.BatchNormalization(), keras.layers.BatchNormalization()
    np.testing.assert_allclose(own(x, training=True, mask=mask), stock(x, training=True, mask=mask), rtol=1e-5)


def test_synchronized_batch_normalization_takes_the_moments_of_the_global_batch(mirrored, images):
    with mirrored.scope():
        layer = layers.BatchNormalization(momentum=0.9, synchronized=True)
        layer.build(images.shape)

    def outputs():
        rank = tf.distribute.get_replica_context().replica_id_in_sync_group
        return layer(images[:3] if rank == 0 else images[3:], training=True)

    parts = mirrored.experimental_local_results(mirrored.run(outputs))
    alone = layers.BatchNormalization(momentum=0.9)
    np.testing.assert_allclose(np.concatenate(parts), alone(images, training=True), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, alone.moving_variance, rtol=1e-5)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("size", [2, 3, (2, 3), 1], ids=str)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_upsampling_is_the_stock_layer_to_first_order(data_format, size, interpolation, images, rng):
    arguments = {"size": size, "interpolation": interpolation, "data_format": data_format}
    same_outputs(layers.UpSampling2D(**arguments), keras.layers.UpSampling2D(**arguments), images, rng)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_leaky_relu_is_the_stock_layer_and_so_is_its_gradient(slope, images):
    x = tf.concat([images, tf.zeros_like(images)], axis=0)  # at 0 both take the slope of the negative side
    results = []
    for layer in (layers.LeakyReLU(slope), keras.layers.LeakyReLU(slope)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        results.append((y, tape.gradient(y, x)))
    (own, own_gradient), (stock, stock_gradient) = results
    np.testing.assert_allclose(own, stock, rtol=1e-6)
    np.testing.assert_array_equal(own_gradient, stock_gradient)


def test_a_blur_is_the_binomial_filter_and_keeps_what_is_flat(images):
    blurred = keras.ops.convert_to_numpy(layers.Blur2D()(images))
    padded = np.pad(images.numpy(), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    shifted = [
        (weight_y * weight_x, padded[:, y : y + height, x : x + width])
        for y, weight_y in enumerate((0.25, 0.5, 0.25))
        for x, weight_x in enumerate((0.25, 0.5, 0.25))
    ]
    np.testing.assert_allclose(blurred, sum(weight * part for weight, part in shifted), atol=1e-6)
    np.testing.assert_allclose(layers.Blur2D()(np.full((1, 1, 3, 2), 0.7, "float32")), 0.7, atol=1e-6)


def test_a_blur_removes_a_checkerboard():
    rows, columns = np.indices((8, 8))
    board = ((-1.0) ** (rows + columns))[None, :, :, None].astype("float32")
    assert np.abs(layers.Blur2D()(board).numpy())[:, 1:-1, 1:-1].max() == 0.0


def test_leaky_relu_has_the_slope_of_the_papers_by_default():
    np.testing.assert_allclose(layers.LeakyReLU()(tf.constant([-1.0, 2.0])), [-0.2, 2.0], rtol=1e-6)


def test_dropout_outside_kerasgan_is_the_stock_layer(images):
    own, stock = layers.Dropout(0.4, seed=3), keras.layers.Dropout(0.4, seed=3)
    np.testing.assert_array_equal(own(images, training=True), stock(images, training=True))


def test_dropout_in_a_stream_is_a_function_of_seed_and_position(images):
    def dropped(position):
        with stateless.using(stateless.Stream(1, tf.constant(position, tf.int64))):
            return layers.Dropout(0.4)(images, training=True).numpy()

    np.testing.assert_array_equal(dropped(5), dropped(5))
    assert not np.array_equal(dropped(5), dropped(6))


def test_dropout_in_a_stream_drops_at_its_rate_and_keeps_the_mean():
    with stateless.using(stateless.Stream(1, tf.constant(0, tf.int64))):
        outputs = layers.Dropout(0.4)(tf.ones((200, 100)), training=True).numpy()
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1 / 0.6)}
    # 20,000 draws: the deviation of the fraction is sqrt(0.24 / 20000) = 0.0035; four of them.
    assert np.mean(outputs == 0) == pytest.approx(0.4, abs=0.014)


def test_dropout_in_a_stream_takes_a_shape_of_its_mask():
    with stateless.using(stateless.Stream(1, tf.constant(0, tf.int64))):
        outputs = layers.Dropout(0.5, noise_shape=(None, 1, 1, None))(tf.ones((4, 3, 3, 8)), training=True).numpy()
        np.testing.assert_array_equal(outputs, np.broadcast_to(outputs[:, :1, :1], outputs.shape))
        assert len(np.unique(outputs[:, 0, 0], axis=0)) > 1
        with pytest.raises(NotImplementedError, match=r"Expected noise_shape=\(None, 1, 1, 8\)"):
            layers.Dropout(0.5, noise_shape=(4, 1, 1, 8))(tf.ones((4, 3, 3, 8)), training=True)
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 8))(tf.ones((4, 3, 3, 8)), training=True)


def test_dropout_in_a_stream_does_nothing_in_inference(images):
    with stateless.using(stateless.Stream(1, tf.constant(0, tf.int64))):
        np.testing.assert_array_equal(layers.Dropout(0.4)(images, training=False), images)


# Spectral normalisation

SPECTRAL = {
    "conv": (lambda: layers.SpectralConv2D(6, 3, padding="same"), keras.layers.Conv2D, (2, 5, 5, 3)),
    "dense": (lambda: layers.SpectralDense(6), keras.layers.Dense, (2, 4)),
}
spectral = pytest.mark.parametrize(("make", "stock", "shape"), SPECTRAL.values(), ids=SPECTRAL)


@spectral
def test_training_outside_kerasgan_leads_the_singular_value_to_1(make, stock, shape):
    layer = make()
    for _ in range(200):
        layer(tf.zeros(shape), training=True)
    # NumPy's own decomposition is the reference.
    kernel = layer.normalized_kernel().numpy()
    assert np.linalg.norm(kernel.reshape(-1, 6), ord=2) == pytest.approx(1.0, rel=1e-4)


@spectral
def test_a_spectral_layer_is_the_stock_layer_with_the_kernel_over_its_singular_value(make, stock, shape, rng):
    layer = make()
    layer.build(shape)
    layer.bias.assign(rng.normal(size=6))
    converge_spectral_layers(keras.Sequential([keras.Input(shape[1:]), layer]))
    sigma = np.linalg.norm(matrix(layer.kernel), ord=2)
    plain = stock.from_config({k: v for k, v in layer.get_config().items() if k != "name"})
    plain.build(shape)
    plain.set_weights([layer.kernel.numpy() / sigma, layer.bias.numpy()])
    x = tf.constant(rng.normal(size=shape), tf.float32)
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-5)


def iterated(kernel, u, times):
    """`u` after power iterations of Miyato et al., algorithm 1: v = W u, u = W^T v, each over its norm."""
    w = matrix(kernel)
    for _ in range(times):
        v = w @ u / np.linalg.norm(w @ u)
        u = w.T @ v / np.linalg.norm(w.T @ v)
    return u


@spectral
def test_a_training_call_outside_kerasgan_is_one_power_iteration(make, stock, shape):
    layer = make()
    layer.build(shape)
    start = layer.u.numpy()
    layer(tf.zeros(shape), training=True)
    np.testing.assert_allclose(layer.u, iterated(layer.kernel, start, 1), rtol=1e-4, atol=1e-6)
    assert np.abs(layer.u.numpy() - start).max() > 1e-3


@spectral
def test_inference_moves_neither_u_nor_the_kernel(make, stock, shape):
    layer = make()
    layer.build(shape)
    start = layer.get_weights()
    layer(tf.zeros(shape), training=False)
    for value, before in zip(layer.get_weights(), start, strict=True):
        np.testing.assert_array_equal(value, before)


@spectral
def test_a_training_call_does_not_move_the_kernel(make, stock, shape):
    layer = make()
    layer.build(shape)
    start = layer.kernel.numpy()
    layer(tf.zeros(shape), training=True)
    np.testing.assert_array_equal(layer.kernel, start)


@spectral
def test_saving_keeps_the_raw_kernel_and_u(make, stock, shape, tmp_path):
    model = keras.Sequential([keras.Input(shape[1:]), make()])
    for _ in range(3):
        model(tf.zeros(shape), training=True)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    for own, loaded in zip(model.weights, restored.weights, strict=True):
        np.testing.assert_array_equal(own, loaded)
    assert len(restored.weights) == 3  # kernel, bias, u
    np.testing.assert_array_equal(model(tf.ones(shape)), restored(tf.ones(shape)))


@spectral
@pytest.mark.parametrize("size", some([0.0, 1e-15], 0))
def test_a_kernel_of_zeros_or_near_it_gives_finite_outputs_and_gradients_and_recovers(make, stock, shape, size, rng):
    layer = make()
    layer.build(shape)
    values = rng.normal(size=layer.kernel.shape)
    layer.kernel.assign(size * values)
    x = tf.constant(rng.normal(size=shape), tf.float32)
    for _ in range(50):
        outputs = layer(x, training=True)
    if not size:
        np.testing.assert_array_equal(outputs, np.zeros_like(outputs))
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        squares = tf.reduce_sum(inner.gradient(total, x) ** 2)
    assert np.isfinite(outer.gradient(squares, layer.kernel.value)).all()
    layer.kernel.assign(values)
    for _ in range(200):
        layer(x, training=True)
    assert np.linalg.norm(matrix(layer.normalized_kernel()), ord=2) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    "ask",
    [
        lambda make, shape: make(lora_rank=2),
        lambda make, shape: make(dtype="int8_from_float32"),
        lambda make, shape: built(make(), shape).enable_lora(2),
        lambda make, shape: built(make(), shape).quantize("int8"),
        lambda make, shape: setattr(built(make(), shape), "dtype_policy", "int8_from_float32"),
    ],
    ids=["lora_rank", "dtype", "enable_lora", "quantize", "dtype_policy"],
)
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda **arguments: layers.SpectralConv2D(6, 3, **arguments), (2, 5, 5, 3)),
        (lambda **arguments: layers.SpectralDense(6, **arguments), (2, 4)),
    ],
    ids=SPECTRAL,
)
def test_what_would_bypass_the_normalisation_is_refused(make, shape, ask):
    with pytest.raises(NotImplementedError, match=r"Use keras\.layers\.Dense or Conv2D"):
        ask(make, shape)


def built(layer, shape):
    layer.build(shape)
    return layer


@pytest.mark.parametrize(
    "arguments",
    [{"groups": 2}, {"dilation_rate": 2}, {"strides": 2, "padding": "same"}, {"kernel_constraint": "non_neg"}],
    ids=str,
)
def test_a_spectral_convolution_takes_the_arguments_of_the_stock_layer(arguments, rng):
    shape = (2, 6, 6, 4)
    own = built(layers.SpectralConv2D(6, 3, **arguments), shape)
    stock = built(keras.layers.Conv2D(6, 3, **arguments), shape)
    stock.set_weights([own.normalized_kernel().numpy(), own.bias.numpy()])
    x = tf.constant(rng.normal(size=shape), tf.float32)
    np.testing.assert_allclose(own(x), stock(x), rtol=1e-5, atol=1e-6)


def spectral_gan(make_generator, make_discriminator, penalized, n_critic=2):
    gan = kg.GAN(
        make_generator(),
        make_discriminator(dense=layers.SpectralDense),
        penalties=[penalties.GradientPenalty()] if penalized else [],
        n_critic=n_critic,
    )
    # Learning rate 0: the kernel stays, so that u tells how often it was iterated.
    gan.compile(keras.optimizers.SGD(1e-30), keras.optimizers.SGD(1e-30))
    return gan


@pytest.mark.parametrize("penalized", some([False, True], 0), ids=["plain", "penalized"])
def test_a_step_of_gan_is_one_power_iteration_for_each_update_of_the_discriminator(
    make_generator, make_discriminator, penalized
):
    # One critic update calls the discriminator two or three times, and the generator's update once more.
    gan = spectral_gan(make_generator, make_discriminator, penalized)
    layer = next(layer for layer in gan.discriminator.layers if isinstance(layer, layers.SpectralDense))
    start = layer.u.numpy()
    gan.fit(tf.data.Dataset.from_tensors(tf.zeros((4, 4, 4, 1))).repeat(2), verbose=0)
    np.testing.assert_allclose(layer.u, iterated(layer.kernel, start, 2), rtol=1e-4, atol=1e-6)
    for other in (1, 3):
        assert np.abs(layer.u.numpy() - iterated(layer.kernel, start, other)).max() > 1e-3


def test_evaluation_is_no_power_iteration(make_generator, make_discriminator):
    gan = spectral_gan(make_generator, make_discriminator, penalized=True)
    layer = next(layer for layer in gan.discriminator.layers if isinstance(layer, layers.SpectralDense))
    start = layer.u.numpy()
    gan.evaluate(tf.data.Dataset.from_tensors(tf.random.normal((4, 4, 4, 1)) / 10), verbose=0)
    np.testing.assert_array_equal(layer.u, start)


@pytest.mark.parametrize("name", [name for name in layers.__all__ if isinstance(getattr(layers, name), type)])
def test_a_saved_configuration_names_the_package_of_the_layers(name):
    # Whichever module a layer is in: a checkpoint resumes only a model of the same configuration.
    kind = getattr(layers, name)
    assert (kind.__module__, keras.saving.get_registered_name(kind)) == ("kerasgan.layers", f"kerasgan>{name}")


# The work that LeakyReLU saves


def three_convolutions(activation):
    x = images = keras.Input((8, 8, 1))
    for filters in (2, 3, 4):
        x = activation(0.2)(keras.layers.Conv2D(filters, 3, 2, "same")(x))
    return keras.Model(images, keras.layers.Dense(1)(keras.layers.Flatten()(x)))


def penalty_gradient(model):
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function
    def gradient(real):
        with tf.GradientTape() as tape:
            value, _ = penalties.R1()(model, real, real)
        return tape.gradient(value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return gradient


def convolutions(gradient):
    graph = gradient.get_concrete_function(tf.TensorSpec((4, 8, 8, 1))).graph
    return collections.Counter(op.type for op in graph.get_operations() if op.type.startswith("Conv2D"))


def test_a_penalty_through_leaky_relu_runs_no_useless_backward_pass(rng):
    stock, own = three_convolutions(keras.layers.LeakyReLU), three_convolutions(layers.LeakyReLU)
    own.set_weights(stock.get_weights())
    stock, own = penalty_gradient(stock), penalty_gradient(own)
    assert sum(convolutions(stock).values()) == 21
    # 12 are needed: 3 forward, 3 back to the images, and the derivatives of those 3 for each of their two factors. The
    # inner tape adds 3 gradients of filters that nobody asks for and the graph optimizer prunes.
    assert sum(convolutions(own).values()) == 15
    assert convolutions(stock) - convolutions(own) == {"Conv2DBackpropInput": 3, "Conv2DBackpropFilter": 3}
    real = tf.constant(rng.normal(size=(4, 8, 8, 1)), tf.float32)
    for mine, theirs in zip(own(real), stock(real), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


# Convolutions in groups of channels


@pytest.fixture
def set_gradients(monkeypatch):
    """Sets whether the layer finds that TensorFlow has gradients of grouped convolutions."""
    return lambda there: monkeypatch.setattr(convolution, "_has_gradients", lambda dtype: there)


def penalised(layer, x, jit_compile=False):
    """The outputs of a layer, and the gradients of a loss with a penalty by its inputs and by its weights."""

    @tf.function(jit_compile=jit_compile)
    def derivatives(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs = layer(x)
                total = tf.reduce_sum(tf.sin(outputs))
            loss = total + tf.reduce_sum(inner.gradient(total, x) ** 2)
        return outputs, *outer.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])

    return derivatives(x)


GROUPED = [
    {"padding": "same", "groups": 4},
    {"padding": "valid", "strides": 2, "groups": 2},
    {"padding": "same", "dilation_rate": 2, "groups": 2, "use_bias": False},
]


@pytest.mark.parametrize("arguments", some(GROUPED, 0))
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_a_grouped_convolution_and_its_derivatives_are_those_of_a_masked_kernel(
    arguments, jit_compile, set_gradients, rng
):
    if not jit_compile and not convolution._has_gradients("float32"):
        pytest.skip("TensorFlow has no gradients of grouped convolutions here: set TF_ENABLE_ONEDNN_OPTS=1")
    layer = built(layers.GroupedConv2D(4, 3, **arguments), (2, 6, 5, 8))
    x = tf.constant(rng.normal(size=(2, 6, 5, 8)), tf.float32)
    set_gradients(True)
    grouped = penalised(layer, x, jit_compile)
    set_gradients(False)
    for own, masked in zip(grouped, penalised(layer, x), strict=True):
        np.testing.assert_allclose(own, masked, rtol=1e-4, atol=1e-4 * np.abs(masked).max())


@pytest.mark.parametrize(
    ("groups", "data_format", "gradients"),
    [(1, None, True), (2, None, True), (2, None, False), (4, "channels_first", True)],
)
def test_a_grouped_convolution_is_the_stock_layer_to_first_order(
    groups, data_format, gradients, set_gradients, images, rng
):
    set_gradients(gradients)
    arguments = {"filters": 4, "kernel_size": (3, 2), "groups": groups, "activation": "tanh"}
    arguments["data_format"] = data_format
    same_outputs(layers.GroupedConv2D(**arguments), keras.layers.Conv2D(**arguments), images, rng)


def test_a_grouped_convolution_survives_copies_and_formats(images, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = layers.GroupedConv2D(6, 3, groups=2)(images)
    keras.config.set_dtype_policy("float32")
    assert half.dtype == tf.bfloat16
    model = keras.Sequential([keras.Input(images.shape[1:]), layers.GroupedConv2D(6, 3, groups=2)])
    expected = model(images)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    for same in (copy, keras.models.load_model(tmp_path / "model.keras"), exported.serve):
        np.testing.assert_array_equal(same(images), expected)


def test_a_gan_warns_of_a_grouped_convolution_that_keras_compiles(make_generator, recwarn):
    for layer in (keras.layers.Conv2D(2, 3, groups=2, name="slow"), layers.GroupedConv2D(2, 3, groups=2)):
        kg.GAN(make_generator((4, 4, 2)), discriminator_with(layer))
    [message] = [str(warning.message) for warning in recwarn]
    assert "Layer 'slow' of the discriminator (Conv2D) convolves in 2 groups" in message
    assert "kerasgan.layers.GroupedConv2D" in message


# What is found in a discriminator


def discriminator_with(layer):
    images = keras.Input((4, 4, 2))
    x = layer(images)
    return keras.Model(images, keras.layers.Dense(1)(keras.layers.Flatten()(x)))


INEXACT = {
    "LayerNormalization": (keras.layers.LayerNormalization, "kerasgan.layers.LayerNormalization"),
    "GroupNormalization": (lambda: keras.layers.GroupNormalization(1), "kerasgan.layers.GroupNormalization"),
    "SpectralNormalization": (
        lambda: keras.layers.SpectralNormalization(keras.layers.Conv2D(2, 3)),
        "kerasgan.layers.SpectralConv2D or SpectralDense",
    ),
    "UpSampling2D": (lambda: keras.layers.UpSampling2D(interpolation="bilinear"), "kerasgan.layers.UpSampling2D"),
    "Resizing": (lambda: keras.layers.Resizing(3, 3, interpolation="nearest"), "kerasgan.layers.UpSampling2D"),
    "MaxPooling2D": (keras.layers.MaxPooling2D, "keras.layers.AveragePooling2D"),
    "GlobalMaxPooling2D": (keras.layers.GlobalMaxPooling2D, "keras.layers.GlobalAveragePooling2D"),
}
inexact = pytest.mark.parametrize("name", INEXACT)


@inexact
def test_an_inexact_layer_is_named_with_its_replacement(name):
    make, replacement = INEXACT[name]
    [(layer, words)] = layers.inexact_layers(discriminator_with(make()))
    assert type(layer).__name__ == name
    assert words.startswith(replacement)


@inexact
def test_an_inexact_layer_is_found_inside_a_nested_model(name):
    inner = keras.Sequential([keras.Input((4, 4, 2)), INEXACT[name][0]()])
    assert len(layers.inexact_layers(discriminator_with(inner))) == 1


@pytest.mark.parametrize(
    "make",
    [
        layers.LayerNormalization,
        lambda: layers.GroupNormalization(1),
        lambda: layers.UpSampling2D(interpolation="bilinear"),
        lambda: layers.SpectralConv2D(2, 3),
        keras.layers.UpSampling2D,
        keras.layers.RMSNormalization,
        lambda: keras.layers.LayerNormalization(rms_scaling=True),
        keras.layers.LeakyReLU,
        lambda: keras.layers.AveragePooling2D(2),
    ],
)
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_an_exact_layer_is_not_reported(make):
    assert layers.inexact_layers(discriminator_with(make())) == []


# What a warning recommends, by the warning: each is done, and is penalised without another.
RECOMMENDED = {
    layers.LayerNormalization: {},
    layers.GroupNormalization: {"groups": 1},
    layers.SpectralConv2D: {"filters": 2, "kernel_size": 3},
    layers.SpectralDense: {"units": 2},
    layers.UpSampling2D: {"interpolation": "bicubic"},
    keras.layers.AveragePooling2D: {"pool_size": 2},
    keras.layers.GlobalAveragePooling2D: {},
}


@pytest.mark.parametrize("kind", some(RECOMMENDED, 0, 3))
def test_what_is_recommended_is_penalised_without_a_warning(kind, make_generator, recwarn):
    name = f"{'kerasgan' if kind.__module__.startswith('kerasgan') else 'keras'}.layers.{kind.__name__}"
    assert any(name.removeprefix("kerasgan.layers.") in advice for advice in layers.INEXACT.values())
    discriminator = discriminator_with(kind(**RECOMMENDED[kind]))
    gan = kg.GAN(make_generator((4, 4, 2)), discriminator, penalties=[penalties.R1()])
    gan.compile()
    images = np.random.default_rng(0).uniform(-1, 1, (4, 4, 4, 2)).astype("float32")
    gan.fit(images, batch_size=4, verbose=0)
    assert not [warning for warning in recwarn if "exact" in str(warning.message)]


def test_recommendations_of_one_and_three_dimensions_exist():
    advised = {word.rstrip(",") for advice in layers.INEXACT.values() for word in advice.split() if "keras." in word}
    for name in advised - {name for name in advised if name.startswith("kerasgan")}:
        assert hasattr(keras.layers, name.removeprefix("keras.layers.")), name


def test_a_subclass_of_an_inexact_layer_is_reported():
    own = type("Own", (keras.layers.LayerNormalization,), {})
    assert layers.inexact_layers(discriminator_with(own()))


@inexact
def test_a_penalized_gan_warns_and_names_layer_and_replacement(name, make_generator):
    make, replacement = INEXACT[name]
    discriminator = discriminator_with(make())
    layer_name = next(layer.name for layer in discriminator.layers if type(layer).__name__ == name)
    with pytest.warns(UserWarning, match="is not exact on TensorFlow") as record:
        kg.GAN(make_generator((4, 4, 2)), discriminator, penalties=[penalties.R1()])
    [message] = [str(warning.message) for warning in record]
    assert layer_name in message
    assert replacement in message


def test_a_gan_without_penalty_does_not_warn(make_generator, recwarn):
    kg.GAN(make_generator((4, 4, 2)), discriminator_with(keras.layers.LayerNormalization()))
    assert not recwarn.list


@pytest.mark.parametrize("make", [keras.layers.BatchNormalization, layers.BatchNormalization])
def test_batch_normalization_in_a_penalized_discriminator_is_refused(make, make_generator):
    with pytest.raises(ModelContractError, match="Expected no batch normalisation"):
        kg.GAN(make_generator((4, 4, 2)), discriminator_with(make()), penalties=[penalties.R1()])


@pytest.mark.parametrize("make", [keras.layers.BatchNormalization, layers.BatchNormalization])
def test_batch_normalization_without_a_penalty_is_allowed(make, make_generator, recwarn):
    kg.GAN(make_generator((4, 4, 2)), discriminator_with(make()))
    assert not recwarn.list
