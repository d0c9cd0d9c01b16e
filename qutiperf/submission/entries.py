"""Finds the results of a tree by a round's layout: one entry for each scenario folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qutiperf.audit.tree import FileTree
from qutiperf.spec.round_rules import RoundRules

_NAMES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Submitter:
    """One folder below a division; `mapping` names benchmarks for its own folders (open division)."""

    division: str
    name: str
    mapping: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"{self.division}/{self.name}"

    @property
    def is_closed(self) -> bool:
        """Network trees keep to the closed rules."""
        return self.division in ("closed", "network")


@dataclass(frozen=True, slots=True)
class SubmissionEntry:
    """One scenario of one benchmark on one system, as its folders name them."""

    submitter: Submitter
    system: str
    benchmark_folder: str
    scenario_folder: str
    benchmark: str | None
    scenario: str | None

    def at(self, template: str) -> str:
        """The path that a template of the layout stands for."""
        names = {
            "system": self.system,
            "benchmark": self.benchmark_folder,
            "scenario": self.scenario_folder,
        }
        return f"{self.submitter.folder}/{_NAMES.sub(lambda match: names[match.group(1)], template)}"


def submitters(tree: FileTree, rules: RoundRules) -> list[Submitter]:
    return [
        Submitter(division, name)
        for division in rules.divisions
        for name in tree.subfolders(division)
        if not name.startswith(".")
    ]


def entries_of(tree: FileTree, rules: RoundRules, submitter: Submitter) -> list[SubmissionEntry]:
    """Every folder that the layout's `scenario` matches."""
    entries = []
    for names in _matches(tree, submitter.folder, rules.layout.scenario.split("/"), {}):
        benchmark = rules.benchmark_of(names["benchmark"], submitter.mapping)
        scenario = rules.scenario_of(names["scenario"])
        entries.append(
            SubmissionEntry(
                submitter, names["system"], names["benchmark"], names["scenario"], benchmark, scenario
            )
        )
    return entries


def _matches(
    tree: FileTree, folder: str, parts: list[str], names: dict[str, str]
) -> Iterator[dict[str, str]]:
    """Names for the template's parts below `folder`, one mapping for each folder that matches all."""
    if not parts:
        yield names
        return
    variable = _NAMES.fullmatch(parts[0])
    for name in tree.subfolders(folder):
        if variable is None and name == parts[0]:
            yield from _matches(tree, f"{folder}/{name}", parts[1:], names)
        elif variable is not None and not name.startswith("."):
            yield from _matches(tree, f"{folder}/{name}", parts[1:], {**names, variable.group(1): name})


def matching_file(tree: FileTree, path: str) -> str | None:
    """The file at `path`, in which the last part may hold one `*`; None if there is none."""
    folder, _, name = path.rpartition("/")
    if "*" not in name:
        return path if path in tree.files else None
    start, _, end = name.partition("*")
    fitting = [each for each in tree.files_in(folder) if each.startswith(start) and each.endswith(end)]
    return f"{folder}/{fitting[0]}" if fitting else None
