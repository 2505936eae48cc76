"""Keras's callbacks do with a GAN what Keras says they do."""

import csv
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from selection import each
from trainings import IMAGES, assert_same, model

import kerasgan as kg


def fit(gan, *callbacks, epochs=4, **kwargs):
    options = {"batch_size": 16, "steps_per_epoch": 2, "validation_data": IMAGES[:32], "verbose": 0, **kwargs}
    return gan.fit(IMAGES, epochs=epochs, callbacks=list(callbacks), **options)


class Logged(keras.callbacks.Callback):
    """Puts values of its own into the logs of the epochs."""

    def __init__(self, *values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["g_loss"] = self.values[epoch]


def rates(gan):
    return [float(optimizer.learning_rate) for optimizer in gan.optimizers.values()]


def compiled(d_rate, g_rate):
    gan = model()
    gan.compile(keras.optimizers.Adam(d_rate), keras.optimizers.Adam(g_rate))
    return gan


def test_model_checkpoint_keeps_the_best_epoch(tmp_path):
    gan, weights = model(ema_momentum=0.9), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(gan.get_weights()))
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="g_loss", mode="min", save_best_only=True)
    fit(gan, Logged(3.0, 1.0, 2.0, 4.0), keep, best)
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert int(loaded.step) == 4
    for one, other in zip(loaded.generator.get_weights(), _generator_of(gan, weights[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def _generator_of(gan, weights):
    ids = {id(weight): value for weight, value in zip(gan.weights, weights, strict=True)}
    return [ids[id(weight)] for weight in gan.generator.weights]


def test_early_stopping_ends_the_training_and_restores_the_best_weights():
    gan, steps = model(), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: steps.append(gan.generator.get_weights()[0]))
    stop = keras.callbacks.EarlyStopping("g_loss", mode="min", patience=2, restore_best_weights=True)
    history = fit(gan, Logged(3.0, 1.0, 2.0, 2.0, 0.0), keep, stop, epochs=5)
    assert len(history.history["d_loss"]) == 4
    np.testing.assert_array_equal(gan.generator.get_weights()[0], steps[1])


@pytest.mark.slow
def test_early_stopping_on_the_held_out_estimate():
    stop = keras.callbacks.EarlyStopping("val_wasserstein", mode="min", patience=0, min_delta=1e9)
    assert len(fit(model(), stop).history["val_wasserstein"]) == 2


@pytest.mark.slow
def test_reduce_lr_on_plateau_lowers_both_rates_by_one_factor():
    gan = compiled(4e-4, 1e-4)
    reduce = keras.callbacks.ReduceLROnPlateau("g_loss", mode="min", patience=1, factor=0.5, min_delta=1e9)
    history = fit(gan, reduce, epochs=3)
    np.testing.assert_allclose(rates(gan), [1e-4, 0.25e-4], rtol=1e-6)
    np.testing.assert_allclose(history.history["learning_rate"], [1e-4, 1e-4, 0.5e-4], rtol=1e-6)


def test_learning_rate_scheduler_sets_both_rates_and_a_lower_one_moves_less():
    gan = compiled(4e-4, 1e-4)
    fit(gan, keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-4 * 0.1**epoch), epochs=3)
    np.testing.assert_allclose(rates(gan), [4e-6, 1e-6], rtol=1e-5)
    before = gan.generator.get_weights()[0]
    fit(gan, keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-12), epochs=1)
    np.testing.assert_allclose(gan.generator.get_weights()[0], before, atol=1e-9)


def test_a_schedule_follows_the_updates_of_each_network():
    gan = model(n_critic=2)
    schedules = [keras.optimizers.schedules.PolynomialDecay(1e-3, 16, 0.0) for _ in range(2)]
    gan.compile(*(keras.optimizers.Adam(schedule) for schedule in schedules))
    fit(gan)  # 8 steps: 16 updates of the critic, 8 of the generator
    np.testing.assert_allclose(rates(gan), [0.0, 5e-4], atol=1e-9)


BOARDS = [
    pytest.param(keras.callbacks.TensorBoard, id="Keras's"),
    pytest.param(kg.callbacks.TensorBoard, id="ours"),
]


def events(path):
    """Dict of the values that TensorBoard shows, by directory, tag and step."""
    return {
        (path.parent.name, value.tag, event.step): float(tf.make_ndarray(value.tensor))
        for path in pathlib.Path(path).rglob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tensor.dtype == tf.float32
    }


