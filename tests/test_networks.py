"""Every network: it builds at any size, its shapes and names are what the models and serving rely on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import each, some

import kerasgan as kg
from kerasgan import layers, networks

SIZES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3), (30, 20, 2), (3, 3, 1)]
LATENT_DIM = 5
CLASSES = 3

# Small ones of each kind: the shapes do not depend on the width.
GENERATORS = {
    "dcgan": lambda shape, **kwargs: networks.dcgan_generator(shape, LATENT_DIM, filters=4, **kwargs),
    "mlp": lambda shape, **kwargs: networks.mlp_generator(shape, LATENT_DIM, units=(16, 12), **kwargs),
    "resnet": lambda shape, **kwargs: networks.resnet_generator(shape, LATENT_DIM, filters=4, **kwargs),
    "r3gan": lambda shape, **kwargs: networks.r3gan_generator(shape, LATENT_DIM, filters=4, group_width=4, **kwargs),
}
DISCRIMINATORS = {
    "dcgan": lambda shape, **kwargs: networks.dcgan_discriminator(shape, filters=4, **kwargs),
    "mlp": lambda shape, **kwargs: networks.mlp_discriminator(shape, units=(16, 12), **kwargs),
    "resnet": lambda shape, **kwargs: networks.resnet_discriminator(shape, filters=4, **kwargs),
    "r3gan": lambda shape, **kwargs: networks.r3gan_discriminator(shape, filters=4, group_width=4, **kwargs),
}
ENCODERS = {
    "dcgan": lambda shape, **kwargs: networks.dcgan_encoder(shape, LATENT_DIM, filters=4, **kwargs),
    "mlp": lambda shape, **kwargs: networks.mlp_encoder(shape, LATENT_DIM, units=(16, 12), **kwargs),
}
KINDS = {"generator": GENERATORS, "discriminator": DISCRIMINATORS, "encoder": ENCODERS}

# What each network accepts, by its documentation.
NORMALIZATIONS = {
    ("generator", "dcgan"): (None, "batch", "layer", "instance"),
    ("generator", "mlp"): (None, "batch", "layer"),
    ("generator", "resnet"): (None, "batch", "layer", "instance"),
    ("discriminator", "dcgan"): (None, "batch", "layer", "instance", "spectral"),
    ("discriminator", "mlp"): (None, "batch", "layer", "spectral"),
    ("discriminator", "resnet"): (None, "batch", "layer", "instance", "spectral"),
    ("generator", "r3gan"): (None,),
    ("discriminator", "r3gan"): (None,),
    ("encoder", "dcgan"): (None, "batch", "layer", "instance", "spectral"),
    ("encoder", "mlp"): (None, "batch", "layer", "spectral"),
}


NORMALIZED = [both for both, names in NORMALIZATIONS.items() if len(names) > 1]


def network(role, kind, shape, normalization=None, **arguments):
    """The network; `normalization` is an argument of those that have any."""
    if (role, kind) in NORMALIZED:
        arguments["normalization"] = normalization
    return KINDS[role][kind](shape, **arguments)


each_size = pytest.mark.parametrize("shape", SIZES, ids=lambda shape: "x".join(map(str, shape)))
each_generator = pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
each_discriminator = pytest.mark.parametrize("make", DISCRIMINATORS.values(), ids=DISCRIMINATORS)
each_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
each_normalized_discriminator = pytest.mark.parametrize(
    "kind", [kind for role, kind in NORMALIZED if role == "discriminator"]
)
each_normalization = pytest.mark.parametrize(
    ("role", "kind", "normalization"),
    [(role, kind, name) for (role, kind), names in NORMALIZATIONS.items() for name in names],
)


def of_type(model, *kinds):
    return [layer for layer in model._flatten_layers() if type(layer) in kinds]


def latents(n=2, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=(n, LATENT_DIM)), tf.float32)


def images(shape, n=2, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (n, *shape)), tf.float32)


def scatter(model, seed=0, deviation=0.5):
    """Random weights: embeddings and last layers that start small hide what depends on what."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.0, deviation, variable.shape))


