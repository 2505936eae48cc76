"""A trained generator for programs without kerasgan or Keras: a SavedModel with signatures, in TF Serving's layout.

    saved_models/mnist/1/saved_model.pb, variables/     the signatures of `Signatures`
                         assets.extra/                  a warm-up request per signature
                         model_card.json, README.md     what it is, for programs and for people
                         samples.png                    what it generates
                         generator.keras, .onnx, ...    other formats, on request
                         web/index.html                 a page that draws in the browser, on request

Reference: the documentation of TensorFlow Serving, "SavedModel Warmup" and "RESTful API".
"""

from kerasgan.serving.client import Served, card_of, class_names_of, models_in, version_in
from kerasgan.serving.export import export, weights_sha256
from kerasgan.serving.formats import FORMATS, OF_FILES
from kerasgan.serving.signatures import Signatures

__all__ = [
    "FORMATS",
    "OF_FILES",
    "Served",
    "Signatures",
    "card_of",
    "class_names_of",
    "export",
    "models_in",
    "version_in",
    "weights_sha256",
]
