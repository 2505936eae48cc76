"""What is exported is served the same everywhere: in Python without Keras, by a console script, by the C API."""

import base64
import contextlib
import errno
import functools
import importlib.util
import io
import itertools
import json
import multiprocessing
import operator
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import types

import grpc
import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from google.protobuf import text_format
from selection import each
from served import Served, grpc_server, rest_server
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.lib.io import file_io
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

import kerasgan as kg
from kerasgan import files, images, serving
from kerasgan.cli import settings
from kerasgan.errors import ExportError

HERE = pathlib.Path(__file__).parent
SHAPE, SMALL, LATENT_DIM, CLASSES = (28, 28, 1), (4, 4, 1), 6, 3
SEEDS, OTHER_SEEDS = np.array([0, 7, 2**62], "int64"), np.array([5, 7, 1], "int64")
LABELS, TRUNCATION = np.array([2, 0, 1], "int32"), np.array([0.3, 1.0, 50.0], "float32")
POSITION = np.array([0.0, 0.4, 1.0], "float32")
GENERATED = {"generate", "generate_png", "generate_truncated", "interpolate"}

# The models


def with_other_weights(gan, seed=1):
    """The average is not the generator, and no bias is zero, no variance one."""
    random = np.random.default_rng(seed)
    for network in gan.networks.values():
        network.set_weights([w + 0.1 * np.abs(random.normal(size=w.shape)) for w in network.get_weights()])
    return gan


def dcgan(classes=None):
    generator = kg.networks.dcgan_generator(SHAPE, LATENT_DIM, filters=2, num_classes=classes)
    discriminator = kg.networks.dcgan_discriminator(SHAPE, filters=2, num_classes=classes)
    return with_other_weights(kg.GAN(generator, discriminator, ema_momentum=0.9))


def of_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return small(num_classes=CLASSES)
    finally:
        keras.config.set_dtype_policy(before)


def distributed(strategy):
    with strategy.scope():
        gan = kg.WGANGP(
            kg.networks.mlp_generator(SMALL, LATENT_DIM, (8,)),
            kg.networks.mlp_discriminator(SMALL, (8,)),
            n_critic=1,
            ema_momentum=0.5,
        )
        gan.compile()
    data = np.random.default_rng(0).uniform(-1, 1, (16, *SMALL)).astype("float32")
    gan.fit(data, batch_size=8, epochs=1, steps_per_epoch=2, verbose=0)
    return gan


def small(**kwargs):
    keras.utils.set_random_seed(1)  # the same in every process
    pack = kwargs.pop("pack", 1)
    classes, shape = kwargs.get("num_classes"), kwargs.pop("shape", SMALL)
    packed = (*shape[:-1], pack * shape[-1])
    return with_other_weights(
        kg.GAN(
            kg.networks.mlp_generator(shape, LATENT_DIM, (8,), **kwargs),
            kg.networks.mlp_discriminator(packed, (8,), num_classes=classes),
            pack=pack,
        )
    )


def vae():
    return with_other_weights(
        kg.VAE(kg.networks.mlp_encoder(SMALL, LATENT_DIM, (8,)), kg.networks.mlp_generator(SMALL, LATENT_DIM, (8,)))
    )


MODELS = {
    "plain": dcgan,
    "conditional": lambda: dcgan(CLASSES),
    "bfloat16": lambda: of_policy("mixed_bfloat16"),
    "points": lambda: small(shape=(2,), output_activation=None),
    "unit interval": lambda: small(output_activation="sigmoid"),
    "vae": vae,
    "pack": lambda: small(pack=2),
}
BY_DEFAULT = ["conditional", "bfloat16", "points", "vae"]
EVERYWHERE = ["plain", "conditional", "bfloat16", "distributed", "points"]
VARIANTS = each([*MODELS, "distributed"], BY_DEFAULT)


class Exported:
    """A model that has been exported, what is asked of its signatures, and what has to come.

    Args:
        model: The model.
        directory: Of the model, new.
    """

    def __init__(self, model, directory, **kwargs):
        self.model, self.path = model, model.export(directory, **kwargs)
        self.served = Served(self.path)
        # In float32, where the model is not.
        self.discriminator = None if model.pack > 1 else getattr(model, "discriminator", None)
        if self.discriminator is not None and self.discriminator.compute_dtype != "float32":
            self.discriminator = of_policy("float32").discriminator
            self.discriminator.set_weights(model.discriminator.get_weights())

    @property
    def bounds(self):
        return (0.0, 1.0) if "sigmoid" in json.dumps(self.model.generator.get_config()) else (-1.0, 1.0)

    def requests(self):
        """Dict by signature of its inputs."""
        latents = [tf.random.stateless_normal((LATENT_DIM,), [seed, 0], alg="philox") for seed in SEEDS]
        pixels = np.random.default_rng(0).uniform(*self.bounds, (3, *self.model.image_shape))
        asked = {
            "serving_default": {"latents": np.stack(latents)},
            "generate": {"seed": SEEDS},
            "generate_truncated": {"seed": SEEDS, "truncation": TRUNCATION},
            "interpolate": {"seed": SEEDS, "other_seed": OTHER_SEEDS, "position": POSITION},
        }
        if len(self.model.image_shape) == 3:
            asked["generate_png"] = {"seed": SEEDS}
        if self.discriminator is not None:
            asked["score"] = {"images": pixels.astype("float32")}
        labels = {"labels": LABELS} if self.model.conditional else {}
        return {signature: {**inputs, **labels} for signature, inputs in asked.items()}

    def floats(self, signature):
        """What the model itself makes of it."""
        labels = LABELS if self.model.conditional else None
        if signature == "generate_truncated":
            return self.model.generate(seeds=SEEDS, labels=labels, truncation=TRUNCATION)
        if signature == "interpolate":
            return self.model.interpolate(SEEDS, OTHER_SEEDS, POSITION, labels)
        if signature == "score":
            inputs = list(self.requests()["score"].values())
            return self.discriminator(inputs if len(inputs) > 1 else inputs[0], training=False).numpy()[:, 0]
        return self.model.generate(seeds=SEEDS, labels=labels)

    def check(self, signature, answer):
        """That an answer is what the model makes."""
        floats, (value,) = self.floats(signature), answer.values()
        assert list(answer) == [{"generate_png": "image_bytes", "score": "logits"}.get(signature, "images")]
        if signature == "generate_png":
            value = np.stack([decoded(png) for png in value])
        if signature in GENERATED and len(self.model.image_shape) == 3:
            assert_levels(value, floats, self.bounds)
        else:
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, floats, atol=1e-6)


