"""Answers requests where neither kerasgan nor Keras can be imported: python plain_loader.py REQUESTS.

REQUESTS is JSON: a list of [directory of the model, signature, .npz of the inputs, .npz for the outputs].
"""

import importlib
import json
import pathlib
import sys

ABSENT = ("kerasgan", "keras")
sys.modules.update(dict.fromkeys(ABSENT))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

for name in ABSENT:
    try:
        importlib.import_module(name)
    except ImportError:
        print(name, "is not there")
models = {}
for directory, signature, inputs, outputs in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    if directory not in models:
        models[directory] = tf.saved_model.load(directory)
    answer = models[directory].signatures[signature](**{key: tf.constant(x) for key, x in np.load(inputs).items()})
    np.savez(outputs, **{key: value.numpy() for key, value in answer.items()})
