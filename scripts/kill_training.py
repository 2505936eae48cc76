"""Kills a run at random moments, resumes it, and compares the result with that of an uninterrupted run.

    python scripts/kill_training.py --kills=100 --seed=0
    python scripts/kill_training.py --goodput=20 --every=100     # minutes

The run saves a checkpoint at every step, so most kills hit a save. Each life of it is a process, ended by SIGKILL after
a random time; the next resumes from what it finds. A finished run is compared with the uninterrupted one (weights,
average, optimizers, counters, metrics, pictures), then the next run starts, until there were `--kills` kills. The exit
status is 1 if anything was lost.

With `--goodput` a run that saves every `--every` steps is killed once a minute, or every `--interval` seconds, and the
share of useful work printed. By steps: the steps in the last checkpoint over all steps that were taken, some of them
twice. By time: the seconds that the useful steps take without kills over all seconds, in which each new process also
imports TensorFlow and traces its graph. The exit status is 1 if it is below 95 % by steps.
"""

import argparse
import csv
import hashlib
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

# Imported once, and before any operation: each life is a fork, and a forked TensorFlow that has run hangs.
import kerasgan as kg

EPOCH = 10  # steps
LEAST = 0.95


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="for the moments")
    parser.add_argument("--steps", type=int, default=300, help="of one run")
    parser.add_argument("--every", type=int, default=1, help="steps between two checkpoints")
    parser.add_argument("--goodput", type=float, metavar="MINUTES", help="kill once a minute, and print what is useful")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two kills, for the goodput")
    arguments = parser.parse_args()
    if arguments.goodput:
        share = goodput(60 * arguments.goodput, arguments.interval, arguments.every)
        sys.exit(0 if share >= LEAST else 1)
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        calm = Life(directory / "calm", arguments.steps, arguments.every)
        calm.end()
        expected = outcome(calm.directory)
        print(
            f"calm: {arguments.steps} steps in {calm.seconds:.1f} s, {calm.starting:.1f} s of it to start", flush=True
        )
        kills, trainings = [], []
        while len(kills) < arguments.kills:
            run, saved = directory / f"run-{len(trainings)}", 0
            while True:
                life = Life(run, arguments.steps, arguments.every)
                if len(kills) == arguments.kills or not life.killed_after(rng.uniform(0.5, 3) * calm.starting):
                    life.end()
                    break
                kills.append(life.found() | {"before": saved})
                saved = kills[-1]["saved"]
                print(f"kill {len(kills)}: {kills[-1]}", flush=True)
            ended = outcome(run)
            differences = [name for name in expected | ended if expected.get(name) != ended.get(name)]
            trainings.append(not differences)
            print(f"training {len(trainings)} has ended; differences: {', '.join(differences) or 'none'}", flush=True)
    failed = report(kills, trainings, arguments.every)
    sys.exit(1 if failed else 0)


def goodput(seconds, interval, every):
    """Kills a run again and again, prints the share of useful work by steps and by time, and returns the first."""
    taken = training = kills = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        while time.monotonic() < begun + seconds:
            # A new interpreter, as a scheduler would start it.
            life = Life(pathlib.Path(directory), steps=10**9, every=every, epoch=max(EPOCH, every), method="spawn")
            life.killed_after(interval)
            kills += 1
            steps, took = life.progress()
            taken, training = taken + steps, training + took
            useful = life.found()["saved"]
            print(f"kill {kills}: {steps:.0f} steps in {took:.0f} s after the first, {useful} saved", flush=True)
        wall = time.monotonic() - begun
    by_steps, by_time = useful / max(taken, 1), useful / max(taken, 1) * training / wall
    print(f"goodput by steps {by_steps:.1%} ({useful} of {taken:.0f}), by time {by_time:.1%} of {wall:.0f} s")
    return by_steps


