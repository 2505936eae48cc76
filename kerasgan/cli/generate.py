"""`kerasgan generate`: images from a trained or exported model."""

import pathlib
import typing

import numpy as np
from PIL import Image

from kerasgan import files, images
from kerasgan.cli import classes
from kerasgan.cli.run_directory import opened


def run(source: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Generates images with the model of a run directory or of `kerasgan export`."""
    path, model = opened(source)
    out = path / "generated.png" if flags["out"] is None else pathlib.Path(flags["out"]).expanduser()
    write = _writer(out)
    expected = "the name of a picture, 'grid.png', of an array, 'images.npz', or of a folder for pictures"
    out = files.checked_output("--out", out, expected, write is _write_folder)
    names = classes.names_in(source, model)
    given = classes.numbers(flags["labels"], names)
    points = len(model.image_shape) == 1
    if points and write is _write_folder:
        raise ValueError(
            f"--out={out}: points cannot be written as a folder of images. Use a name that ends in .png or .npz."
        )
    if not points and write is _write_folder and model.image_shape[-1] not in (1, 3):
        raise ValueError(
            f"--out={out}: a folder of PNGs needs images of 1 or 3 channels, and these have {model.image_shape[-1]}. "
            "Use a name that ends in .npz, which holds all channels, or in .png, which shows the first."
        )
    count = flags["num_images"]
    labels = None if given is None else np.resize(given, count)
    seeds = flags["seed"] + np.arange(count)
    examples = model.generate(seeds=seeds, labels=labels, truncation=flags["truncation"], batch_size=256)
    examples = examples if points else images.to_uint8(examples)
    write(out, examples, given or range(model.num_classes or 0), names)
    print(f"{count:,} {'points' if points else 'images'}: {out}")
    return {"out": str(out), "num_images": count, "seed": flags["seed"]}


def _writer(out):
    """What writes to a name of this kind."""
    if out.suffix.lower() == ".npz":
        return _write_npz
    if out.suffix and not out.is_dir():
        if out.suffix.lower() not in Image.registered_extensions():
            raise ValueError(f"--out={out}: expected a name that ends in .png or .npz, or a folder.")
        return _write_picture
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out={out} is a file. Name a folder, or a file that ends in .png or .npz.")
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(
            f"--out={out} is a folder that is not empty. Name another, or a file that ends in .png or .npz."
        )
    return _write_folder


def _write_picture(path, examples, labels, names):
    """Writes a grid, with the names of the classes, which take turns, above its columns; of one class above it all."""
    title = names[labels[0]] if names and len(labels) == 1 else None
    images.save_picture(path, images.picture(examples, **classes.grid_options(labels, names)), title)


def _write_npz(path, examples, *classes):
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=examples)


def _write_folder(path, examples, *classes):
    path.mkdir(parents=True, exist_ok=True)
    digits = len(str(len(examples) - 1))
    for i, image in enumerate(examples):
        images.save_picture(path / f"{i:0{digits}d}.png", image)
