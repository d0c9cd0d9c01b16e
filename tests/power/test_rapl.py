"""RAPL on trees with the layout of powercap."""

from pathlib import Path

import pytest

from qutiperf.errors import SetupError
from qutiperf.power.rapl import Rapl
from tests.power.boards import xeon, zone


def test_a_package_with_its_memory_counts_and_what_is_inside_or_around_does_not(tmp_path: Path) -> None:
    xeon(tmp_path)
    meter = Rapl(str(tmp_path))
    rails = {rail.name: rail.counts for rail in meter.open()}
    assert rails == {
        "package-0": True,
        "package-0/core": False,
        "package-0/dram": True,
        "package-1": True,
        "package-1/core": False,
        "package-1/dram": True,
        "psys": False,
    }
    assert (meter.coverage, meter.missing) == ("device", [])
    assert {reading.rail: reading.value for reading in meter.read()} == {
        "package-0": 1.0,
        "package-0/core": 0.4,
        "package-0/dram": 0.25,
        "package-1": 2.0,
        "package-1/core": 0.4,
        "package-1/dram": 0.25,
        "psys": 9.0,
    }
    meter.close()


def test_a_package_alone_is_a_part(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    meter = Rapl(str(tmp_path))
    [rail] = meter.open()
    assert (rail.wraps_at_j, rail.update_s, meter.coverage) == (262_143.32885, 0.001, "part")
    meter.close()


def test_a_socket_without_its_counter_is_missing(tmp_path: Path) -> None:
    xeon(tmp_path)
    for name in ("energy_uj", "name"):
        (tmp_path / "class/powercap/intel-rapl:1" / name).unlink()
    meter = Rapl(str(tmp_path))
    meter.open()
    assert meter.missing == ["package-1"]
    meter.close()


def test_the_next_read_has_the_new_value(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    meter = Rapl(str(tmp_path))
    meter.open()
    (folder / "new").write_text("1500000\n")
    (folder / "new").replace(folder / "energy_uj")
    assert [reading.value for reading in meter.read()] == [1.5]
    meter.close()


@pytest.mark.skipif("os.geteuid() == 0", reason="root reads everything")
def test_a_counter_that_only_root_reads_names_the_cure(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (folder / "energy_uj").chmod(0)
    with pytest.raises(
        SetupError, match=r"only root may read it; `sudo chmod a\+r .*intel-rapl:\*/energy_uj`"
    ):
        Rapl(str(tmp_path)).open()


def test_permission_is_named_for_root_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("qutiperf.power.rapl.NumberFile", refuse)
    with pytest.raises(SetupError, match=r"energy_uj: only root may read it; `sudo chmod a\+r"):
        Rapl(str(tmp_path)).open()


def test_no_counter_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no RAPL counters; RAPL needs an x86 processor"):
        Rapl(str(tmp_path)).open()
