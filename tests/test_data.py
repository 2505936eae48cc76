"""What `fit` and `evaluate` take besides images: sizes, lengths, and the arguments of Keras."""

import itertools
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import some

import kerasgan as kg
from kerasgan import data
from kerasgan.errors import DataError, DataTypeError, ModelContractError

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (64, *SHAPE)).astype("float32")
LABELS = np.arange(64) % 3


def model(num_classes=None, **generator):
    gan = kg.GAN(
        kg.networks.mlp_generator(SHAPE, 3, (4,), num_classes=num_classes, **generator),
        kg.networks.mlp_discriminator(SHAPE, (4,), num_classes=num_classes),
    )
    gan.compile(run_eagerly=True)
    return gan


def of_sizes(*sizes, signature=(None, *SHAPE)):
    """A dataset of unknown length of batches of these sizes."""
    ends = np.cumsum(sizes)
    return tf.data.Dataset.from_generator(
        lambda: (IMAGES[end - size : end] for size, end in zip(sizes, ends, strict=True)),
        output_signature=tf.TensorSpec(signature, tf.float32),
    )


def seen_by(gan, monkeypatch):
    """The images of each step, as they come."""
    seen, step = [], gan.train_step
    monkeypatch.setattr(gan, "train_step", lambda data: seen.append(np.asarray(data)) or step(data))
    return seen


# The first element decides nothing


