"""Each error about data says what to do, as an expression: here it is evaluated, and `fit` then works."""

import functools
import io
import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from selection import some

import kerasgan as kg

SHAPE = (4, 4, 1)
COUNT = 16
RNG = np.random.default_rng(0)
CLASSES = np.arange(COUNT) % 3


def numbers(low, high, dtype="float32", shape=SHAPE):
    """Images with values all over the range, both ends among them."""
    values = RNG.uniform(low, high, (COUNT, *shape))
    values[:, 0] = low
    values[:, -1] = high
    return values.astype(dtype) if dtype == "float32" else np.rint(values).astype(dtype)


IMAGES = numbers(-1, 1)
ARCHIVE = io.BytesIO()
np.savez(ARCHIVE, label=CLASSES, image=IMAGES)
ARCHIVE.seek(0)
GREY = IMAGES[..., 0]
ONE_HOT = keras.utils.to_categorical(CLASSES)


def batches(*parts, size=4):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(size)


@functools.cache
def model(output="tanh", shape=SHAPE, num_classes=None):
    gan = kg.GAN(
        kg.networks.mlp_generator(shape, 3, (4,), output_activation=output, num_classes=num_classes),
        kg.networks.mlp_discriminator(shape, (4,), num_classes=num_classes),
    )
    gan.compile(run_eagerly=True)
    return gan


def fit(x, y=None, **options):
    model(**options).fit(x, y, verbose=0, **({} if isinstance(x, tf.data.Dataset) else {"batch_size": 4}))


def advised(message, **names):
    """The value of the last expression that a message gives before it says what was received."""
    expressions = re.findall(r"`([^`]+)`", re.split(r"Received: |, or build", message)[0])
    return eval(expressions[-1], {"tf": tf, "np": np, **names})


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return IMAGES[4 * index : 4 * index + 4]


class Loader:
    """Like a DataLoader: can be iterated as often as one likes, and knows no index."""

    def __iter__(self):
        return iter([IMAGES[:8], IMAGES[8:]])


class GreyBatches(Batches):
    def __getitem__(self, index):
        return super().__getitem__(index)[..., 0]


