"""The problems of GANs: what shows each of them, and what helps. One table, `PROBLEMS`."""

import dataclasses
import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasgan import batching, metrics, objectives
from kerasgan.callbacks import unusual
from kerasgan.constraints import Clip
from kerasgan.losses import Minimax, NonSaturating

# Generated examples are this much nearer to one another than real ones, or this share of them are duplicates.
_COLLAPSED_SPREAD, _COLLAPSED_DUPLICATES = 0.25, 0.5
# What is less is hardly more than rounding.
_SAME_SPREAD = 1e-3
# A discriminator that is right with this cross-entropy, both halves of it together, gives a minimax generator no
# gradient.
_WON = 0.05
_NORMS = (0.5, 2.0)
# What rounding leaves of the gradient of a critic that has none.
_NO_NORM = 1e-5
# Standard deviation of the norms that a penalty draws to 1.
_SWINGS = 0.5
# Of a loss in logits, where 1.4 is a draw, and of a penalty.
_DIVERGED = 100.0
# Relative to the scores themselves.
_SAME_SCORE = 1e-6
_SATURATED = 0.9
# Of the values that are not at the edge in real examples, those that are in generated ones; and how near that is.
_AT_EDGE, _EDGE = 0.5, 1e-3
_OVERFITTED = 0.5
# Examples of either kind whose scores are compared.
_SCORED = 64


class Problem(NamedTuple):
    """A row of the table.

    Attributes:
        evidence: What shows it, with the names of what is measured in braces.
        advice: What helps.
        of_rate: Whether a learning rate that is far from the paper's causes it; then the advice is about the rate.
        of_weight: Whether the weight of a penalty that is far too heavy causes it.
    """

    evidence: str
    advice: str
    of_rate: bool = True
    of_weight: bool = True


PROBLEMS = {
    "learning rate": Problem("the learning rate is {times:.0f} times that of the paper", "Lower it"),
    "slow learning rate": Problem(
        "the learning rate{whose} is {times:,.0f} times smaller than that of the paper", "Raise it"
    ),
    "penalty weight": Problem(
        "the weight of the penalty is {times:,.0f} times that of the paper", "Lower it", of_rate=False
    ),
    "collapse": Problem(
        "the generator collapses: its examples are {apart}, and {duplicates:.0%} of them are near-duplicates of "
        "another",
        "Use a smaller learning rate{or_else}",
    ),
    "saturated generator": Problem(
        "the generator is saturated: {share:.0%} of its values are at the edge of their range, and {of_real:.0%} of "
        "those of real examples",
        "Use a smaller learning rate",
    ),
    "dead critic": Problem(
        "the discriminator is dead: it gives all images the same score, {score:.3g}, and the generator no gradient",
        "Start again with LeakyReLU in place of ReLU, Keras's default initializers and a smaller learning rate",
    ),
    "divergence": Problem(
        "the losses diverge: {value} is {size:.3g}",
        "Lower the learning rates, or add a gradient penalty, as WGANGP or R3GAN have",
    ),
    "discriminator that wins": Problem(
        "the discriminator wins too easily: its loss is {loss:.2g}, it tells nearly every generated example from real "
        "ones",
        "Lower its learning rate, penalise its gradient, or use {loss_that_learns}",
    ),
    "under-trained critic": Problem(
        "the critic is under-trained: its estimate of the distance is {distance:.3g}, and a distance is not below 0",
        "Raise n_critic or the discriminator's learning rate",
    ),
    "steep critic": Problem(
        "the norm of the critic's gradient is {norm:.2g}, far from 1", "Raise the weight of the penalty"
    ),
    "flat critic": Problem(
        "the norm of the critic's gradient is {norm:.2g}, far from 1",
        "Lower the weight of the penalty, or train the critic more: a higher n_critic or learning rate",
        of_rate=False,
    ),
    "unsteady critic": Problem(
        "the critic is unsteady: the norm of its gradient, which should be 1, has a standard deviation of {swings:.2g}",
        "Lower the learning rates, or raise the weight of the penalty",
    ),
    "saturated clipping": Problem(
        "{share:.0%} of the critic's weights are at the edge of the clipping, which leaves it little capacity",
        "Raise the bound of the clipping, or use WGANGP",
    ),
    "overfitted critic": Problem(
        "the critic is overfitted: its estimate of the distance is {training:.3g} on training images and "
        "{held_out:.3g} on held-out ones",
        "Use more images, augment=kerasgan.augmentations.DiffAugment(), or a smaller critic",
        of_rate=False,
        of_weight=False,
    ),
}
# Names under which several rows are reported: they are of one quantity.
_REPORTED = {
    "slow learning rate": "learning rate",
    "steep critic": "gradient norm",
    "flat critic": "gradient norm",
    "unsteady critic": "gradient norm",
}


