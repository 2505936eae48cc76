"""Objectives of a user's own: they see images, labels and all that the discriminator says."""

import traceback

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import images, networks, sgd
from keras import ops
from selection import some

import kerasgan as kg
from kerasgan.errors import ModelContractError

LABELS = np.arange(64) % 3
register = keras.saving.register_keras_serializable("test_objectives")


def discriminator(*extras):
    """The smallest discriminator with its features, and these many class logits, as further outputs."""
    _, judge = networks()
    features = judge.get_layer("logits").input
    outputs = [keras.layers.Dense(count)(features) for count in extras] or [features]
    return keras.Model(judge.input, [judge.outputs[0], *outputs])


@register
class Same(kg.GAN):
    """Overrides both objectives and changes neither."""

    def discriminator_objective(self, real, fake, labels):
        return super().discriminator_objective(real, fake, labels)

    def generator_objective(self, real, fake, labels):
        return super().generator_objective(real, fake, labels)


def test_an_overridden_objective_that_changes_nothing_trains_the_same_model():
    def state_of(kind):
        keras.utils.set_random_seed(0)
        model = kind(*networks(), penalties=[kg.penalties.R1(1.0)])
        model.compile(**sgd(), run_eagerly=True)
        model.train_on_batch(images(8)[:, None])
        return {name: variable.numpy() for name, variable in model.state().items()}

    one, other = map(state_of, (kg.GAN, Same))
    assert len(one) == len(other) > 8
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@register
class Compiled(Same):
    @tf.function
    def discriminator_objective(self, real, fake, labels):
        return kg.GAN.discriminator_objective(self, real, fake, labels)


def test_an_objective_may_be_a_tf_function():
    model = Compiled(*networks())
    model.compile(**sgd())
    assert np.isfinite(model.train_on_batch(images(8)[:, None], return_dict=True)["d_loss"])


@register
class Seeing(kg.GAN):
    """Asserts what an objective is given, in the numbers that it logs."""

    logged = ("classes", "brightness", "feature", "conditions")

    def discriminator_objective(self, real, fake, labels):
        loss, values = super().discriminator_objective(real, fake, labels)
        seen = {"classes": len(real.extras), "brightness": ops.mean(real.images), "feature": ops.mean(real.extras[0])}
        return loss, {**values, **seen, "conditions": ops.mean(ops.cast(labels, "float32"))}


def test_an_objective_sees_images_labels_and_features():
    generator, _ = networks(3)
    model = Seeing(generator, discriminator())
    model.compile(run_eagerly=True)
    data = images()
    features = model.discriminator(data)[1].numpy()
    logs = model.train_on_batch(data[:, None], LABELS[:, None], return_dict=True)
    expected = {"classes": 1.0, "brightness": data.mean(), "feature": features.mean(), "conditions": LABELS.mean()}
    for name, value in expected.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_more_outputs_and_a_discriminator_without_labels_are_for_overridden_objectives_alone():
    with pytest.raises(ModelContractError, match=r"1 inputs and 2 outputs"):
        kg.GAN(networks()[0], discriminator())
    with pytest.raises(ModelContractError, match=r"a subclass of the model that overrides `discriminator_objective`"):
        kg.GAN(networks()[0], discriminator())
    with pytest.raises(ModelContractError, match="the generator has 2 inputs, the discriminator 1"):
        kg.GAN(networks(3)[0], networks()[1])
    Same(networks(3)[0], discriminator())


@pytest.mark.parametrize(("returned", "received"), [([0.0] * 8, r"shape \(8,\)"), (None, "None")])
@pytest.mark.parametrize("method", ["discriminator", "generator"])
def test_a_loss_that_is_no_scalar_is_named(method, returned, received):
    broken = type("Broken", (kg.losses.NonSaturating,), {method: lambda self, real, fake: returned})
    model = kg.GAN(*networks(), loss=broken())
    model.compile()
    with pytest.raises(ValueError, match=rf"`loss`. Expected a loss whose `{method}` returns .*{received} from Broken"):
        model.fit(images(), batch_size=8, verbose=0)


