"""Times one WGAN-GP training step against the usual two-optimizer Keras recipe, and against PyTorch if installed.

    python scripts/benchmark_step.py --pairs=7 --steps=5

A step is n_critic = 5 critic updates on batches of 64 images of 28 x 28 x 1 and one of the generator, with the
networks of the WGAN-GP authors' MNIST script (5 x 5 convolutions of 64, 128 and 256 filters). All contestants run in
turn in one process, on one thread pinned to one core, so that they see the same machine; only ratios are reported.
"""

import argparse
import json
import os
import statistics
import time

IMAGE_SHAPE, LATENT_DIM, BATCH, N_CRITIC, WEIGHT = (28, 28, 1), 128, 64, 5, 10.0


def kerasgan_step(images, precision="float32"):
    """kerasgan's step, as `fit` calls it."""
    import keras
    import tensorflow as tf

    import kerasgan as kg

    keras.config.set_dtype_policy(precision)
    gan = kg.WGANGP(
        kg.networks.dcgan_generator(IMAGE_SHAPE, LATENT_DIM, normalization=None, kernel_size=5),
        kg.networks.dcgan_discriminator(IMAGE_SHAPE, kernel_size=5),
        weight=WEIGHT,
        n_critic=N_CRITIC,
    )
    keras.config.set_dtype_policy("float32")
    gan.compile()
    gan.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors(images.swapaxes(0, 1).copy()).repeat())
    return lambda: float(gan.train_function(batches)["d_loss"])


def usual_step(images):
    """The tutorials' recipe, with one t per image and fresh batches, so that the mathematics is the same."""
    import keras
    import tensorflow as tf
    from keras import layers

    latents = keras.Input((LATENT_DIM,))
    x = layers.Reshape((4, 4, 256))(layers.Dense(4 * 4 * 256, activation="relu")(latents))
    x = layers.Conv2DTranspose(128, 5, 2, "same")(x)
    x = layers.ReLU()(layers.Cropping2D(((0, 1), (0, 1)))(x))
    x = layers.ReLU()(layers.Conv2DTranspose(64, 5, 2, "same")(x))
    generator = keras.Model(latents, layers.Conv2DTranspose(1, 5, 2, "same", activation="tanh")(x))
    x = inputs = keras.Input(IMAGE_SHAPE)
    for filters in (64, 128, 256):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 5, 2, "same")(x))
    critic = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(x)))

    class Recipe(keras.Model):
        def compile(self):
            super().compile()
            self.d_optimizer = keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)
            self.g_optimizer = keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)

        def gradient_penalty(self, real, fake):
            t = tf.random.uniform((BATCH, 1, 1, 1))
            points = real + t * (fake - real)
            with tf.GradientTape() as tape:
                tape.watch(points)
                logits = critic(points, training=True)
            gradient = tape.gradient(logits, points)
            norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + 1e-12)
            return tf.reduce_mean((norm - 1.0) ** 2)

        def train_step(self, data):
            for k in range(N_CRITIC):
                z = tf.random.normal((BATCH, LATENT_DIM))
                with tf.GradientTape() as tape:
                    fake = generator(z, training=True)
                    d_loss = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(
                        critic(data[k], training=True)
                    )
                    loss = d_loss + WEIGHT * self.gradient_penalty(data[k], fake)
                gradients = tape.gradient(loss, critic.trainable_variables)
                self.d_optimizer.apply_gradients(zip(gradients, critic.trainable_variables, strict=True))
            z = tf.random.normal((BATCH, LATENT_DIM))
            with tf.GradientTape() as tape:
                g_loss = -tf.reduce_mean(critic(generator(z, training=True), training=True))
            gradients = tape.gradient(g_loss, generator.trainable_variables)
            self.g_optimizer.apply_gradients(zip(gradients, generator.trainable_variables, strict=True))
            return {"d_loss": d_loss, "g_loss": g_loss}

    recipe = Recipe()
    recipe.compile()
    recipe.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors(images).repeat())
    return lambda: float(recipe.train_function(batches)["d_loss"])


