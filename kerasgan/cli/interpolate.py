"""`kerasgan interpolate`: images that turn into others, as a GIF."""

import typing

import numpy as np

from kerasgan import files, images
from kerasgan.cli import classes
from kerasgan.cli.run_directory import opened

_SECONDS_PER_FRAME = 0.08


def run(source: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Interpolates with the model of a run directory or of `kerasgan export`."""
    path, model = opened(source)
    out = path / "interpolation.gif" if flags["out"] is None else flags["out"]
    out = files.checked_output("--out", out, "the name of an animation, e.g. 'walk.gif'")
    if out.suffix.lower() != ".gif":
        raise ValueError(f"--out={out}: expected a name that ends in .gif.")
    cells, stops, frames = flags["num_images"], flags["stops"], flags["frames"]
    # (leg, frame, cell); the last leg goes back to the first stop.
    leg, frame, cell = np.meshgrid(*map(np.arange, (stops, frames, cells)), indexing="ij")
    begin = flags["seed"] + cell + cells * leg
    end = flags["seed"] + cell + cells * ((leg + 1) % stops)
    names = classes.names_in(source, model)
    given = classes.numbers(flags["labels"], names) or range(model.num_classes or 0)
    labels = np.resize(given, cells)[cell].ravel() if given else None
    examples = model.interpolate(begin.ravel(), end.ravel(), (frame / frames).ravel(), labels, batch_size=256)
    in_columns = classes.grid_options(given, names) if given and cells % len(given) == 0 else {}
    parts = examples.reshape(stops * frames, cells, *model.image_shape)
    pictures = [images.picture(part, **in_columns) for part in parts]
    images.save_gif(out, pictures, duration=_SECONDS_PER_FRAME)
    print(f"{stops * frames:,} frames of {cells:,}: {out}")
    return {"out": str(out), "num_images": cells, "num_frames": stops * frames, "seed": flags["seed"]}
