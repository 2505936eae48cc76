"""A trained generator for those who have neither kerasgan nor Keras: signatures, and TF Serving's layout.

    saved_models/mnist/1/saved_model.pb, variables/     the signatures of `Signatures`
                         assets.extra/                  one warm-up request a signature
                         model_card.json, samples.png   what it is, and what it makes
                         generator.keras, .onnx, ...    what was asked for besides

Reference: the documentation of TensorFlow Serving, "SavedModel Warmup" and "RESTful API".
"""

import contextlib
import datetime
import errno
import hashlib
import importlib.util
import inspect
import json
import os
import pathlib
import re
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _version, contract, distribution, files, images, inference, stateless
from kerasgan.errors import ExportError, ModelContractError, checked_integer, checked_number, invalid

# The name of each format that `export` writes besides, its file, and what it needs.
FORMATS = {
    "keras": ("generator.keras", ()),
    "litert": ("generator.tflite", ()),
    "onnx": ("generator.onnx", ("onnx", "tf2onnx")),
}
_CARD = "model_card.json"
_WARMUP = "assets.extra/tf_serving_warmup_requests"
_CHECKED, _SHOWN, _POINTS_SHOWN = 4, 64, 2_000
# How far apart two implementations of one network may be, for outputs in [-1, 1].
_TOLERANCE = 1e-5
_MOST_CHANNELS_OF_PNG = 4


