"""`kerasgan interpolate`: images that turn into others, as a GIF."""

import pathlib
import typing

import numpy as np

from kerasgan import images
from kerasgan.cli.run_directory import opened

_SECONDS_PER_FRAME = 0.08


def run(source: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Interpolates with the model of a run directory or of `kerasgan export`."""
    path, model = opened(source)
    out = path / "interpolation.gif" if flags["out"] is None else pathlib.Path(flags["out"]).expanduser()
    if out.suffix.lower() != ".gif":
        raise ValueError(f"--out={out}: expected a name that ends in .gif.")
    cells, stops, frames = flags["num_images"], flags["stops"], flags["frames"]
    # (leg, frame, cell); the last leg goes back to the first stop.
    leg, frame, cell = np.meshgrid(*map(np.arange, (stops, frames, cells)), indexing="ij")
    begin = flags["seed"] + cell + cells * leg
    end = flags["seed"] + cell + cells * ((leg + 1) % stops)
    labels = flags["labels"]
    if labels is None and model.conditional and model.num_classes is not None:
        labels = range(model.num_classes)
    labels = None if labels is None else np.resize(labels, cells)[cell].ravel()
    examples = model.interpolate(begin.ravel(), end.ravel(), (frame / frames).ravel(), labels, batch_size=256)
    pictures = [images.picture(part) for part in examples.reshape(stops * frames, cells, *model.image_shape)]
    images.save_gif(out, pictures, duration=_SECONDS_PER_FRAME)
    print(f"{stops * frames:,} frames of {cells:,}: {out}")
    return {"out": str(out), "num_images": cells, "num_frames": stops * frames, "seed": flags["seed"]}
