"""Discriminators trained to the end, where theory gives the number they must settle at.

The generator is the identity and stands still (its learning rate is 0), so the fakes are N(0, 1). A logged value is the
mean over an epoch: the last one is read, after the discriminator has settled.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import some

import kerasgan as kg
from kerasgan import losses, penalties

BATCH = 256
SHIFT = 3.0


def identity_generator():
    latents = keras.Input((1,), name="latents")
    layer = keras.layers.Dense(1)
    model = keras.Model(latents, layer(latents))
    layer.set_weights([np.ones((1, 1)), np.zeros(1)])
    return model


def linear_discriminator(slope=0.5):
    images = keras.Input((1,), name="images")
    layer = keras.layers.Dense(1)
    model = keras.Model(images, layer(images))
    layer.set_weights([np.full((1, 1), slope), np.zeros(1)])
    return model


def normal(mean, batches, seed=0):
    """Batches of N(mean, 1), centred: what is left of the sampling error of the mean is that of the generator's."""
    x = np.random.default_rng(seed).normal(size=(batches, BATCH, 1))
    return tf.data.Dataset.from_tensor_slices((x - x.mean() + mean).astype("float32"))


def settled(gan, optimizer, real, epochs):
    """The logged values of the last epoch."""
    gan.compile(optimizer, keras.optimizers.SGD(1e-30))
    history = gan.fit(real, epochs=epochs, verbose=0).history
    return {name: values[-1] for name, values in history.items()}


# The earth mover's distance. W1(N(0, 1), N(d, 1)) = |d|.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("penalty", "start", "slope"),
    some(
        [
            # D(x) = w x minimises -w d + weight (|w| - 1)**2 at w = 1 + d / (2 weight).
            (penalties.GradientPenalty(10.0), 0.5, 1.15),
            (penalties.LipschitzPenalty(10.0), 0.5, 1.15),
            # Below 0 the two-sided penalty has another minimum, -1 + d / (2 weight); the one-sided is flat there.
            (penalties.GradientPenalty(10.0), -0.5, -0.85),
            (penalties.LipschitzPenalty(10.0), -0.5, 1.15),
        ],
        0,
        3,
    ),
    ids=["two-sided", "one-sided", "two-sided from below 0", "one-sided from below 0"],
)
def test_a_linear_critic_with_a_gradient_penalty_settles_above_the_distance(penalty, start, slope):
    # So the estimate is d (1 + d / (2 weight)) = 3 * 1.15 = 3.45. The mean of 200 * 256 latents is off by 0.0044.
    gan = kg.GAN(identity_generator(), linear_discriminator(start), losses.Wasserstein(), [penalty])
    values = settled(gan, keras.optimizers.SGD(0.01), normal(SHIFT, 200), epochs=2)
    assert values["wasserstein"] == pytest.approx(SHIFT * slope, abs=0.03)
    assert values["gradient_norm"] == pytest.approx(abs(slope), abs=0.01)
    assert values["d_loss"] == -values["wasserstein"]


