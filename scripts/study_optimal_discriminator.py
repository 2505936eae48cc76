"""Claim 1: the best discriminator is p / (p + q), and what it reaches is -2 log 2 + 2 JSD(p, q).

    python scripts/study_optimal_discriminator.py          # about five minutes on two cores
    python scripts/study_optimal_discriminator.py --quick

On four pairs of densities of one number a discriminator (MLP of 2 x 64) is trained by the GAN loss against a generator
that stands still at q. Compared are D(x) with p(x) / (p(x) + q(x)), and V(D) = E_p log D + E_q log(1 - D) with its
bound; the integrals are sums over a fine grid. JSD is the mean of KL(p || m) and KL(q || m), m = (p + q) / 2, and lies
in [0, log 2].
"""

import keras
import numpy as np
import scipy.stats
import studies
import tensorflow as tf

import kerasgan as kg

GRID = np.linspace(-8.0, 8.0, 4_001)
STEP = GRID[1] - GRID[0]
BATCH = 512
# Components (mean, standard deviation) of p, equally likely, and the one of q.
PAIRS = {
    "the same": ([(0.0, 1.0)], (0.0, 1.0)),
    "overlapping": ([(-1.0, 1.0)], (1.0, 1.0)),
    "two modes, one missed": ([(-2.0, 0.5), (2.0, 0.5)], (2.0, 0.7)),
    "apart": ([(-3.0, 0.5)], (3.0, 0.5)),
}


def main():
    arguments = studies.options(__doc__, seeds=3)
    steps = 300 if arguments.quick else 6_000
    directory = studies.directory(arguments, "optimal-discriminator")
    results = studies.Results(directory, {"pairs": PAIRS, "steps": steps, "batch": BATCH})
    tasks = {f"{name}/{seed}": (pair, steps, seed) for name, pair in PAIRS.items() for seed in range(arguments.seeds)}
    runs = results.all(train, tasks, arguments.processes)
    print("| densities | JSD | -2 log 2 + 2 JSD | V of the trained D | mean error of D under (p + q) / 2 |")
    print("| --- | --- | --- | --- | --- |")
    figure, axes = studies.figure(1, len(PAIRS), width=13.0)
    for panel, (name, pair) in zip(axes[0], PAIRS.items(), strict=True):
        p, q = densities(pair)
        best = p / (p + q)
        divergence = value(best, p, q) / 2 + np.log(2)
        trained = [np.array(runs[f"{name}/{seed}"]) for seed in range(arguments.seeds)]
        reached = [value(d, p, q) for d in trained]
        errors = [np.sum(np.abs(d - best) * (p + q) / 2) * STEP for d in trained]
        bound = 2 * divergence - 2 * np.log(2)
        print(f"| {name} | {divergence:.4f} | {bound:.4f} | {spread(reached)} | {spread(errors)} |", flush=True)
        draw(panel, name, p, q, best, trained)
    studies.save(figure, directory / "optimal_discriminator.png")


def densities(pair):
    components, (mean, std) = pair
    p = np.mean([scipy.stats.norm.pdf(GRID, *component) for component in components], axis=0)
    # Beyond what a float holds both are 0, and D may be anything.
    return p + 1e-290, scipy.stats.norm.pdf(GRID, mean, std) + 1e-290


def value(d, p, q):
    """V(D) by the sum over the grid."""
    d = np.clip(d, 1e-300, 1.0)
    return float(np.sum(p * np.log(d) + q * np.log(np.maximum(1.0 - d, 1e-300))) * STEP)


def train(pair, steps, seed):
    """D on the grid, after the training."""
    components, (mean, std) = pair
    keras.utils.set_random_seed(seed)
    latents = keras.Input((1,))
    layer = keras.layers.Dense(1)
    generator = keras.Model(latents, layer(latents))
    layer.set_weights([np.full((1, 1), std), np.array([mean])])
    gan = kg.GAN(generator, kg.networks.mlp_discriminator((1,), (64, 64)), seed=seed)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    gan.compile(keras.optimizers.Adam(rate), keras.optimizers.SGD(1e-30))
    means, stds = np.array(components, np.float32).T

    def real(number):
        which = tf.random.stateless_uniform((BATCH,), [seed, number], 0, len(means), tf.int32)
        noise = tf.random.stateless_normal((BATCH,), [seed + 1_000, number])
        return (tf.gather(means, which) + tf.gather(stds, which) * noise)[:, None]

    gan.fit(tf.data.Dataset.range(steps).map(real), epochs=1, verbose=0)
    logits = gan.discriminator.predict(GRID[:, None], batch_size=4_096, verbose=0)[:, 0].astype(np.float64)
    return (1.0 / (1.0 + np.exp(-logits))).tolist()


def spread(values):
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"


def draw(panel, name, p, q, best, trained):
    blue, red, green, _ = studies.COLOURS
    scale = 0.9 / max(p.max(), q.max())
    panel.fill_between(GRID, scale * p, color=blue, alpha=0.18, linewidth=0)
    panel.fill_between(GRID, scale * q, color=red, alpha=0.18, linewidth=0)
    somewhere = np.where(p + q > 1e-4, 1.0, np.nan)
    panel.plot(GRID, somewhere * best, color="black", linewidth=2.6, alpha=0.35, label="p / (p + q)")
    for number, d in enumerate(trained):
        label = "trained D" if not number else None
        panel.plot(GRID, somewhere * d, color=green, linewidth=1.0, label=label)
    panel.set_title(name, fontsize=10)
    panel.set_xlim(-5, 5)
    panel.set_ylim(-0.03, 1.03)
    panel.legend(fontsize=8, frameon=False, loc="upper right")


if __name__ == "__main__":
    main()
