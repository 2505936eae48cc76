"""Which settings make the best pictures of the same minutes?

    python scripts/study_recipes.py                                    # six hours on two cores
    python scripts/study_recipes.py --datasets=mnist,photos@32 --recipes=r3gan,wgan_gp --minutes=5 --seeds=1
    python scripts/study_recipes.py --quick

Every recipe gets the same minutes of one core, first for a few steps that tell how many steps those are; then it is
trained for that many, with its learning rate decaying to zero. Networks: DCGAN with 32 filters beside the image, batch
normalisation in the generator, an average of its weights with momentum 0.999. A data set is a name or a folder, then
`@` and a number of pixels. Measured on images that the discriminator has not seen where the data have a test split,
in features of a classifier of the data: FD, coverage, density, and the share of images whose largest probability is
below 0.9, beside that of real ones.
"""

import functools
import pathlib
import time

import keras
import numpy as np
import studies
import tensorflow as tf

import kerasgan as kg

DATASETS = "digits,mnist,fashion_mnist,cifar10"
FILTERS, LATENT_DIM, BATCH, MOMENTUM, IMAGES = 32, 128, 64, 0.999, 2_000
PROBED = 6, 10  # steps that trace and warm up, steps that are timed
ALL = ("color", "translation", "cutout")


def _gan(loss, penalties, *networks, **kwargs):
    return kg.GAN(*networks, loss, penalties, **kwargs)


def _r3gan(gamma):
    return lambda *networks, **kwargs: kg.R3GAN(*networks, gamma=gamma, **kwargs)


def _wgan_gp(*networks, **kwargs):
    return kg.WGANGP(*networks, **kwargs)


_R1 = functools.partial(_gan, kg.losses.NonSaturating(), [kg.penalties.R1(0.5)])
_HINGE = functools.partial(_gan, kg.losses.Hinge(), [])
# Model, normalisation of the discriminator, learning rate, beta_1, beta_2, policy of the augmentation,
# whether the generator blurs what it upsamples.
RECIPES = {
    "wgan_gp": (_wgan_gp, None, 1e-4, 0.0, 0.9, (), False),
    "wgan_gp 5e-4": (_wgan_gp, None, 5e-4, 0.0, 0.9, (), False),
    "wgan_gp 5e-4 augmented": (_wgan_gp, None, 5e-4, 0.0, 0.9, ALL, False),
    "r3gan": (_r3gan(0.5), None, 5e-4, 0.0, 0.9, (), False),
    "r3gan augmented": (_r3gan(0.5), None, 5e-4, 0.0, 0.9, ALL, False),
    "r3gan augmented blurred": (_r3gan(0.5), None, 5e-4, 0.0, 0.9, ALL, True),
    "r3gan blurred": (_r3gan(0.5), None, 5e-4, 0.0, 0.9, (), True),
    "r3gan 1e-3 augmented": (_r3gan(0.5), None, 1e-3, 0.0, 0.9, ALL, False),
    "gan + r1": (_R1, None, 5e-4, 0.0, 0.9, (), False),
    "gan + r1 augmented": (_R1, None, 5e-4, 0.0, 0.9, ALL, False),
    "hinge + spectral": (_HINGE, "spectral", 5e-4, 0.0, 0.9, (), False),
    "hinge + spectral augmented": (_HINGE, "spectral", 5e-4, 0.0, 0.9, ALL, False),
}


