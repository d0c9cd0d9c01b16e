"""Host peaks: theory by hand, agreement of given rates, real rates beside numpy's, a busy host, the file."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qutiperf import calibrate
from qutiperf.cli import main
from qutiperf.host import available_cores, busy_percent
from qutiperf.level0.calibration_file import write_platform
from qutiperf.spec.sut import load_sut


def test_theoretical_peaks_by_hand() -> None:
    found = calibrate.theoretical_tops(frozenset({"avx2", "fma"}), 4, 2.5)
    assert found == pytest.approx({"fp32": 4 * 2.5e9 * 2 * 16 / 1e12, "int8": 4 * 2.5e9 * 2 * 32 / 1e12})
    assert calibrate.theoretical_tops(frozenset({"fma"}), 4, None) == {}
    wide = calibrate.theoretical_tops(frozenset({"avx512f", "fma", "amx_int8", "avx2"}), 1, 1.0)
    assert wide == pytest.approx({"fp32": 0.064, "int8": 2.048})


@pytest.mark.parametrize(
    ("rates", "agrees"),
    [
        ([], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([0.95, 1.0, 0.95], True),
        ([0.94, 1.0, 1.0], False),
        ([0.5, 1.0, 0.96, 0.97], True),
        ([1.0, 0.5, 0.5, 0.5], False),  # agrees with itself, but was faster before
    ],
)
def test_the_last_three_blocks_agree_with_the_best_of_all(rates: list[float], agrees: bool) -> None:
    assert calibrate.agree(rates) is agrees


def test_blocks_are_repeated_until_they_agree() -> None:
    rates = iter([0.05, 0.142, 0.09, 0.14, 0.141, 0.139, 0.2])
    found = calibrate.until_agreed(lambda: next(rates))
    assert found == calibrate.Repeated((0.05, 0.142, 0.09, 0.14, 0.141, 0.139), agrees=True)
    assert found.best == 0.142
    assert next(rates) == 0.2


def test_blocks_that_never_agree_end_after_twenty() -> None:
    rates = iter(range(1, 100))
    found = calibrate.until_agreed(lambda: float(1 << next(rates)))
    assert (len(found.rates), found.agrees) == (20, False)


@pytest.mark.parametrize(("block_s", "count"), [(0.5, 20), (4.0, 6), (30.0, 3)])
def test_slow_blocks_end_after_twenty_seconds_but_are_three(block_s: float, count: int) -> None:
    passed = [0.0]

    def block() -> float:
        passed[0] += block_s
        return float(passed[0])

    found = calibrate.until_agreed(block, clock=lambda: passed[0])
    assert (len(found.rates), found.agrees) == (count, False)


def test_the_shortest_call_counts() -> None:
    stamps = iter([0, 5_000, 10_000, 13_000, 20_000, 29_000])
    calls: list[int] = []
    assert calibrate.best_seconds(lambda: calls.append(1), 3, lambda: next(stamps)) == 3e-6
    assert len(calls) == 3


@pytest.mark.parametrize(("datatype", "kind"), [("fp32", np.float32), ("int8", np.int32)])
def test_the_product_is_the_whole_product(datatype: str, kind: type) -> None:
    [output] = calibrate.product_runner(datatype, 96)()
    assert isinstance(output, np.ndarray)
    assert (output.shape, output.dtype) == ((96, 96), kind)
    assert (output == 96).all()


def test_the_triad_computes_every_element() -> None:
    part = np.full((3, calibrate.STREAM_BLOCK + 7), 2.0)
    calibrate.triad(part)
    assert (part[0] == 8.0).all()
    assert (part[1:] == 2.0).all()


AGREED = calibrate.Repeated((1.0, 1.0, 1.0), agrees=True)


def test_doubts_name_the_busy_host_and_the_blocks_that_disagree() -> None:
    torn = calibrate.Repeated((0.0502, 0.142, 0.06), agrees=False)
    assert calibrate.doubts(10.0, {"fp32 products": AGREED}) == []
    assert calibrate.doubts(None, {}) == []
    assert calibrate.doubts(57.4, {"fp32 products": torn, "the triad": AGREED}) == [
        "other processes used 57 % of the cores",
        "3 blocks of fp32 products do not agree within 5 %: 0.0502 to 0.142",
    ]


def test_a_doubtful_measurement_is_marked_in_the_source() -> None:
    peaks = calibrate.HostPeaks({"fp32": 0.1}, {}, 10.0, 6.0, 8.0, None, 2, 2.5)
    quiet = "measured on this host: 2 cores, 2.50 GHz; onnxruntime products, reads of large arrays"
    assert peaks.source == quiet
    assert peaks.bandwidth_gb_s == 10.0
    assert replace(peaks, triad_gb_s=12.0).bandwidth_gb_s == 12.0
    assert replace(peaks, doubts=["a", "b"]).source == f"{quiet}; doubtful: a; b"


@contextmanager
def busy_cores() -> Iterator[None]:
    """One process for every core that does nothing but compute."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_busy_host_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    with busy_cores():
        assert main(["calibrate", "cpu-onnxruntime", "--out", str(out)], debug=False) == 3
    message = capsys.readouterr().err
    assert re.fullmatch(
        r"qutiperf: the measurements are doubtful: other processes used \d+ % of the cores; stop other "
        r"programs and run the command again, or accept doubtful figures with --force\n",
        message,
    )
    assert not out.exists()


