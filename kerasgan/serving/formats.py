"""The generator in other formats: Keras, LiteRT, ONNX."""

import contextlib
import os
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan._keras import export_litert
from kerasgan.errors import ExportError
from kerasgan.serving.signatures import Signatures

# For each format: its file, and the packages it needs.
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "keras": ("generator.keras", ()),
    "litert": ("generator.tflite", ()),
    "onnx": ("generator.onnx", ("onnx", "tf2onnx")),
}
COMPARED_ROWS = 4
# How far two implementations of one network may differ, for outputs in [-1, 1].
_TOLERANCE = 1e-5


def write(name: str, path: pathlib.Path, signatures: Signatures) -> None:
    """Writes the generator in another format, and compares what the file computes with the generator."""
    generator, values = signatures.generator, signatures.example("serving_default", COMPARED_ROWS).values()
    inputs = {
        tensor.name: value.reshape(COMPARED_ROWS, *tensor.shape[1:]).astype(tensor.dtype)
        for tensor, value in zip(generator.inputs, values, strict=True)
    }
    write_and_run = {"keras": _keras, "litert": _litert, "onnx": _onnx}[name]
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            computed = write_and_run(path, generator, inputs)
    except OSError:
        raise
    except Exception as error:
        raise ExportError(f"The generator cannot be exported as {name!r}: {error}") from error
    compare(path.name, computed, _call(generator, inputs))


def _keras(path, generator, inputs):
    generator.save(path)
    return _call(keras.models.load_model(path), inputs)


def _litert(path, generator, inputs):
    export_litert(generator, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the package that is to replace tf.lite
        runner = tf.lite.Interpreter(str(path)).get_signature_runner("serving_default")
    return next(iter(runner(**inputs).values()))


def _onnx(path, generator, inputs):
    from onnx import reference

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from tf2onnx, about NumPy
        generator.export(path, format="onnx", verbose=False)
    (images,) = reference.ReferenceEvaluator(str(path)).run(None, inputs)
    return images


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
