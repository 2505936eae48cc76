"""The papers' equations in float64, a few lines each: what `test_parity.py` holds the package against.

Raw TensorFlow operations alone: no kerasgan, no Keras, no convolution of TensorFlow's. The gradients are those of
`tf.GradientTape`, which the tests check by finite differences.
"""

import functools
import itertools

import numpy as np
import tensorflow as tf

# Randomness: Philox, keyed by the seed and the number of the draw; the first of an update is (update + 1) * 4096.


def draws(seed, update):
    return (tf.constant([seed, (update + 1) * 4096 + number], tf.int64) for number in itertools.count())


def normal(keys, *shape):
    return tf.cast(tf.random.stateless_normal(shape, next(keys), alg="philox"), tf.float64)


def uniform(keys, *shape):
    return tf.cast(tf.random.stateless_uniform(shape, next(keys), alg="philox"), tf.float64)


# Layers. `w` yields the weights of a network, in the order of its layers.


def leaky(x):
    return tf.maximum(x, 0.2 * x)


def relu(x):
    return tf.maximum(x, 0.0)


def flat(x):
    return tf.reshape(x, (len(x), -1))


def taps(size, kernel, stride):
    """T[i, a, h] = 1 where output i sees pixel h through tap a: h = stride * i + a - before, "same" padding."""
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    i, a, h = np.ogrid[:outputs, :kernel, :size]
    return (h == stride * i + a - before).astype("float64")


def conv(x, kernel, stride=1):
    rows, columns = (taps(x.shape[axis], kernel.shape[axis - 1], stride) for axis in (1, 2))
    return tf.einsum("iah,jbw,nhwc,abcd->nijd", rows, columns, x, kernel)


def conv_transpose(x, kernel, stride=2):
    """The transpose of `conv`, a linear map, from an image of `stride` times the size."""
    rows, columns = (taps(stride * x.shape[axis], kernel.shape[axis - 1], stride) for axis in (1, 2))
    return tf.einsum("iah,jbw,nijd,abcd->nhwc", rows, columns, x, kernel)


def doubled(x):
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def bilinear(x):
    """Twice the size, between the centres of pixels; the edges repeated."""
    matrices = []
    for size in x.shape[1:3]:
        place = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
        matrices.append(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(size))))
    return tf.einsum("ih,jw,nhwc->nijc", *matrices, x)