def export(model, filepath, also=(), max_batch_size=4_096, score=True, card=None, bounds=None):
    """Writes the next version of a model in TF Serving's layout. It appears whole or not at all.

    Args:
        model: `kerasgan.GAN` or `kerasgan.VAE`. Its average of the generator's weights is exported if there is one, in
            float32 whatever the policy of the training was.
        filepath: Directory of the model, whose versions are the directories 1, 2, ... in it.
        also: Sequence of `"keras"`, `"litert"` and `"onnx"`: the generator in these formats too.
        max_batch_size: Integer, the most images a request may ask for.
        score: Whether the discriminator is exported too, as the signature `score`.
        card: Dict that JSON can hold, added to `model_card.json`: data, licence, ...
        bounds: `(lowest, highest)` of the generator's pixels, which become 0 and 255. By default those of its last
            activation, tanh or sigmoid; others do not tell.

    Returns:
        `pathlib.Path` of the version.

    Raises:
        ExportError: What was written does not compute what the model does, or cannot be written; there is no version.
        ValueError: An argument is out of its range.
        OSError: It cannot be written; there is no version.
    """
    base = pathlib.Path(filepath).expanduser()
    bounds = contract.range_of(model.sampler) if bounds is None else _checked_bounds(bounds)
    max_batch_size = checked_integer("max_batch_size", max_batch_size)
    if _pattern_in(base):
        warnings.warn(
            f"TensorFlow reads {_pattern_in(base)!r} in {str(base)!r} as a pattern and may not find the model there. "
            "kerasgan.serving.Served does; for a server, move it to a path without this character.",
            stacklevel=3,
        )
    _check(model, base, also, max_batch_size, bounds)
    networks = [model.sampler, *([model.discriminator] if "discriminator" in model.networks else [])]
    with contextlib.ExitStack() as stack:
        for network in networks:
            stack.enter_context(inference.in_float32(network))
        signatures = Signatures(model, max_batch_size, score, bounds)
        card = _card(model, signatures, {} if card is None else card)
        _check_previous(base, card["signatures"])
        base.mkdir(parents=True, exist_ok=True)
        temporary = stack.enter_context(files.temporary_directory(base))
        with _errors_of_the_system(base):
            tf.saved_model.save(signatures.module(), temporary, signatures.functions)
            _write_warmup(temporary / _WARMUP, signatures, base.name)
        _verify(temporary, model, signatures)
        for name in also:
            _write_format(name, temporary / FORMATS[name][0], signatures)
        if signatures.are_images or model.image_shape == (2,):
            images.save_picture(temporary / "samples.png", _picture(signatures))
        (temporary / _CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        files.flush_tree(temporary)
        return _numbered(temporary, base)


def _checked_bounds(bounds):
    """Tuple of floats; whether they are the two that are needed is seen where it is known that they are."""
    if not isinstance(bounds, tuple | list | np.ndarray):
        raise invalid("bounds", "the lowest and the highest pixel, e.g. bounds=(-1, 1)", f"bounds={bounds!r}")
    return tuple(checked_number("bounds", bound, "(-inf, inf)") for bound in bounds)


def _check(model, base, also, max_batch_size, bounds):
    if not base.name or base.name.isdecimal():
        raise invalid("filepath", "the directory of the model; its versions are numbered in it", str(base))
    if base.exists() and not base.is_dir():
        raise invalid("filepath", "a directory, new or not", f"the file {base}")
    unknown = [name for name in also if name not in FORMATS] if not isinstance(also, str) else [also]
    if unknown:
        raise invalid("also", f"a sequence of {', '.join(FORMATS)}", f"also={also!r}")
    if max_batch_size >= 2**31:
        raise invalid("max_batch_size", "an integer below 2**31", f"max_batch_size={max_batch_size!r}")
    for name in also:
        missing = [package for package in FORMATS[name][1] if importlib.util.find_spec(package) is None]
        if missing:
            raise invalid("also", f"the packages of {name!r}: `pip install 'kerasgan[{name}]'`", f"no {missing[0]}")
    if len(model.image_shape) == 3 and (bounds is None or len(bounds) != 2 or not bounds[0] < bounds[1]):
        expected = "the lowest and the highest pixel of the generator, whose last activation does not tell them"
        raise invalid("bounds", f"{expected}, e.g. bounds=(-1, 1)", f"bounds={bounds}")
    drawing = [name for names in stateless.layers_that_draw(model.sampler) for name in names]
    if drawing:
        expected = "a generator whose images are functions of latents and labels: make its noise an input, from latents"
        received = f"layer {drawing[0]!r}, which draws random numbers"
        raise invalid("model", expected, received, ModelContractError)
    if tf.distribute.has_strategy():
        raise ValueError("`export` cannot run inside `strategy.scope()`. Call it outside.")
    if not distribution.is_chief(model.distribute_strategy):
        raise ValueError("`export` writes on the chief alone. Call it where `kerasgan.distribution.is_chief()`.")


def _check_previous(base, signatures):
    """A server switches to the new version by itself, and its clients ask as they did."""
    previous = version_in(base)
    known = {} if previous is None else card_of(previous).get("signatures", {})
    for name in ("generate", "serving_default"):
        if name in known and known[name] != signatures[name]:
            expected = f"the directory of a model of the same signatures, or a new one: {previous} has another {name!r}"
            raise invalid("filepath", expected, f"{signatures[name]} instead of {known[name]}")


class Signatures:
    """What an exported model answers, as functions of tensors, without Keras.

    Every signature takes any number of rows, of which none depends on another, so that a server may batch requests.

    Args:
        model: `kerasgan.GAN` or `kerasgan.VAE`, whose networks compute in float32.
        max_batch_size: Integer, the most rows.
        score: Whether there is a signature for the discriminator, if it judges images one by one.
        bounds: `(lowest, highest)` of pixels, for images.

    Attributes:
        functions: Dict of `tf.function` by the name of its signature.
        are_images: Whether the generator makes images, and not points.
        columns: Of a grid in which every class has its own; None where it has none.
    """

    def __init__(self, model, max_batch_size, score=True, bounds=None):
        self.generator = model.sampler
        score = score and model.pack == 1 and "discriminator" in model.networks
        self.discriminator = model.discriminator if score else None
        self.bounds, self.max_batch_size = bounds, max_batch_size
        self.image_shape, self.are_images = model.image_shape, len(model.image_shape) == 3
        self._latent_dim, self._num_classes, self._conditional = model.latent_dim, model.num_classes, model.conditional
        # One graph for all signatures.
        self._images = tf.function(self._generated)
        signatures = [self.serving_default, self.generate, self.generate_truncated, self.interpolate]
        if self.are_images and self.image_shape[-1] <= _MOST_CHANNELS_OF_PNG:
            signatures.append(self.generate_png)
        if self.discriminator is not None:
            signatures.append(self.score)
        self.columns = images.columns_of(self._num_classes)
        self.functions = {
            function.__name__: tf.function(function, input_signature=self._specs(function)) for function in signatures
        }

    def module(self):
        """The functions with their variables, as `tf.saved_model.save` takes them."""
        networks = [network for network in (self.generator, self.discriminator) if network is not None]
        module = tf.Module()
        module.weights = [variable.value for network in networks for variable in network.variables]
        return module

    def example(self, name, count):
        """A valid input of a signature: dict of arrays of so many rows by name."""
        return {spec.name: self._valid(spec.name, count) for spec in self.functions[name].input_signature}

    def _specs(self, function):
        """The arguments of a signature, with the dtypes and shapes of valid ones."""
        names = [name for name in inspect.signature(function).parameters if name != "labels" or self._conditional]
        valid = {name: self._valid(name, 1) for name in names}
        return [tf.TensorSpec((None, *value.shape[1:]), value.dtype, name) for name, value in valid.items()]

    def _valid(self, name, count):
        """Array of so many rows of an input."""
        rows = np.arange(count, dtype="int64")
        match name:
            case "latents":
                return self._latents(tf.constant(rows)).numpy()
            case "seed":
                return rows
            case "other_seed":
                return rows + 1
            case "truncation":
                return np.linspace(0.5, 2.0, count, dtype="float32")
            case "position":
                return np.linspace(0.0, 1.0, count, dtype="float32")
            case "images":
                shape = (count, *self.image_shape)
                return np.random.default_rng(0).uniform(*(self.bounds or (-1, 1)), shape).astype("float32")
            case "labels":
                return (rows % (self._num_classes or 1)).astype("int32")

    # The signatures: dicts of tensors

    def serving_default(self, latents, labels=None):
        """Latents -> float32 images, in the generator's range."""
        return {"images": self._images(*self._checked(latents=latents, labels=labels))}

    def generate(self, seed, labels=None):
        """One seed an image -> images, uint8; points are float32."""
        seed, labels = self._checked(seed=seed, labels=labels)
        return {"images": self._shown(self._latents(seed), labels)}

    def generate_png(self, seed, labels=None):
        """One seed an image -> PNG files."""
        return {"image_bytes": tf.io.encode_png(self.generate(seed, labels)["images"])}

    def generate_truncated(self, seed, truncation, labels=None):
        """As `generate`, with latents cut off at `truncation` standard deviations."""
        seed, truncation, labels = self._checked(seed=seed, truncation=truncation, labels=labels)
        return {"images": self._shown(inference.truncated(self._latents(seed), truncation), labels)}

    def interpolate(self, seed, other_seed, position, labels=None):
        """As `generate`, on the great circle from one seed to another."""
        seed, other, position, labels = self._checked(
            seed=seed, other_seed=other_seed, position=position, labels=labels
        )
        return {
            "images": self._shown(inference.interpolated(self._latents(seed), self._latents(other), position), labels)
        }

    def score(self, images, labels=None):
        """Float32 images, in the generator's range -> the discriminator's logits, larger for more real ones."""
        images, labels = self._checked(images=images, labels=labels)
        return {"logits": tf.cast(_without_empty_batches(self.discriminator, images, labels), tf.float32)[:, 0]}

    # What they are made of

    def _latents(self, seed):
        return inference.latents_of(seed, self._latent_dim)

    def _shown(self, latents, labels):
        images = self._images(latents, labels)
        return inference.levels(images, self.bounds) if self.are_images else images

    def _generated(self, latents, labels):
        return tf.cast(_without_empty_batches(self.generator, latents, labels), tf.float32)

    def _checked(self, **inputs):
        """The inputs, once they are seen to be in their ranges: nothing is computed before."""
        given = {name: _of_its_shape(name, value) for name, value in inputs.items() if value is not None}
        rows = tf.shape(next(iter(given.values())))[0]
        most = self.max_batch_size
        checks = [_assert(rows <= most, f"expected at most {most} rows. Received:", rows)]
        for name, value in given.items():
            expected, holds = self._range(name, value)
            own = tf.shape(value)[0]
            checks.append(_assert(own == rows, f"{name}: expected as many rows as the other inputs. Received:", own))
            wrong = tf.boolean_mask(value, tf.logical_not(holds))
            checks.append(_assert(holds, f"{name}: expected {expected}. Received:", wrong))
        with tf.control_dependencies(checks):
            return [tf.identity(given[name]) if name in given else None for name in inputs]

    def _range(self, name, value):
        """What is expected of an input, and whether its elements are so."""
        if name in ("seed", "other_seed"):
            return "integers >= 0", value >= 0
        if name == "truncation":
            return "numbers > 0", value > 0
        if name == "position":
            return "numbers in [0, 1]", (value >= 0) & (value <= 1)
        if name == "images" and self.are_images:
            low, high = self.bounds
            return f"pixels in [{low:g}, {high:g}]", (value >= low - 1e-3) & (value <= high + 1e-3)
        if name == "labels" and self._num_classes is not None:
            return f"integers in [0, {self._num_classes})", (value >= 0) & (value < self._num_classes)
        if name == "labels":
            return "integers >= 0", value >= 0
        return "finite numbers", tf.math.is_finite(value)


def _of_its_shape(name, value):
    """The value, once it is seen to have the shape of the signature, which a session does not look at."""
    return tf.ensure_shape(value, value.shape, name=name)


def _assert(holds, message, received):
    return tf.debugging.Assert(tf.reduce_all(holds), [message, received], summarize=8)


def _without_empty_batches(network, values, labels):
    """What a network gives; for no rows no rows, where oneDNN's convolutions give them a wrong shape."""
    rows = tf.shape(values)[0]
    more = tf.cast(rows == 0, tf.int32)
    inputs = [tf.pad(x, [[0, more]] + [[0, 0]] * (x.shape.rank - 1)) for x in (values, labels) if x is not None]
    return network(inputs if len(inputs) > 1 else inputs[0], training=False)[:rows]


@contextlib.contextmanager
def _errors_of_the_system(path):
    """What TensorFlow says of a disk, which is full perhaps, as an `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(code, error.message, str(path)) from error


# What lies beside the signatures


def _write_warmup(path, signatures, name):
    """A request for each signature, which a server runs before it takes others, in TF Serving's format."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures.functions:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for key, value in signatures.example(signature, 1).items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def _verify(directory, model, signatures):
    """Loads what was written, and asks each signature for nothing, for one row, and for several.

    Compared are what is loaded with what was to be written, rows together with rows alone, and images with the model's.
    """
    loaded = _loaded(directory)
    count, answers = min(_CHECKED, signatures.max_batch_size), {}
    for name, function in signatures.functions.items():
        example = signatures.example(name, count)

        def answer(rows, example=example, signature=loaded.signatures[name]):
            return next(iter(signature(**{key: tf.constant(value[rows]) for key, value in example.items()}).values()))

        nothing, some = answer(slice(0, 0)), answer(slice(count))
        answers[name] = some
        if len(nothing):
            raise ExportError(f"Signature {name!r} answers {nothing.shape} to an empty batch.")
        if name != "generate_png":  # the same images, as files
            what = f"The answer of {name!r}"
            (written,) = function(**{key: tf.constant(value) for key, value in example.items()}).values()
            _compare(what, some, written)
            alone = tf.concat([answer(slice(row, row + 1)) for row in range(count)], axis=0)
            _compare(f"{what} to rows alone", alone, some)
    made = model.generate(seeds=np.arange(count), labels=signatures.example("serving_default", count).get("labels"))
    _compare("The answer of 'serving_default'", answers["serving_default"], made)


def _loaded(directory):
    """The SavedModel of a directory, by another name where TensorFlow would take its own for a pattern."""
    with contextlib.ExitStack() as stack:
        if _pattern_in(directory):
            link = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model"
            link.symlink_to(pathlib.Path(directory).absolute(), target_is_directory=True)
            directory = link
        return tf.saved_model.load(str(directory))


def _pattern_in(path):
    """The first character of a path that is special in TensorFlow's patterns; None where there is none."""
    return next((character for character in pathlib.Path(path).as_posix() if character in "*?[\\"), None)


def _compare(what, values, expected):
    """Floats to rounding; bytes to one level, at whose edge a float may lie."""
    values, expected = np.asarray(values), np.asarray(expected)
    tolerance = 1.0 if values.dtype == np.uint8 else _TOLERANCE * max(1.0, np.abs(expected).max())
    difference = np.abs(values.astype(np.float64) - expected).max()
    if not difference <= tolerance:
        raise ExportError(f"{what} differs by {difference:.2g} from what the model computes. Nothing was exported.")


def _write_format(name, path, signatures):
    """The generator in another format, read again and compared."""
    generator, values = signatures.generator, signatures.example("serving_default", _CHECKED).values()
    inputs = {
        tensor.name: value.reshape(_CHECKED, *tensor.shape[1:]).astype(tensor.dtype)
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
    _compare(path.name, made, _keras_images(generator, inputs))


def _keras(path, generator, inputs):
    generator.save(path)
    return _keras_images(keras.models.load_model(path), inputs)


def _keras_images(generator, inputs):
    first, *others = inputs.values()
    return generator([first, *others] if others else first, training=False).numpy()


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


def _picture(signatures):
    """As `generate` answers; of a model of more classes than can be told, the first one."""
    columns = signatures.columns
    count = _SHOWN - _SHOWN % (columns or 1) if signatures.are_images else _POINTS_SHOWN
    example, parts = signatures.example("generate", count), []
    for start in range(0, count, signatures.max_batch_size):
        rows = slice(start, start + signatures.max_batch_size)
        part = {key: tf.constant(value[rows]) for key, value in example.items()}
        parts.append(signatures.functions["generate"](**part)["images"].numpy())
    return images.picture(np.concatenate(parts), columns=columns)


def _card(model, signatures, more):
    """The card: what is known of the model itself, and more."""
    card = {
        "model": type(model).__name__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "steps": int(model.step.numpy()),
        "latent_dim": model.latent_dim,
        "image_shape": list(model.image_shape),
        "range": list(signatures.bounds) if signatures.are_images else None,
        "num_classes": model.num_classes,
        "averaged_weights": model.sampler is not model.generator,
        "parameters": model.sampler.count_params(),
        "weights_sha256": weights_sha256(model.sampler),
        "max_batch_size": signatures.max_batch_size,
        "signatures": {
            name: {
                "inputs": {spec.name: _described(spec) for spec in function.input_signature},
                "outputs": {
                    key: _described(spec) for key, spec in function.get_concrete_function().structured_outputs.items()
                },
            }
            for name, function in signatures.functions.items()
        },
        "versions": {"kerasgan": _version.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }
    if not isinstance(more, dict):
        raise invalid("card", "a dict that JSON can hold", repr(more))
    taken = sorted(card.keys() & more.keys())
    if taken:
        raise invalid("card", "other names than those of what is measured: rename it", f"card[{taken[0]!r}]")
    try:
        json.dumps(more, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise invalid("card", f"a dict that JSON can hold: {error}", repr(more)) from error
    return {**card, **more}


def _described(spec):
    return f"{spec.dtype.name} [{', '.join('n' if size is None else str(size) for size in spec.shape)}]"


def weights_sha256(network):
    """String: the hash of a network's weights, whatever its variables are called."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


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
        self._signatures = _loaded(self.path).signatures
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
    path = version / _CARD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _numbered(temporary, base):
    """Renames a directory to the next version."""
    while True:
        versions = [int(path.name) for path in base.iterdir() if path.name.isdecimal()]
        path = base / str(max(versions, default=0) + 1)
        try:
            os.rename(temporary, path)
        except OSError:
            if not path.exists():
                raise
        else:
            files.flush_directory(base)
            return path
