"""Metrics of `compile(metrics=[...])`, and feature extractors."""

import time
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import model

import kerasgan as kg
from kerasgan import metrics
from kerasgan.datasets import read
from kerasgan.errors import DataError, NonFiniteError

DIGITS = read("digits")


def compiled(*quality, **kwargs):
    gan = model(**kwargs)
    gan.compile(metrics=list(quality))
    return gan


@pytest.mark.slow
def test_evaluate_and_validation_report_the_functions_values():
    gan = compiled(metrics.FrechetDistance(), metrics.PRDC(k=3), metrics.CopyRate(name="copies"))
    values = gan.evaluate(DIGITS.images[:300], batch_size=100, verbose=0, return_dict=True)
    fake = np.concatenate([gan.generate(256, seed=0), gan.generate(44, seed=1)])
    fake = kg.images.to_uint8(fake).reshape(300, -1) / 127.5 - 1
    real = DIGITS.images[:300].reshape(300, -1) / 127.5 - 1
    assert values["frechet_distance"] == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-5)
    assert values["prdc_coverage"] == metrics.prdc(real, fake, 3)["coverage"]
    assert {"prdc_precision", "prdc_recall", "prdc_density", "copies", "wasserstein"} < values.keys()
    history = gan.fit(
        DIGITS.images,
        epochs=2,
        steps_per_epoch=2,
        validation_data=DIGITS.images[:300],
        validation_batch_size=100,
        verbose=0,
    ).history
    again = gan.evaluate(DIGITS.images[:300], batch_size=50, verbose=0, return_dict=True)
    assert list(again) == gan.metrics_names
    assert history["val_frechet_distance"][-1] == pytest.approx(again["frechet_distance"], rel=1e-6)
    assert history["val_frechet_distance"][0] != history["val_frechet_distance"][1]


