"""What the products of accelerators do to a gradient penalty, on this CPU.

    pip install -e ".[tpu]"
    python scripts/compare_products.py --steps=0,100,1000

By default a TPU rounds the factors of float32 products to bfloat16 (8 bits of significand), an NVIDIA GPU to TF32 (11
bits); sums stay float32. Here the factors of every product and convolution of the penalty and of its gradient are
rounded so, of WGAN-GP on the embedded digits (seed 0, batches of 64), after some steps of training in float32. Printed
are the penalty, the mean norm that it is about, the norm of the error of its gradient over that of the gradient, and
the cosine between the two.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import numpy as np
import programs
import steps
import tensorflow as tf

import kerasgan as kg
from kerasgan import optimization

PRODUCTS = {"float32": None, "TF32": (8, 10), "bfloat16": (8, 7)}  # bits of exponent and of fraction


def penalty(model, real, fake, noise):
    """The penalty, the mean norm, and the penalty's gradient, in one list."""
    with tf.GradientTape() as tape:
        value, norms = model.penalties[0](lambda x: model.discriminator(x, training=True), real, fake, noise)
    gradients = optimization.gradients(tape, value, model.discriminator.trainable_variables)
    return [value, tf.reduce_mean(norms), *(one for one in gradients if one is not None)]


def outcomes(model, data):
    """Penalty, mean norm and flat gradient in float64, by kind of product."""
    function = tf.function(lambda *data: penalty(model, *data), jit_compile=True)
    program = steps.program(function, [tf.TensorSpec(one.shape, one.dtype) for one in data])
    variables = {id(variable.handle): variable for variable in program.variables}
    captured = [variables.get(id(one), one).numpy() for one in program.captured]
    for name, bits in PRODUCTS.items():
        step = jax.jit(programs.exported(program.hlo, name, bits).call)
        value, norm, *gradient = (np.asarray(one, "float64") for one in step(*data, *captured))
        yield name, value, norm, np.concatenate([one.reshape(-1) for one in gradient])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="0,100,1000", help="numbers of steps, with commas")
    counts = [int(part) for part in parser.parse_args().steps.split(",")]
    model, batches = steps.made("mlp8", jit_compile=False), kg.datasets.load("digits", 64)
    real = next(iter(batches)).numpy()
    noise = np.random.default_rng(0).uniform(size=(64, 1, 1, 1)).astype("float32")
    print("| steps | products | penalty | mean norm | error of the gradient | cosine |", "| --- " * 6 + "|", sep="\n")
    for count in counts:
        if count > int(model.step):
            model.fit(batches, epochs=1, steps_per_epoch=count - int(model.step), verbose=0)
        exact = None
        for name, value, norm, gradient in outcomes(model, (real, model.generate(64, seed=0), noise)):
            exact = gradient if exact is None else exact
            error = np.linalg.norm(gradient - exact) / np.linalg.norm(exact)
            cosine = gradient @ exact / np.linalg.norm(gradient) / np.linalg.norm(exact)
            print(f"| {count} | {name} | {value:.5f} | {norm:.5f} | {error:.2%} | {cosine:.5f} |", flush=True)


if __name__ == "__main__":
    main()
