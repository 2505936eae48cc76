"""How much of the data the iterator of a `tf.data` pipeline can come to hold, found without saving one.

TensorFlow saves an iterator with everything in its buffers, of which `cache` and `shuffle` may keep the whole dataset,
and ends the process where that exceeds 2 GiB. A new iterator is small whatever it will hold later.
"""

import math
import os
from typing import Any

import numpy as np
import tensorflow as tf

from kerasgan import _keras
from kerasgan.datasets.pipeline import untuned
from kerasgan.iterators import stages

# What buffers may hold of the data, and what may be saved at all, read-ahead batches included.
LIMIT = 8 * 1024**2
_MOST_SAVED = 1024**3
# Datasets that keep elements, by a part of the name of their class, or of their op inside a function.
_UNBOUNDED = ("Cache", "Shuffle", "Prefetch", "Unique", "GroupBy", "Window", "Snapshot")
_READ_AHEAD = 16  # elements that an autotuned `prefetch` is assumed to hold; it may grow beyond
_SAMPLED = 8


def too_large(dataset: tf.data.Dataset, read_ahead: int) -> str | None:
    """Returns why the iterator of a dataset cannot be saved in a checkpoint; None where all its buffers stay small.

    Args:
        dataset: The pipeline, as the user made it.
        read_ahead: Bytes that are held besides.

    Returns:
        The transformations that hold most and how much, e.g. `"shuffle(2000) can hold 24.6 MB"`.
    """
    held = sorted(((size, what) for size, what in _held(dataset) if size), reverse=True)
    total, parallel = sum(size for size, _ in held), sum(map(_in_parallel, stages(dataset)))
    if total > LIMIT:
        return ", ".join(f"{what} can hold {shown(size)}" for size, what in held[:2])
    if total + parallel + read_ahead > _MOST_SAVED:
        return f"the batches that are read ahead can hold {shown(parallel + read_ahead)}"
    return None


def shown(size: float) -> str:
    """A number of bytes for people; infinity is an unknown one."""
    return "an unknown part of the data" if size == math.inf else f"{size / 1e6:,.1f} MB"


def bytes_in(spec: Any) -> int | None:
    """Bytes of a tensor, or a structure of them, of static shapes; None where the specification does not tell."""
    parts = tf.nest.flatten(spec, expand_composites=True)
    if not all(isinstance(part, tf.TensorSpec) and part.shape.is_fully_defined() for part in parts):
        return None
    if any(part.dtype in (tf.string, tf.variant, tf.resource) for part in parts):
        return None
    return sum(part.shape.num_elements() * part.dtype.size for part in parts)


def _held(dataset):
    """Pairs of the most bytes that a transformation keeps, and its name."""
    for stage in stages(dataset):
        kind = type(stage).__name__
        number = _keras.buffer_size_of(stage) if "Shuffle" in kind or "Prefetch" in kind else -1
        if kind.endswith("GlobalShuffleDataset"):  # of indices
            continue
        if kind == "CacheDataset":
            yield _elements(stage, math.inf) if _keras.is_cached_in_memory(stage) else 0, "cache()"
        elif "Shuffle" in kind:
            yield _elements(stage, number if number >= 0 else math.inf), f"shuffle({number if number >= 0 else ''})"
        elif "Prefetch" in kind:
            yield _elements(stage, max(number, 0)), f"prefetch({number})"
        elif any(part in kind for part in _UNBOUNDED):
            yield math.inf, kind.strip("_").removesuffix("Dataset").lower()
        for function in _keras.functions_of(stage):
            kinds = {name.split("Dataset")[0] for name in _ops_of(function) if "Dataset" in name}
            for name in sorted(kinds):
                if name.endswith(_UNBOUNDED):
                    yield math.inf, f"{name.lower()} inside a function of the pipeline"


def _elements(dataset, number):
    """Bytes of this many elements of a dataset, or of all if it has fewer."""
    cardinality = int(dataset.cardinality())
    number = min(number, cardinality) if cardinality >= 0 else number
    return number * _bytes_of_element(dataset) if number else 0


def _bytes_of_element(dataset):
    size = bytes_in(dataset.element_spec)
    if size is not None:
        return size
    specs = tf.nest.flatten(dataset.element_spec, expand_composites=True)
    if not all(isinstance(spec, tf.TensorSpec) and spec.dtype not in (tf.variant, tf.resource) for spec in specs):
        return math.inf
    elements = [tf.nest.flatten(element, expand_composites=True) for element in untuned(dataset.take(_SAMPLED))]
    return max((sum(map(_bytes_of_tensor, element)) for element in elements), default=0)


def _bytes_of_tensor(tensor):
    array = np.asarray(tensor.numpy())
    return sum(len(value) for value in array.ravel()) if tensor.dtype == tf.string else array.nbytes


def _in_parallel(dataset):
    """Bytes of the elements that a transformation makes ahead."""
    if "Prefetch" in type(dataset).__name__ and _keras.buffer_size_of(dataset) < 0:
        most = _READ_AHEAD
    else:
        most = _keras.parallel_calls_of(dataset) or 0
    if most < 0:  # TensorFlow decides
        most = os.cpu_count() or 1
    return most * (bytes_in(dataset.element_spec) or 0)


def _ops_of(name):
    """Types of all ops in a function and in those that it calls."""
    names, seen = [name], set()
    while names:
        name = names.pop()
        name = name.decode() if isinstance(name, bytes) else name
        if name in seen:
            continue
        seen.add(name)
        for node in _keras.definition_of(name).node_def:
            yield node.op
            names += [value.func.name for value in node.attr.values() if value.func.name]
