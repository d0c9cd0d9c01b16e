"""Records the LoadGen logs that the tests read: `python tests/data/make_logs.py [KIND ...]`.

Every kind runs in its own process, because FromConfig counts its calls per process, and writes
untouched LoadGen output to tests/data/logs/KIND/. Timings are the host's, so texts that quote them
change with a new recording. A kind that names
another LoadGen is left as it is unless that one is installed.
"""

import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import mlperf_loadgen as lg

LOGS = Path(__file__).parent / "logs"
SAMPLES = 256
MILLISECOND_NS = 1_000_000
NO_AUDIT = "no-audit.config"
AUDIT = "*.*.mode = 2\n*.*.accuracy_log_rng_seed = 720381539243781796\n"
Setting = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Kind:
    """One run: a LoadGen scenario, the settings to set, and how long the system under test takes."""

    scenario: str
    settings: dict[str, Setting] = field(default_factory=dict)
    service_s: float = 0.001
    mode: str = "PerformanceOnly"
    from_config_calls: int = 0
    audit: bool = False
    answer_twice: bool = False
    loadgen: str | None = None


KINDS: dict[str, Kind] = {
    "single_stream_valid": Kind(
        "SingleStream", {"single_stream_expected_latency_ns": MILLISECOND_NS, "min_duration_ms": 500}
    ),
    "multi_stream_valid": Kind(
        "MultiStream",
        {
            "multi_stream_expected_latency_ns": MILLISECOND_NS,
            "multi_stream_samples_per_query": 4,
            "min_duration_ms": 500,
            "min_query_count": 662,
        },
        service_s=0.0005,
    ),
    "offline_valid": Kind("Offline", {"offline_expected_qps": 2000, "min_duration_ms": 500}, 0.0005),
    "server_valid": Kind(
        "Server",
        {"server_target_qps": 200, "server_target_latency_ns": 100 * MILLISECOND_NS, "min_duration_ms": 4000},
    ),
    "single_stream_ran_out": Kind(
        "SingleStream", {"single_stream_expected_latency_ns": 20 * MILLISECOND_NS, "min_duration_ms": 2000}
    ),
    "multi_stream_ran_out": Kind(
        "MultiStream",
        {
            "multi_stream_expected_latency_ns": 4 * MILLISECOND_NS,
            "multi_stream_samples_per_query": 8,
            "min_duration_ms": 2000,
            "min_query_count": 662,
        },
    ),
    "offline_target_qps_low": Kind(
        "Offline", {"offline_expected_qps": 200, "min_duration_ms": 1000}, service_s=0.001
    ),
    "single_stream_early_stopping": Kind(
        "SingleStream",
        {
            "single_stream_expected_latency_ns": 30 * MILLISECOND_NS,
            "min_duration_ms": 500,
            "min_query_count": 10,
        },
        service_s=0.03,
    ),
    "multi_stream_early_stopping": Kind(
        "MultiStream",
        {
            "multi_stream_expected_latency_ns": 3 * MILLISECOND_NS,
            "multi_stream_samples_per_query": 8,
            "min_duration_ms": 300,
            "min_query_count": 100,
        },
        service_s=0.003,
    ),
    "server_latency_bound": Kind(
        "Server",
        {"server_target_qps": 400, "server_target_latency_ns": 7 * MILLISECOND_NS, "min_duration_ms": 4000},
        service_s=0.0018,
    ),
    "server_overloaded": Kind(
        "Server",
        {"server_target_qps": 1500, "server_target_latency_ns": 15 * MILLISECOND_NS, "min_duration_ms": 1000},
        service_s=0.0018,
    ),
    "server_bound_below_service": Kind(
        "Server",
        {"server_target_qps": 50, "server_target_latency_ns": 3 * MILLISECOND_NS, "min_duration_ms": 1000},
        service_s=0.005,
    ),
    "server_early_stopping": Kind(
        "Server",
        {"server_target_qps": 200, "server_target_latency_ns": 80 * MILLISECOND_NS, "min_duration_ms": 1000},
    ),
    "server_too_many_waiting": Kind(
        "Server",
        {
            "server_target_qps": 1500,
            "server_target_latency_ns": 50 * MILLISECOND_NS,
            "server_max_async_queries": 20,
            "min_duration_ms": 1000,
        },
        service_s=0.0018,
    ),
    "max_query_count": Kind(
        "SingleStream",
        {
            "single_stream_expected_latency_ns": MILLISECOND_NS,
            "min_duration_ms": 100,
            "min_query_count": 400,
            "max_query_count": 200,
        },
    ),
    "max_duration": Kind(
        "SingleStream",
        {
            "single_stream_expected_latency_ns": 10 * MILLISECOND_NS,
            "min_duration_ms": 100,
            "min_query_count": 100,
            "max_duration_ms": 300,
        },
        service_s=0.01,
    ),
    "two_configurations": Kind(
        "SingleStream", {"min_duration_ms": 200, "min_query_count": 100}, from_config_calls=2
    ),
    "submission_seeds": Kind(
        "SingleStream", {"min_duration_ms": 200, "min_query_count": 100}, from_config_calls=1
    ),
    "submission_seeds_v5_1": Kind(
        "SingleStream",
        {"min_duration_ms": 200, "min_query_count": 100},
        from_config_calls=1,
        loadgen="5.1.2",
    ),
    "audit_config": Kind(
        "SingleStream",
        {"single_stream_expected_latency_ns": MILLISECOND_NS, "min_duration_ms": 200},
        mode="AccuracyOnly",
        audit=True,
    ),
    "accuracy_complete": Kind("Offline", mode="AccuracyOnly", service_s=0.0001),
    "accuracy_incomplete": Kind(
        "SingleStream", {"accuracy_sample_count_override": 100}, mode="AccuracyOnly", service_s=0.0001
    ),
    "answered_twice": Kind(
        "SingleStream",
        {"single_stream_expected_latency_ns": MILLISECOND_NS, "min_duration_ms": 100},
        answer_twice=True,
    ),
}


