"""What a network can put out: the interval of its output, from the operations that compute it.

Interval arithmetic on the graph that TensorFlow traces: the last activation may be an argument of a layer, a layer, a
`Lambda` or part of a subclassed network, and its values may be scaled afterwards.
"""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, stateless

_ANY = (-math.inf, math.inf)
_UNIT = ((0.0, 1.0), (-1.0, 1.0))
# Operations that move values, or choose among them.
_MOVE = {
    *("Identity", "IdentityN", "StopGradient", "EnsureShape", "Snapshot", "Cast", "CheckNumerics", "PreventGradient"),
    *("Reshape", "Transpose", "Squeeze", "ExpandDims", "Slice", "StridedSlice", "Tile", "BroadcastTo", "ReverseV2"),
    *("SpaceToDepth", "DepthToSpace", "ResizeNearestNeighbor", "MirrorPad", "Roll", "GatherV2", "SplitV", "Unpack"),
}
# Operations whose outputs lie between their inputs, or are what pads them.
_PAD = {"Pad", "PadV2"}
_KEEP = {*_MOVE, *_PAD, "ResizeBilinear", "ResizeArea", "MaxPool", "AvgPool", "Mean", "Max", "Min"}
_ARITHMETIC = {"Add", "AddV2", "Sub", "Mul", "RealDiv", "Neg"}
# Functions that never fall: they map the ends of an interval to the ends of another.
_RISING = {
    "Sigmoid": lambda x: 0.5 * (1.0 + math.tanh(0.5 * x)),
    "Tanh": math.tanh,
    "Softsign": lambda x: math.copysign(1.0, x) if math.isinf(x) else x / (1.0 + abs(x)),
    "Relu": lambda x: max(x, 0.0),
    "Relu6": lambda x: min(max(x, 0.0), 6.0),
    "Softplus": lambda x: float(np.logaddexp(x, 0.0)),
    "Exp": lambda x: math.exp(x) if x < 700.0 else math.inf,
    "Elu": lambda x: x if x > 0.0 else math.expm1(x),
}
_FIXED = {"Softmax": (0.0, 1.0), "LogSoftmax": (-math.inf, 0.0), "Sin": (-1.0, 1.0), "Cos": (-1.0, 1.0)}
_SATURATING = {"Sigmoid", "Tanh", "Softsign"}
# Activations whose output is not a logit.
_SQUASHING = {*_SATURATING, "Softmax", "LogSoftmax", "Softplus", "Relu", "Relu6"}


@dataclasses.dataclass(frozen=True)
class Output:
    """What a network can put out.

    Args:
        low, high: Infinite where nothing bounds the output.
        bounds: `(low, high)` if these are the range of the images, i.e. of a saturating activation (tanh, sigmoid),
            scaled or not. Clipping counts to [-1, 1] or [0, 1] alone, as in hard_tanh and hard_sigmoid.
        squashed_by: What squashes the output last, in words, if anything does.
    """

    low: float = -math.inf
    high: float = math.inf
    bounds: tuple[float, float] | None = None
    squashed_by: str | None = None


def of(network: keras.Model) -> Output:
    """The `Output` of a Keras model that knows its inputs."""
    try:
        return _output(stateless.traced(network, _call), network)
    except Exception:  # of a layer that cannot be traced, but may run eagerly
        return Output()


def _call(network, inputs):
    with stateless.Writes(stateless.Stream(0, tf.constant(0, tf.int64))):
        return network(inputs, training=False)


def _output(graph, network):
    held = {id(inner): outer for outer, inner in graph.captures if isinstance(outer, tf.Tensor)}
    output = graph.outputs[0]
    interval = _interval(output, held, {})
    unit = interval in _UNIT  # hard_sigmoid and hard_tanh are several operations
    saturates = unit or _source(output, _KEEP | _ARITHMETIC, held).type in _SATURATING
    bounds = interval if saturates and 0.0 < interval[1] - interval[0] < math.inf else None
    last = _source(output, _MOVE, held)
    squashed_by = _named(last, network) if unit or last.type in _SQUASHING else None
    return Output(interval[0], interval[1], bounds, squashed_by)


def _named(operation, network):
    """An operation in words."""
    layers = [layer.name for layer in _keras.layers_of(network) if layer is not network]
    layer = stateless.owner(operation.name, layers)
    return f"{operation.type} of layer {layer!r}" if layer in layers else operation.type


def _source(tensor, passed, held):
    """The operation that a tensor comes from, behind those in `passed`; of two inputs one has to be constant."""
    while tensor.op.type in passed:
        if tensor.op.type in _ARITHMETIC:
            inputs = [one for one in tensor.op.inputs if _constant(one, held) is None]
            if len(inputs) != 1:
                break
            tensor = inputs[0]
        else:
            tensor = _moved(tensor)
    return tensor.op


def _moved(tensor):
    """The input of an operation that keeps values."""
    return tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]


def _constant(tensor, held):
    """Its value as a float64 array; None if it is not constant."""
    value = held[id(tensor)] if id(tensor) in held else tf.get_static_value(tensor)
    return None if value is None else np.asarray(value, np.float64)


def _interval(tensor, held, known):
    """The interval of all values of a tensor; `held` are the constants that the graph captures, by identity."""
    if id(tensor) not in known:
        known[id(tensor)] = tuple(map(float, _interval_of_operation(tensor, held, known)))
    return known[id(tensor)]


def _interval_of_operation(tensor, held, known):
    operation, kind = tensor.op, tensor.op.type
    if not tensor.dtype.is_floating:
        return _ANY
    if kind == "Const" or id(tensor) in held:
        value = _constant(tensor, held)
        return (value.min(), value.max()) if value.size else _ANY
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _PAD:
        low, high = _interval(operation.inputs[0], held, known)
        value = _constant(operation.inputs[2], held) if kind == "PadV2" else 0.0
        return _ANY if value is None else (min(low, float(value)), max(high, float(value)))
    if kind in _KEEP:
        return _interval(_moved(tensor), held, known)
    if kind in _RISING:
        return tuple(map(_RISING[kind], _interval(operation.inputs[0], held, known)))
    if kind in ("ConcatV2", "Pack", "SelectV2"):
        parts = {"ConcatV2": slice(-1), "SelectV2": slice(1, None)}.get(kind, slice(None))
        ends = [_interval(part, held, known) for part in list(operation.inputs)[parts]]
        return min(low for low, _ in ends), max(high for _, high in ends)
    if kind not in (*_ARITHMETIC, "Minimum", "Maximum"):
        return _ANY
    (low, high), *others = (_interval(part, held, known) for part in operation.inputs)
    if kind == "Neg":
        return -high, -low
    other_low, other_high = others[0]
    if kind in ("Minimum", "Maximum"):
        choose = min if kind == "Minimum" else max
        return choose(low, other_low), choose(high, other_high)
    if kind == "Sub":
        other_low, other_high = -other_high, -other_low
    if kind == "RealDiv":
        if other_low <= 0.0 <= other_high:
            return _ANY
        other_low, other_high = 1.0 / other_high, 1.0 / other_low
    if kind in ("Mul", "RealDiv"):
        # An infinite end is not reached, so zero times it is zero.
        products = [x and y and x * y for x in (low, high) for y in (other_low, other_high)]
        return min(products), max(products)
    return low + other_low, high + other_high
