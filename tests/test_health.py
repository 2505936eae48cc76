"""`callbacks.Health`: each problem on a training that really has it, and silence on those that are well."""

import io
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import each, some

import kerasgan as kg
from kerasgan.callbacks import health, problems
from kerasgan.errors import NonFiniteError
from kerasgan.metrics import copies

SOURCE = kg.datasets.read("digits")
DIGITS, LABELS = SOURCE.images / np.float32(127.5) - 1, SOURCE.labels


def networks(units=(64, 64), latent_dim=16):
    return kg.networks.mlp_generator((8, 8, 1), latent_dim, units), kg.networks.mlp_discriminator((8, 8, 1), units)


def fit(gan, steps=120, every=None, data=None, callbacks=(), epochs=1, validation_data=None, compiled=False, **health):
    if not compiled:
        gan.compile()
    told = io.StringIO()
    callback = kg.callbacks.Health(every, file=told, **health)
    data = kg.datasets.from_arrays(DIGITS, batch_size=64, seed=0) if data is None else data
    fit = {"epochs": epochs, "steps_per_epoch": steps // epochs, "verbose": 0, "validation_data": validation_data}
    gan.fit(data, callbacks=[callback, *callbacks], **fit)
    return callback.findings, told.getvalue()


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def test_a_generator_that_collapses():
    # A discriminator that hardly moves: the generator runs to the one image it likes best.
    gan = kg.GAN(*networks(), loss=kg.losses.Minimax())
    gan.compile(keras.optimizers.Adam(2e-6, 0.5), keras.optimizers.Adam(1e-2, 0.5))
    findings, told = fit(gan, compiled=True)
    assert list(findings) == ["collapse"]
    assert findings["collapse"].startswith("step ")
    assert "times as far from one another as real ones" in findings["collapse"]
    assert told.count("collapses") == 1


def collapse_in(fake, real):
    """The sign of collapse in generated examples, or None."""
    signs = problems.Signs(kg.GAN(*networks((8,))), {})
    fake, real = (images.reshape(len(images), -1) for images in (fake, real))
    problems.of_the_generator(signs, fake, real, problems.spread(real), copies.duplicate_distance(real))
    return signs["collapse"]


def test_collapse_is_repetition_and_no_blur():
    real, other = DIGITS[:256], DIGITS[256:512]
    assert collapse_in(other, real) is None
    few = np.tile(other[:10], (26, 1, 1, 1))
    noise = np.random.default_rng(0).normal(size=few.shape)
    for repeated in (few, few + 0.05 * noise):
        assert "% of them are near-duplicates of another" in collapse_in(repeated, real).evidence
    mean = real.mean(axis=0)
    assert collapse_in(mean + 0.6 * (other - mean), real) is None
    flat = (other - mean).reshape(256, -1)
    main = np.linalg.svd(flat, full_matrices=False)[2][:8]  # blurred: what is left of 8 principal components
    assert collapse_in(mean + (flat @ main.T @ main).reshape(other.shape), real) is None
    assert collapse_in(mean + 0.2 * (other - mean), real)


class Looking(kg.callbacks.Health):
    """Health without a training: what it says of the signs it is shown, the last ones at the end."""

    def __init__(self, **kwargs):
        super().__init__(file=io.StringIO(), **kwargs)
        self._training = types.SimpleNamespace(step=0)
        self._seen, self._signs, self._counted = {}, {}, 0

    def look(self, *shown):
        for one in shown:
            self._count({"problem": problems.Sign("ill", "rest") if one else None})


def test_an_problem_is_named_when_it_is_seen_several_times_in_a_row():
    looking = Looking(patience=2)
    looking.look(1, 0, 1, 0, 0, 1)
    assert not looking.findings
    looking.look(1)
    assert looking.findings == {"problem": "step 0: ill. rest."}


@pytest.mark.parametrize(
    ("shown", "named", "present"), [((0, 1, 1), 0, 0), ((0, 1, 1, 1), 1, 1), ((1,) * 5 + (0,), 1, 0)]
)
def test_at_the_end_half_as_many_times_are_enough_and_what_is_over_is_not_present(shown, named, present):
    looking = Looking(patience=5)
    looking.look(*shown)
    looking.on_train_end()
    assert list(looking.findings) == ["problem"] * named
    assert looking.present == ({"problem": "rest"} if present else {})


@pytest.mark.parametrize(
    ("steps", "every"), [(0, 10), (100, 10), (160, 10), (300, 15), (3_000, 100), (20_000, 100), (100_000, 500)]
)
def test_looks_fit_the_length_of_a_run(steps, every):
    training = types.SimpleNamespace(epochs=3, epoch=2, steps_per_epoch=steps + 7, batch=7)
    assert health._interval(health._steps_of(training)) == every


def test_nothing_is_said_of_collapse_where_all_real_images_are_one():
    findings, _ = fit(kg.GAN(*networks()), data=np.tile(DIGITS[:1], (256, 1, 1, 1)), steps=20, every=5, patience=1)
    assert "collapse" not in findings


def test_a_discriminator_with_more_outputs_and_without_labels_is_looked_at():
    class Extended(kg.GAN):
        def discriminator_objective(self, real, fake, labels):
            loss, values = super().discriminator_objective(real, fake, labels)
            return loss + tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(labels, real.extras[0], True)
            ), values

    images = keras.Input((8, 8, 1))
    x = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(images))
    discriminator = keras.Model(images, [keras.layers.Dense(1)(x), keras.layers.Dense(10)(x)])
    gan = Extended(kg.networks.mlp_generator((8, 8, 1), 16, (16,), num_classes=10), discriminator)
    findings, _ = fit(gan, 20, data=kg.datasets.from_arrays(DIGITS, LABELS, batch_size=64))
    assert "dead discriminator" not in findings