def test_every_network_of_the_package_is_in_these_tests():
    tested = {f"{kind}_{role}" for role, kinds in KINDS.items() for kind in kinds}
    assert tested == set(networks.__all__)


# Sizes


@each_size
@each_generator
def test_a_generator_makes_float32_images_in_minus_1_to_1_of_any_size(make, shape):
    model = make(shape)
    scatter(model)
    made = model(100.0 * latents()).numpy()
    assert made.shape == (2, *shape)
    assert made.dtype == np.float32
    assert made.min() >= -1
    assert made.max() <= 1
    assert np.ptp(made) > 0


@each_size
@each_discriminator
def test_a_discriminator_gives_one_float32_logit_for_an_image_of_any_size(make, shape):
    model = make(shape)
    logits = model(images(shape))
    assert logits.shape == (2, 1)
    assert logits.dtype == tf.float32
    assert keras.activations.serialize(model.layers[-1].activation) == "linear"


@each_size
@each_encoder
def test_an_encoder_gives_a_mean_and_a_logarithm_of_variance_for_each_latent(make, shape):
    moments = make(shape)(images(shape))
    assert moments.shape == (2, 2 * LATENT_DIM)
    assert moments.dtype == tf.float32


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_any_generator_and_any_discriminator_make_a_gan(generator, discriminator):
    gan = kg.GAN(GENERATORS[generator]((8, 8, 1)), DISCRIMINATORS[discriminator]((8, 8, 1)))
    assert gan.image_shape == (8, 8, 1)
    assert gan.latent_dim == LATENT_DIM


# DCGAN's architecture


def test_dcgan_of_28_pixels_has_the_sizes_of_the_authors_mnist_script():
    # 28 -> 14 -> 7 -> 4 with 64, 128, 256 filters: Gulrajani et al., gan_mnist.py.
    discriminator = networks.dcgan_discriminator((28, 28, 1))
    convolutions = of_type(discriminator, keras.layers.Conv2D)
    assert [tuple(layer.output.shape[1:]) for layer in convolutions] == [(14, 14, 64), (7, 7, 128), (4, 4, 256)]
    generator = networks.dcgan_generator((28, 28, 1))
    assert [tuple(layer.output.shape[1:]) for layer in of_type(generator, keras.layers.Reshape)] == [(4, 4, 256)]
    transposed = of_type(generator, keras.layers.Conv2DTranspose)
    assert [tuple(layer.output.shape[1:]) for layer in transposed] == [(8, 8, 128), (14, 14, 64), (28, 28, 1)]


def test_dcgan_of_64_pixels_has_the_sizes_of_the_paper():
    # Radford et al., figure 1: 4 -> 8 -> 16 -> 32 -> 64, halving the filters; 64 to 512 here (`filters` of the code).
    generator = networks.dcgan_generator((64, 64, 3))
    assert [tuple(layer.output.shape[1:]) for layer in of_type(generator, keras.layers.Reshape)] == [(4, 4, 512)]
    transposed = of_type(generator, keras.layers.Conv2DTranspose)
    sizes = [(8, 8, 256), (16, 16, 128), (32, 32, 64), (64, 64, 3)]
    assert [tuple(layer.output.shape[1:]) for layer in transposed] == sizes
    convolutions = of_type(networks.dcgan_discriminator((64, 64, 3)), keras.layers.Conv2D)
    assert [tuple(layer.output.shape[1:]) for layer in convolutions] == [
        (32, 32, 64),
        (16, 16, 128),
        (8, 8, 256),
        (4, 4, 512),
    ]