def report(kills, trainings, every):
    """Prints the findings, and returns whether anything was lost."""
    rows = {
        "kills": len(kills),
        "of them in the middle of a save": sum(kill["half"] for kill in kills),
        "unusable": sum(kill["unusable"] for kill in kills),
        "restarts from zero or from before": sum(kill["saved"] < kill["before"] for kill in kills),
        "most steps lost": max(kill["done"] - kill["saved"] for kill in kills),
        "trainings": len(trainings),
        "of them not as the calm one": trainings.count(False),
    }
    for name, value in rows.items():
        print(f"{name:<40}{value}")
    lost = rows["unusable"] + rows["restarts from zero or from before"] + rows["of them not as the calm one"]
    # A thread writes each checkpoint while the next steps run, until the next save.
    return lost > 0 or rows["most steps lost"] > 2 * every


class Life:
    """A process that trains in a directory, starting from what is there."""

    def __init__(self, directory, steps, every, epoch=EPOCH, method="fork"):
        self.directory = directory
        context = multiprocessing.get_context(method)
        # Steps done, those when it began, and when the first had ended.
        self._done = context.Array("d", 3)
        self._begun = time.monotonic()
        self._process = context.Process(target=train, args=(directory, steps, every, epoch, self._done))
        self._process.start()

    def end(self):
        """Waits for it."""
        while self._process.is_alive() and not self._done[2]:
            time.sleep(0.01)
        self.starting = time.monotonic() - self._begun
        self._process.join()
        self.seconds = time.monotonic() - self._begun
        if self._process.exitcode:
            sys.exit(f"A training has failed with exit status {self._process.exitcode}.")

    def killed_after(self, seconds):
        """Kills it; returns whether it was still alive."""
        self._process.join(seconds)
        alive = self._process.is_alive()
        if alive:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        return alive

    def progress(self):
        """Steps that it has taken, and the seconds since the first of them had ended."""
        done, before, first = self._done
        return done - before, time.monotonic() - first if first else 0.0

    def found(self):
        """What it left: steps done and saved, whether a save was cut off, and whether no checkpoint is usable."""
        checkpoints = self.directory / "checkpoints"
        unusable = False
        try:
            newest = kg.checkpoint.newest(checkpoints)
        except kg.errors.CheckpointError:
            newest, unusable = None, True
        saved = int(newest.name[5:13]) if newest else 0
        half = any(checkpoints.glob(".tmp-*"))
        return {"done": int(self._done[0]), "saved": saved, "half": half, "unusable": unusable}


class Steps(keras.callbacks.Callback):
    """Reports progress to the parent process."""

    def __init__(self, done):
        super().__init__()
        self.done = done

    def on_train_begin(self, logs=None):
        self.done[0] = self.done[1] = self.model.training.step

    def on_train_batch_end(self, batch, logs=None):
        self.done[0] = self.model.training.step
        self.done[2] = self.done[2] or time.monotonic()


def train(directory, steps, every, epoch, done):
    keras.utils.set_random_seed(0)
    shape, units = (8, 8, 1), (512, 512)
    gan = kg.WGANGP(
        kg.networks.mlp_generator(shape, 16, units=units),
        kg.networks.mlp_discriminator(shape, units=units),
        n_critic=2,
        ema_momentum=0.99,
    )
    gan.compile()
    callbacks = [
        Steps(done),
        kg.callbacks.MetricsLog(directory / "metrics.csv", every=1),
        kg.callbacks.SampleGrid(directory / "samples", num_images=16, every=2),
        kg.callbacks.Checkpoint(directory / "checkpoints", every=every),
    ]
    fit = {"epochs": steps // epoch, "steps_per_epoch": epoch, "verbose": 0}
    gan.fit(kg.datasets.load("digits", 32), callbacks=callbacks, **fit)


def outcome(directory):
    """Hashes of all that a run left, and its log without the seconds."""
    newest = kg.checkpoint.newest(directory / "checkpoints")
    with open(directory / "metrics.csv", newline="") as file:
        log = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    values = kg.checkpoint.read_values(newest)["training"]
    files = {newest / "state.npz", *(directory / "samples").iterdir()}
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    left = sorted(path.name for path in (directory / "checkpoints").glob(".tmp-*"))
    return {**hashes, "log": log, "history": values["history"], "left": left}


if __name__ == "__main__":
    main()
