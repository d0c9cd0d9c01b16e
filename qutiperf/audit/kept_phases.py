"""The histograms of a run's phases as they were kept."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from qutiperf.results.histogram import Histogram, Integers

PHASES = "phases.npz"
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def read_phases(folder: Path, phase: str = "") -> dict[str, Integers]:
    """The arrays of phases.npz, or those of one phase; raises one of DAMAGE."""
    with (folder / PHASES).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name.startswith(phase)}


def histogram_of(kept: dict[str, Integers], name: str, most_ns: float) -> Histogram | None:
    """The histogram of a phase whose greatest value is `most_ns`; None if it is empty, KeyError if absent."""
    buckets, counts = kept[f"{name}_buckets"], kept[f"{name}_counts"]
    if not buckets.size:
        return None
    dense = np.zeros(int(buckets.max()) + 1, np.int64)
    dense[buckets] = counts
    return Histogram(dense, minimum=0, maximum=int(most_ns))
