"""TensorFlow without its greetings."""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow 2.21 logs a few lines before it reads the level (tensorflow/tensorflow#100442).
_LOGGED = re.compile(rb"(?P<notice>WARNING: All log messages before absl)|(?P<severity>[IWE])\d{4} ")
_STANDARD_ERROR = 2  # what C++ writes to, whatever `sys.stderr` is in a notebook


def import_tensorflow(level: str) -> None:
    """Imports TensorFlow without log lines below a level. One that the environment has set wins.

    Args:
        level: Of TF_CPP_MIN_LOG_LEVEL: `"2"` shows errors, `"3"` shows none. What fails raises in any case.
    """
    os.environ.setdefault(_LEVEL, level)
    if "tensorflow" not in sys.modules:
        with _filtered(os.environ[_LEVEL]):
            importlib.import_module("tensorflow")
    _check_backend()


def _check_backend():
    try:
        backend = importlib.import_module("keras").backend.backend()
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in ("jax", "torch", "openvino"):  # backends that may not be installed
            raise
        backend = os.environ.get("KERAS_BACKEND", error.name)
    if backend != "tensorflow":
        raise ImportError(
            f"kerasgan needs Keras with TensorFlow as its backend. Received: {backend!r}, from the environment "
            "variable KERAS_BACKEND or from ~/.keras/keras.json. Set KERAS_BACKEND=tensorflow, in Python "
            "`os.environ['KERAS_BACKEND'] = 'tensorflow'` before keras is imported."
        )


def import_for_command() -> None:
    """Imports TensorFlow for a command, which prints nothing but its own lines."""
    from absl import logging

    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever other programs use
    # 3, because of lines like "E oneDNN supports DT_INT32 only on platforms with AVX-512. Falling back".
    import_tensorflow("3")
    logging.set_verbosity(logging.ERROR)
    import tensorflow as tf

    with _filtered(os.environ[_LEVEL]):
        tf.config.list_physical_devices()  # looks for GPUs, and says so
    # This optimisation fails on the second derivative of LeakyReLU, says so at every trace and changes nothing.
    tf.config.optimizer.set_experimental_options({"remapping": False})


@contextlib.contextmanager
def _filtered(level: str) -> Iterator[None]:
    """Holds back what is written to standard error, and writes it afterwards without log lines below the level.

    What a crash inside the block would say is lost: TF_CPP_MIN_LOG_LEVEL=0 holds nothing back.
    """
    least = int(level) if level.isdecimal() else 0
    if not least:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            held, kept = stack.enter_context(tempfile.TemporaryFile()), os.dup(_STANDARD_ERROR)
        except OSError:  # there is no directory for temporary files, or standard error is closed
            yield
            return
        _flush()
        os.dup2(held.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            _flush()
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
            held.seek(0)
            wanted = b"".join(line for line in held if not _is_below(line, least))
            if wanted:
                os.write(_STANDARD_ERROR, wanted)


def _is_below(line, least):
    logged = _LOGGED.match(line)
    return logged is not None and (logged["notice"] is not None or b"IWE".index(logged["severity"]) < least)


def _flush():
    if sys.stderr is not None:  # as without a console on Windows
        sys.stderr.flush()
