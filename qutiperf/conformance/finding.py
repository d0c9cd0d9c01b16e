"""The task of a check, and its finding."""

from typing import Literal

from qutiperf.spec.config import StrictModel
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import Workload

Verdict = Literal["pass", "FAIL", "skipped"]


class CheckJob(StrictModel):
    """One system with one workload, for the process of a `check`; `budget_s` bounds its loops."""

    sut: SystemUnderTest
    workload: Workload
    budget_s: float
    check: str = ""


class CheckFinding(StrictModel):
    """The verdict of one check, the observation in one line, and the numbers behind it."""

    check: str = ""
    verdict: Verdict
    seen: str
    calls: int = 0
    evidence: dict[str, float | int | str | None] = {}


class KitReport(StrictModel):
    """The verdict of the kit on one adapter."""

    kind: str = "conformance"
    schema_version: int = 1
    sut: str
    adapter: str
    describe: dict[str, str]
    workload: str
    versions: dict[str, str]
    seconds: float
    findings: list[CheckFinding]

    @property
    def passed(self) -> bool:
        return all(each.verdict != "FAIL" for each in self.findings)


class CheckEnded(Exception):  # noqa: N818 - not an error
    """Ends a check early, with its finding."""

    def __init__(self, verdict: Verdict, seen: str, **evidence: float | str | None) -> None:
        super().__init__(seen)
        self.finding = CheckFinding(verdict=verdict, seen=" ".join(seen.split()), evidence=dict(evidence))


def failed(seen: str, **evidence: float | str | None) -> CheckEnded:
    return CheckEnded("FAIL", seen, **evidence)


def skipped(seen: str) -> CheckEnded:
    return CheckEnded("skipped", seen)


def passed(seen: str, **evidence: float | str | None) -> CheckFinding:
    return CheckEnded("pass", seen, **evidence).finding
