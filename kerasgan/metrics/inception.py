"""Inception score, with any classifier."""

import itertools

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from kerasgan.errors import checked_integer, invalid, warn
from kerasgan.metrics.features import checked


def inception_score(logits: ArrayLike, splits: int = 10, seed: int | None = 2020) -> tuple[float, float]:
    """exp of the mean of KL(p(y|x) || p(y)): high if each example clearly shows one class and all classes occur.

    It uses only generated examples and ignores variety within a class.

    Args:
        logits: Array `(n, classes)`, a classifier's outputs before the softmax.
        splits: Integer >= 1: the score is computed on this many parts.
        seed: Integer, for the order in which examples are split; None keeps the given order.

    Returns:
        Mean and standard deviation over the parts; the mean is between 1 and the number of classes.

    Reference: Salimans et al., Improved Techniques for Training GANs, 2016, section 4.
    """
    splits = checked_integer("splits", splits)
    logits = checked(logits, "logits", least=splits).astype(np.float64)
    if ((logits >= 0.0) & (logits <= 1.0)).all() and np.allclose(logits.sum(axis=1), 1.0, atol=1e-2):
        expected = "outputs before the softmax; for probabilities p pass `np.log(p + 1e-12)`"
        raise invalid("logits", expected, "rows that sum to 1")
    of_a_part, classes = len(logits) // splits, logits.shape[1]
    if of_a_part < classes:
        warn(
            f"The inception score of {len(logits)} examples in {splits} parts is too low: {of_a_part} in a part cannot "
            f"show {classes} classes. Take {classes * splits} or more, or a smaller `splits`."
        )
    if seed is not None:
        logits = logits[np.random.RandomState(seed).permutation(len(logits))]
    log_p = scipy.special.log_softmax(logits, axis=1)
    edges = [len(log_p) * i // splits for i in range(splits + 1)]
    scores = [_score(log_p[start:end]) for start, end in itertools.pairwise(edges)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(log_p):
    p = np.exp(log_p)
    marginal = p.mean(axis=0)
    # Where the marginal is 0 all p are, and 0 log 0 = 0.
    log_marginal = np.log(marginal, out=np.zeros_like(marginal), where=marginal > 0)
    return np.exp(np.mean(np.sum(p * (log_p - log_marginal), axis=1)))
