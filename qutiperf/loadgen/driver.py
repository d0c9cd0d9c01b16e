"""Runs one LoadGen test in this process, and completes queries."""

import gc
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path

import mlperf_loadgen

from qutiperf.errors import SetupError
from qutiperf.loadgen.settings import TestRequest, direct_fields, user_conf
from qutiperf.spec.scenario import Mode

_complete, _response = mlperf_loadgen.QuerySamplesComplete, mlperf_loadgen.QuerySampleResponse
Issue = Callable[[list[int], list[int]], None]
LoadSamples = Callable[[list[int]], None]

# audit.config is read from the working directory unless given a name; this one cannot exist
_NO_AUDIT = "/dev/null/no-audit.config"


def complete(ids: Sequence[int], address: int, size: int) -> None:
    """Completes the queries `ids` with consecutive responses of `size` bytes, starting at `address`."""
    mlperf_loadgen.QuerySamplesComplete(responses(ids, address, size))


def responses(ids: Sequence[int], address: int, size: int) -> "list[mlperf_loadgen.QuerySampleResponse]":
    """The objects that LoadGen takes; building them is half the cost of answering a sample."""
    addresses = range(address, address + size * len(ids), size) if size else repeat(address)
    return list(map(mlperf_loadgen.QuerySampleResponse, ids, addresses, repeat(size)))


def complete_one(ids: Sequence[int], address: int, size: int) -> None:
    """As `complete`, for exactly one query, in less time."""
    _complete([_response(ids[0], address, size)])


def run_test(request: TestRequest, issue: Issue, load: LoadSamples, unload: LoadSamples) -> None:
    """Runs the test and leaves its logs in `request.log_dir`; the callbacks must never raise.

    `issue` receives the response ids and sample indices of one query. Python's cyclic garbage collection is
    disabled meanwhile: a full collection within a query would be measured as the device's time.
    """
    settings = _test_settings(request)
    library = mlperf_loadgen.ConstructQSL(request.total_count, request.performance_count, load, unload)
    system = mlperf_loadgen.ConstructFastSUT(issue, _nothing_to_flush)
    gc.collect()
    gc.disable()
    try:
        audit = _NO_AUDIT if request.audit_config is None else str(request.audit_config)
        mlperf_loadgen.StartTestWithLogSettings(
            system, library, settings, _log_settings(request.log_dir), audit
        )
    finally:
        gc.enable()
        mlperf_loadgen.DestroyFastSUT(system)
        mlperf_loadgen.DestroyQSL(library)


def _nothing_to_flush() -> None:
    return


def _test_settings(request: TestRequest) -> "mlperf_loadgen.TestSettings":
    settings = mlperf_loadgen.TestSettings()
    if request.submission:
        _read_config(settings, request)
    settings.scenario = getattr(mlperf_loadgen.TestScenario, request.scenario.value)
    accuracy = request.mode is Mode.ACCURACY
    settings.mode = (
        mlperf_loadgen.TestMode.AccuracyOnly if accuracy else mlperf_loadgen.TestMode.PerformanceOnly
    )
    if not request.submission:
        for name, value in direct_fields(request).items():
            setattr(settings, name, value)
    for name, value in request.seeds.model_dump().items() if request.seeds else ():
        setattr(settings, name, value)
    return settings


def _read_config(settings: "mlperf_loadgen.TestSettings", request: TestRequest) -> None:
    path = request.log_dir / "user.conf"
    path.write_text(user_conf(request), encoding="utf-8")
    status = settings.FromConfig(str(path), request.model_name, request.scenario.value)
    if status != 0:
        raise SetupError(f"LoadGen refused the configuration with status {status}", where=str(path))


def _log_settings(directory: Path) -> "mlperf_loadgen.LogSettings":
    output = mlperf_loadgen.LogOutputSettings()
    output.outdir = str(directory)
    output.copy_summary_to_stdout = False
    settings = mlperf_loadgen.LogSettings()
    settings.log_output = output
    settings.enable_trace = False
    return settings
