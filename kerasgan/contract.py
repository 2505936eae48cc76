"""What networks have to satisfy, checked when a model is made."""

import contextlib
import math
import warnings

import keras
import tensorflow as tf

from kerasgan import _keras, distribution, layers, ranges, stateless
from kerasgan.configured import check_saved_whole
from kerasgan.errors import ModelContractError, invalid
from kerasgan.losses import AdversarialLoss
from kerasgan.penalties import Penalty

# Layers and operations that take a label, and the attribute that holds the number of classes.
_ENCODINGS = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens", "OneHot": "num_classes"}


def check_network(network, role, example):
    """A network is a Keras model that knows its inputs: one, or one and integer labels, in this order."""
    if isinstance(network, keras.Model) and not getattr(network, "inputs", None):
        expected = "a model that knows its inputs. Wrap it: `x = keras.Input(shape); keras.Model(x, network(x))`"
        raise invalid(role, expected, f"{type(network).__name__}, a subclassed model", ModelContractError)
    if not isinstance(network, keras.Model):
        expected = f"a functional or Sequential Keras model with its Input, e.g. {example}"
        raise invalid(role, expected, type(network).__name__, ModelContractError)
    distribution.check_made_here(role, network.weights)
    if isinstance(getattr(network, "output", None), dict):
        expected = "one output that is a tensor: `keras.Model(network.inputs, network.outputs[0])`"
        raise invalid(role, expected, f"a dict of outputs, {', '.join(sorted(network.output))}", ModelContractError)
    if len(network.inputs) > 2 or len(network.outputs) != 1:
        expected = "one input, or two of which the second is the labels, and one output"
        received = f"{len(network.inputs)} inputs and {len(network.outputs)} outputs"
        raise invalid(role, expected, received, ModelContractError)
    first = "latents" if role == "generator" else "images"
    if len(network.inputs) == 2:
        _check_conditional(network, role, first)
    if role == "generator" and len(network.inputs[0].shape) != 2:
        shape = tuple(network.inputs[0].shape[1:])
        expected = (
            "latents that are one vector an image, (None, latent_dim): put a Reshape in front, "
            f"`keras.Sequential([keras.Input(({_elements(shape)},)), keras.layers.Reshape({shape}), generator])`"
        )
        raise invalid(role, expected, f"latents of shape {tuple(network.inputs[0].shape)}", ModelContractError)
    for layer in _keras.layers_of(network):
        held = [name for name, value in vars(layer).items() if isinstance(value, tf.Variable)]
        if held:
            warnings.warn(
                f"Layer {layer.name!r} of the {role} holds the tf.Variable `{held[0]}`, which neither `save` nor a "
                "checkpoint keeps. Make it with `self.add_weight`.",
                stacklevel=4,
            )
    with contextlib.suppress(Exception):  # of a layer that cannot be traced, but may run eagerly
        for name in stateless.layers_that_draw(network, training=True)[1]:
            warnings.warn(
                f"Layer {name!r} of the {role} draws random numbers from TensorFlow's state: a run cannot be "
                "reproduced or resumed exactly, and images of one seed may differ. Draw with `keras.random` and a "
                "`keras.random.SeedGenerator`.",
                stacklevel=4,
            )


def _elements(shape):
    """Number of elements of a shape; -1 where it is not known."""
    return -1 if None in shape else math.prod(shape)


def _check_conditional(network, role, first):
    """The two inputs are a list, in the order in which we give them, and labels are one integer an example."""
    shapes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
    labels = [shape in ((), (1,)) for shape in shapes]
    integers = ["int" in str(tensor.dtype) for tensor in network.inputs]
    by_name = isinstance(network.input, dict)
    swapped = labels[0] and (not labels[1] or (integers[0] and not integers[1]))
    if by_name or swapped:
        if by_name:
            order = "`keras.Model([network.input[...], network.input[...]], network.output)`"
            received = f"a dict of inputs, {', '.join(sorted(network.input))}"
        else:
            order = "`keras.Model(network.inputs[::-1], network.outputs[0])`"
            received = f"inputs of shapes {shapes[0]} and {shapes[1]}"
        expected = f"a list of inputs, {first} and then labels: {order}"
        raise invalid(role, expected, received, ModelContractError)
    if not labels[1]:
        (size,) = shapes[1] if len(shapes[1]) == 1 else ("num_classes",)
        expected = (
            "labels that are one integer an image, an input of shape (None,); conditions of other kinds are not "
            "supported. If the network takes one-hot labels, encode them in a model around it: "
            f"`x, labels = network.inputs[0], keras.Input((), dtype='int32'); "
            f"keras.Model([x, labels], network([x, keras.ops.one_hot(labels, {size})]))`"
        )
        raise invalid(role, expected, f"a second input of shape {(None, *shapes[1])}", ModelContractError)


def check_order(generator, discriminator):
    """The generator comes first."""
    if not all(
        isinstance(network, keras.Model) and getattr(network, "inputs", None) for network in (generator, discriminator)
    ):
        return
    ends = [(network.inputs[0].shape[1:], network.outputs[0].shape[1:]) for network in (generator, discriminator)]
    (first_takes, first_makes), (second_takes, second_makes) = ends
    fits = first_makes == second_takes and second_makes == (1,)
    if not fits and first_makes == (1,) and second_makes == first_takes:
        raise ModelContractError(
            "The networks are in the wrong order: the first judges what the second makes. Give the generator first, "
            "then the discriminator."
        )


