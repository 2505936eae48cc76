"""The average of a generator's weights (EMA), which images come from: how it starts, and how it moves."""

import zlib

import keras
import tensorflow as tf

from kerasgan import inference
from kerasgan.errors import ModelContractError, invalid


def of(network: keras.Model) -> keras.Model:
    """A copy of a network, not trainable, from which an average starts; raises a ModelContractError as `copied`."""
    average = copied(network, network)
    average.name = f"ema_{network.name}"
    average.trainable = False
    average.started_from = _checksum(average)
    return average


def copied(network: keras.Model, averaged: keras.Model) -> keras.Model:
    """A copy of a network with the weights of its average.

    Raises:
        ModelContractError: Keras cannot copy it.
    """

    def same(layer):  # Keras refuses to copy a Lambda, which has no variables
        return layer if isinstance(layer, keras.layers.Lambda) else type(layer).from_config(layer.get_config())

    try:
        copy = keras.models.clone_model(network, clone_function=same, recursive=True)
    except Exception as error:
        expected = "None, or a generator that Keras can copy: give your own layers a `get_config` and `**kwargs`"
        raise invalid("ema_momentum", expected, str(error), ModelContractError) from error
    copy.set_weights(averaged.get_weights())
    inference.finalize(copy)
    return copy


def check(model: keras.Model) -> None:
    """Refuses to train a generator and an average that no longer have the same variables.

    Raises:
        ModelContractError: One of them has others, e.g. by LoRA or quantization.
    """
    averaged = model.networks.get("ema_generator")
    if averaged is not None and not _alike(model.generator, averaged):
        expected = "as many variables as its average has: make a new model, of the generator as it is now"
        numbers = f"{len(model.generator.weights)} variables, and {len(averaged.weights)} of the average"
        raise invalid("generator", expected, f"{numbers} (LoRA, quantization)", ModelContractError)


def start(model: keras.Model) -> None:
    """Starts a model's average anew where its generator, but not the average, was given weights before the first step.

    Graphs and replicas only read it: call this before.
    """
    averaged = model.networks.get("ema_generator")
    in_replica = tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context()
    if averaged is None or in_replica or not tf.executing_eagerly() or int(model.step.numpy()):
        return
    if not _alike(model.generator, averaged):  # which ends in `check`, if the model is trained
        return
    new, old = _checksum(model.generator), _checksum(averaged)
    if averaged.started_from == old != new:
        averaged.set_weights(model.generator.get_weights())
        inference.finalize(averaged)
        old = new
    if old == new:
        averaged.started_from = new


def move(model: keras.Model) -> None:
    """Moves a model's average, if it keeps one, by one step: averaged += (1 - m) (weight - averaged).

    The first steps average faster: m = min(ema_momentum, (1 + step) / (10 + step)), with `step` the steps before.
    """
    if model.ema_generator is None:
        return
    done = tf.cast(model.step.value, tf.float32)
    momentum = tf.minimum(model.ema_momentum, (1.0 + done) / (10.0 + done))
    for mean, variable in zip(model.ema_generator.weights, model.generator.weights, strict=True):
        if variable.trainable:
            mean.assign(mean + (1.0 - tf.cast(momentum, mean.dtype)) * (variable - mean))
        else:  # moving statistics are averages already
            mean.assign(variable)


def _alike(network, other):
    return len(network.weights) == len(other.weights)


def _checksum(network):
    checksum = 0
    for variable in network.weights:
        checksum = zlib.crc32(variable.numpy().tobytes(), checksum)
    return checksum
