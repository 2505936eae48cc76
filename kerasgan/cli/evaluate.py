"""`kerasgan evaluate`: how good what the model of a run directory generates is, beside what real examples have."""

import math
import sys
import typing

import numpy as np

from kerasgan import __version__, callbacks, datasets, files, images, metrics, plots
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli import verdicts
from kerasgan.cli.run_directory import CLASSIFIERS, measured, trained
from kerasgan.cli.waiting import announced
from kerasgan.datasets.pipeline import scale
from kerasgan.metrics.verdict import direction

_K = 5
# Standard deviations of the modes of sets whose modes are known.
_MODES = {"ring": (datasets.ring_modes, 0.01), "grid": (datasets.grid_modes, 0.05)}
# Beyond this many examples an exact assignment takes minutes.
_ASSIGNED = 2_000
_SHOWN = 12
# Held-out examples that say how near a copy is.
_MEASURING = 1_000
# Share of real examples that count as copies.
_COPIES = 0.01


def run(workdir: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Evaluates the model of a run directory."""
    with announced(f"loading the model in {workdir}"):
        path, model = trained(workdir)
    files.checked_output("WORKDIR", path, "a run directory (copy it if this one is read-only)", directory=True)
    configuration = configurations.read(path / "config.json", flags["dataset"])
    written, summary = path / "metrics.json", measured(path)
    data = data_.read_again(configuration, num_test=max(1_000, flags["num_images"]))
    configurations.check_data(path / "config.json", data.train, exactly=flags["dataset"] is not None)
    # Half of the real examples at most: the other half is for the value of real against real.
    half = data.train.num_examples // 2
    count = min(flags["num_images"], half)
    if count <= _K:
        raise ValueError(
            f"{_K + 1} examples or more are needed for {_K} neighbours: there are {half}, half of "
            f"{configuration.dataset}, and --num_images={flags['num_images']}."
        )
    with announced(f"generating {count:,} examples"):
        examples, others = _examples(model, data, count, flags["seed"])
    classifier = _classifier(path, data.train, flags["classifier"])
    pixels = [_pixels(x) for x in examples]
    with announced(f"comparing them with {count:,} real ones"):
        table = _table(configuration.dataset, pixels, examples, classifier) + _copies(data, pixels[1])
    _print(table, count, others, classifier)
    evaluation = {
        "version": __version__,
        "steps": int(model.step.numpy()),
        "num_real": count,
        "num_fake": count,
        "other_real": others,
        "seed": flags["seed"],
        "k": _K,
        "values": {name: _finite(value) for name, value, _ in table},
        "real_against_real": {name: _finite(value) for name, _, value in table},
    }
    shares = None
    if classifier is not None:
        classes = np.arange(data.train.num_classes or 0)
        shares = [(classifier.classes(x)[:, None] == classes).mean(axis=0) for x in examples[:2]]
        print(f"\nclasses    rarest {shares[1].min():.1%} of the generated, {shares[0].min():.1%} of the real ones")
        evaluation["classifier"] = {"name": classifier.identifier, "accuracy": classifier.accuracy}
        evaluation["class_shares"] = shares[1].tolist()
    files.write_json(written, {**summary, "evaluation": evaluation})
    print(f"\nvalues     {written}")
    with announced("drawing the plots"):
        _plot(path, data.train, examples[1], pixels, others, shares)
    evaluation["verdict"] = verdicts.of_evaluation(evaluation, summary)
    return evaluation


def _examples(model, data, count, seed):
    """Real, generated and other real examples, and which the others are: held out where there are enough."""
    source, held_out = data.train, data.held_out
    rows = np.random.default_rng(seed).permutation(source.num_examples)[: 2 * count].reshape(2, count)
    labels = source.labels[rows[0]] if model.conditional else None
    fake = model.generate(count, labels=labels, seed=seed, batch_size=256)
    fake = images.as_saved(fake) if source.images.dtype == np.uint8 else fake
    real = source.images[rows[0]]
    if held_out is None or held_out.num_examples < count:
        return (real, fake, source.images[rows[1]]), "other training examples"
    chosen = np.random.default_rng(seed).permutation(held_out.num_examples)[:count]
    return (real, fake, held_out.images[chosen]), "held-out examples"


def _plot(path, source, fake, pixels, others, shares):
    distances = {
        "generated to real": metrics.nearest_distances(pixels[1], pixels[0]),
        f"{others} to real": metrics.nearest_distances(pixels[2], pixels[0]),
    }
    plots.evaluation(distances, shares, source.class_names, path / "evaluation.png")
    print(f"\nplots      {path / 'evaluation.png'}")
    if fake.ndim == 4:
        images.save_picture(path / "nearest.png", _nearest(source.images, fake[:_SHOWN]))
        print(f"nearest    {path / 'nearest.png'}: generated images, and the nearest real one of each below")


def _classifier(path, source, wanted):
    """A classifier of the data, kept in the run directory; None where they have no classes, or it is not wanted."""
    can = source.images.ndim == 4 and source.labels is not None and len(np.unique(source.labels)) > 1
    if wanted and not can:
        raise ValueError("--classifier: the data are not images with labels of two classes or more. Leave it out.")
    if not can or wanted is False:
        return None
    before = set(path.glob(CLASSIFIERS))
    progress = [callbacks.Progress(file=sys.stderr)]
    with announced("preparing a classifier of the data"):
        classifier = metrics.train_classifier(source.images, source.labels, directory=path, callbacks=progress)
    if set(path.glob(CLASSIFIERS)) - before:  # it is of other data, or of another version
        for old in before:
            old.unlink(missing_ok=True)
    return classifier


def _pixels(examples):
    """Features `(n, d)`: points, or pixels in [-1, 1], as metrics in `compile` have them."""
    return metrics.pixels(scale(examples).numpy())


def _table(dataset, pixels, examples, classifier):
    """Rows (name, value of generated against real, value of real against real).

    Args:
        dataset: Name.
        pixels, examples: Real, generated and other real ones, as features and as they are.
        classifier: `kerasgan.metrics.Classifier`, or None.
    """
    rows: list[tuple[str, float, float]] = []

    def add(function, features, name=None):
        """A row of each value that the function gives for two sets; a dict names its values itself."""
        real, fake, other = features
        generated, floor = function(real, fake), function(real, other)
        if name is not None:
            generated, floor = {name: generated}, {name: floor}
        rows.extend((key, value, floor[key]) for key, value in generated.items())

    def add_distances(space, features):
        add(lambda x, y: {f"{name}[{space}]": value for name, value in metrics.prdc(x, y, _K).items()}, features)
        add(metrics.frechet_distance, features, f"FD[{space}]")
        add(metrics.kernel_distance, features, f"KD[{space}]")

    space = "pixels" if examples[0].ndim == 4 else "points"
    add_distances(space, pixels)
    add(metrics.sliced_wasserstein_distance, pixels, f"SWD[{space}]")
    add(metrics.duplicate_rate, pixels, "duplicates")
    if space == "points" and len(pixels[0]) <= _ASSIGNED:
        add(metrics.wasserstein_distance, pixels, "W1")
    if dataset in _MODES:
        centres, std = _MODES[dataset]
        add(lambda _, y: metrics.mode_coverage(y, centres(), std), pixels)
    if classifier is not None:
        add_distances(classifier.identifier, [classifier(x) for x in examples])
        logits = [classifier.logits(x) for x in examples]
        splits = max(1, min(10, len(logits[0]) // logits[0].shape[1]))  # each part can show all classes
        add(lambda _, y: metrics.inception_score(y, splits)[0], logits, f"IS[{classifier.identifier}]")
    return rows


def _copies(data, fake):
    """The row of the copy rate: among all training examples, by the measure of held-out ones where there are any."""
    train = _pixels(data.train.images)
    held_out = None if data.held_out is None else _pixels(data.held_out.images[:_MEASURING])
    return [("copies", *(metrics.copy_rate(train, some, _COPIES, held_out) for some in (fake, None)))]


def _print(table, count, others, classifier):
    width = max(len(name) for name, _, _ in table)
    print(f"{'':{width}}  generated   real        better      {count:,} examples each; real: {others}")
    for name, generated, real in table:
        better = {1: "higher", -1: "lower", 0: ""}[direction(name)]
        print(f"{name:{width}}  {generated:<10.4g}  {real:<10.4g}  {better}")
    if classifier is not None:
        print(
            f"\nclassifier {classifier.identifier}: trained on the training examples; {classifier.accuracy:.2%} right "
            "on a tenth of them held out from it"
        )


def _finite(value):
    return float(value) if math.isfinite(value) else None


def _nearest(real, fake):
    """Generated images above the real ones that are nearest in pixels."""
    rows = [
        np.argmin(np.square(real.astype(np.float32) - image).sum(axis=(1, 2, 3))) for image in fake.astype(np.float32)
    ]
    return images.contact_sheet(
        [images.grid(part, columns=len(fake)) for part in (fake, real[rows])], ["generated", "nearest real"]
    )
