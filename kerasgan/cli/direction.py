"""Which values of `kerasgan evaluate` are better when they are higher, and which when they are lower."""

HIGHER = ("precision", "recall", "density", "coverage", "IS", "modes", "modes_held", "high_quality")
LOWER = ("FD", "KD", "SWD", "W1", "copies", "duplicates", "kl")


def sign(name):
    """1 where more is better, -1 where less is, 0 where that is not known, of a value such as `FD[pixels]`."""
    kind = name.split("[")[0]
    return int(kind in HIGHER) - int(kind in LOWER)
