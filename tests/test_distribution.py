"""One device, two replicas and two workers train the same model, and go on from one another's checkpoints."""

import contextlib
import csv
import errno
import functools
import json
import pathlib
import sys
import time

import keras
import numpy as np
import pytest
import steps
import tensorflow as tf
from processes import WORKER, Cluster
from selection import each, some

import kerasgan as kg
from kerasgan import layers
from kerasgan.cli import main
from kerasgan.errors import CheckpointWriteError

SHAPE, STEPS = (8, 8, 1), 20


def networks(**kwargs):
    return kg.networks.mlp_generator(SHAPE, 4, (16,), **kwargs), kg.networks.mlp_discriminator(SHAPE, (16,))


def smooth_networks():
    """Wide, without the kinks at which a difference in the last place of a float becomes another gradient."""
    latents, images = keras.Input((128,)), keras.Input(SHAPE)
    x, y = latents, keras.layers.Flatten()(images)
    for _ in range(3):
        x, y = keras.layers.Dense(512, "softplus")(x), keras.layers.Dense(512, "softplus")(y)
    x = keras.layers.Reshape(SHAPE)(keras.layers.Dense(64, "tanh")(x))
    return keras.Model(latents, x), keras.Model(images, keras.layers.Dense(1)(y))


def sgd():
    return keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01)


def adam():
    return keras.optimizers.Adam(1e-3, 0.0, 0.9), keras.optimizers.Adam(1e-3, 0.0, 0.9)


MODELS = {
    "WGAN-GP, SGD": lambda: (kg.WGANGP(*networks(), ema_momentum=0.9), sgd()),
    "WGAN-GP, Adam": lambda: (kg.WGANGP(*networks(), ema_momentum=0.9), adam()),
    "WGAN": lambda: (kg.WGAN(*networks(), clip=0.1), sgd()),
    "wide, Adam": lambda: (kg.WGANGP(*smooth_networks()), (None, None)),
    "batch normalisation": lambda: (kg.WGANGP(*networks(normalization="batch"), ema_momentum=0.9), sgd()),
}


def images():
    return kg.datasets.load("digits", 64)


def trained(name, directory, strategy=None):
    """Twenty steps with a log, and a checkpoint at the end."""
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model, optimizers = MODELS[name]()
        model.compile(*optimizers)
    callbacks = [
        kg.callbacks.MetricsLog(directory / "metrics.csv"),
        kg.callbacks.SampleGrid(directory / "samples", num_images=4),
        kg.callbacks.Checkpoint(directory / "checkpoints", every=7),
    ]
    fit = {"epochs": 4, "steps_per_epoch": STEPS // 4, "validation_data": images(), "verbose": 0}
    model.fit(images(), callbacks=callbacks, **fit)
    return model


def outcome(model):
    logs = {f"log/{name}": np.asarray(values) for name, values in model.history.history.items()}
    return logs | {name: variable.numpy() for name, variable in model.state().items() if name[:7] != "metrics"}


TOGETHER = ["WGAN-GP, Adam", "batch normalisation"]


def train_all(directory, *names):
    """What each of two workers does: they share the directory, and write what they end with under their number."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    worker = strategy.cluster_resolver.task_id
    for name in names:
        path = pathlib.Path(directory) / name
        model = trained(name, path, strategy)
        np.savez(path / f"worker-{worker}.npz", **outcome(model))


@pytest.fixture(scope="module")
def of_workers(tmp_path_factory):
    """A function of a model's name: what two workers have trained; some in one go."""

    @functools.cache
    def trained(*names):
        directory = tmp_path_factory.mktemp("workers")
        with Cluster(directory, *[[*WORKER, "test_distribution", "train_all", directory, *names]] * 2) as cluster:
            assert cluster.ended() == [0, 0], cluster.printed()
        return directory

    return lambda name: trained(*(TOGETHER if name in TOGETHER else [name])) / name


def log(directory):
    with open(directory / "metrics.csv", newline="") as file:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]


