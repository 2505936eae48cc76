"""What a constructor was given is what is saved: models, losses, penalties and constraints of other packages, too."""

import abc
import contextlib
import copy
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import some

import kerasgan as kg
from kerasgan.errors import ModelContractError

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, *SHAPE)).astype("float32")
register = keras.saving.register_keras_serializable("test_configured")


def networks():
    return kg.networks.mlp_generator(SHAPE, 3, (8,)), kg.networks.mlp_discriminator(SHAPE, (8,))


@register
class Smoothed(kg.losses.NonSaturating):
    def __init__(self, smoothing=0.0):
        self._smoothing = smoothing

    def discriminator(self, real_logits, fake_logits):
        return super().discriminator(real_logits, fake_logits) + self._smoothing * tf.reduce_mean(real_logits)


@register
class Targeted(kg.penalties.GradientPenalty):
    """With an argument of another name than its attribute, one that is changed on the way, and no `name`."""

    def __init__(self, weight=10.0, centre=1.0):
        super().__init__(2.0 * weight)
        self._centre = centre

    def penalty(self, norm):
        return (norm - self._centre) ** 2


@register
class AbstractLoss(kg.losses.LeastSquares, abc.ABC):
    pass


@register
class KeywordOnly(kg.GAN):
    def __init__(self, generator, discriminator, alpha=0.5, **kwargs):
        super().__init__(generator, discriminator, **kwargs)
        self._alpha = alpha


@register
class Positional(kg.WGANGP):
    def __init__(self, *args, alpha=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self._alpha = alpha


@register
class Fixed(kg.WGAN):
    def __init__(self, generator, discriminator, alpha=0.5):
        super().__init__(generator, discriminator, clip=0.5, n_critic=1)
        self._alpha = alpha


@register
class OwnNetworks(kg.GAN):
    """Whose arguments are plain numbers, which Keras records on its own, too."""

    def __init__(self, alpha=0.5, **kwargs):
        super().__init__(*networks(), **kwargs)
        self._alpha = alpha


@register
class Extended(kg.R3GAN):
    """As Keras's guides write it."""

    def __init__(self, *args, alpha=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self._alpha = alpha

    def get_config(self):
        return {**super().get_config(), "alpha": self._alpha}


@register
class Without(kg.VAE):
    """No constructor of its own."""

    _alpha = 0.3


MODELS = {
    "keywords": lambda: KeywordOnly(*networks(), alpha=0.3, loss=Smoothed(0.25), penalties=[Targeted(3.0, 0.5)]),
    "positions": lambda: Positional(*networks(), 3.0, alpha=0.3, ema_momentum=0.9, name="mine"),
    "fixed": lambda: Fixed(*networks(), 0.3),
    "get_config": lambda: Extended(*networks(), gamma=2.0, alpha=0.3, ema_momentum=0.9),
    "own networks": lambda: OwnNetworks(alpha=0.3, seed=2),
    "no constructor": lambda: Without(kg.networks.mlp_encoder(SHAPE, 3, (8,)), networks()[0], seed=7),
}


def attributes(part):
    return {name: value for name, value in vars(part).items() if name not in ("_given", "_kept", "_inside")}


def objective(model):
    """What the model minimises, as numbers."""
    parts = [getattr(model, "loss", None), *getattr(model, "penalties", ()), getattr(model, "constraint", None)]
    values = [(type(part).__name__, attributes(part)) for part in parts if part]
    settings = [getattr(model, name, None) for name in ("n_critic", "pack", "ema_momentum", "seed")]
    return repr((type(model), model._alpha, values, settings))


def through_a_file(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def through_a_copy(model, path):
    return copy.deepcopy(model)


def through_config(model, path):
    return type(model).from_config(model.get_config())


@pytest.mark.parametrize("through", some([through_a_file, through_a_copy, through_config], 0))
@pytest.mark.parametrize("name", MODELS)
def test_a_subclass_is_saved_as_it_was_made(name, through, tmp_path):
    model = MODELS[name]()
    model.compile()
    assert objective(through(model, tmp_path)) == objective(model)


@pytest.mark.parametrize("name", some(["keywords", "positions"], 0))
def test_a_subclass_resumes_and_another_argument_is_refused(name, tmp_path):
    def fitted(epochs, **changed):
        keras.utils.set_random_seed(0)
        model = MODELS[name]()
        vars(model)["_given"] |= changed
        model.compile()
        model.fit(IMAGES, batch_size=4, epochs=epochs, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path)])
        return model

    first = fitted(1)
    assert int(fitted(2).step.numpy()) == 2 * int(first.step.numpy())
    with pytest.raises(kg.errors.CheckpointMismatchError, match="alpha"):
        fitted(3, alpha=0.4)


@register
class Styled(kg.WGANGP):
    """With arguments of its own in `compile`."""

    def compile(self, *args, style_weight=1.0, levels=(1, 2), **kwargs):
        super().compile(*args, **kwargs)
        self.style = style_weight, levels


@register
class OneRate(kg.GAN):
    """Whose `compile` takes none of ours."""

    def compile(self, rate):
        super().compile(keras.optimizers.Adam(rate), keras.optimizers.Adam(rate), steps_per_execution=2)


@register
class WithoutArguments(kg.GAN):
    def compile(self):
        super().compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25), steps_per_execution=2)


