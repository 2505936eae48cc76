"""Says in words, while a model trains, what goes wrong with it."""

import sys
from typing import Any, TextIO

import keras
import numpy as np

from kerasgan import batching, distribution, metrics
from kerasgan.callbacks import snapshot
from kerasgan.callbacks.base import ModelCallback
from kerasgan.constraints import Clip
from kerasgan.errors import NonFiniteError, checked_integer, invalid
from kerasgan.metrics import copies

POLICIES = ("raise", "skip")
# Generated examples are this much nearer to one another than real ones, or this share of them are duplicates.
_COLLAPSED_SPREAD, _COLLAPSED_DUPLICATES = 0.25, 0.5
# A discriminator that is right with this loss, both halves of it together, gives a minimax generator no gradient.
_WON = 0.05
_NORMS = (0.5, 2.0)
_SATURATED = 0.9
_OVERFITTED = 0.5


class Health(ModelCallback):
    """Looks for the illnesses of GANs, and names each once, with what to do.

    - collapse: generated examples are far nearer to one another than real ones, or repeat themselves. Dropping some
      modes but not others is a matter for `kerasgan.metrics`.
    - a discriminator that wins too easily: its loss is near 0, and gives the generator little to learn from.
    - an under-trained critic: its estimate of the distance is negative.
    - a gradient norm far from the 1 that a gradient penalty draws it to.
    - saturated clipping: nearly all weights of a clipped critic sit at the edge.
    - an overfitted critic: its estimate on training images is far above that on held-out ones (`validation_data`).
    - values that are not finite, with the step, the tensor and the batch (only its number for a `tf.data` pipeline that
      cannot be read again); `on_non_finite` decides what happens then.

    Overfitting is looked for after each epoch, the others except the last every few steps, in means since the look
    before. They are named when they have been seen `patience` times in a row: much looks ill early in training and is
    not.

    Args:
        every: Integer >= 1, steps between two looks.
        patience: Integer >= 1.
        num_images: Integer >= 16, generated and real examples that are compared.
        on_non_finite: `"raise"`; or `"skip"`: updates with a non-finite gradient are left out, and their share is
            logged as `skipped`.
        file: Where sentences are printed. Defaults to standard output.

    Attributes:
        findings: Dict from the name of an illness to the sentence that was printed.

    Raises:
        NonFiniteError: Values are not finite, and the policy does not mend it.
    """

    chief_only = True
    finds_nan = True

    def __init__(
        self,
        every: int = 100,
        patience: int = 5,
        num_images: int = 256,
        on_non_finite: str = "raise",
        file: TextIO | None = None,
    ):
        super().__init__()
        if on_non_finite not in POLICIES:
            raise invalid("on_non_finite", " or ".join(map(repr, POLICIES)), f"on_non_finite={on_non_finite!r}")
        self.every = checked_integer("every", every)
        self.patience = checked_integer("patience", patience)
        self.num_images = checked_integer("num_images", num_images, 16)
        self.on_non_finite = on_non_finite
        self.file = file
        self.findings: dict[str, str] = {}

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if self.on_non_finite == "raise":
            return
        if distribution.has_workers(model.distribute_strategy):
            expected = "'raise' with several workers, which would have to skip together"
            raise invalid("on_non_finite", expected, f"on_non_finite={self.on_non_finite!r}")
        if not model.skips_non_finite:
            model.skip_non_finite()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training = self.model.training
        self._real, self._labels = self._some_real()
        self._real_spread = _spread(self._real)  # 0 where most are one image: then collapse is not looked for
        self._duplicate_distance = copies.duplicate_distance(self._real) if self._real_spread else 0.0
        self._seen: dict[str, int] = {}  # looks in a row
        self._sums: dict[str, float] = {}
        self._latest: dict[str, float] = {}  # the means of the last look
        self._counted = 0
        self._looked = self._training.step
        self._left_out = 0  # updates in a row

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        broken = [name for name, value in values.items() if not np.isfinite(value)]
        if broken:
            self._not_finite(broken)
            return
        self._left_out = 0
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._counted += 1
        if self._training.step - self._looked >= self.every:
            self._latest = {name: value / self._counted for name, value in self._sums.items()}
            self._look(self._ill_while_training(self._latest))
            self._sums, self._counted, self._looked = {}, 0, self._training.step

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        distance = self.model.loss.distance if "discriminator" in self.model.networks else None
        held_out = logs.get(f"val_{distance}")
        if distance is None or held_out is None:
            return
        # The mean of the epoch may be far away, where the epoch began.
        training = self._latest.get(distance, logs.get(distance, held_out))
        overfitted = training > 0 and (training - held_out) / max(abs(training), 1e-12) > _OVERFITTED
        self._look(
            {
                "overfitted critic": overfitted
                and f"the critic is overfitted: its estimate of the distance is {training:.3g} on training images and "
                f"{held_out:.3g} on held-out ones. Use more images, augmentation (flip), or a smaller critic"
            }
        )

    def _look(self, sentences):
        """Counts illnesses, of which those that show no sign have no sentence, and names those seen often enough."""
        for name, sentence in sentences.items():
            self._seen[name] = self._seen.get(name, 0) + 1 if sentence else 0
            if self._seen[name] >= self.patience:
                self._say_once(name, sentence)

    def _say_once(self, name, sentence):
        if name not in self.findings:
            self.findings[name] = f"step {self._training.step:,}: {sentence}."
            print(f"\nhealth     {self.findings[name]}", file=self.file or sys.stdout, flush=True)

    # Illnesses

    def _ill_while_training(self, means):
        """Dict from each illness that can be looked for to a sentence, false where there is no sign of it."""
        fake = self.model.generate(len(self._real), self._labels, seed=0, batch_size=len(self._real))
        if not np.isfinite(fake).all():
            self._not_finite(["generated examples"])
            return {}
        sentences = {"collapse": self._collapse(fake) if self._real_spread else None}
        if "discriminator" in self.model.networks:
            sentences.update(_of_the_discriminator(self.model, means))
        return sentences

    def _collapse(self, fake):
        fake = fake.reshape(len(fake), -1)
        spread = _spread(fake) / self._real_spread
        duplicates = float((metrics.nearest_distances(fake) <= self._duplicate_distance).mean())
        if spread >= _COLLAPSED_SPREAD and duplicates <= _COLLAPSED_DUPLICATES:
            return None
        advice = "Use a smaller learning rate"
        if "discriminator" in self.model.networks:
            advice += f", or {'more updates of the critic' if self.model.loss.distance else 'WGANGP, R3GAN or packs'}"
        return (
            f"the generator collapses: its examples are {spread:.2g} times as far from one another as real ones, and "
            f"{duplicates:.0%} of them are near-duplicates of another. {advice}"
        )

    def _some_real(self):
        """Real examples `(n, d)`, and their labels where the model takes them."""
        batches, count = [], 0
        for element in self._training.batches.in_fixed_order():
            batches.append([part.numpy() for part in batching.split(element) if part is not None])
            count += len(batches[-1][0])
            if count >= self.num_images:
                break
        real, *labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        real = real.reshape(len(real), -1).astype(np.float64)
        good = np.flatnonzero(np.isfinite(real).all(axis=1))[: self.num_images]
        return real[good], labels[0][good] if labels and self.model.conditional else None

    # Values that are not finite

    def _not_finite(self, names):
        """Says that an update was skipped, or raises."""
        broken = snapshot.first_non_finite(self.model.state())
        tensor = f"the first variable with such values is {broken}" if broken else "all weights are still finite"
        sentence = f"{', '.join(names)} not finite at step {self._training.step:,}; {tensor}; {self._batches()}"
        if self.on_non_finite == "skip" and not broken and self._left_out < self.every:
            self._left_out += 1
            self._say_once("non-finite values", f"{sentence}. The update was left out, as others after it will be")
            return
        if self.on_non_finite == "raise":
            advice = "Lower the learning rates, look at the data, or pass on_non_finite='skip'"
        elif broken:
            advice = "Leaving out gradients cannot mend weights: lower the learning rates, and resume from a checkpoint"
        else:
            advice = f"The last {self._left_out} updates in a row were left out; look at the data"
        raise NonFiniteError(f"{sentence}. {advice}.")

    def _batches(self):
        """Which batches of the data the step has taken, and whether the fault is in them."""
        batches, model = self._training.batches, self.model
        last, count = model.batches_taken, model.batches_per_step
        numbers = f"number {last - 1}" if count == 1 else f"numbers {last - count} to {last - 1}"
        which = f"of the data it has taken batch {numbers}"
        if batches.starting_at is None:
            return f"{which}, which may hold such values"
        for number, element in enumerate(batches.starting_at(last - count).take(count), last - count):
            if not np.isfinite(batching.split(element)[0]).all():
                return f"batch {number} of the data holds such values itself"
        return f"{which}, and finite"


