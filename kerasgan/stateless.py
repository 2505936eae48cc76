"""Randomness as a function of (seed, step).

Nothing here remembers: a draw is named by the seed, the step and its number within the step. So a run that is stopped
and resumed draws what it would have drawn, eager, graph and XLA draw the same, and N replicas draw together what one
would have drawn alone.
"""

import contextlib
import threading

import tensorflow as tf

# The draws of an update are numbered from (update + 1) * 4096 on, those of an evaluation from far below; 0 is left to
# `generate`.
_DRAWS = 2**12
_EVALUATION = -(2**62)


def training_position(update):
    """Number of the first draw of an update, int64."""
    return (tf.cast(update, tf.int64) + 1) * _DRAWS


def evaluation_position(batch):
    """Number of the first draw for a batch of an evaluation, int64."""
    return tf.cast(batch, tf.int64) * _DRAWS + _EVALUATION


class Stream:
    """Draws for one update, in order.

    The leading axis of a shape is the batch on this replica. The numbers for the global batch are drawn and this
    replica's slice is taken.

    Args:
        seed: Int in [0, 2**63).
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

    def seeds(self, count):
        """Int64 tensor `(count, 2)` of seeds, other ones on each replica."""

        def integers(shape, key, alg):
            return tf.random.stateless_uniform(shape, key, 0, 2**31 - 1, tf.int64, alg=alg)

        return self._draw(integers, (count, 2))

    def mean_over_replicas(self, value):
        """Mean over the replicas of a value each of them has."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return value
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)

    def _draw(self, function, shape):
        key = tf.stack([tf.constant(self.seed, tf.int64), self.position + self.drawn])
        self.drawn += 1
        batch, *rest = shape
        context = tf.distribute.get_replica_context()
        replicas = 1 if context is None else context.num_replicas_in_sync
        # Philox by name: the default algorithm differs between XLA and the rest.
        values = function((batch * replicas, *rest), key, alg="philox")
        if replicas == 1:
            return values
        start = tf.cast(context.replica_id_in_sync_group, tf.int32) * batch
        return values[start : start + batch]


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
    for layer in network._flatten_layers():
        if hasattr(layer, "power_iteration"):
            layer.power_iteration()


def seed_states(networks):
    """The variables that stock random layers (`keras.random.SeedGenerator`) keep their state in."""
    layers = [layer for network in networks for layer in network._flatten_layers()]
    return [generator.state for layer in layers for generator in layer._seed_generators]


def seeds_of(networks, stream):
    """Pairs of such a state and its value in this update: a function of the stream, as everything that is drawn."""
    states = list({id(state): state for state in seed_states(networks)}.values())
    return list(zip(states, tf.unstack(stream.seeds(len(states))), strict=True)) if states else []