@register
class Doubled(kg.GAN):
    """Whose arguments are not those that it gives ours."""

    def compile(self, rate, /, d_optimizer=None, steps_per_execution=1, shared=0.0):
        optimizer = keras.optimizers.LossScaleOptimizer(d_optimizer or keras.optimizers.SGD(rate))
        super().compile(optimizer, steps_per_execution=2 * steps_per_execution)
        self.style = shared


class Mixin:
    def compile(self, *args, weight=1.0, **kwargs):
        super().compile(*args, **kwargs)
        self.style = weight


@register
class Mixed(Mixin, kg.GAN):
    pass


@register
class MoreStyled(Styled):
    def compile(self, d_optimizer=None, g_optimizer=None, sharpness=0.0, **kwargs):
        super().compile(d_optimizer, g_optimizer, **kwargs)
        self.style += (sharpness,)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (Styled, {"style_weight": np.float32(2.0), "levels": (3, 4)}),
        (Styled, {"args": [keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25)], "style_weight": 2.0}),
        (MoreStyled, {"g_optimizer": keras.optimizers.SGD(0.5), "style_weight": 2.0, "sharpness": 3.0}),
        (OneRate, {"rate": 0.125}),
        (WithoutArguments, {}),
        (Doubled, {"args": [0.5], "steps_per_execution": 2, "shared": 5.0}),
        (Doubled, {"args": [0.5], "d_optimizer": keras.optimizers.Adam(0.125)}),
        (Mixed, {"weight": 5.0}),
    ],
)
def test_what_the_compile_of_a_subclass_was_given_is_saved(make, arguments, tmp_path):
    model = make(*networks())
    positional = arguments.pop("args", [])
    model.compile(*positional, **arguments, **({"jit_compile": True} if issubclass(make, Styled) else {}))
    model.d_optimizer.learning_rate = 0.3125
    again = through_a_file(model, tmp_path)
    assert getattr(again, "style", None) == getattr(model, "style", None)
    assert again.compilation.arguments == model.compilation.arguments
    for name, optimizer in model.optimizers.items():
        assert type(again.optimizers[name]) is type(optimizer)
        assert float(again.optimizers[name].learning_rate) == float(optimizer.learning_rate)


def test_a_checkpoint_compares_what_the_compile_of_a_subclass_was_given(tmp_path):
    def fit(**arguments):
        model = Styled(*networks(), n_critic=1)
        model.compile(**arguments)
        model.fit(IMAGES, batch_size=4, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path)])

    fit(style_weight=2.0)
    fit(style_weight=2.0)
    with pytest.raises(kg.errors.CheckpointMismatchError, match="style_weight"):
        fit(style_weight=3.0)


def test_what_cannot_be_saved_of_a_compile_is_refused_when_it_is_called():
    with pytest.raises(ModelContractError, match=r"`style_weight`.*override `get_compile_config` of Styled"):
        Styled(*networks()).compile(style_weight=object())


@register
class Selective(Styled):
    def get_compile_config(self):
        config = super().get_compile_config()
        config.pop("style_weight", None)
        return config


@pytest.mark.slow
def test_what_get_compile_config_leaves_out_need_not_be_saved(tmp_path):
    model = Selective(*networks(), n_critic=1)
    model.compile(style_weight=object())
    model.fit(IMAGES, batch_size=4, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path / "checkpoints")])
    assert through_a_file(model, tmp_path).style == (1.0, (1, 2))


