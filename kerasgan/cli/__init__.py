"""The command `kerasgan`: `train`, `resume`, `generate`, `evaluate`, `inspect`.

Nothing here imports TensorFlow, Keras or matplotlib before a command needs it: `--help` answers at once.
"""

import importlib
import sys
import traceback

from absl import flags

from kerasgan._version import __version__
from kerasgan.cli import quiet
from kerasgan.cli.options import COMMANDS, Flags
from kerasgan.errors import DataError, DataTypeError, ModelContractError

_USAGE = """Usage: kerasgan COMMAND [flags]

GAN, WGAN and WGAN-GP for Keras 3 and TensorFlow.

  train      train a model on a dataset: `kerasgan train` alone learns handwritten digits
  resume     go on with a training that was stopped
  generate   generate images by a trained model
  evaluate   say how good the images of a trained model are
  inspect    say what a dataset holds

  kerasgan COMMAND --help      the flags of a command
  kerasgan --version"""
_MISTAKES = (DataError, DataTypeError, ModelContractError, ValueError, OSError, MemoryError, flags.Error)


def main(argv: list[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Its name and arguments. Defaults to those of the process.

    Returns: The exit code: 0, 1 where `inspect` finds files that cannot be read, 2 for a mistake, 130 for Ctrl-C, 143
        for SIGTERM in a training.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments.pop(0) if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(_USAGE)
        return 0
    if name == "--version":
        print(f"kerasgan {__version__}")
        return 0
    if name not in COMMANDS:
        return _fail("kerasgan", f"unknown command {name!r}. Expected {', '.join(COMMANDS)}.")
    debug = "--debug" in arguments
    try:
        return _run(name, arguments)
    except KeyboardInterrupt:
        _show_traceback(debug)
        _fail(f"kerasgan {name}", "interrupted")
        return 130
    except Exception as error:
        if not isinstance(error, _MISTAKES) and type(error).__name__ != "ResourceExhaustedError":
            raise
        _show_traceback(debug)
        advice = f". See `kerasgan {name} --help`" if isinstance(error, flags.Error) else ""
        return _fail(f"kerasgan {name}", _explain(error) + advice)


def _run(name, arguments):
    options = Flags(COMMANDS[name])
    if any(argument in ("-h", "--help", "-help") for argument in arguments):
        print(options.help())
        return 0
    values, rest = options.parse(arguments)
    expected = options.command.argument
    if len(rest) != (1 if expected else 0):
        received = " ".join(rest) or "nothing"
        raise ValueError(f"expected {expected or 'flags alone'}. Received: {received}. Usage: {options.command.usage}")
    quiet.import_tensorflow()
    command = importlib.import_module(f"kerasgan.cli.{name}")
    return command.run(*rest, values)


def _explain(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "out of memory. Use a smaller --batch_size, --image_size or network."
    return str(error)


def _fail(command, message):
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _show_traceback(debug):
    if debug:
        traceback.print_exc()
