"""Devices that a vendor's library numbers, and how each of their rails is read."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns

from qutiperf.errors import SetupError
from qutiperf.power.meter import Coverage, PowerMeter, Rail, Reading


@dataclass(frozen=True, slots=True)
class GpuSource:
    """A rail and the function that reads its joules or watts."""

    rail: Rail
    value: Callable[[], float]


def chosen_devices(argument: str, count: int, where: str) -> list[int]:
    """Indices of the devices that `0` or `0,2` names; raises SetupError for one that is missing."""
    if not count:
        raise SetupError("no device", where=where, cure="check its driver")
    if not argument:
        if count == 1:
            return [0]
        cure = f"name those that the runs use: --power {where}:0, or {where}:0,1"
        raise SetupError(f"{count} devices", where=where, cure=cure)
    numbers = [int(text) if text.isascii() and text.isdigit() else -1 for text in argument.split(",")]
    if len(set(numbers)) < len(numbers) or not all(0 <= number < count for number in numbers):
        cure = f"name devices of 0 to {count - 1}, each once: {where}:0"
        raise SetupError(f"'{argument[:40]}' are not devices of this machine", where=where, cure=cure)
    return numbers


class GpuMeter(PowerMeter):
    """What the libraries of GPUs have in common; a subclass reads its own, and puts rails into `sources`."""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self.sources: list[GpuSource] = []

    @abstractmethod
    def errors(self) -> tuple[type[Exception], ...]:
        """What the library raises; called once it can be imported."""

    @abstractmethod
    def shut_down(self) -> None:
        """Lets go of the library."""

    def rails(self, cure: str) -> list[Rail]:
        """Those of all sources; raises SetupError if there are none."""
        if not self.sources:
            raise SetupError(f"{self.name} has no power reading for this device", where=self.name, cure=cure)
        return [source.rail for source in self.sources]

    def add(
        self,
        name: str,
        joules: Callable[[], float],
        watts: Callable[[], float],
        works: Callable[[Callable[[], float]], bool],
        update_s: float | None = None,
    ) -> None:
        """The counter with the power reading as a check, or that alone on GPUs without a counter."""
        counter = works(joules)
        if counter:
            self.sources.append(GpuSource(Rail(name, "energy", update_s=update_s), joules))
        if works(watts):
            rail = Rail(f"{name} power", "power", counts=not counter, checks=name if counter else None)
            self.sources.append(GpuSource(rail, watts))

    def read(self) -> list[Reading]:
        try:
            return [Reading(time_ns(), source.rail.name, source.value()) for source in self.sources]
        except self.errors() as error:
            raise OSError(f"{self.name}: {error}") from None

    @property
    def coverage(self) -> Coverage:
        return "device"

    def close(self) -> None:
        if self.sources:
            self.shut_down()
            self.sources.clear()
