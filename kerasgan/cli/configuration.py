"""What `kerasgan train` does with a dataset and a model: every default of the command stands here.

The order of precedence, from the weakest: `BASE`, `MODELS`, `NORMALIZATIONS`, `DATASETS`, `RECIPES`, the flags.
"""

import dataclasses
import glob
import itertools
import json
import math
import pathlib
import re
import types
import typing

from kerasgan import files, papers

# The most and the fewest pictures of a training, and so "epochs" that a given number of steps is divided into.
_MOST_EPOCHS = 50
_EPOCHS = 40
# Larger images go to convolutions.
_LARGEST_FOR_MLP = 16

# The fields of a configuration, and flags of `kerasgan train`, that say how a dataset is read.
DATASET_OPTIONS = ("image_size", "data_dir", "on_bad_file", "value_range", "keep_depth")
MODELS = {
    "wgan_gp": papers.WGAN_GP,
    "wgan": papers.WGAN,
    "wgan_lp": papers.WGAN_LP,
    "gan": papers.GAN,
    "dragan": papers.DRAGAN,
    "lsgan": papers.LSGAN,
    "r3gan": papers.R3GAN,
    "vae": papers.VAE,
}
MODEL_NAMES = tuple(MODELS)
NETWORK_NAMES = ("mlp", "dcgan", "resnet")
FORMATS = ("keras", "litert", "onnx")
# What the fields that have a name for a value may be, None aside.
CHOICES = {
    "model": MODEL_NAMES,
    "network": NETWORK_NAMES,
    "generator_normalization": ("batch", "layer", "instance", "spectral"),
    "discriminator_normalization": ("batch", "layer", "instance", "spectral"),
    "on_non_finite": ("raise", "skip"),
    "on_bad_file": ("raise", "skip"),
    "strategy": ("auto", "one", "mirrored", "multiworker", "tpu"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
    "jit_compile": ("auto", True, False),
}


# Numbers that are not only finite and 0 or more.
_POSITIVE, _BELOW_1 = ("learning_rate", "truncation"), ("beta_1", "beta_2", "ema_momentum")


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A training, resolved: nothing is left to be chosen.

    Args:
        dataset: Name or path.
        model: One of `MODEL_NAMES`.
        network: `"mlp"`, `"dcgan"` or `"resnet"`.
        units: Widths of the hidden layers of an MLP, else None.
        filters: Filters of a convolutional network, else None.
        generator_normalization, discriminator_normalization: As in `kerasgan.networks`; the second for encoders too.
        conditional: Whether both networks take labels.
        penalty_weight: Weight of the gradient penalty, gamma for `"r3gan"`; None for the paper's.
        latent_dim, n_critic, pack, ema_momentum, seed: As in `kerasgan.GAN`.
        batch_size: Images per update of the discriminator, over all replicas.
        learning_rate, beta_1, beta_2: Of both optimizers: Adam, and RMSprop for `"wgan"`.
        learning_rate_decay: Whether the rate falls linearly to zero over the training.
        steps: Generator steps in all.
        steps_per_epoch: Generator steps between two pictures.
        checkpoint_every: Generator steps between two checkpoints; None for one with each picture.
        keep_checkpoints: How many of them are kept.
        on_non_finite: As in `kerasgan.callbacks.Health`.
        image_size, flip, dequantize, data_dir, on_bad_file, value_range, keep_depth: As in `kerasgan.datasets.load`.
        strategy: As in `kerasgan.distribution.strategy`.
        precision: A Keras dtype policy.
        jit_compile: `"auto"`, True or False.
    """

    dataset: str
    model: str
    network: str
    units: tuple[int, ...] | None
    filters: int | None
    generator_normalization: str | None
    discriminator_normalization: str | None
    conditional: bool
    penalty_weight: float | None
    latent_dim: int
    batch_size: int
    n_critic: int
    pack: int
    learning_rate: float
    beta_1: float | None
    beta_2: float | None
    learning_rate_decay: bool
    ema_momentum: float | None
    steps: int
    steps_per_epoch: int
    checkpoint_every: int | None
    keep_checkpoints: int
    on_non_finite: str
    image_size: int | None
    flip: bool
    dequantize: bool
    data_dir: str | None
    on_bad_file: str
    value_range: tuple[float, ...] | None
    keep_depth: bool
    seed: int
    strategy: str
    precision: str
    jit_compile: bool | str

    def to_json(self) -> dict:
        """A dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "Configuration":
        """The inverse of `to_json`; what it does not know is left out, what the values lack has its default."""
        names = [field.name for field in dataclasses.fields(cls)]
        known = {name: values[name] if name in values else BASE[name] for name in names}
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)


