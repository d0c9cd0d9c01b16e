"""One run, by its record or its logs alone, with its findings."""

from dataclasses import dataclass

from qutiperf.explain.finding import Finding


@dataclass(frozen=True, slots=True)
class Explained:
    """`name` is for people: the folder of the logs, or the run id with system, workload and settings."""

    name: str
    run_id: str | None
    findings: list[Finding]

    @property
    def needs_attention(self) -> bool:
        return any(finding.kind != "valid" for finding in self.findings)