def test_a_callback_may_call_it():
    class Calls(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.health = kg.callbacks.Health(file=io.StringIO())

        def set_model(self, model):
            self.health.set_model(model)

        def on_train_begin(self, logs=None):
            self.health.on_train_begin(logs)

        def on_train_batch_end(self, batch, logs=None):
            self.health.on_train_batch_end(batch, logs)

    gan = kg.GAN(*networks((8,)))
    gan.compile()
    for _ in range(2):
        gan.fit(DIGITS[:64], batch_size=32, verbose=0, callbacks=[Calls()])
    health = kg.callbacks.Health(file=io.StringIO())
    gan.fit(DIGITS[:64], batch_size=32, verbose=0, callbacks=[health])
    keras.callbacks.CallbackList([health], model=gan).on_train_begin()


def test_looking_does_not_change_the_order_of_a_pipeline():
    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        gan = kg.GAN(*networks((8,)))
        gan.compile()
        data = tf.data.Dataset.from_tensor_slices(DIGITS[:256]).shuffle(256, seed=1).batch(32)
        gan.fit(data, epochs=3, verbose=0, callbacks=list(callbacks))
        return gan.get_weights()

    for watched, alone in zip(trained(kg.callbacks.Health(file=io.StringIO())), trained(), strict=True):
        np.testing.assert_array_equal(watched, alone)


@pytest.mark.slow
def test_what_was_seen_before_the_last_look_is_forgotten():
    gan = kg.GAN(*networks())
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-7))
    means = []

    class Spy(kg.callbacks.Health):
        def _signs_while_training(self, values):
            means.append(values["d_loss"])
            return {}

    log = []
    losses = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: log.append(float(logs["d_loss"])))
    data = kg.datasets.from_arrays(DIGITS, batch_size=64, seed=0)
    gan.fit(data, steps_per_epoch=20, callbacks=[Spy(10), losses], verbose=0)
    np.testing.assert_allclose(means, [np.mean(log[:10]), np.mean(log[10:])], rtol=1e-6)


@pytest.mark.slow
def test_a_discriminator_that_wins():
    gan = kg.GAN(*networks())
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-7))
    findings, _ = fit(gan, compiled=True, steps=200)
    assert "wins too easily" in findings["discriminator that wins"]


