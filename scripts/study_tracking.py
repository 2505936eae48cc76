"""Claim 4: the critic's estimate tracks how far the generator is from the data; the loss of a GAN does not.

    python scripts/study_tracking.py          # about an hour on two cores
    python scripts/study_tracking.py --quick

GAN, WGAN (clipping) and WGAN-GP learn the grid of 25 Gaussians, and the embedded digits, by MLPs of 3 x 128 with five
updates of the discriminator a step. Every so often the truth is taken: on the grid the exact Wasserstein distance of
1,000 generated to 1,000 real points, on the digits the Frechet distance between features of a classifier; beside it
the mean of what the training has logged since the last look: the critic's estimate, or for the GAN log 2 - d_loss / 2,
its estimate of the Jensen-Shannon divergence. The numbers quoted are Spearman's rank correlations of the two over a
training, of the negative step number with the truth (a clock: the truth falls anyway), and of the changes from look to
look.

An estimate is one where the critic is near its best, so it is trained alone for the first 100 steps, and its rate is
ten times the generator's; in a fourth kind of training the generator is thirty times as fast, so that it does not just
get better and better. The penalty's weight is 1 on points, where 10 hinders the training and 0.1 leaves slopes
free to drift, and 10 on digits.

Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, figures 3 and 4.
"""

import keras
import numpy as np
import scipy.stats
import studies

import kerasgan as kg

UNITS, N_CRITIC, ALONE, LOOKS = (128, 128, 128), 5, 100, 50
CRITIC_RATE, GENERATOR_RATE, FAST_RATE, BETAS, CLIP = 1e-3, 1e-4, 3e-3, (0.0, 0.9), 0.03
ADAM = lambda rate: keras.optimizers.Adam(rate, *BETAS)
WGAN_GP = lambda networks, data, **kwargs: kg.WGANGP(*networks, weight=WEIGHTS[data], **kwargs)
# What is trained, the optimizers, the generator's rate.
KINDS = {
    "GAN": (lambda networks, data, **kwargs: kg.GAN(*networks, **kwargs), ADAM, GENERATOR_RATE),
    "WGAN, clipping": (
        lambda networks, data, **kwargs: kg.WGAN(*networks, clip=CLIP, **kwargs),
        kg.optimization.rmsprop,
        GENERATOR_RATE,
    ),
    "WGAN-GP": (WGAN_GP, ADAM, GENERATOR_RATE),
    "WGAN-GP, fast generator": (WGAN_GP, ADAM, FAST_RATE),
}
WEIGHTS = {"grid": 1.0, "digits": 10.0}
STEPS = {"grid": 5_000, "digits": 2_000}
BATCHES = {"grid": 256, "digits": 64}
TRUTHS = {"grid": "exact W1", "digits": "FD[classifier]"}


class Looks(keras.callbacks.Callback):
    """The mean of the estimates and the truth, every so many steps."""

    def __init__(self, every, truth):
        super().__init__()
        self.every, self.truth = every, truth
        self.estimates, self.truths, self._logged = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        logged = logs["wasserstein"] if "wasserstein" in logs else np.log(2) - float(logs["d_loss"]) / 2
        self._logged.append(float(logged))
        if len(self._logged) == self.every:
            self.truths.append(self.truth(self.model))
            self.estimates.append(float(np.mean(self._logged)))
            self._logged = []


