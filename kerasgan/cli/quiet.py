"""TensorFlow without its greetings."""

import contextlib
import os
import sys
import tempfile

from absl import logging


def import_tensorflow() -> None:
    """Imports TensorFlow without what it prints; errors still raise."""
    # 3, because of lines like "E oneDNN supports DT_INT32 only on platforms with AVX-512. Falling back".
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    if "tensorflow" not in sys.modules:
        with _held_back():
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for GPUs, and says so
    import tensorflow as tf

    # This optimisation fails on the second derivative of LeakyReLU, says so at every trace and changes nothing.
    tf.config.optimizer.set_experimental_options({"remapping": False})


@contextlib.contextmanager
def _held_back():
    """Drops what is written to the file descriptor of standard error, unless the block fails.

    TensorFlow 2.21 logs a few lines before it reads TF_CPP_MIN_LOG_LEVEL (tensorflow/tensorflow#100442).
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # not a file, as in tests and notebooks
        yield
        return
    sys.stderr.flush()
    kept = os.dup(descriptor)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)
