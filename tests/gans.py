"""The smallest networks, trained by SGD, which hides nothing, and how far two trainings are apart."""

import contextlib

import keras
import numpy as np

import kerasgan as kg

SHAPE = (4, 4, 1)


def networks(num_classes=None, **kwargs):
    return (
        kg.networks.mlp_generator(SHAPE, 3, (8,), num_classes=num_classes),
        kg.networks.mlp_discriminator(SHAPE, (8,), num_classes=num_classes, **kwargs),
    )


def images(n=64, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *SHAPE)).astype("float32")


def sgd():
    return {"d_optimizer": keras.optimizers.SGD(0.01), "g_optimizer": keras.optimizers.SGD(0.01)}


def weights(model):
    """Every variable that training changes, by name: networks, optimizers, counters and seeds, but not metrics."""
    return {name: variable.numpy() for name, variable in model.state().items() if not name.startswith("metrics/")}


def distance(a, b):
    before, after = weights(a), weights(b)
    assert before.keys() == after.keys()
    return float(np.max([np.abs(before[name].astype("f8") - after[name].astype("f8")).max() for name in before]))


@contextlib.contextmanager
def unchanged(model):
    """Asserts that a block changes nothing that is trained."""
    before = weights(model)
    yield
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


# The arguments of `compile` for each way to run; on replicas a model is made and compiled in their scope.
MODES = {
    "graph": {},
    "two steps an execution": {"steps_per_execution": 2},
    "XLA": {"jit_compile": True},
    "replicas": {},
}


def scope_of(mode, mirrored):
    """Where a model of this mode is made and compiled; `mirrored` is the fixture."""
    return mirrored.scope() if mode == "replicas" else contextlib.nullcontext()


def trained(make, epochs=2, data=None, mode="graph", mirrored=None, **compile_arguments):
    keras.utils.set_random_seed(0)
    with scope_of(mode, mirrored):
        model = make()
        model.compile(**{**sgd(), **MODES[mode], **compile_arguments})
    model.fit(images() if data is None else data, batch_size=8 if data is None else None, epochs=epochs, verbose=0)
    return model
