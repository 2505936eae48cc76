"""Generators, discriminators and encoders: ordinary functional Keras models with named inputs.

A generator takes `latents` `(batch, latent_dim)`, a discriminator `images`; the conditional ones take `labels`
`(batch,)` too.
"""

from kerasgan.networks.dcgan import dcgan_discriminator, dcgan_encoder, dcgan_generator
from kerasgan.networks.mlp import mlp_discriminator, mlp_encoder, mlp_generator
from kerasgan.networks.resnet import resnet_discriminator, resnet_generator

__all__ = [
    "dcgan_discriminator",
    "dcgan_encoder",
    "dcgan_generator",
    "mlp_discriminator",
    "mlp_encoder",
    "mlp_generator",
    "resnet_discriminator",
    "resnet_generator",
]
