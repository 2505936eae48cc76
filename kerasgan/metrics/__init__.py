"""How good generated examples are: functions of features, in NumPy, and metrics for `compile(metrics=[...])`.

Functions raise `ValueError` for features that cannot be compared, and `errors.NonFiniteError` for NaN or infinity.
"""

from kerasgan.metrics.classifier import Classifier, train_classifier
from kerasgan.metrics.copies import copy_rate, duplicate_rate, nearest_distances
from kerasgan.metrics.extractors import (
    InceptionFeatures,
    NetworkFeatures,
    application_features,
    pixels,
)
from kerasgan.metrics.frechet import GaussianStatistics, frechet_distance
from kerasgan.metrics.inception import inception_score
from kerasgan.metrics.kernel import kernel_distance
from kerasgan.metrics.modes import mode_coverage, mode_coverage_of_labels
from kerasgan.metrics.prdc import expected_coverage, prdc
from kerasgan.metrics.quality import (
    PRDC,
    CopyRate,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    ModeCoverage,
    QualityMetric,
    SlicedWassersteinDistance,
    WassersteinDistance,
)
from kerasgan.metrics.verdict import verdict
from kerasgan.metrics.wasserstein import sliced_wasserstein_distance, wasserstein_distance

__all__ = [
    "PRDC",
    "Classifier",
    "CopyRate",
    "FrechetDistance",
    "GaussianStatistics",
    "InceptionFeatures",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "NetworkFeatures",
    "QualityMetric",
    "SlicedWassersteinDistance",
    "WassersteinDistance",
    "application_features",
    "copy_rate",
    "duplicate_rate",
    "expected_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mode_coverage",
    "mode_coverage_of_labels",
    "nearest_distances",
    "pixels",
    "prdc",
    "sliced_wasserstein_distance",
    "train_classifier",
    "verdict",
    "wasserstein_distance",
]
