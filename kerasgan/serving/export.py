"""Writes a trained generator in TF Serving's layout, whole or not at all."""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _version, distribution, files, images, inference, stateless
from kerasgan.errors import ExportError, ModelContractError, checked_integer, checked_range, invalid, warn
from kerasgan.serving import client, formats, readme, triton, web
from kerasgan.serving.signatures import Signatures

_WARMUP = "assets.extra/tf_serving_warmup_requests"
_SHOWN, _POINTS_SHOWN = 64, 2_000


def export(
    model: keras.Model,
    filepath: str | os.PathLike,
    also: Sequence[str] = (),
    max_batch_size: int = 4_096,
    score: bool = True,
    card: dict | None = None,
    bounds: tuple[float, float] | None = None,
) -> pathlib.Path:
    """Writes the next version of a model in TF Serving's layout. It appears whole or not at all.

    Args:
        model: `kerasgan.GAN` or `kerasgan.VAE`. Exports the average of the generator's weights if there is one, in
            float32 whatever the training policy was.
        filepath: Directory of the model; its versions are the directories 1, 2, ... in it.
        also: Formats to write the generator in as well: `"keras"`, `"litert"`, `"onnx"`, `"web"`.
        max_batch_size: The largest number of images per request.
        score: Whether to export the discriminator as the signature `score`.
        card: Dict of JSON values to add to `model_card.json`: data, licence, ...
        bounds: `(lowest, highest)` of the generator's pixels, which become 0 and 255. Defaults to the bounds of its
            last activation, if it is tanh or sigmoid; others have none.

    Returns:
        Path of the version.

    Raises:
        ExportError: What was written does not compute what the model does, or a format cannot express it.
        ValueError: An argument is invalid.
        OSError: The version cannot be written.
    """
    expected = "the directory of the model, new or not, in which its versions are numbered"
    base = files.checked_path("filepath", filepath, expected, True)
    files.check_unicode("filepath", base)
    suffix = base.suffix.lower()
    if suffix in formats.OF_FILES:
        fix = f"`save({str(base.with_suffix('.keras'))!r})` writes a file"
        if format_ := formats.OF_FILES[suffix]:
            fix = f"leave {base.suffix!r} out, and pass `also=({format_!r},)` for such a file in it"
        raise invalid("filepath", f"{expected}; {fix}", str(base))
    bounds = _checked_bounds(model, bounds)
    max_batch_size = checked_integer("max_batch_size", max_batch_size)
    if max_batch_size >= 2**31:
        raise invalid("max_batch_size", "an integer below 2**31", f"max_batch_size={max_batch_size!r}")
    pattern = client.pattern_in(base)
    if pattern:
        warn(
            f"TensorFlow reads {pattern!r} in {str(base)!r} as a pattern and may not find the model "
            "there. kerasgan.serving.Served does; for a server, move it to a path without this character.",
        )
    if not base.name or base.name.isdecimal():
        raise invalid("filepath", expected, str(base))
    _check_formats(also, model)
    _check_model(model)
    networks = [model.sampler, *([model.discriminator] if "discriminator" in model.networks else [])]
    with contextlib.ExitStack() as stack:
        for network in networks:
            stack.enter_context(inference.in_float32(network))
        signatures = Signatures(model, max_batch_size, score, bounds)
        card = _card(model, signatures, {} if card is None else card)
        _check_previous(base, card["signatures"])
        base.mkdir(parents=True, exist_ok=True)
        temporary = stack.enter_context(files.temporary_directory(base))
        with _as_os_errors(base):
            tf.saved_model.save(signatures.module(), temporary, signatures.functions)
            _write_warmup(temporary / _WARMUP, signatures, base.name)
        _verify(temporary, model, signatures)
        for name in also:
            formats.write(name, temporary, signatures, card, base.name)
        if images.can_be_drawn(model.image_shape):
            images.save_picture(temporary / "samples.png", _picture(signatures, model.num_classes, card))
        (temporary / client.CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        (temporary / readme.FILE).write_text(readme.text(card, base.name, also), encoding="utf-8")
        files.flush_tree(temporary)
        version = _numbered(temporary, base)
        if "onnx" in also:
            triton.write(base, signatures)
        return version


def _checked_bounds(model, bounds):
    if bounds is not None:
        return checked_range("bounds", bounds)
    known = model.output_range.bounds
    if known is None and len(model.image_shape) == 3:
        expected = "the lowest and the highest pixel of the generator, because its last activation does not bound them"
        raise invalid("bounds", f"{expected}, e.g. bounds=(-1, 1)", "bounds=None")
    return known


def _check_formats(also, model):
    if isinstance(also, str) or not set(also) <= formats.FORMATS.keys():
        raise invalid("also", f"a sequence of {', '.join(formats.FORMATS)}", f"also={also!r}")
    for name in also:
        formats.check_packages(name)
    if "web" in also:
        web.check(model.image_shape, model.conditional, model.num_classes)
        web.runtime()


def _check_model(model):
    drawing = [name for names in stateless.layers_that_draw(model.sampler) for name in names]
    if drawing:
        expected = "a generator whose images are functions of latents and labels: make its noise an input, from latents"
        received = f"layer {drawing[0]!r}, which draws random numbers"
        raise invalid("model", expected, received, ModelContractError)
    if tf.distribute.has_strategy():
        raise ValueError("`export` cannot run inside `strategy.scope()`. Call it outside.")
    if not distribution.is_chief(model.distribute_strategy):
        raise ValueError("Only the chief may `export`. Call it where `kerasgan.distribution.is_chief()`.")


def _check_previous(base, signatures):
    """Refuses to change signatures: a server switches to the new version by itself, its clients do not."""
    previous = client.version_in(base)
    known = {} if previous is None else client.card_of(previous).get("signatures", {})
    for name in ("generate", "serving_default"):
        if name in known and known[name] != signatures[name]:
            expected = f"the directory of a model with the same signatures, or a new one: {previous} has another"
            raise invalid("filepath", f"{expected} {name!r}", f"{signatures[name]} instead of {known[name]}")


@contextlib.contextmanager
def _as_os_errors(path):
    """Turns TensorFlow's errors about a disk, which may be full, into `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(code, error.message, str(path)) from error


def _write_warmup(path, signatures, name):
    """Writes a request for each signature, which a server runs before it accepts others, in TF Serving's format."""
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
    """Loads the written signatures and compares them with the functions, rows with rows alone, images with the model's.

    Each is called with no rows, with single rows, and with several.
    """
    loaded, outputs = client.loaded(directory).signatures, {}
    count = min(formats.COMPARED_ROWS, signatures.max_batch_size)
    for name, function in signatures.functions.items():
        example = signatures.example(name, count)
        nothing, together = (_run(loaded[name], example, slice(stop)) for stop in (0, count))
        outputs[name] = together
        if len(nothing):
            raise ExportError(f"Signature {name!r} returns {nothing.shape} for an empty batch.")
        if name != "generate_png":  # the images of `generate`, as files
            what = f"The output of {name!r}"
            formats.compare(what, together, _run(function, example, slice(count)))
            alone = tf.concat([_run(loaded[name], example, slice(row, row + 1)) for row in range(count)], axis=0)
            formats.compare(f"{what} for single rows", alone, together)
    labels = signatures.example("serving_default", count).get("labels")
    expected = model.generate(seeds=np.arange(count), labels=labels)
    formats.compare("The output of 'serving_default'", outputs["serving_default"], expected)


def _run(function, inputs, rows):
    """The only output of a signature, for some rows of its inputs."""
    (output,) = function(**{name: tf.constant(value[rows]) for name, value in inputs.items()}).values()
    return output


def _picture(signatures, num_classes, card):
    """What `generate` returns for the first seeds."""
    names = client.class_names_of(card)
    in_columns = images.class_columns(num_classes, names if names and len(names) == num_classes else None)
    count = _SHOWN - _SHOWN % (in_columns["columns"] or 1) if signatures.are_images else _POINTS_SHOWN
    example, size = signatures.example("generate", count), signatures.max_batch_size
    generate = signatures.functions["generate"]
    parts = [_run(generate, example, slice(start, start + size)).numpy() for start in range(0, count, size)]
    return images.picture(np.concatenate(parts), **in_columns)


def _card(model, signatures, more):
    """The content of the card: what is known of the model, and more."""
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
        "signatures": {name: _described(function) for name, function in signatures.functions.items()},
        "versions": {"kerasgan": _version.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }
    if not isinstance(more, dict):
        raise invalid("card", "a dict of JSON values", repr(more))
    reserved = sorted(card.keys() & more.keys())
    if reserved:
        raise invalid("card", "names other than those kerasgan writes: rename it", f"card[{reserved[0]!r}]")
    try:
        json.dumps(more, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise invalid("card", f"a dict of JSON values: {error}", repr(more)) from error
    return {**card, **more}


def _described(function):
    """Dtypes and shapes of a signature, for the card."""

    def described(spec):
        return f"{spec.dtype.name} [{', '.join('n' if size is None else str(size) for size in spec.shape)}]"

    outputs = function.get_concrete_function().structured_outputs
    return {
        "inputs": {spec.name: described(spec) for spec in function.input_signature},
        "outputs": {name: described(spec) for name, spec in outputs.items()},
    }


def weights_sha256(network: keras.Model) -> str:
    """Hash of a network's weights, independent of the names of its variables."""
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
