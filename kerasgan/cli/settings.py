"""Every setting of a run, once: its values, default, tuned values and help.

The fields of `Configuration` are the settings of `config.json` and flags of `kerasgan train`. What the flags accept,
what `--help` says, the defaults, and the check of `config.json` all come from here.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping

from kerasgan import papers, recipes
from kerasgan.cli.kinds import (
    BOOLEAN,
    Kind,
    choice,
    integer,
    integers,
    interval,
    number,
    policy,
    probability,
    size,
    text,
)

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
PENALIZED = tuple(name for name, paper in MODELS.items() if paper.penalty > 0)
NETWORKS = ("mlp", "dcgan", "resnet", "r3gan")
NORMALIZED = ("mlp", "dcgan", "resnet")
OF_DCGAN = ("blur", "skips")  # booleans of the generator
WITH_ENCODERS = ("mlp", "dcgan")
NORMALIZATIONS = ("batch", "layer", "instance", "spectral")
LARGEST_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too


@dataclasses.dataclass(frozen=True)
class Setting:
    """A flag of a command, a field of `config.json`, or both.

    Args:
        kind: Its values.
        help: What `--help` says of it; the choices and the default are added.
        default: None where it depends on the data or on the model's paper.
        tuned: Other defaults, by the name of a dataset or `IMAGES`, or by one of these and the name of a model.
        required: Whether `config.json` must have it; what else is missing there has its default.
    """

    kind: Kind
    help: str
    default: typing.Any = None
    tuned: Mapping[str | tuple[str, str], typing.Any] = dataclasses.field(default_factory=dict)
    required: bool = False

    def default_for(self, *kinds: str, model: str | None = None) -> typing.Any:
        """The default for the first of these kinds of data, names of a dataset or `IMAGES`, that has one."""
        keys: list[typing.Any] = [key for kind in kinds for key in ((kind, model), kind)]
        return next((self.tuned[key] for key in keys if key in self.tuned), self.default)

    @property
    def shown(self) -> str:
        """What stands behind `--name=` in the help."""
        return self.kind.placeholder if self.default in (None, ()) or self.tuned else f"{self.default}"

    @property
    def explanation(self) -> str:
        """The help, with the choices and with every default."""
        return self.help + self.kind.listing + (f" By default {'; '.join(self._defaults())}." if self.tuned else "")

    def _defaults(self):
        """The default, and the tuned ones with the models and the data that they are for."""
        datasets: dict[tuple[str, str], list[str]] = {}  # by value and model
        for key, value in self.tuned.items():
            dataset, model = (key, "") if isinstance(key, str) else key
            datasets.setdefault((self.kind.text(value), model), []).append(dataset)
        models: dict[tuple[str, str], list[str]] = {}  # by value and data
        for (value, model), listed in datasets.items():
            models.setdefault((value, ", ".join(listed)), []).append(model)
        if self.kind is not BOOLEAN:
            yield "the paper's" if self.default is None else self.kind.text(self.default)
        for (value, data), trained in models.items():
            on = f"{' and '.join(trained)} on {data}" if any(trained) else data
            yield f"for {on}" if self.kind is BOOLEAN else f"{value} for {on}"


IMAGES = "images above 16 pixels"
_RECIPE = recipes.IMAGES
_POINTS = ("ring", "grid", "swiss_roll")
# "Smaller lambda seems to help for toy tasks specifically": the WGAN-GP authors' gan_toy.py. With 10 the critic of a
# ring stays in the cone whose peak, and so the generator, is at the centre.
_TOYS = [(dataset, model) for dataset in _POINTS for model in ("wgan_gp", "wgan_lp")]
_MNIST = [("mnist", "wgan_gp"), ("fashion_mnist", "wgan_gp")]
_OF_RECIPE = (IMAGES, "r3gan")


def _setting(*arguments: typing.Any, **options: typing.Any) -> typing.Any:
    return dataclasses.field(metadata={"setting": Setting(*arguments, **options)})


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The settings of a run, resolved: nothing is left to choose. `config.json` has them in this order."""

    dataset: str = _setting(
        text(),
        "A name (digits, ring, grid, swiss_roll, stacked_mnist, or one of TensorFlow Datasets: mnist, fashion_mnist, "
        "cifar10, ...), a folder of images, or an .npz file.",
        "digits",
        required=True,
    )
    from_: str | None = _setting(  # `from` in config.json and as a flag
        text("PATH"),
        "A trained model to start from, instead of random weights: a run directory, or one of `kerasgan export`. Its "
        "networks and their settings are kept, images are brought to its size, and the optimizers are new. Without "
        "--dataset it is trained on its own data.",
    )
    model: str = _setting(choice(*MODELS), "The model to train.", "wgan_gp", {IMAGES: "r3gan"}, required=True)
    network: str = _setting(
        choice(*NETWORKS, automatic="auto"),
        "The networks. auto: mlp for points and images up to 16 pixels, dcgan for larger ones. r3gan is for a GPU or "
        "TPU.",
        required=True,
    )
    units: tuple[int, ...] | None = _setting(
        integers(),
        "Widths of the hidden layers, for mlp.",
        (512, 512, 512),
        dict.fromkeys(("digits", *_POINTS), (256, 256, 256)),
    )
    filters: int | None = _setting(
        integer(),
        "Filters of the layer next to the image for dcgan and r3gan, of all layers for resnet.",
        64,
        {"mnist": 32, "fashion_mnist": 32, _OF_RECIPE: _RECIPE.filters},
    )
    blur: bool = _setting(
        BOOLEAN,
        "Low-pass filter after each upsampling in the generator, for dcgan: no checkerboard. By default for r3gan on "
        "images above 16 pixels.",
        False,
    )
    skips: bool = _setting(
        BOOLEAN,
        "Make the image a sum of images of every resolution of the generator, for dcgan. By default for r3gan on fewer "
        f"than {_RECIPE.few:,} colour images above 16 pixels.",
        False,
    )
    generator_normalization: str | None = _setting(
        choice(*NORMALIZATIONS), "Normalization in the generator.", required=True
    )
    discriminator_normalization: str | None = _setting(
        choice(*NORMALIZATIONS), "Normalization in the discriminator or encoder.", required=True
    )
    conditional: bool = _setting(
        BOOLEAN,
        "Generate by class; needs labels. By default for images above 16 pixels that have labels of at most "
        f"{_RECIPE.most_classes} classes.",
        False,
    )
    penalty_weight: float | None = _setting(
        number(),
        "Weight of the gradient penalty; gamma for r3gan.",
        tuned=dict.fromkeys(_TOYS, 0.1) | {_OF_RECIPE: _RECIPE.gamma},
    )
    latent_dim: int = _setting(
        integer(),
        "Size of a latent vector.",
        128,
        {"digits": 32} | dict.fromkeys(_POINTS, 2) | {_OF_RECIPE: _RECIPE.latent_dim},
    )
    batch_size: int = _setting(
        integer(),
        "Images per update; fewer where the data hold fewer.",
        64,
        dict.fromkeys(_POINTS, 256) | {_OF_RECIPE: _RECIPE.batch_size},
    )
    n_critic: int = _setting(
        integer(), "Updates of the discriminator per update of the generator. By default the paper's.", required=True
    )
    pack: int = _setting(
        integer(), "Images that the discriminator judges together, as in PacGAN, against mode collapse.", 1
    )
    learning_rate: float = _setting(
        number(positive=True),
        "Learning rate of both optimizers.",
        tuned=dict.fromkeys([("digits", "wgan_gp"), *_MNIST], 5e-4) | {_OF_RECIPE: _RECIPE.learning_rate},
        required=True,
    )
    beta_1: float | None = _setting(
        number(below_one=True),
        "beta_1 of both Adam optimizers.",
        tuned=dict.fromkeys(_TOYS, 0.5),
        required=True,
    )
    beta_2: float | None = _setting(
        number(below_one=True), "beta_2 of both Adam optimizers. By default the paper's.", required=True
    )
    learning_rate_decay: bool = _setting(
        BOOLEAN,
        "Decay the learning rate linearly to zero.",
        False,
        dict.fromkeys([_OF_RECIPE, *_MNIST], True),
    )
    ema_momentum: float | None = _setting(
        number(below_one=True),
        "Momentum of the moving average of the generator's weights that images are made with; 0 for none.",
        0.999,
    )
    steps: int = _setting(
        integer(),
        f"Updates of the generator; for r3gan on fewer than {_RECIPE.few:,} colour images above 16 pixels "
        f"{_RECIPE.steps_of_few}.",
        20_000,
        {"digits": 3_000} | dict.fromkeys(_POINTS, 5_000) | dict.fromkeys(_MNIST, 7_000) | {_OF_RECIPE: _RECIPE.steps},
    )
    steps_per_epoch: int = _setting(integer(), "Updates of the generator between two pictures.", required=True)
    checkpoint_every: int | None = _setting(
        integer(), "Steps between two checkpoints. By default, one with each picture."
    )
    keep_checkpoints: int = _setting(
        integer(), "How many of the newest checkpoints to keep; in a run of fewer than 1,000 steps 2 by default.", 3
    )
    on_non_finite: str = _setting(choice("raise", "skip"), "On NaN or infinity: stop, or skip the update.", "raise")
    image_size: int | tuple[int, ...] | None = _setting(
        size(),
        "Size of the images in pixels: the side of squares, or height x width, e.g. 48x64. By default that of the "
        "images if they are in an .npz file or all one square of at most 128 pixels; else 64.",
    )
    fit: str = _setting(
        choice("crop", "pad", "resize"),
        "What to do with images of other proportions: crop the centre, pad with black, or resize, which stretches "
        "them.",
        "crop",
    )
    channels: int | None = _setting(
        choice(1, 3, automatic="auto"), "Channels of the images: 1 for grey, 3 for colour. auto: those of the data."
    )
    flip: bool = _setting(
        BOOLEAN,
        "Mirror half of the training images, and so of the generated ones; not for letters and digits.",
        False,
    )
    augment: tuple[str, ...] = _setting(
        policy("none"),
        "Augment what the discriminator sees, real and generated images alike (DiffAugment); translation:0.5 moves "
        "half of the images. By default "
        f"flip,translation:0.5,cutout for fewer than {_RECIPE.few:,} colour images above 16 pixels.",
        (),
    )
    augment_probability: float | str = _setting(
        probability(),
        "Share of the images that each operation of --augment changes, times 0.3 for flip; adaptive: more as the "
        "discriminator overfits.",
        1.0,
    )
    dequantize: bool = _setting(BOOLEAN, "Add uniform noise within each grey level.", False)
    data_dir: str | None = _setting(
        text("PATH"), "Where TensorFlow Datasets keeps its data. By default, its usual directory."
    )
    on_bad_file: str = _setting(choice("raise", "skip"), "What to do with a file that is not an image.", "raise")
    value_range: tuple[float, ...] | None = _setting(
        interval(),
        "Values that become black and white, for a folder or an .npz. By default, one range for all files, found from "
        "their values; 0,255 for 8 bits.",
    )
    keep_depth: bool = _setting(
        BOOLEAN, "Keep 16-bit and float images as floats with all their levels, instead of 256.", False
    )
    seed: int = _setting(integer(least=0, most=LARGEST_SEED), "The same seed gives the same run.", 0)
    strategy: str = _setting(
        choice("auto", "one", "mirrored", "multiworker", "tpu"),
        "Devices. auto: all workers of TF_CONFIG, else a TPU, else all GPUs of this machine.",
        "auto",
    )
    precision: str = _setting(choice("float32", "mixed_bfloat16", "mixed_float16"), "Keras dtype policy.", "float32")
    jit_compile: bool | str = _setting(choice("auto", True, False), "XLA. auto: on a GPU or TPU.", "auto")

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)

    def to_json(self) -> dict[str, typing.Any]:
        """Returns a dict that JSON can hold."""
        return {_public(name): value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, typing.Any]) -> "Configuration":
        """The inverse of `to_json`: ignores unknown values, and gives missing ones their default.

        Raises:
            KeyError: A value is missing that has no default.
        """
        known: dict[str, typing.Any] = {
            name: values[name] if setting.required else values.get(name, setting.default)
            for name, setting in SETTINGS.items()
        }
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**{f.name: known[_public(f.name)] for f in dataclasses.fields(cls)})


def _public(field):
    """The name of a setting: that of its field, without the underscore that tells `from` from the keyword."""
    return field.rstrip("_")


SETTINGS: dict[str, Setting] = {_public(f.name): f.metadata["setting"] for f in dataclasses.fields(Configuration)}
OPTIONAL = {_public(f.name) for f in dataclasses.fields(Configuration) if type(None) in typing.get_args(f.type)}
# Those that may be the path of something.
PATHS = ("dataset", "from", "data_dir")
# Those that say how a dataset is read.
DATASET_OPTIONS = ("image_size", "fit", "channels", "data_dir", "on_bad_file", "value_range", "keep_depth")
