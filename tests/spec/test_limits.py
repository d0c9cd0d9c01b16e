"""Limits of what is asked: one line that names key and limit, at once, and nothing written."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.spec.scenario import RunSettings
from qutiperf.spec.sweep import parse_sweep
from qutiperf.spec.workload import OutputSpec
from tests.conftest import SutFile, fails

SweepFile = Callable[..., Path]
SWEEP = {"suts": "x", "workloads": "x", "scenarios": "Offline"}


def refusal(capsys: pytest.CaptureFixture[str], folder: Path, sweep: str, *overrides: str) -> str:
    """The line of a run that must end at once and leave nothing behind."""
    words = [word for override in overrides for word in ("--set", override)]
    started = time.process_time()
    line = fails(capsys, ["run", sweep, "--out", str(folder / "out"), *words], 2)
    assert time.process_time() - started < 3
    assert len(line) < 500
    assert not (folder / "out").exists()
    return line


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "deployment.batch_size=1000000000",
            "batch_size: 1,000,000,000 is above the limit; give 1 to 1,",
        ),
        ("deployment.batch_size=1:1000000000:1", "batch_size: 1,000,000,000 is above the limit; give 1"),
        ("deployment.batch_size=1:1000000000:x2", "batch_size: 1,000,000,000 is above the limit"),
        ("deployment.batch_size=1:1000000:1", "batch_size: 1,000,000 values, more than the limit of 10,000"),
        ("deployment.batch_size=1:9999:1,1:9999:2", "batch_size: 14,999 values, more than the limit of 10,0"),
        ("deployment.batch_size=1:" + "9" * 5000, "9... (5,002 characters)' is not a range"),
        ("deployment.batch_size=1:2:" + "9" * 4000, "9... (4,004 characters)' is not a range"),
        ("deployment.batch_size=" + "x" * 5000, "... (5,002 characters) is not a whole number >= 1"),
        ("deployment.batch_size=1,true", "deployment.batch_size: True is not a whole number >= 1"),
        (
            "deployment.threads=1000000",
            "deployment.threads: 1,000,000 is above the limit; give 1 to 8,192",
        ),
        (
            "deployment.streams=1000000",
            "deployment.streams: 1,000,000 is above the limit; give 1 to 1,024",
        ),
        (
            "settings.min_query_count=18446744073709551615",
            "settings: min_query_count: 18,446,744,073,709,551,",
        ),
        ("settings.min_query_count=18446744073709551616", "is not a whole number of up to 64 bits"),
        (
            "settings.max_query_count=1000000000",
            "max_query_count: 1,000,000,000 is above the limit; give ",
        ),
        (
            "settings.performance_sample_count=1000000000",
            "performance_sample_count: 1,000,000,000 is above t",
        ),
        (
            "settings.min_duration_s=1e9",
            "min_duration_s: 1,000,000,000.0 is above the limit; give 0.001 to 31,",
        ),
        (
            "settings.max_duration_s=1e300",
            "max_duration_s: 1e+300 is above the limit; give 0.001 to 31,5",
        ),
        (
            "settings.time_limit_s=1e300",
            "time_limit_s: 1e+300 is above the limit; give 0.001 to 31,536,000",
        ),
        (
            "settings.min_duration_s=1e-300",
            "min_duration_s: 1e-300 is below the limit; give 0.001 to 31,5",
        ),
        (
            "settings.target_latency_ms=1e-300",
            "target_latency_ms: 1e-300 is below the limit; give 1e-06 ",
        ),
        (
            "settings.target_latency_ms=1e-6",
            "target_latency_ms: 1e-06 makes 400,000,000 queries in 0.4 s; the ",
        ),
        (
            "settings.server_target_latency_ms=1e300",
            "server_target_latency_ms: 1e+300 is above the limit",
        ),
        (
            "settings.target_qps=1e300",
            "target_qps: 1e+300 is above the limit; give 3.17098e-08 to 100,000,",
        ),
        ("settings.target_qps=1e-300", "target_qps: 1e-300 is below the limit"),
        (
            "settings.target_latency_percentile=1e-17",
            "target_latency_percentile: 1e-17 is below the limit",
        ),
        (
            "settings.target_latency_percentile=0.99999999",
            "percentile: 0.99999999 is above the limit; give 0",
        ),
        ("settings.feed_threads=1000000", "feed_threads: 1,000,000 is above the limit; give 0 to 1,024"),
        ("repeats=1000000000", "repeats: should be less than or equal to 10000, not 1000000000"),
        (
            "repeats=10000",
            "sweep quickstart: has 1,440,000 points, more than the limit of 10,000; split it",
        ),
    ],
)
def test_values_beyond_the_limits(
    override: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(capsys, tmp_path, "quickstart", override)


def test_threads_of_all_streams_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, tmp_path, "quickstart", "deployment.threads=8192", "deployment.streams=1024")
    assert line == (
        "qutiperf: cpu-onnxruntime: deployment.threads: 8,192 in each of 1,024 streams is above the "
        "limit; threads x streams may be up to 32,768"
    )


def test_a_target_that_prepares_too_many_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("settings.target_qps=2000000", "settings.min_duration_s=60")
    line = refusal(capsys, tmp_path, "quickstart", *words)
    assert line == (
        "qutiperf: sweep quickstart: SingleStream: settings.target_qps: 2,000,000.0 makes 120,000,000 "
        "queries in 60 s; the limit is 100,000,000: shorten the run"
    )


WORKLOAD = """kind: workload
schema_version: 1
name: vast
task: none
dataset: {name: synthetic, count: COUNT}
model:
  input: {name: x, dtype: float32, shape: [batch, SIZE]}
  output: {name: y, kind: tensor}
