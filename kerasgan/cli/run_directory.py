"""The directory of a run: its name, what is in it, and what may be replaced."""

import contextlib
import glob
import pathlib
import re
import shlex
import shutil
import typing
import zipfile

import keras

from kerasgan import checkpoint, files, serving, vae, variants  # noqa: F401  `load_model` finds what is imported
from kerasgan.errors import CheckpointCorruptError, RunDirError

# What a run leaves, checkpoints aside, and what --overwrite removes.
_FILES = ("config.json", "metrics.csv", "metrics.json", "model.keras", "samples", "tensorboard")
CLASSIFIERS = "classifier-*.keras"
_PICTURES = ("samples.png", "contact_sheet.png", "training.gif", "curves.png", "evaluation.png", "nearest.png")


def default_workdir(dataset: str, model: str) -> pathlib.Path:
    """Returns `runs/<dataset>-<model>-<n>` with the next free number."""
    stem = f"{name_of(dataset)}-{model}-"
    endings = [path.name.removeprefix(stem) for path in pathlib.Path("runs").glob(f"{glob.escape(stem)}*")]
    return pathlib.Path("runs", f"{stem}{1 + max((int(n) for n in endings if n.isdecimal()), default=0)}")


def command(*words: object) -> str:
    """A command line of kerasgan, as a shell takes it."""
    return shlex.join(["kerasgan", *map(str, words)])


def name_of(dataset: str) -> str:
    """Returns a name for directories, from the name or the path of a dataset."""
    name = pathlib.Path(dataset).stem if "." in dataset else pathlib.Path(dataset).name
    return re.sub(r"[^\w.-]+", "_", name) or "data"


def directory(workdir: str) -> pathlib.Path:
    """Returns the path of a directory.

    Raises:
        ValueError: There is none.
    """
    path = of_part(pathlib.Path(workdir).expanduser())
    if not path.is_dir():
        raise ValueError(f"no such directory: {workdir}. Give one that `kerasgan train` has made.")
    return path


def step_reached(path: pathlib.Path) -> int:
    """The step of the newest checkpoint of a run; 0 without one."""
    saved = checkpoint.checkpoints(path / "checkpoints")
    return checkpoint.number(saved[0])[0] if saved else 0


def of_part(path: pathlib.Path) -> pathlib.Path:
    """The directory of a run, where a part of it is given."""
    is_part = path.name in ("config.json", "model.keras", "checkpoints") and (path.parent / "config.json").is_file()
    return path.parent if is_part else path


def check_new(path: pathlib.Path, overwrite: bool, chief: bool = True) -> None:
    """Refuses a path where no run can begin.

    Args:
        path: Where the run is to be.
        overwrite: Whether a run that is there may be replaced.
        chief: Whether this process makes the directory, which others may find made.

    Raises:
        RunDirError: The path is a file, or a directory that holds something not to be replaced.
    """
    existing = files.nearest_existing(path)
    if not existing.is_dir():
        where = "is a file" if existing == path else f"is in {existing}, which is a file"
        raise RunDirError(f"--workdir={path} {where}. Name a directory, new or empty.")
    files.check_unicode("--workdir", path, RunDirError)
    if not chief or not path.is_dir() or not any(path.iterdir()):
        return
    message = f"--workdir={path} is not empty. Name another, or leave it out for a new one in runs/"
    if not _is_run(path):
        raise RunDirError(f"{message}: it holds no run of kerasgan, and --overwrite replaces nothing else.")
    if not overwrite:
        raise RunDirError(
            f"{message}, resume it with `{command('resume', path)}`, or pass --overwrite to replace the run there."
        )


def _is_run(path):
    try:
        return {"dataset", "model", "steps"} <= files.read_json(path / "config.json").keys()
    except (OSError, ValueError):
        return False


def make_default(dataset: str, model: str) -> pathlib.Path:
    """Makes the directory of a run that was given none."""
    while True:
        path = default_workdir(dataset, model)
        with contextlib.suppress(FileExistsError):  # another run has just taken the number
            path.mkdir(parents=True)
            return path


def clear(path: pathlib.Path) -> None:
    """Removes a run, unless it is still training.

    Raises:
        RunDirError: It is.
    """
    with checkpoint.locked(path / "checkpoints"):
        checkpoint.remove(checkpoint.checkpoints(path / "checkpoints"))
        for target in [*(path / name for name in _FILES + _PICTURES), *path.glob(CLASSIFIERS)]:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


def discard(path: pathlib.Path, made: bool) -> None:
    """Removes what a run wrote that failed before its first step, and the directory if the run made it."""
    with contextlib.suppress(OSError):  # another run has it
        clear(path)
        shutil.rmtree(path / "checkpoints")
        if made:
            path.rmdir()


def measured(path: pathlib.Path) -> dict[str, typing.Any]:
    """What the metrics.json of a run holds; empty without one."""
    file = path / "metrics.json"
    return files.read_json(file, "remove it: `kerasgan evaluate` writes it again") if file.is_file() else {}


def trained(workdir: str) -> tuple[pathlib.Path, keras.Model]:
    """Returns the path of a run directory, and its model.

    Raises:
        ValueError: There is no model.
        CheckpointCorruptError: Its file is damaged.
    """
    path = directory(workdir)
    file = path / "model.keras"
    if not file.is_file():
        check_not_exported(path)
        below = serving.models_in(path)
        exported = f", though exported models, such as {below[0]}" if below else ""
        raise ValueError(
            f"{workdir} holds no model.keras{exported}: give a run directory of `kerasgan train`, whose model is there "
            "when it has ended or was stopped by Ctrl-C."
        )
    if not intact(file):
        raise CheckpointCorruptError(
            f"{file} is damaged: its {file.stat().st_size:,} bytes are not what was written. Write it again from the "
            f"last checkpoint with `{command('resume', workdir)}`."
        )
    model = keras.models.load_model(file)
    step, reached = int(model.step.numpy()), step_reached(path)
    if step < reached:
        print(
            f"model      of step {step:,}; the run has reached {reached:,}: `{command('resume', workdir)}` finishes it"
        )
    return path, model


def check_not_exported(path: pathlib.Path) -> None:
    """Refuses a model of `kerasgan export` where a run is needed."""
    if serving.version_in(path) is not None:
        raise ValueError(f"{path} is an exported model. Give the run directory that `kerasgan train` has made.")


def opened(path: str) -> tuple[pathlib.Path, keras.Model | serving.Served]:
    """Returns the model in a run directory or in one of `kerasgan export`, and where its images go by default."""
    if serving.version_in(path) is not None:
        return pathlib.Path(), serving.Served(path)
    return trained(path)


def intact(model: pathlib.Path) -> bool:
    """Whether a `.keras` file is there, and its parts have their checksums."""
    try:
        with zipfile.ZipFile(model) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
