"""Writes a trained generator in TF Serving's layout, whole or not at all."""

import contextlib
import datetime
import errno
import hashlib
import importlib.util
import json
import os
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _version, distribution, files, images, inference, stateless
from kerasgan.errors import ExportError, ModelContractError, checked_integer, checked_number, invalid
from kerasgan.serving import client, formats
from kerasgan.serving.signatures import Signatures

_WARMUP = "assets.extra/tf_serving_warmup_requests"
_SHOWN, _POINTS_SHOWN = 64, 2_000


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
    bounds = model.output_range.bounds if bounds is None else _checked_bounds(bounds)
    max_batch_size = checked_integer("max_batch_size", max_batch_size)
    if client.pattern_in(base):
        warnings.warn(
            f"TensorFlow reads {client.pattern_in(base)!r} in {str(base)!r} as a pattern and may not find the model "
            "there. kerasgan.serving.Served does; for a server, move it to a path without this character.",
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
            formats.write(name, temporary / formats.FORMATS[name][0], signatures)
        if signatures.are_images or model.image_shape == (2,):
            images.save_picture(temporary / "samples.png", _picture(signatures))
        (temporary / client.CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
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
    unknown = [name for name in also if name not in formats.FORMATS] if not isinstance(also, str) else [also]
    if unknown:
        raise invalid("also", f"a sequence of {', '.join(formats.FORMATS)}", f"also={also!r}")
    if max_batch_size >= 2**31:
        raise invalid("max_batch_size", "an integer below 2**31", f"max_batch_size={max_batch_size!r}")
    for name in also:
        missing = [package for package in formats.FORMATS[name][1] if importlib.util.find_spec(package) is None]
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
    previous = client.version_in(base)
    known = {} if previous is None else client.card_of(previous).get("signatures", {})
    for name in ("generate", "serving_default"):
        if name in known and known[name] != signatures[name]:
            expected = f"the directory of a model of the same signatures, or a new one: {previous} has another {name!r}"
            raise invalid("filepath", expected, f"{signatures[name]} instead of {known[name]}")


@contextlib.contextmanager
def _errors_of_the_system(path):
    """What TensorFlow says of a disk, which is full perhaps, as an `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(code, error.message, str(path)) from error


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
    loaded = client.loaded(directory)
    count, answers = min(formats.CHECKED, signatures.max_batch_size), {}
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
            formats.compare(what, some, written)
            alone = tf.concat([answer(slice(row, row + 1)) for row in range(count)], axis=0)
            formats.compare(f"{what} to rows alone", alone, some)
    made = model.generate(seeds=np.arange(count), labels=signatures.example("serving_default", count).get("labels"))
    formats.compare("The answer of 'serving_default'", answers["serving_default"], made)


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
