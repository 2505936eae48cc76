"""How the papers train their models: each number stands here once.

Constructors, `default_optimizers` and `kerasgan train` use these defaults; nothing here needs TensorFlow.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Paper:
    """The settings of a paper.

    Args:
        learning_rate: Float > 0, of both optimizers.
        beta_1, beta_2: Floats in [0, 1), of Adam; None for RMSprop.
        n_critic: Integer >= 1, discriminator updates for each update of the generator.
        penalty: Float >= 0, the weight of the gradient penalty; 0 without one.
        clip: Float > 0, to which the critic's variables are clipped; infinity without clipping.
    """

    learning_rate: float
    beta_1: float | None = None
    beta_2: float | None = None
    n_critic: int = 1
    penalty: float = 0.0
    clip: float = math.inf


# Radford et al., Unsupervised Representation Learning with Deep Convolutional GANs, 2015, section 4.
GAN = Paper(2e-4, 0.5, 0.999)
# Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, algorithm 1: RMSProp.
WGAN = Paper(5e-5, n_critic=5, clip=0.01)
# Gulrajani et al., Improved Training of Wasserstein GANs, 2017, algorithm 1.
WGAN_GP = Paper(1e-4, 0.0, 0.9, n_critic=5, penalty=10.0)
# Petzka, Fischer, Lukovnikov, On the regularization of Wasserstein GANs, 2018, trained like WGAN-GP.
WGAN_LP = WGAN_GP
# Kodali et al., On Convergence and Stability of GANs, 2017, trained like DCGAN.
DRAGAN = dataclasses.replace(GAN, penalty=10.0)
# Mao et al., Least Squares Generative Adversarial Networks, 2017: Adam, beta_1 = 0.5; the rate is DCGAN's.
LSGAN = GAN
# Huang et al., The GAN is dead; long live the GAN!, 2024: gamma of CIFAR-10, beta_2 from 0.9.
R3GAN = Paper(2e-4, 0.0, 0.9, penalty=0.05)
# Kingma, Welling, Auto-Encoding Variational Bayes, 2013, with the defaults of Kingma, Ba, Adam, 2014.
VAE = Paper(1e-3, 0.9, 0.999)
