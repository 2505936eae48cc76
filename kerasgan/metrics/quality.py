"""Metrics of the quality of what a model generates, for `compile(metrics=[...])`.

Each has the interface of a Keras metric, and sees images, not predictions: `update_state(real, fake)`. They are
computed in NumPy, in float64, outside of the graph, when the model is evaluated.
"""

import keras
import numpy as np

from kerasgan import metrics
from kerasgan.errors import checked_integer, checked_number, invalid
from kerasgan.metrics.extractors import identifier, pixels


class QualityMetric(keras.metrics.Metric):
    """A value, or several, of the features of real and of generated images.

    Subclasses have `_value(real, fake)` of two feature arrays, `default_name`, and `symbol` for `title`.

    Args:
        extractor: Callable, images -> features `(n, d)`. Defaults to `kerasgan.metrics.pixels`.
        most: Integer >= 2: of more images the first so many are used; None for all of them. Defaults to `10_000`.
        name: String, in the logs. Defaults to the metric's.
    """

    default_name = symbol = None
    published = None  # its name in papers, with the features that have `of_papers` alone
    values = None  # names of the results, where there are several
    compares = True  # with real images; else it is of the generated ones alone

    def __init__(self, extractor=pixels, most=10_000, name=None):
        super().__init__(name=name or self.default_name)
        if not callable(extractor):
            raise invalid("extractor", "a function of images that returns features (n, d)", repr(extractor))
        self.extractor = extractor
        self.most = None if most is None else checked_integer("most", most, 2, ", or None")
        self._real_key = None
        self._real = []
        self.reset_state()

    @property
    def names(self):
        """List of the names that the results have in the logs."""
        return [self.name] if self.values is None else [f"{self.name}_{value}" for value in self.values]

    @property
    def title(self):
        """The honest name of the value: what it was computed with."""
        symbol = (getattr(self.extractor, "of_papers", False) and self.published) or self.symbol
        count = f"{self.num_real}/{self.num_fake}" if self.compares else f"{self.num_fake}"
        return f"{symbol}[{identifier(self.extractor)}, n={count}]"

    @property
    def num_real(self):
        return sum(map(len, self._real))

    @property
    def num_fake(self):
        return sum(map(len, self._fake))

    def begin(self, key=None):
        """Forgets all images but the real ones of the same key.

        Args:
            key: What tells the real images from others, e.g. the digest of a dataset; None where nothing does.

        Returns:
            Whether real images have to be given.
        """
        known = not self.compares or (key is not None and key == self._real_key)
        self._fake = []
        if not known:
            self._real, self._real_key = [], None
        return not known

    def keep_real(self, key):
        """Says that all real images of this key have been seen, so that `begin` can know them again."""
        self._real_key = key

    def reset_state(self):
        self.begin()

    def update_state(self, real=None, fake=None):
        """Takes a batch of real images, of generated ones, or of both."""
        for images, features in ((real if self.compares else None, self._real), (fake, self._fake)):
            room = len(images) if images is not None else 0
            if self.most is not None:
                room = min(room, self.most - sum(map(len, features)))
            if room > 0:
                made = np.asarray(self.extractor(np.asarray(images)[:room]))
                if made.ndim != 2 or len(made) != room:
                    received = f"an array of shape {made.shape} for {room} images"
                    raise invalid("extractor", "a function that returns one row of features an image, (n, d)", received)
                features.append(made)

    def result(self):
        """Float, or dict from name to float where there are several values."""
        results = self.results()
        return results if self.values else results[self.name]

    def results(self):
        """Dict from name in the logs to float."""
        try:
            real = np.concatenate(self._real) if self.compares else None
            value = self._value(real, np.concatenate(self._fake))
        except ValueError as error:
            counts = (f"{self.num_real} real and " if self.compares else "") + f"{self.num_fake} generated images"
            raise type(error)(f"Metric {self.name!r}, of {counts}: {error}") from error
        return dict(zip(self.names, [value[key] for key in self.values] if self.values else [value], strict=True))

    def _value(self, real, fake):
        raise NotImplementedError

    def get_config(self):
        return {"name": self.name, "extractor": self.extractor, "most": self.most}


