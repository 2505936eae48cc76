"""What `kerasgan compare` finds out about two runs: dicts that JSON can hold."""

import dataclasses
import math
import pathlib
import typing

import numpy as np

from kerasgan import files, plots
from kerasgan.cli import configuration as configurations
from kerasgan.cli.run_directory import measured
from kerasgan.cli.settings import Configuration
from kerasgan.metrics.verdict import direction

# How values were measured: they can be compared where all of it agrees.
_HOW = ("k", "num_real", "num_fake", "other_real", "space", "seed")
# Values of the same data differ by the order of sums alone; those of a network, by the machine too.
_SAME = 1e-6
_EXACT = ("[pixels]", "[points]")


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run directory holds: `metrics` is None without a metrics.json, `log` the columns of metrics.csv."""

    path: pathlib.Path
    configuration: Configuration
    versions: dict
    data: dict | None
    metrics: dict | None
    log: dict[str, np.ndarray]

    @property
    def step(self) -> int:
        """The last one in the log."""
        return int(self.log["step"][-1])

    @property
    def evaluation(self) -> dict:
        return (self.metrics or {}).get("evaluation", {})

    @property
    def measured_at(self) -> int | None:
        """The last step of the run when metrics.json was written, or None."""
        return _numbers(self.metrics or {}).get("steps")


def read(path: pathlib.Path) -> Run:
    """Reads a run directory.

    Raises:
        ValueError: It is not one, or a file in it cannot be read.
    """
    for name, advice in (
        ("config.json", "Give a directory that `kerasgan train` has made."),
        ("metrics.csv", "Wait for the first step of its training."),
    ):
        if not (path / name).is_file():
            raise ValueError(f"{path} cannot be compared: {name} is missing. {advice}")
    written = path / "metrics.json"
    metrics = measured(path) or None
    evaluation = (metrics or {}).get("evaluation", {"values": {}, "real_against_real": {}})
    parts = (
        [evaluation.get(name) for name in ("values", "real_against_real")] if isinstance(evaluation, dict) else [None]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"{written} is damaged: its evaluation holds no values. Write it again with `kerasgan evaluate`."
        )
    config = files.read_json(path / "config.json")
    configuration, log = configurations.read(path / "config.json"), plots.read_log(path / "metrics.csv")
    return Run(path, configuration, config.get("versions") or {}, config.get("data"), metrics, log)


def report(a: Run, b: Run) -> dict[str, typing.Any]:
    """Returns all that can be said of two runs."""
    return {
        **{
            side: {"workdir": str(run.path), "step": run.step, "steps": run.configuration.steps}
            for side, run in (("a", a), ("b", b))
        },
        **_settings(a, b),
        "quality": _measured((a, b), [a.metrics or {}, b.metrics or {}]),
        "evaluation": _measured((a, b), [a.evaluation, b.evaluation]),
        "logged": beside(_numbers(last(a.log)), _numbers(last(b.log))),
    }


def _settings(a, b):
    """The settings and versions that differ, pairs by name, and the settings that both have."""
    settings = beside(*(run.configuration.to_json() for run in (a, b)))
    versions = beside(a.versions, b.versions)
    return {
        "differences": {name: [*row.values()] for name, row in settings.items() if row["a"] != row["b"]},
        "versions": {name: [*row.values()] for name, row in versions.items() if row["a"] != row["b"]},
        "common": {name: row["a"] for name, row in settings.items() if row["a"] == row["b"]},
    }


def _measured(runs, summaries):
    """The values that `kerasgan train` or `evaluate` wrote for both runs, what forbids comparing them, the better ones.

    Args:
        runs: Both.
        summaries: Of each the dict that the command wrote, empty if it has not.
    """
    values = [_numbers(summary.get("values", summary)) for summary in summaries]
    real = [_numbers(summary.get("real_against_real", {})) for summary in summaries]
    obstacles = _obstacles(runs, summaries, real) if all(values) else []
    rows = {name: row for name, row in beside(*values).items() if name not in _HOW}
    for name, row in rows.items():
        if any(real):
            row |= {"real_a": real[0].get(name), "real_b": real[1].get(name)}
        row["better"] = None if obstacles else _better(name, row["a"], row["b"], row.get("real_a"))
    how = [{name: summary[name] for name in _HOW if name in summary} for summary in summaries]
    return {"values": rows, "how": dict(zip("ab", how, strict=True)), "not_comparable": obstacles}


def _obstacles(runs, summaries, real):
    """How the values of both were measured differently, in words."""
    a, b = (
        {name: getattr(run.configuration, name) for name in ("dataset", "image_size", "fit")}
        | {name: summary.get(name) for name in _HOW}
        for run, summary in zip(runs, summaries, strict=True)
    )
    different = [f"{name} {shown(a[name])} and {shown(b[name])}" for name in a if a[name] != b[name]]
    if different:
        return different
    data = [run.data for run in runs]
    if all(data) and data[0] != data[1]:
        return ["the data of the two have changed in between"]
    both = [name for name in real[0] if name in real[1] and name.endswith(_EXACT)]
    if not all(close(real[0][name], real[1][name]) for name in both):
        return ["real examples against real ones have other values, so the data are others"]
    return []


def _better(name, a, b, real):
    """Which is better: None where that is unknown, and where both are no worse than real examples."""
    sign = direction(name)
    if a is None or b is None or a == b or not sign:
        return None
    if real is not None and min(sign * a, sign * b) >= sign * real:
        return None
    return "a" if sign * a > sign * b else "b"


def beside(a: dict[str, typing.Any], b: dict[str, typing.Any]) -> dict[str, dict[str, typing.Any]]:
    """Returns rows with the values of both by name, None for a value that one lacks."""
    return {name: {"a": a.get(name), "b": b.get(name)} for name in {**a, **b}}


def last(log: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the last row; for held-out data, which only the end of an epoch has, the last value."""
    columns = {name: values for name, values in log.items() if name not in ("step", "epoch", "seconds")}
    there = {name: v[~np.isnan(v)] if name.startswith("val_") else v for name, v in columns.items()}
    return {name: float(values[-1]) for name, values in there.items() if len(values)}


def _numbers(values):
    """The numbers among the values; None for those that are not finite, which JSON cannot hold."""
    kept = {name: v for name, v in values.items() if v is None or type(v) in (int, float)}
    return {name: v if v is not None and math.isfinite(v) else None for name, v in kept.items()}


def close(x: float | None, y: float | None) -> bool:
    """Whether two values are the same but for rounding."""
    return x == y or (x is not None and y is not None and math.isclose(x, y, rel_tol=_SAME, abs_tol=1e-12))


def shown(value: typing.Any) -> str:
    """Returns the text of a setting or a number, `-` for None."""
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        is_size = any(isinstance(entry, int) for entry in value)
        return ("x" if is_size else ",").join(map(str, value))
    if type(value) is float:
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)
