"""The command `kerasgan`, and what its subcommands share.

Each command is a module with `run(*arguments, flags)`, which gets the flags by name, None for a setting that was not
given, and returns what `--json` prints.

Nothing here imports TensorFlow, Keras or matplotlib before a command needs it: `--help` answers at once.
"""

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import sys
import traceback
import warnings

from absl import flags

from kerasgan import quiet
from kerasgan._version import __version__
from kerasgan.cli.commands import COMMANDS
from kerasgan.cli.options import Flags
from kerasgan.cli.settings import DATASET_OPTIONS
from kerasgan.errors import DataError, DataTypeError, ExportError, StrategyError, WorkerError

_MISTAKES = (
    *(DataTypeError, ExportError, StrategyError, WorkerError),
    *(ValueError, OSError, flags.Error),
)
_TEMPORARY = 75  # EX_TEMPFAIL of sysexits.h: the same command, started again, may succeed


def main(argv: list[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Its name and arguments. Defaults to those of the process.

    Returns: The exit code: 0, 1 where `inspect` finds files that cannot be read, 2 for a mistake, 75 where another
        worker has ended, 129 for a closed terminal while training, 130 for Ctrl-C, 141 for a closed pipe, 143 for
        SIGTERM while training.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    try:
        with _plain_warnings():
            exit_code = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return exit_code
    except OSError as error:  # of standard output, which errors of the command do not reach
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        if isinstance(error, BrokenPipeError):  # as `| head` leaves it
            return 141
        return _fail("kerasgan", f"standard output: {error.strerror or error}", False)


@contextlib.contextmanager
def _plain_warnings():
    """Prints warnings for users without the line of the program that they come from."""
    before = warnings.formatwarning

    def formatted(message, category, *where, **line):
        return f"\nwarning    {message}\n" if category is UserWarning else before(message, category, *where, **line)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = before


def _show_any_text():
    """Lets consoles without Unicode show escapes for the letters that they lack, e.g. those of a path."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not in a notebook, nor closed
            stream.reconfigure(errors="backslashreplace")


def _main(arguments):
    _show_any_text()
    name = arguments.pop(0) if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if name == "--version":
        print(f"kerasgan {__version__}")
        return 0
    if name not in COMMANDS:
        message = f"unknown command {name!r}. Expected {', '.join(COMMANDS)}."
        return _fail("kerasgan", message, "--json" in arguments)
    options = Flags(name)
    if any(argument in ("-h", "--help", "-help") for argument in arguments):
        print(options.help())
        return 0
    values = {flag: f"--{flag}" in arguments for flag in ("debug", "json")}  # until all flags are read
    try:
        values, rest = options.parse(arguments)
        # With --json, text for people goes to standard error, and standard output holds one JSON object.
        with contextlib.redirect_stdout(sys.stderr) if values["json"] else contextlib.nullcontext():
            report = _run(name, options, values, rest, arguments)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, Exception) as error:
        message = _explain(name, error, values)
        if message is None:
            raise
        if values["debug"]:
            traceback.print_exc()
        exit_code = {KeyboardInterrupt: 130, WorkerError: _TEMPORARY}.get(type(error), 2)
        return _fail(f"kerasgan {name}", message, values["json"], exit_code)
    if values["json"]:
        print(json.dumps({"exit_code": 0, **report}), flush=True)
    return report.get("exit_code", 0)


def _usage():
    commands = "\n".join(f"  {name:<12} {command.summary}" for name, command in COMMANDS.items())
    return (
        "Usage: kerasgan COMMAND [flags]\n\nGAN, WGAN and WGAN-GP for Keras 3 and TensorFlow.\n\n"
        f"{commands}\n\n  kerasgan COMMAND --help      the flags of a command\n  kerasgan --version"
    )


def _run(name, options, values, rest, arguments):
    expected = options.command.arguments
    if len(rest) != len(expected) or not all(rest):
        wanted, received = " ".join(expected) or "flags alone", " ".join(one or "''" for one in rest) or "nothing"
        fix = _without_flag(name, rest[len(expected)], arguments, values) if len(rest) > len(expected) else ""
        raise ValueError(f"expected {wanted}. Received: {received}.{fix} Usage: {options.usage}")
    quiet.import_for_command()
    command = importlib.import_module(f"kerasgan.cli.{name}")
    return command.run(*rest, values)


def _without_flag(name, value, arguments, values):
    """What to write instead of a value without its flag, or behind a flag that needs none."""
    before = arguments[arguments.index(value) - 1] if arguments.index(value) else ""
    if before.startswith("--") and value.lower() in ("true", "false"):
        return f" Write {before}={value}."
    wants_data = not COMMANDS[name].arguments and "dataset" in values and values["dataset"] is None
    return f" Write --dataset={shlex.quote(value)}." if wants_data else ""


def _explain(name, error, values):
    """What an error says to somebody who uses the command; None for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    # The second is TensorFlow's, which may not have been imported.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        sizes = [f"--{flag}" for flag in ("batch_size", "image_size", "num_images") if flag in values]
        sizes += ["network"] if "network" in values else []
        smaller = f"Use {' or '.join(f'a smaller {size}' for size in sizes)}" if sizes else "Close other programs"
        return f"out of memory. {smaller}, or use a machine with more memory."
    if not isinstance(error, _MISTAKES):
        return None
    if isinstance(error, flags.Error):
        return f"{error}. See `kerasgan {name} --help`"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return _with_flags(str(error), values) if isinstance(error, DataError) else str(error)


def _with_flags(message, values):
    """A message about arguments of `kerasgan.datasets.read`, with the flags of the command that set them."""
    names = "|".join(name for name in DATASET_OPTIONS if name in values) or "(?!)"
    message = message.replace("argument `name_or_path`", "--dataset" if "dataset" in values else "DATASET")
    message = re.sub(rf"argument `({names})`", r"--\1", message)
    advised = rf"((?:e\.g\.|with) )({names})="  # nothing in a path
    message = re.sub(rf"{advised}\(([^()]*)\)", lambda m: f"{m[1]}--{m[2]}={m[3].replace(' ', '')}", message)
    message = re.sub(rf"{advised}'?(\w+)'?", r"\1--\2=\3", message)
    return re.sub(rf"as `({names})`", r"as --\1", message)


def _fail(command, message, as_json=False, exit_code=2):
    message = " ".join(message.split())
    print(f"{command}: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message, "exit_code": exit_code}))
    return exit_code
