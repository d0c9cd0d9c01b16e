"""Devices that a vendor's library numbers, and how each of their rails is read."""

from collections.abc import Callable
from dataclasses import dataclass

from qutiperf.errors import SetupError
from qutiperf.power.meter import Rail


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
