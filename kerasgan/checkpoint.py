"""Checkpoints on disk: directories of arrays and JSON, complete and unchanged, or else not taken for checkpoints.

    step-00001200-epoch-0004/
      state.npz        every array
      training.json    every other value
      manifest.json    format, the size and SHA-256 of the two, and the SHA-256 of itself: written last

A checkpoint is written into a temporary directory beside its place, flushed to the disk and renamed: a process that is
killed at any moment leaves the old checkpoints, or those and the new one. Nothing in here is executed when it is read:
no pickle, no class names, no paths.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from kerasgan import archives, files
from kerasgan._version import __version__
from kerasgan.errors import (
    CheckpointCorruptError,
    CheckpointError,
    CheckpointMismatchError,
    CheckpointVersionError,
    CheckpointWriteError,
    RunDirError,
    warn,
)

try:
    import fcntl
except ImportError:  # not on Windows, where a directory is not locked
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

FORMAT = 1
_ARRAYS, _VALUES, _MANIFEST, _LOCK = "state.npz", "training.json", "manifest.json", ".lock"
_NAME = re.compile(r"step-(\d{8,})-epoch-(\d{4,})")


def write(
    directory: str | os.PathLike, step: int, epoch: int, arrays: dict[str, np.ndarray], values: dict[str, Any]
) -> pathlib.Path:
    """Writes a checkpoint, and returns its path.

    Args:
        directory: Where the checkpoints are kept; it is made if it does not exist.
        step, epoch: Training steps and epochs done, >= 0, by which it is named.
        arrays: Dict from name to array.
        values: Dict that JSON can hold.

    Raises:
        CheckpointWriteError: It cannot be written; nothing of it is left.
    """
    directory = pathlib.Path(directory)
    path = path_of(directory, step, epoch)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with files.temporary_directory(directory) as temporary:
            with _flushed(temporary / _ARRAYS) as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes them for its `allow_pickle`
            with _flushed(temporary / _VALUES) as file:
                file.write(json.dumps(values).encode())
            written = {name: _described(temporary / name) for name in (_ARRAYS, _VALUES)}
            with _flushed(temporary / _MANIFEST) as file:
                manifest = {"format": FORMAT, "kerasgan": __version__, "step": step, "epoch": epoch, "files": written}
                file.write(_signed(manifest))
            files.flush_directory(temporary)
            if path.exists():  # damaged: it was passed over, or it would not be written again
                shutil.rmtree(path)
            os.replace(temporary, path)
        files.flush_directory(directory)
    except OSError as error:
        raise _write_error(error, path, sum(array.nbytes for array in arrays.values())) from error
    return path


def newest(directory: str | os.PathLike) -> pathlib.Path | None:
    """Returns the newest checkpoint that verifies; None where there is no checkpoint at all.

    Warns of each checkpoint that is passed over, with the reason.

    Raises:
        CheckpointCorruptError: There are checkpoints and none verifies.
        CheckpointVersionError: The newest has a format that this version does not read.
    """
    rejected = []
    for path in checkpoints(directory):
        try:
            verify(path)
        except CheckpointCorruptError as error:
            rejected.append(str(error))
            continue
        for reason in rejected:
            warn(f"Skipped a checkpoint: {reason} Going back to {path.name}.")
        return path
    if rejected:
        raise CheckpointCorruptError(
            f"No checkpoint in {directory} is intact. Restore one from a copy, or name another directory to begin "
            "anew:\n" + "\n".join(rejected)
        )
    return None


def checkpoints(directory: str | os.PathLike) -> list[pathlib.Path]:
    """Returns the paths of the checkpoints in a directory, newest first."""
    directory = pathlib.Path(directory)
    found = [path for path in directory.iterdir() if _NAME.fullmatch(path.name)] if directory.is_dir() else []
    return sorted(found, key=number, reverse=True)


def path_of(directory: pathlib.Path, step: int, epoch: int) -> pathlib.Path:
    """Returns the path of the checkpoint of this position."""
    return directory / f"step-{step:08d}-epoch-{epoch:04d}"


def number(path: pathlib.Path) -> tuple[int, int]:
    """Returns (step, epoch) of a checkpoint, by its name."""
    _, step, _, epoch = path.name.split("-")
    return int(step), int(epoch)


def verify(path: pathlib.Path) -> None:
    """Compares a checkpoint with its manifest.

    Raises:
        CheckpointCorruptError: A file is missing or changed.
        CheckpointVersionError: This version does not read the format.
    """
    try:
        expected = _read_manifest(path)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointCorruptError(f"{path}: {_MANIFEST} is missing.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointCorruptError(f"{path}: {_MANIFEST} cannot be read ({error}).") from error
    for name, (size, digest) in expected.items():
        try:
            received = _described(path / name)
        except OSError as error:
            raise CheckpointCorruptError(f"{path}: {name} cannot be read ({error.strerror}).") from error
        if (received["bytes"], received["sha256"]) != (size, digest):
            raise CheckpointCorruptError(
                f"{path}: {name} is not what was written: {size} bytes, SHA-256 {digest[:12]}... expected, "
                f"{received['bytes']} bytes, {received['sha256'][:12]}... found."
            )


def _read_manifest(path):
    """Dict by file of its size and SHA-256. Whatever a manifest may hold, this raises one of the errors of `verify`."""
    with files.open_file(path / _MANIFEST) as file:
        content = file.read()
    manifest = json.loads(content)
    del manifest["sha256"]
    if content != _signed(manifest):
        raise CheckpointCorruptError(f"{path}: {_MANIFEST} is not what was written: its SHA-256 differs.")
    version, described = manifest["format"], manifest["files"]
    if version != FORMAT:
        raise CheckpointVersionError(
            f"{path} has format {version}; kerasgan {__version__} reads format {FORMAT}. Resume with kerasgan "
            f"{manifest.get('kerasgan')}, which wrote it."
        )
    if number(path) != (manifest["step"], manifest["epoch"]):
        raise CheckpointCorruptError(f"{path}: the manifest is that of step {manifest['step']}.")
    return {name: (described[name]["bytes"], described[name]["sha256"]) for name in (_ARRAYS, _VALUES)}


def read_values(path: pathlib.Path) -> dict[str, Any]:
    """Returns the values of a checkpoint that verifies, as they were written."""
    try:
        return json.loads((path / _VALUES).read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointCorruptError(f"{path}: {_VALUES} cannot be read ({error}).") from error


def read_arrays(
    path: pathlib.Path, specs: dict[str, Any], optional: Iterable[str] = (), ignored: str | None = None
) -> dict[str, np.ndarray]:
    """Returns the arrays of a checkpoint, in the order of `specs`.

    Args:
        path: Path of a checkpoint that verifies.
        specs: Dict from name to the (shape, NumPy dtype) that is wanted, or to None for any shape and dtype.
        optional: Names that may be missing.
        ignored: What the names of further arrays may begin with; these are not read.

    Raises:
        CheckpointMismatchError: Names, shapes or dtypes differ; nothing has been read then.
        CheckpointCorruptError: The archive is damaged or crafted.
    """
    try:
        with zipfile.ZipFile(path / _ARRAYS) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            headers = {name: _header(archive, entry) for name, entry in entries.items()}
            _match(path, headers, specs, optional, ignored)
            arrays = {name: archives.read(archive, entries[name]) for name in specs if name in entries}
        for name, array in arrays.items():
            if specs[name] and array.dtype != specs[name][1]:  # bfloat16 is written as two bytes without a meaning
                arrays[name] = array.view(specs[name][1])
    except CheckpointError:
        raise
    except archives.DAMAGED as error:
        raise CheckpointCorruptError(f"{path}: {_ARRAYS} cannot be read ({error}).") from error
    return arrays


def prune(path: pathlib.Path, keep: int) -> None:
    """Removes all but the newest `keep` checkpoints up to `path`, which was written last.

    Those of later steps, too: they were damaged, and passed over.
    """
    found = checkpoints(path.parent)
    kept = [one for one in found if number(one) <= number(path)][:keep]
    remove(one for one in found if one not in kept)


def remove(paths: Iterable[pathlib.Path]) -> None:
    """Removes checkpoints."""
    for path in paths:
        # Renamed first: what is half removed is no checkpoint.
        doomed = path.with_name(f"{files.TEMPORARY}{path.name}-{uuid.uuid4().hex}")
        os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def sweep(directory: str | os.PathLike) -> None:
    """Removes what killed processes have left half written; only for whoever has locked the directory."""
    for path in pathlib.Path(directory).glob(f"{files.TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(directory: str | os.PathLike) -> Iterator[None]:
    """Holds a directory, which is made if it does not exist; the system releases it when the process ends.

    Raises:
        RunDirError: Another process holds it.
        CheckpointWriteError: The directory cannot be written.
    """
    directory = pathlib.Path(directory)
    this_process = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = files.open_file(directory / _LOCK, "r+")
    except OSError as error:
        raise _write_error(error, directory) from error
    with file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):  # a file system without locks
                yield
                return
            file.seek(0)
            holder = file.read().strip() or "another process"
            fix = "Wait for it"
            if holder == this_process:
                holder, fix = f"{holder}, this one, for another Checkpoint or run", "Leave one of them out"
            raise RunDirError(f"{directory} is in use by {holder}. {fix}, or name another directory.") from error
        file.truncate(0)
        print(this_process, file=file, flush=True)
        yield


def mismatch(path: pathlib.Path, differences: Sequence[str]) -> NoReturn:
    """Raises the error for a checkpoint of another run."""
    # Of a schedule nothing can be changed.
    changed = any("learning_rate: " in one and "class_name" not in one for one in differences)
    rates = " and change rates by keras.callbacks.LearningRateScheduler" if changed else ""
    more = f"\n  and {len(differences) - 5} more" if len(differences) > 5 else ""
    raise CheckpointMismatchError(
        f"{path} is a checkpoint of another training run:\n  " + "\n  ".join(differences[:5]) + more + "\n"
        f"Build the model and the data as they were{rates}, or name another directory to start over."
    )


@contextlib.contextmanager
def _flushed(path):
    with open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _signed(manifest):
    """The manifest's bytes, of which none can change unseen."""
    digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": digest}, indent=2).encode()


