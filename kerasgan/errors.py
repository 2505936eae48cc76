"""Errors that users can act on: each message names the argument, what was expected, one fix, and what was received."""

import inspect
import math
import numbers
import operator
import warnings
from typing import Any

_LONGEST, _LONGEST_LINES = 1_000, 400  # characters of what was received: in one line, or in several, as of an array


class DataError(ValueError):
    """The images or labels cannot be trained on as they are."""


class DataTypeError(TypeError):
    """The images or labels have a type that cannot be trained on."""


class NonFiniteError(ValueError):
    """There are NaN or infinity where finite numbers are needed."""


class ModelContractError(ValueError):
    """The generator, the discriminator and the data do not fit one another."""


class CheckpointError(Exception):
    """Base class of what can be wrong with a checkpoint."""


class CheckpointWriteError(CheckpointError, OSError):
    """A checkpoint cannot be written; `errno` and `filename` say why and where. Earlier ones are untouched."""


class CheckpointCorruptError(CheckpointError, ValueError):
    """The files are not what was written."""


class CheckpointVersionError(CheckpointError, ValueError):
    """The checkpoint has a format that this version does not read."""


class CheckpointMismatchError(CheckpointError, ValueError):
    """The checkpoint belongs to another run than the one to resume."""


class ExportError(Exception):
    """The exported model does not compute what the model computes."""


class RunDirError(FileExistsError):
    """Another run is using the directory."""


class StrategyError(RuntimeError):
    """The replicas of a strategy cannot work together in this process."""


class WorkerError(RuntimeError):
    """Another worker of a MultiWorkerMirroredStrategy has ended: all of them have to be restarted."""


def invalid(argument: str, expected: str, received: object, kind: type[Exception] = ValueError) -> Exception:
    """The error, of class `kind`, for an argument that cannot be used.

    Args:
        argument: Its name.
        expected: What would do, and one way to get there.
        received: What came.
    """
    shown = str(received)
    longest = _LONGEST_LINES if "\n" in shown else _LONGEST
    if "\n" in shown or len(shown) > longest:
        shown = " ".join(shown.split())
        shown = shown if len(shown) <= longest else f"{shown[:longest]} ..."
    return kind(f"Invalid value for argument `{argument}`. Expected {expected}. Received: {shown}")


def warn(message: str) -> None:
    """Warns, naming the line outside of kerasgan and Keras that the cause was called from."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("kerasgan", "keras"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def checked_integer(argument: str, value: Any, least: int = 1, advice: str = "") -> int:
    """Returns the value as an `int`. NumPy integers and scalar tensors are accepted, booleans are not.

    Args:
        argument: Its name.
        advice: Appended to what is expected.

    Raises:
        ValueError: The value is not an integer, or below `least`.
    """
    try:
        number = None if _is_boolean(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        expected = "a positive integer" if least == 1 else f"an integer >= {least}"
        raise invalid(argument, expected + advice, f"{argument}={value!r}")
    return number


def checked_number(argument: str, value: Any, interval: str = "[0, inf)", advice: str = "") -> float:
    """Returns the value as a `float`. NumPy numbers and scalar tensors are accepted; booleans, strings and NaN are not.

    Args:
        argument: Its name.
        interval: Where it has to lie, e.g. `"(0, inf)"` or `"[0, 1)"`.
        advice: Appended to what is expected, e.g. `", e.g. 0.999"`.

    Raises:
        ValueError: The value is not a number, or outside the interval.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    # Numbers of NumPy and TensorFlow have a dtype and a shape, those of Python do not.
    numeric = any(kind in str(getattr(value, "dtype", "")) for kind in ("int", "float"))
    scalar = isinstance(value, numbers.Real) or (numeric and getattr(value, "shape", None) == ())
    try:
        number = float(value) if scalar and not _is_boolean(value) else math.nan
    except OverflowError:
        number = math.inf
    above = low <= number if interval[0] == "[" else low < number
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):
        words = {"[0, inf)": "a finite number >= 0", "(0, inf)": "a finite number > 0"}
        raise invalid(argument, words.get(interval, f"a number in {interval}") + advice, f"{argument}={value!r}")
    return number


def checked_boolean(argument: str, value: Any) -> bool:
    """Returns the value as a `bool`. NumPy booleans are accepted, numbers are not; raises ValueError."""
    if not (isinstance(value, bool) or (_is_boolean(value) and getattr(value, "shape", None) == ())):
        raise invalid(argument, "True or False", f"{argument}={value!r}")
    return bool(value)


def checked_range(argument: str, value: Any) -> tuple[float, float]:
    """Returns the values of black and white as `(low, high)`.

    Raises:
        ValueError: The value is not two finite numbers of which the second is higher.
    """
    try:
        low, high = (checked_number(argument, end, "(-inf, inf)") for end in value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        expected = "two finite numbers (low, high), low < high: what becomes black and white, e.g. (0, 1) or (0, 4095)"
        raise invalid(argument, expected, f"{argument}={value!r}")
    return low, high


def _is_boolean(value):
    return "bool" in str(getattr(value, "dtype", type(value).__name__))
