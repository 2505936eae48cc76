"""What both networks of a GAN minimise, of everything that the discriminator says about a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kerasgan.configured import is_ours
from kerasgan.errors import invalid, warn
from kerasgan.losses import AdversarialLoss
from kerasgan.penalties import Penalty, Recorded


class Judged(NamedTuple):
    """A batch of images and the discriminator's outputs for it.

    Attributes:
        images: Float32 `(batch, ...)`, as the discriminator sees them: augmented, and in packs.
        logits: Float32 `(batch, 1)`, the first output.
        extras: The other outputs, e.g. class logits or features; empty for a discriminator with one.
    """

    images: tf.Tensor
    logits: tf.Tensor
    extras: tuple[tf.Tensor, ...] = ()


class Objectives:
    """Mixin of `GAN`: the objectives as methods that a subclass may override."""

    # Names of the values that overridden objectives log besides `d_loss` and `g_loss`.
    logged: tuple[str, ...] = ()

    loss: AdversarialLoss

    def discriminator_objective(
        self, real: Judged, fake: Judged, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What the discriminator minimises besides the penalties: a scalar, and values to log by name.

        Override it, or `generator_objective`, for terms of images, labels or further outputs of the discriminator: in
        such a subclass the discriminator may have several, the logits first, and do without labels. Set `logged` to the
        names of values besides `d_loss`.

        Args:
            real, fake: `Judged` images of one batch.
            labels: Integers `(batch,)`, the classes of both; None without labels.
        """
        loss = self.loss.discriminator(real.logits, fake.logits)
        distance = {self.loss.distance: -loss} if self.loss.distance else {}
        return loss, {"d_loss": loss, **distance}

    def generator_objective(
        self, real: Judged | None, fake: Judged, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What the generator minimises: a scalar, and values to log by name, `g_loss` among them.

        Args:
            real: `Judged` images; None unless the loss is relativistic or this method is overridden.
            fake: `Judged` images of the same labels.
            labels: Integers `(batch,)`, or None.
        """
        loss = self.loss.generator(real.logits if real and self.loss.relativistic else None, fake.logits)
        return loss, {"g_loss": loss}

    @classmethod
    def overrides_objective(cls) -> bool:
        """Whether a user's subclass has an objective of its own."""
        return not (is_ours(cls, "discriminator_objective") and is_ours(cls, "generator_objective"))


def judge(discriminator: keras.Model, labels: tf.Tensor | None, training: bool) -> Callable[[tf.Tensor], Judged]:
    """The discriminator as a function of images alone: losses and penalties never see labels."""
    conditional = len(discriminator.inputs) == 2

    def judged(images):
        outputs = tf.nest.flatten(discriminator([images, labels] if conditional else images, training=training))
        logits, *extras = (tf.cast(output, tf.float32) for output in outputs)
        return Judged(images, logits, tuple(extras))

    return judged


def checked(model: Any, name: str, real: Judged | None, fake: Judged, labels: tf.Tensor | None) -> tuple:
    """What an objective, the method of that name, returns for a batch.

    Raises:
        ValueError: It is not a scalar and a dict.
    """
    result = getattr(model, name)(real, fake, labels)
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
        loss = None if result[0] is None else tf.convert_to_tensor(result[0])
        if loss is not None and loss.shape.rank in (0, None):
            _warn_of_unlogged(model, name, result[1])
            return tf.cast(tf.ensure_shape(loss, ()), tf.float32), dict(result[1])
        result = "None" if loss is None else f"a loss of shape {loss.shape}"
        if is_ours(type(model), name):  # it returns what the loss does
            method = name.removesuffix("_objective")
            expected = f"a loss whose `{method}` returns a scalar: reduce it with `tf.reduce_mean`"
            raise invalid("loss", expected, f"{result} from {type(model.loss).__name__}")
    raise invalid(name, "a method that returns a scalar and a dict of values to log", result)


def penalized(penalty: Penalty, judge: Recorded, shown: list[tf.Tensor], noise: Any) -> tuple:
    """What a penalty returns for real and generated images: a scalar, and norms.

    Raises:
        ValueError: It is something else.
    """
    real, fake = shown
    result: Any = penalty(judge, real, fake, noise)
    if isinstance(result, tuple | list) and len(result) == 2:
        value, norm = map(tf.convert_to_tensor, result)
        if value.shape.rank in (0, None):
            return tf.ensure_shape(value, (), name="penalty"), norm
        result = f"a value of shape {value.shape}"
    expected = "a penalty whose `__call__` returns a scalar and the norms (batch,): reduce it with `tf.reduce_mean`"
    raise invalid("penalties", expected, f"{result} from {penalty.name!r}")


def _warn_of_unlogged(model, name, values):
    unlogged = sorted(values.keys() - {"d_loss", "g_loss", model.loss.distance, *model.logged})
    if unlogged:
        warn(f"`{name}` returns {', '.join(unlogged)}: name what is to be logged in `logged`.")
