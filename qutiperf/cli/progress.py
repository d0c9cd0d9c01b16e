"""A progress bar with the estimated end, drawn when a run starts or ends and never while one is timed."""

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.units import format_duration

if TYPE_CHECKING:
    from qutiperf.api.progress import Progress


class Bar:
    """Draws progress. On a terminal one line that changes, at most once a second; else a line a run."""

    def __init__(self) -> None:
        from rich import progress

        self._drawn = monotonic()
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
        self._task = self._bar.add_task("measuring", total=None, left="")

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: "Progress") -> None:
        if progress.event == "planned":
            self._begin(progress)
        elif progress.event in ("preparing", "started"):
            self._bar.update(self._task, description=progress.run)
        elif progress.event == "finished":
            self._bar.update(self._task, completed=progress.done)
        self._draw(progress)
        if progress.event == "finished":
            self._print_outcome(progress)

    def _begin(self, progress: "Progress") -> None:
        done, runs = progress.done_before, progress.total
        if done:
            console.note(f"{done} of {done + runs} runs are done already in {progress.folder}")
        about = format_duration(progress.remaining_s)
        console.note(f"{progress.sweep}: {runs} runs, about {about}, to {progress.folder}")
        self._bar.update(self._task, total=runs)
        self._bar.start()

    def _draw(self, progress: "Progress") -> None:
        """Unless it did so within the last second."""
        if monotonic() - self._drawn < 1:
            return
        self._drawn = monotonic()
        self._bar.update(self._task, left=f"{format_duration(progress.remaining_s)} left")
        self._bar.refresh()

    def _print_outcome(self, progress: "Progress") -> None:
        if progress.outcome == "failed":
            console.note(f"{progress.run} failed: {progress.reason}")
        elif not self._live:
            verdict = "valid" if progress.outcome == "valid" else f"INVALID: {progress.reason}"
            console.note(f"{progress.run} {verdict}, {format_duration(progress.remaining_s)} left")