@pytest.mark.slow
def test_an_under_trained_critic():
    gan = kg.WGANGP(*networks(), n_critic=1)
    gan.compile(keras.optimizers.Adam(1e-6), keras.optimizers.Adam(1e-2, 0.0))
    findings, _ = fit(gan, compiled=True)
    assert "below 0. Lower the learning rate of the generator from 0.01 to 0.0001" in findings["under-trained critic"]


@pytest.mark.slow
def test_a_gradient_norm_far_from_one():
    findings, _ = fit(kg.WGANGP(*networks(), weight=1e-4), steps=200)
    assert "far from 1. Raise the weight" in findings["gradient norm"]


@pytest.mark.slow
def test_a_gradient_norm_near_zero():
    gan = kg.WGANGP(*networks())
    gan.compile(keras.optimizers.Adam(1e-7), keras.optimizers.Adam(1e-7))
    for variable in gan.discriminator.trainable_variables:
        variable.assign(0.3 * variable)
    findings, _ = fit(gan, compiled=True, steps=60)
    assert "far from 1. Lower the weight" in findings["gradient norm"]


@pytest.mark.slow
def test_saturated_clipping():
    gan = kg.WGAN(*networks(), clip=1e-3)
    gan.compile(keras.optimizers.RMSprop(1e-2), keras.optimizers.RMSprop(1e-4))
    findings, _ = fit(gan, compiled=True)
    assert "at the edge of the clipping" in findings["saturated clipping"]


@pytest.mark.slow
def test_an_overfitted_critic():
    few = kg.datasets.from_arrays(DIGITS[:64], batch_size=64, seed=0)
    gan = kg.WGANGP(*networks((256, 256)))
    gan.compile(keras.optimizers.Adam(1e-3, 0.0, 0.9), keras.optimizers.Adam(1e-3, 0.0, 0.9))
    findings, _ = fit(gan, compiled=True, steps=200, epochs=20, data=few, validation_data=DIGITS[1000:1512])
    assert "on held-out ones" in findings["overfitted critic"]


# Short runs that are ill


def relu_critic(bias):
    """A critic of one hidden layer, whose units are all off where the bias is far below 0."""
    hidden = keras.layers.Dense(64, "relu", bias_initializer=keras.initializers.Constant(bias))
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), hidden, keras.layers.Dense(1)])


def at_rate(gan, rate, beta_1=0.0, beta_2=0.9):
    gan.compile(*(keras.optimizers.Adam(rate, beta_1, beta_2) for _ in range(2)))
    return gan


def compiled(gan, *optimizers):
    gan.compile(*optimizers)
    return gan


def conditional():
    generator = kg.networks.mlp_generator((8, 8, 1), 16, (64, 64), num_classes=10)
    return generator, kg.networks.mlp_discriminator((8, 8, 1), (64, 64), num_classes=10)