@pytest.mark.slow
def test_a_forced_calibration_of_a_busy_host_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    with busy_cores():
        assert main(["calibrate", "cpu-onnxruntime", "--out", str(out), "--force"], debug=True) == 0
    assert "doubtful, perhaps too low: other processes used" in capsys.readouterr().out
    assert "doubtful: other processes used" in (load_sut(str(out))[0].platform.source or "")


def best_of(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


ONE_CORE = """
import time
import numpy as np
values, out, times = np.ones((1024, 1024), np.float32), np.empty((1024, 1024), np.float32), []
for _ in range(60):
    begin = time.thread_time()
    np.matmul(values, values, out=out)
    times.append(time.thread_time() - begin)
print(2 * 1024**3 / min(times) / 1e12)
"""


@pytest.mark.slow
def test_fp32_products_are_as_fast_as_numpy_on_one_core_times_the_cores() -> None:
    """The processor time of numpy's thread hardly depends on other load; the rate on all cores does."""
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ONE_CORE]
    numpy = subprocess.run(command, env=os.environ | threads, check=True, capture_output=True, text=True)
    ratio = calibrate.gemm_tops("fp32").best / (float(numpy.stdout) * available_cores())
    assert ratio < 2
    busy = calibrate.busy_reason(busy_percent())
    if busy:
        pytest.skip(f"only the upper bound was checked: {busy}")
    assert ratio > 1 / 2


@pytest.mark.slow
def test_the_triad_moves_as_many_bytes_as_copies_do() -> None:
    """A copy of an array by each core moves 16 bytes an element, or 24 where the target is read first."""
    cores = available_cores()
    arrays = [np.ones((2, (1 << 24) // cores)) for _ in range(cores)]
    ours, copies = 0.0, 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(2):
            seconds = best_of(lambda: list(pool.map(lambda pair: np.copyto(pair[0], pair[1]), arrays)), 8)
            copies = max(copies, 16 * (1 << 24) / seconds / 1e9)
            ours = max(ours, calibrate.stream_gb_s(repeats=4).best)
    assert 1 / 2 < ours / copies < 2.5


@pytest.mark.slow
def test_reading_is_as_fast_as_the_maximum_of_an_array() -> None:
    """Which reads each element once too."""
    cores = available_cores()
    arrays = [np.ones((1 << 24) // cores) for _ in range(cores)]
    ours, theirs = 0.0, 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(2):
            seconds = best_of(lambda: list(pool.map(np.max, arrays)), 8)
            theirs = max(theirs, 8 * (1 << 24) / seconds / 1e9)
            ours = max(ours, calibrate.read_gb_s(1 << 24, repeats=4).best)
    assert 1 / 2 < ours / theirs < 2


def test_what_was_measured_can_be_read_back_and_extended(tmp_path: Path) -> None:
    first, second = tmp_path / "mine.yaml", tmp_path / "again.yaml"
    base = load_sut("cpu-onnxruntime")[1]
    write_platform(first, base, "mine", {"peaks_tops": {"fp32": 0.3}, "memory_bandwidth_gb_s": 20.0})
    assert "extends: cpu-onnxruntime\n" in first.read_text(encoding="utf-8")
    write_platform(second, load_sut(str(first))[1], "again", {"memory_bandwidth_gb_s": 10.0})
    system = load_sut(str(second))[0]
    assert system.name == "again"
    assert system.platform.peaks_tops == {"fp32": 0.3}
    assert system.platform.memory_bandwidth_gb_s == 10.0
    assert system.platform.family == "cpu"
