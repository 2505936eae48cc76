"""Keras's files of models and weights: written whole or not at all, and checked before they are loaded."""

import contextlib
import errno
import os
import pathlib
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import keras

from kerasgan import _keras, files, optimization
from kerasgan.compilation import own_optimizers
from kerasgan.errors import invalid, warn

_COUNTED = re.compile(r"(_\d+)+$")
_OPTIMIZERS = ("optimizer", "d_optimizer", "g_optimizer")
_OR = ", or load what fits by `skip_mismatch=True`."


@contextlib.contextmanager
def replacing(filepath: str | os.PathLike) -> Iterator[pathlib.Path]:
    """As `files.replacing`, for a file that Keras writes.

    Keras 3.15 makes a temporary directory for each save: beside the file, where the usual place has no room.
    """
    with files.replacing(filepath) as temporary, contextlib.ExitStack() as stack:
        try:
            tempfile.TemporaryDirectory().cleanup()
        except OSError:
            room = stack.enter_context(files.temporary_directory(temporary.parent))
            stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
            tempfile.tempdir = str(room)
        yield temporary


def check_name(filepath: str | os.PathLike, zipped: bool | None) -> None:
    """Raises a ValueError for a name that Keras 3 saves no model under."""
    name, remote = str(filepath), "://" in str(filepath)
    if name.endswith((".h5", ".hdf5")) or not (remote or zipped is False or name.endswith(".keras")):
        raise invalid("filepath", "a name that ends in .keras, the format of Keras 3", f"filepath={name!r}")


def warn_of_what_is_lost(model: keras.Model) -> None:
    """Warns of what a compiled model is trained with, and a loaded one would not be."""
    frozen = model.compilation.frozen_since(model)
    if frozen:
        warn(
            f"Layers were frozen after `compile`, the first {frozen[0]!r}: loading loses the optimizer's state. "
            "Call `compile()` after freezing.",
        )
    for name, optimizer in model.optimizers.items():
        inner = optimization.without_loss_scale(optimizer)
        excluded = [one.path for one in _keras.variables_moved_by(inner) if not _keras.decays(inner, one)]
        if excluded and inner.weight_decay:
            warn(
                f"Keras does not save `exclude_from_weight_decay` of {name}: the optimizer of a loaded model decays "
                f"{excluded[0]!r}, too. To resume, use kerasgan.callbacks.Checkpoint, and the script's own optimizers.",
            )


