"""`fit` goes on from a checkpoint as if it had not stopped."""

import functools
import itertools
import re
import shutil
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from gans import unchanged, weights
from selection import each, some
from trainings import IMAGES, TerminatedAt, assert_same, model, train

import kerasgan as kg
from kerasgan import buffers, layers


def on(strategy):
    """A function that makes a model in its scope, the cheapest to trace for each replica."""

    def make():
        with strategy.scope():
            return model(kg.GAN)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
    ids=["TERM", "INT"],
)
def test_a_training_that_is_ended_by_a_signal_goes_on_to_the_same_weights_log_and_history(tmp_path, number, status):
    calm, history = train(tmp_path / "calm", steps_per_epoch=5)
    with pytest.raises(status) as caught:
        train(tmp_path / "ended", [TerminatedAt(8, number)], steps_per_epoch=5)
    assert number == signal.SIGINT or caught.value.code == 143
    assert kg.checkpoint.checkpoints(tmp_path / "ended/checkpoints")[0].name == "step-00000008-epoch-0001"
    resumed, resumed_history = train(tmp_path / "ended", steps_per_epoch=5)
    assert_same(calm, resumed)
    assert resumed_history.history == history.history
    assert resumed_history.epoch == [0, 1, 2]

    def rows(name):
        lines = (tmp_path / name / "metrics.csv").read_text().splitlines()
        return [[*line.split(",")[:2], *line.split(",")[3:]] for line in lines]  # without the seconds

    assert rows("ended") == rows("calm")


