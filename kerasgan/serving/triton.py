"""The configuration with which NVIDIA's Triton serves `generate.onnx`.

The directory of a model is laid out as Triton wants it, too: versions with numbers, and `config.pbtxt` beside them.

Reference: Triton Inference Server, "Model Configuration"; its section "Reshape" has inputs without dimensions.
"""

import pathlib

from kerasgan import files
from kerasgan.errors import warn
from kerasgan.serving import seeded
from kerasgan.serving.signatures import Signatures

CONFIG = "config.pbtxt"
_OURS = "# Written by kerasgan, which replaces it at the next export; without this line, it does not."
_SCALAR = "dims: [ 1 ] reshape: { shape: [ ] }"  # Triton takes no input that has only its batch


def write(directory: pathlib.Path, signatures: Signatures) -> None:
    """Writes `config.pbtxt` for the newest version of a model, unless there is one that the user has made their own."""
    path = directory / CONFIG
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(_OURS):
        warn(f"{path} is left as it is, because its first line is not kerasgan's. Remove it and export for a new one.")
        return
    with files.replacing(path) as temporary:
        temporary.write_text(config(signatures), encoding="utf-8")


def config(signatures: Signatures) -> str:
    """The content of `config.pbtxt`. It names no model, so the directory may be renamed."""
    inputs = {"seed": "TYPE_INT64", "truncation": "TYPE_FP32"}
    if signatures.conditional:
        inputs["labels"] = "TYPE_INT32"
    described = ",\n".join(f'  {{ name: "{name}" data_type: {kind} {_SCALAR} }}' for name, kind in inputs.items())
    dims = ", ".join(map(str, signatures.image_shape))
    kind = "TYPE_UINT8" if signatures.are_images else "TYPE_FP32"
    return (
        f"{_OURS}\n"
        f'backend: "onnxruntime"\ndefault_model_filename: "{seeded.FILE}"\n'
        f"max_batch_size: {signatures.max_batch_size}\n"
        f"input [\n{described}\n]\n"
        f'output [\n  {{ name: "images" data_type: {kind} dims: [ {dims} ] }}\n]\n'
        "dynamic_batching { }\n"
    )
