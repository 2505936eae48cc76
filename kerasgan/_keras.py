"""What is private to Keras and TensorFlow, all of it: another minor version of either is read against this file.

`GenerativeModel` overrides two more of Keras's private methods, `_maybe_symbolic_build` and
`_get_metrics_result_or_logs`. `tests/test_private.py` says for each name what broke.
"""

from keras.src import backend
from tensorflow.python.eager import context
from tensorflow.python.ops import gen_random_ops

# A context manager: what variables of another dtype are cast to when they are used.
AutocastScope = backend.AutocastScope
# The module whose functions draw from TensorFlow's own random state.
random_ops = gen_random_ops


# Keras


def layers_of(network):
    """List of all layers of a network, the network itself and those in nested networks included."""
    return list(network._flatten_layers())


def training_arguments(layer):
    """List of the `training` arguments that the layer was called with in functional networks."""
    return [node.arguments.kwargs.get("training") for node in layer._inbound_nodes]


def seed_generators_of(layer):
    """List of the `keras.random.SeedGenerator`s that a layer or model keeps itself."""
    return list(layer._seed_generators)


def rate_of(optimizer):
    """The learning rate as the optimizer was given it: a schedule, or a variable."""
    return optimizer._learning_rate


def variables_moved_by(optimizer):
    """List of the variables that a built optimizer was built for."""
    return list(optimizer._trainable_variables)


def assert_compiled(model, method):
    """Raises Keras's error where a model was not compiled."""
    model._assert_compile_called(method)


def validates_after(model, epoch, frequency):
    """Whether Keras validates after this epoch."""
    return model._should_eval(epoch, frequency)


def initial_epoch(model):
    """The epoch that `BackupAndRestore` has loaded weights of, None without it."""
    return model._initial_epoch


def metrics_in(model):
    """List of the metrics that are attributes of a model, without the mean of the `loss` that Keras adds."""
    return [metric for metric in model._metrics if metric is not model._loss_tracker]


def strategy_of(model):
    """The strategy in whose scope a model was made, None outside of any."""
    return model._distribute_strategy


# tf.data


def inputs_of(dataset):
    """List of the datasets that a dataset is made from."""
    return dataset._inputs()


def functions_of(dataset):
    """List of the names of the functions that a dataset calls."""
    return [function.function.name for function in dataset._functions()]


def buffer_size_of(dataset):
    """Elements that `shuffle` or `prefetch` holds; -1 where it is not known."""
    return int(getattr(dataset, "_buffer_size", -1))


def parallel_calls_of(dataset):
    """Elements that a transformation makes at a time; -1 where TensorFlow decides, None where it is not parallel."""
    calls = getattr(dataset, "_num_parallel_calls", None)
    return None if calls is None else int(calls)


def is_cached_in_memory(dataset):
    """Whether a `cache` has no file."""
    return not dataset._filename.numpy()


def resource_of(iterator):
    """The tensor by which TensorFlow's ops know an iterator."""
    return iterator._iterator_resource


def definition_of(function_name):
    """The `FunctionDef` of a function by its name."""
    return context.context().get_function_def(function_name)
