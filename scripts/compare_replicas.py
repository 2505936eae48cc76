"""How far two replicas drift from one device, compared with one device after a change in the last place.

    python scripts/compare_replicas.py --units=512 --steps=5,10,20

WGAN-GP with MLPs of three hidden layers trains on the embedded digits (seed 0, batches of 64) on one device, on two
logical CPUs, and on one device from weights with random changes in their last place. Printed is the largest difference
of any weight of the two networks. A leaky rectifier has a kink: adding a sum in another order may move a pre-activation
to its other side, where the derivative differs; softplus has none.
"""

import argparse
import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import kerasgan as kg

SHAPE, LATENT_DIM = (8, 8, 1), 128
ACTIVATIONS = {
    "leaky rectifier": lambda: kg.layers.LeakyReLU(0.2),
    "softplus": lambda: keras.layers.Activation("softplus"),
}
OPTIMIZERS = {
    "SGD, 1e-2": lambda: (keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e-2)),
    "the paper's Adam": lambda: (None, None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=512, help="width of the hidden layers")
    parser.add_argument("--steps", default="5,10,20", help="numbers of steps, with commas")
    arguments = parser.parse_args()

    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    mirrored = kg.distribution.strategy("mirrored")
    print("| activation | optimizers | steps | two replicas | one rounding changed |\n| --- | --- | --- | --- | --- |")
    for activation in ACTIVATIONS:
        for optimizers in OPTIMIZERS:
            for steps in map(int, arguments.steps.split(",")):
                choice = (activation, optimizers, arguments.units, steps)
                one = trained(*choice)
                far = [
                    largest_difference(one, trained(*choice, **other))
                    for other in ({"strategy": mirrored}, {"changed": True})
                ]
                print(f"| {activation} | {optimizers} | {steps} | {far[0]:.1e} | {far[1]:.1e} |", flush=True)


def trained(activation, optimizers, units, steps, strategy=None, changed=False):
    """Weights of both networks after training."""
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        gan = kg.WGANGP(*networks(ACTIVATIONS[activation], units))
        gan.compile(*OPTIMIZERS[optimizers]())
    if changed:
        kernel = gan.discriminator.trainable_variables[0]
        direction = np.random.default_rng(0).choice([-np.inf, np.inf], kernel.shape).astype("float32")
        kernel.assign(np.nextafter(kernel.numpy(), direction))
    gan.fit(kg.datasets.load("digits", 64), steps_per_epoch=steps, verbose=0)
    return [variable.numpy() for network in gan.networks.values() for variable in network.variables]


def networks(activation, units):
    latents, images = keras.Input((LATENT_DIM,)), keras.Input(SHAPE)
    x, y = latents, keras.layers.Flatten()(images)
    for _ in range(3):
        x = activation()(keras.layers.Dense(units, kernel_initializer="he_normal")(x))
        y = activation()(keras.layers.Dense(units, kernel_initializer="he_normal")(y))
    x = keras.layers.Reshape(SHAPE)(keras.layers.Dense(int(np.prod(SHAPE)), "tanh")(x))
    return keras.Model(latents, x), keras.Model(images, keras.layers.Dense(1)(y))


def largest_difference(some, others):
    return max(np.abs(one - other).max() for one, other in zip(some, others, strict=True))


if __name__ == "__main__":
    main()
