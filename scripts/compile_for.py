"""Compiles train steps for accelerators that are not there, and prints what the compilers say of them.

    pip install -e ".[tpu,gpu]"
    python scripts/compile_for.py --target=tpu:v5e:2x2 --model=mlp8,dcgan28 --precision=float32 --replicas=1,4

XLA's own compilers for TPUs (libtpu) and NVIDIA GPUs run on this CPU, ahead of time. A row is one program: the whole
step of a model of `steps.py`, or the gradients of one update (`--part=d_gradients,g_gradients`), on one device or on
one of several replicas, which share the batch. Rows are kept in `results.json`: a stopped command goes on where it was.

- arguments, temporaries, peak, code: megabytes on the device. The new state takes the memory of the old one.
- GFLOP, GB, estimate: operations, bytes accessed and milliseconds as the compiler of a TPU estimates them, of one
  device; that of a GPU estimates nothing.
- host: operations that a host serves. dynamic: tensors whose shapes are not static. collectives: sums over replicas.
- seconds: CPU seconds of compilation.
"""

import argparse
import collections
import datetime
import functools
import hashlib
import importlib.metadata
import pathlib
import re
import time

import steps
import studies

_CONFIGS = studies.ROOT / "scripts/target_configs"
# Opcodes that a host serves.
_HOST = ("infeed", "outfeed", "send", "recv")
_COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-permute")
_PACKAGES = ("tensorflow", "keras", "jax", "libtpu", "jax-cuda13-plugin")
_COLUMNS = {
    "arguments": "argument_size_in_bytes",
    "temporaries": "temp_size_in_bytes",
    "peak": "peak_memory_in_bytes",
    "code": "generated_code_size_in_bytes",
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=_list(), required=True, help="e.g. tpu:v5e:2x2,tpu:v6e:2x2,cuda:h100")
    for name, choices, default in (
        ("model", tuple(steps.MODELS), None),
        ("precision", steps.PRECISIONS, None),
        ("part", steps.PARTS, ["train_step"]),
    ):
        text = f"some of {', '.join(choices)}; {', '.join(default or ['all'])} by default"
        parser.add_argument(f"--{name}", type=_list(choices), default=default or list(choices), help=text)
    parser.add_argument("--replicas", type=_numbers, default=[1, 4], help="1,4 by default")
    parser.add_argument("--batch", type=int, default=64, help="images of one update on all replicas; 64 by default")
    parser.add_argument("--target_config", type=pathlib.Path, help="GpuTargetConfigProto of a cuda: target, as text")
    parser.add_argument("--processes", type=int, default=1, help="parallel compilations; 0: in this process")
    parser.add_argument("--out", type=pathlib.Path, help="directory of results.json; runs/compile_for by default")
    arguments = parser.parse_args()
    _check(parser, arguments)
    return arguments


def _list(choices=()):
    def parse(text):
        values = text.split(",")
        wrong = [one for one in values if choices and one not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(choices)}; received {wrong[0]!r}")
        return values

    return parse


def _numbers(text):
    if not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"expected integers, e.g. 1,4; received {text!r}")
    return [int(part) for part in text.split(",")]


def _check(parser, arguments):
    for count in arguments.replicas:
        if count < 1 or arguments.batch < 1 or arguments.batch % count:
            parser.error(f"expected a --batch that is a multiple of --replicas, received {arguments.batch} and {count}")
    config = arguments.target_config
    if config and not config.is_file():
        parser.error(f"expected a file for --target_config; received {str(config)!r}")
    known = sorted(path.stem for path in _CONFIGS.glob("*.txtpb"))
    for target in arguments.target:
        platform, _, name = target.partition(":")
        if platform not in ("tpu", "cuda") or not name:
            parser.error(f"expected --target=tpu:TOPOLOGY, e.g. tpu:v5e:2x2, or cuda:NAME; received {target!r}")
        if platform == "cuda" and not config and name not in known:
            parser.error(f"expected one of {', '.join(known)} after cuda:, or --target_config; received {target!r}")
        package = "libtpu" if platform == "tpu" else "jax-cuda13-plugin"
        if not _version(package):
            extra = "tpu" if platform == "tpu" else "gpu"
            parser.error(f'{package} is not installed, which compiles for {target}: pip install -e ".[{extra}]"')


