import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import distance, networks, trained

import kerasgan as kg
from kerasgan import losses

LOSSES = (
    losses.NonSaturating,
    losses.Minimax,
    losses.LeastSquares,
    losses.Hinge,
    losses.Wasserstein,
    losses.Relativistic,
)

# Real and fake differ in value and in number of large logits, so that swapped arguments or a dropped term show.
REAL = np.array([[2.0], [-0.5], [0.25], [1.5]])
FAKE = np.array([[-1.0], [0.75], [-3.0], [0.5]])


def log_sigmoid(x):
    return np.log(1.0 / (1.0 + np.exp(-x)))


def nonsaturating_discriminator(real, fake):
    return -np.mean(log_sigmoid(real)) - np.mean(np.log(1.0 - 1.0 / (1.0 + np.exp(-fake))))


# The papers' formulas over D(x) = sigmoid(logit), as the papers write them.
PAPERS = {
    losses.NonSaturating: (nonsaturating_discriminator, lambda real, fake: -np.mean(log_sigmoid(fake))),
    losses.Minimax: (
        nonsaturating_discriminator,
        lambda real, fake: np.mean(np.log(1.0 - 1.0 / (1.0 + np.exp(-fake)))),
    ),
    losses.LeastSquares: (
        lambda real, fake: 0.5 * np.mean((real - 1.0) ** 2) + 0.5 * np.mean(fake**2),
        lambda real, fake: 0.5 * np.mean((fake - 1.0) ** 2),
    ),
    losses.Hinge: (
        lambda real, fake: -np.mean(np.minimum(0.0, -1.0 + real)) - np.mean(np.minimum(0.0, -1.0 - fake)),
        lambda real, fake: -np.mean(fake),
    ),
    losses.Wasserstein: (
        lambda real, fake: -(np.mean(real) - np.mean(fake)),
        lambda real, fake: -np.mean(fake),
    ),
    losses.Relativistic: (
        lambda real, fake: -np.mean(log_sigmoid(real - fake)),
        lambda real, fake: -np.mean(log_sigmoid(fake - real)),
    ),
}

# D = 1/2 everywhere. Cross entropies: -log(1/2) = log 2 a term. Least squares: (1 + 0) / 2 and 1 / 2.
# Hinge: max(0, 1) twice. Wasserstein: no difference. Relativistic: -log sigmoid(0).
AT_ZERO = {
    losses.NonSaturating: (2 * math.log(2), math.log(2)),
    losses.Minimax: (2 * math.log(2), -math.log(2)),
    losses.LeastSquares: (0.5, 0.5),
    losses.Hinge: (2.0, 0.0),
    losses.Wasserstein: (0.0, 0.0),
    losses.Relativistic: (math.log(2), math.log(2)),
}

every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def values(loss, real, fake):
    real, fake = tf.constant(real, tf.float32), tf.constant(fake, tf.float32)
    return float(loss().discriminator(real, fake)), float(loss().generator(real, fake))


def gradients(loss, role, real, fake):
    real, fake = tf.constant(real, tf.float32), tf.constant(fake, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([real, fake])
        value = getattr(loss(), role)(real, fake)
    return value, tape.gradient(value, [real, fake], unconnected_gradients=tf.UnconnectedGradients.ZERO)


def subclasses(cls):
    return {cls}.union(*(subclasses(child) for child in cls.__subclasses__()))


def test_every_loss_of_the_package_is_in_these_tests():
    own = {cls for cls in subclasses(losses.AdversarialLoss) if cls.__module__.startswith("kerasgan")}
    assert own - {losses.AdversarialLoss, losses.Paired} == set(LOSSES)
    assert set(losses.NAMES.values()) == set(LOSSES)


@every_loss
def test_values_where_the_discriminator_knows_nothing(loss):
    np.testing.assert_allclose(values(loss, np.zeros((5, 1)), np.zeros((5, 1))), AT_ZERO[loss], rtol=1e-6)


@every_loss
def test_values_are_those_of_the_paper(loss):
    discriminator, generator = PAPERS[loss]
    np.testing.assert_allclose(values(loss, REAL, FAKE), (discriminator(REAL, FAKE), generator(REAL, FAKE)), rtol=1e-6)


@every_loss
@pytest.mark.parametrize("role", ["discriminator", "generator"])
@pytest.mark.parametrize(("real", "fake"), [(1e4, -1e4), (-1e4, 1e4), (1e4, 1e4), (-1e4, -1e4)])
def test_values_and_gradients_are_finite_at_large_logits(loss, role, real, fake):
    value, slopes = gradients(loss, role, [[real]], [[fake]])
    assert np.isfinite(value)
    assert np.isfinite(slopes).all()


@every_loss
@pytest.mark.parametrize("role", ["discriminator", "generator"])
def test_the_result_is_a_float32_scalar(loss, role):
    value, _ = gradients(loss, role, REAL, FAKE)
    assert value.shape == ()
    assert value.dtype == tf.float32


@every_loss
def test_a_better_discriminator_has_a_lower_loss(loss):
    # Real logits up or fake logits down is what every one of them rewards, wherever it is not yet saturated.
    _, (real, fake) = gradients(loss, "discriminator", np.zeros((3, 1)), np.zeros((3, 1)))
    assert (real.numpy() < 0).all()
    assert (fake.numpy() > 0).all() or (loss is losses.LeastSquares and (fake.numpy() == 0).all())


@every_loss
def test_the_generator_wants_higher_logits_for_its_images(loss):
    _, (_, fake) = gradients(loss, "generator", np.zeros((3, 1)), np.zeros((3, 1)))
    assert (fake.numpy() < 0).all()


def test_minimax_gives_the_generator_no_gradient_where_the_discriminator_wins_and_nonsaturating_does():
    # Slopes at logit s are -sigmoid(s) and -(1 - sigmoid(s)): at -20, 2e-9 and 1.
    _, (_, minimax) = gradients(losses.Minimax, "generator", [[0.0]], [[-20.0]])
    _, (_, nonsaturating) = gradients(losses.NonSaturating, "generator", [[0.0]], [[-20.0]])
    np.testing.assert_allclose(minimax, [[-1.0 / (1.0 + math.exp(20.0))]], rtol=1e-5)
    np.testing.assert_allclose(nonsaturating, [[-1.0]], rtol=1e-6)


@every_loss
def test_only_a_relativistic_loss_reads_the_real_logits_for_the_generator(loss):
    if loss.relativistic:
        _, (real, _) = gradients(loss, "generator", REAL, FAKE)
        assert (real.numpy() > 0).all()
    else:
        # The training step passes None.
        assert np.isfinite(loss().generator(None, tf.constant(FAKE, tf.float32)))


def test_the_distance_of_the_wasserstein_loss_is_positive_where_the_critic_tells_them_apart():
    assert losses.Wasserstein.distance == "wasserstein"
    loss, _ = values(losses.Wasserstein, REAL, FAKE)
    # mean(REAL) - mean(FAKE) = 0.8125 + 0.6875.
    assert -loss == pytest.approx(1.5)


@every_loss
def test_a_loss_survives_serialisation(loss):
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss()))
    assert type(restored) is loss