BASE = {
    "units": (512, 512, 512),
    "filters": 64,
    "conditional": False,
    "penalty_weight": None,
    "latent_dim": 128,
    "batch_size": 64,
    "pack": 1,
    "learning_rate_decay": False,
    "ema_momentum": 0.999,
    "steps": 20_000,
    "checkpoint_every": None,
    "keep_checkpoints": 3,
    "on_non_finite": "raise",
    "image_size": None,
    "flip": False,
    "dequantize": False,
    "data_dir": None,
    "on_bad_file": "raise",
    "value_range": None,
    "keep_depth": False,
    "seed": 0,
    "strategy": "auto",
    "precision": "float32",
    "jit_compile": "auto",
}

PENALIZED = tuple(name for name, paper in MODELS.items() if paper.penalty is not None)

# Penalties are per example and so forbid batch normalisation in the discriminator.
# Of the convolutional networks, generator and discriminator (or encoder); an MLP has none.
NORMALIZATIONS = {
    "wgan_gp": ("batch", None),
    "wgan_lp": ("batch", None),
    "wgan": ("batch", "batch"),
    "gan": ("batch", "batch"),
    "lsgan": ("batch", "batch"),
    "dragan": ("batch", None),
    "r3gan": ("batch", None),
    "vae": ("batch", "batch"),
}

_POINTS = {"latent_dim": 2, "batch_size": 256, "units": (256, 256, 256), "steps": 5_000}
DATASETS = {
    "digits": {"units": (256, 256, 256), "latent_dim": 32, "steps": 3_000},
    "ring": _POINTS,
    "grid": _POINTS,
    "swiss_roll": _POINTS,
    "mnist": {"filters": 32, "steps": 7_000},
    "fashion_mnist": {"filters": 32, "steps": 7_000},
    "cifar10": {"steps": 20_000},
}

# "Smaller lambda seems to help for toy tasks specifically": the WGAN-GP authors' gan_toy.py. With 10 the critic of a
# ring stays in the cone whose peak, and so the generator, is at the centre.
_TOY = {"penalty_weight": 0.1, "beta_1": 0.5}
# For a dataset with a model: what was tuned for the two together.
RECIPES = {
    ("digits", "wgan_gp"): {"learning_rate": 5e-4},
    ("mnist", "wgan_gp"): {"learning_rate": 5e-4, "learning_rate_decay": True},
    ("fashion_mnist", "wgan_gp"): {"learning_rate": 5e-4, "learning_rate_decay": True},
    **{(dataset, model): _TOY for dataset in ("ring", "grid", "swiss_roll") for model in ("wgan_gp", "wgan_lp")},
}


