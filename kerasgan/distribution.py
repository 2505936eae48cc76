"""Which devices a run uses."""

import contextlib
import functools
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasgan.errors import StrategyError, WorkerError, invalid

_SUPPORTED = (
    tf.distribute.MirroredStrategy,
    tf.distribute.MultiWorkerMirroredStrategy,
    tf.distribute.OneDeviceStrategy,
    tf.distribute.TPUStrategy,
)
# How TensorFlow reports a worker that has ended to the others.
_OF_WORKERS = (tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.UnavailableError)
_ABORTED = "Collective ops is aborted by"


def strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns the `tf.distribute.Strategy` of a name. Call it before the first TensorFlow operation.

    The same devices have the same strategy, however often it is called: TensorFlow numbers the collective operations of
    each strategy from one start, so those of a second strategy would meet those of the first.

    Args:
        name: `"one"`: one device. `"mirrored"`: all GPUs of this machine, or the logical CPUs where there are none.
            `"multiworker"`: the workers of the environment variable TF_CONFIG. `"tpu"`: the TPU that the environment
            variable TPU_NAME names, else that of this machine.
            `"auto"`: all workers if TF_CONFIG names several, else a TPU, else all GPUs, else one device.

    Raises:
        ValueError: There are no such devices, or no such strategy.
    """
    if name == "auto":
        name = _fitting()
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        return _mirrored(*(device.name for device in gpus or tf.config.list_logical_devices("CPU")))
    if name == "multiworker":
        if _workers() < 2:
            expected = "one for which TF_CONFIG names two or more workers: set it on each"
            raise invalid("strategy", expected, f"strategy='multiworker', {_workers()} workers in TF_CONFIG")
        return _multiworker(os.environ["TF_CONFIG"])
    if name == "tpu":
        return _tpu(os.environ.get("TPU_NAME", "local"))
    raise invalid("strategy", "'auto', 'one', 'mirrored', 'multiworker' or 'tpu'", f"strategy={name!r}")


@functools.cache
def _mirrored(*devices):
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multiworker(cluster):
    """The strategy of TF_CONFIG's value, which TensorFlow reads itself."""
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def _tpu(name):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(name)
    except (ValueError, tf.errors.OpError) as error:
        raise invalid("strategy", "one whose devices are there: use 'auto'", f"strategy='tpu' ({error})") from error
    return tf.distribute.TPUStrategy(resolver)


def accelerated() -> bool:
    """Whether this machine has a GPU or a TPU."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))


def check_eager(what: str, advice: str = "") -> None:
    """Refuses to go on inside a graph.

    Args:
        what: What is to happen outside of it.
        advice: What to do instead.

    Raises:
        RuntimeError: A function of TensorFlow is being traced, a graph of TensorFlow 1 is being made, or eager
            execution is off.
    """
    if not tf.executing_eagerly():
        raise RuntimeError(
            f"{what} outside of `tf.function` and `tf.Graph`, with eager execution: without "
            f"`tf.compat.v1.disable_eager_execution()`.{advice}"
        )


def check_scope() -> None:
    """Refuses the scope of a strategy whose replicas do not take every step together, and graphs.

    Raises:
        RuntimeError: As `check_eager`.
        ValueError: The scope is that of a ParameterServerStrategy, for example.
    """
    check_eager("Make the model")
    strategy = tf.distribute.get_strategy()
    if tf.distribute.has_strategy() and not isinstance(strategy, _SUPPORTED):
        expected = f"{', '.join(kind.__name__ for kind in _SUPPORTED)}: build the model in the scope of one, or of none"
        raise invalid("strategy", expected, _kind(strategy))


def check_made_here(argument: str, variables: Sequence[keras.Variable]) -> None:
    """Refuses variables that were made outside of the current scope.

    Args:
        argument: Name of the object that holds the variables.
        variables: The variables.

    Raises:
        ValueError: A variable was made in another scope, or in none.
    """
    strategy = tf.distribute.get_strategy()
    made_here = strategy.extended.variable_created_in_scope
    if tf.distribute.has_strategy() and not all(made_here(variable.value) for variable in variables):
        expected = f"one that is made in the scope of the {_kind(strategy)}, as the model is: put it under the `with`"
        raise invalid(argument, expected, "one that was made outside of it")


def check_same_scope(strategy: tf.distribute.Strategy | None) -> None:
    """Refuses `compile` in another scope than the one in which the model was built.

    Args:
        strategy: That of the model, or None.

    Raises:
        ValueError: The current scope is another.
    """
    here = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
    if here is strategy:
        return
    scope = "outside of a scope" if strategy is None else f"inside `with strategy.scope():` of its {_kind(strategy)}"
    received = "`compile` outside of a scope" if here is None else f"`compile` in the scope of a {_kind(here)}"
    raise invalid("strategy", f"one for the model and `compile`: call it {scope}, where the model was built", received)


def has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are spread over several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this is the process that writes and prints."""
    return strategy.extended.should_checkpoint