def test_filters_are_doubled_at_most_to_eight_times():
    convolutions = of_type(networks.dcgan_discriminator((128, 128, 1), filters=2), keras.layers.Conv2D)
    assert [layer.filters for layer in convolutions] == [2, 4, 8, 16, 16]


def test_a_young_generator_that_blurs_has_no_checkerboard():
    """Energy at the highest frequency of both axes, as a share of all but the mean."""
    latents = np.random.default_rng(0).normal(size=(64, 16)).astype("float32")

    def share(blur):
        keras.utils.set_random_seed(0)
        images = networks.dcgan_generator((32, 32, 3), 16, 8, blur=blur)(latents).numpy()
        energy = np.abs(np.fft.fft2(images - images.mean((1, 2), keepdims=True), axes=(1, 2))) ** 2
        return energy[:, 16, 16].sum() / energy.sum()

    assert share(True) < 0.01 * share(False)


def test_dcgan_leaves_normalization_out_at_the_image():
    # Radford et al., section 3: not at the generator's output layer and not at the discriminator's input layer.
    discriminator = networks.dcgan_discriminator((28, 28, 1), filters=2, normalization="batch")
    after = [type(layer) for layer in discriminator.layers[1:4]]
    assert after == [keras.layers.Conv2D, layers.LeakyReLU, keras.layers.Conv2D]
    assert len(of_type(discriminator, layers.BatchNormalization)) == 2
    generator = networks.dcgan_generator((28, 28, 1), filters=2)
    assert len(of_type(generator, layers.BatchNormalization)) == 3  # of 4 layers
    assert [type(layer) for layer in generator.layers[-2:]] == [keras.layers.Conv2DTranspose, keras.layers.Activation]


def test_dcgan_has_the_slopes_of_the_paper():
    # ReLU in the generator, 0.2 in the discriminator.
    slopes = lambda model: {layer.negative_slope for layer in of_type(model, layers.LeakyReLU)}
    assert slopes(networks.dcgan_generator((8, 8, 1))) == {0.0}
    assert slopes(networks.dcgan_discriminator((8, 8, 1))) == {0.2}


def test_resnet_of_32_pixels_has_the_blocks_of_the_paper():
    # Appendix F: 4 -> 8 -> 16 -> 32 by three blocks, and 32 -> 16 -> 8 by two with two more at 8; 2 convolutions and a
    # shortcut of 1 x 1 where the size changes.
    generator = networks.resnet_generator((32, 32, 3), filters=2)
    sizes = [tuple(layer.output.shape[1:3]) for layer in of_type(generator, keras.layers.UpSampling2D)]
    assert sorted(set(sizes)) == [(8, 8), (16, 16), (32, 32)]
    kernels = [layer.kernel_size[0] for layer in of_type(generator, keras.layers.Conv2D)]
    assert (kernels.count(3), kernels.count(1)) == (3 * 2 + 1, 3)
    discriminator = networks.resnet_discriminator((32, 32, 3), filters=2)
    kernels = [layer.kernel_size[0] for layer in of_type(discriminator, keras.layers.Conv2D)]
    assert (kernels.count(3), kernels.count(1)) == (4 * 2, 2)
    [pool] = of_type(discriminator, keras.layers.GlobalAveragePooling2D)
    assert pool.input.shape[1:3] == (8, 8)


# R3GAN's architecture


def test_r3gan_has_the_sizes_and_widths_of_its_stages():
    def stages(shape, filters, **arguments):
        model = networks.r3gan_discriminator(shape, filters, group_width=4, **arguments)
        return [tuple(layer.output.shape[1:]) for layer in of_type(model, keras.layers.Add)]

    assert stages((28, 28, 1), 2) == [(28, 28, 2), (14, 14, 4), (7, 7, 8)]
    assert stages((32, 32, 3), 2) == [(32, 32, 2), (16, 16, 4), (8, 8, 8), (4, 4, 8)]
    assert stages((30, 20, 1), (2, 6, 6), blocks=2) == [(30, 20, 2)] * 2 + [(15, 10, 6)] * 2 + [(8, 5, 6)] * 2


