"""Settings that are far from those of the model's paper: the likely cause of whatever shows."""

import keras

from kerasgan import _keras, optimization
from kerasgan.penalties import R1

# A step of these is about as long as the rate, whatever the gradient.
_ADAPTIVE = (keras.optimizers.Adam, keras.optimizers.RMSprop, keras.optimizers.Adamax, keras.optimizers.Nadam)
# A learning rate that is so many times the paper's is the likely cause, whatever shows.
_FAST = 10.0
# And one that is named even where nothing else shows yet, as one that is so many times smaller.
FAR = 200.0
# The weight of a penalty that is so many times the paper's is the likely cause; R3GAN's authors go up to 3,000 times.
_FAR_TOO_HEAVY = 5_000.0


def advice_to_lower_rate(model: keras.Model) -> str | None:
    """Returns the advice to lower the learning rates, where they are far above the paper's; else None."""
    fast = {which: rate for which, rate in rates(model).items() if rate >= _FAST * model.paper.learning_rate}
    if not fast:
        return None
    return f"Lower the learning rate{of_network(fast)} from {max(fast.values()):g} to {model.paper.learning_rate:g}"


def advice_to_raise_rate(model: keras.Model, largest: dict[str, float]) -> str | None:
    """Returns the advice to raise the learning rates, where they were never near the paper's; else None.

    Args:
        model: Has the paper.
        largest: `largest_rates` since the training began.
    """
    slow = too_slow(model, largest)
    if not slow:
        return None
    return f"Raise the learning rate{of_network(slow)} from {min(slow.values()):g} to {model.paper.learning_rate:g}"


def advice_to_lower_weight(model: keras.Model) -> str | None:
    """Returns the advice to lower the weight of a penalty, where it is far above the paper's; else None."""
    name, weight = heaviest(model)
    if not weight or weight < _FAR_TOO_HEAVY * model.paper.penalty:
        return None
    return f"Lower {name} from {weight:g} to {model.paper.penalty:g}"


def heaviest(model: keras.Model) -> tuple[str, float]:
    """Name and value of the largest weight that can be compared with a paper's; the value is 0 without one."""
    weights = [("", 0.0)]
    if "discriminator" in model.networks and model.paper.penalty:
        for penalty in model.penalties:  # R1 and R2 have gamma, twice their weight
            of_zero = isinstance(penalty, R1)
            weights.append(("gamma", penalty.gamma) if of_zero else ("the weight of the penalty", penalty.weight))
    return max(weights, key=lambda one: one[1])


def rates(model: keras.Model) -> dict[str, float]:
    """Learning rates that can be compared with a paper's, by the first letter of the optimizer's name."""
    return {
        name[0]: optimization.learning_rate(optimizer)
        for name, optimizer in model.optimizers.items()
        if isinstance(optimization.without_loss_scale(optimizer), _ADAPTIVE)
    }


def largest_rates(model: keras.Model) -> dict[str, float]:
    """As `rates`, of a schedule the largest of the rates that it names; none of one that names none."""
    largest = rates(model)
    for name, optimizer in model.optimizers.items():
        if name[0] in largest and optimization.has_schedule(optimizer):
            schedule = vars(_keras.rate_of(optimization.without_loss_scale(optimizer)))
            named = [schedule.get("initial_learning_rate"), schedule.get("warmup_target"), *schedule.get("values", [])]
            del largest[name[0]]
            if any(rate is not None for rate in named):
                largest[name[0]] = max(float(rate) for rate in named if rate is not None)
    return largest


def too_slow(model: keras.Model, largest: dict[str, float]) -> dict[str, float]:
    """Those of the `largest_rates` that are a two-hundredth of the paper's, or less."""
    return {which: rate for which, rate in largest.items() if 0 < rate * FAR <= model.paper.learning_rate}


def of_network(named: dict[str, float]) -> str:
    """Names the network of the only rate among these, where a model has two."""
    return {"d": " of the discriminator", "g": " of the generator"}.get("".join(named), "")
