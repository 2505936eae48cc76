"""The flags of a command: absl reads them, and `help` shows them."""

import contextlib
import shutil
import textwrap
import typing

from absl import flags

from kerasgan.cli.commands import COMMANDS, OTHER
from kerasgan.cli.kinds import BOOLEAN, Kind
from kerasgan.cli.settings import SETTINGS

_COLUMN = 30  # where the explanation of a flag begins


class Flags:
    """The flags of a command.

    Args:
        name: One of `COMMANDS`.
    """

    def __init__(self, name: str):
        self.command = COMMANDS[name]
        self.usage = " ".join(["kerasgan", name, *self.command.arguments, "[flags]"])
        self.groups = {**self.command.groups, "Other": OTHER}
        self.values = flags.FlagValues()
        self.values.set_gnu_getopt(True)
        for group in self.groups.values():
            for flag, setting in group.items():
                # A setting of a run is None unless it is given: its default depends on the dataset and the model.
                default = None if setting is SETTINGS.get(flag) else setting.default
                self._define(flag, setting, default)

    def _define(self, name, setting, default):
        if setting.kind is BOOLEAN:
            short = "h" if name == "help" else None
            flags.DEFINE_boolean(name, default, setting.help, flag_values=self.values, short_name=short)
            self.values[name].parser = _BooleanParser()
        else:
            flags.DEFINE(_Parser(setting.kind), name, default, setting.help, flag_values=self.values)

    def parse(self, arguments: list[str]) -> tuple[dict[str, typing.Any], list[str]]:
        """Returns the flags by name, and the arguments that are not flags."""
        rest = self.values([self.usage, *arguments])[1:]
        return {name: self.values[name].value for group in self.groups.values() for name in group}, rest

    def help(self) -> str:
        """Returns the whole help of the command."""
        width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        purpose = textwrap.wrap(self.command.purpose, width, break_on_hyphens=False)
        lines = [f"Usage: {self.usage}", "", *purpose, "", *(f"  {example}" for example in self.command.examples)]
        for title, group in self.groups.items():
            lines += ["", title]
            for name, setting in group.items():
                value = "" if setting.kind is BOOLEAN else f"={setting.shown}"
                text = textwrap.wrap(setting.explanation, max(40, width - _COLUMN), break_on_hyphens=False)
                lines += _entry(f"  --{name}{value}", text)
        return "\n".join(lines)


class _Parser(flags.ArgumentParser):
    """Reads a value of a kind."""

    def __init__(self, kind: Kind):
        self.kind = kind

    def parse(self, argument):
        with contextlib.suppress(ValueError):
            value = self.kind.parse(argument) if isinstance(argument, str) else argument
            if value is None or self.kind.holds(value):
                return value
        also = f", or {self.kind.automatic}" if self.kind.automatic else ""
        raise ValueError(f"expected {self.kind.expected}{also}")


class _BooleanParser(flags.BooleanParser):
    """Says what a flag takes that is given another value."""

    def parse(self, argument):
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError("expected true or false; the flag alone means true") from None


def _entry(head, lines):
    """A flag and its text beside it, or below it where it is long."""
    if len(head) < _COLUMN - 1:
        head, lines = f"{head:<{_COLUMN}}{lines[0]}", lines[1:]
    return [head, *(" " * _COLUMN + line for line in lines)]