@pytest.mark.parametrize("make", [networks.r3gan_generator, networks.r3gan_discriminator])
def test_r3gan_has_the_kernels_of_the_paper_at_the_start(make):
    # Huang et al.: N(0, gain^2 / fan_in), gain sqrt(2 / 1.04) L^(-1/4) in L blocks, the last of a block zero, else 1.
    model = make((32, 32, 3), filters=(32, 48, 48, 64), blocks=2)
    gain = np.sqrt(2 / 1.04) * 8**-0.25
    kernels = [layer.kernel for layer in of_type(model, keras.layers.Conv2D, layers.GroupedConv2D)]
    kernels += [layer.kernel for layer in of_type(model, keras.layers.Dense)]
    for kernel in kernels:
        *area, inputs, filters = kernel.shape
        in_block = area == [3, 3] or filters == 2 * inputs
        expected = 0.0 if inputs == 2 * filters else (gain if in_block else 1.0) / np.sqrt(np.prod(area) * inputs)
        # The standard deviation of n draws is off by 1 / sqrt(2 n) of it; five of these.
        np.testing.assert_allclose(np.std(kernel), expected, rtol=5 / np.sqrt(2 * np.prod(kernel.shape)))
    [basis] = of_type(model, layers.LearnedConstant2D, keras.layers.EinsumDense)
    np.testing.assert_allclose(np.std(basis.weights[0]), 1.0 if "generator" in make.__name__ else 1 / 4, rtol=0.12)
    assert {layer.groups for layer in of_type(model, layers.GroupedConv2D)} == {4, 6, 8}  # of 16 channels each


def test_the_blocks_of_r3gan_have_the_parameters_of_the_paper_and_change_nothing_at_the_start():
    width, groups = 48, 6
    one, three = (networks.r3gan_discriminator((4, 4, 1), width, blocks) for blocks in (1, 3))
    in_a_block = 4 * width**2 + 36 * width**2 // groups + 4 * width
    assert three.count_params() - one.count_params() == 2 * in_a_block
    assert one.count_params() - in_a_block == width + 16 * width + width  # from the image, the basis, the logit
    x = images((4, 4, 1))
    for add in of_type(three, keras.layers.Add):
        before, after = keras.Model(three.inputs, [add.input[0], add.output])(x)
        np.testing.assert_array_equal(before, after)


def test_the_resampling_of_r3gan_is_1_3_3_1():
    up = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.UpSampling2D(), layers.Blur2D()])
    down = keras.Sequential([keras.Input((8, 8, 1)), layers.Blur2D(), keras.layers.AveragePooling2D(2)])
    kinds = [type(layer) for layer in networks.r3gan_generator((8, 8, 1), filters=2).layers]
    assert kinds[(at := kinds.index(keras.layers.UpSampling2D)) : at + 2] == [type(layer) for layer in up.layers]
    kinds = [type(layer) for layer in networks.r3gan_discriminator((8, 8, 1), filters=2).layers]
    assert kinds[(at := kinds.index(layers.Blur2D)) : at + 2] == [type(layer) for layer in down.layers]
    rows = np.array([[0.25, 0.75, 0, 0], [0, 0.75, 0.25, 0], [0, 0.25, 0.75, 0]])  # of pixels 2, 3, 4 of 8
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(up(x)[0, 2:5, 2:5, 0], rows @ x[0, :, :, 0] @ rows.T, atol=1e-6)
    rows = np.array([[0, 1, 3, 3, 1, 0, 0, 0], [0, 0, 0, 1, 3, 3, 1, 0]]) / 8  # of pixels 1, 2 of 4
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(down(x)[0, 1:3, 1:3, 0], rows @ x[0, :, :, 0] @ rows.T, atol=1e-6)


