"""`kerasgan compare`: two run directories side by side. Nothing is written to them."""

import dataclasses
import math
import pathlib
import re
import typing

import numpy as np
from PIL import Image

from kerasgan import plots
from kerasgan.cli import configuration as configurations
from kerasgan.cli.evaluate import direction
from kerasgan.cli.run_directory import directory, read_json
from kerasgan.cli.settings import Configuration

# The settings that are named where both have the same; the others are counted.
_NAMED = (
    "dataset",
    "model",
    "network",
    "units",
    "filters",
    "latent_dim",
    "batch_size",
    "learning_rate",
    "steps",
    "seed",
)
# How values were measured: they can be compared where all of it agrees.
_HOW = ("k", "num_real", "num_fake", "other_real", "space", "seed")
# Values of the same data differ by the order of sums alone; those of a network, by the machine too.
_SAME = 1e-6
_EXACT = ("[pixels]", "[points]")
_NAME_WIDTH, _WIDTH = 30, 12
_LONGEST_TITLE = 32


def run(a: str, b: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Compares two run directories."""
    paths = [directory(workdir) for workdir in (a, b)]
    names = _names(*(path.resolve() for path in paths))
    out = _picture_path(flags["out"], names, paths)
    runs = [_read(path) for path in paths]
    report = {
        **{
            side: {"workdir": str(run.path), "step": run.step, "steps": run.configuration.steps}
            for side, run in zip("ab", runs, strict=True)
        },
        **_settings(*runs),
        "quality": _measured(runs, [run.metrics or {} for run in runs]),
        "evaluation": _measured(runs, [run.evaluation for run in runs]),
        "logged": _beside(*(_numbers(_last(run.log)) for run in runs)),
        "picture": str(out),
    }
    short = [name if len(name) <= _LONGEST_TITLE else f"...{name[-_LONGEST_TITLE:]}" for name in names]
    titles = [f"{letter}  {name}" for letter, name in zip("AB", short, strict=True)]
    logs = dict(zip(titles, (run.log for run in runs), strict=True))
    plots.comparison(logs, dict(zip(titles, map(_samples, runs), strict=True)), out)
    _print(report, runs)
    return report


def _names(a, b):
    """The shortest ends of two paths that differ: `digits` and `rings`, or `old/digits` and `new/digits`."""
    if a == b:
        raise ValueError(f"A and B are the same directory: {a}. Give two.")
    count = next(n for n in range(1, 1 + max(len(a.parts), len(b.parts))) if a.parts[-n:] != b.parts[-n:])
    return [str(pathlib.Path(*path.parts[-count:])) for path in (a, b)]


def _picture_path(given, names, paths):
    default = "-".join(["compare", *(re.sub(r"[^-.\w]+", "_", name).strip("_") for name in names)]) + ".png"
    out = pathlib.Path(given or default).expanduser()
    for path in paths:
        if out.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"--out={out} is in {path}, where nothing is written. Name a file elsewhere.")
    return out


# Reading


@dataclasses.dataclass(frozen=True)
class _Run:
    """What a run directory holds: `metrics` is None without a metrics.json, `log` the columns of metrics.csv."""

    path: pathlib.Path
    configuration: Configuration
    versions: dict
    data: dict | None
    metrics: dict | None
    log: dict[str, np.ndarray]

    @property
    def step(self):
        """The last one in the log."""
        return int(self.log["step"][-1])

    @property
    def evaluation(self):
        return (self.metrics or {}).get("evaluation", {})

    @property
    def measured_at(self):
        """The last step of the run when metrics.json was written, or None."""
        return _numbers(self.metrics or {}).get("steps")


def _read(path):
    for name, advice in (
        ("config.json", "Give a directory that `kerasgan train` has made."),
        ("metrics.csv", "Wait for the first step of its training."),
    ):
        if not (path / name).is_file():
            raise ValueError(f"{path} cannot be compared: {name} is missing. {advice}")
    written = path / "metrics.json"
    metrics = read_json(written) if written.is_file() else None
    evaluation = (metrics or {}).get("evaluation", {"values": {}, "real_against_real": {}})
    parts = (
        [evaluation.get(name) for name in ("values", "real_against_real")] if isinstance(evaluation, dict) else [None]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"{written} is damaged: its evaluation holds no values. Write it again with `kerasgan evaluate`."
        )
    config = read_json(path / "config.json")
    configuration, log = configurations.read(path / "config.json"), plots.read_log(path / "metrics.csv")
    return _Run(path, configuration, config.get("versions") or {}, config.get("data"), metrics, log)


def _samples(run):
    """The picture of the final samples; before the end of a run the newest one."""
    candidates = [run.path / "samples.png", *sorted(run.path.glob("samples/*.png"))[-1:]]
    if run.measured_at != run.step:
        candidates.reverse()
    there = [path for path in candidates if path.is_file()]
    return np.asarray(Image.open(there[0]).convert("RGB")) if there else None


# Comparing: dicts that JSON can hold


def _settings(a, b):
    """The settings and versions that differ, pairs by name, and the settings that both have."""
    settings = _beside(*(run.configuration.to_json() for run in (a, b)))
    versions = _beside(a.versions, b.versions)
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
    rows = {name: row for name, row in _beside(*values).items() if name not in _HOW}
    for name, row in rows.items():
        if any(real):
            row |= {"real_a": real[0].get(name), "real_b": real[1].get(name)}
        row["better"] = None if obstacles else _better(name, row["a"], row["b"], row.get("real_a"))
    how = [{name: summary[name] for name in _HOW if name in summary} for summary in summaries]
    return {"values": rows, "how": dict(zip("ab", how, strict=True)), "not_comparable": obstacles}


def _obstacles(runs, summaries, real):
    """How the values of both were measured differently, in words."""
    a, b = (
        {"dataset": run.configuration.dataset, "image_size": run.configuration.image_size}
        | {name: summary.get(name) for name in _HOW}
        for run, summary in zip(runs, summaries, strict=True)
    )
    different = [f"{name} {_shown(a[name])} and {_shown(b[name])}" for name in a if a[name] != b[name]]
    if different:
        return different
    data = [run.data for run in runs]
    if all(data) and data[0] != data[1]:
        return ["the data of the two have changed in between"]
    both = [name for name in real[0] if name in real[1] and name.endswith(_EXACT)]
    if not all(_close(real[0][name], real[1][name]) for name in both):
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


def _beside(a, b):
    return {name: {"a": a.get(name), "b": b.get(name)} for name in {**a, **b}}


def _last(log):
    """The last row; for held-out data, which only the end of an epoch has, the last value."""
    columns = {name: values for name, values in log.items() if name not in ("step", "epoch", "seconds")}
    there = {name: v[~np.isnan(v)] if name.startswith("val_") else v for name, v in columns.items()}
    return {name: float(values[-1]) for name, values in there.items() if len(values)}


def _numbers(values):
    """The numbers among the values; None for those that are not finite, which JSON cannot hold."""
    kept = {name: v for name, v in values.items() if v is None or type(v) in (int, float)}
    return {name: v if v is not None and math.isfinite(v) else None for name, v in kept.items()}


def _close(x, y):
    return x == y or (x is not None and y is not None and math.isclose(x, y, rel_tol=_SAME, abs_tol=1e-12))


# Printing


def _print(report, runs):
    for letter, run in zip("AB", runs, strict=True):
        print(f"{letter:<10} {run.path}: {_state(run)}")
    common = report["common"]
    named = [f"{name} {_shown(common[name])}" for name in _NAMED if common.get(name) is not None]
    print(f"{'both':<10} {', '.join([*named, f'{len(common) - len(named)} other settings'])}")
    changed = report["differences"] | {f"version of {name}": pair for name, pair in report["versions"].items()}
    if changed:
        _print_table("settings that differ", {name: {"a": a, "b": b} for name, (a, b) in changed.items()})
    else:
        print(f"{'differ':<10} in no setting and no version")
    for part, title in (("quality", "quality after training"), ("evaluation", "evaluation")):
        if report[part]["values"]:
            _print_measured(title, **report[part])
    _print_notes(report, runs)
    _print_table("last in the log", _beside(*(_last(run.log) for run in runs)))
    print(f"\n{'picture':<10} {report['picture']}")


def _state(run):
    head = f"step {run.step:,} of {run.configuration.steps:,}"
    if run.metrics is None:
        return f"{head}, still training or stopped: no metrics.json, so compared by metrics.csv alone"
    if run.measured_at is None:
        return f"{head}, still training or stopped"
    return head if run.measured_at == run.step else f"{head}; metrics.json is from step {run.measured_at:,}"


def _print_measured(title, values, how, not_comparable):
    """A table of measured values, and how they were measured."""
    _print_table(title, values)
    if not_comparable:
        print(f"A and B cannot be compared by these values, they were measured on: {'; '.join(not_comparable)}")
    else:
        measured = how["a"] or how["b"]
        print(f"measured on: {', '.join(f'{name} {_shown(value)}' for name, value in measured.items())}")


def _print_notes(report, runs):
    """What "better" means, how to get an evaluation that is missing, and whether the classifiers differ."""
    if any(row["better"] for part in ("quality", "evaluation") for row in report[part]["values"].values()):
        print("\nbetter: by the value alone, as two seeds may differ; none where both are no worse than real examples")
    how = report["evaluation"]["how"]
    for side, other, run in zip("ab", "ba", runs, strict=True):
        if how[other] and not how[side] and run.metrics is not None:
            options = f"--num_images={how[other].get('num_fake')} --seed={how[other].get('seed')}"
            print(f"{side.upper()} has no evaluation. For one: kerasgan evaluate {run.path} {options}")
    classifiers = [run.evaluation.get("classifier") for run in runs]
    if all(classifiers) and classifiers[0]["name"] != classifiers[1]["name"]:
        names = " and ".join(classifier["name"] for classifier in classifiers)
        print(f"the classifiers differ, {names}: their values cannot be compared")


def _print_table(title, rows):
    """Rows of values, with one column for real examples where both runs have the same values of them."""
    columns = {"A": "a", "B": "b"}
    some = next(iter(rows.values()))
    if "real_a" in some:
        same = all(_close(row["real_a"], row["real_b"]) for row in rows.values())
        columns |= {"real": "real_a"} if same else {"real of A": "real_a", "real of B": "real_b"}
    if "better" in some:
        columns["better"] = "better"
    lines = [[title, *columns]]
    lines += [[name, *(_cell(row, key) for key in columns.values())] for name, row in rows.items()]
    widths = [
        max(least, *map(len, cells))
        for least, cells in zip([_NAME_WIDTH, *[_WIDTH] * len(columns)], zip(*lines, strict=True), strict=True)
    ]
    print()
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(row, key):
    return (row[key] or "").upper() if key == "better" else _shown(row[key])


def _shown(value):
    """A setting or a number, `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    if type(value) is float:
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)
