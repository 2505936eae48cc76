"""The handwritten digits that scikit-learn ships: real images without a network."""

import os

import numpy as np

from kerasgan.datasets.resizing import fit_images
from kerasgan.datasets.source import Source, one_split


def read(
    name: str, *, split: str, image_size: int | None, channels: int | None, data_dir: str | os.PathLike | None
) -> Source:
    """1,797 digits of 8 x 8 pixels, with labels 0 to 9.

    Reference: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
    """
    one_split(name, split)
    import sklearn.datasets

    bunch = sklearn.datasets.load_digits()
    # The 17 levels 0..16 over all of 0..255: 16 becomes white.
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    images, notes = fit_images(images, image_size, channels)
    return Source(name, images, bunch.target.astype(np.int32), tuple("0123456789"), notes)
