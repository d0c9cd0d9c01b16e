"""What the harness measured fits LoadGen's latency, the batches and the accuracy run, or is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.audit.test_finished_runs import ACCURACY, OFFLINE, OLD, SINGLE, audited, edit, value_of


@pytest.fixture
def results(tmp_path: Path) -> Path:
    shutil.copytree(OLD, tmp_path / "results")
    return tmp_path / "results"


def evidence(results: Path, run_id: str) -> list[str]:
    verdict = audited("plausibility", results)[run_id]
    assert verdict.outcome == "fail"
    return verdict.evidence


@pytest.mark.parametrize(("size", "expected"), [(4, "7,325"), (32, "916")])
def test_batches_of_another_size(size: int, expected: str, results: Path) -> None:
    edit(results / f"{OFFLINE}-1", {"point/deployment/batch_size": size})
    [line] = evidence(results, OFFLINE)
    assert line.startswith("29,300 inputs were computed in ")
    assert line.endswith(f" batches, {expected} follow from batch_size {size}")


def test_times_of_the_device_that_cannot_be(results: Path) -> None:
    edit(results / f"{SINGLE}-1", {"observed/impossible_clocks": 83})
    assert audited("plausibility", results)[SINGLE].outcome == "pass"
    edit(results / f"{SINGLE}-1", {"observed/impossible_clocks": 84})
    assert evidence(results, SINGLE) == [
        "84 of 8,335 batches report a compute time that is none or longer than their call"
    ]


def test_a_clock_that_is_slower_than_loadgens(results: Path) -> None:
    folder = results / f"{SINGLE}-1"
    edit(folder, {"observed/phases/total/p50_ns": 0.5 * value_of(folder, "observed/phases/total/p50_ns")})
    assert evidence(results, SINGLE) == [
        "a query takes 0.0145398 ms by the harness's clock, 0.028162 ms by LoadGen's"
    ]


@pytest.mark.parametrize(("octaves", "passes"), [(0, True), (4, False)])
def test_an_accuracy_run_that_takes_its_time(octaves: int, passes: bool, results: Path) -> None:
    """The buckets of an octave are 1,024; all times of the accuracy run become 2**octaves times as long."""
    path = results / f"{ACCURACY}-1" / "phases.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["compute_buckets"] = arrays["compute_buckets"] + 1024 * octaves
    np.savez_compressed(path, **arrays)
    edit(path.parent, {"observed/phases/compute/max_ns": 1e12})
    verdict = audited("plausibility", results)[OFFLINE]
    assert (verdict.outcome == "pass") == passes
    if not passes:
        assert verdict.evidence[0].startswith("90 % of the batches take ")
