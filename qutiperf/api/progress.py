"""The progress of a measurement, as a callback receives it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from qutiperf.errors import InputError
from qutiperf.printable import one_line
from qutiperf.results.record import RunRecord
from qutiperf.results.table import SUSPECT
from qutiperf.run.plan import Group, PlannedRun, estimated_s
from qutiperf.run.preparation import preparations_of
from qutiperf.run.sweep import PlannedSweep
from qutiperf.spec.scenario import Mode


@dataclass(frozen=True, slots=True)
class Progress:
    """One event: `planned` once, then `started` and `finished` for every run, `running` once a second.

    Before the first run comes `preparing`, if samples have to be prepared; `run` then says how many are.

    `run` is the current run, as "digits-mlp-100-fp32 Offline batch 8", and `running` are all runs that have
    started and not finished. `done` and `total` count the runs of this call; `failed` and `invalid` are among
    `done`; `done_before` are those of the sweep that were stored already. `outcome`, `reason`, `run_id` and
    `figures` (of merit by name, those that the run has) belong to the run that is `finished`; `valid` and
    `invalid` are LoadGen's verdict.
    """

    event: Literal["planned", "preparing", "started", "running", "finished"]
    sweep: str
    folder: Path
    done_before: int
    done: int
    total: int
    remaining_s: float
    run: str = ""
    outcome: Literal["valid", "invalid", "failed"] | None = None
    reason: str | None = None
    failed: int = 0
    invalid: int = 0
    running: tuple[str, ...] = ()
    run_id: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


class Tracker:
    """Turns what the runner reports into progress, notes and warnings; calls back in the measuring thread."""

    def __init__(
        self,
        report: Callable[[Progress], None],
        note: Callable[[str], None],
        damaged: Callable[[Sequence[InputError]], None],
    ) -> None:
        self._report, self.note, self.damaged = report, note, damaged
        self._sweep, self._folder, self._run = "", Path(), ""
        self._done_before = self._done = self._total = 0
        self._failed = self._invalid = 0
        self._running: dict[str, str] = {}  # the titles of runs by their ids
        self._begun: dict[str, float] = {}
        self._left_s = self._runs_s = self._spent_s = self._expected_s = 0.0
        self._started = monotonic()

    def planned(self, planned: PlannedSweep, groups: Sequence[Group], folder: Path) -> None:
        runs = [run for group in groups for run in group.runs]
        self._sweep, self._folder, self._total = planned.sweep.name, folder, len(runs)
        self._done_before = sum(len(group.runs) for group in planned.groups) - len(runs)
        self._runs_s = sum(run.estimated_s for run in runs)
        before_s = sum(preparation.estimated_s for preparation in preparations_of(groups))
        self._left_s = before_s + estimated_s(groups)
        self._send("planned")

    def preparing(self, workload: str, done: int, total: int) -> None:
        self._run = one_line(f"{workload}: {done:,} of {total:,} samples are prepared")
        self._send("preparing")

    def started(self, run: PlannedRun) -> None:
        self._left_s = self._runs_s
        self._started, self._run = monotonic(), title(run)
        self._running[run.run_id] = self._run
        self._begun[run.run_id] = self._started
        self._send("started")

    def tick(self) -> None:
        self._send("running")

    def waiting(self, run: PlannedRun, text: str) -> None:
        self.note(one_line(f"{title(run)} {text}"))

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        if run.probe_of is None:  # probes are not among the runs that are planned
            self._runs_s = max(self._runs_s - run.estimated_s, 0.0)
        self._left_s = self._runs_s
        self._expected_s += run.estimated_s
        self._spent_s += monotonic() - self._begun.pop(run.run_id, self._started)
        self._done, self._run = self._done + 1, title(run)
        self._total = max(self._total, self._done)  # a search adds probes to the runs that are planned
        self._running.pop(run.run_id, None)
        if record.failure:
            self._failed += 1
            self._send("finished", record, "failed", record.failure.reason)
        elif record.valid:
            self._send("finished", record, "valid")
            if record.quality == SUSPECT:
                self.note(one_line(f"WARNING: {self._run}: {record.reasons[0]}"))
        else:
            self._invalid += 1
            self._send("finished", record, "invalid", next(iter(record.reasons), "no reason given"))

    def _send(
        self,
        event: Literal["planned", "preparing", "started", "running", "finished"],
        record: RunRecord | None = None,
        outcome: Literal["valid", "invalid", "failed"] | None = None,
        reason: str | None = None,
    ) -> None:
        """The remaining time is the planned one, stretched by how much longer the finished runs took.

        It is shared by the runs that are measured at the same time.
        """
        factor = self._spent_s / self._expected_s if self._expected_s else 1.0
        factor /= max(len(self._running), 1)
        figures = record.figures.model_dump(exclude_none=True) if record else {}
        self._report(
            Progress(
                event=event,
                sweep=self._sweep,
                folder=self._folder,
                done_before=self._done_before,
                done=self._done,
                total=self._total,
                remaining_s=self._left_s * factor,
                run=self._run,
                outcome=outcome,
                reason=reason,
                failed=self._failed,
                invalid=self._invalid,
                running=tuple(self._running.values()),
                run_id=record.run_id if record else None,
                figures=figures,
            )
        )


def title(run: PlannedRun) -> str:
    """`digits-mlp-100-fp32 Offline batch 8`."""
    point = run.point
    batch = f"{point.scenario.value} batch {point.deployment['batch_size']}"
    name = "accuracy" if point.mode is Mode.ACCURACY else batch
    return one_line(f"{point.workload} {name}{' probe' if run.probe_of else ''}")
