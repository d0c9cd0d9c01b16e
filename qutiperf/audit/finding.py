"""What a check has to say: one line with severity, file, line, rule, source and cure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note", "not checked"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "not checked")


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """`rule` is a short name that stays the same, `source` the text it follows from, `line` counts from 1."""

    severity: Severity
    rule: str
    path: str
    what: str
    cure: str = ""
    line: int | None = None
    source: str = ""

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    def as_row(self) -> dict[str, object]:
        """For JSON: flat, unknown is None."""
        return {
            "severity": self.severity,
            "rule": self.rule,
            "path": self.path,
            "line": self.line,
            "what": self.what,
            "cure": self.cure or None,
            "source": self.source or None,
        }

    def __str__(self) -> str:
        cure = f"; {self.cure}" if self.cure else ""
        source = f", {self.source}" if self.source else ""
        return f"{self.severity}: {self.where}: {self.what}{cure} [{self.rule}{source}]"


@dataclass(frozen=True, slots=True)
class FindingMaker:
    """Makes the findings of one file; `sources` maps a source's short name to its address."""

    path: str
    sources: Mapping[str, str]

    def error(
        self, rule: str, what: str, cure: str = "", *, line: int | None = None, source: str = ""
    ) -> AuditFinding:
        return AuditFinding("error", rule, self.path, what, cure, line, self.sources.get(source, ""))

    def warning(
        self, rule: str, what: str, cure: str = "", *, line: int | None = None, source: str = ""
    ) -> AuditFinding:
        return AuditFinding("warning", rule, self.path, what, cure, line, self.sources.get(source, ""))

    def note(
        self, rule: str, what: str, cure: str = "", *, line: int | None = None, source: str = ""
    ) -> AuditFinding:
        return AuditFinding("note", rule, self.path, what, cure, line, self.sources.get(source, ""))

    def not_checked(self, rule: str, what: str, cure: str = "") -> AuditFinding:
        return AuditFinding("not checked", rule, self.path, what, cure)


def in_order(findings: list[AuditFinding]) -> list[AuditFinding]:
    """By severity, then file and line; equal ones once."""
    return sorted(
        dict.fromkeys(findings), key=lambda each: (SEVERITIES.index(each.severity), each.path, each.line or 0)
    )