class StoppedAt(keras.callbacks.Callback):
    """Stops the training at the n-th step from now, as a limit of time would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            self.model.stop_training = True


@pytest.mark.parametrize("stops", some([(7,), (7, 1), (10,)], 1, whole=True), ids=str)
def test_a_training_that_a_callback_stops_within_an_epoch_goes_on_in_that_epoch(tmp_path, stops):
    options = {"make": lambda: model(kg.GAN), "steps_per_epoch": 5, "validation_data": IMAGES[:32]}
    calm, history = train(tmp_path / "calm", **options)
    for step in stops:
        train(tmp_path / "stopped", [StoppedAt(step)], **options)
    resumed, resumed_history = train(tmp_path / "stopped", **options)
    assert_same(calm, resumed)
    assert (resumed_history.history, resumed_history.epoch) == (history.history, [0, 1, 2])


# The position in the data


def arrays():
    return IMAGES


def shuffled_anew_each_time():
    return tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(96).batch(16, drop_remainder=True)


def cached_and_reshuffled():
    # Whatever looks at a batch reads ahead into the next epoch, or not, and so draws its order.
    cached = tf.data.Dataset.from_tensor_slices(IMAGES).map(lambda image: 1.0 * image).cache().shuffle(96, seed=1)
    return cached.repeat().batch(16, drop_remainder=True).prefetch(2)


def augmented_by_stateless_numbers():
    numbered = tf.data.Dataset.from_tensor_slices(IMAGES).enumerate().shuffle(96, seed=1)
    noisy = numbered.map(lambda number, x: x * tf.random.stateless_uniform((), [1, number]))
    return noisy.batch(16, drop_remainder=True).cache()


def of_partial_batches():
    return tf.data.Dataset.from_tensor_slices(IMAGES[:90]).batch(16)


def interleaved():
    parts = tf.data.Dataset.range(4).interleave(
        lambda k: tf.data.Dataset.from_tensor_slices(IMAGES).shard(4, k), cycle_length=2, num_parallel_calls=2
    )
    return parts.batch(16, drop_remainder=True).prefetch(2)


def with_random_state():
    return shuffled_anew_each_time().map(lambda x: x * tf.random.uniform(()))


def of_a_python_generator():
    signature = tf.TensorSpec((16, 8, 8, 1), tf.float32)
    return tf.data.Dataset.from_generator(lambda: iter(IMAGES.reshape(6, 16, 8, 8, 1)), output_signature=signature)


def branched(tmp_path, data, make=model, resume=None, **fit):
    """A training of 12 steps, and one that goes on from its checkpoint of step 7."""
    fit = {"epochs": 3, "verbose": 0, "steps_per_epoch": 4, **fit}

    def run(directory, make):
        gan = make()
        saver = kg.callbacks.Checkpoint(tmp_path / directory, every=7)
        gan.fit(data(), callbacks=[saver], **fit)
        return gan, saver

    whole, saver = run("whole", make)
    shutil.copytree(tmp_path / "whole/step-00000007-epoch-0001", tmp_path / "other/step-00000007-epoch-0001")
    resumed, saver = run("other", resume or make)
    assert saver.restored.name == "step-00000007-epoch-0001"
    return whole, resumed


@pytest.mark.parametrize(
    "data",
    each(
        [
            arrays,
            shuffled_anew_each_time,
            cached_and_reshuffled,
            augmented_by_stateless_numbers,
            of_partial_batches,
            interleaved,
        ],
        [cached_and_reshuffled],
    ),
    ids=lambda data: data.__name__,
)
def test_a_dataset_goes_on_where_it_was_and_a_checkpoint_changes_no_batch(tmp_path, data):
    whole, resumed = branched(tmp_path, data)
    assert_same(whole, resumed)
    without = model()
    without.fit(data(), epochs=3, verbose=0, steps_per_epoch=4)
    assert_same(whole, without)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", each([with_random_state, of_a_python_generator], [with_random_state]), ids=lambda data: data.__name__
)
def test_a_dataset_that_cannot_is_called_approximate_at_the_beginning_and_when_going_on(tmp_path, data):
    with pytest.warns(UserWarning, match="approximate") as caught:
        branched(tmp_path, data)
    messages = [str(warning.message) for warning in caught]
    assert any("A run that resumes from a checkpoint will be approximate: the dataset" in one for one in messages)
    assert any("Resuming from step-00000007-epoch-0001: approximate: the dataset" in one for one in messages)


def reshuffled_by_a_seed():
    return tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(96, seed=1).batch(16, drop_remainder=True)


def shuffled_in_parts():
    files = tf.data.Dataset.range(3)
    images = tf.constant(IMAGES)
    return files.interleave(lambda k: tf.data.Dataset.from_tensor_slices(images).shard(3, k).shuffle(8, seed=1)).batch(
        16, drop_remainder=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "named"),
    [
        pytest.param(reshuffled_by_a_seed, r"shuffle\(96\) can hold", marks=pytest.mark.slow),
        (cached_and_reshuffled, r"shuffle\(96\) can hold .*, cache\(\) can hold"),
        pytest.param(shuffled_in_parts, "shuffle inside a function", marks=pytest.mark.slow),
    ],
    ids=["shuffle", "cache", "interleave"],
)
def test_where_buffers_are_large_the_batches_are_read_again_to_the_same_position_and_that_is_said_once(
    tmp_path, data, named, monkeypatch
):
    monkeypatch.setattr(buffers, "LIMIT", 1_000)
    with pytest.warns(UserWarning, match="read again") as caught:
        assert_same(*branched(tmp_path, data))  # step 7 is in the second epoch
    messages = [str(one.message) for one in caught if "read again" in str(one.message)]
    assert len(messages) == 2  # of the run, and of the one that resumes
    assert re.search(f"Checkpoints do not hold the position in the data, because {named}", messages[0])
    assert "arrays" in messages[0].lower()
    assert "kerasgan.datasets.load" in messages[0]
    with np.load(tmp_path / "whole/step-00000007-epoch-0001/state.npz") as state:
        assert "data/iterator" not in state


@pytest.mark.slow
def test_a_prefetch_that_grows_is_noticed_when_it_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(buffers, "LIMIT", -(10**9))
    monkeypatch.setattr(buffers, "too_large", lambda dataset, read_ahead: None)
    with pytest.warns(UserWarning, match=r"the batches that are read ahead hold .* MB|are read again"):
        assert_same(*branched(tmp_path, interleaved))


@pytest.mark.slow
def test_the_positions_differ_in_what_follows():
    """What the tests above would not see if all batches were alike."""
    gan, other = model(), model()
    gan.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    other.updates.assign(3)
    other.step.assign(1)
    other.fit(IMAGES, batch_size=16, epochs=1, steps_per_epoch=2, verbose=0)
    assert np.abs(gan.generator.get_weights()[0] - other.generator.get_weights()[0]).max() > 1e-6


def test_replicas_go_on_exactly_with_a_dataset_of_ours(tmp_path, mirrored):
    assert_same(*branched(tmp_path, lambda: kg.datasets.load("digits", 128), on(mirrored)))


@pytest.mark.slow
def test_replicas_read_a_dataset_of_the_user_again_and_say_so(tmp_path, mirrored):
    with pytest.warns(UserWarning, match=r"Resuming from step-00000007-epoch-0001: .*read again"):
        assert_same(*branched(tmp_path, augmented_by_stateless_numbers, on(mirrored)))


@pytest.mark.slow
def test_a_training_on_two_replicas_goes_on_on_one_up_to_rounding_and_says_so(tmp_path, mirrored):
    alone = functools.partial(model, kg.GAN)
    with pytest.warns(UserWarning, match="not bit for bit: replicas 2 -> 1"):
        two, one = branched(tmp_path, lambda: kg.datasets.load("digits", 128), on(mirrored), alone)
    for name, value in weights(two).items():
        np.testing.assert_allclose(value, weights(one)[name], atol=1e-5, err_msg=name)


def test_two_trainings_of_one_model_are_one_training(tmp_path):
    once, twice = model(), model()
    once.fit(IMAGES, batch_size=16, epochs=4, verbose=0)
    twice.fit(IMAGES, batch_size=16, epochs=2, verbose=0)
    twice.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for gan in (twice, loaded):
        gan.fit(IMAGES, batch_size=16, epochs=2, verbose=0)
        assert_same(once, gan)


def test_an_evaluation_reads_a_loaded_dataset_in_one_order(mirrored):
    gan = model()
    data = kg.datasets.load("digits", 128)
    first = gan.evaluate(data, verbose=0, return_dict=True)
    assert gan.evaluate(data, verbose=0, return_dict=True) == first


# What models and callbacks remember


def test_a_vae_goes_on(tmp_path):
    def make():
        keras.utils.set_random_seed(3)
        vae = kg.VAE(
            kg.networks.mlp_encoder((8, 8, 1), 4, units=(8,)), kg.networks.mlp_generator((8, 8, 1), 4, units=(8,))
        )
        vae.compile()
        return vae

    assert_same(*branched(tmp_path, arrays, make))


@pytest.mark.parametrize("dropout", each([layers.Dropout, keras.layers.Dropout], [keras.layers.Dropout]))
def test_dropout_goes_on(tmp_path, dropout):
    def make():
        keras.utils.set_random_seed(3)
        images = keras.Input((8, 8, 1))
        hidden = keras.layers.Dense(8, "relu")(keras.layers.Flatten()(images))
        discriminator = keras.Model(images, keras.layers.Dense(1)(dropout(0.5)(hidden)))
        gan = kg.GAN(kg.networks.mlp_generator((8, 8, 1), 4, units=(8,)), discriminator, ema_momentum=0.9)
        gan.compile()
        return gan

    assert_same(*branched(tmp_path, arrays, make))


@pytest.mark.slow
def test_loss_scales_go_on(tmp_path):
    def make():
        keras.config.set_dtype_policy("mixed_float16")
        gan = model()
        scaled = [keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-4), 8.0, 3) for _ in range(2)]
        gan.compile(*scaled)
        return gan

    whole, resumed = branched(tmp_path, arrays, make)
    assert_same(whole, resumed)
    assert float(whole.d_optimizer.dynamic_scale) != 8.0


class Remembers(keras.callbacks.Callback):
    """A user's callback that counts steps."""

    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]


