"""Scores a finished run against the real images it was trained on.

    python scripts/score_run.py runs/digits-wgan_gp-1 [more runs]

As many samples as real images, at most 10,000 of each: precision, recall, density and coverage in pixels, k = 5, from
the package `prdc`; the energy at the highest frequency, where a checkerboard shows; and how far the pixels at the worst
place stand out from their neighbours, where a generator leaves dots in each image. Where there are labels and a test
split, also the share of each class, and that of images whose largest probability is below 0.9, beside real ones of
the test split (for digits, all of them); of a model that generates by class, how often it is the class asked for. The
classifier is 5 nearest neighbours in pixels for digits, otherwise a small convolutional network trained here on the
labelled training images; its accuracy on the test split is printed.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import scipy.ndimage
from prdc import compute_prdc
from sklearn.neighbors import KNeighborsClassifier

import kerasgan as kg
from kerasgan.cli import configuration as configurations
from kerasgan.cli.settings import DATASET_OPTIONS

_MOST = 10_000
_EPOCHS = 8  # of the classifier
_SURE = 0.9


def classifier(name, real, labels):
    """Returns a function from images to probabilities, its accuracy on held-out images, and such images."""
    if name == "digits":
        flat = real.reshape(len(real), -1)
        half = KNeighborsClassifier(5).fit(flat[::2], labels[::2]).score(flat[1::2], labels[1::2])
        neighbours = KNeighborsClassifier(5).fit(flat, labels)
        return lambda images: neighbours.predict_proba(images.reshape(len(images), -1)), half, real
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential([keras.Input(real.shape[1:])])
    for filters in (32, 64):
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.BatchNormalization())
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    network.add(layers.Dropout(0.4))
    network.add(layers.Dense(int(labels.max()) + 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, _EPOCHS * len(real) // 128)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    network.fit(real, labels, batch_size=128, epochs=_EPOCHS, verbose=2)
    test = kg.datasets.read(name, split="test")
    held_out = scaled(test.images)
    _, accuracy = network.evaluate(held_out, test.labels, verbose=0)
    softmax = keras.Sequential([network, layers.Softmax()])
    return lambda images: softmax.predict(images, verbose=0), accuracy, held_out


def nyquist(images):
    """Mean energy of the frequencies at which neighbouring rows, or columns, alternate: a checkerboard's."""
    spectrum = np.abs(np.fft.fft2(images, axes=(1, 2))) ** 2
    middle = [size // 2 for size in images.shape[1:3]]
    return (spectrum[:, middle[0]].mean() + spectrum[:, :, middle[1]].mean()) / 2


def dots(images):
    """How far pixels stand out from the median of their 3 x 3 neighbours: at the worst place, over the mean of all."""
    distances = np.abs(images - scipy.ndimage.median_filter(images, size=(1, 3, 3, 1))).mean(axis=(0, 3))
    return distances.max() / distances.mean()


def scaled(images):
    return images.astype("float32") / 127.5 - 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdir", nargs="+", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0, help="for the samples")
    arguments = parser.parse_args()
    classify = accuracy = held_out = None
    for workdir in arguments.workdir:
        configuration = configurations.read(workdir / "config.json")
        name = configuration.dataset
        source = kg.datasets.read(name, **{option: getattr(configuration, option) for option in DATASET_OPTIONS})
        if classify is None and source.labels is not None and not pathlib.Path(name).is_dir():
            classify, accuracy, held_out = classifier(name, scaled(source.images), source.labels)
        count = min(_MOST, source.num_examples)
        chosen = np.random.default_rng(0).permutation(source.num_examples)[:count]
        model = keras.models.load_model(workdir / "model.keras")
        # As a file would store them.
        fake = scaled(kg.images.as_saved(model.generate(count, seed=arguments.seed)))
        real = scaled(source.images[chosen])
        values = compute_prdc(real.reshape(count, -1), fake.reshape(count, -1), nearest_k=5)
        print(f"{workdir}: {count:,} samples against {count:,} real, pixels, k = 5")
        print("  " + "   ".join(f"{key} {value:.3f}" for key, value in values.items()))
        print(f"  energy at the highest frequency {nyquist(fake) / nyquist(real):.2f} times that of the real ones")
        print(
            f"  pixels that stand out {dots(fake):.2f} times as far at the worst place; of real images {dots(real):.2f}"
        )
        if classify is not None:
            probabilities, of_real = classify(fake), classify(held_out)
            classes = probabilities.argmax(axis=-1)
            shares = np.bincount(classes, minlength=source.num_classes) / count
            print(f"  classes {' '.join(f'{share:.1%}' for share in shares)}   (classifier: {accuracy:.2%} held out)")
            unclear = [(one.max(axis=-1) < _SURE).mean() for one in (probabilities, of_real)]
            print(f"  unclear {unclear[0]:.1%}, of real images {unclear[1]:.1%}")
            if model.conditional:
                asked = np.arange(count) % model.num_classes
                print(f"  as asked {(classes == asked).mean():.1%}")


if __name__ == "__main__":
    main()
