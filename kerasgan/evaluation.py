"""What `evaluate` reports besides the means of a step: the metrics of a subclass, and those of image quality."""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, batching, distribution
from kerasgan.data import Batches
from kerasgan.datasets.pipeline import scale
from kerasgan.errors import DataError, invalid, warn
from kerasgan.images import to_uint8
from kerasgan.metrics.quality import QualityMetric

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel

_NOT_FINITE = (
    "There are NaN or infinity in what the generator makes: metrics of its quality are NaN. Go back to a checkpoint, "
    "and lower the learning rates."
)
# A Keras metric is given targets and predictions, of which a GAN has none.
_METRICS = (
    "metrics of kerasgan.metrics, which compare real images with generated ones, e.g. "
    "[kerasgan.metrics.FrechetDistance()]. For one of your own subclass kerasgan.metrics.QualityMetric: set "
    "`default_name`, `symbol`, and `function`, of the features (n, d) of real and of generated images"
)
_LONG = 30.0  # seconds
_MAY_BE_ENDLESS = (
    f"An evaluation has not come to the end of its data in {_LONG:g} s. If they have none, stop, and pass "
    "`validation_steps` to `fit`, or `steps` to `evaluate`."
)
_FEW = 64  # images that metrics are tried with
# Images that are generated at a time for quality metrics.
_GENERATED = 256


@contextlib.contextmanager
def reminded(batches: Batches, steps: int | None) -> Iterator[None]:
    """Warns after a while of data that may have no end, which an evaluation would read for ever."""
    timer = threading.Timer(_LONG, warn, [_MAY_BE_ENDLESS])
    timer.daemon = True
    if steps is None and batches.dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def rehearse(model: "GenerativeModel", batches: Batches, steps: int | None) -> None:
    """Takes the quality metrics through a few images: what would fail after the first epoch fails now.

    Only values of our own metrics are computed: how many images those of a user need is not known.

    Raises:
        DataError: There are too few images for one of them.
    """
    if not model.quality:
        return
    most_wanting = max(model.quality, key=lambda metric: metric.fewest)
    dataset, most = batches.dataset if steps is None else batches.dataset.take(steps), max(_FEW, most_wanting.fewest)
    few = dataset.unbatch().take(most).batch(most)
    count = sum(len(batching.split(element)[0]) for element in few)
    if count < most_wanting.fewest:
        expected = f"{most_wanting.fewest} images or more, which metric {most_wanting.name!r} needs: give more"
        raise invalid("validation_data", f"{expected}, or leave it out", f"{count} images", DataError)
    with contextlib.ExitStack() as stack:
        for metric in model.quality:
            stack.enter_context(metric.set_aside())
        if _seen(model, dataclasses.replace(batches, dataset=few, digest=None), None):
            for metric in model.quality:
                if type(metric).__module__.startswith("kerasgan."):
                    metric.results()


def measured(model: "GenerativeModel", batches: Batches, steps: int | None) -> dict[str, float]:
    """The values of the quality metrics: as many generated images as there are real ones, always the same ones."""
    if not _seen(model, batches, steps):
        return {name: math.nan for metric in model.quality for name in metric.names}
    return {name: value for metric in model.quality for name, value in metric.results().items()}


def _seen(model, batches, steps):
    """Shows the quality metrics real and generated images; returns whether these are finite."""
    # Real images that have been seen are not looked at again, where it is known that they are the same.
    bounds = model.output_range.bounds
    other = bounds if bounds != (-1.0, 1.0) and len(model.image_shape) == 3 else None
    digest = f"{batches.digest}, in {other}" if other and batches.digest else batches.digest
    wanting = [metric for metric in model.quality if metric.begin(digest)]
    most = max(metric.most or math.inf for metric in model.quality)
    count, labels = 0, []
    for element in batches.dataset if steps is None else batches.dataset.take(steps):
        real, own = batching.split(element)
        for metric in wanting:
            metric.update_state(2.0 * (real - other[0]) / (other[1] - other[0]) - 1.0 if other else real)
        count += len(real)
        labels.append(own)
        if count >= most:
            break
    for metric in wanting:
        metric.keep_real(digest)
    classes = np.concatenate(labels) if model.conditional else None
    # In parts of one size, so that they do not depend on that of the batches.
    for number, start in enumerate(range(0, int(min(count, most)), _GENERATED)):
        part = slice(start, int(min(count, most, start + _GENERATED)))
        own = None if classes is None else classes[part]
        fake = model.generate(part.stop - part.start, own, seed=number, batch_size=_GENERATED)
        if not np.isfinite(fake).all():
            warn(_NOT_FINITE)
            for metric in model.quality:
                metric.begin(digest)  # forgets what came before
            return False
        if bounds is not None and fake.ndim == 4:
            fake = scale(to_uint8(fake, bounds)).numpy()  # as a saved picture holds them
        for metric in model.quality:
            metric.update_state(fake=fake)
    return True


def checked_quality(metrics: Any, trackers: Iterable[str]) -> list[QualityMetric]:
    """A list of quality metrics, with names that nothing else is logged by.

    Args:
        metrics: `QualityMetric`, sequence of them, or None.
        trackers: Names of the means that are logged.

    Raises:
        ValueError: One is no `QualityMetric`, or has a name that is taken.
    """
    several = isinstance(metrics, list | tuple)
    metrics = list(metrics) if several else [] if metrics is None else [metrics]
    for metric in metrics:
        if not isinstance(metric, QualityMetric):
            raise invalid("metrics", _METRICS, repr(metric))
    names = [*trackers, *(name for metric in metrics for name in metric.names)]
    if len(set(names)) < len(names):
        raise invalid("metrics", "a different name for each: pass `name`", f"{names}")
    return metrics


def other_metrics(model: "GenerativeModel", own: list[keras.Metric]) -> list[keras.Metric]:
    """Metrics that a subclass has made, besides `own`: Keras finds them among the attributes."""
    known = {id(metric) for metric in own}
    found = (metric for metric in _keras.metrics_in(model) if not isinstance(metric, QualityMetric))
    return [metric for metric in found if id(metric) not in known]


def show_quality(model: "GenerativeModel", values: dict[str, float], verbose: int | str) -> None:
    """Prints the quality metrics after Keras has shown its own."""
    if model.quality and verbose and distribution.is_chief(model.distribute_strategy):
        print(" - ".join(f"{name}: {values[name]:.4g}" for metric in model.quality for name in metric.names))
