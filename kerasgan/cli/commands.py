"""The commands: what each is for, and its flags in groups. `settings.py` has those that are settings of a run."""

import dataclasses

from kerasgan.cli.kinds import BOOLEAN, classes, integer, names, number, text
from kerasgan.cli.settings import LARGEST_SEED, OF_DCGAN, SETTINGS, Setting

FORMATS = ("keras", "litert", "onnx", "web")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Args:
        arguments: Names of its arguments, flags aside.
        summary: What it does, in a few words.
        purpose: What it does, in a few sentences.
        examples: Command lines.
        groups: Its flags by title and name.
    """

    arguments: tuple[str, ...]
    summary: str
    purpose: str
    examples: tuple[str, ...]
    groups: dict[str, dict[str, Setting]]


def _of_run(*settings: str) -> dict[str, Setting]:
    return {name: SETTINGS[name] for name in settings}


_MOVED = {
    "dataset": Setting(text(), "Where the data of the run are now, if they have moved."),
}
_DATA = _of_run("image_size", "fit", "data_dir", "value_range", "keep_depth")


def _images(num_images: int) -> dict[str, Setting]:
    return {
        "num_images": Setting(integer(), "How many images to generate.", num_images),
        # The most leaves room for the seeds after it.
        "seed": Setting(
            integer(least=0, most=2**62), "Seed of the first image; the others have the numbers after it.", 0
        ),
        "labels": Setting(
            classes(),
            "Classes, in turn, for a conditional model: numbers from 0, or names, such as daisy,tulips; a name with a "
            "comma in double quotes. By default all of them.",
        ),
    }


OTHER = {
    "help": Setting(BOOLEAN, "Show this help; -h too.", False),
    "json": Setting(BOOLEAN, "One JSON object on standard output; text for people goes to standard error.", False),
    "debug": Setting(BOOLEAN, "Show the traceback of an error.", False),
}

COMMANDS = {
    "train": Command(
        (),
        "train a model on a dataset: `kerasgan train` alone learns handwritten digits",
        "Trains a model on a dataset. Samples, curves and the model go to a run directory; the last lines say where "
        "they are and how good they are.",
        (
            "kerasgan train                                 # WGAN-GP on handwritten digits, a minute or two",
            "kerasgan train --dataset=mnist --steps=5000",
            "kerasgan train --dataset=photos/ --image_size=64 --flip --workdir=runs/photos",
            "kerasgan train --dataset=more_photos/ --from=runs/photos --steps=1000",
        ),
        {
            "Data": _of_run("dataset") | _DATA | _of_run("channels", "flip", "dequantize", "on_bad_file"),
            "Model": _of_run("from", "model", "network", "units", "filters", *OF_DCGAN, "latent_dim", "conditional"),
            "Training": {
                **_of_run("steps"),
                "epochs": Setting(integer(), "Passes over the data, instead of --steps."),
                **_of_run("batch_size", "n_critic", "penalty_weight", "pack", "augment", "augment_probability"),
                **_of_run("learning_rate", "learning_rate_decay"),
                **_of_run("beta_1", "beta_2", "ema_momentum", "seed", "on_non_finite"),
            },
            "Output": {
                "workdir": Setting(
                    text("PATH"),
                    "Where everything goes, new or empty. By default runs/DATASET-MODEL-N with the next free number.",
                ),
                "overwrite": Setting(BOOLEAN, "Replace the run in --workdir.", False),
                **_of_run("checkpoint_every", "keep_checkpoints"),
                "dry_run": Setting(
                    BOOLEAN, "Print the resolved configuration and both networks, write nothing, and stop.", False
                ),
            },
            "Machine": _of_run("strategy", "precision", "jit_compile"),
        },
    ),
    "resume": Command(
        ("WORKDIR",),
        "resume a run that was stopped",
        "Resumes the run in WORKDIR from its newest checkpoint; it ends as it would have without a stop. If the run is "
        "complete, says so and does nothing.",
        ("kerasgan resume runs/digits-wgan_gp-1", "kerasgan resume runs/digits-wgan_gp-1 --steps=6000"),
        {
            "Data": _MOVED,
            "Training": {
                "steps": Setting(
                    integer(), "Updates of the generator in all. By default as many as the run was started with."
                ),
            },
            "Machine": _of_run("strategy"),
        },
    ),
    "evaluate": Command(
        ("WORKDIR",),
        "say how good the images of a trained model are",
        "Measures the images of the model in WORKDIR: distances, precision and recall, copies, classes, each beside "
        "the value that real examples have. Writes them to metrics.json, replacing the last evaluation, and saves "
        "plots. The documentation, page Measure quality, says what they mean.",
        ("kerasgan evaluate runs/digits-wgan_gp-1", "kerasgan evaluate runs/mnist-r3gan-1 --num_images=10000"),
        {
            "Data": _MOVED,
            "Evaluation": {
                "num_images": Setting(
                    integer(),
                    "How many to generate, and to compare with as many real ones; at most half of the data.",
                    2_000,
                ),
                "seed": Setting(integer(least=0, most=LARGEST_SEED), "The same seed gives the same images.", 0),
                "classifier": Setting(
                    BOOLEAN,
                    "Train a small classifier on the data, for its features and the share of each class. By default "
                    "where the data are images with labels. It is kept in WORKDIR and used again; training it takes "
                    "seconds for a few hundred images, minutes for MNIST.",
                ),
            },
        },
    ),
    "compare": Command(
        ("A", "B"),
        "compare two runs: settings, values, curves, samples",
        "Sets two run directories of `kerasgan train` side by side: the settings in which they differ, the values at "
        "the end and those of `kerasgan evaluate`, and a picture with the samples of both and their curves in the "
        "same axes. Either may still be training. Nothing is written to them.",
        (
            "kerasgan compare runs/digits-wgan_gp-1 runs/digits-gan-1",
            "kerasgan compare runs/digits-wgan_gp-1 runs/digits-wgan_gp-2 --out=seeds.png",
        ),
        {
            "Output": {
                "out": Setting(
                    text("PATH"),
                    "Picture of the samples and curves of both, outside of their directories. By default "
                    "compare-A-B.png, after the names of the directories.",
                ),
            },
        },
    ),
    "generate": Command(
        ("SOURCE",),
        "generate images with a trained or exported model",
        "Generates images with the model in SOURCE: a directory of `kerasgan train` or of `kerasgan export`. Every "
        "image has its own seed, and is the same in any batch, from the run or from its export.",
        (
            "kerasgan generate runs/digits-wgan_gp-1",
            "kerasgan generate runs/digits-wgan_gp-1 --num_images=10000 --seed=1 --out=digits.npz",
            "kerasgan generate saved_models/digits --truncation=1.5",
        ),
        {
            "Images": {
                **_images(64),
                "truncation": Setting(
                    number(positive=True),
                    "Cut latents off at this many standard deviations: more typical images, less variety.",
                ),
            },
            "Output": {
                "out": Setting(
                    text("PATH"),
                    "A picture (.png, .jpg, ...) of all images in a grid; an .npz file, array `images`, uint8 (n, "
                    "height, width, channels); or, without a suffix, a folder of PNGs, one per image. By default "
                    "SOURCE/generated.png, or generated.png here for an exported model.",
                ),
            },
        },
    ),
    "interpolate": Command(
        ("SOURCE",),
        "show how images turn into others, as a GIF",
        "Shows images that turn into others, on great circles between their latents, as a looping GIF. SOURCE is a "
        "directory of `kerasgan train` or of `kerasgan export`.",
        (
            "kerasgan interpolate runs/digits-wgan_gp-1",
            "kerasgan interpolate saved_models/digits --num_images=1 --stops=8 --out=walk.gif",
        ),
        {
            "Images": {
                **_images(16),
                "stops": Setting(integer(least=2), "Images that each cell passes before it is back at its first.", 4),
                "frames": Setting(integer(), "Frames from one stop to the next.", 16),
            },
            "Output": {
                "out": Setting(
                    text("PATH"), "A .gif. By default SOURCE/interpolation.gif, or here for an exported model."
                ),
            },
        },
    ),
    "export": Command(
        ("WORKDIR",),
        "write a trained model for TF Serving",
        "Writes the next version of a model for TF Serving: a SavedModel that needs neither kerasgan nor Keras, with a "
        "card and a picture. It appears whole or not at all.",
        (
            "kerasgan export runs/digits-wgan_gp-1 --to=saved_models/digits",
            "kerasgan export runs/photos --to=saved_models/photos --also=onnx,litert --license=CC-BY-4.0",
            "kerasgan export runs/photos --to=saved_models/photos --also=web",
        ),
        {
            "Output": {
                "to": Setting(
                    text("PATH"), "Directory of the model; its versions are 1, 2, ... By default saved_models/DATASET."
                ),
                "also": Setting(
                    names(*FORMATS),
                    "The generator in other formats too, in the directory of the version. web is a page that draws in "
                    "the browser: web/index.html.",
                ),
                "score": Setting(BOOLEAN, "Export the discriminator too; --noscore for a smaller model.", True),
                "license": Setting(text("TEXT"), "The license that model_card.json names."),
            },
            "Server": {
                "max_batch_size": Setting(integer(), "The most images that a request may ask for.", 4_096),
            },
        },
    ),
    "inspect": Command(
        ("DATASET",),
        "say what a dataset holds",
        "Says what a dataset holds and which of its files cannot be read, and saves a grid of its images. Exits with 1 "
        "if there is such a file.",
        ("kerasgan inspect digits", "kerasgan inspect photos/ --out=photos.png"),
        {
            "Data": _DATA,
            "Output": {
                "out": Setting(text("PATH"), "Picture of a grid of images. By default inspect-DATASET.png."),
            },
        },
    ),
}
