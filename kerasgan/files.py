"""Files and directories that appear whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import time
import uuid

# What directories that are not complete begin with, and after how many seconds they are taken for left over.
TEMPORARY = ".tmp-"
_LEFT_OVER = 24 * 3_600


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


@contextlib.contextmanager
def temporary_directory(parent):
    """A new directory in `parent`, to be filled, flushed and renamed; it is removed if it has not been.

    What killed processes have left of them is removed after a day.

    Args:
        parent: Directory, which is there.

    Yields:
        `pathlib.Path`.
    """
    parent = pathlib.Path(parent)
    for left in parent.glob(f"{TEMPORARY}{'[0-9a-f]' * 32}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_OVER:
                shutil.rmtree(left)
    path = parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def flush_tree(directory):
    """Sees to it that all files below a directory are on the disk, which may only now be found to be full."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        else:
            flush_directory(path)
    flush_directory(directory)


def flush_directory(path):
    """Renamed files survive a loss of power once their directory is flushed, where it can be."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