@register
class Containers(kg.losses.NonSaturating):
    def __init__(self, value):
        self._value = value


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        [(1, 2), 3],
        {"a": (1,)},
        {1: "a", 2: ["b"]},
        {(0, 1): 2.0},
        {},
        (),
        {"b": {1: (2, None)}},
        [[(1,)]],
        {"class_name": "a"},
    ],
)
def test_containers_are_saved_as_they_were_given(value, tmp_path):
    again = through_a_file(kg.GAN(*networks(), loss=Containers(value)), tmp_path).loss._value
    assert repr(again) == repr(value)


@pytest.mark.parametrize("made", [Smoothed(0.25), Targeted(3.0, centre=0.5), AbstractLoss()])
def test_losses_and_penalties_are_made_again_from_their_configuration(made):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is type(made)
    assert attributes(again) == attributes(made)


def test_numbers_of_numpy_are_saved(tmp_path):
    model = KeywordOnly(*networks(), alpha=np.float32(0.5), penalties=[Targeted(np.float64(3), np.float32(0.5))])
    assert objective(through_a_file(model, tmp_path)) == objective(model).replace("np.float32(0.5)", "0.5")


@register
class Keeps(kg.GAN):
    def __init__(self, generator, discriminator, file=None, **kwargs):
        super().__init__(generator, discriminator, **kwargs)


@register
class LeavesOut(Keeps):
    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "file"}


def test_what_cannot_be_saved_is_refused_when_the_model_is_made_and_left_out_as_advised(tmp_path):
    with open(__file__) as file, pytest.raises(ModelContractError, match=r"`file`.*override `get_config` of Keeps"):
        Keeps(*networks(), file=file)
    model = LeavesOut(*networks())
    assert type(through_a_file(model, tmp_path)) is LeavesOut


@register
class Bounded(keras.constraints.Constraint):
    def __init__(self, bound=1.0):
        self.bound = bound

    def __call__(self, value):
        return keras.ops.clip(value, -self.bound, self.bound)


@register
class WholeBounded(Bounded):
    def get_config(self):
        return {"bound": self.bound}


@register
class OwnAdam(keras.optimizers.Adam):
    def __init__(self, learning_rate=1e-3, warmth=2.0, **kwargs):
        super().__init__(learning_rate * warmth, **kwargs)


def test_a_constraint_and_an_optimizer_that_would_lose_arguments_are_refused(tmp_path):
    with pytest.raises(ModelContractError, match=r"constraint.*'bound'.*get_config"):
        kg.GAN(*networks(), constraint=Bounded(0.3))
    model = kg.GAN(*networks(), constraint=WholeBounded(0.3))
    assert through_a_file(model, tmp_path).constraint.bound == 0.3
    with pytest.raises(ModelContractError, match=r"d_optimizer.*'warmth'"):
        model.compile(OwnAdam(), keras.optimizers.Adam())


@pytest.mark.parametrize("name", sorted(set(dir(keras.optimizers)) - {"Optimizer", "MultiOptimizer"}))
def test_optimizers_of_keras_are_saved_whole(name):
    optimizer = getattr(keras.optimizers, name)
    if not (isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer)):
        return
    made = optimizer(keras.optimizers.SGD()) if name == "LossScaleOptimizer" else optimizer()
    kg.configured.check_saved_whole("optimizer", made)


def test_a_constraint_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`constraint`"):
        kg.GAN(*networks(), constraint="no such constraint")


def test_the_true_cause_comes_first_when_a_model_cannot_be_loaded(tmp_path):
    class Unknown(kg.losses.LeastSquares):
        pass

    kg.GAN(*networks(), loss=Unknown()).save(tmp_path / "model.keras")
    with pytest.raises(ModelContractError, match=r"^`loss` cannot be loaded: Could not locate class 'Unknown'"):
        keras.models.load_model(tmp_path / "model.keras")
    kg.LSGAN(*networks()).save(tmp_path / "model.keras")

    @keras.saving.register_keras_serializable("kerasgan", "LSGAN")
    class Other(kg.GAN):
        def __init__(self, generator, discriminator):
            super().__init__(generator, discriminator)

    try:
        with pytest.raises(
            ModelContractError,
            match=r"^Other cannot be made from what was saved: .*unexpected keyword.*Its `__init__` has to accept",
        ):
            keras.models.load_model(tmp_path / "model.keras")

        @keras.saving.register_keras_serializable("kerasgan", "LSGAN")
        class Failing(kg.LSGAN):
            def __init__(self, *args, **kwargs):
                raise TypeError("of mine")

        with pytest.raises(ModelContractError, match=r"^Failing cannot be made from what was saved: of mine\.$"):
            keras.models.load_model(tmp_path / "model.keras")
    finally:
        keras.saving.register_keras_serializable("kerasgan", "LSGAN")(kg.LSGAN)


