"""How much of the data an iterator can come to hold is told without making it."""

import math

import numpy as np
import pytest
import tensorflow as tf

from kerasgan import buffers

IMAGES = np.zeros((100, 8, 8, 1), "float32")  # 25.6 kB


def images(number=100):
    return tf.data.Dataset.from_tensor_slices(IMAGES[:number])


def numbers(count):
    return tf.data.Dataset.range(count)


def in_a_function(make):
    return numbers(4).interleave(lambda k: numbers(2).flat_map(lambda j: make(images(4))))


SMALL = {
    "batches": lambda: images().batch(10).prefetch(tf.data.AUTOTUNE),
    "a shuffle of indices": lambda: numbers(1_000).shuffle(1_000).map(lambda k: tf.zeros((8, 8, 1))),
    "a shuffle of file names": lambda: tf.data.Dataset.from_tensor_slices([f"{k}.png" for k in range(500)]).shuffle(
        500
    ),
    "a shuffle larger than the data": lambda: images(10).shuffle(10**9),
    "a cache of little": lambda: images(10).cache(),
    "a cache on disk": lambda: images().cache("cache"),
    "functions that keep nothing": lambda: in_a_function(lambda data: data.batch(2)),
}
LARGE = {
    "cache": (lambda: images().cache(), "cache() can hold 0.0 MB"),
    "cache of unknown length": (lambda: images().filter(lambda x: True).cache(), "cache() can hold an unknown"),
    "shuffle": (lambda: images().shuffle(100), "shuffle(100)"),
    "shuffle of all": (lambda: images().shuffle(tf.data.UNKNOWN_CARDINALITY), "shuffle()"),
    "shuffle of an endless dataset": (lambda: images(1).repeat().shuffle(100), "shuffle(100)"),
    "shuffle of records": (
        lambda: tf.data.Dataset.from_tensors(b"0" * 1_000).repeat().shuffle(100),
        "shuffle(100) can hold 0.1 MB",
    ),
    "shuffle of ragged rows": (
        lambda: tf.data.Dataset.from_tensors(tf.ragged.constant([[1.0] * 999, []])).repeat(9).shuffle(9),
        "shuffle(9)",
    ),
    "below a zip": (lambda: tf.data.Dataset.zip((images().cache(), numbers(100))).batch(2), "cache()"),
    "inside a function": (lambda: in_a_function(lambda data: data.shuffle(2)), "shuffle inside a function"),
    "cache inside a function": (lambda: in_a_function(lambda data: data.cache()), "cache inside a function"),
    "prefetch": (lambda: images().batch(10).prefetch(9), "prefetch(9)"),
    "unique": (lambda: numbers(9).unique(), "unique"),
    "window": (lambda: images().window(2).flat_map(lambda part: part.batch(2)), "window"),
}


@pytest.fixture(autouse=True)
def limited(monkeypatch):
    monkeypatch.setattr(buffers, "LIMIT", 20_000)


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_pipelines_that_hold_little(make):
    assert buffers.too_large(make(), 0) is None


@pytest.mark.parametrize(("make", "named"), LARGE.values(), ids=LARGE)
def test_pipelines_that_hold_much_of_the_data_or_may(make, named):
    assert buffers.too_large(make(), 0).startswith(named)


def test_what_would_end_the_process_is_too_large_whatever_holds_it():
    assert "read ahead can hold 2,000.0 MB" in buffers.too_large(images().batch(10), 2 * 10**9)
    parallel = images().map(lambda x: tf.zeros((300_000_000,), tf.uint8), num_parallel_calls=4)
    assert "read ahead can hold 1,200.0 MB" in buffers.too_large(parallel, 0)


def test_nothing_is_read_where_the_shapes_tell():
    def refuse(x):
        raise AssertionError

    read = images().map(lambda x: tf.ensure_shape(tf.py_function(refuse, [x], tf.float32), (8, 8, 1)))
    assert buffers.too_large(read.shuffle(100), 0) == "shuffle(100) can hold 0.0 MB"
    assert buffers.shown(math.inf) == "an unknown part of the data"