@pytest.mark.slow
def test_callbacks_remember_what_they_have_seen(tmp_path):
    def callbacks():
        return [
            keras.callbacks.EarlyStopping("g_loss", patience=3, min_delta=1e9, mode="min"),
            keras.callbacks.ReduceLROnPlateau("g_loss", patience=2, min_delta=1e9, mode="min", factor=0.5),
            Remembers(),
        ]

    def run(directory, callbacks, epochs):
        gan = model()
        saver = kg.callbacks.Checkpoint(tmp_path / directory)
        gan.fit(IMAGES, batch_size=16, epochs=epochs, steps_per_epoch=1, verbose=0, callbacks=[*callbacks, saver])
        return gan

    calm, resumed = callbacks(), callbacks()
    whole = run("calm", calm, 9)
    run("stopped", callbacks(), 2)
    assert_same(whole, run("stopped", resumed, 9))
    assert len(whole.history.history["g_loss"]) == 4
    assert [one.stopped_epoch for one in (calm[0], resumed[0])] == [3, 3]
    assert calm[1].wait == resumed[1].wait
    assert calm[2].seen == resumed[2].seen == 4
    assert float(whole.g_optimizer.learning_rate) == pytest.approx(0.5e-4)


class Returns(keras.callbacks.Callback):
    """A user's callback that remembers one value, and logs it."""

    def __init__(self, value):
        super().__init__()
        self.value, self.restored = value, None

    def on_epoch_end(self, epoch, logs=None):
        logs["own"] = self.value

    def get_state(self):
        return {"value": self.value}

    def set_state(self, state):
        self.restored = state["value"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "restored"),
    [
        (np.float32(0.5), 0.5),
        pytest.param(np.arange(3), [0, 1, 2], marks=pytest.mark.slow),
        pytest.param(tf.constant(2), 2, marks=pytest.mark.slow),
        pytest.param((1, None), [1, None], marks=pytest.mark.slow),
    ],
)
def test_callbacks_may_remember_and_log_the_numbers_of_numpy(tmp_path, value, restored):
    fit(tmp_path, model(), 1, [Returns(value)])
    again = Returns(value)
    assert fit(tmp_path, model(), 1, [again]).history["own"] == [restored]
    assert again.restored == restored


