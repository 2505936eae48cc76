"""What every model here shares: it maps latents to images, and is fitted on batches of images."""

import functools
import os
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasgan import (
    _keras,
    batching,
    contract,
    data_checks,
    distribution,
    evaluation,
    inference,
    iterators,
    optimization,
    ranges,
    saving,
)
from kerasgan.configured import Configured, arguments_of, call, is_ours, restored, serialized
from kerasgan.datasets.pipeline import scale
from kerasgan.errors import (
    DataError,
    DataTypeError,
    ModelContractError,
    NonFiniteError,
    checked_boolean,
    checked_integer,
    checked_number,
    invalid,
)
from kerasgan.metrics.quality import QualityMetric
from kerasgan.training import Training

_OURS = "kerasgan"  # in the configuration of a compilation, what is no argument of `compile`


class GenerativeModel(Configured, keras.Model):
    """Base of `GAN` and `VAE`.

    Args:
        generator: Keras model, `latents` `(batch, latent_dim)` [, `labels`] -> images. Its input tells `latent_dim`.
        seed: Integer >= 0. Together with the step it determines every random number of the training.
    """

    # How many batches of the user's dataset one training step takes.
    batches_per_step = 1
    # Whether some steps take more of them.
    warmup = False
    # How many images are looked at together.
    pack = 1

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not is_ours(cls, "compile") and not hasattr(cls.compile, "records"):
            cls.compile = _recorded(cls.compile)

    def __init__(self, generator, seed=0, **kwargs):
        distribution.check_scope()
        super().__init__(**kwargs)
        seed = checked_integer("seed", seed, 0)
        if seed >= 2**63:
            raise invalid("seed", "an integer below 2**63", f"seed={seed!r}")
        contract.check_network(generator, "generator", "kerasgan.networks.dcgan_generator(image_shape)")
        self.generator = generator
        self.seed = seed
        self.step = self._counter("step")
        self.evaluated_batches = self._counter("evaluated_batches")
        self._trackers = {}
        self._quality = []
        self.skips_non_finite = False
        self.compile_arguments = {}
        self.training = None  # the `Training` that is running
        self._in_float32 = None  # the `Sampler` of `generate`
        self._output_range = None
        self._made_from = None  # what `recipe` says of the constructor
        self._compiled_with = None  # what the `compile` of a subclass was given
        self._restoring = False  # whether `compile` is that of a saved model
        self._traced = None  # the constants that the training function was made with
        # The networks are built already; Keras would otherwise build by calling the model on images.
        self.built = True

    def _counter(self, name):
        return self.add_weight(
            name=name, shape=(), dtype="int64", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    @property
    def latent_dim(self):
        """Integer, size of a latent vector."""
        return self.generator.inputs[0].shape[-1]

    @property
    def image_shape(self):
        """Tuple of integers, shape of one image."""
        return tuple(self.generator.outputs[0].shape[1:])

    @property
    def conditional(self):
        """Whether the generator takes labels."""
        return len(self.generator.inputs) == 2

    @property
    def num_classes(self):
        """Number of classes of a conditional generator that embeds its labels; None where it cannot be told."""
        return contract.num_classes(self.generator)

    @property
    def output_range(self):
        """`kerasgan.ranges.Output`: what the generator can put out, as of the last `compile` or `fit`."""
        if self._output_range is None:
            self._output_range = ranges.of(self.generator)
        return self._output_range

    @property
    def sampler(self):
        """The network that images come from: the average of the generator's weights, if there is one."""
        return self.generator

    def call(self, inputs, training=False):
        """Images for `latents`, or for `[latents, labels]`, by `sampler`."""
        return self.sampler(inputs, training=training)

    def generate(self, num_images=None, labels=None, seed=None, batch_size=64, *, seeds=None, truncation=None):
        """Generates images, in float32 whatever the policy of the training is.

        Args:
            num_images: Integer >= 0. May be left out where `seeds` or `labels` tell it.
            labels: Integer array `(num_images,)`, or one integer for all, for a conditional model; by default the
                classes in turn.
            seed: Integer >= 0: the same seed gives the same images, whatever the batch size. Fresh ones by default.
            batch_size: Integer >= 1, how many are made at a time.
            seeds: Integer array `(num_images,)`, each >= 0, instead of `seed`: one an image, which then does not depend
                on the others. It is the first image of `generate(seed=...)`, and that of the exported model.
            truncation: Float > 0, or array `(num_images,)`: latents are cut off at so many standard deviations, for
                more usual images of fewer kinds. Defaults to none.

        Returns:
            Float32 array `(num_images, ...)`, in the generator's range: [-1, 1] for images.

        Raises:
            ValueError: An argument is out of its range.
        """
        if seeds is not None:
            seeds = inference.checked_seeds("seeds", seeds)
            num_images = len(seeds) if num_images is None else num_images
        elif num_images is None and np.ndim(labels) == 1:
            num_images = len(labels)
        num_images = checked_integer("num_images", num_images, 0)
        if seeds is None:
            seed = int.from_bytes(os.urandom(7), "big") if seed is None else seed
            (seed,) = inference.checked_seeds("seed", [seed])
            keys = np.stack([np.full(num_images, seed), np.arange(num_images)], axis=1)
            latents = tf.random.stateless_normal((num_images, self.latent_dim), [seed, 0], alg="philox")
        elif seed is not None or len(seeds) != num_images:
            expected = f"{num_images} of them, one an image, and no `seed` beside them"
            raise invalid("seeds", expected, f"{len(seeds)} seeds, seed={seed!r}")
        else:
            keys = np.stack([seeds, np.zeros_like(seeds)], axis=1)
            latents = inference.latents_of(tf.constant(seeds), self.latent_dim)
        if truncation is not None:
            latents = inference.truncated(latents, tf.constant(inference.checked_truncation(truncation, num_images)))
        return self._sampled(latents, keys, self._labels(labels, num_images), batch_size)

    def interpolate(self, seeds, other_seeds, positions, labels=None, batch_size=64):
        """Generates images on the way from one to another, along the great circle of their latents.

        Args:
            seeds, other_seeds: Integer arrays `(n,)`, as in `generate`, or one integer for all.
            positions: Float array `(n,)` in [0, 1], or one number for all: 0 gives the image of `seeds`, 1 that of
                `other_seeds`.
            labels: As in `generate`, those of the images: both ends have them.
            batch_size: Integer >= 1, how many are made at a time.

        Returns:
            Float32 array `(n, ...)`, in the generator's range.

        Raises:
            ValueError: An argument is out of its range.
        """
        seeds, other_seeds, positions = inference.checked_walk(seeds, other_seeds, positions)
        ends = [inference.latents_of(tf.constant(some), self.latent_dim) for some in (seeds, other_seeds)]
        latents = inference.interpolated(*ends, tf.constant(positions))
        keys = np.stack([seeds, np.zeros_like(seeds)], axis=1)
        return self._sampled(latents, keys, self._labels(labels, len(seeds)), batch_size)

    def _sampled(self, latents, keys, labels, batch_size):
        batch_size = checked_integer("batch_size", batch_size)
        if self._in_float32 is None:
            self._in_float32 = inference.Sampler(self.sampler)
        images = [np.zeros((0, *self.image_shape), "float32")]
        for start in range(0, len(latents), batch_size):
            part = slice(start, start + batch_size)
            own = None if labels is None else labels[part]
            images.append(self._in_float32(latents[part], own, tf.constant(keys[part])).numpy())
        return np.concatenate(images)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """As `keras.Model.save`, and a `.keras` file appears whole or not at all: a full disk leaves the one before."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise invalid(
                "filepath", "a name that ends in .keras, the format of Keras 3", f"filepath={str(filepath)!r}"
            )
        stopped = self._moving - self._trainable_identities() if self.compiled else ()
        frozen = [one.path for network in self.networks.values() for one in network.weights if id(one) in stopped]
        if frozen:
            warnings.warn(
                f"Layers were frozen after `compile`, the first {frozen[0]!r}: loading loses the optimizer's state. "
                "Call `compile()` after freezing.",
                stacklevel=2,
            )
        whole = str(filepath).endswith(".keras") and zipped is not False
        saving.save_whole(super().save, whole, filepath, overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """As `keras.Model.save_weights`, and a `.weights.h5` file appears whole or not at all."""
        saving.save_whole(super().save_weights, str(filepath).endswith(".weights.h5"), filepath, overwrite, **kwargs)

    def export(self, filepath, also=(), max_batch_size=4_096, score=True, card=None, bounds=None):
        """Writes the next version of the model in TF Serving's layout; arguments as in `kerasgan.serving.export`."""
        from kerasgan import serving

        return serving.export(self, filepath, also, max_batch_size, score, card, bounds)

    def predict(self, x, **kwargs):
        """Images for `latents` `(n, latent_dim)`, or for `[latents, labels]`; `generate` draws the latents, too."""
        latents = x[0] if isinstance(x, list | tuple) else x
        shape = getattr(latents, "shape", None)
        if shape is not None and tuple(shape[1:]) != (self.latent_dim,):
            what = "images of " if tuple(shape[1:]) == self.image_shape else ""
            expected = f"latents of shape (n, {self.latent_dim}): call `generate(num_images)`, which draws them"
            raise invalid("x", expected, f"{what}shape {tuple(shape)}", ModelContractError)
        return super().predict(x, **kwargs)

    def _labels(self, labels, num_images):
        labels = inference.checked_labels(labels, num_images, self.conditional, self.num_classes)
        return None if labels is None else tf.convert_to_tensor(labels)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Trains the model; the arguments are those of `keras.Model.fit`.

        Args:
            x: `tf.data.Dataset` of batches of images or of `(images, labels)`, or an array of images.
            y: Integer array of labels, with an array of images.
            batch_size: Integer, with an array of images. Defaults to 64.
            shuffle: Whether an array is read in a new order each epoch. Datasets are read as they are.
            class_weight, sample_weight: Not supported: None.
            steps_per_epoch: Integer, training steps an epoch. Defaults to what the dataset holds.
            epochs, verbose, callbacks, validation_split, validation_data, initial_epoch, validation_steps,
                validation_batch_size, validation_freq: As in Keras.

        Returns:
            `keras.callbacks.History`.

        Raises:
            DataError, DataTypeError, ModelContractError: Images, labels and networks do not fit one another.
        """
        _keras.assert_compiled(self, "fit")
        self._check_unfrozen()
        self._output_range = None  # layers may have been changed
        batching.refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        epochs, initial_epoch = checked_integer("epochs", epochs, 0), checked_integer("initial_epoch", initial_epoch, 0)
        validation_freq = batching.checked_epochs("validation_freq", validation_freq)
        validation_split = checked_number("validation_split", validation_split, "[0, 1)")
        shuffle = checked_boolean("shuffle", shuffle)
        if validation_split and isinstance(x, tf.data.Dataset):
            expected = "0 with a tf.data.Dataset: pass `validation_data`, e.g. of `take` and `skip`"
            raise invalid("validation_split", expected, f"validation_split={validation_split}")
        if validation_split and validation_data is None:
            x, y, validation_data = batching.held_out(x, y, validation_split, self)
        bounds = self.output_range.bounds
        dataset = batching.as_dataset(x, y, batch_size, self.seed, shuffle=shuffle, model=self, bounds=bounds)
        rewind = (lambda: None) if batching.seekable(dataset) else iterators.rewinder(dataset)
        dataset = data_checks.suited(dataset, self)
        steps_per_epoch = self._whole_executions(
            batching.steps_in(dataset, self.batches_per_step, steps_per_epoch), steps_per_epoch is None
        )
        if validation_data is not None:
            held_out, labels = batching.split(validation_data, "validation_data", "`validation_data[:2]`")
            if validation_batch_size is None and not isinstance(held_out, tf.data.Dataset):
                validation_batch_size = batch_size
            try:
                held_out = batching.as_dataset(
                    held_out, labels, validation_batch_size, training=False, model=self, bounds=bounds
                )
                validation_data, validation_steps = evaluation.batches(
                    self, held_out, validation_steps, "validation_steps"
                )
            except (DataError, DataTypeError, NonFiniteError) as error:
                raise type(error)(f"In `validation_data`, whose parts are x and y: {error}") from error

        def validate(epoch, callbacks):
            if validation_data is None or not _keras.validates_after(self, epoch, validation_freq):
                return {}
            values = self._evaluate(validation_data, steps=validation_steps, callbacks=callbacks, verbose=0)
            return {f"val_{name}": value for name, value in values.items()}

        validated = validation_data is not None
        self.retrace_changed()
        self.training = Training(
            self, dataset, rewind, steps_per_epoch, epochs, initial_epoch, verbose, callbacks, validate, validated
        )
        try:
            return self.training.run()
        finally:
            self.training = None

    def _trainable_identities(self):
        """Identities of the variables of the networks that may move."""
        return frozenset(id(one) for network in self.networks.values() for one in network.trainable_variables)

    def _check_unfrozen(self):
        """Refuses layers that no optimizer moves, because they were unfrozen after `compile`."""
        for role, network in self.networks.items():
            new = [one.path for one in network.trainable_variables if id(one) not in self._moving]
            if new:
                expected = "the trainable variables of when `compile` was called: compile again, with new optimizers"
                raise invalid(role, expected, f"{len(new)} more, the first {new[0]!r}", ModelContractError)

    def retrace_changed(self):
        """Makes the training function anew where what it holds as constants has changed."""
        constants = repr(self._constants())
        self.make_train_function(force=self._traced not in (None, constants))
        self._traced = constants

    def _constants(self):
        """What a traced training step holds besides variables."""
        return [layer.trainable for network in self.networks.values() for layer in _keras.layers_of(network)]

    def _whole_executions(self, steps_per_epoch, by_default):
        """Steps an epoch as a multiple of the steps an execution."""
        over = steps_per_epoch % self.steps_per_execution
        if over and not by_default:
            expected = f"a multiple of steps_per_execution={self.steps_per_execution}"
            raise invalid("steps_per_epoch", expected, f"steps_per_epoch={steps_per_epoch}")
        return max(steps_per_epoch - over, self.steps_per_execution)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """The metrics on held-out images; the arguments are those of `keras.Model.evaluate`.

        Latents and interpolation weights are the same at every call.

        Returns:
            List of floats, in the order of `metrics_names`, or dict by name when `return_dict`.
        """
        _keras.assert_compiled(self, "evaluate")
        batching.refuse_weights(sample_weight=sample_weight)
        bounds = self.output_range.bounds
        dataset = batching.as_dataset(x, y, batch_size, training=False, model=self, bounds=bounds)
        dataset, steps = evaluation.batches(self, dataset, steps)
        values = self._evaluate(dataset, verbose=verbose, steps=steps, callbacks=callbacks, **kwargs)
        if self.quality and verbose and distribution.is_chief(self.distribute_strategy):  # Keras has shown its own
            print(" - ".join(f"{name}: {values[name]:.4g}" for metric in self.quality for name in metric.names))
        values = {name: values[name] for name in dict.fromkeys([*self.metrics_names, *values])}
        return values if return_dict else list(values.values())

    def _evaluate(self, dataset, steps, **kwargs):
        self.evaluated_batches.assign(0)
        values = super().evaluate(dataset, steps=steps, return_dict=True, **kwargs)
        return {**values, **(evaluation.measured(self, dataset, steps) if self.quality else {})}

    def train_on_batch(self, x, y=None, **kwargs):
        """One training step on `(batch, batches_per_step, ...)` images, on one replica; use `fit` where you can."""
        if self.warmup:
            raise ValueError("`train_on_batch` has no warm-up. Use `fit`.")
        self._refuse_replicas("train_on_batch", "fit")
        return super().train_on_batch(self._on_batch(x), y, **kwargs)

    def test_on_batch(self, x, y=None, **kwargs):
        """The metrics on a batch of images, on one replica."""
        self._refuse_replicas("test_on_batch", "evaluate")
        return super().test_on_batch(self._on_batch(x), y, **kwargs)

    def _on_batch(self, x):
        """A batch of images as `fit` would take it: bytes are scaled, and another range is refused."""
        bounds, images = self.output_range.bounds, np.asarray(x)
        if images.dtype == np.uint8:
            return batching.stretched(scale(images), bounds)
        data_checks.check_range(images, bounds)
        return x

    def _refuse_replicas(self, name, other):
        if self._replicas > 1:
            raise ValueError(f"`{name}` works on one replica, not on {self._replicas}. Use `{other}`.")

    # Several replicas

    @property
    def _replicas(self):
        return self.distribute_strategy.num_replicas_in_sync

    def make_train_function(self, force=False):
        """As Keras's, whose own fails on several workers."""
        if self._replicas == 1:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._distributed(self.train_step)
        return self.train_function

    def make_test_function(self, force=False):
        """As Keras's, whose own fails on several workers."""
        if self._replicas == 1:
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = self._distributed(self.test_step)
        return self.test_function

    def _distributed(self, step):
        """A function of an iterator: one step on all replicas, and the means of its values over them."""
        strategy = self.distribute_strategy

        def function(iterator):
            values = strategy.run(step, args=(next(iterator),))
            return {name: strategy.reduce("MEAN", value, axis=None) for name, value in values.items()}

        return function if self.run_eagerly else tf.function(function, reduce_retracing=True)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Keras would build what is built already, and cannot under every strategy."""

    # What training changes

    @property
    def networks(self):
        """Dict of the model's networks by the names of their attributes."""
        names = ("generator", "discriminator", "encoder", "ema_generator")
        return {name: getattr(self, name) for name in names if getattr(self, name, None) is not None}

    @property
    def optimizers(self):
        """Dict of the optimizers by the names of their attributes; empty before `compile`."""
        return {} if not self.compiled else {"optimizer": self.optimizer}

    @property
    def own_optimizers(self):
        """Dict of other optimizers that a subclass keeps as attributes, by their names."""
        ours = {id(part) for one in self.optimizers.values() for part in (one, optimization.without_loss_scale(one))}
        kept = {name: one for name, one in vars(self).items() if isinstance(one, keras.optimizers.Optimizer)}
        return {name: one for name, one in kept.items() if id(one) not in ours}

    def learning_rates_set(self):
        """Dict by optimizer of the learning rates, floats, that are no longer those of `compile`."""
        return {name: rate for name, rate in self._learning_rates().items() if rate != self._compiled_rates[name]}

    def _learning_rates(self):
        return {name: optimization.learning_rate(optimizer) for name, optimizer in self.optimizers.items()}

    @property
    def batches_taken(self):
        """Integer, how many batches of data the model has been trained on."""
        return int(self.step.numpy())

    def state(self):
        """Everything that training changes: dict of variables by a name that is the same in every process."""
        return saving.variables_of(self)

    def recipe(self):
        """What the model was made and compiled from, as it was when this was asked first since `compile`."""
        self._made_from = self._made_from or _without_compilation(self.get_config())
        return {"class": type(self).__name__, **self._made_from, **self._compiled_more, **self._compiled_optimizers}

    # Compilation

    def _compile_steps(self, **arguments):
        """The part of `compile` that is not about optimizers: `run_eagerly`, `steps_per_execution`, `jit_compile`."""
        steps = arguments["steps_per_execution"] = checked_integer(
            "steps_per_execution", arguments["steps_per_execution"]
        )
        for name, choices in (("jit_compile", (True, False, "auto")), ("run_eagerly", (True, False))):
            if not any(arguments[name] is choice or arguments[name] == choice == "auto" for choice in choices):
                raise invalid(name, " or ".join(map(repr, choices)), f"{name}={arguments[name]!r}")
        if steps > 1 and (self._replicas > 1 or self.warmup):
            expected = "1 with `warmup`, and with several replicas, where Keras cannot do more (keras-team/keras#19246)"
            raise invalid("steps_per_execution", expected, f"steps_per_execution={steps}")
        distribution.check_same_scope(_keras.strategy_of(self))
        # XLA is ours: around the gradients only.
        super().compile(optimizer=None, loss=None, **{**arguments, "jit_compile": False})
        self._compile_gradients = self._resolved(arguments["jit_compile"]) and not arguments["run_eagerly"]
        self.compile_arguments = arguments
        self._output_range = self._compiled_with = self._made_from = None

    def _resolved(self, jit_compile):
        """Whether XLA compiles: it cannot reduce over replicas, as synchronised batch normalisation does."""
        layers = [layer for network in self.networks.values() for layer in _keras.layers_of(network)]
        reduces = self._replicas > 1 and any(getattr(layer, "synchronized", False) for layer in layers)
        if jit_compile == "auto":
            accelerated = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU")
            return bool(accelerated) and not reduces
        if jit_compile and reduces:
            expected = "False or 'auto' with synchronised batch normalisation on several replicas"
            raise invalid("jit_compile", expected, f"jit_compile={jit_compile}")
        return jit_compile

    def compiled_gradients(self, function):
        """The function as one graph for all updates of a kind: traced once, compiled by XLA where that pays."""
        # Replicas cannot meet inside a nested graph, as synchronised batch normalisation needs.
        if self.run_eagerly or (self._replicas > 1 and not self._compile_gradients):
            return function
        return tf.function(function, jit_compile=self._compile_gradients, experimental_attributes={"_noinline": True})

    @property
    def quality(self):
        """List of `kerasgan.metrics.QualityMetric`, what `evaluate` reports besides; not saved with the model."""
        return self._quality

    @quality.setter
    def quality(self, metrics):
        metrics = [metrics] if isinstance(metrics, QualityMetric) else list(metrics or ())
        for metric in metrics:
            if not isinstance(metric, QualityMetric):
                expected = "metrics of kerasgan.metrics, e.g. [kerasgan.metrics.FrechetDistance()]"
                raise invalid("metrics", expected, repr(metric))
        names = [*self._trackers, *(name for metric in metrics for name in metric.names)]
        if len(set(names)) < len(names):
            raise invalid("metrics", "a name of its own for each: pass `name`", f"{names}")
        self._quality = metrics

    def skip_non_finite(self):
        """From now on an update whose gradient is not finite is left out, without loss scaling as with it."""
        self.skips_non_finite = True
        self.make_train_function(force=True)

    def _remember_optimizers(self):
        """At the end of `compile`."""
        self._moving = self._trainable_identities()
        self._compiled_more = {}
        serialize = keras.saving.serialize_keras_object
        self._compiled_optimizers = {name: serialize(optimizer) for name, optimizer in self.optimizers.items()}
        self._compiled_rates = self._learning_rates()

    def get_compile_config(self):
        if not self.compiled:
            return {}
        own = {"shared": self._shared_optimizers(), "skips_non_finite": self.skips_non_finite}
        if self._compiled_with is not None:
            return {**self._compiled_with, _OURS: own}
        serialize = keras.saving.serialize_keras_object
        optimizers = {name: serialize(optimizer) for name, optimizer in self.optimizers.items()}
        return {**optimizers, **self.compile_arguments, _OURS: own}

    def _shared_optimizers(self):
        """Dict of the optimizer, by name, that a network has been compiled with on its own, by the network's role."""
        inner = {name: optimization.without_loss_scale(one) for name, one in self.optimizers.items()}
        return {
            role: name
            for role, network in self.networks.items()
            for name, optimizer in inner.items()
            if getattr(network, "optimizer", None) is optimizer
        }

    def compile_from_config(self, config):
        config = dict(config)
        own = config.pop(_OURS, None)
        if own is None:  # of an older file
            own = {name: config.pop(name, None) for name in ("shared", "skips_non_finite")}
        if own["skips_non_finite"]:
            self.skip_non_finite()
        arguments = {name: restored(name, value) for name, value in config.items()}
        self._restoring = True
        try:
            call(self.compile, type(self).compile, arguments)
        finally:
            self._restoring = False
        # Keras saves one object once, and reads it into one.
        for role, name in (own["shared"] or {}).items():
            optimizer = self.optimizers[name]
            getattr(self, role).optimizer = optimization.without_loss_scale(optimizer)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """As Keras's, but optimizers are not dropped, and nothing is half loaded.

        Raises:
            ValueError: The file and the model do not fit: other weights, or optimizers that only one of them has. With
                `skip_mismatch` what fits is loaded.
        """
        load = functools.partial(super().load_weights, filepath, skip_mismatch=skip_mismatch, **kwargs)
        if skip_mismatch:
            load()
        else:
            saving.load_whole(load, filepath, self)

    def load_own_variables(self, store):
        # Older files hold the states of random layers, which are functions of (seed, step) now.
        super().load_own_variables({name: store[name] for name in store.keys() if "_seed_" not in name})  # noqa: SIM118

    @property
    def metrics(self):
        """The means that are logged, by Keras's contract; not the unused `loss` of the base class."""
        own = list(self._trackers.values())
        # And those that a subclass has made: `Layer` finds them.
        known = {id(metric) for metric in own}
        others = (metric for metric in _keras.metrics_in(self) if not isinstance(metric, QualityMetric))
        return [*own, *(metric for metric in others if id(metric) not in known)]

    def _get_metrics_result_or_logs(self, logs):
        """What Keras's `evaluate` returns: where a `test_step` returns more, Keras would drop the means."""
        means = self.get_metrics_result()
        return {**means, **{name: value for name, value in logs.items() if name not in means}}

    @property
    def metrics_names(self):
        """List of the names of what `evaluate` returns."""
        own = sorted(metric.name for metric in self.metrics)  # as Keras does with the values
        return [*own, *(name for metric in self.quality for name in metric.names)]

    def _log(self, values, weight):
        """Updates the epoch's means and returns this step's values."""
        for name, tracker in self._trackers.items():
            value, count = values[name], weight
            if self.skips_non_finite:  # a step that is left out does not count
                value = tf.cast(value, tf.float32)
                known = tf.math.is_finite(value)
                value, count = tf.where(known, value, 0.0), tf.where(known, tf.cast(weight, tf.float32), 0.0)
            tracker.update_state(value, sample_weight=count)
        return {name: values[name] for name in self._trackers}


def _recorded(compile_method):
    """The `compile` of a subclass: what it is given is saved, `metrics` aside."""

    @functools.wraps(compile_method)
    def recorded(self, *args, **kwargs):
        compile_method(self, *args, **kwargs)
        given = arguments_of(compile_method, self, *args, **kwargs)
        given.pop("metrics", None)
        for name, value in given.items():
            try:
                given[name] = serialized(value)
            except Exception as error:
                if is_ours(type(self), "get_compile_config"):
                    class_name = type(self).__name__
                    expected = f"what can be saved: override `get_compile_config` of {class_name} to leave it out"
                    raise invalid(name, expected, f"{value!r} ({error})", ModelContractError) from error
        self._compiled_with = given
        kept = self.get_compile_config().keys() & given.keys() - {*self.optimizers, *self.compile_arguments}
        self._compiled_more = {name: given[name] for name in sorted(kept)}

    recorded.records = True
    return recorded


def _without_compilation(config):
    """The configuration, without what networks in it have been compiled for on their own."""
    if isinstance(config, dict):
        return {name: _without_compilation(value) for name, value in config.items() if name != "compile_config"}
    return [_without_compilation(value) for value in config] if isinstance(config, list) else config