def main():
    parser = studies.parser(__doc__, seeds=3)
    parser.add_argument("--datasets", default=DATASETS, help="names or folders, NAME or NAME@PIXELS, with commas")
    parser.add_argument("--recipes", default=",".join(RECIPES), help=f"with commas: {', '.join(RECIPES)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core for each run; 10 by default")
    arguments = studies.parsed(parser)
    if arguments.quick:
        arguments.datasets, arguments.recipes, arguments.minutes = "digits", "r3gan augmented", 0.02
    directory = studies.directory(arguments, "recipes")
    names, recipes = arguments.datasets.split(","), arguments.recipes.split(",")
    classifiers = {
        name: studies.classifier_of(name, directory, 1 if arguments.quick else None, read=read) for name in names
    }
    tasks = {
        f"{name}/{recipe}/{seed}": (name, recipe, seed, arguments.minutes, classifiers[name], directory)
        for seed in range(arguments.seeds)
        for name in names
        for recipe in recipes
    }
    settings = {name: recipe[1:] for name, recipe in RECIPES.items()}
    protocol = {"minutes": arguments.minutes, "settings": settings, "networks": [FILTERS, LATENT_DIM, BATCH, MOMENTUM]}
    values = studies.Results(directory, protocol).all(train, tasks, arguments.processes)
    for name in names:
        print(f"\n{name}: {arguments.minutes:g} minutes of one core, {arguments.seeds} seeds, mean (least, most)\n")
        print("| recipe | steps | FD | coverage | density | unclear |\n| --- | --- | --- | --- | --- | --- |")
        for recipe in recipes:
            runs = [values[f"{name}/{recipe}/{seed}"] for seed in range(arguments.seeds)]
            cells = [_cell([run[key] for run in runs]) for key in ("steps", "fd", "coverage", "density", "unclear")]
            print(f"| {recipe} | {' | '.join(cells)} |")
        print(f"unclear among real images: {values[f'{name}/{recipes[0]}/0']['unclear_real']:.3f}")


def _cell(values):
    shown = f"{np.mean(values):.3g}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.3g}, {max(values):.3g})"


@functools.cache
def read(name):
    """The source of `NAME` or `NAME@PIXELS`."""
    name, _, size = name.partition("@")
    return kg.datasets.read(name, image_size=int(size) if size else None)


def model(recipe, shape, seed, steps):
    """A compiled model whose rate decays to zero in this many steps."""
    make, normalization, rate, beta_1, beta_2, policy, blur = RECIPES[recipe]
    keras.utils.set_random_seed(seed)
    networks = (
        kg.networks.dcgan_generator(shape, LATENT_DIM, FILTERS, blur=blur),
        kg.networks.dcgan_discriminator(shape, FILTERS, normalization),
    )
    augment = kg.augmentations.DiffAugment(policy) if policy else None
    gan = make(*networks, ema_momentum=MOMENTUM, seed=seed, augment=augment)
    decays = [
        keras.optimizers.schedules.PolynomialDecay(rate, updates, end_learning_rate=0.0)
        for updates in (steps * gan.n_critic, steps)
    ]
    gan.compile(*(kg.optimization.adam(decay, beta_1, beta_2) for decay in decays))
    return gan


def train(name, recipe, seed, minutes, classifier, directory):
    source = read(name)
    shape, data = source.example_shape, kg.datasets.from_arrays(source.images, batch_size=BATCH, seed=seed)
    probe = model(recipe, shape, seed, 1_000)
    probe.fit(data, steps_per_epoch=PROBED[0], verbose=0)
    begun = time.process_time()
    probe.fit(data, steps_per_epoch=PROBED[1], verbose=0)
    steps = max(2, int(minutes * 60 * PROBED[1] / (time.process_time() - begun)))
    gan = model(recipe, shape, seed, steps)
    begun = time.process_time()
    gan.fit(data, steps_per_epoch=steps, verbose=0)
    seconds = time.process_time() - begun
    rows = np.random.default_rng(0).permutation(source.num_examples)
    real = source.images[rows[:IMAGES]].astype("float32") / 127.5 - 1
    fake = gan.generate(len(real), seed=0)
    extractor = kg.metrics.Classifier.load(classifier)
    features = extractor(real), extractor(fake)
    stem = f"{pathlib.Path(name).name}-{recipe}-{seed}".replace(" ", "_")
    kg.images.save_picture(directory / f"{stem}.png", kg.images.grid(fake[:64], columns=8))
    keras.backend.clear_session()
    unclear = [float(np.mean(_certainty(extractor, one) < 0.9)) for one in (real, fake)]
    values = kg.metrics.prdc(*features)
    return {
        "steps": steps,
        "seconds": seconds,
        "fd": float(kg.metrics.frechet_distance(*features)),
        "coverage": values["coverage"],
        "density": values["density"],
        "unclear_real": unclear[0],
        "unclear": unclear[1],
    }


def _certainty(classifier, images):
    return tf.nn.softmax(classifier.logits(images)).numpy().max(axis=1)


if __name__ == "__main__":
    main()
