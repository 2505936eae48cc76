"""Augmentation of what the discriminator sees, real and generated alike, for data sets that it would learn by heart.

The discriminator judges T(x) wherever it would judge x, with new random parameters for each image and each use, and the
generator learns through T. As long as T can be undone in distribution, the generator still learns the images as they
are. All randomness comes from `sample`, so that the rest is a pure function that XLA may compile.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasgan import batching, policies
from kerasgan.configured import Configured
from kerasgan.errors import ModelContractError, checked_number, invalid
from kerasgan.stateless import Stream

# An image's uniforms: one for each change that may be left out, of these operations, then one for each parameter.
_GATES = {
    "flip": "flip",
    "brightness": "color",
    "saturation": "color",
    "contrast": "color",
    "translation": "translation",
    "cutout": "cutout",
}
_PARAMETERS = ("brightness", "saturation", "contrast", "shift_y", "shift_x", "hole_y", "hole_x")

_LARGEST_MOVE = 0.05  # of the probability, at a validation

Parameters = dict[str, tf.Tensor]


@keras.saving.register_keras_serializable("kerasgan")
class DiffAugment(Configured):
    """Differentiable augmentation: each operation in turn, on every image with parameters of its own.

    | operation | formula, for images in [-1, 1] |
    |---|---|
    | flip | mirrors left and right, three images in ten: with `"flip:0.5"`, half, the generator would mirror, too |
    | color | x + b; m + s (x - m), m the mean over channels; m + c (x - m), m the image's mean: b ~ U[-1/2, 1/2), |
    |       | s ~ U[0, 2), c ~ U[1/2, 3/2) |
    | translation | shifted by up to 1/8 of each side, zero outside |
    | cutout | zero in a square of half the side whose centre is anywhere in the image |

    Nothing is clipped. Zero is mid-grey; images in [0, 1] are mapped to [-1, 1] and back. A generator without bounds
    (`output_activation=None`) does not tell the range of the images, and they are augmented as they are: scale them to
    [-1, 1], or leave out color, whose b is in their units; zero should then be a value that they may well have.

    Args:
        policy: Sequence of names, in the order in which they are applied. Defaults to `("color", "translation",
            "cutout")`, the paper's for a few hundred images; `"color"` takes images of 1 or 3 channels.
            `"translation:0.5"` leaves half of the images where they are: a discriminator that sees all of them moved
            does not learn what is wrong at one place, and the generator may make dots at the same places of all images.
        probability: Float in [0, 1] of each operation (of each of the three of color) on an image, times the number
            after its name. Defaults to `1.0`.

    Raises:
        ValueError: An argument is out of its range.

    Reference: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020, section 3.2 and the
    authors' code; the probability as in Karras et al., Training Generative Adversarial Networks with Limited Data,
    2020, section 2.2.
    """

    def __init__(self, policy: Sequence[str] = ("color", "translation", "cutout"), probability: float = 1.0) -> None:
        self.policy = [name.strip() for name in policy.split(",")] if isinstance(policy, str) else list(policy)
        if not self._shares or isinstance(policy, Mapping):  # whose values would be lost
            operations = ", ".join(map(repr, policies.OPERATIONS))
            expected = f"some of {operations}, each once, e.g. ('translation:0.5', 'cutout')"
            raise invalid("policy", expected, f"policy={policy!r}")
        self.probability = checked_number("probability", probability, "[0, 1]")

    @property
    def _shares(self):
        return policies.shares(self.policy)

    def check_shape(self, image_shape: Sequence[int | None]) -> None:
        """Refuses images that the policy is not made for."""
        shape = tuple(image_shape)
        if len(shape) != 3 or None in shape:
            expected = "None for data that are not images of a known shape (height, width, channels)"
            raise invalid("augment", expected, f"examples of shape {shape}", ModelContractError)
        if "color" in self._shares and shape[2] not in (1, 3):
            expected = f"a policy without 'color', which takes 1 or 3 channels: {type(self).__name__}(('translation',))"
            raise invalid("augment", expected, f"images of {shape[2]} channels", ModelContractError)

    def sample(self, images: tf.Tensor, random: Stream, probability: tf.Tensor | float | None = None) -> Parameters:
        """The parameters of each image, drawn from the stream `random`.

        Args:
            images: `(batch, height, width, channels)`; only its shape is used.
            probability: Scalar tensor instead of that of the constructor.

        Returns:
            Dict of tensors `(batch,)` by the names of the parameters.
        """
        self.check_shape(images.shape[1:])  # again, because `policy` may be another by now
        height, width = images.shape[1:3]
        count = len(_GATES) + len(_PARAMETERS)
        uniforms = random.uniform((batching.size(images), count))
        shares = tf.constant([self._shares.get(operation, 1.0) for operation in _GATES.values()])
        probabilities = shares * (self.probability if probability is None else probability)
        used = dict(zip(_GATES, tf.unstack(uniforms[:, : len(_GATES)] < probabilities, axis=1), strict=True))
        u = dict(zip(_PARAMETERS, tf.unstack(uniforms[:, len(_GATES) :], axis=1), strict=True))
        return {
            "flip": used["flip"],
            "brightness": tf.where(used["brightness"], u["brightness"] - 0.5, 0.0),
            "saturation": tf.where(used["saturation"], 2.0 * u["saturation"], 1.0),
            "contrast": tf.where(used["contrast"], u["contrast"] + 0.5, 1.0),
            "shift_y": tf.where(used["translation"], _integers(u["shift_y"], -_shift(height), _shift(height)), 0),
            "shift_x": tf.where(used["translation"], _integers(u["shift_x"], -_shift(width), _shift(width)), 0),
            "cutout": used["cutout"],
            "hole_y": _integers(u["hole_y"], 0, height - _hole(height) % 2),
            "hole_x": _integers(u["hole_x"], 0, width - _hole(width) % 2),
        }

    def __call__(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Returns the augmented images.

        Args:
            images: Float32 `(batch, height, width, channels)` in [-1, 1].
            parameters: What `sample` returned.
        """
        for name in self._shares:
            images = _FUNCTIONS[name](images, parameters)
        return images

    def in_range(
        self, batches: Sequence[tf.Tensor], parameters: Sequence[Parameters], bounds: tuple[float, float] | None
    ) -> list[tf.Tensor]:
        """Augments each batch with its own parameters.

        Args:
            batches: Float32 tensors `(batch, height, width, channels)`.
            bounds: `(low, high)`, the range of the images; None where it is not known, and taken to be [-1, 1].
        """
        low, high = bounds or (-1.0, 1.0)
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        if (middle, half) == (0.0, 1.0):
            return [self(images, drawn) for images, drawn in zip(batches, parameters, strict=True)]
        return [
            self((images - middle) / half, drawn) * half + middle
            for images, drawn in zip(batches, parameters, strict=True)
        ]


