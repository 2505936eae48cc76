"""A small model, and what is asked of trainings of it."""

import signal

import keras
import numpy as np
from gans import weights

import kerasgan as kg

IMAGES = np.random.default_rng(0).uniform(-1, 1, (96, 8, 8, 1)).astype("float32")


def model(variant=kg.WGANGP, **kwargs):
    """A compiled model; a critic has two updates per step, not the five of the papers, which take longer to trace."""
    if issubclass(variant, (kg.WGAN, kg.WGANGP)):
        kwargs = {"n_critic": 2, **kwargs}
    keras.utils.set_random_seed(3)
    networks = (
        kg.networks.mlp_generator((8, 8, 1), latent_dim=4, units=(8,)),
        kg.networks.mlp_discriminator((8, 8, 1), units=(8,)),
    )
    gan = variant(*networks, **kwargs)
    gan.compile()
    return gan


def assert_same(a, b):
    for name, value in weights(a).items():
        np.testing.assert_array_equal(value, weights(b)[name], err_msg=name)


class TerminatedAt(keras.callbacks.Callback):
    """Sends a signal to the process at the n-th step from now, or at the first batch of the validation."""

    def __init__(self, step=None, number=signal.SIGTERM, validation=False):
        super().__init__()
        self.step, self.number, self.validation = step, number, validation

    def on_train_batch_end(self, batch, logs=None):
        self.step = None if self.step is None else self.step - 1
        if self.step == 0:
            signal.raise_signal(self.number)

    def on_test_batch_begin(self, batch, logs=None):
        if self.validation:
            self.validation = False
            signal.raise_signal(self.number)


def train(directory, interruption=(), make=model, data=None, **fit):
    gan = make()
    log = kg.callbacks.MetricsLog(directory / "metrics.csv", every=4)
    callbacks = [*interruption, log, kg.callbacks.Checkpoint(directory / "checkpoints", every=3)]
    data = kg.datasets.load("digits", 128) if data is None else data()
    history = gan.fit(data, epochs=3, verbose=0, callbacks=callbacks, **fit)
    return gan, history
