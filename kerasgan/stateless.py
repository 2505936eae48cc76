"""Randomness as a function of (seed, step).

Nothing here has state: a draw is named by the seed, the step and its number within the step. So a resumed run draws
what it would have drawn, eager, graph and XLA draw the same, and N replicas together draw what one would have drawn.
"""

import contextlib
import math
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from unittest import mock

import keras
import tensorflow as tf

from kerasgan import _keras

# The draws of an update are numbered from (update + 1) * 4096 on, those of an evaluation from far below zero; 0 is
# left to `generate`.
_DRAWS = 2**12
# Within an update, the first draw that seeds stock random layers: far behind all others.
_SEEDS = 2**11
# The first draw of an augmentation: a run with one draws everything else as without it.
_AUGMENTATION = 2**10
_EVALUATION = -(2**62)


def training_position(update: int | tf.Tensor) -> tf.Tensor:
    """Number of the first draw of an update, int64."""
    return (tf.cast(update, tf.int64) + 1) * _DRAWS


def evaluation_position(batch: int | tf.Tensor) -> tf.Tensor:
    """Number of the first draw for a batch of an evaluation, int64."""
    return tf.cast(batch, tf.int64) * _DRAWS + _EVALUATION


def image_position(number: int | tf.Tensor) -> tf.Tensor:
    """Number of the layers' first draw for an image, int64: between those of evaluations and that of latents."""
    return -(tf.cast(number, tf.int64) + 1) * _DRAWS


class Stream:
    """Draws for one update, in order.

    The leading axis of a shape is the batch on this replica: the numbers of the global batch are drawn, and this
    replica takes its slice.

    Args:
        seed: Integer, or int64 scalar tensor, in [0, 2**63).
        position: Int64 scalar, the number of the first draw.
    """

    def __init__(self, seed: int | tf.Tensor, position: tf.Tensor) -> None:
        self.seed = seed
        self.position = position
        self.drawn = 0

    def normal(self, shape: Sequence) -> tf.Tensor:
        """Standard normal float32."""
        return self._draw(_normal, shape)

    def uniform(self, shape: Sequence) -> tf.Tensor:
        """Uniform float32 in [0, 1)."""
        return self._draw(_uniform, shape)

    def key(self) -> tf.Tensor:
        """The key of the next draw, int64 `(2,)`."""
        key = tf.stack([tf.cast(self.seed, tf.int64), self.position + self.drawn])
        self.drawn += 1
        return key

    def for_augmentation(self) -> "Stream":
        """The draws that are left to augmentation."""
        return Stream(self.seed, self.position + _AUGMENTATION)

    def _draw(self, function, shape):
        batch, *rest = shape
        replica = _one_of_several()
        replicas = 1 if replica is None else replica.num_replicas_in_sync
        values = function((batch * replicas, *rest), self.key())
        if replica is None:
            return values
        # On a TPU the replica's number is a tensor; `values[start : start + batch]` would have no static size there.
        start = tf.cast(replica.replica_id_in_sync_group, tf.int32) * batch
        return tf.slice(values, [start, *[0] * len(rest)], [batch, *rest])


# XLA makes other floats of the same random words than TensorFlow's kernels do. Ours are those of the kernels, of normal
# numbers up to the last digits.


def _words(shape, key):
    """Random uint32. Philox by name: the default algorithm differs between XLA and the rest."""
    return tf.random.stateless_uniform(shape, key, None, None, tf.uint32, alg="philox")


def _of_words(words):
    """Float32 in [0, 1), from the lower 23 bits."""
    return tf.cast(tf.bitwise.bitwise_and(words, tf.constant(2**23 - 1, tf.uint32)), tf.float32) * 2.0**-23


def _uniform(shape, key):
    return _of_words(_words(shape, key))


