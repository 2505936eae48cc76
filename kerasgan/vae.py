"""The variational autoencoder, as a baseline."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan import batching, contract, optimization, papers, stateless
from kerasgan.compilation import Compilation, prepared
from kerasgan.errors import ModelContractError, invalid
from kerasgan.metrics.quality import QualityMetric
from kerasgan.model import GenerativeModel
from kerasgan.updates import Update


@keras.saving.register_keras_serializable("kerasgan")
class VAE(GenerativeModel):
    """Variational autoencoder with a Gaussian decoder of one learned scale.

        loss = -ELBO = -E[log N(x; G(z), sigma**2)] + KL(N(mean, variance) || N(0, 1)),  z = mean + sqrt(variance) * e

    in nats per image, with `mean, log(variance)` from the encoder and `sigma` one number, learned with the networks: no
    hand-set balance between the two terms. The decoder is any unconditional generator of `kerasgan.networks`.

    Logged are `loss`, `reconstruction` (the first term), `kl` (the second) and `sigma`.

    Args:
        encoder: Keras model, images -> `(batch, 2 * latent_dim)`, e.g. `kerasgan.networks.dcgan_encoder`.
        generator: Keras model, `latents` -> images: the decoder.
        seed: Integer >= 0, of the noise `e`.

    Raises:
        ModelContractError: The networks do not fit each other.

    Reference: Kingma, Welling, Auto-Encoding Variational Bayes, 2013, eq. 10 and appendix C.2; for the learned scale
        Rybkin, Daniilidis, Levine, Simple and Effective VAE Training with Calibrated Decoders, 2021.
    """

    decided = ("encoder", "generator", "seed")
    paper = papers.VAE  # the settings that `compile` begins with

    def __init__(self, encoder: keras.Model, generator: keras.Model, seed: int = 0, **kwargs: Any):
        contract.check_encoder_order(encoder, generator)
        super().__init__(generator, seed, **kwargs)
        encoder = contract.functional(encoder)
        contract.check_network(encoder, "encoder", "kerasgan.networks.dcgan_encoder(image_shape)")
        if self.conditional:
            expected = "a decoder of latents alone: build it with `num_classes=None`"
            raise invalid("generator", expected, "one that takes labels", ModelContractError)
        shapes = (self.image_shape, (2 * self.latent_dim,))
        received = (tuple(encoder.inputs[0].shape[1:]), tuple(encoder.outputs[0].shape[1:]))
        if received != shapes:
            wanted = f"{shapes[0]} -> {shapes[1]}, twice latent_dim: build both for one image_shape and latent_dim"
            raise invalid("encoder", wanted, f"{received[0]} -> {received[1]}", ModelContractError)
        contract.check_apart("Encoder and generator", encoder, generator, "Keras could not load them once saved")
        self.encoder = encoder
        self.log_sigma = self.add_weight(name="log_sigma", shape=(), initializer="zeros")
        self._trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "reconstruction", "kl", "sigma")}

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str | None = None,
        *,
        metrics: QualityMetric | Sequence[QualityMetric] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
    ) -> None:
        """Sets the optimizer: Adam, 1e-3, by default. The other arguments are those of `GAN.compile`."""
        compiled = Compilation(self, run_eagerly, steps_per_execution, jit_compile)
        optimizer = optimization.of_paper(self.paper) if optimizer is None else optimizer
        self._compile(compiled, optimizer=prepared(self, "optimizer", optimizer, self))
        self.quality = metrics

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One update of both networks."""
        images = self._images(data)
        update = Update(self, self, self.optimizer, self.step, self._noise, self._negative_elbo)
        return self._log(update(images), batching.size(images))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The same values on held-out images."""
        images = self._images(data)
        random = stateless.Stream(self.seed, stateless.evaluation_position(self.evaluated_batches))
        (noise,) = self._noise(random, images)
        _, values = self._negative_elbo(images, noise, training=False)
        self.evaluated_batches.assign_add(1)
        return self._log(values, batching.size(images))

    def _noise(self, random, images):
        return (random.normal((batching.size(images), self.latent_dim)),)

    def _images(self, data):
        images = tf.cast(batching.split(data)[0], tf.float32)
        return images[:, 0] if images.shape.rank == len(self.image_shape) + 2 else images

    def _negative_elbo(self, images, noise, training=True):
        encoded = ops.cast(self.encoder(images, training=training), "float32")
        mean, log_variance = ops.split(encoded, 2, axis=-1)
        decoded = self.generator(mean + ops.exp(0.5 * log_variance) * noise, training=training)
        sigma = ops.exp(ops.cast(self.log_sigma, "float32"))
        errors = ops.square((images - ops.cast(decoded, "float32")) / sigma)
        nats = 0.5 * errors + ops.log(sigma) + 0.5 * math.log(2 * math.pi)
        reconstruction = ops.mean(ops.sum(nats, axis=range(1, len(images.shape))))
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
        kl = ops.mean(divergence)
        loss = reconstruction + kl
        return loss, {"loss": loss, "reconstruction": reconstruction, "kl": kl, "sigma": sigma}