@pytest.mark.slow
@pytest.mark.parametrize("make", BOARDS)
def test_tensorboard_gets_every_metric(make, tmp_path):
    history = fit(model(), make(tmp_path, write_graph=False), epochs=2).history
    seen = events(tmp_path)
    for name in ("d_loss", "g_loss", "gradient_penalty", "gradient_norm", "wasserstein"):
        for epoch in range(2):
            assert seen["train", f"epoch_{name}", epoch] == np.float32(history[name][epoch])
            assert seen["validation", f"epoch_{name}", epoch] == np.float32(history[f"val_{name}"][epoch])


@pytest.mark.slow
@pytest.mark.parametrize("update_freq", ["epoch", 1])
def test_our_tensorboard_writes_what_that_of_keras_writes(update_freq, tmp_path):
    made = []
    for name, make in (("keras", keras.callbacks.TensorBoard), ("ours", kg.callbacks.TensorBoard)):
        keras.utils.set_random_seed(0)
        fit(model(), make(tmp_path / name, write_graph=False, update_freq=update_freq), epochs=2)
        made.append(events(tmp_path / name))
    rates = {key: value for key, value in made[1].items() if "batch_learning_rate" in key[1]}
    assert made[0] == {key: value for key, value in made[1].items() if key not in rates}
    assert ("train", "batch_d_loss", 2) in made[0] or update_freq == "epoch"
    assert bool(rates) == (update_freq == 1)


@pytest.mark.slow
def test_our_tensorboard_counts_the_steps_of_the_model_through_a_resumed_run(tmp_path):
    gan = model()
    for run in range(2):
        board = kg.callbacks.TensorBoard(tmp_path / str(run), write_graph=False, update_freq=2, num_images=4)
        fit(gan, board, epochs=2)
    seen = events(tmp_path / "1")
    steps = sorted(step for _, tag, step in seen if tag == "batch_gradient_norm")
    assert steps == [6, 8]  # of 4 steps a run
    for name in ("d_optimizer", "g_optimizer"):
        assert seen["train", f"batch_learning_rate_{name}", 8] == np.float32(gan.optimizers[name].learning_rate)
    assert [step for step, _ in pictures(tmp_path / "1")] == [6, 8]