@pytest.mark.parametrize("variant", [kg.WGAN, kg.WGANGP, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN])
def test_what_a_variant_decides_cannot_be_given_again(variant):
    with pytest.raises(TypeError, match="loss"):
        variant(*networks(), loss=kg.losses.Hinge())


@register
class Weighted(kg.penalties.GradientPenalty):
    def __init__(self, weight=1.0, name="weighted"):
        super().__init__(weight, name)


@register
class Keyed(kg.WGANGP):
    def __init__(self, generator, discriminator, **kwargs):
        super().__init__(generator, discriminator, **kwargs)


def test_what_is_changed_later_is_saved_where_it_is_kept_under_its_name(tmp_path):
    for model in (kg.WGANGP(*networks(), ema_momentum=0.9), Keyed(*networks(), ema_momentum=0.9, weight=10)):
        model.penalties[0].weight, model.ema_momentum = 3.0, 0.5
        loaded = through_a_file(model, tmp_path)
        assert (loaded.weight, loaded.ema_momentum) == (3.0, 0.5)
    model = kg.GAN(*networks(), penalties=[Weighted(2.0)])
    model.penalties[0].weight = 5.0
    assert through_a_file(model, tmp_path).penalties[0].weight == 5.0


@register
class Options(kg.GAN):
    def __init__(self, generator, discriminator, options):
        super().__init__(generator, discriminator, n_critic=options.pop("n_critic"))


def test_what_the_constructor_decides_cannot_be_changed_later_and_its_arguments_are_left_alone(tmp_path):
    model = Options(*networks(), {"n_critic": 2})
    with pytest.raises(ValueError, match="the constructor of Options decides"):
        model.n_critic = 5
    assert through_a_file(model, tmp_path).n_critic == 2


@register
class Partly(kg.losses.LeastSquares):
    def __init__(self, a=1, b=2):
        self.a, self.b = a, b

    def get_config(self):
        return {"a": self.a}


@register
class AnyNames(keras.constraints.Constraint):
    def __init__(self, **kwargs):
        self.c = kwargs.get("c", 1.0)


class Unnamed(kg.penalties.R1):
    def __init__(self):
        pass


