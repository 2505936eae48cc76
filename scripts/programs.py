"""HLO of TensorFlow in JAX's hands: compiled for devices that are not there, or as a file that JAX alone runs.

Private parts of JAX are used here alone: check this file against a new version.
"""

import os

# Before JAX is imported. The compilers run on machines without the devices that they compile for.
os.environ.update(
    {
        "JAX_PLATFORMS": "cpu",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
        # libtpu would ask the machine which TPU it is part of, and keep other processes from it.
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_ACCELERATOR_TYPE": "v5litepod-4",
        "TPU_WORKER_ID": "0",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        "TPU_MIN_LOG_LEVEL": "3",
        "TPU_STDERR_LOG_LEVEL": "3",
        **os.environ,
    }
)

import contextlib

import jax
import jax.export
import numpy as np
from jax._src import compiler, xla_bridge
from jax._src.export import _export
from jax._src.interpreters import mlir
from jax._src.lib import _jax
from jax._src.lib.mlir import ir
from jax.experimental import topologies

jax.config.update("jax_enable_x64", True)  # TensorFlow counts steps in int64

_PRODUCTS = ("stablehlo.dot", "stablehlo.dot_general", "stablehlo.convolution")
_DTYPES = ("bool", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bfloat16", "float16", "float32", "float64")
# Hints of TensorFlow to its own runtime.
_HINTS = ("input_output_alias", "cross_program_prefetches", "is_dynamic", "use_auto_spmd_partitioning")


def devices(target, count, target_config=None):
    """The first `count` devices of a target such as `tpu:v5e:2x2` or `cuda:h100`; none has to be there.

    Args:
        target_config: Text of XLA's GpuTargetConfigProto for a `cuda:` target.
    """
    platform, _, name = target.partition(":")
    if platform == "tpu":
        topology = topologies.get_topology_desc(topology_name=name, platform=platform)
    else:
        topology = topologies.get_topology_desc(
            topology_name=name, platform=platform, target_config=target_config, topology=f"1x1x{count}"
        )
    return topology.devices[:count]


def compiled(hlo, aliases, devices):
    """Compiles HLO ahead of time, as one program of as many replicas as there are devices.

    Args:
        hlo: Serialized HloModuleProto.
        aliases: Dict from the number of a result to the parameter whose memory it takes.

    Returns:
        The executable of XLA, and its StableHLO as text.
    """
    count, backend = len(devices), xla_bridge.get_device_backend(devices[0])
    assignment = np.array(devices).reshape(count, 1)
    options = compiler.get_compile_options(count, 1, assignment, backend=backend)
    with _module(hlo) as module:
        _donate(_main(module), aliases)
        executable = backend.compile(
            module, executable_devices=_jax.DeviceList(tuple(devices)), compile_options=options
        )
        return executable, str(module)


def exported(hlo, name, rounded=None):
    """HLO as a `jax.export.Exported` for any platform; `jax.export.deserialize` reads what its `serialize()` returns.

    Args:
        hlo: Serialized HloModuleProto.
        rounded: Bits of exponent and of fraction that the float32 factors of products are rounded to, as an
            accelerator rounds them.
    """
    with _module(hlo) as module:
        kind = ir.FunctionType(ir.TypeAttr(_main(module).attributes["function_type"]).value)
        parameters, results = (tuple(map(_aval, types)) for types in (kind.inputs, kind.results))
        if rounded:
            _round_factors(module, *rounded)
        serialized = _export._module_to_bytecode(module)
    return jax.export.Exported(
        fun_name=name,
        in_tree=jax.tree.structure((parameters, {})),
        in_avals=parameters,
        out_tree=jax.tree.structure(results),
        out_avals=results,
        _in_named_shardings=(None,) * len(parameters),
        _out_named_shardings=(None,) * len(results),
        in_shardings_hlo=(None,) * len(parameters),
        out_shardings_hlo=(None,) * len(results),
        nr_devices=1,
        platforms=("cpu",),
        ordered_effects=(),
        unordered_effects=(),
        disabled_safety_checks=(jax.export.DisabledSafetyCheck.platform(),),
        mlir_module_serialized=serialized,
        calling_convention_version=jax.export.maximum_supported_calling_convention_version,
        module_kept_var_idx=tuple(range(len(parameters))),
        uses_global_constants=False,
        _get_vjp=None,
    )


@contextlib.contextmanager
def _module(hlo):
    """The StableHLO module of HLO, without what belongs to TensorFlow's own runtime."""
    with mlir.make_ir_context() as context, ir.Location.unknown(context):
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        for hint in _HINTS:
            if f"mhlo.{hint}" in module.operation.attributes:
                del module.operation.attributes[f"mhlo.{hint}"]
        for operation in list(_operations(module.operation)):
            if operation.name == "mhlo.copy":  # the identity, which StableHLO does not have
                operation.results[0].replace_all_uses_with(operation.operands[0])
                operation.erase()
        yield module


def _main(module):
    return next(one for one in module.body.operations if ir.StringAttr(one.attributes["sym_name"]).value == "main")


def _donate(main, aliases):
    result_of = {parameter: result for result, parameter in aliases.items()}
    count = len(ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value).inputs)
    number = lambda result: ir.IntegerAttr.get(ir.IntegerType.get_signless(32), result)
    attributes = [{"tf.aliasing_output": number(result_of[i])} if i in result_of else {} for i in range(count)]
    main.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(one) for one in attributes])


def _round_factors(module, exponent_bits, mantissa_bits):
    number = lambda bits: ir.IntegerAttr.get(ir.IntegerType.get_signless(32), bits)
    attributes = {"exponent_bits": number(exponent_bits), "mantissa_bits": number(mantissa_bits)}
    for product in [one for one in _operations(module.operation) if one.name in _PRODUCTS]:
        for i, factor in enumerate(product.operands):
            where = ir.InsertionPoint(product)
            name = "stablehlo.reduce_precision"
            rounding = ir.Operation.create(name, [factor.type], [factor], attributes, ip=where)
            product.operands[i] = rounding.results[0]


def _operations(operation):
    for region in operation.regions:
        for block in region:
            for one in block:
                yield one.operation
                yield from _operations(one.operation)


def _aval(tensor_type):
    kind = ir.RankedTensorType(tensor_type)
    dtype_of = {str(mlir.dtype_to_ir_type(dtype)): dtype for dtype in map(jax.numpy.dtype, _DTYPES)}
    return jax.core.ShapedArray(tuple(kind.shape), dtype_of[str(kind.element_type)])