@keras.saving.register_keras_serializable("kerasgan")
class AdaptiveAugment(DiffAugment):
    """Augmentation whose probability follows how far the discriminator overfits.

    After each step, p += sign(r - target) * (real images of the step) / images, within [0, 1]: at most from 0 to 1 in
    `images` real images. r is `AdversarialLoss.overfitting`, the mean over the step's updates: 0 for none, 1 where the
    discriminator is sure of every real image. With the Wasserstein loss, whose logits do not tell, `fit` needs
    `validation_data`, r = 1 - W_val / W_train, and p moves after each validation, by at most 0.05. W_train is the mean
    of the epoch and W_val is taken at its end, so r is too large while the distance falls.

    Args:
        policy: As for `DiffAugment`.
        target: Float in (0, 1), the r that is held. Defaults to `0.6`.
        images: Number > 0, real images after which p can have gone from 0 to 1. Defaults to `100_000`; the paper's
            500,000 suits runs of millions of images.

    Reference: Karras et al., Training Generative Adversarial Networks with Limited Data, 2020, section 3.
    """

    def __init__(
        self,
        policy: Sequence[str] = ("color", "translation", "cutout"),
        target: float = 0.6,
        images: float = 100_000,
    ) -> None:
        super().__init__(policy, 0.0)
        self.target = checked_number("target", target, "(0, 1)")
        self.images = checked_number("images", images, "(0, inf)")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "probability" and name in vars(self):
            raise invalid(name, "the model's variable: `gan.augment_probability.assign(0.2)`", f"{name}={value!r}")
        super().__setattr__(name, value)

    def moved(self, probability: tf.Tensor, overfitting: tf.Tensor, batch: tf.Tensor | int) -> tf.Tensor:
        """The probability after an update on `batch` images: scalars."""
        speed = tf.cast(batch, tf.float32) / self.images
        moved = tf.clip_by_value(probability + tf.sign(overfitting - self.target) * speed, 0.0, 1.0)
        return tf.where(tf.math.is_finite(overfitting), moved, probability)

    def moved_by_gap(
        self, probability: tf.Tensor, distance: float, held_out: float, images: tf.Tensor | float
    ) -> tf.Tensor:
        """The probability after a validation: from a critic's distances on training and on held-out images."""
        overfitting = 1.0 - held_out / distance if distance else math.nan
        return self.moved(probability, tf.constant(overfitting), tf.minimum(images, _LARGEST_MOVE * self.images))


def _shift(size):
    """The farthest shift along a side."""
    return int(size / 8 + 0.5)


def _hole(size):
    """The side of the hole."""
    return int(size / 2 + 0.5)


def _integers(uniform, low, high):
    """Uniform integers from `low` to `high`."""
    return tf.cast(tf.floor(uniform * (high - low + 1)), tf.int32) + low


def _of_image(values, images):
    """A number of each image, against all of its pixels."""
    values = values[:, None, None, None]
    return values if values.dtype == tf.bool else tf.cast(values, images.dtype)


def _flip(images, parameters):
    return tf.where(_of_image(parameters["flip"], images), images[:, :, ::-1], images)


def _color(images, parameters):
    images = images + _of_image(parameters["brightness"], images)
    if images.shape[-1] > 1:  # of one channel it is the identity
        mean = tf.reduce_mean(images, axis=-1, keepdims=True)
        images = mean + _of_image(parameters["saturation"], images) * (images - mean)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + _of_image(parameters["contrast"], images) * (images - mean)


def _translation(images, parameters):
    for axis, name in ((1, "shift_y"), (2, "shift_x")):
        size = images.shape[axis]
        border = _shift(size)
        padded = tf.pad(images, [(border, border) if one == axis else (0, 0) for one in range(4)])
        rows = tf.range(size) + border + parameters[name][:, None]
        images = tf.gather(padded, rows, axis=axis, batch_dims=1)
    return images


def _cutout(images, parameters):
    rows, columns = (
        _within(tf.range(size), parameters[name][:, None], _hole(size))
        for size, name in zip(images.shape[1:3], ("hole_y", "hole_x"), strict=True)
    )
    hole = rows[:, :, None] & columns[:, None, :] & parameters["cutout"][:, None, None]
    return tf.where(hole[..., None], tf.zeros((), images.dtype), images)


def _within(positions, centres, hole):
    return (positions >= centres - hole // 2) & (positions < centres - hole // 2 + hole)


_FUNCTIONS = {"flip": _flip, "color": _color, "translation": _translation, "cutout": _cutout}
