"""Prepared samples on disk: complete, sound, bounded, and shared by several processes."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import Array
from qutiperf.datasets import open_samples
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.harness import sample_cache as module
from qutiperf.harness.load import model_for
from qutiperf.harness.many import ManySamples
from qutiperf.harness.sample_cache import SampleCache, default_cache_folder, sample_key
from qutiperf.harness.sample_file import is_sound, map_samples
from qutiperf.harness.samples import PreparedSamples, Preparing, samples_of_probe
from qutiperf.spec.workload import Workload
from tests.harness.test_samples import Squares

KEY = "0123456789abcdef" * 4
PIXELS = np.arange(7 * 6, dtype=np.float32).reshape(7, 2, 3)
FLAGS = np.array([[True], [False], [True], [True], [False], [False], [True]])


def parts(size: int = 3) -> Iterator[list[Array]]:
    for start in range(0, 7, size):
        yield [PIXELS[start : start + size], FLAGS[start : start + size]]


def kept(folder: Path, *, key: str = KEY, most_bytes: int = 1 << 20) -> SampleCache:
    cache = SampleCache(folder / "cache", most_bytes)
    assert cache.keep(key, range(7), 200, parts, set())
    return cache


def test_what_is_kept_is_mapped_as_it_was(tmp_path: Path) -> None:
    arrays = kept(tmp_path).find(KEY, range(7))
    assert arrays is not None
    pixels, flags = arrays
    assert (pixels.dtype.name, flags.dtype.name) == ("float32", "bool")
    assert pixels.tolist() == PIXELS.tolist()
    assert flags.tolist() == FLAGS.tolist()
    [path] = (tmp_path / "cache").iterdir()
    before = path.read_bytes()
    pixels[0] = -1  # as an adapter might
    assert path.read_bytes() == before


def test_other_samples_are_not_those(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    assert cache.find(KEY, range(6)) is None
    assert cache.find("f" * 64, range(7)) is None
    [path] = cache.folder.iterdir()
    path.rename(path.with_name(path.name.replace(KEY[:24], "f" * 24)))
    assert cache.find("f" * 64, range(7)) is None  # its name is also inside


def test_it_is_written_once(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    in_use: set[str] = set()
    [path] = cache.folder.iterdir()
    assert cache.keep(KEY, range(7), 200, lambda: pytest.fail("it is there"), in_use)
    assert in_use == {path.name}


def test_every_flipped_byte_cut_and_excess_is_seen(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    [path] = cache.folder.iterdir()
    whole = path.read_bytes()
    header = whole.index(b"}]}") + 3
    assert is_sound(path, path.name)
    data = [*range(0, header, 5), *range(16384, 16384 + 168, 7), 20480 + 3]
    for place in data:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert not is_sound(path, path.name), place
    for length in (0, 7, 100, 16384, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert not is_sound(path, path.name)
        assert map_samples(path, path.name) is None
    assert cache.keep(KEY, range(7), 200, parts, set())
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        (b'"dtype":"float32"', b'"dtype":"object" '),
        (b'"shape":[7,2,3]', b'"shape":[7,2,9]'),
        (b'"shape":[7,2,3]', b'"shape":[-7,2,3'),
        (b'"offset":16384', b'"offset":99999'),
        (b'"offset":16384', b'"offset":00384'),
        (b'"schema_version":1', b'"schema_version":2'),
    ],
)
def test_headers_that_lie_are_not_mapped(change: tuple[bytes, bytes], tmp_path: Path) -> None:
    cache = kept(tmp_path)
    [path] = cache.folder.iterdir()
    path.write_bytes(path.read_bytes().replace(*change))
    assert not is_sound(path, path.name)
    if change[0] != b'"shape":[7,2,3]' or b"-7" in change[1]:
        assert cache.find(KEY, range(7)) is None


def test_what_raises_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[list[Array]]:
        yield next(parts())
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = SampleCache(tmp_path / "cache", 1 << 20)
    with pytest.raises(OSError, match="No space left"):
        cache.keep(KEY, range(7), 200, broken, set())
    assert list(cache.folder.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        cache.keep(KEY, range(7), 200, _interrupted, set())
    assert list(cache.folder.iterdir()) == []


def _interrupted() -> Iterator[list[Array]]:
    yield next(parts())
    raise KeyboardInterrupt


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    [first] = cache.folder.iterdir()
    size = first.stat().st_size
    bounded = SampleCache(cache.folder, 2 * size + 200)
    for letter in "ab":
        assert bounded.keep(letter * 64, range(7), size, parts, set())
    files = {path.name[0]: path for path in bounded.folder.iterdir()}
    assert sorted(files) == ["a", "b"]
    os.utime(files["a"], (9, 9))
    os.utime(files["b"], (8, 8))
    assert bounded.keep("b" * 64, range(7), size, parts, set())  # used again
    assert bounded.keep("c" * 64, range(7), size, parts, set())
    assert sorted(path.name[0] for path in bounded.folder.iterdir()) == ["b", "c"]
    assert bounded.stored_bytes("b" * 64) == size


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    [first] = cache.folder.iterdir()
    size = first.stat().st_size
    bounded = SampleCache(cache.folder, 2 * size - 1)
    assert not bounded.keep("a" * 64, range(7), size, parts, {first.name})
    assert [path.name for path in bounded.folder.iterdir()] == [first.name]
    assert bounded.keep("a" * 64, range(7), size, parts, set())
    assert [path.name[0] for path in bounded.folder.iterdir()] == ["a"]


def test_files_of_killed_commands_are_deleted_and_others_not(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    (cache.folder / "killed.part").write_bytes(b"half")
    with module._locked(cache.folder / "busy.part"):
        cache.clean()
        assert sorted(path.suffix for path in cache.folder.iterdir()) == [".part", ".samples"]
    cache.clean()
    assert [path.suffix for path in cache.folder.iterdir()] == [".samples"]
    SampleCache(tmp_path / "none", 1).clean()


def test_a_second_builder_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT_S", 0.001)
    cache, started, go, built = (
        SampleCache(tmp_path / "cache", 1 << 20),
        threading.Event(),
        threading.Event(),
        [],
    )

    def slow() -> Iterator[list[Array]]:
        built.append(1)
        started.set()
        assert go.wait(10)
        yield from parts()

    threads = [threading.Thread(target=cache.keep, args=(KEY, range(7), 200, slow, set())) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert built == [1]
    assert cache.find(KEY, range(7)) is not None
    assert [path.suffix for path in cache.folder.iterdir()] == [".samples"]


def test_samples_of_a_worker_are_the_mapped_ones(tmp_path: Path) -> None:
    dataset = Squares()
    cache = SampleCache(tmp_path / "cache", 1 << 20)
    assert cache.keep(KEY, [2, 3, 5], 24, lambda: iter([[dataset.load([2, 3, 5])]]), set())
    dataset.prepared.clear()
    spans: list[float] = []
    samples = PreparedSamples(
        dataset, Preparing(lambda: spans.append(-1.0), spans.append, lambda order: cache.find(KEY, order))
    )
    samples.load([5, 2, 3])
    assert samples.mapped
    assert (dataset.prepared, spans) == ([], [])
    scratch = samples.scratch(2)
    assert samples.gather([5], scratch).tolist() == [[5, 25]]
    assert samples.gather([5, 2], scratch).tolist() == [[5, 25], [2, 4]]
    samples.load([3, 4])  # not kept: 3 is copied from the mapped ones
    assert not samples.mapped
    assert dataset.prepared == [4]
    assert samples.gather([3, 4], scratch).tolist() == [[3, 9], [4, 16]]


def of_npz(path: Path, **change: object) -> Workload:
    model = {"name": "a", "dtype": "float32", "shape": ["batch", 512]}
    return Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "npz", "file": str(path)},
            "model": {
                "inputs": [{**model, **change}, {**model, "name": "b", "source": "zeros"}],
                "outputs": [{"name": "y", "kind": "tensor"}],
            },
        }
    )


def test_the_key_depends_on_content_and_on_the_inputs(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    ones = np.ones((600, 512), np.float32)

    def key(**change: object) -> str | None:
        made = of_npz(path, **change)
        return sample_key(open_samples(made), made)

    np.savez(path, a=ones)
    first = key()
    assert first == key()
    assert first is not None
    assert key(source="data") not in (None, first)
    np.savez(path, a=ones * 2)
    assert key() not in (None, first)
    np.savez(path, a=ones)
    assert key() == first
    assert key(padding={"axis": 1}) is None
    np.savez(path, a=ones[:400])
    assert key() is None  # 819,200 bytes are prepared sooner than a process starts


def test_samples_of_several_inputs_are_mapped_too(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    rows = np.arange(600 * 512, dtype=np.float32).reshape(600, 512)
    np.savez(path, a=rows)
    made = of_npz(path)
    dataset = open_samples(made)
    assert isinstance(dataset, ManyInputs)
    own = dataset.load_own(range(600))
    cache = SampleCache(tmp_path / "cache", 1 << 22)
    assert cache.keep(KEY, range(600), 1 << 21, lambda: iter([own]), set())
    dataset.release()
    path.unlink()
    samples = ManySamples(
        dataset, model_for(made, tmp_path), 1, Preparing(find=lambda order: cache.find(KEY, order))
    )
    samples.load(range(600))
    a, b = samples.gather([7, 3], ())
    assert a.tolist() == rows[[7, 3]].tolist()
    assert b.tolist() == np.zeros((2, 512)).tolist()


@pytest.mark.parametrize(
    ("total", "performance_count", "expected"),
    [(500, 1024, 500), (1024, 1024, 1024), (50_000, 1024, 256), (50_000, 8, 8)],
)
def test_the_probe_has_all_samples_if_loadgen_will(total: int, performance_count: int, expected: int) -> None:
    assert samples_of_probe(total, performance_count) == range(expected)


def test_the_folder_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "qutiperf/samples"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cache_folder() == Path("/home/someone/.cache/qutiperf/samples")
