"""Strategies that come and go: two in one process, a run that changes its devices, a worker that ends."""

import json
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import weights
from processes import WORKER, Cluster
from test_distribution import SHAPE, networks, sgd, wait_for

import kerasgan as kg
from kerasgan import cli, distribution
from kerasgan.errors import StrategyError, WorkerError

# Two strategies in one process


def test_the_same_devices_have_the_same_strategy(mirrored):
    assert distribution.strategy("mirrored") is distribution.strategy("mirrored") is mirrored


def test_a_strategy_that_cannot_be_made_is_tried_again(monkeypatch):
    attempts = []

    def connect(name):
        attempts.append(name)
        raise ValueError("no TPU")

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    monkeypatch.setenv("TPU_NAME", "elsewhere")
    for _ in range(2):
        with pytest.raises(ValueError, match="no TPU"):
            distribution.strategy("tpu")
    assert attempts == ["elsewhere", "elsewhere"]


TWICE = """
    import sys
    import tensorflow as tf
    sys.path.insert(0, {tests!r})
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import kerasgan as kg
    for units in 16, 24:
        with {strategy}.scope():
            shape = 8, 8, 1
            gan = kg.GAN(kg.networks.mlp_generator(shape, 4, (units,)), kg.networks.mlp_discriminator(shape, (units,)))
            gan.compile()
        gan.fit(kg.datasets.load("digits", 64), steps_per_epoch=2, verbose=0)
        print("trained", units)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "a second object"])
def test_models_of_other_shapes_are_trained_one_after_the_other_or_refused_in_words(ours):
    strategy = "kg.distribution.strategy('mirrored')" if ours else "tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])"
    code = textwrap.dedent(TWICE.format(tests=os.path.dirname(__file__), strategy=strategy))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "trained 16" in ended.stdout, ended.stderr
    if ours:
        assert "trained 24" in ended.stdout, ended.stderr
    else:
        assert ended.returncode == 1
        assert "StrategyError: Another MirroredStrategy was used in this process" in ended.stderr
        assert "use one strategy for all models: `kerasgan.distribution.strategy()`" in ended.stderr


def test_errors_of_replicas_are_explained_and_others_left_alone(mirrored, monkeypatch):
    message = "Collective ops is aborted by: Shape mismatch in the collective instance 100."
    with pytest.raises(StrategyError, match="Another MirroredStrategy"), distribution.explained(mirrored):
        raise tf.errors.InvalidArgumentError(None, None, message)
    with pytest.raises(tf.errors.UnavailableError), distribution.explained(mirrored):
        raise tf.errors.UnavailableError(None, None, "Socket closed")
    monkeypatch.setattr(distribution, "has_workers", lambda strategy: True)
    with pytest.raises(WorkerError, match=r"restart all of them.*Socket closed$"), distribution.explained(mirrored):
        raise tf.errors.UnavailableError(None, None, "Socket closed\nAdditional information")
    message = "Graph execution error:\n\nCollective ops is aborted by: tasks are unhealthy\nRestart your program"
    with pytest.raises(WorkerError, match=r"aborted by: tasks are unhealthy$"), distribution.explained(mirrored):
        raise tf.errors.InternalError(None, None, message)
    with pytest.raises(tf.errors.InvalidArgumentError), distribution.explained(mirrored):
        raise tf.errors.InvalidArgumentError(None, None, "Incompatible shapes")


def test_the_command_ends_with_75_where_another_worker_has_ended(monkeypatch, capsys):
    def run(*args):
        raise WorkerError("Another worker has ended.")

    monkeypatch.setattr(cli, "_run", run)
    assert cli.main(["train", "--json"]) == 75
    printed = capsys.readouterr()
    assert printed.err == "kerasgan train: Another worker has ended.\n"
    assert json.loads(printed.out) == {"error": "Another worker has ended.", "exit_code": 75}


# Another number of replicas


def own_pipeline():
    x = np.random.default_rng(0).uniform(-1, 1, (320, *SHAPE)).astype("float32")
    return tf.data.Dataset.from_tensor_slices(x).shuffle(320, seed=1).batch(64, drop_remainder=True)


DATA = {"kerasgan.datasets": lambda: kg.datasets.load("digits", 64), "tf.data": own_pipeline}


def trained(directory, data, epochs, strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = kg.WGANGP(*networks(normalization="batch"), n_critic=2, ema_momentum=0.9)
        model.compile(*sgd())
    fit = {"epochs": epochs, "steps_per_epoch": 5, "verbose": 0}
    model.fit(DATA[data](), callbacks=[kg.callbacks.Checkpoint(directory, every=4)], **fit)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("data", DATA)
@pytest.mark.filterwarnings("ignore:Resuming from", "ignore:Checkpoints do not hold", "ignore:A run that resumes")
def test_a_run_on_two_replicas_resumes_on_one_and_on_two_again(tmp_path, mirrored, data):
    one = tf.distribute.get_strategy()
    calm = trained(tmp_path / "calm", data, 6, mirrored)
    for epochs, strategy in ((2, mirrored), (4, one), (6, mirrored)):
        resumed = trained(tmp_path / "resumed", data, epochs, strategy)
    assert int(resumed.step.numpy()) == 30
    received = weights(resumed)
    for name, value in weights(calm).items():
        np.testing.assert_allclose(received[name], value, rtol=0, atol=1e-5, err_msg=name)
    for name, values in calm.history.history.items():
        np.testing.assert_allclose(resumed.history.history[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def checkpointed(directory):
    newest = kg.checkpoint.newest(directory / "checkpoints")
    with np.load(newest / "state.npz") as arrays:
        return {name: arrays[name] for name in arrays if not name.startswith("metrics/")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Resuming from")
def test_the_command_resumes_on_another_number_of_replicas(tmp_path, mirrored):
    run, calm = tmp_path / "run", tmp_path / "calm"
    options = ["--nolearning_rate_decay", "--batch_size=64", "--units=16", "--n_critic=2"]
    assert cli.main(["train", "--strategy=mirrored", f"--workdir={calm}", "--steps=24", *options]) == 0
    assert cli.main(["train", "--strategy=mirrored", f"--workdir={run}", "--steps=8", *options]) == 0
    assert cli.main(["resume", str(run), "--strategy=one", "--steps=16"]) == 0
    assert cli.main(["resume", str(run), "--strategy=mirrored", "--steps=24"]) == 0
    received, expected = checkpointed(run), checkpointed(calm)
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, rtol=0, atol=1e-5, err_msg=name)


# A worker that ends


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "other"])
def test_when_a_worker_is_killed_the_command_ends_the_other_with_75_at_once(tmp_path, killed):
    command = [*WORKER, "test_strategies", "train_for_long", tmp_path / "run"]
    with Cluster(tmp_path, command, command) as cluster:
        wait_for(cluster, 18)
        cluster.processes[killed].kill()
        assert cluster.processes[1 - killed].wait(30) == 75, cluster.printed()
        assert "Another worker has ended or cannot be reached: restart all" in cluster.logs[1 - killed].read_text()


def train_for_long(directory):
    """The command, which says each step of the chief's."""
    from kerasgan import callbacks

    class Said(callbacks.Progress):
        def on_train_batch_end(self, batch, logs=None):
            print("step", self.model.training.step, flush=True)

    callbacks.Progress = Said
    run = [f"--workdir={directory}", "--steps=100000", "--batch_size=64", "--units=16"]
    sys.exit(cli.main(["train", "--strategy=multiworker", *run]))
