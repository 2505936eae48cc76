"""What an exported model answers, as functions of tensors, without Keras."""

import inspect

import numpy as np
import tensorflow as tf

from kerasgan import images, inference

_MOST_CHANNELS_OF_PNG = 4


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
