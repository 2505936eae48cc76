"""What every model can do: the rows of the README's support matrix, which scripts/support_matrix.py makes of this file.

A test is a row, or several where it is parametrised by more than the model; a model is a column. By default every
model has its first row, every row a model or two, those whose code the row depends on; `-m slow` runs the rest.
"""

import contextlib
import functools
import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from processes import WORKER, Cluster
from selection import each

import kerasgan as kg
from kerasgan.model import GenerativeModel

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (32, *SHAPE)).astype("float32")


def networks():
    return kg.networks.mlp_generator(SHAPE, 3, (8,)), kg.networks.mlp_discriminator(SHAPE, (8,))


def adversarial(variant, **kwargs):
    return lambda: variant(*networks(), ema_momentum=0.9, **kwargs)


MODELS = {
    "GAN": adversarial(kg.GAN),
    "WGAN": adversarial(kg.WGAN, n_critic=1, clip=0.3),  # 0.01 would leave nothing to move
    "WGANGP": adversarial(kg.WGANGP, n_critic=2),
    "WGANLP": adversarial(kg.WGANLP, n_critic=1),
    "DRAGAN": adversarial(kg.DRAGAN),
    "LSGAN": adversarial(kg.LSGAN),
    "R3GAN": adversarial(kg.R3GAN),
    "VAE": lambda: kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), kg.networks.mlp_generator(SHAPE, 3, (8,))),
}
# Losses that no variant has.
FURTHER_LOSSES = "minimax", "hinge", kg.losses.Paired(keras.losses.MeanSquaredError(), wanted=0.9)
FURTHER = {type(kg.losses.get(loss)).__name__: adversarial(kg.GAN, loss=loss) for loss in FURTHER_LOSSES}

PRECISIONS = ["float32", "mixed_bfloat16", "mixed_float16"]
# Of weights and logs after three steps, which move every network by a thousandth or more: of sums in another order.
TOLERANCE = {"float32": 1e-5, "mixed_bfloat16": 2e-3, "mixed_float16": 5e-4}

# A penalty squares a gradient, of which bfloat16 keeps 8 bits: four units in the last place. Without instructions for
# bfloat16 XLA computes in float32 on a CPU, rounds less often, and is 0.9 % off.
LOG_TOLERANCE = {**TOLERANCE, "mixed_bfloat16": 4 * 2.0**-8}


def each_model(*by_default):
    return pytest.mark.parametrize("name", each(MODELS, by_default))


def compiled(name, strategy=None, rate=0.01, **arguments):
    """The model with SGD: Adam would hide gradients that are a multiple of what they should be."""
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = {**MODELS, **FURTHER}[name]()
        optimizers = [keras.optimizers.SGD(rate) for _ in range(1 if name == "VAE" else 2)]
        if keras.config.dtype_policy().name == "mixed_float16":  # the default scale of 2**15 would skip steps
            optimizers = [keras.optimizers.LossScaleOptimizer(one, initial_scale=2.0**8) for one in optimizers]
        model.compile(*optimizers, **arguments)
    return model


def fitted(model, epochs=1):
    model.fit(IMAGES, batch_size=8, epochs=epochs, steps_per_epoch=3, verbose=0)
    return model


def trained(name, precision="float32", xla=False, strategy=None, **arguments):
    keras.config.set_dtype_policy(precision)
    try:
        return fitted(compiled(name, strategy, jit_compile=xla, **arguments))
    finally:
        keras.config.set_dtype_policy("float32")


def outcome(model):
    """All weights, and what has been logged."""
    logs = {f"log/{name}": np.asarray(values) for name, values in model.history.history.items()}
    return logs | {name: variable.numpy() for name, variable in model.state().items() if name[:7] != "metrics"}


@functools.cache
def calm(name):
    """A model that has been trained, and is only looked at, and what came of it."""
    model = fitted(compiled(name))
    return model, outcome(model)


@functools.cache
def reference(name, precision="float32"):
    """On one device, without XLA."""
    return calm(name)[1] if precision == "float32" else outcome(trained(name, precision))


