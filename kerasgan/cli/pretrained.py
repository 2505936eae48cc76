"""`kerasgan train --from`: a trained model, whose networks, weights and objective a new run starts with."""

import dataclasses
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from kerasgan import datasets, files, serving
from kerasgan.cli import configuration as configurations
from kerasgan.cli.run_directory import trained
from kerasgan.cli.settings import MODELS, OF_DCGAN, SETTINGS, Configuration
from kerasgan.datasets import resizing

# What the networks and their objective are: a run that starts from a model keeps them.
_KEPT = (
    *("model", "network", "units", "filters", *OF_DCGAN, "generator_normalization", "discriminator_normalization"),
    *("conditional", "penalty_weight", "latent_dim", "pack"),
)
_EMBEDDING = "label_embedding"


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A trained GAN to start from.

    Args:
        path: What the user gave.
        configuration: That of its run.
        steps: How many it was trained for.
        image_shape: Of what it generates.
        num_classes: None if it takes no labels.
        class_names: Of its classes; None where they have none.
        weights: Of the generator, then of the discriminator, in the order of their variables.
        average: Weights of the averaged generator; None if `weights` has them, or there are none.
    """

    path: str
    configuration: Configuration
    steps: int
    image_shape: tuple[int, ...]
    num_classes: int | None
    class_names: tuple[str, ...] | None
    weights: list[np.ndarray]
    average: list[np.ndarray] | None

    @property
    def kept(self) -> dict[str, typing.Any]:
        """The settings of a run that starts from the model, where it has no choice."""
        settings = {name: getattr(self.configuration, name) for name in _KEPT}
        if len(self.image_shape) == 3:
            height, width, channels = self.image_shape
            settings["image_size"] = resizing.as_argument((height, width))
            settings["channels"] = channels if channels in (1, 3) else None
        else:
            settings["image_size"] = settings["channels"] = None
        return settings

    @property
    def shape(self) -> str:
        """The shape of what it generates, in words."""
        return " x ".join(map(str, self.image_shape))

    def with_kept(self, given: dict[str, typing.Any]) -> dict[str, typing.Any]:
        """Adds the settings that are kept to the flags of a run.

        Raises:
            ValueError: A flag contradicts one of them.
        """
        kept = self.kept
        shown = dict(kept)
        if shown["penalty_weight"] is None:
            shown["penalty_weight"] = MODELS[self.configuration.model].penalty
        for name, value in given.items():
            if name in kept and value != shown[name]:
                raise ValueError(
                    f"--{name}={_flag(name, value)}: the model in --from={self.path} has {_flag(name, shown[name])}, "
                    f"and a run keeps the networks that it starts from. Leave out --{name}, or --from."
                )
        return given | {name: value for name, value in kept.items() if value is not None}

    def check_data(self, source: datasets.Source) -> None:
        """Refuses data that the model cannot learn.

        Raises:
            ValueError: They have another shape, or no labels for a model that needs them.
        """
        if source.example_shape != self.image_shape:
            found = " x ".join(map(str, source.example_shape))
            raise ValueError(
                f"the model in --from={self.path} makes examples of {self.shape}, and {source.name} holds {found}. "
                "Give data of the same shape, or leave out --from."
            )
        if self.num_classes is not None and source.labels is None:
            raise ValueError(
                f"the model in --from={self.path} generates by label, {self.num_classes} classes, and {source.name} "
                "has no labels. Put its images into sub-folders, one for each class (one class will do), or `labels` "
                "into the .npz file."
            )

    def keep(self, configuration: Configuration) -> Configuration:
        """The configuration of the new run with all settings that are kept, those that are null too."""
        return dataclasses.replace(configuration, **self.kept)

    def start(self, model: keras.Model, class_names: tuple[str, ...] | None = None) -> None:
        """Gives the weights to a new model; the label embeddings of new classes stay new.

        Args:
            class_names: Of the classes in the data of the new run, which are known by their names where both have some.

        Raises:
            ValueError: They are not those of such networks.
        """
        average = [] if model.ema_generator is None else model.ema_generator.variables
        size = len(model.generator.variables)
        variables = [*model.generator.variables, *model.discriminator.variables, *average]
        values = [*self.weights, *((self.average or self.weights[:size]) if average else ())]
        pairs = list(zip(variables, values, strict=False))
        known = self._known(model.num_classes, class_names)
        if known != list(range(self.num_classes or 0)):
            pairs = [(variable, _in_place(variable, value, known)) for variable, value in pairs]
        if len(values) != len(variables) or any(tuple(variable.shape) != value.shape for variable, value in pairs):
            raise ValueError(
                f"--from={self.path}: its weights do not fit the networks that its settings describe, so one of its "
                "files was changed. Restore it, or give another model."
            )
        for variable, value in pairs:
            variable.assign(value)

    def _known(self, num_classes, class_names):
        """For each class of the new run its number in the model; None for a new one."""
        if class_names and self.class_names:
            return [self.class_names.index(name) if name in self.class_names else None for name in class_names]
        return [number if num_classes == self.num_classes else None for number in range(num_classes or 0)]

    def print_header(self, num_classes: int | None, class_names: tuple[str, ...] | None = None) -> None:
        """Says where the weights of a run come from."""
        configuration = self.configuration
        print(f"from       {self.path}: {configuration.model} of {configuration.dataset}, {self.steps:,} steps")
        known = self._known(num_classes, class_names)
        if num_classes is None or known == list(range(self.num_classes or 0)):
            return
        if class_names and self.class_names:
            print(f"           label embeddings by name: {len(known) - known.count(None)}; new: {known.count(None)}")
        else:
            print(f"           new label embeddings: {num_classes} classes instead of {self.num_classes}")


def _in_place(variable, value, known):
    """The value of a new variable: of a label embedding, the rows of known classes where the new run has them."""
    if _EMBEDDING not in variable.path:
        return value
    rows = variable.numpy()
    if value.shape[1:] != rows.shape[1:] or max((old for old in known if old is not None), default=-1) >= len(value):
        return value  # of a changed file, which is refused
    for new, old in enumerate(known):
        if old is not None:
            rows[new] = value[old]
    return rows


def _flag(name, value):
    return "none" if value is None else SETTINGS[name].kind.text(value)


def read(path: str, workdir: pathlib.Path | None = None) -> Pretrained:
    """Reads the model in a run directory or in one of `kerasgan export`.

    Args:
        path: What the user gave.
        workdir: The directory of the new run, which has to be another.

    Raises:
        ValueError: There is none, or it cannot be trained further.
    """
    found = pathlib.Path(path).expanduser()
    if found.name == "model.keras" and found.is_file():
        found = found.parent
    if workdir is not None and found.resolve() == workdir.resolve():
        raise ValueError(f"--from={path} is --workdir, which the new run replaces. Name another --workdir.")
    if found.is_file():
        raise ValueError(
            f"--from={path} is a file. Give a run directory of `kerasgan train`, whose config.json describes the "
            "networks, or a directory of `kerasgan export`. In Python, load a .keras file by keras.models.load_model, "
            "then call compile and fit."
        )
    version = serving.version_in(found)
    return _of_run(path, found) if version is None else _of_export(path, version)


def _of_run(path, directory):
    file = directory / "config.json"
    if (directory / "model.keras").is_file() and not file.is_file():
        raise ValueError(f"--from={path}: config.json is missing beside model.keras. Restore it.")
    _, model = trained(str(directory))
    configuration = configurations.read(file)
    _check_trains(path, configuration)
    networks = [model.generator, model.discriminator]
    return Pretrained(
        path,
        configuration,
        int(model.step.numpy()),
        model.image_shape,
        model.num_classes,
        serving.class_names_of(files.read_json(file)),
        [value for network in networks for value in _values(network)],
        None if model.ema_generator is None else _values(model.ema_generator),
    )


def _values(network):
    return [variable.numpy() for variable in network.variables]


def _of_export(path, version):
    file = version / "model_card.json"
    card = files.read_json(file) if file.is_file() else {}
    if not isinstance(card.get("training"), dict):
        raise ValueError(
            f"--from={path}: {file} has no settings of `kerasgan train` to build the networks by. Give a model that "
            "`kerasgan export` wrote, or a run directory."
        )
    configuration = configurations.checked(file, card["training"])
    _check_trains(path, configuration)
    try:
        steps, shape, classes = int(card["steps"]), tuple(card["image_shape"]), card["num_classes"]
        scores = "score" in card["signatures"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: {error}. Restore it, or export the model again.") from error
    if not scores:
        raise ValueError(
            f"--from={path} holds no discriminator: it was exported with --noscore, or its discriminator judges packs. "
            "Give the run directory."
        )
    names = serving.class_names_of(card)
    return Pretrained(path, configuration, steps, shape, classes, names, _exported(version), None)


def _exported(version):
    """The weights of an export, in the order in which it holds them."""
    try:
        reader = tf.train.load_checkpoint(str(version / "variables/variables"))
        names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weights/")]
        return [reader.get_tensor(name) for name in sorted(names, key=lambda name: int(name.split("/")[1]))]
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(f"{version} is damaged: its weights cannot be read. Export the model again.") from error


def _check_trains(path, configuration):
    if configuration.model == "vae":
        raise ValueError(f"--from={path} holds a VAE, and a run can only start from a GAN. Leave out --from.")