SHIFTED = kg.augmentations.DiffAugment("translation")
SLOWER = "Lower the learning rate from 0.05 to 0.000"
# Name -> model, steps, problem, advice.
ILL = {
    "WGAN-GP, rate": (lambda: at_rate(kg.WGANGP(*networks()), 0.05), 160, "gradient norm", f"{SLOWER}1"),
    "GAN, dead": (lambda: compiled(kg.GAN(networks()[0], relu_critic(-100))), 100, "dead critic", "LeakyReLU"),
    "WGAN-GP, dead": (lambda: compiled(kg.WGANGP(networks()[0], relu_critic(-100))), 100, "dead critic", "LeakyReLU"),
    "GAN, rate": (lambda: at_rate(kg.GAN(*networks()), 0.05, 0.5, 0.999), 100, "collapse", f"{SLOWER}2"),
    "LSGAN, rate": (lambda: at_rate(kg.LSGAN(*networks()), 0.05, 0.5, 0.999), 100, "collapse", f"{SLOWER}2"),
    "R3GAN, rate": (
        lambda: at_rate(kg.R3GAN(*networks()), 0.05),
        300,
        "saturated generator or learning rate",
        f"{SLOWER}2",
    ),
    "WGAN-GP, slow": (
        lambda: at_rate(kg.WGANGP(*networks()), 1e-7),
        100,
        "learning rate",
        "1,000 times smaller than that of the paper. Raise the learning rate from 1e-07 to 0.0001",
    ),
    "WGAN-GP, slow generator": (
        lambda: compiled(kg.WGANGP(*networks()), None, keras.optimizers.Adam(1e-7, 0.0, 0.9)),
        100,
        "learning rate",
        "Raise the learning rate of the generator from 1e-07 to 0.0001",
    ),
    "WGAN-GP, slow and heavy": (
        lambda: at_rate(kg.WGANGP(*networks(), 1e5), 1e-7),
        100,
        "learning rate",
        "Raise the learning rate from",
    ),
    "WGAN-GP, fast critic and slow generator": (
        lambda: compiled(
            kg.WGANGP(*networks()), keras.optimizers.Adam(0.05, 0.0, 0.9), keras.optimizers.Adam(1e-7, 0.0, 0.9)
        ),
        100,
        "learning rate",
        "500 times that of the paper. Lower the learning rate of the discriminator from 0.05 to 0.0001",
    ),
    "R3GAN, heavy": (
        lambda: compiled(kg.R3GAN(*networks(), 300.0)),
        100,
        "penalty weight",
        "6,000 times that of the paper. Lower gamma from 300 to 0.05",
    ),
    "WGAN-GP, heavy": (
        lambda: compiled(kg.WGANGP(*networks(), 1e5)),
        100,
        "penalty weight",
        "10,000 times that of the paper. Lower the weight of the penalty from 100000 to 10",
    ),
    "conditional, rate": (lambda: at_rate(kg.WGANGP(*conditional()), 0.05), 160, "gradient norm", f"{SLOWER}1"),
    "augmented": (
        lambda: at_rate(kg.R3GAN(*networks(), augment=SHIFTED), 0.05),
        100,
        "learning rate",
        f"{SLOWER}2",
    ),
    "minimax, won": (
        lambda: compiled(
            kg.GAN(*networks(), loss=kg.losses.Minimax()), keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-4)
        ),
        100,
        "discriminator that wins",
        "NonSaturating() as the loss",
    ),
}


@pytest.mark.parametrize("name", each(ILL, ["GAN, dead"]))
def test_a_short_run_that_is_ill_is_named_by_its_end_with_advice_for_the_cause(name):
    make, steps, problem, advice = ILL[name]
    gan = make()
    data = kg.datasets.load("digits", 64, labels=True) if gan.conditional else None
    findings, told = fit(gan, compiled=True, steps=steps, data=data)
    finding = next((findings[one] for one in problem.split(" or ") if one in findings), "")
    assert advice in finding, findings
    assert told.count(finding) == 1


class Decayed(keras.callbacks.Callback):
    """Rates of a thousandth of the paper's from the third epoch on."""

    def on_epoch_begin(self, epoch, logs=None):
        for optimizer in self.model.optimizers.values():
            optimizer.learning_rate = 1e-4 if epoch < 2 else 1e-7


def test_a_rate_that_has_decayed_is_not_slow_after_a_resume(tmp_path):
    for epochs in (2, 5):
        gan = kg.WGANGP(*networks((8,)), n_critic=1)
        gan.compile(*(keras.optimizers.Adam(1e-4, 0.0, 0.9) for _ in range(2)))
        callbacks = [Decayed(), kg.callbacks.Checkpoint(tmp_path)]
        findings, _ = fit(gan, 10 * epochs, 10, epochs=epochs, callbacks=callbacks, compiled=True, patience=2)
    assert int(gan.step) == 50
    assert "learning rate" not in findings


