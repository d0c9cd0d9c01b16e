"""Samples in one .npz file: an array for each input by its name, and `label` where the truth is known.

Labels of any shape and type are the truth of a task; whole numbers, one a sample, are classes.
"""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from qutiperf.datasets.base import Array, Dataset, Description, Raw
from qutiperf.datasets.ragged import LENGTH, lengths_in
from qutiperf.datasets.values import elements_of
from qutiperf.errors import InputError
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import sha256_of_file, shortened
from qutiperf.spec.dataset import DatasetSpec

LABEL = "label"
_CURE = "save it with numpy.savez"
# What zipfile, zlib and numpy's reader of headers raise for damaged, encrypted or unknown content.
_DAMAGE = (
    *(OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, SyntaxError, TypeError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error, struct.error),
)


class Npz(Dataset):
    """Arrays [n, ...] by name; nothing is unpickled.

    An array with `lengths` holds samples of different lengths: one after the other, or already padded.
    """

    name = "npz"

    def __init__(self, spec: DatasetSpec, ragged: Collection[str] = ()) -> None:
        """Raises InputError for a file that cannot be read, or arrays with different numbers of samples.

        `ragged` are names of arrays that have no row for each sample if the file has lengths.
        """
        if spec.file is None:
            raise InputError("dataset.file: is missing", cure="name the .npz file")
        path = Path(spec.file)
        if (problem := unreadable(path)) is not None:
            raise InputError(f"dataset.file: {problem}", where=shortened(spec.file))
        self._path = path
        self._arrays: dict[str, Array] | None = _arrays(path)
        self._elements: dict[str, str] = {}
        self.lengths = lengths_in(self.arrays)
        for name in ragged:
            if name + LENGTH in self.arrays and name not in self.lengths and name in self.arrays:
                raise InputError(f"{name}{LENGTH}: is not a list of whole numbers", where=str(path))
        no_rows = {*ragged, *self.lengths} if self.lengths else set()
        lengths = {name: len(array) for name, array in self.arrays.items() if name not in no_rows}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            listed = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "nothing"
            problem = f"its arrays must have one sample a row, and the same number of rows: {listed}"
            raise InputError(problem, where=str(path))
        labels = self.arrays.get(LABEL)
        hidden = {LABEL, *(name + LENGTH for name in self.lengths)}
        self._names = [name for name in self.arrays if name not in hidden]
        if not self._names:
            raise InputError("has no array but the labels", where=str(path))
        available = next(iter(lengths.values()))
        self.count = min(spec.count or available, available)
        self._truth = None if labels is None else labels[: self.count]
        classes = self._truth if self._truth is not None and _are_classes(self._truth) else None
        self.labels = None if classes is None else classes.astype(np.int64)
        self._first(self._names[0])

    @property
    def names(self) -> Sequence[str]:
        """Of the arrays, without the labels."""
        return self._names

    @property
    def arrays(self) -> dict[str, Array]:
        """Read again after `release`."""
        if self._arrays is None:
            self._arrays = _arrays(self._path)
        return self._arrays

    def release(self) -> None:
        self._arrays = None

    @property
    def truth(self) -> Array | None:
        return self._truth if self.labels is None else self.labels

    def field(self, name: str) -> Array | None:
        """Of all samples, None if the file has no such array."""
        return self.arrays[name] if name in self._names else None

    def rows(self, name: str, indices: Sequence[int]) -> Array:
        """The samples of an array of the file."""
        stored = np.asarray(self.arrays[name][list(indices)])
        converted = elements_of(stored, self._elements[name]) if name in self._elements else None
        return stored if converted is None else converted

    def convert(self, name: str, dtype: str) -> None:
        """Gives the samples of an array, which has them in another form, as elements that numpy lacks."""
        self._elements[name] = dtype

    def of(self, name: str) -> "Npz":
        """With one array alone."""
        self._names = [name]
        self._first(name)
        return self

    def _first(self, name: str) -> None:
        self.sample_shape = self.arrays[name].shape[1:]
        self.dtype = self.rows(name, []).dtype

    def raw(self, index: int) -> Raw:
        return np.asarray(self.rows(self._names[0], [index])[0], self.dtype)

    def prepare(self, raw: Raw) -> Array:
        return np.asarray(raw)

    def load(self, indices: Sequence[int]) -> Array:
        return self.rows(self._names[0], indices)

    def describe(self) -> Description:
        return {
            "name": self.name,
            "split": None,
            "count": self.count,
            "licence": None,
            "sha256": sha256_of_file(self._path),
        }


def _are_classes(labels: Array) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "iu"


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as stream:
            opened = np.load(stream, allow_pickle=False)
            if not isinstance(opened, NpzFile):
                raise InputError("is a single array, not an .npz file", where=str(path), cure=_CURE)
            arrays = {name: opened[name] for name in opened.files}
        if foreign := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"'{foreign[0]}' is not an array")
    except _DAMAGE as error:
        problem = f"is not an .npz file of plain arrays: {' '.join(str(error).split())[:120]}"
        raise InputError(problem, where=str(path), cure=_CURE) from None
    scalars = [name for name, array in arrays.items() if array.ndim == 0]
    if scalars:
        raise InputError(f"'{scalars[0]}' is a scalar, not a row a sample", where=str(path))
    return arrays
