"""The share of training time spent on checkpoints.

    python scripts/benchmark_checkpoint.py --pairs=3 --steps=100

A WGAN-GP on 32 x 32 images with a checkpoint of about 100 MB (weights, average, both Adam states) trains in turn, in
one process, `--steps` steps without a checkpoint and as many with one at the end. Reported are ratios.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import kerasgan as kg

IMAGE_SHAPE, BATCH = (32, 32, 3), 64


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of timing")
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
    with tempfile.TemporaryDirectory() as directory:

        def seconds(epoch, checkpoints):
            callbacks = [Timed(pathlib.Path(directory))] if checkpoints else []
            begun = time.perf_counter()
            fit = {"initial_epoch": epoch, "epochs": epoch + 1, "steps_per_epoch": arguments.steps, "verbose": 0}
            gan.fit(images, batch_size=BATCH, callbacks=callbacks, **fit)
            return time.perf_counter() - begun, callbacks[0].seconds if checkpoints else 0.0

        seconds(0, True)  # compiles, and writes the first checkpoint
        shares, ratios = [], []
        for pair in range(arguments.pairs):
            without, _ = seconds(2 * pair + 1, False)
            with_, saving = seconds(2 * pair + 2, True)
            shares.append(saving / (with_ - saving))
            ratios.append(with_ / without)
            print(f"{without:.1f} s without, {with_:.1f} s with a checkpoint, {saving:.2f} s of it saving")
        size = sum(file.stat().st_size for file in kg.checkpoint.checkpoints(directory)[0].iterdir())
    print(f"checkpoint of {size / 1e6:.0f} MB: saving takes {statistics.median(shares):.1%} of the training's time")
    print(f"time with checkpoints / time without, medians: {statistics.median(ratios):.3f}")


class Timed(kg.callbacks.Checkpoint):
    """A checkpoint at the end of each epoch that times itself; every `fit` starts from the current model."""

    seconds = 0.0

    def _restore(self):
        self._saved = self._training.position

    def _write(self):
        begun = time.perf_counter()
        super()._write()
        self.seconds += time.perf_counter() - begun


if __name__ == "__main__":
    main()
