"""What to do about data that cannot be trained on: an expression that does it, chosen by what was received."""

import dataclasses
import re

import numpy as np

from kerasgan.datasets.scaling import usual_range
from kerasgan.errors import DataError, DataTypeError, invalid


@dataclasses.dataclass(frozen=True)
class Form:
    """How data were given, and so how an expression of images `x` or of labels `y` is written.

    Args:
        images, labels: Names of the arguments, of arrays.
        labelled: Whether there are labels.
        parts: Of an element of a `tf.data.Dataset`, 0 where it is no tuple; None for arrays.
        array: The images, where they were given as an array.
    """

    images: str = "x"
    labels: str = "y"
    labelled: bool = False
    parts: int | None = None
    array: object = None

    def of_images(self, expression: str) -> str:
        """The data with other images."""
        if self.parts is None:
            return f"`{self._named(expression)}`"
        names = ", ".join(("x", "y", "w")[: max(1, self.parts)])
        return f"`x.map(lambda {names}: {f'({expression}{names[1:]})' if self.parts > 1 else expression})`"

    def of_labels(self, expression: str) -> str:
        """The labels of arrays; the dataset with other labels."""
        return f"`{self._named(expression)}`" if self.parts is None else f"`x.map(lambda x, y: (x, {expression}))`"

    def where(self, condition: str, batch_size: int = 64, labels: str = "y") -> str:
        """The data without the examples for which a condition does not hold; `labels` is an expression of `y`."""
        if self.parts is None:
            kept = labels.replace("y", f"y[{condition}]")
            return f"`{self._named(f'x[{condition}], {kept}' if self.labelled else f'x[{condition}]')}`"
        names = "x, y" if self.parts > 1 else "x"
        mapped = "" if labels == "y" else f".map(lambda x, y: (x, {labels}))"
        return f"`x.unbatch().filter(lambda {names}: {condition}){mapped}.batch({batch_size})`"

    def all_finite(self, part: str, rank: int) -> str:
        """The condition that an example of `x` or `y` is finite; `rank` is that of a batch."""
        if self.parts is not None:
            return f"tf.reduce_all(tf.math.is_finite({part}))"
        return f"np.isfinite({part})" + (f".all(axis={tuple(range(1, rank))})" if rank > 1 else "")

    def as_floats(self, dtype, shifted: bool) -> str:
        """An expression of the images with which one can calculate."""
        if self.parts is not None:
            return "x" if dtype.kind == "f" else "tf.cast(x, tf.float32)"
        # Small integers would overflow when something is added, and tensors of them are not divided by floats.
        return "x" if dtype.kind == "f" or (not shifted and type(self.array) is np.ndarray) else "np.asarray(x, float)"

    def _named(self, expression):
        names = {"x": self.images, "y": self.labels}
        return re.sub(r"\b[xy]\b", lambda match: names[match[0]], expression)


def scaled(form: Form, low, high, dtype, bounds=(-1.0, 1.0), rank=4, of="x") -> str:
    """The images or points from `low` to `high`, scaled to what a generator makes.

    Args:
        low, high: Finite numbers, the lowest and the highest.
        dtype: NumPy's, of the images.
        bounds: The range of the generator, e.g. `(-1, 1)`; None where it has none: as this.
        rank: Of a batch; points have 2, and keep their centre.
        of: An expression of the images, whose range this is.
    """
    bounds = bounds or (-1.0, 1.0)
    if rank == 2 and bounds[0] < 0:
        low, high = -max(-low, high), max(-low, high)
    elif dtype == np.uint8 and form.array is None:
        low, high = 0, 255
    else:
        low, high = usual_range(low, high)
    unit = (high - low) / (bounds[1] - bounds[0]) or 1
    shifted = low != -high or bounds[0] != -bounds[1]
    x = of if of != "x" else form.as_floats(dtype, shifted and low != 0)
    if bounds == (-1.0, 1.0) and (low, high) == (0, 1):
        return form.of_images(f"{x} * 2.0 - 1" if dtype.kind != "f" else f"{x} * 2 - 1")
    moved = x if not shifted or low == 0 else f"({x}{_added(-low)})"
    return form.of_images(f"{moved} / {_shown(unit)}{_added(bounds[0]) if shifted else ''}")


def shown_range(bounds) -> str:
    """A range with the digits that float32 has."""
    return f"{[float(f'{end:.7g}') for end in bounds]}"


def _added(number) -> str:
    """The end of an expression that adds a number."""
    return f" {'-' if number < 0 else '+'} {_shown(abs(number))}" if number else ""


def _shown(number) -> str:
    """A number with the digits that float32 has, rounded up."""
    short = f"{float(number):.7g}"
    return short if float(short) >= number or number == int(number) else f"{float(short) * (1 + 1e-6):.7g}"


