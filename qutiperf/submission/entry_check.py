"""All checks of one scenario folder; what other entries need of it comes back as fingerprints."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from qutiperf.audit import accuracy
from qutiperf.audit.accuracy import AccuracyText
from qutiperf.audit.evidence import DETAIL, RESPONSES, evidence_in
from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, read_bounded
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.spec.round_rules import TestRule
from qutiperf.submission import accuracy_rules, compliance_rules, log_rules
from qutiperf.submission.compliance_rules import TestEvidence
from qutiperf.submission.descriptions import field_findings
from qutiperf.submission.entries import matching_file
from qutiperf.submission.json_file import read_object
from qutiperf.submission.log_rules import RunContext
from qutiperf.submission.power_check import check_power

_ACCURACY_TEXT = "accuracy.txt"
_MOST_TEXT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LogPrint:
    """What tells whether two logs are one run: `role` is performance, accuracy or a test's name."""

    path: str
    role: str
    sha256: str
    identity: tuple[object, ...] | None
    figure: float | None


@dataclass(slots=True)
class EntryResult:
    """What came of one entry; `figure` is its score, None where no score can be read.

    `mean_power_w` and, in the stream scenarios, `energy_per_query_mj` are those of a run with power logs.
    """

    context: RunContext
    findings: list[AuditFinding] = field(default_factory=list)
    prints: list[LogPrint] = field(default_factory=list)
    figure: float | None = None
    ran: str | None = None
    mean_power_w: float | None = None
    energy_per_query_mj: float | None = None
    hash: tuple[str, str, int | None] | None = None


