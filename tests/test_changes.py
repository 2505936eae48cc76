"""What users change around a model between its calls: layers, settings of Keras, names, elements of a dataset."""

import collections
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import SHAPE, images, networks, sgd, weights

import kerasgan as kg
from kerasgan import inference
from kerasgan.errors import DataError, ModelContractError


def compiled(gan=None, **kwargs):
    gan = gan or kg.GAN(*networks())
    gan.compile(**sgd(), **kwargs)
    return gan


def fit(gan, x=None, **kwargs):
    return gan.fit(images() if x is None else x, batch_size=16 if x is None else None, verbose=0, **kwargs).history


# Layers and weights


def test_networks_with_channels_first_are_turned_by_the_advice():
    first = (3, 8, 8)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(192, "tanh"), keras.layers.Reshape(first)])
    judge = keras.Sequential([keras.Input(first), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match=r"Images of shape \(3, 8, 8\) look like channels first.*shape \(8, 8, 3\)"):
        kg.GAN(generator, judge)
    turned = keras.Sequential([generator, keras.layers.Permute((2, 3, 1))])
    judge = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Permute((3, 1, 2)), judge])
    assert kg.GAN(turned, judge).image_shape == (8, 8, 3)


def test_compiling_again_shows_layers_that_were_changed():
    gan = compiled()
    gan.generate(4, seed=0)
    hidden = next(layer for layer in gan.generator.layers if isinstance(layer, keras.layers.Dense))
    hidden.enable_lora(2)
    hidden.lora_kernel_b.assign(tf.ones_like(hidden.lora_kernel_b))
    compiled(gan)
    latents = inference.latents_of(tf.range(4, dtype=tf.int64), 3)
    np.testing.assert_allclose(gan.generate(seeds=range(4)), gan.generator(latents), atol=1e-6)


def test_an_average_of_other_variables_is_refused_and_one_of_a_new_model_trains():
    gan = kg.GAN(*networks(), ema_momentum=0.9)
    next(layer for layer in gan.generator.layers if isinstance(layer, keras.layers.Dense)).enable_lora(2)
    with pytest.raises(ModelContractError, match=r"`generator`. Expected as many variables .* make a new model"):
        fit(compiled(gan))
    assert gan.generate(1).shape == (1, *SHAPE)
    fit(compiled(kg.GAN(gan.generator, gan.discriminator, ema_momentum=0.9)))


@pytest.mark.parametrize("quantized", ["generator", "ema_generator"])
def test_a_network_that_is_quantized_after_training_still_generates(quantized):
    gan = compiled(kg.GAN(*networks(), ema_momentum=0.9))
    fit(gan)
    getattr(gan, quantized).quantize("int8")
    assert gan.generate(2, seed=0).shape == (2, *SHAPE)


def test_a_generator_of_single_numbers_is_refused_in_words():
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), keras.layers.Reshape(())])
    with pytest.raises(ModelContractError, match=r"`generator`. Expected images.*shape \(\)"):
        kg.GAN(generator, networks()[1])


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_is_raised():
    class Noisy(keras.layers.Layer):
        def call(self, inputs):
            return inputs + tf.random.normal(tf.shape(inputs))

    generator, discriminator = networks()
    noisy = keras.Sequential([generator, Noisy()])
    with pytest.raises(UserWarning, match="draws random numbers from TensorFlow's state"):
        kg.GAN(noisy, discriminator)


def test_images_are_those_of_a_network_that_was_quantized_since():
    gan = compiled(kg.GAN(*networks()))
    before = gan.generate(2, seed=0)
    gan.quantize("int8")
    after = gan.generate(2, seed=0)
    assert np.abs(after - before).max() > 0
    np.testing.assert_array_equal(compiled(gan).generate(2, seed=0), after)


@pytest.mark.parametrize("again", [False, True])
def test_a_network_that_is_quantized_is_not_trained_in_part(again):
    gan = compiled(kg.GAN(*networks()))
    gan.generator.quantize("int8")
    gan = compiled(gan) if again else gan
    with pytest.raises(ModelContractError, match=r"`generator`. Expected layers with kernels .*, quantized to int8"):
        fit(gan)


def test_a_layer_that_encoder_and_generator_share_is_refused():
    shared = keras.layers.Dense(6)
    pixels, latents = keras.Input(SHAPE), keras.Input((3,))
    encoder = keras.Model(pixels, shared(keras.layers.Dense(3)(keras.layers.Flatten()(pixels))))
    decoded = keras.layers.Dense(16, "tanh")(shared(latents))
    with pytest.raises(ModelContractError, match=r"Encoder and generator share the weight.*its own layers"):
        kg.VAE(encoder, keras.Model(latents, keras.layers.Reshape(SHAPE)(decoded)))


