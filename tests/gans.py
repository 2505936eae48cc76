"""The smallest networks, trained by SGD, which hides nothing, and how far two trainings are apart."""

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
    return [np.array(v) for v in model.weights] + [
        np.array(v) for o in (model.d_optimizer, model.g_optimizer) for v in o.variables
    ]


def distance(a, b):
    differences = [np.abs(x.astype("f8") - y.astype("f8")).max() for x, y in zip(weights(a), weights(b), strict=True)]
    return float(np.max(differences))  # NaN if any is


def trained(make, epochs=2, data=None, **compile_arguments):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(**{**sgd(), **compile_arguments})
    model.fit(images() if data is None else data, batch_size=8 if data is None else None, epochs=epochs, verbose=0)
    return model