def settings_of(kind: Kind, folder: Path) -> lg.TestSettings:
    """LoadGen's settings; the configuration file is as small as a submitter's user.conf."""
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, kind.scenario)
    settings.mode = getattr(lg.TestMode, kind.mode)
    user_conf = folder / "user.conf"
    user_conf.write_text(f"*.{kind.scenario}.target_latency = 1\n", encoding="utf-8")
    for _ in range(kind.from_config_calls):
        settings.FromConfig(str(user_conf), "resnet50", kind.scenario)
    for name, value in kind.settings.items():
        setattr(settings, name, value)
    return settings


def answer(identifiers: list[int], twice: bool) -> None:
    responses = [lg.QuerySampleResponse(identifier, 0, 0) for identifier in identifiers]
    lg.QuerySamplesComplete(responses)
    if twice and identifiers[0] % 50 == 0:
        lg.QuerySamplesComplete(responses)


def callbacks(kind: Kind) -> tuple[Callable[[list[int], list[int]], None], Callable[[], None]]:
    """Issue and flush: inline for one stream, through a worker thread where queries overlap."""
    pending: queue.Queue[list[int]] = queue.Queue()

    def serve() -> None:
        while True:
            identifiers = pending.get()
            time.sleep(kind.service_s * (len(identifiers) if kind.scenario == "Offline" else 1))
            answer(identifiers, kind.answer_twice)

    def inline(identifiers: list[int], _: list[int]) -> None:
        time.sleep(kind.service_s)
        answer(identifiers, kind.answer_twice)

    if kind.scenario.endswith("Stream"):
        return inline, lambda: None
    threading.Thread(target=serve, daemon=True).start()
    return lambda identifiers, _: pending.put(list(identifiers)), lambda: None


def run(kind: Kind, folder: Path) -> None:
    """One StartTest in this process; the logs land in `folder`."""
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    log = lg.LogSettings()
    log.log_output = output
    log.enable_trace = False
    audit = folder / "audit.config"
    if kind.audit:
        audit.write_text(AUDIT, encoding="utf-8")
    issue, flush = callbacks(kind)
    sut = lg.ConstructFastSUT(issue, flush)
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(
        sut, qsl, settings_of(kind, folder), log, str(audit) if kind.audit else NO_AUDIT
    )
    lg.DestroyQSL(qsl)
    lg.DestroyFastSUT(sut)


def record(name: str) -> None:
    """Runs one kind in a fresh process and folder, then keeps what LoadGen wrote."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, __file__, "--one", name, scratch], check=True, timeout=60)
        target = LOGS / name
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(scratch).glob("mlperf_log_*")):
            if path.stat().st_size > 4 and path.name != "mlperf_log_trace.json":
                (target / path.name).write_bytes(path.read_bytes())


def main(arguments: list[str]) -> None:
    """`--one KIND FOLDER` is the child's call; else the kinds to record, all by default."""
    if arguments[:1] == ["--one"]:
        run(KINDS[arguments[1]], Path(arguments[2]))
        return
    installed = metadata.version("mlcommons-loadgen")
    for name in arguments or KINDS:
        if KINDS[name].loadgen in (None, installed):
            record(name)


if __name__ == "__main__":
    main(sys.argv[1:])