def resolve(dataset, model="wgan_gp", *, source, **flags) -> Configuration:
    """The configuration of a training.

    Args:
        dataset: Name or path, as the user gave it.
        model: One of `MODEL_NAMES`.
        source: What was read, with `num_examples`, `example_shape` and `num_classes`.
        **flags: Fields of `Configuration` that the user has set, `epochs` instead of `steps`; None stands for not set.

    Raises:
        ValueError: The flags do not fit one another or the data.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    recipe = {**DATASETS.get(dataset, {}), **RECIPES.get((dataset, model), {})}
    network = given.pop("network", "auto")
    small = len(source.example_shape) == 1 or max(source.example_shape[:2]) <= _LARGEST_FOR_MLP
    own = recipe.pop("network", "mlp" if small else "dcgan")
    network = own if network == "auto" else network
    epochs = given.pop("epochs", None)
    _check(given, epochs, model, network, source)
    generator, discriminator = (None, None) if network == "mlp" else NORMALIZATIONS[model]
    values = {"generator_normalization": generator, "discriminator_normalization": discriminator}
    of_paper = {name: getattr(MODELS[model], name) for name in ("n_critic", "learning_rate", "beta_1", "beta_2")}
    for layer in (BASE, of_paper, recipe, given):
        values |= layer
    # What has no meaning for these networks or this model is not in the configuration either.
    values |= {"filters": None} if network == "mlp" else {"units": None}
    values |= {"ema_momentum": None} if model == "vae" or not values["ema_momentum"] else {}
    if values["batch_size"] % values["pack"]:
        sizes = f"--batch_size={values['batch_size']} and --pack={values['pack']}"
        raise ValueError(f"{sizes}: a batch is divided into packs. Give a --batch_size that is a multiple of --pack.")
    if values["pack"] > 1 and values["conditional"]:
        raise ValueError("--pack is for models without labels: leave out --conditional, or --pack.")
    batches = source.num_examples // values["batch_size"]
    natural = max(1, batches // values["n_critic"])
    values["steps"] = values["steps"] if epochs is None else epochs * natural
    values["steps_per_epoch"] = _steps_per_epoch(values["steps"], natural)
    return Configuration(dataset=dataset, model=model, network=network, **values)


def _steps_per_epoch(steps, natural):
    """The data's own epochs where there are 20 to 50 of them, else 40 about equal parts of the training."""
    own = math.ceil(steps / natural)
    return natural if _EPOCHS // 2 <= own <= _MOST_EPOCHS else math.ceil(steps / _EPOCHS)


def _check(given, epochs, model, network, source):
    if epochs is not None and "steps" in given:
        raise ValueError("Give --epochs or --steps, not both: an epoch is as many steps as the data hold.")
    if "units" in given and network != "mlp":
        raise ValueError(f"--units is for --network=mlp; the network here is {network}: use --filters.")
    if "filters" in given and network == "mlp":
        raise ValueError("--filters is for --network=dcgan or resnet; the network here is mlp: use --units.")
    if len(source.example_shape) == 1 and network != "mlp":
        raise ValueError(f"{source.name} holds points, which --network={network} cannot make: use --network=mlp.")
    if model == "vae":
        for name, reason in (
            ("conditional", "takes no labels"),
            ("n_critic", "has no critic"),
            ("pack", "has no critic"),
        ):
            if given.get(name):
                raise ValueError(f"--{name} is for the adversarial models: --model=vae {reason}.")
        if given.get("ema_momentum"):
            raise ValueError("--ema_momentum is for the adversarial models: --model=vae keeps no average.")
        if network == "resnet":
            raise ValueError("--model=vae has no encoder for --network=resnet: use mlp or dcgan.")
    if "penalty_weight" in given and model not in PENALIZED:
        raise ValueError(f"--penalty_weight is for {', '.join(PENALIZED)}: --model={model} has no penalty.")
    for name in ("beta_1", "beta_2"):
        if name in given and getattr(MODELS[model], name) is None:
            raise ValueError(f"--{name} is for models that Adam trains: --model={model} is trained by RMSprop.")
    if given.get("conditional") and source.labels is None:
        raise ValueError(
            f"--conditional: {source.name} has no labels. Leave it out, or put each class in a sub-folder of its own."
        )


def default_workdir(dataset: str, model: str, parent: str = "runs") -> pathlib.Path:
    """`runs/<dataset>-<model>-<n>` with the next free number."""
    stem = f"{name_of(dataset)}-{model}"
    parent = pathlib.Path(parent)
    taken = [re.fullmatch(re.escape(stem) + r"-(\d+)", path.name) for path in parent.glob(f"{glob.escape(stem)}-*")]
    return parent / f"{stem}-{1 + max((int(match[1]) for match in taken if match), default=0)}"


def name_of(dataset: str) -> str:
    """A name for directories, of the name or the path of a dataset."""
    name = pathlib.Path(dataset).stem if "." in dataset else pathlib.Path(dataset).name
    return re.sub(r"[^\w.-]+", "_", name) or "data"