def _described(path):
    with files.open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def _write_error(error, path, needed=None):
    parent = next(parent for parent in (path, *path.parents) if parent.is_dir())
    need = "" if needed is None else f" of {needed:,} bytes"
    reason = f"{error.strerror or error}: a checkpoint{need} cannot be written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"{reason}, {shutil.disk_usage(parent).free:,} bytes are free. Make room, or name another directory"
    elif error.errno == errno.EFBIG:
        advice = f"{reason}. Raise the limit on the size of files (`ulimit -f unlimited`), or name another directory"
    else:
        advice = f"{reason}. Name a directory that can be written, or give this process the right to"
    return CheckpointWriteError(error.errno, advice, str(path))


def _header(archive, entry):
    """Shape and dtype of an array in the archive, which is stored uncompressed."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename} does not hold the array that it declares: it is compressed")
    return archives.header(archive, entry)


def _match(path, headers, specs, optional, ignored):
    differences = []
    for name in dict.fromkeys([*specs, *headers]):
        if name not in headers:
            if name not in optional:
                differences.append(f"{name} is not in the checkpoint")
        elif name not in specs:
            if ignored is None or not name.startswith(ignored):
                differences.append(f"{name} is in the checkpoint alone")
        elif specs[name]:
            here, there = _shown(*specs[name]), _shown(*headers[name])
            if here != there.replace(f"|V{specs[name][1].itemsize}", str(specs[name][1])):  # as bfloat16 is written
                differences.append(f"{name}: {there} in the checkpoint, {here} here")
    if differences:
        mismatch(path, differences)


def _shown(shape, dtype):
    return f"{dtype} {tuple(shape)}"
