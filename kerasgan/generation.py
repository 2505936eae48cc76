"""`SamplingModel`: a Keras model that maps latents to images, for whoever wants images of it."""

import inspect
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasgan import construction, contract, distribution, inference, ranges
from kerasgan.configured import Configured, is_ours
from kerasgan.errors import ModelContractError, checked_integer, invalid

_IN_A_GRAPH = " In a graph call the model itself, on latents [and labels]."


class SamplingModel(Configured, keras.Model):
    """What maps latents to images: base of `GenerativeModel`, without what training needs.

    Args:
        generator: Keras model, `latents` `(batch, latent_dim)` [, `labels`] -> images; `latent_dim` is read from it.
    """

    decided: tuple[str, ...] = ("generator",)  # arguments of the constructor that more has been made from

    def __new__(cls, *args, **kwargs):
        if is_ours(cls):
            for name in kwargs.keys() & set(cls.decided) - inspect.signature(cls.__init__).parameters.keys():
                expected = f"to be left out, because {cls.__name__} has its own: kerasgan.GAN takes it"
                raise invalid(name, expected, f"{name}={kwargs[name]!r}", TypeError)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, generator: keras.Model, **kwargs: Any):
        distribution.check_scope()
        super().__init__(**kwargs)
        generator = contract.functional(generator)
        contract.check_network(generator, "generator", "kerasgan.networks.dcgan_generator(image_shape)")
        self.generator = generator
        self._float32_sampler: inference.Sampler | None = None
        self._output_range: ranges.Output | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("step", "updates") and name in vars(self):
            expected = "another name for an attribute of your own: the model counts by this one"
            raise invalid(name, expected, repr(value), AttributeError)
        if name in self.decided and name in vars(self):
            value = construction.checked_change(self, name, value, self._saves(name))
        super().__setattr__(name, value)
        if name in self.decided:
            self.__dict__.setdefault(name, value)  # TensorFlow stores no value that the class has, too

    @property
    def sampler(self) -> keras.Model:
        """The network that images come from: the average of the generator's weights, if there is one."""
        return self.generator

    @property
    def latent_dim(self) -> int:
        """Size of a latent vector."""
        return self.generator.inputs[0].shape[-1]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.generator.outputs[0].shape[1:])

    @property
    def conditional(self) -> bool:
        """Whether the generator takes labels."""
        return len(self.generator.inputs) == 2

    @property
    def num_classes(self) -> int | None:
        """Number of classes of a conditional generator that embeds its labels; None where it is unknown."""
        return contract.num_classes(self.generator)

    @property
    def output_range(self) -> ranges.Output:
        """What the generator can put out, as of the last `compile` or `fit`."""
        if self._output_range is None:
            self._output_range = ranges.of(self.generator)
        return self._output_range

    def save_own_variables(self, store: Any) -> None:
        """As Keras's, through which `.keras` and `.weights.h5` files are written: an average starts before."""
        _ = self.sampler  # starts it
        super().save_own_variables(store)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Images of `sampler` for `latents`, or for `[latents, labels]`."""
        latents = inputs[0] if isinstance(inputs, list | tuple) else inputs
        if not isinstance(latents, dict) and len(latents.shape) > 1:  # Keras takes dicts, and numbers for one latent
            self._check_latents(latents.shape)
        return self.sampler(inputs, training=training)

    def generate(
        self,
        num_images: int | None = None,
        labels: ArrayLike | None = None,
        seed: int | None = None,
        batch_size: int = 64,
        *,
        seeds: ArrayLike | None = None,
        truncation: ArrayLike | None = None,
    ) -> np.ndarray:
        """Generates images, in float32 whatever policy the model was trained with.

        Args:
            num_images: Integer >= 0. Optional if `seeds` or `labels` give the number.
            labels: For a conditional model: integer array `(num_images,)`, or one integer for all images. Defaults to
                the classes in turn.
            seed: Integer >= 0: the same seed gives the same images, whatever the batch size. Defaults to a random one.
            batch_size: Integer >= 1, images generated at a time.
            seeds: Integer array `(num_images,)`, each >= 0, instead of `seed`: one per image, so that an image does not
                depend on the others. That of s is the first image of `generate(seed=s)`, and what an exported model
                makes of s.
            truncation: Float > 0, or array `(num_images,)`: cuts latents off at this many standard deviations, for
                more typical and less varied images. Defaults to none.

        Returns:
            Float32 array `(num_images, ...)`, in the generator's range: [-1, 1] for images.

        Raises:
            ValueError: An argument is out of its range.
        """
        distribution.check_eager("Call `generate`", _IN_A_GRAPH)
        if num_images is None and seeds is not None:
            num_images = np.size(seeds)
        elif num_images is None and labels is not None and np.ndim(labels):
            num_images = np.shape(labels)[0]
        num_images = checked_integer("num_images", num_images, 0)
        if seeds is None:
            seed = int.from_bytes(os.urandom(7), "big") if seed is None else seed
            if np.ndim(seed):
                raise invalid("seed", "one integer for all images; pass one for each as `seeds`", f"seed={seed!r}")
            (seed,) = inference.checked_seeds("seed", [seed])
            keys = np.stack([np.full(num_images, seed), np.arange(num_images)], axis=1)
            latents = tf.random.stateless_normal((num_images, self.latent_dim), [seed, 0], alg="philox")
        elif seed is not None or np.size(seeds) != num_images:
            expected = f"{num_images} seeds, one per image, without `seed`"
            raise invalid("seeds", expected, f"{np.size(seeds)} seeds, seed={seed!r}")
        else:
            seeds = inference.checked_seeds("seeds", seeds)
            keys = np.stack([seeds, np.zeros_like(seeds)], axis=1)
            latents = inference.latents_of(tf.constant(seeds), self.latent_dim)
        if truncation is not None:
            latents = inference.truncated(latents, tf.constant(inference.checked_truncation(truncation, num_images)))
        return self._sampled(latents, keys, labels, batch_size)

    def interpolate(
        self,
        seeds: ArrayLike,
        other_seeds: ArrayLike,
        positions: ArrayLike,
        labels: ArrayLike | None = None,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Generates images between two others, along the great circle through their latents.

        Args:
            seeds, other_seeds: Integer arrays `(n,)`, as in `generate`, or one integer for all.
            positions: Float array `(n,)` in [0, 1], or one number for all: 0 gives the image of `seeds`, 1 that of
                `other_seeds`.
            labels: As in `generate`; both ends have the same.
            batch_size: Integer >= 1, images generated at a time.

        Returns:
            Float32 array `(n, ...)`, in the generator's range.

        Raises:
            ValueError: An argument is out of its range.
        """
        distribution.check_eager("Call `interpolate`", _IN_A_GRAPH)
        seeds, other_seeds, positions = inference.checked_walk(seeds, other_seeds, positions)
        start, end = (inference.latents_of(tf.constant(one), self.latent_dim) for one in (seeds, other_seeds))
        latents = inference.interpolated(start, end, tf.constant(positions))
        keys = np.stack([seeds, np.zeros_like(seeds)], axis=1)
        return self._sampled(latents, keys, labels, batch_size)

    def _sampled(self, latents, keys, labels, batch_size):
        batch_size = checked_integer("batch_size", batch_size)
        labels = inference.checked_labels(labels, len(latents), self.conditional, self.num_classes)
        labels = None if labels is None else tf.convert_to_tensor(labels)
        network = self.sampler
        if self._float32_sampler is None or not self._float32_sampler.is_of(network):
            self._float32_sampler = inference.Sampler(network)
        images = [np.zeros((0, *self.image_shape), "float32")]
        for start in range(0, len(latents), batch_size):
            part = slice(start, start + batch_size)
            of_part = None if labels is None else labels[part]
            images.append(self._float32_sampler(latents[part], of_part, tf.constant(keys[part])).numpy())
        return np.concatenate(images)

    def _forget_traces(self):
        """Forgets what was made of the layers, which may have been changed since."""
        self._float32_sampler = self._output_range = None

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Images for `latents` `(n, latent_dim)`, or for `[latents, labels]`; `generate` draws the latents, too."""
        _ = self.sampler  # an average starts here: in Keras's graph it cannot
        parts = (list(x) if isinstance(x, list | tuple) else [x]) or [np.array(x)]
        if hasattr(parts[0], "shape"):  # Keras takes datasets, generators and dicts, too
            x = self._checked_inputs(*parts)
            if not len(parts[0]):  # which Keras cannot
                return np.zeros((0, *self.image_shape), "float32")
        return super().predict(x, **kwargs)

    def _checked_inputs(self, latents, *labels):
        """What `predict` is given, as Keras takes it."""
        self._check_latents(latents.shape)
        if len(labels) != self.conditional:
            expected = (
                "`[latents, labels]`" if self.conditional else "latents alone, because the generator takes no labels"
            )
            raise invalid("x", expected, f"{1 + len(labels)} arrays", ModelContractError)
        if not labels:
            return latents
        numbers = np.asarray(labels[0])
        if numbers.dtype.kind == "f" and (numbers == np.floor(numbers)).all():  # as Keras takes them
            numbers = numbers.astype(np.int64)
        return [latents, inference.checked_labels(numbers, len(latents), True, self.num_classes)]

    def _check_latents(self, shape):
        shape = tf.TensorShape(shape)
        if not shape.is_compatible_with((None, self.latent_dim)):
            what = "images of " if shape.is_compatible_with((None, *self.image_shape)) else ""
            expected = f"latents of shape (n, {self.latent_dim}): call `generate(num_images)`, which draws them"
            raise invalid("x", expected, f"{what}shape {tuple(shape)}", ModelContractError)

    def export(
        self,
        filepath: str | os.PathLike,
        also: Sequence[str] = (),
        max_batch_size: int = 4_096,
        score: bool = True,
        card: dict | None = None,
        bounds: tuple[float, float] | None = None,
        **of_keras: Any,
    ) -> Any:
        """Writes the next version of the model in TF Serving's layout; arguments as in `kerasgan.serving.export`."""
        for name, value in of_keras.items():
            expected = 'to be left out: a SavedModel is written, and beside it what `also=["onnx"]` names'
            raise invalid(name, expected, f"{name}={value!r}", TypeError)
        from kerasgan import serving

        return serving.export(self, filepath, also, max_batch_size, score, card, bounds)