@every_loss
def test_a_loss_is_registered_under_the_name_of_the_package(loss):
    assert keras.saving.get_registered_name(loss) == f"kerasgan>{loss.__name__}"


@pytest.mark.parametrize("role", ["discriminator", "generator"])
def test_a_loss_of_ones_own_must_override_both_methods(role):
    class Half(losses.AdversarialLoss):
        pass

    with pytest.raises(NotImplementedError, match=f"Half must override `{role}"):
        getattr(Half(), role)(None, None)


# Losses of Keras, and by name

CROSS_ENTROPY = keras.losses.BinaryCrossentropy(from_logits=True)


@keras.saving.register_keras_serializable("tests")
def absolute(targets, logits):
    return keras.ops.abs(targets - logits)[:, 0]


@pytest.mark.parametrize("role", ["discriminator", "generator"])
def test_a_cross_entropy_of_keras_is_the_non_saturating_loss(role):
    ours, of_keras = losses.NonSaturating, lambda: losses.Paired(CROSS_ENTROPY)
    for one, other in zip(gradients(ours, role, REAL, FAKE), gradients(of_keras, role, REAL, FAKE), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_targets_are_those_that_were_given():
    paired = losses.Paired(absolute, real=0.9, fake=-0.5, wanted=0.7)
    value = paired.discriminator(tf.constant([[1.0], [2.0]]), tf.constant([[0.0], [1.0]]))
    assert float(value) == pytest.approx((0.1 + 1.1) / 2 + (0.5 + 1.5) / 2)
    assert float(paired.generator(None, tf.constant([[0.0], [1.0]]))) == pytest.approx((0.7 + 0.3) / 2)


def test_a_loss_of_keras_trains_as_ours_does_and_is_saved_with_its_targets(tmp_path):
    ours, of_keras = trained(lambda: kg.GAN(*networks())), trained(lambda: kg.GAN(*networks(), loss=CROSS_ENTROPY))
    assert distance(ours, of_keras) < 1e-6
    gan = kg.GAN(*networks(), loss=losses.Paired(absolute, real=0.9))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras").loss
    assert (loaded.loss, loaded.real, loaded.fake, loaded.wanted) == (absolute, 0.9, 0.0, 1.0)


def test_a_loss_has_a_name():
    for name, kind in losses.NAMES.items():
        assert type(kg.GAN(*networks(), loss=name).loss) is kind


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("hing", "or one of non_saturating, .*hinge"),
        (losses.Hinge, "e.g. kerasgan.losses.Wasserstein"),
        (1.0, "e.g. kerasgan.losses.Wasserstein"),
        (keras.losses.BinaryCrossentropy(), "one of logits.*BinaryCrossentropy with from_logits=False"),
        (keras.losses.binary_crossentropy, "one of logits.*binary_crossentropy with from_logits=False"),
        (keras.losses.MeanSquaredError(reduction="sum"), "leave out `reduction`"),
    ],
)
def test_what_is_no_loss_of_logits_is_refused(loss, message):
    with pytest.raises(ValueError, match=f"`loss`.*{message}"):
        kg.GAN(*networks(), loss=loss)


def test_a_target_that_is_no_number_is_refused():
    for bad in (None, "1", np.nan, True):
        with pytest.raises(ValueError, match="`real`"):
            losses.Paired(CROSS_ENTROPY, real=bad)
