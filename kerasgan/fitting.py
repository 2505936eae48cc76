"""From the arguments of `fit` to a `Training`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kerasgan import _keras, arguments, batching, distribution, evaluation, iterators
from kerasgan.data import Batches
from kerasgan.errors import (
    DataError,
    DataTypeError,
    ModelContractError,
    NonFiniteError,
    checked_boolean,
    checked_integer,
    checked_number,
    invalid,
    warn,
)
from kerasgan.training import Training

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel


def training_of(
    model: "GenerativeModel",
    x: Any,
    y: Any,
    *,
    batch_size: int | None,
    epochs: int,
    verbose: int | str,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: int | Sequence[int],
) -> Training:
    """The run that `fit` describes; the arguments are those of `GenerativeModel.fit`.

    Raises:
        DataError, DataTypeError, ModelContractError: Images, labels and networks do not fit one another.
    """
    epochs, initial_epoch = checked_integer("epochs", epochs, 0), checked_integer("initial_epoch", initial_epoch, 0)
    distribution.check_eager("Call `fit`", " It reads the data itself, and compiles its own steps.")
    epochs = _limited("epochs", epochs)
    validation_freq = arguments.checked_epochs("validation_freq", validation_freq)
    validation_split = checked_number("validation_split", validation_split, "[0, 1)")
    shuffle = checked_boolean("shuffle", shuffle)
    if validation_split and isinstance(x, tf.data.Dataset):
        expected = "0 with a tf.data.Dataset: pass `validation_data`, e.g. made with `take` and `skip`"
        raise invalid("validation_split", expected, f"validation_split={validation_split}")
    if validation_split and validation_data is None:
        x, y, validation_data = arguments.held_out(x, y, validation_split, model)
    batches = Batches.of(x, y, batch_size, model=model, training=True, shuffle=shuffle)
    rewind = (lambda: None) if batches.seekable else iterators.rewinder(batches.dataset)
    batches = batches.fitted_to(model)
    by_default = steps_per_epoch is None
    if by_default and verbose and batches.dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        print("Counting the batches of the dataset, whose length is unknown: `steps_per_epoch` saves that.", flush=True)
    steps_per_epoch = batches.steps(model.batches_per_step, steps_per_epoch)
    steps_per_epoch = _whole_executions(steps_per_epoch, model.steps_per_execution, by_default)
    steps_per_epoch = _limited("steps_per_epoch", steps_per_epoch, model.steps_per_execution)
    validate = None
    if validation_data is not None:
        held_out = _held_out(model, validation_data, validation_batch_size, batch_size, validation_steps)
        if any(_keras.validates_after(model, epoch, validation_freq) for epoch in range(initial_epoch, epochs)):
            evaluation.rehearse(model, *held_out)

        def validate(epoch, callbacks):
            if not _keras.validates_after(model, epoch, validation_freq):
                return {}
            values = model.evaluate_batches(*held_out, callbacks=callbacks, verbose=0)
            return {f"val_{name}": value for name, value in values.items()}

    if model.learns_from_held_out:
        _check_validated(model, validate is not None, range(initial_epoch, epochs), validation_freq)
    return Training(model, batches, rewind, steps_per_epoch, epochs, initial_epoch, verbose, callbacks, validate)


def _check_validated(model, validates, epochs, frequency):
    """Refuses a training without the validations that it learns from."""
    if not validates:
        expected = (
            "held-out images, which AdaptiveAugment needs with the Wasserstein loss: pass "
            "`validation_split=0.1` with an array, or use DiffAugment(probability=0.5)"
        )
        raise invalid("validation_data", expected, "None")
    if epochs and not any(_keras.validates_after(model, epoch, frequency) for epoch in epochs):
        expected = "one that validates in the epochs to come, because AdaptiveAugment learns from it: leave it at 1"
        raise invalid("validation_freq", expected, f"validation_freq={frequency} in {len(epochs)} epochs")


def _held_out(model, data, batch_size, batch_size_of_training, steps):
    """Held-out batches, and how many; None for all."""
    x, y = batching.split(data, "validation_data", "`validation_data[:2]`")
    batch_size = None if batch_size is None else checked_integer("validation_batch_size", batch_size)
    if batch_size is None and not isinstance(x, tf.data.Dataset):
        batch_size = batch_size_of_training
    try:
        batches = Batches.of(x, y, batch_size, model=model, training=False)
        return batches.for_evaluation(model, steps, "validation_steps")
    except (DataError, DataTypeError, ModelContractError, NonFiniteError) as error:
        raise type(error)(f"In `validation_data`, whose parts are x and y: {error}") from error


def _limited(argument, number, multiple=1):
    """The number, or less where `keras.config.set_max_epochs` or `set_max_steps_per_epoch` limits it."""
    limit = getattr(keras.config, f"max_{argument}")()
    if not limit or number <= limit:
        return number
    limit = max(limit // multiple, 1) * multiple
    warn(f"`keras.config.max_{argument}()` limits `{argument}` to {limit}; {number} were asked for.")
    return limit


def _whole_executions(steps_per_epoch, steps_per_execution, by_default):
    """Steps per epoch as a multiple of the steps per execution."""
    over = steps_per_epoch % steps_per_execution
    if over and not by_default:
        expected = f"a multiple of steps_per_execution={steps_per_execution}"
        raise invalid("steps_per_epoch", expected, f"steps_per_epoch={steps_per_epoch}")
    whole = max(steps_per_epoch - over, steps_per_execution)
    if over:
        warn(
            f"An epoch has {whole} steps instead of {steps_per_epoch}, a multiple of "
            f"steps_per_execution={steps_per_execution}; the next one continues with the images that follow.",
        )
    return whole
