"""The ONNX model that takes seeds draws what `gan.generate` draws."""

import importlib
import pathlib
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgan as kg
from kerasgan import inference
from kerasgan.serving import portable, triton

SEEDS = np.array([0, 1, 7, 2**31, 2**32 + 5, 2**62, 2**63 - 1, *range(100, 200)], "int64")
LATENT_DIM, CLASSES = 6, 3


@pytest.mark.parametrize("latent_dim", [1, 4, 127])
def test_latents_are_those_that_tensorflow_draws(latent_dim):
    drawn = portable.latents_of(tf.constant(SEEDS), latent_dim)
    np.testing.assert_allclose(drawn, inference.latents_of(tf.constant(SEEDS), latent_dim), atol=1e-6)
    assert portable.latents_of(tf.zeros((0,), tf.int64), latent_dim).shape == (0, latent_dim)


@pytest.mark.parametrize("truncation", [1e-3, 0.5, 1.0, 3.0, 5.0, 50.0, 3e38, float("inf")])
def test_truncated_latents_are_those_of_the_inverse_of_the_error_function(truncation):
    latents = np.concatenate([np.linspace(-5.7, 5.7, 401), [-1e-7, 0.0, 1e-7]]).astype("float32")[None]
    moved = portable.truncated(latents, tf.constant([truncation]))
    expected = inference.truncated(latents, tf.constant([truncation]))
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-12)


def flat(shape, **kwargs):
    return kg.networks.mlp_generator(shape, LATENT_DIM, (8,), **kwargs), kg.networks.mlp_discriminator(
        shape, (8,), num_classes=kwargs.get("num_classes")
    )


def convolutional(classes):
    shape = (28, 28, 1)
    return (
        kg.networks.dcgan_generator(shape, LATENT_DIM, filters=2, num_classes=classes),
        kg.networks.dcgan_discriminator(shape, filters=2, num_classes=classes),
    )


NETWORKS = {
    "points": lambda: flat((2,), output_activation=None),
    "unit interval": lambda: flat((4, 5, 3), output_activation="sigmoid"),
    "labels": lambda: flat((4, 4, 1), num_classes=CLASSES),
    "convolutions": lambda: convolutional(None),
    "convolutions, labels": lambda: convolutional(CLASSES),
}


def by_reference(path):
    from onnx import reference

    return lambda inputs: reference.ReferenceEvaluator(str(path)).run(None, inputs)


def by_runtime(path):
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    return lambda inputs: session.run(None, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("networks", NETWORKS)
def test_the_onnx_model_answers_as_generate_does(tmp_path, networks):
    keras.utils.set_random_seed(1)
    gan = kg.GAN(*NETWORKS[networks]())
    version = gan.export(tmp_path / "model", also=("onnx",), max_batch_size=128)
    labels = (np.arange(len(SEEDS)) % CLASSES).astype("int32") if gan.conditional else None
    truncation = np.resize([0.5, 1.0, 50.0], len(SEEDS)).astype("float32")
    inputs = {"seed": SEEDS, "truncation": truncation} | ({"labels": labels} if gan.conditional else {})
    made = gan.generate(seeds=SEEDS, labels=labels, truncation=truncation)
    low, high = gan.output_range.bounds or (None, None)
    loaders = [by_reference, by_runtime] if importlib.util.find_spec("onnxruntime") else [by_reference]
    for load in loaders:
        (images,) = load(version / "generate.onnx")(inputs)
        if networks == "points":
            np.testing.assert_allclose(images, made, atol=1e-5)
        else:
            assert images.dtype == np.uint8
            assert np.abs(images - np.clip(np.rint((made - low) / (high - low) * 255), 0, 255)).max() <= 1
    check_config((tmp_path / "model/config.pbtxt").read_text(), version / "generate.onnx", gan.image_shape)


def test_a_model_of_small_batches_is_exported(tmp_path):
    version = kg.GAN(*flat((4, 4, 1))).export(tmp_path / "model", also=("onnx", "web"), max_batch_size=2)
    assert (version / "generate.onnx").exists()


def test_a_configuration_of_triton_is_replaced_only_by_its_writer(tmp_path):
    described = types.SimpleNamespace(conditional=False, image_shape=(4, 4, 1), are_images=True, max_batch_size=8)
    triton.write(tmp_path, described)
    path = tmp_path / triton.CONFIG
    described.max_batch_size = 16
    triton.write(tmp_path, described)
    assert "max_batch_size: 16" in path.read_text()
    own = path.read_text().split("\n", 1)[1] + "instance_group [ { count: 4 } ]\n"
    path.write_text(own)
    with pytest.warns(UserWarning, match=r"config\.pbtxt is left as it is"):
        triton.write(tmp_path, described)
    assert path.read_text() == own


def check_config(config, path, image_shape):
    """That Triton is told what the model takes and returns."""
    import onnx

    kinds = {onnx.TensorProto.INT64: "INT64", onnx.TensorProto.FLOAT: "FP32", onnx.TensorProto.INT32: "INT32"}
    kinds[onnx.TensorProto.UINT8] = "UINT8"
    graph = onnx.load(path).graph
    described = dict(re.findall(r'name: "(\w+)" data_type: TYPE_(\w+)', config))
    assert described == {
        tensor.name: kinds[tensor.type.tensor_type.elem_type] for tensor in [*graph.input, *graph.output]
    }
    assert config.count("dims: [ 1 ] reshape: { shape: [ ] }") == len(graph.input)
    assert f"dims: [ {', '.join(map(str, image_shape))} ]" in config
    assert "max_batch_size: 128\n" in config
    assert f'default_model_filename: "{pathlib.Path(path).name}"' in config
