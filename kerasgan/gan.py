"""The adversarial training step, and the `keras.Model` around it."""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasgan import (
    averages,
    batching,
    construction,
    contract,
    distribution,
    losses,
    objectives,
    optimization,
    papers,
    stateless,
)
from kerasgan.augmentations import AdaptiveAugment, DiffAugment
from kerasgan.compilation import Compilation, prepared
from kerasgan.configured import constants, is_ours
from kerasgan.errors import DataError, checked_integer, invalid
from kerasgan.losses import AdversarialLoss
from kerasgan.metrics.quality import QualityMetric
from kerasgan.model import GenerativeModel
from kerasgan.objectives import Objectives
from kerasgan.penalties import Penalty, Recorded
from kerasgan.updates import Update


@keras.saving.register_keras_serializable("kerasgan")
class GAN(Objectives, GenerativeModel):
    """Generative adversarial network: `n_critic` updates of the discriminator, then one of the generator.

    The constructor takes the objective, `compile` the optimizers. Each batch of the data that `fit` reads is used for
    one update of the discriminator; a step, which is what progress counts, is one update of the generator.

    The logs have `d_loss` (without penalties), `g_loss`, each penalty by its name, `gradient_norm` (mean norm of the
    discriminator's gradient at the penalties' points) and, for the Wasserstein loss, `wasserstein`.

    Regularizers of a network's variables are part of its objective, and are not logged.

    Args:
        generator: Keras model, `latents` `(batch, latent_dim)` [, `labels` `(batch,)`] -> images.
        discriminator: Keras model, `images` [, `labels`] -> logits `(batch, 1)`, without a sigmoid.
        loss: `kerasgan.losses.AdversarialLoss`; a name, e.g. `"hinge"`; or a Keras loss of logits or such a function,
            which becomes a `kerasgan.losses.Paired`. Defaults to `NonSaturating()`.
        penalties: Sequence of `kerasgan.penalties.Penalty`. Defaults to none.
        constraint: `keras.constraints.Constraint` on every variable of the discriminator, or None.
        n_critic: Integer >= 1, updates of the discriminator per step, each on a fresh batch; it may be set between two
            calls of `fit`. Defaults to `1`.
        pack: Integer >= 1, images that the discriminator judges at once (PacGAN); must divide the batch. Its input is
            `(..., pack * channels)`, and penalties apply to packs, too. A generator that keeps repeating itself is
            then easy to tell from the data. Defaults to `1`.
        ema_momentum: Float in [0, 1): keeps an average of the generator's weights with this momentum, which `generate`
            and `call` use; None for none. The first steps average faster, with min(momentum, (1 + t) / (10 + t)). It
            may be set to another number later. It starts from the weights that the generator has at the first step.
        seed: Integer >= 0. With the step it determines every random number of a run.
        augment: `kerasgan.augmentations.DiffAugment` of what the discriminator sees, real and generated, before packing
            and penalties; None for none. With an `AdaptiveAugment` the logs have `augment_probability`, too.

    Raises:
        ModelContractError: The networks do not fit each other or the objective.
        ValueError: An argument is out of its range.

    Reference: Goodfellow et al., Generative Adversarial Nets, 2014, algorithm 1; with the Wasserstein loss and a
    gradient penalty, Gulrajani et al., Improved Training of Wasserstein GANs, 2017, algorithm 1; Lin et al., PacGAN:
    The power of two samples in generative adversarial networks, 2018, section 2.
    """

    paper = papers.GAN  # the settings that `compile` begins with
    decided: tuple[str, ...] = (
        *("generator", "discriminator", "loss", "penalties", "constraint"),
        *("n_critic", "pack", "ema_momentum", "seed", "augment"),
    )

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: AdversarialLoss | Callable | str | None = None,
        penalties: Sequence[Penalty] = (),
        constraint: keras.constraints.Constraint | None = None,
        n_critic: int = papers.GAN.n_critic,
        pack: int = 1,
        ema_momentum: float | None = None,
        seed: int = 0,
        augment: DiffAugment | None = None,
        **kwargs: Any,
    ):
        generator, discriminator = contract.functional(generator), contract.functional(discriminator)
        contract.check_order(generator, discriminator)
        super().__init__(generator, seed, **kwargs)
        self.loss = losses.get(loss)
        if isinstance(penalties, Penalty) or not isinstance(penalties, Iterable):
            raise invalid("penalties", "a sequence: put the penalty into a list", repr(penalties))
        self.penalties = tuple(penalties)
        construction.check_objective(self.loss, self.penalties, self.logged)
        self.n_critic, self.pack = checked_integer("n_critic", n_critic), checked_integer("pack", pack)
        construction.check_schedules(self.penalties, self.n_critic)
        extended, example = self.overrides_objective(), "kerasgan.networks.dcgan_discriminator(image_shape)"
        contract.check_network(discriminator, "discriminator", example, extended)
        contract.check_adversaries(generator, discriminator, self.pack, extended)
        if self.penalties:
            contract.check_penalized(discriminator, warns=True)
        self.discriminator = discriminator
        self.updates = self._state("updates", "int64")  # of both networks together: it numbers the random draws
        self.constraint: Any = construction.checked_constraint(constraint)
        self.ema_momentum: Any = construction.checked_momentum(ema_momentum)
        self.ema_generator = None if ema_momentum is None else averages.of(generator)
        self.augment = construction.checked_augmentation(augment, self.image_shape, self.loss)
        self.augment_probability: Any = None  # a variable where training moves it
        if isinstance(augment, AdaptiveAugment):
            self.augment_probability = self._state("augment_probability", "float32")
            self.images_since_move = self._state("images_since_move", "float32")
        names = ["d_loss", "g_loss", *self.logged, *(penalty.name for penalty in self.penalties)]
        names += ["gradient_norm"] if self.penalties else []
        names += [self.loss.distance] if self.loss.distance else []
        names += ["augment_probability"] if self.augment_probability is not None else []
        self._trackers = {name: keras.metrics.Mean(name=name) for name in names}

    def skip_non_finite(self) -> None:
        """As in the base class, and the share of updates that are left out is logged as `skipped`."""
        self._trackers.setdefault("skipped", keras.metrics.Mean(name="skipped"))
        super().skip_non_finite()

    def _constants(self):
        parts = [part for part in (self.loss, *self.penalties, self.constraint, self.augment) if part is not None]
        return [*super()._constants(), self.n_critic, self.ema_momentum, *map(constants, parts)]

    @property
    def batches_per_step(self) -> int:
        """`n_critic`: one for each update of the discriminator."""
        return self.n_critic

    @property
    def batches_taken(self) -> int:
        """Number of batches that updates of the discriminator have taken so far."""
        return int(self.updates.numpy()) - int(self.step.numpy())

    @property
    def optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Both optimizers by the names of their arguments; empty before `compile`."""
        return {"d_optimizer": self.d_optimizer, "g_optimizer": self.g_optimizer} if self.compiled else {}

    @property
    def sampler(self) -> keras.Model:
        """The averaged generator if there is one, else the generator."""
        averages.start(self)
        return self.generator if self.ema_generator is None else self.ema_generator

    # Compilation

    def default_optimizers(self) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
        """The optimizers of the discriminator and the generator as in `paper`; of GAN, those of DCGAN."""
        return optimization.of_paper(self.paper), optimization.of_paper(self.paper)

    def compile(
        self,
        d_optimizer: keras.optimizers.Optimizer | str | None = None,
        g_optimizer: keras.optimizers.Optimizer | str | None = None,
        *,
        metrics: QualityMetric | Sequence[QualityMetric] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        """Sets the optimizers.

        Args:
            d_optimizer: `keras.optimizers.Optimizer` of the discriminator. Defaults to that of the variant's paper.
            g_optimizer: `keras.optimizers.Optimizer` of the generator. Defaults to that of the variant's paper.
            metrics: Sequence of `kerasgan.metrics.QualityMetric`, which `evaluate` and validation report; they are not
                saved with the model: set `model.quality` again after loading. Defaults to none.
            run_eagerly: Whether to run without graphs, to debug.
            steps_per_execution: Integer, steps in one graph; 1 with several replicas.
            jit_compile: Whether XLA compiles the forward and backward passes; `"auto"`: on a GPU or TPU, not on a CPU.

        Raises:
            TypeError: Another argument, such as `optimizer` or `loss` of `keras.Model.compile`.
            ValueError: One optimizer for both networks, or `steps_per_execution` > 1 where it is not supported.
        """
        for name, value in kwargs.items():
            expected = f"to be left out: {construction.WHERE.get(name, construction.ARGUMENTS)}"
            raise invalid(name, expected, f"{name}={value!r}", TypeError)
        if isinstance(d_optimizer, keras.optimizers.Optimizer) and d_optimizer is g_optimizer:
            expected = "an optimizer of its own for each network, which keeps that network's state: make two"
            raise invalid("g_optimizer", expected, "the object given as `d_optimizer`")
        if self.penalties:  # layers may have been frozen or set free since
            contract.check_penalized(self.discriminator)
        compiled = Compilation(self, run_eagerly, steps_per_execution, jit_compile)
        given = zip((d_optimizer, g_optimizer), self.default_optimizers(), strict=True)
        d_optimizer, g_optimizer = (default if one is None else one for one, default in given)
        d_optimizer = prepared(self, "d_optimizer", d_optimizer, self.discriminator)
        # The generator's gradient comes through the discriminator.
        g_optimizer = prepared(self, "g_optimizer", g_optimizer, self.generator, self.discriminator)
        both = optimization.Optimizers(d_optimizer, g_optimizer)
        self._compile(compiled, d_optimizer=d_optimizer, g_optimizer=g_optimizer, optimizer=both)
        if any(isinstance(one, keras.optimizers.LossScaleOptimizer) for one in self.optimizers.values()):
            self._trackers["skipped"] = keras.metrics.Mean(name="skipped")
        self.quality = metrics

    def critic_updates(self, step: int) -> int:
        """Updates of the discriminator in this step where `warmup` is set, rounded up to a multiple of `n_critic`."""
        return self.n_critic

    def make_train_function(self, force: bool = False) -> Callable:
        """As in the base class; with `warmup` some steps have more updates of the discriminator."""
        if self.warmup and (self.train_function is None or force):
            self.train_function = distribution.with_warm_up(self)
        return super().make_train_function(force and not self.warmup)

    # The training step

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Algorithm 1 on `(batch, n_critic, ...)` images: `n_critic` critic updates, then one of the generator.

        Returns:
            Dict of this step's values; the means over the `n_critic` updates for those of the discriminator.
        """
        batches = self._minibatches(data)
        values = self._update_discriminator(batches)
        of_generator = self._update_generator(*batches[-1])
        skipped = (self.n_critic * values["skipped"] + of_generator["skipped"]) / (self.n_critic + 1)
        if self.augment_probability is not None:
            values["augment_probability"] = self._adapted(values, self.num_replicas * batching.total(batches))
        averages.move(self)
        self.step.assign_add(1)
        return self._log({**values, **of_generator, "skipped": skipped}, batching.size(batches[-1][0]))

    def _update_discriminator(self, batches):
        construction.check_schedules(self.penalties, self.n_critic)
        if self.learns_from_held_out:
            self.images_since_move.assign_add(tf.cast(self.num_replicas * batching.total(batches), tf.float32))

        @functools.cache  # one graph for each set of penalties
        def update_with(*due):
            penalties = [self.penalties[i] for i in due]
            draw = functools.partial(self._discriminator_draws, penalties=penalties)
            loss = functools.partial(self._discriminator_loss, penalties=penalties)
            return Update(self, self.discriminator, self.d_optimizer, self.updates, draw, loss, self.constraint)

        due = [[i for i, one in enumerate(self.penalties) if k % one.every == 0] for k in range(len(batches))]
        logs = [update_with(*penalties)(*batch) for penalties, batch in zip(due, batches, strict=True)]
        known = {name: [values[name] for values in logs if name in values] for name in logs[0]}
        return {name: tf.add_n(values) / len(values) for name, values in known.items()}

    def _update_generator(self, *batch):
        draw, loss = self._generator_draws, self._generator_loss
        return Update(self, self.generator, self.g_optimizer, self.updates, draw, loss)(*batch)

    def _discriminator_loss(self, real, labels, latents, augmentations, noises, penalties, training=True):
        """What the discriminator minimises with these penalties, and its parts by name."""
        judge = Recorded(objectives.judge(self.discriminator, labels, training), operator.attrgetter("logits"))
        shown = self._shown([real, self._generated(latents, labels, training)], augmentations)
        real, fake = map(judge, shown)
        loss, values = objectives.checked(self, "discriminator_objective", real, fake, labels)
        terms, norms = [loss], []
        for penalty, noise in zip(penalties, noises, strict=True):
            values[penalty.name], norm = objectives.penalized(penalty, judge, shown, noise)
            terms.append(penalty.every * values[penalty.name])
            norms.append(tf.reduce_mean(norm))
        if norms:
            values["gradient_norm"] = tf.add_n(norms) / len(norms)
        if self.augment_probability is not None and not self.learns_from_held_out:
            values["overfitting"] = self.loss.overfitting(real.logits, fake.logits)
        return tf.add_n(terms), values

    def _generator_loss(self, real, labels, latents, augmentations, training=True):
        """What the generator minimises."""
        judge = objectives.judge(self.discriminator, labels, training)
        real, fake = self._shown([real, self._generated(latents, labels, training)], augmentations)
        real = judge(real) if self.loss.relativistic or not is_ours(type(self), "generator_objective") else None
        return objectives.checked(self, "generator_objective", real, judge(fake), labels)

    def _adapted(self, values, images):
        """The probability of the augmentation, moved by this step on so many images if its logits tell how."""
        if not self.learns_from_held_out:
            overfitting = stateless.mean_over_replicas(values["overfitting"])
            self.augment_probability.assign(self.augment.moved(self.augment_probability, overfitting, images))
        return self.augment_probability

    @property
    def learns_from_held_out(self) -> bool:
        """Whether training needs held-out images: an `AdaptiveAugment` with a loss whose logits do not tell."""
        return self.augment_probability is not None and not self.loss.tells_overfitting

    def learn_from(self, logs: dict[str, float]) -> None:
        """Moves the probability of the augmentation after a validation, with r_v = 1 - W_val / W_train."""
        if self.learns_from_held_out:
            distances = (logs.get(f"{kind}{self.loss.distance}", float("nan")) for kind in ("", "val_"))
            moved = self.augment.moved_by_gap(self.augment_probability, *distances, self.images_since_move)
            self.augment_probability.assign(moved)
            self.images_since_move.assign(0.0)

    def critic_step(self, data: Any) -> dict[str, tf.Tensor]:
        """`n_critic` updates of the discriminator alone."""
        return self._update_discriminator(self._minibatches(data))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The same values on held-out images, with both networks as they are for inference."""
        real, labels = self._batch(data)
        random = stateless.Stream(self.seed, stateless.evaluation_position(self.evaluated_batches))
        latents, augmentations, noises = self._discriminator_draws(random, real, labels, self.penalties)
        drawn = latents, augmentations
        _, values = self._discriminator_loss(real, labels, *drawn, noises, self.penalties, training=False)
        _, of_generator = self._generator_loss(real, labels, *drawn, training=False)
        self.evaluated_batches.assign_add(1)
        more = {"skipped": 0.0, "augment_probability": self.augment_probability}
        return self._log({**values, **of_generator, **more}, batching.size(real))

    def _generator_draws(self, random, real, labels):
        """Latents, and the parameters that augment the real and the generated images."""
        latents, augmentations = random.normal((batching.size(real), self.latent_dim)), [None, None]
        if self.augment is not None:
            apart = random.for_augmentation()
            augmentations = [self.augment.sample(real, apart, self.augment_probability) for _ in augmentations]
        return latents, augmentations

    def _discriminator_draws(self, random, real, labels, penalties):
        """The same, and what each of the penalties draws."""
        latents, augmentations = self._generator_draws(random, real, labels)
        (packs,) = self._shown([real], augmentations[:1])
        return latents, augmentations, [penalty.sample(packs, random) for penalty in penalties]

    def _shown(self, images, augmentations):
        """Each batch of images as the discriminator sees it: augmented, and in packs."""
        if self.augment is not None:
            images = self.augment.in_range(images, augmentations, self.output_range.bounds)
        return [batching.packed(batch, self.pack) for batch in images]

    def _generated(self, latents, labels, training):
        return tf.cast(self.generator(latents if labels is None else [latents, labels], training=training), tf.float32)

    def _minibatches(self, data):
        """List of `n_critic` pairs: images `(batch, ...)`, and labels `(batch,)` or None."""
        images, labels = self._batch(data)
        return batching.divided(images, labels, self.n_critic, len(self.image_shape))

    def _batch(self, data):
        """Float32 images, and labels or None."""
        images, labels = batching.split(data)
        if self.conditional and labels is None:
            raise invalid("y", "labels, because the networks take them", "None", DataError)
        return tf.cast(images, tf.float32), tf.convert_to_tensor(labels) if self.conditional else None
