"""The papers' models: each is a `GAN` with that paper's objective and optimizers as defaults."""

from typing import Any

import keras

from kerasgan import constraints, losses, papers, penalties
from kerasgan.augmentations import DiffAugment
from kerasgan.errors import checked_boolean
from kerasgan.gan import GAN

# In prose about WGAN the discriminator, which does not classify, is the critic.
_CRITIC = property(lambda self: self.discriminator, doc="The discriminator, by its name in the paper.")
_WEIGHT = property(
    lambda self: self.penalties[0].weight,
    lambda self, weight: setattr(self.penalties[0], "weight", weight),
    doc="`lambda` in the paper.",
)


@keras.saving.register_keras_serializable("kerasgan")
class WGAN(GAN):
    """Wasserstein GAN: the critic is kept Lipschitz by clipping each of its variables.

    Args:
        generator, discriminator, n_critic, pack, ema_momentum, seed, augment: As for `GAN`.
        clip: Float > 0, `c` in the paper. Defaults to `0.01`. The authors clip biases too; so do we.
        warmup: Whether the critic gets 100 updates for each of the generator's first 25 and for every 500th, as in the
            authors' code. Defaults to False.

    Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, algorithm 1 (RMSProp, 5e-5).
    """

    paper = papers.WGAN
    critic = _CRITIC
    decided: tuple[str, ...] = (*GAN.decided, "warmup")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        clip: float = papers.WGAN.clip,
        warmup: bool = False,
        n_critic: int = papers.WGAN.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        objective = losses.Wasserstein(), (), constraints.Clip(clip)
        super().__init__(generator, discriminator, *objective, n_critic, pack, ema_momentum, seed, augment, **kwargs)
        self.warmup = checked_boolean("warmup", warmup)

    @property
    def clip(self) -> float:
        """`c` in the paper."""
        return self.constraint.clip

    @clip.setter
    def clip(self, clip: float) -> None:
        self.constraint.clip = clip

    def critic_updates(self, step: int) -> int:
        """Updates of the critic in this step: `n_critic`; with `warmup` 100 in the first 25 steps and every 500th."""
        return 100 if self.warmup and (step < 25 or step % 500 == 0) else self.n_critic


@keras.saving.register_keras_serializable("kerasgan")
class WGANGP(GAN):
    """Wasserstein GAN with a two-sided gradient penalty, which keeps the norm of the critic's gradient near 1.

    Args:
        generator, discriminator, n_critic, pack, ema_momentum, seed, augment: As for `GAN`.
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.

    Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, algorithm 1 (Adam, 1e-4, beta_1 = 0,
    beta_2 = 0.9).
    """

    paper = papers.WGAN_GP
    penalty = penalties.GradientPenalty
    critic = _CRITIC
    weight = _WEIGHT

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        weight: float = papers.WGAN_GP.penalty,
        n_critic: int = papers.WGAN_GP.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        objective = losses.Wasserstein(), [self.penalty(weight)], None
        super().__init__(generator, discriminator, *objective, n_critic, pack, ema_momentum, seed, augment, **kwargs)


@keras.saving.register_keras_serializable("kerasgan")
class WGANLP(WGANGP):
    """WGAN-GP with the one-sided penalty: gradient norms below 1 are not penalised.

    Args:
        generator, discriminator, weight, n_critic, pack, ema_momentum, seed, augment: As for `WGANGP`.

    Reference: Petzka, Fischer, Lukovnikov, On the regularization of Wasserstein GANs, 2018.
    """

    paper = papers.WGAN_LP
    penalty = penalties.LipschitzPenalty


@keras.saving.register_keras_serializable("kerasgan")
class DRAGAN(GAN):
    """The non-saturating GAN with a gradient penalty around the real images.

    Args:
        generator, discriminator, n_critic, pack, ema_momentum, seed, augment: As for `GAN`.
        weight: Float >= 0, `lambda` in the paper. Defaults to `10.0`.

    Reference: Kodali et al., On Convergence and Stability of GANs, 2017 (Adam as DCGAN).
    """

    paper = papers.DRAGAN
    weight = _WEIGHT

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        weight: float = papers.DRAGAN.penalty,
        n_critic: int = papers.DRAGAN.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        objective = losses.NonSaturating(), [penalties.DRAGANPenalty(weight)], None
        super().__init__(generator, discriminator, *objective, n_critic, pack, ema_momentum, seed, augment, **kwargs)


@keras.saving.register_keras_serializable("kerasgan")
class LSGAN(GAN):
    """Least squares GAN.

    Args:
        generator, discriminator, n_critic, pack, ema_momentum, seed, augment: As for `GAN`.

    Reference: Mao et al., Least Squares Generative Adversarial Networks, 2017 (Adam, beta_1 = 0.5; its rate here is
    DCGAN's 2e-4).
    """

    paper = papers.LSGAN

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        n_critic: int = papers.LSGAN.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        objective = losses.LeastSquares(), (), None
        super().__init__(generator, discriminator, *objective, n_critic, pack, ema_momentum, seed, augment, **kwargs)


@keras.saving.register_keras_serializable("kerasgan")
class R3GAN(GAN):
    """Relativistic GAN with zero-centred penalties at real and generated images.

    Args:
        generator, discriminator, n_critic, pack, ema_momentum, seed, augment: As for `GAN`.
        gamma: Float >= 0, of both penalties. Defaults to `0.05`, the authors' for CIFAR-10; it grows with the
            resolution.

    Reference: Huang et al., The GAN is dead; long live the GAN!, 2024 (Adam, 2e-4, beta_1 = 0, beta_2 from 0.9).
    """

    paper = papers.R3GAN

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        gamma: float = papers.R3GAN.penalty,
        n_critic: int = papers.R3GAN.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        objective = losses.Relativistic(), [penalties.R1(gamma), penalties.R2(gamma)], None
        super().__init__(generator, discriminator, *objective, n_critic, pack, ema_momentum, seed, augment, **kwargs)

    @property
    def gamma(self) -> float:
        """The weight of both penalties."""
        return 2.0 * self.penalties[0].weight

    @gamma.setter
    def gamma(self, gamma: float) -> None:
        self.penalties[0].weight = self.penalties[1].weight = penalties.R1(gamma).weight
