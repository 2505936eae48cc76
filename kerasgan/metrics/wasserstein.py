"""Wasserstein distances of two sets: exact, sliced, and sliced over the patches of a Laplacian pyramid."""

import numpy as np
import scipy.ndimage
import scipy.optimize
import scipy.spatial
import scipy.stats

from kerasgan.errors import checked_integer, invalid
from kerasgan.metrics import features as features_

_LARGEST_EXACT = 10_000
# The most projections that are held at once, of either set: 128 MB.
_PROJECTIONS = 2**24
# The binomial filter of Burt and Adelson's pyramid.
_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


def wasserstein_distance(real, fake):
    """Exact Wasserstein-1 distance of two equally large sets: the mean length of the best one-to-one assignment.

    Args:
        real, fake: Arrays `(n, d)`, n the same and at most 10,000: time grows as n^3, to about a minute.

    Returns:
        Float >= 0, in units of the features. Two samples of one distribution have more than 0.

    Raises:
        ValueError: The sets are not equally large, or too large.

    Reference: Villani, Optimal Transport, 2009, introduction; the assignment is found by SciPy.
    """
    real, fake = features_.checked_pair(real, fake, least=1)
    if len(real) != len(fake) or len(real) > _LARGEST_EXACT:
        expected = f"as many examples in both, at most {_LARGEST_EXACT:,}: pass as many of each"
        raise invalid("fake", expected, f"{len(real):,} real and {len(fake):,} generated ones")
    if real.shape[1] == 1:
        return float(scipy.stats.wasserstein_distance(real[:, 0], fake[:, 0]))
    lengths = scipy.spatial.distance.cdist(real.astype(np.float64), fake.astype(np.float64))
    return float(lengths[scipy.optimize.linear_sum_assignment(lengths)].mean())


