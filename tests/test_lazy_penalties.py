"""Penalties in one of several updates of the discriminator: `every`."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import MODES, distance, networks, trained
from selection import some

import kerasgan as kg
from kerasgan import losses, penalties

WEIGHT, RATE, SLOPE, REAL, FAKE = 3.0, 0.01, 2.5, 0.75, -0.25


def on_a_line(every, n_critic=4):
    """D(x) = w x, real images at 0.75 and generated ones at -0.25: all gradients are known."""
    generator = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(FAKE)),
        ]
    )
    initializer = keras.initializers.Constant(SLOPE)
    critic = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=initializer)]
    )
    penalty = penalties.GradientPenalty(WEIGHT, every=every)
    model = kg.GAN(generator, critic, losses.Wasserstein(), [penalty], n_critic=n_critic)
    model.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE))
    return model


def images(count):
    return REAL + np.resize([-0.1, 0.1], (count, 1)).astype("float32")


@pytest.mark.parametrize("every", [1, 2, 4])
def test_the_first_of_so_many_updates_has_so_many_times_the_penalty(every):
    model = on_a_line(every)
    history = model.fit(images(32), batch_size=8, shuffle=False, verbose=0).history
    slope, logged = SLOPE, []
    for update in range(4):
        gradient = FAKE - REAL
        if update % every == 0:
            logged.append((WEIGHT * (slope - 1.0) ** 2, slope))
            gradient += every * 2.0 * WEIGHT * (slope - 1.0)
        slope -= RATE * gradient
    assert model.discriminator.weights[0].numpy().item() == pytest.approx(slope, rel=1e-5)
    assert history["gradient_penalty"] == pytest.approx([np.mean([value for value, _ in logged])], rel=1e-5)
    assert history["gradient_norm"] == pytest.approx([np.mean([norm for _, norm in logged])], rel=1e-5)


def test_held_out_penalties_have_no_factor():
    model = on_a_line(4)
    values = model.evaluate(images(8), verbose=0, return_dict=True)
    assert values["gradient_penalty"] == pytest.approx(WEIGHT * (SLOPE - 1.0) ** 2)


def lazy():
    # One in every two updates, and one in all four.
    both = [penalties.GradientPenalty(10.0, every=2), penalties.R1(1.0, every=4)]
    return kg.GAN(*networks(), losses.Wasserstein(), both, n_critic=4)


@pytest.mark.parametrize("mode", some(MODES, 0))
def test_training_is_the_same_in(mode, mirrored):
    expected = trained(lazy, run_eagerly=True)
    assert distance(expected, trained(lazy, mode=mode, mirrored=mirrored)) < 5e-6


@pytest.mark.parametrize(
    "penalty",
    [penalties.GradientPenalty, penalties.LipschitzPenalty, penalties.DRAGANPenalty, penalties.R1, penalties.R2],
)
def test_it_is_saved(penalty):
    assert penalty.from_config(penalty(2.0, every=5).get_config()).every == 5


@pytest.mark.parametrize("every", [0, 1.5, True])
def test_a_number_of_updates_is_a_positive_integer(every):
    with pytest.raises(ValueError, match="`every`"):
        penalties.R1(every=every)


def test_what_does_not_divide_a_step_is_refused():
    with pytest.raises(ValueError, match=r"`every`.*divisor of n_critic=1 for 'r1'.*every=4"):
        kg.GAN(*networks(), penalties=[penalties.R1(every=4)])
    model = lazy()
    with pytest.raises(ValueError, match=r"divisor of n_critic=2 for 'r1'"):
        model.n_critic = 2
    assert model.n_critic == 4
    model.penalties[0].every = 3  # as the weight of a penalty may be set
    model.compile()
    with pytest.raises(ValueError, match=r"divisor of n_critic=4.*every=3"):
        model.fit(np.zeros((8, 4, 4, 1), "float32"), batch_size=2, verbose=0)


def test_penalties_need_not_be_hashable():
    @dataclasses.dataclass
    class Own(penalties.Penalty):
        weight: float = 1.0
        name: str = "own"

        def points(self, real, fake, noise):
            return fake

        def penalty(self, norm):
            return norm

    assert Own.__hash__ is None
    model = trained(lambda: kg.GAN(*networks(), penalties=[Own(), Own(name="other")], n_critic=2), epochs=1)
    assert model.history.history["own"] == model.history.history["other"]


def test_a_penalty_of_a_user_that_knows_nothing_of_it_is_in_every_update():
    class Own(penalties.Penalty):
        def __init__(self):
            self.weight, self.name = 1.0, "own"

        def points(self, real, fake, noise):
            return real

        def penalty(self, norm):
            return tf.square(norm)

    model = trained(lambda: kg.GAN(*networks(), penalties=[Own()], n_critic=2), epochs=1)
    assert model.history.history["own"][0] > 0.0