@pytest.mark.parametrize(
    ("sizes", "taken", "steps", "warned"),
    some(
        [
            ((3, 16, 16, 16, 13), 16, 4, True),
            ((3, 16), 16, 2, True),
            ((16, 16, 16, 16), 16, 4, False),
            ((16, 16, 4), 16, 3, False),
            ((8, 16, 4, 16), 16, 3, True),
            ((5,), 5, 1, False),
        ],
        0,
        3,
    ),
)
def test_batches_are_as_large_as_the_largest_of_the_first(sizes, taken, steps, warned, monkeypatch):
    gan = model()
    seen = seen_by(gan, monkeypatch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gan.fit(of_sizes(*sizes), verbose=0)
    assert [len(batch) for batch in seen] == [taken] * steps
    said = [str(one.message) for one in caught if "first batches have" in str(one.message)]
    assert len(said) == warned
    assert all(
        f"have {', '.join(map(str, sizes[:4]))} images: training makes batches of {taken}" in one for one in said
    )


@pytest.mark.slow
def test_the_advice_for_batches_of_several_sizes_works():
    gan, x = model(), of_sizes(3, 16, 16)
    with pytest.warns(UserWarning, match="first batches have") as caught:
        gan.fit(x, verbose=0)
    expression = next(str(one.message) for one in caught if "unbatch" in str(one.message)).split("`")[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        gan.fit(eval(expression, {"x": x}), verbose=0)


@pytest.mark.slow
def test_counting_an_endless_dataset_ends_within_seconds_with_advice(monkeypatch):
    monkeypatch.setattr(data, "_COUNTED_SECONDS", 0.2)
    pulled = itertools.count()

    def endless():
        while next(pulled) < 100_000:
            yield IMAGES[:8]

    x = tf.data.Dataset.from_generator(endless, output_signature=tf.TensorSpec((8, *SHAPE), tf.float32))
    gan = model()
    with pytest.raises(DataError, match=r"`steps_per_epoch`.*pass `steps_per_epoch`.*\d batches in 0.2 s without an"):
        gan.fit(x, verbose=0)
    assert next(pulled) < 50_000
    gan.fit(x, steps_per_epoch=1, verbose=0)
    x = of_sizes(8, 8, 8)
    gan.fit(x.apply(tf.data.experimental.assert_cardinality(3)), verbose=0)


def test_counting_for_an_evaluation_names_the_argument_that_it_has(monkeypatch):
    monkeypatch.setattr(data, "_COUNTED_SECONDS", -1.0)
    x = tf.data.Dataset.from_generator(
        lambda: iter([IMAGES[:8]] * 4), output_signature=tf.TensorSpec((8, *SHAPE), tf.float32)
    )
    gan = kg.GAN(model().generator, kg.networks.mlp_discriminator((*SHAPE[:2], 2 * SHAPE[2]), (8,)), pack=2)
    gan.compile()
    with pytest.raises(DataError, match=r"`steps`.*pass `steps`.*steps=None"):
        gan.evaluate(x, verbose=0)
    with pytest.raises(DataError, match=r"`validation_steps`.*pass `validation_steps`"):
        gan.fit(IMAGES, batch_size=8, validation_data=x, verbose=0)


def test_a_dataset_that_is_read_but_once_needs_a_number_of_steps():
    once = iter([IMAGES[:8]] * 9)
    x = tf.data.Dataset.from_generator(lambda: once, output_signature=tf.TensorSpec((8, *SHAPE), tf.float32))
    with pytest.raises(DataError, match="read only once: pass `steps_per_epoch`"):
        model().fit(x, verbose=0)


def test_data_that_end_before_the_steps_that_were_asked_for():
    once = iter([IMAGES[:8]] * 9)
    x = tf.data.Dataset.from_generator(lambda: once, output_signature=tf.TensorSpec((8, *SHAPE), tf.float32))
    with pytest.raises(DataError, match=r"`x`. Expected .* read again: make its iterator in.*ended after step \d"):
        model().fit(x, steps_per_epoch=9, verbose=0)
    x = tf.data.Dataset.from_generator(lambda: iter([IMAGES[:8]] * 9), output_signature=x.element_spec)
    model().fit(x, steps_per_epoch=20, verbose=0)


@pytest.mark.parametrize("of_batches", [True, False])
def test_what_is_advised_for_an_iterable_works_under_its_own_name(of_batches):
    class Batches:
        def __iter__(self):
            return iter([IMAGES[:8]] * 3)

    class Sequence:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return IMAGES[:8]

    x = Batches() if of_batches else Sequence()
    with pytest.raises(DataTypeError, match="wrap it with") as refusal:
        model().fit(x, verbose=0)
    x = eval(re.search(r"`(tf\.data.*?)`", str(refusal.value))[1])
    model().fit(x, steps_per_epoch=1, verbose=0)


FORMS = {
    "images": lambda image, label: image,
    "tuples": lambda image, label: (image, label),
    "lists": lambda image, label: [image, label],
    "dictionaries": lambda image, label: {"label": label, "image": image},
    "channels first": lambda image, label: (np.moveaxis(image, -1, -3), label),
}


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_advised_for_data_of_other_libraries_works(form, indexed, single, labelled):
    class Examples:
        def __len__(self):
            return 64

        def __getitem__(self, i):
            return FORMS[form](*((IMAGES[i % 8], i % 3) if single else (IMAGES[:8], np.arange(8) % 3)))

    class Loader:
        def __iter__(self):
            return map(Examples().__getitem__, range(64))

    if labelled and form == "images":
        pytest.skip("there are no labels")
    gan = model(3 if labelled else None)
    x = Examples() if indexed else Loader()
    with pytest.raises(DataTypeError, match="wrap it with") as refusal:
        gan.fit(x, verbose=0)
    x = eval(re.search(r"`(tf\.data.*?)`", str(refusal.value))[1])
    batches = data.Batches.of(x, None, None, model=gan, training=True).fitted_to(gan)
    shapes = [tuple(part.shape) for part in tf.nest.flatten(next(iter(batches.dataset)))]
    assert shapes == [(64 if single else 8, *SHAPE), (64 if single else 8,)][: 1 + labelled]


@pytest.mark.parametrize(
    ("shape", "error"), [((8, 4, 4, 3), ModelContractError), ((8, 5, 5, 1), DataError), ((8, 1, 4, 4), DataError)]
)
def test_the_shape_of_few_images_is_named_before_their_number(shape, error):
    with pytest.raises(error, match=r"`x`. Expected (images with|batches of images)"):
        model().fit(np.zeros(shape), batch_size=16, verbose=0)


def test_few_images_are_one_batch_by_default():
    gan = model()
    gan.fit(IMAGES[:9], verbose=0)
    assert int(gan.step) == 1


def test_a_second_part_that_is_no_label_is_not_called_one():
    x = tf.data.Dataset.from_tensor_slices((IMAGES[:16], IMAGES[:16])).batch(8)
    with pytest.warns(
        UserWarning, match="second part of the data, of shape .* is ignored: the images are the only targets"
    ):
        model().fit(x, verbose=0)


def test_a_distributed_dataset_is_asked_for_undistributed():
    distributed = tf.distribute.MirroredStrategy(["cpu:0"]).experimental_distribute_dataset(of_sizes(8, 8))
    with pytest.raises(DataTypeError, match=r"the tf\.data\.Dataset itself, which is distributed here"):
        model().fit(distributed, verbose=0)


@pytest.mark.parametrize("signature", some([None, (None, None, None, 1)], 0, whole=True))
def test_images_whose_shape_changes_later_are_named(signature):
    x = of_sizes(*[8] * 7, signature=signature)
    changing = x.concatenate(x.take(1).map(lambda x: x[:, :3]))
    gan = model()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"batches of images of shape \(4, 4, 1\).*\[8 3 4 1\]"):
        gan.fit(changing, steps_per_epoch=8, verbose=0)
    with pytest.raises(DataError, match=r"`x`. Expected batches of images.*shape \(8, 3, 4, 1\)"):
        gan.fit(x.take(2).concatenate(changing.skip(7)), steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("change", [lambda y: tf.one_hot(y, 3, dtype=tf.int32), lambda y: y[:3]], ids=["rank", "count"])
def test_labels_whose_shape_changes_are_named(change, late):
    specs = (tf.TensorSpec((None, *SHAPE), tf.float32), tf.TensorSpec(None, tf.int32))

    def read():
        for number in range(8):
            part = slice(8 * number, 8 * number + 8)
            label = tf.constant(LABELS[part], tf.int32)
            yield IMAGES[part], change(label) if number == (6 if late else 2) else label

    x = tf.data.Dataset.from_generator(read, output_signature=specs)
    gan = model(num_classes=3)
    error = tf.errors.InvalidArgumentError if late else DataError
    with pytest.raises(error, match=r"`x`. Expected one (integer )?label per image"):
        gan.fit(x, steps_per_epoch=8, verbose=0)
    assert (int(gan.step) > 0) is late


# The arguments of `fit` and `evaluate`


def test_positions_of_arguments_are_those_of_keras():
    import inspect

    for name in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        ours, theirs = (list(inspect.signature(getattr(one, name)).parameters) for one in (kg.GAN, keras.Model))
        assert ours == theirs


@pytest.mark.parametrize("shuffle", some([True, False, np.bool_(False)], 0, 1))
def test_arrays_are_shuffled_unless_that_is_refused(shuffle, monkeypatch):
    gan = model()
    seen = seen_by(gan, monkeypatch)
    gan.fit(IMAGES, batch_size=16, epochs=2, shuffle=shuffle, verbose=0)
    first, second = np.concatenate(seen)[:, 0].reshape(2, *IMAGES.shape)
    assert (first == IMAGES).all() == (not shuffle)
    assert (first == second).all() == (not shuffle)


def test_in_the_order_of_an_array_an_epoch_begins_where_the_last_one_ended(monkeypatch):
    gan = model()
    seen = seen_by(gan, monkeypatch)
    gan.fit(IMAGES[:20], batch_size=8, epochs=5, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.concatenate(seen)[:, 0], np.concatenate([IMAGES[:20]] * 4))


def test_an_epoch_that_executions_make_shorter_is_said_to_be(monkeypatch):
    gan = model()
    gan.compile(steps_per_execution=3)
    with pytest.warns(UserWarning, match=r"An epoch has 3 steps instead of 4.*steps_per_execution=3"):
        gan.fit(IMAGES[:32], batch_size=8, verbose=0)
    assert int(gan.step) == 3


@pytest.mark.parametrize("shuffle", some([True, False], 0))
def test_the_order_of_a_dataset_is_its_own(shuffle, monkeypatch):
    gan = model()
    seen = seen_by(gan, monkeypatch)
    gan.fit(tf.data.Dataset.from_tensor_slices(IMAGES).batch(16), shuffle=shuffle, verbose=0)
    np.testing.assert_array_equal(np.concatenate(seen)[:, 0], IMAGES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shuffle": "batch"}, "`shuffle`. Expected True or False.*'batch'"),
        ({"shuffle": None}, "`shuffle`. Expected True or False"),
        ({"class_weight": {0: 1.0}}, "`class_weight`. Expected None, because the losses weigh all images alike: leave"),
        ({"validation_data": (IMAGES, LABELS, LABELS)}, r"`validation_data`.*without weights.*`validation_data\[:2\]`"),
        ({"validation_freq": 0}, "`validation_freq`. Expected a positive integer, or a list of epochs"),
        ({"validation_freq": "1"}, "`validation_freq`. Expected a positive integer, or a list of epochs"),
        ({"validation_freq": [1, 0.5]}, "`validation_freq`. Expected a positive integer"),
        ({"validation_split": "0.1"}, r"`validation_split`. Expected a number in \[0, 1\)"),
        ({"validation_split": True}, r"`validation_split`. Expected a number in \[0, 1\)"),
        ({"steps_per_epoch": 0}, "`steps_per_epoch`. Expected a positive integer"),
        ({"steps_per_epoch": "2"}, "`steps_per_epoch`. Expected a positive integer"),
        ({"epochs": "2"}, "`epochs`. Expected an integer >= 0"),
        ({"validation_data": IMAGES, "validation_steps": 0}, "`validation_steps`. Expected a positive integer"),
        (
            {"validation_data": IMAGES, "validation_batch_size": 0},
            "`validation_batch_size`. Expected a positive integer",
        ),
    ],
)
def test_arguments_of_fit_that_cannot_be_are_named_before_the_first_step(arguments, message):
    gan = model()
    with pytest.raises(ValueError, match=message):
        gan.fit(IMAGES, **{"batch_size": 16, "verbose": 0} | arguments)
    assert not int(gan.step)


@pytest.mark.slow
def test_numbers_of_numpy_are_numbers_of_fit():
    gan = model()
    history = gan.fit(
        IMAGES,
        batch_size=np.int32(8),
        epochs=np.int64(3),
        validation_split=np.float32(0.25),
        steps_per_epoch=np.uint8(2),
        validation_freq=np.array([1, 3]),
        validation_steps=np.int64(1),
        validation_batch_size=np.int64(8),
        initial_epoch=np.int64(0),
        verbose=0,
    ).history
    assert len(history["d_loss"]) == 3
    assert len(history["val_d_loss"]) == 2
    history = gan.fit(IMAGES, batch_size=8, epochs=4, validation_data=IMAGES, validation_freq=np.int64(2), verbose=0)
    assert len(history.history["val_d_loss"]) == 2
    assert len(gan.evaluate(IMAGES, batch_size=np.int64(8), steps=np.int64(2), verbose=0)) == len(gan.metrics_names)


@pytest.mark.parametrize("steps", [0, "1", 1.5, True])
def test_steps_of_evaluate_are_a_positive_integer(steps):
    with pytest.raises(ValueError, match=r"`steps`. Expected a positive integer"):
        model().evaluate(IMAGES, steps=steps, verbose=0)


def test_arrays_of_others_are_arrays(monkeypatch):
    class Tensor:
        """As of torch or JAX."""

        def __array__(self, dtype=None, copy=None):
            return IMAGES.astype(dtype or IMAGES.dtype)

    gan = model()
    seen = seen_by(gan, monkeypatch)
    gan.fit(Tensor(), batch_size=64, shuffle=False, verbose=0)
    gan.fit(tf.constant(IMAGES), batch_size=64, shuffle=False, validation_split=0.0, verbose=0)
    assert all((batch[:, 0] == IMAGES).all() for batch in seen)


@pytest.mark.slow
def test_bytes_become_what_a_generator_with_a_sigmoid_makes():
    levels = np.random.default_rng(0).integers(0, 256, (16, *SHAPE)).astype("uint8")

    def weights(data):
        keras.utils.set_random_seed(0)
        gan = model(output_activation="sigmoid")
        gan.fit(data, batch_size=8, epochs=2, verbose=0)
        return gan, gan.get_weights()

    (gan, bytes_), (_, floats) = weights(levels), weights(levels / np.float32(255))
    for one, other in zip(bytes_, floats, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert gan.evaluate(levels, verbose=0) == pytest.approx(gan.evaluate(levels / 255, verbose=0), abs=1e-4)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_range_of_an_array_is_that_of_all_its_images(shuffle):
    images = np.append(IMAGES, np.full_like(IMAGES[:1], 200.0), axis=0)
    with pytest.raises(ValueError, match=r"`x`. Expected pixels in .* to 200"):
        model().fit(images, batch_size=1, shuffle=shuffle, verbose=0)


def test_a_validation_split_that_leaves_no_images_is_refused():
    with pytest.raises(ValueError, match=r"`validation_split`. Expected a fraction that leaves at least one image"):
        model().fit(IMAGES, validation_split=0.999, verbose=0)


@pytest.mark.slow
def test_masked_arrays_are_refused_with_what_to_do():
    masked = np.ma.masked_greater(IMAGES, 0.9)
    with pytest.raises(TypeError, match=r"`x`. Expected an array without a mask"):
        model().fit(masked, verbose=0)
    with pytest.raises(TypeError, match=r"`y`. Expected an array without a mask"):
        model(num_classes=3).fit(IMAGES, np.ma.masked_equal(LABELS, 1), verbose=0)
    for images in (masked.filled(0), np.ma.array(IMAGES)):
        model().fit(images, batch_size=8, verbose=0)


def test_errors_about_validation_data_say_so():
    with pytest.raises(DataError, match=r"In `validation_data`, whose parts are x and y: .*`x`. Expected pixels in"):
        model().fit(IMAGES, batch_size=8, validation_data=abs(IMAGES), verbose=0)