@pytest.mark.parametrize(
    ("filters", "expected"), [((8, 8), "each of the 1 stages"), ("8", "a positive integer, or a seq"), (12, "multiple")]
)
def test_widths_that_r3gan_cannot_have_are_refused(filters, expected):
    with pytest.raises(ValueError, match=f"Invalid value for argument `filters`. Expected .*{expected}"):
        networks.r3gan_generator((4, 4, 1), filters=filters)


# Inputs


def names(model):
    return [tensor.name for tensor in model.inputs]


@each_generator
def test_a_generator_names_its_inputs(make):
    assert names(make((8, 8, 1))) == ["latents"]
    assert names(make((8, 8, 1), num_classes=CLASSES)) == ["latents", "labels"]


@each_discriminator
def test_a_discriminator_names_its_inputs(make):
    assert names(make((8, 8, 1))) == ["images"]
    assert names(make((8, 8, 1), num_classes=CLASSES)) == ["images", "labels"]


@each_encoder
def test_an_encoder_names_its_input(make):
    assert names(make((8, 8, 1))) == ["images"]


# Labels


@pytest.mark.parametrize("shape", some(SIZES, 0, whole=True))
@each_generator
def test_generated_images_depend_on_the_label(make, shape):
    model = make(shape, num_classes=CLASSES)
    scatter(model, deviation=0.3)  # with larger ones, tanh ends at 1 in residual networks without normalization
    same = tf.repeat(latents(1), 2, axis=0)
    first, second = model([same, tf.constant([0, 2])]).numpy()
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("shape", some(SIZES, 0, whole=True))
@each_discriminator
def test_logits_depend_on_the_label(make, shape):
    model = make(shape, num_classes=CLASSES)
    scatter(model)
    same = tf.repeat(images(shape, 1), 2, axis=0)
    first, second = model([same, tf.constant([0, 2])]).numpy()
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize("kind", DISCRIMINATORS)
@pytest.mark.parametrize("normalization", [None, "spectral"])
def test_a_conditional_discriminator_is_the_projection_of_the_paper(kind, normalization):
    # Miyato, Koyama, 2018, eq. 3: w . f + b + e[y] . f, f the features in front of the last layer.
    model = network("discriminator", kind, (8, 8, 1), normalization, num_classes=CLASSES)
    scatter(model)
    x, labels = images((8, 8, 1), 4), [2, 0, 1, 2]
    last = model.get_layer("logits")
    f = keras.Model(model.inputs[0], last.input)(x).numpy()
    w = last.normalized_kernel().numpy() if isinstance(last, layers.SpectralDense) else last.kernel.numpy()
    b = last.bias.numpy() if last.use_bias else 0.0
    e = model.get_layer("label_embedding").embeddings.numpy()
    expected = f @ w + b + (e[labels] * f).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model([x, tf.constant(labels)]), expected, rtol=1e-4, atol=1e-4)


@each_generator
def test_a_conditional_generator_has_an_embedding_for_each_class(make):
    [embedding] = of_type(make((8, 8, 1), num_classes=CLASSES), keras.layers.Embedding)
    assert embedding.input_dim == CLASSES


# Normalisation


@each_normalization
def test_a_network_holds_the_normalization_asked_for_and_no_other(role, kind, normalization):
    model = network(role, kind, (16, 16, 2), normalization)
    present = {
        "batch": of_type(model, layers.BatchNormalization),
        "layer": [
            *of_type(model, layers.LayerNormalization),
            *(layer for layer in of_type(model, layers.GroupNormalization) if layer.groups == 1),
        ],
        "instance": [layer for layer in of_type(model, layers.GroupNormalization) if layer.groups != 1],
        "spectral": of_type(model, layers.SpectralConv2D, layers.SpectralDense),
    }
    assert {name for name, found in present.items() if found} == ({normalization} - {None})


