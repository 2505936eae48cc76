"""What networks must satisfy, checked when a model is made."""

import contextlib
import dis
import math
import types

import keras
import tensorflow as tf

from kerasgan import _keras, distribution, layers, ranges, stateless
from kerasgan.errors import ModelContractError, invalid, warn
from kerasgan.pixels import look_channels_first

# Layers and operations that encode a label, and their attribute with the number of classes.
_ENCODINGS = {"Embedding": "input_dim", "CategoryEncoding": "num_tokens", "OneHot": "num_classes"}
# Keras layers that a generator cannot learn through, because TensorFlow's gradient of them is wrong or missing, or
# because they mix the images of a batch; and the policy of `DiffAugment` that is nearest.
_NOT_DIFFERENTIABLE = {
    "RandomTranslation": "translation",
    "RandomRotation": "translation",
    "RandomZoom": "translation",
    "RandomShear": "translation",
    "RandomPerspective": "translation",
    "RandomHue": "color",
    "RandomSaturation": "color",
    "RandomPosterization": "color",
    "Equalization": "color",
    "MixUp": "cutout",
    "CutMix": "cutout",
    "RandAugment": "color,translation",
    "AugMix": "color,translation",
}


def functional(network: keras.Model) -> keras.Model:
    """The network as a functional model if it is a subclassed one that was called on one tensor; else as it is."""
    shape = None
    if isinstance(network, keras.Model) and not _inputs(network):
        shape = (network.get_build_config() or {}).get("input_shape")  # since it was called
    if not isinstance(shape, tuple | list) or not all(isinstance(size, int | None) for size in shape):
        return network
    inputs = keras.Input(shape[1:])
    return keras.Model(inputs, network(inputs), name=network.name)


def check_network(network: keras.Model, role: str, example: str, extended: bool = False) -> None:
    """Refuses a network that does not know its inputs, or has others than one, or one and integer labels.

    Args:
        role: The name of its argument: generator, discriminator or encoder.
        example: Code that makes one, for the message.
        extended: Whether it may have more than one output, for an objective of the user's.
    """

    def refused(expected, received):
        return invalid(role, expected, received, ModelContractError)

    if not isinstance(network, keras.Model):
        kind, library = type(network).__name__, type(network).__module__.split(".")[0]
        of_keras_2 = ", of Keras 3: `import keras`, not `tf_keras`" if library == "tf_keras" else ""
        expected = f"a functional or Sequential Keras model with its Input, e.g. {example}{of_keras_2}"
        raise refused(expected, kind if library in ("builtins", "keras", "__main__") else f"{kind} from {library}")
    if not _inputs(network):
        wrapped = "`x = keras.Input(shape); keras.Model(x, network(x))`"
        expected = f"a model that knows its inputs: call it once on a batch before, or wrap it: {wrapped}"
        kind = "without its Input" if isinstance(network, keras.Sequential) else "a subclassed model"
        raise refused(expected, f"{type(network).__name__}, {kind}, not called yet on one tensor")
    distribution.check_made_here(role, network.weights)
    if isinstance(getattr(network, "output", None), dict):  # a Sequential around models may not define it
        names = sorted(network.output, key=lambda name: (name not in ("logits", "images"), name))
        expected = f"one output that is a tensor, e.g. `keras.Model(network.inputs, network.output[{names[0]!r}])`"
        raise refused(expected, f"a dict of outputs, {', '.join(sorted(network.output))}")
    if len(network.inputs) > 2 or (len(network.outputs) != 1 and not extended):
        expected = "one input, or two of which the second is the labels, and one output"
        if role == "discriminator" and len(network.outputs) > 1:
            expected += ", or a subclass of the model that overrides `discriminator_objective` to use the others"
        raise refused(expected, f"{len(network.inputs)} inputs and {len(network.outputs)} outputs")
    if len(network.inputs) == 2:
        _check_conditional(network, "latents" if role == "generator" else "images", refused)
    if role == "generator" and len(network.inputs[0].shape) != 2:
        shape = tuple(network.inputs[0].shape[1:])
        size = -1 if None in shape else math.prod(shape)
        expected = (
            "latents that are one vector per image, (None, latent_dim): put a Reshape in front, "
            f"`keras.Sequential([keras.Input(({size},)), keras.layers.Reshape({shape}), generator])`"
        )
        raise refused(expected, f"latents of shape {tuple(network.inputs[0].shape)}")
    _warn_of_hidden_state(network, role)
    _warn_of_slow_layers(network, role)
    _warn_of_lambdas(network, role)
    if role == "generator":
        _warn_of_channels_first(tuple(network.outputs[0].shape[1:]))


