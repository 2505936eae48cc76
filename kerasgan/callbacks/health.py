"""Says in words, while a model trains, what goes wrong with it."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any, TextIO

import keras
import numpy as np

from kerasgan import batching, distribution
from kerasgan.callbacks import problems, snapshot, unusual
from kerasgan.callbacks.base import ModelCallback
from kerasgan.errors import NonFiniteError, checked_integer, invalid
from kerasgan.metrics import copies

if TYPE_CHECKING:
    from kerasgan.training import Training

POLICIES = ("raise", "skip")
# Looks in a short run, if they are at least so many steps apart; most steps between two looks, or this share of a run.
_LOOKS, _LEAST, _MOST, _SHARE = 20, 10, 100, 200


class Health(ModelCallback):
    """Looks for the problems of GANs, and names each once, with what to do.

    - collapse: generated examples are far nearer to one another than real ones, or repeat themselves. Dropping some
      modes but not others is a matter for `kerasgan.metrics`.
    - a learning rate that is hundreds of times the paper's, or a two-hundredth of it and less; a penalty thousands of
      times as heavy.
    - a saturated generator: nearly all its values are at the edge of their range.
    - a dead discriminator: it gives all images the same score, and the generator no gradient.
    - a discriminator that wins too easily: its `NonSaturating` or `Minimax` loss is near 0, and teaches the generator
      little.
    - losses or penalties that diverge.
    - an under-trained critic: its estimate of the distance is negative.
    - a gradient norm far from the 1 that a gradient penalty draws it to, on average or at most points.
    - saturated clipping: nearly all weights of a clipped critic sit at the edge.
    - an overfitted critic: its estimate on training images is far above that on held-out ones (`validation_data`).
    - values that are not finite, with the step, the tensor and the batch (only its number for a `tf.data` pipeline that
      cannot be read again); `on_non_finite` decides what happens then.

    Overfitting is checked after each epoch, values that are not finite after each step, and the rest every `every`
    steps, on means since the previous check. A problem is reported when `patience` checks in a row have shown it,
    because much that looks wrong early on is not; at the end of training half as many are enough. `problems.py` has the
    evidence and the advice.

    Args:
        every: Integer >= 1, steps between two checks. Defaults to a twentieth of a short run, but 10 or more; to 100,
            and to a 200th of a run of more than 20,000 steps.
        patience: Integer >= 1.
        num_images: Integer >= 16, generated and real examples that are compared.
        on_non_finite: `"raise"`; or `"skip"`: updates with a non-finite gradient are left out, and their share is
            logged as `skipped`.
        file: Where sentences are printed. Defaults to standard output.

    Attributes:
        findings: Dict from the name of a problem to the sentence that was printed.
        present: Dict from the name of each problem that the last check still showed to what helps.

    Raises:
        NonFiniteError: Values are not finite, and the policy is not to skip them, or weights hold them.
    """

    chief_only = True
    finds_nan = True

    def __init__(
        self,
        every: int | None = None,
        patience: int = 5,
        num_images: int = 256,
        on_non_finite: str = "raise",
        file: TextIO | None = None,
    ):
        super().__init__()
        if on_non_finite not in POLICIES:
            raise invalid("on_non_finite", " or ".join(map(repr, POLICIES)), f"on_non_finite={on_non_finite!r}")
        self.every = None if every is None else checked_integer("every", every)
        self.patience = checked_integer("patience", patience)
        self.num_images = checked_integer("num_images", num_images, 16)
        self.on_non_finite = on_non_finite
        self.file = file
        self._training: Any = None
        self._rates: dict[str, float] = {}  # the largest since the training began
        self.findings: dict[str, str] = {}
        self.present: dict[str, str] = {}

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if self.on_non_finite == "raise":
            return
        if distribution.has_workers(model.distribute_strategy):
            expected = "'raise' with several workers, which would have to skip together"
            raise invalid("on_non_finite", expected, f"on_non_finite={self.on_non_finite!r}")
        if not model.skips_non_finite:
            model.skip_non_finite()

    def running(self, training: "Training") -> contextlib.AbstractContextManager[None]:
        """Looks at the data before the first batch is read: looking later would change the order of a `shuffle`."""
        self._training = training
        self._real, self._labels = self._some_real()
        return contextlib.nullcontext()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.training not in (None, self._training):  # a callback of the user's that calls this one hides it
            self.running(self.model.training)
        self._every = self.every or _interval(_steps_of(self._training))
        self._real_spread = problems.spread(self._real)  # 0 where most are one image: then collapse is not looked for
        self._duplicate_distance = copies.duplicate_distance(self._real) if self._real_spread else 0.0
        self.present = {}
        self._seen: dict[str, int] = {}  # looks in a row
        self._signs: dict[str, problems.Sign | None] = {}  # of the last looks
        self._sums: dict[str, float] = {}
        self._latest: dict[str, float] = {}  # the means of the last look
        self._counted = 0
        self._looked = self._training.step
        self._rates = {}
        self._left_out = 0  # updates in a row

    def get_state(self) -> dict[str, Any]:
        """The largest learning rates so far, which a resumed run no longer has."""
        return {"rates": self._rates}

    def set_state(self, state: dict[str, Any]) -> None:
        self._rates = dict(state["rates"])

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
        if self._training.step - self._looked >= self._every:
            self._look_while_training()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        distance = self.model.loss.distance if "discriminator" in self.model.networks else None
        held_out = logs.get(f"val_{distance}")
        if distance is None or held_out is None:
            return
        signs = problems.Signs(self.model, self._rates)
        # The mean of the epoch may be far away, where the epoch began.
        problems.of_held_out(signs, self._latest.get(distance, logs.get(distance, held_out)), held_out)
        self._count(signs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._counted and 2 * (self._training.step - self._looked) >= self._every:
            self._look_while_training()
        self._name((self.patience + 1) // 2)
        self.present = {name: sign.advice for name, sign in self._signs.items() if sign and name in self.findings}

    def _look_while_training(self):
        self._latest = {name: value / self._counted for name, value in self._sums.items()}
        self._count(self._signs_while_training(self._latest))
        self._sums, self._counted, self._looked = {}, 0, self._training.step

    def _count(self, signs):
        """Counts looks in a row that show a problem, and names it when they are enough."""
        self._signs.update(signs)
        for name, sign in signs.items():
            self._seen[name] = self._seen.get(name, 0) + 1 if sign else 0
        self._name(self.patience)

    def _name(self, looks):
        """Names the problems that so many looks in a row have shown."""
        for name, sign in self._signs.items():
            if sign and self._seen[name] >= looks:
                self._say_once(name, f"{sign.evidence}. {sign.advice}")

    def _say_once(self, name, sentence):
        if name not in self.findings:
            self.findings[name] = f"step {self._training.step:,}: {sentence}."
            print(f"\nhealth     {self.findings[name]}", file=self.file or sys.stdout, flush=True)

    # Problems

    def _signs_while_training(self, means):
        """`Signs` of each problem that can be looked for."""
        signs = problems.Signs(self.model, self._rates)
        fake = self.model.generate(len(self._real), self._labels, seed=0, batch_size=len(self._real))
        if not np.isfinite(fake).all():
            self._not_finite(["generated examples"])
            return signs
        for name, rate in unusual.largest_rates(self.model).items():
            self._rates[name] = max(rate, self._rates.get(name, 0.0))
        problems.of_the_settings(signs)
        if self._real_spread:
            flat = fake.reshape(len(fake), -1)
            problems.of_the_generator(signs, flat, self._real, self._real_spread, self._duplicate_distance)
        if "discriminator" in self.model.networks:
            problems.of_the_discriminator(signs, means, self._real.reshape(fake.shape), fake, self._labels)
        return signs

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
        if self.on_non_finite == "skip" and not broken and self._left_out < (self.every or _MOST):
            self._left_out += 1
            self._say_once("non-finite values", f"{sentence}. The update was left out, as others after it will be")
            return
        if self.on_non_finite == "raise":
            slower = unusual.advice_to_lower_rate(self.model) or "Lower the learning rates"
            advice = f"{slower}, look at the data, or pass on_non_finite='skip'"
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


def _steps_of(training):
    """Steps that a run still has to make."""
    return max(0, (training.epochs - training.epoch) * training.steps_per_epoch - training.batch)


def _interval(steps):
    """Steps between two looks in a run of so many."""
    return max(steps // _SHARE, min(_MOST, max(_LEAST, steps // _LOOKS)))