def assert_same_log(received, expected):
    assert len(received) == len(expected) == STEPS
    for one, other in zip(received, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"seconds"}:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_one_device_two_replicas_and_two_workers_train_the_same(tmp_path, name, mirrored, of_workers):
    keras.utils.set_random_seed(0)
    start = {key: variable.numpy() for key, variable in MODELS[name]()[0].state().items()}
    one = outcome(trained(name, tmp_path / "one"))
    for network in ("generator", "discriminator"):
        moved = [np.abs(one[key] - value).max() for key, value in start.items() if key.startswith(f"{network}/")]
        assert max(moved) > 3e-3, network
    others = {
        "two replicas": (tmp_path / "two", outcome(trained(name, tmp_path / "two", mirrored))),
        **{f"worker {k}": (of_workers(name), dict(np.load(of_workers(name) / f"worker-{k}.npz"))) for k in range(2)},
    }
    for who, (directory, values) in others.items():
        assert values.keys() == one.keys()
        for key, value in one.items():
            np.testing.assert_allclose(values[key], value, rtol=0, atol=1e-5, err_msg=f"{who}: {key}")
        assert_same_log(log(directory), log(tmp_path / "one"))


@pytest.mark.slow
def test_without_synchronisation_batch_normalisation_would_differ(tmp_path, mirrored):
    """What the test of it above would not see otherwise."""
    same = [outcome(trained("batch normalisation", tmp_path / "one"))]
    with pytest.MonkeyPatch.context() as patch:
        own = layers.BatchNormalization
        patch.setattr(layers, "BatchNormalization", lambda synchronized, **kwargs: own(**kwargs))
        same.append(outcome(trained("batch normalisation", tmp_path / "two", mirrored)))
    assert max(np.abs(same[0][key] - same[1][key]).max() for key in same[0] if key.startswith("generator/")) > 1e-3


# Workers that stop


