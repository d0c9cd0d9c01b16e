"""MNIST and anything else in its IDX format, from a folder that the user names.

Format: http://yann.lecun.com/exdb/mnist/ (big-endian magic number, sizes, then bytes).
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.images_in_memory import ImagesInMemory, Source
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

LICENCE = "not stated by its authors (Y. LeCun, C. Cortes, C. Burges)"
_STEMS = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 8  # third byte of the magic number
_CURE = "name a folder with the four original files (.gz or not) in dataset.directory"


def open_mnist(spec: DatasetSpec, model_input: InputSpec) -> ImagesInMemory:
    """Raises InputError if the folder, a file, or bytes of it are missing."""
    if spec.directory is None:
        raise InputError("dataset.directory: missing", where="dataset mnist", cure=_CURE)
    folder, stem = Path(spec.directory), _STEMS[spec.split]
    images = read_idx(_find(folder, f"{stem}-images-idx3-ubyte"), 3)
    labels = read_idx(_find(folder, f"{stem}-labels-idx1-ubyte"), 1)
    if len(images) != len(labels):
        raise InputError(f"has {len(images)} images but {len(labels)} labels", where=str(folder), cure=_CURE)
    if len(images) == 0:
        raise InputError("has no images", where=str(folder), cure=_CURE)
    source = Source("mnist", images[:, np.newaxis], labels.astype(np.int64), 255, LICENCE)
    return ImagesInMemory(source, spec, model_input)


def _find(folder: Path, name: str) -> Path:
    """The file with or without .gz, and with a dot or a dash before `idx`: distributions differ."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if path.is_file():
                return path
    raise InputError(f"has no {name}", where=str(folder), cure=_CURE)


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An IDX file of unsigned bytes; raises InputError if it is something else or truncated."""
    data = _content(path)
    header = 4 + 4 * dimensions
    if len(data) < header or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTES or data[3] != dimensions:
        raise InputError(
            f"is not an IDX file of unsigned bytes with {dimensions} dimensions", where=str(path), cure=_CURE
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    expected = header + int(np.prod(shape))
    if len(data) != expected:
        raise InputError(
            f"has {len(data)} bytes, but its header says {expected}", where=str(path), cure="fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), cure="fetch it again") from None
