"""Measures a cheat and its honest twin for a second, with accuracy, and audits both."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from qutiperf.api.progress import Tracker
from qutiperf.audit.finished_runs import FinishedRuns
from qutiperf.audit.new_runs import decide, new_run_cases
from qutiperf.audit.registry import COMPLIANCE, FINISHED, NEW_RUNS
from qutiperf.audit.stored_run import StoredRun, stored_runs
from qutiperf.audit.tested_run import TestedRun
from qutiperf.conformance import kit
from qutiperf.results.table import SUSPECT
from qutiperf.run.child import Nursery
from qutiperf.run.sweep import measure_sweep, plan_sweep
from qutiperf.spec.audits import load_audit
from qutiperf.spec.scenario import Mode
from tests.places import CHECKOUT, TESTS
from tests.zoo.catalogue import ACCURACY_CHECK, ADAPTER_TEST, Cheat

WORKLOAD = "digits-mlp-50-fp32"
_SECONDS = 1.0
_CHECK_S, _CHECK_LIMIT_S = 0.6, 60.0
_PLATFORM = {"family": "zoo", "source": "tests/zoo"}
SILENT = Tracker(lambda _: None, lambda _: None, lambda _: None)


@dataclass(frozen=True, slots=True)
class Sight:
    """What an audit says of an animal; `noisy` if other processes disturbed its runs."""

    outcome: str
    evidence: tuple[str, ...]
    noisy: bool = False

    def shows(self, pattern: str) -> bool:
        return self.outcome == "fail" and any(re.search(pattern, line) for line in self.evidence)


class Enclosure:
    """A folder with the SUT files of a cheat and its twin, and their results."""

    def __init__(self, cheat: Cheat, folder: Path) -> None:
        self.cheat, self._folder = cheat, folder
        self.results = folder / "results"
        self._files = [self._sut(cheats=True), self._sut(cheats=False)]

    @property
    def names(self) -> tuple[str, str]:
        """Those of the systems: the cheat and its twin."""
        return self.cheat.animal, f"{self.cheat.animal}-honest"

    def _sut(self, *, cheats: bool) -> Path:
        name = self.names[0 if cheats else 1]
        path = self._folder / f"{name}.yaml"
        system = {
            **{"kind": "sut", "schema_version": 1, "name": name, "title": name},
            "adapter": f"{TESTS / 'zoo' / self.cheat.module}.py:{self.cheat.animal}",
            "options": {"cheat": cheats, "state": str(self._folder)},
            **{"platform": _PLATFORM, "power": {"meter": "none"}, **self.cheat.system},
        }
        path.write_text(yaml.safe_dump(system))
        return path

    def sights(self) -> tuple[Sight, Sight]:
        """What the audit of the catalogue says of the cheat and of its twin."""
        audit = self.cheat.audit
        if audit == ADAPTER_TEST:
            return self._checked(self._files[0]), self._checked(self._files[1])
        self.measure()
        if audit in COMPLIANCE:
            self.measure(audit)
        if audit in NEW_RUNS:
            return self._decided(self.names[0]), self._decided(self.names[1])
        return self.sight(self.names[0], audit), self.sight(self.names[1], audit)

    def sight(self, system: str, audit: str) -> Sight:
        """What an audit says of the runs that were measured."""
        runs = self._runs(system)
        timed, accuracy = runs[Mode.PERFORMANCE], runs[Mode.ACCURACY]
        noisy = _disturbed(timed)
        if audit == ACCURACY_CHECK:
            suspect = accuracy.record.quality == SUSPECT
            return Sight("fail" if suspect else "pass", tuple(accuracy.record.reasons))
        if audit in COMPLIANCE:
            test = self._runs(system, self.results / "audit" / audit)[Mode.PERFORMANCE]
            noisy |= _disturbed(test)
            point = timed.record.point
            subject = TestedRun(
                timed.record.run_id, point.scenario, timed.folder, accuracy.folder, test.folder
            )
            verdict = COMPLIANCE[audit](load_audit(audit), subject)
        else:
            all_runs, _ = stored_runs([self.results])
            verdict = FINISHED[audit](load_audit(audit), timed, FinishedRuns(all_runs))
        return Sight(verdict.outcome, tuple(verdict.evidence), noisy)

    def _runs(self, system: str, results: Path | None = None) -> dict[Mode, StoredRun]:
        runs, damaged = stored_runs([results or self.results])
        assert damaged == []
        mine = [run for run in runs if run.record.point.sut == system]
        assert [run.record.failure for run in mine if run.record.failure] == []
        return {run.record.point.mode: run for run in mine}

    def _decided(self, system: str) -> Sight:
        """What an audit by new runs says, after as many of them as it needs."""
        runs, _ = stored_runs([self.results])
        cases = new_run_cases(FinishedRuns(runs), [self.cheat.audit])
        [case] = [case for case in cases if case.run.record.point.sut == system]
        verdict = decide(case, SILENT).verdict
        return Sight(verdict.outcome, tuple(verdict.evidence), _disturbed(case.run))

    def _checked(self, system: Path) -> Sight:
        """A check of `qutiperf adapter test`, in a process of its own."""
        job = kit.job_for(str(system), None, _CHECK_S)
        os.environ["PYTHONPATH"] = str(CHECKOUT)
        with Nursery() as nursery:
            check = str(self.cheat.check)
            finding = kit.in_process(nursery, check, job, self._folder, _CHECK_LIMIT_S)
        return Sight("fail" if finding.verdict == "FAIL" else finding.verdict, (finding.seen,))

    def measure(self, audit: str | None = None) -> None:
        """A second of each system with its accuracy; or under a test's audit.config, in its own folder."""
        folder, config = self.results, None
        if audit is not None:
            folder = self.results / "audit" / audit
            config = self._folder / f"{audit}.config"
            config.write_text(load_audit(audit).config("*", self.cheat.scenario))
        planned = plan_sweep(str(self._sweep([Mode.PERFORMANCE] if audit else list(Mode))), [])
        os.environ["PYTHONPATH"] = str(CHECKOUT)  # of the workers, whose adapters import this package
        measure_sweep(planned, folder, SILENT, audit_config=config)

    def _sweep(self, modes: Sequence[Mode]) -> Path:
        path = self._folder / "sweep.yaml"
        sweep = {
            **{"kind": "sweep", "schema_version": 1, "name": "zoo", "workloads": [WORKLOAD]},
            **{"suts": [str(each) for each in self._files], "scenarios": [self.cheat.scenario]},
            **{"settings": {"min_duration_s": _SECONDS}, "modes": [each.value for each in modes]},
            "deployment": {"batch_size": [self.cheat.batch_size], "streams": [1]},
        }
        path.write_text(yaml.safe_dump(sweep))
        return path


def _disturbed(run: StoredRun) -> bool:
    return run.record.quality in ("noisy", "unstable")


def simulated_runs(folder: Path, count: int) -> list[StoredRun]:
    """Short runs of a simulated device that takes 2 ms for an input."""
    system = folder / "simulated.yaml"
    data = {
        **{"kind": "sut", "schema_version": 1, "name": "two-ms", "title": "2 ms", "adapter": "simulated"},
        **{"options": {"latency_us": 2000}, "platform": _PLATFORM, "power": {"meter": "none"}},
    }
    system.write_text(yaml.safe_dump(data))
    sweep = folder / "sweep.yaml"
    text = {
        **{"kind": "sweep", "schema_version": 1, "name": "honest", "suts": [str(system)]},
        **{"workloads": [WORKLOAD], "scenarios": ["SingleStream"], "repeats": count},
        **{"settings": {"min_duration_s": 0.3}, "modes": [Mode.PERFORMANCE.value]},
        "deployment": {"batch_size": [1], "streams": [1]},
    }
    sweep.write_text(yaml.safe_dump(text))
    measure_sweep(plan_sweep(str(sweep), []), folder / "results", SILENT)
    return stored_runs([folder / "results"])[0]
