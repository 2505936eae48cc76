"""What data have to satisfy, checked before the first training step."""

import itertools
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kerasgan.arguments import of_keys
from kerasgan.batching import split
from kerasgan.datasets.advice import READING, Form, checked_labels, scaled, shown_range
from kerasgan.errors import DataError, DataTypeError, ModelContractError, NonFiniteError, invalid, warn

if TYPE_CHECKING:
    from kerasgan.data import Batches
    from kerasgan.model import GenerativeModel

LOOKED_AT = 4  # batches, before the first step
# A share of the range that images fill at least, and pixels that are not of about 1.
_NARROW, _LARGE = 0.1, 10.0
_SLACK = 5e-4  # of the width of a range, for what rounding leaves
# For how long more batches are looked at where no pixel of the first ones is below the middle of the range.
_SECONDS = 4
# How many batches are looked at for the names of classes.
_NAMED = 1_000
IGNORED_LABELS = (
    "The data have labels and the networks take none: the labels are ignored. For a conditional model, build both "
    "networks with `num_classes=...`."
)


def check(batches: "Batches", model: "GenerativeModel") -> None:
    """Refuses batches that `model` cannot be trained on, and warns of those it would hardly learn from.

    Args:
        batches: `kerasgan.data.Batches`.
        model: `GenerativeModel`; its `image_shape`, `generator` and `conditional` are looked at.

    Raises:
        DataError, DataTypeError, ModelContractError: The model cannot be trained on them.
    """
    dataset, form = batches.dataset, batches.form
    spec = dataset.element_spec
    if isinstance(spec, dict):
        parts = of_keys(spec, model.conditional, each="e")
        expected = f"elements `images` or `(images, labels)`: map them with `x.map(lambda e: {parts})`"
        raise invalid("x", expected, f"dictionaries with the keys {sorted(spec)}", DataError)
    images, labels = split(spec, fix=f"`{form.dataset}.map(lambda *parts: parts[:2])`")
    _refuse_swapped(images, labels, model, form)
    numbers = isinstance(images, tf.TensorSpec) and images.dtype != tf.string
    if numbers:  # of another shape, they are not to be scaled first
        check_shape(images.shape, model, form, batches.of_bytes)
    if not numbers or not images.dtype.is_floating:
        _refuse_type(dataset, images, model, form)
    known = images.shape.rank is not None
    if model.conditional and labels is None:
        of_arrays = form.parts is None
        what = "labels" if of_arrays else "elements `(images, labels)`"
        expected = f"{what}, because the networks take labels: add them, or build both networks without `num_classes`"
        raise invalid("y" if of_arrays else "x", expected, "images alone", DataError)
    if not model.conditional and labels is not None:
        of_images = isinstance(labels, tf.TensorSpec) and (labels.shape.rank or 0) > 2
        warn(
            f"The second part of the data, of shape {labels.shape}, is ignored: the images are the only targets."
            if of_images
            else IGNORED_LABELS
        )
    first = [split(element) for element in dataset.take(LOOKED_AT)]
    if not first:
        expected = "at least one batch: use a smaller batch size, or `drop_remainder=False`"
        raise invalid("x", expected, "a dataset that yields none", DataError)
    if model.conditional:
        _check_label_type(dataset, first[0][1], model, form)
    for number, (images, labels) in enumerate(first):
        if not images.shape.rank or not len(images):
            names = "x, y" if form.parts and form.parts > 1 else "x"
            expected = f"batches of at least one image: `{form.dataset}.filter(lambda {names}: tf.shape(x)[0] > 0)`"
            raise invalid("x", expected, f"shape {tuple(images.shape)}", DataError)
        check_shape(images.shape, model, form, batches.of_bytes, known)
        if model.conditional:
            checked_labels(labels, len(images), form, model.num_classes, _labels_in(form), f" in batch {number}")
    later = _for_seconds(split(element)[0] for element in dataset.skip(LOOKED_AT))
    pixels = [np.asarray(images, "float32") for images, _ in first]
    _check_pixels(pixels, later, model.output_range, batches.of_bytes, form)
    _check_sizes([len(images) for images, _ in first])


def _refuse_swapped(first, second, model, form):
    """Elements `(labels, images)`."""
    if all(isinstance(part, tf.TensorSpec) and part.shape.rank for part in (first, second)):
        rank = 1 + len(model.image_shape)
        if first.shape.rank < 3 <= second.shape.rank == rank:
            swapped = f"`{form.dataset}.map(lambda labels, images: (images, labels))`"
            expected = f"elements `(images, labels)`: swap them with {swapped}"
            raise invalid("x", expected, f"elements of shapes {first.shape} and {second.shape}", DataError)


