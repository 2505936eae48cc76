"""Metrics of what a model generates, for `compile(metrics=[...])`.

They have the interface of a Keras metric but compare images, not predictions: `update_state(real, fake)`. They are
computed in NumPy, in float64, outside of the graph, when the model is evaluated.
"""

import contextlib
from collections.abc import Callable, Iterator

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasgan.errors import checked_integer, checked_number, invalid
from kerasgan.metrics.copies import copy_rate
from kerasgan.metrics.extractors import identifier, pixels
from kerasgan.metrics.frechet import frechet_distance
from kerasgan.metrics.inception import inception_score
from kerasgan.metrics.kernel import kernel_distance
from kerasgan.metrics.modes import mode_coverage
from kerasgan.metrics.prdc import prdc
from kerasgan.metrics.wasserstein import sliced_wasserstein_distance, wasserstein_distance

_Extractor = Callable[[np.ndarray], np.ndarray]


class QualityMetric(keras.metrics.Metric):
    """One or several values computed from the features of real and generated images.

    Subclasses set `default_name`, and `symbol` for `title`. They set `function`, of two feature arrays, or override
    `_value`.

    Args:
        extractor: Callable, images -> features `(n, d)`. Defaults to `kerasgan.metrics.pixels`.
        most: Integer >= 2, the largest number of images used, the first ones; None for all.
        name: String, in the logs. Defaults to the metric's.
    """

    default_name: str
    symbol: str
    function: Callable
    published: str | None = None  # its name in papers, for features with `of_papers` only
    values: tuple[str, ...] = ()  # names of the results if there are several
    compares = True  # whether it uses real images, too
    fewest = 1  # images that its value needs

    def __init__(self, extractor: _Extractor = pixels, most: int | None = 10_000, name: str | None = None):
        super().__init__(name=name or self.default_name)
        if not callable(extractor):
            raise invalid("extractor", "a function of images that returns features (n, d)", repr(extractor))
        self.extractor = extractor
        self.most = None if most is None else checked_integer("most", most, max(2, self.fewest), ", or None")
        self._real_key: str | None = None
        self._real: list[np.ndarray] = []
        self.reset_state()

    @property
    def names(self) -> list[str]:
        """Names of the results in the logs."""
        return [f"{self.name}_{value}" for value in self.values] or [self.name]

    @property
    def title(self) -> str:
        """The full name of the value, with its features and numbers of images."""
        of_papers = getattr(self.extractor, "of_papers", False)  # of `InceptionFeatures`; other callables lack it
        symbol = self.published if of_papers and self.published else self.symbol
        count = f"{self.num_real}/{self.num_fake}" if self.compares else f"{self.num_fake}"
        return f"{symbol}[{identifier(self.extractor)}, n={count}]"

    @property
    def num_real(self) -> int:
        return sum(map(len, self._real))

    @property
    def num_fake(self) -> int:
        return sum(map(len, self._fake))

    def begin(self, key: str | None = None) -> bool:
        """Forgets all images, except real ones with the same key.

        Args:
            key: Identifies the real images, e.g. a dataset's digest; None if nothing does.

        Returns:
            Whether real images are needed.
        """
        known = not self.compares or (key is not None and self._features_of(key) == self._real_key)
        self._fake: list[np.ndarray] = []
        if not known:
            self._real, self._real_key = [], None
        return not known

    def keep_real(self, key: str | None) -> None:
        """Declares the real images of this key complete, so that `begin` can keep them."""
        self._real_key = self._features_of(key)

    def _features_of(self, key):
        """Identifies the features of the real images that `key` identifies."""
        return None if key is None else f"{key}, {identifier(self.extractor)}, {self.most}"

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Sets aside the real images that are kept, for a computation with others."""
        kept = self._real, self._real_key
        try:
            yield
        finally:
            self._fake, (self._real, self._real_key) = [], kept

    def reset_state(self) -> None:
        self.begin()

    def update_state(self, real: ArrayLike | None = None, fake: ArrayLike | None = None) -> None:
        """Adds a batch of real images, of generated ones, or of both."""
        if real is not None and self.compares:
            self._add(np.asarray(real), self._real)
        if fake is not None:
            self._add(np.asarray(fake), self._fake)

    def _add(self, images, features):
        room = len(images) if self.most is None else min(len(images), self.most - sum(map(len, features)))
        if room <= 0:
            return
        rows = np.asarray(self.extractor(images[:room]))
        if rows.ndim != 2 or len(rows) != room:
            received = f"an array of shape {rows.shape} for {room} images"
            raise invalid("extractor", "a function that returns one row of features per image, (n, d)", received)
        features.append(rows)

    def result(self) -> float | dict[str, float]:
        """The value, or a dict from name to value if there are several."""
        results = self.results()
        return results if self.values else results[self.name]

    def results(self) -> dict[str, float]:
        """The values by their names in the logs."""
        try:
            real = np.concatenate(self._real) if self.compares else None
            value = self._value(real, np.concatenate(self._fake))
        except ValueError as error:
            counts = (f"{self.num_real} real and " if self.compares else "") + f"{self.num_fake} generated images"
            raise type(error)(f"Metric {self.name!r} on {counts}: {error}") from error
        try:
            numbers = [value[key] for key in self.values] or [value]
            return {name: float(number) for name, number in zip(self.names, numbers, strict=True)}
        except (KeyError, TypeError, ValueError) as error:
            expected = (
                f"a `function` that returns {'a dict of numbers' if self.values else 'a number'} for {self.name!r}"
            )
            raise invalid("metrics", expected, repr(value), TypeError) from error

    def _value(self, real, fake):
        return type(self).function(real, fake)

    def get_config(self) -> dict:
        return {"name": self.name, "extractor": self.extractor, "most": self.most}


class FrechetDistance(QualityMetric):
    """`kerasgan.metrics.frechet_distance` of features; called FID with FID's features."""

    default_name, symbol, published = "frechet_distance", "FD", "FID"
    fewest = 2
    function = staticmethod(frechet_distance)


