"""An exported model, called through its signatures only."""

import contextlib
import os
import pathlib
import re
import tempfile

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan import files, inference
from kerasgan.errors import checked_integer, invalid

CARD = "model_card.json"


class Served:
    """A model that `export` wrote, called through its signatures only.

    Args:
        path: Directory of the model, whose newest version is used, or of a version.

    Attributes:
        card: Dict, `model_card.json`; empty if there is none.
        image_shape: Tuple of integers.
        conditional: Whether it takes labels.
        num_classes: Number of classes; None if the card does not say.
        class_names: Tuple of the names of the classes; None if the card does not say.

    Raises:
        ValueError: There is no such model, or it lacks these signatures.
    """

    def __init__(self, path: str | os.PathLike):
        version = version_in(path)
        if version is None:
            raise invalid("path", "a directory written by `export`", str(path))
        self.path = version
        self._model = loaded(version)  # its functions do not keep its variables
        self._signatures = self._model.signatures
        missing = {"serving_default", "generate", "generate_truncated", "interpolate"} - set(self._signatures)
        if missing:
            raise invalid("path", "a model exported by kerasgan", f"{path}, without signature {min(missing)!r}")
        self.card = card_of(version)
        self.image_shape = tuple(self._signatures["serving_default"].structured_outputs["images"].shape[1:])
        self.conditional = "labels" in self._signatures["generate"].structured_input_signature[1]
        self.num_classes = self.card.get("num_classes")
        self.class_names = class_names_of(self.card)

    def generate(
        self,
        seeds: ArrayLike,
        labels: ArrayLike | None = None,
        truncation: ArrayLike | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """As `GAN.generate` with `seeds`, but images are uint8.

        Args:
            seeds: Integer array `(n,)`.
            labels, truncation: As in `GAN.generate`.
            batch_size: Images per request.

        Returns:
            Uint8 array `(n, height, width, channels)`, or float32 points.
        """
        inputs = {"seed": inference.checked_seeds("seeds", seeds)}
        if truncation is None:
            return self._request("generate", inputs, labels, batch_size)
        inputs["truncation"] = inference.checked_truncation(truncation, len(inputs["seed"]))
        return self._request("generate_truncated", inputs, labels, batch_size)

    def interpolate(
        self,
        seeds: ArrayLike,
        other_seeds: ArrayLike,
        positions: ArrayLike,
        labels: ArrayLike | None = None,
        batch_size: int = 256,
    ) -> np.ndarray:
        """As `GAN.interpolate`, but images are uint8; labels as in `generate`."""
        walk = inference.checked_walk(seeds, other_seeds, positions)
        inputs = dict(zip(("seed", "other_seed", "position"), walk, strict=True))
        return self._request("interpolate", inputs, labels, batch_size)

    def write_page(self, directory: str | os.PathLike) -> pathlib.Path:
        """Writes a page that draws in the browser: the one that `also=["web"]` exports, from any export.

        Args:
            directory: Where `index.html` and the scripts beside it are wanted; made if it does not exist.

        Returns:
            Path of `index.html`.

        Raises:
            ExportError: ONNX Runtime Web, which the page needs, cannot be downloaded.
            ValueError: The page cannot show what this model makes.
        """
        from kerasgan.serving import formats, seeded, web  # they import this module

        def images(latents, labels):
            return served(latents=latents, **({} if labels is None else {"labels": labels}))["images"]

        to = files.checked_path("directory", directory, "a directory for the page, new or not", True)
        if "range" not in self.card:
            raise invalid("path", f"an export with its {CARD}, which has the range of pixels", str(self.path))
        formats.check_packages("web")
        web.check(self.image_shape, self.conditional, self.num_classes)
        web.runtime()
        to.mkdir(parents=True, exist_ok=True)
        served = self._signatures["serving_default"]
        latent_dim = served.structured_input_signature[1]["latents"].shape[-1]
        generator = seeded.Seeded(images, latent_dim, tuple(self.card["range"]), self.conditional)
        web.write(to, generator.onnx(generator.walk), self.card, self.path.absolute().parent.name)
        return to / "index.html"

    def _request(self, signature, inputs, labels, batch_size):
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


def version_in(path: str | os.PathLike) -> pathlib.Path | None:
    """The newest version in the directory of a model, or the directory itself if it is a version."""
    path = pathlib.Path(path).expanduser()
    if (path / "saved_model.pb").is_file():
        return path
    versions = [entry for entry in path.glob("*") if entry.name.isdecimal() and (entry / "saved_model.pb").is_file()]
    return max(versions, key=lambda version: int(version.name), default=None)


def models_in(path: str | os.PathLike) -> list[pathlib.Path]:
    """The directories of models directly below a directory, sorted."""
    path = pathlib.Path(path).expanduser()
    return sorted(entry for entry in path.glob("*") if entry.is_dir() and version_in(entry) is not None)


def card_of(version: pathlib.Path) -> dict:
    """The content of a version's `model_card.json`; empty if there is none."""
    path = version / CARD
    return files.read_json(path, "export the model again") if path.is_file() else {}


def class_names_of(card: dict) -> tuple[str, ...] | None:
    """The names of the classes in a `model_card.json`, or in the `config.json` of a run; None if there are none."""
    data = card.get("data")
    names = data.get("class_names") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names) or None


def loaded(directory: pathlib.Path) -> tf.Module:
    """The SavedModel in a directory, through a link if TensorFlow would read the path as a pattern."""
    with contextlib.ExitStack() as stack:
        if pattern_in(directory):
            link = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model"
            link.symlink_to(directory.absolute(), target_is_directory=True)
            directory = link
        return tf.saved_model.load(str(directory))


def pattern_in(path: pathlib.Path) -> str | None:
    """The first character of a path that is special in TensorFlow's patterns, if any."""
    return next((character for character in path.as_posix() if character in "*?[\\"), None)
