import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasgan import penalties
from kerasgan.stateless import Stream

PENALTIES = (
    penalties.GradientPenalty,
    penalties.LipschitzPenalty,
    penalties.DRAGANPenalty,
    penalties.R1,
    penalties.R2,
)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: penalty.__name__)

REAL = np.random.default_rng(1).normal(1.0, 2.0, (6, 2)).astype("float32")
FAKE = np.random.default_rng(2).normal(-1.0, 0.5, (6, 2)).astype("float32")


def linear(*slope):
    """Critic with this gradient everywhere."""
    return lambda x: tf.matmul(x, tf.constant(slope, tf.float32)[:, None])


def quadratic(x):
    """Critic whose gradient at x is x itself: its norm tells where it was taken."""
    return tf.reduce_sum(tf.square(x), axis=1, keepdims=True) / 2.0


def evaluate(penalty, discriminate, real=REAL, fake=FAKE, seed=0):
    real, fake = tf.constant(real), tf.constant(fake)
    return penalty(discriminate, real, fake, penalty.sample(real, stream(seed)))


def stream(seed=0):
    return Stream(seed, tf.constant(0, tf.int64))


def subclasses(cls):
    return {cls}.union(*(subclasses(child) for child in cls.__subclasses__()))


def test_every_penalty_of_the_package_is_in_these_tests():
    own = {cls for cls in subclasses(penalties.Penalty) if cls.__module__.startswith("kerasgan")}
    assert {cls for cls in own if not cls.__name__.startswith("_")} - {penalties.Penalty} == set(PENALTIES)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (penalties.GradientPenalty(10.0), 160.0),  # 10 * (5 - 1)**2
        (penalties.LipschitzPenalty(10.0), 160.0),  # the same: 5 > 1
        (penalties.DRAGANPenalty(10.0), 160.0),
        (penalties.R1(10.0), 125.0),  # 10 / 2 * 5**2
        (penalties.R2(10.0), 125.0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_value_at_a_linear_critic_of_slope_5(penalty, expected):
    value, norm = evaluate(penalty, linear(3.0, 4.0))
    assert float(value) == pytest.approx(expected)
    np.testing.assert_allclose(norm, np.full(6, 5.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (penalties.GradientPenalty(10.0), 2.5),  # 10 * (0.5 - 1)**2
        (penalties.LipschitzPenalty(10.0), 0.0),  # slopes below 1 are free
        (penalties.DRAGANPenalty(10.0), 2.5),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_only_the_one_sided_penalty_leaves_a_slope_below_1_free(penalty, expected):
    value, _ = evaluate(penalty, linear(0.3, 0.4))
    assert float(value) == pytest.approx(expected, abs=1e-6)


@every_penalty
def test_the_weight_is_a_factor(penalty):
    once, _ = evaluate(penalty(1.0), quadratic)
    thrice, _ = evaluate(penalty(3.0), quadratic)
    assert float(thrice) == pytest.approx(3.0 * float(once))


@every_penalty
def test_the_value_is_the_mean_over_examples_and_not_the_square_of_the_mean(penalty):
    value, norm = evaluate(penalty(2.0), quadratic)
    norm = norm.numpy()
    paper = {
        penalties.GradientPenalty: 2.0 * np.mean((norm - 1) ** 2),
        penalties.LipschitzPenalty: 2.0 * np.mean(np.maximum(0, norm - 1) ** 2),
        penalties.DRAGANPenalty: 2.0 * np.mean((norm - 1) ** 2),
        penalties.R1: 2.0 / 2 * np.mean(norm**2),
        penalties.R2: 2.0 / 2 * np.mean(norm**2),
    }
    assert np.ptp(norm) > 0.1
    assert float(value) == pytest.approx(paper[penalty], rel=1e-6)


def test_the_norm_is_euclidean_over_all_axes_of_an_image():
    # Slope 2 at each of 3 * 3 * 4 pixels: sqrt(36 * 4) = 12.
    images = tf.zeros((2, 3, 3, 4))
    norm = penalties.gradient_norm(lambda x: 2.0 * tf.reduce_sum(x, axis=[1, 2, 3])[:, None], images)
    np.testing.assert_allclose(norm, [12.0, 12.0], rtol=1e-6)


# Where the gradient is taken


def test_r1_is_taken_at_the_real_images():
    _, norm = evaluate(penalties.R1(), quadratic)
    np.testing.assert_allclose(norm, np.linalg.norm(REAL, axis=1), rtol=1e-5)


def test_r2_is_taken_at_the_generated_images():
    _, norm = evaluate(penalties.R2(), quadratic)
    np.testing.assert_allclose(norm, np.linalg.norm(FAKE, axis=1), rtol=1e-5)


def interpolation(penalty, shape, seed=0):
    """The weights t of points `real + t (fake - real)`, one a pixel: real = 0 and fake = 1 show them."""
    real, fake = tf.zeros(shape), tf.ones(shape)
    return penalty.points(real, fake, penalty.sample(real, stream(seed))).numpy()


@pytest.mark.parametrize("penalty", [penalties.GradientPenalty(), penalties.LipschitzPenalty()], ids=lambda p: p.name)
def test_an_image_is_interpolated_by_one_weight_and_each_image_by_its_own(penalty):
    t = interpolation(penalty, (16, 3, 3, 2)).reshape(16, -1)
    assert np.ptp(t, axis=1).max() == 0
    assert len(np.unique(t[:, 0])) == 16


def test_interpolation_starts_at_the_real_and_ends_at_the_generated_image():
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    penalty = penalties.GradientPenalty()
    np.testing.assert_array_equal(penalty.points(real, fake, tf.zeros((6, 1))), REAL)
    np.testing.assert_allclose(penalty.points(real, fake, tf.ones((6, 1))), FAKE, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        penalty.points(real, fake, tf.fill((6, 1), 0.25)), 0.75 * REAL + 0.25 * FAKE, rtol=1e-5, atol=1e-6
    )


def kolmogorov_smirnov(sample, cdf):
    """Largest distance between the empirical distribution function and `cdf`."""
    sample = np.sort(sample)
    steps = np.arange(len(sample) + 1) / len(sample)
    return max(np.max(steps[1:] - cdf(sample)), np.max(cdf(sample) - steps[:-1]))


def test_interpolation_weights_are_uniform_on_0_to_1():
    t = interpolation(penalties.GradientPenalty(), (20_000, 1))[:, 0]
    # The distance exceeds 1.95 / sqrt(n) in one sample of a thousand (Kolmogorov); the seed is fixed.
    assert kolmogorov_smirnov(t, lambda x: x) < 1.95 / np.sqrt(20_000)
    # Both ends are reached: no draw within 1e-3 of an end has the probability 0.999**20000 = 2e-9.
    assert 0 <= t.min() < 1e-3
    assert 1 - 1e-3 < t.max() < 1


def dragan_noise(real, scale=0.5):
    return penalties.DRAGANPenalty(scale=scale).sample(tf.constant(real), stream()).numpy()


def test_dragan_noise_is_one_weight_an_image_times_uniform_pixels():
    # E[t u] = 1/4 and E[(t u)**2] = 1/9 for independent uniform t, u; images of standard deviation 2, scale 0.5.
    real = np.random.default_rng(0).normal(5.0, 2.0, (2000, 20)).astype("float32")
    unit = dragan_noise(real) / (0.5 * real.std())
    assert unit.min() >= 0
    assert unit.max() < 1
    # The mean of 2000 independent images; deviation of an image's mean is 0.29 / 2, so 0.0033 of the whole: 4 of them.
    assert unit.mean() == pytest.approx(1 / 4, abs=0.013)
    assert (unit**2).mean() == pytest.approx(1 / 9, abs=0.013)
    # Given t, pixels are uniform on [0, t): the largest of 20 is t * 20/21 on average, and E[t] = 1/2.
    assert unit.max(axis=1).mean() == pytest.approx(0.5 * 20 / 21, abs=0.03)


def test_dragan_noise_is_proportional_to_the_scale():
    np.testing.assert_allclose(dragan_noise(REAL, 1.5), 3.0 * dragan_noise(REAL, 0.5), rtol=1e-6)


def test_dragan_noise_is_proportional_to_the_deviation_of_the_images_and_not_to_their_mean():
    np.testing.assert_allclose(dragan_noise(3.0 * REAL + 7.0), 3.0 * dragan_noise(REAL), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dragan_noise_is_float32_for_images_of_any_float_dtype(dtype):
    noise = penalties.DRAGANPenalty().sample(tf.cast(REAL, dtype), stream())
    assert noise.dtype == tf.float32
    np.testing.assert_allclose(noise, dragan_noise(REAL), rtol=2e-2)


def test_dragan_points_lie_around_the_real_images():
    _, norm = evaluate(penalties.DRAGANPenalty(), quadratic)
    np.testing.assert_allclose(norm, np.linalg.norm(REAL + dragan_noise(REAL), axis=1), rtol=1e-5)


def test_dragan_takes_the_deviation_of_the_global_batch(mirrored):
    # Two replicas that hold 0 and 2: deviation 0 on each, 1 together. t and u come from the global draw too.
    def noise():
        rank = tf.distribute.get_replica_context().replica_id_in_sync_group
        return penalties.DRAGANPenalty().sample(tf.fill((3, 2), 2.0 * tf.cast(rank, tf.float32)), stream())

    parts = mirrored.experimental_local_results(mirrored.run(noise))
    whole = penalties.DRAGANPenalty().sample(tf.constant([[0.0, 0.0]] * 3 + [[2.0, 2.0]] * 3), stream())
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_gamma_may_change_and_is_saved():
    penalty = penalties.R1(3.0)
    penalty.gamma = 5
    assert (penalty.weight, penalty.get_config()["gamma"]) == (2.5, 5.0)
    with pytest.raises(ValueError, match="gamma=-1"):
        penalty.gamma = -1


# Passes of the discriminator


def test_a_penalty_at_images_that_were_judged_takes_no_further_pass_and_equals_one_that_does():
    weight, passes = tf.Variable([[0.3], [-0.7]]), []

    def critic(x):
        passes.append(x)
        return tf.tanh(tf.matmul(tf.square(x), weight))

    real, fake = tf.constant(REAL), tf.constant(FAKE)
    results = []
    for judge in (penalties.Recorded(critic), critic):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(judge(real)) - tf.reduce_sum(judge(fake))
            for penalty in (penalties.R1(3.0), penalties.R2(5.0), penalties.R1(2.0)):
                value += penalty(judge, real, fake)[0]
        results.append((value, tape.gradient(value, weight)))
    assert len(passes) == 2 + (2 + 3)
    for once, again in zip(*results, strict=True):
        np.testing.assert_allclose(once, again, rtol=1e-6)


def test_a_recorded_critic_is_judged_where_it_was_not_yet():
    recorded = penalties.Recorded(quadratic)
    recorded(tf.constant(REAL))
    np.testing.assert_allclose(recorded.gradient(tf.constant(FAKE)), FAKE, rtol=1e-6)


# What must not go wrong


def trained(penalty, discriminate, *variables):
    """The penalty and its gradient for the critic's variables."""
    with tf.GradientTape() as tape:
        value, _ = evaluate(penalty, discriminate)
    return value, tape.gradient(value, variables)


@every_penalty
def test_a_critic_with_zero_gradient_gives_a_finite_penalty_and_gradient(penalty):
    weight = tf.Variable(tf.zeros((2, 1)))
    value, (gradient,) = trained(penalty(), lambda x: tf.matmul(x, weight), weight)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_penalty
def test_logits_of_1e4_give_a_finite_penalty_and_gradient(penalty):
    weight = tf.Variable([[1e4], [1e4]])
    value, (gradient,) = trained(penalty(), lambda x: tf.matmul(x, weight), weight)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_penalty
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_weight_that_is_not_at_least_0_is_refused(penalty, weight):
    with pytest.raises(ValueError, match=r"Expected a finite number >= 0. Received: (weight|gamma)=(-|nan)"):
        penalty(weight)


@every_penalty
def test_weight_0_switches_it_off(penalty):
    assert float(evaluate(penalty(0.0), quadratic)[0]) == 0.0


@every_penalty
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_half_precision_critic_has_a_float32_penalty(penalty, policy):
    keras.config.set_dtype_policy(policy)
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    critic.set_weights([np.array([[3.0], [4.0]])])
    value, norm = evaluate(penalty(), critic)
    assert critic(REAL).dtype == policy.removeprefix("mixed_")
    assert value.dtype == norm.dtype == tf.float32
    np.testing.assert_allclose(norm, np.full(6, 5.0), rtol=1e-6)  # 3 and 4 are exact in half precision


def test_squares_of_gradients_that_half_precision_loses_are_kept():
    # (1e-4)**2 = 1e-8 is 0 in float16, whose smallest number is 6e-8: the gradient is cast before it is squared.
    slope = tf.constant([[1e-4], [1e-4]], tf.float16)
    norm = penalties.gradient_norm(lambda x: tf.matmul(x, slope), tf.constant(REAL, tf.float16))
    assert norm.dtype == tf.float32
    np.testing.assert_allclose(norm, np.full(6, 1e-4 * np.sqrt(2)), rtol=1e-2)


@every_penalty
def test_a_penalty_survives_serialisation(penalty):
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(penalty(7.0, name="other")))
    assert type(restored) is penalty
    assert restored.get_config() == penalty(7.0, name="other").get_config()
    np.testing.assert_allclose(evaluate(restored, quadratic)[0], evaluate(penalty(7.0), quadratic)[0])


def test_the_scale_of_dragan_survives_serialisation():
    penalty = penalties.DRAGANPenalty(scale=2.0)
    assert penalties.DRAGANPenalty.from_config(penalty.get_config()).scale == 2.0


@every_penalty
def test_a_penalty_is_registered_under_the_name_of_the_package(penalty):
    assert keras.saving.get_registered_name(penalty) == f"kerasgan>{penalty.__name__}"


@pytest.mark.parametrize("method", ["points", "penalty"])
def test_a_penalty_of_ones_own_must_override_points_and_penalty(method):
    own = type("Own", (penalties.Penalty,), {})(1.0, "own")
    with pytest.raises(NotImplementedError, match=f"Own must override `{method}"):
        own.points(None, None, None) if method == "points" else own.penalty(None)
