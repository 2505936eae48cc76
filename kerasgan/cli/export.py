"""`kerasgan export`: the model of a run directory, for TF Serving."""

import dataclasses
import os
import pathlib
import typing

from kerasgan import files, serving
from kerasgan.cli import configuration as configurations
from kerasgan.cli.run_directory import command, measured, name_of, trained
from kerasgan.serving import readme


def run(workdir: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Exports the model of a run directory."""
    path, model = trained(workdir)
    configuration = configurations.read(path / "config.json")
    written = files.read_json(path / "config.json")
    expected = "the directory of a model, e.g. 'saved_models/mnist'"
    to = files.checked_output("--to", flags["to"] or f"saved_models/{name_of(configuration.dataset)}", expected, True)
    if to.suffix.lower() in serving.OF_FILES:
        format_ = serving.OF_FILES[to.suffix.lower()]
        fix = f"With --also={format_} it holds such a file" if format_ else "The run directory has it as model.keras"
        raise ValueError(f"--to={to}: expected {expected}. {fix}.")
    if (to / "config.json").is_file():
        raise ValueError(
            f"--to={to} is a run directory. Name the directory of a model, e.g. --to=saved_models/{to.name}."
        )
    models = [] if serving.version_in(to) is not None else serving.models_in(to)
    if models:
        raise ValueError(
            f"--to={to} is a directory of models, such as {models[0]}. Name that of one, e.g. "
            f"--to={to / name_of(configuration.dataset)}."
        )
    step = int(model.step.numpy())
    if step < configuration.steps:
        print(f"stopped    the run is at step {step:,} of {configuration.steps:,}")
    shared = _without_places(configuration)
    card = {
        "license": flags["license"],
        "data": {"dataset": shared.dataset, **written.get("data", {})},
        "training": {**shared.to_json(), "versions": written.get("versions")},
        "metrics": measured(path) or None,
    }
    version = serving.export(model, to, flags["also"] or (), flags["max_batch_size"], flags["score"], card)
    megabytes = sum(file.stat().st_size for file in version.rglob("*") if file.is_file()) / 1e6
    print(f"version    {version}: {megabytes:.1f} MB")
    print(f"card       {version / readme.FILE}, model_card.json")
    for name in flags["also"] or ():
        print(f"{name:<10} {version / serving.FORMATS[name][0]}")
    if (version / "samples.png").is_file():
        print(f"picture    {version / 'samples.png'}")
    print(f"more       {command('generate', to)}; the documentation, page Serve, says how to serve it")
    return {"version": str(version), "weights_sha256": serving.card_of(version)["weights_sha256"]}


def _without_places(configuration):
    """The configuration without directories of this machine, which mean nothing to whoever receives the model."""
    dataset, from_ = map(without_place, (configuration.dataset, configuration.from_))
    return dataclasses.replace(configuration, dataset=dataset, from_=from_, data_dir=None)


def without_place(name: str | None) -> str | None:
    """The last part of what is a path; other names, such as those of TensorFlow Datasets, as they are."""
    path = pathlib.Path(os.path.expanduser(name or ""))
    if not name or not (path.is_absolute() or name[0] == "." or path.exists()):
        return name
    return files.readable(path.resolve().name) or "data"
