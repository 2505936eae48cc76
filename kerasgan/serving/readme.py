"""A model card in Markdown, with the front matter that hubs read: what is in `model_card.json`, for people.

Reference: Hugging Face Hub, "Model Cards".
"""

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

FILE = "README.md"
_WIDTH = 120  # of paragraphs
# The names that the hub has for datasets of the same content.
_DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
}
_IDENTIFIER = re.compile(r"[A-Za-z0-9][\w.+-]*")  # of a license, as in SPDX


def text(card: dict[str, Any], title: str, also: Sequence[str] = ()) -> str:
    """The card. What is not known is left out.

    Args:
        card: The content of `model_card.json`.
        title: Name of the model.
        also: The formats that were exported as well.
    """
    return f"---\n{_front_matter(card, also)}---\n\n{_body(card, title, also)}"


def _front_matter(card, also):
    """YAML, each value of which is JSON: YAML can read it, whatever the texts hold."""
    data, license = _dict(card, "data"), card.get("license")
    values: dict[str, Any] = {}
    if isinstance(license, str) and _IDENTIFIER.fullmatch(license):
        values["license"] = license.lower()
    elif license:
        values |= {"license": "other", "license_name": str(license)}
    values["library_name"] = "kerasgan"
    if card["range"] is not None and card["num_classes"] is None and not _conditional(card):
        values["pipeline_tag"] = "unconditional-image-generation"
    formats = [name for name in ("keras", "onnx") if name in also]
    values["tags"] = ["tensorflow", *formats, "vae" if card["model"] == "VAE" else "gan", card["model"].lower()]
    values["tags"] = list(dict.fromkeys(values["tags"]))
    if data.get("dataset") in _DATASETS:
        values["datasets"] = [_DATASETS[data["dataset"]]]
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def _body(card, title, also):
    sections = [f"# {title}", _summary(card)]
    if card["range"] is not None or card["image_shape"] == [2]:
        sections.append("![Generated samples](samples.png)")
    sections += ["## Use", _use(card, title, also)]
    for name, heading in (("data", "Data"), ("training", "Training"), ("metrics", "Scores")):
        table = _table(_dict(card, name))
        if table:
            sections += [f"## {heading}", table]
    sections += ["## Version", _table({"created": card["created"], **card["versions"]})]
    sections.append(f"SHA-256 of the generator's weights: `{card['weights_sha256']}`")
    return "\n\n".join(sections) + "\n"


def _summary(card):
    shape = " x ".join(map(str, card["image_shape"]))
    what = f"images of {shape} (height, width, channels)" if card["range"] is not None else f"points of shape {shape}"
    classes = f", one of {card['num_classes']} classes each" if card["num_classes"] else ""
    average = " The weights are an average over training." if card["averaged_weights"] else ""
    return _wrapped(
        f"A `{card['model']}` of kerasgan, trained for {card['steps']:,} steps. "
        f"It generates {what}{classes}, from {card['latent_dim']} latent numbers, with {card['parameters']:,} "
        f"parameters.{average}"
    )


def _use(card, title, also):
    labels = ", labels=[0, 0, 0]" if _conditional(card) else ""
    parts = [
        "One seed per image; the same seed always gives the same image.",
        f"```python\nimport kerasgan as kg\n\nimages = kg.serving.Served({json.dumps(title)})"
        f".generate([1, 2, 3]{labels})\n```",
        _wrapped(
            "Without kerasgan: it is a TensorFlow SavedModel, with the signatures "
            f"{', '.join(f'`{name}`' for name in card['signatures'])}."
        ),
    ]
    if "onnx" in also:
        parts.append(
            f"`generate.onnx` takes `seed`, `truncation`{' and `labels`' if labels else ''}; a truncation of "
            "50 changes nothing. `generator.onnx` takes latents."
        )
    if "web" in also:
        parts.append("`web/index.html` draws in the browser.")
    return "\n\n".join(parts)


def _wrapped(paragraph):
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _table(values):
    """A row for each value that is known, `versions` of versions aside."""
    rows = [(name, _cell(value)) for name, value in values.items() if not isinstance(value, dict | None)]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {cell} |" for name, cell in rows)]) if rows else ""


def _cell(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    shown = (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)
    return " ".join(shown.split()).replace("|", "\\|")


def _conditional(card):
    return "labels" in card["signatures"]["generate"]["inputs"]


def _dict(card, name):
    """What a card has of the user's under a name, if it is what `kerasgan export` writes."""
    value = card.get(name)
    return value if isinstance(value, dict) else {"": value} if value is not None else {}