@each_normalization
def test_no_network_holds_a_layer_that_is_inexact_to_second_order(role, kind, normalization):
    # By name too: a stock layer of the kinds that kerasgan.layers replaces.
    model = network(role, kind, (16, 16, 2), normalization)
    assert layers.inexact_layers(model) == []
    stock = {keras.layers.BatchNormalization, keras.layers.LeakyReLU, keras.layers.ReLU, keras.layers.Dropout}
    assert of_type(model, *stock) == []


@each_normalized_discriminator
def test_spectral_normalization_is_in_every_layer_of_a_discriminator(kind):
    model = DISCRIMINATORS[kind]((16, 16, 2), normalization="spectral")
    assert of_type(model, keras.layers.Conv2D, keras.layers.Dense) == []


@each_normalized_discriminator
def test_layer_normalization_is_over_all_pixels_and_channels_of_an_image(kind):
    # So an image's logit does not see its neighbours in the batch, nor a change of their contrast.
    model = DISCRIMINATORS[kind]((16, 16, 2), normalization="layer")
    scatter(model)
    x = images((16, 16, 2), 3).numpy()
    alone = model(x[:1], training=True).numpy()
    x[1:] *= 5.0
    np.testing.assert_allclose(model(x, training=True)[:1], alone, rtol=1e-4, atol=1e-5)
    for layer in of_type(model, layers.GroupNormalization):
        assert layer.groups == 1


@pytest.fixture
def channels_first():
    configured = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(configured)


@pytest.mark.parametrize(
    ("role", "kind", "normalization"),
    [("generator", kind, "batch") for kind in GENERATORS]
    + [("discriminator", kind, name) for kind in DISCRIMINATORS for name in (None, "spectral")]
    + [("encoder", kind, "layer") for kind in ENCODERS],
)
def test_the_order_of_axes_is_ours_whatever_keras_is_configured_to(role, kind, normalization, channels_first):
    first = network(role, kind, (12, 20, 3), normalization)
    keras.config.set_image_data_format("channels_last")
    last = network(role, kind, (12, 20, 3), normalization)
    keras.config.set_image_data_format("channels_first")
    last.set_weights(first.get_weights())
    inputs = latents() if role == "generator" else images((12, 20, 3))
    np.testing.assert_array_equal(first(inputs), last(inputs))


@pytest.mark.slow
def test_a_classifier_is_trained_on_channels_last_whatever_keras_is_configured_to(channels_first, rng):
    pictures = rng.uniform(-1, 1, (16, 8, 6, 1)).astype("float32")
    classifier = kg.metrics.train_classifier(pictures, np.arange(16) % 2, epochs=1, filters=2)
    assert classifier.logits(pictures).shape == (16, 2)


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"shape": (0, 8, 1)}, "image_shape"),
        ({"shape": ()}, "image_shape"),
        ({"shape": (8.0, 8, 1)}, "image_shape"),
        ({"shape": (None, 8, 1)}, "image_shape"),
        ({"normalization": "group"}, "normalization"),
        ({"normalization": "BATCH"}, "normalization"),
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": -1}, "num_classes"),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [*GENERATORS.values(), *DISCRIMINATORS.values()], ids=[*GENERATORS, *DISCRIMINATORS])
def test_an_argument_no_network_can_be_built_from_is_refused(make, arguments, argument):
    if make in (GENERATORS["r3gan"], DISCRIMINATORS["r3gan"]) and argument == "normalization":
        pytest.skip("there is no such argument")
    shape = arguments.get("shape", (8, 8, 1))
    with pytest.raises(ValueError, match=f"Invalid value for argument `{argument}`. Expected .* Received: "):
        make(shape, **{key: value for key, value in arguments.items() if key != "shape"})


@pytest.mark.parametrize("shape", [(28, 28), (8, 8, 1, 1), (5,)], ids=str)
@pytest.mark.parametrize("make", [networks.dcgan_generator, networks.dcgan_discriminator])
def test_a_convolutional_network_refuses_a_shape_without_height_width_and_channels(make, shape):
    with pytest.raises(ValueError, match="Invalid value for argument `image_shape`"):
        make(shape, filters=4)