class Examples:
    """Like a dataset of torch or Hugging Face: one example for each index."""

    def __init__(self, *examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        return self.examples[index]


def endless():
    while True:
        yield IMAGES


# As images: what is given, and the options of `fit`.
RANGES = {
    "int16": numbers(-1000, 2999, "int16"),
    "int16, all of it": numbers(-32768, 32767, "int16"),
    "uint16": numbers(0, 3999, "uint16"),
    "uint16 with an offset": numbers(30_000, 34_000, "uint16"),
    "int32": numbers(-1000, 2999, "int32"),
    "int64 in 0 to 255": numbers(0, 255, "int64"),
    "int64 in 0 to 1": numbers(0, 1, "int64"),
    "int8": numbers(-128, 127, "int8"),
    "bool": numbers(0, 1, "int64").astype(bool),
    "float 0 to 255": numbers(0, 255),
    "float 0 to 1": numbers(0, 1),
    "float 0 to 65535": numbers(0, 65_535),
    "Hounsfield units": numbers(-1024, 3071),
    "z-scores": numbers(-2.34567, 3.45678),
    "above 1": numbers(5, 6),
    "-1 to 1": IMAGES,
}


def _fits(x, output):
    if output == "sigmoid":
        return x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1
    return x.dtype.kind == "f" and -1 <= x.min() < 0 < x.max() <= 1


@pytest.mark.parametrize(("output", "as_dataset"), [("tanh", False), ("tanh", True), ("sigmoid", False)])
@pytest.mark.parametrize("case", some(RANGES, *range(0, len(RANGES), 5)))
def test_images_are_brought_into_the_range_of_the_generator(case, output, as_dataset):
    images = RANGES[case]
    if _fits(images, output):
        pytest.skip("in the range")
    x = batches(images) if as_dataset else images
    with pytest.raises((ValueError, TypeError)) as raised:
        fit(x, output=output)
    assert "uint8')" not in str(raised.value)
    scaled = advised(str(raised.value), x=x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(scaled, output=output)
    values = np.concatenate(list(scaled)) if as_dataset else np.asarray(scaled)
    low = 0 if output == "sigmoid" else -1
    assert low - 1e-3 <= values.min()
    assert values.max() <= 1 + 1e-3
    assert values.max() - values.min() >= (1 - low) / 2
    np.testing.assert_allclose(np.corrcoef(values.ravel(), images.astype(float).ravel())[0, 1], 1, atol=1e-5)


POINTS = RNG.uniform(-7, 9, (COUNT, 2)).astype("float32")
POINTS[:2] = [[-7, -7], [9, 9]]
# What is given as `x` and `y`, options of the model, and what the message says besides.
CASES = {
    "uint8 in a dataset": (batches(numbers(0, 255, "uint8")), None, {}, "127.5 - 1"),
    "dark uint8 in a dataset": (batches(numbers(0, 40, "uint8")), None, {}, "127.5 - 1"),
    "int16 with labels": (batches(numbers(0, 999, "int16"), CLASSES), None, {"num_classes": 3}, "lambda x, y"),
    "a tensor of int16": (tf.constant(numbers(-9, 999, "int16")), None, {}, "504"),
    "points": (POINTS, None, {"shape": (2,)}, "x / 9"),
    "points of int32": (POINTS.astype("int32"), None, {"shape": (2,)}, "x / 9"),
    "points for a sigmoid": (POINTS, None, {"shape": (2,), "output": "sigmoid"}, r"\+ 7"),
    "points in a dataset": (batches(POINTS), None, {"shape": (2,)}, "x / 9"),
    "complex numbers": (IMAGES * 1j, None, {}, "abs"),
    "complex numbers in a dataset": (batches(IMAGES * 0.1j), None, {}, "abs"),
    "one number an example": (np.tanh(RNG.normal(size=64)), None, {"shape": (1,)}, "None"),
    "arrays in an array": (np.fromiter([*IMAGES, None], object)[:-1], None, {}, "np.stack"),
    "NaN": (np.where(np.arange(COUNT)[:, None, None, None] == 3, np.nan, IMAGES), None, {}, "isfinite"),
    "NaN with labels": (
        np.where(np.arange(COUNT)[:, None, None, None] == 3, np.nan, IMAGES), CLASSES, {"num_classes": 3}, "isfinite"
    ),
    "NaN in a dataset": (
        batches(np.where(np.arange(COUNT)[:, None, None, None] == 3, np.nan, IMAGES)), None, {}, "is_finite"
    ),
    # Shapes
    "no channels": (IMAGES[..., 0], None, {}, "None"),
    "no channels in a dataset": (batches(IMAGES[..., 0], CLASSES), None, {"num_classes": 3}, "lambda x, y"),
    "no batches": (tf.data.Dataset.from_tensor_slices(IMAGES), None, {}, "batch"),
    "one image": (IMAGES[0], None, {}, "None"),
    "flat": (IMAGES.reshape(COUNT, -1), None, {}, "reshape"),
    "channels first": (numbers(-1, 1, shape=(3, 4, 4)), None, {"shape": (4, 4, 3)}, "first"),
    "channels first in a dataset": (batches(numbers(-1, 1, shape=(3, 4, 4))), None, {"shape": (4, 4, 3)}, "first"),
    "RGB": (numbers(-1, 1, shape=(4, 4, 3)), None, {}, "rgb_to_grayscale"),
    "RGB of bytes": (numbers(0, 255, "uint8", (4, 4, 3)), None, {}, "rgb_to_grayscale"),
    "grey": (batches(IMAGES), None, {"shape": (4, 4, 3)}, "grayscale_to_rgb"),
    "RGBA": (numbers(-1, 1, shape=(4, 4, 4)), None, {"shape": (4, 4, 3)}, ":3"),
    "another size": (numbers(-1, 1, shape=(6, 5, 1)), None, {}, "resize"),
    "another size of bytes": (numbers(0, 255, "uint8", (6, 5, 1)), None, {}, "resize"),
    "several sizes": (
        tf.data.Dataset.from_generator(
            lambda: (IMAGES[:, : 4 - n] for n in range(3)), output_signature=tf.TensorSpec(None, tf.float32)
        ), None, {}, "resize",
    ),
    "empty batches": (
        tf.data.Dataset.from_tensors(IMAGES[:0]).concatenate(batches(IMAGES)), None, {}, "filter"
    ),
    # Containers
    "a list of images": (list(IMAGES), None, {}, "np.stack"),
    "a list of batches": ([IMAGES[:8], IMAGES[8:]], None, {}, "np.concatenate"),
    "a list of one array": ([IMAGES], None, {}, "np.concatenate"),
    "lists of numbers": (np.tanh(POINTS).tolist(), None, {"shape": (2,)}, "np.stack"),
    "a tuple with labels": ((IMAGES, CLASSES), None, {"num_classes": 3}, "x.0., x.1."),
    "a dictionary": ({"label": CLASSES, "image": IMAGES}, None, {}, "image"),
    "a dictionary with labels": ({"label": CLASSES, "image": IMAGES}, None, {"num_classes": 3}, "label"),
    "dictionaries": (batches({"label": CLASSES, "image": IMAGES}), None, {}, "image"),
    "dictionaries with labels": (batches({"label": CLASSES, "image": IMAGES}), None, {"num_classes": 3}, "label"),
    "an archive": (np.load(ARCHIVE), None, {"num_classes": 3}, "image"),
    "triples": (batches(IMAGES, CLASSES, CLASSES), None, {"num_classes": 3}, "weights"),
    "a ragged tensor": (tf.RaggedTensor.from_tensor(np.tanh(POINTS)), None, {"shape": (2,)}, "to_tensor"),
    "ragged batches": (
        tf.data.Dataset.from_tensors(tf.RaggedTensor.from_tensor(np.tanh(POINTS))), None, {"shape": (2,)}, "to_tensor"
    ),
    "a PyDataset": (Batches(), None, {}, "from_generator"),
    "an iterable": (Loader(), None, {}, "from_generator"),
    "batches without channels": (GreyBatches(), None, {}, "None"),
    "grey pictures with labels": (
        Examples(*((Image.fromarray(one), n % 3) for n, one in enumerate(GREY))), None, {"num_classes": 3}, "None"
    ),
    "grey pictures in dictionaries": (
        Examples(*({"label": n % 3, "image": Image.fromarray(one)} for n, one in enumerate(GREY))), None, {}, "image"
    ),
    "dictionaries with texts": (
        Examples(*({"id": "a1", "label": n % 3, "image": one} for n, one in enumerate(IMAGES))), None,
        {"num_classes": 3}, "label",
    ),
    "dictionaries with texts in a dataset": (
        batches({"id": np.array(["a1"] * COUNT), "image": IMAGES, "label": CLASSES}), None, {"num_classes": 3}, "label"
    ),
    "a dictionary with texts": (
        {"id": np.array(["a1"] * COUNT), "image": IMAGES, "label": CLASSES}, None, {"num_classes": 3}, "label"
    ),
    "tuples of one image": (Examples(*((one,) for one in IMAGES)), None, {}, "from_generator"),
    "tuples of one point": (Examples(*((one,) for one in np.tanh(POINTS))), None, {"shape": (2,)}, "from_generator"),
    "a function that makes a generator": (lambda: (IMAGES[:4] for _ in range(4)), None, {}, "from_generator"),
    "a generator": ((IMAGES[:4] for _ in range(4)), None, {}, "make"),
    # Labels
    "one-hot labels": (IMAGES, ONE_HOT, {"num_classes": 3}, "argmax"),
    "one-hot booleans": (IMAGES, ONE_HOT.astype(bool), {"num_classes": 3}, "argmax"),
    "one-hot labels in a dataset": (batches(IMAGES, ONE_HOT.astype(bool)), None, {"num_classes": 3}, "argmax"),
    "several labels an image": (IMAGES, np.stack([CLASSES, CLASSES], 1), {"num_classes": 3}, "one of these"),
    "float labels": (IMAGES, CLASSES.astype("float32"), {"num_classes": 3}, "int32"),
    "float labels in a dataset": (batches(IMAGES, CLASSES.astype("float64")), None, {"num_classes": 3}, "int32"),
    "boolean labels": (IMAGES, CLASSES > 0, {"num_classes": 2}, "int32"),
    "boolean labels in a dataset": (batches(IMAGES, CLASSES > 0), None, {"num_classes": 2}, "int32"),
    "measurements": (IMAGES, np.linspace(-3, 8.5, COUNT), {"num_classes": 3}, "int32"),
    "measurements in a dataset": (batches(IMAGES, np.linspace(-3, 8.5, COUNT)), None, {"num_classes": 3}, "int32"),
    "labels with NaN": (IMAGES, np.where(CLASSES == 0, np.nan, CLASSES), {"num_classes": 3}, "isfinite"),
    "names": (IMAGES, np.array(["a", "b", "c"])[CLASSES], {"num_classes": 3}, "np.unique"),
    "names as objects": (IMAGES, np.array(["a", "b", "c"], object)[CLASSES], {"num_classes": 3}, "np.unique"),
    "names in a dataset": (batches(IMAGES, np.array(["a", "b", "c"])[CLASSES]), None, {"num_classes": 3}, "Lookup"),
    "unlabelled": (IMAGES, CLASSES - 1, {"num_classes": 2}, "y >= 0"),
    "unlabelled in a dataset": (batches(IMAGES, CLASSES - 1), None, {"num_classes": 2}, "y >= 0"),
    "minus and plus one": (IMAGES, CLASSES // 2 * 2 - 1, {"num_classes": 2}, "np.unique"),
    "labels from 1": (IMAGES, CLASSES + 1, {"num_classes": 3}, "y - 1"),
    "labels from 1 in a column": (IMAGES, (CLASSES + 1)[:, None], {"num_classes": 3}, "y - 1"),
    "labels from 1 in a dataset": (batches(IMAGES, CLASSES + 1), None, {"num_classes": 3}, "y - 1"),
    "labels from -3": (IMAGES, CLASSES - 3, {"num_classes": 3}, r"y \+ 3"),
    "large labels": (IMAGES, CLASSES * 2**40, {"num_classes": 3}, "np.unique"),
    "digits 3, 5 and 7": (IMAGES, CLASSES * 2 + 3, {"num_classes": 3}, "np.unique"),
    # Texts
    "numbers as text": (np.round(IMAGES, 3).astype(str), None, {}, "np.asarray"),
    "encoded images": (tf.map_fn(tf.io.encode_png, numbers(0, 255, "uint8"), tf.string), None, {}, "decode_image"),
    "encoded images in NumPy": (
        np.array([tf.io.encode_png(one).numpy() for one in numbers(0, 255, "uint8")]), None, {}, "decode_image"
    ),
    "raw bytes": (numbers(0, 255, "uint8").tobytes(), None, {}, "frombuffer"),
    "names as bytes": (IMAGES, tf.constant(["a", "b", "c"] * 5 + ["a"]), {"num_classes": 3}, "np.unique"),
}  # fmt: skip


@pytest.mark.parametrize("case", some(CASES, *range(0, len(CASES), 5)))
def test_what_an_error_advises_works(case):
    x, y, options, said = CASES[case]
    with pytest.raises((ValueError, TypeError), match=said) as raised:
        fit(x, y, **options)
    message = str(raised.value)
    value = advised(message, x=x, y=y, make=lambda: (IMAGES[:4] for _ in range(4)))
    arguments = value if isinstance(value, tuple) else (x, value) if "argument `y`" in message else (value, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(pixels|first batches).*", category=UserWarning)
        fit(*arguments, **options)


def test_where_labels_are_missing_the_advice_says_so():
    with pytest.raises(TypeError, match=r"from_generator\(.*once its elements are pairs of images and labels"):
        fit(Examples(*IMAGES), num_classes=3)


FILES = ["a.png", "b.png"]


@pytest.mark.parametrize(
    "x",
    ["photos", pathlib.Path("photos"), np.array(FILES), np.array(FILES, object), tf.constant(FILES), batches(FILES)],
)
def test_where_files_are_named_a_folder_is_to_be_read(x):
    with pytest.raises(TypeError, match=r"`x`.*read a folder of images with `kerasgan.datasets.read\(folder\)`"):
        fit(x)


def test_a_name_is_no_array_of_labels():
    with pytest.raises(ValueError, match=r"`y`. Expected one label per image.*16 images and 1 labels"):
        fit(IMAGES, "labels.csv", num_classes=3)


def test_labels_that_are_too_many_are_told_the_number_of_classes():
    with pytest.raises(ValueError, match=r"build both networks with `num_classes=13`") as raised:
        fit(IMAGES, np.arange(COUNT) % 13, num_classes=3)
    fit(IMAGES, np.arange(COUNT) % 13, num_classes=int(re.search(r"num_classes=(\d+)`", str(raised.value))[1]))


def said(warned, word):
    return next(str(one.message) for one in warned if word in str(one.message))


@pytest.mark.parametrize("as_dataset", [False, True])
def test_masks_are_stretched_as_advised(as_dataset):
    x = numbers(0, 1, "uint8")
    x = batches(x).map(lambda x: tf.cast(x, tf.float32) / 127.5 - 1) if as_dataset else x
    with pytest.warns(UserWarning, match="Stretch them") as warned:
        fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(advised(said(warned, "them"), x=x))


def test_large_numbers_for_a_generator_without_bounds_are_scaled_as_advised():
    x = numbers(0, 255)
    with pytest.warns(UserWarning, match="Scale them") as warned:
        fit(x, output=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(advised(said(warned, "them"), x=x), output=None)


@pytest.mark.parametrize("labels", [CLASSES.astype(float), ONE_HOT, CLASSES - 1, np.array(["a", "b", "c"])[CLASSES]])
def test_advice_for_from_arrays_names_its_arguments(labels):
    with pytest.raises((ValueError, TypeError)) as raised:
        kg.datasets.from_arrays(IMAGES, labels, 4)
    value = advised(str(raised.value), images=IMAGES, labels=labels)
    kg.datasets.from_arrays(*(value if isinstance(value, tuple) else (IMAGES, value)), 4)


def test_weights_are_replaced_by_drawing_more_often():
    gan, weights = model(), np.arange(COUNT)
    for call in (gan.fit, gan.evaluate):
        with pytest.raises(ValueError, match=r"`sample_weight`. Expected None") as raised:
            call(IMAGES, sample_weight=weights)
        names = {"np": np, "x": IMAGES, "sample_weight": weights}
        exec(re.search(r"`(rows = .*?)`", str(raised.value))[1], names)
        assert not np.any(names["rows"] == 0)  # whose weight is 0
        assert "`x[rows]`, with labels `y[rows]`, too" in str(raised.value)
        call(IMAGES[names["rows"]], batch_size=4, verbose=0)


@pytest.mark.parametrize(("low", "high", "dtype"), [(0, 65_535, "uint16"), (-1000, 2999, "int16"), (0, 1, "int64")])
def test_what_is_shown_is_scaled_as_advised(low, high, dtype):
    images = numbers(low, high, dtype)
    with pytest.raises(TypeError, match=r"`images`. Expected uint8, or floats in \[-1, 1\]") as raised:
        kg.images.grid(images)
    shown = kg.images.to_uint8(advised(str(raised.value), images=images))
    assert (shown.min(), shown.max()) == (0, 255)