@pytest.mark.parametrize(
    ("returned", "message"),
    some(
        [
            (
                lambda loss, values: loss,
                "`discriminator_objective`. Expected a method that returns a scalar and a dict",
            ),
            (lambda loss, values: (ops.ones((8,)), values), r"Received: a loss of shape \(8,\)"),
            (
                lambda loss, values: (loss, {}),
                "`d_loss`. Expected a value to log in the dict that an objective returns",
            ),
        ],
        1,
    ),
    ids=["no dict", "a loss for each image", "nothing to log"],
)
def test_what_is_no_objective_is_refused_in_words(returned, message):
    class Wrong(kg.GAN):
        def discriminator_objective(self, real, fake, labels):
            return returned(*super().discriminator_objective(real, fake, labels))

    model = Wrong(*networks())
    model.compile(**sgd(), run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.fit(images(8), batch_size=8, verbose=0)


class Talkative(kg.GAN):
    share = 1.0

    def discriminator_objective(self, real, fake, labels):
        loss, values = super().discriminator_objective(real, fake, labels)
        return loss * self.share, {**values, "of_mine": loss}


def test_values_that_are_not_logged_are_spoken_of():
    gan = Talkative(*networks())
    gan.compile()
    with pytest.warns(UserWarning, match="`discriminator_objective` returns of_mine: name what is to be logged"):
        gan.fit(images(8), batch_size=4, verbose=0)


class FromNumPy(Same):
    def generator_objective(self, real, fake, labels):
        loss, values = super().generator_objective(real, fake, labels)
        return loss + tf.numpy_function(lambda value: value - value, [loss], tf.float32), values


def test_a_loss_whose_shape_is_known_in_the_step_only():
    gan = FromNumPy(*networks())
    gan.compile()
    assert np.isfinite(gan.fit(images(8), batch_size=4, verbose=0).history["g_loss"][0])


@pytest.mark.parametrize("logged", ["class_loss", ("d_loss",), (1,)])
def test_names_of_logs_are_checked(logged):
    kind = type("Named", (Same,), {"logged": logged})
    with pytest.raises(ValueError, match=r"argument `(logged|penalties)`"):
        kind(*networks())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_an_output_that_no_objective_uses_stays_as_it_is():
    model = Same(networks(3)[0], discriminator(5))
    model.compile(**sgd(), run_eagerly=True)
    before = {variable.path: variable.numpy() for variable in model.discriminator.weights}
    model.train_on_batch(images(8)[:, None], LABELS[:8, None])
    still = [one.shape for one in model.discriminator.weights if (before[one.path] == one.numpy()).all()]
    assert still == [(8, 5), (5,)]


def fitted(kind, **kwargs):
    gan = kind(*networks(), **kwargs)
    gan.compile(run_eagerly=True)
    gan.fit(images(8), batch_size=4, validation_data=images(8), verbose=0)


@pytest.mark.parametrize("returned", [lambda logs: None, lambda logs: list(logs.values())], ids=["nothing", "list"])
@pytest.mark.parametrize("step", ["train_step", "test_step"])
def test_a_step_that_returns_no_dict_is_named(step, returned):
    kind = type("Own", (kg.GAN,), {step: lambda self, data: returned(getattr(super(kind, self), step)(data))})
    with pytest.raises(ValueError, match=rf"argument `{step}`. Expected a dict .* `super\(\).{step}\(data\)`"):
        fitted(kind)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_an_error_in_a_step_says_what_its_data_are(run_eagerly):
    class Ported(kg.GAN):
        def train_step(self, real_images):
            return {"d_loss": ops.mean(ops.concatenate([real_images, self.generator(ops.zeros((8, 3)))], axis=0))}

    class Calling(kg.GAN):
        def train_step(self, data):
            return super().train_step(data[:, 0])

    class Refusing(kg.GAN):
        def train_step(self, data):
            raise ValueError("of mine")

    for kind, says in ((Ported, True), (Calling, False), (Refusing, False)):
        gan = kind(*networks(), n_critic=2)
        gan.compile(run_eagerly=run_eagerly)
        with pytest.raises(Exception) as caught:  # noqa: PT011  TensorFlow's
            gan.fit(images(16), batch_size=8, verbose=0)
        shown = "".join(traceback.format_exception(caught.value))
        assert ("have shape (batch, 2, 4, 4, 1), for all updates of the step" in shown) == says


def test_a_step_of_another_signature_is_an_error_in_words():
    class Two(kg.GAN):
        def train_step(self, images, labels):
            return {}

    with pytest.raises(TypeError, match=r"train_step\(\) missing 1 required positional argument: 'labels'"):
        fitted(Two)


class More:
    """A mixin."""

    def train_step(self, data):
        return {**super().train_step(data), "more": tf.constant(2.0)}


class Nothing:
    def train_step(self, data):
        super().train_step(data)


def test_a_step_of_a_mixin_is_checked_on_replicas_too(mirrored):
    with mirrored.scope():
        more, nothing = (type("Mixed", (mixin, kg.GAN), {})(*networks()) for mixin in (More, Nothing))
        more.compile()
        nothing.compile()
    assert more.fit(images(8), batch_size=4, verbose=0).history["more"] == [2.0]
    with pytest.raises(ValueError, match=r"argument `train_step`. Expected a dict"):
        nothing.fit(images(8), batch_size=4, verbose=0)


def test_a_step_may_be_a_tf_function():
    class Traced(kg.GAN):
        @tf.function
        def train_step(self, data):
            return {"more": tf.constant(2.0)}

    gan = Traced(*networks())
    gan.compile()
    assert gan.fit(images(8), batch_size=4, verbose=0).history == {"more": [2.0]}


def test_a_step_that_returns_a_dict_is_a_users_own():
    class Counting(kg.GAN):
        steps = 0

        def train_step(self, data):
            """Counts."""
            self.steps += 1
            return super().train_step(data)

    class Again(Counting):
        def train_step(self, data):
            return {**super().train_step(data), "more": 1.0}

    gan = Again(*networks())
    gan.compile(run_eagerly=True)
    history = gan.fit(images(8), batch_size=4, verbose=0).history
    assert (gan.steps, history["more"]) == (2, [1.0])
    assert Counting.train_step.__doc__ == "Counts."


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda value, norm: value, r"a scalar and the norms \(batch,\).* from 'r1'"),
        (lambda value, norm: (norm, norm), r"reduce it with `tf.reduce_mean`. Received: a value of shape \(4,\) from"),
    ],
    ids=["one value", "a value for each image"],
)
def test_what_is_no_penalty_is_refused_in_words(returned, message):
    class Whole(kg.penalties.R1):
        def __call__(self, *arguments):
            return returned(*super().__call__(*arguments))

    with pytest.raises(ValueError, match=message):
        fitted(kg.GAN, penalties=[Whole(1.0)])


def test_a_regularizer_that_returns_no_scalar_is_named():
    generator, judge = networks()
    judge.get_layer("logits").kernel.regularizer = lambda kernel: 1e-3 * ops.square(kernel)
    gan = kg.GAN(generator, judge)
    gan.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"`regularizer`. Expected a scalar from that of '.*logits/kernel': end it"):
        gan.fit(images(8), batch_size=4, verbose=0)