"""


@pytest.mark.parametrize(
    ("count", "size", "more", "message"),
    [
        (
            10**15,
            1,
            [],
            "device, vast: dataset.count: 8,000,000.0 GB of samples of 4 bytes do not fit into th",
        ),
        (
            8,
            10**15,
            [],
            "qutiperf: vast: model.input.shape: one sample has 4,000,000,000,000,000 bytes; the l",
        ),
        (
            10**8,
            10**6,
            ["settings.performance_sample_count=100000000"],
            "device, vast: settings.performance_sample_count: 400,000.8 GB of samples of 4,000,000 bytes ",
        ),
        (
            8,
            10**6,
            ["deployment.batch_size=1000000"],
            "device, vast: deployment.batch_size: 4,000.0 GB of samples of 4,000,000 bytes do not fit int",
        ),
    ],
)
def test_samples_that_no_memory_holds(
    count: int,
    size: int,
    more: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    path = tmp_path / "vast.yaml"
    path.write_text(WORKLOAD.replace("COUNT", str(count)).replace("SIZE", str(size)))
    sweep = sweep_file(sut_file("simulated"))
    words = ["deployment.batch_size=1", f"workloads={path}", *more]
    assert message in refusal(capsys, tmp_path, str(sweep), *words)


def test_limits_do_not_keep_old_results_from_being_read() -> None:
    assert RunSettings(min_query_count=2**64 - 1, target_latency_ms=1e-300).min_query_count == 2**64 - 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../../escape", "'../../escape' is a path"),
        ("/tmp/escape", "'/tmp/escape' is a path"),
        ("a\\b", "'a\\b' is a path"),
        (".", "'.' is a path"),
        ("..", "'..' is a path"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0b", "'a\\x00b' holds a control character"),
        ("a\nb", "'a\\nb' holds a control character"),
        ("n" * 300, f"'{'n' * 40}... (300 characters)' is longer than 200 bytes"),
        ("é" * 101, f"'{'é' * 40}... (101 characters)' is longer than 200 bytes"),
    ],
)
def test_a_name_never_decides_where_results_go(name: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_sweep({**SWEEP, "name": name}, "s.yaml")
    line = f"s.yaml: name: {problem}; it names the results folder: letters, digits, - and _ will do"
    assert str(caught.value) == " ".join(line.split())


@pytest.mark.parametrize("name", ["../../escape", "/tmp/escape", "", '"a\\0b"', "n" * 300])
def test_a_run_of_a_wrong_name_writes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "one/two"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert main(["run", "quickstart", "--set", f"name={name}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["one", "two"]


def test_ordinary_names_are_names() -> None:
    for name in ("quickstart", "Möbius 3.5 (copy)", "..hidden", "n" * 200):
        assert parse_sweep({**SWEEP, "name": name}, "s.yaml").name == name


@pytest.mark.parametrize("offset", [1_000_001, -1_000_001, 1 << 63])
def test_a_label_offset_is_bounded(offset: int) -> None:
    with pytest.raises(ValidationError, match="label_offset"):
        OutputSpec(name="scores", kind="scores", label_offset=offset)
    assert OutputSpec(name="scores", kind="scores", label_offset=1_000_000).label_offset == 1_000_000