def _inputs(network):
    return getattr(network, "inputs", None)  # a subclassed model may have none


def _check_conditional(network, first, refused):
    """Refuses two inputs that are not a list of images or latents, and then labels, one integer per example."""
    shapes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
    labels = [shape in ((), (1,)) for shape in shapes]
    integers = ["int" in str(tensor.dtype) for tensor in network.inputs]
    if isinstance(network.input, dict):
        order = "`keras.Model([network.input[...], network.input[...]], network.output)`"
        received = f"a dict of inputs, {', '.join(sorted(network.input))}"
        raise refused(f"a list of inputs, {first} and then labels: {order}", received)
    if labels[0] and (not labels[1] or (integers[0] and not integers[1])):
        order = "`keras.Model(network.inputs[::-1], network.outputs[0])`"
        received = f"inputs of shapes {shapes[0]} and {shapes[1]}"
        raise refused(f"a list of inputs, {first} and then labels: {order}", received)
    if not labels[1]:
        (size,) = shapes[1] if len(shapes[1]) == 1 else ("num_classes",)
        expected = (
            "labels that are one integer per image, an input of shape (None,); conditions of other kinds are not "
            "supported. If the network takes one-hot labels, encode them in a model around it: "
            f"`x, labels = network.inputs[0], keras.Input((), dtype='int32'); "
            f"keras.Model([x, labels], network([x, keras.ops.one_hot(labels, {size})]))`"
        )
        raise refused(expected, f"a second input of shape {(None, *shapes[1])}")


def _warn_of_hidden_state(network, role):
    """Warns of variables that are not saved and of random numbers that cannot be reproduced."""
    for layer in _keras.layers_of(network):
        held = [name for name, value in vars(layer).items() if isinstance(value, tf.Variable)]
        if held:
            warn(
                f"Layer {layer.name!r} of the {role} holds the tf.Variable `{held[0]}`, which neither `save` nor a "
                "checkpoint stores. Create it with `self.add_weight`.",
            )
    names = []
    with contextlib.suppress(Exception):  # a layer that cannot be traced may still run eagerly
        names = stateless.layers_that_draw(network, training=True)[1]
    for name in names:
        warn(
            f"Layer {name!r} of the {role} draws random numbers from TensorFlow's state: a run cannot be reproduced or "
            "resumed exactly, and images with one seed may differ. Draw with `keras.random` and a "
            "`keras.random.SeedGenerator`.",
        )


def _warn_of_slow_layers(network, role):
    """Warns of convolutions in groups that Keras compiles by XLA, unless there is an accelerator."""
    for layer in _keras.layers_of(network) if not distribution.accelerated() else ():
        grouped = isinstance(layer, keras.layers.Conv2D) and layer.groups > 1
        if grouped and not isinstance(layer, layers.GroupedConv2D):
            warn(
                f"Layer {layer.name!r} of the {role} ({type(layer).__name__}) convolves in {layer.groups} groups. "
                "Keras compiles that by XLA, and on a CPU it then takes up to hundreds of times as long. Use "
                "kerasgan.layers.GroupedConv2D.",
            )


def _warn_of_lambdas(network, role):
    """Warns of functions without a name, whose modules are not saved with them."""
    for layer in _keras.layers_of(network):
        function = layer.function if isinstance(layer, keras.layers.Lambda) else None
        if not isinstance(function, types.FunctionType) or function.__name__ != "<lambda>":
            continue
        if hasattr(function, "__wrapped__") or hasattr(function, "_tf_decorator"):  # its names are not the user's
            continue
        used = [one.argval for one in dis.get_instructions(function) if one.opname == "LOAD_GLOBAL"]
        modules = [name for name in used if name in function.__globals__]
        if modules:
            warn(
                f"Layer {layer.name!r} of the {role} is a Lambda that uses `{modules[0]}`, which is not saved with it: "
                "a loaded model could not run it. Give it a function by `def`, decorated with "
                "`@keras.saving.register_keras_serializable()`.",
            )


