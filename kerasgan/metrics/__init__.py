"""How good generated examples are: statistics of features in, numbers out. No model, no file, no TensorFlow."""

from kerasgan.metrics.prdc import expected_coverage, prdc

__all__ = ["expected_coverage", "prdc"]
