"""The flags of each command, grouped, and the help that shows them."""

import contextlib
import dataclasses
import shutil
import textwrap
from collections.abc import Callable

from absl import flags

from kerasgan.cli.configuration import (
    BASE,
    CHOICES,
    DATASETS,
    FORMATS,
    MODEL_NAMES,
    NETWORK_NAMES,
    RECIPES,
    is_ascending,
    is_in_range,
    range_of,
)

# So that as many images as one likes can come after it.
_LARGEST_SEED = 2**62
_COLUMN = 30  # where the explanation of a flag begins


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: usage, what arguments it takes, what it does, examples, and what defines its flags."""

    usage: str
    arguments: tuple[str, ...]
    purpose: str
    examples: tuple[str, ...]
    define: Callable[["Flags"], None]


class Flags:
    """absl flags of one command, in groups, in the order in which they were defined."""

    def __init__(self, command: Command):
        self.values = flags.FlagValues()
        self.values.set_gnu_getopt(True)
        self.command = command
        self.groups = {}
        command.define(self)
        self.group("Other")
        self.boolean("help", False, "This help; -h too.", short_name="h")
        self.boolean("json", False, "One JSON object on standard output; what is for people goes to standard error.")
        self.boolean("debug", False, "Show the traceback of an error.")

    def group(self, title):
        self._group = self.groups.setdefault(title, [])

    def string(self, name, default, text, shown=None):
        self._add(name, flags.DEFINE_string, (default, text), shown or default or "NAME")
        self._validate(name, lambda value: value is None or value.strip(), "a value, or no such flag")

    def integer(self, name, default, text, shown=None, lower=1, upper=None):
        bounds = {"lower_bound": lower, "upper_bound": upper}
        self._add(name, flags.DEFINE_integer, (default, text), shown or ("N" if default is None else default), **bounds)

    def number(self, name, default, text, shown):
        self._add(name, flags.DEFINE_float, (default, text), shown)
        self._validate(name, lambda value: value is None or is_in_range(name, value), range_of(name))

    def boolean(self, name, default, text, **options):
        self._add(name, flags.DEFINE_boolean, (default, text), None, **options)

    def choice(self, name, default, choices, text, shown=None):
        self._add(name, flags.DEFINE_enum, (default, choices, text), shown or default, f" One of {', '.join(choices)}.")

    def integers(self, name, text, shown):
        holds = lambda value: value.strip().isdigit()
        self._list(name, text, shown, holds, "integers, separated by commas")

    def interval(self, name, text):
        def holds(values):
            with contextlib.suppress(ValueError):
                return len(values) == 2 and is_ascending([float(value) for value in values])
            return False

        self._add(name, flags.DEFINE_list, (None, text), "LOW,HIGH")
        expected = f"two finite numbers that ascend, e.g. --{name}=0,4095"
        self._validate(name, lambda values: values is None or holds(values), expected)

    def choices(self, name, choices, text):
        known = ", ".join(choices)
        self._list(name, f"{text} Of {known}.", "NAME,...", choices.__contains__, f"some of {known}, with commas")

    def _list(self, name, text, shown, holds, expected):
        self._add(name, flags.DEFINE_list, (None, text), shown)
        self._validate(name, lambda values: values is None or (values and all(map(holds, values))), expected)

    def _validate(self, name, holds, expected):
        flags.register_validator(name, holds, message=f"expected {expected}", flag_values=self.values)

    def _add(self, name, define, arguments, shown, more="", **options):
        define(name, *arguments, flag_values=self.values, **options)
        head = f"  --{name}" if shown is None else f"  --{name}={shown}"
        self._group.append((name, head, arguments[-1] + more))

    def parse(self, arguments: list[str]) -> tuple[dict, list[str]]:
        """The flags by name, and what is not a flag."""
        rest = self.values([self.command.usage, *arguments])[1:]
        return {name: self._value(name) for group in self.groups.values() for name, _, _ in group}, rest

    def _value(self, name):
        value = self.values[name].value
        return tuple(map(_number_if_one, value)) if isinstance(value, list) else value

    def help(self) -> str:
        """The whole help of the command."""
        width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        lines = [
            f"Usage: {self.command.usage}",
            "",
            *textwrap.wrap(self.command.purpose, width, break_on_hyphens=False),
            "",
        ]
        lines += [f"  {example}" for example in self.command.examples]
        for title, group in self.groups.items():
            lines += ["", title]
            for _, head, text in group:
                lines += _entry(head, textwrap.wrap(text, max(40, width - _COLUMN), break_on_hyphens=False))
        return "\n".join(lines)


def _number_if_one(text):
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _entry(head, lines):
    """A flag and its text beside it, or below it where it is long."""
    if len(head) < _COLUMN - 1:
        head, lines = f"{head:<{_COLUMN}}{lines[0]}", lines[1:]
    return [head, *(" " * _COLUMN + line for line in lines)]


def _by_default(field):
    """The default of a field of the configuration, and of the datasets that have another."""
    own = {dataset: {**values, **RECIPES.get((dataset, "wgan_gp"), {})} for dataset, values in DATASETS.items()}
    others = {}
    for dataset, values in own.items():
        if values.get(field, BASE[field]) != BASE[field]:
            others.setdefault(values[field], []).append(dataset)
    shown = [f"{_shown(value)} for {', '.join(datasets)}" for value, datasets in others.items()]
    return f" By default {'; '.join([_shown(BASE[field]), *shown])}."


def _shown(value):
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def _data(define):
    define.integer("image_size", None, "Side of the square images in pixels. By default that of the data.")
    define.string(
        "data_dir", None, "Where TensorFlow Datasets keeps its data. By default where it always does.", "PATH"
    )
    define.interval(
        "value_range",
        "The values that become black and white, of the files of a folder or of an .npz. By default one range for all "
        "of them, told from their values; 0,255 for 8 bits.",
    )
    define.boolean(
        "keep_depth", None, "Keep 16 bits and floats as floats, with all their levels, instead of 256 of them."
    )


def _strategy(define):
    define.choice(
        "strategy",
        None,
        list(CHOICES["strategy"]),
        "Devices. auto: all workers of TF_CONFIG, else a TPU, else all GPUs of this machine.",
        "auto",
    )


def _resume(define):
    define.group("Training")
    define.integer("steps", None, "Updates of the generator in all. By default what the training was begun with.")
    define.group("Machine")
    _strategy(define)


def _train(define):
    define.group("Data")
    define.string(
        "dataset",
        "digits",
        "A name (digits, ring, grid, swiss_roll, stacked_mnist, or one of TensorFlow Datasets: mnist, fashion_mnist, "
        "cifar10, ...), a folder of images, or an .npz file.",
    )
    _data(define)
    define.boolean("flip", None, "Mirror images at random; not for letters and digits.")
    define.boolean("dequantize", None, "Spread each grey level by uniform noise.")
    define.choice(
        "on_bad_file", None, list(CHOICES["on_bad_file"]), "What to do with a file that is no image.", "raise"
    )
    define.group("Model")
    define.choice("model", "wgan_gp", list(MODEL_NAMES), "What is trained.")
    define.choice(
        "network",
        "auto",
        ["auto", *NETWORK_NAMES],
        "The networks. auto: mlp for points and images up to 16 pixels, dcgan for larger ones.",
    )
    define.integers("units", "Widths of the hidden layers, for mlp." + _by_default("units"), "N,N,...")
    define.integer(
        "filters", None, "Filters next to the image for dcgan, of all layers for resnet." + _by_default("filters")
    )
    define.integer("latent_dim", None, "Size of a latent vector." + _by_default("latent_dim"))
    define.boolean("conditional", None, "Generate by class; the data need labels.")
    define.group("Training")
    define.integer("steps", None, "Updates of the generator." + _by_default("steps"))
    define.integer("epochs", None, "Passes over the data, instead of --steps.")
    define.integer("batch_size", None, "Images per update." + _by_default("batch_size"))
    define.integer(
        "n_critic", None, "Updates of the discriminator per update of the generator. By default the model's paper's."
    )
    define.number(
        "penalty_weight",
        None,
        "Of the gradient penalty; gamma of r3gan. By default the model's paper's, or what was tuned for the dataset.",
        "X",
    )
    define.integer(
        "pack",
        None,
        "Images that the discriminator judges at once, as in PacGAN: more of them against mode collapse. By default 1.",
    )
    define.number(
        "learning_rate",
        None,
        "Of both optimizers. By default the model's paper's, or what was tuned for the dataset.",
        "X",
    )
    define.boolean(
        "learning_rate_decay",
        None,
        "Let it fall linearly to zero over the training. By default only where it was tuned so.",
    )
    text = "Of both Adams. By default the model's paper's, or what was tuned for the dataset."
    define.number("beta_1", None, text, "X")
    define.number("beta_2", None, text, "X")
    define.number(
        "ema_momentum",
        None,
        "Images are made by an average of the generator's weights with this momentum; 0 for no average.",
        0.999,
    )
    define.integer("seed", 0, "The same seed gives the same training.", lower=0, upper=2**32 - 1)
    define.choice(
        "on_non_finite",
        None,
        list(CHOICES["on_non_finite"]),
        "At values that are not finite: stop, or leave the update out.",
        "raise",
    )
    define.group("Output")
    define.string(
        "workdir",
        None,
        "Where everything goes, new or empty. By default runs/DATASET-MODEL-N with the next free number.",
        "PATH",
    )
    define.boolean("overwrite", False, "Replace the run in --workdir.")
    define.integer("checkpoint_every", None, "Steps between two checkpoints. By default one with each picture.")
    define.integer("keep_checkpoints", None, "How many checkpoints are kept: the newest. By default 3.")
    define.boolean("dry_run", False, "Print the resolved configuration and both networks, write nothing, and stop.")
    define.group("Machine")
    _strategy(define)
    define.choice("precision", None, list(CHOICES["precision"]), "Of the computation.", "float32")
    define.choice("jit_compile", None, ["auto", "true", "false"], "XLA. auto: on a GPU or TPU.", "auto")


def _images(define, num_images):
    define.group("Images")
    define.integer("num_images", num_images, "How many.")
    define.integer("seed", 0, "Of the first image; the others have the numbers after it.", lower=0, upper=_LARGEST_SEED)
    define.integers("labels", "Classes, in turn, for a conditional model. By default all of them.", "N,N,...")


def _generate(define):
    _images(define, num_images=64)
    define.number(
        "truncation",
        None,
        "Latents are cut off at so many standard deviations: more usual images, of fewer kinds.",
        "X",
    )
    define.group("Output")
    define.string(
        "out",
        None,
        "A picture (.png, .jpg, ...) of all images in a grid; an .npz file, array `images`, uint8 (n, height, width, "
        "channels); a name without a suffix is a folder, one PNG an image. By default SOURCE/generated.png, or "
        "generated.png here for an exported model.",
        "PATH",
    )


def _interpolate(define):
    _images(define, num_images=16)
    define.integer("stops", 4, "Images that each cell goes through before it is back at its first.", lower=2)
    define.integer("frames", 16, "Frames from one stop to the next.")
    define.group("Output")
    define.string("out", None, "A .gif. By default SOURCE/interpolation.gif, or here for an exported model.", "PATH")


def _export(define):
    define.group("Output")
    define.string(
        "to", None, "Directory of the model; its versions are 1, 2, ... By default saved_models/DATASET.", "PATH"
    )
    define.choices("also", FORMATS, "The generator in other formats too, in the directory of the version.")
    define.boolean("score", True, "Export the discriminator too; --noscore for a smaller model.")
    define.string("license", None, "What model_card.json says of it.", "TEXT")
    define.group("Server")
    define.integer("max_batch_size", 4_096, "The most images that a request may ask for.")


def _evaluate(define):
    define.group("Evaluation")
    define.integer(
        "num_images", 2_000, "How many are generated, and compared with as many real ones; at most half of the data."
    )
    define.integer("seed", 0, "The same seed gives the same images.", lower=0, upper=2**32 - 1)
    define.boolean(
        "classifier",
        None,
        "Train a small classifier on the data, for features of its own and the share of each class. By default where "
        "the data are images with labels; about a minute for MNIST.",
    )


def _compare(define):
    define.group("Output")
    define.string(
        "out",
        None,
        "Picture of the samples and curves of both, outside of their directories. By default compare-A-B.png, by the "
        "names of the directories.",
        "PATH",
    )


def _inspect(define):
    define.group("Data")
    _data(define)
    define.group("Output")
    define.string("out", None, "Picture of a grid of images. By default inspect-DATASET.png.", "PATH")


COMMANDS = {
    "train": Command(
        "kerasgan train [flags]",
        (),
        "Trains a model on a dataset. Samples, curves and the model go to a run directory; the last lines say where "
        "they are and how good they are.",
        (
            "kerasgan train                                 # WGAN-GP on handwritten digits, a few minutes",
            "kerasgan train --dataset=mnist --steps=5000",
            "kerasgan train --dataset=photos/ --image_size=64 --flip --workdir=runs/photos",
        ),
        _train,
    ),
    "resume": Command(
        "kerasgan resume WORKDIR [flags]",
        ("WORKDIR",),
        "Resumes the run in WORKDIR from its newest checkpoint, and ends as it would have without a "
        "stop. Of a complete training it says so, and does nothing.",
        (
            "kerasgan resume runs/digits-wgan_gp-1",
            "kerasgan resume runs/digits-wgan_gp-1 --steps=6000",
        ),
        _resume,
    ),
    "generate": Command(
        "kerasgan generate SOURCE [flags]",
        ("SOURCE",),
        "Generates images by the model in SOURCE: a directory of `kerasgan train` or of `kerasgan export`. Every image "
        "has a seed of its own, and is the same in any number of others, trained or exported.",
        (
            "kerasgan generate runs/digits-wgan_gp-1",
            "kerasgan generate runs/digits-wgan_gp-1 --num_images=10000 --seed=1 --out=digits.npz",
            "kerasgan generate saved_models/digits --truncation=1.5",
        ),
        _generate,
    ),
    "interpolate": Command(
        "kerasgan interpolate SOURCE [flags]",
        ("SOURCE",),
        "Shows images that turn into others, on great circles between their latents, as an endless GIF. SOURCE is a "
        "directory of `kerasgan train` or of `kerasgan export`.",
        (
            "kerasgan interpolate runs/digits-wgan_gp-1",
            "kerasgan interpolate saved_models/digits --num_images=1 --stops=8 --out=walk.gif",
        ),
        _interpolate,
    ),
    "export": Command(
        "kerasgan export WORKDIR [flags]",
        ("WORKDIR",),
        "Writes the next version of a model for TF Serving: a SavedModel, for which neither kerasgan nor Keras is "
        "needed, with a card and a picture. It appears whole or not at all.",
        (
            "kerasgan export runs/digits-wgan_gp-1 --to=saved_models/digits",
            "kerasgan export runs/photos --to=saved_models/photos --also=onnx,litert --license=CC-BY-4.0",
        ),
        _export,
    ),
    "evaluate": Command(
        "kerasgan evaluate WORKDIR [flags]",
        ("WORKDIR",),
        "Says how good what the model in WORKDIR generates is: distances, precision and recall, copies, classes; and "
        "beside each value the one that real examples have. Writes them into metrics.json in place of "
        "those of the last time, and plots. docs/metrics.md says what they mean.",
        (
            "kerasgan evaluate runs/digits-wgan_gp-1",
            "kerasgan evaluate runs/mnist-wgan_gp-1 --num_images=10000",
        ),
        _evaluate,
    ),
    "compare": Command(
        "kerasgan compare A B [flags]",
        ("A", "B"),
        "Sets two run directories of `kerasgan train` side by side: the settings in which they differ, the values at "
        "the end and those of `kerasgan evaluate`, and a picture of both samples and of their curves over each other. "
        "Either may still be training. Nothing is written in them.",
        (
            "kerasgan compare runs/digits-wgan_gp-1 runs/digits-gan-1",
            "kerasgan compare runs/digits-wgan_gp-1 runs/digits-wgan_gp-2 --out=seeds.png",
        ),
        _compare,
    ),
    "inspect": Command(
        "kerasgan inspect DATASET [flags]",
        ("DATASET",),
        "Says what a dataset holds and which files of it cannot be read, and saves a grid of its images. Ends with "
        "exit code 1 if there is such a file.",
        ("kerasgan inspect digits", "kerasgan inspect photos/ --out=photos.png"),
        _inspect,
    ),
}