class EntryChecker:
    """Reads one entry's files and collects findings; reading never raises for what the files hold."""

    def __init__(self, tree: FileTree, context: RunContext) -> None:
        self._tree, self._context = tree, context
        self._rules, self._entry = context.rules, context.entry
        self.result = EntryResult(context)

    def run(self) -> EntryResult:
        layout = self._rules.layout
        main = self._log(self._entry.at(layout.performance), "performance")
        if main is not None:
            make = self._make(f"{self._entry.at(layout.performance)}/{DETAIL}")
            self._add(log_rules.performance_findings(main, self._context, make))
            self.result.figure, self.result.ran = self._figure(main), main.scenario
        self._accuracy()
        self._descriptions()
        self._tests(main)
        self._power(main)
        return self.result

    def _make(self, path: str) -> FindingMaker:
        return FindingMaker(path, self._rules.sources)

    def _add(self, findings: Iterator[AuditFinding]) -> None:
        self.result.findings.extend(findings)

    def _require(self, folder: str, names: list[str], *, filled: bool = True) -> None:
        """Missing and empty files; a file that only this copy lacks is not an error."""
        for name in names:
            path = f"{folder}/{name}"
            if path in self._tree.unavailable and path not in self._tree.files:
                self.result.findings.append(
                    AuditFinding(
                        "not checked", "not-available", path, "not available in this copy of the tree"
                    )
                )
            elif self._tree.lacks(path):
                what = "is missing" if self._tree.has_folder(folder) else "is missing, with its folder"
                self._add(
                    iter([self._make(path).error("file-missing", what, "add the file", source="checker")])
                )
            elif filled and self._tree.files.get(path) == 0 and name != RESPONSES:
                self._add(iter([self._make(path).error("file-empty", "is empty", source="checker")]))

    def _log(self, folder: str, role: str) -> Trace | None:
        """The detail log with its summary, checked as LoadGen's; None if it cannot be read."""
        names = self._rules.files.accuracy if role == "accuracy" else self._rules.files.performance
        self._require(folder, names)
        return self._read_log(folder, role)

    def _read_log(self, folder: str, role: str) -> Trace | None:
        names = frozenset(self._tree.files_in(folder))
        evidence = evidence_in(self._tree.path(folder), folder, names)
        self._add(evidence.findings(self._rules.sources))
        trace = evidence.trace
        if trace is None or not trace.values:
            return None
        self.result.prints.append(self._print(f"{folder}/{DETAIL}", role, trace))
        return trace

    def _print(self, path: str, role: str, trace: Trace) -> LogPrint:
        return LogPrint(path, role, trace.sha256, trace.run_identity, self._figure(trace))

    def _figure(self, trace: Trace) -> float | None:
        scenario = self._rules.scenarios.get(trace.scenario or "")
        if self._entry.benchmark and self._entry.scenario and trace.scenario:
            scenario = self._rules.scenario_rule(self._entry.benchmark, trace.scenario)
        return trace.number(scenario.result) if scenario else None

    def _accuracy(self) -> None:
        folder = self._entry.at(self._rules.layout.accuracy)
        trace = self._log(folder, "accuracy")
        if trace is not None:
            make = self._make(f"{folder}/{DETAIL}")
            self._add(log_rules.accuracy_run_findings(trace, self._context, make))
        text = self._accuracy_text(f"{folder}/{_ACCURACY_TEXT}")
        self._outputs(folder)
        path = f"{folder}/{RESPONSES}"
        if path in self._tree.files:
            make = self._make(path)
            try:
                log = accuracy.read_accuracy_log(self._tree.path(path))
            except OSError as error:
                self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
                return
            self._add(accuracy_rules.log_size_findings(log, text, trace, self._context, make))

    def _accuracy_text(self, path: str) -> AccuracyText | None:
        if not self._tree.files.get(path):
            return None
        make = self._make(path)
        try:
            text = accuracy.read_accuracy_text(self._tree.path(path))
        except OSError as error:
            self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
            return None
        self._add(accuracy_rules.text_findings(text, self._context, make))
        if text.hash:
            self.result.hash = text.hash, path, text.hash_line
        return text

    def _descriptions(self) -> None:
        layout = self._rules.layout
        expected = self._entry.at(layout.measurements)
        path = matching_file(self._tree, expected)
        if path is None:
            self._add(
                iter([self._make(expected).error("file-missing", "is missing", "add it", source="checker")])
            )
        else:
            make = self._make(path)
            data, problems = read_object(self._tree, path, make)
            self.result.findings += problems
            if data is not None:
                self._add(field_findings(data, self._rules.measurements, make))
        folder = self._entry.at(layout.settings)
        self._require(folder, self._rules.files.settings)
        for name in self._rules.files.settings:
            text = self._text(f"{folder}/{name}")
            if text is not None and "\0" in text:
                make = self._make(f"{folder}/{name}")
                self._add(
                    iter([make.error("file-binary", "is not text", "write it as text", source="checker")])
                )

    def _tests(self, main: Trace | None) -> None:
        benchmark = self._context.benchmark
        if benchmark is None:
            return
        base = self._entry.at(self._rules.layout.compliance)
        for name in benchmark.tests:
            folder = f"{base}/{name}"
            if self._tree.has_folder(folder):
                self._test(name, folder, self._rules.tests[name], main)
            elif self._context.closed:
                what = f"{name} is missing"
                cure = "run the compliance test"
                self._add(iter([self._make(folder).error("test-missing", what, cure, source="checker")]))

    def _test(self, name: str, folder: str, rule: TestRule, main: Trace | None) -> None:
        """An open tree's tests are voluntary, so only contradictions in their logs are looked for."""
        run = f"{folder}/performance/run_1"
        if self._context.closed:
            self._require(folder, [file.name for file in rule.files])
            if rule.log == "valid":
                self._require(run, self._rules.files.compliance)
                self._nothing_else(run)
        log = self._read_log(run, name)
        texts = {file.name: self._text(f"{folder}/{file.name}") for file in rule.files}
        test = TestEvidence(
            name,
            {key: value for key, value in texts.items() if value is not None},
            log,
            main,
            self._text(f"{folder}/accuracy/baseline_accuracy.txt"),
            self._text(f"{folder}/accuracy/compliance_accuracy.txt"),
        )
        if not self._context.closed:
            return
        make = self._make(folder)
        self._add(compliance_rules.text_findings(test, rule, self._context, make))
        self._add(
            compliance_rules.count_findings(test, self._context, self._make(f"{folder}/verify_accuracy.txt"))
        )
        log_make = self._make(f"{run}/{DETAIL}")
        if log is not None:
            if rule.log == "valid":
                self._add(log_rules.validity(log, log_make))
                self._add(log_rules.counted_findings(log, self._context, log_make))
            self._add(compliance_rules.log_findings(test, rule, self._context, log_make))
        score_make = self._make(f"{folder}/verify_performance.txt")
        self._add(compliance_rules.score_findings(test, rule, self._context, score_make))

    def _nothing_else(self, run: str) -> None:
        files = self._rules.files
        if not files.compliance_optional:
            return
        known = {*files.compliance, *files.compliance_optional}
        extra = [name for name in self._tree.files_in(run) if name not in known]
        if extra:
            what = f"holds {', '.join(extra[:4])} beside the logs of the test"
            self._add(iter([self._make(run).error("test-files", what, "remove it", source="checker")]))

    def _outputs(self, folder: str) -> None:
        """Pictures or films that reviewers look at; MLCommons takes them out of what it publishes."""
        benchmark = self._context.benchmark
        for name, stems in (benchmark.accuracy_files if benchmark else {}).items():
            stems_present = {each.partition(".")[0] for each in self._tree.files_in(f"{folder}/{name}")}
            absent = [stem for stem in stems if stem not in stems_present]
            if absent:
                what = f"lacks {', '.join(absent)} in {name}/, which reviewers look at"
                cure = "add them to a submission; published trees have none"
                make = self._make(folder)
                self._add(iter([make.warning("accuracy-files", what, cure, source="checker")]))

    def _power(self, main: Trace | None) -> None:
        power = check_power(self._tree, self._context, main)
        self.result.findings += power.findings
        self.result.mean_power_w = power.mean_w
        self.result.energy_per_query_mj = power.energy_per_query_mj
        if power.ranging is not None and self._rules.power is not None:
            path = f"{self._entry.at(self._rules.power.ranging)}/{DETAIL}"
            self.result.prints.append(self._print(path, "ranging", power.ranging))

    def _text(self, path: str) -> str | None:
        if path not in self._tree.files:
            return None
        try:
            return read_bounded(self._tree.path(path), _MOST_TEXT_BYTES).decode("utf-8", errors="replace")
        except OSError as error:
            make = self._make(path)
            self._add(iter([make.error("file-unreadable", f"cannot be read: {error.strerror}")]))
            return None


def check_entry(tree: FileTree, context: RunContext) -> EntryResult:
    """Findings about one scenario folder."""
    return EntryChecker(tree, context).run()