def torch_step(images):
    """The same in PyTorch, eager, as its own tutorials write it."""
    import torch
    from torch import nn

    torch.set_num_threads(1)

    class Crop(nn.Module):
        def forward(self, x):
            return x[:, :, :7, :7]

    def up(inputs, outputs):
        return nn.ConvTranspose2d(inputs, outputs, 5, 2, padding=2, output_padding=1)

    generator = nn.Sequential(
        *(nn.Linear(LATENT_DIM, 4 * 4 * 256), nn.ReLU(), nn.Unflatten(1, (256, 4, 4))),
        *(up(256, 128), Crop(), nn.ReLU(), up(128, 64), nn.ReLU(), up(64, 1), nn.Tanh()),
    )
    critic = nn.Sequential(
        *(nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.2), nn.Conv2d(64, 128, 5, 2, 2), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(128, 256, 5, 2, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 4 * 256, 1)),
    )
    d_optimizer = torch.optim.Adam(critic.parameters(), 1e-4, (0.0, 0.9))
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, (0.0, 0.9))
    data = torch.tensor(images.transpose(0, 1, 4, 2, 3).copy())

    def step():
        for real in data:
            with torch.no_grad():
                fake = generator(torch.randn(BATCH, LATENT_DIM))
            t = torch.rand(BATCH, 1, 1, 1)
            points = (real + t * (fake - real)).requires_grad_(True)
            (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
            penalty = ((torch.sqrt(gradient.square().sum((1, 2, 3)) + 1e-12) - 1.0) ** 2).mean()
            d_loss = critic(fake).mean() - critic(real).mean()
            d_optimizer.zero_grad()
            (d_loss + WEIGHT * penalty).backward()
            d_optimizer.step()
        critic.requires_grad_(False)
        g_loss = -critic(generator(torch.randn(BATCH, LATENT_DIM))).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        critic.requires_grad_(True)
        return d_loss.item()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of timing")
    parser.add_argument("--steps", type=int, default=5, help="training steps per turn")
    parser.add_argument("--json", help="file to write the times to")
    arguments = parser.parse_args()

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    images = np.random.default_rng(0).uniform(-1, 1, (N_CRITIC, BATCH, *IMAGE_SHAPE)).astype("float32")
    contestants = {
        "usual recipe": usual_step(images),
        "kerasgan": kerasgan_step(images),
        "kerasgan mixed_bfloat16": kerasgan_step(images, "mixed_bfloat16"),
    }
    try:
        contestants["PyTorch eager"] = torch_step(images)
    except ImportError:
        print("PyTorch is not installed: left out.")

    for name, step in contestants.items():
        start = time.perf_counter()
        step()
        print(f"{name:24} first step {time.perf_counter() - start:6.2f} s")
        step()
    times = {name: {"cpu": [], "wall": []} for name in contestants}
    for _ in range(arguments.pairs):
        for name, step in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(arguments.steps):
                step()
            times[name]["cpu"].append((time.process_time() - cpu) / arguments.steps)
            times[name]["wall"].append((time.perf_counter() - wall) / arguments.steps)

    print(f"\nmedian of {arguments.pairs} interleaved turns of {arguments.steps} steps; ratios of turns side by side")
    for name, of in times.items():
        line = f"{name:24} {1000 * statistics.median(of['cpu']):7.0f} ms CPU"
        for other in ("usual recipe", "PyTorch eager"):
            if other in times and other != name:
                ratios = {kind: statistics.median(map(_ratio, of[kind], times[other][kind])) for kind in of}
                line += f"   {ratios['cpu']:.2f} CPU, {ratios['wall']:.2f} wall of {other}"
        print(line)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(times, file)


def _ratio(a, b):
    return a / b


if __name__ == "__main__":
    main()
