"""What checkpoints cost a training, written beside it and written between two steps.

    python scripts/benchmark_checkpoint.py --rounds=3 --steps=100

A WGAN-GP on 32 x 32 images with a checkpoint of about 130 MB (weights, average, both Adam states) trains in one run,
whose epochs of `--steps` steps take turns: no checkpoint, one that is waited for, one that a thread writes. An epoch
begins with its checkpoint. Reported are shares of an epoch without one, medians: the time that the training waited in
the save, and how much more wall time and CPU time, of all threads, the epoch took.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import kerasgan as kg

IMAGE_SHAPE, BATCH = (32, 32, 3), 64
WAYS = ("none", "waiting", "background")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each of the three ways")
    parser.add_argument("--steps", type=int, default=100, help="steps between two checkpoints")
    arguments = parser.parse_args()

    units = (1088, 1088)
    gan = kg.WGANGP(
        kg.networks.mlp_generator(IMAGE_SHAPE, units=units),
        kg.networks.mlp_discriminator(IMAGE_SHAPE, units=units),
        ema_momentum=0.999,
    )
    gan.compile()
    images = np.random.default_rng(0).integers(0, 256, (2_000, *IMAGE_SHAPE), np.uint8)
    gan.fit(images, batch_size=BATCH, epochs=1, steps_per_epoch=2, verbose=0)  # compiles
    with tempfile.TemporaryDirectory() as name:
        saves = [Timed(pathlib.Path(name) / way, way) for way in WAYS[1:]]
        clock = Clock()
        epochs = len(WAYS) * arguments.rounds
        fit = {"epochs": epochs, "steps_per_epoch": arguments.steps, "verbose": 0}
        gan.fit(images, batch_size=BATCH, callbacks=[clock, *saves], **fit)
        size = sum(file.stat().st_size for file in kg.checkpoint.checkpoints(saves[0].directory)[0].iterdir())
    report(clock.epochs(), {save.way: save.seconds for save in saves}, size)


def report(epochs, waited, size):
    """Prints the median shares of an epoch, by (wall, CPU) seconds of the epochs and seconds waited in the saves."""
    wall, cpu = ({way: [epoch[part] for epoch in epochs[way]] for way in WAYS} for part in (0, 1))
    base = statistics.median(wall["none"])
    print(f"checkpoint of {size / 1e6:.0f} MB; an epoch without one takes {base:.1f} s")
    print(f"{'':<12}{'waited':>10}{'wall':>10}{'CPU':>10}")
    for way in WAYS[1:]:
        more = [statistics.median(took[way]) / statistics.median(took["none"]) - 1 for took in (wall, cpu)]
        share = statistics.median(waited[way]) / base
        print(f"{way:<12}{share:>10.2%}{more[0]:>+10.2%}{more[1]:>+10.2%}", flush=True)


class Clock(keras.callbacks.Callback):
    """Reads the clocks between epochs, before the checkpoint of the next."""

    def __init__(self):
        super().__init__()
        self.readings = []

    def on_epoch_begin(self, epoch, logs=None):
        self.readings.append((time.perf_counter(), time.process_time()))

    def on_train_end(self, logs=None):
        self.on_epoch_begin(None)

    def epochs(self):
        """Wall and CPU seconds of the epochs, by way."""
        took = np.diff(self.readings, axis=0)
        return {way: took[turn :: len(WAYS)].tolist() for turn, way in enumerate(WAYS)}


class Timed(kg.callbacks.Checkpoint):
    """A checkpoint as every third epoch begins, which notes how long the training waited for it."""

    def __init__(self, directory, way):
        super().__init__(directory, background=way == "background")
        self.way = way
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        if WAYS[epoch % len(WAYS)] == self.way:
            begun = time.perf_counter()
            super().on_epoch_end(epoch)
            self.seconds.append(time.perf_counter() - begun)

    def on_epoch_end(self, epoch, logs=None):
        pass


if __name__ == "__main__":
    main()
