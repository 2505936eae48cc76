"""Every number that a public constructor or function takes is checked, and is NumPy's as well as Python's."""

import inspect
import json

import keras
import numpy as np
import pytest

import kerasgan as kg
from kerasgan import constraints, images, layers, metrics, networks, optimization, penalties
from kerasgan.datasets import synthetic

SHAPE = (8, 8, 1)
X = np.random.default_rng(0).normal(size=(40, 2))
PICTURES = np.random.default_rng(0).normal(size=(3, 16, 16, 1))
FRAMES = [np.zeros((2, 2, 1), "uint8")]


def gan(**arguments):
    return networks.mlp_generator(SHAPE, 4, (8,)), networks.mlp_discriminator(SHAPE, (8,))


# The public callables with numbers, what else each takes, and of each number one that is good and some that are not.
WEIGHT = {"good": 2, "bad": (-1, np.inf)}
POSITIVE = {"good": 2, "bad": (0, -1, np.inf)}
COUNT = {"good": 3, "bad": (0, 2.5)}
MOST = {"good": 3, "bad": (1, 2.5)}
SEED = {"good": 3, "bad": (-1, 2.5)}
SHARE = {"good": np.float32(0.5), "bad": (0, 1, 2)}
WIDTHS = {"units": {"good": (np.int64(3),), "bad": (0, (0,), (2.5,))}}
RESIDUAL = {"filters": COUNT, "blocks": COUNT, "group_width": COUNT}
CONVOLUTIONAL = {"filters": COUNT, "kernel_size": COUNT}
CASES = {
    penalties.Penalty: ({"weight": 1.0, "name": "penalty"}, {"every": COUNT}),
    penalties.GradientPenalty: ((), {"weight": WEIGHT, "every": COUNT}),
    penalties.LipschitzPenalty: ((), {"weight": WEIGHT, "every": COUNT}),
    penalties.DRAGANPenalty: ((), {"weight": WEIGHT, "scale": POSITIVE, "every": COUNT}),
    penalties.R1: ((), {"gamma": WEIGHT, "every": COUNT}),
    penalties.R2: ((), {"gamma": WEIGHT, "every": COUNT}),
    constraints.Clip: ((), {"clip": POSITIVE}),
    optimization.adam: ({"beta_1": 0.5, "beta_2": 0.9}, {"learning_rate": WEIGHT}),
    optimization.rmsprop: ((), {"learning_rate": WEIGHT}),
    optimization.linear_decays: ((), {"learning_rate": WEIGHT, "steps": COUNT, "n_critic": COUNT}),
    layers.LeakyReLU: ((), {"negative_slope": WEIGHT}),
    layers.Dropout: ((), {"rate": {"good": np.float32(0.5), "bad": (-1, 1.5)}}),
    layers.SpectralDense: ((), {"units": COUNT}),
    layers.SpectralConv2D: (({"kernel_size": 3}), {"filters": COUNT}),
    networks.dcgan_generator: ((SHAPE,), {"latent_dim": COUNT, "num_classes": COUNT, **CONVOLUTIONAL}),
    networks.dcgan_discriminator: ((SHAPE,), {"num_classes": COUNT, **CONVOLUTIONAL}),
    networks.dcgan_encoder: ((SHAPE,), {"latent_dim": COUNT, **CONVOLUTIONAL}),
    networks.mlp_generator: ((SHAPE,), {"latent_dim": COUNT, "num_classes": COUNT, **WIDTHS}),
    networks.mlp_discriminator: ((SHAPE,), {"num_classes": COUNT, **WIDTHS}),
    networks.mlp_encoder: ((SHAPE,), {"latent_dim": COUNT, **WIDTHS}),
    networks.r3gan_generator: ((SHAPE,), {"latent_dim": COUNT, "num_classes": COUNT, **RESIDUAL}),
    networks.r3gan_discriminator: ((SHAPE,), {"num_classes": COUNT, **RESIDUAL}),
    networks.resnet_generator: ((SHAPE,), {"latent_dim": COUNT, "num_classes": COUNT, "filters": COUNT}),
    networks.resnet_discriminator: ((SHAPE,), {"num_classes": COUNT, "filters": COUNT}),
    kg.WGAN: (gan(), {"clip": POSITIVE, "n_critic": COUNT}),
    kg.WGANGP: (gan(), {"weight": WEIGHT}),
    kg.R3GAN: (gan(), {"gamma": WEIGHT}),
    metrics.prdc: ((X, X), {"k": COUNT}),
    metrics.PRDC: ((), {"k": COUNT, "most": {"good": 30, "bad": (1, 2.5)}}),
    metrics.ModeCoverage: ((X, 0.1), {"most": MOST}),
    metrics.FrechetDistance: ((), {"most": MOST}),
    metrics.InceptionScore: ((metrics.pixels,), {"most": {"good": 30, "bad": (1, 2.5)}, "splits": COUNT}),
    metrics.KernelDistance: ((), {"most": MOST}),
    metrics.SlicedWassersteinDistance: ((), {"most": MOST}),
    metrics.WassersteinDistance: ((), {"most": MOST}),
    metrics.expected_coverage: ((10, 10), {"k": COUNT}),
    metrics.copy_rate: ((X, X), {"quantile": SHARE}),
    metrics.duplicate_rate: ((X, X), {"fraction": SHARE}),
    metrics.inception_score: ((X,), {"splits": COUNT}),
    metrics.mode_coverage: ((X, X, 0.1), {"radius": POSITIVE, "enough": COUNT}),
    metrics.mode_coverage_of_labels: ((np.arange(3),), {"num_modes": COUNT, "enough": COUNT}),
    metrics.sliced_wasserstein_distance: ((X, X), {"num_directions": COUNT}),
    images.grid: ((PICTURES,), {"padding": {"good": 3, "bad": (-1, 2.5)}, "columns": COUNT, "scale": COUNT}),
    synthetic.ring_modes: ((), {"modes": COUNT, "radius": POSITIVE}),
    synthetic.ring: ((), {"num_examples": COUNT, "modes": COUNT, "radius": POSITIVE, "std": WEIGHT, "seed": SEED}),
    synthetic.grid: ((), {"num_examples": COUNT, "std": WEIGHT, "seed": SEED}),
    synthetic.swiss_roll: ((), {"num_examples": COUNT, "noise": WEIGHT, "seed": SEED}),
}
# Seeds are NumPy's affair where they only order examples; the others have tests of their own, with files or a dataset.
ELSEWHERE = {"seed", "save_gif.duration", "save_grid.padding", "stacked_mnist.num_examples"}
ELSEWHERE |= {"QualityMetric.most", "train_classifier.held_out", "train_classifier.filters", "train_classifier.verbose"}
NUMBERS = [(kind, name) for kind, (_, numbers) in CASES.items() for name in numbers]


