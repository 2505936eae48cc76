"""The generator as ONNX that takes seeds: what `generate` and `interpolate` compute, in one graph."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from kerasgan import inference
from kerasgan.serving import portable
from kerasgan.serving.signatures import Signatures

if TYPE_CHECKING:
    import onnx

FILE = "generate.onnx"
_OPSET = 18  # the first with bitwise operations


@dataclasses.dataclass(frozen=True)
class Seeded:
    """A generator, from seeds.

    Args:
        images: Latents `(n, latent_dim)`, labels `(n,)` or None -> float32 images.
        latent_dim: Size of a latent vector.
        bounds: `(lowest, highest)` pixel; None for points.
        conditional: Whether there are labels.
    """

    images: Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]
    latent_dim: int
    bounds: tuple[float, float] | None
    conditional: bool

    @classmethod
    def of(cls, signatures: Signatures) -> "Seeded":
        """What an export computes."""

        def images(latents, labels):
            return signatures.generator(latents if labels is None else [latents, labels], training=False)

        bounds = signatures.bounds if signatures.are_images else None
        return cls(images, signatures.latent_dim, bounds, signatures.conditional)

    def generate(self, seed: tf.Tensor, truncation: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The images of the signature `generate_truncated`."""
        return self._shown(self._latents(seed, truncation), labels)

    def walk(
        self,
        seed: tf.Tensor,
        other_seed: tf.Tensor,
        position: tf.Tensor,
        truncation: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The images of the signature `interpolate`, between truncated latents."""
        both = self._latents(tf.concat([seed, other_seed], 0), tf.concat([truncation, truncation], 0))
        first, second = tf.split(both, 2)
        return self._shown(inference.interpolated(first, second, position), labels)

    def onnx(self, function: Callable[..., tf.Tensor]) -> "onnx.ModelProto":
        """One of the functions above as an ONNX model, whose output is `images`."""
        import tf2onnx

        names = inspect.signature(function).parameters
        specs = [_SPECS[name] for name in names if name != "labels" or self.conditional]
        traced = tf.function(lambda *inputs: {"images": function(*inputs)}, input_signature=specs)
        model, _ = tf2onnx.convert.from_function(traced, specs, opset=_OPSET)
        return model

    def _latents(self, seed, truncation):
        return portable.truncated(portable.latents_of(seed, self.latent_dim), truncation)

    def _shown(self, latents, labels):
        images = tf.cast(self.images(latents, labels), tf.float32)
        return images if self.bounds is None else inference.levels(images, self.bounds)


_SPECS = {
    "seed": tf.TensorSpec((None,), tf.int64, "seed"),
    "other_seed": tf.TensorSpec((None,), tf.int64, "other_seed"),
    "position": tf.TensorSpec((None,), tf.float32, "position"),
    "truncation": tf.TensorSpec((None,), tf.float32, "truncation"),
    "labels": tf.TensorSpec((None,), tf.int32, "labels"),
}
