"""An exported model, asked by its signatures alone."""

import contextlib
import json
import pathlib
import re
import tempfile

import numpy as np
import tensorflow as tf

from kerasgan import inference
from kerasgan.errors import checked_integer, invalid

CARD = "model_card.json"


class Served:
    """A model that `export` has written, by its signatures alone.

    Args:
        path: Directory of the model, of which the newest version is taken, or of a version.

    Attributes:
        card: Dict, `model_card.json`; empty where there is none.
        image_shape: Tuple of integers.
        conditional: Whether it takes labels.
        num_classes: Number of classes; None where the card does not tell it.

    Raises:
        ValueError: There is no such model, or it has not these signatures.
    """

    def __init__(self, path):
        self.path = version_in(path)
        if self.path is None:
            raise invalid("path", "a directory that `export` has made", str(path))
        self._signatures = loaded(self.path).signatures
        missing = {"serving_default", "generate", "generate_truncated", "interpolate"} - set(self._signatures)
        if missing:
            raise invalid("path", "a model that kerasgan has exported", f"{path}, without signature {min(missing)!r}")
        self.card = card_of(self.path)
        self.image_shape = tuple(self._signatures["serving_default"].structured_outputs["images"].shape[1:])
        self.conditional = "labels" in self._signatures["generate"].structured_input_signature[1]
        self.num_classes = self.card.get("num_classes")

    def generate(self, seeds, labels=None, truncation=None, batch_size=256):
        """As `GAN.generate` with `seeds`, but images are uint8.

        Args:
            seeds: Integer array `(n,)`.
            labels: As in `GAN.generate`.
            truncation: As in `GAN.generate`.
            batch_size: Integer, images a request.

        Returns:
            Uint8 array `(n, height, width, channels)`, or float32 points.
        """
        seeds = inference.checked_seeds("seeds", seeds)
        inputs = {"seed": seeds}
        if truncation is not None:
            inputs["truncation"] = inference.checked_truncation(truncation, len(seeds))
        return self._asked("generate" if truncation is None else "generate_truncated", inputs, labels, batch_size)

    def interpolate(self, seeds, other_seeds, positions, labels=None, batch_size=256):
        """As `GAN.interpolate`, but images are uint8; labels as in `generate`."""
        names, walk = ("seed", "other_seed", "position"), inference.checked_walk(seeds, other_seeds, positions)
        return self._asked("interpolate", dict(zip(names, walk, strict=True)), labels, batch_size)

    def _asked(self, signature, inputs, labels, batch_size):
        count = len(inputs["seed"])
        labels = inference.checked_labels(labels, count, self.conditional, self.num_classes)
        if labels is not None:
            inputs["labels"] = np.asarray(labels, np.int32)
        batch_size = checked_integer("batch_size", batch_size)
        batch_size = min(batch_size, self.card.get("max_batch_size", batch_size))
        parts = []
        for start in range(0, max(count, 1), batch_size):
            part = {name: tf.constant(value[start : start + batch_size]) for name, value in inputs.items()}
            try:
                parts.append(self._signatures[signature](**part)["images"].numpy())
            except tf.errors.InvalidArgumentError as error:
                found = re.search(r"assertion failed: \[(.*)\] (\[.*\])", str(error))
                raise ValueError(f"{self.path}: {f'{found[1]} {found[2]}' if found else error}") from error
        return np.concatenate(parts)


def version_in(path):
    """The newest version in the directory of a model, the directory itself if it is a version, or None."""
    path = pathlib.Path(path).expanduser()
    if (path / "saved_model.pb").is_file():
        return path
    versions = [one for one in path.glob("*") if one.name.isdecimal() and (one / "saved_model.pb").is_file()]
    return max(versions, key=lambda version: int(version.name), default=None)


def card_of(version):
    """Dict, what `model_card.json` of a version says; empty where there is none."""
    path = version / CARD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def loaded(directory):
    """The SavedModel of a directory, by another name where TensorFlow would take its own for a pattern."""
    with contextlib.ExitStack() as stack:
        if pattern_in(directory):
            link = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model"
            link.symlink_to(pathlib.Path(directory).absolute(), target_is_directory=True)
            directory = link
        return tf.saved_model.load(str(directory))


def pattern_in(path):
    """The first character of a path that is special in TensorFlow's patterns; None where there is none."""
    return next((character for character in pathlib.Path(path).as_posix() if character in "*?[\\"), None)
