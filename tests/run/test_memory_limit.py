"""A worker that uses more memory than its limit is ended; the next run goes on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.run.memory_limit import MemoryWatch
from qutiperf.spec.sut import WorkerLimits
from tests.conftest import SutFile, fails

SweepFile = Callable[..., Path]
HUNGRY = '''
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from qutiperf.adapters.base import Adapter, Completion


@dataclass(frozen=True)
class Options:
    where: str = "infer"


class Hungry(Adapter[Options]):
    """Takes 600 MB in load, in infer, or in a process of its own."""

    options_type = Options

    def load(self, model, options):
        self._where, self._child = options.where, None
        if self._where == "load":
            self._eat()
        if self._where == "child":
            code = "import time; x = b'x' * 600_000_000; time.sleep(60)"
            self._child = subprocess.Popen([sys.executable, "-c", code])
            time.sleep(20)

    def infer(self, batch):
        if self._where == "infer":
            self._eat()
        if self._where != "nowhere":
            time.sleep(0.2)
        return Completion(np.zeros((len(batch), 10), np.float32))

    def _eat(self):
        self._food = np.ones(75_000_000)
        time.sleep(2)

    def close(self):
        pass
'''


def test_memory_is_that_of_the_process_and_its_descendants() -> None:
    held = bytearray(os.urandom(1) * 50_000_000)
    assert MemoryWatch(WorkerLimits(), os.getpid()).resident_bytes() > len(held)
    assert MemoryWatch(WorkerLimits(), 2**22 + 1).resident_bytes() == 0


def test_without_a_limit_nothing_is_watched() -> None:
    watch = MemoryWatch(WorkerLimits(), os.getpid())
    assert watch.tick_s(1.0) == 1.0
    assert watch.exceeded("run") is None


def test_above_the_limit_there_is_a_failure_that_names_it() -> None:
    watch = MemoryWatch(WorkerLimits(memory_gb=0.001), os.getpid())
    assert watch.tick_s(1.0) == 0.1
    failure = watch.exceeded("load")
    assert failure is not None
    assert (failure.stage, failure.kind) == ("load", "memory")
    assert failure.reason.endswith(" GB of memory, more than limits.memory_gb: 0.001; it was ended")
    assert MemoryWatch(WorkerLimits(memory_gb=1000), os.getpid()).exceeded("run") is None


@pytest.mark.parametrize(
    "text", ["{memory_gb: 0}", "{memory_gb: lots}", "{memory_gb: .inf}", "{cores: 2}", "3"]
)
def test_wrong_limits(
    sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    of_sweep = sweep_file(sut_file("simulated"), extra=f"limits: {text}\n")
    assert "limits" in fails(capsys, ["plan", str(of_sweep)], 2)
    of_system = sweep_file(sut_file("simulated", extra=f"limits: {text}\n"))
    assert "limits" in fails(capsys, ["plan", str(of_system)], 2)


@pytest.mark.slow
def test_a_worker_above_its_limit_is_a_failed_record_and_the_next_goes_on(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, out = tmp_path / "hungry.py", tmp_path / "results"
    adapter.write_text(HUNGRY)
    suts = [
        sut_file(f"{adapter}:Hungry", where, f"options: {{where: {where}}}\nlimits: {{memory_gb: 0.45}}\n")
        for where in ("load", "infer", "child", "nowhere")
    ]
    sweep = sweep_file(", ".join(map(str, suts)), extra="modes: PerformanceOnly\n")
    assert main(["run", str(sweep), "--out", str(out)]) == 4
    records = {record.point.sut: record for record in Store.open(out).latest()}
    stages = {}
    for name, record in records.items():
        if record.failure is not None:
            stages[name] = record.failure.stage
            assert record.failure.kind == "memory"
            assert "GB of memory, more than limits.memory_gb: 0.45" in record.failure.reason
    assert stages == {"load": "load", "infer": "run", "child": "load"}
    assert records["nowhere"].valid
    capsys.readouterr()
    assert main(["explain", str(out), "--details"]) == 0
    assert "more memory than its limit while the model was loaded" in capsys.readouterr().out


@pytest.mark.slow
def test_the_limit_of_a_sweep_replaces_that_of_a_system(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sut = sut_file("simulated", extra="limits: {memory_gb: 0.001}\n")
    sweep = sweep_file(sut, extra="modes: PerformanceOnly\nlimits: {memory_gb: 8}\n")
    assert main(["run", str(sweep), "--out", str(out)]) == 0
    [record] = Store.open(out).latest()
    assert record.inputs.sut.limits.memory_gb == 8
