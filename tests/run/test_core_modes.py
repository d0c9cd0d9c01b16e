"""Operating modes that leave a run some of the cores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.spec.sut import core_numbers
from tests.conftest import SutFile, fails

SweepFile = Callable[..., Path]
ADAPTER = """
import os
from dataclasses import dataclass

import numpy as np

from qutiperf.adapters.base import Adapter, Completion


@dataclass(frozen=True)
class Options:
    threads: int = 1


class Cores(Adapter[Options]):
    options_type = Options

    def load(self, model, options):
        self._cores = sorted(os.sched_getaffinity(0))

    def infer(self, batch):
        return Completion(np.zeros((len(batch), 10), np.float32))

    def describe(self):
        return {"cores": ",".join(map(str, self._cores))}

    def close(self):
        pass
"""


def test_lists_of_cores() -> None:
    assert core_numbers("0-3,6") == [0, 1, 2, 3, 6]
    assert core_numbers("5, 1,1") == [1, 5]


@pytest.mark.parametrize("text", ["", "3-1", "a", "-1", "1,", "1-2-3", "999999"])
def test_no_lists_of_cores(
    text: str, sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="is not a list of cores such as 0-3,6"):
        core_numbers(text)
    sweep = sweep_file(sut_file("simulated", extra=f'operating_modes: {{some: {{cores: "{text}"}}}}\n'))
    line = fails(capsys, ["run", str(sweep)], 2)
    assert "operating_modes.some.cores: is not a list of cores such as 0-3,6, not " in line


def test_a_governor_beside_commands_is_an_input_error(
    sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = "operating_modes: {some: {governor: powersave, enter: [true]}}\n".replace("[true]", "['true']")
    line = fails(capsys, ["run", str(sweep_file(sut_file("simulated", extra=modes)))], 2)
    assert "has governor beside enter or leave" in line


def test_a_core_that_is_not_there_is_a_setup_error(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = 'operating_modes: {far: {cores: "0,9000"}}\n'
    sweep = sweep_file(sut_file("simulated", extra=modes))
    chosen = ["--set", "deployment.operating_mode=far", "--out", str(tmp_path / "out")]
    assert main(["run", str(sweep), *chosen], debug=False) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        "qutiperf: device: operating_modes.far.cores: core 9000 is not available; this process"
    )


@pytest.mark.slow
def test_a_run_has_the_cores_of_its_mode_and_all_means_these(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    (tmp_path / "cores.py").write_text(ADAPTER)
    first = host.available_core_numbers()[0]
    modes = f'operating_modes: {{default: {{}}, one: {{cores: "{first}"}}}}\n'
    sweep = sweep_file(sut_file("cores.py:Cores", extra=modes), extra="modes: [PerformanceOnly]\n")
    chosen = ["--set", "deployment.operating_mode=default,one", "--set", "deployment.threads=all"]
    out = tmp_path / "out"
    assert main(["run", str(sweep), "--out", str(out), *chosen], debug=True) == 0
    records = {record.point.deployment["operating_mode"]: record for record in Store.open(out).records()}
    cores = {mode: record.observed.adapter["cores"] for mode, record in records.items() if record.observed}
    assert cores == {"default": ",".join(map(str, host.available_core_numbers())), "one": str(first)}
    threads = {mode: record.point.deployment["threads"] for mode, record in records.items()}
    assert threads == {"default": host.available_cores(), "one": 1}