def assert_close(received, expected, precision):
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = (LOG_TOLERANCE if name.startswith("log/") else TOLERANCE)[precision]
        np.testing.assert_allclose(received[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def assert_networks_close(received, expected):
    """Of trainings in different precisions, whose optimizers have different variables."""
    for name, value in expected.items():
        if name.startswith(("generator/", "discriminator/", "encoder/")):
            np.testing.assert_allclose(received[name], value, atol=5e-3, err_msg=name)


def assert_equal(received, expected):
    for name, value in expected.items():
        np.testing.assert_array_equal(received[name], value, err_msg=name)


def test_every_public_model_is_in_the_matrix():
    public = {name: getattr(kg, name) for name in kg.__all__}
    models = {name for name, one in public.items() if isinstance(one, type) and issubclass(one, GenerativeModel)}
    assert set(MODELS) == models


@pytest.mark.parametrize(
    ("module", "base", "parts"),
    [
        (kg.penalties, kg.penalties.Penalty, lambda model: model.penalties),
        (kg.losses, kg.losses.AdversarialLoss, lambda model: [model.loss]),
    ],
    ids=["penalties", "losses"],
)
def test_every_public_penalty_and_loss_is_in_a_model_of_the_matrix(module, base, parts):
    public = {
        one for one in vars(module).values() if isinstance(one, type) and issubclass(one, base) and one is not base
    }
    models = [make() for name, make in {**MODELS, **FURTHER}.items() if name != "VAE"]
    assert {type(part) for model in models for part in parts(model)} == {
        one for one in public if one.__name__[0] != "_"
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", FURTHER)
def test_further_losses(name, mirrored, tmp_path):
    model = fitted(compiled(name))
    model.save(tmp_path / "model.keras")
    assert_equal(outcome(fitted(keras.models.load_model(tmp_path / "model.keras"))), outcome(fitted(model)))
    for arguments in ({"xla": True}, {"run_eagerly": True}, {"strategy": mirrored}):
        assert_close(outcome(trained(name, **arguments)), reference(name), "float32")
    for precision in PRECISIONS[1:]:
        assert_networks_close(outcome(trained(name, precision)), reference(name))


@each_model("WGAN")
def test_the_reference_moves_every_network(name):
    before, after = outcome(fitted(compiled(name, rate=1e-30))), reference(name)
    for network in compiled(name).networks:
        moved = max(np.abs(before[key] - after[key]).max() for key in after if key.startswith(f"{network}/"))
        assert moved > 0.001, network


# What a model is for


@each_model(*MODELS)
def test_fit_and_evaluate(name):
    model, _ = calm(name)
    assert all(np.isfinite(values).all() for values in model.history.history.values())
    values = model.evaluate(IMAGES, batch_size=8, verbose=0, return_dict=True)
    assert values.keys() == model.history.history.keys()
    assert np.isfinite(list(values.values())).all()


@each_model(*MODELS)
def test_predict_and_generate(name):
    model, _ = calm(name)
    latents = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    images = model.predict(latents, verbose=0)
    assert images.shape == (5, *SHAPE)
    np.testing.assert_allclose(images, model(latents), atol=1e-6)
    assert model.generate(5).shape == (5, *SHAPE)


@each_model("WGANGP", "VAE")
def test_save_load_and_fit(name, tmp_path):
    model = fitted(compiled(name))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal(outcome(fitted(loaded)), outcome(fitted(model)))


@each_model("R3GAN")
def test_save_weights_load_and_fit(name, tmp_path):
    model = fitted(compiled(name))
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = compiled(name)
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert_equal(outcome(fitted(loaded)), outcome(fitted(model)))


@each_model("WGAN")
def test_stop_and_resume(name, tmp_path):
    calm = compiled(name)
    calm.fit(IMAGES, batch_size=8, epochs=2, steps_per_epoch=3, verbose=0)
    for epochs in (1, 2):
        resumed = compiled(name)
        checkpoint = kg.callbacks.Checkpoint(tmp_path)
        resumed.fit(IMAGES, batch_size=8, epochs=epochs, steps_per_epoch=3, verbose=0, callbacks=[checkpoint])
    assert_equal(outcome(resumed), outcome(calm))


@each_model("LSGAN")
def test_export(name, tmp_path):
    model, _ = calm(name)
    served = tf.saved_model.load(model.export(tmp_path / "served"))
    latents = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    images = served.signatures["serving_default"](latents=latents)["images"]
    np.testing.assert_allclose(images, model(latents), atol=1e-6)


@each_model("DRAGAN")
def test_steps_per_execution(name):
    assert_close(outcome(trained(name, steps_per_execution=3)), reference(name), "float32")


@each_model("GAN", "WGANGP", "WGANLP")
def test_run_eagerly(name):
    assert_close(outcome(trained(name, run_eagerly=True)), reference(name), "float32")


# Precision, strategy, XLA


def each_combination(*by_default):
    """Every model in every precision without and with XLA.

    Args:
        *by_default: Strings, "MODEL-PRECISION-plain" or "-xla": the combinations that always run.
    """
    combinations = [
        pytest.param(
            *(name, precision, xla),
            id=(combination := f"{name}-{precision}-{'xla' if xla else 'plain'}"),
            marks=[] if combination in by_default else [pytest.mark.slow],
        )
        for name, precision, xla in itertools.product(MODELS, PRECISIONS, [False, True])
    ]
    assert {*by_default} <= {one.id for one in combinations}
    return pytest.mark.parametrize(("name", "precision", "xla"), combinations)


@each_combination(
    *("WGANGP-float32-plain", "WGANGP-float32-xla"),
    *("R3GAN-mixed_bfloat16-plain", "R3GAN-mixed_bfloat16-xla"),
    *("WGANGP-mixed_float16-plain", "WGANGP-mixed_float16-xla"),
)
def test_one_device(name, precision, xla):
    received = outcome(trained(name, precision, xla))
    assert all(np.isfinite(value).all() for value in received.values())
    assert_close(received, reference(name, precision), precision)
    if precision != "float32":  # and they are not another training
        assert_networks_close(received, reference(name))


@each_combination(
    *("R3GAN-float32-plain", "R3GAN-float32-xla"),
    *("VAE-mixed_bfloat16-plain", "WGANGP-mixed_float16-plain"),
)
def test_mirrored(name, precision, xla, mirrored):
    received = outcome(trained(name, precision, xla, mirrored))
    assert_close(received, reference(name, precision), precision)


# In one pair of processes by default, and in another with `-m slow`.
ON_WORKERS_BY_DEFAULT = ("WGANGP", "VAE")


def train_all(directory, xla, precision, *names):
    """What each of two workers does."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    for name in names:
        arrays = outcome(trained(name, precision, xla == "True", strategy))
        np.savez(pathlib.Path(directory) / f"{name}-{precision}.npz", **arrays)


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """A function of XLA, the precision and models: directories with what each of two workers has trained."""

    @functools.cache
    def directories(xla, precision, names):
        directories = [tmp_path_factory.mktemp("worker") for _ in range(2)]
        arguments = ("test_support_matrix", "train_all")
        commands = [[*WORKER, *arguments, directory, xla, precision, *names] for directory in directories]
        with Cluster(directories[0], *commands) as cluster:
            assert cluster.ended(timeout=900) == [0, 0], cluster.printed()
        return directories

    return directories


@each_combination(*(f"{name}-float32-plain" for name in ON_WORKERS_BY_DEFAULT))
def test_multiworker(name, precision, xla, workers):
    by_default = name in ON_WORKERS_BY_DEFAULT and precision == "float32" and not xla
    alike = ON_WORKERS_BY_DEFAULT if by_default else tuple(MODELS)
    for directory in workers(xla, precision, alike):
        received = dict(np.load(directory / f"{name}-{precision}.npz"))
        assert_close(received, reference(name, precision), precision)
