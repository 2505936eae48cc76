"""The images of a run: those it trains on, those held out, and those the result is compared with."""

import contextlib
import dataclasses
import pathlib
import shlex
import typing

import numpy as np
import tensorflow as tf

from kerasgan import datasets
from kerasgan.cli.settings import DATASET_OPTIONS, Configuration
from kerasgan.cli.waiting import announced
from kerasgan.errors import DataError

# With this many examples, some can be spared.
_ENOUGH_TO_HOLD_OUT = 3_000
_HELD_OUT = 1_000


@dataclasses.dataclass(frozen=True)
class Data:
    """A dataset, divided: what a run trains on, and what it only evaluates on, if anything."""

    train: datasets.Source
    held_out: datasets.Source | None


def read(dataset: str, *, num_test: int = _HELD_OUT, **options: typing.Any) -> Data:
    """Reads a dataset and holds out some of it: `num_test` of its `test` split, else some of itself if it is large.

    Args:
        **options: Those of `DATASET_OPTIONS`, as in `kerasgan.datasets.read`.
    """
    with announced(f"reading {dataset}"):
        source = datasets.read(dataset, **options)
    if source.num_examples < _ENOUGH_TO_HOLD_OUT:
        return Data(source, None)
    for count in dict.fromkeys((num_test, _HELD_OUT)):  # a split that has fewer gives none
        with contextlib.suppress(DataError):
            return Data(source, _part(datasets.read(dataset, split=f"test[:{count}]", **options), slice(count)))
    return Data(*_divided(source))


def _divided(source):
    count = min(_HELD_OUT, source.num_examples // 10)
    # Always the same seed, so that all runs hold out the same images.
    order = np.random.default_rng(0).permutation(source.num_examples)
    held_out = order[:count]
    if source.labels is not None:  # a class keeps an image to train on, unless each label stands for one image
        known = np.isin(source.labels[held_out], source.labels[order[count:]])
        held_out = held_out[known] if known.any() else held_out
    train = np.setdiff1d(order, held_out)
    return _part(source, train), _part(source, np.sort(held_out))


def _part(source, rows):
    labels = None if source.labels is None else source.labels[rows]
    return dataclasses.replace(source, images=source.images[rows], labels=labels)


def read_again(configuration: Configuration, num_test: int = _HELD_OUT) -> Data:
    """Reads the dataset of a run as the run read it.

    Raises:
        DataError: It cannot be read any more.
    """
    options = {name: getattr(configuration, name) for name in DATASET_OPTIONS}
    try:
        return read(configuration.dataset, num_test=num_test, **options)
    except DataError as error:
        raise DataError(f"{error}. If the data of this run were moved, pass --dataset with where they are.") from error


def folder_of(dataset: str) -> pathlib.Path | None:
    """The folder of images that is meant by the name of a dataset, if one is."""
    path = pathlib.Path(dataset).expanduser()
    return path if path.is_dir() and dataset not in datasets.NAMES else None


def check_outside(flag: str, path: pathlib.Path, dataset: str) -> None:
    """Refuses to write pictures among those of a dataset, which would be read with them the next time.

    Raises:
        DataError: The path is in the folder of the dataset, and not hidden.
    """
    found, path_ = folder_of(dataset), path.resolve()
    folder = None if found is None else found.resolve()
    if folder is None or not path_.is_relative_to(folder):
        return
    if any(part.startswith(".") for part in path_.relative_to(folder).parts):  # which is not read
        return
    outside = folder.parent / path.name
    advice = "" if outside.is_relative_to(folder) else f", e.g. {flag}={shlex.quote(str(outside))}"
    raise DataError(
        f"{path} is in {dataset}, the folder of the data, where its pictures would be read as data the next time. Name "
        f"a place outside with {flag}{advice}"
    )


def batches(source: datasets.Source, configuration: Configuration, training: bool = True) -> tf.data.Dataset:
    """Returns the batches for `fit`: shuffled and augmented for training, as they are for validation."""
    return datasets.from_arrays(
        source.images,
        source.labels if configuration.conditional else None,
        configuration.batch_size,
        seed=configuration.seed,
        shuffle=training,
        flip=configuration.flip and training,
        dequantize=configuration.dequantize and training,
    )
