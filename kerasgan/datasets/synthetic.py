"""Synthetic datasets with known modes, on which papers count the modes that a GAN drops."""

import os

import numpy as np

from kerasgan.datasets import tfds
from kerasgan.datasets.source import Source
from kerasgan.errors import checked_integer, checked_number


def ring_modes(modes: int = 8, radius: float = 1.0) -> np.ndarray:
    """Centres of `ring`, float32 `(modes, 2)`, anticlockwise from `(radius, 0)`."""
    modes, radius = checked_integer("modes", modes), checked_number("radius", radius, "(0, inf)")
    angles = 2 * np.pi * np.arange(modes) / modes
    return (radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32)


def grid_modes() -> np.ndarray:
    """Centres of `grid`, float32 `(25, 2)`: {-4, -2, 0, 2, 4} squared."""
    axis = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def ring(
    num_examples: int = 100_000, modes: int = 8, radius: float = 1.0, std: float = 0.01, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Equally likely Gaussians on a circle; `std` is that of each Gaussian in each coordinate.

    Returns: Points, float32 `(num_examples, 2)`, and the mode of each as its label, int32 `(num_examples,)`.

    Reference: Srivastava et al., VEEGAN, 2017, section 4.1; Lin et al., PacGAN, 2018, section 4.1.
    """
    return _mixture(ring_modes(modes, radius), num_examples, std, seed)


def grid(num_examples: int = 100_000, std: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """25 equally likely Gaussians at {-4, -2, 0, 2, 4} squared; `std` is that of each in each coordinate.

    Returns: Points, float32 `(num_examples, 2)`, and the mode of each as its label, int32 `(num_examples,)`.

    Reference: Srivastava et al., VEEGAN, 2017, section 4.1; Lin et al., PacGAN, 2018, section 4.1.
    """
    return _mixture(grid_modes(), num_examples, std, seed)


def swiss_roll(num_examples: int = 100_000, noise: float = 0.25, seed: int = 0) -> tuple[np.ndarray, None]:
    """The Swiss roll seen from its side, within about [-2, 2]; `noise` is its standard deviation times 7.5.

    Returns: Points, float32 `(num_examples, 2)`, and None: it has no labels.

    Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, figure 1b, and its `gan_toy.py`.
    """
    import sklearn.datasets

    num_examples, noise = checked_integer("num_examples", num_examples), checked_number("noise", noise)
    seed = checked_integer("seed", seed, 0)
    points, _ = sklearn.datasets.make_swiss_roll(num_examples, noise=noise, random_state=seed)
    return (points[:, [0, 2]] / 7.5).astype(np.float32), None


def stacked_mnist(
    num_examples: int = 128_000,
    *,
    split: str = "train",
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Three random MNIST digits as the red, green and blue of one image: 1000 modes.

        label = 100 * red + 10 * green + blue

    Args:
        num_examples: Number of images. Defaults to `128_000`.
        split: `"train"` or `"test"`, of MNIST.
        seed: Integer >= 0.
        data_dir: Where TensorFlow Datasets keeps MNIST. Defaults to its own default.

    Returns: Images, uint8 `(num_examples, 28, 28, 3)`, and labels, int32 `(num_examples,)` from 0 to 999.

    Reference: Metz et al., Unrolled GANs, 2017; Lin et al., PacGAN, 2018, section 4.2.
    """
    return stacked(tfds.read(tfds.find("mnist", data_dir), split=split), num_examples, seed)


def stacked(source: Source, num_examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As `stacked_mnist`, from any source of grey images in ten classes."""
    num_examples, seed = checked_integer("num_examples", num_examples), checked_integer("seed", seed, 0)
    triples = np.random.default_rng(seed).integers(source.num_examples, size=(num_examples, 3))
    images = np.empty((num_examples, *source.example_shape[:2], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = source.images[triples[:, channel], :, :, 0]
    return images, np.asarray(source.labels)[triples] @ np.array([100, 10, 1], np.int32)


def _mixture(centres: np.ndarray, num_examples: int, std: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    num_examples, std = checked_integer("num_examples", num_examples), checked_number("std", std)
    rng = np.random.default_rng(checked_integer("seed", seed, 0))
    labels = rng.integers(len(centres), size=num_examples, dtype=np.int32)
    noise = std * rng.standard_normal((num_examples, 2), dtype=np.float32)
    return centres[labels] + noise, labels
