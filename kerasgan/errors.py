"""Errors a user can act on: each message names the argument, what was expected, what was received and one fix."""

import numbers
import operator


class DataError(ValueError):
    """The images or labels cannot be trained on as they are."""


class DataTypeError(TypeError):
    """The images or labels have a type that cannot be trained on."""


class NonFiniteError(ValueError):
    """There are NaN or infinity where finite numbers are needed."""


class ModelContractError(ValueError):
    """The generator, the discriminator and the data do not fit one another."""


def invalid(argument, expected, received, kind=ValueError):
    """The error for an argument that cannot be used.

    Args:
        argument: String, its name.
        expected: String, what would do, and one thing to do about it.
        received: String, what came.
        kind: Class of the error. Defaults to `ValueError`.
    """
    return kind(f"Invalid value for argument `{argument}`. Expected {expected}. Received: {received}")


def checked_integer(argument, value, least=1, advice=""):
    """Returns the value as an `int`. Integers of NumPy and scalar tensors are accepted, booleans are not.

    Args:
        argument: String, its name.
        value: The value received.
        least: Integer, the lowest that is accepted.
        advice: String, appended to what is expected.

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


def checked_number(argument, value, interval="[0, inf)", advice=""):
    """Returns the value as a `float`. NumPy numbers and scalar tensors are accepted; booleans, strings and NaN are not.

    Args:
        argument: String, its name.
        value: The value received.
        interval: String, the interval that it has to be in, e.g. `"(0, inf)"` or `"[0, 1)"`.
        advice: String, appended to what is expected, e.g. `", e.g. 0.999"`.

    Raises:
        ValueError: The value is not a number, or outside of the interval.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    numeric = any(kind in str(getattr(value, "dtype", "")) for kind in ("int", "float"))
    scalar = isinstance(value, numbers.Real) or (numeric and getattr(value, "shape", None) == ())
    number = float(value) if scalar and not _is_boolean(value) else float("nan")
    above = low <= number if interval[0] == "[" else low < number
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):
        named = {"[0, inf)": "a finite number >= 0", "(0, inf)": "a finite number > 0"}.get(
            interval, f"a number in {interval}"
        )
        raise invalid(argument, named + advice, f"{argument}={value!r}")
    return number


def checked_boolean(argument, value):
    """Returns the value as a `bool`. NumPy booleans are accepted, numbers are not.

    Args:
        argument: String, its name.
        value: The value received.

    Raises:
        ValueError: The value is not a boolean.
    """
    if not (isinstance(value, bool) or (_is_boolean(value) and getattr(value, "shape", None) == ())):
        raise invalid(argument, "True or False", f"{argument}={value!r}")
    return bool(value)


def checked_range(argument, value):
    """Returns the value as a tuple of floats `(low, high)`, what is black and white.

    Args:
        argument: String, its name.
        value: The value received.

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


class CheckpointError(Exception):
    """Base of what can be wrong with a checkpoint."""


class CheckpointWriteError(CheckpointError, OSError):
    """A checkpoint cannot be written; `errno` and `filename` say why and where. The ones before it are untouched."""


class CheckpointCorruptError(CheckpointError, ValueError):
    """What is on the disk is not what was written."""


class CheckpointVersionError(CheckpointError, ValueError):
    """The checkpoint was written in a format that this version does not read."""


class CheckpointMismatchError(CheckpointError, ValueError):
    """The checkpoint is of another training than the one that is to go on."""


class ExportError(Exception):
    """What was exported does not compute what the model computes."""


class RunDirError(FileExistsError):
    """Another training is using the directory."""