@pytest.mark.slow
def test_real_images_are_looked_at_once_where_they_are_known_to_be_the_same():
    seen = []

    def spied(images):
        seen.append(len(images))
        return metrics.pixels(images)

    gan = compiled(metrics.FrechetDistance(spied))
    for _ in range(2):
        gan.evaluate(DIGITS.images[:128], verbose=0)
    assert seen == [64, 64, 128, 128]  # real and generated; then generated alone
    gan.evaluate(DIGITS.images[128:256], verbose=0)
    assert seen[4:] == [64, 64, 128]
    of_users = lambda images: tf.data.Dataset.from_tensor_slices(images / np.float32(127.5) - 1).shuffle(128).batch(64)
    for images in (DIGITS.images[:128], DIGITS.images[128:256]):
        expected = gan.evaluate(images, verbose=0, return_dict=True)["frechet_distance"]
        del seen[:]
        values = gan.evaluate(of_users(images), verbose=0, return_dict=True)
        assert seen == [64, 64, 128]
        assert values["frechet_distance"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_an_evaluation_that_is_cut_off_leaves_no_part_of_the_real_images_behind():
    fail = [False]

    def extractor(images):
        if fail[0] and len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(len(images))
        return metrics.pixels(images)

    gan, seen = compiled(metrics.FrechetDistance(extractor)), []
    whole = gan.evaluate(DIGITS.images[:192], batch_size=64, verbose=0, return_dict=True)["frechet_distance"]
    gan = compiled(metrics.FrechetDistance(extractor))
    fail[0], seen[:] = True, []
    with pytest.raises(KeyboardInterrupt):
        gan.evaluate(DIGITS.images[:192], batch_size=64, verbose=0)
    fail[0] = False
    again = gan.evaluate(DIGITS.images[:192], batch_size=64, verbose=0, return_dict=True)["frechet_distance"]
    assert gan.quality[0].title.endswith("n=192/192]")
    assert again == pytest.approx(whole, rel=1e-6)


def test_images_that_are_not_finite_are_no_black_ones():
    gan = compiled(metrics.FrechetDistance())
    kernel = gan.generator.trainable_variables[0]
    kernel.assign(np.nan * kernel)
    with pytest.warns(UserWarning, match="NaN or infinity in what the generator makes: metrics of its quality are NaN"):
        values = gan.evaluate(DIGITS.images[:64], verbose=0, return_dict=True)
    assert np.isnan(values["frechet_distance"])
    with pytest.raises(NonFiniteError, match=r"`images`.*the generator is broken.*in 1 of 3, first in number 2"):
        kg.images.as_saved(np.array([[0.0], [1.0], [np.nan]]))
    assert kg.images.as_saved(np.zeros((0, 2, 2, 1))).shape == (0, 2, 2, 1)


def test_datasets_that_differ_in_one_pixel_are_two():
    images = np.zeros((3_000, 80, 80, 1), "uint8")
    other = images.copy()
    other[1_501, 3, 3] = 1
    assert kg.datasets.from_arrays(images, batch_size=64).digest != kg.datasets.from_arrays(other, batch_size=64).digest


def test_what_is_said_of_a_dataset_replaces_nothing_of_tensorflow():
    dataset = kg.datasets.load("digits")
    own = vars(dataset).keys() - vars(tf.data.Dataset.range(1)).keys()
    assert {"starting_at", "digest", "of_bytes"} <= own
    assert not [name for name in own if hasattr(tf.data.Dataset, name)]


def test_values_are_shown_where_keras_shows_its_own(capsys):
    gan = compiled(metrics.FrechetDistance(), metrics.PRDC())
    values = gan.evaluate(DIGITS.images[:64], verbose=2, return_dict=True)
    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.startswith(f"frechet_distance: {values['frechet_distance']:.4g} - prdc_precision: ")
    gan.evaluate(DIGITS.images[:64], verbose=0)
    assert not capsys.readouterr().out


def test_an_extractor_that_makes_no_rows_is_named():
    with pytest.raises(
        ValueError, match=r"`extractor`. Expected .* one row of features per image, \(n, d\). Received: .*8"
    ):
        compiled(metrics.FrechetDistance(lambda images: images)).evaluate(DIGITS.images[:64], verbose=0)


def test_no_more_images_than_wanted_are_looked_at():
    metric = metrics.KernelDistance(most=100)
    compiled(metric).evaluate(DIGITS.images, verbose=0)
    assert (metric.num_real, metric.num_fake) == (100, 100)
    assert metric.title == "KD[pixels, n=100/100]"


def test_images_that_are_sorted_are_not_judged_by_the_first():
    order = np.argsort(DIGITS.labels, kind="stable")
    seen = []

    def extractor(images):
        seen.append(images)
        return metrics.pixels(images)

    compiled(metrics.FrechetDistance(extractor, most=100)).evaluate(DIGITS.images[order], verbose=0)
    real = np.rint((np.concatenate(seen[:-1]) + 1) * 127.5).reshape(-1, 64)
    known = {image.tobytes(): label for image, label in zip(DIGITS.images, DIGITS.labels, strict=True)}
    assert len({int(known[image.astype("uint8").tobytes()]) for image in real}) == 10


def test_labels_and_points():
    gan = kg.GAN(
        kg.networks.mlp_generator((8, 8, 1), 4, (8,), num_classes=10),
        kg.networks.mlp_discriminator((8, 8, 1), (8,), num_classes=10),
    )
    gan.compile(metrics=[metrics.SlicedWassersteinDistance()])
    values = gan.evaluate(DIGITS.images[:100], DIGITS.labels[:100], batch_size=50, verbose=0, return_dict=True)
    labels = DIGITS.labels[:100][np.random.default_rng(0).permutation(100)]  # the order of arrays in an evaluation
    fake = gan.generate(100, labels, seed=0)
    fake, real = (x.reshape(100, -1) / 127.5 - 1 for x in (kg.images.to_uint8(fake), DIGITS.images[:100]))
    assert values["sliced_wasserstein_distance"] == pytest.approx(
        metrics.sliced_wasserstein_distance(real, fake), rel=1e-5
    )


def test_metrics_of_points():
    vae = kg.VAE(
        kg.networks.mlp_encoder((2,), 4, (8,)), kg.networks.mlp_generator((2,), 4, (8,), output_activation=None)
    )
    centres = kg.datasets.ring_modes()
    vae.compile(metrics=[metrics.WassersteinDistance(), metrics.ModeCoverage(centres, 0.5)])
    points = kg.datasets.ring(500)[0]
    values = vae.evaluate(points, batch_size=500, verbose=0, return_dict=True)
    fake = np.concatenate([vae.generate(256, seed=0), vae.generate(244, seed=1)])
    assert values["wasserstein_distance"] == pytest.approx(metrics.wasserstein_distance(points, fake), rel=1e-5)
    modes = metrics.mode_coverage(fake, centres, 0.5)
    assert modes["modes"] > 0
    assert {name: values[f"mode_coverage_{name}"] for name in modes} == pytest.approx(modes)
    assert metrics.ModeCoverage(**vae.quality[1].get_config()).names == vae.quality[1].names


@pytest.mark.slow
def test_replicas_report_the_same(mirrored):
    one = compiled(metrics.FrechetDistance())
    with mirrored.scope():
        two = compiled(metrics.FrechetDistance())
    values = [gan.evaluate(DIGITS.images[:256], verbose=0, return_dict=True)["frechet_distance"] for gan in (one, two)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


@pytest.mark.slow
def test_metrics_are_set_again_after_loading(tmp_path):
    gan = compiled(metrics.FrechetDistance())
    gan.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.quality == []
    loaded.quality = [metrics.FrechetDistance()]
    values = [one.evaluate(DIGITS.images[:100], verbose=0, return_dict=True) for one in (gan, loaded)]
    assert values[0] == values[1]


@pytest.mark.slow
def test_the_best_generator_by_a_quality_metric_is_kept(tmp_path):
    gan = compiled(metrics.FrechetDistance())
    checkpoint = kg.callbacks.Checkpoint(tmp_path, monitor="val_frechet_distance")
    gan.fit(
        DIGITS.images,
        epochs=1,
        steps_per_epoch=1,
        validation_data=DIGITS.images[:64],
        callbacks=[checkpoint],
        verbose=0,
    )
    assert (tmp_path / "best.keras").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["accuracy"], r"Expected metrics of kerasgan.metrics.*'accuracy'"),
        ([keras.metrics.Mean()], r"Expected metrics of kerasgan.metrics.*subclass kerasgan.metrics.QualityMetric"),
        ("mae", r"Expected metrics of kerasgan.metrics.*Received: 'mae'"),
        (3, r"Expected metrics of kerasgan.metrics.*Received: 3"),
        ([metrics.PRDC], r"Expected metrics of kerasgan.metrics.*Received: <class"),
    ],
)
def test_metrics_of_predictions_are_refused(given, message):
    with pytest.raises(ValueError, match=f"`metrics`. {message}"):
        model().compile(metrics=given)