class KernelDistance(QualityMetric):
    """`kerasgan.metrics.kernel_distance` of features; called KID with FID's features."""

    default_name, symbol, published = "kernel_distance", "KD", "KID"
    fewest = 2
    function = staticmethod(kernel_distance)


class PRDC(QualityMetric):
    """`kerasgan.metrics.prdc` of features: precision, recall, density, coverage.

    Args:
        k: Integer >= 1, which neighbour.
    """

    default_name, symbol = "prdc", "PRDC"
    values = ("precision", "recall", "density", "coverage")

    def __init__(self, extractor: _Extractor = pixels, most: int | None = 2_000, name: str | None = None, k: int = 5):
        super().__init__(extractor, most, name)
        self.k = checked_integer("k", k)
        self.fewest = self.k + 1
        if self.most is not None and self.most <= self.k:
            raise invalid("most", f"more than k={self.k} images, or None", f"most={most}")

    def _value(self, real, fake):
        return prdc(real, fake, self.k)

    def get_config(self) -> dict:
        return {**super().get_config(), "k": self.k}


class SlicedWassersteinDistance(QualityMetric):
    """`kerasgan.metrics.sliced_wasserstein_distance` of features."""

    default_name, symbol = "sliced_wasserstein_distance", "SWD"
    function = staticmethod(sliced_wasserstein_distance)


class WassersteinDistance(QualityMetric):
    """`kerasgan.metrics.wasserstein_distance`, the exact one: for points and small sets."""

    default_name, symbol = "wasserstein_distance", "W1"
    function = staticmethod(wasserstein_distance)

    def __init__(self, extractor: _Extractor = pixels, most: int | None = 1_000, name: str | None = None):
        super().__init__(extractor, most, name)


class ModeCoverage(QualityMetric):
    """`kerasgan.metrics.mode_coverage` of generated points, for mixtures of equal Gaussians such as ring and grid.

    Args:
        centres: Array `(modes, d)`, in the units of the training points.
        std: Float, of each Gaussian, in the same units.
        extractor, most, name: As in `QualityMetric`.
    """

    default_name, symbol, compares = "mode_coverage", "modes", False
    values = ("modes", "modes_held", "high_quality", "kl", "radius_ratio")

    def __init__(
        self,
        centres: ArrayLike,
        std: float,
        extractor: _Extractor = pixels,
        most: int | None = 10_000,
        name: str | None = None,
    ):
        super().__init__(extractor, most, name)
        self.centres, self.std = np.asarray(centres).tolist(), checked_number("std", std, "(0, inf)")
        mode_coverage(centres, centres, std)  # refuses invalid centres

    def _value(self, real, fake):
        return mode_coverage(fake, self.centres, self.std)

    def get_config(self) -> dict:
        return {**super().get_config(), "centres": self.centres, "std": self.std}


class InceptionScore(QualityMetric):
    """`kerasgan.metrics.inception_score` of generated images.

    Args:
        extractor: A `kerasgan.metrics.Classifier`, or a callable, images -> logits `(n, classes)`.
        most, name: As in `QualityMetric`.
        splits: As in `kerasgan.metrics.inception_score`.
    """

    default_name, symbol, compares = "inception_score", "IS", False

    def __init__(
        self, extractor: _Extractor, most: int | None = 10_000, name: str | None = None, splits: int = 10
    ) -> None:
        self.splits = self.fewest = checked_integer("splits", splits)
        # Of a `Classifier`, and of any extractor of the user's that has them.
        super().__init__(getattr(extractor, "logits", extractor), most, name)

    def _value(self, real, fake):
        return inception_score(fake, self.splits)[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "splits": self.splits}


class CopyRate(QualityMetric):
    """`kerasgan.metrics.copy_rate`: pass all training images to `evaluate`."""

    default_name, symbol = "copy_rate", "copies"
    function = staticmethod(copy_rate)

    def __init__(self, extractor: _Extractor = pixels, most: int | None = None, name: str | None = None):
        super().__init__(extractor, most, name)
