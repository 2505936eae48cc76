"""From a configuration to a compiled model."""

import typing
from collections.abc import Callable

import keras

from kerasgan import augmentations, datasets, gan, networks, optimization, vae, variants
from kerasgan.cli.settings import NORMALIZED, OF_DCGAN, Configuration

MODELS = {
    "wgan_gp": variants.WGANGP,
    "wgan": variants.WGAN,
    "wgan_lp": variants.WGANLP,
    "gan": gan.GAN,
    "dragan": variants.DRAGAN,
    "lsgan": variants.LSGAN,
    "r3gan": variants.R3GAN,
}
GENERATORS: dict[str, Callable] = {
    "mlp": networks.mlp_generator,
    "dcgan": networks.dcgan_generator,
    "resnet": networks.resnet_generator,
    "r3gan": networks.r3gan_generator,
}
DISCRIMINATORS: dict[str, Callable] = {
    "mlp": networks.mlp_discriminator,
    "dcgan": networks.dcgan_discriminator,
    "resnet": networks.resnet_discriminator,
    "r3gan": networks.r3gan_discriminator,
}
ENCODERS: dict[str, Callable] = {"mlp": networks.mlp_encoder, "dcgan": networks.dcgan_encoder}


def build(configuration: Configuration, source: datasets.Source) -> keras.Model:
    """Returns the compiled model of a configuration.

    Args:
        configuration: That of the run.
        source: The shape of its examples and its number of classes are used.
    """
    network, shape = configuration.network, source.example_shape
    size: dict[str, typing.Any] = (
        {"units": configuration.units} if network == "mlp" else {"filters": configuration.filters}
    )
    labels = {"num_classes": source.num_classes} if configuration.conditional else {}
    generator = GENERATORS[network](
        shape,
        latent_dim=configuration.latent_dim,
        **_normalization(network, configuration.generator_normalization),
        **size,
        **labels,
        **({"output_activation": None} if len(shape) == 1 else {}),  # points are not bounded
        **{name: True for name in OF_DCGAN if getattr(configuration, name)},
    )
    size |= _normalization(network, configuration.discriminator_normalization)
    compilation: dict[str, typing.Any] = {}
    if configuration.jit_compile != "auto":
        compilation["jit_compile"] = configuration.jit_compile
    if configuration.model == "vae":
        encoder = ENCODERS[network](shape, latent_dim=configuration.latent_dim, **size)
        model = vae.VAE(encoder, generator, seed=configuration.seed)
        model.compile(_optimizers(configuration)[1], **compilation)
        return model
    penalty = {}
    if configuration.penalty_weight is not None:
        penalty["gamma" if configuration.model == "r3gan" else "weight"] = configuration.penalty_weight
    model = MODELS[configuration.model](
        generator,
        DISCRIMINATORS[network]((*shape[:-1], configuration.pack * shape[-1]), **size, **labels),
        **penalty,
        n_critic=configuration.n_critic,
        pack=configuration.pack,
        ema_momentum=configuration.ema_momentum,
        seed=configuration.seed,
        augment=_augmentation(configuration),
    )
    model.compile(*_optimizers(configuration), **compilation)
    return model


def _normalization(network, name):
    return {"normalization": name} if network in NORMALIZED else {}


def _augmentation(configuration):
    if not configuration.augment:
        return None
    if configuration.augment_probability == "adaptive":
        return augmentations.AdaptiveAugment(configuration.augment)
    return augmentations.DiffAugment(configuration.augment, configuration.augment_probability)


def _optimizers(configuration):
    """Those of the discriminator and the generator."""
    rates = [configuration.learning_rate] * 2
    if configuration.learning_rate_decay:
        rates = optimization.linear_decays(configuration.learning_rate, configuration.steps, configuration.n_critic)
    if configuration.model == "wgan":
        return [optimization.rmsprop(rate) for rate in rates]
    return [optimization.adam(rate, configuration.beta_1, configuration.beta_2) for rate in rates]
