"""Optimizers as the papers' code has them, and updates under mixed precision and on several replicas."""

import keras
import tensorflow as tf


def adam(learning_rate, beta_1, beta_2):
    """Adam with the epsilon of the papers' code, 1e-8; Keras's default is 1e-7."""
    return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=1e-8)


def rmsprop(learning_rate):
    """RMSprop with the decay and epsilon of PyTorch, whose defaults the WGAN authors' code takes.

    PyTorch adds 1e-8 to the root, Keras its epsilon under the root.
    """
    return keras.optimizers.RMSprop(learning_rate, rho=0.99, epsilon=1e-16)


def prepared(optimizer, variables, network, strategy):
    """The optimizer built for these variables, with loss scaling where float16 in the network needs it.

    Keras wraps only the optimizer of its own `compile`. Built here and not in the first step, because variables cannot
    be created inside a replica, and weights are loaded into optimizers that exist.
    """
    optimizer = keras.optimizers.get(optimizer)
    half = any(layer.compute_dtype == "float16" for layer in network._flatten_layers())
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    with strategy.scope():
        optimizer.build(variables)
    return optimizer


def gradient_scale(optimizer, strategy):
    """Factor of the objective: Keras sums gradients over replicas, so each contributes its share of the mean."""
    return optimizer.scale_loss(tf.constant(1.0 / strategy.num_replicas_in_sync))


def gradients(tape, objective, variables):
    """Dense gradients: the check for overflow and the reduction over replicas take no sparse ones of embeddings."""
    values = tape.gradient(objective, [variable.value for variable in variables])
    return [value if value is None else tf.convert_to_tensor(value) for value in values]


def apply(optimizer, values, variables):
    """Applies the gradients; all replicas skip the update where one of them overflows."""
    context = tf.distribute.get_replica_context()
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled and context is not None and context.num_replicas_in_sync > 1:
        # Keras looks at the first replica only.
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in values if value is not None])
        overflows = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(finite, 0.0, 1.0))
        poison = tf.where(overflows > 0, float("nan"), 0.0)
        values = [value if value is None else value + tf.cast(poison, value.dtype) for value in values]
    optimizer.apply(values, variables)
