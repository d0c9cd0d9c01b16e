"""Samples of different lengths, from an .npz file or random: what fits, and what is told of the rest."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.datasets import open_samples
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.errors import InputError
from qutiperf.spec.workload import Workload
from tests.places import CHECKOUT

Input = dict[str, object]
SAMPLES = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]]
LENGTHS = np.array([3, 1, 2, 4])
FLAT = np.arange(1, 11)
IDS: Input = {"name": "ids", "dtype": "int64", "shape": ["batch", 6], "padding": {"axis": 1}}


def workload(file: Path | None, *inputs: Input, count: int | None = None, **model: object) -> Workload:
    name = "synthetic" if file is None else "npz"
    return Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": name, "file": None if file is None else str(file), "count": count},
            "model": {"inputs": list(inputs), "outputs": [{"name": "y", "kind": "tensor"}], **model},
        }
    )


def opened(made: Workload) -> ManyInputs:
    data = open_samples(made)
    assert isinstance(data, ManyInputs)
    return data


def saved(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]  # arrays of any kind
    return folder / "data.npz"


def test_samples_one_after_the_other(tmp_path: Path) -> None:
    data = opened(workload(saved(tmp_path, ids=FLAT, ids__length=LENGTHS), IDS))
    assert data.count == 4
    assert [np.asarray(data.ragged[0].one(index)).tolist() for index in range(4)] == SAMPLES
    [whole] = data.load_all([3, 1])
    assert (whole.tolist(), whole.dtype.name) == ([[7, 8, 9, 10, 0, 0], [4, 0, 0, 0, 0, 0]], "int64")


def test_samples_that_are_padded_already_and_fewer_of_them(tmp_path: Path) -> None:
    rows = np.array([[*sample, *[99] * (5 - len(sample))] for sample in SAMPLES])
    data = opened(workload(saved(tmp_path, ids=rows, ids__length=LENGTHS), IDS, count=3))
    assert data.count == 3
    assert [np.asarray(data.ragged[0].one(index)).tolist() for index in range(3)] == SAMPLES[:3]


def test_samples_of_one_length_below_the_most(tmp_path: Path) -> None:
    data = opened(workload(saved(tmp_path, ids=np.ones((4, 5), int)), IDS))
    assert data.ragged[0].lengths.tolist() == [5, 5, 5, 5]


def test_another_axis_than_the_first(tmp_path: Path) -> None:
    mel: Input = {"name": "mel", "dtype": "float32", "shape": ["batch", 2, 9], "padding": {"axis": 2}}
    samples = [np.full((2, size), size, np.float32) for size in (3, 1)]
    path = saved(tmp_path, mel=np.concatenate(samples, axis=1), mel__length=np.array([3, 1]))
    [whole] = opened(workload(path, mel)).load_all([0, 1])
    assert whole.shape == (2, 2, 9)
    assert whole[0].tolist() == [[3.0] * 3 + [0.0] * 6] * 2
    assert whole[1].tolist() == [[1.0] + [0.0] * 8] * 2


def follower(name: str, source: object, dtype: str = "int64", **padding: object) -> Input:
    return {**IDS, "name": name, "dtype": dtype, "source": source, "padding": {"axis": 1, **padding}}


def test_masks_lengths_and_what_else_is_as_long(tmp_path: Path) -> None:
    path = saved(tmp_path, ids=FLAT, ids__length=LENGTHS, types=FLAT % 2)
    size: Input = {"name": "size", "dtype": "int32", "shape": ["batch", 1], "source": {"length": "ids"}}
    inputs = [
        IDS,
        follower("mask", {"mask": "ids"}, "bool"),
        size,
        follower("types", "data", like="ids", value=-1),
        follower("position", "zeros", like="ids", value=5),
        follower("seven", {"constant": 7}, like="ids"),
    ]
    ids, mask, sizes, types, position, seven = opened(workload(path, *inputs)).load_all([2, 0])
    assert ids.tolist() == [[5, 6, 0, 0, 0, 0], [1, 2, 3, 0, 0, 0]]
    assert mask.tolist() == [[True] * 2 + [False] * 4, [True] * 3 + [False] * 3]
    assert (sizes.tolist(), sizes.dtype.name) == ([[2], [3]], "int32")
    assert types.tolist() == [[1, 0, -1, -1, -1, -1], [1, 0, 1, -1, -1, -1]]
    assert position.tolist() == [[0, 0, 5, 5, 5, 5], [0, 0, 0, 5, 5, 5]]
    assert seven.tolist() == [[7] * 6] * 2


def test_random_samples_have_random_lengths() -> None:
    ids = {**IDS, "source": {"random": [1, 9]}, "padding": {"axis": 1, "lengths": [2, 4]}}
    made = workload(None, ids, follower("mask", {"mask": "ids"}), count=200)
    first, again = opened(made), opened(made)
    lengths = first.ragged[0].lengths
    assert set(lengths.tolist()) == {2, 3, 4}
    assert lengths.tolist() == again.ragged[0].lengths.tolist()
    values, mask = first.load_all(range(200))
    assert mask.sum(axis=1).tolist() == lengths.tolist()
    assert ((values != 0) == (mask == 1)).all()
    assert set(opened(workload(None, IDS, count=500)).ragged[0].lengths.tolist()) == {1, 2, 3, 4, 5, 6}


EXAMPLE = (
    "one that fits: numpy.savez('data.npz', "
    "**{'ids': numpy.zeros((24,), 'int64'), 'ids__length': numpy.full(8, 3)})"
)


@pytest.mark.parametrize(
    ("arrays", "padding", "problem"),
    [
        (
            {"ids": np.ones(20, int), "ids__length": np.array([4, 7, 9])},
            {},
            "'ids': 2 of 3 samples are longer than the 6 that the model takes, sample 1 with 7 first",
        ),
        (
            {"ids": np.ones(8, int), "ids__length": np.array([3, 5])},
            {"buckets": [2, 4]},
            "'ids': a sample is longer than the 4 that the model takes, sample 1 with 5 first",
        ),
        (
            {"ids": np.ones(9, int), "ids__length": np.array([3, 5])},
            {},
            "'ids' has lengths that add up to 8, but 9 values",
        ),
        ({"ids": np.ones(3, int), "ids__length": np.array([3, 0])}, {}, "'ids': sample 1 is empty"),
        ({"ids": np.ones(2, int), "ids__length": np.array([3, -1])}, {}, "'ids': sample 1 is empty"),
        ({"ids": np.ones(8, int)}, {}, "no array 'ids__length' with the length of every sample"),
        (
            {"ids": np.ones((2, 4), int), "ids__length": np.array([3, 5])},
            {},
            "'ids' is [2, 4], but has lengths of 2 samples of up to 5",
        ),
        (
            {"ids": np.ones((2, 2, 4), int), "ids__length": np.array([3, 3])},
            {},
            "'ids' is [2, 2, 4]; its samples are [length], one after the other, or [2, length]",
        ),
        (
            {"ids": np.ones(8, np.float32), "ids__length": np.array([3, 5])},
            {"value": 0.5},
            "'ids' is float32, not int64; 'ids': padding.value 0.5 is not a int64",
        ),
    ],
)
def test_what_does_not_fit(
    arrays: dict[str, object], padding: dict[str, object], problem: str, tmp_path: Path
) -> None:
    made = workload(saved(tmp_path, **arrays), {**IDS, "padding": {"axis": 1, **padding}})
    with pytest.raises(InputError) as caught:
        open_samples(made)
    assert str(caught.value) == f"w: dataset npz: {problem}; {EXAMPLE}"


@pytest.mark.parametrize("lengths", [[3.0, 5.0], [[3], [5]], ["3", "5"], [True, False]])
def test_lengths_that_are_not_whole_numbers(lengths: list[object], tmp_path: Path) -> None:
    path = saved(tmp_path, ids=np.ones(8, int), ids__length=np.array(lengths))
    with pytest.raises(InputError, match="ids__length: is not a list of whole numbers"):
        open_samples(workload(path, IDS))


@pytest.mark.parametrize("lengths", [[2**62, 2**62], [2**63 + 5, 3], [-5, 13]])
def test_lengths_beyond_all_bounds_are_a_line(lengths: list[int], tmp_path: Path) -> None:
    kind = np.uint64 if max(lengths) >= 2**63 else np.int64
    path = saved(tmp_path, ids=np.ones(8, int), ids__length=np.array(lengths, kind))
    with pytest.raises(InputError, match="dataset npz: 'ids'"):
        open_samples(workload(path, IDS))


@pytest.mark.parametrize(
    "padding",
    [
        {"axis": -1},
        {"axis": "1"},
        {"axis": True},
        {"axis": 1.5},
        {},
        {"axis": 1, "buckets": []},
        {"axis": 1, "buckets": [0, 6]},
        {"axis": 1, "buckets": 6},
        {"axis": 1, "lengths": [0, 6]},
        {"axis": 1, "lengths": [1, 2, 3]},
        {"axis": 1, "value": float("nan")},
        {"axis": 1, "value": "x"},
        {"axis": 1, "like": "ids"},
        {"axis": 1, "unknown": 1},
    ],
)
def test_padding_of_wrong_types_is_refused(padding: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        workload(None, {**IDS, "padding": padding})


def test_all_problems_are_in_one_message_with_an_example_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Input = {"name": "x", "dtype": "float32", "shape": ["batch", 2]}
    plain: Input = {"name": "z", "dtype": "float32", "shape": ["batch", 2]}
    types = follower("types", "data", like="ids")
    path = saved(
        tmp_path, ids=np.ones(9, int), ids__length=[7, 2], x=np.ones((2, 3), np.float32), z__length=[1, 1],
        z=np.ones((2, 2), np.float32),
    )  # fmt: skip
    made = workload(path, IDS, other, types, plain)
    with pytest.raises(InputError) as caught:
        open_samples(made)
    problems = (
        "'ids': a sample is longer than the 6 that the model takes, sample 0 with 7 first",
        "'x' has samples of [3], not [2]",
        "no array 'types' (it has ids, x, z)",
        "'z' has lengths, but the input has no padding",
    )
    text, _, example = str(caught.value).partition("; one that fits: ")
    assert text == f"w: dataset npz: {'; '.join(problems)}"
    monkeypatch.chdir(tmp_path)
    exec(example, {"numpy": np})
    assert open_samples(made).count == 8


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ([{**IDS, "padding": {"axis": 0}}], "padding.axis: 0 is not an axis of a sample"),
        ([{**IDS, "padding": {"axis": 2}}], "padding.axis: 2 is not an axis of a sample"),
        ([{**IDS, "padding": {"axis": 1, "buckets": [4, 4]}}], "buckets: each must be above the one before"),
        (
            [{**IDS, "padding": {"axis": 1, "buckets": [4, 8]}}],
            "padding.buckets: 8 is above the 6 of the shape",
        ),
        ([{**IDS, "padding": {"axis": 1, "lengths": [5, 2]}}], "lengths: the first is above the second"),
        (
            [{**IDS, "padding": {"axis": 1, "lengths": [2, 9]}}],
            "padding.lengths: 9 is above the 6 of the shape",
        ),
        (
            [IDS, {**IDS, "name": "m", "source": {"mask": "ids"}, "padding": None}],
            "input 'm': 'ids' is padded, so its mask needs padding too, such as {axis: 1}",
        ),
        ([IDS, follower("m", "zeros")], "input 'm': padding: it has no lengths of its own; name an input in"),
        (
            [IDS, follower("m", "zeros", like="x")],
            "input 'm': padding: 'x' is not an input with padding of its",
        ),
        (
            [IDS, follower("m", "zeros", like="ids", buckets=[6])],
            "input 'm': padding: buckets and lengths are those of 'ids'",
        ),
        (
            [IDS, {**follower("m", "zeros", like="ids"), "shape": ["batch", 5]}],
            "input 'm': padding: its axis has 5, that of 'ids' 6",
        ),
        ([IDS, follower("m", {"length": "ids"})], "padding: a state or a length has no axis to pad"),
    ],
)
def test_padding_that_contradicts_itself(inputs: list[Input], problem: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        workload(None, *inputs)
    assert problem in str(caught.value)


def test_steps_and_datasets_of_one_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steps: the steps of a sequence cannot be padded"):
        workload(None, IDS, steps=2)
    pixels: Input = {"name": "x", "dtype": "float32", "shape": ["batch", 64], "padding": {"axis": 1}}
    made = workload(None, pixels)
    digits = made.model_copy(update={"dataset": made.dataset.model_copy(update={"name": "digits"})})
    with pytest.raises(InputError, match="padding, but all samples of digits have the same size"):
        open_samples(digits)


def test_both_files_of_the_documentation_hold_the_same_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (CHECKOUT / "docs/models.md").read_text()
    samples, *savings = next(
        block.split("```")[0] for block in page.split("```python\n")[1:] if "__length" in block
    ).splitlines()
    monkeypatch.chdir(tmp_path)
    assert len(savings) == 2
    for saving in savings:
        exec(f"{samples}\n{saving}", {"numpy": np})
        data = opened(workload(tmp_path / "data.npz", IDS))
        [whole] = data.load_all([0, 1])
        assert whole.tolist() == [[101, 7592, 102, 0, 0, 0], [101, 102, 0, 0, 0, 0]]
        assert data.ragged[0].lengths.tolist() == [3, 2]


def test_digests_of_workloads_without_padding_stay() -> None:
    made = workload(None, {**IDS, "padding": None})
    assert "padding" not in made.model_dump_json()
    assert '"input":' in made.model_dump_json()
    assert workload(None, IDS).model.fixed_batch is None
