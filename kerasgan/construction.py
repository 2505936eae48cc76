"""Checks of what a model is made of besides its networks: loss, penalties, constraint, averaging, augmentation."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from kerasgan.augmentations import AdaptiveAugment, DiffAugment
from kerasgan.configured import check_saved_whole, same
from kerasgan.errors import ModelContractError, checked_integer, checked_number, invalid
from kerasgan.losses import AdversarialLoss
from kerasgan.penalties import Penalty

# What stands for arguments of `keras.Model.compile` that a GAN does not take.
ARGUMENTS = "`compile` takes both optimizers, `metrics`, `run_eagerly`, `steps_per_execution` and `jit_compile`"
WHERE = {
    "optimizer": "each network has its own, `d_optimizer` and `g_optimizer`",
    "loss": "it is an argument of the constructor",
    "learning_rate": "give it to the optimizers, e.g. `d_optimizer=keras.optimizers.Adam(1e-4, beta_1=0.0)`",
    "weighted_metrics": "nothing is weighted; metrics are `metrics`",
    "auto_scale_loss": "losses are scaled under mixed_float16, by each optimizer",
}


_OF_KERAS = ("name", "trainable", "dtype", "autocast", "activity_regularizer")
# Names of other implementations, and ours.
_OURS = {
    **dict.fromkeys(("gp_weight", "lambda_gp", "penalty_weight"), ("weight", "gamma")),
    **dict.fromkeys(("discriminator_extra_steps", "critic_extra_steps", "d_steps"), ("n_critic",)),
}
_ELSEWHERE = {
    **dict.fromkeys(("lr", "learning_rate"), "set it on the optimizers, in `compile`"),
    **dict.fromkeys(("optimizer", "d_optimizer", "g_optimizer"), "it is an argument of `compile`"),
    **dict.fromkeys(("metrics", "run_eagerly", "jit_compile", "steps_per_execution"), "it is an argument of `compile`"),
    **dict.fromkeys(("latent_dim", "noise_dim"), "it is the size of the generator's input"),
}


def check_known(cls: type, names: Iterable[str]) -> None:
    """Refuses arguments of a constructor that neither the class nor Keras knows."""
    for name in names:
        if name not in _OF_KERAS:
            takes = _arguments(cls)
            ours = [one for one in _OURS.get(name, ()) if one in takes]
            expected = f"to be left out: {_ELSEWHERE[name]}" if name in _ELSEWHERE else f"one of {', '.join(takes)}"
            raise invalid(name, f"`{ours[0]}`" if ours else expected, f"{name}= for {cls.__name__}")


def _arguments(cls):
    """The names of the arguments of a constructor, with those that it hands on."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if base.__module__.split(".")[0] == "keras":
            break
        parameters = list(inspect.signature(base.__init__).parameters.values())
        named = [one.name for one in parameters[1:] if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        names |= dict.fromkeys(named)
        if len(named) == len(parameters) - 1:  # nothing is handed on
            break
    return list(names)


def check_schedules(penalties: Sequence[Penalty], n_critic: int) -> None:
    """Refuses lazy penalties that would fall on other updates in each step."""
    for penalty in penalties:
        every = checked_integer("every", penalty.every)
        if n_critic % every:
            expected = f"a divisor of n_critic={n_critic} for {penalty.name!r}: make `n_critic` a multiple of it"
            raise invalid("every", expected, f"every={every}")


def checked_change(model: Any, name: str, value: Any, saved: bool) -> Any:
    """What an argument of the constructor becomes that is set later; refuses what the model could not follow.

    Variables, logs, checks and graphs have been made from these arguments.

    Args:
        model: `SamplingModel`.
        name: The attribute, one of `model.decided`.
        saved: Whether a new value would be saved.
    """
    before = vars(model)[name]
    if name == "loss" and before is None:  # Keras sets an attribute of this name before we do
        return value
    if same(before, value):
        return before
    if name == "n_critic":
        if model.training is not None:
            expected = "to be set between two calls of `fit`, which groups the batches of each step when it begins"
            raise invalid(name, expected, f"{name}={value!r} while it runs")
        value = checked_integer(name, value)
        check_schedules(model.penalties, value)
    elif name == "ema_momentum" and None not in (before, value):
        value = checked_momentum(value)
    else:
        saved = False
    if not saved:
        kind = type(model).__name__
        expected = f"what the constructor of {kind} decides: make a new one, of the same networks, with `{name}`"
        raise invalid(name, expected, f"{name}={value!r} after construction")
    return value


def checked_momentum(ema_momentum: float | None) -> float | None:
    """Returns the momentum of an average of weights, or None."""
    advice = ", e.g. 0.999, or None"
    return None if ema_momentum is None else checked_number("ema_momentum", ema_momentum, "[0, 1)", advice)


def checked_augmentation(augment: DiffAugment | None, image_shape: Sequence[int | None], loss: AdversarialLoss) -> Any:
    """Returns the augmentation; refuses anything else, and images and losses that it is not made for."""
    if augment is not None:
        if not isinstance(augment, DiffAugment):
            expected = "a kerasgan.augmentations.DiffAugment, e.g. kerasgan.augmentations.DiffAugment(), or None"
            raise invalid("augment", expected, f"augment={augment!r}", TypeError)
        augment.check_shape(image_shape)
        if isinstance(augment, AdaptiveAugment) and not (loss.tells_overfitting or loss.distance):
            expected = f"DiffAugment(probability=0.5), because {type(loss).__name__} does not tell how far it overfits"
            raise invalid("augment", expected, "an AdaptiveAugment", ModelContractError)
    return augment


def check_objective(loss: AdversarialLoss, penalties: Sequence[Penalty], logged: Sequence[str] = ()) -> None:
    """Refuses penalties of other classes, a loss or penalties that cannot be saved whole, and names that collide."""
    if not isinstance(logged, tuple | list) or not all(isinstance(name, str) for name in logged):
        raise invalid("logged", "a tuple of names, e.g. ('class_loss',)", f"logged={logged!r}")
    check_saved_whole("loss", loss)
    for penalty in penalties:
        if not isinstance(penalty, Penalty):
            expected = "kerasgan.penalties.Penalty objects, e.g. [kerasgan.penalties.GradientPenalty(10.0)]"
            raise invalid("penalties", expected, repr(penalty))
        if not hasattr(penalty, "name"):  # a subclass that does not call the constructor
            expected = "initialised penalties: call `super().__init__(weight, name)` in `__init__`"
            raise invalid("penalties", expected, f"{type(penalty).__name__} without a name")
        check_saved_whole("penalties", penalty)
    names = [*logged, *(penalty.name for penalty in penalties)]
    if len({"d_loss", "g_loss", "gradient_norm", loss.distance, *names}) < 4 + len(names):
        raise invalid("penalties", "a different name for each, that no other metric has: pass `name`", names)


def checked_constraint(constraint: keras.constraints.Constraint | str | None) -> keras.constraints.Constraint | None:
    """The constraint itself, or that of a name."""
    expected = "a keras.constraints.Constraint, e.g. kerasgan.constraints.Clip(0.01), or None"
    try:
        found = keras.constraints.get(constraint)
    except ValueError as error:
        raise invalid("constraint", expected, f"constraint={constraint!r}") from error
    if isinstance(found, keras.constraints.Constraint):
        check_saved_whole("constraint", found)
    elif found is not None:
        raise invalid("constraint", expected, f"constraint={constraint!r}")
    return found
