"""Pictures of the same latents, epoch after epoch."""

import contextlib
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from kerasgan import files, images, notebook
from kerasgan.callbacks import samples
from kerasgan.callbacks.base import ModelCallback
from kerasgan.datasets.folder import UNREADABLE
from kerasgan.errors import DataError, checked_boolean, checked_integer, invalid, warn

# What the pictures of an animation may take in memory, and how many they are at most.
_ANIMATION_BYTES = 96 * 1024**2
_ANIMATION_FRAMES = 60
_ANIMATION_SECONDS = 8.0
_STAGES = 8


class SampleGrid(ModelCallback):
    """Saves a picture of what the model makes of the same latents, before training and after each epoch.

    Black and white are the ends of the range of the generator's last activation, [-1, 1] where that has none. The
    pictures are `epoch_0000.png`, `epoch_0001.png`, ...: grids of images, or scatter plots of points. `on_train_end`
    adds `contact_sheet.png`, a few stages side by side, and `training.gif`. A notebook shows the newest picture below
    the cell that trains.

    Args:
        directory: Where the pictures go; it is made if it does not exist. Pictures of an earlier run there are
            replaced, epoch by epoch, so give each run its own.
        num_images: Integer >= 1.
        every: Integer >= 1, epochs per picture; there is always one of the last epoch.
        seed: Integer >= 0, of the latents.
        labels: Integer array `(num_images,)` for a conditional model. Defaults to the classes in turn, one per column.
        real: Float array of real points `(n, 2)` to draw below generated ones. Defaults to none.
        class_names: Sequence of texts, one for each class: the captions of columns. Defaults to none.
        inline: Whether a notebook shows the newest picture.

    Raises:
        ValueError: An argument is out of its range.
        DataError: The model makes neither images nor points in the plane, or has other classes than those that are
            named; before the first step.
    """

    chief_only = True

    def __init__(
        self,
        directory: str | os.PathLike,
        num_images: int = 64,
        every: int = 1,
        seed: int = 0,
        labels: np.ndarray | None = None,
        real: np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        inline: bool = True,
    ):
        super().__init__()
        self.directory = files.checked_path("directory", directory, "a directory for pictures, e.g. 'samples'", True)
        self.num_images = checked_integer("num_images", num_images)
        self.every = checked_integer("every", every)
        self.seed = checked_integer("seed", seed, 0)
        self.labels = labels
        self.real = real
        self.class_names = class_names
        self.inline = checked_boolean("inline", inline)
        self._epoch: Any = None  # epochs done; None before the first
        self._steps: dict[int, int] = {}  # the step of each picture, by epoch
        self._output = notebook.Output()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.directory = self.directory.absolute()  # whatever becomes the working directory
        shape = self.model.image_shape
        if not images.can_be_drawn(shape):
            expected = (
                "SampleGrid with a generator of images, (height, width, channels), or of points in the plane, (2,): "
                "leave it out"
            )
            raise invalid("callbacks", expected, f"examples of shape {shape}", DataError)
        samples.check_class_names(self.class_names, self.model)
        self._epoch, self._steps = None, {}
        self._output = notebook.Output()

    def get_state(self) -> dict[str, Any]:
        """Which pictures there are."""
        return {"epoch": self._epoch, "steps": list(self._steps.items())}

    def set_state(self, state: dict[str, Any]) -> None:
        self._epoch, self._steps = state["epoch"], dict(state["steps"])

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._epoch is None:
            self._epoch = epoch
            if any(int(path.stem[6:]) > epoch for path in self.directory.glob("epoch_[0-9][0-9][0-9][0-9].png")):
                warn(
                    f"{self.directory} holds pictures of an earlier training, which are replaced one by one. Give each "
                    "call of `fit` a directory of its own to keep them."
                )
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch + 1
        if self._epoch % self.every == 0:
            self._save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._epoch is None:
            return
        if self._epoch not in self._steps:
            self._save()
        row_height, head = self._heights()
        with files.best_effort(self.directory / "contact_sheet.png"):
            summarize(self.directory, row_height, head, self._steps)

    def picture(self) -> np.ndarray:
        """What the model makes of the latents now, as a uint8 array `(height, width, 1 or 3)`."""
        return samples.picture(self.model, self.num_images, self.seed, self.labels, self.real, self.class_names)

    def _heights(self):
        """Pixels of one row of a grid, with the padding above it, and of the captions; None and 0 for scatter plots."""
        if len(self.model.image_shape) == 1:
            return None, 0
        options = samples.grid_options(self.model, self.labels, self.class_names)
        blank = np.zeros((self.num_images, *self.model.image_shape), "uint8")
        rows, _ = images.layout(self.num_images, options["columns"])
        whole, grid = (len(images.grid(blank, **options)) for options in (options, {**options, "captions": None}))
        return (grid - images.PADDING) // rows, whole - grid

    def _save(self):
        step = self._steps[self._epoch] = int(self.model.step.numpy())
        picture = self.picture()
        path = self.directory / f"epoch_{self._epoch:04d}.png"
        with files.best_effort(path) if len(self._steps) > 1 else contextlib.nullcontext():  # the first shows a mistake
            images.save_picture(path, picture)
        if self.inline:
            self._output.show(images.titled(picture, f"step {step:,}" if step else "before training"))


