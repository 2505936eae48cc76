"""Train steps as XLA gets them, on one device or as one of several replicas; shared by `compile_for` and `export_step`.

A step is `model.train_step`, with the optimizers and all variables, as one program; its parts are what
`jit_compile` compiles in `fit`. No accelerator is needed to make them.
"""

import contextlib
import dataclasses
import re
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

import kerasgan as kg
from kerasgan.compilation import Compilation


def _mlp8():
    shape = (8, 8, 1)
    return kg.WGANGP(kg.networks.mlp_generator(shape), kg.networks.mlp_discriminator(shape), n_critic=5)


def _dcgan28():
    """That of `benchmark_step.py`, the networks of the WGAN-GP authors' MNIST script."""
    shape = (28, 28, 1)
    generator = kg.networks.dcgan_generator(shape, 128, normalization=None, kernel_size=5)
    return kg.WGANGP(generator, kg.networks.dcgan_discriminator(shape, kernel_size=5), n_critic=5)


def _dcgan64():
    shape = (64, 64, 3)
    critic = kg.networks.dcgan_discriminator(shape, normalization="layer")
    return kg.WGANGP(kg.networks.dcgan_generator(shape), critic, n_critic=5, ema_momentum=0.999)


def _resnet32():
    shape = (32, 32, 3)
    networks = kg.networks.resnet_generator(shape), kg.networks.resnet_discriminator(shape)
    return kg.WGANGP(*networks, n_critic=5, ema_momentum=0.999)


def _r3gan32():
    shape = (32, 32, 3)
    networks = kg.networks.r3gan_generator(shape), kg.networks.r3gan_discriminator(shape)
    return kg.R3GAN(*networks, ema_momentum=0.999)


def _sngan32():
    """SNGAN with projection: ten classes, hinge loss, spectral normalisation."""
    shape, classes = (32, 32, 3), 10
    generator = kg.networks.resnet_generator(shape, num_classes=classes)
    critic = kg.networks.resnet_discriminator(shape, normalization="spectral", num_classes=classes)
    return kg.GAN(generator, critic, loss="hinge", n_critic=5, ema_momentum=0.999)


MODELS = {
    "mlp8": _mlp8,
    "dcgan28": _dcgan28,
    "r3gan32": _r3gan32,
    "dcgan64": _dcgan64,
    "resnet32": _resnet32,
    "sngan32": _sngan32,
}
PRECISIONS = ("float32", "mixed_bfloat16")
PARTS = ("train_step", "d_gradients", "g_gradients")


