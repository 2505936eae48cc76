"""Adversarial losses: what the discriminator and the generator each minimise.

Every loss has the same two methods of logits `(batch, 1)`; each returns a float32 scalar, the mean over the batch.
Logarithms are written with `softplus`, so that logits of 1e4 stay finite:
`-log(sigmoid(x)) = softplus(-x)` and `-log(1 - sigmoid(x)) = softplus(x)`.
"""

import keras
import tensorflow as tf
from keras import ops

from kerasgan.configured import Configured


class AdversarialLoss(Configured):
    """Base class of the losses.

    To write your own, override both methods. Register it with `keras.saving.register_keras_serializable`, and it is
    saved with the model, with the arguments of its constructor.
    """

    # Whether the generator's loss uses real images too.
    relativistic = False
    # The name under which minus the discriminator's loss is logged, if that estimates a distance.
    distance: str | None = None
    # Whether logits of one batch tell how far the discriminator overfits; else only held-out images do.
    tells_overfitting = True

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Scalar that the discriminator minimises.

        Args:
            real_logits: `(batch, 1)`, D(x) before any sigmoid.
            fake_logits: `(batch, 1)`, D(G(z)).
        """
        raise NotImplementedError(f"{type(self).__name__} must override `discriminator(real_logits, fake_logits)`.")

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        """Scalar that the generator minimises.

        Args:
            real_logits: `(batch, 1)`; None unless the loss is `relativistic`.
            fake_logits: `(batch, 1)`, D(G(z)).
        """
        raise NotImplementedError(f"{type(self).__name__} must override `generator(real_logits, fake_logits)`.")

    def overfitting(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Scalar in [-1, 1], how sure the discriminator is of real images: r_t = mean(sign(D(x))).

        Reference: Karras et al., Training Generative Adversarial Networks with Limited Data, 2020, eq. 1.
        """
        return ops.mean(ops.sign(real_logits))


@keras.saving.register_keras_serializable("kerasgan")
class NonSaturating(AdversarialLoss):
    """The loss GANs are trained with: the generator maximises `log D(G(z))`.

    discriminator = -mean(log D(x)) - mean(log(1 - D(G(z))))
    generator     = -mean(log D(G(z)))

    It has the fixed point of `Minimax`, and a gradient where the discriminator wins.

    Reference: Goodfellow et al., Generative Adversarial Nets, 2014, section 3.
    """

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.softplus(-fake_logits))


@keras.saving.register_keras_serializable("kerasgan")
class Minimax(NonSaturating):
    """The zero-sum game: the generator minimises what the discriminator maximises.

    discriminator = -V(D, G),  V(D, G) = mean(log D(x)) + mean(log(1 - D(G(z))))
    generator     = mean(log(1 - D(G(z))))

    Its gradient vanishes as the discriminator wins: use it for study only.

    Reference: Goodfellow et al., Generative Adversarial Nets, 2014, eq. 1.
    """

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return -ops.mean(ops.softplus(fake_logits))


@keras.saving.register_keras_serializable("kerasgan")
class LeastSquares(AdversarialLoss):
    """Least squares with the labels 0 (fake), 1 (real) and 1 (what the generator wants).

    discriminator = mean((D(x) - 1)**2) / 2 + mean(D(G(z))**2) / 2
    generator     = mean((D(G(z)) - 1)**2) / 2

    Reference: Mao et al., Least Squares Generative Adversarial Networks, 2017, eq. 9.
    """

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return (ops.mean(ops.square(real_logits - 1.0)) + ops.mean(ops.square(fake_logits))) / 2.0

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.square(fake_logits - 1.0)) / 2.0

    def overfitting(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.sign(real_logits - 0.5))


@keras.saving.register_keras_serializable("kerasgan")
class Hinge(AdversarialLoss):
    """Hinge loss: scores beyond the margin of 1 are free.

    discriminator = mean(max(0, 1 - D(x))) + mean(max(0, 1 + D(G(z))))
    generator     = -mean(D(G(z)))

    Reference: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, eqs. 16 and 17.
    """

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.relu(1.0 - real_logits)) + ops.mean(ops.relu(1.0 + fake_logits))

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return -ops.mean(fake_logits)


@keras.saving.register_keras_serializable("kerasgan")
class Wasserstein(AdversarialLoss):
    """The critic's estimate of the earth mover's distance, up to its Lipschitz constant.

    discriminator = mean(D(G(z))) - mean(D(x))
    generator     = -mean(D(G(z)))

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, algorithm 1.
    """

    distance = "wasserstein"
    tells_overfitting = False  # a critic is free up to a constant

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(fake_logits) - ops.mean(real_logits)

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return -ops.mean(fake_logits)


@keras.saving.register_keras_serializable("kerasgan")
class Relativistic(AdversarialLoss):
    """Relativistic pairing: each fake is compared with a real image.

    discriminator = -mean(log sigmoid(D(x) - D(G(z))))
    generator     = -mean(log sigmoid(D(G(z)) - D(x)))

    Reference: Jolicoeur-Martineau, The relativistic discriminator, 2018, RpGAN; Huang et al., The GAN is dead; long
    live the GAN! (R3GAN), 2024, eq. 2.
    """

    relativistic = True

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.softplus(fake_logits - real_logits))

    def generator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.softplus(real_logits - fake_logits))

    def overfitting(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return ops.mean(ops.sign(real_logits - fake_logits))
