"""The classes of a model: what `--labels` says, and the captions of columns."""

import difflib
import pathlib
import shlex
import typing
from collections.abc import Sequence

import keras

from kerasgan import files, images, serving

_LISTED = 20


def names_in(source: str, model: keras.Model | serving.Served) -> tuple[str, ...] | None:
    """Returns the names of a model's classes, from `config.json` of its run or the card of its export; None without."""
    if isinstance(model, serving.Served):
        names = model.class_names
    else:
        path = pathlib.Path(source).expanduser() / "config.json"
        names = serving.class_names_of(files.read_json(path)) if path.is_file() else None
    return names if names and model.conditional and model.num_classes in (None, len(names)) else None


def numbers(given: Sequence[int | str] | None, names: Sequence[str] | None) -> list[int] | None:
    """Returns the numbers of the classes in `--labels`.

    Args:
        given: Numbers and names; None where the flag was left out. Where names are other numbers, they are names.
        names: Those of all classes, in the order of their numbers.

    Raises:
        ValueError: A name is not one of them.
    """
    if given is None:
        return None
    numeric = any(name.isdecimal() and name != str(i) for i, name in enumerate(names or ()))  # then a number is a name
    return [one if isinstance(one, int) and not numeric else _number(str(one), names) for one in given]


def grid_options(labels: Sequence[int], names: Sequence[str] | None) -> dict[str, typing.Any]:
    """Returns `columns` and `captions` of a grid of images that have these labels in turn."""
    shown = [names[label] for label in labels] if names else None
    return images.class_columns(len(labels) if len(labels) > 1 else None, shown)


def _number(name, names):
    if not names:
        raise ValueError(
            f"--labels={name}: this model has no classes with names. Give numbers, from 0 on, or leave it out."
        )
    if name not in names:
        # As `--labels` takes them, from a shell.
        shown = ", ".join(shlex.quote(f'"{one}"' if "," in one else one) for one in names[:_LISTED])
        more = f", and {len(names) - _LISTED} others" if len(names) > _LISTED else ""
        close = difflib.get_close_matches(name, names, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"--labels={name}: no such class. Expected some of {shown}{more}.{meant}")
    return names.index(name)
