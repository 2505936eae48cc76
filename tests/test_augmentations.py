"""Augmentation of what the discriminator sees: against loops over pixels, and in training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import MODES, SHAPE, distance, images, networks, sgd, trained
from selection import some

import kerasgan as kg
from kerasgan import stateless
from kerasgan.augmentations import AdaptiveAugment, DiffAugment
from kerasgan.cli import main
from kerasgan.errors import ModelContractError


def test_a_policy_may_be_written_as_on_the_command_line():
    for policy in ("flip,translation:0.5", "flip, translation:0.5"):
        assert DiffAugment(policy).policy == DiffAugment(("flip", "translation:0.5")).policy


ALL = ("flip", "color", "translation", "cutout")
VARIANTS = [kg.GAN, kg.WGAN, kg.WGANGP, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN]


def stream(position=0, seed=0):
    return stateless.Stream(seed, tf.constant(position, tf.int64))


def sampled(shape, policy=ALL, position=0, **kwargs):
    return DiffAugment(policy, **kwargs).sample(tf.zeros(shape), stream(position))


def identity(count):
    """Parameters that change nothing."""
    zeros, ones, never = tf.zeros(count), tf.ones(count), tf.fill([count], False)
    integers = tf.zeros(count, tf.int32)
    numbers = {"brightness": zeros, "saturation": ones, "contrast": ones}
    places = dict.fromkeys(("shift_y", "shift_x", "hole_y", "hole_x"), integers)
    return {"flip": never, "cutout": never, **numbers, **places}


def pictures(shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


# The operations


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 6, 3), (5, 1, 2)])
def test_every_shift_moves_a_pixel_where_a_loop_over_pixels_does(shape):
    height, width, _ = shape
    reach = [int(size / 8 + 0.5) for size in (height, width)]
    shifts = [(y, x) for y in range(-reach[0], reach[0] + 1) for x in range(-reach[1], reach[1] + 1)]
    x = pictures((len(shifts), *shape))
    drawn = identity(len(shifts)) | {
        name: tf.constant([shift[axis] for shift in shifts]) for axis, name in enumerate(("shift_y", "shift_x"))
    }
    moved = DiffAugment("translation")(tf.constant(x), drawn).numpy()
    for image, (dy, dx), result in zip(x, shifts, moved, strict=True):
        expected = np.zeros(shape, "float32")
        for i in range(height):
            for j in range(width):
                if 0 <= i + dy < height and 0 <= j + dx < width:
                    expected[i, j] = image[i + dy, j + dx]
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 6, 3), (5, 1, 2)])
def test_every_hole_is_the_square_around_its_centre(shape):
    height, width, _ = shape
    holes = [int(size / 2 + 0.5) for size in (height, width)]
    centres = [(y, x) for y in range(height + 1 - holes[0] % 2) for x in range(width + 1 - holes[1] % 2)]
    x = pictures((len(centres), *shape))
    drawn = identity(len(centres)) | {
        "cutout": tf.fill([len(centres)], True),
        "hole_y": tf.constant([centre[0] for centre in centres]),
        "hole_x": tf.constant([centre[1] for centre in centres]),
    }
    cut = DiffAugment("cutout")(tf.constant(x), drawn).numpy()
    for image, centre, result in zip(x, centres, cut, strict=True):
        expected = image.copy()
        for i in range(centre[0] - holes[0] // 2, centre[0] - holes[0] // 2 + holes[0]):
            for j in range(centre[1] - holes[1] // 2, centre[1] - holes[1] // 2 + holes[1]):
                if 0 <= i < height and 0 <= j < width:
                    expected[i, j] = 0.0
        np.testing.assert_array_equal(result, expected)
        assert (result == 0.0).any()  # a hole is never outside


def test_parameters_are_uniform_where_the_paper_says():
    drawn = {name: values.numpy() for name, values in sampled((20_000, 28, 28, 1)).items()}
    for name, low, high in (("brightness", -0.5, 0.5), ("saturation", 0, 2), ("contrast", 0.5, 1.5)):
        assert low <= drawn[name].min() < low + 0.01
        assert high - 0.01 < drawn[name].max() < high
        assert drawn[name].var() == pytest.approx((high - low) ** 2 / 12, rel=0.05)
    for name, low, high in (("shift_y", -4, 4), ("shift_x", -4, 4), ("hole_y", 0, 28), ("hole_x", 0, 28)):
        values, counts = np.unique(drawn[name], return_counts=True)
        np.testing.assert_array_equal(values, np.arange(low, high + 1))
        assert counts.min() > 0.8 * counts.mean()
    assert drawn["flip"].mean() == pytest.approx(0.3, abs=0.02)
    cut = DiffAugment("cutout")(tf.ones((2_000, 28, 28, 1)), sampled((2_000, 28, 28, 1))).numpy()
    assert (cut == 0.0).mean() == pytest.approx(0.1858, abs=0.005)


def test_color_keeps_the_means_that_its_parts_keep_and_clips_nothing():
    x, drawn = pictures((32, 6, 6, 3)), sampled((32, 6, 6, 3))
    color = DiffAugment("color")
    saturated = color(x, identity(32) | {"saturation": drawn["saturation"]}).numpy()
    np.testing.assert_allclose(saturated.mean(-1), x.mean(-1), atol=1e-6)
    contrasted = color(x, identity(32) | {"contrast": drawn["contrast"]}).numpy()
    np.testing.assert_allclose(contrasted.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-6)
    brighter = color(x, identity(32) | {"brightness": drawn["brightness"]}).numpy()
    np.testing.assert_allclose(
        brighter - x, np.broadcast_to(drawn["brightness"][:, None, None, None], x.shape), 0, 1e-6
    )
    assert np.abs(color(x, drawn).numpy()).max() > 1.0
    grey = pictures((32, 6, 6, 1))
    np.testing.assert_allclose(color(grey, identity(32) | {"saturation": drawn["saturation"]}), grey, atol=1e-6)


def test_each_image_and_each_use_has_parameters_of_its_own():
    x = tf.ones((8, 8, 8, 3)) * tf.constant(pictures((1, 8, 8, 3)))
    augment, random = DiffAugment(ALL), stream()
    first, second = (augment(x, augment.sample(x, random)).numpy() for _ in range(2))
    everything = np.concatenate([first, second])
    assert len(np.unique(everything.reshape(16, -1), axis=0)) == 16


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_an_operation_changes_its_share_of_the_images(probability):
    drawn = sampled((4_000, 16, 16, 1), probability=probability)
    for name, unchanged in (("brightness", 0.0), ("saturation", 1.0), ("contrast", 1.0)):
        assert (drawn[name] != unchanged).numpy().mean() == pytest.approx(probability, abs=0.03)
    assert drawn["cutout"].numpy().mean() == pytest.approx(probability, abs=0.03)
    assert drawn["flip"].numpy().mean() == pytest.approx(0.3 * probability, abs=0.03)


def test_a_share_behind_a_name_is_that_of_its_operation():
    drawn = sampled((4_000, 16, 16, 1), ("flip", "color:0.25", "translation:0.5", "cutout"), probability=0.5)
    moved = (drawn["shift_y"] != 0) | (drawn["shift_x"] != 0)
    assert moved.numpy().mean() == pytest.approx(0.25 * 24 / 25, abs=0.03)  # one of 5 x 5 shifts is none
    for name, unchanged in (("brightness", 0.0), ("saturation", 1.0), ("contrast", 1.0)):
        assert (drawn[name] != unchanged).numpy().mean() == pytest.approx(0.125, abs=0.02)
    assert drawn["cutout"].numpy().mean() == pytest.approx(0.5, abs=0.03)
    assert drawn["flip"].numpy().mean() == pytest.approx(0.15, abs=0.02)
    whole, halved = (DiffAugment(policy) for policy in ("translation", "translation:1.0"))
    for name, values in whole.sample(tf.zeros((8, 8, 8, 1)), stream()).items():
        np.testing.assert_array_equal(values, halved.sample(tf.zeros((8, 8, 8, 1)), stream())[name])


def test_second_derivatives_are_exact():
    """d/dx of |grad f(T(x))|^2 against central differences, in float64."""
    x, augment = tf.constant(pictures((2, 6, 6, 3)).astype("float64")), DiffAugment(ALL)
    drawn, kernel = sampled((2, 6, 6, 3)), tf.constant(np.random.default_rng(1).normal(size=(108, 5)))

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.sin(tf.reshape(augment(x, drawn), (2, -1)) @ kernel))
        return tf.reduce_sum(tf.square(tape.gradient(y, x)))

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = slope(x)
    gradient, rng, step = tape.gradient(value, x), np.random.default_rng(2), 1e-5
    for _ in range(5):
        direction = tf.constant(rng.normal(size=x.shape))
        numeric = (slope(x + step * direction) - slope(x - step * direction)) / (2 * step)
        np.testing.assert_allclose(tf.reduce_sum(gradient * direction), numeric, rtol=1e-6)


# In training


class Blank(DiffAugment):
    """Hides every image."""

    def __call__(self, images, parameters):
        return 0.0 * images


@pytest.mark.parametrize("make", some([kg.GAN, kg.WGANGP, kg.R3GAN], 0))
def test_the_generator_learns_through_the_augmentation(make):
    """Nothing reaches it through one that hides everything."""
    model = trained(lambda: make(*networks(), augment=Blank()), epochs=1)
    keras.utils.set_random_seed(0)
    before = [np.array(variable) for variable in networks()[0].trainable_variables]
    for variable, value in zip(model.generator.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    shown = trained(lambda: make(*networks(), augment=DiffAugment(ALL)), epochs=1)
    assert any(
        np.abs(np.array(variable) - value).max() > 0
        for variable, value in zip(shown.generator.trainable_variables, before, strict=True)
    )


@pytest.mark.slow
def test_flips_do_not_mirror_what_is_generated():
    digits = np.random.default_rng(0).permutation(kg.datasets.read("digits").images)
    known, others = digits[:900], digits[900:].reshape(-1, 64).astype("float32")
    keras.utils.set_random_seed(0)
    nets, steps = (kg.networks.mlp_generator((8, 8, 1), 32), kg.networks.mlp_discriminator((8, 8, 1))), 6_000
    gan = kg.R3GAN(*nets, gamma=0.5, ema_momentum=0.999, augment=DiffAugment("flip"))
    gan.compile(*(kg.optimization.adam(rate, 0.0, 0.9) for rate in kg.optimization.linear_decays(5e-4, steps, 1)))
    gan.fit(kg.datasets.from_arrays(known, batch_size=32), steps_per_epoch=steps, verbose=0)

    def nearest(images):
        differences = images.reshape(-1, 1, 64).astype("float32") - others
        return np.square(differences).sum(-1).min(-1)

    def share_mirrored(images):
        return np.mean(nearest(images[:, :, ::-1]) < nearest(images))

    generated = kg.images.to_uint8(gan.generate(1_000, seed=0))
    assert share_mirrored(known) < 0.06  # zeros, ones and eights may look so
    assert share_mirrored(generated) < 0.12  # 0.28 with flips of half of the images


@pytest.mark.slow
@pytest.mark.parametrize("make", some(VARIANTS, 1))
def test_a_run_draws_everything_else_as_without(make):
    plain = trained(lambda: make(*networks()))
    unused = trained(lambda: make(*networks(), augment=DiffAugment(("translation", "cutout"), 0.0)))
    rounding = 1e-6  # other graphs, and so other instructions
    assert distance(plain, unused) < rounding
    used = trained(lambda: make(*networks(), augment=DiffAugment(("translation", "cutout"))))
    assert distance(plain, used) > 10 * rounding


@pytest.mark.parametrize("pack", [1, 2])
def test_losses_and_penalties_are_those_of_augmented_images(pack):
    """R1 at T(x) and R2 at T(G(z)), both of which are packed after they are augmented."""
    augment = DiffAugment(ALL)
    nets = networks()[0], kg.networks.mlp_discriminator((*SHAPE[:2], pack), (8,))
    model = kg.R3GAN(*nets, gamma=1.0, pack=pack, augment=augment)
    model.compile(**sgd())
    x = tf.constant(images(8))
    logged = model.evaluate(tf.data.Dataset.from_tensors(x), verbose=0, return_dict=True)
    random = stateless.Stream(0, stateless.evaluation_position(tf.constant(0, tf.int64)))
    fake, apart = model.generator(random.normal((8, 3))), random.for_augmentation()
    real, fake = (augment(one, augment.sample(one, apart)) for one in (x, fake))
    if pack == 2:
        real, fake = (tf.concat([one[0::2], one[1::2]], -1) for one in (real, fake))
    for name, points in (("r1", real), ("r2", fake)):
        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = model.discriminator(points)
        slopes = tf.reshape(tape.gradient(logits, points), (8 // pack, -1))
        assert logged[name] == pytest.approx(float(tf.reduce_mean(tf.reduce_sum(slopes**2, 1))) / 2, rel=1e-5)
    logits = model.discriminator(real), model.discriminator(fake)
    assert logged["d_loss"] == pytest.approx(float(model.loss.discriminator(*logits)), rel=1e-5)
    assert logged["g_loss"] == pytest.approx(float(model.loss.generator(*logits)), rel=1e-5)


def test_images_from_0_to_1_are_augmented_as_those_from_minus_1_to_1():
    x, augment, drawn = pictures((4, 8, 8, 3)), DiffAugment(ALL), sampled((4, 8, 8, 3))
    expected = augment(x, drawn).numpy() / 2 + 0.5
    np.testing.assert_allclose(augment.in_range([x / 2 + 0.5], [drawn], (0.0, 1.0))[0], expected, atol=1e-6)
    np.testing.assert_array_equal(augment.in_range([x], [drawn], None)[0], augment(x, drawn))


def adaptive_gan(**kwargs):
    return kg.GAN(*networks(), augment=AdaptiveAugment(images=100, **kwargs))


@pytest.mark.parametrize(
    "make",
    [
        *some([lambda: kg.GAN(*networks(), augment=DiffAugment(ALL)), adaptive_gan], 1),
        *some([lambda: kg.R3GAN(*networks(), augment=DiffAugment(ALL, 0.5))], 1),
        *some([lambda: kg.WGANGP(*networks(), n_critic=2, augment=DiffAugment(ALL))], 1),
    ],
)
@pytest.mark.parametrize("mode", some(MODES, 0))
def test_training_is_the_same_in(mode, make, mirrored):
    expected = trained(make, run_eagerly=True)
    assert distance(expected, trained(make, mode=mode, mirrored=mirrored)) < 5e-6


# The probability


def test_the_probability_moves_towards_the_target():
    augment = AdaptiveAugment(target=0.6, images=1_000)
    move = lambda p, r: float(augment.moved(tf.constant(p), tf.constant(r), 100))
    assert move(0.5, 0.7) == pytest.approx(0.6)
    assert move(0.5, 0.5) == pytest.approx(0.4)
    assert move(0.5, 0.6) == move(0.5, float("nan")) == 0.5
    assert (move(0.05, -1.0), move(0.95, 1.0)) == (0.0, 1.0)


class Sure(kg.losses.NonSaturating):
    """Says how sure it is, whatever the logits."""

    def __init__(self, value):
        self.value = value

    def overfitting(self, real_logits, fake_logits):
        return tf.constant(self.value)


@pytest.mark.parametrize(("overfitting", "expected"), some([(0.9, 64 * 2 / 1_000), (0.1, 0.0)], 0))
def test_training_moves_the_probability_by_its_images(overfitting, expected):
    augment = AdaptiveAugment(images=1_000)
    model = trained(lambda: kg.GAN(*networks(), Sure(overfitting), augment=augment), epochs=2)
    assert float(model.augment_probability.numpy()) == pytest.approx(expected)
    assert model.history.history["augment_probability"][-1] <= expected + 1e-6


def test_losses_say_how_sure_the_discriminator_is_of_real_images():
    real, fake = tf.constant([[0.4], [0.7], [-1.0], [2.0]]), tf.constant([[1.0], [-1.0], [-2.0], [0.0]])
    for loss, expected in ((kg.losses.NonSaturating(), 0.5), (kg.losses.Hinge(), 0.5), (kg.losses.LeastSquares(), 0.0)):
        assert float(loss.overfitting(real, fake)) == expected
    assert float(kg.losses.Relativistic().overfitting(real, fake)) == 0.5


@pytest.mark.slow
def test_a_critic_overfits_as_its_distance_shrinks_on_held_out_images():
    make = lambda: kg.WGANGP(*networks(), n_critic=2, augment=AdaptiveAugment(images=64 * 4))
    model = make()
    model.compile()
    with pytest.raises(ValueError, match=r"`validation_data`.*validation_split=0.1.*DiffAugment\(probability=0.5\)"):
        model.fit(images(), batch_size=8, verbose=0)
    for never in ({"validation_freq": 3}, {"validation_freq": [3, 9]}, {"validation_freq": [1], "initial_epoch": 1}):
        with pytest.raises(ValueError, match=r"`validation_freq`.*leave it at 1.*epochs"):
            model.fit(images(), batch_size=8, verbose=0, epochs=2, validation_data=images(8), **never)
    assert int(model.step.numpy()) == 0
    model.fit(images(), batch_size=8, verbose=0, epochs=2, validation_data=images(8), validation_freq=2)
    # What follows depends on the distances alone: r = 1 - held out / training.
    model.augment_probability.assign(0.5)
    for train, held_out, moved in ((1.0, 0.1, 0.55), (1.0, 0.9, 0.5), (0.0, 1.0, 0.5)):  # 64 of 256, but at most 0.05
        model.images_since_move.assign(64.0)
        model.learn_from({"wasserstein": train, "val_wasserstein": held_out})
        assert float(model.augment_probability.numpy()) == pytest.approx(moved)
        assert float(model.images_since_move.numpy()) == 0.0
    model.learn_from({"wasserstein": 1.0})  # and no `val_wasserstein`, as the `test_step` of a subclass may have it
    assert float(model.augment_probability.numpy()) == 0.5


def test_the_images_of_every_update_of_a_critic_count_those_before_its_first_step_too():
    model = kg.WGAN(*networks(), n_critic=2, warmup=True, augment=AdaptiveAugment())
    model.compile()
    for step, seen in ((model.critic_step, 16), (model.train_step, 32)):
        step(tf.reshape(images(16), (8, 2, *images(1).shape[1:])))
        assert float(model.images_since_move.numpy()) == seen


def test_what_cannot_tell_how_far_it_overfits_is_refused():
    class Mute(kg.losses.NonSaturating):
        tells_overfitting = False

    with pytest.raises(ModelContractError, match=r"`augment`.*probability=0.5.*Mute"):
        kg.GAN(*networks(), Mute(), augment=AdaptiveAugment())
    critic = kg.WGANGP(*networks(), n_critic=1, augment=AdaptiveAugment())
    critic.compile()
    with pytest.raises(ValueError, match=r"`augment`.*learns in `fit`"):
        critic.train_on_batch(images(8))


def test_it_is_saved_with_the_model_and_goes_on_from_there(tmp_path):
    model = trained(lambda: kg.GAN(*networks(), Sure(1.0), augment=AdaptiveAugment(("cutout",), 0.5, 1_000)), epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Sure": Sure})
    assert (loaded.augment.policy, loaded.augment.target, loaded.augment.images) == (["cutout"], 0.5, 1_000.0)
    for one in (model, loaded):
        one.fit(images(), batch_size=8, verbose=0)
    assert float(loaded.augment_probability.numpy()) == pytest.approx(0.128)
    assert distance(model, loaded) == 0.0


# Refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiffAugment("colour"), r"`policy`.*'translation', 'cutout'.*policy='colour'"),
        (lambda: DiffAugment({"cutout": 0.5}), r"`policy`.*'translation:0.5'.*policy={'cutout': 0.5}"),
        (lambda: DiffAugment([]), r"`policy`.*policy=\[\]"),
        (lambda: DiffAugment("cutout:2"), r"`policy`.*'translation:0.5'.*policy='cutout:2'"),
        (lambda: DiffAugment(("cutout", "flip:")), r"`policy`.*'translation:0.5'.*'flip:'"),
        (lambda: DiffAugment(("cutout", "cutout:0.5")), r"`policy`.*each once.*'cutout:0.5'"),
        (lambda: DiffAugment(("cutout", "cutout")), r"each once"),
        (lambda: DiffAugment(probability=1.5), r"`probability`.*\[0, 1\].*1.5"),
        (lambda: AdaptiveAugment(target=1.0), r"`target`"),
        (lambda: AdaptiveAugment(images=0), r"`images`"),
        (lambda: kg.GAN(*networks(), augment="color"), r"`augment`.*DiffAugment\(\).*augment='color'"),
    ],
)
def test_what_cannot_be_used_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_data_that_an_augmentation_is_not_made_for_are_refused():
    points = kg.networks.mlp_generator((2,), 3, (8,)), kg.networks.mlp_discriminator((2,), (8,))
    with pytest.raises(ModelContractError, match=r"`augment`.*None for data that are not images.*\(2,\)"):
        kg.GAN(*points, augment=DiffAugment())
    two = kg.networks.mlp_generator((4, 4, 2), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 2), (8,))
    with pytest.raises(ModelContractError, match=r"`augment`.*DiffAugment\(\('translation',\)\).*2 channels"):
        kg.GAN(*two, augment=DiffAugment())
    assert kg.GAN(*two, augment=DiffAugment(("translation",))).augment.policy == ["translation"]


# The command


@pytest.mark.parametrize(
    ("flags", "expected"),
    some(
        [
            (["--augment=none"], None),
            (["--augment=translation:0.5,cutout"], (["translation:0.5", "cutout"], 1.0)),
            (["--augment=translation", "--augment_probability=0.3"], (["translation"], 0.3)),
            (["--model=gan", "--augment=translation", "--augment_probability=adaptive"], (["translation"], 0.0)),
        ],
        3,
    ),
)
def test_the_command_augments(flags, expected, tmp_path):
    workdir = tmp_path / "run"
    assert main(["train", f"--workdir={workdir}", "--steps=2", "--units=8", "--batch_size=8", *flags]) == 0
    augment = keras.models.load_model(workdir / "model.keras").augment
    assert (augment and (augment.policy, augment.probability)) == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--augment=sepia"], "some of flip, color, translation, cutout, with commas, or none"),
        (["--augment=cutout:2"], "some of flip, color, translation, cutout, with commas, or none"),
        (["--augment=color", "--augment_probability=2"], "a number from 0 to 1, or adaptive"),
        (["--augment_probability=0.5"], "--augment_probability needs --augment"),
        (["--dataset=ring", "--augment=color"], "--augment is for images"),
        (["--augment=cutout", "--augment_probability=adaptive"], "with --model=wgan_gp learns from held-out images"),
        (["--model=vae", "--augment_probability=0.5"], "--augment_probability is for the adversarial models"),
        (["--model=vae", "--augment=color"], "--augment is for the adversarial models"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message, tmp_path, capsys):
    assert main(["train", f"--workdir={tmp_path / 'run'}", *flags]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
