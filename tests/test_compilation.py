"""What `compile` leaves behind, and what may change after it."""

import inspect

import keras
import numpy as np
import pytest

import kerasgan as kg
from kerasgan.errors import ModelContractError

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (32, *SHAPE)).astype("float32")


def networks():
    return kg.networks.mlp_generator(SHAPE, 3, (4,)), kg.networks.mlp_discriminator(SHAPE, (4,))


def fit(model, **kwargs):
    model.fit(IMAGES, batch_size=8, epochs=1, verbose=0, **kwargs)


class WithEncoder(kg.GAN):
    """Has a third network, which the loss moves by no optimizer of ours."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.encoder = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])


@pytest.mark.slow
def test_a_third_network_is_watched_like_ours():
    gan = WithEncoder(*networks())
    assert list(gan.networks) == ["generator", "discriminator", "encoder"]
    gan.encoder.trainable = False
    gan.compile()
    fit(gan)
    traced = gan.train_function
    gan.encoder.trainable = True
    with pytest.raises(ModelContractError, match=r"`encoder`. Expected the variables that were trainable at `compile`"):
        fit(gan)
    gan.compile()
    gan.encoder.trainable = False
    fit(gan)
    assert gan.train_function is not traced


@pytest.mark.parametrize("name", ["optimizer", "d_optimizer", "g_optimizer"])
@pytest.mark.parametrize("trained", [False, True])
def test_an_optimizer_that_is_set_after_compile_is_refused(name, trained):
    gan = kg.WGANGP(*networks(), n_critic=1)
    gan.compile()
    if trained:
        fit(gan)
    setattr(gan, name, keras.optimizers.SGD(0.0))
    with pytest.raises(
        ModelContractError, match=f"`{name}`. Expected the one that `compile` was given: call `compile`"
    ):
        fit(gan)
    gan.compile(d_optimizer=keras.optimizers.SGD(1e-30), g_optimizer=keras.optimizers.SGD(1e-30))
    before = [variable.numpy() for network in gan.networks.values() for variable in network.weights]
    fit(gan)
    for variable, value in zip((v for n in gan.networks.values() for v in n.weights), before, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, atol=1e-20)


def test_a_model_that_is_frozen_whole_after_compile_is_refused():
    gan = kg.WGANGP(*networks(), n_critic=1)
    gan.compile()
    gan.trainable = False
    with pytest.raises(ModelContractError, match=r"`trainable`. .*`generator.trainable = True`"):
        fit(gan)
    gan.generator.trainable = True
    before = gan.generator.get_weights(), gan.discriminator.get_weights()
    fit(gan)
    moved = [
        any((one != other).any() for one, other in zip(network.get_weights(), weights, strict=True))
        for network, weights in zip((gan.generator, gan.discriminator), before, strict=True)
    ]
    assert moved == [True, False]


class OwnOptimizer(kg.GAN):
    """Sets an optimizer after ours."""

    def compile(self):
        super().compile()
        self.d_optimizer = keras.optimizers.SGD(1e-30)
        self.d_optimizer.build(self.discriminator.trainable_variables)


def test_the_compile_of_a_subclass_may_set_an_optimizer():
    gan = OwnOptimizer(*networks())
    gan.compile()
    before = gan.discriminator.get_weights()
    fit(gan)
    for array, value in zip(gan.discriminator.get_weights(), before, strict=True):
        np.testing.assert_allclose(array, value, atol=1e-20)


@pytest.mark.parametrize(
    ("variant", "name", "value"),
    [(kg.WGANGP, "weight", 3.0), (kg.DRAGAN, "weight", 3.0), (kg.R3GAN, "gamma", 0.5), (kg.WGAN, "clip", 0.5)],
    ids=["wgan_gp", "dragan", "r3gan", "wgan"],
)
def test_the_weight_that_a_paper_names_may_be_set(variant, name, value):
    gan, other = variant(*networks()), variant(*networks(), **{name: value})
    setattr(gan, name, value)
    assert getattr(gan, name) == value
    assert repr((gan.penalties, gan.constraint)) == repr((other.penalties, other.constraint))
    assert getattr(variant.from_config(gan.get_config()), name) == value
    with pytest.raises(ValueError, match=r"Received: .*-1\.0"):
        setattr(gan, name, -1.0)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("learning_rate", "give it to the optimizers, e.g. `d_optimizer=keras.optimizers.Adam"),
        ("loss", "it is an argument of the constructor"),
        ("anything", "`compile` takes both optimizers"),
    ],
)
def test_what_compile_does_not_take_is_refused_with_what_stands_for_it(name, advice):
    with pytest.raises(TypeError, match=f"`{name}`. Expected to be left out: {advice}"):
        kg.GAN(*networks()).compile(**{name: 1e-3})


def test_run_eagerly_may_be_set_after_compile():
    eagerly = []

    class Looking(kg.losses.NonSaturating):
        def discriminator(self, real_logits, fake_logits):
            eagerly.append(hasattr(real_logits, "numpy"))
            return super().discriminator(real_logits, fake_logits)

    gan = kg.GAN(*networks(), loss=Looking())
    gan.compile()
    gan.run_eagerly = True
    fit(gan)
    assert len(eagerly) == 4
    assert all(eagerly)


def test_a_refused_compile_leaves_the_one_before():
    gan = kg.GAN(*networks())
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    before, optimizers = gan.compilation, gan.optimizers
    with pytest.raises(ValueError, match="`g_optimizer`"):
        gan.compile(keras.optimizers.SGD(0.1), "nonsense")
    assert gan.compilation is before
    assert gan.optimizers == optimizers
    assert gan.compilation.learning_rates_set(gan) == {}
    fit(gan)


OTHER = {
    "generator": networks()[0],
    "discriminator": networks()[1],
    "encoder": kg.networks.mlp_encoder(SHAPE, 3, (4,)),
    "loss": kg.losses.Hinge(),
    "penalties": [kg.penalties.R1()],
    "constraint": kg.constraints.Clip(0.1),
    "pack": 2,
    "seed": 1,
    "augment": kg.augmentations.AdaptiveAugment(),
    "warmup": True,
}
SETTABLE = {"n_critic": 4, "ema_momentum": 0.5}


def made(variant, **kwargs):
    generator, discriminator = networks()
    if variant is kg.VAE:
        return kg.VAE(kg.networks.mlp_encoder(SHAPE, 3, (4,)), generator)
    return variant(generator, discriminator, **kwargs)


@pytest.mark.parametrize("variant", [kg.GAN, kg.WGAN, kg.WGANGP, kg.WGANLP, kg.DRAGAN, kg.LSGAN, kg.R3GAN, kg.VAE])
def test_an_argument_of_the_constructor_is_followed_or_refused_when_it_is_set_later(variant):
    model = made(variant) if variant is kg.VAE else made(variant, ema_momentum=0.9)
    of_parts = {"weight", "clip", "gamma", "kwargs"}  # read-only properties
    arguments = set(inspect.signature(variant.__init__).parameters) - {"self"} - of_parts
    for name in arguments | ({"loss", "penalties", "constraint"} if variant is not kg.VAE else set()):
        before = getattr(model, name)
        setattr(model, name, before)
        if name in SETTABLE:
            setattr(model, name, SETTABLE[name])
            assert getattr(model, name) == SETTABLE[name] != before
            with pytest.raises(ValueError, match=f"`{name}`"):
                setattr(model, name, -1)
        else:
            with pytest.raises(ValueError, match=rf"`{name}`.*{variant.__name__} decides.*new one.*with `{name}`"):
                setattr(model, name, OTHER[name])
            assert getattr(model, name) == before


@pytest.mark.parametrize(("before", "after"), [(None, 0.9), (0.9, None)])
def test_an_average_can_neither_begin_nor_end_after_construction(before, after):
    gan = kg.GAN(*networks(), ema_momentum=before)
    with pytest.raises(ValueError, match=r"`ema_momentum`.*new one, of the same networks, with `ema_momentum`"):
        gan.ema_momentum = after
    assert gan.ema_momentum == before


def test_a_subclass_may_keep_the_arguments_of_its_constructor():
    class Keeps(kg.GAN):
        def __init__(self, generator, discriminator, penalties, seed):
            super().__init__(generator, discriminator, penalties=penalties, seed=seed)
            self.generator, self.penalties, self.seed = generator, penalties, seed

    gan = Keeps(*networks(), [kg.penalties.R1()], np.int64(3))
    assert isinstance(gan.penalties, tuple)
    assert type(gan.seed) is int


@pytest.mark.slow
def test_a_variant_of_a_users_may_warm_up():
    class Eager(kg.WGANGP):
        warmup = True

        def critic_updates(self, step):
            return 6 if step == 0 else self.n_critic

    gan = Eager(*networks(), n_critic=2)
    gan.compile()
    fit(gan, steps_per_epoch=2)
    assert int(gan.updates.numpy()) == 6 + 2 + 2


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_begin"])
def test_the_batches_of_a_step_do_not_change_while_fit_runs(hook):
    gan = kg.WGANGP(*networks(), n_critic=1)
    gan.compile(run_eagerly=True)
    setting = keras.callbacks.LambdaCallback(**{hook: lambda number, logs=None: setattr(gan, "n_critic", 2)})
    with pytest.raises(ValueError, match=r"`n_critic`\. Expected to be set between two calls of `fit`"):
        fit(gan, callbacks=[setting])
    gan.n_critic = 2
    fit(gan)


@pytest.mark.parametrize("name", ["compute_loss", "compute_metrics"])
def test_a_method_of_keras_that_nothing_calls_is_warned_of_where_no_step_of_the_users_may_call_it(name, recwarn):
    unused = type("Unused", (kg.GAN,), {name: lambda self, *args, **kwargs: None})
    unused(*networks()).compile()
    (warning,) = [str(one.message) for one in recwarn if one.category is UserWarning]
    assert f"Unused.{name} is never called: override `train_step`" in warning
    recwarn.clear()
    used = type("Used", (unused,), {"train_step": lambda self, data: getattr(self, name)()})
    used(*networks()).compile()
    assert not [one for one in recwarn if one.category is UserWarning]


def test_a_call_of_a_users_that_only_predict_uses_is_warned_of():
    brighter = type("Brighter", (kg.GAN,), {"call": lambda self, z, training=False: self.sampler(z) + 1.0})
    with pytest.warns(UserWarning, match=r"Brighter.call is used by `predict` and .*`export` use the generator"):
        brighter(*networks()).compile()


def test_a_checkpoint_may_be_given_to_evaluate_alone(tmp_path):
    gan = kg.GAN(*networks())
    gan.compile(run_eagerly=True)
    gan.evaluate(IMAGES, batch_size=8, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_callback_of_a_users_may_watch_for_nan(recwarn):
    class Watching(keras.callbacks.Callback):
        finds_nan = True

    gan = kg.GAN(*networks())
    gan.compile(run_eagerly=True)
    gan.generator.set_weights([np.full_like(weight, np.nan) for weight in gan.generator.get_weights()])
    fit(gan, callbacks=[Watching()])
    assert not [warning for warning in recwarn if "NaN" in str(warning.message)]


def test_warnings_name_the_line_of_the_user():
    gan = kg.GAN(*networks())
    gan.compile(run_eagerly=True)
    labels = np.arange(32) % 2
    with pytest.warns(UserWarning, match="labels are ignored") as of_fit:
        gan.fit(IMAGES, labels, batch_size=8, verbose=0, validation_data=(IMAGES, labels))
    with pytest.warns(UserWarning, match="labels are ignored") as of_evaluate:
        gan.evaluate(IMAGES, labels, batch_size=8, verbose=0)
    assert (len(of_fit), len(of_evaluate)) == (2, 1)
    assert {warning.filename for warning in (*of_fit, *of_evaluate)} == {__file__}
