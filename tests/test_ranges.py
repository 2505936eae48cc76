"""What a network can put out is read from the operations that compute it."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgan import ranges

L = keras.layers
ANY = (-math.inf, math.inf)


def network(*tail):
    return keras.Sequential([keras.Input((3,)), L.Dense(4, name="last"), *tail])


# Layers behind a Dense one; the interval, the range of images (None: that there is none), and what squashes.
TAILS = {
    "nothing": ([], ANY, None, None),
    "tanh": ([L.Activation("tanh")], (-1, 1), (-1, 1), "Tanh"),
    "shapes": ([L.Activation("sigmoid"), L.Reshape((2, 2)), L.UpSampling1D(2), L.Flatten()], (0, 1), (0, 1), "."),
    "dropout": ([L.Activation("tanh"), L.Dropout(0.5)], (-1, 1), (-1, 1), "Tanh"),
    "half precision": (
        [L.Activation("tanh", dtype="mixed_float16"), L.Activation("linear")],
        (-1, 1),
        (-1, 1),
        "Tanh",
    ),
    "hard sigmoid": ([L.Activation("hard_sigmoid")], (0, 1), (0, 1), "."),
    "hard tanh": ([L.Activation("hard_tanh")], (-1, 1), (-1, 1), "."),
    "softsign": ([L.Activation("softsign")], (-1, 1), (-1, 1), "Softsign"),
    "padded": ([L.Activation("sigmoid"), L.Reshape((4, 1)), L.ZeroPadding1D(1)], (0, 1), (0, 1), "."),
    "padded with more": (
        [L.Activation("tanh"), L.Lambda(lambda x: tf.pad(x, [[0, 0], [1, 1]], constant_values=3.0))],
        (-1, 3),
        (-1, 3),
        None,
    ),
    "mirrored and rolled": (
        [L.Activation("tanh"), L.Lambda(lambda x: tf.roll(tf.pad(x, [[0, 0], [1, 1]], "REFLECT"), 1, 1))],
        (-1, 1),
        (-1, 1),
        "Tanh",
    ),
    "taken and split": (
        [
            L.Activation("sigmoid"),
            L.Lambda(lambda x: tf.unstack(tf.gather(x, [2, 1, 0, 3], axis=1)[..., None], axis=1)[1]),
        ],
        (0, 1),
        (0, 1),
        "Sigmoid",
    ),
    "softmax": ([L.Softmax()], (0, 1), (0, 1), "Softmax"),
    "relu": ([L.ReLU()], (0, math.inf), None, "Relu"),
    "means of relu": ([L.ReLU(), L.Reshape((2, 2)), L.GlobalAveragePooling1D()], (0, math.inf), None, None),
    "softplus": ([L.Activation("softplus")], (0, math.inf), None, "Softplus"),
    "relu6": ([L.ReLU(6.0)], (0, 6), None, "Relu6"),
    "elu": ([L.ELU()], (-1, math.inf), None, None),
    "silu": ([L.Activation("silu")], ANY, None, None),
    "leaky relu": ([L.LeakyReLU()], ANY, None, None),
    "exponential": ([L.Activation("exponential")], (0, math.inf), None, None),
    "scaled": ([L.Activation("tanh"), L.Rescaling(127.5, 127.5)], (0, 255), (0, 255), None),
    "a scale for each channel": ([L.Activation("tanh"), L.Rescaling([1.0, 2.0, 1.0, 1.0])], (-2, 2), (-2, 2), None),
    "soft logits": ([L.Rescaling(0.1), L.Activation("tanh"), L.Rescaling(10.0)], (-10, 10), (-10, 10), None),
    "clipped": ([L.Lambda(lambda x: tf.clip_by_value(x, -10.0, 5.0))], (-10, 5), None, None),
    "divided and negated": ([L.Activation("sigmoid"), L.Lambda(lambda x: -x / 4 - 1)], (-1.25, -1), (-1.25, -1), None),
    "concatenated": ([L.Lambda(lambda x: tf.concat([tf.tanh(x), tf.sigmoid(x) * 3], -1))], (-1, 3), None, None),
    "a variable": ([L.Activation("tanh"), L.BatchNormalization()], ANY, None, None),
    "nothing but zero": ([L.Activation("tanh"), L.Rescaling(0.0)], (0, 0), None, None),
    "another output": ([L.Lambda(lambda x: tf.identity_n([tf.tanh(x), 2.0 * x])[1])], ANY, None, None),
    "integers": ([L.Lambda(lambda x: tf.cast(tf.cast(tf.tanh(x) * 9, tf.uint8), tf.float32))], ANY, None, None),
    "Python": ([L.Lambda(lambda x: tf.py_function(lambda y: y, [x], tf.float32), output_shape=(4,))], ANY, None, None),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", TAILS)
def test_what_a_network_can_put_out(name):
    tail, interval, bounds, squashed_by = TAILS[name]
    made = network(*tail)
    output = ranges.of(made)
    np.testing.assert_allclose((output.low, output.high), interval, rtol=1e-6)
    if bounds is None:
        assert output.bounds is None
    else:
        np.testing.assert_allclose(output.bounds, bounds, rtol=1e-6)
    assert (squashed_by is None) == (output.squashed_by is None)
    assert squashed_by is None or re.match(squashed_by, output.squashed_by)
    outputs = np.asarray(made(tf.random.normal((1_000, 3), stddev=30.0)))
    assert output.low - 1e-3 <= outputs.min()
    assert outputs.max() <= output.high + 1e-3


def test_a_layer_is_named_that_squashes():
    assert ranges.of(network(L.Activation("tanh", name="end"))).squashed_by == "Tanh of layer 'end'"