def test_two_metrics_have_two_names():
    with pytest.raises(ValueError, match=r"`metrics`. Expected a different name for each: pass `name`"):
        compiled(metrics.FrechetDistance(), metrics.FrechetDistance(print))


@pytest.mark.parametrize(
    ("metric", "arguments", "message"),
    [
        (metrics.FrechetDistance, {"extractor": 3}, "`extractor`"),
        (metrics.FrechetDistance, {"most": 1}, "`most`"),
        (metrics.PRDC, {"k": 0}, "`k`"),
        (metrics.PRDC, {"k": 5, "most": 5}, "`most`"),
        (metrics.ModeCoverage, {"centres": [[1.0, 2.0]], "std": [0.1]}, "`std`"),
        (metrics.ModeCoverage, {"centres": [1.0, 2.0], "std": 0.1}, "`centres`"),
        (metrics.ModeCoverage, {"centres": [[1.0, 2.0]], "std": 0.0}, "`std`"),
    ],
)
def test_what_a_metric_does_not_take(metric, arguments, message):
    with pytest.raises(ValueError, match=message):
        metric(**arguments)


# Extractors


@pytest.fixture(scope="module")
def classifier():
    return metrics.train_classifier(DIGITS.images, DIGITS.labels, epochs=16, filters=16)


@pytest.mark.slow
def test_a_classifier_of_the_users_data(classifier, tmp_path):
    assert classifier.accuracy > 0.95
    features = classifier(DIGITS.images[:10])
    assert features.shape == (10, 128)
    np.testing.assert_allclose(classifier(DIGITS.images[:10] / np.float32(127.5) - 1), features, atol=1e-4)
    assert (classifier.classes(DIGITS.images) == DIGITS.labels).mean() > 0.95
    classifier.save(tmp_path / "classifier.keras")
    loaded = metrics.Classifier.load(tmp_path / "classifier.keras")
    assert loaded.identifier == classifier.identifier
    np.testing.assert_array_equal(loaded(DIGITS.images[:10]), features)


@pytest.mark.slow
def test_values_are_named_after_the_classifiers_weights(classifier):
    distance = metrics.FrechetDistance(classifier, name="fd")
    score = metrics.InceptionScore(classifier.logits, name="score")
    whole = metrics.InceptionScore(classifier.logits, name="whole", splits=1)
    values = compiled(distance, score, whole).evaluate(DIGITS.images[:100], verbose=0, return_dict=True)
    assert values["whole"] > values["score"]  # ten examples in a part are too few
    assert distance.title == f"FD[{classifier.identifier}, n=100/100]"
    assert values["fd"] > 0
    assert 1 <= values["score"] <= 10
    assert score.title == f"IS[{classifier.identifier}, n=100]"


