"""Datasets: built-in ones, folders of images, `.npz` files and TensorFlow Datasets, as finite `tf.data` epochs."""

from kerasgan.datasets.catalog import NAMES, load, read
from kerasgan.datasets.pipeline import from_arrays
from kerasgan.datasets.source import Source
from kerasgan.datasets.synthetic import grid, grid_modes, ring, ring_modes, stacked_mnist, swiss_roll

__all__ = [
    "NAMES",
    "Source",
    "from_arrays",
    "grid",
    "grid_modes",
    "load",
    "read",
    "ring",
    "ring_modes",
    "stacked_mnist",
    "swiss_roll",
]
