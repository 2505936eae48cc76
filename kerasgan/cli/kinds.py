"""The kinds of values that settings have: how a flag is read, what `config.json` can hold, and how it is said."""

import dataclasses
import json
import math
import typing

from absl import flags


@dataclasses.dataclass(frozen=True)
class Kind:
    """The values that a setting can have. `expected` says which, `placeholder` stands for one in `--help`."""

    placeholder: str = "NAME"
    listing: typing.ClassVar = ""  # what `--help` adds to the explanation

    @property
    def expected(self) -> str:
        raise NotImplementedError

    def holds(self, value: object) -> bool:
        """Whether `config.json` can hold the value."""
        raise NotImplementedError

    def parse(self, text: str) -> object:
        """The value of a flag. Raises a ValueError where the text cannot be read as one."""
        return text


@dataclasses.dataclass(frozen=True)
class Text(Kind):
    expected = "a text that is not empty"

    def holds(self, value):
        return isinstance(value, str) and bool(value.strip())


@dataclasses.dataclass(frozen=True)
class Boolean(Kind):
    expected = "true or false"

    def holds(self, value):
        return isinstance(value, bool)


@dataclasses.dataclass(frozen=True)
class Choice(Kind):
    """One of a few values; `automatic` is the text of the flag that means the same as leaving it out."""

    choices: tuple[str | bool, ...] = ()
    automatic: str | None = None

    @property
    def texts(self) -> dict[str, str | bool | None]:
        first = {} if self.automatic is None else {self.automatic: None}
        return first | {json.dumps(choice).strip('"'): choice for choice in self.choices}

    @property
    def expected(self):
        return f"one of {', '.join(text for text, choice in self.texts.items() if choice is not None)}"

    @property
    def listing(self):
        return f" One of {', '.join(self.texts)}."

    def holds(self, value):
        return any(value is choice or (isinstance(value, str) and value == choice) for choice in self.choices)

    def parse(self, text):
        return self.texts.get(text, text)


@dataclasses.dataclass(frozen=True)
class Integer(Kind):
    placeholder: str = "N"
    least: int = 1
    most: int | None = None

    @property
    def expected(self):
        return f"an integer >= {self.least}" if self.most is None else f"an integer from {self.least} to {self.most}"

    def holds(self, value):
        return type(value) is int and self.least <= value and (self.most is None or value <= self.most)

    def parse(self, text):
        return flags.IntegerParser().convert(text)


@dataclasses.dataclass(frozen=True)
class Number(Kind):
    placeholder: str = "X"
    positive: bool = False
    below_one: bool = False

    @property
    def expected(self):
        return f"a finite number {'above 0' if self.positive else '>= 0'}{' and below 1' if self.below_one else ''}"

    def holds(self, value):
        if not _is_finite(value) or value < 0:
            return False
        return (value > 0 or not self.positive) and (value < 1 or not self.below_one)

    def parse(self, text):
        return float(text)


@dataclasses.dataclass(frozen=True)
class Integers(Kind):
    placeholder: str = "N,N,..."
    least: int = 1

    @property
    def expected(self):
        return f"a list of integers >= {self.least}"

    def holds(self, value):
        return isinstance(value, tuple) and bool(value) and all(type(n) is int and n >= self.least for n in value)

    def parse(self, text):
        return tuple(int(part) for part in text.split(","))


@dataclasses.dataclass(frozen=True)
class Interval(Kind):
    placeholder: str = "LOW,HIGH"
    expected = "two finite numbers, the lower one first, e.g. 0,4095"

    def holds(self, value):
        return isinstance(value, tuple) and len(value) == 2 and all(map(_is_finite, value)) and value[0] < value[1]

    def parse(self, text):
        return tuple(int(part) if part.strip().lstrip("+-").isdigit() else float(part) for part in text.split(","))


@dataclasses.dataclass(frozen=True)
class Names(Kind):
    placeholder: str = "NAME,..."
    choices: tuple[str, ...] = ()

    @property
    def expected(self):
        return f"some of {', '.join(self.choices)}, with commas"

    @property
    def listing(self):
        return f" Any of {', '.join(self.choices)}."

    def holds(self, value):
        return bool(value) and all(name in self.choices for name in value)

    def parse(self, text):
        return tuple(part.strip() for part in text.split(","))


def _is_finite(value):
    return type(value) in (int, float) and math.isfinite(value)
