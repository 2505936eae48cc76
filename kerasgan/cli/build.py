"""From a configuration to a compiled model."""

import pathlib
import zipfile

import keras

from kerasgan import gan, networks, optimization, serving, vae, variants
from kerasgan.cli import configuration as configurations
from kerasgan.errors import CheckpointCorruptError

MODELS = {
    "wgan_gp": variants.WGANGP,
    "wgan": variants.WGAN,
    "wgan_lp": variants.WGANLP,
    "gan": gan.GAN,
    "dragan": variants.DRAGAN,
    "lsgan": variants.LSGAN,
    "r3gan": variants.R3GAN,
}
GENERATORS = {
    "mlp": networks.mlp_generator,
    "dcgan": networks.dcgan_generator,
    "resnet": networks.resnet_generator,
}
DISCRIMINATORS = {
    "mlp": networks.mlp_discriminator,
    "dcgan": networks.dcgan_discriminator,
    "resnet": networks.resnet_discriminator,
}
ENCODERS = {"mlp": networks.mlp_encoder, "dcgan": networks.dcgan_encoder}


def build(configuration, source):
    """The compiled model for a dataset.

    Args:
        configuration: `kerasgan.cli.configuration.Configuration`.
        source: `kerasgan.datasets.Source`: the shape of its examples and its number of classes are used.

    Returns:
        `kerasgan.GAN` or `kerasgan.VAE`.
    """
    network, shape = configuration.network, source.example_shape
    size = {"units": configuration.units} if network == "mlp" else {"filters": configuration.filters}
    labels = {"num_classes": source.num_classes} if configuration.conditional else {}
    # Points are not bounded.
    output = {"output_activation": None} if len(shape) == 1 else {}
    generator = GENERATORS[network](
        shape,
        latent_dim=configuration.latent_dim,
        normalization=configuration.generator_normalization,
        **size,
        **labels,
        **output,
    )
    other = {"normalization": configuration.discriminator_normalization, **size}
    compilation = {} if configuration.jit_compile == "auto" else {"jit_compile": configuration.jit_compile}
    if configuration.model == "vae":
        encoder = ENCODERS[network](shape, latent_dim=configuration.latent_dim, **other)
        model = vae.VAE(encoder, generator, seed=configuration.seed)
        model.compile(_optimizer(configuration, updates=1), **compilation)
        return model
    penalty = {}
    if configuration.penalty_weight is not None:
        penalty["gamma" if configuration.model == "r3gan" else "weight"] = configuration.penalty_weight
    model = MODELS[configuration.model](
        generator,
        DISCRIMINATORS[network]((*shape[:-1], configuration.pack * shape[-1]), **other, **labels),
        **penalty,
        n_critic=configuration.n_critic,
        pack=configuration.pack,
        ema_momentum=configuration.ema_momentum,
        seed=configuration.seed,
    )
    d_optimizer = _optimizer(configuration, updates=configuration.n_critic)
    model.compile(d_optimizer, _optimizer(configuration, updates=1), **compilation)
    return model


def _optimizer(configuration, updates):
    """An optimizer that makes this many updates a step."""
    rate = configuration.learning_rate
    if configuration.learning_rate_decay:
        rate = keras.optimizers.schedules.PolynomialDecay(rate, configuration.steps * updates, end_learning_rate=0.0)
    if configuration.model == "wgan":
        return optimization.rmsprop(rate)
    return optimization.adam(rate, configuration.beta_1, configuration.beta_2)


def opened(path):
    """What generates, in a run directory or in one that `kerasgan export` has made.

    Returns:
        Where what it makes goes by default, the run directory or the current one, and the model or a
        `kerasgan.serving.Served`.
    """
    if serving.version_in(path) is not None:
        return pathlib.Path(), serving.Served(path)
    return trained(path)


def trained(workdir):
    """The model that `kerasgan train` has left in a run directory.

    Args:
        workdir: String.

    Returns:
        The path of the directory, and the model.
    """
    path = configurations.directory(workdir)
    if not (path / "model.keras").is_file():
        if serving.version_in(path) is not None:
            raise ValueError(f"{workdir} is an exported model. Give the run directory that `kerasgan train` has made.")
        below = sorted(one.name for one in path.iterdir() if serving.version_in(one) is not None)
        exported = f", though exported models, such as {path / below[0]}" if below else ""
        raise ValueError(
            f"{workdir} holds no model.keras{exported}: give a run directory of `kerasgan train`, whose model is there "
            "when it has ended or was stopped by Ctrl-C."
        )
    if not intact(path / "model.keras"):
        size = (path / "model.keras").stat().st_size
        raise CheckpointCorruptError(
            f"{path / 'model.keras'} is damaged: its {size:,} bytes are not what was written. Have it written again, "
            f"from the last checkpoint, by `kerasgan resume {workdir}`."
        )
    return path, keras.models.load_model(path / "model.keras")


def intact(model):
    """Whether a `.keras` file is there, and its parts have their check sums."""
    try:
        with zipfile.ZipFile(model) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
