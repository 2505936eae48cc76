"""`kerasgan resume`: resumes a run from its newest checkpoint."""

import dataclasses
import pathlib
import time
import typing

from kerasgan import checkpoint, distribution, files
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli import pretrained
from kerasgan.cli.run_directory import check_not_exported, command, intact, of_part, step_reached
from kerasgan.cli.train import prepare, train


def run(workdir: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Resumes the run in a directory."""
    begun = time.monotonic()
    path = of_part(pathlib.Path(workdir).expanduser())
    check_not_exported(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist. Start a run there with `{command('train', f'--workdir={path}')}`.")
    configuration = configurations.read(path / "config.json", flags["dataset"])
    saved = checkpoint.checkpoints(path / "checkpoints")
    if not saved and _has_trained(path):
        raise ValueError(
            f"{path} has trained, and {path / 'checkpoints'} holds no checkpoint to resume from. Restore it, or start "
            "a new run with `kerasgan train` and another --workdir."
        )
    reached = step_reached(path)
    if flags["steps"] is not None and flags["steps"] < reached:
        raise ValueError(f"--steps={flags['steps']}: this run has reached step {reached:,}. Give at least {reached}.")
    strategy = distribution.strategy(flags["strategy"] or configuration.strategy)
    if flags["steps"] not in (None, configuration.steps):
        if configuration.learning_rate_decay:
            settings = {"dataset": configuration.dataset, "model": configuration.model, "steps": flags["steps"]}
            again = command("train", *(f"--{name}={value}" for name, value in settings.items()))
            raise ValueError(
                f"--steps={flags['steps']}: the learning rate of this run falls to zero at step "
                f"{configuration.steps:,}, its last. Start a new run with `{again}`; with "
                "--nolearning_rate_decay it can be extended later."
            )
        configuration = dataclasses.replace(configuration, steps=flags["steps"])
    done = _steps_done(path)
    if done >= configuration.steps and intact(path / "model.keras"):
        more = "" if configuration.learning_rate_decay else f" For more pass --steps with a number above {done}."
        print(f"{path} is complete: {done:,} steps.{more}")
        return {"workdir": str(path), "steps": done}
    data = data_.read_again(configuration)
    configurations.check_data(path / "config.json", data.train)
    model, dataset = prepare(configuration, data, strategy)
    if configuration.from_ is not None and not saved:
        pretrained.read(configuration.from_).start(model, data.train.class_names)
    if (flags["steps"], flags["dataset"]) != (None, None) and distribution.is_chief(strategy):
        configurations.write(path / "config.json", configuration, data.train)
    return train(model, dataset, configuration, data, path, begun)


def _has_trained(workdir):
    """Whether there is a model, or a row in the log below its header."""
    log = workdir / "metrics.csv"
    return (workdir / "model.keras").exists() or (log.is_file() and log.read_bytes().count(b"\n") > 1)


def _steps_done(workdir):
    """The steps of a run that is complete; 0 before."""
    path = workdir / "metrics.json"
    steps = files.read_json(path).get("steps", 0) if path.is_file() else 0
    if type(steps) is not int:
        raise ValueError(f"{path} is damaged: expected an integer as `steps`. Remove it. Received: {steps!r}")
    return steps
