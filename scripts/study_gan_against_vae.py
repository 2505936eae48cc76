"""Claim 6: a GAN's samples are sharper than a VAE's, which covers more, and compresses.

    python scripts/study_gan_against_vae.py          # MNIST, about forty minutes on two cores
    python scripts/study_gan_against_vae.py --quick  # the embedded digits

The VAE's decoder and the GANs' generators are one DCGAN network (16 filters, 64 latents); its encoder and their
discriminators are the same trunk, with batch normalisation but in the critic of WGAN-GP. Batches of 64; each method
has its own rate, which falls linearly to zero, and no average of weights. From the VAE come the decoder's means for
latents of the prior. All is measured on 2,000 generated images, as a saved picture holds them, and as many held-out
ones, in features of a classifier of the digits. Edge energy is the mean square of the Laplacian over that of real
images: below 1 are blurred ones, but noise raises it.

Reference: Goodfellow et al., 2014; Kingma and Welling, 2013; Naeem et al., 2020 (density and coverage).
"""

import keras
import numpy as np
import scipy.ndimage
import studies

import kerasgan as kg

LATENT_DIM, FILTERS, BATCH, COUNT = 64, 16, 64, 2_000
# What is trained, for how many steps, by Adam with which rate and momenta.
KINDS = {
    "VAE": (
        lambda networks, seed: kg.VAE(networks["encoder"], networks["generator"], seed=seed),
        4_000,
        (1e-3, 0.9, 0.999),
    ),
    "GAN": (lambda networks, seed: kg.GAN(*adversaries(networks, "batch"), seed=seed), 4_000, (2e-4, 0.5, 0.999)),
    "WGAN-GP": (lambda networks, seed: kg.WGANGP(*adversaries(networks), seed=seed), 2_000, (5e-4, 0.0, 0.9)),
}
COLUMNS = ("edge energy", "precision", "recall", "density", "coverage", "FD", "rarest class")


def main():
    arguments = studies.options(__doc__, seeds=3)
    directory = studies.directory(arguments, "gan_against_vae")
    name, divisor, count = ("digits", 200, 200) if arguments.quick else ("mnist", 1, COUNT)
    classifier = studies.classifier_of(name, directory, epochs=1)
    common = (name, divisor, count, classifier, str(directory))
    tasks = {f"{kind}/{seed}": (kind, seed, *common) for seed in range(arguments.seeds) for kind in KINDS}
    protocol = {"data": name, "kinds": {kind: [steps // divisor, adam] for kind, (_, steps, adam) in KINDS.items()}}
    networks = {"filters": FILTERS, "latent_dim": LATENT_DIM}
    measure = {"count": count, "classifier": studies.identifier(classifier)}
    results = studies.Results(directory, {**protocol, **networks, "batch": BATCH, **measure})
    runs = results.all(train, tasks, arguments.processes)
    real = measured(*halves(name, count), classifier)
    print(f"| | {' | '.join(COLUMNS)} | reconstruction |\n|{' --- |' * (len(COLUMNS) + 2)}")
    for kind in KINDS:
        trained = [runs[f"{kind}/{seed}"] for seed in range(arguments.seeds)]
        cells = [studies.cell([run["values"][column] for run in trained]) for column in COLUMNS]
        error = studies.cell([run["reconstruction"] for run in trained]) if kind == "VAE" else "none"
        print(f"| {kind} | {' | '.join(cells)} | {error} |")
    print(f"| real | {' | '.join(f'{real[column]:.3g}' for column in COLUMNS)} | |\n")
    studies.save_sheet(directory, "gan_against_vae", {"real": kg.datasets.read(name).images[:64]}, KINDS)


def adversaries(networks, normalization=None):
    discriminator = kg.networks.dcgan_discriminator(networks["generator"].output_shape[1:], FILTERS, normalization)
    return networks["generator"], discriminator


def halves(name, count):
    """Real images to compare with, and others of them; floats in [-1, 1]."""
    images = kg.datasets.read(name, split="train" if name == "digits" else "test").images[: 2 * count]
    images = images.astype("float32") / 127.5 - 1
    return images[:count], images[count:]


def train(kind, seed, name, divisor, count, classifier, directory):
    source = kg.datasets.read(name)
    shape = source.example_shape
    keras.utils.set_random_seed(seed)
    networks = {
        "generator": kg.networks.dcgan_generator(shape, LATENT_DIM, FILTERS),
        "encoder": kg.networks.dcgan_encoder(shape, LATENT_DIM, FILTERS),
    }
    make, steps, (rate, *betas) = KINDS[kind]
    model, steps = make(networks, seed), steps // divisor
    rates = kg.optimization.linear_decays(rate, steps, model.batches_per_step)
    model.compile(*(keras.optimizers.Adam(one, *betas) for one in (rates[1:] if kind == "VAE" else rates)))
    dataset = kg.datasets.from_arrays(source.images, batch_size=BATCH, seed=seed)
    model.fit(dataset, steps_per_epoch=steps, verbose=0)
    real, _ = halves(name, count)
    fake = kg.images.as_saved(model.generate(count, seed=0))
    if seed == 0:
        np.savez_compressed(f"{directory}/{kind}.npz", images=fake[:64])
    fake = fake.astype("float32") / 127.5 - 1
    error = None
    if kind == "VAE":  # root mean square in [-1, 1], through the means of the latents
        means = model.encoder.predict(real, verbose=0)[:, :LATENT_DIM]
        error = float(np.sqrt(np.mean((model.predict(means, verbose=0) - real) ** 2)))
    return {"values": measured(real, fake, classifier), "reconstruction": error}


def measured(real, fake, classifier):
    classifier = kg.metrics.Classifier.load(classifier)
    a, b = classifier(real), classifier(fake)
    shares = np.bincount(classifier.classes(fake), minlength=10) / len(fake)
    return {
        "edge energy": edge_energy(fake) / edge_energy(real),
        **kg.metrics.prdc(a, b),
        "FD": kg.metrics.frechet_distance(a, b),
        "rarest class": float(shares.min()),
    }


def edge_energy(images):
    """Mean square of the Laplacian over the image."""
    edges = scipy.ndimage.laplace(images.astype("float64"), axes=(1, 2))
    return float(np.mean(edges**2))


if __name__ == "__main__":
    main()