def best_estimate(shift, weight):
    """The estimate of the best critic of all, for N(0, 1) against N(shift, 1), by quadrature.

    Where the points of the penalty have the density r, and A is the difference of the distribution functions, the
    variation of E_real[D] - E_fake[D] - weight * E[(D' - 1)**2] gives D' = 1 + A / (2 weight r), and the estimate is
    the integral of D' A, which is shift + integral(A**2 / r) / (2 weight).
    """
    x = np.linspace(-9, 9 + shift, 2001)
    cdf = lambda mean: np.cumsum(np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi)) * (x[1] - x[0])
    t = (np.arange(2000) + 0.5) / 2000
    mean, deviation = t * shift, np.sqrt((1 - t) ** 2 + t**2)
    r = np.mean(np.exp(-(((x[:, None] - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi)), axis=1)
    return shift + np.trapezoid((cdf(0.0) - cdf(shift)) ** 2 / r, x) / (2 * weight)


@pytest.mark.slow
def test_an_mlp_critic_settles_at_the_estimate_of_the_best_critic():
    # 3.463, not the linear critic's 3.45: its slope is larger between the two. The best slope is above 1 everywhere, so
    # the one-sided penalty has the same optimum, and no other where a part of the critic starts with a slope below 0.
    critic = kg.networks.mlp_discriminator((1,), units=(32, 32))
    gan = kg.WGANLP(identity_generator(), critic, n_critic=1)
    decay = keras.optimizers.schedules.CosineDecay(3e-3, 1000)
    values = settled(gan, keras.optimizers.Adam(decay, 0.0, 0.9), normal(SHIFT, 200), epochs=5)
    # 0.008 is the deviation of the means of 51,200 images and latents, times the slope; the rest is left to Adam.
    assert values["wasserstein"] == pytest.approx(best_estimate(SHIFT, 10.0), abs=0.05)


def test_the_best_estimate_nears_the_distance_as_the_weight_grows():
    # W1 = 3, and by Cauchy and Schwarz never below the linear critic's 3 (1 + 3 / (2 weight)).
    assert best_estimate(SHIFT, 1e6) == pytest.approx(3.0, abs=1e-3)
    assert 3.45 < best_estimate(SHIFT, 10.0) < 3.47


@pytest.mark.slow
def test_a_heavier_penalty_brings_the_estimate_nearer_to_the_distance():
    # 3 * (1 + 3 / 200) = 3.045.
    gan = kg.WGANGP(identity_generator(), linear_discriminator(), weight=100.0, n_critic=1)
    values = settled(gan, keras.optimizers.SGD(0.002), normal(SHIFT, 200), epochs=2)
    assert values["wasserstein"] == pytest.approx(3.045, abs=0.03)


def test_a_clipped_linear_critic_settles_at_the_clip_times_the_distance():
    # The largest slope that is allowed: 0.01 * 3.
    gan = kg.WGAN(identity_generator(), linear_discriminator(), clip=0.01, n_critic=1)
    values = settled(gan, keras.optimizers.SGD(0.01), normal(SHIFT, 50), epochs=2)
    assert values["wasserstein"] == pytest.approx(0.03, rel=0.02)


# The Jensen-Shannon divergence. V(D*, G) = -2 log 2 + 2 JSD, and d_loss = -V: Goodfellow et al., 2014, theorem 1.


def jensen_shannon(mean):
    """JSD(N(0, 1), N(mean, 1)) by quadrature."""
    x = np.linspace(-12, 12 + mean, 20_001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0.0, mean))
    m = (p + q) / 2
    return (np.trapezoid(p * np.log(p / m), x) + np.trapezoid(q * np.log(q / m), x)) / 2


def test_the_quadrature_is_0_for_one_distribution_and_log_2_for_disjoint_ones():
    assert jensen_shannon(0.0) == pytest.approx(0.0, abs=1e-9)
    assert jensen_shannon(20.0) == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.parametrize("shift", some([0.0, 1.0, 2.0], 1))
def test_d_loss_settles_at_2_log_2_less_twice_the_divergence(shift):
    # The best D of two normals of one variance is a logistic regression, D(x) = sigmoid(d x - d**2 / 2): it is held by
    # a linear discriminator. 100 batches of 256 leave a deviation of about 0.005 in the mean of the loss.
    gan = kg.GAN(identity_generator(), linear_discriminator())
    values = settled(gan, keras.optimizers.Adam(0.02), normal(shift, 100), epochs=4)
    assert values["d_loss"] == pytest.approx(2 * np.log(2) - 2 * jensen_shannon(shift), abs=0.015)


def test_d_loss_goes_to_0_for_disjoint_supports():
    # JSD = log 2: the discriminator is always right. At a distance of 20 the overlap is nothing.
    gan = kg.GAN(identity_generator(), linear_discriminator())
    values = settled(gan, keras.optimizers.Adam(0.1), normal(20.0, 100), epochs=4)
    assert 0 <= values["d_loss"] < 0.01


@pytest.mark.slow
def test_the_saturating_generator_learns_nothing_from_disjoint_supports_and_the_others_do():
    # The generator's loss at D(G(z)) -> 0: log(1 - D) -> 0, -log D grows, and so does -E[D] of a critic.
    minimax = kg.GAN(identity_generator(), linear_discriminator(), losses.Minimax())
    saturating = settled(minimax, keras.optimizers.Adam(0.1), normal(20.0, 100), epochs=4)["g_loss"]
    assert abs(saturating) < 0.01
    gan = kg.GAN(identity_generator(), linear_discriminator())
    assert settled(gan, keras.optimizers.Adam(0.1), normal(20.0, 100), epochs=4)["g_loss"] > 5
