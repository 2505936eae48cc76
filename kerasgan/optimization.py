"""Optimizers as in the papers' code, and updates under mixed precision and on several replicas."""

import bisect
import math
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from kerasgan import _keras, distribution
from kerasgan.configured import check_saved_whole
from kerasgan.errors import checked_integer, checked_number, invalid, warn
from kerasgan.papers import Paper

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel


def adam(learning_rate: float | LearningRateSchedule, beta_1: float, beta_2: float) -> keras.optimizers.Adam:
    """Adam with the epsilon of the papers' code, 1e-8; Keras's default is 1e-7."""
    return keras.optimizers.Adam(_checked_rate(learning_rate), beta_1=beta_1, beta_2=beta_2, epsilon=1e-8)


def rmsprop(learning_rate: float | LearningRateSchedule) -> keras.optimizers.RMSprop:
    """RMSprop with the decay and epsilon of PyTorch's defaults, which the WGAN authors' code uses.

    PyTorch adds 1e-8 to the root, Keras its epsilon under the root.
    """
    return keras.optimizers.RMSprop(_checked_rate(learning_rate), rho=0.99, epsilon=1e-16)


def linear_decays(learning_rate: float, steps: int, n_critic: int = 1) -> list[LearningRateSchedule]:
    """Learning rates that decay linearly to zero over `steps` updates of the generator, and `n_critic` times as many of
    the discriminator: the discriminator's, and the generator's.

    Args:
        learning_rate: Float >= 0, at first.
        steps: Integer >= 1, updates of the generator.
        n_critic: Integer >= 1, updates of the discriminator per step.

    Raises:
        ValueError: An argument is out of its range.
    """
    rate, steps = checked_number("learning_rate", learning_rate), checked_integer("steps", steps)
    updates = steps * checked_integer("n_critic", n_critic), steps
    return [keras.optimizers.schedules.PolynomialDecay(rate, count, end_learning_rate=0.0) for count in updates]


def of_paper(paper: Paper) -> keras.Optimizer:
    """The optimizer of a paper."""
    if paper.beta_1 is None or paper.beta_2 is None:
        return rmsprop(paper.learning_rate)
    return adam(paper.learning_rate, paper.beta_1, paper.beta_2)


def _checked_rate(value):
    return value if isinstance(value, LearningRateSchedule) else checked_number("learning_rate", value)


def prepared(
    argument: str,
    optimizer: keras.Optimizer | str,
    variables: list[keras.Variable],
    networks: Sequence[keras.Model],
    strategy: tf.distribute.Strategy,
    restored: bool = False,
) -> keras.Optimizer:
    """The optimizer built for these variables, with loss scaling if the networks compute in float16.

    Keras wraps only the optimizer of its own `compile`. It is built here and not in the first step, because variables
    cannot be created inside a replica, and weights are loaded into optimizers that exist. A `restored` optimizer may
    have a learning rate of 0.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except (ValueError, TypeError) as error:
        expected = "a keras.optimizers.Optimizer, or its name, e.g. keras.optimizers.Adam(1e-4)"
        raise invalid(argument, expected, f"{argument}={optimizer!r}") from error
    check_saved_whole(argument, optimizer)
    _check_settings(argument, optimizer, strategy.num_replicas_in_sync, restored)
    _check_variables(argument, optimizer, variables)
    layers = [layer for network in networks for layer in _keras.layers_of(network)]
    half = any(layer.compute_dtype == "float16" for layer in layers if _computes(layer))
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    with strategy.scope():
        optimizer.build(variables)
    return optimizer


def _computes(layer):
    """Inputs, and models made of layers, compute nothing themselves: loaded ones have the policy of the moment."""
    return not isinstance(layer, keras.layers.InputLayer) and not getattr(layer, "layers", None)


def _check_settings(argument, optimizer, replicas, restored):
    name = type(optimizer).__name__
    if optimizer.use_ema:
        expected = "an optimizer with use_ema=False: its average would not be used. Give the model `ema_momentum`"
        raise invalid(argument, expected, f"{name}(use_ema=True)")
    steps = optimizer.gradient_accumulation_steps
    if replicas > 1 and steps:
        expected = (
            "an optimizer without `gradient_accumulation_steps`, which Keras cannot run on several replicas: give "
            f"`fit` batches that are {steps} times as large"
        )
        raise invalid(argument, expected, f"gradient_accumulation_steps={steps} on {replicas} replicas")
    rate = None if has_schedule(optimizer) else learning_rate(optimizer)
    if rate is not None and not (0 < rate < math.inf or (restored and rate == 0)):
        expected = "a number > 0: give the optimizer one, e.g. 1e-4"
        raise invalid("learning_rate", expected, f"{name}(learning_rate={rate:g})")


def _check_variables(argument, optimizer, variables):
    distribution.check_made_here("optimizer", optimizer.variables)
    narrow = next((variable for variable in variables if variable.dtype == "float16"), None)
    if narrow is not None:
        expected = "weights in float32, because float16 ones lose updates: build with the policy 'mixed_float16'"
        raise invalid(argument, expected, f"{narrow.path!r} in float16")
    inner = without_loss_scale(optimizer)
    known = {id(variable) for variable in _keras.variables_moved_by(inner)} if inner.built else set()
    if known and not known.issuperset(map(id, variables)):
        expected = "a new optimizer: this one was built for other variables"
        raise invalid(argument, expected, f"the {type(inner).__name__} of another `compile`")


def learning_rate(optimizer: keras.Optimizer) -> float:
    """The rate of the next update; works inside a strategy's scope too."""
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def without_loss_scale(optimizer: keras.Optimizer) -> keras.Optimizer:
    """The optimizer that a LossScaleOptimizer wraps; any other as it is."""
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if scales else optimizer