def wait(strategy: tf.distribute.Strategy) -> None:
    """Waits until all workers have called this: one that leaves earlier takes the others with it."""
    if has_workers(strategy):
        gathered(strategy, 0)


@contextlib.contextmanager
def explained(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Says in words why replicas cannot go on together.

    Raises:
        StrategyError: Another strategy of this process has used the same devices.
        WorkerError: Another worker has ended.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if "Shape mismatch in the collective instance" in error.message:
            raise StrategyError(
                f"Another {_kind(strategy)} was used in this process, and TensorFlow confuses their operations. "
                "Restart it, and use one strategy for all models: `kerasgan.distribution.strategy()` always returns "
                "the same."
            ) from error
        if has_workers(strategy) and (_ABORTED in error.message or isinstance(error, _OF_WORKERS)):
            lines = error.message.splitlines()
            reason = next((line for line in lines if _ABORTED in line), lines[0])
            raise WorkerError(
                "Another worker has ended or cannot be reached: restart all of them, and each resumes from the newest "
                f"checkpoint. TensorFlow says: {reason}"
            ) from error
        raise


def gathered(strategy: tf.distribute.Strategy, value: int | Sequence[int]) -> np.ndarray:
    """Returns the values that all workers call this with, int64, replicas first. All of them have to call it.

    Args:
        strategy: That of the model.
        value: Integer, or a list of integers, as long as that of the other workers.
    """
    with explained(strategy):
        return strategy.gather(strategy.run(lambda: tf.constant([value], tf.int64)), axis=0).numpy()


def on_replicas(model: keras.Model, step: Callable) -> Callable:
    """A function of an iterator: one step on all replicas of a model, and the means of its values over them."""
    strategy = model.distribute_strategy

    def function(iterator):
        values = strategy.run(step, args=(next(iterator),))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in values.items()}

    return function if model.run_eagerly else tf.function(function, reduce_retracing=True)


def with_warm_up(model: keras.Model) -> Callable:
    """A function of an iterator: as many updates of a GAN's discriminator as it wants, then one step."""
    step, critic_step = on_replicas(model, model.train_step), on_replicas(model, model.critic_step)

    def function(iterator):
        updates = model.critic_updates(int(model.step.numpy()))
        for _ in range(math.ceil(updates / model.n_critic) - 1):
            critic_step(iterator)
        return step(iterator)

    return function


def _kind(strategy):
    return type(strategy).__name__


def _fitting():
    if _workers() > 1:
        return "multiworker"
    if tf.config.list_physical_devices("TPU"):
        return "tpu"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one"


def _workers():
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        values = json.loads(text)
        cluster = values.get("cluster", {})
        count = len(cluster.get("worker", ())) + len(cluster.get("chief", ()))
        if count > 1:  # which of them this one is
            values["task"]["type"], values["task"]["index"]
        return count
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        expected = 'JSON such as {"cluster": {"worker": ["host:port", ...]}, "task": {...}}; unset it on one machine'
        raise invalid("TF_CONFIG", expected, text) from error
