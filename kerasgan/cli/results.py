"""What is measured, drawn and printed of a finished run."""

import pathlib
import time
import typing

import keras
import numpy as np

from kerasgan import datasets, files, images, metrics
from kerasgan.callbacks.progress import clock
from kerasgan.cli import run_directory, verdicts
from kerasgan.cli.settings import Configuration
from kerasgan.cli.waiting import announced

# The most examples that the quality is computed from, on either side.
COMPARED = 2_000
_SHOWN = 64  # images of a grid, at most
_OF_EVALUATION = "evaluation.png", "nearest.png"


def num_shown(model: keras.Model, source: datasets.Source) -> int:
    """How many samples a grid shows: as many of each class where it has columns of them."""
    if source.images.ndim == 2:
        return COMPARED
    columns = images.columns_of(model.num_classes) or 1
    shown = min(_SHOWN, source.num_examples)
    return max(columns, shown - shown % columns)


def forget(workdir: pathlib.Path, step: int) -> None:
    """Removes what was measured and shown of a model of another step, which that of this one has replaced."""
    values = run_directory.measured(workdir)
    if step not in (values.get("steps"), (values.get("evaluation") or {}).get("steps")):
        for name in ("metrics.json", "samples.png", *_OF_EVALUATION):
            (workdir / name).unlink(missing_ok=True)


def finish(
    model: keras.Model,
    configuration: Configuration,
    source: datasets.Source,
    workdir: pathlib.Path,
    begun: float,
    problems: dict[str, str],
) -> dict[str, typing.Any]:
    """Measures and shows what a finished run has learnt; returns its part of what `--json` prints.

    Args:
        begun: `time.monotonic()` at the start.
        problems: What `Health` still saw at the end, with what helps.
    """
    for name in _OF_EVALUATION:  # of the model before `resume`
        (workdir / name).unlink(missing_ok=True)
    with announced("measuring the quality"):
        quality = _quality(model, configuration, source)
    with announced("drawing samples"):
        _write_samples(model, source, workdir / "samples.png")
    seconds = time.monotonic() - begun
    summary = {**quality, "steps": int(model.step.numpy()), "seconds": round(seconds, 1), "problems": problems}
    files.write_json(workdir / "metrics.json", summary)
    _print_result(workdir, quality, seconds)
    return {**summary, "verdict": verdicts.of_training(summary)}


def _quality(model, configuration, source):
    """Density and coverage of generated examples among the real ones, in the space of pixels."""
    count = min(source.num_examples, COMPARED)
    k = min(5, count - 1)
    rows = np.random.default_rng(0).permutation(source.num_examples)[:count]
    labels = source.labels[rows] if model.conditional else None
    fake = model.generate(count, labels=labels, seed=configuration.seed, batch_size=256)
    real = source.images[rows]
    if source.images.dtype == np.uint8:
        fake = images.as_saved(fake)
    real, fake = real.reshape(count, -1), fake.reshape(count, -1)
    return {
        **metrics.prdc(real, fake, k),
        "duplicates": metrics.duplicate_rate(real, fake),
        "perfect_coverage": metrics.expected_coverage(count, count, k),
        "k": k,
        "num_real": count,
        "num_fake": count,
        "space": "pixels" if source.images.ndim == 4 else "points",
    }


def _write_samples(model, source, path):
    """The final samples, beside as many real examples."""
    if source.images.ndim == 2:
        points = model.generate(COMPARED, seed=0)
        images.save_picture(path, images.picture(points, source.images[:COMPARED]))
        return
    count = num_shown(model, source)
    rows = np.random.default_rng(0).permutation(source.num_examples)[:count]
    in_columns = images.class_columns(model.num_classes, source.class_names)
    if in_columns["columns"]:
        rows = _one_per_class_in_turn(source.labels, model.num_classes, count)
    pictures = {"generated": model.generate(count, seed=0), "real": source.images[rows]}
    sheets = [images.contact_sheet([images.grid(one, **in_columns)], [title]) for title, one in pictures.items()]
    images.save_picture(path, np.concatenate(sheets, axis=1))


def _one_per_class_in_turn(labels, classes, count):
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = [order[labels[order] == label] for label in range(classes)]
    return np.array([by_class[i % classes][i // classes % len(by_class[i % classes])] for i in range(count)])


def _print_result(workdir, quality, seconds):
    print(f"\ntime       {clock(seconds)}")
    print(
        f"quality    coverage {quality['coverage']:.2f} (perfect {quality['perfect_coverage']:.2f}), "
        f"density {quality['density']:.2f} (perfect 1.00): {quality['num_fake']:,} generated against "
        f"{quality['num_real']:,} real, {quality['space']}, k = {quality['k']}"
    )
    print(f"samples    {workdir / 'samples.png'}")
    print(f"history    {workdir / 'contact_sheet.png'}, {workdir / 'training.gif'}")
    print(f"curves     {workdir / 'curves.png'}, {workdir / 'metrics.csv'}")
    print(f"model      {workdir / 'model.keras'}")
    print(f"more       {run_directory.command('generate', workdir)}")
    print(f"serve      {run_directory.command('export', workdir)}", flush=True)
