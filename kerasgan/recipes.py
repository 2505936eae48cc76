"""Settings that make good images in minutes on a CPU, tried on MNIST, Fashion-MNIST and photographs.

In the repository, `scripts/study_recipes.py` compares such settings at equal training time.

The models' own defaults are those of their papers. `kerasgan train` takes the recipe for images above 16 pixels, and
`gan` makes the same model in Python.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasgan.gan import GAN


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An `R3GAN` with the networks of DCGAN, and how it is trained.

    Args:
        filters: Filters of the layer next to the image.
        blur: Whether the generator blurs what it upsamples.
        latent_dim: Size of a latent vector.
        gamma: Float >= 0, weight of R1 and R2.
        learning_rate: Float > 0, of both Adam optimizers; it decays linearly to zero in `steps`.
        beta_1, beta_2: Floats in [0, 1), of Adam.
        ema_momentum: Float in [0, 1), of the average of the generator's weights.
        batch_size: Images per update. In equal time, small batches make better images: more updates.
        steps: Updates of the generator.
        few: Fewer colour images than this are few: the discriminator's are augmented, every resolution of the generator
            adds to the image, and more steps are made. Each is then seen more than 250 times; seen about 120 times,
            3,240 photographs showed no gap to held-out ones yet. Grey digits and garments came out worse with
            augmentation.
        steps_of_few: Updates of the generator for few images.
        most_classes: With labels of more classes than this, they are not used.
    """

    filters: int = 32
    blur: bool = True
    latent_dim: int = 64
    gamma: float = 0.5
    learning_rate: float = 5e-4
    beta_1: float = 0.0
    beta_2: float = 0.9
    ema_momentum: float = 0.999
    batch_size: int = 16
    steps: int = 24_000
    few: int = 2_500
    steps_of_few: int = 40_000
    most_classes: int = 100

    def by_class(self, num_classes: int | None) -> bool:
        """Whether to generate by class, which makes the task easier."""
        return num_classes is not None and 1 < num_classes <= self.most_classes

    def is_few(self, num_images: int, channels: int) -> bool:
        """Whether so many images are few, which grey ones never are."""
        return num_images < self.few and channels > 1

    def steps_for(self, num_images: int, channels: int) -> int:
        """Updates of the generator for so many images."""
        return self.steps_of_few if self.is_few(num_images, channels) else self.steps

    def policy(self, num_images: int, channels: int) -> tuple[str, ...]:
        """The policy of `DiffAugment` for so many images; none if they are many, or grey."""
        return ("flip", "translation:0.5", "cutout") if self.is_few(num_images, channels) else ()


IMAGES = Recipe()


def gan(
    image_shape: tuple[int, int, int],
    num_images: int,
    num_classes: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    filters: int = IMAGES.filters,
) -> "GAN":
    """A compiled model for images, made by the recipe.

    Args:
        image_shape: `(height, width, channels)`.
        num_images: Integer >= 1, how many there are to learn from: with fewer than 2,500 in colour, what the
            discriminator sees is augmented, and the generator has `skips`.
        num_classes: Number of classes for a model that generates by label. Defaults to none.
        steps: Integer >= 1, updates of the generator that it will be trained for: the learning rate is zero then, and
            further steps change nothing. Defaults to `24_000`, and to `40_000` for fewer than 2,500 images in
            colour.
        seed: Integer >= 0, of the weights, too; it becomes Keras's global seed.
        filters: Integer >= 1, filters of the layer next to the image.

    Raises:
        ValueError: An argument is out of its range.
    """
    import keras

    from kerasgan import augmentations, errors, optimization, variants
    from kerasgan.networks import blocks, dcgan

    channels = blocks.checked_shape(image_shape, None)[-1]
    num_images = errors.checked_integer("num_images", num_images)
    steps = IMAGES.steps_for(num_images, channels) if steps is None else errors.checked_integer("steps", steps)
    keras.utils.set_random_seed(errors.checked_integer("seed", seed, 0))
    sizes: dict[str, Any] = {"filters": filters, "num_classes": num_classes}
    skips = IMAGES.is_few(num_images, channels)
    generator = dcgan.dcgan_generator(image_shape, IMAGES.latent_dim, blur=IMAGES.blur, skips=skips, **sizes)
    discriminator = dcgan.dcgan_discriminator(image_shape, **sizes)
    policy = IMAGES.policy(num_images, channels)
    model = variants.R3GAN(
        generator,
        discriminator,
        IMAGES.gamma,
        ema_momentum=IMAGES.ema_momentum,
        seed=seed,
        augment=augmentations.DiffAugment(policy) if policy else None,
    )
    rates = optimization.linear_decays(IMAGES.learning_rate, steps, model.n_critic)
    model.compile(*(optimization.adam(rate, IMAGES.beta_1, IMAGES.beta_2) for rate in rates))
    return model