def _warn_of_channels_first(shape):
    """Warns of images that augmentation, packs, pictures and metrics would read along the wrong axis."""
    if look_channels_first(shape):
        channels, *size = shape
        warn(
            f"Images of shape {shape} look like channels first; here the last axis is the channels. End the generator "
            "with `keras.layers.Permute((2, 3, 1))`, begin the discriminator or encoder with "
            f"`keras.layers.Permute((3, 1, 2))`, and train on images of shape {(*size, channels)}.",
        )


def check_order(generator: keras.Model, discriminator: keras.Model) -> None:
    """Refuses a discriminator in front of the generator."""
    (first_takes, first_makes), (second_takes, second_makes) = _ends(generator, discriminator)
    fits = first_makes == second_takes and second_makes == (1,)
    if not fits and first_makes == (1,) and second_makes == first_takes:
        raise ModelContractError(
            "The networks are in the wrong order: the first judges what the second makes. Pass the generator first, "
            "then the discriminator."
        )


def check_encoder_order(encoder: keras.Model, generator: keras.Model) -> None:
    """Refuses a generator in front of the encoder."""
    (first_takes, first_makes), (second_takes, second_makes) = _ends(encoder, generator)
    if second_takes and second_takes == first_makes and second_makes == tuple(2 * (n or 0) for n in first_takes[:1]):
        raise ModelContractError("The networks are in the wrong order. Pass the encoder first, then the generator.")


def _ends(*networks):
    """Shapes of what each takes and makes, `(None, None)` where they are not known yet."""
    known = [isinstance(network, keras.Model) and bool(_inputs(network)) for network in networks]
    if not all(known):
        return [(None, None)] * len(networks)
    return [(network.inputs[0].shape[1:], network.outputs[0].shape[1:]) for network in networks]


def check_adversaries(generator: keras.Model, discriminator: keras.Model, pack: int, extended: bool = False) -> None:
    """Refuses a discriminator that does not map `pack` of the generator's images to one logit.

    Args:
        extended: Whether the discriminator may do without the labels, because the objective is the user's.
    """
    made, taken = tuple(generator.outputs[0].shape[1:]), tuple(discriminator.inputs[0].shape[1:])
    if not made or made[-1] is None:
        expected = "images with a known number of channels: end it with a convolution or `keras.layers.Reshape`"
        raise invalid("generator", expected, f"images of shape {made}", ModelContractError)
    if taken != (*made[:-1], pack * made[-1]):
        received = f"the generator makes images of shape {made}, the discriminator takes {taken}"
        of_packs = f" pack={pack} images of that shape," if pack > 1 else ""
        fix = f"Build the discriminator for{of_packs} {(*made[:-1], pack * made[-1])}."
        raise ModelContractError(f"The networks do not fit: {received}. {fix}{_one_hot_channels(made, taken)}")
    if pack > 1 and len(generator.inputs) > 1:
        expected = "1 with labels, because each image of a pack would have its own"
        raise invalid("pack", expected, f"pack={pack}", ModelContractError)
    inputs, judged = len(generator.inputs), len(discriminator.inputs)
    if judged > inputs or (judged < inputs and not extended):
        raise ModelContractError(
            f"The networks do not fit: the generator has {inputs} inputs, the discriminator {judged}. Build both with "
            f"`num_classes`, or neither.{_one_hot_latents(generator, discriminator)}"
        )
    _check_augmenting_layers(generator, discriminator)
    shape = tuple(discriminator.outputs[0].shape)
    if shape[1:] != (1,):
        ends = {1: "leave out the last squeeze", 2: "end it with `keras.layers.Dense(1)`"}
        end = ends.get(len(shape), "end it with `keras.layers.Flatten()` and `keras.layers.Dense(1)`")
        expected = f"one logit per image (or pack), an output of shape (None, 1): {end}"
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
    check_apart("Generator and discriminator", generator, discriminator, "each would undo what the other learnt")


def check_apart(names: str, first: keras.Model, second: keras.Model, why: str) -> None:
    """Refuses two networks that share a weight."""
    ours = {id(variable) for variable in first.weights}
    shared = next((variable for variable in second.weights if id(variable) in ours), None)
    if shared is not None:
        raise ModelContractError(
            f"{names} share the weight {shared.path!r}, and {why}. Give each network its own layers."
        )


