"""Answers and what they are worth."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from qutiperf.datasets.classification import Classification, TopFive, Unjudged
from qutiperf.errors import RunError
from qutiperf.spec.workload import OutputSpec

SCORES = Classification(OutputSpec(name="s", kind="scores"))
IDS = Classification(OutputSpec(name="s", kind="class_id", label_offset=1))
Scores = npt.NDArray[np.float32]


def scores(*best: int) -> Scores:
    return np.eye(10, dtype=np.float32)[list(best)]


@pytest.mark.parametrize("classes", [10, 64, 65, 1000])
def test_one_sample_is_answered_as_in_a_batch(classes: int) -> None:
    outputs = np.random.default_rng(classes).normal(size=(50, classes)).astype(np.float32)
    together = np.asarray(SCORES.responses(outputs, 50))[:, 0].tolist()
    assert [SCORES.response(outputs[row : row + 1]) for row in range(50)] == together


def test_the_best_score_is_the_answer() -> None:
    assert SCORES.response(scores(3)) == 3.0
    found = np.asarray(SCORES.responses(scores(3, 0, 9), 3))
    assert found.tolist() == [[3.0], [0.0], [9.0]]
    assert found.dtype == np.float32


def test_label_offset_is_subtracted() -> None:
    task = Classification(OutputSpec(name="s", kind="scores", label_offset=1))
    assert task.response(scores(3)) == 2.0
    assert np.asarray(task.responses(scores(3, 1), 2)).tolist() == [[2.0], [0.0]]
    assert np.asarray(IDS.responses(np.array([5, 1]), 2)).tolist() == [[4.0], [0.0]]
    assert np.asarray(IDS.responses(np.array([[5.0]]), 1)).tolist() == [[4.0]]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_impossible_scores(count: int, bad: float) -> None:
    outputs = scores(*[2] * count)
    outputs[-1, 7] = bad
    with pytest.raises(RunError, match="NaN or infinity"):
        SCORES.responses(outputs, count)
    with pytest.raises(RunError, match="NaN or infinity"):
        SCORES.response(outputs[-1:])
    with pytest.raises(RunError, match="NaN or infinity"):
        IDS.responses(np.full(count, bad), count)


@pytest.mark.parametrize("shape", [(2, 10), (0, 10), (10,), (1, 0), (1, 10, 1), ()])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunError, match="shape"):
        SCORES.responses(np.zeros(shape, np.float32), 1)
    with pytest.raises(RunError, match="shape"):
        SCORES.response(np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(2,), (1, 2), ()])
def test_wrong_shapes_of_ids(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunError, match="shape"):
        IDS.responses(np.zeros(shape), 1)


def entry(sample: int, value: float) -> str:
    data = struct.pack("<f", value).hex().upper()
    return f'{{ "seq_id" : 0, "qsl_idx" : {sample}, "data" : "{data}" }}'


def log(folder: Path, *entries: str) -> Path:
    path = folder / "mlperf_log_accuracy.json"
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    return path


LABELS = np.array([3, 984, 0], np.int64)


def test_accuracy_counts_a_sample_once(tmp_path: Path) -> None:
    assert entry(1, 984.0).endswith('"data" : "00007644" }')  # as MLPerf's reference application writes it
    path = log(tmp_path, entry(1, 984.0), entry(0, 3.0), entry(2, 5.0), entry(0, 4.0), entry(2, 0.0))
    found = SCORES.accuracy(path, LABELS)
    assert (found.good, found.total, found.top1_percent) == (2, 3, 100 * 2 / 3)


def test_missing_samples_and_damaged_logs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="2 of 3 samples have no answer"):
        SCORES.accuracy(log(tmp_path, entry(0, 3.0)), LABELS)
    with pytest.raises(RunError, match="cannot be read as an accuracy log"):
        SCORES.accuracy(log(tmp_path, '{ "seq_id" : 0, "qsl'), LABELS)
    with pytest.raises(RunError, match="cannot be read as an accuracy log"):
        SCORES.accuracy(tmp_path / "none", LABELS)


def test_top_five() -> None:
    five = TopFive(SCORES, np.array([0, 9], np.int64))
    ranks = np.arange(10, 0, -1, dtype=np.float32)
    five.observe(np.stack([ranks, ranks]), [0, 1])
    assert five.percent() == 50
    five.observe(ranks[np.newaxis, ::-1], [1])
    assert five.percent() == 100


def test_top_five_is_unknown_without_scores_or_labels() -> None:
    for five in (TopFive(IDS, LABELS), TopFive(SCORES, None)):
        five.observe(scores(1), [0])
        assert five.percent() is None


def test_unjudged_outputs_have_any_shape(tmp_path: Path) -> None:
    assert Unjudged().responses(np.zeros((3, 7)), 3).tolist() == [[0.0]] * 3
    assert Unjudged().response(np.zeros((1, 7))) == 0.0
    assert Unjudged().responses(np.zeros((9, 3, 7)), 3).tolist() == [[0.0]] * 3  # time first
    assert Unjudged().responses(np.array(1.0), 2).tolist() == [[0.0]] * 2
    with pytest.raises(RunError, match="no accuracy"):
        Unjudged().accuracy(tmp_path, LABELS)
