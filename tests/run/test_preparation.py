"""The preparation of samples: in the estimate, outside the time limit, once for all workers."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qutiperf.api.progress import Progress, Tracker
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.results.store import Store
from qutiperf.run.plan import Group, gather, make_plan
from qutiperf.run.preparation import preparations_of
from qutiperf.spec.sweep import load_sweep
from tests.conftest import SutFile

cv2 = pytest.importorskip("cv2")
COUNT = 12


@pytest.fixture
def slow_sweep(tmp_path: Path, sut_file: SutFile) -> Path:
    """Images that take seconds to decode."""
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
        "order: listed\nsettings: {min_duration_s: 0.1, time_limit_s: 300}\n"
        "deployment: {batch_size: [1], streams: [1]}\n"
    )
    return sweep


def planned(path: Path, *overrides: str) -> list[Group]:
    sweep, _ = load_sweep(str(path), list(overrides))
    return make_plan(sweep, gather(sweep), {}).groups


WITHOUT = "sample_cache.most_gb=0"
SAMPLE_BYTES = 3 * 224 * 224 * 4


@pytest.mark.slow
def test_without_a_cache_the_estimate_counts_it_once_a_worker(slow_sweep: Path) -> None:
    [group] = planned(slow_sweep, WITHOUT)
    first, second = (run.preparation_s for run in group.runs)
    assert group.samples is None
    assert first > COUNT * 0.02
    assert second == 0
    assert group.estimated_s > first + 0.2
    assert preparations_of([group]) == []


@pytest.mark.slow
def test_with_a_cache_it_is_a_step_of_its_own_for_all_workers(slow_sweep: Path, tmp_path: Path) -> None:
    [group] = planned(slow_sweep, f"sample_cache.folder={tmp_path}/cache", "sample_cache.most_gb=0.5")
    assert [run.preparation_s for run in group.runs] == [0, 0]
    [preparation] = preparations_of([group, group])
    source = preparation.source
    assert (source.cache.folder, source.cache.most_bytes) == (tmp_path / "cache", 500_000_000)
    assert (preparation.sample_count, source.sample_bytes) == (COUNT, SAMPLE_BYTES)
    assert preparation.estimated_s == pytest.approx(COUNT * source.sample_s)
    assert source.sample_s > 0.005


@pytest.mark.slow
def test_more_than_the_cache_holds_is_prepared_by_each_worker(slow_sweep: Path, tmp_path: Path) -> None:
    least_gb = COUNT * SAMPLE_BYTES / 1e9
    for most_gb, kept in ((least_gb, True), (least_gb * 0.999, False)):
        [group] = planned(slow_sweep, f"sample_cache.most_gb={most_gb}")
        assert bool(preparations_of([group])) is kept
        assert (group.runs[0].preparation_s == 0) is kept


def test_what_is_generated_or_small_is_not_kept(tmp_path: Path, sut_file: SutFile) -> None:
    sut = sut_file("simulated")
    for dataset in ("{name: synthetic, count: 9000}", "{name: digits}"):
        path = tmp_path / "sweep.yaml"
        workload = tmp_path / "w.yaml"
        workload.write_text(
            "kind: workload\nschema_version: 1\nname: w\ntask: none\n"
            "model:\n  input: {name: input, dtype: float32, shape: [batch, 1, 8, 8]}\n"
            f"  output: {{name: logits, kind: tensor}}\ndataset: {dataset}\n"
        )
        path.write_text(
            "kind: sweep\nschema_version: 1\nname: s\n"
            f"suts: [{sut}]\nworkloads: [{workload}]\nscenarios: [Offline]\n"
        )
        assert [group.samples for group in planned(path)] == [None]


@pytest.mark.slow
def test_a_cache_folder_that_is_a_file_is_refused(slow_sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"sample_cache\.folder: .*/file: is not a folder"):
        planned(slow_sweep, f"sample_cache.folder={tmp_path}/file")
    for most_gb in ("-1", "1e30"):
        with pytest.raises(InputError, match=r"sample_cache\.most_gb"):
            planned(slow_sweep, f"sample_cache.most_gb={most_gb}")


@pytest.mark.slow
def test_without_a_cache_a_worker_prepares_once(slow_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert main(["run", str(slow_sweep), "--set", WITHOUT, "--out", str(out)], debug=False) == 0
    first, second = Store.open(out).latest()
    assert first.preparation_s is not None
    assert second.preparation_s is not None
    assert first.preparation_s > 1
    assert second.preparation_s < 0.1
    assert first.sample_cache is None


def files_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


@pytest.mark.slow
def test_it_is_done_once_for_all_workers_and_commands(slow_sweep: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    choice = ["--set", f"sample_cache.folder={cache}", "--set", "deployment.streams=1,2"]
    before: dict[str, int] = {}
    for number in range(2):
        out = tmp_path / f"results{number}"
        assert main(["run", str(slow_sweep), *choice, "--out", str(out)], debug=False) == 0
        records = Store.open(out).latest()
        assert len(records) == 3  # two workers
        for record in records:
            assert record.preparation_s == 0
            assert record.sample_cache is not None
            assert (record.sample_cache.folder, record.sample_cache.most_gb) == (str(cache), 20)
            assert record.observed is not None
            assert record.observed.samples_mapped
        before = before or files_of(cache)
        assert len(before) == 1
        assert files_of(cache) == before


@pytest.mark.slow
def test_a_damaged_file_is_replaced(slow_sweep: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    choice = ["--set", f"sample_cache.folder={cache}"]
    assert main(["run", str(slow_sweep), *choice, "--out", str(tmp_path / "1")], debug=False) == 0
    [path] = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:100_000] + bytes([whole[100_000] ^ 1]) + whole[100_001:])
    assert main(["run", str(slow_sweep), *choice, "--out", str(tmp_path / "2")], debug=False) == 0
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_without_a_place_to_write_each_worker_prepares_its_own(
    slow_sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    choice = ["--set", f"sample_cache.folder={tmp_path}/file/below"]
    assert main(["run", str(slow_sweep), *choice, "--out", str(tmp_path / "1")], debug=False) == 0
    note = f"samples of images are not kept in {tmp_path}/file/below: Not a directory; each worker"
    assert note in " ".join(capsys.readouterr().err.split())
    first, _ = Store.open(tmp_path / "1").latest()
    assert first.preparation_s is not None
    assert first.preparation_s > 1
    assert first.sample_cache is None


@pytest.mark.slow
def test_parts_of_a_dataset_are_those_that_loadgen_loads(slow_sweep: Path, tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "results"
    choice = ["--set", f"sample_cache.folder={cache}", "--set", "settings.performance_sample_count=5"]
    choice += [
        "--set",
        "settings.time_limit_s=300",
        "--set",
        "scenarios=Offline,SingleStream,MultiStream,Server",
    ]
    choice += ["--set", "modes=AccuracyOnly,PerformanceOnly"]
    assert main(["run", str(slow_sweep), *choice, "--out", str(out)], debug=False) == 0
    records = Store.open(out).latest()
    assert len(records) == 5
    assert [record.observed and record.observed.samples_mapped for record in records] == [True] * 5
    assert [record.preparation_s for record in records] == [0] * 5


def command(sweep: Path, out: Path, cache: Path, before: str = "") -> list[str]:
    words = [sys.executable, "-m", "qutiperf", "run", str(sweep), "--out", str(out)]
    words += ["--set", f"sample_cache.folder={cache}"]
    return ["sh", "-c", f"{before} exec {shlex.join(words)}"]


def half_written(cache: Path) -> list[Path]:
    return list(cache.glob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_preparation_leaves_nothing(slow_sweep: Path, tmp_path: Path, number: int) -> None:
    cache, out = tmp_path / "cache", tmp_path / "results"
    with subprocess.Popen(
        command(slow_sweep, out, cache), stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while not half_written(cache) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert list(cache.iterdir()) == []
        assert not (out / ".staging").exists()
        return
    # nobody is left to delete it: the next sweep does, even one that has nothing to prepare
    quick = [
        "run",
        "quickstart",
        "--set",
        f"sample_cache.folder={cache}",
        "--set",
        "workloads=digits-mlp-25-int8",
    ]
    quick += [
        "--set",
        "settings.min_duration_s=0.1",
        "--set",
        "scenarios=Offline",
        "--out",
        str(tmp_path / "q"),
    ]
    assert main(quick, debug=False) == 0
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_is_a_line_and_each_worker_prepares_its_own(slow_sweep: Path, tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "results"
    full = command(slow_sweep, out, cache, "ulimit -f 10000;")
    done = subprocess.run(full, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0
    note = f"samples of images are not kept in {cache}: File too large; each worker prepares its own"
    assert note in done.stderr.splitlines()
    assert list(cache.iterdir()) == []
    assert [record.valid for record in Store.open(out).latest()] == [True, True]


def test_progress_has_the_samples_that_are_prepared() -> None:
    events: list[Progress] = []
    tracker = Tracker(events.append, lambda _: None, lambda _: None)
    tracker.preparing("images", 300, 1024)
    [event] = events
    assert (event.event, event.run) == ("preparing", "images: 300 of 1,024 samples are prepared")
