"""What `fit` and `evaluate` are given: the kinds of data they accept, and the arguments of Keras that they refuse."""

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kerasgan.datasets.advice import READING
from kerasgan.datasets.source import Source
from kerasgan.errors import DataError, DataTypeError, checked_integer, invalid

if TYPE_CHECKING:
    from kerasgan.model import GenerativeModel


def checked_kind(x: Any, model: "GenerativeModel") -> Any:
    """What can be read as one array of images; refuses all else, and says how to make a dataset or an array of it."""
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor):
        dense = "x.to_tensor()" if isinstance(x, tf.RaggedTensor) else "tf.sparse.to_dense(x)"
        raise invalid("x", f"a dense array: make one with `{dense}`", f"x of type {type(x).__name__}", DataTypeError)
    if isinstance(x, Mapping) and x:  # of `np.load`, too
        parts = of_keys(x, model.conditional)
        expected = f"one array of images: pass `{parts}`"
        if parts.startswith("("):
            expected = f"images, and labels as `y`, two arrays: as in `fit(images, labels)`, with `{parts[1:-1]}`"
        raise invalid("x", expected, f"a dictionary with the keys {sorted(map(str, x))}", DataTypeError)
    if isinstance(x, tuple | list):
        raise invalid("x", _of_parts(x, model.image_shape), f"x of type {type(x).__name__}", DataTypeError)
    if hasattr(x, "__array__"):  # tensors, and arrays of pandas, torch and JAX
        return x
    kind = f"x of type {type(x).__name__}"
    if isinstance(x, str | os.PathLike):
        raise invalid("x", f"a tf.data.Dataset of batches, or an array: {READING}", kind, DataTypeError)
    if isinstance(x, bytes | bytearray | memoryview):
        made = f"np.frombuffer(x, np.uint8).reshape({(-1, *model.image_shape)})"
        raise invalid("x", f"an array: make one of raw pixels with `{made}`", kind, DataTypeError)
    if isinstance(x, tf.distribute.DistributedDataset | tf.distribute.DistributedIterator):
        raise invalid("x", "the tf.data.Dataset itself, which is distributed here", kind, DataTypeError)
    expected = "a tf.data.Dataset of batches, or an array"
    if isinstance(x, Source):
        expected += ": pass `x.images, x.labels`" if model.conditional else ": pass `x.images`"
        raise invalid("x", expected, kind, DataTypeError)
    if not (callable(x) or hasattr(x, "__iter__") or _is_indexed(x)):
        raise invalid("x", expected, kind, DataTypeError)
    raise invalid("x", f"{expected}: wrap it with {_wrapped(x, model)}", kind, DataTypeError)


def _is_indexed(x):
    """Whether it is a `keras.utils.PyDataset`, or a dataset of torch or Hugging Face."""
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


def _wrapped(x, model):
    """How to make a tf.data.Dataset of what yields batches or examples, of which the first is looked at."""
    made = "lambda x=x: x"  # not `lambda: x`, the dataset itself once that is called x
    where, single, labelled = "", False, True
    if callable(x):
        made = "x"
    elif hasattr(x, "__next__"):  # it is used up after one pass
        made, where = "make", ", where make is a function that returns such a generator"
    else:
        parts = "e"
        with contextlib.suppress(Exception):  # whatever the user's code raises
            parts, single, labelled = _parts_of(x[0] if _is_indexed(x) else next(iter(x)), model)
        elements = "(x[i] for i in range(len(x)))" if _is_indexed(x) else "x"
        made = f"lambda x=x: {elements if parts == 'e' else f'({parts} for e in {elements})'}"
    batch = () if single else (None,)
    signature = f"tf.TensorSpec({(*batch, *model.image_shape)}, tf.float32)"
    if model.conditional:
        signature = f"({signature}, tf.TensorSpec({batch}, tf.int32))"
        where += "" if labelled else ", once its elements are pairs of images and labels"
    batched = ".batch(64)" if single else ""
    return f"`tf.data.Dataset.from_generator({made}, output_signature={signature}){batched}`{where}"


