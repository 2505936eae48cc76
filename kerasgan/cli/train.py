"""`kerasgan train`: from a dataset to a run directory."""

import os
import pathlib
import time
import typing

import keras
import tensorflow as tf

from kerasgan import callbacks, distribution, plots
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli import pretrained, results, run_directory
from kerasgan.cli.build import build
from kerasgan.cli.settings import DATASET_OPTIONS, SETTINGS, Configuration
from kerasgan.cli.waiting import announced
from kerasgan.errors import DataError

# Below this, a discriminator may learn the images by heart in a long run.
_FEW = 10_000
_INTERRUPTED = 130


def run(flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Trains in a new run directory."""
    begun = time.monotonic()
    strategy = distribution.strategy(flags["strategy"] or "auto")  # before anything else touches the devices
    chief = distribution.is_chief(strategy)
    workdir = None if flags["workdir"] is None else pathlib.Path(flags["workdir"]).expanduser()
    if workdir is None and distribution.has_workers(strategy) and not flags["dry_run"]:
        raise ValueError("--workdir is needed with several workers: one directory that all of them see.")
    if workdir is not None and not flags["dry_run"]:
        run_directory.check_new(workdir, flags["overwrite"], chief)
    given = {name: flags[name] for name in (*SETTINGS, "epochs") if flags.get(name) is not None}
    origin = None if flags["from"] is None else pretrained.read(flags["from"], workdir)
    if origin is None:
        given.setdefault("dataset", SETTINGS["dataset"].default)
    elif "dataset" not in given:  # its own, read as it was
        own = {name: getattr(origin.configuration, name) for name in ("dataset", *DATASET_OPTIONS)}
        given = {name: value for name, value in own.items() if value is not None} | given
    if not flags["dry_run"]:
        data_.check_outside("--workdir", workdir or pathlib.Path("runs"), given["dataset"])
    configuration, data = _configured(given, origin)
    model, dataset = prepare(configuration, data, strategy)
    if origin is not None:
        origin.start(model, data.train.class_names)
    if model.learns_from_held_out and _held_out(configuration, data) is None:
        raise ValueError(
            f"--augment_probability=adaptive with --model={configuration.model} learns from held-out images, "
            "which a dataset this small has none of: use --augment_probability=0.5, or --model=r3gan."
        )
    if flags["dry_run"]:
        _describe(configuration, model)
        return configuration.to_json()
    if origin is not None and chief:
        origin.print_header(model.num_classes, data.train.class_names)
    if workdir is not None and not chief:
        return train(model, dataset, configuration, data, workdir, begun)
    return _train_in_new_directory(model, dataset, configuration, data, workdir, flags["overwrite"], begun)


def _configured(given, origin):
    """The configuration of a new run, and its data."""
    if origin is not None:
        given = origin.with_kept(given)
    try:
        data = data_.read(given["dataset"], **{name: given[name] for name in DATASET_OPTIONS if name in given})
    except DataError as error:
        if origin is None:
            raise
        wanted = f" (wanted as {origin.shape}, for --from={origin.path})"
        if given["dataset"] == origin.configuration.dataset:
            wanted += (
                f". The model was trained on {given['dataset']}; pass --dataset with where that is, or with others."
            )
        raise DataError(f"{error}{wanted}") from error
    if origin is None:
        return configurations.resolve(source=data.train, **given), data
    origin.check_data(data.train)
    return origin.keep(configurations.resolve(source=data.train, **given)), data


def _held_out(configuration, data):
    """The images held out, if they make a batch."""
    enough = data.held_out is not None and data.held_out.num_examples >= configuration.batch_size
    return data.held_out if enough else None


def _train_in_new_directory(model, dataset, configuration, data, workdir, overwrite, begun):
    made = workdir is None or not workdir.exists()
    if workdir is None:
        workdir = run_directory.make_default(configuration.dataset, configuration.model)
    workdir.mkdir(parents=True, exist_ok=True)
    if overwrite:
        run_directory.clear(workdir)
    empty = not any(workdir.iterdir())
    try:
        configurations.write(workdir / "config.json", configuration, data.train)
        return train(model, dataset, configuration, data, workdir, begun)
    except Exception:
        if empty and not int(model.step.numpy()):
            run_directory.discard(workdir, made)
        raise


def train(
    model: keras.Model,
    dataset: tf.data.Dataset,
    configuration: Configuration,
    data: data_.Data,
    workdir: pathlib.Path,
    begun: float,
) -> dict[str, typing.Any]:
    """Trains in a run directory, from its newest checkpoint if it has one, and returns what `--json` prints."""
    strategy = model.distribute_strategy
    if not distribution.is_chief(strategy):
        status = _fit(model, dataset, configuration, data, workdir, [])
        distribution.wait(strategy)
        return {"exit_code": status}
    _print_header(configuration, data, model, workdir)
    reports = _reports(model, configuration, data, workdir)
    status = _fit(model, dataset, configuration, data, workdir, reports)
    step = int(model.step.numpy())
    if status:
        where = f"step {step:,} of {configuration.steps:,}"
        print(f"\nstopped at {where}; resume with: {run_directory.command('resume', workdir)}", flush=True)
    report = {"workdir": str(workdir), "steps": step, "exit_code": status}
    if status not in (0, _INTERRUPTED):  # and soon killed
        return report
    if status:
        print("writing model.keras, curves and samples; another Ctrl-C leaves them out", flush=True)
    model.save(workdir / "model.keras")
    results.forget(workdir, step)
    with announced("drawing curves"):
        _write_history(workdir, reports[:2] if status else [])
    if status:
        print(f"the model so far is {workdir / 'model.keras'}")
        return report
    problems = {
        name: text for one in reports if isinstance(one, callbacks.Health) for name, text in one.present.items()
    }
    report |= results.finish(model, configuration, data.train, workdir, begun, problems)
    distribution.wait(strategy)
    return report


def prepare(
    configuration: Configuration, data: data_.Data, strategy: tf.distribute.Strategy
) -> tuple[keras.Model, tf.data.Dataset]:
    """Returns the compiled model of a run, and the batches to train it on."""
    replicas = strategy.num_replicas_in_sync
    if configuration.batch_size % replicas:
        raise ValueError(
            f"--batch_size={configuration.batch_size} cannot be divided among {replicas} replicas. Use a multiple."
        )
    if configuration.on_non_finite == "skip" and distribution.has_workers(strategy):
        raise ValueError("--on_non_finite=skip: several workers would have to skip together. Leave it out.")
    keras.utils.set_random_seed(configuration.seed)  # of the weights
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(configuration.precision)
    try:
        with strategy.scope():
            model = build(configuration, data.train)
    finally:
        keras.config.set_dtype_policy(policy)
    return model, data_.batches(data.train, configuration)


# Training


class _Steps(keras.callbacks.Callback):
    """Says where a run resumes, and ends it at its last step, in the middle of an epoch too."""

    def __init__(self, steps, saved, verbose):
        super().__init__()
        self.steps = steps
        self.saved = saved
        self.verbose = verbose

    def on_train_begin(self, logs=None):
        if self.verbose and self.saved.restored:
            print(f"resuming   from {self.saved.restored}", flush=True)
        if self.model.training.step >= self.steps:  # stopped after its last step
            self.model.training.epochs = 0

    def on_train_batch_end(self, batch, logs=None):
        if self.model.training.step >= self.steps:
            self.model.stop_training = True


def _reports(model, configuration, data, workdir):
    """The callbacks that write, print and raise: of the chief alone."""
    points = data.train.images if data.train.images.ndim == 2 else None
    class_names = data.train.class_names if model.conditional else None
    reports = [
        callbacks.SampleGrid(
            workdir / "samples",
            every=_epochs_per_part(configuration),
            num_images=results.num_shown(model, data.train),
            seed=configuration.seed,
            real=None if points is None else points[: results.COMPARED],
            class_names=class_names,
        ),
        callbacks.MetricsLog(workdir / "metrics.csv", every=max(1, configuration.steps // 5_000)),
        callbacks.Progress(configuration.steps),
        callbacks.TensorBoard(
            workdir / "tensorboard",
            write_graph=False,
            update_freq=max(1, configuration.steps // 1_000),
            class_names=class_names,
        ),
    ]
    if not distribution.has_workers(model.distribute_strategy):  # the others would wait for a chief that has raised
        reports.append(callbacks.Health(on_non_finite=configuration.on_non_finite))
    return reports


def _epochs_per_part(configuration):
    """Epochs from one picture to the next: 1, or more in a run that was made longer, whose epochs stay as they are."""
    return max(1, configurations.steps_per_part(configuration.steps) // configuration.steps_per_epoch)


def _fit(model, dataset, configuration, data, workdir, reports):
    """Trains. Returns the exit code: 0, or that of the signal that ended the training."""
    held_out = _held_out(configuration, data)
    if held_out is not None:
        held_out = data_.batches(held_out, configuration, training=False)
    chief = distribution.is_chief(model.distribute_strategy)
    every = _epochs_per_part(configuration)
    saved = callbacks.Checkpoint(
        workdir / "checkpoints",
        every=configuration.checkpoint_every or (None if every == 1 else every * configuration.steps_per_epoch),
        keep=configuration.keep_checkpoints,
    )
    try:
        model.fit(
            dataset,
            epochs=configuration.epochs,
            steps_per_epoch=configuration.steps_per_epoch,
            validation_data=held_out,
            validation_freq=1 if every == 1 else [*range(every, configuration.epochs, every), configuration.epochs],
            verbose=0,
            callbacks=[*reports, _Steps(configuration.steps, saved, verbose=chief), saved],
        )
    except KeyboardInterrupt:
        if int(model.step.numpy()) == 0:
            raise
        return _INTERRUPTED
    except SystemExit as ended:
        return ended.code
    return 0


def _write_history(workdir, unfinished):
    """Writes what shows how the run went; `unfinished` are the callbacks of it that `fit` has not ended."""
    for callback in unfinished:
        callback.on_train_end()
    for path in (workdir / "samples/contact_sheet.png", workdir / "samples/training.gif"):
        if path.exists():
            os.replace(path, workdir / path.name)
    plots.curves(workdir / "metrics.csv", workdir / "curves.png")


# Printed


def _networks(model):
    return {name: model.networks[name] for name in ("generator", "discriminator", "encoder") if name in model.networks}


def _print_header(configuration, data, model, workdir):
    source = data.train
    shape = " x ".join(str(size) for size in source.example_shape)
    what = "points in" if source.images.ndim == 2 else "images of"
    held_out = "" if data.held_out is None else f", {data.held_out.num_examples:,} held out"
    print(f"dataset    {configuration.dataset}: {source.num_examples:,} {what} {shape}{held_out}")
    for note in source.notes:
        print(f"           {note}")
    parameters = ", ".join(f"{name} {network.count_params():,}" for name, network in _networks(model).items())
    print(f"model      {configuration.model}, {configuration.network}; parameters: {parameters}")
    passes = configuration.steps * configuration.n_critic * configuration.batch_size / source.num_examples
    passes = f"{passes:,.0f}" if passes >= 10 else f"{passes:.1f}"
    batches = f" of {configuration.n_critic} x {configuration.batch_size} images"
    print(f"steps      {configuration.steps:,}{batches}, {passes} passes over the data; seed {configuration.seed}")
    if configuration.conditional:
        other = "; --noconditional for none" if configuration.from_ is None else ""
        print(f"classes    {source.num_classes}, generated by label{other}")
    if configuration.augment:
        print(f"augment    {', '.join(configuration.augment)}; probability {configuration.augment_probability}")
    elif configuration.network != "mlp" and data.held_out is not None and source.num_examples < _FEW:
        print("augment    none; if a value and its held-out one drift apart: --augment=translation:0.5,cutout")
    print(f"directory  {workdir}", flush=True)


def _describe(configuration, model):
    for name, value in configuration.to_json().items():
        print(f"{name:<28}{value}")
    print()
    for network in _networks(model).values():
        network.summary()
