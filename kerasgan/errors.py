"""Errors a user can act on: each message names the argument, what was expected, what was received and one fix."""

import numbers


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
    """The value as an `int`, if it is an integer, of NumPy too, and no boolean.

    Args:
        argument: String, its name.
        value: What came.
        least: Integer, the lowest that will do.
        advice: String, put behind what is expected.

    Raises:
        ValueError: It is none, or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        expected = "a positive integer" if least == 1 else f"an integer >= {least}"
        raise invalid(argument, expected + advice, f"{argument}={value!r}")
    return int(value)


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
