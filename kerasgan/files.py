"""Files that appear whole or not at all."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def replacing(path):
    """A temporary path beside `path`, which takes its place when the block ends well and is removed when it does not.

    What a killed process has left of one is overwritten by the next that writes `path`.

    Args:
        path: Where the file is wanted; its directory is made if it is not there.

    Yields:
        `pathlib.Path` with the suffix of `path`.

    Raises:
        OSError: The file cannot be written; its `filename` is `path`.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