def pictures(path):
    """The steps and pictures that TensorBoard shows as `samples`."""
    return [
        (event.step, tf.io.decode_png(tf.make_ndarray(value.tensor)[2]).numpy())
        for path in pathlib.Path(path).rglob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "samples"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("update_freq", ["epoch", 1])
def test_our_tensorboard_gives_tensorflow_no_number_that_it_keeps(update_freq, tmp_path, monkeypatch):
    board = kg.callbacks.TensorBoard(tmp_path, write_graph=False, update_freq=update_freq, write_steps_per_second=True)
    scalar, given = tf.summary.scalar, []

    def counted(name, data, step):
        given.extend([type(data), type(step)])
        return scalar(name, data, step=step)

    monkeypatch.setattr(tf.summary, "scalar", counted)
    fit(model(), board, epochs=2)
    assert set(given) == {np.float32, np.int64}


@pytest.mark.slow
@pytest.mark.parametrize("make", BOARDS)
def test_tensorboard_gets_both_learning_rates_of_schedules_too(make, tmp_path):
    gan = model()
    schedule = keras.optimizers.schedules.PolynomialDecay(1e-3, 8, 0.0)
    gan.compile(keras.optimizers.Adam(4e-4), keras.optimizers.Adam(schedule))
    fit(gan, make(tmp_path, write_graph=False), epochs=2)
    seen = events(tmp_path)
    assert seen["train", "epoch_learning_rate_d_optimizer", 1] == np.float32(4e-4)
    assert seen["train", "epoch_learning_rate_g_optimizer", 1] == pytest.approx(5e-4)


@pytest.mark.parametrize("num_images", [64, pytest.param(0, marks=pytest.mark.slow)])
def test_our_tensorboard_shows_what_the_model_makes(num_images, tmp_path):
    gan = model()
    fit(gan, kg.callbacks.TensorBoard(tmp_path, write_graph=False, num_images=num_images), epochs=1)
    expected = [kg.images.picture(gan.generate(num_images, seed=0))] if num_images else []
    assert [picture.tolist() for _, picture in pictures(tmp_path)] == [picture.tolist() for picture in expected]


@pytest.mark.slow
def test_our_tensorboard_writes_evaluations_on_replicas(tmp_path, mirrored):
    with mirrored.scope():
        gan = model(kg.GAN)
    fit(gan, kg.callbacks.TensorBoard(tmp_path, write_graph=False, num_images=0), epochs=1)
    assert "evaluation_g_loss_vs_iterations" in {tag for _, tag, _ in events(tmp_path)}


@pytest.mark.slow
def test_swap_ema_weights_says_what_has_the_average():
    with pytest.raises(ValueError, match=r"Expected no SwapEMAWeights: with `ema_momentum` the model averages"):
        fit(model(), keras.callbacks.SwapEMAWeights(swap_on_epoch=True))


@pytest.mark.slow
def test_csv_logger_writes_a_row_an_epoch(tmp_path):
    history = fit(model(), keras.callbacks.CSVLogger(tmp_path / "log.csv"))
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_wasserstein"]) for row in rows] == history.history["val_wasserstein"]


class Poison(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 3:
            self.model.generator.trainable_variables[0].assign(self.model.generator.trainable_variables[0] * np.nan)


def test_terminate_on_nan_stops_at_the_step():
    gan = model()
    fit(gan, Poison(), kg.callbacks.TerminateOnNaN(), steps_per_epoch=9, validation_data=None)
    assert int(gan.step) == 4


@pytest.mark.slow
def test_terminate_on_nan_with_metrics_of_what_is_then_generated():
    gan = model()
    gan.quality = [kg.metrics.FrechetDistance()]
    with pytest.warns(UserWarning, match="metrics of its quality are NaN"):
        history = fit(gan, Poison(), kg.callbacks.TerminateOnNaN(), steps_per_epoch=9)
    assert int(gan.step) == 4
    assert np.isnan(history.history["val_frechet_distance"]).all()


def test_keras_swap_of_averages_which_the_model_has_is_refused():
    with pytest.raises(ValueError, match=r"`callbacks`\. Expected no SwapEMAWeights: with `ema_momentum`"):
        fit(model(ema_momentum=0.9), keras.callbacks.SwapEMAWeights())


def test_a_warm_up_of_the_rates_may_begin_at_zero():
    gan = model()
    gan.compile(keras.optimizers.Adam(4e-4), keras.optimizers.Adam(1e-4))
    fit(gan, keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4 * min(epoch / 2, 1)), epochs=3)
    assert [float(one.learning_rate) for one in gan.optimizers.values()] == pytest.approx([4e-4, 1e-4])
    for one in gan.optimizers.values():
        one.learning_rate = 0.0
    gan.compile(keras.optimizers.Adam(4e-4), keras.optimizers.Adam(1e-4))
    for one in gan.optimizers.values():  # as a checkpoint of the first epoch has them
        one.learning_rate = 0.0
    gan.optimizer.learning_rate = 2e-4
    assert [float(one.learning_rate) for one in gan.optimizers.values()] == pytest.approx([8e-4, 2e-4])
    never = kg.optimization.Optimizers(keras.optimizers.Adam(4e-4), keras.optimizers.Adam(0.0))
    with pytest.raises(ValueError, match=r"`learning_rate`.*set `learning_rate` of each optimizer"):
        never.learning_rate = 1e-4


def test_keras_terminate_on_nan_which_would_see_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"Expected kerasgan.callbacks.TerminateOnNaN, because Keras's looks at `loss`"
    ):
        fit(model(), keras.callbacks.TerminateOnNaN())


@pytest.mark.slow
def test_backup_and_restore_goes_on_at_the_epoch(tmp_path):
    calm = model()
    fit(calm)

    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(model(), keras.callbacks.BackupAndRestore(tmp_path), Broken())
    resumed = model()
    history = fit(resumed, keras.callbacks.BackupAndRestore(tmp_path))
    assert history.epoch == [2, 3]
    assert_same(calm, resumed)