def called(kind, name, value):
    others, numbers = CASES[kind]
    positional, named = ((), others) if isinstance(others, dict) else (others, {})
    named = {**{other: number["good"] for other, number in numbers.items()}, **named, name: value}
    return kind(*positional, **named)


def test_every_number_of_a_public_callable_is_in_these_tests():
    missing = set()
    for module in (penalties, constraints, layers, networks, metrics, images, synthetic):
        for name, kind in inspect.getmembers(module, callable):
            if name.startswith("_") or not kind.__module__.startswith("kerasgan"):
                continue
            if kind.__module__ == "kerasgan.errors":
                continue
            if inspect.isclass(kind) and str(getattr(kind.__init__, "__module__", "")).startswith("keras."):
                continue  # inherited: Keras checks them, or does not
            for parameter in inspect.signature(kind).parameters.values():
                if type(parameter.default) in (int, float) and parameter.name not in CASES.get(kind, ((), {}))[1]:
                    missing |= {f"{name}.{parameter.name}"}
    assert {one for one in missing if not {one, one.split(".")[1]} & ELSEWHERE} == set()


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", one))
def test_a_value_that_is_no_number_of_the_range_is_refused_by_the_name_of_its_argument(kind, name):
    for bad in (*CASES[kind][1][name]["bad"], np.nan, True, "2", [2.0], np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match=f"Invalid value for argument `{name}`"):
            called(kind, name, bad)


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", one))
def test_a_number_of_numpy_is_a_number_and_is_kept_as_one_of_python(kind, name):
    good = CASES[kind][1][name]["good"]
    values = [good] if isinstance(good, tuple) else [np.int64(good)] if isinstance(good, int) else [np.float32(good)]
    if good == 2:
        values += [np.float32(good)]
    for value in values:
        made = called(kind, name, value)
        if hasattr(made, "get_config") and not isinstance(made, keras.Model):
            json.dumps(made.get_config()[name])
        if isinstance(made, kg.GAN):
            assert type(getattr(made, name)) in (int, float)


def test_a_shape_of_numpy_is_a_shape():
    for shape in (tuple(np.array(SHAPE)), np.array(SHAPE), list(SHAPE)):
        assert networks.dcgan_generator(shape, 4, 4).output_shape == (None, *SHAPE)
