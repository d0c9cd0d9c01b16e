"""The types of an audit file: how a run is repeated for it, and what its verdict allows."""

from typing import Annotated

from pydantic import Field

from qutiperf.spec.catalog import names, read
from qutiperf.spec.config import StrictModel, parse_model

Percent = Annotated[float, Field(gt=0, le=100)]


class ScoreLimits(StrictModel):
    """How far the score of a test may be from that of its run, in percent.

    `fast_percent` holds for scenarios whose score is up to the one in `fast`, in the unit of the score.
    """

    percent: Percent
    fast_percent: Percent
    fast: dict[str, float] = {}


class AuditRule(StrictModel):
    """One audit; `settings` are the lines of LoadGen's audit.config, for all benchmarks and for some.

    An audit without settings looks at finished runs; one with them needs a run of its own for each.
    """

    name: str
    title: str
    source: str
    settings: dict[str, int] = {}
    settings_of_benchmark: dict[str, dict[str, int]] = {}
    scenario_settings: bool = False
    score: ScoreLimits | None = None
    limits: dict[str, float] = {}

    def config(self, benchmark: str, scenario: str) -> str:
        """The text of audit.config for one run."""
        prefix = f"*.{scenario}" if self.scenario_settings else "*.*"
        settings = {**self.settings, **self.settings_of_benchmark.get(benchmark, {})}
        return "".join(f"{prefix}.{name} = {value}\n" for name, value in settings.items())


def load_audit(name: str) -> AuditRule:
    """Raises InputError if the audit does not exist or its file is invalid."""
    file = read("audit", name)
    return parse_model(AuditRule, file.data, str(file.path))


def audit_names() -> list[str]:
    return names("audit")
