"""What the numbers of a model say, in sentences: what is good, what is not, what to try next."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kerasgan.errors import checked_integer, checked_number, invalid

# Shares of what real examples have, at which coverage and density are good; a density above the last is too high.
_GOOD_COVERAGE, _GOOD_DENSITY, _CROWDED = 0.9, 0.7, 1.5
# A recall below this share of that of real examples is low, which is 0.5 even in a thousand dimensions.
_LOW_RECALL, _LEAST_RECALL = 0.5, 0.5
# Copies and duplicates above those of real examples that chance does not explain, and that matter.
_REPEATED = 0.1
# Those of real examples where they are not given: in two dimensions, and by the definition of a copy.
_DUPLICATES, _COPIES = 0.05, 0.01
# Precision above that of real examples.
_FLATTERED = 0.1
# Frechet distances, in those of real examples to one another.
_CLOSE, _FAR = 1.25, 2.0
# Standard deviations of a share that is measured on n examples.
_DEVIATIONS = 3.0
# The same of a density, in whose mean few examples may have large parts.
_DENSITY_ERROR = 5.0
# `k` of `prdc`.
_NEIGHBOURS = 5
# Of the generator; `kerasgan train` makes 3,000 on digits, its quickest task.
_FEW_STEPS = 3_000
_SAID = 3
# Of the coverage and the density of real examples: below this it is bad, however few there are to tell by.
_LEAST_OF_FEW = 0.1
# Below this it is never called good.
_GOOD_OF_FEW = 0.5


class _Found(NamedTuple):
    """What a value says: whether it is good, in which words, and what helps if it is not."""

    good: bool
    words: str
    advice: str = ""


def verdict(
    generated: Mapping[str, float | None],
    real: Mapping[str, float | None],
    num_examples: int,
    steps: int | None = None,
    problems: Mapping[str, str] | None = None,
) -> list[str]:
    """Says in three sentences what is good about generated examples, what is not, and what to try next.

    A value is judged by that of real examples against other real ones, and by what chance does to a share of n; of the
    same value with several features, the worst counts.

    - Good: coverage of 0.9 times theirs or more, density of 0.7 to 1.5 times (with few examples less, down to half), a
      Frechet distance of at most 1.25 times.
    - Not good: coverage and density below; density above, precision more than 0.1 above theirs, because blur and noise
      have that on pixels; a Frechet distance above 2 times theirs; recall below half of theirs; duplicates and copies
      more than 0.1 above theirs; fewer modes; problems in training.

    Where density or precision is too high, nothing is called good, because coverage may be too high, too.

    Args:
        generated: Values by name, as `kerasgan evaluate` prints them: `"coverage[pixels]"`, `"density"`, `"FD[...]"`,
            `"duplicates"`, ... Others are ignored, and so is None.
        real: Values of real examples against other real ones, by the same names; for those that it lacks: 1 for
            density, 0.05 for duplicates, 0.01 for copies, 0.5 for recall.
        num_examples: Integer >= 1, generated examples, and as many real ones.
        steps: Updates of the generator so far, if known.
        problems: Dict from the name of a problem seen in training to what helps: `callbacks.Health().present`.

    Raises:
        ValueError: A value is not a number; there is coverage, and not that of real examples.

    Example:
        >>> for sentence in verdict({"coverage": 0.94, "density": 0.93}, {"coverage": 0.97}, 2_000, steps=6_000):
        ...     print(sentence)
        Good: 94% of real examples have a generated one near them (coverage; 97% for perfect ones), generated examples
        lie among real ones (density 0.93; 1.00 for perfect ones).
        Not good: nothing that the numbers show.
        Next: look at the images, which show what no number does.
    """
    num_examples = checked_integer("num_examples", num_examples)
    steps = None if steps is None else checked_integer("steps", steps, 0)
    values, floors = _numbers("generated", generated), _numbers("real", real)
    lacking = [name for name in values if _kind(name) == "coverage" and name not in floors]
    if lacking:
        expected = f"{lacking[0]!r} of real examples, e.g. of kerasgan.metrics.expected_coverage(n, n, k)"
        raise invalid("real", expected, repr(dict(real)))
    found, flattered = [], False
    if problems:
        found.append(_Found(False, f"the training had {_listed(problems)}", next(iter(problems.values()))))
    for kind, judge in _JUDGES.items():
        names = [name for name in values if _kind(name) == kind]
        worse_above = direction(kind) < 0 or kind == "precision"  # which is judged where it is too high
        names.sort(key=lambda name: values[name] / (floors.get(name) or 1.0), reverse=worse_above)
        judged = (judge(name, values[name], floors.get(name), num_examples) for name in names)
        rows = [row for row in judged if row is not None]
        flattered |= any(row.advice == _CROWDED_ADVICE for row in rows)
        found += sorted(rows, key=lambda row: (row.good, row.advice != _CROWDED_ADVICE))[:1]
    bad = [row for row in found if not row.good]
    good = [row.words for row in found if row.good and not flattered]
    return [
        f"Good: {', '.join(good[:_SAID]) or 'nothing yet'}.",
        f"Not good: {', '.join(row.words for row in bad) or 'nothing that the numbers show'}.",
        f"Next: {_next(bad, bool(problems), steps)}.",
    ]


def _listed(problems):
    """The names of problems, as the object of a sentence."""
    return f"{'problems' if len(problems) > 1 else 'a problem'} ({', '.join(problems)})"


def _next(bad, problems, steps):
    """What to try, in words: the advice for what matters most."""
    if not bad:
        return "look at the images, which show what no number does"
    advice = bad[0].advice[:1].lower() + bad[0].advice[1:]
    if problems or steps is None or steps >= _FEW_STEPS or not any(row.advice in _OF_TIME for row in bad):
        return advice
    return f"train longer, because {steps:,} steps are few"


# Each of these judges one value: name, value, that of real examples or None, number of examples.


def _modes(name, value, floor, n):
    if floor is None:
        return None
    words = f"{value:.0f} of {floor:.0f} modes are reached"
    return _Found(value >= floor, words, "" if value >= floor else _DUPLICATES_ADVICE)


def _duplicates(name, value, floor, n):
    floor = _DUPLICATES if floor is None else floor
    return _repeats(value, floor, n, _REPEATED, f"another ({floor:.0%} of real examples)", _DUPLICATES_ADVICE)


def _copies(name, value, floor, n):
    floor = _COPIES if floor is None else floor
    allowed = _REPEATED + 8.0 / n  # with few examples, the distance of a copy is itself uncertain
    return _repeats(value, floor, n, allowed, f"a training example ({floor:.0%} of real ones)", _COPIES_ADVICE)


def _repeats(value, floor, n, allowed, what, advice):
    if value <= floor + _margin(floor, n, allowed):
        return None
    return _Found(False, f"{value:.0%} of generated examples nearly repeat {what}", advice)


def _coverage(name, value, floor, n):
    if not floor:  # real examples that are all the same have no neighbourhood
        return None
    # Neighbours are missed together, so that there are as many independent examples as neighbourhoods.
    least = floor - _margin(floor, n / _NEIGHBOURS)
    good = value >= min(_GOOD_COVERAGE * floor, max(least, _GOOD_OF_FEW * floor))
    if not good and value >= max(least, _LEAST_OF_FEW * floor):  # too few examples to tell
        return None
    near = f"have a generated one near them ({name}; {floor:.0%} for perfect ones)"
    return _Found(good, f"{_share(value, good)} real examples {near}", "" if good else _COVERAGE_ADVICE)


def _share(value, good=False):
    """A share in words; one that is not good, as what it is."""
    return f"{value:.0%} of" if good else f"only {value:.0%} of" if value >= 0.005 else "hardly any"


def _density(name, value, floor, n):
    if floor == 0:
        return None
    floor = 1.0 if floor is None else floor
    chance, where = _DENSITY_ERROR / math.sqrt(n), f"({name} {value:.2f}; {floor:.2f} for perfect ones)"
    if value > floor + max(chance, (_CROWDED - 1.0) * floor):
        return _Found(
            False,
            f"generated examples crowd among real examples {where}, as blurred ones and noise do",
            _CROWDED_ADVICE,
        )
    if value < max(floor - max(chance, (1.0 - _GOOD_DENSITY) * floor), _LEAST_OF_FEW * floor):
        return _Found(False, f"many generated examples lie apart from real examples {where}", _DENSITY_ADVICE)
    if value < _GOOD_OF_FEW * floor:
        return None
    return _Found(True, f"generated examples lie among real ones {where}")


def _precision(name, value, floor, n):
    if floor is None or value <= floor + _margin(floor, n, _FLATTERED):
        return None
    words = f"{name} is {value:.2f}, above the {floor:.2f} of real examples, as it can be for blurred images and noise"
    return _Found(False, words, _CROWDED_ADVICE)


def _recall(name, value, floor, n):
    least = _LOW_RECALL * (_LEAST_RECALL if floor is None else floor)
    if value >= least - _margin(least, n):
        return None
    theirs = "" if floor is None else f"; {floor:.0%} for perfect ones"
    return _Found(False, f"{_share(value)} real examples lie among generated ones ({name}{theirs})", _COVERAGE_ADVICE)


def _frechet(name, value, floor, n):
    if floor is None or _CLOSE * floor < value <= _FAR * floor:
        return None
    if value <= _CLOSE * floor:
        return _Found(True, f"{name} is about that of real examples")
    times = f"{value / floor:.1f} times that" if floor else f"{value:.3g}, and that"
    return _Found(False, f"{name} is {times} of real examples{'' if floor else ' 0'}", _DENSITY_ADVICE)


_CROWDED_ADVICE = "look at the images, and train longer if they are blurred or noise"
_DUPLICATES_ADVICE = "use another of WGANGP, R3GAN and packs, or a smaller learning rate"
_COPIES_ADVICE = "use more images, or augment them"
_COVERAGE_ADVICE = "train longer or a larger network, by class where there are labels"
_DENSITY_ADVICE = "train longer or a larger network, with a learning rate that decays"
# What more steps may mend.
_OF_TIME = (_CROWDED_ADVICE, _DUPLICATES_ADVICE, _COVERAGE_ADVICE, _DENSITY_ADVICE)
# In the order in which they matter.
_JUDGES: dict[str, Callable[[str, float, float | None, int], _Found | None]] = {
    "modes": _modes,
    "duplicates": _duplicates,
    "copies": _copies,
    "coverage": _coverage,
    "density": _density,
    "precision": _precision,
    "recall": _recall,
    "FD": _frechet,
}

_HIGHER = ("precision", "recall", "density", "coverage", "IS", "modes", "modes_held", "high_quality")
_LOWER = ("FD", "KD", "SWD", "W1", "copies", "duplicates", "kl")


def direction(name: str) -> int:
    """Returns 1 where a higher value of such a name, say `FD[pixels]`, is better, -1 for lower, 0 for unknown."""
    return int(_kind(name) in _HIGHER) - int(_kind(name) in _LOWER)


def _kind(name):
    return name.split("[")[0]


def _numbers(argument, values):
    """The values that are judged, as floats."""
    kept = {name: value for name, value in values.items() if _kind(name) in _JUDGES and value is not None}
    return {name: checked_number(f"{argument}[{name!r}]", value) for name, value in kept.items()}


def _margin(share, n, least=0.0):
    """How far a share of n examples may be off by chance, or `least` if that is more."""
    share = (share * n + 1.0) / (n + 2.0)  # 0 and 1 are not certain
    return max(least, _DEVIATIONS * math.sqrt(share * (1.0 - share) / n))
