"""Penalties on the norm of the discriminator's gradient: one mechanism, and for each paper where and how it is applied.

    weight * mean(penalty(norm(grad D(points))))

A penalty says `points`, where the gradient is taken, and `penalty`, what is minimised there. Whatever is random comes
from `sample`, so that the rest is a pure function that XLA may compile.
"""

import keras
import tensorflow as tf
from keras import ops

from kerasgan.configured import Configured
from kerasgan.errors import checked_number


def gradient_norm(discriminate, points):
    """Euclidean norm of the discriminator's gradient at each point, in float32.

    norm = sqrt(sum(grad D(x)**2) + 1e-12)

    Float16 loses squares of gradients below 2e-4, so the gradient is cast before it is squared; 1e-12 keeps the
    derivative of the square root finite where the gradient is zero.

    Args:
        discriminate: Callable, images `(batch, ...)` -> logits `(batch, 1)`, each a function of its own image alone.
        points: Float32 tensor `(batch, ...)`.

    Returns:
        Float32 tensor `(batch,)`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        logits = discriminate(points)
    gradient = ops.cast(tape.gradient(logits, points), "float32")
    return ops.sqrt(ops.sum(ops.square(gradient), axis=range(1, len(points.shape))) + 1e-12)


class Penalty(Configured):
    """Base class of the penalties.

    To write your own, override `points` and `penalty`. It is saved with the model, with what its constructor was given,
    if it is registered with `keras.saving.register_keras_serializable`.

    Args:
        weight: Float >= 0, `lambda` in the papers.
        name: String, the name it is logged under.

    Raises:
        ValueError: `weight` is not such a number.
    """

    # The norm that the gradient is drawn to from both sides; None where a penalty does not.
    target = None

    def __init__(self, weight, name):
        self.weight = checked_number("weight", weight)
        self.name = name

    def sample(self, real, random):
        """What `points` needs that is random, drawn from the stream `random`."""
        return None

    def points(self, real, fake, noise):
        """Where the gradient is taken: float32, shape of `real`."""
        raise NotImplementedError(f"{type(self).__name__} must override `points(real, fake, noise)`.")

    def penalty(self, norm):
        """What is minimised at each point, a function of the gradient's norm."""
        raise NotImplementedError(f"{type(self).__name__} must override `penalty(norm)`.")

    def __call__(self, discriminate, real, fake, noise=None):
        """The weighted penalty and the norms it was computed from.

        Args:
            discriminate: Callable, images `(batch, ...)` -> logits `(batch, 1)`.
            real, fake: Float32 tensors of one shape `(batch, ...)`.
            noise: What `sample` returned.

        Returns:
            Float32 scalar, and the gradient's norm at each point, `(batch,)`.
        """
        norm = gradient_norm(discriminate, self.points(real, fake, noise))
        return self.weight * ops.mean(self.penalty(norm)), norm


@keras.saving.register_keras_serializable("kerasgan")
class GradientPenalty(Penalty):
    """Two-sided gradient penalty of WGAN-GP.

    penalty = weight * mean((norm(grad D(x)) - 1)**2),  x = real + t * (fake - real),  t ~ U[0, 1) per example

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.

    Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, eq. 3.
    """

    target = 1.0

    def __init__(self, weight=10.0, name="gradient_penalty"):
        super().__init__(weight, name)

    def sample(self, real, random):
        return random.uniform((real.shape[0] or tf.shape(real)[0], *[1] * (len(real.shape) - 1)))

    def points(self, real, fake, noise):
        return real + noise * (fake - real)

    def penalty(self, norm):
        return ops.square(norm - 1.0)


@keras.saving.register_keras_serializable("kerasgan")
class LipschitzPenalty(GradientPenalty):
    """One-sided penalty of WGAN-LP: slopes below 1 are free.

    penalty = weight * mean(max(0, norm(grad D(x)) - 1)**2),  x as for `GradientPenalty`

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.

    Reference: Petzka, Fischer, Lukovnikov, On the regularization of Wasserstein GANs, 2018, eq. 8.
    """

    target = None

    def __init__(self, weight=10.0, name="lipschitz_penalty"):
        super().__init__(weight, name)

    def penalty(self, norm):
        return ops.square(ops.relu(norm - 1.0))


@keras.saving.register_keras_serializable("kerasgan")
class DRAGANPenalty(Penalty):
    """Penalty of DRAGAN: slope 1 in a neighbourhood of the real images.

    penalty = weight * mean((norm(grad D(x)) - 1)**2),  x = real + t * scale * std(real) * u,  t, u ~ U[0, 1)

    `t` is one number an example, `u` one a pixel, and `std` that of all pixels of the global batch, as in the
    authors' code (the paper writes normal noise).

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.
        scale: Float > 0, size of the neighbourhood in standard deviations. Defaults to `0.5`.

    Reference: Kodali et al., On Convergence and Stability of GANs, 2017, algorithm 1.
    """

    target = 1.0

    def __init__(self, weight=10.0, scale=0.5, name="dragan_penalty"):
        super().__init__(weight, name)
        self.scale = checked_number("scale", scale, "(0, inf)")

    def sample(self, real, random):
        real, batch = ops.cast(real, "float32"), real.shape[0] or tf.shape(real)[0]
        t = random.uniform((batch, *[1] * (len(real.shape) - 1)))
        u = random.uniform((batch, *real.shape[1:]))
        mean = random.mean_over_replicas(ops.mean(real))
        std = ops.sqrt(random.mean_over_replicas(ops.mean(ops.square(real - mean))))
        return t * self.scale * std * u

    def points(self, real, fake, noise):
        return real + noise

    def penalty(self, norm):
        return ops.square(norm - 1.0)


class _ZeroCentred(Penalty):
    """Zero-centred penalty: weight * mean(norm**2), weight = gamma / 2."""

    def __init__(self, gamma, name):
        super().__init__(checked_number("gamma", gamma) / 2.0, name)

    @property
    def gamma(self):
        """Float, twice the weight."""
        return 2.0 * self.weight

    def penalty(self, norm):
        return ops.square(norm)


@keras.saving.register_keras_serializable("kerasgan")
class R1(_ZeroCentred):
    """Zero-centred penalty at the real images.

    penalty = gamma / 2 * mean(norm(grad D(x))**2),  x = real

    Args:
        gamma: Float >= 0. Defaults to `10.0`. It grows with the resolution: R3GAN uses 0.05 to 0.005 for CIFAR-10 and
            150 to 15 for faces of 256 x 256.

    Reference: Mescheder, Geiger, Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 9.
    """

    def __init__(self, gamma=10.0, name="r1"):
        super().__init__(gamma, name)

    def points(self, real, fake, noise):
        return real


@keras.saving.register_keras_serializable("kerasgan")
class R2(_ZeroCentred):
    """Zero-centred penalty at the generated images.

    penalty = gamma / 2 * mean(norm(grad D(x))**2),  x = fake

    Args:
        gamma: Float >= 0. Defaults to `10.0`.

    Reference: Mescheder, Geiger, Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 10.
    """

    def __init__(self, gamma=10.0, name="r2"):
        super().__init__(gamma, name)

    def points(self, real, fake, noise):
        return fake