def test_hooks_are_called_in_keras_order(capsys):
    calls = []
    hooks = ("train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "test_begin", "test_batch_begin")
    hooks += ("test_batch_end", "test_end", "epoch_end", "train_end")

    class Recorder(keras.callbacks.Callback):
        pass

    for hook in hooks:
        setattr(Recorder, f"on_{hook}", lambda self, *args, hook=hook, **kwargs: calls.append(hook))
    fit(model(), Recorder(), epochs=1, steps_per_epoch=1, validation_data=IMAGES[:16], verbose=1)
    assert calls == list(hooks)
    assert "val_wasserstein" in capsys.readouterr().out  # of Keras's progress bar


# The contract of `fit`


class Mine(kg.GAN):
    """As users subclass it: a value of its own, and a mean of its own."""

    def __init__(self, generator, discriminator, loss=None, n_critic=1):
        super().__init__(generator, discriminator, loss, n_critic=n_critic)
        self.mean = keras.metrics.Mean(name="mean")

    def train_step(self, data):
        values = super().train_step(data)
        self.mean.update_state(tf.cast(self.step.value, tf.float32))
        return {**values, "extra": tf.cast(self.step.value, tf.float32), "mean": self.mean.result()}

    def test_step(self, data):
        return {**super().test_step(data), "extra": tf.constant(7.0)}


def of_mine(**options):
    gan = model(Mine)
    gan.compile(**options)
    return gan


def test_values_that_steps_of_a_subclass_return_reach_every_log(tmp_path, capsys):
    steps = []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(dict(logs)))
    loggers = [
        keras.callbacks.CSVLogger(tmp_path / "keras.csv"),
        kg.callbacks.MetricsLog(tmp_path / "ours.csv"),
        kg.callbacks.TensorBoard(tmp_path, write_graph=False),
        kg.callbacks.Progress(),
        kg.callbacks.Checkpoint(tmp_path / "checkpoints", monitor="val_extra"),
    ]
    history = fit(of_mine(), log, *loggers, epochs=2, verbose=2).history
    assert history["extra"] == [2.0, 4.0]  # of the last step, as in Keras
    assert history["mean"] == [1.5, 3.5]  # of the epoch
    assert history["d_loss"] == pytest.approx([np.mean([s["d_loss"] for s in steps[k : k + 2]]) for k in (0, 2)])
    assert history["val_extra"] == [7.0, 7.0]
    with open(tmp_path / "keras.csv", newline="") as file:
        assert [row["extra"] for row in csv.DictReader(file)] == ["2.0", "4.0"]
    with open(tmp_path / "ours.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["extra"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["val_extra"] for row in rows] == ["", "7", "", "7"]
    seen = events(tmp_path)
    assert (seen["train", "epoch_extra", 1], seen["validation", "epoch_extra", 1]) == (4.0, 7.0)
    assert "extra: 4.0000" in capsys.readouterr().out
    assert (tmp_path / "checkpoints/best.keras").exists()


@pytest.mark.slow
def test_values_of_a_subclass_are_those_of_the_last_step_of_an_execution_and_means_over_replicas(mirrored):
    assert fit(of_mine(steps_per_execution=2), epochs=1).history["extra"] == [2.0]
    with mirrored.scope():
        gan = of_mine()
    history = fit(gan, epochs=1).history
    assert (history["extra"], history["val_extra"]) == ([2.0], [7.0])


def test_an_evaluation_gives_means_of_what_is_averaged_and_the_other_values_last():
    gan = of_mine()
    values = gan.evaluate(IMAGES, batch_size=32, verbose=0, return_dict=True)
    plain = kg.GAN(gan.generator, gan.discriminator)
    plain.compile()
    expected = plain.evaluate(IMAGES, batch_size=32, verbose=0, return_dict=True)
    assert values["d_loss"] == pytest.approx(expected["d_loss"])
    names = [*gan.metrics_names, "extra"]
    assert "mean" not in values  # no step has updated it
    expected = [values.get(name, np.nan) for name in names]
    np.testing.assert_array_equal(gan.evaluate(IMAGES, batch_size=32, verbose=0), expected)


class WithStepsOfItsOwn(kg.GAN):
    """The steps return what they like, and update none of our means."""

    def train_step(self, data):
        self.step.assign_add(1)
        return {"d_loss": tf.cast(self.step.value, tf.float32), "mine": tf.constant(7.0)}

    def test_step(self, data):
        return {"d_loss": tf.constant(5.0)}


def test_means_that_steps_of_a_subclass_do_not_update_are_not_reported_as_zero(tmp_path):
    gan = model(WithStepsOfItsOwn)
    log = kg.callbacks.MetricsLog(tmp_path / "ours.csv")
    history = fit(gan, log, epochs=2).history
    assert history == {"d_loss": [2.0, 4.0], "mine": [7.0, 7.0], "val_d_loss": [5.0, 5.0]}
    assert gan.evaluate(IMAGES, batch_size=32, verbose=0, return_dict=True) == {"d_loss": 5.0}
    values = dict(zip(gan.metrics_names, gan.evaluate(IMAGES, batch_size=32, verbose=0), strict=True))
    assert values == pytest.approx({"d_loss": 5.0, "g_loss": np.nan}, nan_ok=True)
    with open(tmp_path / "ours.csv", newline="") as file:
        assert [row["val_d_loss"] for row in csv.DictReader(file)] == ["", "5", "", "5"]


def test_the_losses_of_an_epoch_that_was_skipped_are_no_zeros():
    class Diverged(kg.GAN):
        def discriminator_objective(self, real, fake, labels):
            loss, values = super().discriminator_objective(real, fake, labels)
            return loss * np.nan, {name: value * np.nan for name, value in values.items()}

    gan = model(Diverged)
    gan.skip_non_finite()
    with pytest.warns(UserWarning, match="d_loss is NaN in epoch 1, and 50% of its updates were left out"):
        history = fit(gan, epochs=1).history
    assert np.isnan(history["d_loss"] + history["val_d_loss"]).all()
    assert np.isfinite(history["g_loss"]).all()


class WithMeansOfItsOwn(kg.GAN):
    """As in Keras's guide: a mean of its own, by the name of one of ours, and one that no step updates."""

    def __init__(self, generator, discriminator, loss=None, n_critic=1):
        super().__init__(generator, discriminator, loss, n_critic=n_critic)
        self.of_critic, self.accuracy = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="accuracy")

    def train_step(self, data):
        self.step.assign_add(1)
        self.of_critic.update_state(tf.cast(self.step.value, tf.float32))
        return {"d_loss": tf.cast(self.step.value, tf.float32), "accuracy": tf.constant(0.5)}


