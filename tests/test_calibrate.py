"""Host peaks: theory by hand, plausible rates from tiny measurements, a file that can be read back."""

from pathlib import Path

import pytest

from qutiperf import calibrate
from qutiperf.level0.calibration_file import write_platform
from qutiperf.spec.sut import load_sut


def test_theoretical_peaks_by_hand() -> None:
    found = calibrate.theoretical_tops(frozenset({"avx2", "fma"}), 4, 2.5)
    assert found == pytest.approx({"fp32": 4 * 2.5e9 * 2 * 16 / 1e12, "int8": 4 * 2.5e9 * 2 * 32 / 1e12})
    assert calibrate.theoretical_tops(frozenset({"fma"}), 4, None) == {}
    wide = calibrate.theoretical_tops(frozenset({"avx512f", "fma", "amx_int8", "avx2"}), 1, 1.0)
    assert wide == pytest.approx({"fp32": 0.064, "int8": 2.048})


@pytest.mark.parametrize("datatype", ["fp32", "int8"])
def test_products_run_through_the_runtime(datatype: str) -> None:
    assert 0 < calibrate.gemm_tops(datatype, size=64, repeats=2) < 1000


def test_the_triad_adds_and_moves_memory() -> None:
    assert 0 < calibrate.stream_gb_s(elements=1 << 17, repeats=2) < 10_000


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
