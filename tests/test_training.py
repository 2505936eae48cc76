"""`fit` goes on from a checkpoint as if it had not stopped."""

import signal

import keras
import numpy as np
import pytest

import kerasgan as kg


def model(variant=kg.WGANGP, **kwargs):
    keras.utils.set_random_seed(3)
    networks = (
        kg.networks.mlp_generator((8, 8, 1), latent_dim=4, units=(8,)),
        kg.networks.mlp_discriminator((8, 8, 1), units=(8,)),
    )
    gan = variant(*networks, **kwargs)
    gan.compile()
    return gan


def weights(gan):
    return {name: variable.numpy() for name, variable in gan.state().items() if not name.startswith("metrics/")}


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


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)], ids=["TERM", "INT"]
)
def test_a_training_that_is_ended_by_a_signal_goes_on_to_the_same_weights_log_and_history(tmp_path, number, status):
    calm, history = train(tmp_path / "calm", steps_per_epoch=5)
    with pytest.raises(status) as caught:
        train(tmp_path / "ended", [TerminatedAt(8, number)], steps_per_epoch=5)
    assert number == signal.SIGINT or caught.value.code == 143
    assert kg.checkpoint.checkpoints(tmp_path / "ended/checkpoints")[0].name == "step-00000008-epoch-0001"
    resumed, resumed_history = train(tmp_path / "ended", steps_per_epoch=5)
    assert_same(calm, resumed)
    assert resumed_history.history == history.history
    assert resumed_history.epoch == [0, 1, 2]

    def rows(name):
        lines = (tmp_path / name / "metrics.csv").read_text().splitlines()
        return [[*line.split(",")[:2], *line.split(",")[3:]] for line in lines]  # without the seconds

    assert rows("ended") == rows("calm")