def save_whole(save: Callable, whole: bool, filepath: str | os.PathLike, overwrite: bool, **kwargs: Any) -> None:
    """Calls `save` of Keras so that the file of the model, if `whole`, appears whole or not at all."""
    if not whole or "://" in str(filepath):  # Keras handles directories and remote paths itself
        save(filepath, overwrite=overwrite, **kwargs)
        return
    path = files.checked_path("filepath", filepath, "the name of a file, e.g. 'model.keras'")
    if not overwrite and path.exists():  # Keras asks
        save(path, overwrite=False, **kwargs)
        return
    with replacing(path) as temporary:
        save(temporary, overwrite=True, **kwargs)


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns everything that training changes, by names that are the same in every process."""
    groups = {name: network.weights for name, network in model.networks.items()}
    of_networks = {id(variable) for variables in groups.values() for variable in variables}
    groups["model"] = [variable for variable in model.weights if id(variable) not in of_networks]
    # By name: a callback may log one more.
    groups |= {f"metrics/{metric.name}": metric.variables for metric in model.metrics}
    optimizers = {**model.optimizers, **own_optimizers(model)}
    groups |= {name: optimizer.variables for name, optimizer in optimizers.items()}
    groups["seeds"] = [generator.state for generator in _keras.seed_generators_of(model)]

    def named(group, index, variable):
        # Keras numbers layers and variables without a name, and names an optimizer's variables after theirs.
        return f"{group}/{index:03d}" + ("" if group in optimizers else f"/{_COUNTED.sub('', variable.name)}")

    return {
        named(group, index, variable): variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def load_whole(load: Callable[[], None], filepath: str | os.PathLike, model: keras.Model) -> None:
    """Calls `load` of Keras so that all of the file is loaded, or nothing.

    Raises:
        ValueError: The file and the model do not fit.
    """
    groups = _check_weights(filepath, model)
    before = {name: variable.numpy() for name, variable in model.state().items()}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping variable loading for optimizer")
            if groups and "critic" not in groups:  # Keras looks for a WGAN's discriminator under both of its names
                warnings.filterwarnings("ignore", "Skipping nested container at 'critic")
            load()
    except Exception as error:
        for name, variable in model.state().items():
            variable.assign(before[name])
        error.add_note("Nothing was loaded. Make the model as it was saved, or load what fits by `skip_mismatch=True`.")
        raise


def _check_weights(filepath, model):
    """Refuses what Keras would drop from a file of weights in silence, or refuse without a reason one can act on.

    Returns: The names of what the file holds; None where they are not known.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has an average or optimizers, and the model has none or others; or the other way round; or
            it is of a WGAN, whose discriminator has another name in files; or of another kind of model.
    """
    if not str(filepath).endswith((".weights.h5", ".keras")):
        return None
    if not os.path.exists(filepath):
        raise FileNotFoundError(errno.ENOENT, "There is no file of weights", str(filepath))
    shapes = _shapes_in(filepath)
    # Keras names a network in the file by the first attribute that holds it.
    networks = [id(network) for network in model.networks.values()]
    if shapes.keys().isdisjoint({"generator", *(name for name, one in vars(model).items() if id(one) in networks)}):
        raise ValueError(
            f"{filepath} holds no network of a {type(model).__name__}. If it holds a single network, "
            "load it into that network, e.g. with `model.generator.load_weights`; else name a file of a whole model."
        )
    if ("ema_generator" in shapes) != ("ema_generator" in model.networks):
        there, here, fix = ("an", "none", "with") if "ema_generator" in shapes else ("no", "one", "without")
        raise ValueError(
            f"{filepath} holds {there} average of the generator, and the model keeps {here}. Build it {fix} "
            f"`ema_momentum`{_OR}"
        )
    if "critic" in shapes and not hasattr(model, "critic"):
        raise ValueError(
            f"{filepath} holds a WGAN, and the model is a {type(model).__name__}. Load it into a WGAN or WGANGP of the "
            "same networks, and then make this model of its `generator` and `discriminator`."
        )
    saved = [name for name in _OPTIMIZERS if shapes.get(name)]
    if saved and not model.compiled:
        raise ValueError(
            f"{filepath} holds {' and '.join(saved)}, and the model has none. Call `compile` before `load_weights`{_OR}"
        )
    for name, optimizer in model.optimizers.items():
        if name not in saved:
            raise ValueError(
                f"{filepath} holds no {name}: its model was not compiled. Call `load_weights` before `compile`{_OR}"
            )
        # Before the first step Keras has optimizers without slots; ours have them since `compile`.
        if shapes[name] != sorted(tuple(variable.shape) for variable in optimizer.variables):
            raise ValueError(
                f"The {name} in {filepath} does not fit that of this model, {optimizer.name!r}: {len(shapes[name])} "
                f"variables in the file, {len(optimizer.variables)} here, or of other shapes. Build the networks and "
                f"the optimizers as they were saved{_OR}"
            )
    return set(shapes)


def _shapes_in(filepath):
    """The shapes of all arrays in a file of weights, sorted, by the first part of their names."""
    shapes: dict[str, list[tuple[int, ...]]] = {}

    def collect(name, item):
        group = shapes.setdefault(name.split("/")[0], [])
        if isinstance(item, h5py.Dataset):
            group.append(item.shape)

    with contextlib.ExitStack() as stack:
        file = filepath
        if str(filepath).endswith(".keras"):
            archive = stack.enter_context(zipfile.ZipFile(filepath))
            file = stack.enter_context(archive.open("model.weights.h5"))
        stack.enter_context(h5py.File(file, "r")).visititems(collect)
    return {name: sorted(group) for name, group in shapes.items()}
