"""What to do about data that cannot be trained on: an expression that does it, chosen by what was received."""

import contextlib
import dataclasses
import re

import numpy as np

from kerasgan.datasets.scaling import usual_range
from kerasgan.errors import DataError, DataTypeError, invalid


@dataclasses.dataclass(frozen=True)
class Form:
    """How data were given, and so how an expression of images `x` or of labels `y` is written.

    Args:
        images, labels: Names of the arguments, for arrays.
        labelled: Whether there are labels.
        parts: Length of an element of a `tf.data.Dataset`, 0 if it is not a tuple; None for arrays.
        array: The images, if they were given as an array.
    """

    images: str = "x"
    labels: str = "y"
    labelled: bool = False
    parts: int | None = None
    array: object = None
    dataset: str = "x"  # the expression of one whose elements are tuples

    def of_images(self, expression: str) -> str:
        """The data with other images."""
        if self.parts is None:
            return f"`{self._named(expression)}`"
        names = ", ".join(("x", "y", "w")[: max(1, self.parts)])
        return f"`{self.dataset}.map(lambda {names}: {f'({expression}{names[1:]})' if self.parts > 1 else expression})`"

    def of_labels(self, expression: str) -> str:
        """The labels of arrays; the dataset with other labels."""
        mapped = f"`{self.dataset}.map(lambda x, y: (x, {expression}))`"
        return f"`{self._named(expression)}`" if self.parts is None else mapped

    def where(self, condition: str, batch_size: int = 64, labels: str = "y") -> str:
        """The data without the examples for which a condition does not hold; `labels` is an expression of `y`."""
        if self.parts is None:
            kept = labels.replace("y", f"y[{condition}]")
            return f"`{self._named(f'x[{condition}], {kept}' if self.labelled else f'x[{condition}]')}`"
        names = "x, y" if self.parts > 1 else "x"
        mapped = "" if labels == "y" else f".map(lambda x, y: (x, {labels}))"
        return f"`{self.dataset}.unbatch().filter(lambda {names}: {condition}){mapped}.batch({batch_size})`"

    def all_finite(self, part: str, rank: int) -> str:
        """The condition that an example of `x` or `y` is finite; `rank` is that of a batch."""
        if self.parts is not None:
            return f"tf.reduce_all(tf.math.is_finite({part}))"
        return f"np.isfinite({part})" + (f".all(axis={tuple(range(1, rank))})" if rank > 1 else "")

    def as_floats(self, dtype: np.dtype, shifted: bool) -> str:
        """An expression of the images that can be calculated with."""
        if dtype.kind == "f":
            return "x"
        if self.parts is not None:
            return "tf.cast(x, tf.float32)"
        # Small integers would overflow when something is added, and tensors of them are not divided by floats.
        return "x" if not shifted and type(self.array) is np.ndarray else "np.asarray(x, float)"

    def _named(self, expression):
        names = {"x": self.images, "y": self.labels}
        return re.sub(r"\b[xy]\b", lambda match: names[match[0]], expression)


