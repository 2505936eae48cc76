"""How good generated examples are: statistics of features in, numbers out.

The functions need NumPy and SciPy alone; TensorFlow is imported where a feature extractor or a metric for
`compile(metrics=[...])` is first asked for.
"""

import importlib

from kerasgan.metrics.copies import (
    copy_rate,
    duplicate_rate,
    memorization_informed_frechet_distance,
    nearest_distances,
)
from kerasgan.metrics.frechet import GaussianStatistics, frechet_distance
from kerasgan.metrics.inception import inception_score
from kerasgan.metrics.kernel import kernel_distance
from kerasgan.metrics.modes import mode_coverage, mode_coverage_of_labels
from kerasgan.metrics.prdc import expected_coverage, prdc
from kerasgan.metrics.wasserstein import (
    sliced_wasserstein_distance,
    wasserstein_distance,
)

_WITH_TENSORFLOW = {
    "Classifier": "extractors",
    "CopyRate": "quality",
    "FrechetDistance": "quality",
    "InceptionFeatures": "inception_2015",
    "InceptionScore": "quality",
    "KernelDistance": "quality",
    "MemorizationInformedFrechetDistance": "quality",
    "ModeCoverage": "quality",
    "NetworkFeatures": "extractors",
    "PRDC": "quality",
    "QualityMetric": "quality",
    "SlicedWassersteinDistance": "quality",
    "WassersteinDistance": "quality",
    "application_features": "extractors",
    "pixels": "extractors",
    "train_classifier": "extractors",
}

__all__ = [
    *_WITH_TENSORFLOW,
    "GaussianStatistics",
    "copy_rate",
    "duplicate_rate",
    "expected_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "memorization_informed_frechet_distance",
    "mode_coverage",
    "mode_coverage_of_labels",
    "nearest_distances",
    "prdc",
    "sliced_wasserstein_distance",
    "wasserstein_distance",
]


def __getattr__(name):
    if name in _WITH_TENSORFLOW:
        return getattr(importlib.import_module(f"kerasgan.metrics.{_WITH_TENSORFLOW[name]}"), name)
    raise AttributeError(f"module 'kerasgan.metrics' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
