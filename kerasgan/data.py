"""`Batches`: what `fit` and `evaluate` read, from a user's data to what one step takes."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kerasgan import arguments, data_checks
from kerasgan.datasets import from_arrays
from kerasgan.datasets.advice import Form, checked_labels
from kerasgan.datasets.pipeline import as_array, checked_images, fingerprint, scale, untuned
from kerasgan.errors import DataError, checked_integer, invalid

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel

_BATCH_SIZE = 64
# Counting the batches of a dataset of unknown length ends after this long, or at this many.
_COUNTED_SECONDS = 4
_MOST_COUNTED = 100_000
ANEW = "make its iterator in the function that `from_generator` is given, so that every pass has a new one"


@dataclasses.dataclass(frozen=True)
class Batches:
    """One epoch of batches of images, or of `(images, labels)`.

    Args:
        dataset: `tf.data.Dataset` whose elements are batches.
        starting_at: Function of a number: a dataset of the batches from that one on, without end. None where only an
            iterator knows its position.
        digest: String that differs between different data; None where that is unknown.
        of_bytes: Whether the images are known to come from bytes, scaled to the generator's range.
        form: `advice.Form`, how the data were given, for the advice in errors.
    """

    dataset: tf.data.Dataset
    starting_at: Callable[[int], tf.data.Dataset] | None = None
    digest: str | None = None
    of_bytes: bool = False
    form: Form = dataclasses.field(default_factory=Form)

    @classmethod
    def of(
        cls,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        *,
        model: "GenerativeModel",
        training: bool,
        shuffle: bool = True,
    ) -> "Batches":
        """The batches of what the user gave.

        Args:
            x: Array or tensor `(n, ...)`, or a `tf.data.Dataset` of batches.
            y: Integer array `(n,)` of labels, or None.
            batch_size: Integer for arrays, by default 64 or all of fewer images; None for a dataset.
            model: `GenerativeModel` that the data are for.
            training: Whether arrays are read for training, which drops their last, partial batch.
            shuffle: Whether each epoch of a training reads arrays in a new order.

        Raises:
            DataError, DataTypeError: They cannot be read as batches.
        """
        if isinstance(x, tf.data.Dataset):
            for name, value, fix in (("y", y, "put labels into its elements"), ("batch_size", batch_size, "batch it")):
                if value is not None:
                    shape = getattr(value, "shape", ())
                    received = f"an array {tuple(shape)}" if len(shape) else f"{name}={value!r:.80}"
                    raise invalid(name, f"None, because `x` is a tf.data.Dataset: {fix}", received, DataError)
            return cls._of_dataset(x)
        bounds, form = model.output_range.bounds, Form(labelled=y is not None, array=x)
        images = checked_images(as_array(arguments.checked_kind(x, model), "x"), form, bounds)
        data_checks.check_shape(images.shape, model, form, images.dtype == np.uint8)  # before the size of a batch
        batch_size = checked_integer("batch_size", min(_BATCH_SIZE, len(images)) if batch_size is None else batch_size)
        if y is not None:
            y = checked_labels(as_array(y, "y"), len(images), form, model.num_classes, "y")
        if training:
            batches = cls._of_dataset(from_arrays(images, y, batch_size, seed=model.seed, shuffle=shuffle))
        else:
            batches = cls._in_turn(images, y, batch_size)
        batches = dataclasses.replace(batches, form=form)
        if bounds in (None, (-1.0, 1.0)) or images.dtype != np.uint8:
            return batches
        return batches.map(lambda *element: _element(stretched(element[0], bounds), *element[1:]))

    @classmethod
    def _of_dataset(cls, dataset):
        """Those of a dataset; `kerasgan.datasets` gives its own more than `tf.data` has."""
        spec = dataset.element_spec
        parts = len(spec) if isinstance(spec, tuple) else 0
        form = Form(labelled=parts > 1, parts=parts)
        if hasattr(spec, "_fields"):  # a named tuple, which TensorFlow hands on as one value
            dataset = dataset.map(lambda element: tuple(element))
            form = dataclasses.replace(form, dataset="x.map(lambda e: tuple(e))")
        known = {name: vars(dataset)[name] for name in ("starting_at", "digest", "of_bytes") if name in vars(dataset)}
        return cls(untuned(dataset), form=form, **known)

    @classmethod
    def _in_turn(cls, images, labels, batch_size):
        """All examples in a random order that is always the same: arrays may be sorted, and some metrics use only the
        first examples."""
        order = np.random.default_rng(0).permutation(len(images))
        parts = tuple(part[order] for part in ((images,) if labels is None else (images, labels)))
        dataset = untuned(tf.data.Dataset.from_tensor_slices(parts).batch(batch_size))
        dataset = dataset.map(lambda *element: _element(scale(element[0]), *element[1:]))
        return cls(dataset, None, fingerprint(images, labels, (batch_size,)), images.dtype == np.uint8)

    @property
    def seekable(self) -> bool:
        """Whether reading can begin at any batch, as with arrays and `kerasgan.datasets`."""
        return self.starting_at is not None

    def map(self, function: Callable) -> "Batches":
        """These batches with a function of the parts of an element applied; seekable if they were."""
        at = self.starting_at
        moved = at and (lambda number: at(number).map(function))
        return dataclasses.replace(self, dataset=self.dataset.map(function), starting_at=moved)

    def fitted_to(self, model: "GenerativeModel") -> "Batches":
        """The batches that `model` takes: checked, and without labels that it has no use for.

        Raises:
            DataError, DataTypeError, ModelContractError: The model cannot be trained on them.
        """
        data_checks.check(self, model)
        batches = self
        if isinstance(self.dataset.element_spec, tuple) and not model.conditional:
            batches = batches.map(lambda *element: element[0])
        if self.form.parts is None or self.seekable:
            return batches
        held = functools.partial(data_checks.held, model.image_shape, model.output_range.bounds, model.num_classes)
        return batches.map(held)

    def steps(self, batches_per_step: int, steps: int | None = None, argument: str = "steps_per_epoch") -> int:
        """Steps per epoch: `steps`, or by default what the data hold.

        Data of unknown length are read once to count them. Errors name the `argument` that `steps` came in.

        Raises:
            DataError: They are endless and there are no `steps`.
        """
        if steps is not None:
            return checked_integer(argument, steps)
        batches = int(self.dataset.cardinality())
        if batches == tf.data.INFINITE_CARDINALITY:
            expected = "a number of steps, because the dataset is endless"
            raise invalid(argument, expected, f"{argument}=None", DataError)
        if batches == tf.data.UNKNOWN_CARDINALITY:
            batches = _counted(self.dataset, argument)
        return max(1, batches // batches_per_step)

    def in_fixed_order(self) -> tf.data.Dataset:
        """The batches of the first epoch at each iteration, where the data are seekable."""
        return self.starting_at(0).take(self.dataset.cardinality()) if self.starting_at else self.dataset

    def for_training(self, batches_per_step: int, start: int = 0) -> tf.data.Dataset:
        """Groups batches so that one element is one training step.

        Every batch is that of one update of the discriminator. Elements of the result are
        `(batch, batches_per_step, ...)`, batch first, because a distribution strategy splits the first axis and every
        replica must see its part of the same minibatches. The data are repeated, so that an epoch whose length is not
        a multiple of `batches_per_step` continues into the next, and no batch is left out; where the batch size is
        not static, they are batched anew across the end of an epoch, so that no batch is partial.

        Args:
            batches_per_step: Integer >= 1.
            start: Integer, number of the first batch, where the data are seekable.
        """
        dataset = _of_static_size(self.starting_at(start) if self.starting_at else self.dataset.repeat())
        grouped = dataset.batch(batches_per_step, drop_remainder=True)
        # Few are read ahead: what waits has to be saved where the data are not seekable.
        return grouped.map(_batch_first).prefetch(2)

    def for_evaluation(
        self, model: "GenerativeModel", steps: int | None, argument: str = "steps"
    ) -> tuple["Batches", int | None]:
        """The batches of an evaluation of `model`, and how many; None for all.

        Raises:
            DataError, DataTypeError, ModelContractError: The model cannot be evaluated on them.
        """
        steps = None if steps is None else checked_integer(argument, steps)
        batches, replicas = self.fitted_to(model), model.num_replicas
        if steps is None and batches.dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
            expected = "a number of batches, because the dataset is endless"
            raise invalid(argument, expected, f"{argument}=None", DataError)
        batches = dataclasses.replace(batches, dataset=batches.in_fixed_order(), starting_at=None)
        if replicas * model.pack > 1:  # each takes an equal part of every batch, so a last, partial one is left out
            batches = dataclasses.replace(batches, dataset=_of_static_size(batches.dataset))
            data_checks.check_divisible(batches.dataset, replicas, model.pack)
            # At the end of the data replicas would be given empty batches, which count.
            steps = batches.steps(1, steps, argument)
            batches = dataclasses.replace(batches, dataset=batches.dataset.repeat())
        digest = batches.digest and f"{batches.digest}, {steps} steps"
        return dataclasses.replace(batches, digest=digest), steps


def stretched(images: tf.Tensor, bounds: tuple[float, float] | None) -> tf.Tensor:
    """Images in [-1, 1] as those in `bounds`, None for [-1, 1]."""
    low, high = bounds or (-1.0, 1.0)
    return low + (images + 1.0) * ((high - low) / 2.0)


def _element(images, *labels):
    """An element of these parts: images alone are no tuple."""
    return (images, *labels) if labels else images


def _of_static_size(dataset):
    """Batches as large as the largest of the first ones, and none that is smaller."""
    if tf.nest.flatten(dataset.element_spec)[0].shape[0] is not None:
        return dataset
    sizes = [len(tf.nest.flatten(element)[0]) for element in dataset.take(data_checks.LOOKED_AT)]
    return dataset.rebatch(max(sizes), drop_remainder=True)


def _counted(dataset, argument):
    """Batches of a dataset that does not know how many it holds, of the size of the largest: by one pass over it.

    Raises:
        DataError: The pass takes longer than a few seconds, or the data can be read only once.
    """
    begun, count, examples, largest = time.monotonic(), 0, 0, 1
    for count, element in enumerate(dataset, 1):
        size = len(tf.nest.flatten(element)[0])
        examples += size
        largest = max(largest, size) if count <= data_checks.LOOKED_AT else largest
        if time.monotonic() - begun > _COUNTED_SECONDS or count == _MOST_COUNTED:
            expected = (
                f"a number of steps, because the dataset does not know its length: pass `{argument}`, or, "
                "if it has an end, `x.apply(tf.data.experimental.assert_cardinality(number_of_batches))`"
            )
            received = f"{argument}=None, and {count:,} batches in {_COUNTED_SECONDS} s without an end"
            raise invalid(argument, expected, received, DataError)
    if not any(True for _ in dataset.take(1)):
        expected = (
            f"a number of steps, because the dataset can be read only once: pass `{argument}` if it is endless, else "
            f"{ANEW}"
        )
        raise invalid(argument, expected, f"{argument}=None", DataError)
    return math.ceil(examples / largest)


def _batch_first(*element):
    """`(n, batch, ...)` to `(batch, n, ...)`, for each part of an element."""
    parts = tuple(tf.transpose(part, [1, 0, *range(2, part.shape.rank)]) for part in element)
    return parts if len(parts) > 1 else parts[0]