def scaled(
    form: Form,
    low: float,
    high: float,
    dtype: np.dtype,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
    rank: int = 4,
    of: str = "x",
) -> str:
    """The images or points from `low` to `high`, scaled to what a generator makes.

    Args:
        low, high: Finite numbers, the lowest and the highest.
        dtype: NumPy's, of the images.
        bounds: The range of the generator, e.g. `(-1, 1)`; None if it is unbounded.
        rank: Of a batch; points have 2, and keep their centre.
        of: An expression of the images that has this range.
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
    return form.of_images(f"{moved} / {_rounded_up(unit)}{_added(bounds[0]) if shifted else ''}")


READING = "read a folder of images with `kerasgan.datasets.read(folder)`, and pass its `images`"


def of_texts(form: Form, texts: np.ndarray) -> str:
    """What to do about an array of strings or bytes: numbers, images as files hold them, or names of files."""
    with contextlib.suppress(ValueError):
        texts.astype(float)
        return f"convert them with {form.of_images('np.asarray(x, float)')}"
    first = texts.ravel()[0]
    if isinstance(first, bytes) and not first.isascii():
        return f"decode them with {form.of_images('np.stack([tf.io.decode_image(one).numpy() for one in x])')}"
    return READING


def shown_range(bounds: tuple[float, float]) -> str:
    """A range with the digits that float32 has."""
    return f"{[float(f'{end:.7g}') for end in bounds]}"


def _added(number):
    """The end of an expression that adds a number."""
    return f" {'-' if number < 0 else '+'} {_rounded_up(abs(number))}" if number else ""


def _rounded_up(number):
    """A number with the digits that float32 has."""
    short = f"{float(number):.7g}"
    return short if float(short) >= number or number == int(number) else f"{float(short) * (1 + 1e-6):.7g}"


def checked_labels(
    labels: np.ndarray,
    num_examples: int,
    form: Form,
    num_classes: int | None = None,
    argument: str = "labels",
    place: str = "",
) -> np.ndarray:
    """Class numbers of a batch or of all images, int32 `(num_examples,)`.

    Args:
        labels: Array of any type and shape.
        num_examples: Number of images.
        num_classes: Number that the networks take; None if it is not known.
        argument, place: What to call them in an error, and where they are.

    Raises:
        DataError, DataTypeError: They are not class numbers.
    """
    labels = np.asarray(labels)
    received = f"labels of dtype {labels.dtype} and shape {labels.shape}{place}"
    if labels.dtype.kind in "OSU" and labels.ndim:
        expected = f"integer labels, one class per image: {_numbered(labels, form, num_classes)}"
        raise invalid(argument, expected, received, DataTypeError)
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        expected = f"one integer label per image, labels of shape ({num_examples},): {_one_column(labels, form)}"
        raise invalid(argument, expected, received, DataError)
    if labels.shape[:1] != (num_examples,):
        received = f"{num_examples} images and {labels.size} labels{place}"
        raise invalid(argument, "one label per image, in the order of the images", received, DataError)
    if labels.dtype.kind not in "iu":
        fix = f": {_rounded(labels, form, num_classes)}" if labels.dtype.kind in "bf" else ""
        raise invalid(argument, f"integer labels{fix}", received, DataTypeError)
    if labels.size:
        low, high = int(labels.min()), int(labels.max())
        most = num_classes or np.iinfo(np.int32).max + 1
        if low < 0 or high >= most:
            classes = (
                f"labels in [0, {num_classes}), the classes of the networks" if num_classes else "labels from 0 up"
            )
            expected = f"{classes}: {_from_zero(labels, low, high, most, form)}"
            raise invalid(argument, expected, f"labels from {low} to {high}{place}", DataError)
    return labels.reshape(-1).astype(np.int32)


def _numbered(labels, form, num_classes):
    """The fix of labels that are names."""
    distinct = np.unique(labels)
    number = "np.unique(y, return_inverse=True)[1]"
    if form.parts is not None:
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in distinct]
        number = f"tf.keras.layers.StringLookup(vocabulary={names}, num_oov_indices=0)(y)"
    fix = f"number the names with {form.of_labels(number)}"
    if num_classes and len(distinct) > num_classes:
        fix += f", and build both networks with `num_classes={len(distinct)}`"
    return fix


def _one_column(labels, form):
    """The fix of several numbers per image."""
    if labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
        integers = "y" if labels.dtype.kind != "b" or form.parts is None else "tf.cast(y, tf.int32)"
        return f"for one-hot labels use {form.of_labels(f'tf.argmax({integers}, axis=-1)')}"
    if labels.ndim > 2:
        return "leave them out, if they are images: a GAN has no other targets"
    column = ", ".join([":", *"0" * (labels.ndim - 1)])
    return f"take one of these numbers, e.g. {form.of_labels(f'y[{column}]')}"


def _rounded(labels, form, num_classes):
    """The fix of booleans and floats."""
    if not np.isfinite(labels).all():
        kept = form.where(form.all_finite("y", labels.ndim), labels="tf.cast(y, tf.int32)")
        return f"leave out the examples that have none with {kept}"
    integers = "tf.cast(y, tf.int32)"
    if (labels != np.floor(labels)).any():
        low, high, bins = float(labels.min()), float(labels.max()), num_classes or 10
        width = f"{(high - low) / bins * (1 + 1e-6) or 1:.7g}"
        integers = f"tf.cast(tf.clip_by_value((y - {low:.7g}) / {width}, 0, {bins - 1}), tf.int32)"
    return f"make them with {form.of_labels(integers)}"


def _from_zero(labels, low, high, most, form):
    """The fix of class numbers outside [0, most)."""
    distinct = np.unique(labels)
    fits = high < most
    if low < 0 and fits and 0 in distinct and (distinct < 0).sum() == 1:
        return f"leave out unlabelled examples with {form.where('y >= 0' if labels.ndim == 1 else 'y[:, 0] >= 0')}"
    consecutive = len(distinct) == high - low + 1
    shift = f"begin at 0 with {form.of_labels(f'y - {low}' if low > 0 else f'y + {-low}')}"
    if high - low < most and (low > 0 or not fits or consecutive):
        return shift
    if form.parts is None and len(distinct) <= most:
        return f"number the classes with {form.of_labels('np.unique(y, return_inverse=True)[1]')}"
    return shift if low < 0 else f"build both networks with `num_classes={high + 1}`"


def check_finite(images: np.ndarray, form: Form) -> None:
    """Refuses NaN and infinity, naming the first example that holds one."""
    # The sum is finite only if all are (or they overflow): one pass without a mask of the size of the data.
    if np.isfinite(images.sum(dtype=np.float64)):
        return
    bad = [k for k, image in enumerate(images) if not np.isfinite(image).all()]
    if bad:
        fix = f"leave out the others with {form.where(form.all_finite('x', images.ndim))}"
        received = f"NaN or infinity in {len(bad)} of {len(images)} examples, first in {form.images}[{bad[0]}]"
        raise invalid(form.images, f"finite numbers: {fix}, or repair them", received, DataError)
