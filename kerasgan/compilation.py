"""What `compile` was given, and what must still hold when the model is trained, saved or resumed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kerasgan import _keras, distribution, optimization
from kerasgan.configured import arguments_of, call, is_ours, restored, serialized
from kerasgan.errors import ModelContractError, checked_integer, invalid, warn

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel

_OURS = "kerasgan"  # in the configuration of a compilation, what is no argument of `compile`


class Compilation:
    """The last `compile` of a model.

    Args:
        model: `GenerativeModel` that is being compiled.
        run_eagerly, steps_per_execution, jit_compile: As in `GAN.compile`.

    Raises:
        ValueError: An argument is out of its range, or this is not the scope in which the model was built.
    """

    def __init__(self, model: "GenerativeModel", run_eagerly: bool, steps_per_execution: int, jit_compile: bool | str):
        steps_per_execution = checked_integer("steps_per_execution", steps_per_execution)
        for name, value, choices in (
            ("jit_compile", jit_compile, (True, False, "auto")),
            ("run_eagerly", run_eagerly, (True, False)),
        ):
            if not any(value is choice or value == choice == "auto" for choice in choices):
                raise invalid(name, " or ".join(map(repr, choices)), f"{name}={value!r}")
        if steps_per_execution > 1 and (model.num_replicas > 1 or model.warmup):
            expected = "1 with `warmup`, and with several replicas, where Keras cannot do more (keras-team/keras#19246)"
            raise invalid("steps_per_execution", expected, f"steps_per_execution={steps_per_execution}")
        distribution.check_same_scope(_keras.strategy_of(model))
        _warn_of_unused(model)
        self.arguments = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        self.uses_xla = _uses_xla(model, jit_compile) and not run_eagerly
        self.trainable = _trainable(model)
        self.optimizers: dict[str, Any] = {}  # their configurations, by name
        self.learning_rates: dict[str, float] = {}
        self._compiled_with: dict[str, Any] = {}
        self._given: dict | None = None  # what the `compile` of a subclass was given
        self._more: dict[str, Any] = {}  # of that, what no argument of ours is
        self._made_from: dict | None = None

    def of(self, model: "GenerativeModel") -> "Compilation":
        """Returns this, with the optimizers as they are when `compile` returns."""
        self.optimizers = _serialized_optimizers(model)
        self.learning_rates = _learning_rates(model)
        self._compiled_with = _set_by_compile(model)
        return self

    def learning_rates_set(self, model: "GenerativeModel") -> dict[str, float]:
        """Learning rates that have been set since, by the names of their optimizers."""
        now = _learning_rates(model)
        return {name: rate for name, rate in now.items() if rate != self.learning_rates[name]}

    def check_unchanged(self, model: "GenerativeModel") -> None:
        """Refuses what training would not follow since `compile`: another optimizer, layers that were set free; and a
        model that was frozen whole."""
        for name, optimizer in _set_by_compile(model).items():
            if optimizer is not self._compiled_with[name]:
                own = "`d_optimizer` and `g_optimizer`" if name not in model.optimizers else f"`{name}`"
                expected = f"the one that `compile` was given: call `compile` again, with another {own}"
                raise invalid(name, expected, f"{name}={optimizer!r}, replaced since `compile`", ModelContractError)
        if not _trainable(model):
            expected = "True for a network that is to be trained: set `generator.trainable = True`, say"
            raise invalid("trainable", expected, "False for all of them, set after `compile`", ModelContractError)
        for role, network in model.networks.items():
            new = [one.path for one in network.trainable_variables if id(one) not in self.trainable]
            if new:
                expected = "the variables that were trainable at `compile`: compile again, with new optimizers"
                raise invalid(role, expected, f"{len(new)} more, the first {new[0]!r}", ModelContractError)
            for layer in _keras.layers_of(network):
                mode = getattr(layer.dtype_policy, "quantization_mode", None)
                if mode not in (None, "float8"):
                    expected = "layers with kernels that can be trained: quantize them after the training"
                    raise invalid(role, expected, f"layer {layer.name!r}, quantized to {mode}", ModelContractError)

    def frozen_since(self, model: "GenerativeModel") -> list[str]:
        """Paths of the variables that have been frozen since."""
        frozen = self.trainable - _trainable(model)
        return [one.path for network in model.networks.values() for one in network.weights if id(one) in frozen]

    def gradients(self, model: "GenerativeModel", function: Callable) -> Callable:
        """The function as one graph for all updates of its kind: traced once, compiled by XLA where that pays."""
        # Replicas cannot meet inside a nested graph, as synchronised batch normalisation needs.
        if model.run_eagerly or (model.num_replicas > 1 and not self.uses_xla):
            return function
        return tf.function(function, jit_compile=self.uses_xla, experimental_attributes={"_noinline": True})

    # What is saved

    def recipe(self, model: "GenerativeModel") -> dict:
        """What the model was made and compiled from, as of the first call since `compile`."""
        self._made_from = self._made_from or _without_compilation(model.get_config())
        return {"class": type(model).__name__, **self._made_from, **self._more, **self.optimizers}

    def config(self, model: "GenerativeModel") -> dict:
        """The configuration of the compilation, for Keras's files."""
        ours = {_OURS: {"shared": _shared_optimizers(model), "skips_non_finite": model.skips_non_finite}}
        if self._given is not None:
            return {**self._given, **ours}
        return {**_serialized_optimizers(model), **self.arguments, **ours}

    def record(self, model: "GenerativeModel", given: dict) -> None:
        """Takes down what the `compile` of a subclass was given, `metrics` aside.

        Raises:
            ModelContractError: It cannot be saved.
        """
        given.pop("metrics", None)
        for name, value in given.items():
            try:
                given[name] = serialized(value)
            except Exception as error:
                if is_ours(type(model), "get_compile_config"):
                    class_name = type(model).__name__
                    expected = f"what can be saved: override `get_compile_config` of {class_name} to leave it out"
                    raise invalid(name, expected, f"{value!r} ({error})", ModelContractError) from error
        self._given = given
        kept = model.get_compile_config().keys() & given.keys() - {*model.optimizers, *self.arguments}
        self._more = {name: given[name] for name in sorted(kept)}


