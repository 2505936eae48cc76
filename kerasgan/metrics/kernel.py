"""Kernel distance: the squared maximum mean discrepancy behind KID."""

import numpy as np

from kerasgan.metrics import features as features_


def kernel_distance(real, fake):
    """Unbiased estimate of the squared maximum mean discrepancy, with the cubic kernel of KID.

    mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j),  k = (x . y / d + 1)^3

    All examples are used, which is less noisy than the mean over random subsets that KID is published as. Two samples
    of one distribution have 0 in the mean, whatever n, and more often than not a value a little below.

    Args:
        real, fake: Arrays `(n, d)` of features, n >= 2; their numbers may differ.

    Returns:
        Float.

    Raises:
        ValueError: The features cannot be compared.
        NonFiniteError: There are NaN or infinity among them.

    Reference: Binkowski et al., Demystifying MMD GANs, 2018, section 3; Gretton et al., A Kernel Two-Sample Test, 2012,
        eq. 3.
    """
    real, fake = features_.checked_pair(real, fake)
    return float(_within(real) + _within(fake) - 2.0 * _sum(real, fake) / (len(real) * len(fake)))


def _within(features):
    """Mean of the kernel over pairs of different examples."""
    diagonal = sum(
        _kernel(np.einsum("ij,ij->i", rows, rows), rows.shape[1]).sum() for rows in features_.blocks(features)
    )
    return (_sum(features, features) - diagonal) / (len(features) * (len(features) - 1))


def _sum(some, others):
    """Sum of the kernel over all pairs."""
    total = 0.0
    for rows in features_.blocks(some, row_bytes=8 * (4_096 + some.shape[1])):
        for columns in features_.blocks(others, row_bytes=8 * (4_096 + some.shape[1])):
            total += _kernel(rows @ columns.T, some.shape[1]).sum()
    return float(total)


def _kernel(products, dimension):
    return (products / dimension + 1.0) ** 3
