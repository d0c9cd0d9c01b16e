"""One run, by its record or its logs alone, with its findings."""

from dataclasses import dataclass

from qutiperf.explain.finding import Finding, render


@dataclass(frozen=True, slots=True)
class Explained:
    """`name` is for people: the folder of the logs, or the run id with system, workload and settings.

    As text, the name with the rendered findings indented below.
    """

    name: str
    run_id: str | None
    findings: list[Finding]

    @property
    def needs_attention(self) -> bool:
        return any(finding.kind != "valid" for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"  {line}" for line in render(self.findings).splitlines())])