def _normal(shape, key):
    """By Box and Muller's method, of two words two numbers."""
    count = math.prod(shape) if all(isinstance(size, int) for size in shape) else tf.reduce_prod(shape)
    pairs = _of_words(_words(((count + 1) // 2, 2), key))
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(pairs[:, 0], 1e-7)))
    angle = 2.0 * math.pi * pairs[:, 1]
    numbers = tf.reshape(tf.stack([radius * tf.sin(angle), radius * tf.cos(angle)], -1), (-1,))
    return tf.reshape(numbers[:count], shape)


def mean_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Mean over the replicas of a value that each of them has."""
    replica = _one_of_several()
    return value if replica is None else replica.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def _one_of_several():
    """The context of this replica, or None if it is the only one."""
    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context


_scope = threading.local()


@contextlib.contextmanager
def using(stream: Stream) -> Iterator[Stream]:
    """Makes `stream` the source of what layers such as `kerasgan.layers.Dropout` draw inside the block."""
    previous, _scope.stream = current(), stream
    try:
        yield stream
    finally:
        _scope.stream = previous


def current() -> Stream | None:
    """The stream in use, or None outside a kerasgan step."""
    return getattr(_scope, "stream", None)  # each thread begins without one


def advance_spectral_norms(network: keras.Model) -> None:
    """Makes one power iteration in each spectral layer: once an update, not at each call."""
    for layer in _keras.layers_of(network):
        if hasattr(layer, "power_iteration"):  # `kerasgan.layers` imports this module
            layer.power_iteration()


class Writes(keras.StatelessScope):
    """Keeps what is assigned to Keras variables inside the block, and seeds `keras.random` from a stream.

    Every `keras.random.SeedGenerator` is found when it draws: its state then is a function of the stream, and so of
    (seed, step), and differs between replicas.

    Attributes:
        variables: The variables that were assigned to, except states of seed generators.
        seeds: The states of the seed generators that drew.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(collect_losses=True)
        self.variables: list[keras.Variable] = []
        self.seeds: list[keras.Variable] = []
        self._stream = Stream(stream.seed, stream.position + _SEEDS)

    def get_current_value(self, variable: keras.Variable) -> tf.Tensor | None:
        value = super().get_current_value(variable)
        if value is None and variable.path.endswith("seed_generator_state"):
            value = self.state_mapping[id(variable)] = self._stream._draw(_integers, (1, 2))[0]
            self.seeds.append(variable)
        return value

    def add_update(self, update: tuple[keras.Variable, tf.Tensor]) -> None:
        variable, _ = update
        if all(variable is not known for known in (*self.variables, *self.seeds)):
            self.variables.append(variable)
        super().add_update(update)


def _integers(shape, key):
    return tf.random.stateless_uniform(shape, key, 0, 2**31 - 1, tf.int64, alg="philox")


@contextlib.contextmanager
def everything_from(stream: Stream) -> Iterator[None]:
    """Inside the block, layers that draw with `tf.random` draw from the stream too.

    For what is traced once, by one thread at a time.
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


def traced(network: keras.Model, call: Callable[[keras.Model, tf.Tensor | list[tf.Tensor]], object]) -> tf.Graph:
    """The graph of `call(network, inputs)` for symbolic inputs of the network."""

    @tf.function
    def trace(*inputs):
        return call(network, list(inputs) if len(inputs) > 1 else inputs[0])

    return trace.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in network.inputs)).graph


def layers_that_draw(network: keras.Model, training: bool = False) -> tuple[list[str], list[str]]:
    """Names of the layers that draw random numbers when the network is called.

    Returns: Those that draw with `keras.random`, and those that draw from TensorFlow's own state.
    """
    layers = _keras.layers_of(network)
    foreign = [layer.name for layer in layers if _is_foreign(layer)]
    if not foreign and not any(_keras.seed_generators_of(layer) for layer in layers):
        return [], []
    owners = {id(generator.state): layer.name for layer in layers for generator in _keras.seed_generators_of(layer)}
    drawn: list[str] = []

    def call(network, inputs):
        with Writes(Stream(0, tf.constant(0, tf.int64))) as writes:
            network(inputs, training=training)
        drawn.extend(owners.get(id(state), "with a generator of its own") for state in writes.seeds)

    stateful = [
        operation.name
        for operation in traced(network, call).get_operations()
        if operation.op_def.is_stateful and any(word in operation.type for word in ("Random", "Truncated", "Rng"))
    ]
    return drawn, list(dict.fromkeys(owner(operation, foreign) for operation in stateful))


def _is_foreign(layer):
    """Whether the layer runs code that is neither Keras's nor ours."""
    return isinstance(layer, keras.layers.Lambda) or type(layer).__module__.split(".")[0] not in ("keras", "kerasgan")


def owner(operation: str, layers: Collection[str]) -> str:
    """The one of these layers that an operation of a graph belongs to; the operation's own name if none does."""
    for scope in reversed(operation.split("/")):
        for name in (scope, re.sub(r"_\d+$", "", scope)):  # TensorFlow adds numbers to names that it has seen
            if name in layers:
                return name
    return operation
