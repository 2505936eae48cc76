"""`kerasgan compare`: two run directories side by side. Nothing is written to them."""

import pathlib
import re
import typing

import numpy as np
from PIL import Image

from kerasgan import files, plots
from kerasgan.cli import comparison
from kerasgan.cli.comparison import beside, close, last, shown
from kerasgan.cli.run_directory import command, directory

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
_NAME_WIDTH, _WIDTH = 30, 12
_LONGEST_TITLE = 32


def run(a: str, b: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Compares two run directories."""
    paths = [directory(workdir) for workdir in (a, b)]
    names = _names(*(path.resolve() for path in paths))
    out = _picture_path(flags["out"], names, paths)
    runs = [comparison.read(path) for path in paths]
    report = comparison.report(*runs) | {"picture": str(out)}
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
    out = files.checked_output("--out", given or default, "the name of a picture, e.g. 'comparison.png'")
    for path in paths:
        if out.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"--out={out} is in {path}, where nothing is written. Name a file elsewhere.")
    return out


def _samples(run):
    """The picture of the final samples; before the end of a run the newest one."""
    candidates = [run.path / "samples.png", *sorted(run.path.glob("samples/*.png"))[-1:]]
    if run.measured_at != run.step:
        candidates.reverse()
    there = [path for path in candidates if path.is_file()]
    return np.asarray(Image.open(there[0]).convert("RGB")) if there else None


def _print(report, runs):
    for letter, run in zip("AB", runs, strict=True):
        print(f"{letter:<10} {run.path}: {_state(run)}")
    common = report["common"]
    named = [f"{name} {shown(common[name])}" for name in _NAMED if common.get(name) is not None]
    print(f"{'both':<10} {', '.join([*named, f'{len(common) - len(named)} other settings'])}")
    changed = report["differences"] | {f"version of {name}": pair for name, pair in report["versions"].items()}
    if changed:
        _print_table("settings that differ", {name: {"a": a, "b": b} for name, (a, b) in changed.items()})
    else:
        print(f"{'differ':<10} in no setting or version")
    for part, title in (("quality", "quality after training"), ("evaluation", "evaluation")):
        if report[part]["values"]:
            _print_measured(title, **report[part])
    _print_notes(report, runs)
    _print_table("last in the log", beside(*(last(run.log) for run in runs)))
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
        print(f"measured on: {', '.join(f'{name} {shown(value)}' for name, value in measured.items())}")


def _print_notes(report, runs):
    """What "better" means, how to get an evaluation that is missing, and whether the classifiers differ."""
    if any(row["better"] for part in ("quality", "evaluation") for row in report[part]["values"].values()):
        print("\nbetter: by the value alone, and seeds differ, too; blank where both are no worse than real examples")
    how = report["evaluation"]["how"]
    for side, other, run in zip("ab", "ba", runs, strict=True):
        if how[other] and not how[side] and run.metrics is not None:
            options = f"--num_images={how[other].get('num_fake')} --seed={how[other].get('seed')}"
            print(f"{side.upper()} has no evaluation. For one: {command('evaluate', run.path)} {options}")
    classifiers = [run.evaluation.get("classifier") for run in runs]
    if all(classifiers) and classifiers[0]["name"] != classifiers[1]["name"]:
        names = " and ".join(classifier["name"] for classifier in classifiers)
        print(f"the classifiers differ, {names}: their values cannot be compared")


def _print_table(title, rows):
    """Rows of values, with one column for real examples where both runs have the same values of them."""
    columns = {"A": "a", "B": "b"}
    some = next(iter(rows.values()))
    if "real_a" in some:
        same = all(close(row["real_a"], row["real_b"]) for row in rows.values())
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
    return (row[key] or "").upper() if key == "better" else shown(row[key])
