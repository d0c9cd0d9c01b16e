"""What an audit concludes about a run, kept as a file beside the audit's own runs."""

from typing import Literal

from qutiperf.spec.config import SchemaVersion, StrictModel

Outcome = Literal["pass", "fail", "inconclusive"]


class AuditVerdict(StrictModel):
    """`evidence` is a line each; `texts` are the files that MLPerf wants of the test, by name."""

    schema_version: SchemaVersion = 1
    audit: str
    run_id: str
    scenario: str
    outcome: Outcome
    evidence: list[str] = []
    cure: str = ""
    texts: dict[str, str] = {}
