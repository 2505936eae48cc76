"""`GenerativeModel`: how every model here is trained, evaluated and saved."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasgan import _keras, arguments, compilation, construction, distribution, evaluation, fitting, on_batch, saving
from kerasgan.configured import wrap_overrides
from kerasgan.data import Batches
from kerasgan.errors import checked_integer, invalid
from kerasgan.generation import SamplingModel
from kerasgan.metrics.quality import QualityMetric
from kerasgan.training import returning_logs


class GenerativeModel(SamplingModel):
    """Base of `GAN` and `VAE`.

    Args:
        generator: Keras model, `latents` `(batch, latent_dim)` [, `labels`] -> images; `latent_dim` is read from it.
        seed: Integer >= 0. With the step it determines every random number of a run.
    """

    warmup = False  # whether some steps take more batches than others
    pack = 1  # images that are judged together

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        steps = {name: functools.partial(returning_logs, name) for name in ("train_step", "test_step")}
        wrap_overrides(cls, compile=compilation.recorded, **steps)

    def __init__(self, generator: keras.Model, seed: int = 0, **kwargs: Any):
        construction.check_known(type(self), kwargs)
        super().__init__(generator, **kwargs)
        seed = checked_integer("seed", seed, 0)
        if seed >= 2**63:
            raise invalid("seed", "an integer below 2**63", f"seed={seed!r}")
        self.seed = seed
        self.step = self._state("step", "int64")
        self.evaluated_batches = self._state("evaluated_batches", "int64")
        self.skips_non_finite = False
        self.compilation: Any = None  # the `Compilation` of the last `compile`
        self.training: Any = None  # the `Training` that is running
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self._quality: list[QualityMetric] = []
        self.is_restoring = False  # whether `compile` is that of a saved model
        self.train_function: Callable | None = None
        self.test_function: Callable | None = None
        self._traced: str | None = None  # the constants that the training function was made with
        self.built = True  # the networks are; Keras would build by calling the model on images

    def _state(self, name, dtype):
        """A scalar variable that is the same on all replicas, 0 at first."""
        return self.add_weight(
            name=name, shape=(), dtype=dtype, initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The model's networks by the names of their attributes; a subclass of a GAN may have an encoder, too."""
        names = ("generator", "discriminator", "encoder", "ema_generator")
        found = {name: getattr(self, name, None) for name in names}  # each model has some of them
        return {name: network for name, network in found.items() if network is not None}

    @property
    def num_replicas(self) -> int:
        """Number of replicas that take each step together."""
        return self.distribute_strategy.num_replicas_in_sync

    # Training and evaluation

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: None = None,
        sample_weight: None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> keras.callbacks.History:
        """Trains the model; the arguments are those of `keras.Model.fit`.

        Args:
            x: `tf.data.Dataset` of batches of images or of `(images, labels)`, or an array of images.
            y: Integer array of labels, with an array of images.
            batch_size: Integer, with an array of images. Defaults to 64, or to all of fewer images.
            shuffle: Whether an array is read in a new order each epoch. Datasets are read as they are.
            class_weight, sample_weight: Not supported: None.
            steps_per_epoch: Integer, training steps per epoch. Defaults to what the dataset holds.
            epochs, verbose, callbacks, initial_epoch: As in Keras.
            validation_split, validation_data, validation_steps, validation_batch_size, validation_freq: As in Keras.

        Raises:
            DataError, DataTypeError, ModelContractError: Images, labels and networks do not fit each other.
        """
        _keras.assert_compiled(self, "fit")
        self.compilation.check_unchanged(self)
        self._forget_traces()
        arguments.refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        self.training = fitting.training_of(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )
        try:
            self.retrace_changed()
            return self.training.run()
        finally:
            self.training = None

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: None = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> list[float] | dict[str, float]:
        """Returns the metrics on held-out images; the arguments are those of `keras.Model.evaluate`.

        Latents and interpolation weights are the same at every call.

        Returns:
            List of floats, in the order of `metrics_names`, or dict by name when `return_dict`. A mean that the
            `test_step` of a subclass does not update is NaN in the list.
        """
        _keras.assert_compiled(self, "evaluate")
        distribution.check_eager("Call `evaluate`")
        arguments.refuse_weights(sample_weight=sample_weight)
        batches = Batches.of(x, y, batch_size, model=self, training=False)
        batches, steps = batches.for_evaluation(self, steps)
        values = self.evaluate_batches(batches, steps, verbose=verbose, callbacks=callbacks, **kwargs)
        evaluation.show_quality(self, values, verbose)
        return self._in_order(values, return_dict)

    def evaluate_batches(self, batches: Batches, steps: int | None, **kwargs: Any) -> dict[str, float]:
        """Keras's `evaluate` on what `Batches.for_evaluation` returned, and the quality metrics."""
        self.evaluated_batches.assign(0)
        with evaluation.reminded(batches, steps):
            values = super().evaluate(batches.dataset, steps=steps, return_dict=True, **kwargs)
        return {**values, **(evaluation.measured(self, batches, steps) if self.quality else {})}

    def _in_order(self, values, as_dict):
        names = dict.fromkeys([*self.metrics_names, *values])
        return {n: values[n] for n in names if n in values} if as_dict else [values.get(n, np.nan) for n in names]

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: None = None, class_weight: None = None, return_dict: bool = False
    ) -> Any:
        """One training step on `(batch, batches_per_step, ...)` images, on one replica; use `fit` where you can."""
        arguments.refuse_weights(sample_weight=sample_weight, class_weight=class_weight)
        if self.warmup:
            raise invalid("warmup", "False, because `train_on_batch` has no warm-up: use `fit`", "warmup=True")
        if self.learns_from_held_out:
            raise invalid("augment", "DiffAugment: an AdaptiveAugment learns in `fit` here", "an AdaptiveAugment")
        values = super().train_on_batch(*on_batch.checked(self, x, y, training=True), return_dict=True)
        return self._in_order(values, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: None = None, return_dict: bool = False) -> Any:
        """The metrics of a batch of images, on one replica."""
        arguments.refuse_weights(sample_weight=sample_weight)
        values = super().test_on_batch(*on_batch.checked(self, x, y, training=False), return_dict=True)
        return self._in_order(values, return_dict)

    @property
    def batches_per_step(self) -> int:
        """Number of batches of data that one training step takes."""
        return 1

    @property
    def batches_taken(self) -> int:
        """Number of batches of data that the model has been trained on."""
        return int(self.step.numpy())

    @property
    def learns_from_held_out(self) -> bool:
        """Whether training needs `validation_data`."""
        return False

    def learn_from(self, logs: dict[str, float]) -> None:
        """Called by `fit` after each validation, with the logs of the epoch, `val_...` of them on held-out images."""

    def skip_non_finite(self) -> None:
        """From now on skips an update whose gradient is not finite, as loss scaling does."""
        self.skips_non_finite = True
        self.make_train_function(force=True)

    def retrace_changed(self) -> None:
        """Traces the training function again if anything that it holds as a constant has changed."""
        constants = repr(self._constants())
        self.make_train_function(force=self._traced not in (None, constants))
        self._traced = constants

    def _constants(self):
        """What a traced training step holds besides variables."""
        return [layer.trainable for network in self.networks.values() for layer in _keras.layers_of(network)]

    # Keras's functions of an iterator fail on several workers.

    def make_train_function(self, force: bool = False) -> Callable:
        if self.num_replicas == 1:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = distribution.on_replicas(self, self.train_step)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        if self.num_replicas == 1:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = distribution.on_replicas(self, self.test_step)
        return self.test_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Keras would build what is built already, and cannot under every strategy."""

    # Metrics

    @property
    def quality(self) -> list[QualityMetric]:
        """`kerasgan.metrics.QualityMetric`s that `evaluate` reports as well; not saved with the model."""
        return self._quality

    @quality.setter
    def quality(self, metrics: QualityMetric | Sequence[QualityMetric] | None) -> None:
        self._quality = evaluation.checked_quality(metrics, self._trackers)

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means that are logged, and the metrics of a subclass; not Keras's unused `loss`."""
        own = list(self._trackers.values())
        return [*own, *evaluation.other_metrics(self, own)]

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns."""
        own = [metric.name for metric in self.metrics]
        return [*own, *(name for metric in self.quality for name in metric.names)]

    def _get_metrics_result_or_logs(self, logs):
        """The means, and what the last step returned for names without one, or whose mean it does not update."""
        counts = [(one, one.count.numpy()) for one in self.metrics if isinstance(one, keras.metrics.Mean)]
        idle = {one.name for one, count in counts if not count}
        means = {name: value for name, value in self.get_metrics_result().items() if name not in idle}
        means |= {one.name: one.result() for one, count in counts if count and one.name in idle}
        return {**means, **{name: value for name, value in logs.items() if name not in means}}

    def _log(self, values, weight):
        """Updates the means of the epoch, and returns the values of this step."""
        for name in self._trackers.keys() - values.keys():
            raise invalid(name, "a value to log in the dict that an objective returns", "none")
        for name, tracker in self._trackers.items():
            value, count = values[name], weight
            if self.skips_non_finite:  # a skipped step does not count
                value = tf.cast(value, tf.float32)
                finite = tf.math.is_finite(value)
                value, count = tf.where(finite, value, 0.0), tf.where(finite, tf.cast(weight, tf.float32), 0.0)
            tracker.update_state(value, sample_weight=count)
        return {name: values[name] for name in self._trackers}

    # Compilation and saving

    @property
    def optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Optimizers by the names of their attributes; empty before `compile`."""
        return {"optimizer": self.optimizer} if self.compiled else {}

    def _compile(self, compiled, **optimizers):
        """The end of `compile`, when nothing can be refused any more. XLA is ours: it compiles the gradients only."""
        super().compile(optimizer=None, loss=None, **{**compiled.arguments, "jit_compile": False})
        for name, optimizer in optimizers.items():
            setattr(self, name, optimizer)
        self.compilation = compiled.of(self)
        self._forget_traces()

    def get_compile_config(self) -> dict[str, Any]:
        return self.compilation.config(self) if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.is_restoring = True
        try:
            compilation.restore(self, config)
        finally:
            self.is_restoring = False

    def state(self) -> dict[str, keras.Variable]:
        """Everything that training changes, by names that are the same in every process."""
        return saving.variables_of(self)

    def save(
        self, filepath: str | os.PathLike, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """As `keras.Model.save`, but a `.keras` file appears whole or not at all: a full disk leaves the old one."""
        saving.check_name(filepath, zipped)
        if self.compiled:
            saving.warn_of_what_is_lost(self)
        whole = str(filepath).endswith(".keras") and zipped is not False
        saving.save_whole(super().save, whole, filepath, overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save_weights`, but a `.weights.h5` file appears whole or not at all."""
        whole = str(filepath).endswith(".weights.h5") and kwargs.get("max_shard_size") is None
        saving.save_whole(super().save_weights, whole, filepath, overwrite, **kwargs)

    def load_weights(self, filepath: str | os.PathLike, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """As `keras.Model.load_weights`, but optimizers are not dropped, and nothing is half loaded.

        Raises:
            ValueError: The file and the model do not fit: other weights, or optimizers that only one of them has. With
                `skip_mismatch` what fits is loaded.
        """
        filepath = os.path.expanduser(filepath)  # as `save_weights` does
        load = functools.partial(super().load_weights, filepath, skip_mismatch=skip_mismatch, **kwargs)
        if skip_mismatch:
            load()
        else:
            saving.load_whole(load, filepath, self)