def train_slowly(directory, out, steps="40"):
    """Trains on two workers, and says each step."""
    directory, strategy = pathlib.Path(directory), tf.distribute.MultiWorkerMirroredStrategy()
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model, optimizers = MODELS["WGAN-GP, Adam"]()
        model.compile(*optimizers)

    def say(batch, logs):
        print("step", model.training.step, flush=True)
        time.sleep(0.05)

    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=say)]
    callbacks += [kg.callbacks.Checkpoint(directory / "checkpoints", every=4)]
    model.fit(images(), epochs=int(steps) // 10, steps_per_epoch=10, callbacks=callbacks, verbose=0)
    np.savez(out, **outcome(model))


def slowly(directory, *out):
    return Cluster(directory, *[[*WORKER, "test_distribution", "train_slowly", one, two] for one, two in out])


def wait_for(cluster, step, worker=0):
    end = time.monotonic() + 120
    while f"step {step}\n" not in cluster.logs[worker].read_text():
        assert time.monotonic() < end, cluster.printed()
        assert cluster.processes[worker].poll() is None, cluster.printed()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The directory of a training that nothing has stopped."""
    directory = tmp_path_factory.mktemp("calm")
    with slowly(directory, (directory, directory / "0.npz"), (directory, directory / "1.npz")) as cluster:
        assert cluster.ended() == [0, 0], cluster.printed()
    return directory


def assert_goes_on(directory, calm):
    with slowly(directory, (directory, directory / "0.npz"), (directory, directory / "1.npz")) as cluster:
        assert cluster.ended() == [0, 0], cluster.printed()
    for worker in range(2):
        received = dict(np.load(directory / f"{worker}.npz"))
        for key, value in np.load(calm / "0.npz").items():
            # Means are saved as the workers' sum, in which the order of additions is another.
            tolerance = 1e-6 if key.startswith("log/") else 0
            np.testing.assert_allclose(received[key], value, rtol=tolerance, atol=tolerance, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "other"])
def test_when_a_worker_was_killed_both_go_on_from_the_last_checkpoint(tmp_path, calm, killed):
    with slowly(tmp_path, (tmp_path, tmp_path / "0.npz"), (tmp_path, tmp_path / "1.npz")) as cluster:
        wait_for(cluster, 18)
        cluster.processes[killed].kill()
        assert 0 not in cluster.ended(60), cluster.printed()  # the other fails in its next step
    newest = kg.checkpoint.newest(tmp_path / "checkpoints").name
    assert "step-00000016-epoch-0001" <= newest <= "step-00000020-epoch-0002"
    assert_goes_on(tmp_path, calm)


@pytest.mark.slow
def test_sigterm_to_all_workers_saves_once_and_ends_all_with_143(tmp_path, calm):
    with slowly(tmp_path, (tmp_path, tmp_path / "0.npz"), (tmp_path, tmp_path / "1.npz")) as cluster:
        wait_for(cluster, 13)
        cluster.processes[1].terminate()
        wait_for(cluster, 14)
        cluster.processes[0].terminate()
        assert cluster.ended(60) == [143, 143], cluster.printed()
    assert kg.checkpoint.newest(tmp_path / "checkpoints").name == "step-00000020-epoch-0001"
    assert_goes_on(tmp_path, calm)


@pytest.mark.slow
def test_sigterm_to_one_worker_ends_both(tmp_path, calm):
    with slowly(tmp_path, (tmp_path, tmp_path / "0.npz"), (tmp_path, tmp_path / "1.npz")) as cluster:
        wait_for(cluster, 13)
        cluster.processes[1].terminate()
        assert cluster.ended(60) == [143, 143], cluster.printed()
    assert_goes_on(tmp_path, calm)


def train_on_a_full_disk(directory):
    """Trains on two workers, with room for the first checkpoint alone."""
    write = kg.checkpoint.write

    def fails_later(path, step, *args):
        if step:
            raise CheckpointWriteError(errno.ENOSPC, "No space left", str(path))
        return write(path, step, *args)

    kg.checkpoint.write, strategy = fails_later, tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model, optimizers = MODELS["WGAN-GP, Adam"]()
        model.compile(*optimizers)
    callbacks = [kg.callbacks.Checkpoint(directory, on_error="warn")]
    model.fit(images(), epochs=2, steps_per_epoch=2, callbacks=callbacks, verbose=0)
    assert int(model.step.numpy()) == 4


@pytest.mark.slow
def test_workers_agree_on_when_to_save_even_if_the_disk_of_the_one_that_writes_is_full(tmp_path):
    with Cluster(tmp_path, *[[*WORKER, "test_distribution", "train_on_a_full_disk", tmp_path / "run"]] * 2) as cluster:
        assert cluster.ended(120) == [0, 0], cluster.printed()
        assert "The run continues without it" in cluster.logs[0].read_text()
    assert [path.name for path in kg.checkpoint.checkpoints(tmp_path / "run")] == ["step-00000000-epoch-0000"]


@pytest.mark.slow
def test_workers_that_do_not_share_their_directory_are_refused(tmp_path, of_workers):
    outs = [tmp_path / "0.npz", tmp_path / "1.npz"]
    with slowly(tmp_path, (of_workers("WGAN-GP, Adam"), outs[0]), (tmp_path / "other", outs[1])) as cluster:
        assert 0 not in cluster.ended(120), cluster.printed()
        for each in cluster.logs:
            assert "The workers have found different checkpoints" in each.read_text(), cluster.printed()
    assert not (tmp_path / "other/checkpoints").exists()  # the chief alone writes


# The command


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, True], ids=["once", "resumed"])
def test_the_command_trains_on_two_workers_and_resumes(tmp_path, resumed):
    command = [sys.executable, "-m", "kerasgan"]
    train = [
        *command,
        "train",
        "--strategy=multiworker",
        f"--workdir={tmp_path / 'run'}",
        "--steps=30",
        "--batch_size=64",
    ]
    with Cluster(tmp_path, *[[*train, "--units=16"]] * 2) as cluster:
        assert cluster.ended() == [0, 0], cluster.printed()
    quality = json.loads((tmp_path / "run/metrics.json").read_text())
    assert quality["steps"] == 30
    assert "directory" in cluster.logs[0].read_text()
    assert "directory" not in cluster.logs[1].read_text()  # the chief alone prints
    if resumed:
        with Cluster(tmp_path, *[[*command, "resume", tmp_path / "run", "--steps=40"]] * 2) as cluster:
            assert cluster.ended() == [0, 0], cluster.printed()
        assert json.loads((tmp_path / "run/metrics.json").read_text())["steps"] == 40
    steps = [line.split(",")[0] for line in (tmp_path / "run/metrics.csv").read_text().splitlines()[1:]]
    assert steps == [str(step) for step in range(1, 41 if resumed else 31)]


def test_several_workers_need_a_cluster_and_a_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert main(["train", "--strategy=multiworker", f"--workdir={tmp_path}"]) != 0
    assert "TF_CONFIG names two or more workers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cluster": null}', '{"cluster": {"worker": 3}}', '{"cluster": {"worker": ["a:1", "b:2"]}}'],
)
def test_a_configuration_of_workers_that_is_none_is_named(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"`TF_CONFIG`. Expected JSON such as"):
        kg.distribution.strategy()


def test_what_several_workers_cannot_do_together_is_refused_before_a_file_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kg.distribution, "has_workers", lambda strategy: True)
    flags = ["--strategy=one", "--on_non_finite=skip", f"--workdir={tmp_path / 'run'}"]
    assert main(["train", *flags]) == 2
    assert "--on_non_finite=skip: several workers would have to skip together" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# What is refused, and what a TPU would refuse


def test_a_strategy_whose_replicas_do_not_step_together_is_refused():
    strategy = tf.distribute.experimental.CentralStorageStrategy()
    with strategy.scope(), pytest.raises(ValueError, match=r"`strategy`.*MirroredStrategy.*CentralStorageStrategy"):
        kg.WGANGP(*networks())


STEPS_OF = {
    "GAN": lambda: kg.GAN(*networks(), ema_momentum=0.9),
    "WGAN": lambda: kg.WGAN(*networks(), n_critic=2),
    "WGANGP": lambda: kg.WGANGP(*networks(), n_critic=2, ema_momentum=0.9),
    "DRAGAN": lambda: kg.DRAGAN(*networks()),
    "R3GAN": lambda: kg.R3GAN(*networks(), ema_momentum=0.9),
    "VAE": lambda: kg.VAE(kg.networks.mlp_encoder(SHAPE, 4, (16,)), networks()[0]),
    "DCGAN": lambda: kg.WGANGP(
        kg.networks.dcgan_generator(SHAPE, 4, filters=4),
        kg.networks.dcgan_discriminator(SHAPE, filters=4, normalization="layer"),
        n_critic=2,
    ),
}


@pytest.mark.parametrize("replicas", some([1, 4], 1))
@pytest.mark.parametrize("name", each(STEPS_OF, ["R3GAN"]))
def test_the_whole_step_compiles_with_xla_at_static_shapes_and_calls_no_host(name, replicas):
    model = STEPS_OF[name]()
    model.compile()
    x = np.random.default_rng(0).uniform(-1, 1, (8, model.batches_per_step, *SHAPE)).astype("float32")

    @tf.function(jit_compile=True)
    def step(x, number):
        # XLA of one CPU knows neither the number of a replica nor sums over several.
        replica = steps.Replica(replicas, number=lambda: number, total=tf.identity)
        with steps.as_one_of(model, replica if replicas > 1 else None):
            return model.train_step(x)

    values = step(tf.constant(x), tf.constant(1))
    assert all(np.isfinite(value).all() for value in values.values())
    graph = step.get_concrete_function(tf.TensorSpec(x.shape), tf.TensorSpec((), tf.int32)).graph
    functions = [graph, *(function.graph for function in graph._functions.values() if hasattr(function, "graph"))]
    operations = [operation for one in functions for operation in one.get_operations()]
    assert len(operations) > 100
    kinds = {operation.type for operation in operations}
    assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaHostCompute", "Print", "PrintV2"}
    for operation in operations:
        for tensor in operation.outputs:
            if tensor.dtype not in (tf.resource, tf.variant):
                assert tensor.shape.is_fully_defined(), tensor


# What is made in one scope and used in another


def test_a_model_is_compiled_where_it_was_built(mirrored):
    with mirrored.scope():
        inside = kg.WGANGP(*networks())
    with pytest.raises(ValueError, match=r"call it inside `with strategy.scope\(\):` of its MirroredStrategy"):
        inside.compile()
    outside = kg.WGANGP(*networks())
    with mirrored.scope(), pytest.raises(ValueError, match="call it outside of a scope, where the model was built"):
        outside.compile()


def test_networks_and_optimizers_are_made_in_the_scope_of_the_model(mirrored):
    made, optimizers = networks(), sgd()
    with mirrored.scope(), pytest.raises(ValueError, match=r"`generator`. Expected one that is made in the scope of"):
        kg.WGANGP(*made)
    with mirrored.scope(), pytest.raises(ValueError, match=r"`optimizer`. Expected one that is made in the scope of"):
        kg.WGANGP(*networks()).compile(*optimizers)