def decoded(png):
    with PIL.Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).reshape(SHAPE if image.size == SHAPE[:2] else SMALL)


def assert_levels(levels, floats, bounds):
    """That these are the floats, rounded; where they are at the edge of two levels either will do."""
    assert levels.dtype == np.uint8
    low, high = bounds
    exact = np.clip((floats.astype("float64") - low) / (high - low) * 255, 0, 255)
    at_an_edge = np.abs(exact % 1 - 0.5) < 1e-3
    difference = np.abs(levels - np.rint(exact))
    assert (difference <= at_an_edge).all(), f"up to {difference.max()} levels apart"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, mirrored):
    """Name of a variant -> `Exported`; each is made once."""
    made, directory = {}, tmp_path_factory.mktemp("saved_models")

    def get(name):
        if name not in made:
            keras.utils.set_random_seed(1)
            model = distributed(mirrored) if name == "distributed" else MODELS[name]()
            also = ("keras", "litert", "onnx") if name in ("plain", "conditional") else ()
            made[name] = Exported(model, directory / name.replace(" ", "_"), also=also, card={"data": "none"})
        return made[name]

    return get


# The loaders: (what to ask of which export) -> (answers)


def alone(command, directory, **kwargs):
    """Runs a command where the repository is not to be found."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, command)), cwd=directory, env=environment, capture_output=True, text=True, timeout=300, **kwargs
    )


def saved_inputs(everything, directory):
    """Writes what is asked for: yields (variant, signature, exported, path of the .npz, directory for the outputs)."""
    for variant, one in everything.items():
        for signature, inputs in one.requests().items():
            own = directory / f"{variant}-{signature}"
            own.mkdir()
            np.savez(own / "inputs.npz", **inputs)
            yield variant, signature, one, own


def by_python(everything, directory):
    asked = list(saved_inputs(everything, directory))
    requests = [[str(one.path), name, f"{own}/inputs.npz", f"{own}/outputs.npz"] for _, name, one, own in asked]
    (directory / "requests.json").write_text(json.dumps(requests))
    done = alone([sys.executable, HERE / "plain_loader.py", directory / "requests.json"], directory)
    assert done.returncode == 0, done.stderr[-3000:]
    # The block holds.
    assert done.stdout.splitlines() == [f"{name} is not there" for name in ("kerasgan", "keras")]
    return {
        (variant, signature): dict(np.load(own / "outputs.npz", allow_pickle=True))
        for variant, signature, _, own in asked
    }


def by_console_script(everything, directory):
    script = str(pathlib.Path(sys.executable).with_name("saved_model_cli"))
    asked = list(saved_inputs(everything, directory))
    commands = [
        [
            *(script, "run", "--dir", str(one.path), "--tag_set", "serve", "--signature_def", signature),
            *("--inputs", ";".join(f"{key}={own}/inputs.npz[{key}]" for key in one.requests()[signature])),
            *("--outdir", str(own)),
        ]
        for _, signature, one, own in asked
    ]
    (directory / "commands.json").write_text(json.dumps(commands))
    done = alone([sys.executable, HERE / "console.py", directory / "commands.json"], directory)
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        (variant, signature): {path.stem: np.load(path, allow_pickle=True) for path in own.glob("*.npy")}
        for variant, signature, _, own in asked
    }


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Path of tests/serve.c, compiled against the TensorFlow that is installed."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc, which compiles tests/serve.c")
    program, libraries = tmp_path_factory.mktemp("c") / "serve", pathlib.Path(tf.__file__).parent
    linked = [libraries / f"libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    command = ["gcc", "-std=c11", "-Wall", "-O1", HERE / "serve.c", "-I", tf.sysconfig.get_include(), "-o", program]
    subprocess.run([*command, *linked, f"-Wl,-rpath,{libraries}"], check=True)
    return program


def signature_def(path, signature):
    """The names of tensors, as a server reads them."""
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (graph,) = [graph for graph in model.meta_graphs if list(graph.meta_info_def.tags) == ["serve"]]
    return graph.signature_def[signature]


def c_run(path, signature, inputs, directory):
    """The words of a run of tests/serve.c, whose arrays are files in a directory."""
    directory.mkdir(exist_ok=True)
    known, words = signature_def(path, signature), ["run"]
    for name, value in inputs.items():
        (directory / name).write_bytes(value.tobytes())
        words += ["in", known.inputs[name].name, value.dtype, ",".join(map(str, value.shape)), directory / name]
    for name, output in known.outputs.items():
        words += ["out", output.name, directory / f"{name}.out"]
    return words


def c_answer(line, path):
    """An output of tests/serve.c, of which it has printed this."""
    kind, *shape = line.split()
    data = path.read_bytes()
    if kind != "string":
        return np.frombuffer(data, kind).reshape(tuple(map(int, shape)))
    strings = []
    while data:
        length = int.from_bytes(data[:8], sys.byteorder)
        strings.append(data[8 : 8 + length])
        data = data[8 + length :]
    assert [str(len(strings))] == shape
    return strings


def by_c_api(everything, directory, program):
    answers = {}
    for variant, one in everything.items():
        asked = one.requests()
        words = [c_run(one.path, name, inputs, directory / f"{variant}-{name}") for name, inputs in asked.items()]
        done = alone([program, one.path, *itertools.chain(*words)], directory)
        assert done.returncode == 0, done.stderr[-3000:]
        for signature, line in zip(asked, done.stdout.splitlines(), strict=True):
            (output,) = signature_def(one.path, signature).outputs
            answer = c_answer(line, directory / f"{variant}-{signature}" / f"{output}.out")
            answers[variant, signature] = {output: answer}
    return answers


LOADERS = {"python": by_python, "console script": by_console_script, "C API": by_c_api}


LOADED_BY_DEFAULT = [("python", "conditional"), ("C API", "points")]


@pytest.fixture(scope="module")
def answers(exported, tmp_path_factory, request):
    """Name of a loader, a variant -> the answers for it and those that run with it, of one process."""

    @functools.cache
    def made(loader, by_default):
        program = [request.getfixturevalue("compiled")] if loader == "C API" else []
        together = [name for name in EVERYWHERE if ((loader, name) in LOADED_BY_DEFAULT) == by_default]
        directory = tmp_path_factory.mktemp(loader.replace(" ", "_"))
        return LOADERS[loader]({name: exported(name) for name in together}, directory, *program)

    return lambda loader, variant: made(loader, (loader, variant) in LOADED_BY_DEFAULT)


@pytest.mark.parametrize(("loader", "variant"), each(list(itertools.product(LOADERS, EVERYWHERE)), LOADED_BY_DEFAULT))
def test_every_loader_answers_what_the_model_makes(exported, answers, loader, variant):
    one = exported(variant)
    own = {signature: answer for (name, signature), answer in answers(loader, variant).items() if name == variant}
    assert set(own) == set(one.requests()) == set(one.served.signatures)
    for signature, answer in own.items():
        one.check(signature, answer)
    if "generate_png" in own:
        pngs, (levels,) = own["generate_png"]["image_bytes"], own["generate"].values()
        np.testing.assert_array_equal([decoded(png) for png in pngs], levels)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_signature_answers_what_the_model_makes(exported, variant):
    one = exported(variant)
    assert set(one.requests()) == set(one.served.signatures)
    for signature, inputs in one.requests().items():
        one.check(signature, one.served.answer(signature, **inputs))


def test_the_average_is_served_where_there_is_one(exported):
    gan, inputs = exported("conditional").model, exported("conditional").requests()["serving_default"]
    served = exported("conditional").served.answer("serving_default", **inputs)["images"]
    assert np.abs(served - gan.generator(inputs, training=False)).max() > 1e-3
    np.testing.assert_allclose(served, gan.ema_generator(inputs, training=False), atol=1e-6)


def test_bfloat16_is_served_in_float32(exported):
    one = exported("bfloat16")
    dtypes = {variable.dtype.name for variable in one.served.variables}
    assert dtypes == {"float32"}
    in_training = one.model.discriminator(list(one.requests()["score"].values()), training=False).numpy()[:, 0]
    assert np.abs(in_training - one.floats("score")).max() > 1e-5


def test_an_image_is_the_same_alone_and_in_a_batch(exported):
    one, labels = exported("conditional"), np.full(20, 1, "int32")
    seeds = np.arange(20)
    floats = one.model.generate(seeds=seeds, labels=1)
    assert_levels(one.served.answer("generate", seed=seeds, labels=labels)["images"], floats, one.bounds)
    for seed in (0, 19):
        alone = one.served.answer("generate", seed=seeds[[seed]], labels=labels[:1])["images"]
        assert_levels(alone, floats[[seed]], one.bounds)


# Requests


@pytest.mark.parametrize("variant", ["conditional", "points", "vae"])
def test_protocol_buffers_are_answered(exported, variant):
    one = exported(variant)
    for signature, inputs in one.requests().items():
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = variant, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        sent = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        received = predict_pb2.PredictResponse.FromString(one.served.predict(sent).SerializeToString())
        assert received.model_spec.signature_name == signature
        one.check(signature, {name: tf.make_ndarray(proto) for name, proto in received.outputs.items()})


def from_json(one, signature, values):
    """What the JSON of an answer holds, as an answer."""
    ((name, value),) = one.served.answer(signature, **one.requests()[signature]).items()
    if name.endswith("_bytes"):
        return {name: [base64.b64decode(value["b64"]) for value in values]}
    return {name: np.asarray(values, value.dtype)}


@pytest.mark.parametrize("variant", ["conditional", "points", "vae"])
def test_json_is_answered_in_rows_and_in_columns(exported, variant):
    one = exported(variant)
    for signature, inputs in one.requests().items():
        named = {"signature_name": signature} if signature != "serving_default" else {}
        columns = {name: value.tolist() for name, value in inputs.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        answer = json.loads(one.served.rest(json.dumps({**named, "instances": rows})))
        one.check(signature, from_json(one, signature, answer["predictions"]))
        answer = json.loads(one.served.rest(json.dumps({**named, "inputs": columns})))
        one.check(signature, from_json(one, signature, answer["outputs"]))


def test_the_name_of_the_only_input_may_be_left_out(exported):
    one = exported("vae")
    for body in ({"instances": SEEDS.tolist()}, {"inputs": SEEDS.tolist()}):
        answer = json.loads(one.served.rest(json.dumps({"signature_name": "generate", **body})))
        one.check("generate", from_json(one, "generate", *answer.values()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_there_is_a_request_of_each_signature_to_warm_up_with(exported, variant):
    one = exported(variant)
    records = tf.data.TFRecordDataset(str(one.path / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]
    requests = [log.predict_log.request for log in logs]
    assert sorted(request.model_spec.signature_name for request in requests) == sorted(one.served.signatures)
    for request in requests:
        assert request.model_spec.name == variant.replace(" ", "_")
        (output,) = one.served.predict(request).outputs.values()
        assert output.tensor_shape.dim[0].size == 1


# Inputs that are wrong

WRONG = {
    "a rank": ("generate", {"seed": SEEDS[:, None]}, "tensor seed"),
    "a rank of labels": ("generate", {"labels": LABELS[:, None]}, "tensor labels"),
    "a shape": ("score", {"images": np.zeros((3, 14, 56, 1), "float32")}, "tensor images"),
    "a dtype": ("generate", {"seed": SEEDS.astype("float32")}, "expected to be a int64 tensor"),
    "a label": ("generate", {"labels": np.array([0, CLASSES, 0], "int32")}, r"labels: expected integers in \[0, 3\)"),
    "a label below": ("score", {"labels": np.array([0, -1, 0], "int32")}, r"labels: expected integers in \[0, 3\)"),
    "a seed": ("generate_png", {"seed": np.array([0, -1, 0])}, "seed: expected integers >= 0"),
    "another seed": ("interpolate", {"other_seed": np.array([0, -1, 0])}, "other_seed: expected integers >= 0"),
    "latents": ("serving_default", {"latents": np.full((3, LATENT_DIM), np.nan, "f4")}, "latents: expected finite"),
    "infinity": ("serving_default", {"latents": np.full((3, LATENT_DIM), np.inf, "f4")}, "latents: expected finite"),
    "a truncation": (
        "generate_truncated",
        {"truncation": np.array([1, 0, 1], "f4")},
        "truncation: expected numbers > 0",
    ),
    "a position": ("interpolate", {"position": np.array([0, 1.5, 1], "f4")}, r"position: expected numbers in \[0, 1\]"),
    "NaN": ("interpolate", {"position": np.array([0, np.nan, 1], "f4")}, r"position: expected numbers in \[0, 1\]"),
    "a pixel": ("score", {"images": np.full((3, *SHAPE), 1.1, "float32")}, r"images: expected pixels in \[-1, 1\]"),
    "fewer labels": ("generate", {"labels": LABELS[:2]}, r"labels: expected as many rows as .*Received:\] \[2\]"),
    "fewer positions": ("interpolate", {"position": POSITION[:1]}, "position: expected as many rows as"),
    "too many": ("generate", {"seed": np.arange(4097), "labels": np.zeros(4097, "int32")}, "at most 4096 rows"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_by_name_and_the_next_request_is_answered(exported, name):
    one, (signature, wrong, message) = exported("conditional"), WRONG[name]
    inputs = {**one.requests()[signature], **wrong}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        one.served.answer(signature, **inputs)
    one.check(signature, one.served.answer(signature, **one.requests()[signature]))


def before(operation):
    """The operations that a graph runs before this one."""
    seen, waiting = set(), [operation]
    while waiting:
        one = waiting.pop()
        own = {tensor.op for tensor in one.inputs} | set(one.control_inputs)
        waiting += own - seen
        seen |= own
    return seen


def test_nothing_is_computed_before_all_inputs_are_checked():
    for signature, function in serving.Signatures(small(num_classes=CLASSES), 8, bounds=(-1.0, 1.0)).functions.items():
        operations = function.get_concrete_function().graph.get_operations()
        checks = {one for one in operations if one.type in ("EnsureShape", "Assert", "If")}
        costly = [one for one in operations if re.search("While|PartitionedCall|MatMul|RandomNormal", one.type)]
        assert len(checks) >= 7, signature
        assert costly, signature
        for operation in costly:
            assert checks <= before(operation), (signature, operation.name)


def test_what_is_wrong_is_refused_by_the_c_api_and_the_next_request_is_answered(exported, compiled, tmp_path):
    one, right = exported("conditional"), exported("conditional").requests()
    words, messages = [], []
    for index, (signature, wrong, message) in enumerate(WRONG.values()):
        inputs = {**right[signature], **wrong}
        words += c_run(one.path, signature, inputs, tmp_path / str(index))
        # There inputs are called as in the graph, and errors of types are of another function.
        message = message.replace("tensor ", rf"tensor \S*{signature}_").replace(
            "expected to be a int64 tensor", "int64"
        )
        messages.append(message)
    words += c_run(one.path, "generate", right["generate"], tmp_path / "right")
    done = alone([compiled, one.path, *words], tmp_path)
    errors = re.findall(r"^error 3: (.*)", done.stderr, re.MULTILINE)
    assert done.returncode == len(errors) == len(WRONG), done.stderr[-3000:]
    for error, message in zip(errors, messages, strict=True):
        assert re.search(message, error), (error, message)
    assert done.stdout == "uint8 3 28 28 1\n"
    one.check("generate", {"images": c_answer(done.stdout, tmp_path / "right" / "images.out")})


def test_a_shape_with_as_many_elements_is_refused_too(exported, compiled, tmp_path):
    one = exported("bfloat16")  # its discriminator flattens its images, and would take them
    inputs = {**one.requests()["score"], "images": np.zeros((3, 2, 8, 1), "float32")}
    words = c_run(one.path, "score", inputs, tmp_path / "inputs")
    done = alone([compiled, one.path, *words], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"score_images\S* \[3,2,8,1\] is not compatible with expected shape \[\?,4,4,1\]", done.stderr)


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """An export that answers at most two rows at once."""
    return Exported(small(num_classes=CLASSES), tmp_path_factory.mktemp("limited") / "model", max_batch_size=2)


@pytest.mark.slow
def test_a_model_is_asked_for_no_more_than_it_was_exported_for(limited):
    one = limited
    for signature, inputs in one.requests().items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most 2 rows. Received:\] \[3\]"):
            one.served.answer(signature, **inputs)
        (value,) = one.served.answer(signature, **{name: value[:2] for name, value in inputs.items()}).values()
        assert len(value) == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_made_of_nothing(exported, variant):
    one = exported(variant)
    for signature, inputs in one.requests().items():
        (value,) = one.served.answer(signature, **{name: value[:0] for name, value in inputs.items()}).values()
        one_of_them = () if signature in ("score", "generate_png") else one.model.image_shape
        assert value.shape == (0, *one_of_them), signature


def test_nothing_is_made_of_nothing_by_the_c_api(exported, compiled, tmp_path):
    one = exported("conditional")
    asked = {name: {key: x[:0] for key, x in inputs.items()} for name, inputs in one.requests().items()}
    words = [c_run(one.path, name, inputs, tmp_path / name) for name, inputs in asked.items()]
    done = alone([compiled, one.path, *itertools.chain(*words)], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    kinds = {"serving_default": "float32 0 28 28 1", "score": "float32 0", "generate_png": "string 0"}
    assert done.stdout.splitlines() == [kinds.get(name, "uint8 0 28 28 1") for name in asked]


# What lies in the directory


@pytest.mark.slow
def test_an_export_is_little_larger_than_its_weights(tmp_path):
    defaults = {name: settings.SETTINGS[name].tuned["digits"] for name in ("latent_dim", "units")}
    gan = kg.WGANGP(
        kg.networks.mlp_generator((8, 8, 1), defaults["latent_dim"], defaults["units"]),
        kg.networks.mlp_discriminator((8, 8, 1), defaults["units"]),
        ema_momentum=0.999,
    )
    path = gan.export(tmp_path / "digits")
    weights = 4 * (gan.generator.count_params() + gan.discriminator.count_params())
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert weights < size <= weights + 1_000_000


@pytest.mark.parametrize("variant", each(["plain", "conditional"], ["conditional"]))
def test_other_formats_make_the_same_images(exported, variant):
    from onnx import reference

    one = exported(variant)
    inputs = one.requests()["serving_default"]
    expected = one.floats("serving_default")
    loaded = keras.models.load_model(one.path / "generator.keras")
    own = list(inputs.values())
    np.testing.assert_allclose(loaded(own if len(own) > 1 else own[0], training=False), expected, atol=1e-5)
    from_seeds = reference.ReferenceEvaluator(str(one.path / "generate.onnx"))
    (levels,) = from_seeds.run(None, one.requests()["generate_truncated"])
    assert_levels(levels, one.floats("generate_truncated"), one.bounds)
    session = reference.ReferenceEvaluator(str(one.path / "generator.onnx"))
    assert set(session.input_names) == set(inputs)
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=1e-5)
    runner = tf.lite.Interpreter(str(one.path / "generator.tflite")).get_signature_runner("serving_default")
    assert set(runner.get_input_details()) == set(inputs)
    (images,) = runner(**inputs).values()
    np.testing.assert_allclose(images, expected, atol=1e-5)


def described(specs):
    return {name: f"{spec.dtype.name} {spec.shape.as_list()}".replace("None", "n") for name, spec in specs.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_card_says_what_the_export_is(exported, variant):
    one = exported(variant)
    card = json.loads((one.path / "model_card.json").read_text())
    model = one.model
    sizes = [card[name] for name in ("model", "latent_dim", "image_shape", "num_classes", "steps", "data")]
    steps = 2 if variant == "distributed" else 0
    assert sizes == [type(model).__name__, LATENT_DIM, list(model.image_shape), model.num_classes, steps, "none"]
    assert card["range"] == (list(one.bounds) if variant != "points" else None)
    assert card["averaged_weights"] == (getattr(model, "ema_generator", None) is not None)
    known = {
        name: {"inputs": described(one.served.specs(name)), "outputs": described(signature.structured_outputs)}
        for name, signature in one.served.signatures.items()
    }
    assert card["signatures"] == known
    assert card["signatures"]["serving_default"]["inputs"]["latents"] == f"float32 [n, {LATENT_DIM}]"
    with PIL.Image.open(one.path / "samples.png") as picture:
        assert picture.size >= (64, 64)
        assert np.ptp(np.asarray(picture)) > 100


@pytest.mark.parametrize("content", ['{"model": "GAN"', "[]"])
def test_a_card_that_is_damaged_is_named(tmp_path, content):
    (tmp_path / "model_card.json").write_text(content)
    with pytest.raises(ValueError, match=r"model_card.json is damaged: .* Restore it, or export the model again"):
        serving.card_of(tmp_path)


def test_the_hash_on_the_card_is_that_of_the_weights(exported):
    one = exported("conditional")
    card = json.loads((one.path / "model_card.json").read_text())
    loaded = keras.models.load_model(one.path / "generator.keras")
    assert serving.weights_sha256(loaded) == card["weights_sha256"]
    assert loaded.count_params() == card["parameters"]
    saved = types.SimpleNamespace(get_weights=lambda: [x.numpy() for x in one.served.variables[: len(loaded.weights)]])
    assert serving.weights_sha256(saved) == card["weights_sha256"]
    weights = loaded.get_weights()
    weights[-1][0] += 1e-6
    loaded.set_weights(weights)
    assert serving.weights_sha256(loaded) != card["weights_sha256"]


# What is refused before anything is written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filepath": "model/3"}, "`filepath`. Expected the directory of the model"),
        (
            {"filepath": "model.h5"},
            r"`filepath`. Expected the directory of the model.*`save\('.*model.keras'\)` writes a file",
        ),
        ({"filepath": "model.onnx"}, r"leave '.onnx' out, and pass `also=\('onnx',\)`"),
        ({"filepath": "model.tflite"}, r"leave '.tflite' out, and pass `also=\('litert',\)`"),
        ({"also": ("keras", "torch")}, "`also`. Expected a sequence of keras, litert, onnx, web"),
        ({"also": "onnx"}, "`also`"),
        ({"max_batch_size": 0}, "`max_batch_size`. Expected a positive integer"),
        ({"max_batch_size": 2.0}, "`max_batch_size`"),
        ({"format": "onnx"}, "`format`. Expected to be left out.*`also=..onnx..`"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, arguments, message):
    filepath = tmp_path / arguments.pop("filepath", "model")
    with pytest.raises((ValueError, TypeError), match=message):
        small().export(filepath, **arguments)
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_not_there_is_named_before_anything_is_written(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
    with pytest.raises(ValueError, match=r"pip install onnx tf2onnx`. Received: no tf2onnx"):
        small().export(tmp_path / "model", also=("onnx",))
    assert not list(tmp_path.iterdir())


# What goes wrong while it is written


def raising(error):
    def raises(*args, **kwargs):
        raise error

    return raises


MESSAGE = "No space left on device"
FULL, FULL_TO_TENSORFLOW = OSError(errno.ENOSPC, MESSAGE), tf.errors.ResourceExhaustedError(None, None, MESSAGE)
# What is called by `kerasgan.serving`, and what it raises then.
CALLED = types.SimpleNamespace(tf=tf, keras=keras, images=images, pathlib=pathlib, os=os)
FULL_DISKS = {
    "the graph": ("tf.saved_model.save", FULL_TO_TENSORFLOW),
    "the requests": ("tf.io.TFRecordWriter", FULL_TO_TENSORFLOW),
    "another format": ("keras.Model.save", FULL),
    "the picture": ("images.save_picture", FULL),
    "the card": ("pathlib.Path.write_text", FULL),
    "the buffers": ("os.fsync", FULL),
    "the name": ("os.rename", FULL),
}


@pytest.mark.parametrize("moment", each(FULL_DISKS, ["the graph"]))
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch, moment):
    path, error = FULL_DISKS[moment]
    gan = small()
    with monkeypatch.context() as patched:
        patched.setattr(operator.attrgetter(path.rpartition(".")[0])(CALLED), path.rpartition(".")[2], raising(error))
        with pytest.raises(OSError, match=MESSAGE) as caught:
            gan.export(tmp_path / "model", also=("keras",))
    assert caught.value.errno == errno.ENOSPC
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.slow
def test_an_export_that_computes_something_else_is_not_one(tmp_path, monkeypatch):
    gan = small()
    real = gan.generate
    monkeypatch.setattr(type(gan), "generate", lambda self, *args, **kwargs: real(*args, **kwargs) + 1e-3)
    with pytest.raises(
        ExportError, match=r"'serving_default' differs by 0.001 from what the model computes. Nothing was"
    ):
        gan.export(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.slow
def test_a_format_that_computes_something_else_is_not_one(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.models, "load_model", lambda path: lambda *args, **kwargs: tf.zeros((4, *SMALL)))
    with pytest.raises(ExportError, match=r"generator.keras differs by"):
        small().export(tmp_path / "model", also=("keras",))
    assert not list((tmp_path / "model").iterdir())


# Processes that export, forked from one that has imported everything


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kerasgan.serving", "PIL.Image", "grpc", "tensorflow_serving.apis.predict_pb2"])
    return context


def started(processes, function, *args):
    """A process that calls a function."""
    process = processes.Process(target=function, args=args)
    process.start()
    return process


MOMENTS = {
    "the graph is to be written": (file_io, "atomic_write_string_to_file", 1, "before"),
    "the fingerprint is to be written": (file_io, "atomic_write_string_to_file", 2, "before"),
    "the requests are begun": (tf.io, "TFRecordWriter", 1, "after"),
    "it is to be verified": (tf.saved_model, "load", 1, "before"),
    "the card is to be written": (pathlib.Path, "write_text", 1, "before"),
    "buffers are to be flushed": (os, "fsync", 1, "before"),
    "some are flushed": (os, "fsync", 4, "after"),
    "it is to be renamed": (os, "rename", 1, "before"),
    "it has been renamed": (os, "rename", 1, "after"),
}


def killed(directory, moment):
    """Exports, and dies by a signal that cannot be caught."""
    where, name, number, when = MOMENTS[moment]
    real, calls = getattr(where, name), []

    def dying(*args, **kwargs):
        calls.append(name)
        if len(calls) == number and when == "after":
            real(*args, **kwargs)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(where, name, dying)
    small().export(directory)


def versions(directory):
    """What a server would load, each seen to be whole."""
    numbers = sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal())
    for number in numbers:
        path = directory / str(number)
        for name in ("model_card.json", "samples.png", "fingerprint.pb", "assets.extra/tf_serving_warmup_requests"):
            assert (path / name).stat().st_size, name
        served, expected = Served(path), small().generate(seeds=SEEDS)
        assert_levels(served.answer("generate", seed=SEEDS)["images"], expected, (-1.0, 1.0))
    return numbers


@pytest.mark.slow
def test_whatever_the_moment_of_a_kill_there_is_a_whole_version_or_none(processes, tmp_path):
    seen = []
    for moment in MOMENTS:
        process = started(processes, killed, tmp_path, moment)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, moment
        seen.append(versions(tmp_path))
    assert seen == [[]] * (len(MOMENTS) - 1) + [[1]]
    assert small().export(tmp_path) == tmp_path / "2"
    assert versions(tmp_path) == [1, 2]


def test_a_version_has_its_name_once_it_is_on_the_disk(tmp_path, monkeypatch):
    events = []
    flush, rename = os.fsync, os.rename

    def flushed(descriptor):
        flush(descriptor)
        events.append(os.fstat(descriptor).st_ino)

    def renamed(source, target):
        rename(source, target)
        events.append("renamed")

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", renamed)
    path = small().export(tmp_path / "model")
    before, after = events[: events.index("renamed")], events[events.index("renamed") + 1 :]
    assert {own.stat().st_ino for own in (path, *path.rglob("*"))} <= set(before)
    assert after == [path.parent.stat().st_ino]


def at_once(directory, barrier):
    """Exports; the first renaming waits for that of the others."""
    real = os.rename

    def together(source, target):
        os.rename = real
        barrier.wait(100)
        real(source, target)

    os.rename = together
    small().export(directory)


@pytest.mark.slow
def test_two_exports_at_once_are_two_versions(processes, tmp_path):
    barrier = processes.Barrier(2)
    both = [started(processes, at_once, tmp_path, barrier) for _ in range(2)]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert versions(tmp_path) == [1, 2]
    assert not list(tmp_path.glob(f"{files.TEMPORARY}*"))


def of_small_files(directory, size):
    """Exports where no file may be larger; the status is the number of the error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        small().export(directory)
    except OSError as error:
        sys.exit(error.errno)


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 20_000])
def test_what_the_system_refuses_tensorflow_is_an_error_of_the_system(processes, tmp_path, size):
    process = started(processes, of_small_files, tmp_path, size)
    process.join(120)
    assert process.exitcode == errno.EIO
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_version_has_the_next_number_that_is_free_and_other_directories_are_left_alone(tmp_path, monkeypatch):
    old = 1_000_000_000
    for name in ("7", "latest", "9.old", ".tmp-mine", f".tmp-{'0' * 32}"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (old, old))
    real = os.rename

    def after_another_process(source, target):
        monkeypatch.setattr(os, "rename", real)
        (target / "variables").mkdir(parents=True)
        real(source, target)

    monkeypatch.setattr(os, "rename", after_another_process)
    assert small().export(tmp_path) == tmp_path / "9"
    assert [path.name for path in (tmp_path / "8").iterdir()] == ["variables"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-mine", "7", "8", "9", "9.old", "latest"]


# docs/serving.md

PAGE = (HERE.parent / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """The model of the page, exported by its code."""
    directory = tmp_path_factory.mktemp("page")
    gan = small(shape=SHAPE, num_classes=10)
    (directory / "runs" / "mnist-r3gan-1").mkdir(parents=True)
    gan.save(directory / "runs" / "mnist-r3gan-1" / "model.keras")
    code = blocks("python")[0]
    with contextlib.chdir(directory):
        names = run(code)
    assert f"# {names['path']}\n" in code
    return types.SimpleNamespace(model=gan, served=Served(directory / names["path"]), path=directory / names["path"])


def code_of(text):
    """The Python of the page that has a text."""
    (code,) = [code for code in blocks("python") if text in code]
    return code


def run(code):
    names = {}
    exec(compile(code, "docs/serving.md", "exec"), names)
    return names


@pytest.mark.slow
def test_the_page_lists_what_an_export_holds(mnist):
    (layout,) = [block for block in blocks("") if "saved_model.pb" in block]
    held = [path.relative_to(mnist.path) for path in mnist.path.rglob("*") if path.is_file()]
    assert {path.parts[0] if path.parts[0] == "variables" else str(path) for path in held} == set(
        re.findall(r"(?<=[ /])variables(?=/)|\S+(?:\.pb\b|_requests|\.json|\.png|\.md)", layout)
    )


def test_the_page_lists_the_signatures_as_they_are(mnist):
    section = PAGE.partition("\n## Signatures\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", section, re.MULTILINE)
    sizes = {"n": None, "latent_dim": LATENT_DIM, "height": 28, "width": 28, "channels": 1}

    def listed(text):
        found = re.findall(r"`(\w+)` (\w+) `\((.*?)\)`", text)
        return {name: (dtype, [sizes[size] for size in re.findall(r"\w+", shape)]) for name, dtype, shape in found}

    def of(specs):
        return {name: (spec.dtype.name, spec.shape.as_list()) for name, spec in specs.items()}

    assert sorted(name for name, *_ in rows) == sorted(mnist.served.signatures)
    for name, inputs, outputs in rows:
        signature = mnist.served.signatures[name]
        assert {**listed(inputs), "labels": ("int32", [None])} == of(mnist.served.specs(name))
        assert listed(outputs) == of(signature.structured_outputs)


def test_the_bodies_of_the_page_are_answered(mnist):
    bodies = [*blocks("json"), *re.findall(r"-d '(.*?)'", PAGE)]
    assert len(bodies) == 4
    rows, columns, smoke, png = [json.loads(mnist.served.rest(body)) for body in bodies]
    expected = mnist.model.generate(seeds=[1, 2], labels=np.array([3, 5]))
    assert_levels(np.array(rows["predictions"], "uint8"), expected, (-1.0, 1.0))
    expected = mnist.model.generate(seeds=[1, 2], labels=np.array([3, 5]), truncation=0.5)
    assert_levels(np.array(columns["outputs"], "uint8"), expected, (-1.0, 1.0))
    assert_levels(np.array(smoke["predictions"], "uint8"), mnist.model.generate(seeds=[0], labels=0), (-1.0, 1.0))
    expected = mnist.model.generate(seeds=[1], labels=7)
    assert_levels(decoded(base64.b64decode(png["predictions"][0]["b64"]))[None], expected, (-1.0, 1.0))


def test_the_rest_client_of_the_page_writes_pictures(mnist, tmp_path, capsys):
    with contextlib.chdir(tmp_path), rest_server("mnist", mnist.served) as port:
        run(code_of("localhost:8501").replace("localhost:8501", f"127.0.0.1:{port}"))
    made = np.stack([decoded((tmp_path / f"seven-{number}.png").read_bytes()) for number in range(3)])
    assert_levels(made, mnist.model.generate(seeds=[1, 2, 3], labels=7), (-1.0, 1.0))
    assert re.search(r"^400 .*labels: expected integers in \[0, 10\)", capsys.readouterr().out, re.DOTALL)


def test_the_curl_command_of_the_page_writes_a_picture(mnist, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    commands = "".join(block for block in blocks("sh") if block.startswith("curl"))
    with rest_server("mnist", mnist.served) as port:
        commands = commands.replace("localhost:8501", f"127.0.0.1:{port}").replace("| python", f"| {sys.executable}")
        done = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert done.stdout == b"mnist generates\n"
    made = decoded((tmp_path / "seven.png").read_bytes())[None]
    assert_levels(made, mnist.model.generate(seeds=[1], labels=7), (-1.0, 1.0))


def test_the_grpc_client_of_the_page_walks_from_one_image_to_another(mnist, tmp_path):
    with contextlib.chdir(tmp_path), grpc_server("mnist", mnist.served) as port:
        names = run(code_of("localhost:8500").replace("localhost:8500", f"127.0.0.1:{port}"))
        names["request"].inputs["labels"].CopyFrom(tf.make_tensor_proto(np.full(9, 10, "int32")))
        with pytest.raises(grpc.RpcError, match=r"labels: expected integers in \[0, 10\)"):
            names["service"].Predict(names["request"], timeout=10.0)
        names["channel"].close()
    expected = mnist.model.interpolate(np.full(9, 3), np.full(9, 8), np.linspace(0, 1, 9), labels=4)
    assert_levels(names["walk"], expected, (-1.0, 1.0))
    assert f"uint8, {names['walk'].shape}" in PAGE


def test_the_configurations_of_the_page_are_the_servers(mnist):
    batching, models = blocks("proto")
    values = {name: int(value) for name, value in re.findall(r"^(\w+) \{ value: (\d+) \}$", batching, re.MULTILINE)}
    assert set(values) == {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"}
    assert values["max_batch_size"] <= 4096
    (config,) = text_format.Parse(models, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert (config.name, config.base_path) == ("mnist", "/models/mnist")
    assert set(config.version_labels.values()) == set(config.model_version_policy.specific.versions)


def test_the_manifest_of_the_page_probes_and_exposes_the_ports_of_the_server():
    yaml = pytest.importorskip("yaml")
    (manifest,) = blocks("yaml")
    deployment, service = yaml.safe_load_all(manifest)
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (
        ports == {"grpc": 8500, "rest": 8501} == {port["targetPort"]: port["port"] for port in service["spec"]["ports"]}
    )
    (name,) = [variable["value"] for variable in container["env"] if variable["name"] == "MODEL_NAME"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": f"/v1/models/{name}/metadata", "port": "rest"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "rest"}
    (mount,) = container["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == (f"/models/{name}", True)
    assert [volume["name"] for volume in pod["volumes"]] == [mount["name"]]


# Models that are not the package's own


def labelled(embed):
    """Networks that make something of labels without an Embedding."""
    latents, labels = keras.Input((LATENT_DIM,), name="z"), keras.Input((), name="label", dtype="int32")
    x = keras.layers.Concatenate()([latents, embed(labels)])
    x = x + keras.layers.Dense(x.shape[-1], activation="relu")(x)
    x = keras.layers.Dense(16, activation="sigmoid")(x)
    generator = keras.Model([latents, labels], keras.layers.Reshape(SMALL)(x))
    image = keras.Input(SMALL)
    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(5.0, 3.0, (64, *SMALL)))
    x = keras.layers.Concatenate()([keras.layers.Flatten()(normalization(image)), embed(labels)])
    return generator, keras.Model([image, labels], keras.layers.Dense(1)(x))


@pytest.mark.slow
@pytest.mark.parametrize("also", [("keras",), pytest.param(("keras", "litert"), marks=pytest.mark.slow)])
def test_networks_of_operations_and_adapted_layers_are_served_as_they_are(tmp_path, also):
    gan = kg.GAN(*labelled(lambda labels: keras.ops.one_hot(labels, CLASSES, dtype="float32")))
    path = gan.export(tmp_path / "model", also=also)
    signatures = tf.saved_model.load(path).signatures
    labels = np.arange(3, dtype="int32")
    made = gan.generate(seeds=[1, 2, 3], labels=labels)
    served = signatures["generate"](seed=tf.constant([1, 2, 3], tf.int64), labels=tf.constant(labels))["images"].numpy()
    assert made.min() > 0.0  # by the sigmoid, which stands before a layer that changes only the shape
    assert np.abs(served - np.rint(255.0 * made)).max() <= 1
    scores = signatures["score"](images=tf.constant(made), labels=tf.constant(labels))["logits"]
    np.testing.assert_allclose(scores, gan.discriminator([made, labels])[:, 0], atol=1e-5)
    picture = np.asarray(PIL.Image.open(path / "samples.png"))
    first = signatures["generate"](seed=tf.constant([0], tf.int64), labels=tf.constant([0]))["images"].numpy()[
        0, ..., 0
    ]
    enlarged = kg.images.grid(first[None, ..., None], padding=0, scale=60 // len(first))[..., 0]
    assert np.abs(enlarged.astype(int) - picture[4:64, 4:64]).max() <= 1


@pytest.mark.slow
def test_the_range_of_pixels_has_to_be_known(tmp_path):
    latents = keras.Input((LATENT_DIM,))
    generator = keras.Model(latents, keras.layers.Reshape(SMALL)(keras.layers.Dense(16)(latents)))
    gan = kg.GAN(generator, kg.networks.mlp_discriminator(SMALL, (4,)))
    with pytest.raises(ValueError, match=r"`bounds`. Expected the lowest and the highest pixel.*bounds=\(-1, 1\)"):
        gan.export(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    path = gan.export(tmp_path / "model", bounds=(-3, 3))
    served = tf.saved_model.load(path).signatures["generate"](seed=tf.constant([4], tf.int64))["images"].numpy()
    expected = np.clip(np.rint((gan.generate(seeds=[4]) + 3) / 6 * 255), 0, 255)
    assert np.abs(served - expected).max() <= 1
    assert json.loads((path / "model_card.json").read_text())["range"] == [-3.0, 3.0]


@pytest.mark.slow
@pytest.mark.parametrize("score", [True, False])
def test_rows_that_depend_on_one_another_are_not_exported(tmp_path, score):
    image = keras.Input(SMALL)
    x = keras.layers.Flatten()(image)
    x = x - keras.ops.mean(x, axis=0, keepdims=True) + keras.ops.std(x, axis=0, keepdims=True)
    discriminator = keras.Model(image, keras.layers.Dense(1)(keras.layers.Concatenate()([x, keras.ops.max(x) + 0 * x])))
    gan = kg.GAN(kg.networks.mlp_generator(SMALL, LATENT_DIM, (4,)), discriminator)
    if score:
        with pytest.raises(ExportError, match=r"'score' for single rows differs"):
            gan.export(tmp_path / "model")
    else:
        assert gan.export(tmp_path / "model", score=False).name == "1"


@pytest.mark.slow
def test_a_lambda_is_exported(tmp_path):
    latents = keras.Input((LATENT_DIM,))
    x = keras.layers.Lambda(lambda x: x / 2.0)(keras.layers.Dense(16)(latents))
    generator = keras.Model(latents, keras.layers.Reshape(SMALL)(keras.layers.Activation("tanh")(x)))
    gan = kg.GAN(generator, kg.networks.mlp_discriminator(SMALL, (4,)))
    served = tf.saved_model.load(gan.export(tmp_path / "model")).signatures["serving_default"]
    latents = np.random.default_rng(0).normal(size=(5, LATENT_DIM)).astype("float32")
    np.testing.assert_allclose(served(latents=tf.constant(latents))["images"], gan(latents), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"card": {"num_classes": 7}}, r"`card`. Expected names other than.*card\['num_classes'\]"),
        ({"card": {"score": float("nan")}}, "`card`. Expected a dict of JSON values"),
        ({"card": {"score": object()}}, "`card`. Expected a dict of JSON values"),
        ({"bounds": (1, -1)}, "`bounds`"),
        ({"max_batch_size": True}, "`max_batch_size`"),
        ({"max_batch_size": 2**40}, "`max_batch_size`"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        small().export(tmp_path / "model", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_scope_is_refused(tmp_path):
    gan = small()
    with tf.distribute.OneDeviceStrategy("CPU:0").scope(), pytest.raises(ValueError, match="Call it outside"):
        gan.export(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_every_class_has_columns_of_its_own_in_the_picture(exported):
    columns = kg.images.columns_of(CLASSES)
    with PIL.Image.open(exported("bfloat16").path / "samples.png") as picture:
        assert columns % CLASSES == 0
        assert picture.size == (4 + columns * 64, 4 + 64 // columns * 64)


@pytest.mark.slow
def test_a_server_is_not_given_a_version_that_is_asked_otherwise(tmp_path):
    small().export(tmp_path / "model")
    with pytest.raises(
        ValueError, match=r"same signatures, or a new one: .*1 has another 'generate'.*'labels': 'int32"
    ):
        small(num_classes=CLASSES).export(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["1"]


# `kerasgan.serving.Served`


def test_an_export_is_asked_in_parts_that_it_takes(limited):
    gan, served = limited.model, serving.Served(limited.path.parent)
    for labels in (None, 2, [0, 1, 2] * 4):
        made = kg.images.to_uint8(gan.generate(seeds=range(12), labels=labels))
        assert np.abs(served.generate(range(12), labels).astype(int) - made).max() <= 1
    assert served.generate([]).shape == (0, *SMALL)
    made = kg.images.to_uint8(gan.interpolate(range(7), range(1, 8), np.linspace(0, 1, 7), labels=1))
    assert (
        np.abs(served.interpolate(range(7), range(1, 8), np.linspace(0, 1, 7), labels=1).astype(int) - made).max() <= 1
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.7, 1.9],), "`seeds`"),
        (([1, 2], [1.9, 2.2]), "`labels`"),
        (([1, 2], [0, 2**32]), "`labels`"),
        (([1, 2], [0, 1, 2]), "`labels`. Expected 2 labels"),
        (([1, 2], None, 0.0), "`truncation`"),
    ],
)
def test_an_export_refuses_what_the_model_refuses(limited, arguments, message):
    served = serving.Served(limited.path)
    with pytest.raises(ValueError, match=message):
        served.generate(*arguments)


def test_what_is_no_export_is_said_to_be_none(tmp_path):
    with pytest.raises(ValueError, match=r"`path`. Expected a directory written by `export`"):
        serving.Served(tmp_path)
    tf.saved_model.save(tf.Module(), tmp_path / "1")
    with pytest.raises(ValueError, match="without signature 'generate'"):
        serving.Served(tmp_path)


PATHS = ["run [2]", "C:\\runs", "[!a]b", "a*b", "a?b", "a [b", "{a,b}", "ünï code"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
def test_a_model_is_exported_to_a_path_that_is_a_pattern(name, tmp_path):
    gan = small()
    # What the pattern stands for is there too, and is another model.
    (tmp_path / "aXb").mkdir()
    special = set(name) & set("*?[\\")
    with pytest.warns(UserWarning, match="as a pattern") if special else contextlib.nullcontext():
        version = gan.export(tmp_path / name / "served")
    assert version == tmp_path / name / "served" / "1"
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    served = serving.Served(tmp_path / name / "served")
    np.testing.assert_allclose(
        served.generate(SEEDS), kg.images.to_uint8(gan.generate(seeds=SEEDS)).astype(float), atol=1
    )
