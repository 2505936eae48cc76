"""What the tests share: the machine they see, small networks, and clean global state."""

import gc
import os

# Before TensorFlow is imported anywhere: it reads these once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgan import distribution, layers
from kerasgan.cli import waiting
from kerasgan.datasets import pipeline

# Graphs are many objects that are not garbage: looking through them less often saves a twentieth of the time.
gc.set_threshold(100_000, 20, 20)
# So that no iterator holds a test up when it is dropped, those of tests and of Keras's own methods too.
iterate = tf.data.Dataset.__iter__
tf.data.Dataset.__iter__ = lambda dataset: iterate(pipeline.untuned(dataset))

# What a command prints must not depend on how fast the machine is.
waiting._SECONDS = 3_600.0

# Two CPUs for tf.distribute. It has to happen before the first operation.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def mirrored():
    """The one MirroredStrategy of two replicas: a second object in a process breaks the collectives of the first."""
    return distribution.strategy("mirrored")


@pytest.fixture(autouse=True)
def clean_state():
    """Every test starts from the same weights and leaves no dtype policy behind."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def float64():
    """Everything that is built in the test is float64."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def small_generator(image_shape=(4, 4, 1), latent_dim=3, units=8):
    """Two fully connected layers: the cheapest network that has everything a training step touches."""
    latents = keras.Input((latent_dim,), name="latents")
    hidden = layers.LeakyReLU(0.2)(keras.layers.Dense(units)(latents))
    images = keras.layers.Dense(int(np.prod(image_shape)), activation="tanh")(hidden)
    return keras.Model(latents, keras.layers.Reshape(image_shape)(images), name="generator")


def small_discriminator(image_shape=(4, 4, 1), units=8, dense=keras.layers.Dense):
    images = keras.Input(image_shape, name="images")
    hidden = layers.LeakyReLU(0.2)(dense(units)(keras.layers.Flatten()(images)))
    return keras.Model(images, dense(1)(hidden), name="discriminator")


@pytest.fixture
def make_generator():
    return small_generator


@pytest.fixture
def make_discriminator():
    return small_discriminator
