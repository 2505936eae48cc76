"""Arrays in `.npz` files, looked at before any memory is taken for them."""

import numpy as np

# What the header of an array may take.
_HEADER_BYTES = 4096


def header(archive, entry):
    """Shape and dtype of an array in a zip file, which holds what it declares.

    Args:
        archive: `zipfile.ZipFile`.
        entry: `zipfile.ZipInfo` of the array.

    Raises:
        ValueError: It holds more or less than it declares, or objects, which could run code of whoever wrote them.
    """
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
