"""What objects say of themselves, in one line."""

import keras
import numpy as np
import pytest

import kerasgan as kg

PENALTY = kg.penalties.GradientPenalty


class Margin(kg.losses.Hinge):
    def __init__(self, margin, *more, **others):
        self.m = margin


class Unfinished(kg.penalties.Penalty):
    def __init__(self):
        self.said = repr(self)
        super().__init__(1.0, "unfinished")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (kg.losses.Wasserstein(), "Wasserstein()"),
        (PENALTY(), "GradientPenalty(weight=10.0)"),
        (PENALTY(5, name="gp", every=5), "GradientPenalty(weight=5.0, name='gp', every=5)"),
        (kg.penalties.R1(3), "R1(gamma=3.0)"),
        (kg.penalties.DRAGANPenalty(0.0), "DRAGANPenalty(weight=0.0, scale=0.5)"),
        (kg.constraints.Clip(), "Clip(clip=0.01)"),
        (kg.augmentations.DiffAugment("flip", 0.5), "DiffAugment(policy=['flip'], probability=0.5)"),
        (Margin(2.0), "Margin(margin=2.0)"),
        (Margin(2.0, 3, a="b"), "Margin(margin=2.0, more=[3], a='b')"),
        (
            kg.losses.Paired(keras.losses.BinaryCrossentropy(from_logits=True), real=0.9),
            "Paired(loss=BinaryCrossentropy(from_logits=True, label_smoothing=0.0, axis=-1), real=0.9)",
        ),
        (kg.callbacks.Health(patience=3), "Health(patience=3)"),
        (kg.callbacks.SampleGrid("grids", inline=False), "SampleGrid(directory='grids', inline=False)"),
        (kg.callbacks.Checkpoint("run", every=5), "Checkpoint(directory='run', every=5)"),
        (kg.datasets.Source("x", np.zeros((9, 4, 4, 1), "uint8")), "Source('x', 9 images (4, 4, 1) uint8)"),
        (
            kg.datasets.Source("x", np.zeros((2, 4, 4, 1), "uint8"), np.array([0, 1]), ("cat", "dog")),
            "Source('x', 2 images (4, 4, 1) uint8, 2 classes: cat, dog)",
        ),
        (kg.datasets.Source("x", np.zeros((9, 2), "float32")), "Source('x', 9 points (2,) float32)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_object_tells_its_arguments(made, expected):
    assert repr(made) == str(made) == expected


def test_a_model_tells_its_networks_and_its_objective(make_generator, make_discriminator):
    networks = "generator (None, 3) -> (None, 4, 4, 1), discriminator (None, 4, 4, 1) -> (None, 1)"
    gan = kg.WGANGP(make_generator(), make_discriminator(), ema_momentum=0.9)
    assert repr(gan).startswith("WGANGP(generator (None, ")
    assert repr(gan).endswith(") -> (None, 1), weight=10.0, n_critic=5, ema_momentum=0.9)")
    gan.compile()
    assert str(gan) == repr(gan)
    gan = kg.GAN(
        kg.networks.mlp_generator((4, 4, 1), 3, (8,)),
        kg.networks.mlp_discriminator((4, 4, 1), (8,)),
        kg.losses.Hinge(),
        [PENALTY(1.0)],
    )
    assert repr(gan) == f"GAN({networks}, loss=Hinge(), penalties=(GradientPenalty(weight=1.0),))"
    labelled = kg.GAN(
        kg.networks.mlp_generator((4, 4, 1), 3, (8,), num_classes=2),
        kg.networks.mlp_discriminator((4, 4, 1), (8,), num_classes=2),
    )
    assert "generator (None, 3), (None,) -> (None, 4, 4, 1), " in repr(labelled)
    assert repr(keras.models.clone_model(labelled.generator)).startswith("<Functional")


def test_what_is_not_made_yet_can_be_told_too():
    assert Unfinished().said == "Unfinished()"
    assert repr(PENALTY.__new__(PENALTY)) == "<GradientPenalty, not initialised>"


def test_a_long_argument_takes_one_line():
    told = repr(Margin(list(range(1000))))
    assert "\n" not in told
    assert len(told) < 160