def _labels_in(form):
    """The argument that labels came in."""
    return "y" if form.parts is None else "x"


def _check_label_type(dataset, labels, model, form):
    if not isinstance(labels, tf.Tensor):
        received = f"labels of type {type(labels).__name__}"
        raise invalid("x", "elements `(images, labels)` with one integer label per image", received, DataTypeError)
    if labels.dtype == tf.string:
        # The advice must list every name, not only those in the first batches.
        names = np.concatenate([np.ravel(split(element)[1]) for element in dataset.take(_NAMED)])
        checked_labels(names, len(names), form, model.num_classes, _labels_in(form))


def _for_seconds(items):
    """As many of them as come in a few seconds."""
    begun = time.monotonic()
    return itertools.takewhile(lambda _: time.monotonic() - begun < _SECONDS, items)


def held(
    image_shape: tuple[int, ...],
    bounds: tuple[float, float] | None,
    num_classes: int | None,
    images: tf.Tensor,
    labels: tf.Tensor | None = None,
) -> Any:
    """A later batch, asserted to have images of this shape and range, and one class each."""
    same = tf.cond(
        tf.equal(tf.rank(images), 1 + len(image_shape)),
        lambda: tf.reduce_all(tf.equal(tf.shape(images)[1:], image_shape)),
        lambda: False,
    )
    said = [f"Invalid value for argument `x`. Expected batches of images of shape {image_shape}. Received: shape"]
    checks = [tf.debugging.Assert(same, [*said, tf.shape(images)], summarize=10)]
    if bounds:
        least, most = _with_slack(bounds)
        low, high = tf.reduce_min(images), tf.reduce_max(images)
        within = ~((low < least) | (high > most))  # NaN is not outside
        said = [f"Invalid value for argument `x`. Expected pixels in {shown_range(bounds)}, as in the first batches."]
        checks.append(tf.debugging.Assert(within, [*said, "Received: pixels from", low, "to", high]))
    if labels is not None:
        said = ["Invalid value for argument `x`. Expected one integer label per image. Received: labels of shape"]
        checks.append(
            tf.debugging.Assert(tf.equal(tf.size(labels), tf.shape(images)[0]), [*said, tf.shape(labels)], summarize=10)
        )
        # An encoding makes zeros of what it does not know, and so does an Embedding on a GPU.
        numbers = tf.cast(labels, tf.int64)
        known = tf.reduce_all(numbers >= 0) & (num_classes is None or tf.reduce_all(numbers < num_classes))
        of = f"in [0, {num_classes})" if num_classes else "from 0 up"
        said = [f"Invalid value for argument `x`. Expected labels {of}. Received: labels"]
        checks.append(tf.debugging.Assert(known, [*said, labels], summarize=1_000))
    with tf.control_dependencies(checks):
        images = tf.ensure_shape(tf.identity(images), (None, *image_shape))
        return images if labels is None else (images, tf.reshape(labels, (-1,)))


def _with_slack(bounds):
    """A range with what rounding leaves beyond its ends."""
    slack = _SLACK * (bounds[1] - bounds[0])
    return bounds[0] - slack, bounds[1] + slack


def check_range(images: np.ndarray, bounds: tuple[float, float] | None) -> None:
    """Refuses an array of images, points or batches of them that leave the range of the generator, None for any."""
    low, high = float(np.min(images)), float(np.max(images))
    if bounds and not _with_slack(bounds)[0] <= low <= high <= _with_slack(bounds)[1]:
        fix = scaled(Form(array=images), low, high, images.dtype, bounds, images.ndim)
        expected = f"numbers in {shown_range(bounds)}, the range of the generator: scale them with {fix}"
        raise invalid("x", expected, f"numbers from {low:.3g} to {high:.3g}", DataError)


