"""`check`: every finding about a tree, by a round's rules; reads each log line once, keeps no log."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.audit.finding import AuditFinding, FindingMaker, Severity, in_order
from qutiperf.audit.tree import FileTree, list_tree
from qutiperf.errors import InputError
from qutiperf.spec import catalog
from qutiperf.spec.round_rules import RoundRules, Suite
from qutiperf.spec.rounds import Round, load_round
from qutiperf.submission import descriptions, endpoints, structure
from qutiperf.submission.copies import copy_findings
from qutiperf.submission.entries import SubmissionEntry, Submitter, entries_of, submitters
from qutiperf.submission.entry_check import EntryResult, check_entry
from qutiperf.submission.hygiene import hygiene_findings
from qutiperf.submission.json_file import read_object
from qutiperf.submission.log_rules import RunContext
from qutiperf.submission.rehearsal_rule import rehearsal_findings
from qutiperf.submission.seal import MANIFEST, verify_seal
from qutiperf.submission.submitted_runs import submitted_findings

_MAPPING = "model_mapping.json"
_WORTH_A_POOL = 40
Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Findings in order; `results` counts scenario folders, `clean` those without an error of their own."""

    findings: list[AuditFinding]
    results: int
    clean: int
    rows: list[dict[str, object]]
    sealed: bool

    def count(self, severity: Severity) -> int:
        return Counter(each.severity for each in self.findings)[severity]

    @property
    def passed(self) -> bool:
        return not self.count("error")


def rules_of(name: str) -> tuple[Round, RoundRules]:
    """A round with rules; raises InputError naming the rounds that there are."""
    loaded, file = load_round(name)
    if loaded.rules is None:
        known = ", ".join(catalog.names("round"))
        raise InputError("has no rules to check with", where=str(file.path), cure=f"rounds: {known}")
    return loaded, loaded.rules


def check_tree(
    root: Path,
    round_name: str,
    *,
    unavailable: frozenset[str] = frozenset(),
    advance: Advance | None = None,
    workers: int | None = None,
    rehearsal: bool = False,
) -> CheckReport:
    """Raises InputError if the folder or the round cannot be read; what the tree holds never raises."""
    mlperf_round, rules = rules_of(round_name)
    tree = list_tree(root, unavailable)
    findings: list[AuditFinding] = list(hygiene_findings(tree, rules))
    contexts: list[RunContext] = []
    count = 0
    for submitter in _with_mappings(tree, rules, findings):
        entries = entries_of(tree, rules, submitter)
        count += len(entries)
        findings += structure.submitter_findings(tree, rules, submitter, entries)
        systems = _systems(tree, rules, submitter, entries, findings)
        for name, system in systems.items():
            make = FindingMaker(
                f"{submitter.folder}/{rules.layout.system.format(system=name)}", rules.sources
            )
            findings += rehearsal_findings(system, make, allowed=rehearsal)
        findings += submitted_findings(tree, submitter.folder, rules.sources)
        suites = {name: descriptions.suites_of(system) for name, system in systems.items()}
        findings += structure.scenario_findings(rules, submitter, entries, suites)
        for entry in entries:
            findings += structure.entry_findings(entry, rules)
            network = descriptions.is_network(systems.get(entry.system, {}))
            own: tuple[Suite, ...] = tuple(suites.get(entry.system, ()))
            system = systems.get(entry.system, {})
            hardware, rated = descriptions.hardware_of(system), "system_power_capacity" in system
            contexts.append(RunContext(mlperf_round, rules, entry, own, network, hardware, rated))
    bundles = endpoints.bundle_folders(tree, rules, [context.entry for context in contexts])
    findings += endpoints.bundle_findings(bundles)
    findings += structure.tree_findings(tree, rules, count, len(bundles))
    results = list(_checked(tree, contexts, findings, advance, workers))
    findings += copy_findings(results, rules)
    if MANIFEST in tree.files:
        findings += verify_seal(tree)
    for result in results:
        findings += result.findings
    return _report(findings, results, count, MANIFEST in tree.files)


