"""The code of documentation pages does what they say."""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasgan import images, serving

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
DOCS = README.parent / "docs"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.mark.slow
def test_the_tutorial_runs_from_data_to_a_served_model(tmp_path):
    code = "\n".join(blocks("tutorial.md", "python"))
    for shortened in ("EPOCHS = 30", "steps_per_epoch=100", "train_classifier(*train)"):
        assert code.count(shortened) == 1, shortened
    code = code.replace("EPOCHS = 30", "EPOCHS = 2").replace("steps_per_epoch=100", "steps_per_epoch=5")
    code = code.replace("train_classifier(*train)", "train_classifier(*train, epochs=2)")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "saved_models/tutorial/1" in done.stdout
    assert re.search(r"^prdc_coverage +\d", done.stdout, re.MULTILINE)
    for name in ("real.png", "generated.png", "curves.png"):
        assert Image.open(tmp_path / name).width > 200, name


@pytest.mark.slow
def test_the_commands_of_the_tutorial_run(tmp_path):
    (commands,) = blocks("tutorial.md", "sh")
    commands = commands.replace("kerasgan ", f"{sys.executable} -m kerasgan ")
    commands = commands.replace("--conditional", "--conditional --steps=4 --units=16,16 --latent_dim=4")
    done = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    for name in ("walk.gif", "sevens.png", "saved_models/tutorial/1/saved_model.pb"):
        assert (tmp_path / name).is_file(), name


def test_the_pictures_of_every_page_are_there():
    for page in [*DOCS.glob("*.md"), README]:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_the_files_that_contributors_are_sent_to_are_there():
    page = (README.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:tests|docs)/[\w.]+\.(?:py|md)", page))
    assert len(named) > 10
    assert [name for name in named if not (README.parent / name).is_file()] == []


def test_the_model_in_the_repository_needs_tensorflow_alone(tmp_path):
    (code,) = (
        code
        for code in re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
        if "served" in code
    )
    code = "import sys\nsys.modules['kerasgan'] = sys.modules['keras'] = None\n" + code
    code += "import numpy\nnumpy.save(sys.argv[1], images)\n"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "images.npy"],
        cwd=README.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    picture = np.asarray(Image.open(README.parent / "saved_models/digits/1/samples.png"))
    made = images.grid(np.load(tmp_path / "images.npy"))[..., 0]
    assert np.abs(picture.astype(int) - made).max() <= 1  # a grey level, on another processor


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_model_in_the_repository_has_the_weights_of_its_card(name):
    version = README.parent / "saved_models" / name / "1"
    card = json.loads((version / "model_card.json").read_text())
    served = serving.Served(version)
    assert served.card == card
    assert card["training"]["seed"] == 0
    assert card["metrics"]["coverage"] > 0.9
    loaded = tf.saved_model.load(str(version))
    digest, digests = hashlib.sha256(), []  # of the first weight, the first two, ...: the discriminator's come last
    for weight in loaded.weights:
        digest.update(f"{weight.dtype.name}{tuple(weight.shape)}".encode())
        digest.update(weight.numpy().tobytes())
        digests.append(digest.hexdigest())
    assert card["weights_sha256"] in digests[:-1]
