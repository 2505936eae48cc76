"""What an exported model computes, as functions of tensors, without Keras."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from kerasgan import inference

_MOST_CHANNELS_OF_PNG = 4

_Outputs = dict[str, tf.Tensor]


class Signatures:
    """What an exported model computes, as functions of tensors, without Keras.

    Every signature takes any number of independent rows, so a server may batch requests.

    Args:
        model: `kerasgan.GAN` or `kerasgan.VAE`, whose networks compute in float32.
        max_batch_size: Integer, the largest number of rows.
        score: Whether to add a signature for the discriminator, if it judges single images.
        bounds: `(lowest, highest)` of the pixels, for images.

    Attributes:
        functions: Dict from the name of a signature to its `tf.function`.
        are_images: Whether the generator makes images, rather than points.
    """

    def __init__(
        self, model: keras.Model, max_batch_size: int, score: bool = True, bounds: tuple[float, float] | None = None
    ):
        self.generator = model.sampler
        score = score and model.pack == 1 and "discriminator" in model.networks
        self.discriminator = model.discriminator if score else None
        self._judges_labels = score and len(model.discriminator.inputs) == 2
        self.bounds, self.max_batch_size = bounds or (-1.0, 1.0), max_batch_size
        self.image_shape, self.are_images = model.image_shape, len(model.image_shape) == 3
        self.latent_dim, self.conditional = model.latent_dim, model.conditional
        self._inputs = self._describe_inputs(model.num_classes)
        # One graph for all signatures.
        self._images = tf.function(self._generated)
        signatures = [self.serving_default, self.generate, self.generate_truncated, self.interpolate]
        if self.are_images and self.image_shape[-1] <= _MOST_CHANNELS_OF_PNG:
            signatures.append(self.generate_png)
        if self.discriminator is not None:
            signatures.append(self.score)
        self.functions = {
            function.__name__: tf.function(function, input_signature=self._specs(function)) for function in signatures
        }

    def module(self) -> tf.Module:
        """A module with the variables of the functions, for `tf.saved_model.save`."""
        networks = [network for network in (self.generator, self.discriminator) if network is not None]
        module = tf.Module()
        module.weights = [variable.value for network in networks for variable in network.variables]
        return module

    def example(self, name: str, count: int) -> dict[str, np.ndarray]:
        """A valid input of a signature, with `count` rows."""
        return {spec.name: self._example(spec.name, count) for spec in self.functions[name].input_signature}

    # The signatures

    def serving_default(self, latents: tf.Tensor, labels: tf.Tensor | None = None) -> _Outputs:
        """Latents -> float32 images, in the generator's range."""
        return {"images": self._images(*self._checked(latents=latents, labels=labels))}

    def generate(self, seed: tf.Tensor, labels: tf.Tensor | None = None) -> _Outputs:
        """A seed per image -> uint8 images, or float32 points."""
        seed, labels = self._checked(seed=seed, labels=labels)
        return self._shown(self._latents(seed), labels)

    def generate_png(self, seed: tf.Tensor, labels: tf.Tensor | None = None) -> _Outputs:
        """A seed per image -> PNG files."""
        return {"image_bytes": tf.io.encode_png(self.generate(seed, labels)["images"])}

    def generate_truncated(self, seed: tf.Tensor, truncation: tf.Tensor, labels: tf.Tensor | None = None) -> _Outputs:
        """As `generate`, with latents truncated at `truncation` standard deviations."""
        seed, truncation, labels = self._checked(seed=seed, truncation=truncation, labels=labels)
        return self._shown(inference.truncated(self._latents(seed), truncation), labels)

    def interpolate(
        self, seed: tf.Tensor, other_seed: tf.Tensor, position: tf.Tensor, labels: tf.Tensor | None = None
    ) -> _Outputs:
        """As `generate`, on the great circle from one seed to another."""
        seed, other, position, labels = self._checked(
            seed=seed, other_seed=other_seed, position=position, labels=labels
        )
        return self._shown(inference.interpolated(self._latents(seed), self._latents(other), position), labels)

    def score(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> _Outputs:
        """Float32 images, in the generator's range -> the discriminator's logits, larger for more real ones."""
        images, labels = self._checked(images=images, labels=labels)
        labels = labels if self._judges_labels else None
        return {"logits": tf.cast(_without_empty_batches(self.discriminator, images, labels), tf.float32)[:, 0]}

    # Their parts

    def _latents(self, seed):
        return inference.latents_of(seed, self.latent_dim)

    def _shown(self, latents, labels):
        images = self._images(latents, labels)
        return {"images": inference.levels(images, self.bounds) if self.are_images else images}

    def _generated(self, latents, labels):
        return tf.cast(_without_empty_batches(self.generator, latents, labels), tf.float32)

    def _describe_inputs(self, classes):
        """For each input: how to make examples from row numbers, what is expected, and whether values satisfy it."""
        low, high = self.bounds
        finite = "finite numbers", tf.math.is_finite
        natural = "integers >= 0", lambda x: x >= 0
        pixels = f"pixels in [{low:g}, {high:g}]", lambda x: (x >= low - 1e-3) & (x <= high + 1e-3)
        labels = (f"integers in [0, {classes})", lambda x: (x >= 0) & (x < classes)) if classes else natural

        def random(rows):
            return np.random.default_rng(0).uniform(low, high, (len(rows), *self.image_shape)).astype("float32")

        def spaced(start, stop):
            return lambda rows: np.linspace(start, stop, len(rows), dtype="float32")

        return {
            "latents": (lambda rows: self._latents(tf.constant(rows)).numpy(), *finite),
            "seed": (lambda rows: rows, *natural),
            "other_seed": (lambda rows: rows + 1, *natural),
            "truncation": (spaced(0.5, 2.0), "numbers > 0", lambda x: x > 0),
            "position": (spaced(0.0, 1.0), "numbers in [0, 1]", lambda x: (x >= 0) & (x <= 1)),
            "images": (random, *(pixels if self.are_images else finite)),
            "labels": (lambda rows: (rows % (classes or 1)).astype("int32"), *labels),
        }

    def _example(self, name, count):
        return self._inputs[name][0](np.arange(count, dtype="int64"))

    def _specs(self, function):
        """The input signature of a function, from examples."""
        names = [name for name in inspect.signature(function).parameters if name != "labels" or self.conditional]
        examples = {name: self._example(name, 1) for name in names}
        return [tf.TensorSpec((None, *value.shape[1:]), value.dtype, name) for name, value in examples.items()]

    def _checked(self, **inputs):
        """The inputs, once they have been found valid: nothing is computed before."""
        # A session does not compare the shape of a value with the signature's.
        given = {name: tf.ensure_shape(x, x.shape, name=name) for name, x in inputs.items() if x is not None}
        rows = tf.shape(next(iter(given.values())))[0]
        most = self.max_batch_size
        checks = [_assert(rows <= most, f"expected at most {most} rows. Received:", rows)]
        for name, value in given.items():
            _, expected, condition = self._inputs[name]
            count, valid = tf.shape(value)[0], condition(value)
            same = f"{name}: expected as many rows as the other inputs. Received:"
            checks.append(_assert(count == rows, same, count))
            invalid = tf.boolean_mask(value, tf.logical_not(valid))
            checks.append(_assert(valid, f"{name}: expected {expected}. Received:", invalid))
        with tf.control_dependencies(checks):
            return [tf.identity(given[name]) if name in given else None for name in inputs]


def _assert(holds, message, received):
    return tf.debugging.Assert(tf.reduce_all(holds), [message, received], summarize=8)


def _without_empty_batches(network, values, labels):
    """A network's first output; no rows for no rows, where oneDNN's convolutions return a wrong shape."""
    rows = tf.shape(values)[0]
    more = tf.cast(rows == 0, tf.int32)
    inputs = [tf.pad(x, [[0, more]] + [[0, 0]] * (x.shape.rank - 1)) for x in (values, labels) if x is not None]
    output, *_ = tf.nest.flatten(network(inputs if len(inputs) > 1 else inputs[0], training=False))
    return output[:rows]
