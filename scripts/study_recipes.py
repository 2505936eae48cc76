"""Which settings make the best pictures of the same minutes, and with how many images?

    python scripts/study_recipes.py                                    # a day on two cores
    python scripts/study_recipes.py --datasets=mnist,photos@32 --recipes=r3gan,wgan_gp --minutes=5 --seeds=1
    python scripts/study_recipes.py --datasets=mnist,cifar10 --images=1000 --recipes="r3gan,r3gan augmented"
    python scripts/study_recipes.py --quick

Every recipe gets the same minutes of one core. A few steps tell how many steps those are, and it is trained for that
many, with its learning rate decaying to zero. Networks: DCGAN with 32 filters next to the image, batch normalisation in
the generator, an average of its weights with momentum 0.999. A data set is a name or a folder, then `@` and a number of
pixels; `--images` trains on so many of it. Measured on 2,000 images (at most a fifth) that the GAN is not trained on,
in features of a classifier, which has seen all of the data: FD, coverage, density, and the share of images whose
largest probability is below 0.9, beside that of real ones.
"""

import dataclasses
import functools
import pathlib
import time

import keras
import numpy as np
import studies
import tensorflow as tf

import kerasgan as kg

DATASETS = "mnist,fashion_mnist,cifar10"
FILTERS, LATENT_DIM, MOMENTUM, HELD_OUT = 32, 64, 0.999, 2_000
PROBED = 10, 40  # steps that trace and warm up, steps that are timed
ALL = ("color", "translation", "cutout")


@dataclasses.dataclass(frozen=True)
class Recipe:
    loss: kg.losses.AdversarialLoss
    penalties: tuple[kg.penalties.Penalty, ...] = ()
    n_critic: int = 1
    normalization: str | None = None  # in the discriminator
    rate: float = 5e-4
    policy: tuple[str, ...] = ()  # of the augmentation
    probability: float = 1.0
    blur: bool = False
    skips: bool = False
    by_class: bool = False
    batch: int = 64
    precision: str = "float32"


_IMAGES = kg.recipes.IMAGES
_WGAN_GP = Recipe(kg.losses.Wasserstein(), (kg.penalties.GradientPenalty(10.0),), n_critic=5)
_HINGE = Recipe(kg.losses.Hinge(), normalization="spectral")
_R3GAN = Recipe(kg.losses.Relativistic(), (kg.penalties.R1(_IMAGES.gamma), kg.penalties.R2(_IMAGES.gamma)))
_with = dataclasses.replace
_DEFAULT = _with(_R3GAN, rate=_IMAGES.learning_rate, blur=_IMAGES.blur, by_class=True, batch=_IMAGES.batch_size)
RECIPES = {
    "wgan_gp": _with(_WGAN_GP, rate=1e-4),
    "wgan_gp 5e-4": _WGAN_GP,
    "wgan_gp 5e-4 lazy": _with(_WGAN_GP, penalties=(kg.penalties.GradientPenalty(10.0, every=5),)),
    "gan + r1": Recipe(kg.losses.NonSaturating(), (kg.penalties.R1(0.5),)),
    "hinge + spectral": _HINGE,
    "r3gan": _R3GAN,
    "r3gan 1e-3": _with(_R3GAN, rate=1e-3),
    "r3gan blurred": _with(_R3GAN, blur=True),
    "r3gan by class": _with(_R3GAN, by_class=True),
    "r3gan augmented": _with(_R3GAN, policy=ALL),
    "r3gan blurred by class": _with(_R3GAN, blur=True, by_class=True),
    "default": _DEFAULT,
    "default skips": _with(_DEFAULT, skips=True),
    "default augmented": _with(_DEFAULT, policy=ALL),
    "default for few": _with(_DEFAULT, policy=_IMAGES.policy(1_000, 3), skips=True),
    "default translated": _with(_DEFAULT, policy=("translation",)),
    "default translated and cut": _with(_DEFAULT, policy=("translation", "cutout")),
    "default translated and cut at half": _with(_DEFAULT, policy=("translation", "cutout"), probability=0.5),
    "default mixed_bfloat16": _with(_DEFAULT, precision="mixed_bfloat16"),
    "hinge + spectral augmented": _with(_HINGE, policy=ALL),
}


