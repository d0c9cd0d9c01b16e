"""Every file of a submission tree, by its path: what is copied and what is written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.audit.evidence import DETAIL, RESPONSES
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.test01 import ACCURACY_TEXT
from qutiperf.errors import InputError
from qutiperf.spec.round_rules import RoundRules
from qutiperf.spec.rounds import Round
from qutiperf.submission.accuracy_text import accuracy_text, cut_log, hash_line
from qutiperf.submission.benchmark_text import (
    calibration_text,
    measurement_fields,
    measurements_json,
    readme,
)
from qutiperf.submission.chosen import ChosenBenchmark, ChosenScenario
from qutiperf.submission.code_files import code_files
from qutiperf.submission.entries import SubmissionEntry, Submitter
from qutiperf.submission.extra_figures import extra_files
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.official_power import power_files
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.system_text import as_json, system_fields

Content = Path | str | bytes
_ACCURACY = "accuracy.txt"
_CALIBRATION = "documentation/calibration.md"
_USER_CONF = "user.conf"


@dataclass(frozen=True, slots=True)
class TreePlan:
    """Builds the files of one submitter."""

    mlperf_round: Round
    rules: RoundRules
    options: SubmissionOptions

    def files(self, benchmarks: Sequence[ChosenBenchmark], runs: Sequence[StoredRun]) -> dict[str, Content]:
        """By path below the tree's root; raises InputError if a log cannot be read."""
        submitter = Submitter(self.options.division, self.options.submitter)
        try:
            return dict(self._files(submitter, benchmarks, runs))
        except OSError as error:
            where = str(error.filename or "RESULTS")
            raise InputError(f"cannot be read: {error.strerror}", where=where) from None

    def _files(
        self, submitter: Submitter, benchmarks: Sequence[ChosenBenchmark], runs: Sequence[StoredRun]
    ) -> Iterator[tuple[str, Content]]:
        root, places = submitter.folder, dict[str, str]()
        for chosen in benchmarks:
            for scenario in chosen.scenarios:
                entry = self._entry(submitter, chosen, scenario)
                log = f"{entry.at(self.rules.layout.performance)}/{DETAIL}"
                places[f"{chosen.where}, {scenario.scenario}"] = log.removeprefix(f"{root}/")
                yield from self._scenario(entry, chosen, scenario)
            yield self._system(submitter, chosen)
        for name, content in code_files(benchmarks):
            yield f"{root}/{self.rules.layout.code[0]}/{name}", content
        yield f"{root}/{_CALIBRATION}", calibration_text(benchmarks, self.options.fields)
        for name, content in extra_files(benchmarks, runs, places):
            yield f"{root}/{name}", content
        if self.options.division == "open":
            mapping = {each.folder: each.benchmark for each in benchmarks}
            yield f"{root}/model_mapping.json", json.dumps(mapping, indent=2) + "\n"

    def _entry(
        self, submitter: Submitter, chosen: ChosenBenchmark, scenario: ChosenScenario
    ) -> SubmissionEntry:
        return SubmissionEntry(
            submitter, chosen.system, chosen.folder, scenario.scenario, chosen.benchmark, scenario.scenario
        )

    def _system(self, submitter: Submitter, chosen: ChosenBenchmark) -> tuple[str, Content]:
        template = self.rules.layout.system.replace("{system}", chosen.system)
        fields = self.system_fields(chosen)
        return f"{submitter.folder}/{template}", as_json(fields)

    def system_fields(self, chosen: ChosenBenchmark) -> dict[str, str]:
        described = {**chosen.record.inputs.sut.description, **self.options.fields}
        division, submitter = self.options.division, self.options.submitter
        return system_fields(chosen.record, described, division, submitter, self.rules)

    def measurement_fields(self, chosen: ChosenBenchmark) -> dict[str, str]:
        given = {**chosen.record.inputs.sut.description, **self.options.fields}
        return measurement_fields(chosen.record, given)

    def missing_files(self, chosen: ChosenBenchmark) -> Iterator[Obstacle]:
        """An obstacle for each run whose logs are not all there."""
        for scenario in chosen.scenarios:
            for run, names in self._needed(scenario):
                lost = [name for name in names if not (run.folder / name).is_file()]
                if lost:
                    what = f"run {run.record.run_id} lacks {', '.join(lost)}"
                    cure = f"restore {'them' if len(lost) > 1 else 'it'} in {run.folder}, or measure again"
                    yield Obstacle(f"{chosen.where}, {scenario.scenario}", what, cure)

    def _needed(self, scenario: ChosenScenario) -> Iterator[tuple[StoredRun, Sequence[str]]]:
        """The files of each run that the tree takes over."""
        files = self.rules.files
        if scenario.power is None:
            yield scenario.performance, files.performance
        yield scenario.accuracy, [name for name in files.accuracy if name != _ACCURACY]
        for test, verdict in scenario.tests:
            if test.made is not None:
                responses = [RESPONSES] if ACCURACY_TEXT in verdict.texts else []
                yield test.made, [*files.compliance, *responses]

    def _scenario(
        self, entry: SubmissionEntry, chosen: ChosenBenchmark, scenario: ChosenScenario
    ) -> Iterator[tuple[str, Content]]:
        layout, files = self.rules.layout, self.rules.files
        yield from self._performance(entry, scenario)
        accuracy = entry.at(layout.accuracy)
        yield from _accuracy(accuracy, scenario, files.accuracy)
        measurements = entry.at(layout.measurements).replace("*", "")
        yield measurements, measurements_json(self.measurement_fields(chosen))
        settings = entry.at(layout.settings)
        yield f"{settings}/{_USER_CONF}", _user_conf(scenario)
        yield f"{settings}/README.md", readme(chosen, scenario, self.mlperf_round, self.options)
        for test, verdict in scenario.tests:
            folder = f"{entry.at(layout.compliance)}/{test.rule.name}"
            for name, text in verdict.texts.items():
                yield f"{folder}/{name}", text
            if test.made is not None:
                yield from _logs(f"{folder}/performance/run_1", test.made.folder, files.compliance)
                if ACCURACY_TEXT in verdict.texts:
                    cut, digest = cut_log(test.made.folder / RESPONSES)
                    yield f"{folder}/accuracy/{RESPONSES}", cut
                    yield f"{folder}/accuracy/{_ACCURACY}", hash_line(digest)

    def _performance(self, entry: SubmissionEntry, scenario: ChosenScenario) -> Iterator[tuple[str, Content]]:
        folder = entry.at(self.rules.layout.performance)
        if scenario.power is None:
            yield from _logs(folder, scenario.performance.folder, self.rules.files.performance)
            return
        above = folder.rpartition("/")[0]
        for name, path in power_files(scenario.power, self.rules):
            yield f"{above}/{name}", path


def _logs(target: str, folder: Path, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
    for name in names:
        path = folder / name
        if not path.is_file():
            raise InputError("is missing", where=str(path), cure="measure the run again")
        yield f"{target}/{name}", path


def _accuracy(target: str, scenario: ChosenScenario, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
    run = scenario.accuracy
    cut, digest = cut_log(run.folder / RESPONSES)
    text = accuracy_text(run.record, digest)
    if text is None:
        raise InputError("has no accuracy", where=f"run {run.record.run_id}", cure="measure it again")
    yield from _logs(target, run.folder, [name for name in names if name not in (_ACCURACY, RESPONSES)])
    yield f"{target}/{RESPONSES}", cut
    yield f"{target}/{_ACCURACY}", text


def _user_conf(scenario: ChosenScenario) -> Content:
    """What LoadGen read; the official checker refuses an empty file."""
    path = scenario.performance.folder / _USER_CONF
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text or "# LoadGen's built-in settings\n"
