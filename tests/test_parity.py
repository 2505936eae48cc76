"""Whole training steps against implementations that share nothing with the package.

`fit` runs two steps of two critic updates and one generator update in float32. The same is derived again in float64: in
PyTorch for every variant, and in NumPy, by hand, for one WGAN-GP, so that it is checked where PyTorch is missing. What
the two sides share is the initial weights, the images, and the random numbers, which are a function of (seed, update).
"""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgan as kg
from kerasgan import constraints, losses, penalties, stateless

STEPS, N_CRITIC, BATCH, LATENT_DIM, SHAPE, CLASSES, SEED, EMA = 2, 2, 4, 3, (4, 4, 2), 3, 11, 0.15


# What is trained


def generator(conditional=False):
    latents, labels = keras.Input((LATENT_DIM,)), keras.Input((), dtype="int32")
    x = latents
    if conditional:
        x = keras.layers.Concatenate()([x, keras.layers.Embedding(CLASSES, 2, name="embedding")(labels)])
    x = keras.layers.Dense(2 * 2 * 3, name="dense")(x)
    x = keras.layers.Reshape((2, 2, 3))(kg.layers.LeakyReLU(0.0)(x))
    images = keras.layers.Conv2DTranspose(2, 4, 2, "same", activation="tanh", name="conv")(x)
    return keras.Model([latents, labels] if conditional else latents, images)


def discriminator(conditional=False):
    images, labels = keras.Input(SHAPE), keras.Input((), dtype="int32")
    x = kg.layers.LeakyReLU(0.2)(keras.layers.Conv2D(4, 4, 2, "same", name="conv")(images))
    features = keras.layers.Flatten()(kg.layers.GroupNormalization(1, epsilon=1e-3, name="norm")(x))
    logits = keras.layers.Dense(1, name="logits")(features)
    if not conditional:
        return keras.Model(images, logits)
    embedding = keras.layers.Embedding(CLASSES, 16, name="embedding")(labels)
    return keras.Model([images, labels], keras.layers.Add()([logits, keras.layers.Dot(axes=1)([embedding, features])]))


def scatter(model, rng):
    """Random weights, biases and gains: at 0 and 1 a wrong or missing one would not show."""
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.0, 0.4, variable.shape) + ("gamma" in variable.path))


def draws(update):
    """The random numbers of an update, in the order in which they are drawn."""
    return stateless.Stream(SEED, stateless.training_position(update))


def by_path(variables):
    return {variable.path: variable.numpy().astype("float64") for variable in variables}


def data(rng, batches):
    images = rng.uniform(-1, 1, (batches, BATCH, *SHAPE)).astype("float32")
    return images, rng.integers(0, CLASSES, (batches, BATCH))


def assert_same_training(start, trained, reference):
    """The weights agree to 1e-5, and how far they have moved to a thousandth, which small learning rates would hide."""
    moved = {path: value - start[path] for path, value in trained.items()}
    expected = {path: np.asarray(reference[path]) - start[path] for path in start}
    assert any(np.abs(move).max() > 0 for move in expected.values())
    for path in start:
        np.testing.assert_allclose(moved[path], expected[path], atol=1e-5, rtol=0, err_msg=path)
    difference = np.sqrt(sum(np.sum((moved[path] - expected[path]) ** 2) for path in start))
    assert difference < 1e-3 * np.sqrt(sum(np.sum(move**2) for move in expected.values()))


# The independent implementation: networks


def torch_generator(torch, w, z, labels):
    functional = torch.nn.functional
    if labels is not None:
        z = torch.cat([z, w["embedding/embeddings"][labels]], dim=1)
    x = torch.relu(z @ w["dense/kernel"] + w["dense/bias"]).reshape(-1, 2, 2, 3).permute(0, 3, 1, 2)
    # Keras keeps the kernel as (height, width, out, in), PyTorch as (in, out, height, width).
    x = functional.conv_transpose2d(x, w["conv/kernel"].permute(3, 2, 0, 1), w["conv/bias"], stride=2, padding=1)
    return torch.tanh(x).permute(0, 2, 3, 1)


