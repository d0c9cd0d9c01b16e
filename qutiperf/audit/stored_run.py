"""Runs in results folders with the place of their logs, and which of them belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store, latest
from qutiperf.spec.rounds import Round, shipped_rounds
from qutiperf.spec.scenario import Mode, Profile


@dataclass(frozen=True, slots=True)
class StoredRun:
    """The record of a run and the results folder that it is in."""

    record: RunRecord
    results: Path

    @property
    def folder(self) -> Path:
        """LoadGen's logs."""
        return self.results / f"{self.record.run_id}-{self.record.attempt}"


def stored_runs(folders: Iterable[Path]) -> tuple[list[StoredRun], list[InputError]]:
    """The best attempt of every run, the last valid one; damaged parts are returned, not raised.

    Raises InputError for a folder without results.
    """
    runs: list[StoredRun] = []
    damaged: list[InputError] = []
    for folder in dict.fromkeys(folders):
        contents = Store.open(folder).read()
        damaged += contents.damaged
        valid = {record.run_id: record for record in latest([r for r in contents.records if r.valid])}
        runs += [StoredRun(valid.get(record.run_id, record), folder) for record in latest(contents.records)]
    return runs, damaged


def is_submission(run: StoredRun, mode: Mode) -> bool:
    """A run of the submission profile, and not one of a compliance test."""
    point = run.record.point
    return point.profile is Profile.SUBMISSION and point.mode is mode and not _is_test(run.record)


def _is_test(record: RunRecord) -> bool:
    effective = record.loadgen.effective if record.loadgen else {}
    return bool(effective.get("performance_issue_same") or effective.get("accuracy_log_sampling_target"))


def seeds_problem(record: RunRecord, mlperf_round: Round) -> str | None:
    """Why the run is not one of the round: its LoadGen had other seeds."""
    seeds = record.loadgen.seeds if record.loadgen else None
    if seeds == mlperf_round.seeds:
        return None
    if seeds is None:
        return "its log has no seeds"
    other = next((each.name for each in shipped_rounds() if each.seeds == seeds), "no known round")
    version = record.versions.get("mlcommons-loadgen", "")
    return f"was measured with LoadGen {version}, which has the seeds of {other}".replace("  ", " ")


def model_digests(record: RunRecord) -> dict[str, str]:
    """sha256 of the model's files by name."""
    files = record.inputs.files_sha256
    return {name: digest for name, digest in files.items() if name.startswith("model:")}


def accuracy_run_of(run: StoredRun, runs: Sequence[StoredRun]) -> StoredRun | None:
    """The accuracy run of the same system, model, scenario and LoadGen, if possible of the same settings."""
    point, files = run.record.point, model_digests(run.record)
    fitting = [
        each
        for each in runs
        if is_submission(each, Mode.ACCURACY)
        and (each.record.point.sut, each.record.point.workload) == (point.sut, point.workload)
        and each.record.point.scenario is point.scenario
        and each.record.valid
        and model_digests(each.record) == files
        and _seeds(each) == _seeds(run)
    ]
    return max(fitting, key=lambda each: each.record.point.deployment == point.deployment, default=None)


def _seeds(run: StoredRun) -> object:
    return run.record.loadgen.seeds if run.record.loadgen else None