@functools.lru_cache(maxsize=1)  # the targets of one program follow one another
def _program(model, precision, part, batch, replicas):
    replica = steps.Replica(replicas) if replicas > 1 else None
    return steps.program_of(steps.made(model, precision), batch // replicas, part, replica)


def row(target, model, precision, part, batch, replicas, target_config=None):
    """Compiles one program; returns a dict of JSON values."""
    program = _program(model, precision, part, batch, replicas)
    import programs  # needs JAX, which the options have looked for

    devices = programs.devices(target, replicas, target_config)
    start = time.process_time()
    try:
        executable, stablehlo = programs.compiled(program.hlo, program.aliases, devices)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    return {
        "date": datetime.date.today().isoformat(),
        "device": devices[0].device_kind,
        "seconds": time.process_time() - start,
        "dynamic": len(re.findall(r"tensor<[^>]*\?", stablehlo)),
        "donated": len(program.aliases),
        **measured(executable),
    }


def measured(executable):
    """What an executable of XLA tells of itself."""
    memory = executable.get_compiled_memory_stats()
    opcodes = _opcodes(executable.hlo_modules()[0].to_string())
    return {
        **{name: getattr(memory, attribute) for name, attribute in _COLUMNS.items()},
        **_cost(executable),
        "host": sum(opcodes[name] + opcodes[f"{name}-done"] for name in _HOST),
        "host_bytes": memory.host_temp_size_in_bytes + memory.host_argument_size_in_bytes,
        "collectives": sum(opcodes[name] + opcodes[f"{name}-start"] for name in _COLLECTIVES),
        "instructions": sum(opcodes.values()),
        "fusions": opcodes["fusion"],
        "products": opcodes["convolution"] + opcodes["dot"],
    }


def _cost(executable):
    try:
        cost = executable.cost_analysis()
    except Exception:  # of a GPU: unimplemented
        return {}
    # Of the estimate some custom calls subtract a whole second each.
    return {"flop": cost["flops"], "bytes": cost["bytes accessed"], "estimate": cost["optimal_seconds"] % 1}


def _opcodes(text):
    return collections.Counter(re.findall(r"^\s*(?:ROOT )?%?[\w.\-]+ = .*?\s([a-z][a-z0-9\-]*)\(", text, re.MULTILINE))


def table(rows):
    """Markdown of `(target, model, precision, part, batch, replicas)` -> row."""
    names = ["arguments MB", "temporaries MB", "peak MB", "code MB", "GFLOP", "GB", "estimate ms"]
    names = ["target", "model", "precision", "replicas", "part", *names, "host", "dynamic", "collectives", "seconds"]
    lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    for (target, model, precision, part, _, replicas), one in rows.items():
        head = [target, model, precision, replicas, part]
        cells = [*head, one["error"].splitlines()[0]] if "error" in one else [*head, *_cells(one)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _cells(one):
    scaled = lambda name, unit, digits: f"{one[name] / unit:.{digits}f}" if name in one else ""
    memory = [scaled(name, 1e6, 1) for name in _COLUMNS]
    cost = [scaled("flop", 1e9, 2), scaled("bytes", 1e9, 3), scaled("estimate", 1e-3, 3)]
    return [*memory, *cost, one["host"], one["dynamic"], one["collectives"], scaled("seconds", 1, 0)]


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _target_config(target, path):
    """Text of XLA's GpuTargetConfigProto; None for a TPU."""
    platform, _, name = target.partition(":")
    if platform != "cuda":
        return None
    return (path or _CONFIGS / f"{name}.txtpb").read_text()


def _digest(config):
    """What tells rows of one configuration from those of another."""
    return [] if config is None else [hashlib.sha256(config.encode()).hexdigest()[:12]]


def main():
    arguments = options()
    configs = {target: _target_config(target, arguments.target_config) for target in arguments.target}
    tasks = {
        " ".join(map(str, (*task, *_digest(configs[target])))): task
        for model in arguments.model
        for precision in arguments.precision
        for replicas in arguments.replicas
        for part in arguments.part
        for target in arguments.target
        for task in [(target, model, precision, part, arguments.batch, replicas)]
    }
    versions = {package: _version(package) for package in _PACKAGES}
    results = studies.Results(arguments.out or studies.ROOT / "runs/compile_for", {"versions": versions})
    values = results.all(row, {name: (*task, configs[task[0]]) for name, task in tasks.items()}, arguments.processes)
    print(", ".join(f"{package} {version}" for package, version in versions.items() if version), end="\n\n")
    print(table({tasks[name]: value for name, value in values.items()}))


if __name__ == "__main__":
    main()
