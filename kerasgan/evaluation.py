"""What `evaluate` and validation read, and what quality metrics say of generated images beside it."""

import math
import warnings

import numpy as np
import tensorflow as tf

from kerasgan import batching, data_checks
from kerasgan.datasets.pipeline import scale
from kerasgan.errors import DataError, checked_integer, invalid
from kerasgan.images import to_uint8

_NOT_FINITE = (
    "There are NaN or infinity in what the generator makes: metrics of its quality are NaN. Go back to a checkpoint, "
    "and lower the learning rates."
)
# Images that are generated at a time for quality metrics.
_GENERATED = 256


def batches(model, dataset, steps, argument="steps"):
    """The batches of an evaluation, and how many; None for all."""
    steps = None if steps is None else checked_integer(argument, steps)
    dataset, replicas = data_checks.suited(dataset, model), model.distribute_strategy.num_replicas_in_sync
    if steps is None and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        expected = "a number of batches, because the dataset is endless: `validation_steps`, `steps` of `evaluate`"
        raise invalid("steps", expected, "steps=None", DataError)
    known = getattr(dataset, "digest", None)
    dataset = batching.in_fixed_order(dataset)
    if replicas * model.pack > 1:  # shares of every batch have to be equal, so the last, partial one is left out
        dataset = batching.of_static_size(dataset)
        data_checks.check_divisible(dataset, replicas, model.pack)
        # At the end of the data replicas would be given empty batches, which count.
        steps, dataset = batching.steps_in(dataset, 1, steps), dataset.repeat()
    dataset.digest = known and f"{known}, {steps} steps"
    return dataset, steps


def measured(model, dataset, steps):
    """The values of the quality metrics: as many generated images as there are real ones, always the same ones."""
    # Real images that have been seen are not looked at again, where it is known that they are the same.
    bounds = model.output_range.bounds
    other = bounds if bounds != (-1.0, 1.0) and len(model.image_shape) == 3 else None
    digest = f"{dataset.digest}, in {other}" if other and dataset.digest else dataset.digest
    wanting = [metric for metric in model.quality if metric.begin(digest)]
    most = max(metric.most or math.inf for metric in model.quality)
    count, labels = 0, []
    for element in dataset if steps is None else dataset.take(steps):
        real, own = batching.split(element)
        for metric in wanting:
            metric.update_state(2.0 * (real - other[0]) / (other[1] - other[0]) - 1.0 if other else real)
        count += len(real)
        labels.append(own)
        if count >= most:
            break
    for metric in wanting:
        metric.keep_real(digest)
    labels = np.concatenate(labels) if model.conditional else None
    # In parts of one size, so that they do not depend on that of the batches.
    for number, start in enumerate(range(0, int(min(count, most)), _GENERATED)):
        part = slice(start, int(min(count, most, start + _GENERATED)))
        own = None if labels is None else labels[part]
        fake = model.generate(part.stop - part.start, own, seed=number, batch_size=_GENERATED)
        if not np.isfinite(fake).all():
            warnings.warn(_NOT_FINITE, stacklevel=2)
            for metric in model.quality:
                metric.begin(digest)  # forgets what came before
            return {name: math.nan for metric in model.quality for name in metric.names}
        if bounds is not None and fake.ndim == 4:
            fake = scale(to_uint8(fake, bounds)).numpy()  # as a saved picture holds them
        for metric in model.quality:
            metric.update_state(fake=fake)
    return {name: value for metric in model.quality for name, value in metric.results().items()}
