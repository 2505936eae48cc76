"""Algorithm 1, its randomness, what it logs and what it refuses."""

import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import SHAPE, distance, images, networks, sgd, trained, weights
from selection import each

import kerasgan as kg
from kerasgan import losses, penalties
from kerasgan.cli import build, settings
from kerasgan.errors import DataError, DataTypeError, ModelContractError, NonFiniteError


def numbered(batches, batch=4):
    """A dataset whose every image tells its number."""
    x = np.linspace(-1, 1, batches * batch, dtype="float32")
    return tf.data.Dataset.from_tensor_slices(np.broadcast_to(x[:, None, None, None], (len(x), *SHAPE))).batch(
        batch, drop_remainder=True
    )


def wgan_gp(**kwargs):
    return kg.WGANGP(*networks(), n_critic=2, ema_momentum=0.9, **kwargs)


# Algorithm 1


class Recorder(penalties.GradientPenalty):
    """Writes down, in eager runs, the real images of each update of the critic."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def sample(self, real, random):
        self.seen.append(real.numpy()[:, 0, 0, 0])
        return super().sample(real, random)


def recorded(n_critic, data, **fit):
    recorder = Recorder()
    model = kg.GAN(*networks(), loss=losses.Wasserstein(), penalties=[recorder], n_critic=n_critic)
    model.compile(**sgd(), run_eagerly=True)
    model.fit(data, verbose=0, **fit)
    return model, recorder.seen


def test_a_step_takes_n_critic_fresh_batches_for_the_critic_and_one_update_of_the_generator():
    model, seen = recorded(3, numbered(batches=12))
    # 12 batches of 4 are 4 steps of 3 updates: every one of the 48 images is seen once, in the dataset's order.
    assert len(seen) == 12
    np.testing.assert_allclose(np.concatenate(seen), np.linspace(-1, 1, 48), atol=1e-6)
    assert model.d_optimizer.iterations.numpy() == 12
    assert model.g_optimizer.iterations.numpy() == 4
    assert model.step.numpy() == 4


def test_batches_left_over_by_an_epoch_stream_into_the_next():
    # 5 batches and n_critic = 2: epochs of 2 steps take batches 0-3, then 4, 0, 1, 2, and so on.
    _, seen = recorded(2, numbered(batches=5), epochs=2)
    first = [round((float(s[0]) + 1) / 2 * 19 / 4) for s in seen]
    assert first == [0, 1, 2, 3, 4, 0, 1, 2]


def test_fewer_batches_than_n_critic_stream_on():
    model, seen = recorded(5, numbered(batches=2))
    assert len(seen) == 5
    assert model.step.numpy() == 1


def test_a_partial_last_batch_is_filled_from_the_next_epoch():
    data = numbered(batches=1, batch=10).unbatch().batch(4)  # 4, 4, 2
    _, seen = recorded(1, data, epochs=2)
    assert [len(s) for s in seen] == [4] * 6
    counts = np.unique(np.round(np.concatenate(seen), 4), return_counts=True)[1]
    # 24 draws of 10 images in order: each is seen twice, four of them a third time.
    assert sorted(counts) == [2] * 6 + [3] * 4


def test_an_endless_dataset_trains_for_steps_per_epoch():
    model, seen = recorded(2, numbered(batches=3).repeat(), steps_per_epoch=4)
    assert model.step.numpy() == 4
    assert len(seen) == 8


def test_only_the_discriminator_moves_in_its_updates_and_only_the_generator_in_its_own():
    model = wgan_gp()
    model.compile(**sgd())
    batch = tf.constant(images(16)).numpy().reshape(8, 2, *SHAPE)
    generator, critic = model.generator.get_weights(), model.discriminator.get_weights()
    model.critic_step(tf.constant(batch))
    assert all(np.array_equal(a, b) for a, b in zip(generator, model.generator.get_weights(), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(critic[:1], model.discriminator.get_weights()[:1], strict=True))
    critic = model.discriminator.get_weights()
    model._update_generator(tf.constant(batch[:, -1]), None)
    assert all(np.array_equal(a, b) for a, b in zip(critic, model.discriminator.get_weights(), strict=True))
    assert not np.array_equal(generator[0], model.generator.get_weights()[0])


def test_wgan_clips_every_variable_of_the_critic_biases_too():
    model = trained(lambda: kg.WGAN(*networks(normalization="batch"), clip=0.02, n_critic=2))
    assert max(np.abs(w).max() for w in map(np.array, model.critic.trainable_variables)) <= 0.02 + 1e-8
    assert any(np.isclose(np.abs(w), 0.02).any() for w in map(np.array, model.critic.trainable_variables))
    assert np.abs(model.generator.get_weights()[0]).max() > 0.02


@pytest.mark.slow
def test_the_warm_up_gives_the_critic_100_updates_for_each_of_the_first_25_of_the_generator():
    model = kg.WGAN(*networks(), warmup=True)
    model.compile()
    model.fit(images(32), batch_size=8, steps_per_epoch=2, verbose=0)
    assert model.d_optimizer.iterations.numpy() == 200
    model.step.assign(25)
    model.fit(images(32), batch_size=8, steps_per_epoch=2, verbose=0)
    assert model.d_optimizer.iterations.numpy() == 210
    model.step.assign(500)
    model.fit(images(32), batch_size=8, steps_per_epoch=1, verbose=0)
    assert model.d_optimizer.iterations.numpy() == 310


# Randomness is a function of (seed, step)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 2}], ids=str
)
def test_eager_graph_xla_and_several_steps_an_execution_give_the_same_weights(arguments):
    assert distance(trained(wgan_gp), trained(wgan_gp, **arguments)) < 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["WGANGP", "WGAN", "DRAGAN", "R3GAN"])
def test_two_replicas_give_the_weights_of_one(mirrored, variant):
    def make():
        return getattr(kg, variant)(*networks(), n_critic=2, ema_momentum=0.9)

    one = trained(make)
    with mirrored.scope():
        two = trained(make)
    assert distance(one, two) < 2e-6


@pytest.mark.slow
def test_another_seed_gives_other_weights():
    assert distance(trained(wgan_gp), trained(lambda: wgan_gp(seed=1))) > 1e-4


@pytest.mark.slow
def test_dropout_is_a_function_of_the_step_too():
    def make():
        generator, _ = networks()
        inputs = keras.Input(SHAPE)
        x = kg.layers.Dropout(0.5)(keras.layers.Dense(16)(keras.layers.Flatten()(inputs)))
        return kg.WGANGP(generator, keras.Model(inputs, keras.layers.Dense(1)(x)), n_critic=2)

    assert distance(trained(make), trained(make)) == 0
    assert distance(trained(make), trained(make, run_eagerly=True)) < 2e-6


@pytest.mark.slow
def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(tmp_path):
    path = str(tmp_path / "gan.keras")
    model = trained(wgan_gp)
    model.save(path)
    loaded = keras.models.load_model(path)
    for one in (model, loaded):
        one.fit(images(), batch_size=8, verbose=0)
    assert distance(model, loaded) == 0


# The battery: every loss x every penalty x conditional or not

LOSSES = [
    losses.Minimax,
    losses.NonSaturating,
    losses.LeastSquares,
    losses.Hinge,
    losses.Wasserstein,
    losses.Relativistic,
]
PENALTIES = [penalties.GradientPenalty, penalties.LipschitzPenalty, penalties.DRAGANPenalty, penalties.R1, penalties.R2]


# Each loss with the penalty that comes at its number, every other one with labels; the rest with `pytest -m slow`.
COMBINATIONS = [
    (loss, penalty, num_classes) for loss in LOSSES for penalty in (None, *PENALTIES) for num_classes in (None, 3)
]
BY_DEFAULT = [
    (loss, penalty, None if number % 2 else 3)
    for number, (loss, penalty) in enumerate(zip(LOSSES, (None, *PENALTIES), strict=True))
]


@pytest.mark.parametrize(("loss", "penalty", "num_classes"), each(COMBINATIONS, BY_DEFAULT))
def test_every_loss_with_every_penalty_trains_and_logs_by_name(loss, penalty, num_classes):
    chosen = [] if penalty is None else [penalty()]
    model = kg.GAN(*networks(num_classes), loss=loss(), penalties=chosen)
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices((images(8), np.arange(8) % 3)) if num_classes else images(8)
    history = model.fit(
        data.batch(4) if num_classes else data, batch_size=None if num_classes else 4, verbose=0
    ).history
    expected = {"d_loss", "g_loss"}
    expected |= {chosen[0].name, "gradient_norm"} if chosen else set()
    expected |= {"wasserstein"} if loss is losses.Wasserstein else set()
    assert set(history) == expected
    assert np.isfinite(list(history.values())).all()
    assert all(np.isfinite(w).all() for w in weights(model).values())


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([], 3),  # real and generated images, and the generator's
        ([penalties.R1(), penalties.R2()], 3),
        ([penalties.GradientPenalty()], 4),
        ([penalties.R1(), penalties.GradientPenalty()], 4),
    ],
    ids=["none", "R1 and R2", "between", "R1 and between"],
)
def test_a_step_has_no_pass_of_the_discriminator_twice(chosen, expected):
    passes = []

    @keras.saving.register_keras_serializable("tests")
    class Counted(keras.layers.Layer):
        def call(self, x):
            passes.append(x)
            return x

    generator, discriminator = networks()
    inputs = keras.Input(discriminator.input_shape[1:])
    counted = keras.Model(inputs, discriminator(Counted()(inputs)))
    model = kg.GAN(generator, counted, penalties=chosen)
    model.compile(run_eagerly=True)
    model.fit(images(8), batch_size=4, verbose=0)  # builds
    passes.clear()
    model.train_on_batch(images(4))
    assert len(passes) == expected


def test_the_battery_holds_every_loss_and_every_penalty():
    def public(module, base):
        classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, base) and c is not base]
        return {c for c in classes if not c.__name__.startswith("_")}

    assert public(losses, losses.AdversarialLoss) - {losses.Paired} == set(LOSSES)  # in test_losses.py
    assert public(penalties, penalties.Penalty) == set(PENALTIES)


def test_d_loss_leaves_the_penalty_out_and_is_minus_the_wasserstein_estimate():
    model = kg.WGANGP(*networks(), weight=1e6, n_critic=1)
    model.compile()
    history = model.fit(images(8), batch_size=8, verbose=0).history
    assert history["gradient_penalty"][0] > 1e3
    assert abs(history["d_loss"][0]) < 100
    assert history["wasserstein"][0] == -history["d_loss"][0]


# EMA


def test_the_average_follows_the_generator_by_its_formula():
    model = kg.GAN(*networks(), ema_momentum=0.5)
    model.compile(**sgd(), run_eagerly=True)
    average = model.generator.get_weights()[0].astype("f8")
    for step in range(3):
        model.fit(images(4), batch_size=4, verbose=0)
        momentum = min(0.5, (1 + step) / (10 + step))
        average = momentum * average + (1 - momentum) * model.generator.get_weights()[0]
    np.testing.assert_allclose(model.ema_generator.get_weights()[0], average, rtol=1e-5)


def given_weights(model):
    model.generator.set_weights([array + 0.1 for array in model.generator.get_weights()])
    return model


def latents(n):
    return tf.random.stateless_normal((n, 3), [7, 0], alg="philox")


def saved_and_loaded(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def with_saved_weights(model, path):
    model.save_weights(path / "model.weights.h5")
    other = wgan_gp()
    other.load_weights(path / "model.weights.h5")
    return other


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (kg.WGAN, {"constraint": None}),
        (kg.WGANGP, {"penalties": [kg.penalties.R1()]}),
        (kg.WGANLP, {"loss": "hinge"}),
        (kg.DRAGAN, {"penalties": []}),
        (kg.LSGAN, {"loss": "hinge"}),
        (kg.R3GAN, {"penalties": ()}),
    ],
)
def test_what_a_variant_decides_is_refused(make, argument):
    (name,) = argument
    with pytest.raises(TypeError, match=rf"`{name}`.*left out, because {make.__name__} has its own: kerasgan"):
        make(*networks(), **argument)


def saved_by_keras(model, path):
    keras.saving.save_model(model, path / "model.keras")
    return keras.saving.load_model(path / "model.keras")


def with_weights_saved_by_keras(model, path):
    keras.saving.save_weights(model, path / "model.weights.h5")
    other = wgan_gp()
    other.load_weights(path / "model.weights.h5")
    return other


def fitted_for_no_epoch(model, path):
    model.compile(**sgd())
    model.fit(images(8), batch_size=4, epochs=0, verbose=0)
    return model


@pytest.mark.parametrize(
    "use",
    [
        lambda model, path: model.generate(2),
        lambda model, path: model.interpolate(1, 2, 0.5),
        lambda model, path: model(latents(2)),
        lambda model, path: model.predict(latents(2), verbose=0),
        lambda model, path: model.export(path / "exported"),
        saved_and_loaded,
        with_saved_weights,
        saved_by_keras,
        with_weights_saved_by_keras,
        fitted_for_no_epoch,
    ],
    ids=["generate", "interpolate", "call", "predict", "export", "save", "weights", "keras", "keras_weights", "fit"],
)
@pytest.mark.parametrize("used_before", [False, True])
def test_the_average_starts_from_weights_that_the_generator_is_given(use, used_before, tmp_path):
    model = wgan_gp()
    if used_before:
        model.generate(1)
        model.predict(latents(1), verbose=0)
    expected = given_weights(model).generator.get_weights()
    used = use(model, tmp_path)
    averaged = (used if isinstance(used, kg.GAN) else model).ema_generator
    for mean, array in zip(averaged.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(mean, array)


def test_the_average_starts_in_and_out_of_the_scope_of_replicas(mirrored):
    with mirrored.scope():
        model = wgan_gp()
    given_weights(model).generate(1)
    given_weights(model)
    with mirrored.scope():
        model.generate(1)
    for mean, array in zip(model.ema_generator.get_weights(), model.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(mean, array)


def test_an_average_that_was_given_weights_of_its_own_keeps_them():
    model = wgan_gp()
    own = [array - 0.1 for array in model.ema_generator.get_weights()]
    model.ema_generator.set_weights(own)
    fitted_for_no_epoch(given_weights(model), None).generate(1)
    for mean, array in zip(model.ema_generator.get_weights(), own, strict=True):
        np.testing.assert_array_equal(mean, array)


def test_generate_uses_the_average():
    model = trained(wgan_gp)
    expected = model.ema_generator(latents(2))
    np.testing.assert_allclose(model.generate(2, seed=7), expected, atol=1e-6)


# generate


def test_the_same_seed_gives_the_same_images_whatever_the_batch_size():
    model = wgan_gp()
    np.testing.assert_allclose(model.generate(10, seed=3), model.generate(10, seed=3, batch_size=4), atol=1e-6)
    assert np.abs(model.generate(4, seed=3) - model.generate(4, seed=4)).max() > 1e-3
    assert np.abs(model.generate(4) - model.generate(4)).max() > 1e-3
    assert model.generate(0).shape == (0, *SHAPE)


def test_a_conditional_model_generates_the_classes_in_turn_by_default():
    model = kg.GAN(*networks(num_classes=3))
    np.testing.assert_allclose(
        model.generate(6, seed=0), model.generate(6, labels=[0, 1, 2, 0, 1, 2], seed=0), atol=1e-6
    )
    assert np.abs(model.generate(6, seed=0) - model.generate(6, labels=[0] * 6, seed=0))[1:3].max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_images": -1}, "num_images=-1"),
        ({"num_images": 2, "batch_size": 0}, "batch_size=0"),
        ({"num_images": 2, "labels": [0, 3]}, r"integers in \[0, 3\).*labels from 0 to 3"),
        ({"num_images": 2, "labels": [0]}, "Expected 2 labels.*Received: 1"),
    ],
)
def test_generate_refuses_what_it_cannot_make(arguments, message):
    with pytest.raises(ValueError, match=message):
        kg.GAN(*networks(num_classes=3)).generate(**arguments)


def test_generate_refuses_labels_for_an_unconditional_model():
    with pytest.raises(ValueError, match="takes no labels"):
        wgan_gp().generate(2, labels=[0, 1])


# evaluate


def test_evaluate_gives_the_held_out_losses_by_hand():
    model = kg.GAN(*networks(), loss=losses.Wasserstein())
    model.compile()
    result = model.evaluate(images(8), batch_size=8, verbose=0, return_dict=True)
    latents = tf.random.stateless_normal((8, 3), [0, -(2**62)], alg="philox")
    real, fake = model.discriminator(images(8)), model.discriminator(model.generator(latents))
    assert result["wasserstein"] == pytest.approx(float(tf.reduce_mean(real) - tf.reduce_mean(fake)), abs=1e-6)
    assert result["g_loss"] == pytest.approx(-float(tf.reduce_mean(fake)), abs=1e-6)


def test_evaluate_weighs_a_partial_batch_by_its_size():
    model = kg.GAN(*networks(), loss=losses.Wasserstein())
    model.compile()
    # The critic is linear in its mean over images: whatever the batches, it must see each image once.
    model.generator.set_weights([np.zeros_like(w) for w in model.generator.get_weights()])
    whole = model.evaluate(images(10), batch_size=10, verbose=0, return_dict=True)["wasserstein"]
    parts = model.evaluate(images(10), batch_size=4, verbose=0, return_dict=True)["wasserstein"]
    assert parts == pytest.approx(whole, abs=1e-6)


def test_evaluate_is_the_same_at_every_call_and_changes_no_weight():
    model = trained(wgan_gp)
    before = weights(model)
    first = model.evaluate(images(20), batch_size=8, verbose=0)
    assert first == model.evaluate(images(20), batch_size=8, verbose=0)
    after = weights(model)
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert [name.split("/")[-1] for name in changed] == ["evaluated_batches"]


@pytest.mark.slow
def test_validation_data_is_reported_beside_the_training_values():
    model = wgan_gp()
    model.compile()
    history = model.fit(images(), batch_size=8, epochs=2, validation_data=images(20, seed=1), verbose=0).history
    assert {f"val_{name}" for name in history if not name.startswith("val_")} == {
        name for name in history if name.startswith("val_")
    }
    assert len(history["val_wasserstein"]) == 2
    split = kg.GAN(*networks())
    split.compile()
    assert "val_d_loss" in split.fit(images(), batch_size=8, validation_split=0.25, verbose=0).history


@pytest.mark.parametrize(
    ("num_classes", "parts", "message"),
    [
        (3, (), "`x`. Expected `[latents, labels]`. Received: 1 arrays"),
        (3, (["rose"] * 4,), "`labels`. Expected integers in [0, 3), one per image. Received: <U4"),
        (3, ([0, 1, 2],), "`labels`. Expected 4 labels, one per image. Received: 3 labels"),
        (3, ([0, 1, 2, 7],), "`labels`. Expected integers in [0, 3), one per image. Received: labels from 0 to 7"),
        (3, ([0, 1, 2, 0.5],), "`labels`. Expected integers in [0, 3), one per image. Received: float64"),
        (None, ([0, 1, 2, 0],), "latents alone, because the generator takes no labels. Received: 2 arrays"),
    ],
    ids=["none", "names", "few", "range", "floats", "unconditional"],
)
def test_predict_says_what_labels_it_takes(num_classes, parts, message):
    model = kg.GAN(*networks(num_classes=num_classes))
    given = [latents(4), *parts] if parts else latents(4)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.predict(given, verbose=0)


class Halved(kg.GAN):
    def call(self, inputs, training=False):
        return self.sampler(inputs * 0.5, training=training)


def test_predict_of_nothing_is_nothing():
    assert kg.GAN(*networks()).predict(latents(0), verbose=0).shape == (0, *SHAPE)


def test_predict_hands_latents_on_as_they_are(recwarn):
    model = Halved(*networks())
    np.testing.assert_allclose(model.predict(latents(4), verbose=0), model(latents(4)), atol=1e-6)
    assert not recwarn.list


def test_predict_takes_labels_as_generate_does():
    model = kg.GAN(*networks(num_classes=3))
    expected = model.predict([latents(4), np.array([1, 1, 1, 1])], verbose=0)
    for labels in (1, [1, 1, 1, 1], np.ones((4, 1), int), np.ones(4, "float32")):
        np.testing.assert_array_equal(model.predict([latents(4), labels], verbose=0), expected)
    by_name = {"latents": latents(4), "labels": np.array([1, 1, 1, 1])}
    np.testing.assert_array_equal(model.predict(by_name, verbose=0), expected)


def test_predict_maps_latents_to_images():
    model = wgan_gp()
    model.compile()
    latents = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(model.predict(latents, verbose=0), model(latents), atol=1e-6)


# Defaults and precision

OPTIMIZERS = {
    # paper -> (class, learning rate, beta_1, beta_2)
    "GAN": ("Adam", 2e-4, 0.5, 0.999),
    "WGAN": ("RMSprop", 5e-5, None, None),
    "WGANGP": ("Adam", 1e-4, 0.0, 0.9),
    "WGANLP": ("Adam", 1e-4, 0.0, 0.9),
    "DRAGAN": ("Adam", 2e-4, 0.5, 0.999),
    "LSGAN": ("Adam", 2e-4, 0.5, 0.999),
    "R3GAN": ("Adam", 2e-4, 0.0, 0.9),
}


@pytest.mark.parametrize("variant", OPTIMIZERS)
def test_compile_without_arguments_takes_the_papers_optimizers(variant):
    model = getattr(kg, variant)(*networks())
    model.compile()
    for optimizer in (model.d_optimizer, model.g_optimizer):
        name, learning_rate, beta_1, beta_2 = OPTIMIZERS[variant]
        assert type(optimizer).__name__ == name
        assert float(optimizer.learning_rate) == pytest.approx(learning_rate)
        assert (getattr(optimizer, "beta_1", None), getattr(optimizer, "beta_2", None)) == (beta_1, beta_2)
    assert model.n_critic == (5 if "WGAN" in variant else 1)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_a_float32_penalty_and_scales_the_loss_where_needed(policy):
    keras.config.set_dtype_policy(policy)
    model = wgan_gp()
    model.compile()
    history = model.fit(images(), batch_size=8, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    scaled = isinstance(model.d_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")


# What is refused, before the first step

TF = tf.data.Dataset


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda: TF.from_tensor_slices(images(8)), DataError, r"batches of images.*4, 4, 1\): call `x.batch\(64\)`"),
        (lambda: TF.from_tensor_slices(images(8)[..., 0]).batch(4), DataError, r"x\[..., None\]"),
        (
            lambda: TF.from_tensor_slices(np.zeros((8, 5, 4, 1), "float32")).batch(4),
            DataError,
            r"\(4, 4\).*\(None, 5, 4, 1\)",
        ),
        (lambda: TF.from_tensor_slices(np.zeros((8, *SHAPE), "uint8")).batch(4), DataTypeError, "/ 127.5 - 1.*uint8"),
        (
            lambda: TF.from_tensor_slices(images(8) * 255).batch(4),
            DataError,
            r"\[-1.0, 1.0\].*`x.map\(.*\)`. Received: pixels from -254",
        ),
        (lambda: TF.from_tensor_slices({"image": images(8)}).batch(4), DataError, r"keys \['image'\]"),
        (lambda: TF.from_tensor_slices((images(8),) * 3).batch(4), DataError, "3 parts"),
        (lambda: TF.from_tensor_slices(images(8)).batch(16, drop_remainder=True), DataError, "drop_remainder=False"),
        (lambda: TF.from_tensor_slices(images(8)).batch(4).repeat(), DataError, "steps_per_epoch=None"),
        (
            lambda: TF.from_tensor_slices(np.full((8, *SHAPE), np.nan, "float32")).batch(4),
            NonFiniteError,
            "NaN or infinity in example 0 of batch 0",
        ),
        (lambda: TF.from_tensor_slices(images(8)).batch(4).filter(lambda x: False), DataError, "yields none"),
        (lambda: [images(8)], DataTypeError, "type list"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused_with_a_fix(data, error, message):
    model = kg.WGANGP(*networks(), n_critic=3)
    model.compile()
    with pytest.raises(error, match=message):
        model.fit(data(), verbose=0)
    assert model.d_optimizer.iterations.numpy() == 0


def test_labels_given_to_an_unconditional_model_are_ignored_with_one_message():
    model = wgan_gp()
    model.compile()
    with pytest.warns(UserWarning, match="labels are ignored") as messages:
        model.fit(images(16), np.zeros(16, "int32"), batch_size=4, epochs=2, verbose=0)
    assert sum("labels are ignored" in str(m.message) for m in messages) == 1


def test_a_conditional_model_asks_for_labels():
    model = kg.GAN(*networks(num_classes=3))
    model.compile()
    with pytest.raises(DataError, match="networks take labels"):
        model.fit(images(8), batch_size=4, verbose=0)


def sequential(*last):
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), *last])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: {"n_critic": 0}, ValueError, "`n_critic`.*n_critic=0"),
        (lambda: {"ema_momentum": 1.5}, ValueError, "ema_momentum=1.5"),
        (lambda: {"seed": -1}, ValueError, "seed=-1"),
        (lambda: {"loss": "cross_entropy"}, ValueError, "AdversarialLoss"),
        (lambda: {"penalties": [10.0]}, ValueError, "Penalty objects"),
        (lambda: {"discriminator": sequential(keras.layers.Dense(2))}, ModelContractError, r"\(None, 1\).*\(None, 2\)"),
        (lambda: {"discriminator": sequential(keras.layers.Dense(1, "sigmoid"))}, ModelContractError, "Sigmoid"),
        (
            lambda: {"discriminator": kg.networks.mlp_discriminator((5, 4, 1))},
            ModelContractError,
            r"\(4, 4, 1\).*\(5, 4, 1\)",
        ),
        (lambda: {"discriminator": networks(3)[1]}, ModelContractError, "num_classes"),
        (lambda: {"generator": keras.layers.Dense(1)}, ModelContractError, "`generator`.*Dense"),
        (
            lambda: {"discriminator": networks(normalization="batch")[1], "penalties": [penalties.R1()]},
            ModelContractError,
            "batch normalisation.*normalization='layer'.*batch_norm",
        ),
    ],
)
def test_arguments_that_cannot_be_trained_are_refused(make, error, message):
    generator, discriminator = networks()
    with pytest.raises(error, match=message):
        kg.GAN(**{"generator": generator, "discriminator": discriminator, **make()})


def test_several_steps_an_execution_are_refused_with_several_replicas(mirrored):
    with mirrored.scope(), pytest.raises(ValueError, match="keras-team/keras#19246"):
        wgan_gp().compile(steps_per_execution=2)


def test_one_optimizer_for_both_networks_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="make two"):
        wgan_gp().compile(optimizer, optimizer)


# The VAE


def test_the_vae_trains_on_the_same_data_and_generates_by_the_same_call(tmp_path):
    model = kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), kg.networks.mlp_generator(SHAPE, 3, (8,)))
    model.compile()
    history = model.fit(images(), batch_size=8, epochs=20, validation_data=images(20), verbose=0).history
    assert set(history) >= {"loss", "reconstruction", "kl", "sigma", "val_loss"}
    assert history["loss"][-1] < history["loss"][0] - 1
    assert model.generate(5, seed=0).shape == (5, *SHAPE)
    model.save(str(tmp_path / "vae.keras"))
    loaded = keras.models.load_model(str(tmp_path / "vae.keras"))
    np.testing.assert_allclose(loaded.generate(5, seed=0), model.generate(5, seed=0), atol=1e-6)


def test_the_loss_of_the_vae_is_the_gaussian_elbo_by_hand():
    model = kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (8,)), kg.networks.mlp_generator(SHAPE, 3, (8,)))
    model.compile()
    model.log_sigma.assign(-0.5)
    x = images(4)
    result = model.evaluate(tf.data.Dataset.from_tensors(x), verbose=0, return_dict=True)
    mean, log_variance = np.split(np.asarray(model.encoder(x), "f8"), 2, axis=-1)
    noise = np.asarray(tf.random.stateless_normal((4, 3), [0, -(2**62)], alg="philox"), "f8")
    decoded = np.asarray(model.generator((mean + np.exp(log_variance / 2) * noise).astype("f4")), "f8")
    sigma = np.exp(-0.5)
    nats = (x - decoded) ** 2 / (2 * sigma**2) + 0.5 * np.log(2 * np.pi * sigma**2)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
    assert result["reconstruction"] == pytest.approx(nats.sum() / 4, rel=1e-5)
    assert result["kl"] == pytest.approx(kl.sum() / 4, rel=1e-5)
    assert result["loss"] == pytest.approx((nats.sum() + kl.sum()) / 4, rel=1e-5)


def test_the_vae_refuses_an_encoder_of_another_size():
    with pytest.raises(ModelContractError, match="twice latent_dim"):
        kg.VAE(kg.networks.mlp_encoder(SHAPE, 5), kg.networks.mlp_generator(SHAPE, 3))


# What a newcomer stumbles over


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(8, 7), r"labels in \[0, 3\).*Received: labels from 7 to 7"),
        (np.full(8, -1), r"labels in \[0, 3\).*Received: labels from -1 to -1"),
        (np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]], r"argmax.*shape \(4, 3\)"),
    ],
)
def test_labels_that_are_no_classes_of_the_networks_are_refused(labels, message):
    model = kg.GAN(*networks(num_classes=3))
    model.compile()
    with pytest.raises(DataError, match=message):
        model.fit(TF.from_tensor_slices((images(8), labels)).batch(4), verbose=0)


def test_pixels_in_0_to_1_for_a_tanh_generator_are_refused():
    model = wgan_gp()
    model.compile()
    with pytest.raises(DataError, match=r"scale them with `x \* 2 - 1`. Received: pixels from 0"):
        model.fit((images(16) + 1) / 2, batch_size=8, verbose=0)


def test_one_label_stands_for_all_images():
    model = kg.GAN(*networks(num_classes=3))
    np.testing.assert_array_equal(model.generate(3, labels=2, seed=0), model.generate(3, labels=[2, 2, 2], seed=0))


def test_a_penalty_that_is_not_in_a_list_and_a_tuple_of_arrays_are_refused():
    with pytest.raises(ValueError, match="put the penalty into a list"):
        kg.GAN(*networks(), penalties=penalties.R1())
    model = kg.GAN(*networks(num_classes=3))
    model.compile()
    with pytest.raises(DataTypeError, match=r"fit\(images, labels\)"):
        model.fit((images(8), np.zeros(8, "int32")))


def test_a_penalty_cannot_take_the_name_of_another_metric():
    for name in ("d_loss", "g_loss", "gradient_norm", "wasserstein"):
        with pytest.raises(ValueError, match="a different name for each"):
            kg.GAN(*networks(), loss=losses.Wasserstein(), penalties=[penalties.R1(name=name)])


def test_clipping_does_not_stay_on_a_critic_that_is_used_again():
    generator, critic = networks()
    kg.WGAN(generator, critic)
    assert all(variable.constraint is None for variable in critic.variables)


# What a reviewer found


def test_an_objective_given_twice_is_refused_and_not_lost_when_saved():
    with pytest.raises(TypeError, match="penalties"):
        kg.LSGAN(*networks(), penalties=[penalties.R1()])


@pytest.mark.slow
def test_batches_that_replicas_cannot_share_are_refused(mirrored):
    with mirrored.scope():
        model = wgan_gp()
        model.compile()
    with pytest.raises(DataError, match=r"multiple of the 2 replicas.*batches of 5"):
        model.fit(images(20), batch_size=5, verbose=0)
    values = model.evaluate(images(33), batch_size=8, verbose=0)
    assert np.isfinite(values).all()


@pytest.mark.slow
@pytest.mark.parametrize("warmup", [False, True])
def test_a_dataset_of_unknown_length_is_repeated_like_any_other(warmup):
    data = TF.from_tensor_slices(images(37)).batch(8).filter(lambda x: True)
    model = kg.WGAN(*networks(), warmup=warmup)
    model.compile()
    model.fit(data, epochs=2, verbose=0)
    assert model.step.numpy() == 2
    assert model.g_optimizer.iterations.numpy() == 2
    assert model.d_optimizer.iterations.numpy() == (200 if warmup else 10)


def test_spectral_layers_of_a_generator_advance_at_its_own_updates():
    latents = keras.Input((3,))
    generator = keras.Sequential([latents, kg.layers.SpectralDense(16, "tanh"), keras.layers.Reshape(SHAPE)])
    model = kg.GAN(generator, networks()[1])
    model.compile()
    before = np.array(generator.layers[0].u)
    model.fit(images(8), batch_size=8, verbose=0)
    assert np.abs(np.array(generator.layers[0].u) - before).max() > 1e-4


def test_arrays_are_read_in_another_order_by_a_later_call():
    model, seen = recorded(1, numbered_array(), batch_size=8, epochs=1)
    model.fit(numbered_array(), batch_size=8, epochs=1, verbose=0)
    assert len(seen) == 2
    assert set(seen[0].round(4)) != set(seen[1].round(4))


def numbered_array(n=12):
    return np.broadcast_to(np.linspace(-1, 1, n, dtype="float32")[:, None, None, None], (n, *SHAPE)).copy()


def test_a_frozen_network_and_a_split_of_a_dataset_are_refused():
    generator, critic = networks()
    critic.trainable = False
    with pytest.raises(ModelContractError, match="trainable variables: set"):
        kg.GAN(generator, critic).compile()
    model = wgan_gp()
    model.compile()
    with pytest.raises(ValueError, match="pass `validation_data`"):
        model.fit(numbered(4), validation_split=0.5)


def test_every_public_override_says_what_it_does():
    inherited = set()
    for kind in (kg.GAN, kg.WGAN, kg.WGANGP, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN, kg.VAE):
        for name, member in vars(kind).items():
            documented = inspect.isfunction(member) or isinstance(member, property)
            elsewhere = any(hasattr(base, name) for base in kind.__mro__[1:])
            if documented and elsewhere and not name.startswith("_") and not member.__doc__:
                inherited.add(f"{kind.__name__}.{name}")
    assert inherited == set()


# As the papers print them: class of the optimizer, rate, beta_1, beta_2, n_critic, weight or clip.
PRINTED = {
    "gan": (kg.GAN, keras.optimizers.Adam, 2e-4, 0.5, 0.999, 1, None),
    "wgan": (kg.WGAN, keras.optimizers.RMSprop, 5e-5, None, None, 5, ("clip", 0.01)),
    "wgan_gp": (kg.WGANGP, keras.optimizers.Adam, 1e-4, 0.0, 0.9, 5, ("weight", 10.0)),
    "wgan_lp": (kg.WGANLP, keras.optimizers.Adam, 1e-4, 0.0, 0.9, 5, ("weight", 10.0)),
    "dragan": (kg.DRAGAN, keras.optimizers.Adam, 2e-4, 0.5, 0.999, 1, ("weight", 10.0)),
    "lsgan": (kg.LSGAN, keras.optimizers.Adam, 2e-4, 0.5, 0.999, 1, None),
    "r3gan": (kg.R3GAN, keras.optimizers.Adam, 2e-4, 0.0, 0.9, 1, ("gamma", 0.05)),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_variant_and_the_command_begin_with_the_numbers_of_the_paper(name, make_generator, make_discriminator):
    kind, optimizer_class, rate, beta_1, beta_2, n_critic, other = PRINTED[name]
    gan = kind(make_generator(), make_discriminator())
    assert gan.n_critic == n_critic
    assert other is None or getattr(gan, other[0]) == other[1]
    gan.compile()
    for optimizer in gan.optimizers.values():
        assert type(optimizer) is optimizer_class
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert (getattr(optimizer, "beta_1", None), getattr(optimizer, "beta_2", None)) == (beta_1, beta_2)
    paper = settings.MODELS[name]
    assert (paper.learning_rate, paper.beta_1, paper.beta_2, paper.n_critic) == (rate, beta_1, beta_2, n_critic)
    assert build.MODELS[name].paper == paper


def test_a_vae_is_compiled_with_the_epsilon_of_all_other_models():
    vae = kg.VAE(kg.networks.mlp_encoder((4, 4, 1), 3, (8,)), kg.networks.mlp_generator((4, 4, 1), 3, (8,)))
    vae.compile()
    assert vae.optimizer.epsilon == kg.optimization.adam(1e-3, 0.9, 0.999).epsilon == 1e-8


@pytest.mark.slow
def test_the_weight_of_a_penalty_may_be_changed_between_epochs(tmp_path):
    class Anneals(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.penalties[0].weight = 10.0 if epoch == 0 else 0.0

    def fitted(epochs):
        keras.utils.set_random_seed(0)
        model = kg.WGANGP(kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,)))
        model.compile()
        images = np.random.default_rng(0).uniform(-1, 1, (40, 4, 4, 1)).astype("float32")
        callbacks = [Anneals(), kg.callbacks.Checkpoint(tmp_path)]
        model.fit(images, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks)
        return model

    fitted(2)
    values = fitted(3).history.history["gradient_penalty"]  # resumed, though the weight was another when it stopped
    assert values[0] > 0.0
    assert values[1:] == [0.0, 0.0]
