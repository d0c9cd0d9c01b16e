"""What a sampler reports about its meter once it is open."""

from typing import Literal

from qutiperf.power.meter import Coverage, PowerMeter, Quantity, Rail, Trial
from qutiperf.spec.config import StrictModel


class SamplerTask(StrictModel):
    """The meter to sample, the time between two reads, and the file for its readings."""

    meter: str
    period_s: float
    file: str


class RailFacts(StrictModel):
    """A rail as JSON."""

    name: str
    quantity: Quantity
    counts: bool
    wraps_at_j: float | None
    update_s: float | None
    checks: str | None


class MeterFacts(StrictModel):
    """An open meter as JSON: what it measures, and how its code was tried."""

    meter: str
    verified: Trial
    coverage: Coverage
    stamped: bool
    period_s: float
    missing: list[str]
    rails: list[RailFacts]

    @property
    def name(self) -> str:
        return self.meter.partition(":")[0]

    def rail_list(self) -> list[Rail]:
        return [Rail(**rail.model_dump()) for rail in self.rails]


class OpeningProblem(StrictModel):
    """Why a meter cannot be opened, as the error that the parent raises."""

    kind: Literal["input", "setup"]
    what: str
    where: str = ""
    cure: str = ""


class SamplerReply(StrictModel):
    """The first line of a sampler has `facts` or `problem`, later ones the failure of the meter, if any."""

    facts: MeterFacts | None = None
    problem: OpeningProblem | None = None
    failure: str | None = None


def facts_of(meter: PowerMeter, text: str, rails: list[Rail], period_s: float) -> MeterFacts:
    return MeterFacts(
        meter=text,
        verified=meter.verified,
        coverage=meter.coverage,
        stamped=meter.stamped,
        period_s=period_s,
        missing=meter.missing,
        rails=[
            RailFacts(
                name=rail.name,
                quantity=rail.quantity,
                counts=rail.counts,
                wraps_at_j=rail.wraps_at_j,
                update_s=rail.update_s,
                checks=rail.checks,
            )
            for rail in rails
        ],
    )
