"""`kerasgan train`: from a dataset to a run directory."""

import contextlib
import json
import os
import pathlib
import platform
import shutil
import time

import keras
import numpy as np
import tensorflow as tf

import kerasgan
from kerasgan import callbacks, checkpoint, distribution, files, images, metrics, plots
from kerasgan.callbacks.progress import clock
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli.build import build
from kerasgan.errors import RunDirError

# The most examples that the quality is computed from, on either side.
_COMPARED = 2_000
_SHOWN = 64
_INTERRUPTED, _TERMINATED = 130, 143
# What a run leaves, checkpoints aside, and what --overwrite removes.
OUTPUTS = (
    "config.json",
    "metrics.csv",
    "metrics.json",
    "evaluation.png",
    "nearest.png",
    "samples",
    "samples.png",
    "contact_sheet.png",
    "training.gif",
    "curves.png",
    "model.keras",
    "tensorboard",
)


def run(flags) -> dict:
    """Trains, and returns what `--json` prints.

    Args:
        flags: Dict of the command's flags by name.
    """
    begun = time.monotonic()
    strategy = distribution.strategy(flags["strategy"] or "auto")  # before anything else touches the devices
    chief = distribution.is_chief(strategy)
    workdir = None if flags["dry_run"] else _check_workdir(flags["workdir"], flags["overwrite"], strategy)
    data = data_.read(
        flags["dataset"], **{name: flags[name] for name in configurations.DATASET_OPTIONS if flags[name] is not None}
    )
    own = ("dry_run", "workdir", "overwrite", "json", "debug", "help")
    chosen = {name: value for name, value in flags.items() if name not in own}
    chosen["jit_compile"] = {"true": True, "false": False}.get(chosen["jit_compile"], chosen["jit_compile"])
    configuration = configurations.resolve(source=data.train, **chosen)
    model, dataset = prepare(configuration, data, strategy)
    if flags["dry_run"]:
        _describe(configuration, data, model)
        return configuration.to_json()
    if not chief:
        return train(model, dataset, configuration, data, workdir, begun)
    made = workdir is None or not workdir.exists()
    workdir = _make_workdir(workdir, configuration, flags["overwrite"])
    empty = not any(workdir.iterdir())
    try:
        configurations.write(workdir / "config.json", configuration, versions(), data.train)
        return train(model, dataset, configuration, data, workdir, begun)
    except Exception:
        if empty and not int(model.step.numpy()):
            _discard(workdir, made)
        raise


def train(model, dataset, configuration, data, workdir, begun) -> dict:
    """Trains in a run directory, from its newest checkpoint if it has one, and returns what `--json` prints."""
    strategy = model.distribute_strategy
    if not distribution.is_chief(strategy):
        status = _fit(model, dataset, configuration, data, workdir, [])
        distribution.wait(strategy)
        return {"exit_code": status}
    _print_header(configuration, data, model, workdir)
    status = _fit(model, dataset, configuration, data, workdir, _reports(model, configuration, data, workdir))
    step = int(model.step.numpy())
    if status:
        print(
            f"\nstopped at step {step:,} of {configuration.steps:,}; resume with: kerasgan resume {workdir}", flush=True
        )
    report = {"workdir": str(workdir), "steps": step, "exit_code": status}
    if status == _TERMINATED:  # and soon killed
        return report
    model.save(workdir / "model.keras")
    if status:
        print(f"the model so far is {workdir / 'model.keras'}")
        return report
    report |= _finish(model, configuration, data.train, workdir, begun)
    distribution.wait(strategy)
    return report


def prepare(configuration, data, strategy):
    """The compiled model and the batches it is trained on."""
    if configuration.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(
            f"--batch_size={configuration.batch_size} cannot be divided among {strategy.num_replicas_in_sync} "
            "replicas. Use a multiple."
        )
    keras.utils.set_random_seed(configuration.seed)  # of the weights
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(configuration.precision)
    try:
        with strategy.scope():
            model = build(configuration, data.train)
    finally:
        keras.config.set_dtype_policy(policy)
    return model, data_.batches(data.train, configuration)