def halved(x):
    n, h, w, c = x.shape
    return tf.reduce_mean(tf.reshape(x, (n, h // 2, 2, w // 2, 2, c)), axis=(2, 4))


def smoothing(size):
    """Each row [1, 2, 1] / 4 around the diagonal, the edges repeated: Zhang, 2019."""
    pixels = lambda shift: np.eye(size)[np.clip(np.arange(size) + shift, 0, size - 1)]
    return pixels(-1) / 4 + pixels(0) / 2 + pixels(1) / 4


def blurred(x):
    return tf.einsum("ih,jw,nhwc->nijc", smoothing(x.shape[1]), smoothing(x.shape[2]), x)


def grouped(x, kernel, groups):
    """A convolution of each group of channels by its part of the kernel's outputs: Krizhevsky et al., 2012."""
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([conv(part, own) for part, own in parts], -1)


def affine(w, x, linear=tf.matmul, norm=None):
    """Kernel, bias; with spectral normalisation W / sigma(W), sigma = |W u|: Miyato et al., 2018, eq. 8."""
    kernel, bias = next(w), next(w)
    if norm == "spectral":
        kernel = kernel / tf.norm(tf.reshape(kernel, (-1, kernel.shape[-1])) @ tf.stop_gradient(next(w)))
    return linear(x, kernel) + bias


def normalisable(w, x, linear=tf.matmul, norm=None):
    """As `affine`, without a bias where the normalisation behind it would subtract the bias again."""
    return linear(x, next(w)) if norm in ("batch", "instance") else affine(w, x, linear, norm)


def power_iteration(kernel, u):
    """v <- W u / |W u|, u <- W^T v / |W^T v|, W with one column an output: Miyato et al., 2018, algorithm 1."""
    unit = lambda x: x / tf.norm(x)
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
    u.assign(unit(tf.transpose(matrix) @ unit(matrix @ u)))


def normalised(w, x, norm):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, moments over the axes that the papers take.

    Batch: Ioffe, Szegedy, 2015, algorithm 1; layer: Ba et al., 2016, eq. 3; instance: Ulyanov et al., 2016, eq. 4.
    """
    every = range(len(x.shape))
    axes = {"batch": every[:-1], "layer": every[1:], "instance": every[1:-1]}.get(norm)
    if axes is None:
        return x
    mean = tf.reduce_mean(x, axes, keepdims=True)
    variance = tf.reduce_mean((x - mean) ** 2, axes, keepdims=True)
    gamma, beta = next(w), next(w)
    if norm == "batch":  # each forward pass in training is one update of the moving moments
        for moving, moment in ((next(w), mean), (next(w), variance)):
            moving.assign(0.9 * moving + 0.1 * tf.reshape(moment, moving.shape))
    return (x - mean) / tf.sqrt(variance + 1e-5) * gamma + beta


# Networks: those of Radford et al., 2015 (DCGAN), and of Gulrajani et al., 2017, appendix F (residual)


def with_label(w, z, y):
    return z if y is None else tf.concat([z, tf.gather(next(w), y)], axis=1)


def judged(w, features, y, norm):
    """w . features + b, and with labels + embedding[y] . features: Miyato, Koyama, 2018, eq. 3."""
    embedding = None if y is None else next(w)
    logits = affine(w, features, norm=norm)
    return logits if y is None else logits + tf.reduce_sum(tf.gather(embedding, y) * features, 1, keepdims=True)


def mlp_generator(w, z, y, shape, norm):
    x = relu(normalised(w, normalisable(w, with_label(w, z, y), norm=norm), norm))
    return tf.tanh(tf.reshape(affine(w, x), (-1, *shape)))


def mlp_discriminator(w, x, y, norm):
    return judged(w, leaky(normalised(w, normalisable(w, flat(x), norm=norm), norm)), y, norm)


def dcgan_generator(w, z, y, shape, norm, blur=False, skips=False):
    """4 x 4, doubled up to the image; no biases where a normalisation has its own.

    With skips, images of all sizes are added: Karras et al., 2020 (StyleGAN2), figure 7 (b).
    """
    cleared = blurred if blur else lambda x: x
    inner = affine if norm is None else lambda w, x, linear=tf.matmul: linear(x, next(w))
    x = tf.reshape(inner(w, with_label(w, z, y)), (len(z), 4, 4, -1))
    x = relu(normalised(w, x, norm))
    image, sizes = 0.0, []
    while 2 * x.shape[1] < shape[0]:
        x = relu(normalised(w, cleared(inner(w, x, conv_transpose)), norm))
        sizes.append(x)
    for one in sizes if skips else ():  # whose weights Keras orders behind the others
        image = bilinear(image + affine(w, one, conv))
    return tf.tanh(image + cleared(affine(w, x, conv_transpose)))


def dcgan_features(w, x, norm):
    """The image halved down to 4 x 4; no normalisation in the first layer."""
    halving = functools.partial(conv, stride=2)
    x = leaky(affine(w, x, halving, norm))
    while x.shape[1] > 4:
        x = leaky(normalised(w, normalisable(w, x, halving, norm), norm))
    return flat(x)


def dcgan_discriminator(w, x, y, norm):
    return judged(w, dcgan_features(w, x, norm), y, norm)


def dcgan_encoder(w, x, y, norm):
    return affine(w, dcgan_features(w, x, norm))


def resnet_generator(w, z, y, shape, norm):
    """One block, from 4 x 4 to 8 x 8."""
    x = tf.reshape(affine(w, with_label(w, z, y)), (len(z), 4, 4, -1))
    h = affine(w, doubled(relu(normalised(w, x, norm))), conv)
    h = relu(normalised(w, h, norm))
    x = affine(w, doubled(x), conv) + affine(w, h, conv)
    return tf.tanh(affine(w, relu(normalised(w, x, norm)), conv))


def resnet_discriminator(w, x, y, norm):
    """One block from 8 x 8 to 4 x 4, two that keep the size, the mean over the pixels."""
    h = relu(affine(w, x, conv, norm))
    x = halved(affine(w, h, conv, norm)) + affine(w, halved(x), conv, norm)
    for _ in range(2):
        h = affine(w, relu(normalised(w, x, norm)), conv, norm)
        x = x + affine(w, relu(normalised(w, h, norm)), conv, norm)
    return judged(w, tf.reduce_mean(relu(x), (1, 2)), y, norm)


def r3gan_block(w, x, groups):
    """1 x 1, leaky ReLU, 3 x 3 in groups, leaky ReLU, 1 x 1, plus the inputs: Huang et al., 2024, section 3.3."""
    h = leaky(affine(w, x, conv))
    h = leaky(affine(w, h, functools.partial(grouped, groups=groups)))
    return x + conv(h, next(w))


def r3gan_generator(w, z, y, shape, groups):
    """A learned array times a linear layer, two blocks, doubled between them from 4 x 4 to 8 x 8."""
    x = (with_label(w, z, y) @ next(w))[:, None, None] * next(w)
    x = r3gan_block(w, x, groups[1])
    x = r3gan_block(w, blurred(doubled(conv(x, next(w)))), groups[0])
    return tf.tanh(conv(x, next(w)))


def r3gan_discriminator(w, x, y, groups):
    """The generator mirrored, no biases at the end."""
    x = r3gan_block(w, conv(x, next(w)), groups[0])
    x = r3gan_block(w, conv(halved(blurred(x)), next(w)), groups[1])
    features = tf.einsum("nhwc,hwc->nc", x, next(w))
    embedding = None if y is None else next(w)
    logits = features @ next(w)
    return logits if y is None else logits + tf.reduce_sum(tf.gather(embedding, y) * features, 1, keepdims=True)


# Losses, of the discriminator and of the generator. D(x) = sigmoid(logit), and 1 - sigmoid(s) = sigmoid(-s).

mean, log_sigmoid = tf.reduce_mean, tf.math.log_sigmoid


def cross_entropy(real, fake):
    return -mean(log_sigmoid(real)) - mean(log_sigmoid(-fake))


LOSSES = {
    # Goodfellow et al., 2014, section 3 and eq. 1
    "non-saturating": (cross_entropy, lambda real, fake: -mean(log_sigmoid(fake))),
    "minimax": (cross_entropy, lambda real, fake: mean(log_sigmoid(-fake))),
    # Arjovsky et al., 2017, algorithm 1
    "wasserstein": (lambda real, fake: mean(fake) - mean(real), lambda real, fake: -mean(fake)),
    # Mao et al., 2017, eq. 9
    "least squares": (
        lambda real, fake: mean((real - 1) ** 2) / 2 + mean(fake**2) / 2,
        lambda real, fake: mean((fake - 1) ** 2) / 2,
    ),
    # Miyato et al., 2018, eqs. 16 and 17
    "hinge": (
        lambda real, fake: -mean(tf.minimum(0.0, -1 + real)) - mean(tf.minimum(0.0, -1 - fake)),
        lambda real, fake: -mean(fake),
    ),
    # Huang et al., 2024, eq. 2
    "relativistic": (
        lambda real, fake: -mean(log_sigmoid(real - fake)),
        lambda real, fake: -mean(log_sigmoid(fake - real)),
    ),
}


# Penalties, by their name in the logs: the points they are taken at, and what is minimised there


def between(real, fake, keys):
    """Gulrajani et al., 2017, algorithm 1, line 6: e * real + (1 - e) * fake; e = 1 - t is uniform too."""
    t = uniform(keys, len(real), *[1] * (len(real.shape) - 1))
    return (1 - t) * real + t * fake


def around(real, fake, keys):
    """Kodali et al., 2017, and the authors' code: perturbed = real + std / 2 * u, real + t * (perturbed - real)."""
    t, u = uniform(keys, len(real), *[1] * (len(real.shape) - 1)), uniform(keys, *real.shape)
    perturbed = real + 0.5 * tf.math.reduce_std(real) * u
    return real + t * (perturbed - real)


PENALTIES = {
    "gradient_penalty": (between, lambda norm, weight=10.0: weight * mean((norm - 1) ** 2)),  # eq. 3
    # Petzka et al., 2018, eq. 7
    "lipschitz_penalty": (between, lambda norm, weight=10.0: weight * mean(relu(norm - 1) ** 2)),
    "dragan_penalty": (around, lambda norm, weight=10.0: weight * mean((norm - 1) ** 2)),
    # Mescheder et al., 2018, eqs. 9 and 10
    "r1": (lambda real, fake, keys: real, lambda norm, gamma: gamma / 2 * mean(norm**2)),
    "r2": (lambda real, fake, keys: fake, lambda norm, gamma: gamma / 2 * mean(norm**2)),
}


def slopes(d, x):
    """|grad D(x)| of each example, which can be differentiated again."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = d(x)
    return tf.norm(flat(tape.gradient(logits, x)), axis=1)


# Optimizers: from the number of the update, a weight, its gradient and slots to the new weight and slots


def sgd(rate):
    return lambda t, w, g: (w - rate * g,)


def adam(rate, beta_1, beta_2, epsilon=1e-8):
    """Kingma, Ba, 2015, end of section 2: epsilon is added to the uncorrected root, as TensorFlow does."""

    def rule(t, w, g, m=0.0, v=0.0):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        return w - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (tf.sqrt(v) + epsilon), m, v

    return rule


def rmsprop(rate, rho=0.99, epsilon=1e-16):
    """Tieleman, Hinton, 2012, with PyTorch's decay; PyTorch adds 1e-8 to the root, Keras its epsilon under it."""

    def rule(t, w, g, v=0.0):
        v = rho * v + (1 - rho) * g**2
        return w - rate * g / tf.sqrt(v + epsilon), v

    return rule


class Network:
    """A function of weights, the weights, and the optimizer's state.

    Args:
        function: Callable, of an iterator over the weights, inputs and labels.
        weights: List of `(array, whether it is trained)`, in the order of the layers.
        rule: One of the optimizers above.
    """

    def __init__(self, function, weights, rule):
        self.function, self.rule = function, rule
        self.weights = [tf.Variable(value, trainable=trained, dtype=tf.float64) for value, trained in weights]
        self.trained = [w for w in self.weights if w.trainable]
        self.slots, self.updates = [()] * len(self.trained), 0

    def __call__(self, inputs, labels=None):
        return self.function(iter(self.weights), inputs, labels)

    def descend(self, gradients, clip=None):
        self.updates += 1
        for i, (w, g) in enumerate(zip(self.trained, gradients, strict=True)):
            new, *self.slots[i] = self.rule(self.updates, w, tf.convert_to_tensor(g), *self.slots[i])
            w.assign(new if clip is None else tf.clip_by_value(new, -clip, clip))

    def iterate(self):
        """One power iteration of each spectral layer, whose weights are kernel, bias and the column u."""
        for kernel, u in zip(self.weights, self.weights[2:], strict=False):
            if not u.trainable and len(u.shape) == 2:
                power_iteration(kernel, u)


# Training: Goodfellow et al., 2014, algorithm 1; with a critic, Arjovsky et al., 2017, and Gulrajani et al., 2017


def packed(x, pack):
    """`pack` images that follow one another as one of so many times the channels: Lin et al., 2018, section 2."""
    return tf.concat([x[k::pack] for k in range(pack)], axis=-1)


def critic_objective(critic, real, fake, keys, loss, penalties):
    """What the discriminator minimises, the loss and its penalties, and what is logged."""
    value = LOSSES[loss][0](critic(real), critic(fake))
    log, norms = {"d_loss": value}, []
    for name, arguments in penalties.items():
        points, of_norm = PENALTIES[name]
        norms.append(slopes(critic, points(real, fake, keys)))
        log[name] = of_norm(norms[-1], **arguments)
    objective = sum(log.values())
    if norms:
        log["gradient_norm"] = mean(norms)
    if loss == "wasserstein":
        log["wasserstein"] = -value
    return objective, log


def train(g, d, average, batches, loss, penalties, clip, n_critic, pack, momentum, seed, latent_dim):
    """`n_critic` updates of `d` on a batch each and one of `g` for each step, and the average of `g`.

    Args:
        batches: List of `(images, labels)`; labels are None, or the classes of the images, which the fakes get too.

    Returns:
        List of each step's dict of what is logged: the means over the updates of `d`, and `g_loss`.
    """
    logs, update, batches = [], 0, iter(batches)
    for step, first in enumerate(batches):
        log = []
        for images, y in itertools.chain([first], itertools.islice(batches, n_critic - 1)):
            keys = draws(seed, update)
            real, critic = tf.constant(images, tf.float64), lambda x, y=y: d(x, y)
            fake = g(normal(keys, len(real), latent_dim), y)
            d.iterate()
            with tf.GradientTape() as tape:
                objective, values = critic_objective(
                    critic, packed(real, pack), packed(fake, pack), keys, loss, penalties
                )
            d.descend(tape.gradient(objective, d.trained), clip)
            log.append(values)
            update += 1
        z = normal(draws(seed, update), len(real), latent_dim)
        with tf.GradientTape() as tape:
            # Real images count in a relativistic loss alone, where they are seen first.
            real_logits = critic(packed(real, pack)) if loss == "relativistic" else None
            g_loss = LOSSES[loss][1](real_logits, critic(packed(g(z, y), pack)))
        g.descend(tape.gradient(g_loss, g.trained))
        update += 1
        m = min(momentum, (1 + step) / (10 + step))
        for a, w in zip(average, g.weights, strict=True):
            a.assign(m * a + (1 - m) * w if w.trainable else w)  # moving statistics are averages already
        logs.append({**{name: mean([values[name] for values in log]) for name in log[0]}, "g_loss": g_loss})
    return logs


def negative_elbo(encoder, decoder, log_sigma, x, e):
    """Kingma, Welling, 2013, eq. 10 with one sample of noise `e`, and for Gaussians appendices B and C.2."""
    mu, log_variance = tf.split(encoder(x), 2, axis=1)
    decoded = decoder(mu + tf.exp(log_variance / 2) * e)
    log_likelihood = -0.5 * (x - decoded) ** 2 / tf.exp(2 * log_sigma) - 0.5 * np.log(2 * np.pi) - log_sigma
    reconstruction = -mean(tf.reduce_sum(flat(log_likelihood), 1))
    kl = -0.5 * mean(tf.reduce_sum(1 + log_variance - mu**2 - tf.exp(log_variance), 1))
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl, "sigma": tf.exp(log_sigma)}


def train_vae(encoder, decoder, log_sigma, batches, seed, latent_dim):
    """One update of everything on each batch; `log_sigma` is a `Network` of one number."""
    logs, parts = [], (encoder, decoder, log_sigma)
    for update, images in enumerate(batches):
        x, e = tf.constant(images, tf.float64), normal(draws(seed, update), len(images), latent_dim)
        with tf.GradientTape() as tape:
            log = negative_elbo(encoder, decoder, log_sigma.weights[0], x, e)
        gradients = tape.gradient(log["loss"], [part.trained for part in parts])
        for part, own in zip(parts, gradients, strict=True):
            part.descend(own)
        logs.append(log)
    return logs
