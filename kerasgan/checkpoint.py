"""Checkpoints on disk: directories of arrays and JSON, complete and unchanged or not taken for checkpoints.

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
import warnings
import zipfile

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
    invalid,
)

try:
    import fcntl
except ImportError:  # not on Windows, where a directory is not locked
    fcntl = None

FORMAT = 1
_ARRAYS, _VALUES, _MANIFEST, _LOCK = "state.npz", "training.json", "manifest.json", ".lock"
_MOST_VALUES = 100_000  # of an array among the values, which are text
_NAME = re.compile(r"step-(\d{8,})-epoch-(\d{4,})")


def plain(argument, value):
    """The value as JSON holds it: NumPy numbers and tensors become numbers, arrays and tuples lists.

    Args:
        argument: String, what holds the value.
        value: Anything.

    Raises:
        TypeError: It holds something that JSON does not give back.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(argument, one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(argument, one) for key, one in value.items()}
    if not isinstance(value, dict) and hasattr(value, "dtype") and np.asarray(value).dtype.kind in "biufU":
        array = np.asarray(value)
        if array.size > _MOST_VALUES:
            expected = f"arrays of at most {_MOST_VALUES:,} values in a checkpoint: keep what is larger in a file"
            raise invalid(argument, expected, f"one of shape {array.shape}")
        return array.tolist()
    expected = "numbers, strings, lists, and dicts whose keys are strings, which a checkpoint can hold"
    raise invalid(argument, expected, f"{type(value).__name__} {value!r:.80}", TypeError)


def write(directory, step, epoch, arrays, values):
    """Writes a checkpoint.

    Args:
        directory: Where the checkpoints are; it is made if it is not there.
        step, epoch: Integers >= 0 that name it: the training steps and the epochs that are done.
        arrays: Dict from name to NumPy array.
        values: Dict that JSON can hold.

    Returns:
        `pathlib.Path` of the checkpoint.

    Raises:
        CheckpointWriteError: It cannot be written; nothing of it is left.
    """
    directory = pathlib.Path(directory)
    path = directory / f"step-{step:08d}-epoch-{epoch:04d}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with files.temporary_directory(directory) as temporary:
            with _flushed(temporary / _ARRAYS) as file:
                np.savez(file, **arrays)
            with _flushed(temporary / _VALUES) as file:
                file.write(json.dumps(values).encode())
            written = {name: _described(temporary / name) for name in (_ARRAYS, _VALUES)}
            with _flushed(temporary / _MANIFEST) as file:
                manifest = {"format": FORMAT, "kerasgan": __version__, "step": step, "epoch": epoch, "files": written}
                file.write(_signed(manifest))
            files.flush_directory(temporary)
            if path.exists():  # and was passed over, or it would not be written again
                shutil.rmtree(path)
            os.replace(temporary, path)
        files.flush_directory(directory)
    except OSError as error:
        raise _write_error(error, path, sum(array.nbytes for array in arrays.values())) from error
    return path


def newest(directory):
    """The newest checkpoint that verifies.

    Returns:
        Its path; None where there is no checkpoint at all. Each one that is passed over is warned of, with the reason.

    Raises:
        CheckpointCorruptError: There are checkpoints and none verifies.
        CheckpointVersionError: The newest has a format that is not read here.
    """
    rejected = []
    for path in checkpoints(directory):
        try:
            verify(path)
        except CheckpointCorruptError as error:
            rejected.append(str(error))
            continue
        for reason in rejected:
            warnings.warn(f"Passed over a checkpoint: {reason} Going back to {path.name}.", stacklevel=2)
        return path
    if rejected:
        raise CheckpointCorruptError(
            f"No checkpoint in {directory} is intact. Restore one from a copy, or name another directory to begin "
            "anew:\n" + "\n".join(rejected)
        )
    return None


def checkpoints(directory):
    """Paths of the checkpoints in a directory, newest first."""
    directory = pathlib.Path(directory)
    found = [path for path in directory.iterdir() if _NAME.fullmatch(path.name)] if directory.is_dir() else []
    return sorted(found, key=number, reverse=True)


def number(path):
    """(step, epoch) of a checkpoint, by its name."""
    return tuple(int(part) for part in _NAME.fullmatch(path.name).groups())


