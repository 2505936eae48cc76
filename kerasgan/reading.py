"""The batches of a run: read from any step on, and the position in them saved."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasgan import buffers, data_checks, iterators
from kerasgan.data import Batches
from kerasgan.errors import CheckpointMismatchError

# How exact a position is: exact; exact if the dataset gives the same batches each time it is read; approximate.
EXACT, REPLAYED, APPROXIMATE = "exact", "replayed", "approximate"
_READ_AHEAD = 4  # training steps of which batches are read ahead, one to be safe


class Reader:
    """Reads the dataset of a run, training step by training step.

    The position in a dataset of ours is a number, that of the batches which the model has taken. In a pipeline of the
    user's it is the state of its iterator, if that can be saved; otherwise the batches are read again.

    Args:
        model, batches, rewind: As in `training.Training`.

    Attributes:
        iterator: Iterator over training steps; None before `begin` or `restore`.
        too_large: String, what keeps the state of the iterator from being saved; None where nothing does.
    """

    def __init__(self, model: keras.Model, batches: Batches, rewind: Callable[[], None]):
        self._model = model
        self._batches = batches
        self._rewind = rewind
        self._seekable = batches.seekable
        self._replicas = model.num_replicas
        self._first = model.batches_taken
        self.iterator: Any = None
        self.too_large: str | None = None

    def begin(self, anew: bool = False) -> None:
        """Makes the iterator, unless there is one and it need not be made `anew`, because the model has moved."""
        if self.iterator is None or anew:
            self.iterator = self._read()

    def look_for_large_buffers(self) -> None:
        """Sets `too_large`. To be called before the first step, because it may read from the dataset."""
        if self._has_state:
            step = self._model.batches_per_step * (buffers.bytes_in(self._batches.dataset.element_spec) or 0)
            self.too_large = buffers.too_large(self._batches.dataset, _READ_AHEAD * step)

    def state(self) -> tuple[dict, bytes | None]:
        """Returns the position: what JSON can hold of it, and the state of the iterator where that is part of it."""
        kind, data = self._position()
        return {"first": self._first, "data": kind}, data

    def iterator_at(self, data: bytes) -> Iterator | None:
        """An iterator in the state that `state` returned, which must fit; None where steps are counted instead."""
        if not self._has_state:
            return None
        iterator = self._read()
        try:
            iterators.move(iterator, data)
        except tf.errors.OpError as error:
            raise CheckpointMismatchError(
                "The checkpoint's position in the data does not fit this dataset, which has other transformations: "
                "build it as it was, or name another directory to start over."
            ) from error
        return iterator

    def restore(self, state: dict, iterator: Iterator | None) -> str:
        """Resumes from a state, with the iterator of `iterator_at`, after the model; returns how exact that is."""
        self._first, kind = state["first"], state["data"]
        if kind == EXACT and not self._seekable and iterator is None:
            kind = REPLAYED  # the number of replicas has changed since
        self.iterator = iterator or self._read(replay=kind != EXACT)
        return kind

    @property
    def _has_state(self):
        """Whether the iterator has a state that could be saved: those over several replicas have none."""
        return not self._seekable and self._replicas == 1

    def _read(self, replay=False):
        model = self._model
        dataset = self._batches.for_training(model.batches_per_step, model.batches_taken)
        if replay:
            dataset = dataset.skip((model.batches_taken - self._first) // model.batches_per_step)
        data_checks.check_divisible(dataset, self._replicas, model.pack)
        self._rewind()
        if self._replicas > 1:
            dataset = model.distribute_strategy.experimental_distribute_dataset(dataset)
        return iter(dataset)

    def _position(self):
        if self._seekable:
            return EXACT, None
        if not self._has_state or self.too_large:
            return REPLAYED, None
        self.begin()
        try:
            data = iterators.position(self.iterator)
        except tf.errors.FailedPreconditionError:  # a random op with a state, or Python
            return APPROXIMATE, None
        read_ahead = _READ_AHEAD * (buffers.bytes_in(self.iterator.element_spec) or 0)
        if len(data) > buffers.LIMIT + read_ahead:  # an autotuned `prefetch` has grown
            self.too_large = f"the batches that are read ahead hold {buffers.shown(len(data))}"
            return REPLAYED, None
        return EXACT, data
