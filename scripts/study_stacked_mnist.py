"""Claim 3, on images: how many of the 1,000 modes of stacked MNIST a GAN reaches.

    python scripts/study_stacked_mnist.py          # about an hour and a half on two cores
    python scripts/study_stacked_mnist.py --kinds=recipe --seeds=3
    python scripts/study_stacked_mnist.py --quick  # the embedded digits, stacked

Three random digits are the colours of one image. All methods but the last have one DCGAN generator (32 filters, 128
latents) and its discriminator, batches of 64 (packs), the rates of their papers falling linearly to zero, and about
half an hour of one core a training, whence the numbers of steps. `recipe` is `kg.recipes.gan`, which `kerasgan train`
takes, for twice its steps. A classifier of single digits tells the mode of each of 26,000 images; a mode is held by
five of them, because a classifier that errs now and then touches modes that were never made.

Reference: Metz et al., Unrolled GANs, 2017; Lin et al., PacGAN, 2018, table 2.
"""

import dataclasses

import keras
import numpy as np
import studies

import kerasgan as kg
from kerasgan.datasets import synthetic

LATENT_DIM, FILTERS, LOGITS, MODES = 128, 32, 64, 1_000
# What is trained, steps, normalisation of the discriminator, and Adam's rate and momenta.
KINDS = {
    "GAN": (kg.GAN, {}, 9_000, "batch", (2e-4, 0.5, 0.999)),
    "GAN with packs of 2": (kg.GAN, {"pack": 2}, 6_000, "batch", (2e-4, 0.5, 0.999)),
    "WGAN-GP": (kg.WGANGP, {}, 2_500, None, (5e-4, 0.0, 0.9)),
    "R3GAN": (kg.R3GAN, {"gamma": 1.0}, 5_000, None, (2e-4, 0.0, 0.9)),
    "recipe": (None, dataclasses.asdict(kg.recipes.IMAGES), 2 * kg.recipes.IMAGES.steps, None, ()),
}


def main():
    parser = studies.parser(__doc__, seeds=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"with commas: {', '.join(KINDS)}")
    arguments = studies.parsed(parser)
    chosen = studies.chosen(parser, "--kinds", arguments.kinds, KINDS)
    directory = studies.directory(arguments, "stacked_mnist")
    name, divisor, count = ("digits", 1_000, 300) if arguments.quick else ("mnist", 1, 26_000)
    classifier = studies.classifier_of(name, directory, epochs=1 if arguments.quick else 4)
    tasks = {
        f"{kind}/{seed}": (kind, seed, name, divisor, count, classifier, str(directory))
        for seed in range(arguments.seeds)
        for kind in chosen
    }
    kinds = {kind: [objective, steps // divisor, *rest] for kind, (_, objective, steps, *rest) in KINDS.items()}
    protocol = {
        "data": name,
        "kinds": kinds,
        "filters": FILTERS,
        "latent_dim": LATENT_DIM,
        "logits": LOGITS,
        "count": count,
        "classifier": studies.identifier(classifier),
    }
    results = studies.Results(directory, protocol)
    runs = results.all(train, tasks, arguments.processes)
    print("| | steps | modes of 1,000 | held | KL |\n| --- | --- | --- | --- | --- |")
    for kind in chosen:
        trained = [runs[f"{kind}/{seed}"] for seed in range(arguments.seeds)]
        cells = [studies.cell([run[key] for run in trained]) for key in ("modes", "modes_held", "kl")]
        print(f"| {kind} | {KINDS[kind][2] // divisor:,} | {' | '.join(cells)} |")
    real = measured(data(name, count, seed=1), classifier)
    print(f"| real | | {real['modes']} | {real['modes_held']} | {real['kl']:.3f} |\n")
    if not arguments.quick:  # the digits have no test split
        test = kg.datasets.read(name, split="test")
        right = (kg.metrics.Classifier.load(classifier).classes(test.images) == test.labels).mean()
        print(f"The classifier is right on {right:.2%} of the test images.")
    studies.save_sheet(directory, "stacked_mnist", {}, chosen)


def data(name, count, seed=0):
    """Stacked images, uint8."""
    return synthetic.stacked(kg.datasets.read(name), count, seed)[0]


def train(kind, seed, name, divisor, count, classifier, directory):
    images, steps = data(name, 128_000 // divisor), KINDS[kind][2] // divisor
    gan, batch_size = model(kind, images, steps, seed)
    gan.fit(kg.datasets.from_arrays(images, batch_size=batch_size, seed=seed), steps_per_epoch=steps, verbose=0)
    fake = kg.images.as_saved(gan.generate(count, seed=0, batch_size=500))
    if seed == 0:
        np.savez_compressed(f"{directory}/{kind}.npz", images=fake[:64])
    return measured(fake, classifier)


def model(kind, images, steps, seed):
    """A compiled model, and the size of its batches."""
    make, objective, _, normalization, settings = KINDS[kind]
    shape, pack = images.shape[1:], objective.get("pack", 1)
    if make is None:
        return kg.recipes.gan(shape, len(images), steps=steps, seed=seed), kg.recipes.IMAGES.batch_size
    rate, *betas = settings
    keras.utils.set_random_seed(seed)
    generator = kg.networks.dcgan_generator(shape, LATENT_DIM, FILTERS)
    discriminator = kg.networks.dcgan_discriminator((*shape[:2], 3 * pack), FILTERS, normalization)
    gan = make(generator, discriminator, **objective, ema_momentum=0.999, seed=seed)
    rates = kg.optimization.linear_decays(rate, steps, gan.n_critic)
    gan.compile(*(keras.optimizers.Adam(one, *betas) for one in rates))
    return gan, LOGITS * pack


def measured(images, classifier):
    classifier = kg.metrics.Classifier.load(classifier)
    red, green, blue = (classifier.classes(images[..., channel, None]) for channel in range(3))
    return kg.metrics.mode_coverage_of_labels(100 * red + 10 * green + blue, MODES)


if __name__ == "__main__":
    main()