def checked_labels(labels, num_examples: int, form: Form, num_classes=None, argument="labels", place="") -> np.ndarray:
    """Class numbers of a batch or of all images.

    Args:
        labels: Array of any type and shape.
        num_examples: Integer, how many images there are.
        num_classes: Integer, how many the networks take; None where it is not known.
        argument, place: Strings, what to call them in an error and where they are.

    Returns: int32 `(num_examples,)`.

    Raises:
        DataError, DataTypeError: They are no class numbers.
    """
    labels, of_arrays = np.asarray(labels), form.parts is None

    def refused(expected, kind=DataError, received=None):
        received = received or f"labels of dtype {labels.dtype} and shape {labels.shape}"
        return invalid(argument, expected, received + place, kind)

    if labels.dtype.kind in "OSU":
        distinct = "np.unique(y, return_inverse=True)[1]"
        if not of_arrays:
            names = [name.decode() if isinstance(name, bytes) else str(name) for name in np.unique(labels)]
            distinct = f"tf.keras.layers.StringLookup(vocabulary={names}, num_oov_indices=0)(y)"
        expected = f"integer labels, one class an image: number the names with {form.of_labels(distinct)}"
        count = len(np.unique(labels))
        if num_classes and count > num_classes:
            expected += f", and build both networks with `num_classes={count}`"
        raise refused(expected, DataTypeError)
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        one_hot = labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        integers = "y" if labels.dtype.kind != "b" or of_arrays else "tf.cast(y, tf.int32)"
        fix = f"of one-hot labels it is {form.of_labels(f'tf.argmax({integers}, axis=-1)')}"
        if not one_hot:
            column = ", ".join([":", *"0" * (labels.ndim - 1)])
            fix = f"take one of these numbers, e.g. {form.of_labels(f'y[{column}]')}"
        raise refused(f"one integer label an image, labels of shape ({num_examples},): {fix}")
    if labels.shape[:1] != (num_examples,):
        raise refused(
            "one label an image, in the order of the images", received=f"{num_examples} images and {labels.size} labels"
        )
    if labels.dtype.kind in "bf":
        finite = np.isfinite(labels)
        if not finite.all():
            kept = form.where(form.all_finite("y", labels.ndim), labels="tf.cast(y, tf.int32)")
            raise refused(f"integer labels: leave out the examples that have none with {kept}", DataTypeError)
        fix = "tf.cast(y, tf.int32)"
        if (labels != np.floor(labels)).any():
            low, high, bins = float(labels.min()), float(labels.max()), num_classes or 10
            width = f"{(high - low) / bins * (1 + 1e-6) or 1:.7g}"
            fix = f"tf.cast(tf.clip_by_value((y - {low:.7g}) / {width}, 0, {bins - 1}), tf.int32)"
        raise refused(f"integer labels: make them with {form.of_labels(fix)}", DataTypeError)
    if labels.dtype.kind not in "iu":
        raise refused("integer labels", DataTypeError)
    if labels.size:
        _check_classes(labels, form, num_classes, refused)
    return labels.reshape(-1).astype(np.int32)


def _check_classes(labels, form, num_classes, refused):
    """Class numbers begin at 0, and end below the number of classes."""
    low, high = int(labels.min()), int(labels.max())
    most = num_classes or np.iinfo(np.int32).max + 1
    if low >= 0 and high < most:
        return
    distinct = np.unique(labels)
    unlabelled = low < 0 and high < most and 0 in distinct and (distinct < 0).sum() == 1
    if unlabelled:
        fix = f"leave out unlabelled examples with {form.where('y >= 0' if labels.ndim == 1 else 'y[:, 0] >= 0')}"
    elif high - low < most and (low > 0 or high >= most or len(distinct) == high - low + 1):
        fix = f"begin at 0 with {form.of_labels(f'y - {low}' if low > 0 else f'y + {-low}')}"
    elif form.parts is None and len(distinct) <= most:
        fix = f"number the classes with {form.of_labels('np.unique(y, return_inverse=True)[1]')}"
    elif low < 0:
        fix = f"begin at 0 with {form.of_labels(f'y + {-low}')}"
    else:
        fix = f"build both networks with `num_classes={high + 1}`"
    expected = f"labels in [0, {num_classes}), the classes of the networks" if num_classes else "labels from 0 up"
    raise refused(f"{expected}: {fix}", received=f"labels from {low} to {high}")


def check_finite(images: np.ndarray, form: Form) -> None:
    """Refuse NaN and infinity, naming the first example that holds one."""
    # The sum is finite only if all are (or they overflow): one pass without a mask of the size of the data.
    if np.isfinite(images.sum(dtype=np.float64)):
        return
    bad = [k for k, image in enumerate(images) if not np.isfinite(image).all()]
    if bad:
        raise DataError(
            f"NaN or infinity in {len(bad)} of {len(images)} examples, first in {form.images}[{bad[0]}]. "
            f"Leave these out with {form.where(form.all_finite('x', images.ndim))}, or repair them."
        )