def _refuse_type(dataset, images, model, form):
    """Images that are no floats, with what makes floats of them."""
    bounds = model.output_range.bounds
    expected = f"floating-point images in {shown_range(bounds or (-1.0, 1.0))}"
    if isinstance(images, tf.RaggedTensorSpec):
        expected = f"images as dense tensors: make them with {form.of_images('x.to_tensor()')}"
    elif not isinstance(images, tf.TensorSpec):
        expected = "images as tensors, the first part of an element"
    elif images.dtype == tf.string:
        expected += f": {READING}"
    elif images.dtype.is_integer or images.dtype.is_bool or images.dtype.is_complex:
        batches = [split(element)[0].numpy() for element in dataset.take(LOOKED_AT)]
        of = "tf.abs(x)" if images.dtype.is_complex else "x"
        batches = [abs(batch) if images.dtype.is_complex else batch for batch in batches if batch.size]
        if batches:
            low, high = (float(end([end(batch) for batch in batches])) for end in (np.min, np.max))
            expected += f": scale them with {scaled(form, low, high, batches[0].dtype, bounds, batches[0].ndim, of)}"
            received = f"{images.dtype.name} from {low:g} to {high:g} in the first batches"
            raise invalid("x", expected, received, DataTypeError)
    raise invalid("x", expected, images.dtype if isinstance(images, tf.TensorSpec) else images, DataTypeError)


def _check_sizes(sizes):
    """The last batch of a dataset may be smaller than the others; other sizes are warned about."""
    if len(set(sizes[:-1] or sizes)) > 1 or sizes[-1] > sizes[0]:
        warn(
            f"The first batches have {', '.join(map(str, sizes))} images: training makes batches of {max(sizes)} of "
            f"them. To have another size, use `x.unbatch().batch({max(sizes)}, drop_remainder=True)`.",
        )


def check_divisible(dataset: tf.data.Dataset, replicas: int, pack: int) -> None:
    """Each replica takes an equal part of every batch, in whole packs."""
    size = tf.nest.flatten(dataset.element_spec)[0].shape[0]
    if size % (replicas * pack):
        names = [f"the {replicas} replicas"] * (replicas > 1) + [f"pack={pack}"] * (pack > 1)
        expected = f"a multiple of {' times '.join(names)}"
        raise invalid("batch_size", expected, f"batches of {size}", DataError)


def check_shape(
    shape: tf.TensorShape | tuple[int, ...], model: "GenerativeModel", form: Form, of_bytes: bool, known: bool = True
) -> None:
    """Refuses batches of this shape if those of `model` have another, and says how to make them.

    Args:
        form: How they were given.
        of_bytes: Whether they were bytes.
        known: Whether TensorFlow knows their rank, without looking at them.
    """
    expected, shape = model.image_shape, tf.TensorShape(shape)
    if shape.rank is None:
        return
    images = shape[1:]
    if images.rank == len(expected) and images.is_compatible_with(expected):
        return
    received = f"shape {tuple(shape)}"
    if shape.rank == len(expected) and shape.is_compatible_with(expected) and form.parts is not None:
        fix = "call `x.batch(64)` on the dataset"
    elif shape.rank == len(expected) and shape.is_compatible_with(expected):
        fix = f"these have the shape of one; add the axis of the batch with {form.of_images('x[None]')}"
    elif shape.rank == len(expected) + 2 and shape[2:].is_compatible_with(expected) and form.parts is not None:
        fix = "they were batched twice: call `x.unbatch()` on the dataset"
    elif shape.rank == len(expected) and images.is_compatible_with(expected[:-1]) and expected[-1] == 1:
        fix = f"add the channel axis with {form.of_images('x[..., None]')}"
    elif images.is_fully_defined() and math.prod(images) == math.prod(expected) and images.rank != len(expected):
        fix = f"reshape them with {form.of_images(f'tf.reshape(x, {(-1, *expected)})')}"
    elif images.rank == len(expected) == 3 and images.is_compatible_with((expected[2], *expected[:2])):
        fix = f"they look like channels first: transpose them with {form.of_images('tf.transpose(x, [0, 2, 3, 1])')}"
    elif images.rank == len(expected) and images[:-1].is_compatible_with(expected[:-1]):
        _refuse_channels(images, model, form)
    elif images.rank == len(expected) == 3 and images[-1] == expected[-1]:
        ranked = "x" if known else f"tf.ensure_shape(x, {(None, None, None, expected[-1])})"
        resized = f"tf.image.resize({ranked}, {expected[:2]}, antialias=True)"
        resized = f"tf.cast({resized}, tf.uint8)" if of_bytes and form.parts is None else resized
        fix = f"resize them with {form.of_images(resized)}"
    else:
        fix = "read them in this shape, or build the networks for theirs"
    raise invalid("x", f"batches of images {('batch', *expected)}: {fix}", received, DataError)


