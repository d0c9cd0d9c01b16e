"""Many runs summed up by cause."""

from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.explain import Explained, Finding, causes, render_causes
from tests.explain.test_records import DELEGATE, failed, measured, stored
from tests.results.test_metrics import a_record


def run(name: str, *findings: Finding) -> Explained:
    return Explained(name, name, list(findings))


def longer(value: float, minutes: float) -> Finding:
    return Finding(
        "invalid",
        "too short",
        "n",
        "b",
        setting="settings.x",
        value=value,
        run_minutes=minutes,
        extra_minutes=1,
    )


def test_runs_of_one_rule_and_setting_are_one_cause() -> None:
    valid, noisy = (
        Finding("valid", "Offline", "fine"),
        Finding("noisy", "other programs", "n", cure="stop them"),
    )
    runs = [run("a", valid, noisy), run("b", longer(2, 1), noisy), run("c", longer(8, 2)), run("d", valid)]
    found = causes(runs)
    assert [(cause.rule, [each.name for each in cause.runs]) for cause in found] == [
        ("too short", ["b", "c"]),
        ("other programs", ["a", "b"]),
    ]
    assert render_causes(found) == (
        "2 runs INVALID: too short\n"
        "  such as n\n"
        "  because b\n"
        "  set     settings.x=2 to 8 (--details has the value of each run)\n"
        "  cost    all of them then take 3 min 0 s\n"
        "  runs    b, and 1 more\n"
        "2 runs noisy: other programs\n"
        "  such as n\n"
        "  do      stop them\n"
        "  runs    a, and 1 more"
    )


def test_failures_are_one_cause_only_if_their_reasons_agree_apart_from_numbers() -> None:
    reasons = ["shape 3 does not fit 4", "shape 5 does not fit 6", "no such layer"]
    runs = [run(str(n), Finding("failed", "error", reason)) for n, reason in enumerate(reasons)]
    assert [len(cause.runs) for cause in causes(runs)] == [2, 1]


def test_a_rule_that_a_run_breaks_twice_counts_once() -> None:
    twice = Finding("error", "LoadGen error", "n")
    assert [len(cause.runs) for cause in causes([run("a", twice, twice)])] == [1]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 runs: 3 out of time, 9 noisy, 4 undisturbed."""
    overtime = "no end after the time limit of {} s; settings.time_limit_s sets another"
    noise = "other processes used {} % of the cores"
    records = [
        *(failed("time_limit", overtime.format(60 + number), DELEGATE) for number in range(3)),
        *(measured(reasons=[noise.format(20 + number)], quality="noisy") for number in range(9)),
        *(measured() for _ in range(4)),
    ]
    numbered = [
        record.model_copy(update={"run_id": f"{number:012x}", "point": a_record(batch_size=number + 1).point})
        for number, record in enumerate(records)
    ]
    return stored(tmp_path_factory.mktemp("many") / "results", *numbered)


def test_a_whole_folder_starts_with_a_summary(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(results)], debug=True) == 0
    assert capsys.readouterr().out == (
        "12 of 16 runs have findings, from 2 causes:\n"
        "\n"
        "3 runs failed: time limit during the run\n"
        "  such as no end after the time limit of 60 s; settings.time_limit_s sets another\n"
        "  because the run is slower than estimated, or the adapter hangs\n"
        "  set     settings.time_limit_s=120 to 124 (--details has the value of each run)\n"
        "  runs    000000000000 cpu-onnxruntime digits-mlp-25-fp32 Offline batch_size 1 threads 1 streams 1, "
        "and 2 more\n"
        "\n"
        "9 runs noisy: other programs\n"
        "  such as other processes used 20 % of the cores\n"
        "  because they slow the run down\n"
        "  do      stop other programs, delete the run's folder, and run the same command again\n"
        "  runs    000000000003 cpu-onnxruntime digits-mlp-25-fp32 Offline batch_size 4 threads 1 streams 1, "
        "and 8 more\n"
        "\n"
        "--details explains each of these runs.\n"
        "4 of 16 runs are valid and undisturbed (--all shows them).\n"
    )


@pytest.mark.parametrize(("option", "count"), [("--details", 12), ("--all", 16)])
def test_options_explain_every_run(
    results: Path, capsys: pytest.CaptureFixture[str], option: str, count: int
) -> None:
    assert main(["explain", str(results), option], debug=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("0000000")]) == count
    assert (
        lines.count(
            "  failed: time limit during the run: no end after the time limit of 61 s; "
            "settings.time_limit_s sets another"
        )
        == 1
    )


def test_nothing_to_explain_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path / "results", measured(), measured(run_id="ffffffffffff", batch_size=9))
    assert main(["explain", str(folder)], debug=True) == 0
    assert capsys.readouterr().out == "All 2 runs are valid and undisturbed (--all shows them).\n"
