"""`kerasgan resume`: resumes a run from its newest checkpoint."""

import dataclasses
import pathlib
import time

from kerasgan import checkpoint, distribution
from kerasgan.cli import configuration as configurations
from kerasgan.cli import data as data_
from kerasgan.cli.build import intact
from kerasgan.cli.train import prepare, train, versions


def run(workdir, flags) -> dict:
    """Trains on, and returns what `--json` prints.

    Args:
        workdir: The run directory.
        flags: Dict of the command's flags by name.
    """
    begun = time.monotonic()
    workdir = pathlib.Path(workdir).expanduser()
    path = workdir / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{workdir} holds no run: {path.name} is missing. Begin one by `kerasgan train --workdir={workdir}`."
        )
    configuration = configurations.read(path)
    if not checkpoint.checkpoints(workdir / "checkpoints") and _has_trained(workdir):
        raise ValueError(
            f"{workdir} has trained, and {workdir / 'checkpoints'} holds no checkpoint to resume from. Restore it, or "
            "begin anew by `kerasgan train` with another --workdir."
        )
    strategy = distribution.strategy(flags["strategy"] or configuration.strategy)
    if flags["steps"] not in (None, configuration.steps):
        if configuration.learning_rate_decay:
            raise ValueError(
                f"--steps={flags['steps']}: the learning rate of this run falls to zero at step "
                f"{configuration.steps:,}, its last. Train anew, by `kerasgan train --steps={flags['steps']}`, or with "
                "--nolearning_rate_decay, which can go on for ever."
            )
        configuration = dataclasses.replace(configuration, steps=flags["steps"])
    if _steps_done(workdir) >= configuration.steps and intact(workdir / "model.keras"):
        done = _steps_done(workdir)
        more = "" if configuration.learning_rate_decay else f" For more pass --steps with a number above {done}."
        print(f"{workdir} is complete: {done:,} steps.{more}")
        return {"workdir": str(workdir), "steps": done}
    data = data_.read_again(configuration)
    model, dataset = prepare(configuration, data, strategy)
    if flags["steps"] is not None and distribution.is_chief(strategy):
        configurations.write(path, configuration, versions(), data.train)
    return train(model, dataset, configuration, data, workdir, begun)


def _has_trained(workdir):
    """Whether there is a model, or a row in the log below its header."""
    log = workdir / "metrics.csv"
    return (workdir / "model.keras").exists() or (log.is_file() and log.read_bytes().count(b"\n") > 1)


def _steps_done(workdir):
    """Steps of a training that has come to its end; 0 before."""
    path = workdir / "metrics.json"
    steps = configurations.read_json(path).get("steps", 0) if path.is_file() else 0
    if type(steps) is not int:
        raise ValueError(f"{path} is damaged: expected an integer as `steps`. Remove it. Received: {steps!r}")
    return steps
