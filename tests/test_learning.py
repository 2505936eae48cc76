"""What takes minutes: the trainings that the README promises. Run by `pytest -m slow`."""

import json

import keras
import numpy as np
import pytest

import kerasgan as kg
from kerasgan.cli import main


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_main_job_learns_all_ten_digits(tmp_path, seed):
    prdc = pytest.importorskip("prdc")
    neighbors = pytest.importorskip("sklearn.neighbors")
    assert main(["train", f"--seed={seed}", f"--workdir={tmp_path / 'run'}"]) == 0
    digits = kg.datasets.read("digits")
    real = digits.images.reshape(len(digits.images), -1) / 127.5 - 1.0
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    fake = model.generate(len(real), seed=seed).reshape(len(real), -1)
    values = prdc.compute_prdc(real, fake, nearest_k=5)
    # The bounds of the main job; a perfect sampler has 0.97 and 1.00.
    assert values["coverage"] >= 0.85
    assert values["density"] >= 0.70
    classes = neighbors.KNeighborsClassifier(5).fit(real, digits.labels).predict(fake)
    assert np.bincount(classes, minlength=10).min() >= 0.04 * len(real)
    reported = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert reported["coverage"] == pytest.approx(values["coverage"], abs=0.03)  # of other samples