@pytest.mark.parametrize(
    ("role", "kind", "normalization"),
    [
        (role, kind, name)
        for role, kind in NORMALIZED
        for name in ("batch", "layer", "instance", "spectral")
        if name not in NORMALIZATIONS[role, kind]
    ],
)
def test_a_normalization_that_a_network_has_not_got_is_refused(role, kind, normalization):
    with pytest.raises(ValueError, match="Invalid value for argument `normalization`"):
        KINDS[role][kind]((8, 8, 1), normalization=normalization)


# Precision and saving


@pytest.mark.parametrize(("role", "kind"), NORMALIZATIONS)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_under_mixed_precision_has_float32_outputs(role, kind, policy):
    keras.config.set_dtype_policy(policy)
    model = network(role, kind, (8, 8, 1), "layer")
    inputs = latents() if role == "generator" else images((8, 8, 1))
    outputs = model(inputs)
    assert outputs.dtype == tf.float32
    assert np.isfinite(outputs).all()
    halves = [layer for layer in model.layers if layer.compute_dtype == policy.removeprefix("mixed_")]
    assert len(halves) > len(model.layers) / 2


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_a_conditional_discriminator_under_mixed_precision_has_float32_logits(kind):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = network("discriminator", kind, (8, 8, 1), "spectral", num_classes=CLASSES)
    assert model([images((8, 8, 1)), tf.constant([0, 1])]).dtype == tf.float32


@pytest.mark.parametrize(
    ("role", "kind", "normalization"),
    each(
        [(role, kind, name) for (role, kind), allowed in NORMALIZATIONS.items() for name in allowed],
        [(role, kind, allowed[-1]) for (role, kind), allowed in NORMALIZATIONS.items()],
    ),
)
def test_a_network_survives_saving(role, kind, normalization, tmp_path):
    classes = {} if role == "encoder" else {"num_classes": CLASSES}
    model = network(role, kind, (8, 8, 1), normalization, **classes)
    scatter(model)
    model.save(tmp_path / "network.keras")
    restored = keras.models.load_model(tmp_path / "network.keras")
    inputs = latents() if role == "generator" else images((8, 8, 1))
    inputs = [inputs, tf.constant([0, 2])] if classes else inputs
    np.testing.assert_allclose(restored(inputs), model(inputs), rtol=1e-5, atol=1e-6)
    assert [type(layer) for layer in restored.layers] == [type(layer) for layer in model.layers]


# Replicas


def trained_dcgan(strategy):
    """The weights after three steps of SGD, which hides no factor, on 8 images each."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        gan = kg.GAN(networks.dcgan_generator((8, 8, 1), 3, filters=4), DISCRIMINATORS["dcgan"]((8, 8, 1)))
        gan.compile(keras.optimizers.SGD(0.05), keras.optimizers.SGD(0.05))
    real = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 8, 1)).astype("float32")
    gan.fit(tf.data.Dataset.from_tensor_slices(real), verbose=0)
    return [np.array(weight) for weight in gan.weights]


@pytest.mark.slow
def test_a_dcgan_with_its_batch_normalization_trains_on_two_replicas_as_on_one(mirrored):
    for one, two in zip(trained_dcgan(tf.distribute.get_strategy()), trained_dcgan(mirrored), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


# Points


def test_an_mlp_takes_points_and_makes_unbounded_ones():
    generator = networks.mlp_generator((2,), LATENT_DIM, units=(4,), output_activation=None)
    scatter(generator)
    made = generator(100.0 * latents(8)).numpy()
    assert made.shape == (8, 2)
    assert np.abs(made).max() > 1
    assert networks.mlp_discriminator((2,), units=(4,))(made).shape == (8, 1)
