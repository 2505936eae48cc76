"""Penalties on the norm of the discriminator's gradient: one mechanism, and for each paper where and how it applies.

    weight * mean(penalty(norm(grad D(points))))

A penalty defines `points`, where the gradient is taken, and `penalty`, what is minimised there. All randomness comes
from `sample`, so that the rest is a pure function that XLA may compile.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasgan import batching, papers
from kerasgan.configured import Configured
from kerasgan.errors import checked_integer, checked_number
from kerasgan.stateless import Stream, mean_over_replicas


class Recorded:
    """The discriminator, and its gradient at images that it has judged: a penalty there takes no further pass.

    Args:
        discriminate: Images `(batch, ...)` -> logits `(batch, 1)`, each a function of its own image alone, or what has
            such logits.
        logits: From what `discriminate` returns to its logits. Defaults to the identity.
    """

    def __init__(self, discriminate: Callable, logits: Callable = lambda outputs: outputs) -> None:
        self.discriminate, self.logits = discriminate, logits
        self._passes: list[tuple] = []

    def __call__(self, images: tf.Tensor) -> Any:
        """What `discriminate` returns."""
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(images)
            outputs = self.discriminate(images)
        self._passes.append((images, self.logits(outputs), tape))
        return outputs

    def gradient(self, images: tf.Tensor) -> tf.Tensor:
        """That of the logits, of the pass of this very tensor if there was one."""
        for judged, logits, tape in self._passes:
            if judged is images:
                return tape.gradient(logits, images)
        self(images)
        return self.gradient(images)


def gradient_norm(discriminate: Callable, points: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of the discriminator's gradient at each point, float32 `(batch,)`.

        norm = sqrt(sum(grad D(x)**2) + 1e-12)

    Float16 loses squares of gradients below 2e-4, so the gradient is cast before it is squared; 1e-12 keeps the
    derivative of the square root finite where the gradient is zero.

    Args:
        discriminate: Images `(batch, ...)` -> logits `(batch, 1)`, each a function of its own image alone; or a
            `Recorded` one.
        points: Float32 `(batch, ...)`.
    """
    recorded = discriminate if isinstance(discriminate, Recorded) else Recorded(discriminate)
    gradient = ops.cast(recorded.gradient(points), "float32")
    return ops.sqrt(ops.sum(ops.square(gradient), axis=range(1, len(points.shape))) + 1e-12)


