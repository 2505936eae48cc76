"""What a checkpoint holds of a run, and how a run resumes from one."""

import json
import os
import pathlib
import platform
import textwrap
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kerasgan import checkpoint, distribution, optimization
from kerasgan._version import __version__
from kerasgan.errors import CheckpointMismatchError, warn
from kerasgan.reading import APPROXIMATE, EXACT, REPLAYED

if TYPE_CHECKING:
    from kerasgan.training import Training

_DATA, _METRICS = "data/iterator", "metrics/"
_INEXACT = {
    REPLAYED: "the batches trained on so far are read again to get to the position; what follows is exact if the "
    "dataset gives the same batches each time it is read, otherwise approximate. Arrays and `kerasgan.datasets.load` "
    "need neither, nor does a pipeline that shuffles file names or indices and does not cache.",
    APPROXIMATE: "approximate: the dataset cannot give its position back, because it draws from a random state or runs "
    "Python (tf.random in `map`, `from_generator`). Use stateless random ops, arrays or `kerasgan.datasets.load`.",
}


def arrays_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the arrays of everything that training changes, by name. With several workers, all have to call it."""
    return {name: np.asarray(variable.numpy()) for name, variable in model.state().items()}


def without_metrics(names: dict) -> list[str]:
    """The names of arrays or variables that are no metrics, which may hold anything, and may come and go."""
    return [name for name in names if not name.startswith(_METRICS)]


def first_non_finite(arrays: dict[str, Any]) -> str | None:
    """The name of the first array or variable that holds NaN or infinity, metrics aside; None where all are finite.

    It reads no metric: those are summed over workers when they are read, which all of them would have to do.
    """
    return next((name for name in without_metrics(arrays) if not _finite(np.asarray(arrays[name]))), None)


def inexact(kind: str, too_large: str | None) -> str | None:
    """Says how inexact a run that resumes from a checkpoint will be, by what `Reader` found; None where it is exact."""
    if kind == APPROXIMATE:
        return f"A run that resumes from a checkpoint will be {_INEXACT[APPROXIMATE]}"
    if too_large:
        return (
            f"Checkpoints do not hold the position in the data, because {too_large}. When this run resumes from one, "
            f"{_INEXACT[REPLAYED]}"
        )
    return None


def contents(
    training: "Training", arrays: dict[str, np.ndarray], best: float | None
) -> tuple[dict[str, np.ndarray], dict[str, Any], str]:
    """What a checkpoint of a run holds now, besides the `arrays_of` its model; nothing of it changes with the run.

    Returns the arrays and values to be written, and how exact the position in the data is: one of the constants of
    `reading`.
    """
    state, data = training.state()
    if data is not None:
        arrays = {**arrays, _DATA: np.frombuffer(data, np.uint8)}
    values = {"training": state, "configuration": _configuration(training), "best": best, **_machine(training.model)}
    return arrays, values, state["data"]


def restore(path: pathlib.Path, training: "Training") -> tuple[float | None, str]:
    """Resumes a run from a checkpoint that verifies; nothing of the run is changed where the checkpoint is refused.

    Returns the best value of the metric that is monitored, and how exact the position in the data is.

    Raises:
        CheckpointMismatchError: The checkpoint is of another run, or the model has been trained further.
    """
    values = checkpoint.read_values(path)
    step = values["training"]["step"]
    if training.step > step:
        raise CheckpointMismatchError(
            f"{path} is of step {step:,}, and the model has been trained for {training.step:,} steps: resuming "
            f"from there would throw {training.step - step:,} away. Name another directory to continue with the "
            "model, or build it anew to resume from the checkpoint."
        )
    differences = list(_differences(values["configuration"], _configuration(training)))
    if differences:
        checkpoint.mismatch(path, differences)
    rates = training.model.compilation.learning_rates_set(training.model)
    kind = _read(path, training, values["training"])
    for name, rate in rates.items():
        restored = optimization.learning_rate(training.model.optimizers[name])
        if rate != restored:
            warn(
                f"The learning rate {rate:.7g} that was set on `{name}` is replaced by the checkpoint's, "
                f"{restored:.7g}. To change it pass keras.callbacks.LearningRateScheduler to `fit`.",
            )
    if kind != EXACT:
        warn(f"Resuming from {path.name}: {_INEXACT[kind]}")
    machine = _machine(training.model)
    changed = [f"{name} {values[name]} -> {now}" for name, now in machine.items() if values.get(name) != now]
    if changed:
        warn(f"Resuming from {path.name}, not bit for bit: {'; '.join(changed)}.")
    return values["best"], kind


def check_agreement(directory: pathlib.Path, path: pathlib.Path | None, strategy: tf.distribute.Strategy) -> None:
    """Raises a CheckpointMismatchError where workers have found different checkpoints. All of them have to call it."""
    if not distribution.has_workers(strategy):
        return
    numbers = distribution.gathered(strategy, checkpoint.number(path) if path else (-1, -1))
    if (numbers != numbers[0]).any():
        steps = ", ".join("none" if step < 0 else f"that of step {step}" for step, _ in numbers.tolist())
        raise CheckpointMismatchError(
            f"The workers have found different checkpoints in {directory}: {steps}. Give all of them one directory, on "
            "a file system that they share."
        )


def _read(path, training, state):
    """Puts the model and the run where a checkpoint says; returns how exact the position in the data is."""
    variables = training.model.state()
    specs = {name: (tuple(variable.shape), variable.numpy().dtype) for name, variable in variables.items()}
    # Metrics depend on the callbacks: one more or less does not make another run.
    optional = [_DATA, *(name for name in specs if name.startswith(_METRICS))]
    arrays = checkpoint.read_arrays(path, {**specs, _DATA: None}, optional, ignored=_METRICS)
    data = arrays.pop(_DATA, None)
    # What can fail comes before anything is changed.
    iterator = None if data is None else training.reader.iterator_at(data.tobytes())
    weights = [name for name in arrays if name.split("/")[0] in training.model.networks]
    replaced = training.step and any((arrays[name] != variables[name].numpy()).any() for name in weights)
    training.model.reset_metrics()
    for name, array in arrays.items():
        variables[name].assign(array)
    if replaced:
        warn(
            f"The model had been trained for {training.step:,} steps. Its weights are replaced by those of {path}, of "
            f"step {state['step']:,}. To continue with the model's, name another directory."
        )
    return training.restore(state, iterator)


def _configuration(training):
    """What has to be the same for a run to resume."""
    batches = training.batches
    data = {
        "elements": str(batches.dataset.element_spec),
        "steps_per_epoch": training.steps_per_epoch,
        "fingerprint": batches.digest if batches.seekable else None,
    }
    return _canonical({"model": training.model.compilation.recipe(training.model), "data": data})


def _machine(model):
    """What has to be the same for a run to resume bit for bit."""
    return {
        "kerasgan": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "replicas": model.num_replicas,
        **{name: str(value) for name, value in model.compilation.arguments.items()},
    }


def _finite(array):
    # The sum is finite only if all are: one pass without a mask of the size of the array.
    return array.dtype.kind in "iub" or bool(np.isfinite(array.sum(dtype=np.float64)))


def _canonical(value):
    """The value as JSON gives it back, with the names that Keras has numbered replaced by numbers of our own."""
    value = json.loads(json.dumps(value, default=str))
    names: dict[str, str] = {}

    def collect(node):
        if isinstance(node, dict):
            if isinstance(node.get("name"), str):
                names.setdefault(node["name"], f"#{len(names)}")
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            collect(child)

    def replaced(node):
        if isinstance(node, dict):
            return {key: replaced(child) for key, child in node.items()}
        if isinstance(node, list):
            return [replaced(child) for child in node]
        return names.get(node, node) if isinstance(node, str) else node

    collect(value)
    return replaced(value)


def _differences(there, here, path=""):
    """Sentences on where two configurations differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            yield from _differences(there.get(key), here.get(key), f"{path}.{key}" if path else key)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, pair in enumerate(zip(there, here, strict=True)):
            yield from _differences(*pair, f"{path}.{index}")
    elif there != here:
        there, here = (textwrap.shorten(_shown(value), 120) for value in (there, here))
        yield f"{path}: {there} in the checkpoint, {here} here"


def _shown(value):
    # A float32 of a variable has digits that nobody has written.
    return str(float(f"{value:.7g}") if isinstance(value, float) else value)
