"""The kinds of values that settings have: how a flag is read, what `config.json` can hold, and how it is said."""

import csv
import dataclasses
import json
import math
import typing
from collections.abc import Callable

from absl import flags

from kerasgan import policies


@dataclasses.dataclass(frozen=True)
class Kind:
    """The values that a setting can have.

    Args:
        placeholder: What stands for a value in `--help`.
        expected: The values, in words.
        holds: Whether a value, as `config.json` holds it, is one of them.
        parse: Reads the text of a flag; None means the same as leaving the flag out.
        listing: What `--help` adds to the explanation of the setting.
        automatic: The text of a flag that means the same as leaving it out, if there is one.
        separator: What stands between the values of a tuple in the text of a flag.
    """

    placeholder: str
    expected: str
    holds: Callable[[typing.Any], bool]
    parse: Callable[[str], typing.Any] = str
    listing: str = ""
    automatic: str = ""
    separator: str = ","

    def text(self, value: typing.Any) -> str:
        """A value as the text of a flag."""
        return self.separator.join(map(str, value)) if isinstance(value, tuple) else f"{value}"


BOOLEAN = Kind("", "true or false", lambda value: isinstance(value, bool))


def text(placeholder: str = "NAME") -> Kind:
    return Kind(placeholder, "a text that is not empty", lambda value: isinstance(value, str) and bool(value.strip()))


def choice(*choices: str | int, automatic: str = "") -> Kind:
    """One of a few values; `automatic` is a text of the flag that means the same as leaving it out."""
    texts = {json.dumps(value).strip('"'): value for value in choices}
    listed = ", ".join([automatic, *texts] if automatic else texts)
    holds = lambda value: any(type(value) is type(one) and value == one for one in choices)  # True == 1
    parse = lambda text: None if text == automatic else texts.get(text, text)
    return Kind(automatic or "NAME", f"one of {', '.join(texts)}", holds, parse, f" One of {listed}.", automatic)


def integer(least: int = 1, most: float = math.inf) -> Kind:
    expected = f"an integer >= {least}" if most == math.inf else f"an integer from {least} to {most}"
    return Kind("N", expected, lambda value: _is_integer(value, least, most), flags.IntegerParser().convert)


def number(positive: bool = False, below_one: bool = False) -> Kind:
    """A finite number that is not negative."""
    expected = f"a finite number {'above 0' if positive else '>= 0'}{' and below 1' if below_one else ''}"

    def holds(value):
        above = _is_finite(value) and (value > 0 if positive else value >= 0)
        return above and (value < 1 or not below_one)

    return Kind("X", expected, holds, float)


def probability() -> Kind:
    """A number from 0 to 1, or `adaptive`."""
    holds = lambda value: value == "adaptive" or (_is_finite(value) and 0 <= value <= 1)
    parse = lambda text: text if text == "adaptive" else float(text)
    return Kind("X", "a number from 0 to 1, or adaptive", holds, parse)


def integers(least: int = 1) -> Kind:
    """A list of integers; a tuple in Python."""
    holds = lambda value: isinstance(value, tuple) and bool(value) and all(_is_integer(one, least) for one in value)
    parse = lambda text: tuple(int(part) if part.strip().isdecimal() else part for part in text.split(","))
    return Kind("N,N,...", f"a list of integers >= {least}", holds, parse)


def classes() -> Kind:
    """A list of classes, each by its number or its name; a tuple in Python."""

    def holds(value):
        known = lambda one: _is_integer(one, 0) or (isinstance(one, str) and bool(one))
        return isinstance(value, tuple) and bool(value) and all(map(known, value))

    def parse(text):
        parts = next(csv.reader([text], skipinitialspace=True)) if text else [""]  # names in quotes
        return tuple(int(part) if part.isdecimal() else part for part in map(str.strip, parts))

    return Kind("CLASS,...", "a list of classes, by number or by name, e.g. 0,3 or daisy,tulips", holds, parse)


def size() -> Kind:
    """The side of a square, or a tuple of height and width that differ."""

    def holds(value):
        sides = value if isinstance(value, tuple) else (value, value)
        return len(sides) == 2 and all(_is_integer(side, 1) for side in sides)

    def parse(text):
        height, width = map(int, text.split("x")) if "x" in text else (int(text), int(text))
        return height if height == width else (height, width)

    expected = "a positive integer, or height and width, e.g. 48x64"
    return Kind("N|HxW", expected, holds, parse, separator="x")


def interval() -> Kind:
    def holds(value):
        return isinstance(value, tuple) and len(value) == 2 and all(map(_is_finite, value)) and value[0] < value[1]

    def parse(text):
        return tuple(int(part) if part.strip().lstrip("+-").isdecimal() else float(part) for part in text.split(","))

    return Kind("LOW,HIGH", "two finite numbers, the lower one first, e.g. 0,4095", holds, parse)


def names(*choices: str) -> Kind:
    """Some of a few names, each once."""
    known = ", ".join(choices)

    def holds(value):
        return isinstance(value, tuple) and set(value) <= set(choices) and 0 < len(set(value)) == len(value)

    parse = lambda text: tuple(part.strip() for part in text.split(","))
    return Kind("NAME,...", f"some of {known}, with commas", holds, parse, f" Any of {known}.")


def policy(empty: str) -> Kind:
    """A policy of augmentation; `empty` is the text for none."""
    known = ", ".join(policies.OPERATIONS)
    expected = f"some of {known}, with commas, or {empty}; a share in [0, 1] may follow a name, e.g. translation:0.5"
    holds = lambda value: isinstance(value, tuple) and (not value or bool(policies.shares(value)))
    parse = lambda text: () if text == empty else tuple(part.strip() for part in text.split(","))
    return Kind("NAME,...", expected, holds, parse, f" Any of {known}; or {empty}.")


def _is_integer(value, least, most=math.inf):
    return type(value) is int and least <= value <= most


def _is_finite(value):
    return type(value) in (int, float) and math.isfinite(value)
