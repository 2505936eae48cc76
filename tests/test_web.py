"""The page that draws in the browser, and the model card, say and show what the model is."""

import json
import pathlib
import re
import shutil

import browser
import keras
import numpy as np
import pytest

import kerasgan as kg
from kerasgan import serving
from kerasgan.errors import ExportError
from kerasgan.serving import readme, web

ZOO = pathlib.Path(__file__).parents[1] / "saved_models"
FIRST_PICTURE = 3.0  # seconds of one core, so that other programs do not matter
PIXELS = """[...document.querySelectorAll("%s")].map((canvas) =>
    [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data])"""
ALL_DRAWN = 'document.querySelectorAll("#grid canvas:not([data-drawn])").length === 0'


@pytest.fixture(scope="module")
def chromium():
    if browser.PROGRAM is None:
        pytest.skip("no Chromium: `apt-get install chromium`")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Name of an exported model, whether to zip -> path of its page."""
    try:
        web.runtime()
    except ExportError as error:
        pytest.skip(str(error))
    made = {}

    def get(name):
        if name not in made:
            made[name] = serving.Served(ZOO / name).write_page(tmp_path_factory.mktemp("pages") / name)
        return made[name]

    return get


def drawn(page, selector, shape):
    """The images on the canvases of a page, uint8 `(n, height, width, channels)`."""
    pixels = np.array(page.value(PIXELS % selector), "uint8").reshape(-1, *shape[:2], 4)
    assert (pixels[..., 3] == 255).all()
    if shape[-1] == 1:
        assert (pixels[..., :1] == pixels[..., :3]).all()
    return pixels[..., : shape[-1]]


def opened(page, path, state=""):
    """Opens a page, and returns how long all threads of the page together were busy until its first picture."""
    page.call("Page.navigate", url=path.as_uri() + state)
    page.wait('document.querySelector("#one")?.dataset.drawn !== undefined')
    seconds = page.busy()
    page.wait(ALL_DRAWN)
    return seconds


def assert_near(images, expected):
    assert np.abs(images.astype(int) - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_page_draws_what_generate_draws_from_the_disk_and_soon(chromium, pages, tmp_path, name):
    served = serving.Served(ZOO / name)
    shape, conditional = served.image_shape, served.conditional
    seeds = np.arange(50 if conditional else 48)  # a column for each class
    with browser.Browser(tmp_path / "profile") as page:
        seconds = opened(page, pages(name))
        in_turn = seeds % 10 if conditional else None
        assert_near(drawn(page, "#grid canvas", shape), served.generate(seeds, in_turn))
        label = 7 if conditional else None
        state = {"seed": 2**52, "truncation": 0.7, "from": 3, "to": 8, "position": 0.4} | {"label": label or -1}
        page.value(f"change({json.dumps(state)})")
        far = served.generate(2**52 + seeds, label, truncation=0.7)
        assert_near(drawn(page, "#grid canvas", shape), far)
        page.value("change({truncation: 50})")
        assert_near(drawn(page, "#one", shape), served.interpolate([3], [8], [0.4], label))
        assert page.messages() == []
    assert seconds < FIRST_PICTURE


@pytest.mark.slow
def test_the_controls_of_the_page_change_what_it_shows(chromium, pages, tmp_path):
    served = serving.Served(ZOO / "mnist")
    shape, seeds = served.image_shape, np.arange(50)
    moved = "element('%s').value = %s; element('%s').dispatchEvent(new Event('%s'))"
    with browser.Browser(tmp_path / "profile") as page:
        opened(page, pages("mnist"), "#seed=5&truncation=1.5&label=2&to=9")
        assert page.value("[state.seed, state.truncation, state.label, state.to]") == [5, 1.5, 2, 9]
        for control, value, event in (("seed", 20, "input"), ("truncation", 0.5, "input"), ("label", 4, "change")):
            page.value(moved % (control, value, control, event))
        page.value("(async () => { await Promise.all([drawOne(), drawGrid()]); })()")
        assert_near(drawn(page, "#grid canvas", shape), served.generate(20 + seeds, 4, truncation=0.5))
        assert "seed=20&truncation=0.5&label=4&to=9" in page.value("decodeURIComponent(location.hash)")
        page.value("element('grid').children[3].click()")
        page.wait("state.position === 1")
        assert page.value("[state.from, state.to]") == [9, 23]
        page.wait("element('one').ariaLabel.endsWith('at 1')")
        assert_near(drawn(page, "#one", shape), served.generate([23], 4, truncation=0.5))
        page.value(moved % ("number", "'nonsense'", "number", "change"))
        assert page.value("state.seed") == 0
        assert page.messages() == []


@pytest.mark.slow
def test_a_coloured_page_is_exported_beside_the_model(chromium, pages, tmp_path):
    keras.utils.set_random_seed(1)
    shape = (6, 9, 3)
    gan = kg.GAN(kg.networks.mlp_generator(shape, 5, (8,)), kg.networks.mlp_discriminator(shape, (8,)))
    version = gan.export(tmp_path / "photos", also=("web",), card={"license": "CC-BY-4.0"})
    written = {path.name for path in (version / "web").iterdir()}
    assert written == {"generator.js", "index.html", "onnxruntime-web.js"}
    shutil.move(version / "web", tmp_path / "moved")
    with browser.Browser(tmp_path / "profile") as page:
        opened(page, tmp_path / "moved/index.html")
        expected = kg.images.to_uint8(gan.generate(seeds=range(48)))
        assert_near(drawn(page, "#grid canvas", shape), expected)
        text = page.value("document.body.innerText")
    assert all(words in text for words in ("photos", "9 \N{MULTIPLICATION SIGN} 6 pixels", "License: CC-BY-4.0."))
    assert "Class" not in text


def test_the_page_needs_nothing_from_the_network():
    page = pathlib.Path(web.__file__).with_name("page.html").read_text()
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "generator.js", "onnxruntime-web.js"]
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", page)


@pytest.mark.parametrize("arguments", [((2,), False, None), ((8, 8, 5), False, None), ((8, 8, 1), True, None)])
def test_what_the_page_cannot_show_is_refused(arguments):
    with pytest.raises(ValueError, match=r"`model`. Expected a generator .* a page"):
        web.check(*arguments)


def test_without_a_network_the_error_says_where_to_put_the_runtime(tmp_path, monkeypatch):
    def offline(*arguments, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ExportError, match=f"{web.RUNTIME_URL}.*URL fetch failure.*{tmp_path}/kerasgan/{web.RUNTIME}"):
        web.runtime()


# The model card


def parts(text):
    _, front_matter, body = text.split("---\n", 2)
    return {name: json.loads(value) for name, value in re.findall("^(.+?): (.*)$", front_matter, re.MULTILINE)}, body


@pytest.mark.parametrize(
    ("name", "license", "expected"),
    [
        ("digits", None, {"pipeline_tag": "unconditional-image-generation", "tags": ["tensorflow", "gan", "wgangp"]}),
        ("mnist", "Apache-2.0", {"license": "apache-2.0", "datasets": ["ylecun/mnist"]}),
        ("mnist", 'mine: "all" of it', {"license": "other", "license_name": 'mine: "all" of it'}),
    ],
)
def test_the_model_card_says_what_is_known_and_no_more(name, license, expected):
    card = serving.card_of(ZOO / name / "1") | {"license": license}
    card["training"] = card["training"] | {"augment": (), "value_range": [0, 1]}
    front_matter, body = parts(readme.text(card, name))
    assert front_matter.items() >= (expected | {"library_name": "kerasgan"}).items()
    assert ("license" in front_matter, "datasets" in front_matter) == (license is not None, name == "mnist")
    assert ("pipeline_tag" in front_matter) == (name == "digits")
    assert all(
        words in body for words in (f"# {name}", card["weights_sha256"], f"{card['steps']:,} steps", "precision")
    )
    assert not re.search(r"None|\| (\(\)|\[\]|) \|$", body, re.MULTILINE)


def test_a_model_card_of_the_least_has_no_empty_sections():
    card = serving.card_of(ZOO / "mnist/1")
    for name in ("data", "training", "metrics", "license"):
        del card[name]
    front_matter, body = parts(readme.text(card | {"data": "my own"}, "m", ("onnx", "web")))
    assert re.findall("^## (.*)", body, re.MULTILINE) == ["Use", "Data", "Version"]
    assert "my own" in body
    assert "`generate.onnx` takes `seed`, `truncation` and `labels`" in body
    assert set(front_matter) == {"library_name", "tags"}