@dataclasses.dataclass(frozen=True)
class Sign:
    """A problem that shows: what is seen, and what helps, in words."""

    evidence: str
    advice: str


class Signs(dict[str, Sign | None]):
    """Signs by the names of the problems that were looked for, None for one that does not show.

    Args:
        model: Is looked at.
        largest: The `unusual.largest_rates` since the training began.
    """

    def __init__(self, model: keras.Model, largest: dict[str, float]):
        super().__init__()
        self.model = model
        self.largest = largest

    def look(self, problem: str, shows: bool, **measured: Any) -> None:
        """Adds a problem.

        Args:
            problem: Key of `PROBLEMS`.
            shows: Whether there is a sign of it.
            **measured: What stands in braces in its row.
        """
        row, name = PROBLEMS[problem], _REPORTED.get(problem, problem)
        if not shows:
            self.setdefault(name, None)
            return
        of_rate = unusual.advice_to_lower_rate(self.model) or unusual.advice_to_raise_rate(self.model, self.largest)
        advice = (
            (row.of_rate and of_rate) or (row.of_weight and unusual.advice_to_lower_weight(self.model)) or row.advice
        )
        self[name] = Sign(row.evidence.format(**measured), advice.format(**measured))


def of_the_settings(signs: Signs) -> None:
    """Looks at the learning rates and at the weight of a penalty.

    Args:
        signs: Are added to.
    """
    model, rate = signs.model, signs.model.paper.learning_rate
    times = max(unusual.rates(model).values(), default=0.0) / rate
    slow, fast = unusual.too_slow(model, signs.largest), times >= unusual.FAR
    signs.look("learning rate", fast, times=times)
    times, whose = rate / min(slow.values(), default=rate), unusual.of_network(slow)
    signs.look("slow learning rate", bool(slow) and not fast, times=times, whose=whose)
    times = unusual.heaviest(model)[1] / (model.paper.penalty or 1.0)
    signs.look("penalty weight", unusual.advice_to_lower_weight(model) is not None, times=times)


def of_the_generator(signs: Signs, fake: np.ndarray, real: np.ndarray, real_spread: float, duplicate: float) -> None:
    """Looks for a generator that collapses, or whose activation is saturated.

    Args:
        signs: Are added to.
        fake, real: Examples `(n, d)`.
        real_spread: `spread` of the real ones, which must not be 0.
        duplicate: `metrics.copies.duplicate_distance` of the real ones.
    """
    model, relative = signs.model, spread(fake) / real_spread
    duplicates = float((metrics.nearest_distances(fake) <= duplicate).mean())
    collapsed = relative < _COLLAPSED_SPREAD or duplicates > _COLLAPSED_DUPLICATES
    or_else = ""
    if "discriminator" in model.networks:
        or_else = f", or {'more updates of the critic' if model.loss.distance else 'WGANGP, R3GAN or packs'}"
    apart = f"{relative:.2g} times as far from one another as real ones" if relative > _SAME_SPREAD else "all alike"
    signs.look("collapse", collapsed, apart=apart, duplicates=duplicates, or_else=or_else)
    if not collapsed and model.output_range.bounds is not None:
        share, of_real = (_share_of_extremes(examples, model.output_range.bounds) for examples in (fake, real))
        saturated = share > of_real + _AT_EDGE * (1.0 - of_real)
        signs.look("saturated generator", saturated, share=share, of_real=of_real)


