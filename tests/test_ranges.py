"""What a network can put out is read from the operations that compute it."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgan import ranges

L = keras.layers
ANY = (-math.inf, math.inf)


def network(*tail):
    return keras.Sequential([keras.Input((3,)), L.Dense(4, name="last"), *tail])


TAILS = {
    "nothing": ([], ANY, False),
    "tanh": ([L.Activation("tanh")], (-1, 1), True),
    "shapes": ([L.Activation("sigmoid"), L.Reshape((2, 2)), L.UpSampling1D(2), L.Flatten()], (0, 1), True),
    "dropout": ([L.Activation("tanh"), L.Dropout(0.5)], (-1, 1), True),
    "half precision": ([L.Activation("tanh", dtype="mixed_float16"), L.Activation("linear")], (-1, 1), True),
    "hard sigmoid": ([L.Activation("hard_sigmoid")], (0, 1), True),
    "hard tanh": ([L.Activation("hard_tanh")], (-1, 1), True),
    "softsign": ([L.Activation("softsign")], (-1, 1), True),
    "softmax": ([L.Softmax()], (0, 1), True),
    "relu": ([L.ReLU()], (0, math.inf), True),
    "softplus": ([L.Activation("softplus")], (0, math.inf), True),
    "relu6": ([L.ReLU(6.0)], (0, 6), True),
    "elu": ([L.ELU()], (-1, math.inf), False),
    "silu": ([L.Activation("silu")], ANY, False),
    "leaky relu": ([L.LeakyReLU()], ANY, False),
    "scaled": ([L.Activation("tanh"), L.Rescaling(127.5, 127.5)], (0, 255), False),
    "a scale for each channel": ([L.Activation("tanh"), L.Rescaling([1.0, 2.0, 1.0, 1.0])], (-2, 2), False),
    "soft logits": ([L.Rescaling(0.1), L.Activation("tanh"), L.Rescaling(10.0)], (-10, 10), False),
    "clipped": ([L.Lambda(lambda x: tf.clip_by_value(x, 0.0, 5.0))], (0, 5), False),
    "divided and negated": ([L.Activation("sigmoid"), L.Lambda(lambda x: -x / 4 - 1)], (-1.25, -1), False),
    "concatenated": ([L.Lambda(lambda x: tf.concat([tf.tanh(x), tf.sigmoid(x) * 3], -1))], (-1, 3), False),
    "a variable": ([L.Activation("tanh"), L.BatchNormalization()], ANY, False),
    "a product": ([L.Lambda(lambda x: tf.sigmoid(x) * tf.tanh(x))], (-1, 1), True),
    "a bound that is not reached": ([L.Lambda(lambda x: tf.maximum(tf.tanh(x), 0.5) - 1)], (-0.5, 0), True),
    "Python": ([L.Lambda(lambda x: tf.py_function(lambda y: y, [x], tf.float32), output_shape=(4,))], ANY, False),
}


@pytest.mark.parametrize("name", TAILS)
def test_the_interval_of_an_output(name):
    tail, expected, squashed = TAILS[name]
    made = network(*tail)
    interval, layer = ranges.of(made)
    np.testing.assert_allclose(interval, expected, rtol=1e-6)
    assert bool(layer) == squashed
    outputs = np.asarray(made(tf.random.normal((1_000, 3), stddev=30.0)))
    assert expected[0] - 1e-3 <= outputs.min()
    assert outputs.max() <= expected[1] + 1e-3
