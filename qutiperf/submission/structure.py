"""Are the folders where the round wants them, and does every system have what its suites ask for."""

from collections.abc import Iterator, Mapping, Sequence

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree
from qutiperf.spec.round_rules import RoundRules, Suite
from qutiperf.submission.entries import SubmissionEntry, Submitter

_MOST_LOOKED_AT = 2000


def tree_findings(
    tree: FileTree, rules: RoundRules, entry_count: int, endpoints_count: int
) -> Iterator[AuditFinding]:
    """A tree without results is an error, as is one with those of Endpoints only."""
    make = FindingMaker(".", rules.sources)
    for name in tree.subfolders(""):
        lower = name.lower()
        if name not in rules.divisions and lower in rules.divisions:
            what = f"the folder is '{name}'; the division is '{lower}'"
            yield FindingMaker(name, rules.sources).error("division", what, "rename it", source="checker")
    if entry_count == 0 and endpoints_count:
        what = f"holds no results of LoadGen; its {endpoints_count:,} of Endpoints are not checked"
        yield make.error("no-results", what, source="checker")
    elif entry_count == 0:
        deeper = _divisions_below(tree, rules)
        cure = f"name the folder {deeper}" if deeper else _usual(rules)
        yield make.error("no-results", "holds no results", cure, source="checker")


def _usual(rules: RoundRules) -> str:
    place = f"<division>/<submitter>/{rules.layout.scenario}"
    return f"a result lies in {place}; divisions: {', '.join(rules.divisions)}"


def _divisions_below(tree: FileTree, rules: RoundRules) -> str | None:
    """A folder deeper down that has a division, or the one above if this is a division itself."""
    for path in list(tree.folders)[:_MOST_LOOKED_AT]:
        if path and any(tree.has_folder(f"{path}/{division}") for division in rules.divisions):
            return f"'{path}' below it"
    return "above it" if tree.root.name in rules.divisions else None


def submitter_findings(
    tree: FileTree, rules: RoundRules, submitter: Submitter, entries: Sequence[SubmissionEntry]
) -> Iterator[AuditFinding]:
    make = FindingMaker(submitter.folder, rules.sources)
    if not entries:
        yield make.error("no-results", "holds no results", _usual(rules), source="checker")
        return
    code = [f"{submitter.folder}/{name}" for name in rules.layout.code]
    if not any(tree.has_folder(path) or path in tree.links for path in code):
        what = f"lacks {' or '.join(rules.layout.code)}/, the code that ran"
        yield make.error("code-missing", what, "add the code", source="checker")
    drawn = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
    if submitter.division == "network" and not any(
        path.lower().endswith(drawn) for path in tree.files_below(submitter.folder)
    ):
        what = "has no picture of its network's topology"
        yield make.error("network", what, "add a diagram to documentation/", source="inference_rules")
    for name in rules.files.documentation:
        if tree.lacks(f"{submitter.folder}/{name}"):
            yield make.error("file-missing", f"lacks {name}", "add it", source="submission_rules")
    yield from _unused_systems(tree, rules, submitter, entries)


def _unused_systems(
    tree: FileTree, rules: RoundRules, submitter: Submitter, entries: Sequence[SubmissionEntry]
) -> Iterator[AuditFinding]:
    folder, _, name = rules.layout.system.rpartition("/")
    before, _, after = name.partition("{system}")
    used = {entry.system for entry in entries}
    for file in tree.files_in(f"{submitter.folder}/{folder}"):
        system = file[len(before) : len(file) - len(after)]
        if file.startswith(before) and file.endswith(after) and system not in used:
            make = FindingMaker(f"{submitter.folder}/{folder}/{file}", rules.sources)
            yield make.warning(
                "system-unused", "describes a system without results", "remove it", source="checker"
            )


def entry_findings(entry: SubmissionEntry, rules: RoundRules) -> Iterator[AuditFinding]:
    """Folder names that stand for nothing that the round knows."""
    make = FindingMaker(entry.at(rules.layout.scenario), rules.sources)
    if entry.scenario is None:
        what = f"'{entry.scenario_folder}' is not a scenario"
        yield make.error(
            "scenario-name", what, f"allowed: {', '.join(rules.scenarios)}", source="submission_rules"
        )
    if entry.benchmark is not None:
        return
    what = f"'{entry.benchmark_folder}' is not a benchmark of the round"
    if entry.submitter.is_closed:
        allowed = ", ".join(sorted(rules.benchmarks))
        yield make.error("benchmark-name", what, f"allowed: {allowed}", source="inference_rules")
    else:
        yield AuditFinding(
            "not checked",
            "benchmark-name",
            entry.at(rules.layout.scenario),
            f"{what}: sample counts and accuracy have no rule to hold them against",
            "name the benchmark in model_mapping.json",
        )


def scenario_findings(
    rules: RoundRules,
    submitter: Submitter,
    entries: Sequence[SubmissionEntry],
    suites: Mapping[str, Sequence[Suite]],
) -> Iterator[AuditFinding]:
    """In the closed divisions: the scenarios that each benchmark needs, of all suites of its system."""
    if not submitter.is_closed:
        return
    present: dict[tuple[str, str, str], set[str]] = {}
    for entry in entries:
        if entry.benchmark is not None and entry.scenario is not None:
            key = entry.system, entry.benchmark, entry.benchmark_folder
            present.setdefault(key, set()).add(entry.scenario)
    for (system, benchmark, folder), scenarios in present.items():
        example = next(each for each in entries if (each.system, each.benchmark_folder) == (system, folder))
        path = example.at(rules.layout.scenario.rpartition("/")[0])
        make = FindingMaker(path, rules.sources)
        yield from _scenarios_of(rules, benchmark, scenarios, suites.get(system, ()), make)


def _scenarios_of(
    rules: RoundRules, benchmark: str, scenarios: set[str], suites: Sequence[Suite], make: FindingMaker
) -> Iterator[AuditFinding]:
    sets = [
        rules.benchmarks[benchmark].scenarios[s] for s in suites if s in rules.benchmarks[benchmark].scenarios
    ]
    if not sets:
        if suites:
            what = f"{benchmark} is not a benchmark of the {' or '.join(suites)} suite"
            yield make.error("suite", what, source="inference_rules")
        return
    needed = [name for each in sets for name in each.required]
    allowed = {*needed, *(name for each in sets for name in each.optional)}
    missing = sorted(set(needed) - scenarios)
    if missing:
        what = f"lacks {', '.join(missing)}, which {' and '.join(suites)} requires"
        yield make.error("scenario-missing", what, "run the scenario", source="inference_rules")
    extra = sorted(scenarios - allowed)
    if extra:
        what = f"{', '.join(extra)} is not a scenario of {benchmark} in the {' or '.join(suites)} suite"
        yield make.error("scenario-extra", what, source="inference_rules")
    for each in sets:
        if each.one_of and not set(each.one_of) & scenarios:
            what = f"has none of {', '.join(each.one_of)}; one is needed"
            yield make.error("scenario-missing", what, "run one of them", source="checker")