def main():
    arguments = studies.options(__doc__, seeds=10)
    directory = studies.directory(arguments, "tracking")
    classifier = studies.classifier_of("digits", directory, 1 if arguments.quick else None)
    divisor, looks = (100, 4) if arguments.quick else (1, LOOKS)
    tasks = {
        f"{data}/{kind}/{seed}": (data, kind, seed, STEPS[data] // divisor, looks, classifier)
        for seed in range(arguments.seeds)
        for data in STEPS
        for kind in KINDS
    }
    # What is asked of every seed comes first.
    tasks = dict(sorted(tasks.items(), key=lambda task: task[1][2] >= 3 and task[1][:2] != ("grid", "WGAN-GP")))
    protocol = {
        "steps": STEPS,
        "weights": WEIGHTS,
        "alone": ALONE,
        "rates": [CRITIC_RATE, GENERATOR_RATE, FAST_RATE],
        "betas": BETAS,
        "clip": CLIP,
        "batches": BATCHES,
        "looks": looks,
        "classifier": studies.identifier(classifier),
    }
    results = studies.Results(directory, {**protocol, "units": UNITS, "n_critic": N_CRITIC, "divisor": divisor})
    runs = results.all(train, tasks, arguments.processes)
    columns = ("", "", "Spearman's correlation", "of a clock", "of changes between looks", "truth at the end")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for data, truth in TRUTHS.items():
        for kind in KINDS:
            trained = [moving(runs[f"{data}/{kind}/{seed}"]) for seed in range(arguments.seeds)]
            ranks = [rank(estimates, truths) for _, estimates, truths in trained]
            clock = np.median([rank(-steps, truths) for steps, _, truths in trained])
            changes = np.median([rank(np.diff(estimates), np.diff(truths)) for _, estimates, truths in trained])
            end = np.median([np.mean(truths[-5:]) for _, _, truths in trained])
            cells = f"{np.median(ranks):.3f} ({min(ranks):.3f} to {max(ranks):.3f}) | {clock:.3f} | {changes:.3f}"
            print(f"| {data}, {truth} | {kind} | {cells} | {end:.3f} |")
    draw(directory, runs, arguments.seeds)


def moving(run):
    """Steps, estimates and truths of the looks over steps in which the generator moves."""
    first = -(-ALONE // run["every"]) if run["every"] * len(run["truths"]) > 2 * ALONE else 1
    steps = run["every"] * (1 + np.arange(len(run["truths"])))
    return [np.array(values)[first:] for values in (steps, run["estimates"], run["truths"])]


def rank(a, b):
    return scipy.stats.spearmanr(a, b).statistic


def train(data, kind, seed, steps, looks, classifier):
    if data == "grid":
        points, _ = kg.datasets.grid()
        examples = points / np.sqrt(np.mean(points**2))
        shape, latent_dim, activation = (2,), 2, None
    else:
        examples = kg.datasets.read("digits").images.astype("float32") / 127.5 - 1
        shape, latent_dim, activation = examples.shape[1:], 32, "tanh"
    keras.utils.set_random_seed(seed)
    generator = kg.networks.mlp_generator(shape, latent_dim, UNITS, output_activation=activation)
    make, optimizer, rate = KINDS[kind]
    gan = make((generator, kg.networks.mlp_discriminator(shape, UNITS)), data, n_critic=N_CRITIC, seed=seed)
    alone = keras.optimizers.schedules.PiecewiseConstantDecay([min(ALONE, steps // 2)], [0.0, rate])
    gan.compile(optimizer(CRITIC_RATE), optimizer(alone), jit_compile=steps >= 1_000)
    look = Looks(steps // looks, distance_to(data, examples, classifier))
    dataset = kg.datasets.from_arrays(examples, batch_size=BATCHES[data], seed=seed)
    gan.fit(dataset, steps_per_epoch=steps, callbacks=[look], verbose=0)
    keras.backend.clear_session()
    return {"estimates": look.estimates, "truths": look.truths, "every": look.every}


def distance_to(data, examples, classifier):
    """A function of a model: how far what it generates is from the data."""
    count = 1_000 if data == "grid" else len(examples)
    real = examples[:count]
    if data == "grid":
        return lambda model: kg.metrics.wasserstein_distance(real, model.generate(count, seed=1, batch_size=count))
    features = kg.metrics.Classifier.load(classifier)
    real = features(real)
    return lambda model: kg.metrics.frechet_distance(real, features(model.generate(count, seed=1, batch_size=count)))


def draw(directory, runs, seeds):
    figure, axes = studies.figure(2 * len(STEPS), len(KINDS), width=12.0, height=2.5)
    for number, (data, truth) in enumerate(TRUTHS.items()):
        for column, kind in enumerate(KINDS):
            top, bottom = axes[2 * number : 2 * number + 2, column]
            steps, estimates, truths = moving(runs[f"{data}/{kind}/0"])
            top.plot(steps, estimates, color=studies.COLOURS[0])
            other = top.twinx()
            other.plot(steps, truths, color=studies.COLOURS[1])
            other.set_ylim(0)
            other.spines["top"].set_visible(False)
            top.set_title(f"{kind}, {data}", fontsize=10)
            top.set_ylabel("estimate", color=studies.COLOURS[0], fontsize=8)
            other.set_ylabel(truth, color=studies.COLOURS[1], fontsize=8)
            top.set_xlabel("steps, seed 0", fontsize=8)
            for seed in range(seeds):
                _, estimates, truths = moving(runs[f"{data}/{kind}/{seed}"])
                bottom.plot(truths, estimates, ".", markersize=3, alpha=0.6)
            bottom.set_xlabel(f"{truth}, all seeds", fontsize=8)
            bottom.set_ylabel("estimate", fontsize=8)
    studies.save(figure, directory / "tracking.png")


if __name__ == "__main__":
    main()
