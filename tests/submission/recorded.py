"""Results folders made of LoadGen's recorded logs in tests/data/submission_logs, with records beside them."""

import shutil
from pathlib import Path

from qutiperf.audit.compliance import folder_of_test
from qutiperf.mlperf_logs import read_result
from qutiperf.results.record import Figures, Inputs, Observed, RunRecord
from qutiperf.results.store import Store
from qutiperf.spec.config import sha256_of
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName, load_scenario
from qutiperf.spec.sut import Platform, SystemUnderTest
from qutiperf.spec.variant import Variant
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload
from tests.places import TESTS
from tests.submission.good_tree import LOGS, SCENARIOS

STEADY = TESTS / "data" / "steady_logs"

RIGHT_PERCENT = 100 * 250 / 256
DESCRIPTION = {"status": "available", "system_type": "edge"}
HOST: dict[str, str | int | float | bool | None] = {
    "hostname": "board",
    "system": "Linux",
    "kernel": "6.1",
    "machine": "riscv64",
    "cpu_model": "one core",
    "cores": 1,
    "memory_gb": 2,
    "python": "3.11.7",
}
VERSIONS = {"qutiperf": "0.1.0", "mlcommons-loadgen": "6.0.17", "onnxruntime": "1.32.0"}


def system(**changes: object) -> SystemUnderTest:
    base = SystemUnderTest(
        name="board",
        title="one board",
        adapter="onnxruntime",
        platform=Platform(family="cpu", source="test"),
        description=DESCRIPTION,
    )
    return base.model_copy(update=changes)


def workload(**changes: object) -> Workload:
    base = Workload(
        name="digits-recorded",
        task="image-classification",
        dataset=DatasetSpec(name="rehearsal", count=256),
        model=ModelSpec(
            file="/home/somebody/digits.onnx",
            inputs=[InputSpec(name="x", dtype="float32", shape=["batch", 8])],
            outputs=[OutputSpec(name="y", kind="scores")],
        ),
        variant=Variant(weight_datatype="fp32", activation_datatype="fp32", tuning="no", converter="none"),
        mlperf_benchmark="digits-99",
    )
    return base.model_copy(update=changes)


def record(
    logs: Path, scenario: str, mode: Mode, sut: SystemUnderTest | None = None, load: Workload | None = None
) -> RunRecord:
    """The record that a run with these logs would have had."""
    sut, load = sut or system(), load or workload()
    result = read_result(logs)
    point = Point(
        sut=sut.name,
        workload=load.name,
        scenario=ScenarioName(scenario),
        mode=mode,
        profile=Profile.SUBMISSION,
        settings=RunSettings(),
        deployment={"batch_size": 1, "streams": 1, "operating_mode": "default"},
    )
    inputs = Inputs(
        sweep="recorded",
        sut=sut,
        workload=load,
        scenario=load_scenario(scenario)[0],
        dataset={"name": "digits", "count": 256},
        files_sha256={"model:digits.onnx": "ab" * 32},
        resolved_sha256="cd" * 32,
    )
    performance = mode is Mode.PERFORMANCE
    return RunRecord(
        run_id=sha256_of(point.model_dump(mode="json"))[:12],
        attempt=1,
        started_utc=f"2026-11-29T00:00:0{SCENARIOS.index(scenario)}+00:00",
        elapsed_s=0.3,
        point=point,
        inputs=inputs,
        host=HOST,
        versions=VERSIONS,
        observed=Observed(adapter={"device": "CPU"}),
        loadgen=result,
        figures=Figures(
            system_throughput_ips=1000.0 if performance else None,
            top1_percent=None if performance else RIGHT_PERCENT,
        ),
        power_reason="no meter",
        valid=result.validity == "VALID" if performance else True,
        quality="ok",
    )


def logs_of(scenario: str) -> Path:
    """Runs of one scenario whose scores agree within what MLPerf's tests allow."""
    return (STEADY if scenario == "MultiStream" else LOGS) / scenario


def keep(folder: Path, logs: Path, stored: RunRecord) -> Path:
    """Stores a record with a copy of its logs; gives the run's folder."""
    store = Store.create(folder)
    run = store.folder / f"{stored.run_id}-{stored.attempt}"
    shutil.copytree(logs, run)
    (run / "user.conf").write_text("*.Offline.min_duration = 300\n")
    (run / "record.json").write_text(stored.model_dump_json())
    return run


def results(
    folder: Path,
    scenarios: tuple[str, ...] = SCENARIOS,
    sut: SystemUnderTest | None = None,
    load: Workload | None = None,
    tests: tuple[str, ...] = ("TEST01", "TEST04"),
) -> Path:
    """A results folder with performance, accuracy and compliance runs of every scenario."""
    for scenario in scenarios:
        logs = logs_of(scenario)
        timed = record(logs / "performance", scenario, Mode.PERFORMANCE, sut, load)
        keep(folder, logs / "performance", timed)
        keep(folder, logs / "accuracy", record(logs / "accuracy", scenario, Mode.ACCURACY, sut, load))
        for name in tests:
            tested = timed.model_copy(update={"loadgen": read_result(logs / name)})
            keep(folder_of_test(folder, name), logs / name, tested)
    return folder