def has_schedule(optimizer: keras.Optimizer) -> bool:
    """Whether the learning rate is a function of the update, and cannot be set."""
    return isinstance(_keras.rate_of(without_loss_scale(optimizer)), LearningRateSchedule)


def check_rates(model: "GenerativeModel", steps: int, steps_per_epoch: int) -> None:
    """Refuses a training of so many steps that changes nothing because the schedules of all learning rates have ended
    at 0, and warns of one of which a part changes nothing. Less than an epoch may: schedules need not end with one.

    The updates that `warmup` adds are not known here, so such models are not looked at.

    Raises:
        ValueError: No step changes a weight.
    """
    if steps < steps_per_epoch or model.warmup or not all(map(has_schedule, model.optimizers.values())):
        return
    inner = {name: without_loss_scale(one) for name, one in model.optimizers.items()}
    updates = [model.batches_per_step if name == "d_optimizer" else 1 for name in inner]
    runs = [(_keras.rate_of(one), _keras.updates_of(one), k) for one, k in zip(inner.values(), updates, strict=True)]

    def is_over(step):
        """Whether all rates are 0 at a step, counted from the next."""
        return all(_scheduled(schedule, done + step * k) == 0.0 for schedule, done, k in runs)

    looks = sorted({round(part * (steps - 1) / 32) for part in range(33)})
    if not all(is_over(steps + more) for more in (-1, 0, 1, 7, steps)):
        return
    moving = [step for step in looks if not is_over(step)]
    if not moving:
        if all(any(_scheduled(schedule, done * part // 8) for part in range(9)) for schedule, done, _ in runs):
            expected = "a model whose learning rates are above 0; the schedules of this one have ended: call `compile` "
            raise invalid("epochs", f"{expected}with new optimizers, or make a new model", f"{steps} more steps")
        return
    after = next((step for step in looks if step > moving[-1]), steps)
    end = bisect.bisect_left(range(moving[-1], after), True, key=is_over) + moving[-1]
    if steps - end >= steps_per_epoch:
        warn(
            f"The schedules of the learning rates end at 0 after {end:,} of these {steps:,} steps: the others change "
            "nothing. Train for fewer epochs, or give the schedules more steps."
        )


def _scheduled(schedule, update):
    """The learning rate of an update; NaN where a schedule of the user's takes something else than a tensor."""
    try:
        return float(tf.convert_to_tensor(schedule(tf.constant(update, tf.int64))))
    except Exception:  # whatever the user's code raises
        return math.nan


def gradient_scale(optimizer: keras.Optimizer, strategy: tf.distribute.Strategy) -> tf.Tensor:
    """Factor of the objective: Keras sums gradients over replicas, so each contributes its share of the mean."""
    return optimizer.scale_loss(tf.constant(1.0 / strategy.num_replicas_in_sync))


def gradients(tape: tf.GradientTape, objective: tf.Tensor, variables: list[keras.Variable]) -> list[tf.Tensor | None]:
    """Dense gradients, None for variables without one.

    Embeddings have sparse ones, which neither the check for overflow nor the reduction over replicas can handle.
    """
    values = tape.gradient(objective, [variable.value for variable in variables])
    return [value if value is None else tf.convert_to_tensor(value) for value in values]


def apply(
    optimizer: keras.Optimizer,
    values: Sequence[tf.Tensor | None],
    variables: list[keras.Variable],
    written: Sequence[tuple[keras.Variable, tf.Tensor]] = (),
    skips_non_finite: bool = False,
) -> tf.Tensor:
    """Applies gradients; all replicas skip the update if one of them overflows under loss scaling.

    Args:
        values: The gradients of `variables`.
        written: Variables that the forward pass writes (moving averages), each with its new value.
        skips_non_finite: Whether updates are skipped without loss scaling too: all variables stay as they are.

    Returns: Float32 scalar: 1 if the update was skipped, else 0.
    """
    skipped = tf.constant(0.0)
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    may_skip = scales or skips_non_finite
    if may_skip:
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in values if value is not None])
        skipped = tf.where(finite, 0.0, 1.0)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            # Keras looks at the first replica only.
            skipped = tf.minimum(context.all_reduce(tf.distribute.ReduceOp.SUM, skipped), 1.0)
            poison = tf.where(skipped > 0, float("nan"), 0.0)
            values = [value if value is None else value + tf.cast(poison, value.dtype) for value in values]
    # An optimizer cannot run inside `tf.cond` under MirroredStrategy: what has changed is put back.
    changed = [variable for variable, _ in written] if may_skip else []
    if may_skip and not scales:
        changed += [*variables, *optimizer.variables]
    before = [tf.identity(variable.value) for variable in changed]
    for variable, value in written:
        variable.assign(value)
    optimizer.apply(values, variables)
    for variable, value in zip(changed, before, strict=True):
        variable.assign(tf.where(skipped > 0, value, variable.value))
    return skipped


class Optimizers:
    """Two optimizers as one, for callbacks that read and set a learning rate: `model.optimizer`.

    The rate and `iterations` are the generator's; setting the rate scales both rates by the same factor.
    """

    name = "optimizers"
    use_ema = False
    built = True

    def __init__(self, discriminator: keras.Optimizer, generator: keras.Optimizer) -> None:
        self._discriminator, self._generator = discriminator, generator
        # Of the discriminator's rate to the generator's, for when both are 0.
        self._ratio: float | None = None
        if not (has_schedule(discriminator) or has_schedule(generator)) and learning_rate(generator):
            self._ratio = learning_rate(discriminator) / learning_rate(generator)

    def get_config(self) -> dict[str, Any]:
        """The configurations of both, for callbacks that log them."""
        return {"d_optimizer": self._discriminator.get_config(), "g_optimizer": self._generator.get_config()}

    @property
    def variables(self) -> list[keras.Variable]:
        return [*self._discriminator.variables, *self._generator.variables]

    @property
    def iterations(self) -> keras.Variable:
        return self._generator.iterations

    @property
    def inner_optimizer(self) -> types.SimpleNamespace:
        """Where TensorBoard looks for the rates of several optimizers; schedulers, which set each, do not."""
        both = {"d_optimizer": self._discriminator, "g_optimizer": self._generator}
        return types.SimpleNamespace(
            optimizers=[types.SimpleNamespace(name=name, learning_rate=one.learning_rate) for name, one in both.items()]
        )

    @property
    def learning_rate(self) -> keras.Variable:
        return self._generator.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        before, of_discriminator = learning_rate(self), learning_rate(self._discriminator)
        if before:
            self._ratio = of_discriminator / before
        if self._ratio is None:
            expected = "a generator's rate above 0 before it is scaled: set `learning_rate` of each optimizer"
            raise invalid("learning_rate", expected, f"learning_rate={value!r} where that of the generator is 0")
        scaled = of_discriminator * (float(value) / before) if before else self._ratio * float(value)
        self._discriminator.learning_rate = scaled
        self._generator.learning_rate = float(value)