def prepared(
    model: "GenerativeModel",
    argument: str,
    optimizer: keras.optimizers.Optimizer | str,
    network: keras.Model,
    *others: keras.Model,
) -> keras.optimizers.Optimizer:
    """The optimizer, built for the variables of `network`; its gradients come through the `others`, too."""
    if not network.trainable_variables:
        expected = "trainable variables: set `trainable = True`; each update moves only its own network"
        role = next((name for name, value in vars(model).items() if value is network), network.name)
        raise invalid(role, expected, "none, so that it would never change", ModelContractError)
    networks, strategy = (network, *others), model.distribute_strategy
    return optimization.prepared(
        argument, optimizer, network.trainable_variables, networks, strategy, model.is_restoring
    )


def recorded(compile_method: Callable) -> Callable:
    """The `compile` of a subclass; what it is given is saved."""

    def compile_and_record(self, *args, **kwargs):
        compile_method(self, *args, **kwargs)
        self.compilation.of(self)
        self.compilation.record(self, arguments_of(compile_method, self, *args, **kwargs))

    return compile_and_record


def restore(model: "GenerativeModel", config: dict) -> None:
    """Compiles a model as it was when `Compilation.config` was saved."""
    config = dict(config)
    ours = config.pop(_OURS, {})
    if ours.get("skips_non_finite"):
        model.skip_non_finite()
    call(model.compile, type(model).compile, {name: restored(name, value) for name, value in config.items()})
    # Keras saves one object once, and reads it into one.
    for role, name in ours.get("shared", {}).items():
        model.networks[role].optimizer = optimization.without_loss_scale(model.optimizers[name])


def own_optimizers(model: "GenerativeModel") -> dict[str, keras.optimizers.Optimizer]:
    """Optimizers besides `model.optimizers` that a subclass keeps as attributes, by their names."""
    ours = {id(part) for one in model.optimizers.values() for part in (one, optimization.without_loss_scale(one))}
    kept = {name: one for name, one in vars(model).items() if isinstance(one, keras.optimizers.Optimizer)}
    return {name: one for name, one in kept.items() if id(one) not in ours}


def _warn_of_unused(model):
    """Warns of methods of Keras that a subclass overrides, and that nothing of ours calls."""
    cls = type(model)
    unused = [
        name for name in ("compute_loss", "compute_metrics") if getattr(cls, name) is not getattr(keras.Model, name)
    ]
    if unused and is_ours(cls, "train_step"):
        warn(
            f"{cls.__name__}.{unused[0]} is never called: override `train_step`, or a GAN's `discriminator_objective` "
            "and `generator_objective`.",
        )
    if not is_ours(cls, "call"):
        warn(
            f"{cls.__name__}.call is used by `predict` and `gan(...)` alone: `generate`, pictures, metrics and "
            "`export` use the generator."
        )


def _uses_xla(model, jit_compile):
    """Whether XLA compiles: it cannot reduce over replicas, as synchronised batch normalisation does."""
    layers = [layer for network in model.networks.values() for layer in _keras.layers_of(network)]
    # An attribute of BatchNormalization alone.
    reduces = model.num_replicas > 1 and any(getattr(layer, "synchronized", False) for layer in layers)
    if jit_compile == "auto":
        return distribution.accelerated() and not reduces
    if jit_compile and reduces:
        expected = "False or 'auto' with synchronised batch normalisation on several replicas"
        raise invalid("jit_compile", expected, f"jit_compile={jit_compile}")
    return jit_compile


def _trainable(model):
    """Identities of the variables of the networks that may move."""
    return frozenset(id(one) for network in model.networks.values() for one in network.trainable_variables)


def _set_by_compile(model):
    """Optimizers by the names of the attributes that `compile` sets."""
    return {**model.optimizers, "optimizer": model.optimizer}


def _learning_rates(model):
    return {name: optimization.learning_rate(optimizer) for name, optimizer in model.optimizers.items()}


def _serialized_optimizers(model):
    return {name: keras.saving.serialize_keras_object(optimizer) for name, optimizer in model.optimizers.items()}


def _shared_optimizers(model):
    """Dict of the optimizer, by name, that a network has been compiled with on its own, by the network's role."""
    inner = {name: optimization.without_loss_scale(one) for name, one in model.optimizers.items()}
    return {
        role: name
        for role, network in model.networks.items()
        for name, optimizer in inner.items()
        if getattr(network, "optimizer", None) is optimizer  # Keras sets it in `compile`
    }


def _without_compilation(config):
    """The configuration, without what networks in it have been compiled for on their own."""
    if isinstance(config, dict):
        return {name: _without_compilation(value) for name, value in config.items() if name != "compile_config"}
    return [_without_compilation(value) for value in config] if isinstance(config, list) else config