def _report(
    findings: list[AuditFinding], results: Sequence[EntryResult], count: int, sealed: bool
) -> CheckReport:
    ordered = in_order(findings)
    errors = [each.path for each in ordered if each.severity == "error"]
    rows = [_row(result, errors) for result in results]
    return CheckReport(ordered, count, sum(row["errors"] == 0 for row in rows), rows, sealed)


def _row(result: EntryResult, errors: Sequence[str]) -> dict[str, object]:
    entry, rules = result.context.entry, result.context.rules
    folders = [entry.at(rules.layout.scenario), entry.at(rules.layout.compliance)]
    own = [path for path in errors if any(path == each or path.startswith(f"{each}/") for each in folders)]
    return {
        "division": entry.submitter.division,
        "submitter": entry.submitter.name,
        "system": entry.system,
        "benchmark": entry.benchmark or entry.benchmark_folder,
        "scenario": entry.scenario or entry.scenario_folder,
        "folder": entry.at(rules.layout.scenario),
        "ran": result.ran,
        "figure": result.figure,
        "mean_power_w": result.mean_power_w,
        "energy_per_query_mj": result.energy_per_query_mj,
        "errors": len(own),
    }


def _with_mappings(tree: FileTree, rules: RoundRules, findings: list[AuditFinding]) -> Iterator[Submitter]:
    for each in submitters(tree, rules):
        path = f"{each.folder}/{_MAPPING}"
        if each.division != "open" or path not in tree.files:
            yield each
            continue
        data, problems = read_object(tree, path, FindingMaker(path, rules.sources))
        findings += problems
        mapping = {key: value for key, value in (data or {}).items() if isinstance(value, str)}
        yield Submitter(each.division, each.name, mapping)


def _systems(
    tree: FileTree,
    rules: RoundRules,
    submitter: Submitter,
    entries: Sequence[SubmissionEntry],
    findings: list[AuditFinding],
) -> dict[str, descriptions.System]:
    systems: dict[str, descriptions.System] = {}
    for entry in {each.system: each for each in entries}.values():
        path = entry.at(rules.layout.system)
        make = FindingMaker(path, rules.sources)
        if tree.lacks(path):
            findings.append(make.error("file-missing", "is missing", "describe the system", source="checker"))
            continue
        if path not in tree.files:
            continue
        data, problems = read_object(tree, path, make)
        findings += problems
        if data is not None:
            systems[entry.system] = data
            findings += descriptions.system_findings(data, submitter, rules, make)
    return systems


def _checked(
    tree: FileTree,
    contexts: Sequence[RunContext],
    findings: list[AuditFinding],
    advance: Advance | None,
    workers: int | None,
) -> Iterator[EntryResult]:
    """Entries of LoadGen, in order; those of Endpoints are named as not checked."""
    with_logs = []
    for context in contexts:
        if endpoints.is_endpoints(tree, context.entry, context.rules):
            findings.append(endpoints.endpoints_finding(context.entry.at(context.rules.layout.scenario)))
        else:
            with_logs.append(context)
    for number, result in enumerate(_each(tree, with_logs, workers), 1):
        if advance is not None:
            advance(number, len(with_logs))
        yield result


_shared: dict[str, tuple[FileTree, Sequence[RunContext]]] = {}


def _each(tree: FileTree, contexts: Sequence[RunContext], workers: int | None) -> Iterator[EntryResult]:
    """In this process where there are few; else in forked ones, which have the tree already."""
    count = workers or min(len(os.sched_getaffinity(0)), 8)
    if count < 2 or len(contexts) < _WORTH_A_POOL:
        yield from (check_entry(tree, context) for context in contexts)
        return
    _shared["now"] = tree, contexts
    try:
        with multiprocessing.get_context("fork").Pool(count) as pool:
            yield from pool.imap(_check_number, range(len(contexts)), chunksize=4)
    finally:
        _shared.clear()


def _check_number(number: int) -> EntryResult:
    tree, contexts = _shared["now"]
    result = check_entry(tree, contexts[number])
    result.context = contexts[number]
    return result