def _finish(model, configuration, source, workdir, begun):
    for name in ("evaluation.png", "nearest.png"):  # of the model before `resume`
        (workdir / name).unlink(missing_ok=True)
    quality = _quality(model, configuration, source)
    _write_samples(model, source, workdir / "samples.png")
    seconds = time.monotonic() - begun
    summary = {**quality, "steps": configuration.steps, "seconds": round(seconds, 1)}
    with files.replacing(workdir / "metrics.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    _print_result(workdir, quality, source, seconds)
    return summary


# The run directory


def _check_workdir(workdir, overwrite, strategy):
    """The path of the run directory, or None for one with the next free number."""
    if workdir is None:
        if distribution.has_workers(strategy):
            raise ValueError("--workdir is needed with several workers: one directory that all of them see.")
        return None
    path = pathlib.Path(workdir).expanduser()
    if path.exists() and not path.is_dir():
        raise RunDirError(f"--workdir={workdir} is a file. Name a directory, new or empty.")
    if path.is_dir() and any(path.iterdir()) and distribution.is_chief(strategy):
        _check_taken(path, workdir, overwrite)
    return path


def _check_taken(path, workdir, overwrite):
    """Refuses a directory that holds something, unless it is a run that is to be replaced."""
    message = f"--workdir={workdir} is not empty. Name another, or leave it out for a new one in runs/"
    if not _is_run(path):
        raise RunDirError(f"{message}: it holds no run of kerasgan, and --overwrite replaces nothing else.")
    if not overwrite:
        raise RunDirError(
            f"{message}, resume it with `kerasgan resume {workdir}`, or pass --overwrite to replace the "
            "run that is there."
        )


def _is_run(path):
    """Whether there is the `config.json` of a training."""
    try:
        return {"dataset", "model", "steps"} <= configurations.read_json(path / "config.json").keys()
    except (OSError, ValueError):
        return False


def _make_workdir(path, configuration, overwrite):
    while path is None:
        path = configurations.default_workdir(configuration.dataset, configuration.model)
        try:
            path.mkdir(parents=True)
        except FileExistsError:  # another training has just taken the number
            path = None
    path.mkdir(parents=True, exist_ok=True)
    if overwrite:
        _clear(path)
    return path


def _clear(path):
    """Removes a run, whose training must have ended."""
    with checkpoint.locked(path / "checkpoints"):
        checkpoint.remove(checkpoint.checkpoints(path / "checkpoints"))
        for name in OUTPUTS:
            target = path / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


def _discard(path, made):
    """Removes what a training that was refused before its first step has written, and the directory if it made that."""
    with contextlib.suppress(OSError):  # another training has it
        _clear(path)
        shutil.rmtree(path / "checkpoints")
        if made:
            path.rmdir()


def versions():
    return {
        "kerasgan": kerasgan.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


# Training


class _StopAt(keras.callbacks.Callback):
    """Ends the training at a step, in the middle of an epoch too."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if self.model.training.step >= self.steps:
            self.model.stop_training = True


class _Announcement(keras.callbacks.Callback):
    """Says where a run resumes."""

    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint = checkpoint

    def on_train_begin(self, logs=None):
        if self.checkpoint.restored:
            print(f"resuming   from {self.checkpoint.restored}", flush=True)


def _reports(model, configuration, data, workdir):
    """The callbacks that write and print: of the chief alone."""
    points = data.train.images if data.train.images.ndim == 2 else None
    return [
        callbacks.SampleGrid(
            workdir / "samples",
            num_images=_num_shown(model, data.train),
            seed=configuration.seed,
            real=None if points is None else points[:_COMPARED],
        ),
        callbacks.MetricsLog(workdir / "metrics.csv", every=max(1, configuration.steps // 5_000)),
        callbacks.Progress(configuration.steps),
        callbacks.TensorBoard(workdir / "tensorboard", write_graph=False),
    ]


def _health(model, configuration):
    if distribution.has_workers(model.distribute_strategy):  # the others would wait for a chief that has raised
        return []
    every = max(100, configuration.steps // 200)
    return [callbacks.Health(every, on_non_finite=configuration.on_non_finite)]


def _fit(model, dataset, configuration, data, workdir, reports):
    """Trains. Returns the exit code: 0, or that of the signal that has ended the training."""
    held_out = None
    if data.held_out is not None and data.held_out.num_examples >= configuration.batch_size:
        held_out = data_.batches(data.held_out, configuration, training=False)
    saved = callbacks.Checkpoint(
        workdir / "checkpoints", every=configuration.checkpoint_every, keep=configuration.keep_checkpoints
    )
    said = [_Announcement(saved), *_health(model, configuration)] if reports else []
    status = 0
    try:
        model.fit(
            dataset,
            epochs=configuration.epochs,
            steps_per_epoch=configuration.steps_per_epoch,
            validation_data=held_out,
            verbose=0,
            callbacks=[*reports, *said, _StopAt(configuration.steps), saved],
        )
    except KeyboardInterrupt:
        if int(model.step.numpy()) == 0:
            raise
        status = _INTERRUPTED
    except SystemExit as ended:
        return ended.code
    if status:
        for report in reports[:2]:
            report.on_train_end()
    if reports:
        for path in (workdir / "samples/contact_sheet.png", workdir / "samples/training.gif"):
            if path.exists():
                os.replace(path, workdir / path.name)
        plots.curves(workdir / "metrics.csv", workdir / "curves.png")
    return status


# What comes out


def _num_shown(model, source):
    if source.images.ndim == 2:
        return _COMPARED
    columns = images.columns_of(model.num_classes) or 1
    shown = min(_SHOWN, source.num_examples)
    return max(columns, shown - shown % columns)


def _quality(model, configuration, source):
    """Density and coverage of generated examples among the real ones, in the space of pixels."""
    count = min(source.num_examples, _COMPARED)
    k = min(5, count - 1)
    rows = np.random.default_rng(0).permutation(source.num_examples)[:count]
    labels = source.labels[rows] if model.conditional else None
    fake = model.generate(count, labels=labels, seed=configuration.seed, batch_size=256)
    real = source.images[rows]
    if source.images.dtype == np.uint8:
        fake = images.as_saved(fake)
    values = metrics.prdc(real.reshape(count, -1), fake.reshape(count, -1), k)
    return {
        **values,
        "perfect_coverage": metrics.expected_coverage(count, count, k),
        "k": k,
        "num_real": count,
        "num_fake": count,
        "space": "pixels" if source.images.ndim == 4 else "points",
    }


def _write_samples(model, source, path):
    """The final samples, beside as many real examples."""
    if source.images.ndim == 2:
        points = model.generate(_COMPARED, seed=0)
        images.save_picture(path, images.picture(points, source.images[:_COMPARED]))
        return
    count = _num_shown(model, source)
    rows = np.random.default_rng(0).permutation(source.num_examples)[:count]
    columns = images.columns_of(model.num_classes)
    if columns:
        rows = _one_per_class_in_turn(source.labels, columns, count)
    real = images.contact_sheet([images.grid(source.images[rows], columns)], ["real"])
    generated = images.contact_sheet([images.grid(model.generate(count, seed=0), columns)], ["generated"])
    images.save_picture(path, np.concatenate([generated, real], axis=1))


def _one_per_class_in_turn(labels, classes, count):
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = [order[labels[order] == label] for label in range(classes)]
    return np.array([by_class[i % classes][i // classes % len(by_class[i % classes])] for i in range(count)])


# What is printed


def _networks(model):
    first = ("encoder", model.encoder) if hasattr(model, "encoder") else ("discriminator", model.discriminator)
    return [("generator", model.generator), first]


def _print_header(configuration, data, model, workdir):
    source = data.train
    shape = " x ".join(str(size) for size in source.example_shape)
    what = "points in" if source.images.ndim == 2 else "images of"
    held_out = "" if data.held_out is None else f", {data.held_out.num_examples:,} held out"
    print(f"dataset    {configuration.dataset}: {source.num_examples:,} {what} {shape}{held_out}")
    for note in source.notes:
        print(f"           {note}")
    parameters = ", ".join(f"{name} {network.count_params():,}" for name, network in _networks(model))
    print(f"model      {configuration.model}, {configuration.network}; parameters: {parameters}")
    passes = configuration.steps * configuration.n_critic * configuration.batch_size / source.num_examples
    passes = f"{passes:,.0f}" if passes >= 10 else f"{passes:.1f}"
    batches = f" of {configuration.n_critic} x {configuration.batch_size} images"
    print(f"steps      {configuration.steps:,}{batches}, {passes} passes over the data; seed {configuration.seed}")
    print(f"directory  {workdir}", flush=True)


def _describe(configuration, data, model):
    for name, value in configuration.to_json().items():
        print(f"{name:<28}{value}")
    print()
    for _, network in _networks(model):
        network.summary()


def _print_result(workdir, quality, source, seconds):
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
    print(f"more       kerasgan generate {workdir}")
    print(f"serve      kerasgan export {workdir}", flush=True)
