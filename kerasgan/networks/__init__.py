"""Generators, discriminators and encoders: ordinary functional Keras models with named inputs.

A generator maps `latents` `(batch, latent_dim)` to images, a discriminator `images` to logits `(batch, 1)`, the encoder
of a `VAE` images to `(batch, 2 * latent_dim)`, means and logarithms of variances. With `num_classes`, a generator
embeds `labels` `(batch,)`, its second input, and a discriminator projects on them.
"""

from kerasgan.networks.dcgan import dcgan_discriminator, dcgan_encoder, dcgan_generator
from kerasgan.networks.mlp import mlp_discriminator, mlp_encoder, mlp_generator
from kerasgan.networks.r3gan import r3gan_discriminator, r3gan_generator
from kerasgan.networks.resnet import resnet_discriminator, resnet_generator

__all__ = [
    "dcgan_discriminator",
    "dcgan_encoder",
    "dcgan_generator",
    "mlp_discriminator",
    "mlp_encoder",
    "mlp_generator",
    "r3gan_discriminator",
    "r3gan_generator",
    "resnet_discriminator",
    "resnet_generator",
]
