"""Claim 5: WGAN-GP trains architectures that a GAN does not.

    python scripts/study_robustness.py          # about an hour on two cores
    python scripts/study_robustness.py --quick

Random MLPs on the embedded digits, generator and discriminator drawn apart: nonlinearity (ReLU, leaky ReLU, tanh,
softplus(2x + 2) / 2 - 1), depth (2, 4, 8, 12), width (32, 64, 128), normalisation or none (batch; in the critic of
WGAN-GP layer). Each is trained once as a GAN and once as WGAN-GP, with the same number of updates of both networks
together: WGAN-GP makes five of the critic for one of the generator. The score of 1,797 images is coverage, which asks
that the digits are real ones and all of them; and, as in the paper, an inception score, of a classifier of the digits,
which noise can have too. Both methods have one rate, 5e-4, that of the package's digits.

Reference: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, section 5 and table 2.
"""

import math

import keras
import numpy as np
import studies
from keras import ops

import kerasgan as kg
from kerasgan.networks import blocks

LATENT_DIM, BATCH, IMAGES, RATE = 32, 64, 1_797, 5e-4
BETAS = {"GAN": (0.5, 0.999), "WGAN-GP": (0.0, 0.9)}
ACTIVATIONS = {
    "relu": lambda: kg.layers.LeakyReLU(0.0),
    "leaky_relu": lambda: kg.layers.LeakyReLU(0.2),
    "tanh": lambda: keras.layers.Activation("tanh"),
    "softplus": lambda: keras.layers.Lambda(lambda x: ops.softplus(2 * x + 2) / 2 - 1),
}
CHOICES = {
    "activation": tuple(ACTIVATIONS),
    "depth": (2, 4, 8, 12),
    "width": (32, 64, 128),
    "normalized": (False, True),
}
UPDATES = 9_000
THRESHOLDS = {"coverage": (0.1, 0.3, 0.5, 0.7, 0.9), "inception_score": (3.0, 5.0, 7.0, 9.0)}


def main():
    arguments = studies.options(__doc__, seeds=40)
    directory = studies.directory(arguments, "robustness")
    updates = 60 if arguments.quick else UPDATES
    classifier = studies.classifier_of("digits", directory, 1 if arguments.quick else None)
    tasks = {
        f"{seed}/{kind}": (kind, seed, updates, classifier)
        for seed in range(arguments.seeds)
        for kind in ("GAN", "WGAN-GP")
    }
    protocol = {
        "choices": CHOICES,
        "latent_dim": LATENT_DIM,
        "updates": updates,
        "rate": RATE,
        "betas": BETAS,
        "batch": BATCH,
        "images": IMAGES,
        "classifier": studies.identifier(classifier),
    }
    results = studies.Results(directory, protocol)
    runs = results.all(train, tasks, arguments.processes)
    for score, thresholds in THRESHOLDS.items():
        print(f"| {score} at least | only GAN | only WGAN-GP | both | neither |\n|{' --- |' * 5}")
        gan, wgan_gp = scores(runs, score, arguments.seeds)
        for threshold in thresholds:
            a, b = gan >= threshold, wgan_gp >= threshold
            print(f"| {threshold} | {sum(a & ~b)} | {sum(b & ~a)} | {sum(a & b)} | {sum(~a & ~b)} |")
        print()
    real = kg.datasets.read("digits").images
    score, _ = kg.metrics.inception_score(kg.metrics.Classifier.load(classifier).logits(real))
    coverage = kg.metrics.expected_coverage(len(real), len(real), 5)
    print(f"real digits: inception score {score:.2f}; a perfect sampler: coverage {coverage:.2f}")
    draw(directory, runs, arguments.seeds)


def scores(runs, score, seeds):
    """Arrays `(seeds,)`, of the GAN and of WGAN-GP."""
    return (np.array([runs[f"{seed}/{kind}"][score] for seed in range(seeds)]) for kind in ("GAN", "WGAN-GP"))


def architecture(seed):
    """Generator's and discriminator's choices."""
    rng = np.random.default_rng(seed)
    return [{name: values[rng.integers(len(values))] for name, values in CHOICES.items()} for _ in range(2)]


def train(kind, seed, updates, classifier):
    made, judged = architecture(seed)
    images = kg.datasets.read("digits").images
    keras.utils.set_random_seed(seed)
    latents, shape = keras.Input((LATENT_DIM,)), images.shape[1:]
    x = keras.layers.Dense(math.prod(shape))(hidden(latents, "batch", **made))
    generator = keras.Model(latents, keras.layers.Activation("tanh")(keras.layers.Reshape(shape)(x)))
    image = keras.Input(shape)
    x = hidden(keras.layers.Flatten()(image), "batch" if kind == "GAN" else "layer", **judged)
    discriminator = keras.Model(image, keras.layers.Dense(1)(x))
    gan = (kg.GAN if kind == "GAN" else kg.WGANGP)(generator, discriminator, seed=seed)
    gan.compile(*(keras.optimizers.Adam(RATE, *BETAS[kind]) for _ in range(2)), jit_compile=True)
    steps = updates // (gan.n_critic + 1)
    gan.fit(kg.datasets.from_arrays(images, batch_size=BATCH, seed=seed), steps_per_epoch=steps, verbose=0)
    fake = gan.generate(IMAGES, seed=0, batch_size=IMAGES)
    result = {"generator": made, "discriminator": judged, "inception_score": 1.0, "coverage": 0.0}
    if np.isfinite(fake).all():  # else the training has broken down
        logits = kg.metrics.Classifier.load(classifier).logits(fake)
        result["inception_score"] = kg.metrics.inception_score(logits)[0]
        real = kg.metrics.pixels(images.astype("float32") / 127.5 - 1)
        result["coverage"] = kg.metrics.prdc(real, kg.metrics.pixels(fake))["coverage"]
    keras.backend.clear_session()
    return result


def hidden(x, normalization, activation, depth, width, normalized):
    for _ in range(depth):
        x = keras.layers.Dense(width, kernel_initializer="he_normal")(x)
        x = ACTIVATIONS[activation]()(blocks.normalize(x, normalization if normalized else None))
    return x


def draw(directory, runs, seeds):
    figure, axes = studies.figure(1, 2, width=8.0, height=3.6)
    for one, score in zip(axes.flat, THRESHOLDS, strict=True):
        gan, wgan_gp = scores(runs, score, seeds)
        one.plot(gan, wgan_gp, "o", color=studies.COLOURS[0], alpha=0.7, markeredgewidth=0)
        limit = (1, 10) if score == "inception_score" else (0, 1)
        one.plot(limit, limit, color="0.6", linewidth=0.8)
        one.set(xlim=limit, ylim=limit, aspect="equal", xlabel="GAN", ylabel="WGAN-GP")
        one.set_title(f"{score.replace('_', ' ')}, one point an architecture", fontsize=9)
    studies.save(figure, directory / "robustness.png")


if __name__ == "__main__":
    main()
