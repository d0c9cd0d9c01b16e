"""A progress bar with the estimated end, drawn when a run starts or ends and never while one is timed."""

from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.printable import one_line
from qutiperf.units import format_duration

if TYPE_CHECKING:
    from qutiperf.results.record import RunRecord
    from qutiperf.run.plan import PlannedRun


class Progress:
    """Hears the runner. On a terminal one line that changes, at most once a second; else a line a run."""

    def __init__(self, runs: "Sequence[PlannedRun]") -> None:
        from rich import progress

        self._left_s = sum(run.estimated_s for run in runs)
        self._spent_s = self._expected_s = 0.0
        self._started = self._drawn = monotonic()
        self._live = not console.is_quiet() and console.console(stderr=True).is_terminal
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            progress.TextColumn("{task.fields[left]}"),
            console=console.console(stderr=True),
            auto_refresh=False,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("measuring", total=len(runs), left="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, run: "PlannedRun") -> None:
        self._started = monotonic()
        self._bar.update(self._task, description=title(run))
        self.tick()

    def tick(self) -> None:
        """Draws, unless it did so within the last second."""
        if monotonic() - self._drawn < 1:
            return
        self._drawn = monotonic()
        self._bar.update(self._task, left=f"{format_duration(self.remaining_s())} left")
        self._bar.refresh()

    def remaining_s(self) -> float:
        """Planned seconds still to go, stretched by what the finished runs took beyond their plan."""
        factor = self._spent_s / self._expected_s if self._expected_s else 1.0
        return self._left_s * factor

    def finished(self, run: "PlannedRun", record: "RunRecord") -> None:
        self._left_s -= run.estimated_s
        self._expected_s += run.estimated_s
        self._spent_s += monotonic() - self._started
        self._bar.advance(self._task)
        self.tick()
        if record.failure:
            console.note(f"{title(run)} failed: {record.failure.reason}")
        elif not self._live:
            verdict = (
                "valid"
                if record.valid
                else f"INVALID: {record.reasons[0] if record.reasons else 'no reason given'}"
            )
            console.note(f"{title(run)} {verdict}, {format_duration(self.remaining_s())} left")


def title(run: "PlannedRun") -> str:
    """`digits-mlp-100-fp32 Offline batch 8`."""
    point = run.point
    what = (
        "accuracy"
        if point.mode.value == "AccuracyOnly"
        else f"{point.scenario.value} batch {point.deployment['batch_size']}"
    )
    return one_line(f"{point.workload} {what}")
