"""Whole training steps against the papers' equations, in float64 and independent of the package: `papers.py`.

`fit` runs three steps in float32, and every variable, slot, counter and logged value is compared. What the two sides
share is the initial weights, the images, and the random numbers, which are a function of (seed, update).
"""

import dataclasses
import functools

import keras
import numpy as np
import papers
import pytest
import tensorflow as tf
from selection import each, some

import kerasgan as kg
from kerasgan import constraints, losses, penalties

STEPS, BATCH, LATENT_DIM, CLASSES, SEED, MOMENTUM = 3, 4, 3, 3, 11, 0.2

# Name: the package's model, and what its paper says: loss, penalties, clip, and the optimizer it has by default.
DCGAN = lambda: papers.adam(2e-4, 0.5, 0.999)  # Radford et al., 2015
WGANGP = lambda: papers.adam(1e-4, 0.0, 0.9)  # Gulrajani et al., 2017, algorithm 1
VARIANTS = {
    "GAN": (kg.GAN, {}, "non-saturating", {}, None, DCGAN),
    "minimax": (kg.GAN, {"loss": losses.Minimax()}, "minimax", {}, None, DCGAN),
    "hinge": (kg.GAN, {"loss": losses.Hinge()}, "hinge", {}, None, DCGAN),
    "LSGAN": (kg.LSGAN, {}, "least squares", {}, None, DCGAN),
    "WGAN": (kg.WGAN, {"clip": 0.1}, "wasserstein", {}, 0.1, lambda: papers.rmsprop(5e-5)),
    "WGANGP": (kg.WGANGP, {}, "wasserstein", {"gradient_penalty": {}}, None, WGANGP),
    "WGANLP": (kg.WGANLP, {}, "wasserstein", {"lipschitz_penalty": {}}, None, WGANGP),
    "DRAGAN": (kg.DRAGAN, {}, "non-saturating", {"dragan_penalty": {}}, None, DCGAN),
    # Huang et al., 2024
    "R3GAN": (
        kg.R3GAN,
        {"gamma": 0.7},
        "relativistic",
        {"r1": {"gamma": 0.7}, "r2": {"gamma": 0.7}},
        None,
        lambda: papers.adam(2e-4, 0.0, 0.9),
    ),
    "long form": (
        kg.GAN,
        {
            "loss": losses.Hinge(),
            "penalties": [penalties.R1(0.7), penalties.GradientPenalty(3.0)],
            "constraint": constraints.Clip(0.3),
        },
        "hinge",
        {"r1": {"gamma": 0.7}, "gradient_penalty": {"weight": 3.0}},
        0.3,
        DCGAN,
    ),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained: a variant and its optimizer, networks of `kerasgan.networks` and their normalisations."""

    variant: str
    optimizer: str = "SGD"
    n_critic: int = 2
    networks: str = "dcgan"
    norms: tuple = (None, "layer")
    shape: tuple = (16, 16, 2)
    classes: int | None = None
    pack: int = 1
    blur: bool = False
    skips: bool = False

    def own(self, norm, of_r3gan):
        """What only some networks take, by its names here and there: of the generator, of the discriminator."""
        generator, discriminator = (of_r3gan if self.networks == "r3gan" else {norm: value} for value in self.norms)
        return {**generator, **{name: True for name in ("blur", "skips") if getattr(self, name)}}, discriminator

    def models(self):
        """Generator and discriminator of the package."""
        size = (6,) if self.networks == "mlp" else 2
        packs = (*self.shape[:-1], self.pack * self.shape[-1])
        own = self.own("normalization", {"group_width": 4})
        generator, discriminator = (
            getattr(kg.networks, f"{self.networks}_{role}") for role in ("generator", "discriminator")
        )
        return (
            generator(self.shape, LATENT_DIM, size, num_classes=self.classes, **own[0]),
            discriminator(packs, size, num_classes=self.classes, **own[1]),
        )

    def functions(self):
        """The same two by the papers."""
        generator, discriminator = (
            getattr(papers, f"{self.networks}_{role}") for role in ("generator", "discriminator")
        )
        own = self.own("norm", {"groups": (1, 2)})  # 4 and 8 channels inside a block
        return functools.partial(generator, shape=self.shape, **own[0]), functools.partial(discriminator, **own[1])


POINTS = {"networks": "mlp", "shape": (5,)}
RESIDUAL = {"networks": "resnet", "shape": (8, 8, 1), "n_critic": 1}
CASES = {
    **{f"{name}, SGD": Case(name, **POINTS) for name in VARIANTS},
    **{f"{name}, its optimizer": Case(name, "paper", n_critic=1, **POINTS) for name in VARIANTS},
    **{f"{name}, convolutions": Case(name) for name in ("GAN", "DRAGAN")},
    "conditional GAN": Case("GAN", "paper", classes=CLASSES),
    "conditional WGANGP": Case("WGANGP", classes=CLASSES, n_critic=1),
    "instance normalisation": Case("WGANGP", norms=("instance", "instance"), n_critic=1),
    "layer normalisation of the generator": Case("GAN", norms=("layer", None)),
    "spectral normalisation": Case("hinge", "paper", norms=(None, "spectral")),
    "spectral normalisation under penalties": Case("R3GAN", norms=(None, "spectral"), **POINTS),
    "residual": Case("WGANGP", **RESIDUAL),
    "residual, conditional, spectral": Case("hinge", norms=(None, "spectral"), classes=CLASSES, **RESIDUAL),
    "blurred": Case("R3GAN", "paper", norms=("batch", None), blur=True, n_critic=1),
    # Behind three batch normalisations, float32 leaves no digit of the first layer's gradient.
    "skips": Case("R3GAN", "paper", norms=("layer", None), shape=(32, 32, 2), blur=True, skips=True, n_critic=1),
    "networks of R3GAN": Case("R3GAN", networks="r3gan", shape=(8, 8, 1), n_critic=1),
    "networks of R3GAN, conditional": Case("R3GAN", "paper", networks="r3gan", shape=(8, 8, 1), classes=CLASSES),
    "packs": Case("WGANGP", pack=2, **POINTS),
    "relativistic packs": Case("R3GAN", pack=2, n_critic=1),
    "packs around the data": Case("DRAGAN", "paper", pack=4, **POINTS),
}
# Each forward pass is one update of the moving moments, in order: n_critic + 1 of the generator in a step.
MOVING = {
    "generator": Case("WGANGP", "paper", norms=("batch", "layer")),
    "both networks": Case("GAN", norms=("batch", "batch")),
    "residual generator": Case("WGAN", norms=("batch", None), **{**RESIDUAL, "n_critic": 2}),
    "conditional points": Case("LSGAN", norms=("batch", None), classes=CLASSES, **POINTS),
}


def scatter(model, rng):
    """Random weights, biases and gains: at 0 and 1 a wrong or missing one would not show."""
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.0, 0.4, variable.shape) + ("gamma" in variable.path))


def derived(network, function, rule):
    return papers.Network(function, [(w.numpy(), w.trainable) for w in network.weights], rule)


def data(rng, case):
    count = STEPS * case.n_critic
    images = rng.uniform(-1, 1, (count, BATCH, *case.shape)).astype("float32")
    return images, rng.integers(0, CLASSES, (count, BATCH)) if case.classes else None


def slots(optimizer):
    """Moments of the gradients, in the order of the weights."""
    return [v for v in optimizer.variables if v.path.endswith(("momentum", "velocity"))]


def assert_same(received, expected, start=None):
    """Every number to 1e-5 of the largest, and how far weights have moved, which may be little, to a thousandth."""
    theirs = [np.asarray(value) for value in expected]
    tolerance = 1e-5 * max((np.abs(value).max() for value in theirs), default=0)
    for variable, value in zip(received, theirs, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=0, atol=tolerance, err_msg=variable.path)
    if start is not None:
        joined = lambda values: np.concatenate([np.ravel(value) for value in values])
        moved = joined(theirs) - joined(start)
        error = joined(variable.numpy() for variable in received) - joined(theirs)
        assert np.linalg.norm(error) < 1e-3 * np.linalg.norm(moved)


def assert_same_logs(history, logs):
    assert history.keys() == logs[0].keys()
    for name, values in history.items():
        assert values == pytest.approx([float(log[name]) for log in logs], rel=1e-5, abs=1e-6), name


def assert_parity(case, rng, **compilation):
    make, arguments, loss, penalised, clip, default = VARIANTS[case.variant]
    models = case.models()
    for model in models:
        scatter(model, rng)
    rules = (papers.sgd(0.05), papers.sgd(0.002)) if case.optimizer == "SGD" else (default(), default())
    g, d = map(derived, models, case.functions(), rules)
    start = [model.get_weights() for model in models]
    average = [tf.Variable(w, dtype=tf.float64) for w in start[0]]
    images, labels = data(rng, case)

    gan = make(*models, n_critic=case.n_critic, pack=case.pack, ema_momentum=MOMENTUM, seed=SEED, **arguments)
    if case.optimizer == "SGD":
        gan.compile(keras.optimizers.SGD(0.002), keras.optimizers.SGD(0.05), **compilation)
    else:
        gan.compile(**compilation)
    dataset = tf.data.Dataset.from_tensor_slices(images if labels is None else (images, labels))
    history = gan.fit(dataset, steps_per_epoch=1, epochs=STEPS, verbose=0).history

    batches = zip(images, [None] * len(images) if labels is None else labels, strict=True)
    logs = papers.train(
        g, d, average, batches, loss, penalised, clip, case.n_critic, case.pack, MOMENTUM, SEED, LATENT_DIM
    )
    assert_same(gan.discriminator.weights, d.weights, start[1])
    assert_same(gan.generator.weights, g.weights, start[0])
    assert_same(gan.ema_generator.weights, average, start[0])
    for optimizer, network in ((gan.d_optimizer, d), (gan.g_optimizer, g)):
        assert_same(slots(optimizer), [slot for own in network.slots for slot in own])
        assert int(optimizer.iterations) == network.updates
    assert (int(gan.step), int(gan.updates)) == (STEPS, STEPS * (case.n_critic + 1))
    assert_same_logs(history, logs)


# Every loss, penalty and constraint, both optimizers, on points, and labels with convolutions.
BY_DEFAULT = [
    *("GAN, its optimizer", "WGAN, SGD", "WGANGP, SGD", "WGANLP, SGD", "DRAGAN, SGD", "LSGAN, SGD"),
    *("R3GAN, its optimizer", "minimax, SGD", "hinge, SGD", "conditional WGANGP"),
]


@pytest.mark.parametrize("name", each(CASES, BY_DEFAULT))
def test_three_steps_are_those_of_the_paper(name, rng):
    assert_parity(CASES[name], rng, run_eagerly=True)


@pytest.mark.parametrize(
    ("name", "run_eagerly"),
    each(
        [*((name, True) for name in MOVING), ("generator", False), ("both networks", False)],
        [("conditional points", True)],
    ),
)
def test_moving_statistics_are_those_of_every_forward_pass(name, run_eagerly, rng):
    assert_parity(MOVING[name], rng, run_eagerly=run_eagerly)


def test_every_variant_is_compared():
    def variants(cls):
        return {cls}.union(*(variants(child) for child in cls.__subclasses__()))

    own = {cls for cls in variants(kg.GAN) if cls.__module__.startswith("kerasgan")}
    assert own == {make for make, *_ in VARIANTS.values()}


@pytest.mark.parametrize(
    ("optimizer", "default"), some([("SGD", None), ("paper", papers.adam(1e-3, 0.9, 0.999, 1e-7))], 1)
)
def test_three_steps_of_the_vae_are_those_of_the_paper(optimizer, default, rng):
    shape = (16, 16, 2)
    encoder = kg.networks.dcgan_encoder(shape, LATENT_DIM, 2, "layer")
    decoder = kg.networks.dcgan_generator(shape, LATENT_DIM, 2, "batch")
    vae = kg.VAE(encoder, decoder, seed=SEED)
    scatter(vae, rng)
    rule = default or papers.sgd(1e-4)
    functions = (
        lambda w, x, y: papers.dcgan_encoder(w, x, y, "layer"),
        lambda w, z, y: papers.dcgan_generator(w, z, y, shape, "batch"),
    )
    parts = [derived(*pair, rule) for pair in zip((encoder, decoder), functions, strict=True)]
    parts.append(papers.Network(None, [(vae.log_sigma.numpy(), True)], rule))
    variables = [*encoder.weights, *decoder.weights, vae.log_sigma]
    start = [variable.numpy() for variable in variables]
    images = rng.uniform(-1, 1, (STEPS, BATCH, *shape)).astype("float32")
    # The likelihood of 512 pixels has gradients of some hundred.
    vae.compile(keras.optimizers.SGD(1e-4) if optimizer == "SGD" else None, run_eagerly=True)
    history = vae.fit(tf.data.Dataset.from_tensor_slices(images), steps_per_epoch=1, epochs=STEPS, verbose=0).history

    logs = papers.train_vae(*parts, images, SEED, LATENT_DIM)
    assert_same(variables, [w for part in parts for w in part.weights], start)
    order = {id(v): i for i, v in enumerate(vae.trainable_variables)}
    trained = [
        (v, own)
        for part, ours in zip(parts, (encoder, decoder, None), strict=True)
        for v, own in zip(ours.trainable_variables if ours else [vae.log_sigma], part.slots, strict=True)
    ]
    trained.sort(key=lambda pair: order[id(pair[0])])
    assert_same(slots(vae.optimizer), [slot for _, own in trained for slot in own])
    assert (int(vae.step), int(vae.optimizer.iterations)) == (STEPS, STEPS)
    assert_same_logs(history, logs)


# The papers' optimizers where gradients are as small as epsilon, which trainings seldom are


@pytest.mark.parametrize("name", VARIANTS)
def test_the_default_optimizers_have_the_papers_epsilon(name):
    make, arguments, *_, default = VARIANTS[name]
    gan = make(*Case(name, **POINTS).models(), **arguments)
    gradients = np.logspace(-10, 0, 30).reshape(5, 6)
    for optimizer in gan.default_optimizers():
        variable, weight, slots = keras.Variable(np.zeros((5, 6))), np.zeros((5, 6)), ()
        for t in range(1, 4):
            optimizer.apply([tf.constant(gradients / t, tf.float32)], [variable])
            weight, *slots = default()(t, weight, gradients / t, *slots)
        np.testing.assert_allclose(variable.numpy(), weight, rtol=1e-5)


# The derivation itself: its gradients, of second order too, against central differences


@pytest.mark.parametrize(
    "case",
    [
        Case("WGANGP", classes=CLASSES),
        Case("R3GAN", norms=(None, "spectral")),
        Case("DRAGAN", norms=("batch", "instance")),
        Case("WGANLP", **RESIDUAL),
        Case("WGANGP", pack=2, **POINTS),
    ],
    ids=lambda case: f"{case.networks} {case.variant}",
)
def test_the_gradients_of_the_derivation_are_those_of_central_differences(case, rng):
    _, _, loss, penalised, *_ = VARIANTS[case.variant]
    models = case.models()
    for model in models:
        scatter(model, rng)
    g, d = (derived(*pair, None) for pair in zip(models, case.functions(), strict=True))
    images, labels = data(rng, case)
    real, y = papers.packed(tf.constant(images[0], tf.float64), case.pack), None if labels is None else labels[0]
    z = papers.normal(papers.draws(SEED, 0), BATCH, LATENT_DIM)

    def objective():
        fake = papers.packed(g(z, y), case.pack)
        value, _ = papers.critic_objective(lambda x: d(x, y), real, fake, papers.draws(SEED, 0), loss, penalised)
        return value

    for network in (g, d):
        with tf.GradientTape() as tape:
            value = objective()
        gradients = map(tf.convert_to_tensor, tape.gradient(value, network.trained))
        direction = [rng.normal(size=w.shape) for w in network.trained]
        slope = sum(np.sum(step * gradient) for step, gradient in zip(direction, gradients, strict=True))

        def along(distance, network=network, direction=direction):
            for w, step in zip(network.trained, direction, strict=True):
                w.assign_add(distance * step)
            return float(objective())

        h = 1e-6
        difference = (along(h) - along(-2 * h)) / (2 * h)
        along(h)
        assert difference == pytest.approx(slope, rel=1e-5)
