"""All that is private to Keras and TensorFlow: check this file against a new minor version of either.

`GenerativeModel` overrides two more private methods of Keras, `_maybe_symbolic_build` and
`_get_metrics_result_or_logs`. `tests/test_private.py` says for each name what broke.
"""

import copy
import pathlib
import tempfile
from typing import Any

import keras
import tensorflow as tf
from keras.src import backend
from tensorflow.python.eager import context
from tensorflow.python.ops import gen_random_ops

# Context manager: the dtype that variables are cast to when they are used.
AutocastScope = backend.AutocastScope
# The module whose functions draw from TensorFlow's own random state.
random_ops = gen_random_ops


def layers_of(network: keras.Layer) -> list[keras.Layer]:
    """All layers of a network, including itself and those in nested networks."""
    return list(network._flatten_layers())


def training_arguments(layer: keras.Layer) -> list[bool | None]:
    """The `training` arguments of the calls of a layer in functional networks."""
    return [node.arguments.kwargs.get("training") for node in layer._inbound_nodes]


def seed_generators_of(layer: keras.Layer) -> list[keras.random.SeedGenerator]:
    """The seed generators that a layer or model tracks itself."""
    return list(layer._seed_generators)


def rate_of(optimizer: keras.Optimizer) -> Any:
    """The learning rate as it was given to the optimizer: a schedule, or a variable."""
    return optimizer._learning_rate


def updates_of(optimizer: keras.Optimizer) -> int:
    """How often an optimizer was called: what a schedule is a function of, also where gradients accumulate."""
    return int(tf.convert_to_tensor(optimizer._iterations))


def variables_moved_by(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """The variables that an optimizer was built for."""
    return list(optimizer._trainable_variables)


def decays(optimizer: keras.Optimizer, variable: keras.Variable) -> bool:
    """Whether a variable is not excluded from an optimizer's weight decay."""
    return optimizer._use_weight_decay(variable)


def assert_compiled(model: keras.Model, method: str) -> None:
    """Raises Keras's error if a model was not compiled."""
    model._assert_compile_called(method)


def validates_after(model: keras.Model, epoch: int, frequency: int | list[int]) -> bool:
    """Whether Keras validates after this epoch."""
    return model._should_eval(epoch, frequency)


def initial_epoch(model: keras.Model) -> int | None:
    """The epoch whose weights `BackupAndRestore` has loaded, None without it."""
    return model._initial_epoch


def metrics_in(model: keras.Model) -> list[keras.Metric]:
    """The metrics that are attributes of a model, without the mean of the `loss` that Keras adds."""
    return [metric for metric in model._metrics if metric is not model._loss_tracker]


def strategy_of(model: keras.Model) -> tf.distribute.Strategy | None:
    """The strategy in whose scope a model was made."""
    return model._distribute_strategy


def inputs_of(dataset: tf.data.Dataset) -> list[tf.data.Dataset]:
    """The datasets that a dataset is made from."""
    return dataset._inputs()


def functions_of(dataset: tf.data.Dataset) -> list[bytes]:
    """The names of the functions that a dataset calls."""
    return [function.function.name for function in dataset._functions()]


def buffer_size_of(dataset: tf.data.Dataset) -> int:
    """Elements that `shuffle` or `prefetch` holds; -1 if unknown."""
    return int(getattr(dataset, "_buffer_size", -1))  # other datasets have none


def parallel_calls_of(dataset: tf.data.Dataset) -> int | None:
    """Elements that a transformation makes at a time; -1 if TensorFlow decides, None if it is not parallel."""
    calls = getattr(dataset, "_num_parallel_calls", None)  # only parallel ones have it
    return None if calls is None else int(calls)


def is_cached_in_memory(dataset: tf.data.Dataset) -> bool:
    """Whether a `cache` has no file."""
    return not dataset._filename.numpy()


def resource_of(iterator: tf.data.Iterator) -> tf.Tensor:
    """The tensor by which TensorFlow's ops know an iterator."""
    return iterator._iterator_resource


def definition_of(function_name: bytes) -> Any:
    """The `FunctionDef` of a function by its name."""
    return context.context().get_function_def(function_name)


def knows_direction(callback: keras.callbacks.Callback, model: keras.Model) -> bool:
    """Whether a callback can tell if less of its `monitor` is better; it finds out only after the first epoch."""
    tried = copy.copy(callback)  # asking changes its `min_delta`
    tried.set_model(model)
    try:
        getattr(tried, "_set_monitor_op", lambda: None)()  # older versions of Keras guess
    except ValueError:
        return False
    return True


def batches_written(board: keras.callbacks.TensorBoard) -> int:
    """The number of the batch that TensorBoard's events are written at."""
    return board._global_train_batch


def set_batches_written(board: keras.callbacks.TensorBoard, number: int) -> None:
    """Sets the number of the last batch, to which Keras adds one when the next begins."""
    board._global_train_batch = number


def export_litert(network: keras.Model, path: pathlib.Path) -> None:
    """Writes a network for LiteRT. Keras 3.13 and later do the same: `network.export(path, format="litert")`."""
    with tempfile.TemporaryDirectory() as directory:
        network.export(directory, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        path.write_bytes(converter.convert())
