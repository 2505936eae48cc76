"""Each private name of Keras and TensorFlow that kerasgan uses does what it is used for, and stands in one file."""

import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgan as kg
from kerasgan import _keras

PACKAGE = pathlib.Path(kg.__file__).parent


def network():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5, seed=1)])
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.BatchNormalization()(inner(x), training=False))


def gan():
    return kg.GAN(kg.networks.mlp_generator((4, 4, 1), 3, (8,)), kg.networks.mlp_discriminator((4, 4, 1), (8,)))


def test_layers_of_nested_networks_are_found():
    made = network()
    kinds = [type(layer).__name__ for layer in _keras.layers_of(made)]
    assert {"Functional", "InputLayer", "Sequential", "Dense", "Dropout", "BatchNormalization"} == set(kinds)
    assert made in _keras.layers_of(made)


def test_updates_are_counted_where_gradients_accumulate_too():
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=3)
    optimizer.build([variable])
    for _ in range(4):
        optimizer.apply([tf.ones(2)])
    assert _keras.updates_of(optimizer) == 4


def test_training_arguments_of_calls_are_found():
    assert _keras.training_arguments(network().layers[-1]) == [False]


def test_seed_generators_of_a_layer_are_found():
    layer = keras.layers.Dropout(0.5, seed=1)
    assert _keras.seed_generators_of(layer) == [layer.seed_generator]


def test_an_optimizer_knows_its_schedule_and_its_variables():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer, variables = keras.optimizers.Adam(schedule), network().trainable_variables
    optimizer.build(variables)
    assert _keras.rate_of(optimizer) is schedule
    assert [id(one) for one in _keras.variables_moved_by(optimizer)] == [id(one) for one in variables]


def test_an_optimizer_knows_what_it_does_not_decay():
    optimizer, variables = keras.optimizers.AdamW(), network().trainable_variables
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert [_keras.decays(optimizer, one) for one in variables] == ["bias" not in one.name for one in variables]


def test_a_model_that_was_not_compiled_is_told_so():
    with pytest.raises(ValueError, match="compile"):
        _keras.assert_compiled(gan(), "fit")


def test_epochs_of_validation_are_those_of_keras():
    model = gan()
    model.compile()
    assert [_keras.validates_after(model, epoch, 2) for epoch in range(4)] == [False, True, False, True]
    assert [_keras.validates_after(model, epoch, [1, 4]) for epoch in range(4)] == [True, False, False, True]


def test_the_epoch_of_backup_and_restore_is_found(tmp_path):
    model = gan()
    model.compile()
    assert not _keras.initial_epoch(model)
    restore = keras.callbacks.BackupAndRestore(str(tmp_path))
    restore.set_model(model)
    (tmp_path / "training_metadata.json").write_text('{"epoch": 2, "batch": 0}')
    model.save_weights(tmp_path / "latest.weights.h5")
    restore.on_train_begin()
    assert _keras.initial_epoch(model) == 2


def test_metrics_of_a_subclass_are_found_and_keras_own_loss_is_not():
    model = gan()
    model.compile()
    model.mine = keras.metrics.Mean("mine")
    assert model.mine in _keras.metrics_in(model)
    assert "loss" not in [metric.name for metric in _keras.metrics_in(model)]


def test_the_strategy_of_a_model_is_found(mirrored):
    with mirrored.scope():
        assert _keras.strategy_of(gan()) is mirrored
    assert _keras.strategy_of(gan()) is None


def test_the_parts_of_a_pipeline_are_found():
    source = tf.data.Dataset.range(8)
    assert [type(one).__name__ for one in _keras.inputs_of(source.batch(2))] == [type(source).__name__]
    assert _keras.buffer_size_of(source.shuffle(5)) == 5
    assert _keras.buffer_size_of(source.prefetch(tf.data.AUTOTUNE)) == -1
    assert _keras.parallel_calls_of(source.map(lambda x: x, num_parallel_calls=3)) == 3
    assert _keras.parallel_calls_of(source.map(lambda x: x)) is None
    assert _keras.is_cached_in_memory(source.cache())
    assert not _keras.is_cached_in_memory(source.cache("file"))
    mapped = source.map(lambda x: x + 1)
    (name,) = _keras.functions_of(mapped)
    assert "AddV2" in [node.op for node in _keras.definition_of(name).node_def]


def test_an_iterator_has_a_resource():
    iterator = iter(tf.data.Dataset.range(3))
    next(iterator)
    state = tf.raw_ops.SerializeIterator(resource_handle=_keras.resource_of(iterator))
    next(iterator)
    tf.raw_ops.DeserializeIterator(resource_handle=_keras.resource_of(iterator), serialized=state)
    assert next(iterator).numpy() == 1


def test_variables_are_cast_inside_the_scope():
    layer = keras.layers.Dense(1, dtype="mixed_float16")
    layer.build((None, 2))
    with _keras.AutocastScope("float16"):
        assert layer.kernel.value.dtype == "float16"


@pytest.mark.parametrize("draw", [tf.random.normal, tf.random.uniform, tf.random.truncated_normal])
def test_random_functions_of_tensorflow_call_the_module(draw, monkeypatch):
    names = ("random_standard_normal", "random_uniform", "truncated_normal")
    for name in names:
        monkeypatch.setattr(_keras.random_ops, name, lambda shape, dtype, **seeds: tf.fill(shape, 7.0))
    assert np.isin(7.0, draw((2,)))


def test_the_events_of_tensorboard_are_at_the_number_that_is_set(tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path, update_freq="epoch")
    board.set_model(network())
    _keras.set_batches_written(board, 41)
    board.on_train_batch_begin(0)
    assert _keras.batches_written(board) == 42


def test_private_names_stand_in_one_file():
    ours = {"_version", "_replace"}
    for path in PACKAGE.rglob("*.py"):
        if path.name == "_keras.py":
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"keras\.src|tensorflow\.python", text), path
        found = set(re.findall(r"\b(?!self|cls|super\b)\w+(?:\(\))?\.(_[a-z]\w*)", text)) - ours
        known = set(re.findall(r"(?:def|self\.|import |^|\bclass )\s*(_[a-z]\w*)", text, re.M))
        foreign = {name for name in found - known if not _is_of_the_package(name)}
        assert not foreign, f"{path}: {sorted(foreign)}"


def _is_of_the_package(name):
    """Whether one of our own modules defines the name."""
    return any(
        re.search(rf"(def |self\.|^){name}\b", path.read_text(encoding="utf-8"), re.M)
        for path in PACKAGE.rglob("*.py")
        if path.name != "_keras.py"
    )
