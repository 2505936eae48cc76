"""Policies of augmentation: which operations, each on which share of the images.

Nothing here imports TensorFlow: the command's settings read policies before it is needed.
"""

from collections.abc import Sequence

OPERATIONS = ("flip", "color", "translation", "cutout")
_DEFAULTS = {"flip": 0.3}  # else 1


def shares(policy: Sequence[str]) -> dict[str, float]:
    """Shares of the images by the names of the operations, in their order; empty for what is no policy.

    Args:
        policy: Names, each once; a number in [0, 1] may follow one after a colon, as in `"translation:0.5"`.
    """
    parts = [str(name).partition(":") for name in policy]
    try:
        found = {name: float(text) if colon else _DEFAULTS.get(name, 1.0) for name, colon, text in parts}
    except ValueError:  # of what is no number
        return {}
    each_once = len(found) == len(parts) and found.keys() <= set(OPERATIONS)
    return found if each_once and all(0.0 <= share <= 1.0 for share in found.values()) else {}
