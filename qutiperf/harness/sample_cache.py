"""Prepared samples on disk, one file a set of samples, shared by all workers and commands of a user.

Files appear complete or not at all: each is written under a locked temporary name, synced and renamed. The
lock also makes a second command wait for the first instead of doing the same work.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import BinaryIO

from qutiperf import __version__
from qutiperf.adapters.base import Array
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.inputs import bytes_of_sample, sample_shape
from qutiperf.element_type import STRING
from qutiperf.errors import SetupError
from qutiperf.harness.sample_file import is_sound, map_samples, write_samples
from qutiperf.spec.config import sha256_of
from qutiperf.spec.workload import DTYPES, Workload

_OF_AN_INPUT, _PLACE = {"quantization", "source"}, {"directory", "file"}
_SUFFIX, _TEMPORARY = ".samples", ".part"
_DIGITS = 24
_WAIT_S = 0.2
_FORMAT = 1  # of the prepared samples: changes when preprocessing does
LEAST_BYTES = 1 << 20  # of a dataset: less is prepared sooner than a process starts


def default_cache_folder() -> Path:
    """Raises SetupError if the user has no home."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(cache) if cache.startswith("/") else Path.home() / ".cache") / "qutiperf/samples"
    except RuntimeError:
        cure = "set sample_cache.folder"
        raise SetupError("there is no home directory for prepared samples", cure=cure) from None


def sample_key(dataset: Dataset, workload: Workload) -> str | None:
    """Of everything that the prepared samples depend on; None for samples that are not kept on disk.

    These are small ones, those that are generated or differ in length, and values that are not plain numbers.
    """
    model = workload.model
    if model.padded or dataset.count * bytes_of_sample(model) < LEAST_BYTES:
        return None
    identity = dataset.identity()
    plain = set(DTYPES) - {STRING}
    if identity is None or any(spec.dtype not in plain for spec in model.inputs):
        return None
    inputs = [
        [spec.name, spec.dtype, list(sample_shape(model, number)), spec.model_dump(include=_OF_AN_INPUT)]
        for number, spec in enumerate(model.inputs)
    ]
    options = workload.dataset.model_dump(mode="json", exclude=_PLACE)
    return sha256_of([_FORMAT, __version__, identity, options, inputs, model.steps])


@dataclass(frozen=True, slots=True)
class SampleCache:
    """A folder of at most `most_bytes`; what was used least recently makes room for what is new.

    A set is named by the dataset's key and the numbers of its samples.
    """

    folder: Path
    most_bytes: int

    def find(self, key: str, indices: Sequence[int]) -> list[Array] | None:
        """The samples of a complete file, mapped; its content is not checked."""
        name = _name(key, indices)
        arrays = map_samples(self.folder / name, name)
        if arrays is None or any(len(array) != len(indices) for array in arrays):
            return None
        return arrays

    def keep(
        self,
        key: str,
        indices: Sequence[int],
        set_bytes: int,
        make: Callable[[], Iterable[Sequence[Array]]],
        in_use: set[str],
    ) -> bool:
        """Makes sure that a sound file has these samples, and adds its name to `in_use`.

        Returns False if there is no room beside those in use; raises OSError if it cannot be written.
        """
        name = _name(key, indices)
        path = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(_TEMPORARY)) as stream:
            if not is_sound(path, name):
                path.unlink(missing_ok=True)
                if not self._make_room(set_bytes, in_use):
                    return False
                write_samples(stream, name, len(indices), make())
                path.with_suffix(_TEMPORARY).replace(path)
                _sync(self.folder)
            os.utime(path)  # used now; file systems may not record that by themselves
        in_use.add(name)
        return True

    def stored_bytes(self, key: str) -> int:
        """What the files of a dataset take."""
        return sum(size for path, (_, size) in self._files().items() if path.name.startswith(_start(key)))

    def clean(self) -> None:
        """Deletes what was left behind by a command that was killed while it wrote."""
        for path in _listed(self.folder, _TEMPORARY):
            with contextlib.suppress(OSError), path.open("r+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(stream, path):
                    path.unlink()

    def _make_room(self, needed: int, in_use: set[str]) -> bool:
        """Deletes files, the least recently used first; processes that have mapped them keep them."""
        files = self._files()
        total = sum(size for _, size in files.values()) + needed
        kept = sum(size for path, (_, size) in files.items() if path.name in in_use)
        if kept + needed > self.most_bytes:
            return False
        for path, (_, size) in sorted(files.items(), key=lambda item: item[1]):
            if total <= self.most_bytes:
                break
            if path.name not in in_use:
                path.unlink(missing_ok=True)
                total -= size
        return True

    def _files(self) -> dict[Path, tuple[float, int]]:
        """Time of the last use and size."""
        known = {}
        for path in _listed(self.folder, _SUFFIX):
            with contextlib.suppress(OSError):
                status = path.stat()
                known[path] = (status.st_mtime, status.st_size)
        return known


def _start(key: str) -> str:
    return f"{key[:_DIGITS]}-"


def _name(key: str, indices: Sequence[int]) -> str:
    return f"{_start(key)}{sha256_of(list(indices))[:_DIGITS]}{_SUFFIX}"


def _listed(folder: Path, suffix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == suffix]
    except OSError:
        return []


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The temporary file, held by this process alone; it is deleted unless it was renamed."""
    stream = _acquired(path)
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            if _is_at(stream, path):
                path.unlink()
        with contextlib.suppress(OSError):  # what the disk had no room for
            stream.close()


def _acquired(path: Path) -> BinaryIO:
    """Waits while another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stream = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            sleep(_WAIT_S)
            continue
        except OSError:
            stream.close()
            raise
        if _is_at(stream, path):
            return stream
        stream.close()


def _is_at(stream: BinaryIO, path: Path) -> bool:
    """Whether the open file still has this name: its last holder may have renamed or deleted it."""
    mine = os.fstat(stream.fileno())
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
