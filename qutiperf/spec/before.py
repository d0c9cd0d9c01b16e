"""What has to hold before a performance run starts, and how long to wait for it."""

from typing import Annotated

from pydantic import Field

from qutiperf.spec.config import StrictModel

_LONGEST_S = 86_400.0


class Before(StrictModel):
    """Conditions of this machine before each performance run, after a pause of `pause_s`.

    `temperature_below_c` is that of the processor, else of the hottest thermal zone; `busy_below_percent` the
    share of all cores in use, over a second; `battery_above_percent` the charge of the emptiest battery. A
    run whose conditions do not hold within `wait_limit_s` after the pause is not measured and fails.
    """

    temperature_below_c: Annotated[float, Field(ge=-40, le=150)] | None = None
    busy_below_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    battery_above_percent: Annotated[float, Field(ge=0, lt=100)] | None = None
    pause_s: Annotated[float, Field(ge=0, le=_LONGEST_S)] = 0.0
    wait_limit_s: Annotated[float, Field(ge=0, le=_LONGEST_S)] = 300.0

    @property
    def longest_s(self) -> float:
        """The pause and the longest wait after it."""
        return self.pause_s + (self.wait_limit_s if self.has_conditions else 0.0)

    @property
    def has_conditions(self) -> bool:
        conditions = (self.temperature_below_c, self.busy_below_percent, self.battery_above_percent)
        return any(bound is not None for bound in conditions)