class Penalty(Configured):
    """Base class of the penalties.

    To write your own, override `points` and `penalty`. Register it with `keras.saving.register_keras_serializable`,
    and it is saved with the model, with the arguments of its constructor.

    Args:
        weight: Float >= 0, `lambda` in the papers.
        name: The name it is logged under.
        every: Integer >= 1 that divides `n_critic`: the penalty is part of one in so many updates of the discriminator,
            the first of them, with so many times its weight (lazy regularisation); it is logged as if there were no
            factor. Adam then returns to what the penalty wants more slowly: keep it at 5 or below with a beta_2 of 0.9.
            Defaults to `1`.

    Reference for `every`: Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, section 3.1,
        whose correction of Adam's rate and momenta is left out: the penalty is part of an update, not one of its own.
    """

    # The norm that the gradient is drawn to from both sides, if any.
    target: float | None = None
    every = 1

    def __init__(self, weight: float, name: str, every: int = 1) -> None:
        self.weight = checked_number("weight", weight)
        self.name = name
        self.every = checked_integer("every", every)

    def sample(self, real: tf.Tensor, random: Stream) -> Any:
        """The random numbers that `points` needs, drawn from the stream `random`."""
        return None

    def points(self, real: tf.Tensor, fake: tf.Tensor, noise: Any) -> tf.Tensor:
        """Where the gradient is taken: float32, shape of `real`."""
        raise NotImplementedError(f"{type(self).__name__} must override `points(real, fake, noise)`.")

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        """What is minimised at each point, a function of the gradient's norm."""
        raise NotImplementedError(f"{type(self).__name__} must override `penalty(norm)`.")

    def __call__(
        self, discriminate: Callable, real: tf.Tensor, fake: tf.Tensor, noise: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the weighted penalty, a float32 scalar, and the gradient's norm at each point, `(batch,)`.

        Args:
            discriminate: As for `gradient_norm`.
            real, fake: Float32 tensors of one shape `(batch, ...)`.
            noise: What `sample` returned.
        """
        norm = gradient_norm(discriminate, self.points(real, fake, noise))
        return self.weight * ops.mean(self.penalty(norm)), norm


@keras.saving.register_keras_serializable("kerasgan")
class GradientPenalty(Penalty):
    """Two-sided gradient penalty of WGAN-GP.

        penalty = weight * mean((norm(grad D(x)) - 1)**2),  x = real + t * (fake - real),  t ~ U[0, 1) per example

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.
        name, every: As for `Penalty`.

    Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, eq. 3.
    """

    target: float | None = 1.0

    def __init__(self, weight: float = papers.WGAN_GP.penalty, name: str = "gradient_penalty", every: int = 1) -> None:
        super().__init__(weight, name, every)

    def sample(self, real: tf.Tensor, random: Stream) -> tf.Tensor:
        return random.uniform((batching.size(real), *[1] * (len(real.shape) - 1)))

    def points(self, real: tf.Tensor, fake: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        return real + noise * (fake - real)

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        return ops.square(norm - 1.0)


@keras.saving.register_keras_serializable("kerasgan")
class LipschitzPenalty(GradientPenalty):
    """One-sided penalty of WGAN-LP: gradient norms below 1 are not penalised.

        penalty = weight * mean(max(0, norm(grad D(x)) - 1)**2),  x as for `GradientPenalty`

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.
        name, every: As for `Penalty`.

    Reference: Petzka, Fischer, Lukovnikov, On the regularization of Wasserstein GANs, 2018, eq. 8.
    """

    target = None

    def __init__(self, weight: float = papers.WGAN_LP.penalty, name: str = "lipschitz_penalty", every: int = 1) -> None:
        super().__init__(weight, name, every)

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        return ops.square(ops.relu(norm - 1.0))


@keras.saving.register_keras_serializable("kerasgan")
class DRAGANPenalty(GradientPenalty):
    """Penalty of DRAGAN: slope 1 in a neighbourhood of the real images.

        penalty = weight * mean((norm(grad D(x)) - 1)**2),  x = real + t * scale * std(real) * u,  t, u ~ U[0, 1)

    `t` is one number per example, `u` one per pixel, and `std` is over all pixels of the global batch, as in the
    authors' code (the paper says normal noise).

    Args:
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.
        scale: Float > 0, size of the neighbourhood in standard deviations. Defaults to `0.5`.
        name, every: As for `Penalty`.

    Reference: Kodali et al., On Convergence and Stability of GANs, 2017, algorithm 1.
    """

    def __init__(
        self,
        weight: float = papers.DRAGAN.penalty,
        scale: float = 0.5,
        name: str = "dragan_penalty",
        every: int = 1,
    ) -> None:
        super().__init__(weight, name, every)
        self.scale = checked_number("scale", scale, "(0, inf)")

    def sample(self, real: tf.Tensor, random: Stream) -> tf.Tensor:
        real, batch = ops.cast(real, "float32"), batching.size(real)
        t = random.uniform((batch, *[1] * (len(real.shape) - 1)))
        u = random.uniform((batch, *real.shape[1:]))
        mean = mean_over_replicas(ops.mean(real))
        std = ops.sqrt(mean_over_replicas(ops.mean(ops.square(real - mean))))
        return t * self.scale * std * u

    def points(self, real: tf.Tensor, fake: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        return real + noise


@keras.saving.register_keras_serializable("kerasgan")
class R1(Penalty):
    """Zero-centred penalty at the real images.

        penalty = gamma / 2 * mean(norm(grad D(x))**2),  x = real

    Args:
        gamma: Float >= 0. Defaults to `10.0`. It grows with the resolution: R3GAN uses 0.05 to 0.005 for CIFAR-10 and
            150 to 15 for faces of 256 x 256.
        name, every: As for `Penalty`.

    Reference: Mescheder, Geiger, Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 9.
    """

    def __init__(self, gamma: float = 10.0, name: str = "r1", every: int = 1) -> None:
        super().__init__(checked_number("gamma", gamma) / 2.0, name, every)

    @property
    def gamma(self) -> float:
        return 2.0 * self.weight

    @gamma.setter
    def gamma(self, gamma: float) -> None:
        self.weight = checked_number("gamma", gamma) / 2.0

    def points(self, real: tf.Tensor, fake: tf.Tensor, noise: None) -> tf.Tensor:
        return real

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        return ops.square(norm)


@keras.saving.register_keras_serializable("kerasgan")
class R2(R1):
    """Zero-centred penalty at the generated images.

        penalty = gamma / 2 * mean(norm(grad D(x))**2),  x = fake

    Args:
        gamma: Float >= 0. Defaults to `10.0`.
        name, every: As for `Penalty`.

    Reference: Mescheder, Geiger, Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 10.
    """

    def __init__(self, gamma: float = 10.0, name: str = "r2", every: int = 1) -> None:
        super().__init__(gamma, name, every)

    def points(self, real: tf.Tensor, fake: tf.Tensor, noise: None) -> tf.Tensor:
        return fake