def torch_discriminator(torch, w, x, labels):
    functional = torch.nn.functional
    x = x.permute(0, 3, 1, 2)
    x = functional.conv2d(x, w["conv/kernel"].permute(3, 2, 0, 1), w["conv/bias"], stride=2, padding=1)
    x = functional.group_norm(functional.leaky_relu(x, 0.2), 1, w["norm/gamma"], w["norm/beta"], eps=1e-3)
    features = x.permute(0, 2, 3, 1).flatten(1)
    logits = features @ w["logits/kernel"] + w["logits/bias"]
    if labels is None:
        return logits
    return logits + (w["embedding/embeddings"][labels] * features).sum(dim=1, keepdim=True)


# The independent implementation: objectives, as the papers write them


def log_d(torch, logits):
    return torch.nn.functional.logsigmoid(logits)


def cross_entropy(torch, real, fake):
    """-E[log D(x)] - E[log(1 - D(G(z)))], and 1 - sigmoid(s) = sigmoid(-s)."""
    return -log_d(torch, real).mean() - log_d(torch, -fake).mean()


OBJECTIVES = {
    "nonsaturating": (cross_entropy, lambda torch, real, fake: -log_d(torch, fake).mean()),
    "minimax": (cross_entropy, lambda torch, real, fake: log_d(torch, -fake).mean()),
    "wasserstein": (
        lambda torch, real, fake: fake.mean() - real.mean(),
        lambda torch, real, fake: -fake.mean(),
    ),
    "least squares": (
        lambda torch, real, fake: ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2,
        lambda torch, real, fake: ((fake - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        lambda torch, real, fake: (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(),
        lambda torch, real, fake: -fake.mean(),
    ),
    "relativistic": (
        lambda torch, real, fake: -log_d(torch, real - fake).mean(),
        lambda torch, real, fake: -log_d(torch, fake - real).mean(),
    ),
}


def torch_norm(torch, d, points):
    points = points.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(d(points).sum(), points, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


def between(torch, real, fake, random):
    """Algorithm 1, line 6: x = e * real + (1 - e) * fake. Here e = 1 - t, which is uniform too."""
    t = torch.tensor(random.uniform((BATCH, 1, 1, 1)).numpy()).double()
    return (1 - t) * real + t * fake


def around_real(torch, real, fake, random):
    t = torch.tensor(random.uniform((BATCH, 1, 1, 1)).numpy()).double()
    u = torch.tensor(random.uniform((BATCH, *SHAPE)).numpy()).double()
    perturbed = real + 0.5 * real.std(correction=0) * u
    return real + t * (perturbed - real)


# Name in the logs: where, and what of the norm.
PENALTIES = {
    "gradient_penalty": (between, lambda norm: 10 * ((norm - 1) ** 2).mean()),
    "lipschitz_penalty": (between, lambda norm: 10 * ((norm - 1).clamp(min=0) ** 2).mean()),
    "dragan_penalty": (around_real, lambda norm: 10 * ((norm - 1) ** 2).mean()),
    "r1": (lambda torch, real, fake, random: real, lambda norm: 0.7 / 2 * (norm**2).mean()),
    "r2": (lambda torch, real, fake, random: fake, lambda norm: 0.7 / 2 * (norm**2).mean()),
}


# The independent implementation: optimizers


class SGD:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def __call__(self, torch, name, weight, gradient):
        return weight - self.learning_rate * gradient


class Adam:
    """Kingma, Ba, 2015, at the end of section 2: epsilon is added to the uncorrected root, as TensorFlow does."""

    def __init__(self, learning_rate, beta_1, beta_2, epsilon):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.m, self.v, self.t = {}, {}, {}

    def __call__(self, torch, name, weight, gradient):
        self.t[name] = t = self.t.get(name, 0) + 1
        self.m[name] = self.beta_1 * self.m.get(name, 0) + (1 - self.beta_1) * gradient
        self.v[name] = self.beta_2 * self.v.get(name, 0) + (1 - self.beta_2) * gradient**2
        rate = self.learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return weight - rate * self.m[name] / (self.v[name].sqrt() + self.epsilon)


class RMSprop:
    """Tieleman, Hinton, 2012, with Keras's epsilon, which is inside the root."""

    def __init__(self, learning_rate, rho, epsilon):
        self.learning_rate, self.rho, self.epsilon, self.v = learning_rate, rho, epsilon, {}

    def __call__(self, torch, name, weight, gradient):
        self.v[name] = self.rho * self.v.get(name, 0) + (1 - self.rho) * gradient**2
        return weight - self.learning_rate * gradient / (self.v[name] + self.epsilon).sqrt()


# The independent implementation: algorithm 1


def torch_training(torch, start, images, labels, objective, penalty_names, clip, optimizers):
    """Returns the generator's, the discriminator's and the averaged weights, and the mean of each logged value."""

    def tensors(w):
        return {path: torch.tensor(value, requires_grad=True) for path, value in w.items()}

    def updated(optimizer, w, loss):
        gradients = torch.autograd.grad(loss, list(w.values()))
        new = {path: optimizer(torch, path, w[path].detach(), g) for path, g in zip(w, gradients, strict=True)}
        return {path: value.detach().requires_grad_(True) for path, value in new.items()}

    (g, d), average = (tensors(w) for w in start), dict(start[0])
    d_loss, g_loss = OBJECTIVES[objective]
    logs, update, batches = [], 0, iter(zip(images, labels, strict=True))
    for step in range(STEPS):
        log = {}
        for _ in range(N_CRITIC):
            x, y = next(batches)
            x, y = torch.tensor(x).double(), None if y is None else torch.tensor(y)
            random = draws(update)
            z = torch.tensor(random.normal((BATCH, LATENT_DIM)).numpy()).double()
            fake = torch_generator(torch, g, z, y).detach()

            def critic(points, d=d, y=y):
                return torch_discriminator(torch, d, points, y)

            loss = d_loss(torch, critic(x), critic(fake))
            terms, norms = {"d_loss": loss}, []
            for name in penalty_names:
                points, of_norm = PENALTIES[name]
                norm = torch_norm(torch, critic, points(torch, x, fake, random))
                terms[name] = of_norm(norm)
                norms.append(norm.mean())
            d = updated(optimizers[0], d, sum(terms.values()))
            if clip is not None:
                d = {path: w.detach().clamp(-clip, clip).requires_grad_(True) for path, w in d.items()}
            if norms:
                terms["gradient_norm"] = sum(norms) / len(norms)
            if objective == "wasserstein":
                terms["wasserstein"] = -loss
            for name, value in terms.items():
                log[name] = log.get(name, 0.0) + float(value.detach()) / N_CRITIC
            update += 1
        z = torch.tensor(draws(update).normal((BATCH, LATENT_DIM)).numpy()).double()
        real_logits = torch_discriminator(torch, d, x, y)  # a relativistic generator compares with the last batch
        loss = g_loss(torch, real_logits, torch_discriminator(torch, d, torch_generator(torch, g, z, y), y))
        g = updated(optimizers[1], g, loss)
        update += 1
        momentum = min(EMA, (1 + step) / (10 + step))
        average = {path: momentum * average[path] + (1 - momentum) * w.detach().numpy() for path, w in g.items()}
        logs.append({**log, "g_loss": float(loss.detach())})
    mean = {name: np.mean([log[name] for log in logs]) for name in logs[0]}
    return *({path: w.detach().numpy() for path, w in weights.items()} for weights in (g, d)), average, mean


# Name: the model, its objective, its penalties, its clip; and the optimizer it has by default.
ADAM_DCGAN = lambda: Adam(2e-4, 0.5, 0.999, 1e-8)  # Radford et al., 2015
ADAM_WGANGP = lambda: Adam(1e-4, 0.0, 0.9, 1e-8)  # Gulrajani et al., 2017, algorithm 1
ADAM_R3GAN = lambda: Adam(2e-4, 0.0, 0.9, 1e-8)  # Huang et al., 2024
VARIANTS = {
    "GAN": (kg.GAN, {}, "nonsaturating", (), None, ADAM_DCGAN),
    "minimax": (kg.GAN, {"loss": losses.Minimax()}, "minimax", (), None, ADAM_DCGAN),
    "hinge": (kg.GAN, {"loss": losses.Hinge()}, "hinge", (), None, ADAM_DCGAN),
    "LSGAN": (kg.LSGAN, {}, "least squares", (), None, ADAM_DCGAN),
    # PyTorch's defaults, and so the authors': it forgets by 0.99 and adds 1e-8 to the root, Keras 1e-16 under it.
    "WGAN": (kg.WGAN, {"clip": 0.05}, "wasserstein", (), 0.05, lambda: RMSprop(5e-5, 0.99, 1e-16)),
    "WGANGP": (kg.WGANGP, {}, "wasserstein", ("gradient_penalty",), None, ADAM_WGANGP),
    "WGANLP": (kg.WGANLP, {}, "wasserstein", ("lipschitz_penalty",), None, ADAM_WGANGP),
    "DRAGAN": (kg.DRAGAN, {}, "nonsaturating", ("dragan_penalty",), None, ADAM_DCGAN),
    "R3GAN": (kg.R3GAN, {"gamma": 0.7}, "relativistic", ("r1", "r2"), None, ADAM_R3GAN),
    "conditional WGANGP": (kg.WGANGP, {}, "wasserstein", ("gradient_penalty",), None, ADAM_WGANGP),
    "long form": (
        kg.GAN,
        {
            "loss": losses.Hinge(),
            "penalties": [penalties.R1(0.7), penalties.GradientPenalty()],
            "constraint": constraints.Clip(0.3),
        },
        "hinge",
        ("r1", "gradient_penalty"),
        0.3,
        ADAM_DCGAN,
    ),
}


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [(name, "SGD") for name in VARIANTS] + [(name, "default") for name in ("GAN", "WGAN", "WGANGP", "R3GAN")],
)
def test_training_is_what_pytorch_derives_from_the_paper(name, optimizer, rng):
    torch = pytest.importorskip("torch")
    make, arguments, objective, penalty_names, clip, default = VARIANTS[name]
    conditional = name.startswith("conditional")
    networks = generator(conditional), discriminator(conditional)
    for network in networks:
        scatter(network, rng)
    start = [by_path(network.trainable_variables) for network in networks]
    images, labels = data(rng, STEPS * N_CRITIC)

    gan = make(*networks, n_critic=N_CRITIC, ema_momentum=EMA, seed=SEED, **arguments)
    if optimizer == "SGD":
        gan.compile(keras.optimizers.SGD(0.002), keras.optimizers.SGD(0.05))
    else:
        gan.compile()
    dataset = tf.data.Dataset.from_tensor_slices((images, labels) if conditional else images)
    history = gan.fit(dataset, verbose=0).history

    optimizers = (SGD(0.002), SGD(0.05)) if optimizer == "SGD" else (default(), default())
    labels = labels if conditional else [None] * len(images)
    g, d, average, log = torch_training(torch, start, images, labels, objective, penalty_names, clip, optimizers)
    assert_same_training(start[0], by_path(gan.generator.trainable_variables), g)
    assert_same_training(start[1], by_path(gan.discriminator.trainable_variables), d)
    assert_same_training(start[0], by_path(gan.ema_generator.variables), average)
    assert {key: value[0] for key, value in history.items()} == pytest.approx(log, rel=1e-4, abs=1e-5)


# The variational autoencoder


def torch_vae_training(torch, start, images, optimizer):
    """Kingma, Welling, 2013, algorithm 1 with one sample, the densities by torch.distributions."""
    w = {path: torch.tensor(value, requires_grad=True) for path, value in start.items()}
    normal, logs = torch.distributions.Normal, []
    for step, x in enumerate(images):
        x = torch.tensor(x).double()
        e = torch.tensor(draws(step).normal((BATCH, LATENT_DIM)).numpy()).double()
        hidden = torch.tanh(x.flatten(1) @ w["hidden/kernel"] + w["hidden/bias"])
        mean, log_variance = (hidden @ w["moments/kernel"] + w["moments/bias"]).chunk(2, dim=1)
        posterior = normal(mean, torch.exp(log_variance / 2))
        decoded = torch_generator(torch, w, posterior.mean + posterior.stddev * e, None)
        likelihood = normal(decoded, torch.exp(w["log_sigma"])).log_prob(x).sum(dim=(1, 2, 3)).mean()
        kl = torch.distributions.kl_divergence(posterior, normal(0.0, 1.0)).sum(dim=1).mean()
        loss = kl - likelihood
        sigma = torch.exp(w["log_sigma"])
        logs.append([float(value.detach()) for value in (loss, -likelihood, kl, sigma)])
        gradients = torch.autograd.grad(loss, list(w.values()))
        new = {path: optimizer(torch, path, w[path].detach(), g) for path, g in zip(w, gradients, strict=True)}
        w = {path: value.detach().requires_grad_(True) for path, value in new.items()}
    log = dict(zip(("loss", "reconstruction", "kl", "sigma"), np.mean(logs, axis=0), strict=True))
    return {path: value.detach().numpy() for path, value in w.items()}, log


@pytest.mark.parametrize("optimizer", ["SGD", "default"])
def test_training_of_the_vae_is_what_pytorch_derives_from_the_paper(optimizer, rng):
    torch = pytest.importorskip("torch")
    inputs = keras.Input(SHAPE)
    hidden = keras.layers.Dense(6, activation="tanh", name="hidden")(keras.layers.Flatten()(inputs))
    encoder = keras.Model(inputs, keras.layers.Dense(2 * LATENT_DIM, name="moments")(hidden))
    vae = kg.VAE(encoder, generator(), seed=SEED)
    scatter(vae, rng)
    start = by_path(vae.trainable_variables)
    start = {path.removeprefix(f"{vae.name}/"): value for path, value in start.items()}
    images, _ = data(rng, 3)
    vae.compile(keras.optimizers.SGD(0.002) if optimizer == "SGD" else None)
    history = vae.fit(tf.data.Dataset.from_tensor_slices(images), verbose=0).history

    # Keras's Adam has an epsilon of 1e-7.
    reference = SGD(0.002) if optimizer == "SGD" else Adam(1e-3, 0.9, 0.999, 1e-7)
    weights, log = torch_vae_training(torch, start, images, reference)
    trained = by_path(vae.trainable_variables)
    assert_same_training(start, {path.removeprefix(f"{vae.name}/"): w for path, w in trained.items()}, weights)
    assert {key: value[0] for key, value in history.items()} == pytest.approx(log, rel=1e-4, abs=1e-5)


# WGAN-GP by hand, without PyTorch


def forward(w, x, slope):
    """Two hidden layers and a linear one; `w` is [W1, b1, W2, b2, W3, b3]. Returns the outputs and what led to them."""
    w1, b1, w2, b2, w3, b3 = w
    h1 = x @ w1 + b1
    s1 = np.where(h1 > 0, 1.0, slope)
    h2 = (h1 * s1) @ w2 + b2
    s2 = np.where(h2 > 0, 1.0, slope)
    return (h2 * s2) @ w3 + b3, types.SimpleNamespace(x=x, a1=h1 * s1, a2=h2 * s2, s1=s1, s2=s2)


def backward(w, f, upstream):
    """Gradients of sum(upstream * outputs) for the weights, and for x."""
    w1, _, w2, _, w3, _ = w
    e2 = (upstream @ w3.T) * f.s2
    e1 = (e2 @ w2.T) * f.s1
    weights = [f.x.T @ e1, e1.sum(0), f.a1.T @ e2, e2.sum(0), f.a2.T @ upstream, upstream.sum(0)]
    return weights, e1 @ w1.T


def penalty_by_hand(w, x, weight):
    """The penalty weight * mean((norm(g) - 1)**2), its gradient for the weights, and the norms.

    g = (((w3 * s2) W2^T) * s1) W1^T is the critic's gradient at x.
    The slopes s1, s2 are constant between the kinks, so g is a product of the kernels: the biases have no gradient.
    """
    w1, _, w2, _, w3, _ = w
    _, f = forward(w, x, 0.2)
    p2 = w3.T * f.s2
    p1 = (p2 @ w2.T) * f.s1
    g = p1 @ w1.T
    norm = np.linalg.norm(g, axis=1, keepdims=True)
    d_g = weight * 2.0 * (norm - 1.0) / len(x) * g / norm
    d_p1 = (d_g @ w1) * f.s1
    d_w3 = ((d_p1 @ w2) * f.s2).sum(0)[:, None]
    gradients = [d_g.T @ p1, 0.0, d_p1.T @ p2, 0.0, d_w3, 0.0]
    return weight * np.mean((norm - 1.0) ** 2), gradients, norm


def wgan_gp_by_hand(g, d, images, d_rate, g_rate, weight):
    """Gulrajani et al., 2017, algorithm 1, with gradient descent in the place of Adam."""
    update, batches, average, logs = 0, iter(images), g, []
    for step in range(STEPS):
        log = np.zeros(4)
        for _ in range(N_CRITIC):
            x, random = next(batches).astype("float64"), draws(update)
            z = random.normal((BATCH, LATENT_DIM)).numpy().astype("float64")
            t = random.uniform((BATCH, 1)).numpy().astype("float64")
            fake = np.tanh(forward(g, z, 0.0)[0])
            (real_logits, f_real), (fake_logits, f_fake) = forward(d, x, 0.2), forward(d, fake, 0.2)
            value, penalty_gradients, norm = penalty_by_hand(d, (1 - t) * x + t * fake, weight)
            mean = np.full((BATCH, 1), 1.0 / BATCH)
            parts = (backward(d, f_fake, mean)[0], backward(d, f_real, -mean)[0], penalty_gradients)
            d = [w - d_rate * sum(gradients) for w, *gradients in zip(d, *parts, strict=True)]
            distance = real_logits.mean() - fake_logits.mean()
            log += np.array([-distance, distance, value, norm.mean()]) / N_CRITIC
            update += 1
        z = draws(update).normal((BATCH, LATENT_DIM)).numpy().astype("float64")
        outputs, f_generator = forward(g, z, 0.0)
        fake = np.tanh(outputs)
        logits, f_critic = forward(d, fake, 0.2)
        _, slope = backward(d, f_critic, np.full((BATCH, 1), -1.0 / BATCH))
        gradients, _ = backward(g, f_generator, slope * (1.0 - fake**2))
        g = [w - g_rate * gradient for w, gradient in zip(g, gradients, strict=True)]
        update += 1
        momentum = min(EMA, (1 + step) / (10 + step))
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, g, strict=True)]
        logs.append([*log, -logits.mean()])
    names = ("d_loss", "wasserstein", "gradient_penalty", "gradient_norm", "g_loss")
    return g, d, average, dict(zip(names, np.mean(logs, axis=0), strict=True))


def test_training_of_wgan_gp_is_what_is_derived_by_hand(rng):
    networks = (
        kg.networks.mlp_generator((5,), LATENT_DIM, units=(6, 7)),
        kg.networks.mlp_discriminator((5,), units=(7, 6)),
    )
    for network in networks:
        scatter(network, rng)
    start = [[w.astype("float64") for w in network.get_weights()] for network in networks]
    images = rng.uniform(-1, 1, (STEPS * N_CRITIC, BATCH, 5)).astype("float32")
    gan = kg.WGANGP(*networks, weight=3.0, n_critic=N_CRITIC, ema_momentum=EMA, seed=SEED)
    gan.compile(keras.optimizers.SGD(0.02), keras.optimizers.SGD(0.05))
    history = gan.fit(tf.data.Dataset.from_tensor_slices(images), verbose=0).history

    *reference, log = wgan_gp_by_hand(*start, images, 0.02, 0.05, 3.0)
    trained = (gan.generator, gan.discriminator, gan.ema_generator)
    for before, network, expected in zip((*start, start[0]), trained, reference, strict=True):
        assert_same_training(*(dict(enumerate(w)) for w in (before, network.get_weights(), expected)))
    assert {key: value[0] for key, value in history.items()} == pytest.approx(log, rel=1e-4, abs=1e-5)


def test_every_variant_is_compared():
    def variants(cls):
        return {cls}.union(*(variants(child) for child in cls.__subclasses__()))

    own = {cls for cls in variants(kg.GAN) if cls.__module__.startswith("kerasgan")}
    assert own == {make for make, *_ in VARIANTS.values()}
