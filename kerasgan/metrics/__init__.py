"""How good generated examples are: statistics of features in, numbers out. No model, no file, no TensorFlow."""

from kerasgan.metrics.copies import (
    copy_rate,
    duplicate_rate,
    memorization_informed_frechet_distance,
    nearest_distances,
)
from kerasgan.metrics.frechet import GaussianStatistics, frechet_distance, frechet_distance_infinity
from kerasgan.metrics.inception import inception_score
from kerasgan.metrics.kernel import kernel_distance, kernel_distance_of_subsets
from kerasgan.metrics.modes import mode_coverage, mode_coverage_of_labels
from kerasgan.metrics.prdc import expected_coverage, prdc
from kerasgan.metrics.wasserstein import (
    from_laplacian_pyramid,
    laplacian_pyramid,
    pyramid_sliced_wasserstein_distance,
    sliced_wasserstein_distance,
    wasserstein_distance,
)

__all__ = [
    "GaussianStatistics",
    "copy_rate",
    "duplicate_rate",
    "expected_coverage",
    "frechet_distance",
    "frechet_distance_infinity",
    "from_laplacian_pyramid",
    "inception_score",
    "kernel_distance",
    "kernel_distance_of_subsets",
    "laplacian_pyramid",
    "memorization_informed_frechet_distance",
    "mode_coverage",
    "mode_coverage_of_labels",
    "nearest_distances",
    "prdc",
    "pyramid_sliced_wasserstein_distance",
    "sliced_wasserstein_distance",
    "wasserstein_distance",
]