def verify(path):
    """Compares a checkpoint with its manifest.

    Raises:
        CheckpointCorruptError: A file is missing or changed.
        CheckpointVersionError: The format is not read here.
    """
    try:
        with files.open_file(path / _MANIFEST) as file:
            content = file.read()
        manifest = json.loads(content)
        del manifest["sha256"]
        if content != _signed(manifest):
            raise CheckpointCorruptError(f"{path}: {_MANIFEST} is not what was written: its SHA-256 is another.")
        version, described = manifest["format"], manifest["files"]
        if version != FORMAT:
            raise CheckpointVersionError(
                f"{path} has format {version}; kerasgan {__version__} reads format {FORMAT}. Go on with kerasgan "
                f"{manifest.get('kerasgan')}, which wrote it."
            )
        if number(path) != (manifest["step"], manifest["epoch"]):
            raise CheckpointCorruptError(f"{path}: the manifest is that of step {manifest['step']}.")
        expected = {name: (described[name]["bytes"], described[name]["sha256"]) for name in (_ARRAYS, _VALUES)}
    except FileNotFoundError as error:
        raise CheckpointCorruptError(f"{path}: {_MANIFEST} is missing.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
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


def read_values(path):
    """The values of a checkpoint that verifies, as they were written."""
    try:
        return json.loads((path / _VALUES).read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointCorruptError(f"{path}: {_VALUES} cannot be read ({error}).") from error


def read_arrays(path, specs, optional=(), ignored=None):
    """The arrays of a checkpoint.

    Args:
        path: Path of a checkpoint that verifies.
        specs: Dict from name to (shape, NumPy dtype) of what is wanted, or to None for any shape and dtype.
        optional: Names that may be missing.
        ignored: String, how the names of further arrays may begin; these are not read.

    Returns:
        Dict from name to array, in the order of `specs`.

    Raises:
        CheckpointMismatchError: The arrays are other ones, or of other shapes; none has been read then.
        CheckpointCorruptError: The archive is not one.
    """
    try:
        with zipfile.ZipFile(path / _ARRAYS) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            headers = {name: _header(archive, entry) for name, entry in entries.items()}
            _match(path, headers, specs, optional, ignored)
            arrays = {}
            for name, spec in specs.items():
                if name not in entries:
                    continue
                array = archives.read(archive, entries[name])
                # bfloat16 is written as two bytes without a meaning.
                arrays[name] = array.view(spec[1]) if spec and array.dtype != spec[1] else array
            return arrays
    except archives.DAMAGED as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointCorruptError(f"{path}: {_ARRAYS} cannot be read ({error}).") from error


def prune(path, keep):
    """Removes all but the newest `keep` checkpoints up to `path`, which was written last.

    Those of later steps, too: they were damaged, and passed over.
    """
    found = checkpoints(path.parent)
    kept = [one for one in found if number(one) <= number(path)][:keep]
    remove(one for one in found if one not in kept)


def remove(paths):
    """Removes checkpoints."""
    for path in paths:
        # Renamed first: what is half removed is no checkpoint.
        doomed = path.with_name(f"{files.TEMPORARY}{path.name}-{uuid.uuid4().hex}")
        os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def sweep(directory):
    """Removes what killed processes have left half written; only for who has locked the directory."""
    for path in pathlib.Path(directory).glob(f"{files.TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(directory):
    """Holds a directory, which is made if it is not there; the system lets go of it when the process ends.

    Raises:
        RunDirError: Another process holds it.
        CheckpointWriteError: The directory cannot be written.
    """
    directory = pathlib.Path(directory)
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
            raise RunDirError(
                f"{directory} is in use by {file.read().strip() or 'another process'}. Wait for it, or name another "
                "directory."
            ) from error
        file.truncate(0)
        print(f"process {os.getpid()} on {socket.gethostname()}", file=file, flush=True)
        yield


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
    else:
        advice = f"{reason}. Name a directory that can be written, or give this process the right to"
    return CheckpointWriteError(error.errno, advice, str(path))


def _header(archive, entry):
    """Shape and dtype of an array in the archive, which is stored as it is."""
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


def mismatch(path, differences):
    """Raises the error for a checkpoint of another training."""
    changed = any("learning_rate" in difference for difference in differences)
    rates = " and change rates by keras.callbacks.LearningRateScheduler" if changed else ""
    more = f"\n  and {len(differences) - 5} more" if len(differences) > 5 else ""
    raise CheckpointMismatchError(
        f"{path} is a checkpoint of another training:\n  " + "\n  ".join(differences[:5]) + more + "\n"
        f"Build the model and the data as they were{rates}, or name another directory to begin anew."
    )
