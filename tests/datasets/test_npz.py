"""Samples in an .npz file: read without pickles, checked against the model's inputs."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from qutiperf.datasets import open_samples
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.npz import Npz
from qutiperf.errors import InputError
from qutiperf.spec.workload import Workload

A = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = np.arange(20, dtype=np.int64).reshape(4, 5)


def workload(file: Path | None, steps: int = 1, several: bool = True, count: int | None = None) -> Workload:
    inputs: list[dict[str, object]] = [{"name": "a", "dtype": "float32", "shape": ["batch", 3]}]
    if several:
        inputs += [{"name": "ids", "dtype": "int64", "shape": ["batch", 5]}]
    return Workload.model_validate(
        {
            "name": "w",
            "task": "image-classification",
            "dataset": {"name": "npz", "file": None if file is None else str(file), "count": count},
            "model": {
                "inputs": inputs,
                "outputs": [{"name": "y", "kind": "scores"}],
                "steps": steps,
            },
        }
    )


def saved(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]  # arrays of any kind
    return folder / "data.npz"


def test_arrays_and_labels(tmp_path: Path) -> None:
    data = open_samples(
        workload(saved(tmp_path, a=A, ids=IDS, label=np.array([3, 1, 2, 0]), unused=A), count=3)
    )
    assert isinstance(data, ManyInputs)
    assert (data.name, data.count, data.sample_shape) == ("npz", 3, (3,))
    assert data.labels is not None
    assert data.labels.tolist() == [3, 1, 2]
    a, ids = data.load_all([2, 0])
    assert (a.tolist(), ids.tolist()) == (A[[2, 0]].tolist(), IDS[[2, 0]].tolist())
    assert data.shared == [None, None]
    assert len(str(data.describe()["sha256"])) == 64


def test_one_input_alone(tmp_path: Path) -> None:
    data = open_samples(workload(saved(tmp_path, b=A + 1, a=A), several=False))
    assert isinstance(data, Npz)
    assert data.labels is None
    assert data.load([3]).tolist() == A[3:].tolist()
    assert data.prepare(data.raw(1)).tolist() == A[1].tolist()


def test_sequences(tmp_path: Path) -> None:
    steps = np.stack([A, A + 100], axis=1)
    data = open_samples(workload(saved(tmp_path, a=steps), several=False, steps=2))
    assert data.load([1]).tolist() == steps[1:2].tolist()
    assert data.sample_shape == (2, 3)


EXAMPLE = (
    "one that fits: numpy.savez('data.npz', "
    "**{'a': numpy.zeros((8, 3), 'float32'), 'ids': numpy.zeros((8, 5), 'int64')})"
)


def test_all_problems_are_listed_at_once_with_a_line_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, a=A.astype(np.float64), other=IDS)
    with pytest.raises(InputError) as caught:
        open_samples(workload(path))
    problem = "'a' is float64, not float32; no array 'ids' (it has a, other)"
    assert str(caught.value) == f"w: dataset npz: {problem}; {EXAMPLE}"
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLE.removeprefix("one that fits: "), {"numpy": np})
    assert open_samples(workload(path)).count == 8


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"a": A[:, :2], "ids": IDS}, "'a' has samples of [2], not [3]"),
        ({"a": A, "ids": IDS[:3]}, "the same number of rows: a 4, ids 3"),
        ({"a": A, "ids": IDS, "label": np.zeros(4)}, "label: is not a list of whole numbers"),
        ({"a": A, "ids": IDS, "label": np.zeros((4, 1), int)}, "label: is not a list of whole numbers"),
        ({"label": np.zeros(4, int)}, "has no array but the labels"),
        ({"a": A[:0], "ids": IDS[:0]}, "the same number of rows: a 0, ids 0"),
        ({}, "the same number of rows: nothing"),
        ({"a": np.float32(3), "ids": IDS}, "'a' is a scalar, not a row a sample"),
        (
            {"a": np.array([None] * 4), "ids": IDS},
            "is not an .npz file of plain arrays: Object arrays cannot",
        ),
    ],
)
def test_arrays_that_are_not_samples(arrays: dict[str, object], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_samples(workload(saved(tmp_path, **arrays)))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files(tmp_path: Path) -> None:
    whole = saved(tmp_path, a=A, ids=IDS).read_bytes()
    single = io.BytesIO()
    np.save(single, A)
    text = tmp_path / "text.npz"
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("a.npy", "no array")
    contents = [b"", b"PK", b"text", whole[:100], whole[:-30], whole.replace(b"NUMPY", b"NUMPI")]
    contents += [single.getvalue(), text.read_bytes()]
    path = tmp_path / "damaged.npz"
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not an \.npz file") as caught:
            open_samples(workload(path))
        assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for file in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(InputError, match=r"dataset\.file: "):
            open_samples(workload(file))
    with pytest.raises(InputError, match=r"dataset\.file: is missing; name the \.npz file"):
        open_samples(workload(None))


@pytest.mark.slow
def test_bits_that_flip_are_found_or_read(tmp_path: Path) -> None:
    """No other exception than InputError, wherever a byte is wrong."""
    whole = saved(tmp_path, a=A, ids=IDS).read_bytes()
    path, refused = tmp_path / "damaged.npz", 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            open_samples(workload(path))
        except InputError:
            refused += 1
    assert refused > 50
