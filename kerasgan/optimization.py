"""Optimizers as the papers' code has them, and updates under mixed precision and on several replicas."""

import math
import types

import keras
import tensorflow as tf

from kerasgan import _keras, distribution
from kerasgan.configured import check_saved_whole
from kerasgan.errors import checked_number, invalid


def adam(learning_rate, beta_1, beta_2):
    """Adam with the epsilon of the papers' code, 1e-8; Keras's default is 1e-7."""
    return keras.optimizers.Adam(_rate(learning_rate), beta_1=beta_1, beta_2=beta_2, epsilon=1e-8)


def rmsprop(learning_rate):
    """RMSprop with the decay and epsilon of PyTorch, whose defaults the WGAN authors' code takes.

    PyTorch adds 1e-8 to the root, Keras its epsilon under the root.
    """
    return keras.optimizers.RMSprop(_rate(learning_rate), rho=0.99, epsilon=1e-16)


def of_paper(paper):
    """The optimizer of a `kerasgan.papers.Paper`."""
    if paper.beta_1 is None:
        return rmsprop(paper.learning_rate)
    return adam(paper.learning_rate, paper.beta_1, paper.beta_2)


def _rate(value):
    """A schedule, or a number as Keras takes it: a `float`."""
    schedule = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    return value if schedule else checked_number("learning_rate", value)


def prepared(argument, optimizer, variables, networks, strategy, restored=False):
    """The optimizer built for these variables, with loss scaling where float16 in the networks needs it.

    Keras wraps only the optimizer of its own `compile`. Built here and not in the first step, because variables cannot
    be created inside a replica, and weights are loaded into optimizers that exist. One that is restored may have come
    to a learning rate of 0.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except (ValueError, TypeError) as error:
        expected = "a keras.optimizers.Optimizer, or its name, e.g. keras.optimizers.Adam(1e-4)"
        raise invalid(argument, expected, f"{argument}={optimizer!r}") from error
    check_saved_whole(argument, optimizer)
    if optimizer.use_ema:
        expected = "an optimizer with use_ema=False: its average would not be used. Give the model `ema_momentum`"
        raise invalid(argument, expected, f"{type(optimizer).__name__}(use_ema=True)")
    replicas = strategy.num_replicas_in_sync
    if replicas > 1 and optimizer.gradient_accumulation_steps:
        expected = (
            "an optimizer without `gradient_accumulation_steps`, which Keras cannot run on several replicas: give "
            f"`fit` batches that are {optimizer.gradient_accumulation_steps} times as large"
        )
        received = f"gradient_accumulation_steps={optimizer.gradient_accumulation_steps} on {replicas} replicas"
        raise invalid(argument, expected, received)
    rate = None if has_schedule(optimizer) else learning_rate(optimizer)
    if rate is not None and not (0 < rate < math.inf or (restored and rate == 0)):
        expected = "a number > 0: give the optimizer one, e.g. 1e-4"
        raise invalid("learning_rate", expected, f"{type(optimizer).__name__}(learning_rate={rate:g})")
    distribution.check_made_here("optimizer", optimizer.variables)
    narrow = next((variable for variable in variables if variable.dtype == "float16"), None)
    if narrow is not None:
        expected = "weights in float32, because updates of float16 ones are lost: build with the policy 'mixed_float16'"
        raise invalid(argument, expected, f"{narrow.path!r} in float16")
    inner = without_loss_scale(optimizer)
    known = {id(variable) for variable in _keras.variables_moved_by(inner)} if inner.built else set()
    if known and not known.issuperset(map(id, variables)):
        expected = "a new optimizer: this one was built for other variables"
        raise invalid(argument, expected, f"the {type(inner).__name__} of another `compile`")
    layers = [layer for network in networks for layer in _keras.layers_of(network)]
    half = any(layer.compute_dtype == "float16" for layer in layers)
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    with strategy.scope():
        optimizer.build(variables)
    return optimizer


def learning_rate(optimizer):
    """Float, what the next update is made with; inside a scope too."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def without_loss_scale(optimizer):
    """The optimizer itself, of one that a LossScaleOptimizer wraps."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def has_schedule(optimizer):
    """Whether the learning rate is a function of the update, and cannot be set."""
    return isinstance(_keras.rate_of(without_loss_scale(optimizer)), keras.optimizers.schedules.LearningRateSchedule)


def gradient_scale(optimizer, strategy):
    """Factor of the objective: Keras sums gradients over replicas, so each contributes its share of the mean."""
    return optimizer.scale_loss(tf.constant(1.0 / strategy.num_replicas_in_sync))


def gradients(tape, objective, variables):
    """Dense gradients: the check for overflow and the reduction over replicas take no sparse ones of embeddings."""
    values = tape.gradient(objective, [variable.value for variable in variables])
    return [value if value is None else tf.convert_to_tensor(value) for value in values]


def apply(optimizer, values, variables, written=(), skips_non_finite=False):
    """Applies the gradients; all replicas skip the update where one of them overflows under loss scaling.

    Args:
        optimizer: A prepared optimizer.
        values: List of gradients, None where there is none.
        variables: List of the variables they are of.
        written: List of pairs, a variable that the forward pass writes (a moving average) and its new value.
        skips_non_finite: Whether updates are skipped without loss scaling too: all variables stay as they are.

    Returns:
        Float32 scalar: 1 if the update was skipped, else 0.
    """
    skipped = tf.constant(0.0)
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scales or skips_non_finite:
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in values if value is not None])
        skipped = tf.where(finite, 0.0, 1.0)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            # Keras looks at the first replica only.
            skipped = tf.minimum(context.all_reduce(tf.distribute.ReduceOp.SUM, skipped), 1.0)
            poison = tf.where(skipped > 0, float("nan"), 0.0)
            values = [value if value is None else value + tf.cast(poison, value.dtype) for value in values]
    # An optimizer cannot run inside `tf.cond` under MirroredStrategy: what has changed is put back.
    changed = [variable for variable, _ in written]
    if not scales:
        changed += [*variables, *optimizer.variables]
    before = [tf.identity(variable.value) for variable in changed] if skips_non_finite else []
    for variable, value in written:
        variable.assign(value)
    optimizer.apply(values, variables)
    for variable, value in zip(changed if before else (), before, strict=True):
        variable.assign(tf.where(skipped > 0, value, variable.value))
    return skipped


class Optimizers:
    """Two optimizers as one, for callbacks that read and set a learning rate: `model.optimizer`.

    The rate and the `iterations` read are the generator's; a rate that is set moves both by the same factor, so that
    their ratio stays.
    """

    use_ema = False
    built = True

    def __init__(self, discriminator, generator):
        self._both = discriminator, generator

    @property
    def variables(self):
        return [variable for optimizer in self._both for variable in optimizer.variables]

    @property
    def iterations(self):
        return self._both[1].iterations

    @property
    def inner_optimizer(self):
        """Where TensorBoard looks for the rates of several optimizers; schedulers, which set each, do not."""
        names = ("d_optimizer", "g_optimizer")
        both = zip(names, self._both, strict=True)
        return types.SimpleNamespace(
            optimizers=[types.SimpleNamespace(name=name, learning_rate=one.learning_rate) for name, one in both]
        )

    @property
    def learning_rate(self):
        return self._both[1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        before = learning_rate(self)
        if before == 0.0:
            raise ValueError("The generator's learning rate is 0, of which no factor makes another. Set both by hand.")
        rates = [learning_rate(optimizer) * (float(value) / before) for optimizer in self._both[:1]]
        for optimizer, rate in zip(self._both, (*rates, float(value)), strict=True):
            optimizer.learning_rate = rate
