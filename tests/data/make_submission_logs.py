"""Records the LoadGen logs of a small submission: `python tests/data/make_submission_logs.py`.

Three scenarios with performance, accuracy, TEST01 and TEST04 runs of 0.3 s, each in its own process, with
the seeds of the invented round that the tests check against (tests/submission/round.yaml). The answers are
float32 class numbers: the label of sample i is i % 10, and of 256 samples 250 are right.
"""

import array
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlperf_loadgen as lg

LOGS = Path(__file__).parent / "submission_logs"
SAMPLES, WRONG = 256, 6
SEEDS = {"qsl_rng_seed": 1001, "sample_index_rng_seed": 1002, "schedule_rng_seed": 1003}
SCENARIOS = {
    "SingleStream": {"single_stream_expected_latency_ns": 500_000},
    "MultiStream": {"multi_stream_expected_latency_ns": 200_000, "min_query_count": 662},
    "Offline": {"offline_expected_qps": 20_000},
}
RUNS = {
    "performance": {},
    "accuracy": {},
    "TEST01": {"accuracy_log_sampling_target": 64, "accuracy_log_rng_seed": 720381539243781796},
    "TEST04": {"performance_issue_same": True, "performance_issue_same_index": 3},
}


def answer(samples: list[lg.QuerySample]) -> None:
    classes = [float((each.index if each.index >= WRONG else each.index + 1) % 10) for each in samples]
    data = array.array("f", classes)
    address, size = data.buffer_info()
    lg.QuerySamplesComplete(
        [
            lg.QuerySampleResponse(each.id, address + number * data.itemsize, data.itemsize)
            for number, each in enumerate(samples)
        ]
    )
    _ = size


def issue(samples: list[lg.QuerySample]) -> None:
    time.sleep(0.0004 if len(samples) < SAMPLES else 0.00005 * len(samples))
    answer(samples)


def run(scenario: str, kind: str, folder: Path) -> None:
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, scenario)
    settings.mode = lg.TestMode.AccuracyOnly if kind == "accuracy" else lg.TestMode.PerformanceOnly
    for name, value in {"min_duration_ms": 300, **SCENARIOS[scenario], **SEEDS, **RUNS[kind]}.items():
        setattr(settings, name, value)
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    log = lg.LogSettings()
    log.log_output = output
    log.enable_trace = False
    sut = lg.ConstructSUT(issue, lambda: None)
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(sut, qsl, settings, log, "no-audit.config")
    lg.DestroyQSL(qsl)
    lg.DestroySUT(sut)


def record(scenario: str, kind: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, __file__, scenario, kind, scratch], check=True, timeout=60)
        target = LOGS / scenario / kind
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(scratch).glob("mlperf_log_*")):
            if path.stat().st_size > 4 and path.name != "mlperf_log_trace.json":
                (target / path.name).write_bytes(path.read_bytes())


def main(arguments: list[str]) -> None:
    """`SCENARIO RUN FOLDER` is the child's call; without arguments all are recorded."""
    if arguments:
        run(arguments[0], arguments[1], Path(arguments[2]))
        return
    for scenario in SCENARIOS:
        for kind in RUNS:
            record(scenario, kind)


if __name__ == "__main__":
    main(sys.argv[1:])
