"""Randomness as a function of (seed, step).

Nothing here remembers: a draw is named by the seed, the step and its number within the step. So a run that is stopped
and resumed draws what it would have drawn, eager, graph and XLA draw the same, and N replicas draw together what one
would have drawn alone.
"""

import contextlib
import re
import threading
from unittest import mock

import keras
import tensorflow as tf

from kerasgan import _keras

# The draws of an update are numbered from (update + 1) * 4096 on, those of an evaluation from far below; 0 is left to
# `generate`.
_DRAWS = 2**12
# Among the draws of an update, the one that stock random layers are seeded with: far behind all others.
_SEEDS = 2**11
_EVALUATION = -(2**62)


def training_position(update):
    """Number of the first draw of an update, int64."""
    return (tf.cast(update, tf.int64) + 1) * _DRAWS


def evaluation_position(batch):
    """Number of the first draw for a batch of an evaluation, int64."""
    return tf.cast(batch, tf.int64) * _DRAWS + _EVALUATION


def image_position(number):
    """Number of the first draw of the layers for an image, int64: between those of evaluations and that of latents."""
    return -(tf.cast(number, tf.int64) + 1) * _DRAWS


class Stream:
    """Draws for one update, in order.

    The leading axis of a shape is the batch on this replica. The numbers for the global batch are drawn and this
    replica's slice is taken.

    Args:
        seed: Integer, or int64 scalar tensor, in [0, 2**63).
        position: Int64 scalar tensor, the number of the first draw.
    """

    def __init__(self, seed, position):
        self.seed = seed
        self.position = position
        self.drawn = 0

    def normal(self, shape):
        """Standard normal float32 tensor of this shape."""
        return self._draw(tf.random.stateless_normal, shape)

    def uniform(self, shape):
        """Float32 tensor of this shape, uniform in [0, 1)."""
        return self._draw(tf.random.stateless_uniform, shape)

    def mean_over_replicas(self, value):
        """Mean over the replicas of a value each of them has."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return value
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)

    def _draw(self, function, shape):
        key = self.key()
        batch, *rest = shape
        context = tf.distribute.get_replica_context()
        replicas = 1 if context is None else context.num_replicas_in_sync
        # Philox by name: the default algorithm differs between XLA and the rest.
        values = function((batch * replicas, *rest), key, alg="philox")
        if replicas == 1:
            return values
        start = tf.cast(context.replica_id_in_sync_group, tf.int32) * batch
        return values[start : start + batch]

    def key(self):
        """Int64 tensor `(2,)`, the key of the next draw."""
        key = tf.stack([tf.cast(self.seed, tf.int64), self.position + self.drawn])
        self.drawn += 1
        return key


_scope = threading.local()


@contextlib.contextmanager
def using(stream):
    """Makes `stream` the source of what layers draw inside the block: `kerasgan.layers.Dropout` and the like."""
    previous, _scope.stream = current(), stream
    try:
        yield stream
    finally:
        _scope.stream = previous


def current():
    """The stream in use, or None outside a kerasgan step."""
    return getattr(_scope, "stream", None)


def advance_spectral_norms(network):
    """Makes one power iteration in each spectral layer: once an update, not at each call."""
    for layer in _keras.layers_of(network):
        if hasattr(layer, "power_iteration"):
            layer.power_iteration()


class Writes(keras.StatelessScope):
    """Keeps what is assigned to Keras variables inside the block, and seeds `keras.random` from a stream.

    A `keras.random.SeedGenerator` is found when it draws, wherever it is kept: its state is a function of the stream
    then, and so of (seed, step), as everything drawn, and other numbers on each replica.

    Args:
        stream: The `Stream` of the update.

    Attributes:
        variables: List of the variables that were assigned to, states of seed generators aside.
        seeds: List of the states of the seed generators that drew.
    """

    def __init__(self, stream):
        super().__init__(collect_losses=True)
        self.variables, self.seeds = [], []
        self._stream = Stream(stream.seed, stream.position + _SEEDS)

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and variable.path.endswith("seed_generator_state"):
            value = self.state_mapping[id(variable)] = self._stream._draw(_integers, (1, 2))[0]
            self.seeds.append(variable)
        return value

    def add_update(self, update):
        variable, _ = update
        if all(variable is not known for known in (*self.variables, *self.seeds)):
            self.variables.append(variable)
        super().add_update(update)


def _integers(shape, key, alg):
    return tf.random.stateless_uniform(shape, key, 0, 2**31 - 1, tf.int64, alg=alg)


def is_foreign(layer):
    """Whether code that is neither Keras's nor ours runs in the layer."""
    return isinstance(layer, keras.layers.Lambda) or type(layer).__module__.split(".")[0] not in ("keras", "kerasgan")


@contextlib.contextmanager
def everything_from(stream):
    """Inside the block everything is drawn from the stream, also by layers that draw with `tf.random`.

    For what is traced once; not for several threads at a time.
    """

    def drawn(function):
        return lambda shape, dtype=tf.float32, **seeds: function(shape, stream.key(), dtype=dtype, alg="philox")

    def integers(shape, minval, maxval, **seeds):
        return tf.random.stateless_uniform(shape, stream.key(), minval, maxval, minval.dtype, alg="philox")

    redirected = {
        "random_standard_normal": drawn(tf.random.stateless_normal),
        "random_uniform": drawn(tf.random.stateless_uniform),
        "truncated_normal": drawn(tf.random.stateless_truncated_normal),
        "random_uniform_int": integers,
    }
    with using(stream), Writes(stream), mock.patch.multiple(_keras.random_ops, **redirected):
        yield


def layers_that_draw(network, training=False):
    """Names of the layers that draw random numbers when the network is called.

    Args:
        network: Keras model.
        training: Whether it is called for training.

    Returns:
        Two lists: of layers that draw with `keras.random`, and of layers that draw from a state of TensorFlow's.
    """
    layers = _keras.layers_of(network)
    if not any(_keras.seed_generators_of(layer) or is_foreign(layer) for layer in layers):
        return [], []
    owners = {id(generator.state): layer.name for layer in layers for generator in _keras.seed_generators_of(layer)}
    drawn = []

    @tf.function
    def trace(*inputs):
        with Writes(Stream(0, tf.constant(0, tf.int64))) as writes:
            network(list(inputs) if len(inputs) > 1 else inputs[0], training=training)
        drawn.extend(owners.get(id(state), "with a generator of its own") for state in writes.seeds)

    graph = trace.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in network.inputs)).graph
    stateful = [
        operation.name
        for operation in graph.get_operations()
        if operation.op_def.is_stateful and any(word in operation.type for word in ("Random", "Truncated", "Rng"))
    ]
    names = [layer.name for layer in layers if is_foreign(layer)]
    return drawn, list(dict.fromkeys(owner(operation, names) for operation in stateful))


def owner(operation, names):
    """Which of the layers of these names the operation of a graph belongs to; its own name where none does."""
    for scope in reversed(operation.split("/")):
        for name in (scope, re.sub(r"_\d+$", "", scope)):  # TensorFlow adds numbers to names that it has seen
            if name in names:
                return name
    return operation
