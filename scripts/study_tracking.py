"""Claim 4: the critic's estimate tracks how far the generator is from the data; the loss of a GAN does not.

    python scripts/study_tracking.py          # about half an hour on two cores
    python scripts/study_tracking.py --quick

GAN, WGAN (clipping) and WGAN-GP (weight 0.1, as its authors' toys) learn the Swiss roll with MLPs of 3 x 128. Every so
often the exact Wasserstein distance of 1,000 generated to 1,000 real points is computed, beside the mean of what the
training logs since the last look: the critic's estimate, or for the GAN log 2 - d_loss / 2, its estimate of the
Jensen-Shannon divergence. The number quoted is Spearman's rank correlation of the two over the looks of a training.

Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, figures 3 and 4.
"""

import keras
import numpy as np
import scipy.stats
import studies

import kerasgan as kg

LATENT_DIM, UNITS, BATCH, POINTS = 2, (128, 128, 128), 128, 1_000
KINDS = {
    "GAN": lambda g, d, seed: kg.GAN(g, d, seed=seed),
    "WGAN, clipping": lambda g, d, seed: kg.WGAN(g, d, clip=0.1, seed=seed),
    "WGAN-GP": lambda g, d, seed: kg.WGANGP(g, d, weight=0.1, seed=seed),
}


class Looks(keras.callbacks.Callback):
    """The estimate and the exact distance, every so many steps."""

    def __init__(self, every, real):
        super().__init__()
        self.every, self.real = every, real
        self.estimates, self.distances, self._logged = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        logged = logs["wasserstein"] if "wasserstein" in logs else np.log(2) - float(logs["d_loss"]) / 2
        self._logged.append(float(logged))
        if len(self._logged) == self.every:
            fake = self.model.generate(len(self.real), seed=1, batch_size=len(self.real))
            self.distances.append(kg.metrics.wasserstein_distance(self.real, fake))
            self.estimates.append(float(np.mean(self._logged)))
            self._logged = []


def main():
    arguments = studies.options(__doc__, seeds=10)
    steps, every = (60, 20) if arguments.quick else (3_000, 60)
    directory = studies.directory(arguments, "tracking")
    results = studies.Results(directory / "results.json")
    points, _ = kg.datasets.swiss_roll()
    floor = kg.metrics.wasserstein_distance(points[:POINTS], points[POINTS : 2 * POINTS])
    runs = {kind: [] for kind in KINDS}
    for seed in range(arguments.seeds):  # so that a study that is stopped has some of each
        for kind in KINDS:
            name = f"{kind}/{seed}"
            runs[kind].append(results.get(name, lambda kind=kind, seed=seed: train(kind, points, steps, every, seed)))
    print("| | Spearman's correlation, median (lowest to highest) | exact W1 at the end, median |\n| --- | --- | --- |")
    for kind, trained in runs.items():
        ranks = [scipy.stats.spearmanr(run["estimates"], run["distances"]).statistic for run in trained]
        ends = np.median([np.mean(run["distances"][-5:]) for run in trained])
        print(f"| {kind} | {np.median(ranks):.3f} ({min(ranks):.3f} to {max(ranks):.3f}) | {ends:.3f} |")
    print(f"\nreal against real: {floor:.3f}; {arguments.seeds} seeds, {steps // every} looks each")
    draw(directory, runs, every, floor)


def train(kind, points, steps, every, seed):
    keras.utils.set_random_seed(seed)
    generator = kg.networks.mlp_generator((2,), LATENT_DIM, UNITS, output_activation=None)
    gan = KINDS[kind](generator, kg.networks.mlp_discriminator((2,), UNITS), seed)
    gan.compile()
    looks = Looks(every, points[:POINTS])
    data = kg.datasets.from_arrays(points, batch_size=BATCH, seed=seed)
    gan.fit(data, steps_per_epoch=steps, callbacks=[looks], verbose=0)
    return {"estimates": looks.estimates, "distances": looks.distances}


def draw(directory, runs, every, floor):
    figure, axes = studies.figure(2, len(runs), width=12.0)
    for column, (kind, trained) in enumerate(runs.items()):
        run = trained[0]
        steps = every * (1 + np.arange(len(run["distances"])))
        top, bottom = axes[:, column]
        top.plot(steps, run["estimates"], color=studies.COLOURS[0], label="estimate (left)")
        other = top.twinx()
        other.plot(steps, run["distances"], color=studies.COLOURS[1], label="exact W1 (right)")
        other.set_ylim(0)
        other.spines["top"].set_visible(False)
        top.set_title(kind, fontsize=10)
        top.legend([*top.lines, *other.lines], ["estimate (left)", "exact W1 (right)"], fontsize=8, frameon=False)
        top.set_xlabel("steps, seed 0")
        for one in trained:
            bottom.plot(one["distances"], one["estimates"], ".", markersize=3, alpha=0.6)
        bottom.axvline(floor, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)))
        bottom.set_xlabel("exact W1, all seeds; dashed: real against real")
        bottom.set_ylabel("estimate")
    studies.save(figure, directory / "tracking.png")


if __name__ == "__main__":
    main()
