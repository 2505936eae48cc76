"""`kerasgan inspect`: what a dataset holds, before any training."""

import hashlib
import pathlib
import re
import typing

import numpy as np

from kerasgan import datasets, files, images
from kerasgan.cli.data import check_outside, folder_of
from kerasgan.cli.waiting import announced
from kerasgan.datasets import folder

_SHOWN = 64
_SIZES_LISTED = 5
_CLASSES_LISTED = 20


def run(dataset: str, flags: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Describes a dataset; the exit code is 1 if there are files that cannot be read."""
    path, root = pathlib.Path(dataset).expanduser(), folder_of(dataset)
    default = f"inspect-{re.sub(r'[^-.0-9A-Za-z]+', '_', path.name) or 'data'}.png"
    out = files.checked_output("--out", flags["out"] or default, "the name of a picture, e.g. 'grid.png'")
    check_outside("--out", out, dataset)
    sizes, bad = ({}, {}) if root is None else folder.survey(root)
    for name, reason in sorted(bad.items()):
        print(f"cannot be read: {name}: {reason}")
    names = ("image_size", "fit", "data_dir", "value_range", "keep_depth")
    given = {name: flags[name] for name in names if flags[name] is not None}
    with announced(f"reading {dataset}"):
        source = datasets.read(dataset, on_bad_file="skip", **given)
        repeated = _repeated(source)
    _report(source, sizes, bad, repeated)
    drawn = images.can_be_drawn(source.example_shape)
    if drawn:
        count = min(source.num_examples, _SHOWN if source.images.ndim == 4 else 2_000)
        rows = np.sort(np.random.default_rng(0).permutation(source.num_examples)[:count])
        images.save_picture(out, images.picture(source.images[rows]))
    print(f"{'picture':<10} {out if drawn else 'none: only points of 2 numbers are drawn'}")
    return {
        "dataset": source.name,
        "num_examples": source.num_examples,
        "example_shape": source.example_shape,
        "num_classes": source.num_classes,
        "class_names": source.class_names,
        "notes": source.notes,
        "unreadable": bad,
        "repeated": repeated,
        "picture": str(out) if drawn else None,
        "exit_code": 1 if bad else 0,
    }


def _repeated(source):
    """The number of examples that are copies of one before, bit for bit."""
    return source.num_examples - len({hashlib.blake2b(example.tobytes()).digest() for example in source.images})


def _report(source, sizes, bad, repeated):
    points = source.images.ndim == 2
    lines = [("dataset", source.name), ("points" if points else "images", f"{source.num_examples:,}")]
    if sizes:
        common = ", ".join(f"{h} x {w} ({n:,})" for (h, w), n in sizes.most_common(_SIZES_LISTED))
        more = f", and {len(sizes) - _SIZES_LISTED} others" if len(sizes) > _SIZES_LISTED else ""
        lines.append(("sizes", f"{common}{more}, height x width"))
    if points:
        lines.append(("dimension", source.example_shape[0]))
    else:
        height, width, channels = source.example_shape
        kind = {1: " (grey)", 3: " (RGB)"}.get(channels, "")
        lines.append(("shape", f"{height} x {width}, {channels} channel{'s' * (channels != 1)}{kind}"))
    low, high, mean = source.images.min(), source.images.max(), source.images.mean()
    lines.append(("range", f"{low:.4g} to {high:.4g}, mean {mean:.4g}, {source.images.dtype}"))
    lines.append(("classes", _classes(source)))
    lines += [("repeated", f"{repeated:,} are copies of another, as the model sees them")] if repeated else []
    notes = [note for note in source.notes if not note.startswith("files that cannot be read")]  # they are listed
    lines += [("notes" if i == 0 else "", note) for i, note in enumerate(notes)]
    lines += [("unreadable", f"{len(bad):,} files, listed above")] if bad else []
    for name, value in lines:
        print(f"{name:<10} {value}")


def _classes(source):
    if source.labels is None:
        return "none"
    counts = np.bincount(source.labels, minlength=source.num_classes)
    names = source.class_names or [str(i) for i in range(len(counts))]
    listed = [f"{name} ({count:,})" for name, count in zip(names, counts, strict=True)]
    more = [f"and {len(listed) - _CLASSES_LISTED} others"] if len(listed) > _CLASSES_LISTED else []
    return f"{len(counts)}: {', '.join(listed[:_CLASSES_LISTED] + more)}"