def test_a_mean_of_a_subclass_by_one_of_our_names_is_that_of_the_epoch():
    gan = model(WithMeansOfItsOwn)
    assert fit(gan, epochs=2, validation_data=None).history == {"d_loss": [1.5, 3.5], "accuracy": [0.5, 0.5]}


def test_an_idle_mean_by_one_of_our_names_hides_nothing():
    gan, other = model(), model()
    other.of_mine = keras.metrics.Mean(name="g_loss")
    assert fit(gan, epochs=1).history == fit(other, epochs=1).history


@pytest.mark.slow
def test_a_run_that_resumes_after_the_last_step_of_an_epoch_still_has_its_values(tmp_path):
    class Leaves(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.training.callbacks[-1]._save()
                raise SystemExit

    with pytest.raises(SystemExit):
        fit(of_mine(), Leaves(), kg.callbacks.Checkpoint(tmp_path), epochs=1)
    gan = of_mine()
    assert fit(gan, kg.callbacks.Checkpoint(tmp_path), epochs=1).history["extra"] == [2.0]
    assert int(gan.step) == 2


@pytest.mark.parametrize("made", [lambda: 3.0, lambda: {"images": tf.zeros(3)}], ids=["number", "array"])
def test_a_train_step_that_returns_no_scalars_is_refused(made):
    class Wrong(kg.GAN):
        def train_step(self, data):
            super().train_step(data)
            return made()

    with pytest.raises(ValueError, match=r"`train_step`. Expected a dict of scalars"):
        fit(model(Wrong), epochs=1)


def plain_model():
    other = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    return other


class Calls(keras.callbacks.Callback):
    """Keeps the hooks that are called, and stops the training in one of them."""

    def __init__(self, hook=None, at=0):
        super().__init__()
        self.calls = []
        for name in ("train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "train_end"):
            setattr(self, f"on_{name}", lambda *args, name=name, **kwargs: self.called(name, hook, at))

    def called(self, name, hook, at):
        self.calls.append(name)
        if name == hook and self.calls.count(name) > at:
            self.model.stop_training = True


@pytest.mark.parametrize(
    ("hook", "at"),
    each(
        [
            ("train_begin", 0),
            ("epoch_begin", 0),
            ("epoch_begin", 1),
            ("train_batch_begin", 1),
            ("train_batch_end", 1),
            ("epoch_end", 1),
        ],
        [("epoch_begin", 1), ("train_batch_end", 1)],
    ),
)
def test_a_training_that_a_callback_stops_ends_where_it_ends_in_keras(hook, at):
    ours, theirs = Calls(hook, at), Calls(hook, at)
    history = fit(model(kg.GAN), ours, epochs=3, steps_per_epoch=3, validation_data=None).history
    other = plain_model().fit(IMAGES[:48], np.ones(48), batch_size=16, epochs=3, callbacks=[theirs], verbose=0).history
    assert ours.calls == theirs.calls
    assert len(history["d_loss"]) == len(other["loss"])
    assert 0 not in history["d_loss"]


@pytest.mark.parametrize(("initial_epoch", "epochs"), [(0, 0), (2, 2), (3, 2)])
def test_a_training_of_no_epochs_is_one_as_in_keras(initial_epoch, epochs):
    ours, theirs = Calls(), Calls()
    history = fit(model(), ours, epochs=epochs, initial_epoch=initial_epoch)
    other = plain_model().fit(
        IMAGES, np.ones(96), epochs=epochs, initial_epoch=initial_epoch, callbacks=[theirs], verbose=0
    )
    assert ours.calls == theirs.calls
    assert history.history == other.history == {}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda one: one, marks=pytest.mark.slow, id="one"),
        pytest.param(lambda one: (one,), marks=pytest.mark.slow, id="tuple"),
        pytest.param(lambda one: [[one]], id="nested"),
        pytest.param(lambda one: keras.callbacks.CallbackList([one]), id="CallbackList"),
    ],
)
def test_callbacks_come_in_any_form(given):
    calls = Calls()
    model(kg.GAN).fit(IMAGES, steps_per_epoch=1, callbacks=given(calls), verbose=0)
    assert calls.calls == [
        "train_begin",
        "epoch_begin",
        "train_batch_begin",
        "train_batch_end",
        "epoch_end",
        "train_end",
    ]


