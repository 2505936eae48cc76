"""From seeds to latents in operations that ONNX has, too.

`kerasgan.inference` draws with TensorFlow's stateless generator and truncates with the inverse of the error function.
ONNX has neither. Here are the same functions, made of integers, logarithms and exponentials, and equal up to the last
digits of a float32.
"""

import math

import numpy as np
import tensorflow as tf

_WORD, _HALF = 2**32 - 1, 2**16 - 1
# Philox4x32-10: the multipliers of the two even words of a counter, and what a round adds to the two words of a key.
_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], "int64").reshape(2, 1, 1)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], "int64").reshape(2, 1, 1)
# TensorFlow's key for seeds, from which Philox makes the key and half of the counter of the draws.
_SEED_KEY = np.array([0x3EC8F720, 0x02461E29], "int64").reshape(2, 1, 1)
_ROUNDS = 10
_SMALLEST_UNIFORM = 1e-7
# Of the sum that is the error function: its step, and the squares of its nodes, 16 digits of them.
_STEP = 0.5
_SQUARES = (_STEP * (np.arange(13) + 0.5)) ** 2
_NEWTON_STEPS = 8
_FARTHEST = 6.0  # a float32 of Box and Muller stays below


def latents_of(seeds: tf.Tensor, latent_dim: int) -> tf.Tensor:
    """`kerasgan.inference.latents_of`: standard normal latents `(n, latent_dim)` of int64 seeds `(n,)`, each >= 0.

    References: Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, 2011, section 3.3; Box, Muller,
    A Note on the Generation of Random Normal Deviates, 1958; TensorFlow, `stateless_random_ops.cc` (how seeds become
    keys) and `random_distributions.h` (how integers become floats).
    """
    seeds = seeds[None, :, None]
    zeros = tf.zeros_like(seeds)
    even = tf.concat([_and(seeds, _WORD), zeros], 0)
    odd = tf.concat([seeds // (_WORD + 1), zeros], 0)
    even, odd = _philox(even, odd, zeros + _SEED_KEY)
    block = zeros[0] + tf.range(math.ceil(latent_dim / 4), dtype=tf.int64)  # a block has four numbers
    nothing = tf.zeros_like(block)
    even, odd = _philox(
        tf.stack([block, even[1] + nothing]), tf.stack([nothing, odd[1] + nothing]), tf.stack([even[0], odd[0]])
    )
    radius = tf.sqrt(-2.0 * tf.math.log(tf.maximum(tf.cast(_uniform(even), tf.float32), _SMALLEST_UNIFORM)))
    angle = tf.cast(2.0 * math.pi * _uniform(odd), tf.float32)
    normal = tf.stack([radius * tf.sin(angle), radius * tf.cos(angle)], -1)  # (2, n, blocks, 2)
    return tf.reshape(tf.transpose(normal, (1, 2, 0, 3)), (-1, 4 * block.shape[-1]))[:, :latent_dim]


def _philox(even, odd, key):
    """The even and the odd words of random blocks, from those of counters: 32-bit words in int64 `(2, n, blocks)`."""

    def one_round(even, odd, key):
        # even * multiplier, whose 64 bits an int64 cannot hold with its sign: by halves of the multiplier.
        low, high = even * (_MULTIPLIERS & _HALF), even * (_MULTIPLIERS >> 16)
        high += low // (_HALF + 1)
        low = _and(_and(high, _HALF) * (_HALF + 1) + _and(low, _HALF), _WORD)
        high //= _HALF + 1
        return _xor(_xor(high[::-1], odd), key), low[::-1], _and(key + _KEY_STEPS, _WORD)

    return _repeated(one_round, _ROUNDS, even, odd, key)[:2]


def _repeated(function, count, *values):
    """`function` of `function` of ... of values: a loop, since the time to convert a graph grows with its size."""
    return tf.while_loop(
        lambda step, *_: step < count, lambda step, *values: (step + 1, *function(*values)), (0, *values)
    )[1:]


def _uniform(words):
    """Float64 in [0, 1), from the 23 bits that TensorFlow takes for a float32."""
    return tf.cast(_and(words, 2**23 - 1), tf.float64) * 2.0**-23


def _and(words, mask):
    return tf.bitwise.bitwise_and(words, tf.constant(mask, tf.int64))


def _xor(words, others):
    return tf.bitwise.bitwise_xor(words, others)


def truncated(latents: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    """`kerasgan.inference.truncated`: every number moves to the quantile that it has in the truncated distribution."""
    z, t = tf.abs(tf.cast(latents, tf.float64)), tf.cast(truncation, tf.float64)[:, None]
    nearest = tf.minimum(z, t)
    root = math.sqrt(2.0)
    outside = tf.minimum(z / root, _FARTHEST), tf.minimum(t / root, _FARTHEST)
    first, second = _erfc(outside[0]), _erfc(outside[1])
    moved = root * _erfc_inverse(first + second - first * second, tf.minimum(*outside))
    return tf.cast(tf.cast(tf.sign(latents), tf.float64) * tf.minimum(moved, nearest), tf.float32)


def _erfc(x):
    """The complementary error function of float64 in [0, 6], to 14 digits, also where it is tiny.

    Reference: Chiarella, Reichl, On the Evaluation of Integrals Related to the Error Function, 1968.
    """
    square = x * x
    total = tf.reduce_sum(np.exp(-_SQUARES) / (square[..., None] + _SQUARES), -1)
    return 2.0 * _STEP / math.pi * x * tf.exp(-square) * total + 2.0 / (1.0 + tf.exp(2.0 * math.pi / _STEP * x))


def _erfc_inverse(value, x):
    """Where `_erfc` has a value, from an `x` that is no less, by Newton's method on its logarithm, which is concave."""

    def step(x):
        there = _erfc(x)
        return (x + tf.math.log(there / value) * there * tf.exp(x * x) * (math.sqrt(math.pi) / 2.0),)

    return _repeated(step, _NEWTON_STEPS, x)[0]
