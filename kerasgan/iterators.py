"""The position of an iterator over a `tf.data` pipeline, as bytes."""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from kerasgan import _keras
from kerasgan.datasets.pipeline import untuned

# tf.data's policies for an iterator whose state is partly elsewhere, in a random op or in Python.
_IGNORE, _FAIL = 1, 2
# Parts of the names of datasets that draw random numbers.
_DRAW = ("Shuffle", "Random")


def position(iterator: Iterator) -> bytes:
    """Returns the position, for `move`.

    Raises:
        tf.errors.FailedPreconditionError: Part of the state is elsewhere.
    """
    return tf.io.serialize_tensor(_state(iterator, _FAIL)).numpy()


def move(iterator: Iterator, position: bytes) -> None:
    """Moves an iterator to where another one of the same pipeline was.

    Raises:
        tf.errors.OpError: The position does not fit this pipeline.
    """
    _set_state(iterator, tf.io.parse_tensor(position, tf.variant))


def rewinder(dataset: tf.data.Dataset) -> Callable[[], None]:
    """Returns a function that undoes what reading the dataset changes in it, as far as TensorFlow can save that.

    All iterators of a dataset share the state that seeds the next order of a `shuffle`. A pipeline that reads ahead
    begins epochs that nobody asked for, one more or one less by chance, so even looking at the first batch would make
    the order of a run a matter of luck. Every transformation that draws is set back by itself, because a new iterator
    knows nothing of those below it; a cache that the look has filled stays full.
    """
    states = []
    for stage in stages(dataset):
        if any(word in type(stage).__name__ for word in _DRAW):
            stage = untuned(stage)
            with contextlib.suppress(tf.errors.OpError):  # TensorFlow cannot save it
                states.append((stage, _state(iter(stage), _IGNORE)))

    def rewind():
        for stage, state in states:
            _set_state(iter(stage), state)

    return rewind


def stages(dataset: tf.data.Dataset) -> Iterator[tf.data.Dataset]:
    """Yields the dataset and all that it is made from."""
    yield dataset
    for source in _keras.inputs_of(dataset):
        yield from stages(source)


def _state(iterator, policy):
    return tf.raw_ops.SerializeIterator(resource_handle=_keras.resource_of(iterator), external_state_policy=policy)


def _set_state(iterator, state):
    tf.raw_ops.DeserializeIterator(resource_handle=_keras.resource_of(iterator), serialized=state)
