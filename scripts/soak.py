"""A long run: memory and open files must stay flat, and the run directory within bounds.

    python scripts/soak.py                # 20,000 steps, a few minutes on two cores
    python scripts/soak.py --steps=5000 --every=10           # 500 epochs
    python scripts/soak.py --steps=4000 --keras_tensorboard  # grows

A tiny GAN on the digits with all that a run does: an evaluation, a picture, a checkpoint and TensorBoard events after
every epoch of 200 steps, a row of the log and a check by `Health` at every step. Resident memory and open files are
read after each epoch, and a line is fitted to the readings after the first quarter. The exit code is 1 if memory grows
by 1 MB or more per 1,000 steps, if more files are open at the end than after the first quarter, or if the checkpoints
grow by more than the history in them, 1 kB per epoch. The sizes of everything else in the directory are printed.
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

MOST_MEGABYTES, MOST_HISTORY = 1.0, 1_000


class Gauge(keras.callbacks.Callback):
    """Reads memory, open files and bytes of checkpoints at the end of each epoch."""

    def __init__(self, directory, shown):
        super().__init__()
        self.directory, self.shown, self.readings = directory, shown, []

    def on_epoch_end(self, epoch, logs=None):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        open_files, checkpoints = len(os.listdir("/proc/self/fd")), size(self.directory / "checkpoints")
        self.readings.append((self.model.training.step, megabytes, open_files, checkpoints))
        if len(self.readings) % self.shown == 0:
            print(
                "step {:>6,}  {:.1f} MB  {} files open  checkpoints {:,} bytes".format(*self.readings[-1]), flush=True
            )


def size(path):
    """Bytes of a file, or of all files in a directory."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=200, help="steps per epoch")
    parser.add_argument("--keras_tensorboard", action="store_true", help="with Keras's own TensorBoard callback")
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
        gauge = Gauge(directory, shown=max(1, arguments.steps // arguments.every // 10))
        kind = keras.callbacks.TensorBoard if arguments.keras_tensorboard else kg.callbacks.TensorBoard
        gan.fit(
            source.images[:1_500],
            batch_size=64,
            epochs=arguments.steps // arguments.every,
            steps_per_epoch=arguments.every,
            validation_data=source.images[1_500:],
            verbose=0,
            callbacks=[
                kg.callbacks.SampleGrid(directory / "samples"),
                kg.callbacks.MetricsLog(directory / "metrics.csv"),
                kg.callbacks.Health(),
                kind(directory / "tensorboard", write_graph=False),
                kg.callbacks.Checkpoint(directory / "checkpoints", every=arguments.every),
                gauge,
            ],
        )
        parts = [f"{path.name} {size(path):,}" for path in sorted(directory.iterdir())]
    steps, memory, files, checkpoints = np.array(gauge.readings[len(gauge.readings) // 4 :]).T
    slope = 1_000 * np.polyfit(steps, memory, 1)[0]
    noise = np.std(memory - np.polyval(np.polyfit(steps, memory, 1), steps))
    print(
        f"memory      {memory[0]:.1f} to {memory[-1]:.1f} MB: {slope:+.3f} MB in 1,000 steps, {noise:.1f} MB of noise"
    )
    print(f"open files  {files[0]:.0f} to {files[-1]:.0f}")
    print(f"checkpoints {checkpoints[0]:,.0f} to {checkpoints[-1]:,.0f} bytes")
    print(f"directory   {', '.join(parts)} bytes")
    history = (checkpoints[-1] - checkpoints[0]) / (len(steps) - 1)
    return 0 if slope < MOST_MEGABYTES and files[-1] <= files[0] and history < MOST_HISTORY else 1


if __name__ == "__main__":
    sys.exit(main())
