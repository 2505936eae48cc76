"""Whatever is accepted trains one step and generates; everything else is refused by an error of ours."""

import pathlib
import traceback

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import kerasgan as kg
from kerasgan import losses, penalties

MODELS = {
    "GAN": kg.GAN,
    "WGAN": kg.WGAN,
    "WGANGP": kg.WGANGP,
    "WGANLP": kg.WGANLP,
    "DRAGAN": kg.DRAGAN,
    "LSGAN": kg.LSGAN,
    "R3GAN": kg.R3GAN,
    "VAE": kg.VAE,
}
LOSSES = (
    losses.NonSaturating,
    losses.Minimax,
    losses.Hinge,
    losses.LeastSquares,
    losses.Wasserstein,
    losses.Relativistic,
)
PENALTIES = (penalties.GradientPenalty, penalties.LipschitzPenalty, penalties.DRAGANPenalty, penalties.R1, penalties.R2)

# What should do.
sizes = st.integers(1, 12)
sound = st.fixed_dictionaries(
    {
        "model": st.sampled_from(sorted(MODELS)),
        "network": st.sampled_from(["mlp", "mlp", "dcgan"]),
        "height": sizes,
        "width": sizes,
        "channels": st.integers(1, 5),
        "latent_dim": st.integers(1, 5),
        "num_classes": st.sampled_from([None, None, 1, 3]),
        "normalization": st.sampled_from([None, "layer", "spectral"]),
        "n_critic": st.integers(1, 3),
        "pack": st.sampled_from([1, 1, 2, 3]),
        "ema_momentum": st.sampled_from([None, 0.0, 0.9]),
        "loss": st.sampled_from([None, *range(len(LOSSES))]),
        "penalties": st.lists(st.integers(0, len(PENALTIES) - 1), max_size=2, unique=True),
        "packs": st.integers(1, 3),
        "batches": st.integers(1, 3),
        "pixels": st.sampled_from(["tanh", "bytes"]),
        "rank": st.just(4),
    }
)
# What should not, most of it.
SPOILT = {
    "latent_dim": (0,),
    "num_classes": (0, -1),
    "normalization": ("batch", "group"),
    "n_critic": (0, -1, 1.5),
    "pack": (0, 4),
    "ema_momentum": (1.0, -0.1),
    "penalties": ([0, 0],),
    "packs": (0,),
    "batches": (0,),
    "labels": ("none", "beyond", "floats", "one-hot", "few", "classes"),
    "pixels": ("levels", "unit", "nan"),
    "rank": (3,),
}
spoilt = st.sampled_from([None] * 24 + [(name, value) for name, values in SPOILT.items() for value in values])


@st.composite
def configurations(draw):
    """A sound configuration, or one with one thing spoilt."""
    c = draw(sound)
    if c["model"] == "VAE":
        c["num_classes"] = None
    c["labels"] = "none" if c["num_classes"] is None else "classes"
    if c["num_classes"] or c["model"] == "VAE":
        c["pack"] = 1
    spoil = draw(spoilt)
    c |= {} if spoil is None else {spoil[0]: spoil[1]}
    c["spoilt"] = None if spoil is None else spoil[0]
    c["batch_size"] = c["packs"] * max(c["pack"], 1)
    c["num_images"] = c["batches"] * c["batch_size"]
    return c


def pixels(configuration):
    c = configuration
    random = np.random.default_rng(0)
    shape = (c["num_images"], c["height"], c["width"], c["channels"])[: c["rank"]]
    x = random.uniform(-1, 1, shape).astype("float32")
    if c["pixels"] == "bytes":
        return random.integers(0, 256, shape, dtype=np.uint8)
    x = {"levels": 127.5 * (x + 1), "unit": (x + 1) / 2}.get(c["pixels"], x)
    if c["pixels"] == "nan" and x.size:
        x.flat[0] = np.nan
    return x


def labels(configuration):
    c, n = configuration, configuration["num_images"]
    classes = np.arange(n) % max(c["num_classes"] or 1, 1)
    return {
        "none": None,
        "classes": classes,
        "beyond": classes + 7,
        "floats": classes + 0.5,
        "one-hot": np.eye(8)[classes],
        "few": classes[1:],
    }[c["labels"]]


def model(configuration):
    c = configuration
    shape, size = (c["height"], c["width"], c["channels"]), {"units": (4,)} if c["network"] == "mlp" else {"filters": 2}
    conditional = {"num_classes": c["num_classes"]}
    make = {name: getattr(kg.networks, f"{c['network']}_{name}") for name in ("generator", "discriminator", "encoder")}
    generator = make["generator"](shape, latent_dim=c["latent_dim"], **size, **conditional)
    normalization = {"normalization": c["normalization"]}
    if c["model"] == "VAE":
        return kg.VAE(make["encoder"](shape, latent_dim=c["latent_dim"], **size), generator)
    packed = (*shape[:-1], c["pack"] * shape[-1])
    discriminator = make["discriminator"](packed, **size, **normalization, **conditional)
    objective = {}
    if c["model"] == "GAN":
        objective["penalties"] = [PENALTIES[number](1.0) for number in c["penalties"]]
        objective["loss"] = None if c["loss"] is None else LOSSES[c["loss"]]()
    others = {name: c[name] for name in ("n_critic", "pack", "ema_momentum")}
    return MODELS[c["model"]](generator, discriminator, **objective, **others)


def is_ours(error):
    """Whether it is an error for people, raised by us."""
    last = pathlib.Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return isinstance(error, ValueError | TypeError) and pathlib.Path(kg.__file__).parent in last.parents


def must_be_refused(configuration):
    """Whether it would train and never learn."""
    c = configuration
    if c["spoilt"] == "labels":
        return bool(c["num_classes"]) and c["labels"] != "classes"
    return c["spoilt"] == "pixels" and c["pixels"] in ("levels", "nan")


def train(configuration):
    """One step and some images; what is refused is refused by us, and before the step."""
    keras.backend.clear_session()
    gan, refusal = None, None
    try:
        gan = model(configuration)
        gan.compile()
        arguments = {"batch_size": configuration["batch_size"], "epochs": 1, "steps_per_epoch": 1, "verbose": 0}
        gan.fit(pixels(configuration), labels(configuration), **arguments)
    except Exception as error:
        refusal = error
    if refusal is not None:
        text = "".join(traceback.format_exception(refusal))
        assert configuration["spoilt"], text
        assert is_ours(refusal), text
        assert gan is None or not int(gan.step), text
        return
    assert not must_be_refused(configuration)
    assert all(np.isfinite(values).all() for values in gan.history.history.values())
    images = gan.generate(3)
    assert images.shape == (3, *gan.image_shape)
    assert np.isfinite(images).all()


common = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.mark.filterwarnings("ignore")
@seed(0)
@settings(max_examples=3, **common)
@given(configurations())
@pytest.mark.slow
def test_a_configuration_trains_or_is_refused_by_us(configuration):
    train(configuration)


@pytest.mark.slow
@pytest.mark.timeout(3_600)  # 13 minutes on a core of its own
@pytest.mark.filterwarnings("ignore")
@seed(1)
@settings(max_examples=300, **common)
@given(configurations())
def test_300_configurations_train_or_are_refused_by_us(configuration):
    train(configuration)