@pytest.mark.parametrize("value", [{1: 2.0}, {"a": {3}}, object(), np.array([object()]), np.zeros(10**6)])
def test_what_a_checkpoint_cannot_give_back_is_refused_before_the_first_step(tmp_path, value):
    gan = model()
    with pytest.raises((TypeError, ValueError), match=r"`Returns.get_state\(\)`. Expected "):
        fit(tmp_path, gan, 1, [Returns(value)])
    assert int(gan.step) == 0


class Counts(keras.callbacks.Callback):
    """A user's callback that gives the model a metric."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def set_model(self, model):
        super().set_model(model)
        model._trackers.setdefault(self.name, keras.metrics.Mean(name=self.name))
        log = model._log
        model._log = lambda values, weight: log({self.name: 1.0, **values}, weight)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.product([[], ["a"], ["a", "b"]], [[], ["b"]])),
)
def test_a_callback_that_adds_a_metric_may_come_and_go_between_two_runs(tmp_path, first, second):
    fit(tmp_path, model(), 1, [Counts(name) for name in first])
    history = fit(tmp_path, model(), 2, [Counts(name) for name in second]).history
    assert len(history["g_loss"]) == 2
    assert all(history[name][-1] == 1.0 for name in second)


def test_a_callback_that_makes_variables_too_late_to_resume_is_refused_before_the_first_step(tmp_path):
    gan = model()
    late = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: gan.add_weight(name="late", shape=()))
    with pytest.raises(ValueError, match=r"make variables of the model in `set_model`.*late"):
        fit(tmp_path, gan, 1, [late])
    assert int(gan.step) == 0


# What would be lost, or is not as it seems, is said


def fit(directory, gan, epochs=2, callbacks=(), verbose=0, **arguments):
    checkpoint = kg.callbacks.Checkpoint(directory, **arguments)
    return gan.fit(
        kg.datasets.load("digits", 128),
        epochs=epochs,
        steps_per_epoch=2,
        validation_data=IMAGES,
        validation_freq=2,
        verbose=verbose,
        callbacks=[*callbacks, checkpoint],
    )


@pytest.mark.slow
def test_a_model_that_is_further_than_the_checkpoint_is_not_thrown_back(tmp_path):
    fit(tmp_path, model())
    gan = model()
    gan.fit(IMAGES, batch_size=16, epochs=3, steps_per_epoch=2, verbose=0)
    with (
        unchanged(gan),
        pytest.raises(kg.errors.CheckpointMismatchError, match=r"of step 4, .* trained for 6 steps.* throw 2 away"),
    ):
        fit(tmp_path, gan)


@pytest.mark.parametrize(("steps", "warns"), [(0, False), (1, True), (4, True)])
def test_weights_of_another_training_are_not_replaced_in_silence(tmp_path, steps, warns, recwarn):
    fit(tmp_path, model())
    gan = model()
    if steps:
        gan.fit(IMAGES, batch_size=32, steps_per_epoch=steps, verbose=0)
    fit(tmp_path, gan)
    said = [str(warning.message) for warning in recwarn if "are replaced by those of" in str(warning.message)]
    assert len(said) == warns
    assert all(f"for {steps} steps. Its" in text and "of step 4. To continue" in text for text in said)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_weights_that_were_changed_since_are_not_replaced_in_silence(tmp_path, network):
    gan = model()
    fit(tmp_path, gan)
    gan.networks[network].set_weights([array + 1 for array in gan.networks[network].get_weights()])
    with pytest.warns(UserWarning, match=r"for 4 steps\. Its weights are replaced"):
        fit(tmp_path, gan)


def test_a_model_that_its_own_checkpoint_is_read_into_is_not_warned_of(tmp_path, recwarn):
    gan = model()
    fit(tmp_path, gan)
    fit(tmp_path, gan, epochs=3)
    assert int(gan.step) == 6
    assert not [warning for warning in recwarn if "are replaced by those of" in str(warning.message)]


@pytest.mark.slow
def test_a_training_that_was_stopped_early_stays_so_until_it_is_given_more_patience(tmp_path):
    def stopping(patience):
        return [keras.callbacks.EarlyStopping("g_loss", min_delta=1e9, patience=patience, mode="min")]

    assert fit(tmp_path, model(), 9, stopping(2)).epoch == [0, 1, 2]
    again = model()
    assert fit(tmp_path, again, 9, stopping(2)).epoch == [0, 1, 2]
    assert int(again.step) == 6
    assert fit(tmp_path, model(), 9, stopping(4)).epoch == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_learning_rate_set_by_hand_is_not_replaced_in_silence(tmp_path):
    fit(tmp_path, model(), 1)
    gan = model()
    gan.d_optimizer.learning_rate = 1e-5
    with pytest.warns(UserWarning, match="rate 1e-05 that was set on `d_optimizer` is replaced by .* 0.0001"):
        fit(tmp_path, gan)


@pytest.mark.slow
def test_the_rates_of_a_refusal_are_those_that_were_written(tmp_path):
    fit(tmp_path, model())
    gan = model()
    gan.compile(keras.optimizers.Adam(3e-4, 0.0, 0.9, epsilon=1e-8), None)
    with pytest.raises(
        kg.errors.CheckpointMismatchError, match=r"(?s)rate: 0.0001 in the checkpoint, 0.0003 here.*LearningRateSched"
    ):
        fit(tmp_path, gan)


@pytest.mark.slow
def test_fit_says_where_it_goes_on_that_it_is_complete_and_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kerasgan.signals._ENDS_WITHIN", 0.01)
    held_up = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batch % 2 or time.sleep(0.1))
    with pytest.raises(SystemExit):
        fit(tmp_path, model(), callbacks=[TerminatedAt(3), held_up], verbose=2)
    printed = capsys.readouterr()
    assert f"Stopped by SIGTERM at step 3, saved in {tmp_path}. Call `fit` again" in printed.out
    words = f"\nSIGTERM: finishing the current step, after step 3, then saving the run in {tmp_path}. A second SIGTERM "
    words += "leaves that out: the newest checkpoint is that of step %d.\n"
    assert printed.err in (words % 2, words % 0)  # that of step 2 may still be being written
    fit(tmp_path, model(), verbose=2)
    assert f"Resuming: step 3, epoch 1 of 2, from {tmp_path}" in capsys.readouterr().out
    fit(tmp_path, model(), verbose=2)
    assert "The run is complete: step 4, epoch 2 of 2" in capsys.readouterr().out
    fit(tmp_path, model(), verbose=0)
    assert not capsys.readouterr().out


def test_a_monitor_that_nothing_logs_is_found_before_the_first_step(tmp_path):
    gan = model()
    with pytest.raises(ValueError, match=r"`monitor`. Expected a metric in the logs: d_loss, .*val_wasserstein.*'fid'"):
        fit(tmp_path, gan, monitor="fid")
    assert int(gan.step) == 0
    assert not kg.checkpoint.checkpoints(tmp_path)


@pytest.mark.slow
def test_a_monitor_may_be_logged_by_a_callback_of_the_users_and_only_after_some_epochs(tmp_path):
    class Distance(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["distance"] = 1.0

    fit(tmp_path / "own", model(), callbacks=[Distance()], monitor="distance")
    assert (tmp_path / "own/best.keras").exists()
    fit(tmp_path / "validated", model(), 3, monitor="val_wasserstein")
    with pytest.warns(UserWarning, match=r"no .*best\.keras: no epoch had a finite 'val_wasserstein' in its logs"):
        fit(tmp_path / "never", model(), 1, monitor="val_wasserstein")  # validated after every second epoch
    assert (tmp_path / "validated/best.keras").exists()


@pytest.mark.parametrize("directory", [None, "", 3, "model.keras", "model.weights.h5", "epoch-{epoch}", __file__])
def test_what_is_no_directory_is_refused(directory):
    with pytest.raises((TypeError, ValueError), match=r"`directory`. Expected a directory for the checkpoints"):
        kg.callbacks.Checkpoint(directory)


def test_predict_points_to_generate():
    with pytest.raises(ValueError, match=r"latents of shape \(n, 4\): call `generate"):
        model().predict(IMAGES)
    with pytest.raises(ValueError, match=r"latents of shape \(n, 4\): call `generate.*images of shape"):
        model().predict(tf.data.Dataset.from_tensor_slices(IMAGES).batch(8))


def test_a_handlers_exception_that_tensorflow_has_wrapped_ends_the_process_as_the_signal_says(tmp_path):
    class WrappedBy(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as error:
                raise SystemError("<built-in method> returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, model(), callbacks=[WrappedBy()])


def of_the_user(tuned=None):
    options = tf.data.Options()
    if tuned is not None:
        options.autotune.enabled = tuned
    return tf.data.Dataset.from_tensor_slices(np.zeros((64, 8, 8, 1), "float32")).batch(16).with_options(options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "tuned"),
    [
        pytest.param(lambda: np.zeros((64, 8, 8, 1), "uint8"), False, marks=pytest.mark.slow),
        pytest.param(lambda: kg.datasets.load("digits", 128), False, marks=pytest.mark.slow),
        (of_the_user, False),
        pytest.param(lambda: of_the_user(False), False, marks=pytest.mark.slow),
        (lambda: of_the_user(True), True),
    ],
    ids=["array", "ours", "undecided", "untuned", "tuned"],
)
@pytest.mark.filterwarnings("ignore")  # all images are the same
def test_no_iterator_is_tuned_unless_the_user_has_decided_so(monkeypatch, make, tuned):
    """An iterator that is tuned can take a minute to be dropped, in which no signal is heard."""
    plain, decided = tf.data.Dataset.__iter__, []

    def recorded(dataset):
        decided.append(dataset.options().autotune.enabled)
        return plain(dataset)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", recorded)
    gan = model()
    gan.fit(make(), steps_per_epoch=2, epochs=2, validation_data=make(), verbose=0)
    gan.evaluate(make(), verbose=0)
    assert len(decided) >= 4
    assert set(decided) == {tuned}
