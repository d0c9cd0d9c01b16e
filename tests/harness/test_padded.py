"""Batches of samples that differ in length: what the runtime is given, and how much of it is padding."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import Arrays
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.padded import PaddedSamples
from qutiperf.run.pairing import pair
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import Workload
from tests import graphs
from tests.harness.test_many import loaded

SAMPLES = [[1, 2, 3], [4], [5, 6], [6, 5, 4, 3]]
TABLE = np.arange(14, dtype=np.float32).reshape(7, 2)


def tokens(
    folder: Path, most: int = 6, outputs: tuple[str, ...] = ("y", "sizes"), **padding: object
) -> Workload:
    """Rows of a table for each token, and the number of tokens."""
    ids = {"name": "ids", "dtype": "int64", "shape": ["batch", most], "padding": {"axis": 1, **padding}}
    mask = {"name": "mask", "dtype": "bool", "shape": ["batch", most], "padding": {"axis": 1}}
    np.savez(folder / "data.npz", ids=np.concatenate(SAMPLES), ids__length=[len(each) for each in SAMPLES])
    return Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "npz", "file": str(folder / "data.npz")},
            "model": {
                "file": str(graphs.tokens(folder / "m.onnx")),
                "inputs": [
                    ids,
                    {**mask, "source": {"mask": "ids"}},
                    {"name": "size", "dtype": "int64", "shape": ["batch"], "source": {"length": "ids"}},
                ],
                "outputs": [{"name": name, "kind": "tensor"} for name in outputs],
            },
        }
    )


@pytest.fixture
def model(tmp_path: Path) -> Iterator[LoadedModel]:
    with loaded(tokens(tmp_path)) as made:
        made.samples(False).load(range(4))
        yield made


def batch(model: LoadedModel, *indices: int) -> Arrays:
    samples = model.samples(False)
    arrays = samples.gather(list(indices), samples.scratch(len(indices)))
    assert isinstance(arrays, tuple)
    return arrays


def test_a_batch_is_as_long_as_its_longest_sample(model: LoadedModel) -> None:
    ids, mask, size = batch(model, 2, 0)
    assert ids.tolist() == [[5, 6, 0], [1, 2, 3]]
    assert mask.tolist() == [[True, True, False], [True, True, True]]
    assert size.tolist() == [2, 3]
    assert [array.shape for array in batch(model, 3, 1, 0)] == [(3, 4), (3, 4), (3,)]


def test_a_sample_alone_has_no_padding(model: LoadedModel) -> None:
    for index, sample in enumerate(SAMPLES):
        ids, mask, size = batch(model, index)
        assert (ids.tolist(), mask.tolist()) == ([sample], [[True] * len(sample)])
        assert size.tolist() == [len(sample)]
    assert model.padding_share_percent() == 0


def test_the_runtime_answers_each_size(model: LoadedModel) -> None:
    [infer] = model.infers()
    for indices in ([0], [1, 3], [2, 2, 1]):
        answers = infer(batch(model, *indices))[0]  # type: ignore[arg-type]  # a model with several inputs
        longest = max(len(SAMPLES[index]) for index in indices)
        for row, index in enumerate(indices):
            expected = np.zeros((longest, 2), np.float32)
            expected[: len(SAMPLES[index])] = TABLE[SAMPLES[index]]
            assert answers[row].tolist() == expected.tolist()


def test_buckets(tmp_path: Path) -> None:
    with loaded(tokens(tmp_path, buckets=[2, 4], value=6)) as model:
        samples = model.samples(False)
        samples.load(range(4))
        scratch = samples.scratch(2)
        widths = [samples.gather(each, scratch)[0].shape[1] for each in ([1], [1, 2], [0], [3, 1])]
        assert widths == [2, 2, 4, 4]
        assert samples.gather([1], scratch)[0].tolist() == [[4, 6]]
        assert samples.gather([1, 0], scratch)[0].tolist() == [[4, 6, 6, 6], [1, 2, 3, 6]]


def test_the_share_of_padding_is_that_of_the_last_test(model: LoadedModel) -> None:
    samples = model.samples(False)
    assert isinstance(samples, PaddedSamples)
    probe = samples.scratch(4)
    samples.gather([3, 1, 1, 1], probe)
    assert model.padding_share_percent() == pytest.approx(100 * 9 / 16)
    run = samples.scratch(4)
    assert model.padding_share_percent() is None
    samples.gather([3, 1], run)  # 4 + 1 of 8
    samples.gather([0], run)  # 3 of 3
    assert model.padding_share_percent() == pytest.approx(100 * 3 / 11)
    assert samples.padding_share_percent(2) == pytest.approx(100 * 12 / 27)


def test_the_batch_may_be_on_another_axis(tmp_path: Path) -> None:
    x = {"name": "x", "dtype": "float32", "shape": [9, "batch", 2], "padding": {"axis": 0, "lengths": [2, 5]}}
    gain = {"name": "gain", "dtype": "int64", "shape": [], "source": {"constant": 3}}
    made = Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "synthetic", "count": 8},
            "model": {"inputs": [x, gain], "outputs": [{"name": "y", "kind": "tensor"}]},
        }
    )
    from qutiperf.datasets import open_samples
    from qutiperf.datasets.inputs import ManyInputs
    from qutiperf.harness.load import model_for
    from qutiperf.harness.samples import Preparing

    dataset = open_samples(made)
    assert isinstance(dataset, ManyInputs)
    samples = PaddedSamples(dataset, model_for(made, tmp_path), made.model, Preparing())
    samples.load(range(8))
    lengths = dataset.ragged[0].lengths
    longest = int(max(lengths[5], lengths[2]))
    x_batch, gain_batch = samples.gather([5, 2], samples.scratch(2))
    assert (x_batch.shape, gain_batch.tolist()) == ((longest, 2, 2), 3)
    for column, index in enumerate((5, 2)):
        size = int(lengths[index])
        assert x_batch[:size, column].tolist() == np.asarray(dataset.ragged[0].one(index)).tolist()
        assert not np.asarray(x_batch[size:, column], np.float32).any()


def test_a_runtime_that_takes_one_size_needs_one_bucket(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    sut, _ = load_sut("cpu-openvino")
    with pytest.raises(InputError) as caught:
        pair(sut, tokens(tmp_path))
    cure = "pad all to the longest: buckets: [6], or measure on another system"
    assert (
        str(caught.value) == f"w: model.inputs: padding: cpu-openvino only takes batches of one size; {cure}"
    )
    pair(sut, tokens(tmp_path, buckets=[6]))


def test_a_file_that_fixes_the_size_needs_one_bucket(tmp_path: Path) -> None:
    sut, _ = load_sut("cpu-onnxruntime")
    a = {"name": "a", "dtype": "float32", "shape": ["batch", 3], "padding": {"axis": 1}}
    path = graphs.sum_and_product(tmp_path / "m.onnx")
    made = Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "synthetic", "count": 2},
            "model": {
                "file": str(path),
                "inputs": [a, {**a, "name": "b", "padding": {"axis": 1, "like": "a"}}],
                "outputs": [{"name": "sum", "kind": "tensor"}],
            },
        }
    )
    with pytest.raises(InputError) as caught:
        pair(sut, made)
    both = [f"model.inputs.{n}.padding: m.onnx fixes axis 1 at 3; give buckets: [3]" for n in (0, 1)]
    assert str(caught.value).startswith(f"w: {both[0]}; {both[1]}")


def test_padding_with_a_value_beyond_the_vocabulary_is_seen(tmp_path: Path) -> None:
    sut, _ = load_sut("cpu-onnxruntime")
    with pytest.raises(InputError, match="values from 1 to 7, but 'ids' looks up 7 rows"):
        pair(sut, tokens(tmp_path, value=7))
    pair(sut, tokens(tmp_path, value=-7))


@pytest.mark.slow
def test_a_run_has_its_share_of_padding_and_no_operations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tokens(tmp_path, buckets=[4])
    data = {"kind": "workload", "schema_version": 1, **json.loads(made.model_dump_json(exclude_none=True))}
    (tmp_path / "w.yaml").write_text(json.dumps(data))
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "kind: sweep\nschema_version: 1\nname: padded\nsuts: [cpu-onnxruntime]\nworkloads: [w.yaml]\n"
        "scenarios: [Offline, SingleStream, Server]\nsettings: {min_duration_s: 0.2}\n"
        "deployment: {batch_size: [4], streams: [1, 2], threads: [1]}\n"
    )
    out = tmp_path / "results"
    assert main(["run", str(sweep), "--out", str(out)], debug=False) == 0
    capsys.readouterr()
    assert main(["show", str(out), "--json"], debug=False) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    for row in rows:
        # LoadGen picks samples at random, of which Server has few
        error = 20 if row["scenario"] == "Server" else 3
        assert row["padding_share_percent"] == pytest.approx(100 * 6 / 16, abs=error)
        assert row["system_throughput_ips"] > 0
        assert (row["system_gops"], row["utilisation_percent"]) == (None, None)
