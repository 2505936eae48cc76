"""A folder with a page that draws in the browser, from any static host or from the disk.

    web/index.html             the page, `page.html`
        generator.js           the generator as ONNX, and what the page says about it
        onnxruntime-web.js     ONNX Runtime Web, which computes it

A page that is opened from the disk may not fetch files. So what is not text is in scripts: compressed, in base64.
"""

import base64
import gzip
import json
import os
import pathlib
import tarfile
from typing import TYPE_CHECKING, Any

import keras

from kerasgan.errors import ExportError, invalid
from kerasgan.serving import client

if TYPE_CHECKING:
    import onnx

PAGE = "web/index.html"
RUNTIME = "onnxruntime-web-1.30.0.tgz"
RUNTIME_URL = f"https://registry.npmjs.org/onnxruntime-web/-/{RUNTIME}"
_RUNTIME_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
_CACHE = "kerasgan"  # in the directory where Keras keeps downloads
_SCRIPT, _MODULE, _WASM = (
    f"package/dist/{name}" for name in ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
)
_LICENSE = "/* ONNX Runtime is under the MIT License: https://github.com/microsoft/onnxruntime/blob/main/LICENSE */"
_MOST_CHANNELS = 4


def check(image_shape: tuple[int, ...], conditional: bool, num_classes: int | None) -> None:
    """Refuses a generator that the page cannot show.

    Raises:
        ValueError: It makes points, images of more than four channels, or takes labels of unknown number.
    """
    if len(image_shape) != 3 or image_shape[-1] > _MOST_CHANNELS:
        expected = f"a generator of images with 1 to {_MOST_CHANNELS} channels, which a page can draw"
        raise invalid("model", expected, f"outputs of {' x '.join(map(str, image_shape))}")
    if conditional and num_classes is None:
        expected = "a generator that embeds its labels, so that a page knows the number of classes"
        raise invalid("model", expected, "labels of unknown number")


def write(directory: pathlib.Path, model: "onnx.ModelProto", card: dict[str, Any], title: str) -> None:
    """Writes the page and what it loads.

    Args:
        directory: Of the page; it is made.
        model: What `Seeded.walk` computes.
        card: Of the export.
        title: Heading of the page.

    Raises:
        ExportError: The runtime cannot be downloaded.
    """
    shown = {name: card.get(name) for name in ("model", "steps", "image_shape", "num_classes", "license")}
    names = client.class_names_of(card)
    shown |= {
        "title": title,
        "conditional": any(tensor.name == "labels" for tensor in model.graph.input),
        "class_names": names if names and len(names) == card.get("num_classes") else None,
    }
    directory.mkdir(parents=True, exist_ok=True)
    page = pathlib.Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    (directory / "index.html").write_text(page, encoding="utf-8")
    generator = _variable("kerasgan", {"card": shown, "onnx": _packed(model.SerializeToString())})
    (directory / "generator.js").write_text(generator, encoding="utf-8")
    with tarfile.open(runtime()) as package:
        script, module, wasm = (package.extractfile(name).read() for name in (_SCRIPT, _MODULE, _WASM))  # type: ignore[union-attr]
    binaries = _variable("onnxruntime", {"mjs": _packed(module), "wasm": _packed(wasm)})
    text = f"{_LICENSE}\n{script.decode()}\n{binaries}"
    (directory / "onnxruntime-web.js").write_text(text, encoding="utf-8")


def _variable(name, value):
    """A script that sets a global variable."""
    return f"globalThis.{name} = {json.dumps(value)};\n"


def _packed(content):
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def runtime() -> pathlib.Path:
    """ONNX Runtime Web as npm has it, downloaded once, 33 MB, and compared with the hash of this version.

    Raises:
        ExportError: It cannot be downloaded.
    """
    cache = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    hashed = {"file_hash": _RUNTIME_SHA256, "hash_algorithm": "sha256"}
    try:
        path = keras.utils.get_file(RUNTIME, RUNTIME_URL, cache_dir=cache, cache_subdir=_CACHE, **hashed)
    except Exception as error:  # Keras raises no narrower class
        raise ExportError(
            f"The page needs {RUNTIME_URL}, which cannot be downloaded: {error}. On a computer with a network, "
            f"download it, and copy it to {cache / _CACHE / RUNTIME}."
        ) from error
    return pathlib.Path(path)
