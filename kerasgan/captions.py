"""Text in pictures: a caption above a picture, and the names of a grid's columns."""

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerasgan.errors import DataError, checked_integer, invalid

BACKGROUND = 236
_INK = 40
_FONT_SIZE = 15
_MARGIN = 12
# Of names above columns: the range of font sizes, and the most lines.
_SMALLEST, _LARGEST, _LINES = 10, 15, 2
_GAP = 4  # between the names of neighbouring columns, in pixels


def above(picture: np.ndarray, title: str) -> np.ndarray:
    """Returns an RGB picture with a margin and a caption above, wide enough for both.

    Args:
        picture: uint8 `(height, width, 1 or 3)`.
        title: The caption.
    """
    font = _font(_FONT_SIZE)
    height, width = picture.shape[:2]
    text = round(font.getlength(title))
    head = _MARGIN + round(1.6 * _FONT_SIZE)
    canvas = Image.new("RGB", (2 * _MARGIN + max(width, text), head + height + _MARGIN), (BACKGROUND,) * 3)
    ImageDraw.Draw(canvas).text((_MARGIN + 2, _MARGIN - 2), title, fill=(_INK,) * 3, font=font)
    canvas.paste(to_pillow(picture), (_MARGIN, head))
    return np.asarray(canvas)


def to_pillow(picture: np.ndarray) -> Image.Image:
    """Returns a picture, uint8 `(height, width, 1 or 3)`, as a Pillow image."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def strip(names: Sequence[str], width: int, padding: int) -> np.ndarray:
    """Returns names side by side, each centred above its column: uint8 `(height, padding + columns * pitch, 1)`.

    All names have one font size, the largest at which each fits in two lines; what does not fit then is shortened.

    Args:
        names: One for each column.
        width: Pixels of a column, without padding.
        padding: Pixels between columns, and outside of the first and the last.
    """
    pitch = width + padding
    font, lines = _fitted(names, pitch - _GAP)
    line_height = round(1.2 * font.size)
    height = padding + line_height * max(map(len, lines)) + round(0.2 * font.size)
    canvas = Image.new("L", (padding + len(names) * pitch, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for k, of_name in enumerate(lines):
        for i, line in enumerate(reversed(of_name)):
            baseline = height - round(0.3 * font.size) - i * line_height
            draw.text((padding + k * pitch + width / 2, baseline), line, fill=_INK, font=font, anchor="ms")
    return np.asarray(canvas)[..., None]


def checked(captions: Any, columns: int | None) -> list[str]:
    """Returns the captions of columns as a list; refuses what is none, or does not fit the columns."""
    listed = texts(captions)
    if not listed:
        expected = "a sequence of texts, one for each column, e.g. ['cat', 'dog']"
        raise invalid("captions", expected, f"captions={captions!r}", DataError)
    if columns is not None and checked_integer("columns", columns) % len(listed):
        expected = f"as many texts as columns, {columns}, or a divisor of it: leave `columns` out"
        raise invalid("captions", expected, f"{len(listed)} texts", DataError)
    return listed


def texts(value: Any) -> list[str]:
    """A sequence of texts as a list; empty if it is anything else, one text included."""
    listed = [] if isinstance(value, str) or not np.iterable(value) else list(value)
    return listed if all(isinstance(text, str) for text in listed) else []


@functools.cache
def _font(size):
    return ImageFont.load_default(size)


def _fitted(names, width):
    """The font, and the lines of each name."""
    for size in range(max(_LARGEST, width // 9), _SMALLEST - 1, -1):
        font = _font(size)
        lines = [_wrapped(name, font, width) for name in names]
        if all(len(of_name) <= _LINES and all(font.getlength(x) <= width for x in of_name) for of_name in lines):
            return font, lines
    return font, [[_shortened(line, font, width) for line in of_name[:_LINES]] for of_name in lines]


def _wrapped(name, font, width):
    """The lines of a name, broken after spaces, underscores, hyphens and slashes."""
    lines = [""]
    for word in re.findall(r"[^\s_/-]*[\s_/-]*", name.strip())[:-1]:
        if lines[-1] and font.getlength((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def _shortened(line, font, width):
    if font.getlength(line) <= width:
        return line
    return next((line[:n] + "…" for n in range(len(line), 0, -1) if font.getlength(line[:n] + "…") <= width), "")
