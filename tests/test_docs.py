"""The code of documentation pages does what they say."""

import ast
import hashlib
import inspect
import json
import pathlib
import re
import subprocess
import sys
import types

import documentation
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasgan as kg
from kerasgan import images, serving

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
DOCS = README.parent / "docs"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def small(code, *replacements):
    """The code after replacements `(text, count, other)`; the text has to be there `count` times."""
    for text, count, other in replacements:
        assert code.count(text) == count, text
        code = code.replace(text, other)
    return code


def executed(code, directory, monkeypatch, **names):
    """The names that code has made when it has run in a directory."""
    monkeypatch.chdir(directory)
    exec(compile(code, "page", "exec"), names)
    return names


def source_of(*size):
    """Sixteen images of bytes, with labels, as `kg.datasets.read` returns them."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, *size), dtype="uint8")
    return types.SimpleNamespace(images=pixels, labels=np.arange(16) % 10)


def check_resumed(gan, path, *data):
    """The model in the file trains on as the one that was not saved."""
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.generate(3, seed=0), gan.generate(3, seed=0))
    for model in (gan, loaded):
        model.fit(*data, batch_size=4, steps_per_epoch=1, verbose=0)
    states = [{name: value.numpy() for name, value in model.state().items()} for model in (gan, loaded)]
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


def test_the_lines_of_migrated_notebooks_are_counted():
    page = (DOCS / "migration.md").read_text(encoding="utf-8")
    lines = [
        sum(bool(line.strip()) and not line.strip().startswith("#") for line in code.splitlines())
        for code in blocks("migration.md", "python")
    ]
    assert [int(count) for count in re.findall(r"^\| \[.*\| (\d+) \|$", page, re.MULTILINE)] == lines[:3]


def test_the_conditional_notebook_and_a_metric_run_as_migrated(tmp_path, monkeypatch):
    code = small(
        "\n".join(blocks("migration.md", "python")[2:]),
        ('kg.datasets.read("mnist", split="train+test")', 1, "mnist"),
        ("batch_size=64, epochs=20", 1, "batch_size=8, epochs=1, verbose=0"),
        ("Conv2DTranspose(128", 2, "Conv2DTranspose(4"),
        ("138", 2, "4"),
        ("(64, 128)", 1, "(4, 4)"),
        ("Adam(3e-4))", 1, "Adam(3e-4), run_eagerly=True)"),
        ("metrics=[Brightness()]", 1, "metrics=[Brightness()], run_eagerly=True"),
    )
    made = executed(code, tmp_path, monkeypatch, mnist=source_of(28, 28, 1))
    assert made["gan"].generate(2, labels=7, seed=0).shape == (2, 28, 28, 1)
    assert Image.open(tmp_path / "from_1_to_5.png").width > 9 * 28
    loaded = keras.models.load_model(tmp_path / "digits.keras")
    np.testing.assert_array_equal(loaded.generate(2, seed=0), made["gan"].generate(2, seed=0))


@pytest.mark.slow
def test_the_wgan_gp_notebook_runs_as_migrated(tmp_path, monkeypatch):
    data = source_of(28, 28, 1).images
    code = small(
        blocks("migration.md", "python")[0],
        ('kg.datasets.load("fashion_mnist", batch_size=512)', 1, "data, batch_size=4, verbose=0"),
        ("epochs=60", 1, "epochs=1"),
        ("*down(64), *down(128, 0.3), *down(256, 0.3), *down(512)", 1, "*down(4), *down(4, 0.3), *down(4)"),
    )
    gan = executed(code, tmp_path, monkeypatch, data=data)["gan"]
    assert (gan.n_critic, int(gan.step.numpy()), gan.batches_taken) == (3, 1, 3)  # of four batches
    assert (tmp_path / "checkpoints").is_dir()
    check_resumed(gan, tmp_path / "fashion.keras", data)


@pytest.mark.slow
def test_the_dcgan_notebook_runs_as_migrated(tmp_path, monkeypatch):
    data = source_of(28, 28, 1)
    code = small(
        blocks("migration.md", "python")[1],
        ('kg.datasets.read("mnist", split="train+test")', 1, "data"),
        ("batch_size=64, epochs=30", 1, "batch_size=8, epochs=1, verbose=0"),
        ("Conv2DTranspose(128", 2, "Conv2DTranspose(4"),
    )
    gan = executed(code, tmp_path, monkeypatch, data=data)["gan"]
    assert gan.output_range.bounds == (0.0, 1.0)
    check_resumed(gan, tmp_path / "mnist.keras", data.images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "logged"), [(0, {"d_class_loss", "g_class_loss"}), (1, set())], ids=["AC-GAN", "feature matching"]
)
def test_an_objective_of_a_users_own_is_trained_saved_resumed_and_exported(number, logged, tmp_path, monkeypatch):
    data = source_of(8, 8, 1)
    code = small(
        "\n".join(blocks("extending.md", "python")[: number + 1]),
        ('kg.datasets.read("mnist"), (28, 28, 1)', 1, "data, (8, 8, 1)"),
        ("filters=32", 2 * (number + 1), "filters=4"),
        ("epochs=10", number + 1, "epochs=1, batch_size=8, verbose=0"),
    )
    gan = executed(code, tmp_path, monkeypatch, data=data)["gan"]
    images = (data.images, data.labels) if gan.conditional else (data.images,)
    assert logged <= gan.evaluate(*images, return_dict=True, verbose=0).keys()
    gan.save(tmp_path / "own.keras")
    check_resumed(gan, tmp_path / "own.keras", *images)
    served = serving.Served(gan.export(tmp_path / "served"))
    assert served.card["signatures"].keys() >= {"generate", "score"}


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


@pytest.mark.slow
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


def public_names(module):
    """What `dir` shows of a module that it defines, or what it says is public."""
    defined = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and not isinstance(value, bool)  # `TYPE_CHECKING`
        and getattr(value, "__module__", module.__name__) == module.__name__  # constants have none
    ]
    return vars(module).get("__all__", defined)


def test_every_public_name_is_in_the_reference():
    pages = documentation.pages()
    modules = [name for name in kg.__all__ if inspect.ismodule(getattr(kg, name))]
    assert len(modules) > 15
    wanted = {f"kerasgan.{name}" for name in kg.__all__ if name not in modules and not name.startswith("_")}
    for name in modules:
        module = getattr(kg, name)
        wanted |= {f"{module.__name__}.{public}" for public in public_names(module)}
    shown = {
        directive
        for page, text in pages.items()
        if page.startswith("reference/")
        for directive in re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    }
    assert len(wanted) > 120
    assert wanted - shown == set()


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w/]+\.md$", (README.parent / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.name for page in DOCS.glob("*.md")}
    pages |= {page for page in documentation.pages() if not page.startswith("reference/")}
    assert sorted(listed) == sorted(pages)


def test_pages_of_the_site_link_to_one_another():
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="index.md"))
    text = "[a](docs/a.md#b) [c](../README.md) [d](examples/d.ipynb) [e](https://x.org/docs/e.md)"
    turned = "[a](a.md#b) [c](index.md) [d](examples/d.md) [e](https://x.org/docs/e.md)"
    assert documentation.on_page_markdown(text, page) == turned


def test_every_picture_is_in_the_gallery():
    gallery = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert {f"images/{path.name}" for path in DOCS.glob("images/*")} == set(re.findall(r"!\[.*\]\((.*)\)", gallery))


def test_messages_name_only_files_that_a_wheel_has():
    """Texts in code; comments and docstrings are read in the repository."""
    named = []
    for path in sorted((README.parent / "kerasgan").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        texts = [text for text in texts if text.value != "README.md"]  # that of an export
        named += [
            f"{path.name}:{text.lineno}: {text.value}"
            for text in texts
            if text not in statements and re.search(r"\bdocs/|README|\bscripts/|\btests/|kerasgan\[", text.value)
        ]
    assert named == []
