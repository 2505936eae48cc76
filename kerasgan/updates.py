"""One update: a network's variables moved by its optimizer along the gradient of an objective."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kerasgan import optimization, stateless
from kerasgan.errors import invalid, warn

_NO_LAYER_LOSSES = (
    "Losses added by layers (`add_loss`, `activity_regularizer`) are not part of the objective. Subclass the loss to "
    "add such a term, or use a weight regularizer."
)


class Update:
    """One update of a network, a function of (seed, number of the update).

    What is compiled is pure: tensors in, tensors out. Every assignment (weights, slots, moving statistics, counters)
    happens outside of it, in program order, because TensorFlow's graph optimizer drops assignments of nested functions.

    Args:
        model: `GenerativeModel`: its seed, its networks, its strategy, and whether XLA compiles.
        network: Keras model whose trainable variables move.
        optimizer: Prepared optimizer of these variables.
        counter: Integer variable, the number of updates so far.
        draw: Function of a stream and the batch; returns the random tensors that the objective takes besides.
        objective: Function of the batch and what was drawn; returns a scalar and a dict of values to log. The
            regularizers of the network's variables are added to the scalar.
        constraint: `keras.constraints.Constraint` on every variable, or None.
    """

    def __init__(
        self,
        model: keras.Model,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        counter: keras.Variable,
        draw: Callable,
        objective: Callable,
        constraint: keras.constraints.Constraint | None = None,
    ):
        self.model, self.network, self.optimizer, self.counter = model, network, optimizer, counter
        self.draw, self.objective, self.constraint = draw, objective, constraint
        # One graph for all updates of this kind.
        self._gradients = model.compilation.gradients(model, self._pure_gradients)
        self._written: list[keras.Variable] = []

    def __call__(self, *batch: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Makes the update; returns the objective's values, and as `skipped` whether it was left out (1.0) or not."""
        stream = stateless.Stream(self.model.seed, stateless.training_position(self.counter))
        stateless.advance_spectral_norms(self.network)
        drawn = self.draw(stream, *batch)
        scale = optimization.gradient_scale(self.optimizer, self.model.distribute_strategy)
        gradients, values, state = self._gradients(batch, drawn, stream.position + stream.drawn, scale)
        written = list(zip(self._written, state, strict=True))
        variables = self.network.trainable_variables
        skipped = optimization.apply(self.optimizer, gradients, variables, written, self.model.skips_non_finite)
        # Not as `variable.constraint`, which would stay on a network that is used again elsewhere.
        if self.constraint is not None:
            for variable in variables:
                variable.assign(self.constraint(variable.value))
        self.counter.assign_add(1)
        return {**values, "skipped": skipped}

    def _pure_gradients(self, batch, drawn, position, scale):
        """Gradients, values to log, and the new values of the variables that the networks write (`self._written`)."""
        variables = self.network.trainable_variables
        stream = stateless.Stream(self.model.seed, position)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            with stateless.using(stream), stateless.Writes(stream) as writes:
                loss, values = self.objective(*batch, *drawn)
            if writes.losses:
                warn(_NO_LAYER_LOSSES)
            regularized = [_regularized(variable) for variable in variables if variable.regularizer]
            loss = tf.add_n([loss, *(tf.cast(one, loss.dtype) for one in regularized)]) * scale
        gradients = optimization.gradients(tape, loss, variables)
        if variables and all(gradient is None for gradient in gradients):
            expected = (
                "an objective that depends on the weights of the network, differentiably: look for `tf.stop_gradient`, "
                "comparisons, rounding and NumPy in the networks, the loss and the penalties"
            )
            roles = (name for name, network in self.model.networks.items() if network is self.network)
            role = next(roles, self.network.name)  # a VAE trains both of its networks as one
            raise invalid(role, expected, "no gradient for any of its weights")
        self._written = writes.variables  # of this trace: the same at each, as the layers are
        return gradients, values, [writes.get_current_value(variable) for variable in writes.variables]


def _regularized(variable):
    """What the regularizer of a variable adds to the objective."""
    value = tf.convert_to_tensor(variable.regularizer(variable.value))
    if value.shape.rank not in (0, None):
        expected = f"a scalar from that of {variable.path!r}: end it with `tf.reduce_sum`"
        raise invalid("regularizer", expected, f"shape {value.shape}")
    return value