class FrechetDistance(QualityMetric):
    """`kerasgan.metrics.frechet_distance` of features: FID where the features are its."""

    default_name, symbol, published = "frechet_distance", "FD", "FID"

    def _value(self, real, fake):
        return metrics.frechet_distance(real, fake)


class MemorizationInformedFrechetDistance(QualityMetric):
    """`kerasgan.metrics.memorization_informed_frechet_distance` of features: MiFID where the features are its."""

    default_name, symbol, published = "memorization_informed_frechet_distance", "MiFD", "MiFID"

    def _value(self, real, fake):
        return metrics.memorization_informed_frechet_distance(real, fake)


class KernelDistance(QualityMetric):
    """`kerasgan.metrics.kernel_distance` of features: KID where the features are its."""

    default_name, symbol, published = "kernel_distance", "KD", "KID"

    def _value(self, real, fake):
        return metrics.kernel_distance(real, fake)


class PRDC(QualityMetric):
    """`kerasgan.metrics.prdc` of features: precision, recall, density, coverage.

    Args:
        k: Integer >= 1, which neighbour. Defaults to `5`.
    """

    default_name, symbol = "prdc", "PRDC"
    values = ("precision", "recall", "density", "coverage")

    def __init__(self, extractor=pixels, most=2_000, name=None, k=5):
        super().__init__(extractor, most, name)
        self.k = checked_integer("k", k)
        if self.most is not None and self.most <= self.k:
            raise invalid("most", f"more than k={self.k} images, or None", f"most={most}")

    def _value(self, real, fake):
        return metrics.prdc(real, fake, self.k)

    def get_config(self):
        return {**super().get_config(), "k": self.k}


class SlicedWassersteinDistance(QualityMetric):
    """`kerasgan.metrics.sliced_wasserstein_distance` of features."""

    default_name, symbol = "sliced_wasserstein_distance", "SWD"

    def _value(self, real, fake):
        return metrics.sliced_wasserstein_distance(real, fake)


class WassersteinDistance(QualityMetric):
    """`kerasgan.metrics.wasserstein_distance`, the exact one: for points and small sets."""

    default_name, symbol = "wasserstein_distance", "W1"

    def __init__(self, extractor=pixels, most=1_000, name=None):
        super().__init__(extractor, most, name)

    def _value(self, real, fake):
        return metrics.wasserstein_distance(real, fake)


class ModeCoverage(QualityMetric):
    """`kerasgan.metrics.mode_coverage` of generated points, for mixtures of equal Gaussians such as ring and grid.

    Args:
        centres: Array `(modes, d)`, in the units of the points that are trained on.
        std: Float, of each Gaussian, in the same units.
        extractor, most, name: As in `QualityMetric`.
    """

    default_name, symbol, compares = "mode_coverage", "modes", False
    values = ("modes", "modes_held", "high_quality", "kl", "radius_ratio")

    def __init__(self, centres, std, extractor=pixels, most=10_000, name=None):
        super().__init__(extractor, most, name)
        self.centres, self.std = centres, checked_number("std", std, "(0, inf)")
        metrics.mode_coverage(centres, centres, std)  # which refuses what is wrong with the centres

    def _value(self, real, fake):
        return metrics.mode_coverage(fake, self.centres, self.std)

    def get_config(self):
        return {**super().get_config(), "centres": np.asarray(self.centres).tolist(), "std": self.std}


class InceptionScore(QualityMetric):
    """`kerasgan.metrics.inception_score` of generated images.

    Args:
        extractor: A `kerasgan.metrics.Classifier`, or a callable, images -> logits `(n, classes)`.
        most, name: As in `QualityMetric`.
    """

    default_name, symbol, compares = "inception_score", "IS", False

    def __init__(self, extractor, most=10_000, name=None):
        super().__init__(getattr(extractor, "logits", extractor), most, name)

    def _value(self, real, fake):
        return metrics.inception_score(fake)[0]


class CopyRate(QualityMetric):
    """`kerasgan.metrics.copy_rate`: give `evaluate` all images that were trained on."""

    default_name, symbol = "copy_rate", "copies"

    def __init__(self, extractor=pixels, most=None, name=None):
        super().__init__(extractor, most, name)

    def _value(self, real, fake):
        return metrics.copy_rate(real, fake)
