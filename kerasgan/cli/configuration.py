"""From flags to the configuration of a run, and from there to `config.json` and back."""

import json
import math
import os
import pathlib
import platform
import typing

import keras
import numpy as np
import tensorflow as tf

import kerasgan
from kerasgan import datasets, files, images, recipes
from kerasgan.cli.settings import (
    IMAGES,
    MODELS,
    NORMALIZED,
    OF_DCGAN,
    OPTIONAL,
    PATHS,
    PENALIZED,
    SETTINGS,
    WITH_ENCODERS,
    Configuration,
)
from kerasgan.datasets.pipeline import fingerprint
from kerasgan.errors import DataError, warn

# A run is divided into about 20 to 40 parts ("epochs" for `fit`), of 50 steps or more where there are enough. A picture
# and a checkpoint follow each.
_FEWEST_PARTS, _MOST_PARTS, _STEPS_OF_PART = 20, 40, 50
# A run of fewer steps keeps two checkpoints, not three: it can soon be repeated.
_LONG = 1_000
# Larger images need convolutions.
_LARGEST_FOR_MLP = 16
_NORMALIZATIONS = ("generator_normalization", "discriminator_normalization")
_ENCODED = " or ".join(WITH_ENCODERS)


def resolve(dataset: str, model: str | None = None, *, source: datasets.Source, **flags: typing.Any) -> Configuration:
    """Returns the configuration of a run. A flag goes before what was tuned, and that before the model's paper.

    Args:
        dataset: Name or path, as the user gave it.
        model: One of `MODELS`; None for the default.
        source: What was read.
        **flags: Fields of `Configuration` that the user has set, `epochs` instead of `steps`; None stands for not set.

    Raises:
        ValueError: The flags do not fit one another or the data.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    small = len(source.example_shape) == 1 or max(source.example_shape[:2]) <= _LARGEST_FOR_MLP
    network = given.pop("network", "mlp" if small else "dcgan")
    kinds = (dataset,) if small else (dataset, IMAGES)
    model = model or SETTINGS["model"].default_for(*kinds)
    epochs = given.pop("epochs", None)
    _check(given, epochs, model, network, source)
    values = {name: setting.default_for(*kinds, model=model) for name, setting in SETTINGS.items()}
    amount = source.num_examples, source.example_shape[-1]
    if (small, model, network) == (False, "r3gan", "dcgan"):
        values["blur"], values["skips"] = recipes.IMAGES.blur, recipes.IMAGES.is_few(*amount)
        values["steps"] = recipes.IMAGES.steps_for(*amount)
    if not small and model != "vae":
        by_class = recipes.IMAGES.by_class(source.num_classes) and not _empty_classes(source)
        values["conditional"] = by_class and given.get("pack", 1) == 1
        values["augment"] = recipes.IMAGES.policy(*amount)
    for name in ("n_critic", "learning_rate", "beta_1", "beta_2"):
        if values[name] is None:
            values[name] = getattr(MODELS[model], name)
    if network in NORMALIZED and network != "mlp":
        # A penalty is per example, and so forbids batch normalization in the discriminator.
        values["generator_normalization"] = "batch"
        values["discriminator_normalization"] = None if model in PENALIZED else "batch"
    values |= given | {"dataset": dataset, "model": model, "network": network}
    # What means nothing for this network or model is null.
    values["filters" if network == "mlp" else "units"] = None
    if model == "vae" or not values["ema_momentum"]:
        values["ema_momentum"] = None
    if "augment_probability" in given and not values["augment"]:
        raise ValueError("--augment_probability needs --augment, e.g. --augment=translation:0.5,cutout.")
    if "batch_size" not in given and source.num_examples >= values["pack"]:
        values["batch_size"] = min(values["batch_size"], source.num_examples // values["pack"] * values["pack"])
    _check_pack(values["batch_size"], values["pack"], values["conditional"])
    if epochs is not None:
        values["steps"] = epochs * max(1, source.num_examples // values["batch_size"] // values["n_critic"])
    values["steps_per_epoch"] = steps_per_part(values["steps"])
    if "keep_checkpoints" not in given and values["steps"] < _LONG:
        values["keep_checkpoints"] = 2
    return Configuration.from_json(values)


def steps_per_part(steps: int) -> int:
    """Steps from one picture and checkpoint to the next, in a run of so many."""
    parts = min(_MOST_PARTS, max(_FEWEST_PARTS, steps // _STEPS_OF_PART))
    return math.ceil(steps / parts)


def _check(given, epochs, model, network, source):
    if source.num_examples < 2:
        raise ValueError(f"{source.name} holds one example, and training compares several. Give it two or more.")
    if epochs is not None and "steps" in given:
        raise ValueError("Give --epochs or --steps, not both: an epoch is as many steps as the data hold.")
    if "units" in given and network != "mlp":
        raise ValueError(f"--units is for --network=mlp; the network here is {network}: use --filters.")
    if "filters" in given and network == "mlp":
        raise ValueError("--filters is for --network=dcgan, resnet or r3gan; the network here is mlp: use --units.")
    for name in OF_DCGAN:
        if given.get(name) and network != "dcgan":
            raise ValueError(f"--{name} is for --network=dcgan; the network here is {network}.")
    for name in _NORMALIZATIONS:
        if name in given and network not in NORMALIZED:
            raise ValueError(f"--{name}: the networks of --network={network} have no normalization. Leave it out.")
    if len(source.example_shape) == 1 and network != "mlp":
        raise ValueError(f"{source.name} holds points, which --network={network} cannot make: use --network=mlp.")
    if model == "vae":
        reasons = {
            "conditional": "takes no labels",
            "n_critic": "has no critic",
            "pack": "has no critic",
            "ema_momentum": "keeps no average",
            "augment": "has no discriminator",
            "augment_probability": "has no discriminator",
        }
        for name, reason in reasons.items():
            if given.get(name) or (name == "augment_probability" and name in given):
                raise ValueError(f"--{name} is for the adversarial models: --model=vae {reason}.")
        if network not in WITH_ENCODERS:
            raise ValueError(f"--model=vae has no encoder for --network={network}: use {_ENCODED}.")
    if "penalty_weight" in given and model not in PENALIZED:
        raise ValueError(f"--penalty_weight is for {', '.join(PENALIZED)}: --model={model} has no penalty.")
    if not images.can_be_drawn(source.example_shape):
        raise ValueError(
            f"{source.name} holds points of {source.example_shape[0]} numbers, and the command draws those of 2: train "
            "on them in Python, `gan.fit(kerasgan.datasets.load(...))`."
        )
    if given.get("augment") and len(source.example_shape) == 1:
        raise ValueError(f"--augment is for images: {source.name} holds points.")
    for name in ("beta_1", "beta_2"):
        if name in given and getattr(MODELS[model], name) is None:
            raise ValueError(f"--{name} is for models that Adam trains: --model={model} is trained by RMSprop.")
    if given.get("conditional") and source.labels is None:
        raise ValueError(
            f"--conditional: {source.name} has no labels. Leave it out, or put each class in a sub-folder."
        )
    if given.get("conditional") and (empty := _empty_classes(source)):
        raise ValueError(
            f"--conditional: no image of {source.name} has label {empty[0]}. Number the classes from 0 without gaps, "
            "or leave it out."
        )


def _empty_classes(source):
    """Labels below the largest that no example has."""
    return [] if source.labels is None else np.setdiff1d(np.arange(source.num_classes), source.labels).tolist()


def _check_pack(batch_size, pack, conditional):
    if batch_size % pack:
        raise ValueError(
            f"--batch_size={batch_size} and --pack={pack}: a batch is divided into packs. Give a --batch_size that is "
            "a multiple of --pack."
        )
    if pack > 1 and conditional:
        raise ValueError("--pack is for models without labels: leave out --conditional, or --pack.")


def write(path: pathlib.Path, configuration: Configuration, source: datasets.Source) -> None:
    """Writes `config.json`: the configuration, a description of the data, and versions by package."""
    data = {**_described(source), "fingerprint": fingerprint(source.images, source.labels, ())}
    versions = {
        "kerasgan": kerasgan.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    settings = configuration.to_json()
    places = {name: str(pathlib.Path(settings[name]).absolute()) for name in PATHS if _is_here(settings[name])}
    files.write_json(path, {**settings, "data": data, "places": places, "versions": versions})


def _is_here(name):
    """Whether a name is the relative path of something."""
    return name not in (None, *datasets.NAMES) and name[:1] not in ("~", os.sep) and os.path.exists(name)


def _described(source):
    """What `config.json` says of the data, as JSON has it."""
    values = {name: getattr(source, name) for name in ("num_examples", "example_shape", "num_classes", "class_names")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def check_data(path: pathlib.Path, source: datasets.Source, exactly: bool = True) -> None:
    """Compares the data of a run that goes on, or is evaluated, with those that `write` has described.

    Args:
        exactly: Whether to refuse as many examples of the same shape and classes, too, whose pixels or labels differ.

    Raises:
        DataError: They are others.
    """
    described = files.read_json(path).get("data") or {}
    if described.get("fingerprint") in (None, fingerprint(source.images, source.labels, ())):
        return
    if not exactly and described.items() >= _described(source).items():
        warn(
            f"The examples in {source.name} are not exactly those that the run was trained on: some were replaced, "
            "or other versions decode them."
        )
        return
    then, now = described.get("num_examples"), source.num_examples
    numbers = "the same number" if then == now else f"{now:,} now, {then} then"
    raise DataError(
        f"The examples in {source.name} are not those that the run was started with ({numbers}). Restore them, or "
        "pass --dataset with the place where they are. To train on others, start a new run with `kerasgan train`; "
        f"--from={path.parent} gives it the weights of a GAN that has ended or was stopped by Ctrl-C."
    )


def read(path: pathlib.Path, dataset: str | None = None) -> Configuration:
    """Reads `config.json`, and checks every value: people edit it.

    Args:
        path: Path of the file.
        dataset: Where the data are now, if they were moved.

    Raises:
        ValueError: The file is damaged, or a value in it cannot be used.
    """
    if not path.is_file():
        fix = "Give a directory that `kerasgan train` has made, or make one by `kerasgan train`"
        raise ValueError(f"{path.parent} holds no run: {path.name} is missing. {fix}.")
    settings = files.read_json(path)
    places = settings.get("places")
    if isinstance(places, dict):  # of relative paths, for whoever is in another directory
        there = {name: place for name, place in places.items() if name in PATHS and isinstance(place, str)}
        settings |= {name: place for name, place in there.items() if not _is_here(settings.get(name))}
    return checked(path, settings if dataset is None else {**settings, "dataset": dataset})


def checked(path: pathlib.Path, settings: dict[str, typing.Any]) -> Configuration:
    """The configuration that was found in a file, if every value can be used."""
    try:
        configuration = Configuration.from_json(settings)
    except KeyError as error:
        raise ValueError(
            f"{path} is not a configuration of `kerasgan train`: {error} is missing. Restore it, or train again."
        ) from error
    optional = OPTIONAL - _needed(configuration)
    for name, value in configuration.to_json().items():
        kind = SETTINGS[name].kind
        if not (name in optional if value is None else kind.holds(value)):
            raise _unusable(path, name, kind.expected + (", or null" if name in optional else ""), value)
    if configuration.model == "vae" and configuration.network not in WITH_ENCODERS:
        raise _unusable(path, "network", f"{_ENCODED} for a vae", configuration.network)
    for name in _NORMALIZATIONS:
        if configuration.network not in NORMALIZED and getattr(configuration, name) is not None:
            expected = f"null, because {configuration.network} has no normalization"
            raise _unusable(path, name, expected, getattr(configuration, name))
    if configuration.penalty_weight is not None and configuration.model not in PENALIZED:
        expected = f"null, because {configuration.model} has no penalty"
        raise _unusable(path, "penalty_weight", expected, configuration.penalty_weight)
    return configuration


def _needed(configuration):
    """Fields that may be null, but not for this network and model."""
    size = "units" if configuration.network == "mlp" else "filters"
    return {size} if configuration.model == "wgan" else {size, "beta_1", "beta_2"}


def _unusable(path, name, expected, value):
    return ValueError(
        f"{path}: `{name}` cannot be used. Expected {expected}; correct it. Received: {json.dumps(value)}"
    )
