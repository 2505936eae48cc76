"""Keras's files of a model and of its weights: nothing in them is dropped in silence, and nothing is half loaded."""

import resource

import keras
import numpy as np
import pytest
from gans import unchanged
from selection import some
from trainings import IMAGES, assert_same, model

import kerasgan as kg
from kerasgan.errors import ModelContractError


@pytest.fixture
def trained():
    gan = model(ema_momentum=0.9)
    gan.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    return gan


def uncompiled():
    gan = model(ema_momentum=0.9)
    return kg.WGANGP(gan.generator, gan.discriminator, ema_momentum=0.9)


@pytest.mark.parametrize("name", some(["model.weights.h5", "model.keras"], 0))
def test_weights_that_are_loaded_go_on_with_their_optimizers(tmp_path, trained, name):
    path = tmp_path / name
    trained.save(path) if name.endswith(".keras") else trained.save_weights(path)
    loaded = model(ema_momentum=0.9)
    loaded.load_weights(path)
    assert_same(trained, loaded)
    for gan in (trained, loaded):
        gan.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    assert_same(trained, loaded)


@pytest.mark.parametrize("name", some(["model.weights.h5", "model.keras"], 0))
def test_optimizers_are_not_dropped_by_a_model_that_has_none(tmp_path, trained, name):
    path = tmp_path / name
    trained.save(path) if name.endswith(".keras") else trained.save_weights(path)
    gan = uncompiled()
    with pytest.raises(ValueError, match=r"holds d_optimizer and g_optimizer, and the model has none. Call `compile`"):
        gan.load_weights(path)
    assert int(gan.step) == 0
    gan.load_weights(path, skip_mismatch=True)
    assert int(gan.step) == 2


@pytest.mark.slow
def test_optimizers_of_another_kind_are_refused_and_nothing_is_loaded(tmp_path, trained):
    trained.save_weights(tmp_path / "model.weights.h5")
    gan = model(ema_momentum=0.9)
    gan.compile(keras.optimizers.SGD(), keras.optimizers.SGD())
    with unchanged(gan), pytest.raises(ValueError, match=r"(?i)'sgd\w*': 10 variables in the file, 2 here"):
        gan.load_weights(tmp_path / "model.weights.h5")


def test_weights_without_optimizers_are_refused_by_a_model_that_has_some(tmp_path):
    uncompiled().save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="holds no d_optimizer: its model was not compiled"):
        model(ema_momentum=0.9).load_weights(tmp_path / "model.weights.h5")
    model(ema_momentum=0.9).load_weights(tmp_path / "model.weights.h5", skip_mismatch=True)


def test_weights_of_another_network_are_refused_and_nothing_is_loaded(tmp_path, trained):
    trained.save_weights(tmp_path / "model.weights.h5")
    generator = kg.networks.mlp_generator((8, 8, 1), latent_dim=4, units=(9,))
    gan = kg.WGANGP(generator, kg.networks.mlp_discriminator((8, 8, 1), units=(8,)), ema_momentum=0.9)
    gan.compile()
    with unchanged(gan), pytest.raises(ValueError, match=r"Build the networks and the optimizers as they were"):
        gan.load_weights(tmp_path / "model.weights.h5")


def test_weights_may_be_saved_in_shards(tmp_path, trained):
    with pytest.warns(UserWarning, match="json"):  # Keras's index of them
        trained.save_weights(tmp_path / "model.weights.h5", max_shard_size=1e-4)
    assert not list(tmp_path.glob(".*"))
    again = model(ema_momentum=0.9)
    again.load_weights(tmp_path / "model.weights.json")
    np.testing.assert_array_equal(again.generate(4, seed=0), trained.generate(4, seed=0))


def test_code_in_a_file_is_not_run(tmp_path):
    latents = keras.Input((4,))
    images = keras.layers.Lambda(lambda x: keras.ops.reshape(x, (-1, 8, 8, 1)))(keras.layers.Dense(64)(latents))
    gan = kg.GAN(keras.Model(latents, images), kg.networks.mlp_discriminator((8, 8, 1), units=(8,)))
    gan.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="unsafe"):
        keras.models.load_model(tmp_path / "model.keras")


class Shifted(kg.losses.Wasserstein):
    """A loss of the user's."""

    def discriminator(self, real_logits, fake_logits):
        return super().discriminator(real_logits, fake_logits) + 1.0


class Halved(kg.penalties.GradientPenalty):
    """A penalty of the user's."""

    def penalty(self, norm):
        return 0.5 * super().penalty(norm)


class Doubled(keras.layers.Layer):
    """A layer of the user's."""

    def call(self, inputs):
        return 2.0 * inputs


def custom():
    keras.utils.set_random_seed(3)
    images = keras.Input((8, 8, 1))
    logits = keras.layers.Dense(1)(Doubled()(keras.layers.Flatten()(images)))
    generator = kg.networks.mlp_generator((8, 8, 1), latent_dim=4, units=(8,))
    gan = kg.GAN(generator, keras.Model(images, logits), loss=Shifted(), penalties=[Halved(3.0)])
    gan.compile()
    return gan