@pytest.mark.parametrize("schedule", [keras.optimizers.schedules.PiecewiseConstantDecay, None])
def test_the_rate_of_a_schedule_is_not_slow_at_its_end(schedule):
    class Own(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 1e-7

        def get_config(self):
            return {}

    gan = kg.WGANGP(*networks((8,)))
    rate = Own() if schedule is None else schedule([1], [1e-4, 1e-7])
    gan.compile(*(keras.optimizers.Adam(rate, 0.0, 0.9) for _ in range(2)))
    fit(gan, 10, 10, compiled=True)
    assert "learning rate" not in fit(gan, 20, 10, compiled=True, patience=1)[0]


HEALTHY = {
    "GAN": lambda: kg.GAN(*networks()),
    "GAN, minimax": lambda: kg.GAN(*networks(), loss=kg.losses.Minimax()),
    "WGAN": lambda: kg.WGAN(*networks()),
    "WGAN, average": lambda: kg.WGAN(*networks(), clip=0.05, ema_momentum=0.9),
    "WGAN-GP": lambda: kg.WGANGP(*networks()),
    "WGAN-GP, wide": lambda: kg.WGANGP(*networks((256, 256)), ema_momentum=0.99),
    "WGAN-LP": lambda: kg.WGANLP(*networks()),
    "DRAGAN": lambda: kg.DRAGAN(*networks()),
    "LSGAN": lambda: kg.LSGAN(*networks()),
    "R3GAN": lambda: kg.R3GAN(*networks()),
    "VAE": lambda: kg.VAE(kg.networks.mlp_encoder((8, 8, 1), 16, (64,)), networks()[0]),
    "WGAN-GP by class": lambda: kg.WGANGP(*conditional()),
    "R3GAN, augmented": lambda: kg.R3GAN(*networks(), augment=SHIFTED),
    "GAN, ReLU": lambda: kg.GAN(networks()[0], relu_critic(0)),
}


# Fourteen trainings; one of them stands for all in CI.
ALWAYS = ("GAN",)


@pytest.mark.parametrize(
    "name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in HEALTHY]
)
def test_nothing_is_said_of_a_training_that_is_well(name):
    gan, held_out = HEALTHY[name](), DIGITS[1000:1512]
    data = kg.datasets.load("digits", 64, labels=True) if gan.conditional else None
    if gan.conditional:
        held_out = held_out, LABELS[1000:1512]
    findings, told = fit(gan, steps=200, epochs=10, data=data, validation_data=held_out)
    assert findings == {}
    assert told == ""


# Values that are not finite


def poisoned(at=4):
    """The digits, one batch of which holds NaN."""
    images = DIGITS[:1280].copy()
    images[64 * at] = np.nan
    return tf.data.Dataset.from_tensor_slices(images).batch(64, drop_remainder=True)


class PoisonedAt(keras.callbacks.Callback):
    """Puts NaN into a weight, once."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if self.step is not None and self.model.training.step == self.step:
            self.step = None
            kernel = self.model.generator.trainable_variables[0]
            kernel.assign(np.nan * kernel)


@pytest.mark.slow
def test_the_step_the_tensor_and_the_batch_are_named():
    message = (
        r"(?s)d_loss.*not finite at step 3; the first variable with such values is generator/000/kernel; of the data"
    )
    with pytest.raises(NonFiniteError, match=message + ".* and finite. Lower the learning rates"):
        fit(kg.WGANGP(*networks()), callbacks=[PoisonedAt(2)])
    ours = kg.datasets.from_arrays(DIGITS, batch_size=64, seed=0)

    def broken(number):
        def spoil(at, images):
            return tf.where(at == 7, images * np.float32("nan"), images)

        return ours.starting_at(0).enumerate().skip(number).map(spoil)

    data = broken(0).take(28).apply(tf.data.experimental.assert_cardinality(28))
    data.starting_at, data.digest = broken, "broken"
    with pytest.raises(NonFiniteError, match=r"not finite at step 2; .*; batch 7 of the data holds such values itself"):
        fit(kg.WGANGP(*networks()), data=data)


@pytest.mark.parametrize("make", some([lambda: kg.WGANGP(*networks()), HEALTHY["VAE"]], 0), ids=["WGAN-GP", "VAE"])
def test_an_update_that_is_not_finite_is_skipped(make):
    gan = make()
    gan.compile()
    history = []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: history.append(dict(logs)))
    findings, told = fit(gan, compiled=True, steps=20, data=poisoned(), callbacks=[log], on_non_finite="skip")
    assert all(np.isfinite(variable.numpy()).all() for variable in gan.weights)
    assert "The update was left out" in findings["non-finite values"]
    assert told.count("left out") == 1
    if "skipped" in history[0]:
        assert history[0]["skipped"] == pytest.approx(1 / 6)  # the batch of NaN, of five and the generator's update
        assert history[1]["skipped"] == 0


@pytest.mark.slow
def test_without_it_one_batch_ruins_all_weights():
    gan = kg.WGANGP(*networks())
    gan.compile()
    with pytest.warns(UserWarning, match=r"d_loss is NaN in epoch 1: training has diverged.*Health\(\)") as said:
        gan.fit(poisoned(), epochs=2, steps_per_epoch=2, verbose=0)
    assert len(said) == 1
    assert np.isnan(gan.discriminator.get_weights()[0]).all()


@pytest.mark.slow
def test_skipping_changes_nothing_while_all_is_finite():
    weights = []
    for policy in ("raise", "skip"):
        keras.utils.set_random_seed(0)
        gan = kg.WGANGP(*networks(), ema_momentum=0.9)
        fit(gan, steps=10, on_non_finite=policy)
        weights.append(gan.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every`"),
        ({"patience": 0}, "`patience`"),
        ({"num_images": 4}, "`num_images`"),
        ({"on_non_finite": "ignore"}, "'raise' or 'skip'"),
    ],
)
def test_what_it_does_not_take(arguments, message):
    with pytest.raises(ValueError, match=message):
        kg.callbacks.Health(**arguments)


@pytest.mark.slow
def test_one_bad_image_is_left_out_of_the_means_and_of_what_is_compared():
    bad = DIGITS[:640].copy()
    bad[300, 2, 2, 0] = np.nan  # after what is looked at before the first step
    gan = kg.GAN(*networks())
    data = tf.data.Dataset.from_tensor_slices(bad).batch(64)
    findings, _ = fit(gan, steps=30, every=5, data=data, on_non_finite="skip")
    assert list(findings) == ["non-finite values"]
    assert np.isfinite(gan.history.history["d_loss"]).all()
    assert gan.history.history["skipped"][0] > 0


@pytest.mark.parametrize(("first", "second"), some([("skip", "skip"), ("raise", "skip"), ("skip", "raise")], 1))
def test_a_run_resumes_with_the_same_policy_and_with_another(tmp_path, first, second):
    for policy, steps in ((first, 2), (second, 4)):
        gan = kg.GAN(*networks((8,), 4))
        gan.compile()
        callbacks = [kg.callbacks.Health(on_non_finite=policy), kg.callbacks.Checkpoint(tmp_path)]
        gan.fit(DIGITS[:128], epochs=steps // 2, steps_per_epoch=2, verbose=0, callbacks=callbacks)
        assert int(gan.step) == steps
        assert ("skipped" in gan.history.history) == (policy == "skip" or (policy, first) == ("raise", "skip"))


@pytest.mark.slow
def test_a_saved_model_goes_on_skipping(tmp_path):
    gan = kg.GAN(*networks((8,), 4))
    gan.compile()
    gan.skip_non_finite()
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    loaded.fit(poisoned(4), steps_per_epoch=5, verbose=0)
    assert all(np.isfinite(variable.numpy()).all() for variable in loaded.weights)


@pytest.mark.slow
def test_when_every_update_is_left_out_the_training_ends():
    gan = kg.GAN(*networks())
    data = tf.data.Dataset.from_tensors(np.full((64, 8, 8, 1), np.nan, "f4")).repeat()
    good = tf.data.Dataset.from_tensor_slices(DIGITS[:256]).batch(64)
    with pytest.raises(NonFiniteError, match="The last 10 updates in a row were left out"):
        fit(gan, steps=40, every=10, data=good.concatenate(data), on_non_finite="skip")
