"""The generator in other formats: Keras, LiteRT, ONNX, a page for browsers."""

import contextlib
import importlib.util
import os
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan import inference
from kerasgan._keras import export_litert
from kerasgan.errors import ExportError, invalid
from kerasgan.serving import seeded, web
from kerasgan.serving.signatures import Signatures

# For each format: its file, and the packages it needs.
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "keras": ("generator.keras", ()),
    "litert": ("generator.tflite", ()),
    "onnx": ("generator.onnx", ("onnx", "tf2onnx")),
    "web": (web.PAGE, ("onnx", "tf2onnx")),
}
# Suffixes of files, which an export is not, and the format that has such a file in it; None: a model is saved as one.
OF_FILES = {".keras": None, ".h5": None, ".onnx": "onnx", ".tflite": "litert"}
COMPARED_ROWS = 4
# How far two implementations of one network may differ, for outputs in [-1, 1].
_TOLERANCE = 1e-5


def check_packages(name: str) -> None:
    """Refuses a format whose packages are not installed.

    Raises:
        ValueError: One is missing.
    """
    packages = FORMATS[name][1]
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise invalid("also", f"the packages of {name!r}: `pip install {' '.join(packages)}`", f"no {missing[0]}")


def write(name: str, directory: pathlib.Path, signatures: Signatures, card: dict, title: str) -> None:
    """Writes the generator in another format, and compares what the files compute with the generator.

    Args:
        name: One of `FORMATS`.
        directory: Of the version.
        signatures: What the version computes.
        card: Of the version.
        title: What a page calls the model.
    """
    path = directory / FORMATS[name][0]
    writer = {"keras": _keras, "litert": _litert, "onnx": _onnx}.get(name)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            compared = list(writer(path, signatures) if writer else _web(path, signatures, card, title))
    except OSError:
        raise
    except Exception as error:
        raise ExportError(f"The generator cannot be exported as {name!r}: {error}") from error
    for what, values, expected in compared:
        compare(what, values, expected)


# The writers yield, for each file: its name, what it computes, what the model computes.


def _keras(path, signatures):
    generator, inputs = signatures.generator, _inputs(signatures)
    generator.save(path)
    yield path.name, _call(keras.models.load_model(path), inputs), _call(generator, inputs)


def _litert(path, signatures):
    generator, inputs = signatures.generator, _inputs(signatures)
    export_litert(generator, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the package that is to replace tf.lite
        runner = tf.lite.Interpreter(str(path)).get_signature_runner("serving_default")
    yield path.name, next(iter(runner(**inputs).values())), _call(generator, inputs)


def _onnx(path, signatures):
    import onnx

    generator, inputs = signatures.generator, _inputs(signatures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from tf2onnx, about NumPy
        generator.export(path, format="onnx", verbose=False)
        from_seeds = seeded.Seeded.of(signatures)
        model = from_seeds.onnx(from_seeds.generate)
    onnx.save(model, path.with_name(seeded.FILE))
    yield path.name, _run(str(path), inputs), _call(generator, inputs)
    yield _from_seeds(seeded.FILE, model, signatures, "generate_truncated")


def _web(path, signatures, card, title):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from tf2onnx, about NumPy
        from_seeds = seeded.Seeded.of(signatures)
        model = from_seeds.onnx(from_seeds.walk)
    web.write(path.parent, model, card, title)
    yield _from_seeds(path.parent.name, model, signatures, "interpolate", truncation=inference.UNTRUNCATED)


def _from_seeds(what, model, signatures, signature, **more):
    """What an ONNX model makes of the example of a signature and of `more` floats, and what the signature does."""
    count = min(COMPARED_ROWS, signatures.max_batch_size)
    example = signatures.example(signature, count)
    floats = {name: np.full(count, value, np.float32) for name, value in more.items()}
    return what, _run(model, example | floats), signatures.functions[signature](**example)["images"]


def _run(model, inputs):
    """The only output of an ONNX model."""
    from onnx import reference

    (images,) = reference.ReferenceEvaluator(model).run(None, inputs)
    return images


def _inputs(signatures):
    """An example of the generator's own inputs."""
    values = signatures.example("serving_default", COMPARED_ROWS).values()
    return {
        tensor.name: value.reshape(COMPARED_ROWS, *tensor.shape[1:]).astype(tensor.dtype)
        for tensor, value in zip(signatures.generator.inputs, values, strict=True)
    }


def _call(generator, inputs):
    first, *others = inputs.values()
    return generator([first, *others] if others else first, training=False).numpy()


def compare(what: str, values: ArrayLike, expected: ArrayLike) -> None:
    """Refuses floats that differ by more than rounding, and bytes that differ by more than one level."""
    values, expected = np.asarray(values), np.asarray(expected)
    tolerance = 1.0 if values.dtype == np.uint8 else _TOLERANCE * max(1.0, np.abs(expected).max())
    difference = np.abs(values.astype(np.float64) - expected).max()
    if not difference <= tolerance:
        raise ExportError(f"{what} differs by {difference:.2g} from what the model computes. Nothing was exported.")