def check_adversaries(generator, discriminator, pack):
    """The discriminator takes what the generator makes, `pack` of them at once, and gives one logit."""
    made, taken = tuple(generator.outputs[0].shape[1:]), tuple(discriminator.inputs[0].shape[1:])
    if taken != (*made[:-1], pack * made[-1]):
        received = f"the generator makes images of shape {made}, the discriminator takes {taken}"
        of_packs = f" pack={pack} images of that shape," if pack > 1 else ""
        fix = f"Build the discriminator for{of_packs} {(*made[:-1], pack * made[-1])}."
        raise ModelContractError(f"The networks do not fit: {received}. {fix}")
    if pack > 1 and len(generator.inputs) > 1:
        expected = "1 with labels, because the images of a pack would have one each"
        raise invalid("pack", expected, f"pack={pack}", ModelContractError)
    if len(discriminator.inputs) != len(generator.inputs):
        raise ModelContractError(
            f"The networks do not fit: the generator has {len(generator.inputs)} inputs, the discriminator "
            f"{len(discriminator.inputs)}. Build both with `num_classes`, or neither."
        )
    shape = tuple(discriminator.outputs[0].shape)
    if shape[1:] != (1,):
        ends = {1: "leave out the last squeeze", 2: "end it with `keras.layers.Dense(1)`"}
        end = ends.get(len(shape), "end it with `keras.layers.Flatten()` and `keras.layers.Dense(1)`")
        expected = f"one logit an image (or pack), an output of shape (None, 1): {end}"
        raise invalid("discriminator", expected, f"an output of shape {shape}", ModelContractError)
    output = ranges.of(discriminator)
    if output.squashed_by:
        expected = "a score that can be any real number: remove the last activation"
        received = f"outputs in [{output.low:g}, {output.high:g}] from {output.squashed_by}"
        raise invalid("discriminator", expected, received, ModelContractError)
    classes = num_classes(generator), num_classes(discriminator)
    if None not in classes and classes[0] != classes[1]:
        received = f"the generator has {classes[0]} classes, the discriminator {classes[1]}"
        raise ModelContractError(f"The networks do not fit: {received}. Build both with one `num_classes`.")
    own = {id(variable) for variable in generator.weights}
    shared = next((variable for variable in discriminator.weights if id(variable) in own), None)
    if shared is not None:
        raise ModelContractError(
            f"Generator and discriminator share the weight {shared.path!r}, and each would undo what the other has "
            "learnt. Give each network layers of its own."
        )


def num_classes(network):
    """Number of classes of a network that embeds or encodes its labels; None without labels, or where nothing says."""
    if len(network.inputs) != 2:
        return None
    operations = [*_keras.layers_of(network), *getattr(network, "operations", ())]
    sizes = (
        getattr(operation, attribute)
        for operation in operations
        for name, attribute in _ENCODINGS.items()
        if any(base.__name__ == name for base in type(operation).__mro__)
    )
    return next(sizes, None)


def check_penalized(discriminator):
    """A penalty is about the gradient at one image."""
    for layer in _keras.layers_of(discriminator):
        if isinstance(layer, keras.layers.BatchNormalization) and not _is_frozen(layer):
            expected = (
                "no batch normalisation, which mixes the images that a penalty looks at one by one: use "
                "kerasgan.layers.GroupNormalization(groups=1), or `normalization='layer'`"
            )
            raise invalid("discriminator", expected, f"layer {layer.name!r}", ModelContractError)


def _is_frozen(layer):
    """Whether a batch normalisation always uses its moving statistics, each example by itself."""
    calls = _keras.training_arguments(layer)
    return not layer.trainable or (bool(calls) and all(training is False for training in calls))


def warn_of_inexact_layers(discriminator):
    """A penalty differentiates twice."""
    for layer, replacement in layers.inexact_layers(discriminator):
        warnings.warn(
            f"The penalty's gradient through layer {layer.name!r} of the discriminator ({type(layer).__name__}) is not "
            f"exact on TensorFlow. Use {replacement}.",
            stacklevel=4,
        )


def check_objective(loss, penalties):
    """A loss and penalties of kerasgan's classes, saved whole, whose values have names of their own."""
    if not isinstance(loss, AdversarialLoss):
        expected = "a kerasgan.losses.AdversarialLoss, e.g. kerasgan.losses.Wasserstein()"
        raise invalid("loss", expected, f"loss={loss!r}")
    check_saved_whole("loss", loss)
    for penalty in penalties:
        if not isinstance(penalty, Penalty):
            expected = "kerasgan.penalties.Penalty objects, e.g. [kerasgan.penalties.GradientPenalty(10.0)]"
            raise invalid("penalties", expected, repr(penalty))
        if not hasattr(penalty, "name"):
            expected = "penalties that are made whole: call `super().__init__(weight, name)` in `__init__`"
            raise invalid("penalties", expected, f"{type(penalty).__name__} without a name")
        check_saved_whole("penalties", penalty)
    names = [penalty.name for penalty in penalties]
    if len({"d_loss", "g_loss", "gradient_norm", loss.distance, *names}) < 4 + len(names):
        raise invalid("penalties", "a name of its own for each, that no other metric has: pass `name`", names)


def checked_constraint(constraint):
    """The `keras.constraints.Constraint` of an object or a name; None for none."""
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
