"""Which devices a training runs on."""

import json
import os

import tensorflow as tf

from kerasgan.errors import invalid


def strategy(name="auto"):
    """The `tf.distribute.Strategy` of a name; to be made before the first TensorFlow operation.

    Args:
        name: `"one"`: one device. `"mirrored"`: all GPUs of this machine, or the logical CPUs where there are none.
            `"multiworker"`: the workers of the environment variable TF_CONFIG. `"tpu"`: the TPU of this machine.
            `"auto"`: all workers if TF_CONFIG names several, else a TPU, else all GPUs, else one device.

    Raises:
        ValueError: There are no such devices, or there is no such strategy.
    """
    if name == "auto":
        name = _fitting()
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    if name == "multiworker":
        if _workers() < 2:
            expected = "one for which TF_CONFIG names two or more workers: set it on each"
            raise invalid("strategy", expected, f"strategy='multiworker', {_workers()} workers in TF_CONFIG")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        except (ValueError, tf.errors.OpError) as error:
            raise invalid("strategy", "one whose devices are there: use 'auto'", f"strategy='tpu' ({error})") from error
        return tf.distribute.TPUStrategy(resolver)
    raise invalid("strategy", "'auto', 'one', 'mirrored', 'multiworker' or 'tpu'", f"strategy={name!r}")


def is_chief(strategy):
    """Whether this process is the one that writes and prints."""
    return strategy.extended.should_checkpoint


def wait(strategy):
    """Returns when all workers have come here: one that leaves earlier takes the others with it."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        strategy.reduce("SUM", strategy.run(lambda: tf.constant(0.0)), axis=None)


def _fitting():
    if _workers() > 1:
        return "multiworker"
    if tf.config.list_physical_devices("TPU"):
        return "tpu"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one"


def _workers():
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return len(cluster.get("worker", ())) + len(cluster.get("chief", ()))
