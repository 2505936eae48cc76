"""What Keras's files of models and weights hold, and what is said where they do not fit."""

import contextlib
import zipfile

import h5py
import keras

from kerasgan.errors import ModelContractError

_OPTIMIZERS = ("optimizer", "d_optimizer", "g_optimizer")


def optimizers_in(filepath):
    """Names of the optimizers in a `.weights.h5` or `.keras` file; none for other formats."""
    with contextlib.ExitStack() as stack:
        file = filepath
        if str(filepath).endswith(".keras"):
            archive = stack.enter_context(zipfile.ZipFile(filepath))
            file = stack.enter_context(archive.open("model.weights.h5"))
        elif not str(filepath).endswith(".weights.h5"):
            return []
        weights = stack.enter_context(h5py.File(file, "r"))
        return [name for name in _OPTIMIZERS if len(weights.get(f"{name}/vars", ()))]


def restored(config, custom_objects=None):
    """The object, or the list of objects, of a Keras configuration.

    Raises:
        ModelContractError: A class is not known; the message says what to do.
    """
    try:
        return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)
    except TypeError as error:
        configs = config if isinstance(config, list) else [config]
        classes = " or ".join(repr(one.get("class_name")) for one in configs if isinstance(one, dict))
        raise ModelContractError(
            f"The model cannot be loaded, because {classes} is not known here. Put `@keras.saving."
            "register_keras_serializable()` above the class and import it before `load_model`, or pass "
            f"`custom_objects`: {error}"
        ) from error