@pytest.mark.slow
def test_what_a_user_has_made_goes_on_where_it_is_known(tmp_path):
    gan = custom()
    gan.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    gan.save(tmp_path / "model.keras")
    known = {one.__name__: one for one in (Shifted, Halved, Doubled)}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=known)
    assert isinstance(loaded.loss, Shifted)
    for one in (gan, loaded):
        one.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    assert_same(gan, loaded)


@pytest.mark.parametrize("unknown", [Shifted, Halved, Doubled])
def test_what_a_user_has_made_is_asked_for_where_it_is_not_known(tmp_path, unknown):
    custom().save(tmp_path / "model.keras")
    known = {one.__name__: one for one in (Shifted, Halved, Doubled) if one is not unknown}
    with pytest.raises(
        (ModelContractError, TypeError), match=f"(?s){unknown.__name__}.*regist|regist.*{unknown.__name__}"
    ):
        keras.models.load_model(tmp_path / "model.keras", custom_objects=known)


# What does not fit is said in words that tell what to do


@pytest.mark.parametrize("name", some(["model.weights.h5", "model.keras"], 0))
def test_an_average_is_not_dropped_and_not_left_as_it_was(tmp_path, trained, name):
    path = tmp_path / name
    trained.save(path) if name.endswith(".keras") else trained.save_weights(path)
    with pytest.raises(ValueError, match="holds an average of the generator, and the model keeps none"):
        model().load_weights(path)
    model().save(path) if name.endswith(".keras") else model().save_weights(path)
    gan = model(ema_momentum=0.9)
    with pytest.raises(ValueError, match="holds no average of the generator, and the model keeps one"):
        gan.load_weights(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of weights.*nothing\.weights\.h5"):
        model().load_weights(tmp_path / "nothing.weights.h5")


def test_a_save_that_fails_leaves_the_file_of_before_and_nothing_else(tmp_path, trained):
    path = tmp_path / "model.keras"
    trained.save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # as a disk that fills up half-way
    try:
        with pytest.raises(OSError, match=r"File too large: .*model\.keras"):
            trained.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.slow
def test_a_file_that_is_there_is_asked_about_where_that_is_wanted(tmp_path, trained, monkeypatch):
    path, asked = tmp_path / "model.keras", []
    monkeypatch.setattr("builtins.input", lambda *text: asked.append(text) or "n")
    trained.save(path, overwrite=False)
    before = path.read_bytes()
    trained.save(path, overwrite=False)
    assert len(asked) == 1
    assert path.read_bytes() == before
    trained.save(tmp_path / "model", zipped=False)
    assert (tmp_path / "model" / "config.json").exists()


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_what_an_optimizer_does_not_decay_is_spoken_of(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    try:
        gan = model()
        optimizer, other = keras.optimizers.AdamW(1e-3), keras.optimizers.Adam(1e-3)
        for one in (optimizer, other):
            one.exclude_from_weight_decay(var_names=["bias"])
        gan.compile(other, optimizer)
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.warns(UserWarning, match=r"`exclude_from_weight_decay` of g_optimizer.*decays '.*bias', too") as warned:
        gan.save(tmp_path / "model.keras")
    assert "d_optimizer" not in "".join(str(one.message) for one in warned)  # which decays nothing


@pytest.mark.parametrize("name", ["g.weights.h5", "g.keras"])
def test_weights_of_one_network_are_not_taken_for_those_of_a_model(tmp_path, name):
    gan = kg.GAN(kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,)))
    gan.compile()
    gan.generator.save(tmp_path / name) if name == "g.keras" else gan.generator.save_weights(tmp_path / name)
    before = gan.get_weights()
    with pytest.raises(ValueError, match=r"holds no network of a GAN.*`model.generator.load_weights`"):
        gan.load_weights(tmp_path / name)
    for one, other in zip(before, gan.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_may_have_a_second_name_in_a_file_of_weights(tmp_path):
    class Named(kg.GAN):
        def __init__(self, generator, discriminator):
            super().__init__(generator, discriminator)
            self.G = generator

    networks = kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,))
    gan, other = Named(*networks), Named(*map(keras.models.clone_model, networks))
    gan.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    for one, same in zip(gan.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_weights_go_from_a_gan_to_a_wgan_without_a_word_and_back_by_its_networks(tmp_path, recwarn):
    networks = kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,))
    gan, wgan = kg.GAN(*networks), kg.WGANGP(*map(keras.models.clone_model, networks))
    gan.save_weights(tmp_path / "gan.weights.h5")
    wgan.load_weights(tmp_path / "gan.weights.h5")
    assert not [one for one in recwarn if issubclass(one.category, UserWarning)]
    for one, other in zip(gan.get_weights(), wgan.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    wgan.save_weights(tmp_path / "wgan.weights.h5")
    with pytest.raises(ValueError, match=r"holds a WGAN, and the model is a GAN. Load it into a WGAN or WGANGP of"):
        gan.load_weights(tmp_path / "wgan.weights.h5")
    wgan.load_weights(tmp_path / "wgan.weights.h5")
    kg.GAN(wgan.generator, wgan.discriminator)