def _parts_of(element, model):
    """The expression for what a dataset needs of such an element `e`; whether it is one example; whether labelled."""
    if isinstance(element, Mapping):
        names = _by_rank(element)
    else:
        names = list(range(len(element))) if isinstance(element, list | tuple) else []
    images = element[names[0]] if names else element
    parts = [f"e[{name!r}]" for name in names[: 1 + model.conditional]] or ["e"]
    shape, wanted = np.shape(images), model.image_shape
    if len(wanted) == 3 and shape[-3:] == (wanted[2], *wanted[:2]) != wanted:  # channels first, as in torch
        parts[0] = f"np.moveaxis(np.asarray({parts[0]}), -3, -1)"
    elif wanted[2:] == (1,) and shape[-2:] == wanted[:2]:  # grey, as in Pillow
        parts[0], shape = f"np.asarray({parts[0]})[..., None]", (*shape, 1)
    elif isinstance(element, tuple) and len(parts) == len(element) > 1:
        parts = ["e"]
    expression = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
    return expression, len(shape) == len(wanted), len(names) > model.conditional


def of_keys(parts: Mapping, labelled: bool, each: str = "x") -> str:
    """The expression for the images of a dictionary, its part of the highest rank, and for labels where wanted."""
    images, *others = (f"{each}[{key!r}]" for key in _by_rank(parts))
    return f"({images}, {others[0]})" if labelled and others else images


def _rank(part):
    """The number of axes of an array, or of the `tf.TensorSpec` of one; -1 of texts."""
    if isinstance(part, tf.TypeSpec):
        return -1 if part.dtype == tf.string else part.shape.rank or 0
    array = np.asarray(part)
    return -1 if array.dtype.kind in "SU" else array.ndim


def _by_rank(parts):
    """The keys of what is no text in a dictionary, that of the images first."""
    ranks = {key: _rank(part) for key, part in parts.items()}
    numbers = [key for key in ranks if ranks[key] >= 0] or list(ranks)
    return sorted(numbers, key=lambda key: ranks[key], reverse=True)


def _of_parts(x, shape):
    """What to make of a tuple or a list."""
    ranks = [np.ndim(part) for part in x]
    if isinstance(x, tuple) and len(x) in (2, 3) and ranks[1] < ranks[0]:
        return "images, and labels as `y`, two arrays: as in `fit(images, labels)`, with `x[0], x[1]`"
    of_batches = set(ranks) == {len(shape) + 1}
    return f"one array of images: make it with `{'np.concatenate' if of_batches else 'np.stack'}(x)`"


def held_out(x: Any, y: Any, share: float, model: "GenerativeModel") -> tuple[Any, Any, Any]:
    """Arrays `x, y` without their last examples, and these, as Keras divides them."""
    x = checked_kind(x, model)
    kept = int(len(x) * (1.0 - share))
    if not 0 < kept < len(x):
        expected = "a fraction that leaves at least one image for training and one for validation"
        raise invalid("validation_split", expected, f"validation_split={share} of {len(x)} images", DataError)
    if y is None:
        return x[:kept], None, x[kept:]
    return x[:kept], y[:kept], (x[kept:], y[kept:])


def refuse_weights(**weights: Any) -> None:
    """The losses weigh all images alike, so what counts more has to be there more often."""
    for name, value in weights.items():
        if value is not None:
            fix = "leave it out"
            if name == "sample_weight":
                p = "np.asarray(sample_weight) / np.sum(sample_weight)"
                fix = f"draw more often what counts more, `rows = np.random.choice(len(x), len(x), p={p})`, and pass "
                fix += "`x[rows]`, with labels `y[rows]`, too"
            expected = f"None, because the losses weigh all images alike: {fix}"
            raise invalid(name, expected, f"{name} of type {type(value).__name__}")


def checked_epochs(argument: str, value: Any) -> int | list[int]:
    """A positive integer, or a list of them: every so many epochs, or these."""
    if isinstance(value, list | tuple | set | range) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return [checked_integer(argument, one) for one in value]
    return checked_integer(argument, value, advice=", or a list of epochs")