@pytest.mark.slow
def test_networks_of_keras_applications():
    extractor = metrics.application_features("MobileNetV2", weights=None, image_size=96)
    assert extractor(DIGITS.images[:3]).shape == (3, 1280)
    assert extractor.identifier.startswith("keras-mobilenetv2-96-")
    with pytest.raises(ValueError, match=r"`images`. Expected images of 1 or 3 channels"):
        extractor(np.zeros((2, 8, 8, 4), "uint8"))
    extractor = metrics.application_features("Xception", weights=None)
    assert extractor.identifier.startswith("keras-xception-299-")
    with pytest.raises(ValueError, match=r"`name`. Expected a network of keras.applications"):
        metrics.application_features("Inception")
    with pytest.raises(ValueError, match=r"a network of keras.applications"):
        metrics.application_features("vgg16")  # a module


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (DIGITS.images[..., 0], DIGITS.labels, "`labels`"),
        (DIGITS.images, DIGITS.labels[:5], "`labels`"),
        (DIGITS.images, 0 * DIGITS.labels + 3, "at least two classes"),
    ],
)
def test_what_no_classifier_is_trained_on(images, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.train_classifier(images, labels)


def test_no_epochs_are_refused_before_the_classifier_is_built():
    with pytest.raises(ValueError, match="`epochs`"):
        metrics.train_classifier(DIGITS.images, DIGITS.labels, epochs=0)


def test_a_classifier_is_kept_for_the_same_data_and_arguments_alone(tmp_path, monkeypatch):
    images, labels = DIGITS.images[:70], DIGITS.labels[:70]
    trained = []  # instead of a training, which takes seconds
    monkeypatch.setattr("kerasgan.metrics.classifier._train", lambda *args: trained.append(args))

    def classifier(labels=labels, filters=2):
        trained.clear()
        return metrics.train_classifier(images, labels, filters=filters, directory=tmp_path)

    first = classifier()
    assert trained
    (file,) = tmp_path.iterdir()
    again = classifier()
    assert not trained
    assert (again.identifier, again.accuracy) == (first.identifier, first.accuracy)
    np.testing.assert_array_equal(again.logits(images), first.logits(images))
    file.write_bytes(file.read_bytes()[:-100])  # damaged
    assert classifier().identifier == first.identifier
    assert trained
    for changed in ({"labels": np.roll(labels, 1)}, {"filters": 3}):
        classifier(**changed)
        assert trained
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(ValueError, match=r"`directory`\. Expected a directory"):
        metrics.train_classifier(images, labels, directory=file)


def test_a_classifier_of_few_images_has_at_most_20_passes_over_them(monkeypatch):
    passes = []
    monkeypatch.setattr(keras.Model, "fit", lambda *args, epochs, **kwargs: passes.append(epochs))
    for repeats in (1, 100):
        images, labels = np.repeat(DIGITS.images[:128], repeats, 0), np.repeat(DIGITS.labels[:128], repeats)
        metrics.train_classifier(images, labels, filters=1)
    assert passes == [20, 2_000 // 180]


@pytest.mark.parametrize(("divisor", "fix"), [(1, r"`x / 127.5 - 1`"), (255, r"`x \* 2 - 1`")])
def test_floats_on_another_scale_are_pointed_out(divisor, fix):
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    features = metrics.NetworkFeatures(network, "flat")
    with pytest.warns(UserWarning, match=fix):
        features(DIGITS.images / np.float32(divisor))
    np.testing.assert_allclose(features(DIGITS.images[:4]), features(DIGITS.images[:4] / np.float32(127.5) - 1))


def test_an_extractor_that_loses_images_is_refused():
    with pytest.raises(ValueError, match=r"one row of features per image.*\(3, 2\) for 64 images"):
        compiled(metrics.FrechetDistance(lambda images: np.ones((3, 2)))).evaluate(DIGITS.images[:64], verbose=0)


def fails(images):
    raise ZeroDivisionError("of the extractor")


@pytest.mark.parametrize(
    ("metric", "count", "kind", "message"),
    [
        (
            metrics.PRDC(),
            5,
            DataError,
            r"`validation_data`. Expected 6 images or more, which metric 'prdc' .*: 5 images",
        ),
        (metrics.KernelDistance(), 1, DataError, "2 images or more, which metric 'kernel_distance'"),
        (metrics.FrechetDistance(lambda images: np.ones((3, 2))), 64, ValueError, "one row of features per image"),
        (metrics.FrechetDistance(fails), 64, ZeroDivisionError, "of the extractor"),
        (metrics.InceptionScore(lambda images: np.full((len(images), 0), 1.0)), 64, ValueError, "inception_score"),
    ],
    ids=["few", "one", "rows", "extractor", "logits"],
)
def test_a_metric_that_cannot_be_computed_is_known_before_the_first_step(metric, count, kind, message):
    gan = compiled(metric)
    with pytest.raises(kind, match=message):
        gan.fit(DIGITS.images[:64], validation_data=DIGITS.images[:count], verbose=0)
    assert gan.step.numpy() == 0


class Hungry(metrics.FrechetDistance):
    """A metric of a user's that needs many images."""

    def _value(self, real, fake):
        if len(real) < 100:
            raise ValueError("100 or more examples")
        return float(len(real))


@pytest.mark.slow
def test_every_metric_that_can_be_computed_after_an_epoch_passes_what_is_tried_before():
    quality = [metrics.InceptionScore(lambda images: images.reshape(len(images), -1)), Hungry(name="hungry")]
    quality += [kind() for kind in (metrics.FrechetDistance, metrics.KernelDistance, metrics.PRDC, metrics.CopyRate)]
    quality += [metrics.SlicedWassersteinDistance(), metrics.WassersteinDistance()]
    history = compiled(*quality).fit(DIGITS.images[:64], validation_data=DIGITS.images[:128], verbose=0).history
    assert history["val_hungry"] == [128.0]
    assert {f"val_{name}" for metric in quality for name in metric.names} <= history.keys()


def test_a_metric_that_is_never_computed_is_not_tried():
    gan = compiled(metrics.PRDC())
    gan.fit(DIGITS.images[:64], validation_data=DIGITS.images[:4], validation_freq=2, verbose=0)
    assert gan.step.numpy() > 0


@pytest.mark.slow
def test_what_is_tried_before_the_first_step_is_in_no_value():
    history = compiled(metrics.FrechetDistance()).fit(
        DIGITS.images[:64], validation_data=DIGITS.images[64:192], verbose=0
    )
    values = history.history["val_frechet_distance"]
    gan = compiled(metrics.FrechetDistance())
    gan.fit(DIGITS.images[:64], verbose=0)
    expected = gan.evaluate(DIGITS.images[64:192], verbose=0, return_dict=True)["frechet_distance"]
    assert values == [pytest.approx(expected, rel=1e-6)]


def test_data_that_may_have_no_end_are_spoken_of(monkeypatch):
    monkeypatch.setattr("kerasgan.evaluation._LONG", 0.05)
    gan = compiled()
    gan.fit(DIGITS.images[:64], verbose=0)

    def held_out():
        for _ in range(2):
            time.sleep(0.2)
            yield DIGITS.images[:4] / np.float32(127.5) - 1

    data = tf.data.Dataset.from_generator(held_out, output_signature=tf.TensorSpec((4, 8, 8, 1), tf.float32))
    with pytest.warns(UserWarning, match="not come to the end of its data in .*`validation_steps`"):
        gan.evaluate(data, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan.evaluate(DIGITS.images[:64], verbose=0)
        gan.evaluate(data, steps=2, verbose=0)


def test_an_error_names_the_metric():
    with pytest.raises(ValueError, match=r"Metric 'prdc' on 4 real and 4 generated images: .*6 or more examples"):
        compiled(metrics.PRDC()).evaluate(DIGITS.images[:4], verbose=0)


@pytest.mark.slow
def test_the_inception_score_takes_a_classifier_by_its_logits():
    classifier = metrics.train_classifier(DIGITS.images[:300], DIGITS.labels[:300], epochs=1, filters=4)
    values = [
        compiled(metrics.InceptionScore(extractor)).evaluate(DIGITS.images[:64], verbose=0)[-1]
        for extractor in (classifier, classifier.logits)
    ]
    assert values[0] == values[1]
    assert metrics.InceptionScore(classifier).title.startswith(f"IS[{classifier.identifier}, ")


def test_points_of_a_generator_with_a_sigmoid_are_measured_as_they_are():
    gan = kg.GAN(
        kg.networks.mlp_generator((4,), 3, (4,), output_activation="sigmoid"), kg.networks.mlp_discriminator((4,), (4,))
    )
    for _ in range(2):  # and the metric of the first `compile` is not one of the model's own
        gan.compile(metrics=[kg.metrics.FrechetDistance()])
        values = gan.evaluate(gan.generate(256, seed=0), verbose=0, return_dict=True)
        assert values["frechet_distance"] < 1e-6