def _refuse_channels(images, model, form):
    received, wanted = images[-1], model.image_shape[-1]
    fixes = {(3, 1): "tf.image.rgb_to_grayscale(x)", (1, 3): "tf.image.grayscale_to_rgb(x)", (4, 3): "x[..., :3]"}
    fix = fixes.get((received, wanted)) if images.rank == 3 else None
    how = f" with {form.of_images(fix)}" if fix else ""
    expected = f"images with {wanted} channels, as the networks have: read them with {wanted}{how}, or build the "
    expected += f"networks for {tuple(images)}"
    raise invalid("x", expected, f"images with {received} channels", ModelContractError)


def _check_pixels(batches, later, output, of_bytes, form):
    """Looks at the first batches: what would train without a word and never learn is refused here.

    Args:
        batches: List of float arrays.
        later: Iterator of those that come after them, looked at where the first ones are bright.
        output: `ranges.Output` of the generator, which is to make such images.
        of_bytes: Whether they were bytes, which are scaled as they should be, however bright the images are.
        form: How they were given.
    """
    for number, images in enumerate(batches):
        finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
        if not finite.all():
            kept = form.where(form.all_finite("x", images.ndim), len(batches[0]))
            expected = f"finite pixels: look for a division by zero in the preprocessing, or drop them with {kept}"
            received = f"NaN or infinity in example {finite.argmin()} of batch {number}"
            raise invalid("x", expected, received, NonFiniteError)
    bounds, rank = output.bounds, batches[0].ndim
    given = batches if form.array is None else [np.asarray(form.array)]
    where = " in the first batches" if form.array is None else ""
    low, high = (float(end([end(images) for images in given])) for end in (np.min, np.max))
    bytes_given = given[0].dtype == np.uint8  # they become what the generator makes
    full = (0, 255) if bytes_given else bounds

    def fix():
        return scaled(form, low, high, given[0].dtype, bounds, rank)

    beyond = full and not _with_slack(full)[0] <= low <= high <= _with_slack(full)[1]
    above = bounds and bounds[0] == -bounds[1] and low >= 0 and high > 0.5 * bounds[1] and not of_bytes
    if above and form.array is None:
        above = not any(float(tf.reduce_min(images)) < 0 for images in later)
    if above and low > _NARROW * bounds[1]:  # pictures in [0, 1] have something that is nearly black
        warn(
            f"The pixels go from {low:.3g} to {high:.3g}{where}, but the generator makes {shown_range(bounds)}. If "
            f"they are in another range and not just bright, scale them with {fix()}.",
        )
        above = False
    if beyond or above:
        what = "pixels" if rank > 2 else "numbers"
        expected = f"{what} in {shown_range(bounds)}, the range of the generator: scale them with {fix()}"
        if rank == 2:
            expected += ", or build the generator with output_activation=None"
        raise invalid("x", expected, f"{what} from {low:.3g} to {high:.3g}{where}", DataError)
    lowest, highest = (float(end([end(images) for images in batches])) for end in (np.min, np.max))
    if bounds is None and not output.low - _SLACK <= lowest <= highest <= output.high + _SLACK:
        ends = "with 'tanh'" if rank > 2 and max(-lowest, highest) <= 1.0 + _SLACK else "without an activation"
        makes = f"[{output.low:g}, {output.high:g}]"
        expected = f"a generator whose range covers the images, and this one makes {makes}: end it {ends}"
        received = f"images with numbers from {lowest:.3g} to {highest:.3g}{where}"
        raise invalid("generator", expected, received, ModelContractError)
    first = batches[0][0]
    count = sum(map(len, batches))
    if count > 1 and all((images == first).all() for images in batches):
        warn(f"The first {count} images are all the same: there is nothing to learn. Check the data.")
    elif bounds and high - low < _NARROW * (full[1] - full[0]):
        usual = "uint8 images usually use 0 to 255" if bytes_given else f"the generator makes {shown_range(bounds)}"
        warn(
            f"The pixels go from {low:.3g} to {high:.3g}{where}, but {usual}: are they masks, or scaled twice? "
            f"Stretch them to the range with {fix()}.",
        )
    elif first.ndim == 3 and max(-lowest, highest) > _LARGE:
        stretched = scaled(form, low, high, given[0].dtype, (-1.0, 1.0), rank)
        warn(
            f"The pixels go from {lowest:.3g} to {highest:.3g}{where}, and networks learn best from values of about 1. "
            f"Scale them to [-1, 1] with {stretched}, and end the generator with tanh.",
        )