def sliced_wasserstein_distance(real, fake, num_directions=512, seed=0, directions=None):
    """Mean of the Wasserstein-1 distances of the projections on random directions.

    Args:
        real, fake: Arrays `(n, d)`; their numbers may differ.
        num_directions: Integer >= 1. Defaults to `512`.
        seed: Integer, of the directions.
        directions: Array `(d, num_directions)` of unit columns instead of random ones.

    Returns:
        Float >= 0. Two samples of one distribution have more than 0, the more the fewer they are: look at the value
        of real against real beside.

    Reference: Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing, 2011, eq. 6, with p = 1.
    """
    real, fake = features_.checked_pair(real, fake, least=1)
    if directions is not None:
        directions = features_.checked(directions, "directions", least=1)
        norms = np.linalg.norm(directions, axis=0)
        if len(directions) != real.shape[1] or not np.allclose(norms, 1.0, atol=1e-3):
            received = f"shape {directions.shape}, norms {norms[:3]}, ..."
            raise invalid("directions", f"unit columns of {real.shape[1]} coordinates", received)
    else:
        num_directions = checked_integer("num_directions", num_directions)
        directions = np.random.default_rng(seed).normal(size=(real.shape[1], num_directions))
        directions /= np.linalg.norm(directions, axis=0)
    at_once = max(1, _PROJECTIONS // max(len(real), len(fake)))
    parts = [directions[:, start : start + at_once] for start in range(0, directions.shape[1], at_once)]
    return float(np.mean(np.concatenate([_along(part, real, fake) for part in parts])))


def _along(directions, real, fake):
    """Distances of the projections on each direction."""
    one, other = (np.sort(_projected(features, directions), axis=0) for features in (real, fake))
    if len(one) == len(other):
        return np.abs(one - other).mean(axis=0)
    return [scipy.stats.wasserstein_distance(x, y) for x, y in zip(one.T, other.T, strict=True)]


def pyramid_sliced_wasserstein_distance(real, fake, lowest=16, num_patches=128, num_directions=512, seed=0):
    """Sliced Wasserstein distances between the 7 x 7 patches of images, at each level of their Laplacian pyramids.

    Args:
        real, fake: Arrays `(n, height, width, channels)`, whose sides are powers of two times one number >= 7.
        lowest: Integer >= 7: the pyramid ends at the last level whose shorter side is not below it. Defaults to `16`.
        num_patches: Integer >= 1, random patches of each image and level. Defaults to `128`.
        num_directions, seed: As in `sliced_wasserstein_distance`.

    Returns:
        Dict from the shorter side of each level to 1,000 times the distance, finest first, and `"mean"`.

    Reference: Karras et al., Progressive Growing of GANs, 2018, section 5.
    """
    lowest, num_patches = checked_integer("lowest", lowest, 7), checked_integer("num_patches", num_patches)
    real, fake = _checked_images(real, "real", lowest), _checked_images(fake, "fake", lowest)
    if real.shape[1:] != fake.shape[1:]:
        raise invalid("fake", f"images of shape {real.shape[1:]}, as `real` has", f"{fake.shape[1:]}")
    distances = {}
    for one, other in zip(laplacian_pyramid(real, lowest), laplacian_pyramid(fake, lowest), strict=True):
        patches = [_normalized_patches(level, num_patches, seed) for level in (one, other)]
        distance = sliced_wasserstein_distance(*patches, num_directions, seed)
        distances[min(one.shape[1:3])] = 1_000.0 * distance
    return {**distances, "mean": float(np.mean(list(distances.values())))}


def laplacian_pyramid(images, lowest=16):
    """Differences between images and their coarser halves, finest first, and the coarsest itself.

    Args:
        images: Array `(n, height, width, channels)`.
        lowest: Integer: no side of a level is below it.

    Returns:
        List of float64 arrays. `from_laplacian_pyramid` makes images of them again.

    Reference: Burt, Adelson, The Laplacian Pyramid as a Compact Image Code, 1983.
    """
    image, levels = np.asarray(images, np.float64), []
    while min(image.shape[1:3]) >= 2 * lowest and not any(side % 2 for side in image.shape[1:3]):
        coarse = _smooth(image)[:, ::2, ::2]
        levels.append(image - _enlarged(coarse))
        image = coarse
    return [*levels, image]


def from_laplacian_pyramid(levels):
    """The images of a pyramid."""
    image = levels[-1]
    for level in levels[-2::-1]:
        image = level + _enlarged(image)
    return image


def _smooth(image):
    for axis in (1, 2):
        image = scipy.ndimage.correlate1d(image, _BINOMIAL, axis=axis, mode="mirror")
    return image


def _enlarged(image):
    count, height, width, channels = image.shape
    wide = np.zeros((count, 2 * height, 2 * width, channels))
    wide[:, ::2, ::2] = 4.0 * image
    return _smooth(wide)


def _normalized_patches(level, per_image, seed, side=7):
    """Random patches as rows, each channel of mean 0 and standard deviation 1 over all of them."""
    count, height, width = level.shape[:3]
    rng = np.random.default_rng(seed)
    images = np.repeat(np.arange(count), per_image)
    tops = rng.integers(height - side + 1, size=len(images))
    lefts = rng.integers(width - side + 1, size=len(images))
    windows = np.lib.stride_tricks.sliding_window_view(level, (side, side), axis=(1, 2))
    patches = windows[images, tops, lefts]  # (n, channels, side, side)
    mean = patches.mean(axis=(0, 2, 3), keepdims=True)
    std = patches.std(axis=(0, 2, 3), keepdims=True)
    return ((patches - mean) / np.where(std > 0, std, 1.0)).reshape(len(patches), -1)


def _projected(features, directions):
    return np.concatenate([rows @ directions for rows in features_.blocks(features)])


def _checked_images(images, argument, lowest):
    images = np.asarray(images)
    if images.ndim != 4 or min(images.shape[1:3]) < lowest:
        expected = f"images (n, height, width, channels) with sides of {lowest} or more"
        raise invalid(argument, expected, f"shape {images.shape}")
    features_.checked(images.reshape(len(images), -1), argument, least=1)
    return images