@pytest.mark.parametrize(
    "arguments",
    [{"loss": Partly(b=9)}, {"penalties": [Unnamed()]}, {"constraint": AnyNames(c=0.1)}],
    ids=["loss", "penalties", "constraint"],
)
def test_parts_that_would_lose_arguments_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`"):
        kg.GAN(*networks(), **arguments)


def test_a_loss_that_is_a_dataclass_is_saved(tmp_path):
    @register
    @dataclasses.dataclass
    class Data(kg.losses.LeastSquares):
        a: float = 1.0

    assert through_a_file(kg.GAN(*networks(), loss=Data(3.0)), tmp_path).loss.a == 3.0


@register
class WithEncoder(kg.GAN):
    """With a network, an optimizer and random numbers of its own."""

    def __init__(self, generator, discriminator, encoder, **kwargs):
        super().__init__(generator, discriminator, **kwargs)
        self.encoder = encoder
        self.random = keras.random.SeedGenerator(5)

    def compile(self, *args, built=True, **kwargs):
        super().compile(*args, **kwargs)
        self.e_optimizer = keras.optimizers.Adam(0.01)
        if built:
            self.e_optimizer.build(self.encoder.trainable_variables)

    def train_step(self, data):
        logs = super().train_step(data)
        images = tf.reshape(data, (-1, *SHAPE)) + keras.random.normal((), seed=self.random)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.encoder(images) ** 2)
        variables = self.encoder.trainable_variables
        self.e_optimizer.apply(tape.gradient(loss, variables), variables)
        return logs


@pytest.mark.slow
def test_a_checkpoint_holds_the_optimizers_and_seeds_of_a_subclass(tmp_path):
    def fitted(epochs, directory, **arguments):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])
        model = WithEncoder(*networks(), encoder)
        model.compile(**arguments)
        callbacks = [kg.callbacks.Checkpoint(tmp_path / directory)]
        model.fit(IMAGES, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks)
        return model

    fitted(2, "stopped")
    resumed, straight = fitted(4, "stopped"), fitted(4, "straight")
    assert int(resumed.e_optimizer.iterations) == 16
    for one, other in zip(resumed.variables, straight.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    with pytest.raises(ValueError, match=r"call `self.e_optimizer.build\(variables\)` in `compile`"):
        fitted(1, "unbuilt", built=False)


def test_a_get_config_that_leaves_an_argument_out_may_ask_for_the_others(tmp_path):
    @register
    class Selects(kg.GAN):
        def __init__(self, generator, discriminator, file=None, **kwargs):
            super().__init__(generator, discriminator, **kwargs)

        def get_config(self):
            config = super().get_config()
            config.pop("file")
            return config

    model = Selects(*networks(), file=object(), seed=3)
    assert through_a_file(model, tmp_path).seed == 3


def test_a_model_that_is_not_compiled_has_a_state():
    assert not any("optimizer" in name for name in MODELS["keywords"]().state())


def parts():
    """One of every loss, penalty, constraint and augmentation that kerasgan has."""
    modules = kg.losses, kg.penalties, kg.constraints, kg.augmentations
    classes = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    known = (kg.losses.AdversarialLoss, kg.penalties.Penalty, kg.constraints.Clip, kg.augmentations.DiffAugment)
    found = []
    for one in sorted(classes, key=lambda one: one.__name__):
        if issubclass(one, known):
            with contextlib.suppress(TypeError):  # those that need arguments are the base classes
                found.append(one())
    return found


def numbers():
    """Each part with each of its constructor's arguments that is a number."""
    arguments = [(part, name, value) for part in parts() for name, value in part.get_config().items()]
    return [(part, name) for part, name, value in arguments if isinstance(value, (int, float)) and name in vars(part)]


@pytest.mark.parametrize(("part", "name"), numbers(), ids=str)
@pytest.mark.parametrize("value", [float("nan"), "much"], ids=["nan", "text"])
def test_a_part_refuses_later_what_its_constructor_refuses(part, name, value):
    before = part.get_config()
    with pytest.raises(ValueError, match=f"{value}"):
        setattr(part, name, value)
    assert part.get_config() == before


def test_the_weight_of_a_penalty_can_be_changed_later():
    penalty = kg.penalties.R1(4.0)
    with pytest.raises(ValueError, match=r"gamma=-2\.0"):
        penalty.weight = -1.0
    penalty.weight = 3.0
    assert penalty.get_config()["gamma"] == 6.0


def test_what_is_set_later_is_converted_as_by_the_constructor():
    augment = kg.augmentations.DiffAugment(("cutout",))
    augment.policy = "translation"
    assert augment.policy == ["translation"]


def test_an_augmentation_that_does_not_fit_the_images_is_refused_later_too():
    shape = (4, 4, 2)
    augment = kg.augmentations.DiffAugment(("cutout",))
    gan = kg.GAN(kg.networks.mlp_generator(shape, 3, (8,)), kg.networks.mlp_discriminator(shape, (8,)), augment=augment)
    gan.compile()
    augment.policy = ["color"]
    with pytest.raises(ModelContractError, match=r"a policy without 'color'.*images of 2 channels"):
        gan.fit(IMAGES[..., [0, 0]], batch_size=8, verbose=0)


def test_an_adaptive_probability_is_the_models():
    augment = kg.augmentations.AdaptiveAugment()
    with pytest.raises(ValueError, match=r"`probability`.*gan\.augment_probability\.assign"):
        augment.probability = 0.5


def test_what_a_subclass_counts_is_not_reset():
    class Counting(kg.penalties.GradientPenalty):
        calls = 0

        def penalty(self, norm):
            self.calls += 1
            return super().penalty(norm)

    counting = Counting()
    for _ in range(3):
        counting.penalty(tf.ones(2))
    assert counting.calls == 3
