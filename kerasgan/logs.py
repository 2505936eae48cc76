"""The log of a run: a CSV file of `kerasgan.callbacks.MetricsLog`, or the `History` that `fit` returned."""

import csv
import os
import pathlib
import typing

import numpy as np

from kerasgan.errors import invalid

if typing.TYPE_CHECKING:
    import keras

_NAME = "metrics.csv"  # in a run directory


def read_log(metrics_csv: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the columns of a `kerasgan.callbacks.MetricsLog` by name, NaN where a row has no value.

    Args:
        metrics_csv: The log, or the directory of its run. A last row that is half written, after a crash or during a
            run, is left out.

    Raises:
        FileNotFoundError: There is no such file, or no log in the directory.
        ValueError: The file is not a log, or holds no row.
    """
    metrics_csv = _file_of(pathlib.Path(metrics_csv).expanduser())
    try:
        rows = read_rows(metrics_csv)
        if rows and "step" not in rows[0]:
            raise ValueError("there is no column `step`, which those of a `kerasgan.callbacks.MetricsLog` have")
        log = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]} if rows else {}
        if rows and not np.isfinite(log["step"]).all():
            raise ValueError("not every row has a step")
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{metrics_csv} is not the log of a run: {error}. Restore it, or train again.") from error
    if not rows:
        raise ValueError(f"{metrics_csv} holds no row, so there is nothing to plot. Train for one step at least.")
    return log


def read_rows(metrics_csv: str | os.PathLike) -> list[dict[str, str]]:
    """Returns the rows of a log as text, without a last one that is half written."""
    *lines, last = pathlib.Path(metrics_csv).read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    rows = csv.DictReader([*lines, last] if last.endswith("\n") else lines)
    return [row for row in rows if None not in row and None not in row.values()]


def of_history(history: "keras.callbacks.History") -> dict[str, np.ndarray]:
    """The values of a `keras.callbacks.History`, as `read_log` returns them: at the last step of each epoch."""
    values, epochs = (getattr(history, name, None) for name in ("history", "epoch"))  # a user may give anything
    if not isinstance(values, dict) or epochs is None:
        expected = "the path of a log, or the `History` that `fit` returned (not its attribute `history`)"
        raise invalid("metrics_csv", expected, f"{type(history).__name__} {history!r:.80}")
    if not epochs or not values:
        raise invalid("metrics_csv", "a History of one epoch at least: call `fit` first", "a History of no epoch")
    # With `validation_freq` there are fewer held-out values, of epochs that nothing tells.
    whole = {name: np.asarray(column, float) for name, column in values.items() if len(column) == len(epochs)}
    return {"step": (np.asarray(epochs) + 1.0) * ((history.params or {}).get("steps") or 1), **whole}


def _file_of(path):
    """The log itself, or that in the directory of a run."""
    file = path / _NAME if path.is_dir() else path
    if not file.is_file():
        expected = (
            "the CSV file of a `kerasgan.callbacks.MetricsLog`, a directory of `kerasgan train`, or what `fit` returned"
        )
        received = f"{path}, a directory without {_NAME}" if path.is_dir() else f"{path}, which does not exist"
        raise invalid("metrics_csv", expected, received, FileNotFoundError)
    return file
