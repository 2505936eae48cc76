"""The generator in other formats: Keras, LiteRT, ONNX."""

import contextlib
import os
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan.errors import ExportError

# The name of each format that `export` writes besides, its file, and what it needs.
FORMATS = {
    "keras": ("generator.keras", ()),
    "litert": ("generator.tflite", ()),
    "onnx": ("generator.onnx", ("onnx", "tf2onnx")),
}
CHECKED = 4  # examples that are compared
# How far apart two implementations of one network may be, for outputs in [-1, 1].
_TOLERANCE = 1e-5


def write(name, path, signatures):
    """The generator in another format, read again and compared."""
    generator, values = signatures.generator, signatures.example("serving_default", CHECKED).values()
    inputs = {
        tensor.name: value.reshape(CHECKED, *tensor.shape[1:]).astype(tensor.dtype)
        for tensor, value in zip(generator.inputs, values, strict=True)
    }
    run = {"keras": _keras, "litert": _litert, "onnx": _onnx}[name]
    try:
        with _quiet():
            made = run(path, generator, inputs)
    except OSError:
        raise
    except Exception as error:
        raise ExportError(f"The generator cannot be exported as {name!r}: {error}") from error
    compare(path.name, made, keras_images(generator, inputs))


def _keras(path, generator, inputs):
    generator.save(path)
    return keras_images(keras.models.load_model(path), inputs)


def _litert(path, generator, inputs):
    generator.export(path, format="litert", verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package that is to replace tf.lite
        runner = tf.lite.Interpreter(str(path)).get_signature_runner("serving_default")
    return next(iter(runner(**inputs).values()))


def _onnx(path, generator, inputs):
    from onnx import reference

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, about NumPy
        generator.export(path, format="onnx", verbose=False)
    return reference.ReferenceEvaluator(str(path)).run(None, inputs)[0]


@contextlib.contextmanager
def _quiet():
    """Without the greetings of converters."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def keras_images(generator, inputs):
    first, *others = inputs.values()
    return generator([first, *others] if others else first, training=False).numpy()


def compare(what, values, expected):
    """Floats to rounding; bytes to one level, at whose edge a float may lie."""
    values, expected = np.asarray(values), np.asarray(expected)
    tolerance = 1.0 if values.dtype == np.uint8 else _TOLERANCE * max(1.0, np.abs(expected).max())
    difference = np.abs(values.astype(np.float64) - expected).max()
    if not difference <= tolerance:
        raise ExportError(f"{what} differs by {difference:.2g} from what the model computes. Nothing was exported.")
