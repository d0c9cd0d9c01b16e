"""A submission tree from Python: the tree, or everything that stands in its way."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.api.frame import warn_of_damaged
from qutiperf.api.progress import Progress, Tracker
from qutiperf.audit.finding import AuditFinding
from qutiperf.errors import InputError
from qutiperf.run.sweep import Observer
from qutiperf.spec.config import nearest
from qutiperf.spec.scenario import ScenarioName
from qutiperf.spec.sut import load_sut
from qutiperf.submission.check import CheckReport
from qutiperf.submission.completion import complete as complete_runs
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.submit import Prepared, prepare, write_tree

_LOG = logging.getLogger("qutiperf")


@dataclass(frozen=True, slots=True)
class Submission:
    """`tree` is the folder that was written, None if nothing was; `prepared` is what it is made of."""

    tree: Path | None
    prepared: Prepared
    report: CheckReport | None

    @property
    def obstacles(self) -> list[Obstacle]:
        """What stands in the way, each with `where`, `what`, its `cure` or `command`, and its `minutes`."""
        return self.prepared.obstacles

    @property
    def findings(self) -> list[AuditFinding]:
        """What `check` says of the tree; with an error among them, nothing was written."""
        return list(self.report.findings) if self.report else []

    @property
    def notes(self) -> list[str]:
        return self.prepared.choice.notes

    @property
    def rehearsal(self) -> bool:
        """Whether this is a tree that must never be submitted."""
        return self.prepared.rehearsal


def submit(
    results: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    round_name: str,
    submitter: str,
    division: str = "closed",
    sut: str | Path | Sequence[str | Path] = (),
    field: Mapping[str, str] | None = None,
    scenarios: str | Sequence[str] = (),
    runs: str | Sequence[str] = (),
    power: Mapping[str, str | Path] | None = None,
    infer: bool = False,
    complete: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Submission:
    """Writes the tree of an MLPerf round from one or more results folders, as `qutiperf submit`.

    `out` must not exist, or be empty. What stands in the way is returned, all at once, and then nothing is
    written. `complete` measures what is missing first, which takes ten minutes a run, and `progress` hears of
    it. The other arguments are the options of the same names. Raises InputError for a round, folder, system
    or scenario that does not exist, SetupError if the tree cannot be written.
    """
    folders = [Path(each) for each in _several(results)]
    options = SubmissionOptions(
        round_name,
        division,
        submitter,
        dict(field or {}),
        tuple(scenario_named(str(name)) for name in _several(scenarios)),
        tuple(str(run_id) for run_id in _several(runs)),
        infer,
        {scenario_named(name): Path(folder) for name, folder in (power or {}).items()},
    )
    suts = [str(each) for each in _several(sut)]
    if complete:
        tracker = Tracker(progress or _ignore, _LOG.info, warn_of_damaged)
        complete_submission(folders, options, suts, Path(out), tracker, lambda _: None)
    made = write_submission(folders, options, suts, Path(out))
    warn_of_damaged(made.prepared.damaged)
    return made


def prepare_submission(
    results: Sequence[Path], options: SubmissionOptions, suts: Sequence[str], out: Path | None = None
) -> Prepared:
    """Raises InputError for a round, results folder or SUT file that cannot be read."""
    systems = [load_sut(name)[0] for name in suts]
    return prepare(results, options, out, {system.name: system.description for system in systems})


def complete_submission(
    results: Sequence[Path],
    options: SubmissionOptions,
    suts: Sequence[str],
    out: Path,
    observer: Observer,
    announce: Callable[[float], None],
) -> None:
    """Measures what is missing into the first folder; `announce` gets the minutes that it takes.

    Measures nothing if something stands in the way of the tree that no measurement removes.
    """
    obstacles = prepare_submission(results, options, suts, out).obstacles
    if any(not each.command and each.minutes is None for each in obstacles):
        return
    complete_runs(
        lambda: prepare_submission(results, options, suts).choice.incomplete,
        results[0],
        observer,
        options.round_name,
        announce,
    )


def write_submission(
    results: Sequence[Path], options: SubmissionOptions, suts: Sequence[str], out: Path
) -> Submission:
    """Writes the tree if nothing stands in its way, and `check` has no error in it."""
    prepared = prepare_submission(results, options, suts, out)
    if prepared.obstacles:
        return Submission(None, prepared, None)
    written, report = write_tree(prepared, out)
    return Submission(out if written else None, prepared, report)


def scenario_named(text: str) -> str:
    """A scenario's name in any case; raises InputError."""
    names = {name.value.lower(): name.value for name in ScenarioName}
    if text.strip().lower() not in names:
        raise InputError(f"'{text[:80]}' is not a scenario", cure=nearest(text, names.values()))
    return names[text.strip().lower()]


def _several(given: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [given] if isinstance(given, str | Path) else given


def _ignore(_: Progress) -> None:
    return
