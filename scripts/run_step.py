"""Runs the train steps that `export_step.py` wrote, with JAX and NumPy alone, on whatever device JAX finds.

    python scripts/run_step.py bundle --repeats=50 | tee steps.jsonl

A line of JSON for each step: how far its logs and weights are from those that TensorFlow computed, and how fast it is.
Errors of logs are relative. That of a variable is the norm of the difference over the norm of its change.
"""

import argparse
import json
import pathlib
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)  # TensorFlow counts steps in int64

_SMALL = 1e-2  # what is added to the size of a log


class Step:
    """A step and its state on the device.

    Args:
        path: The .bin file.
        description: What its .json file holds.
        arrays: Dict of arrays.
    """

    def __init__(self, path, description, arrays):
        exported = jax.export.deserialize(bytearray(path.read_bytes()))
        self._given = len(description["batches"][0])
        self._aliases = {int(result): parameter for result, parameter in description["aliases"].items()}
        self.state = [jax.device_put(arrays[name]) for name in description["before"]]
        donated = tuple(self._aliases.values())
        start = time.perf_counter()
        self._function = jax.jit(exported.call, donate_argnums=donated).lower(*exported.in_avals).compile()
        self.compilation = time.perf_counter() - start

    def __call__(self, batch):
        """Makes one step; returns all of its results."""
        results = self._function(*batch, *self.state)
        for result, parameter in self._aliases.items():
            self.state[parameter - self._given] = results[result]
        return results


def compared(step, description, arrays):
    """Takes the steps that TensorFlow took; returns the errors."""
    logs = []
    for batch, expected in zip(description["batches"], description["logs"], strict=True):
        received = step([arrays[name] for name in batch])[: len(expected)]
        logs += [abs(float(a) - b) / (abs(b) + _SMALL) for a, b in zip(received, expected, strict=True)]
    errors, unmoved = {}, []
    names = (description[key] for key in ("names", "before", "chosen", "after"))
    for value, name, *keys in zip(step.state, *names, strict=True):
        before, chosen, after = (arrays[key] for key in keys)
        before, received = (np.asarray(one).reshape(-1)[chosen].astype("float64") for one in (before, value))
        change = np.linalg.norm(after.astype("float64") - before)
        if change:
            errors[name] = float(np.linalg.norm(received - after) / change)
        elif not np.array_equal(received, after.astype("float64")):
            unmoved.append(name)
    names, values = list(errors), np.array(list(errors.values()))  # NumPy's maxima keep NaN
    worst = int(np.argmax(values))
    return {
        "steps": len(description["logs"]),
        "log_error": float(np.max(logs)),
        "weights_moved": len(errors),
        "weights_median_error": float(np.median(values)),
        "weights_worst_error": float(values[worst]),
        "worst": names[worst],
        "moved_here_alone": unmoved,
    }


def timed(step, batch, repeats, images):
    """Steps and images a second, over `repeats` steps."""
    batch = [jax.device_put(one) for one in batch]
    jax.block_until_ready(step(batch))
    start = time.perf_counter()
    for _ in range(repeats):
        step(batch)
    jax.block_until_ready(step.state)
    rate = repeats / (time.perf_counter() - start)
    return {"repeats": repeats, "steps_per_second": rate, "images_per_second": rate * images}


def line(directory, name, products, arrays, repeats):
    """What is printed of one step."""
    description = json.loads((directory / f"{name}.json").read_text())
    suffix = "" if products == "default" else f".{products}"
    device = jax.devices()[0]
    result = {"step": name, "products": products, "device": device.device_kind, "jax": jax.__version__}
    step = Step(directory / f"{name}{suffix}.bin", description, arrays)
    result |= {"compile_seconds": step.compilation, **compared(step, description, arrays)}
    if repeats:
        result |= timed(step, [arrays[one] for one in description["batches"][0]], repeats, description["images"])
    memory = device.memory_stats() or {}  # a CPU has none
    return result | {"peak_bytes_so_far": memory.get("peak_bytes_in_use")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=pathlib.Path, help="directory that export_step.py wrote")
    parser.add_argument("--repeats", type=int, default=50, help="steps that are timed; 50 by default, 0 for none")
    parser.add_argument("--only", default="", help="steps whose names contain this")
    arguments = parser.parse_args()
    if not (arguments.bundle / "arrays.npz").is_file():
        parser.error(f"expected a directory that export_step.py wrote; received {str(arguments.bundle)!r}")
    arrays = np.load(arguments.bundle / "arrays.npz")
    for path in sorted(path for path in arguments.bundle.glob("*.json") if arguments.only in path.stem):
        for products in json.loads(path.read_text())["products"]:
            try:
                values = line(arguments.bundle, path.stem, products, arrays, arguments.repeats)
            except Exception as error:  # the next one may run
                values = {"step": path.stem, "products": products, "error": f"{type(error).__name__}: {error}"[:2000]}
            print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