def write(path: pathlib.Path, configuration: Configuration, versions: dict, source) -> None:
    """Writes `config.json`: the configuration, versions by package, and what the data are."""
    from kerasgan.datasets.pipeline import fingerprint  # TensorFlow is slow to import

    with files.replacing(path) as temporary:
        data = {name: getattr(source, name) for name in ("num_examples", "example_shape", "num_classes", "class_names")}
        data["fingerprint"] = fingerprint(source.images, source.labels, ())
        values = {**configuration.to_json(), "data": data, "versions": versions}
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read(path: pathlib.Path) -> Configuration:
    """Reads `config.json`, and checks every value: people edit it."""
    values = read_json(path)
    try:
        configuration = Configuration.from_json(values)
    except (KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{path} is no configuration of `kerasgan train`: {reason}. Restore it, or train again."
        ) from error
    for field in dataclasses.fields(configuration):
        value = getattr(configuration, field.name)
        if not _holds(field, value) or (value is None and field.name in _needed(configuration)):
            raise ValueError(
                f"{path}: `{field.name}` cannot be used. Expected {_expected(field, configuration)}; correct it. "
                f"Received: {json.dumps(value)}"
            )
    if (configuration.model, configuration.network) == ("vae", "resnet"):
        raise ValueError(f"{path}: `network` cannot be used. Expected mlp or dcgan for a vae. Received: resnet")
    if configuration.penalty_weight is not None and configuration.model not in PENALIZED:
        expected = f"null, because {configuration.model} has no penalty"
        raise ValueError(
            f"{path}: `penalty_weight` cannot be used. Expected {expected}; correct it. "
            f"Received: {configuration.penalty_weight}"
        )
    return configuration


def is_in_range(name, number):
    """Whether the number of a field or a flag can be used."""
    enough, small_enough = number > 0 or name not in _POSITIVE, number < 1 or name not in _BELOW_1
    return math.isfinite(number) and number >= 0 and enough and small_enough


def is_ascending(numbers):
    """Whether finite numbers go from the lowest to the highest."""
    return all(map(math.isfinite, numbers)) and all(low < high for low, high in itertools.pairwise(numbers))


def range_of(name):
    """The range of the number of a field or a flag, in words."""
    lowest = "above 0" if name in _POSITIVE else ">= 0"
    return f"a finite number {lowest}{' and below 1' if name in _BELOW_1 else ''}"


def _kinds(field):
    """The types of a field: `(int, type(None))` for `int | None`; that of tuples without what they hold."""
    union = isinstance(field.type, types.UnionType)
    return tuple(typing.get_origin(kind) or kind for kind in (typing.get_args(field.type) if union else [field.type]))


def _holds(field, value):
    """Whether a value is of the types and in the range of a field."""
    kinds = _kinds(field)
    if value is None:
        return type(None) in kinds
    if isinstance(value, tuple):
        if field.name == "value_range":
            return len(value) == 2 and all(type(one) in (int, float) for one in value) and is_ascending(value)
        return tuple in kinds and bool(value) and all(type(one) is int and one >= 1 for one in value)
    if field.name in CHOICES:
        return type(value) in kinds and value in CHOICES[field.name]
    if type(value) is int:
        return (int in kinds and value >= (field.name != "seed")) or (float in kinds and is_in_range(field.name, value))
    if type(value) is float:
        return float in kinds and is_in_range(field.name, value)
    return type(value) in kinds and value != ""


def _expected(field, configuration):
    """What a field may be, in words."""
    kinds = [kind for kind in _kinds(field) if kind is not type(None)]
    words = {
        bool: "true or false",
        float: range_of(field.name),
        int: f"an integer >= {int(field.name != 'seed')}",
        str: "a text that is not empty",
        tuple: "two finite numbers that ascend" if field.name == "value_range" else "a list of integers >= 1",
    }
    names = [json.dumps(choice) for choice in CHOICES.get(field.name, ())]
    expected = f"one of {', '.join(names)}" if names else words[kinds[0]]
    optional = type(None) in _kinds(field) and field.name not in _needed(configuration)
    return f"{expected}, or null" if optional else expected


def _needed(configuration):
    """Fields that are None for other networks or models, but not for this one."""
    size = "units" if configuration.network == "mlp" else "filters"
    return (size,) if configuration.model == "wgan" else (size, "beta_1", "beta_2")


def read_json(path: pathlib.Path) -> dict:
    """Reads the object in a JSON file of a run directory."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Restore it, or train again.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object. Restore it, or train again.")
    return values


def directory(workdir: str) -> pathlib.Path:
    """The path of a directory that is there."""
    path = pathlib.Path(workdir).expanduser()
    if not path.is_dir():
        raise ValueError(f"no such directory: {workdir}. Give one that `kerasgan train` has made.")
    return path