def test_features_of_a_network_are_computed_anew_where_its_weights_change():
    pixels = keras.Input(SHAPE)
    extractor = keras.Model(pixels, keras.layers.Dense(4)(keras.layers.Flatten()(pixels)), name="features")
    metric = kg.metrics.FrechetDistance(extractor)
    gan = compiled(metrics=[metric])
    x = images()
    gan.evaluate(x, verbose=0)
    title = metric.title
    extractor.set_weights([3.0 * weight for weight in extractor.get_weights()])
    value = gan.evaluate(x, verbose=0, return_dict=True)["frechet_distance"]
    assert metric.title != title
    assert metric.title.startswith("FD[features-")
    fresh = compiled(gan, metrics=[kg.metrics.FrechetDistance(extractor)])
    assert value == pytest.approx(fresh.evaluate(x, verbose=0, return_dict=True)["frechet_distance"], rel=1e-6)


class Own(kg.metrics.QualityMetric):
    default_name, symbol = "own", "own"
    returned = None

    def _value(self, real, fake):
        return self.returned


@pytest.mark.parametrize(("returned", "values"), [(None, ()), (np.zeros(3), ()), (None, ("a",)), ({"b": 1.0}, ("a",))])
def test_a_metric_that_returns_no_number_is_named(returned, values):
    metric = Own()
    metric.returned, metric.values = returned, values
    with pytest.raises(TypeError, match=r"`metrics`.*`function` that returns a (dict of )?numbers? for 'own'"):
        compiled(metrics=[metric]).evaluate(images(), verbose=0)


def test_a_metric_may_return_a_tensor():
    metric = Own()
    metric.returned = tf.constant(0.5)
    assert compiled(metrics=[metric]).evaluate(images(), verbose=0, return_dict=True)["own"] == 0.5


# Names


@pytest.mark.parametrize("name", ["step", "updates"])
def test_the_counters_of_a_model_cannot_be_replaced(name):
    gan = kg.GAN(*networks())
    with pytest.raises(AttributeError, match=rf"`{name}`.*another name for an attribute of your own.*Received: 0"):
        setattr(gan, name, 0)


# Settings of Keras


def test_optimizers_are_restored_whatever_the_policy_of_the_moment(tmp_path):
    gan = kg.GAN(*networks())
    gan.compile()
    fit(gan)
    gan.save(tmp_path / "gan.keras")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        loaded = keras.models.load_model(tmp_path / "gan.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    before, after = weights(gan), weights(loaded)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_limits_of_keras_hold():
    gan = compiled()
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(1)
    try:
        with pytest.warns(UserWarning, match="limits `epochs` to 2; 3 were asked for"):
            history = fit(gan, epochs=3)
    finally:
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)
    assert len(history["d_loss"]) == 2
    assert int(gan.step.numpy()) == 2
    together = compiled(steps_per_execution=2)
    keras.config.set_max_steps_per_epoch(3)
    try:
        with pytest.warns(UserWarning, match="limits `steps_per_epoch` to 2; 4 were asked for"):
            fit(together)
    finally:
        keras.config.set_max_steps_per_epoch(None)
    assert int(together.step.numpy()) == 2


