"""The order in which LoadGen asked for samples in a run: its start, and digests of all of it."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from qutiperf.errors import InputError
from qutiperf.spec.config import SchemaVersion, StrictModel

ORDER = "sample_order.json"
FIRST = 4096
_GROWTH = 4  # between two digests
_MOST_BYTES = 1 << 20
Indices = npt.NDArray[np.uint64]


class SampleOrder(StrictModel):
    """`first` are the first 4,096 indices of `samples` in all.

    `sha256` has the digests of the first 4,096, 16,384, 65,536 ... and of all of them, each index as a
    little-endian uint64, by their number.
    """

    schema_version: SchemaVersion = 1
    samples: int
    first: list[int]
    sha256: dict[int, str]


def sample_order(parts: Iterable[Indices]) -> SampleOrder:
    """Of indices in their order, given in parts of any length."""
    whole = np.concatenate([np.empty(0, np.uint64), *parts])
    digest, done, digests = hashlib.sha256(), 0, dict[int, str]()
    for count in _counts(len(whole)):
        digest.update(whole[done:count].astype("<u8").tobytes())
        digests[count], done = digest.copy().hexdigest(), count
    return SampleOrder(samples=len(whole), first=[int(index) for index in whole[:FIRST]], sha256=digests)


def _counts(samples: int) -> Iterator[int]:
    count = FIRST
    while count < samples:
        yield count
        count *= _GROWTH
    yield samples


def read_order(folder: Path) -> SampleOrder | None:
    """None for a run that has none, as those of older versions; raises InputError if it is damaged."""
    path = folder / ORDER
    try:
        with path.open("rb") as stream:
            return SampleOrder.model_validate_json(stream.read(_MOST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, RecursionError):
        raise InputError("is damaged", where=str(path)) from None
