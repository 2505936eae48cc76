"""Arrays in `.npz` files, inspected before any memory is allocated for them."""

import tokenize
import zipfile
import zlib

import numpy as np

# What damaged and crafted archives make zipfile and NumPy raise; an encrypted one is a RuntimeError.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    SyntaxError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    EOFError,
    OSError,
)
_HEADER_BYTES = 4096  # the most that the header of an array may take
_PREAMBLE = 12  # up to the length of the header, which has two bytes in version 1 and four since


def header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Returns shape and dtype of an array in a zip file.

    Raises:
        ValueError: It holds more or less than it declares, or objects, which could run code of whoever wrote them.
    """
    with archive.open(entry) as file:
        start = file.read(_PREAMBLE)
    if int.from_bytes(start[8:10] if start[6:7] == b"\x01" else start[8:], "little") > _HEADER_BYTES:
        raise ValueError(f"{entry.filename} is not an array: its header takes more than {_HEADER_BYTES} bytes")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{entry.filename} holds objects, not numbers")
    if not 0 <= entry.file_size - size <= _HEADER_BYTES:
        raise ValueError(f"{entry.filename} does not hold the array that it declares, {dtype} {shape}")
    return shape, dtype


def read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """Returns an array whose `header` was accepted."""
    with archive.open(entry) as file:
        # allow_pickle=False: a pickle could run code of whoever made the file.
        return np.lib.format.read_array(file, allow_pickle=False)
