"""GAN, WGAN and WGAN-GP for Keras 3 and TensorFlow, trained by `model.fit`.

A GAN of handwritten digits:

    import kerasgan as kg

    gan = kg.WGANGP(kg.networks.mlp_generator((8, 8, 1)), kg.networks.mlp_discriminator((8, 8, 1)))
    gan.compile()
    gan.fit(kg.datasets.load("digits", batch_size=64), epochs=10)
    images = gan.generate(64, seed=0)
"""

import importlib
import os
import sys
import typing

from kerasgan import quiet
from kerasgan._version import __version__

# Convolutions by oneDNN, which TensorFlow reads when it is imported. Its own default is on for CPUs with AVX-512 only;
# a training step of a small DCGAN takes half the time with it on others, too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if typing.TYPE_CHECKING:  # what type checkers and editors see; at run time each is imported when it is asked for
    from kerasgan import (
        augmentations,
        callbacks,
        checkpoint,
        constraints,
        datasets,
        distribution,
        errors,
        images,
        layers,
        losses,
        metrics,
        networks,
        optimization,
        penalties,
        plots,
        recipes,
        serving,
    )
    from kerasgan.gan import GAN
    from kerasgan.vae import VAE
    from kerasgan.variants import DRAGAN, LSGAN, R3GAN, WGAN, WGANGP, WGANLP

_CLASSES = {
    "GAN": "gan",
    "WGAN": "variants",
    "WGANGP": "variants",
    "WGANLP": "variants",
    "DRAGAN": "variants",
    "LSGAN": "variants",
    "R3GAN": "variants",
    "VAE": "vae",
}

__all__ = [
    "DRAGAN",
    "GAN",
    "LSGAN",
    "R3GAN",
    "VAE",
    "WGAN",
    "WGANGP",
    "WGANLP",
    "__version__",
    "augmentations",
    "callbacks",
    "checkpoint",
    "constraints",
    "datasets",
    "distribution",
    "errors",
    "images",
    "layers",
    "losses",
    "metrics",
    "networks",
    "optimization",
    "penalties",
    "plots",
    "recipes",
    "serving",
]


if not typing.TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name):
        if name in _CLASSES:
            return getattr(importlib.import_module(f"kerasgan.{_CLASSES[name]}"), name)
        if name in __all__:
            return importlib.import_module(f"kerasgan.{name}")
        raise AttributeError(f"module 'kerasgan' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


# `keras.models.load_model` finds our classes only when their modules have been imported, so `import kerasgan` imports
# them. The command goes without, because `--help` must not pay seconds for TensorFlow: the console script, a module of
# its own, and `python -m kerasgan`, for which `sys.argv` begins with "-m" until `kerasgan.__main__` is found.
_run_as_module = sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)] in ("kerasgan", "-mkerasgan")
if "kerasgan_command" not in sys.modules and not _run_as_module:
    quiet.import_tensorflow("2")
    for _name in _CLASSES:
        getattr(sys.modules[__name__], _name)
