"""Callbacks for `fit`: what a person wants to see while a model trains."""

from kerasgan.callbacks.checkpoint import Checkpoint
from kerasgan.callbacks.health import Health
from kerasgan.callbacks.metrics_log import MetricsLog
from kerasgan.callbacks.progress import Progress
from kerasgan.callbacks.sample_grid import SampleGrid
from kerasgan.callbacks.tensorboard import TensorBoard
from kerasgan.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = ["Checkpoint", "Health", "MetricsLog", "Progress", "SampleGrid", "TensorBoard", "TerminateOnNaN"]