def _one_hot_channels(made, taken):
    """Advice for a discriminator that takes one-hot labels as further channels; empty if it cannot be one."""
    count = (taken[-1] or 0) - made[-1]
    if len(made) != 3 or taken[:-1] != made[:-1] or count <= 0:
        return ""
    maps = f"keras.ops.one_hot(labels, {count})[:, None, None] * keras.ops.ones_like(x[..., :1])"
    return f" If its last {count} channels are one-hot labels, {_encoded_inside(made, maps)}"


def _one_hot_latents(generator, discriminator):
    """Advice for a generator that takes one-hot labels after the latents; empty if it cannot be one."""
    count, size = num_classes(discriminator), generator.inputs[0].shape[-1]
    if len(generator.inputs) > 1 or not count or size <= count:
        return ""
    encoded = _encoded_inside((size - count,), f"keras.ops.one_hot(labels, {count})")
    return f" If the generator's last {count} latents are one-hot labels, {encoded}"


def _encoded_inside(shape, encoded):
    return (
        f"put a model of class numbers around it: `x, labels = keras.Input({shape}), keras.Input((), dtype='int32'); "
        f"keras.Model([x, labels], network(keras.ops.concatenate([x, {encoded}], -1)))`"
    )


def _check_augmenting_layers(generator, discriminator):
    """Refuses Keras's augmentation layers where the generator would learn nothing, or something else, through them."""
    found = _keras.layers_of(discriminator)
    for layer in found:
        policy = _named_in(_NOT_DIFFERENTIABLE, layer)
        if policy:
            expected = (
                "layers that the generator can learn through, by their gradient: leave it out, and augment by the "
                f"argument `augment=kerasgan.augmentations.DiffAugment({tuple(policy.split(','))})`"
            )
            received = f"layer {layer.name!r} ({type(layer).__name__})"
            raise invalid("discriminator", expected, received, ModelContractError)
    clipping = [layer for layer in found if hasattr(layer, "value_range")]  # of most that change colours
    if not clipping or any(isinstance(layer, keras.layers.Rescaling) for layer in found):
        return
    bounds = ranges.of(generator).bounds
    for layer in clipping:
        if bounds is not None and tuple(layer.value_range) != bounds:
            low, high = bounds
            expected = f"layers for the pixels that the generator makes: give it `value_range=({low:g}, {high:g})`"
            received = f"layer {layer.name!r} with value_range={tuple(layer.value_range)}"
            raise invalid("discriminator", expected, received, ModelContractError)


def _named_in(table, operation):
    """The table's value for the class of a layer or operation; None if it has none."""
    return next((table[base.__name__] for base in type(operation).__mro__ if base.__name__ in table), None)


def num_classes(network: keras.Model) -> int | None:
    """Number of classes of a network that embeds or encodes its labels; None without labels, or if nothing tells."""
    if len(network.inputs) != 2:
        return None
    operations = [*_keras.layers_of(network), *getattr(network, "operations", ())]  # which a Sequential model lacks
    encodings = [(operation, _named_in(_ENCODINGS, operation)) for operation in operations]
    return next((getattr(operation, size) for operation, size in encodings if size), None)


def check_penalized(discriminator: keras.Model, warns: bool = False) -> None:
    """Refuses batch normalisation, because a penalty is about the gradient at a single image.

    Args:
        warns: Whether to warn of layers without exact second derivatives, which a penalty needs.
    """
    for layer in _keras.layers_of(discriminator):
        if isinstance(layer, keras.layers.BatchNormalization) and not _is_frozen(layer):
            expected = (
                "no batch normalisation, which mixes images that a penalty treats separately: use "
                "kerasgan.layers.GroupNormalization(groups=1), or `normalization='layer'`"
            )
            raise invalid("discriminator", expected, f"layer {layer.name!r}", ModelContractError)
    for layer, replacement in layers.inexact_layers(discriminator) if warns else ():
        warn(
            f"The penalty's gradient through layer {layer.name!r} of the discriminator ({type(layer).__name__}) is not "
            f"exact on TensorFlow. Use {replacement}.",
        )


def _is_frozen(layer):
    """Whether a batch normalisation always uses its moving statistics, so that examples stay independent."""
    calls = _keras.training_arguments(layer)
    return not layer.trainable or (bool(calls) and all(training is False for training in calls))