def of_the_discriminator(
    signs: Signs, means: dict[str, float], real: np.ndarray, fake: np.ndarray, labels: np.ndarray | None
) -> None:
    """Looks for each problem that a discriminator of this kind can have.

    Args:
        signs: Are added to.
        means: What was logged, in means over some steps.
        real, fake: Examples `(n, ...)`, images as the networks take them.
        labels: Of both; None where the networks take none.
    """
    model = signs.model
    score = _only_score(model, real, fake, labels)
    signs.look("dead critic", score is not None, score=score)
    _of_the_losses(signs, means)
    if [penalty.target for penalty in model.penalties] == [1.0]:
        _of_the_gradient(signs, means, model.penalties[0])
    if isinstance(model.constraint, Clip):
        share = _share_at_edge(model.discriminator, model.constraint.clip)
        signs.look("saturated clipping", share > _SATURATED, share=share)


def of_held_out(signs: Signs, training: float, held_out: float) -> None:
    """Looks for an overfitted critic by its estimates of the distance."""
    gap = (training - held_out) / max(abs(training), 1e-12)
    signs.look("overfitted critic", training > 0 and gap > _OVERFITTED, training=training, held_out=held_out)


def _of_the_losses(signs, means):
    model, loss = signs.model, signs.model.loss
    sizes = {name: abs(means[name]) for name in [p.name for p in model.penalties if p.target is None] if name in means}
    if loss.distance:
        distance = means.get(loss.distance, 0.0)
        signs.look("under-trained critic", distance < 0, distance=distance)
    elif "d_loss" in means:
        sizes["d_loss"] = abs(means["d_loss"])
        if isinstance(loss, NonSaturating):
            learns = "NonSaturating() as the loss" if isinstance(loss, Minimax) else "WGANGP"
            won = means["d_loss"] < _WON
            signs.look("discriminator that wins", won, loss=means["d_loss"], loss_that_learns=learns)
    if sizes:
        largest = max(sizes, key=lambda name: sizes[name])
        signs.look("divergence", sizes[largest] > _DIVERGED, value=largest, size=sizes[largest])


def _of_the_gradient(signs, means, penalty):
    """Looks at the norms of the gradient that a penalty draws to 1."""
    norm = means.get("gradient_norm", 1.0)
    signs.look("flat critic", _NO_NORM < norm < _NORMS[0], norm=norm)
    signs.look("steep critic", norm > _NORMS[1], norm=norm)
    if penalty.weight > 0 and _NORMS[0] <= norm <= _NORMS[1]:
        # The penalty is the weight times the mean square of norm - 1.
        swings = math.sqrt(max(0.0, means.get(penalty.name, 0.0) / penalty.weight - (norm - 1.0) ** 2))
        signs.look("unsteady critic", swings > _SWINGS, swings=swings)


def _only_score(model, real, fake, labels):
    """The score that a discriminator gives to all images, real or not; None where scores differ."""
    count = min(_SCORED, len(real)) // model.pack * model.pack
    if not count:
        return None

    def scores(images):
        packs = batching.packed(tf.convert_to_tensor(images[:count], tf.float32), model.pack)
        of_packs = None if labels is None else tf.convert_to_tensor(labels[:count])
        return objectives.judge(model.discriminator, of_packs, False)(packs).logits.numpy().astype(np.float64)

    # Pairs have the same label, which may move a score too.
    real_scores, fake_scores = scores(real), scores(fake)
    same = np.abs(real_scores - fake_scores) <= _SAME_SCORE * np.maximum(1.0, np.abs(real_scores))
    return float(real_scores.mean()) if same.all() else None


def _share_of_extremes(examples, bounds):
    """Share of the values of examples that are as low or as high as an activation allows."""
    low, high = bounds
    return float((np.abs(examples - (low + high) / 2) >= (0.5 - _EDGE) * (high - low)).mean())


def _share_at_edge(network, clip):
    """Share of the weights of a clipped network that are as large as they may be."""
    weights = np.concatenate([variable.numpy().ravel() for variable in network.trainable_variables])
    return float((np.abs(weights) >= 0.999 * clip).mean())


def spread(points: np.ndarray) -> float:
    """Median distance of pairs, one of each two neighbours in a random order."""
    order = np.random.default_rng(0).permutation(len(points))
    return float(np.median(np.linalg.norm(points[order] - points[np.roll(order, 1)], axis=1))) if len(points) else 0.0
