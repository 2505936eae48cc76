"""What looks at the data leaves no trace in their order."""

import pytest
import tensorflow as tf

from kerasgan import iterators
from kerasgan.datasets.pipeline import untuned


def numbers():
    return tf.data.Dataset.range(12)


def endless(dataset):
    return dataset.repeat().batch(4).prefetch(9)


PIPELINES = {
    "shuffle": lambda: endless(numbers().shuffle(12, seed=1)),
    "map, cache and shuffle": lambda: endless(numbers().map(lambda n: n + 1).cache().shuffle(12, seed=1)),
    "shuffle of one pass": lambda: numbers().shuffle(12, seed=1).batch(4).prefetch(9),
    "parallel map": lambda: numbers().shuffle(12, seed=1).map(lambda n: n, num_parallel_calls=4).repeat().batch(4),
    "shuffle in a function": lambda: endless(numbers().flat_map(lambda n: tf.data.Dataset.range(n).shuffle(9, seed=1))),
    "shuffles one on another": lambda: endless(
        numbers().shuffle(12, seed=3).flat_map(lambda n: tf.data.Dataset.range(n, n + 3)).shuffle(4, seed=1)
    ),
    "a repeat between shuffles": lambda: endless(numbers().shuffle(12, seed=3).repeat(2).shuffle(5, seed=1)),
    "random": lambda: endless(tf.data.Dataset.random(seed=1, rerandomize_each_iteration=True).take(5)),
    "sampled": lambda: endless(
        tf.data.Dataset.sample_from_datasets([numbers(), numbers()], seed=1, rerandomize_each_iteration=True)
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("looks", [0, 1, 3])
def test_looking_at_a_dataset_changes_nothing_of_what_is_read_later(name, looks):
    def read(looks):
        dataset = untuned(PIPELINES[name]())
        rewind = iterators.rewinder(dataset)
        for look in range(looks):
            list(dataset.take(2 + look))
        rewind()
        return [batch.numpy().tolist() for batch in dataset.repeat().take(12)]

    assert read(looks) == read(0)


def test_a_dataset_that_tensorflow_cannot_save_is_read_as_it_is():
    dataset = tf.data.Dataset.range(3).apply(tf.data.experimental.ignore_errors()).shuffle(3)
    iterators.rewinder(dataset)()
    assert sorted(dataset.as_numpy_iterator()) == [0, 1, 2]


def test_an_iterator_moves_to_where_another_was():
    first, second = (iter(untuned(PIPELINES["map, cache and shuffle"]())) for _ in range(2))
    for _ in range(7):
        next(first)
    iterators.move(second, iterators.position(first))
    for _ in range(7):
        assert next(first).numpy().tolist() == next(second).numpy().tolist()


def test_a_cache_that_a_look_has_filled_stays_full():
    once = iter(range(12))
    read = tf.data.Dataset.from_generator(lambda: once, output_signature=tf.TensorSpec((), tf.int64)).cache().batch(4)
    rewind = iterators.rewinder(read)
    first = [batch.numpy().tolist() for batch in read]
    rewind()
    assert [batch.numpy().tolist() for batch in read] == first