@pytest.mark.parametrize("given", [keras.callbacks.History, print, "progress"])
def test_what_is_no_callback_is_refused(given):
    with pytest.raises(ValueError, match=r"`callbacks`. Expected objects of keras.callbacks.Callback"):
        model(kg.GAN).fit(IMAGES, callbacks=[given], verbose=0)


@pytest.mark.parametrize(
    "callback",
    [
        lambda path: keras.callbacks.EarlyStopping("d_loss"),
        lambda path: keras.callbacks.ReduceLROnPlateau("val_wasserstein"),
        lambda path: keras.callbacks.ModelCheckpoint(path / "best.keras", "d_loss", save_best_only=True),
    ],
)
def test_a_metric_whose_direction_keras_does_not_know_is_refused_before_the_first_epoch(tmp_path, callback):
    gan = model()
    with pytest.raises(ValueError, match=r"`callbacks`. Expected \w+\(monitor='\w+', mode='min'\), or mode='max'"):
        fit(gan, callback(tmp_path))
    assert int(gan.step.numpy()) == 0


@pytest.mark.parametrize(
    "callback",
    [
        lambda: keras.callbacks.ReduceLROnPlateau("g_loss", mode="min"),
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-4),
    ],
)
def test_a_schedule_and_a_callback_that_sets_the_rate_are_refused_together(callback):
    gan, callback = compiled(keras.optimizers.schedules.CosineDecay(1e-3, 100), 1e-3), callback()
    kind = type(callback).__name__
    with pytest.raises(ValueError, match=rf"no {kind} with a schedule as the learning rate of `d_optimizer`"):
        fit(gan, callback)


def test_a_scheduler_of_the_users_that_sets_no_rate_is_left_alone():
    class Watches(keras.callbacks.LearningRateScheduler):
        def on_epoch_begin(self, epoch, logs=None):
            pass

        def on_epoch_end(self, epoch, logs=None):
            pass

    fit(compiled(keras.optimizers.schedules.CosineDecay(1e-3, 100), 1e-3), Watches(lambda epoch: 1e-4))


def test_a_callback_that_logs_the_configuration_of_the_optimizer_finds_both():
    gan = compiled(1e-3, 1e-4)
    logged = gan.optimizer.get_config()
    assert logged["d_optimizer"]["learning_rate"] == pytest.approx(1e-3)
    assert logged["g_optimizer"]["learning_rate"] == pytest.approx(1e-4)
    assert gan.optimizer.name
