"""Adversarial losses: what the discriminator and the generator each minimise.

Every loss has the same two methods of logits `(batch, 1)`; each returns a float32 scalar, the mean over the batch.
Logarithms are written with `softplus`, so that logits of 1e4 stay finite:
`-log(sigmoid(x)) = softplus(-x)` and `-log(1 - sigmoid(x)) = softplus(x)`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan.configured import Configured
from kerasgan.errors import checked_number, invalid


class AdversarialLoss(Configured):
    """Base class of the losses.

    To write your own, override both methods. Register it with `keras.saving.register_keras_serializable`, and it is
    saved with the model, with the arguments of its constructor.
    """

    # Whether the generator's loss uses real images too.
    relativistic = False
    # The name under which minus the discriminator's loss is logged, if that estimates a distance.
    distance: str | None = None
    # Whether the logits of one batch tell how far the discriminator overfits; else only held-out images do.
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
    """Hinge loss: scores beyond the margin of 1 are not penalised.

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


@keras.saving.register_keras_serializable("kerasgan")
class Paired(AdversarialLoss):
    """A loss of targets and logits, such as Keras's, as the objective of both networks.

        discriminator = mean(loss(real, D(x))) + mean(loss(fake, D(G(z))))
        generator     = mean(loss(wanted, D(G(z))))

    `Paired(keras.losses.BinaryCrossentropy(from_logits=True))` is `NonSaturating`; with `real=0.9` its targets of real
    images are smoothed (Salimans et al., Improved Techniques for Training GANs, 2016, section 3.4).

    Args:
        loss: `keras.losses.Loss`, or a function of targets and logits, both `(batch, 1)`, to a loss for each image
            `(batch,)` or `(batch, 1)`, or to their mean.
        real, fake: Floats, the targets of real and of generated images. Default to `1.0` and `0.0`.
        wanted: Float, the target of generated images in the generator's loss. Defaults to `1.0`.

    Raises:
        ValueError: The loss is one of probabilities, or a sum over the batch.
    """

    tells_overfitting = False  # where its logits change sign is not known

    def __init__(self, loss: Callable, real: float = 1.0, fake: float = 0.0, wanted: float = 1.0) -> None:
        if isinstance(loss, type) or not callable(loss):
            raise invalid("loss", "a keras.losses.Loss or a function of targets and logits", f"loss={loss!r}")
        of_probabilities = isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits") is False
        argument = None if isinstance(loss, keras.losses.Loss) else _parameters(loss).get("from_logits")
        if of_probabilities or (argument is not None and argument.default is False):
            expected = "one of logits, e.g. keras.losses.BinaryCrossentropy(from_logits=True)"
            raise invalid("loss", expected, f"{_name(loss)} with from_logits=False")
        if isinstance(loss, keras.losses.Loss) and loss.reduction == "sum":
            raise invalid("loss", "a mean over the batch: leave out `reduction`", f"{_name(loss)}(reduction='sum')")
        self.loss: Any = loss
        self.real, self.fake, self.wanted = (
            checked_number(name, value, "(-inf, inf)")
            for name, value in (("real", real), ("fake", fake), ("wanted", wanted))
        )

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return self._mean(self.real, real_logits) + self._mean(self.fake, fake_logits)

    def generator(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return self._mean(self.wanted, fake_logits)

    def _mean(self, target, logits):
        # Not as `loss(...)`: Keras divides that by the number of replicas, which `Update` does for every loss.
        function = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        return ops.mean(function(ops.full_like(logits, target), logits))


def get(loss: AdversarialLoss | Callable | str | None) -> AdversarialLoss:
    """The loss of a name, e.g. `"hinge"`; `NonSaturating` for None; a Keras loss or a function as `Paired`.

    Raises:
        ValueError: There is no such loss.
    """
    if loss is None:
        return NonSaturating()
    if isinstance(loss, str) and loss in NAMES:
        return NAMES[loss]()
    if isinstance(loss, AdversarialLoss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return Paired(loss)
    expected = f"a kerasgan.losses.AdversarialLoss, e.g. kerasgan.losses.Wasserstein(), or one of {', '.join(NAMES)}"
    raise invalid("loss", expected, f"loss={loss!r}")


NAMES: dict[str, type[AdversarialLoss]] = {
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}


def _name(loss):
    return getattr(loss, "__name__", type(loss).__name__)  # objects have none


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except ValueError:  # of a builtin
        return {}
