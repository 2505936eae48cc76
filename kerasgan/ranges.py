"""What a network can put out: the interval of its output, from the operations that compute it.

Interval arithmetic on the graph that TensorFlow traces: the last activation may be an argument of a layer, a layer, a
`Lambda` or part of a subclassed network, and its values may be scaled afterwards.
"""

import math
import weakref

import numpy as np
import tensorflow as tf

from kerasgan import stateless

_ANY = (-math.inf, math.inf)
# Operations whose outputs are inputs of theirs, or means of them.
_KEEP = {
    *("Identity", "IdentityN", "StopGradient", "EnsureShape", "Snapshot", "Cast", "CheckNumerics", "PreventGradient"),
    *("Reshape", "Transpose", "Squeeze", "ExpandDims", "Slice", "StridedSlice", "Tile", "BroadcastTo", "ReverseV2"),
    *("SpaceToDepth", "DepthToSpace", "ResizeNearestNeighbor", "ResizeBilinear", "MaxPool", "AvgPool", "Mean", "Max"),
}
# Functions that never fall: they map the ends of an interval to the ends of another.
_RISING = {
    "Sigmoid": lambda x: 0.5 * (1.0 + math.tanh(0.5 * x)),
    "Tanh": math.tanh,
    "Softsign": lambda x: math.copysign(1.0, x) if math.isinf(x) else x / (1.0 + abs(x)),
    "Relu": lambda x: max(x, 0.0),
    "Relu6": lambda x: min(max(x, 0.0), 6.0),
    "Softplus": lambda x: float(np.logaddexp(x, 0.0)),
    "Exp": lambda x: float(np.exp(x)),
    "Elu": lambda x: x if x > 0.0 else math.expm1(x),
}
_FIXED = {"Softmax": (0.0, 1.0), "LogSoftmax": (-math.inf, 0.0), "Sin": (-1.0, 1.0), "Cos": (-1.0, 1.0)}
# Activations that squash: what comes out of them is no logit.
_SQUASHING = {"Sigmoid", "Tanh", "Softsign", "Softmax", "LogSoftmax", "Softplus", "Relu", "Relu6"}

_known = weakref.WeakKeyDictionary()


def of(network):
    """`(lowest, highest)` of what the network can put out, infinite where nothing bounds it; and what squashes it.

    Args:
        network: Keras model that knows its inputs.

    Returns:
        Pair of floats, and the layer that squashes to them, in words; None where the last operation squashes nothing.
    """
    if network not in _known:
        try:
            _known[network] = _traced(network)
        except Exception:  # of a layer that cannot be traced, but may run eagerly
            return _ANY, None
    return _known[network]


def _traced(network):
    @tf.function
    def trace(*inputs):
        with stateless.Writes(stateless.Stream(0, tf.constant(0, tf.int64))):
            return network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    graph = trace.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in network.inputs)).graph
    held = {id(inner): outer for outer, inner in graph.captures if isinstance(outer, tf.Tensor)}
    output = graph.outputs[0]
    interval = _interval(output, held, {})
    last = output.op
    while last.type in _KEEP:
        last = last.inputs[0].op
    squashes = last.type in _SQUASHING or (interval[0] >= -1.0 and interval[1] <= 1.0)
    layer = stateless.owner(last.name, [layer.name for layer in network._flatten_layers()])
    named = f" ({last.type})" if last.type in _SQUASHING else ""
    return interval, f"layer {layer!r}{named}" if squashes else None


def _interval(tensor, held, known):
    """The interval of all values of a tensor; `held` are the constants that the graph captures, by identity."""
    if id(tensor) not in known:
        known[id(tensor)] = tuple(map(float, _interval_of_operation(tensor, held, known)))
    return known[id(tensor)]


def _interval_of_operation(tensor, held, known):
    operation, kind = tensor.op, tensor.op.type
    if not tensor.dtype.is_floating and kind != "Cast":
        return _ANY
    if kind == "Const" or id(tensor) in held:
        value = np.asarray(held[id(tensor)] if id(tensor) in held else tf.get_static_value(tensor), np.float64)
        return (value.min(), value.max()) if value.size else _ANY
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _RISING:
        return tuple(map(_RISING[kind], _interval(operation.inputs[0], held, known)))
    if kind in _KEEP:
        return _interval(operation.inputs[0], held, known)
    if kind in ("ConcatV2", "Pack", "SelectV2"):
        parts = {"ConcatV2": slice(-1), "SelectV2": slice(1, None)}.get(kind, slice(None))
        ends = [_interval(part, held, known) for part in list(operation.inputs)[parts]]
        return min(low for low, _ in ends), max(high for _, high in ends)
    if kind not in ("Add", "AddV2", "Sub", "Mul", "RealDiv", "Neg", "Minimum", "Maximum", "ClipByValue"):
        return _ANY
    (low, high), *others = (_interval(part, held, known) for part in operation.inputs)
    if kind == "Neg":
        return -high, -low
    if kind == "ClipByValue":
        (floor, _), (_, ceiling) = others
        return min(max(low, floor), ceiling), max(min(high, ceiling), floor)
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
