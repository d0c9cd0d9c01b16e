"""The progress of a measurement on standard error: a live view, plain lines, or events as JSON Lines.

On a terminal the view has the counts, the estimated end, what runs now and the last results. Elsewhere each
run is one line, or with --json each event one JSON object.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.printable import one_line
from qutiperf.units import format_duration, format_number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from qutiperf.api.progress import Progress, Tracker

_RESULTS = 6
_RUNNING = 4
_MARKS = {"valid": ("ok", "green"), "invalid": ("INVALID", "yellow"), "failed": ("failed", "red")}


@contextmanager
def following(*, as_json: bool = False) -> "Iterator[Tracker]":
    """A tracker whose events are shown the way that suits standard error."""
    from qutiperf.api.progress import Tracker
    from qutiperf.cli.results import report_damaged

    terminal = console.console(stderr=True).is_terminal
    if console.is_quiet():
        yield Tracker(lambda _: None, console.note, report_damaged)
    elif terminal:
        with LiveView() as view:
            yield Tracker(view, view.note, report_damaged)
    elif as_json:
        yield Tracker(_print_event, _print_note, report_damaged)
    else:
        yield Tracker(_print_line, console.note, report_damaged)


def _print_event(progress: "Progress") -> None:
    console.event(asdict(progress) | {"folder": str(progress.folder)})


def _print_note(text: str) -> None:
    console.event({"event": "note", "text": text})


def _print_line(progress: "Progress") -> None:
    if progress.event == "planned":
        _print_plan(progress, console.note)
    elif progress.event == "finished":
        outcome = {"valid": "valid", "invalid": f"INVALID: {progress.reason}"}.get(progress.outcome or "")
        left = f", {format_duration(progress.remaining_s)} left"
        console.note(f"{progress.run} {outcome}{left}" if outcome else _failure(progress))


def _print_plan(progress: "Progress", note: Callable[[str], None]) -> None:
    done, runs = progress.done_before, progress.total
    if done:
        note(f"{done} of {done + runs} runs are done already in {progress.folder}")
    about = format_duration(progress.remaining_s)
    note(f"{progress.sweep}: {runs} runs, about {about}, to {progress.folder}")


def _failure(progress: "Progress") -> str:
    return f"{progress.run} failed: {progress.reason}"


class LiveView:
    """A few lines that change in place, at most once a second; failures and notes scroll past above them."""

    def __init__(self) -> None:
        from rich.live import Live

        self._drawn = float("-inf")
        self._last: deque[Progress] = deque(maxlen=_RESULTS)
        self._view = Live(console=console.console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveView":
        return self

    def __exit__(self, *_: object) -> None:
        self._view.stop()

    def note(self, text: str) -> None:
        """A line above the view, which stays when the view is gone."""
        console.note(text)  # while it is shown, the view redirects standard error to above itself

    def __call__(self, progress: "Progress") -> None:
        if progress.event == "planned":
            _print_plan(progress, self.note)
            self._view.start()
        elif progress.event == "finished":
            self._last.append(progress)
            if progress.outcome == "failed":
                self.note(_failure(progress))
        if monotonic() - self._drawn >= 1:
            self._drawn = monotonic()
            self._view.update(self.lines(progress), refresh=True)

    def lines(self, progress: "Progress") -> "RenderableType":
        """What is shown: counts and the end, the running runs, the last results."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2, 0, 0))
        left = f"{format_duration(progress.remaining_s)} left"
        bar = ProgressBar(max(progress.total, 1), progress.done, width=24)
        head.add_row(Text(progress.sweep), bar, Text(_counts(progress)), Text(left))
        running = progress.running or ((progress.run,) if progress.event == "preparing" else ())
        more = len(running) - _RUNNING
        now = [*running[:_RUNNING], *([f"and {more} more"] if more > 0 else [])]
        lines = [Text(one_line(f"  now      {name}"), no_wrap=True, overflow="ellipsis") for name in now]
        return Group(head, *lines, *[_result(each) for each in reversed(self._last)])


def _counts(progress: "Progress") -> str:
    parts = [f"{progress.done} of {progress.total} done"]
    parts += [f"{progress.failed} failed"] if progress.failed else []
    parts += [f"{progress.invalid} INVALID"] if progress.invalid else []
    return ", ".join(parts)


def _result(progress: "Progress") -> "RenderableType":
    from rich.text import Text

    word, colour = _MARKS[progress.outcome or "failed"]
    figures = progress.reason if progress.outcome == "failed" else figures_in_short(progress)
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    return line.append(f"{word:<9}", style=colour).append(one_line(f"{progress.run}  {figures}"))


def figures_in_short(progress: "Progress") -> str:
    """The one or two figures that a scenario is about: `12,340 ips`, `p90 0.31 ms`, `top-1 98.4 %`."""
    figures = progress.figures
    if (top1 := figures.get("top1_percent")) is not None:
        return f"top-1 {format_number(top1)} %"
    parts = []
    if (rate := figures.get("system_throughput_ips")) is not None:
        parts.append(f"{format_number(rate)} ips")
    latency = figures.get("system_latency_p90_ms")
    if latency is not None:
        parts.append(f"p90 {format_number(latency)} ms")
    if not parts and (compute := figures.get("compute_latency_p50_ms")) is not None:
        parts.append(f"compute p50 {format_number(compute)} ms")
    if (power := figures.get("full_power_w")) is not None:
        parts.append(f"{format_number(power)} W")
    return ", ".join(parts)
