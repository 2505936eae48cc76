"""The images of a training: what is trained on, what is held out, and what the result is compared with."""

import contextlib
import dataclasses

import numpy as np

from kerasgan import datasets
from kerasgan.cli.configuration import DATASET_OPTIONS
from kerasgan.errors import DataError

# From so many examples on, some can be spared.
_ENOUGH_TO_HOLD_OUT = 3_000
_HELD_OUT = 1_000


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset, divided.

    Args:
        train: `kerasgan.datasets.Source` that is trained on, and that the result is compared with.
        held_out: Source that is only evaluated on, or None.
    """

    train: datasets.Source
    held_out: datasets.Source | None


def read(dataset, *, num_test=_HELD_OUT, **options) -> Data:
    """Reads a dataset and holds out some of it: `num_test` of its `test` split, else some of itself if it is large.

    Args:
        **options: Those of `DATASET_OPTIONS`, as in `kerasgan.datasets.read`.
    """
    source = datasets.read(dataset, **options)
    if source.num_examples < _ENOUGH_TO_HOLD_OUT:
        return Data(source, None)
    for count in dict.fromkeys((num_test, _HELD_OUT)):  # a split that has fewer gives none
        with contextlib.suppress(DataError):
            return Data(source, datasets.read(dataset, split=f"test[:{count}]", **options))
    return Data(*_divided(source))


def _divided(source):
    count = min(_HELD_OUT, source.num_examples // 10)
    # Of one seed whatever that of the training: the trainings then have the same images held out.
    order = np.random.default_rng(0).permutation(source.num_examples)
    return _part(source, np.sort(order[count:])), _part(source, np.sort(order[:count]))


def _part(source, rows):
    labels = None if source.labels is None else source.labels[rows]
    return dataclasses.replace(source, images=source.images[rows], labels=labels)


def read_again(configuration, num_test=_HELD_OUT) -> Data:
    """Reads the dataset of a training as it was read for it."""
    options = {name: getattr(configuration, name) for name in DATASET_OPTIONS}
    return read(configuration.dataset, num_test=num_test, **options)


def batches(source, configuration, training=True):
    """The `tf.data.Dataset` that `fit` takes."""
    augmentation = {"flip": configuration.flip, "dequantize": configuration.dequantize}
    return datasets.from_arrays(
        source.images,
        source.labels if configuration.conditional else None,
        configuration.batch_size,
        seed=configuration.seed,
        shuffle=training,
        **(augmentation if training else {}),
    )
