"""Files and directories that appear whole or not at all."""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

from kerasgan.errors import invalid, warn

# Prefix of directories that are not complete, and the age in seconds at which they count as left over.
TEMPORARY = ".tmp-"
_LEFT_OVER = 24 * 3_600
# The names of temporary files tell whether the process that writes them still lives.
_OF_A_WRITER = re.compile(r"\.tmp\.([0-9a-f]{8})\.(\d+)\.[0-9a-f]{8}\..*")
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_LONGEST = 60  # characters at the end of a file's name that are in that of the temporary one


def checked_path(argument: str, value: Any, expected: str, directory: bool = False) -> pathlib.Path:
    """Returns the path of a file to write, or of a directory to write in; either may be new, with its parents.

    A `~` at its beginning is the home directory.

    Args:
        argument: Its name.
        expected: Description of what the path should be.

    Raises:
        TypeError: The value is no path.
        ValueError: It is empty, a directory where a file is wanted, or what should be a directory is a file.
    """
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise invalid(argument, expected, f"{argument}={value!r}", TypeError)
    path = pathlib.Path(os.path.expanduser(value))
    if not os.fspath(value) or (not directory and not path.name):
        raise invalid(argument, expected, f"{argument}={str(value)!r}")
    existing = nearest_existing(path)
    if existing.is_dir() != (directory or existing != path):
        where = "" if existing == path else f", in {str(existing)!r}"
        is_what = "a file" if existing.exists() else "a link to what does not exist"
        what = ", a directory" if existing.is_dir() else f"{where}, which is {is_what}"
        raise invalid(argument, expected, f"{argument}={str(value)!r}{what}")
    return path


def checked_output(argument: str, value: Any, expected: str, directory: bool = False) -> pathlib.Path:
    """As `checked_path`, before the work whose result goes there; also refuses read-only places."""
    path = checked_path(argument, value, expected, directory)
    existing = nearest_existing(path)
    folder = existing if existing.is_dir() else existing.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        received = f"{argument}={str(value)!r}, in {str(folder)!r}, where this user cannot write"
        raise invalid(argument, f"{expected}, in a place you can write to", received)
    return path


def readable(name: str) -> str:
    """The name of a file or a folder as text that can be written anywhere: bytes that are not UTF-8 are spelled out."""
    try:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # half of a pair, as Windows allows
        return name.encode(errors="backslashreplace").decode()


def check_unicode(argument: str, path: pathlib.Path, kind: type[Exception] = ValueError) -> None:
    """Refuses a path where TensorFlow could not write."""
    if readable(str(path)) != str(path):
        raise invalid(
            argument, "a path in UTF-8, which TensorFlow needs: name another", f"{argument}={str(path)!r}", kind
        )


@contextlib.contextmanager
def best_effort(path: pathlib.Path) -> Iterator[None]:
    """Warns where a file cannot be written that only shows how the training goes, which continues."""
    try:
        yield
    except OSError as error:
        warn(f"{path} cannot be written: {error.strerror or error}. The run continues without it.")


def nearest_existing(path: pathlib.Path) -> pathlib.Path:
    """The path, or the nearest of its parents that there is; a link counts, whatever it leads to."""
    return next((one for one in (path, *path.parents) if os.path.lexists(one)), pathlib.Path())


def read_json(path: pathlib.Path, otherwise: str = "train again") -> dict[str, Any]:
    """Reads the object in a JSON file.

    Args:
        otherwise: What makes the file again.

    Raises:
        ValueError: The file holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Restore it, or {otherwise}.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object. Restore it, or {otherwise}.")
    return values


def write_json(path: pathlib.Path, values: dict[str, Any]) -> None:
    """Writes an object to a JSON file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path, which replaces `path` when the block succeeds and is removed when it does not.

    It has the suffixes of `path`, and there is nothing at it. Each writer has its own: of several at once the last to
    finish leaves its file, and all of them see it whole. What a killed process has left is removed by the next that
    writes in the directory.

    Args:
        path: Where the file is wanted; its directory is made if it does not exist.

    Raises:
        OSError: The file cannot be written; its `filename` is `path`.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".tmp.{_HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}.{path.name[-_LONGEST:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        yield temporary
        _flush_file(temporary)
        os.replace(temporary, path)
    except OSError as error:
        named = error.filename and pathlib.Path(os.fsdecode(error.filename))
        if error.errno is None or (named and named != temporary and named not in path.parents):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sweep(directory):
    """Removes the temporary files of processes that have ended."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            writer = _OF_A_WRITER.fullmatch(entry.name)
            if writer and _has_ended(writer[1], int(writer[2]), entry):
                os.unlink(entry.path)


def _has_ended(host, process, entry):
    """Whether the writer of a temporary file has ended; on another machine it counts as ended after a day."""
    if host != _HOST or os.name != "posix":
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_OVER
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it is another user's
        pass
    return False


def open_file(path: str | os.PathLike, mode: str = "rb") -> Any:
    """Opens a regular file; refuses links, which may lead anywhere, and pipes, which would block.

    Raises:
        OSError: It is something else, or cannot be opened.
    """
    flags = {"rb": os.O_RDONLY, "r+": os.O_RDWR | os.O_CREAT}[mode]
    # Not all systems have these two.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is not a file", str(path))
    return open(descriptor, mode)


@contextlib.contextmanager
def temporary_directory(parent: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a new directory in `parent`, to be filled, flushed and renamed; it is removed if it has not been.

    Those that killed processes have left are removed after a day.
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


def flush_tree(directory: str | os.PathLike) -> None:
    """Flushes all files below a directory to the disk, which may only now turn out to be full."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            _flush_file(path)
        else:
            flush_directory(path)
    flush_directory(directory)


def _flush_file(path):
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def flush_directory(path: str | os.PathLike) -> None:
    """Flushes a directory, where the system can: until then renamed files may not survive a loss of power."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
