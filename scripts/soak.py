"""A long training: memory, open files and the size of the run directory have to stay flat.

    python scripts/soak.py                # 20,000 steps, about ten minutes on two cores
    python scripts/soak.py --steps=4000 --notensorboard

A tiny GAN on the digits, with everything that a run does: every 200 steps an evaluation, a picture and a checkpoint, at
every step a row of the log and a look of `Health`, TensorBoard events. Resident memory and open files are read every
200 steps; a line is fitted through those after the first quarter. Ends with exit code 1 if the memory grows by 1 MB in
1,000 steps or more, if more files are open at the end than after the first quarter, or if the checkpoints take more.
"""

import argparse
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasgan as kg

EVERY, MOST_MEGABYTES = 200, 1.0


class Gauge(keras.callbacks.Callback):
    """Reads memory, open files and bytes of checkpoints at the end of each epoch."""

    def __init__(self, directory):
        super().__init__()
        self.directory, self.readings = directory, []

    def on_epoch_end(self, epoch, logs=None):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        checkpoints = sum(file.stat().st_size for file in (self.directory / "checkpoints").rglob("*") if file.is_file())
        megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.readings.append((self.model.training.step, megabytes, len(os.listdir("/proc/self/fd")), checkpoints))
        if len(self.readings) % 10 == 0:
            print(
                "step {:>6,}  {:.1f} MB  {} files open  checkpoints {:,} bytes".format(*self.readings[-1]), flush=True
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--notensorboard", action="store_true", help="without Keras's TensorBoard callback")
    arguments = parser.parse_args()
    source = kg.datasets.read("digits")
    gan = kg.WGANGP(
        kg.networks.mlp_generator((8, 8, 1), 8, (32,)),
        kg.networks.mlp_discriminator((8, 8, 1), (32,)),
        n_critic=1,
        ema_momentum=0.99,
    )
    gan.compile(metrics=[kg.metrics.PRDC()])
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        gauge = Gauge(directory)
        events = (
            []
            if arguments.notensorboard
            else [keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False)]
        )
        gan.fit(
            source.images[:1_500],
            batch_size=64,
            epochs=arguments.steps // EVERY,
            steps_per_epoch=EVERY,
            validation_data=source.images[1_500:],
            verbose=0,
            callbacks=[
                kg.callbacks.SampleGrid(directory / "samples"),
                kg.callbacks.MetricsLog(directory / "metrics.csv"),
                kg.callbacks.Health(),
                *([] if arguments.notensorboard else [events]),
                kg.callbacks.Checkpoint(directory / "checkpoints", every=EVERY),
                gauge,
            ],
        )
    steps, memory, files, checkpoints = np.array(gauge.readings[len(gauge.readings) // 4 :]).T
    slope = 1_000 * np.polyfit(steps, memory, 1)[0]
    noise = np.std(memory - np.polyval(np.polyfit(steps, memory, 1), steps))
    print(
        f"memory      {memory[0]:.1f} to {memory[-1]:.1f} MB: {slope:+.3f} MB in 1,000 steps, {noise:.1f} MB of noise"
    )
    print(f"open files  {files[0]:.0f} to {files[-1]:.0f}")
    print(f"checkpoints {checkpoints[0]:,.0f} to {checkpoints[-1]:,.0f} bytes")
    flat = slope < MOST_MEGABYTES and files[-1] <= files[0] and checkpoints[-1] <= 1.1 * checkpoints[0]
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
