"""The preparation of samples: in the estimate, outside the time limit, once a worker."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.run.plan import Group, gather, make_plan
from qutiperf.spec.sweep import load_sweep
from tests.conftest import SutFile

cv2 = pytest.importorskip("cv2")
COUNT = 12


@pytest.fixture
def slow_sweep(tmp_path: Path, sut_file: SutFile) -> Path:
    """Images whose decoding takes longer than the run's time limit."""
    images = tmp_path / "images"
    images.mkdir()
    noise = np.random.default_rng(1).integers(0, 255, (3000, 3000, 3), np.uint8)
    cv2.imwrite(str(images / "0.png"), noise)
    for number in range(1, COUNT):
        (images / f"{number}.png").hardlink_to(images / "0.png")
    (images / "val_map.txt").write_text("".join(f"{number}.png {number}\n" for number in range(COUNT)))
    workload = tmp_path / "images.yaml"
    workload.write_text(
        "kind: workload\nschema_version: 1\nname: images\ntask: image-classification\n"
        "model:\n  input: {name: input, dtype: float32, shape: [batch, 3, 224, 224]}\n"
        "  output: {name: logits, kind: scores}\n"
        f"dataset: {{name: imagenet, directory: {images}}}\n"
    )
    sut = sut_file("simulated", extra="options: {latency_us: 1000, classes: 1000}\n")
    sweep = tmp_path / "slow.yaml"
    sweep.write_text(
        f"kind: sweep\nschema_version: 1\nname: slow\nsuts: [{sut}]\nworkloads: [{workload}]\n"
        "scenarios: [Offline, SingleStream]\nmodes: [PerformanceOnly]\n"
        "settings: {min_duration_s: 0.1, time_limit_s: 2}\ndeployment: {batch_size: [1], streams: [1]}\n"
    )
    return sweep


def planned(path: Path) -> list[Group]:
    sweep, _ = load_sweep(str(path), [])
    return make_plan(sweep, gather(sweep), {})


def test_the_estimate_counts_it_once_a_worker(slow_sweep: Path) -> None:
    [group] = planned(slow_sweep)
    first, second = (run.preparation_s for run in group.runs)
    assert first > COUNT * 0.02
    assert second == 0
    assert group.estimated_s > first + 0.2


@pytest.mark.slow
def test_it_is_outside_the_time_limit_and_done_once(slow_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert main(["run", str(slow_sweep), "--out", str(out)], debug=False) == 0
    first, second = Store.open(out).latest()
    assert first.preparation_s is not None
    assert second.preparation_s is not None
    assert first.preparation_s > 1
    assert second.preparation_s < 0.1
