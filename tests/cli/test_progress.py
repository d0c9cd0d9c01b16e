"""Progress on standard error: the live view, plain lines, events."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from qutiperf.api.progress import Progress
from qutiperf.cli import main, progress
from tests.conftest import SutFile

FIGURES = {"system_throughput_ips": 12345.6, "system_latency_p90_ms": 0.314159}
RUN = "digits Offline batch 8"
PLANNED = Progress("planned", "mine", Path("results/mine"), 3, 0, 4, 100.0)
FINISHED = replace(PLANNED, event="finished", done=1, run=RUN, outcome="valid", figures=FIGURES)


def drawn(view: progress.LiveView, event: Progress, width: int = 100) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(view.lines(event))
    return stream.getvalue().splitlines()


def test_the_view_shows_counts_the_end_what_runs_and_the_last_results() -> None:
    view = progress.LiveView()
    failed = replace(FINISHED, done=2, failed=1, outcome="failed", reason="out of memory", figures={})
    for event in (FINISHED, failed):
        view._last.append(event)
    running = tuple(f"digits Server batch {number}" for number in range(6))
    head, *lines = drawn(view, replace(failed, event="running", running=running, invalid=1))
    assert head.startswith("mine ")
    assert "2 of 4 done, 1 failed, 1 INVALID" in head
    assert head.rstrip().endswith("1 min 40 s left")
    assert [line.split()[0] for line in lines] == ["now"] * 5 + ["failed", "ok"]
    assert lines[4].split() == ["now", "and", "2", "more"]
    assert lines[5].endswith(f"{RUN}  out of memory")
    assert lines[6].endswith(f"{RUN}  12,346 ips, p90 0.3142 ms")


def test_a_narrow_terminal_and_hostile_names_break_no_line() -> None:
    view = progress.LiveView()
    wicked = replace(FINISHED, run="[red]a\x1b[31m\nb" + "c" * 500)
    view._last.append(wicked)
    lines = drawn(view, replace(wicked, event="running", running=(wicked.run,)), width=40)
    assert all(len(line) <= 40 and "\x1b" not in line for line in lines)
    assert sum("[red]a" in line for line in lines) == 2


def test_it_is_drawn_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    view, times = progress.LiveView(), list[float]()
    monkeypatch.setattr(view._view, "start", lambda: None)
    monkeypatch.setattr(view._view, "update", lambda *_, **__: times.append(now))
    view(PLANNED)
    for tenth in range(1, 35):
        now = 100 + tenth / 10
        view(replace(FINISHED, done=tenth, total=40))
    assert times == [100, 101, 102, 103]


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (FIGURES, "12,346 ips, p90 0.3142 ms"),
        ({"top1_percent": 98.4375}, "top-1 98.44 %"),
        ({"compute_latency_p50_ms": 1.5, "full_power_w": 12.0}, "compute p50 1.5 ms, 12 W"),
        ({}, ""),
    ],
)
def test_figures_in_short(figures: dict[str, float], text: str) -> None:
    assert progress.figures_in_short(replace(FINISHED, figures=figures)) == text


@pytest.mark.slow
def test_json_gives_events_on_standard_error(
    sut_file: SutFile, sweep_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_file(sut_file("simulated"), "[Offline, SingleStream]")
    words = ["run", str(sweep), "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    rows, events = json.loads(printed.out), [json.loads(line) for line in printed.err.splitlines()]
    finished = [event for event in events if event["event"] == "finished"]
    assert events[0]["event"] == "planned"
    assert events[0]["total"] == len(finished) == len(rows)
    assert [event["done"] for event in finished] == list(range(1, len(rows) + 1))
    assert {event["run_id"] for event in finished} == {row["run_id"] for row in rows}
    assert all(event["figures"] for event in finished)
    assert [event["time_utc"] for event in events] == sorted(event["time_utc"] for event in events)
    assert all(event["running"] == [event["run"]] for event in events if event["event"] == "started")
    assert main(["--quiet", *words]) == 0
    assert capsys.readouterr().err == ""