def main():
    parser = studies.parser(__doc__, seeds=3)
    parser.add_argument("--datasets", default=DATASETS, help="names or folders, NAME or NAME@PIXELS, with commas")
    parser.add_argument("--recipes", default=",".join(RECIPES), help=f"with commas: {', '.join(RECIPES)}")
    parser.add_argument("--images", type=int, help="how many to train on; by default all that are not held out")
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core for each run; 10 by default")
    arguments = studies.parsed(parser)
    if arguments.quick:
        arguments.datasets, arguments.recipes, arguments.minutes = (
            "digits",
            "r3gan blurred by class,r3gan augmented",
            0.02,
        )
    directory = studies.directory(arguments, "recipes")
    names, recipes = arguments.datasets.split(","), studies.chosen(parser, "--recipes", arguments.recipes, RECIPES)
    classifiers = {
        name: studies.classifier_of(name, directory, 1 if arguments.quick else None, read=read) for name in names
    }
    tasks = {
        f"{name}/{recipe}/{seed}": (
            name,
            recipe,
            seed,
            arguments.minutes,
            arguments.images,
            classifiers[name],
            directory,
        )
        for seed in range(arguments.seeds)
        for name in names
        for recipe in recipes
    }
    protocol = {
        "minutes": arguments.minutes,
        "images": arguments.images,
        "settings": settings(classifiers),
    }
    values = studies.Results(directory, protocol).all(train, tasks, arguments.processes)
    for name in names:
        print(f"\n{name}: {arguments.minutes:g} minutes of one core, {arguments.seeds} seeds, mean (least to most)\n")
        print("| recipe | steps | FD | coverage | density | unclear |\n| --- | --- | --- | --- | --- | --- |")
        for recipe in recipes:
            runs = [values[f"{name}/{recipe}/{seed}"] for seed in range(arguments.seeds)]
            cells = [
                studies.cell([run[key] for run in runs]) for key in ("steps", "fd", "coverage", "density", "unclear")
            ]
            print(f"| {recipe} | {' | '.join(cells)} |")
        print(f"unclear among real images: {values[f'{name}/{recipes[0]}/0']['unclear_real']:.3f}")
    draw(directory, names, recipes, values, arguments.seeds)


def draw(directory, names, recipes, values, seeds):
    """One panel for each data set: FD of every run by recipe."""
    figure, axes = studies.figure(1, len(names), height=1.0 + 0.3 * len(recipes))
    for name, panel in zip(names, axes[0], strict=True):
        for row, recipe in enumerate(recipes):
            runs = [values[f"{name}/{recipe}/{seed}"]["fd"] for seed in range(seeds)]
            panel.plot(runs, [row] * seeds, "o", color=studies.COLOURS[0])
        panel.set(title=pathlib.Path(name).name, xlabel="FD to held-out images", xscale="log", ylim=(len(recipes), -1))
        panel.set_yticks(range(len(recipes)), recipes if panel is axes[0, 0] else [])
    studies.save(figure, directory / "recipes.png")


def settings(classifiers):
    """What results depend on, for their protocol; `classifiers` are paths by data set."""
    objectives = {name: {"loss": repr(one.loss), "penalties": repr(one.penalties)} for name, one in RECIPES.items()}
    recipes = {name: dataclasses.asdict(recipe) | objectives[name] for name, recipe in RECIPES.items()}
    judges = {name: studies.identifier(path) for name, path in classifiers.items()}
    constants = {"networks": [FILTERS, LATENT_DIM, MOMENTUM], "held_out": HELD_OUT, "probed": PROBED}
    return recipes | constants | {"classifiers": judges}


@functools.cache
def read(name):
    """The source of `NAME` or `NAME@PIXELS`."""
    name, _, size = name.partition("@")
    return kg.datasets.read(name, image_size=int(size) if size else None)