def summarize(
    directory: pathlib.Path, row_height: int | None = None, head: int = 0, steps: dict[int, int] | None = None
) -> None:
    """Makes `contact_sheet.png` and `training.gif` of the pictures in a directory; neither, if none can be read.

    Args:
        directory: Where the pictures are and the results go.
        row_height: Pixels of a row of the grids, of which the sheet shows the first; None for all of them.
        head: Pixels above the first row.
        steps: Dict from epoch to step, for the captions.
    """
    steps = steps or {}
    found = [(re.fullmatch(r"epoch_(\d+)\.png", path.name), path) for path in sorted(directory.glob("epoch_*.png"))]
    paths = {int(match[1]): path for match, path in found if match}  # others are copies of a picture
    # Those after the first of `steps` that are not in it are of another run in the same directory.
    epochs = [epoch for epoch in paths if not steps or epoch in steps or epoch < min(steps)]
    shapes = {epoch: shape for epoch in epochs if (shape := _shape(paths[epoch]))}
    if not shapes:
        return
    shape = shapes[max(shapes)]  # pictures of another shape are of another model
    epochs = [epoch for epoch in shapes if shapes[epoch] == shape]

    def captioned(epoch, rows=slice(None)):
        caption = f"step {steps[epoch]:,}" if epoch in steps else f"epoch {epoch}"
        return images.contact_sheet([_read(paths[epoch])[rows]], ["before training" if epoch == 0 else caption])

    stages = [epochs[i] for i in _spread(len(epochs), _STAGES)]
    rows = slice(None)
    if row_height is not None:
        rows = slice(head + _rows_shown(shape, row_height) * row_height + images.PADDING)
    sheet = _arrange(_of_one_size([captioned(epoch, rows) for epoch in stages]))
    images.save_picture(directory / "contact_sheet.png", sheet)

    count = max(2, min(_ANIMATION_FRAMES, _ANIMATION_BYTES // (3 * shape[0] * shape[1])))
    chosen = np.unique(np.linspace(0, len(epochs) - 1, count).round().astype(int))
    frames = _of_one_size([captioned(epochs[i]) for i in chosen])
    frames += frames[-1:] * 5  # a moment's rest before it begins again
    duration = min(0.5, max(0.08, _ANIMATION_SECONDS / len(frames)))
    images.save_gif(directory / "training.gif", frames, duration)


def _rows_shown(shape, row_height):
    """Two rows of a grid, where that is wider than high anyway; else one."""
    return 2 if shape[1] > 4 * row_height and shape[0] > 2 * row_height else 1


def _spread(count, wanted):
    """Indices 0 to count - 1, closer at the beginning, where most happens."""
    if count <= wanted:
        return range(count)
    later = np.geomspace(1, count - 1, wanted - 1).round().astype(int)
    return sorted({0, *later.tolist()})


def _of_one_size(pictures):
    """Background added at the right where a caption has made others wider."""
    width = max(picture.shape[1] for picture in pictures)
    sides = [((0, 0), (0, width - picture.shape[1]), (0, 0)) for picture in pictures]
    return [np.pad(p, side, constant_values=images.BACKGROUND) for p, side in zip(pictures, sides, strict=True)]


def _arrange(pictures):
    """Pictures of one size in rows: of two where they are wider than high, else of four."""
    height, width, _ = pictures[0].shape
    columns = min(len(pictures), 2 if width > 1.5 * height else 4)
    sheet = np.full((-(-len(pictures) // columns) * height, columns * width, 3), images.BACKGROUND, "uint8")
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _shape(path):
    """The shape of a picture, or None, with a warning, if it cannot be read."""
    try:
        return _read(path).shape
    except UNREADABLE as error:
        warn(f"{path} is left out of contact sheet and animation: it cannot be read ({error}).")
        return None


def _read(path):
    with Image.open(path) as image:
        picture = np.asarray(image)
    return picture[..., None] if picture.ndim == 2 else picture
