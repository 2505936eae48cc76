"""Writes train steps as files that a machine with JAX alone runs: `run_step.py`.

    pip install -e ".[tpu]"
    python scripts/export_step.py bundle mlp8 dcgan28 runs/mnist-wgan_gp-1 --precision=float32,mixed_bfloat16

A step is given as a model of `steps.py` or as the directory of a run, which has its own precision. A step NAME becomes

- NAME.bin: the step as StableHLO, serialized by `jax.export`, with products of float32 as the device multiplies by
  default; NAME.float32.bin: the same with them in float32, for the policy float32;
- NAME.json: what its parameters and results are, and what TensorFlow computed in a few steps on this CPU;
- arrays.npz: of all steps, weights and batches to start from, and up to 512 values of each variable after the steps.
  Arrays are known by their hashes, so equal ones are there once.
"""

import argparse
import hashlib
import json
import os
import pathlib
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import programs
import steps
import tensorflow as tf

_COMPARED = 512  # values of a variable


class Arrays:
    """Arrays in one compressed file, each once.

    Args:
        path: That of the .npz file, which is written anew.
    """

    def __init__(self, path):
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._known = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._archive.close()

    def add(self, array):
        """Writes an array; returns its name."""
        array = np.asarray(array, order="C")
        name = hashlib.sha256(f"{array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()[:16]
        if name not in self._known:
            self._known.add(name)
            with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)
        return name


def models(names, precisions, sgd):
    """Yields the name of a step and the compiled model of it, for names of models and directories of runs."""
    for name in names:
        if name in steps.MODELS:
            for precision in precisions:
                yield f"{name}-{precision}{'-sgd' * sgd}", steps.made(name, precision, sgd=sgd)
        else:
            path = pathlib.Path(name)
            yield path.name, keras.models.load_model(path / "model.keras")


def export(directory, name, model, batch, count, arrays):
    """Writes one step; `arrays` is what all steps of a directory share."""
    function, batches = steps.step_function(model), [_pictures(model, batch, seed) for seed in range(count)]
    specs = [tf.TensorSpec(array.shape, array.dtype) for array in batches[0]]
    program = steps.program(function, specs)
    names = {id(variable.value): name for name, variable in model.state().items()}
    variables = {id(variable.handle): variable for variable in program.variables}
    captured = [variables.get(id(one), one) for one in program.captured]
    before = [one.numpy() for one in captured]
    logs = [function(*map(tf.constant, one)) for one in batches]
    after = [one.numpy() for one in captured]
    chosen = [np.linspace(0, one.size - 1, min(_COMPARED, one.size)).astype("int64") for one in after]
    description = {
        "batch": batch,
        "images": batch * model.batches_per_step,
        "aliases": program.aliases,
        "names": [names.get(id(one), f"constant/{i}") for i, one in enumerate(captured)],
        "batches": [[arrays.add(array) for array in one] for one in batches],
        "before": [arrays.add(one) for one in before],
        "chosen": [arrays.add(one) for one in chosen],
        "after": [arrays.add(one.reshape(-1)[where]) for one, where in zip(after, chosen, strict=True)],
        "log_names": sorted(logs[0]),  # the order of the results
        "logs": [[float(one[key]) for key in sorted(one)] for one in logs],
        "products": ["default"],
    }
    (directory / f"{name}.bin").write_bytes(programs.exported(program.hlo, name).serialize())
    if all(layer.compute_dtype == "float32" for layer in model.discriminator.layers):
        description["products"].append("float32")
        with steps.float32_products():
            precise = steps.program(function, specs)
        (directory / f"{name}.float32.bin").write_bytes(programs.exported(precise.hlo, name).serialize())
    (directory / f"{name}.json").write_text(json.dumps(description))


def _pictures(model, batch, seed):
    """A batch of a step, in the 256 levels of pictures, which compress."""
    images, *labels = steps.batch_of(model, batch, seed)
    return [(np.round(images * 127.5 + 127.5) / np.float32(127.5) - 1).astype("float32"), *labels]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="directory that is written, new or empty")
    parser.add_argument("steps", nargs="+", metavar="RUN|MODEL", help=f"{', '.join(steps.MODELS)}, or run directories")
    parser.add_argument("--precision", default="float32", help="of models, with commas; float32 by default")
    parser.add_argument("--sgd", action="store_true", help="SGD in place of the papers' optimizers, of models")
    parser.add_argument("--batch", type=int, default=64, help="images of one update; 64 by default")
    parser.add_argument("--steps", dest="count", type=int, default=3, help="steps that TensorFlow takes; 3 by default")
    arguments = parser.parse_args()
    precisions = arguments.precision.split(",")
    _check(parser, arguments, precisions)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with Arrays(arguments.out / "arrays.npz") as arrays:
        for name, model in models(arguments.steps, precisions, arguments.sgd):
            export(arguments.out, name, model, arguments.batch, arguments.count, arrays)
            print(name, flush=True)
    print(f"{sum(path.stat().st_size for path in arguments.out.iterdir()) / 1e6:.1f} MB in {arguments.out}")


def _check(parser, arguments, precisions):
    for name in arguments.steps:
        if name not in steps.MODELS and not (pathlib.Path(name) / "model.keras").is_file():
            parser.error(f"expected {', '.join(steps.MODELS)}, or a directory with model.keras; received {name!r}")
    wrong = [one for one in precisions if one not in steps.PRECISIONS]
    if wrong:
        parser.error(f"expected --precision of {', '.join(steps.PRECISIONS)}; received {wrong[0]!r}")
    if arguments.batch < 1 or arguments.count < 1:
        parser.error(f"expected --batch and --steps >= 1; received {arguments.batch} and {arguments.count}")
    if arguments.out.exists() and (not arguments.out.is_dir() or any(arguments.out.iterdir())):
        parser.error(f"expected a new or an empty directory; received {str(arguments.out)!r}")


if __name__ == "__main__":
    main()
