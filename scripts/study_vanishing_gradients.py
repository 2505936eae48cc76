"""Claim 2: between sets that do not meet the minimax gradient vanishes as D gets better; the Wasserstein one does not.

    python scripts/study_vanishing_gradients.py          # about ten minutes on two cores
    python scripts/study_vanishing_gradients.py --quick

The parallel lines of the WGAN paper: real points (0, y), generated ones (theta, y), y uniform on [0, 1]. The generator
has one parameter, theta, and stands still while the discriminator (MLP of 2 x 64) is trained; then the derivative of
the generator's loss by theta is taken. JSD is log 2 whatever theta > 0; the Wasserstein distance is theta.

Reference: Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017, example 1 and figure 2.
"""

import keras
import numpy as np
import studies
import tensorflow as tf

import kerasgan as kg

BATCH, WEIGHT = 256, 10.0
LOSSES = {
    "minimax": (kg.losses.Minimax, ()),
    "non-saturating": (kg.losses.NonSaturating, ()),
    "Wasserstein, gradient penalty": (kg.losses.Wasserstein, (kg.penalties.GradientPenalty(WEIGHT),)),
}


class Line(keras.layers.Layer):
    """Latents (n, 1) -> points (theta, y), y uniform."""

    def __init__(self, theta):
        super().__init__()
        self.start = theta

    def build(self, shape):
        self.theta = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.start), name="theta")

    def call(self, latents):
        y = 0.5 * (1.0 + keras.ops.erf(latents / np.sqrt(2.0)))
        return keras.ops.concatenate([0.0 * y + self.theta, y], axis=-1)


def main():
    arguments = studies.options(__doc__, seeds=3)
    looks = (10, 30) if arguments.quick else (10, 30, 100, 300, 1_000, 3_000)
    thetas = (0.5, 2.0) if arguments.quick else (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
    directory = studies.directory(arguments, "vanishing-gradients")
    results = studies.Results(directory, {"looks": looks, "batch": BATCH, "weight": WEIGHT})
    tasks = {
        f"{loss}/{theta}/{seed}": (loss, theta, looks, seed)
        for loss in LOSSES
        for theta in thetas
        for seed in range(arguments.seeds)
    }
    trained = results.all(train, tasks, arguments.processes)
    gradients, distances = {}, {}
    for loss in LOSSES:
        for theta in thetas:
            runs = [trained[f"{loss}/{theta}/{seed}"] for seed in range(arguments.seeds)]
            gradients[loss, theta] = np.median([run["gradients"] for run in runs], axis=0)
            distances[loss, theta] = float(np.median([run["distance"] for run in runs]))
    print("|d loss / d theta| of the generator, medians over the seeds\n")
    print("| loss | theta | " + " | ".join(f"{look:,} steps of D" for look in looks) + " |")
    print("| --- | --- |" + " --- |" * len(looks))
    for (loss, theta), values in gradients.items():
        print(f"| {loss} | {theta} | " + " | ".join(f"{value:.2g}" for value in values) + " |")
    print("\n| theta = W1 | " + " | ".join(map(str, thetas)) + " |\n| --- |" + " --- |" * len(thetas))
    estimates = [distances["Wasserstein, gradient penalty", theta] for theta in thetas]
    print("| critic's estimate | " + " | ".join(f"{value:.3f}" for value in estimates) + " |")
    print("| θ + θ² / (2 weight) | " + " | ".join(f"{penalized(theta):.3f}" for theta in thetas) + " |")
    draw(directory, looks, thetas, gradients, estimates)


def penalized(theta):
    """What the critic of the penalised objective estimates: the slope s maximises s theta - weight (s - 1)^2."""
    return theta * (1 + theta / (2 * WEIGHT))


def train(loss, theta, looks, seed):
    """Derivatives of the generator's loss after each number of steps; the mean of the critic's estimate at last."""
    keras.utils.set_random_seed(seed)
    latents = keras.Input((1,))
    make, penalties = LOSSES[loss]
    generator = keras.Model(latents, Line(theta)(latents))
    gan = kg.GAN(generator, kg.networks.mlp_discriminator((2,), (64, 64)), loss=make(), penalties=penalties, seed=seed)
    gan.compile(keras.optimizers.Adam(1e-3, 0.5, 0.9), keras.optimizers.SGD(1e-30))

    def real(number):
        y = tf.random.stateless_uniform((BATCH, 1), [seed, number])
        return tf.concat([tf.zeros_like(y), y], axis=1)

    data = tf.data.Dataset.range(looks[-1] + 1).map(real)
    found, noise, done = [], tf.random.stateless_normal((4_096, 1), [seed, 7]), 0
    for look in looks:
        history = gan.fit(data.skip(done), steps_per_epoch=look - done, verbose=0).history
        done = look
        with tf.GradientTape() as tape:
            fake = gan.discriminator(generator(noise))
            value = gan.loss.generator(None, fake)
        found.append(abs(float(tape.gradient(value, generator.trainable_variables[0].value))))
    return {"gradients": found, "distance": history.get("wasserstein", [float("nan")])[-1]}


def draw(directory, looks, thetas, gradients, estimates):
    figure, axes = studies.figure(1, 4, width=14.0)
    for panel, loss in zip(axes[0], LOSSES, strict=False):
        for number, theta in enumerate(thetas):
            shade = 0.25 + 0.75 * number / max(1, len(thetas) - 1)
            panel.loglog(
                looks,
                np.maximum(gradients[loss, theta], 1e-12),
                "o-",
                color=studies.COLOURS[0],
                alpha=shade,
                markersize=3,
                label=f"θ = {theta}",
            )
        panel.set_title(loss, fontsize=10)
        panel.set_ylim(1e-12, 1e3)
        panel.set_xlabel("steps of the discriminator")
    axes[0, 0].set_ylabel("|d loss of the generator / d θ|")
    axes[0, 0].legend(fontsize=7, frameon=False, loc="lower left")
    panel = axes[0, 3]
    panel.plot(thetas, thetas, color="black", alpha=0.35, linewidth=2.6, label="W1 = θ")
    panel.plot(thetas, [penalized(theta) for theta in thetas], ":", color="black", label="θ + θ² / (2 weight)")
    panel.plot(thetas, estimates, "o", color=studies.COLOURS[2], markersize=4, label="the critic's estimate")
    panel.plot(thetas, np.full(len(thetas), np.log(2)), color=studies.COLOURS[1], label="JSD = log 2")
    panel.set_title("distances of the lines", fontsize=10)
    panel.set_xlabel("θ")
    panel.legend(fontsize=8, frameon=False)
    studies.save(figure, directory / "vanishing_gradients.png")


if __name__ == "__main__":
    main()