def _of_the_discriminator(model, means):
    """Dict from each illness that a discriminator of this kind can have to a sentence, false where it shows no sign."""
    sentences = {}
    if model.loss.distance:
        distance = means.get(model.loss.distance, 0.0)
        sentences["under-trained critic"] = distance < 0 and (
            f"the critic is under-trained: its estimate of the distance is {distance:.3g}, and a distance is not below "
            "0. Raise n_critic or the discriminator's learning rate"
        )
    elif "d_loss" in means and not model.loss.relativistic:
        loss = means["d_loss"]
        sentences["discriminator that wins"] = loss < _WON and (
            f"the discriminator wins too easily: its loss is {loss:.2g}, it tells nearly every generated example from "
            "real ones. Lower its learning rate, penalise its gradient, or use WGANGP"
        )
    if [penalty.target for penalty in model.penalties] == [1.0]:
        norm = means.get("gradient_norm", 1.0)
        sentences["gradient norm"] = not _NORMS[0] <= norm <= _NORMS[1] and (
            f"the norm of the critic's gradient is {norm:.2g}, far from 1. Raise the weight of the penalty where it is "
            "above; below, lower it or train the critic more"
        )
    if isinstance(model.constraint, Clip):
        share = _share_at_edge(model.discriminator, model.constraint.clip)
        sentences["saturated clipping"] = share > _SATURATED and (
            f"{share:.0%} of the critic's weights are at the edge of the clipping: it can hardly tell more than a "
            "sign. Clip less, or use WGANGP"
        )
    return sentences


def _share_at_edge(network, clip):
    """Share of the weights of a clipped network that are as large as they may be."""
    weights = np.concatenate([variable.numpy().ravel() for variable in network.trainable_variables])
    return float((np.abs(weights) >= 0.999 * clip).mean())


def _spread(points):
    """Median distance of pairs, one of each two neighbours in a random order."""
    order = np.random.default_rng(0).permutation(len(points))
    return float(np.median(np.linalg.norm(points[order] - points[np.roll(order, 1)], axis=1))) if len(points) else 0.0