@functools.cache
def divided(name):
    """Indices of the images that may be trained on, and of those held out."""
    order = np.random.default_rng(0).permutation(read(name).num_examples)
    held_out, rest = np.split(order, [min(HELD_OUT, len(order) // 5)])
    return rest, held_out


def model(name, recipe, seed, steps):
    """A compiled model whose rate decays to zero in this many steps."""
    source, recipe = read(name), RECIPES[recipe]
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(recipe.precision)
    labels = {"num_classes": source.num_classes} if recipe.by_class else {}
    shape = source.example_shape
    networks = (
        kg.networks.dcgan_generator(shape, LATENT_DIM, FILTERS, blur=recipe.blur, skips=recipe.skips, **labels),
        kg.networks.dcgan_discriminator(shape, FILTERS, recipe.normalization, **labels),
    )
    augment = kg.augmentations.DiffAugment(recipe.policy, recipe.probability) if recipe.policy else None
    objective = recipe.loss, recipe.penalties, None, recipe.n_critic
    gan = kg.GAN(*networks, *objective, ema_momentum=MOMENTUM, seed=seed, augment=augment)
    rates = kg.optimization.linear_decays(recipe.rate, steps, gan.n_critic)
    gan.compile(*(kg.optimization.adam(rate, 0.0, 0.9) for rate in rates))
    return gan


def data(name, recipe, seed, rows):
    """Endless batches of these images, with labels where the recipe uses them."""
    source = read(name)
    recipe = RECIPES[recipe]
    labels = source.labels[rows] if recipe.by_class else None
    return kg.datasets.from_arrays(source.images[rows], labels, batch_size=recipe.batch, seed=seed)


def train(name, recipe, seed, minutes, num_images, classifier, directory):
    """Trains for as many steps as these minutes of one core allow; returns what `train_for` does."""
    batches, probe = data(name, recipe, seed, divided(name)[0][:num_images]), model(name, recipe, seed, 1_000)
    probe.fit(batches, steps_per_epoch=PROBED[0], verbose=0)
    begun = time.process_time()
    probe.fit(batches, steps_per_epoch=PROBED[1], verbose=0)
    steps = max(2, int(minutes * 60 * PROBED[1] / (time.process_time() - begun)))
    return train_for(steps, name, recipe, seed, num_images, classifier, directory)


def train_for(steps, name, recipe, seed, num_images, classifier, directory):
    """Trains for this many steps on this many images, and measures the model on those held out."""
    rows, held_out = divided(name)
    rows = rows[:num_images]
    gan = model(name, recipe, seed, steps)
    begun = time.process_time()
    gan.fit(data(name, recipe, seed, rows), steps_per_epoch=steps, verbose=0)
    seconds = time.process_time() - begun
    values = measured(gan, name, rows[:HELD_OUT], held_out, kg.metrics.Classifier.load(classifier))
    stem = f"{pathlib.Path(name).name}-{recipe}-{len(rows)}-{seed}".replace(" ", "_")
    picture = directory / "pictures" / f"{stem}.png"
    picture.parent.mkdir(exist_ok=True)
    kg.images.save_picture(picture, kg.images.grid(gan.generate(64, seed=0), columns=8))
    keras.backend.clear_session()
    return {"steps": steps, "seconds": seconds, **values}


def measured(gan, name, rows, held_out, classifier):
    """Distances to held-out images, and how far the discriminator tells those from the ones it was trained on.

    gap = (mean D(trained) - mean D(held out)) / (mean D(trained) - mean D(generated)),  0: not at all, 1: wholly
    """
    source = read(name)
    asked = [source.labels[some] if gan.conditional else None for some in (rows, held_out)]
    trained, real = (source.images[some].astype("float32") / 127.5 - 1 for some in (rows, held_out))
    fake = gan.generate(len(real), labels=asked[1], seed=0)
    inputs = (trained, asked[0]), (real, asked[1]), (fake, asked[1])
    of_trained, of_real, of_fake = (
        np.mean(gan.discriminator.predict(images if labels is None else [images, labels], verbose=0))
        for images, labels in inputs
    )
    features = classifier(real), classifier(fake)
    unclear = [float(np.mean(_certainty(classifier, images) < 0.9)) for images in (real, fake)]
    neighbours = kg.metrics.prdc(*features)
    return {
        "fd": float(kg.metrics.frechet_distance(*features)),
        "coverage": neighbours["coverage"],
        "density": neighbours["density"],
        "unclear_real": unclear[0],
        "unclear": unclear[1],
        "gap": float((of_trained - of_real) / (of_trained - of_fake)),
    }


def _certainty(classifier, images):
    return tf.nn.softmax(classifier.logits(images)).numpy().max(axis=1)


if __name__ == "__main__":
    main()