def made(name, precision="float32", jit_compile=True, sgd=False):
    """A compiled model of `MODELS`, always with the same weights, and the optimizers of its paper or SGD."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    try:
        model = MODELS[name]()
        optimizers = [keras.optimizers.SGD(1e-3) for _ in range(2 * sgd)]
        model.compile(*optimizers, jit_compile=jit_compile)
    finally:
        keras.config.set_dtype_policy("float32")
    return model


def batch_of(model, batch, seed=0):
    """What a step takes, as a list of arrays: images `(batch, batches_per_step, ...)`, and labels if it has any."""
    random, leading = np.random.default_rng(seed), (batch, model.batches_per_step)
    arrays = [random.uniform(-1, 1, (*leading, *model.image_shape)).astype("float32")]
    if model.conditional:
        arrays.append(random.integers(0, model.num_classes, leading).astype("int32"))
    return arrays


class Replica:
    """The context of one of several replicas on a TPU: all run one program, in which the number of each is a tensor.

    It answers what Keras and kerasgan ask of `tf.distribute.ReplicaContext`.

    Args:
        count: Number of replicas.
        number: Function that returns a scalar tensor. By default XLA knows it when it runs.
        total: Function of a tensor that returns its sum over replicas. By default it is XLA's.
    """

    def __init__(self, count, number=gen_xla_ops.xla_replica_id, total=None):
        self.num_replicas_in_sync = count
        self._number, self._total = number, total or self._all_reduce

    @property
    def replica_id_in_sync_group(self):
        return self._number()

    def all_reduce(self, operation, values):
        share = self.num_replicas_in_sync if operation == tf.distribute.ReduceOp.MEAN else 1
        return tf.nest.map_structure(lambda value: self._total(tf.convert_to_tensor(value)) / share, values)

    def _all_reduce(self, value):
        groups = [list(range(self.num_replicas_in_sync))]

        @tf.custom_gradient
        def total(value):  # synchronised batch normalisation is differentiated
            return gen_xla_ops.xla_all_reduce(value, groups, "Add", "CrossReplica"), total

        return tf.ensure_shape(total(value), value.shape)


@contextlib.contextmanager
def as_one_of(model, replica):
    """Inside the block, what is traced of a model is the program of this `Replica`; of one device if it is None."""
    if replica is None:
        yield
        return
    context, strategy = lambda: replica, mock.Mock(num_replicas_in_sync=replica.num_replicas_in_sync)
    with (
        mock.patch.object(tf.distribute, "get_replica_context", context),
        mock.patch.object(type(model), "distribute_strategy", strategy),
    ):
        yield


@dataclasses.dataclass(frozen=True)
class Program:
    """A function as XLA gets it.

    Attributes:
        hlo: Serialized HloModuleProto. Its parameters are the arguments, then what was captured.
        arguments: Number of arguments.
        captured: Tensors, resources of variables among them.
        variables: The TensorFlow variables that it reads or writes.
        aliases: Dict from the number of a result to that of the parameter that it is the new value of.
    """

    hlo: bytes
    arguments: int
    captured: list
    variables: list
    aliases: dict[int, int]


def program(function, specs):
    """The `Program` of a `tf.function` with `jit_compile=True` for these `tf.TensorSpec`s."""
    concrete = function.get_concrete_function(*specs)
    compiler = function.experimental_get_compiler_ir(*specs)
    header = compiler(stage="hlo").split("\n", 1)[0]
    aliases = {int(result): int(parameter) for result, parameter in re.findall(r"\{(\d+)\}: \((\d+), \{\}", header)}
    return Program(
        compiler(stage="hlo_serialized"), len(specs), concrete.captured_inputs, list(concrete.variables), aliases
    )


@contextlib.contextmanager
def float32_products():
    """Inside the block, programs have float32 products in float32; outside, a TPU takes bfloat16 and a GPU TF32."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(enabled)


def step_function(model):
    """The whole step as a compiled function of what `batch_of` returns."""
    return tf.function(lambda *data: model.train_step(data if len(data) > 1 else data[0]), jit_compile=True)


def program_of(model, batch, part="train_step", replica=None):
    """The `Program` of a model's step or of one of its `PARTS`, for the local batch of one replica."""
    specs = [tf.TensorSpec(array.shape, array.dtype) for array in batch_of(model, batch)]
    with as_one_of(model, replica):
        if part == "train_step":
            return program(step_function(model), specs)
        function, arguments = _gradients(model, specs)[part]
        given = [one for one in tf.nest.flatten(arguments) if one is not None]
        return program(tf.function(lambda *flat: function(*_like(arguments, flat)), jit_compile=True), given)


def _gradients(model, specs):
    """Functions of gradients of a step, and the specifications of their arguments, by `PARTS`."""
    found = {}

    def gradients(_, model, function):
        part = "d_gradients" if function.__self__.network is model.discriminator else "g_gradients"

        def recorded(*arguments):
            spec = lambda one: one if one is None else tf.TensorSpec(one.shape, one.dtype)
            found.setdefault(part, (function, tf.nest.map_structure(spec, arguments)))
            return function(*arguments)

        return recorded

    with mock.patch.object(Compilation, "gradients", gradients):
        step_function(model).get_concrete_function(*specs)
    return found


def _like(structure, flat):
    """The values of `flat`, in order, in the structure; None stays None."""
    values = iter(flat)
    return tf.nest.map_structure(lambda one: None if one is None else next(values), structure)
