"""documentation/qutibench/: everything that was measured beside the submitted figures.

A folder below a benchmark would be taken for a scenario by the official checker, so it is not there.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

from qutiperf.audit.evidence import DETAIL
from qutiperf.audit.new_runs import kept_verdicts
from qutiperf.audit.stored_run import StoredRun
from qutiperf.results.table import rows
from qutiperf.submission.chosen import ChosenBenchmark
from qutiperf.submission.submitted_runs import FOLDER, SUBMITTED
from qutiperf.unverified import UNVERIFIED

SETTINGS, README, AUDITS = "settings.json", "README.md", "audits.json"
_TEXT = f"""# QuTiBench's figures

{UNVERIFIED}

- `{SETTINGS}`: every run of the submitted systems and workloads, all deployment settings: compute and system
  figures, accuracy, power with its source, and the level-0 prediction. An unknown value is null.
- `{SUBMITTED}`: the run in each scenario folder, with the sha256 of its log.
- `{AUDITS}`: the verdicts of `qutiperf audit` on these runs, if it was used.

Latencies are in ms, throughput in inputs per second, power in W. Power that was not measured by MLPerf's own
power client stands here only.
"""


def extra_files(
    benchmarks: Sequence[ChosenBenchmark], runs: Sequence[StoredRun], places: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Paths below the submitter's folder; `places` has the path of the log in each scenario folder."""
    subjects = {(each.record.point.sut, each.record.point.workload) for each in benchmarks}
    records = [run.record for run in runs if (run.record.point.sut, run.record.point.workload) in subjects]
    yield f"{FOLDER}/{README}", _TEXT
    yield f"{FOLDER}/{SETTINGS}", json.dumps(rows(records), indent=1, default=str) + "\n"
    yield f"{FOLDER}/{SUBMITTED}", json.dumps(list(_submitted(benchmarks, places)), indent=1) + "\n"
    if audits := list(_audits(benchmarks)):
        yield f"{FOLDER}/{AUDITS}", json.dumps(audits, indent=1) + "\n"


def _audits(benchmarks: Sequence[ChosenBenchmark]) -> Iterator[dict[str, object]]:
    """Verdicts of the submitted runs; an accuracy run may belong to several scenarios."""
    runs = [run for each in benchmarks for one in each.scenarios for run in (one.performance, one.accuracy)]
    for run in {run.folder: run for run in runs}.values():
        for verdict in kept_verdicts(run):
            yield verdict.model_dump(mode="json", exclude={"schema_version", "texts"})


def _submitted(benchmarks: Sequence[ChosenBenchmark], places: dict[str, str]) -> Iterator[dict[str, object]]:
    for chosen in benchmarks:
        for each in chosen.scenarios:
            log = each.performance.folder / DETAIL
            yield {
                "log": places[f"{chosen.where}, {each.scenario}"],
                "run_id": each.performance.record.run_id,
                "accuracy_run_id": each.accuracy.record.run_id,
                "scenario": each.scenario,
                "inferred_from": each.inferred_from,
                "log_sha256": hashlib.sha256(log.read_bytes()).hexdigest(),
            }