def test_a_script_whose_warnings_are_errors_trains():
    code = (
        "import numpy as np, kerasgan as kg\n"
        "import warnings; warnings.simplefilter('error')\n"
        "g, d = kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,))\n"
        "gan = kg.GAN(g, d)\n"
        "gan.compile()\n"
        "gan.fit(np.random.default_rng(0).uniform(-1, 1, (64, 4, 4, 1)).astype('float32'), batch_size=16, verbose=0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    code = "import kerasgan"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 1
    assert f"Received: '{backend}'" in done.stderr
    assert "Set KERAS_BACKEND=tensorflow" in done.stderr


def in_a_function(call):
    tf.function(call, autograph=False)()


def in_a_graph(call):
    with tf.Graph().as_default():
        call()


@pytest.mark.parametrize("within", [in_a_function, in_a_graph])
@pytest.mark.parametrize("use", ["fit", "evaluate", "generate", "interpolate", "GAN"])
def test_what_runs_eagerly_is_refused_in_graphs(use, within):
    parts = networks()
    gan = compiled(kg.GAN(*parts))
    calls = {
        "fit": lambda: fit(gan),
        "evaluate": lambda: gan.evaluate(images(), verbose=0),
        "generate": lambda: gan.generate(2),
        "interpolate": lambda: gan.interpolate([0], [1], [0.5]),
        "GAN": lambda: kg.GAN(*parts),
    }
    with pytest.raises(RuntimeError, match=r"outside of `tf\.function` and `tf\.Graph`, with eager execution"):
        within(calls[use])


def test_a_graph_may_call_the_model():
    gan = compiled()
    latents = tf.ones((2, 3))
    np.testing.assert_allclose(tf.function(lambda: gan(latents))(), gan(latents), atol=1e-6)


# Elements of a dataset


@pytest.mark.parametrize("conditional", [False, True])
def test_named_tuples_are_tuples(conditional):
    element = collections.namedtuple("Element", ["image", "label"])
    gan = compiled(kg.GAN(*networks(3 if conditional else None)))
    dataset = tf.data.Dataset.from_tensor_slices((images(), np.arange(64) % 3)).batch(16)
    with_names = dataset.map(lambda x, y: element(x, y))
    if conditional:
        fit(gan, with_names)
    else:
        with pytest.warns(UserWarning, match="labels"):
            fit(gan, with_names)
    assert gan.evaluate(with_names, verbose=0, return_dict=True) == gan.evaluate(dataset, verbose=0, return_dict=True)
    assert int(gan.step.numpy()) == 4


def test_weights_of_named_tuples_are_left_out_by_the_advice():
    element = collections.namedtuple("Element", ["image", "label", "weight"])
    gan = compiled(kg.GAN(*networks(3)))
    x = tf.data.Dataset.from_tensor_slices((images(), np.arange(64) % 3, np.ones(64))).batch(16).map(element)
    with pytest.raises(DataError, match="without weights: make them with") as refused:
        fit(gan, x)
    fit(gan, eval(str(refused.value).split("make them with `")[1].split("`")[0], {"x": x}))


@pytest.mark.parametrize("named", [False, True])
def test_labels_before_images_are_swapped_by_the_advice(named):
    element = collections.namedtuple("Element", ["label", "image"])
    gan = compiled(kg.GAN(*networks(3)))
    x = tf.data.Dataset.from_tensor_slices((np.arange(64) % 3, images())).batch(16)
    x = x.map(lambda label, image: element(label, image)) if named else x
    with pytest.raises(DataError, match="swap them with") as refused:
        fit(gan, x)
    advice = str(refused.value).split("swap them with `")[1].split("`")[0]
    fit(gan, eval(advice, {"x": x}))


def test_a_dataset_that_was_batched_twice_is_unbatched_by_the_advice():
    dataset = tf.data.Dataset.from_tensor_slices(images()).batch(16)
    with pytest.raises(DataError, match=r"batched twice: call `x\.unbatch\(\)`"):
        fit(compiled(), dataset.batch(2))
    fit(compiled(), dataset.batch(2).unbatch())


def test_a_step_is_traced_again_for_a_changed_array_and_not_for_a_variable():
    traces = []

    class Scaled(kg.penalties.R1):
        def __init__(self):
            super().__init__()
            self.slope, self.tables = tf.Variable(1.0), {"weights": [np.zeros(2_000)]}

        def __call__(self, discriminate, real, fake, noise):
            traces.append(self.tables["weights"][0][1_000])
            value, norm = super().__call__(discriminate, real, fake, noise)
            return value * self.slope, norm

    class Anneals(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.penalties[0].slope.assign(1.0 / (epoch + 1))
            if epoch == 2:
                self.model.penalties[0].tables["weights"][0][1_000] = 7.0

    gan = compiled(kg.GAN(*networks(), penalties=[Scaled()]))
    fit(gan, epochs=4, callbacks=[Anneals()])
    assert set(traces) == {0.0, 7.0}
    assert len(traces) == 2 * traces.count(0.0)
    before = len(traces)
    gan.penalties[0].slope = tf.Variable(3.0)
    fit(gan)
    assert len(traces) > before


def test_files_stay_in_one_directory_where_the_working_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    class Mover(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            os.chdir(tmp_path / "other" if epoch else tmp_path)

    writers = [
        kg.callbacks.SampleGrid("samples", 4),
        kg.callbacks.MetricsLog("metrics.csv"),
        kg.callbacks.TensorBoard("logs"),
        kg.callbacks.Checkpoint("checkpoints", monitor="d_loss"),
    ]
    fit(compiled(), epochs=2, callbacks=[Mover(), *writers], validation_data=images(16), validation_freq=2)
    assert not list((tmp_path / "other").iterdir())
    assert "val_d_loss" in (tmp_path / "metrics.csv").read_text()
    names = [path.name for path in (tmp_path / "samples").glob("epoch_*.png")]
    assert sorted(names) == ["epoch_0000.png", "epoch_0001.png", "epoch_0002.png"]


# Networks and consoles


def test_an_output_of_several_is_taken_by_the_advice():
    pixels = keras.Input(SHAPE)
    x = keras.layers.Flatten()(pixels)
    discriminator = keras.Model(pixels, {"aux": keras.layers.Dense(10)(x), "logits": keras.layers.Dense(1)(x)})
    with pytest.raises(ModelContractError, match=r"`keras\.Model\(network\.inputs, network\.output\['logits'\]\)`"):
        kg.GAN(networks()[0], discriminator)
    fit(compiled(kg.GAN(networks()[0], keras.Model(discriminator.inputs, discriminator.output["logits"]))))


def test_an_objective_without_a_gradient_is_named():
    pixels = keras.Input(SHAPE)
    stopped = keras.layers.Lambda(tf.stop_gradient)(keras.layers.Dense(1)(keras.layers.Flatten()(pixels)))
    gan = compiled(kg.GAN(networks()[0], keras.Model(pixels, stopped)))
    with pytest.raises(ValueError, match=r"`discriminator`.*look for `tf\.stop_gradient`"):
        fit(gan)


def test_a_console_without_unicode_shows_escapes(tmp_path):
    name = tmp_path / "日本.npz"
    np.savez(name, images=np.random.default_rng(0).integers(0, 256, (70, 8, 8, 1)).astype("uint8"))
    command = [sys.executable, "-m", "kerasgan", "inspect", str(name), f"--out={tmp_path / 'samples.png'}"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "\\u65e5\\u672c.npz" in done.stdout
