"""The interface of a power meter: open, read, close."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

Quantity = Literal["energy", "power"]  # a counter of joules, or watts at a moment
Coverage = Literal["analyser", "supply", "device", "part"]
Trial = Literal["real", "replayed", "untried"]
SYSFS = Path("/sys")


@dataclass(frozen=True, slots=True)
class Rail:
    """One reading of a meter.

    `counts`: it is part of the meter's total; one that does not is measured inside or around another.
    `wraps_at_j` is the value at which a counter starts again at 0, `update_s` the documented time between two
    values of the sensor; None if unknown. `checks` names the rail that this one measures a second time.
    """

    name: str
    quantity: Quantity
    counts: bool = True
    wraps_at_j: float | None = None
    update_s: float | None = None
    checks: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A rail at a moment: UTC in ns since 1970, joules or watts."""

    time_ns: int
    rail: str
    value: float


class PowerMeter(ABC):
    """One source of power readings; `argument` is the text after the colon of `name:argument`.

    `coverage` describes what its rails measure together, `verified` how this code was tried. `least_period_s`
    is the shortest useful time between two reads. `stamped`: the source has its own clock, so its readings
    may come late, but one that repeats a value is a new one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    verified: ClassVar[Trial]
    least_period_s: ClassVar[float] = 0.0
    stamped: ClassVar[bool] = False

    def __init__(self, argument: str) -> None:
        self.argument = argument

    def open(self) -> list[Rail]:
        """The rails that are present; raises SetupError, and lets go of the device, if none can be read."""
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def open_and_close(self) -> list[Rail]:
        """The rails that `open` finds, which raises SetupError if there are none; keeps nothing open."""
        rails = self.open()
        self.close()
        return rails

    @abstractmethod
    def start(self) -> list[Rail]:
        """As `open`, of which this is the meter's own part; the error has the cure."""

    @abstractmethod
    def read(self) -> list[Reading]:
        """New readings, of every rail unless the source has its own clock; raises OSError if it is gone."""

    @property
    def coverage(self) -> Coverage:
        """What the rails that count measure together; known once the meter is open."""
        return "part"

    @property
    def missing(self) -> list[str]:
        """Rails and devices that the machine should have, but this meter does not see."""
        return []

    def close(self) -> None:
        """Lets go of the device."""
        return
