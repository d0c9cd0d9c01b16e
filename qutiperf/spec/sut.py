"""The types of a system under test, its deployment parameters and its platform."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model
from qutiperf.spec.level0_terms import Calibration

Setting = bool | int | float | str
Settings = dict[str, Setting]
Choices = Annotated[list[Setting], Field(min_length=1)]
Measure = Annotated[float, Field(gt=0)]


class Deployment(StrictModel):
    """Parameters of a sweep: changing `load` ones requires loading the model again, `tune` ones do not."""

    load: dict[str, Choices] = {}
    tune: dict[str, Choices] = {}


def core_numbers(text: str) -> list[int]:
    """The numbers of `0-3,6`; raises ValueError."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("is not a list of cores such as 0-3,6")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return sorted(set(numbers))


class OperatingMode(StrictModel):
    """A state of the device: commands (argv) that switch to it and back, or settings of this host's CPU.

    `governor` is the frequency governor of every core, restored afterwards. `cores` are those that LoadGen,
    the harness and the model share: `0-3,6`.
    """

    enter: list[str] = []
    leave: list[str] = []
    governor: Annotated[str, Field(pattern=r"^[a-z_]{1,30}$")] | None = None
    cores: str | None = None
    description: str = ""

    @field_validator("cores")
    @classmethod
    def _are_cores(cls, text: str | None) -> str | None:
        if text is not None:
            core_numbers(text)
        return text

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.governor is not None and (self.enter or self.leave):
            raise ValueError("has governor beside enter or leave: set the governor in the command")
        return self


class Platform(StrictModel):
    """The theoretical figures of the device; `detect` is resolved on the host of the run.

    `operating_mode_peaks_tops` replaces the peaks in the modes that it names; `packed_weights` is true if
    weights of a datatype that the device lacks keep their own width in memory; each of the `cores` works on
    one input; `calibration` has the constants of the refined prediction.
    """

    family: str
    peaks_tops: dict[str, Measure] | Literal["detect"] | None = None
    memory_bandwidth_gb_s: Measure | Literal["detect"] | None = None
    memory_capacity_gb: Measure | Literal["detect"] | None = None
    on_chip_memory_mb: Measure | Literal["detect"] | None = None
    operating_mode_peaks_tops: dict[str, dict[str, Measure]] = {}
    packed_weights: bool = True
    cores: Annotated[int, Field(ge=1)] = 1
    calibration: Calibration | None = None
    thermal_design_power_w: Measure | None = None
    hardware_cost: Measure | None = None
    source: str


class Power(StrictModel):
    """The power meter of the device: `rapl`, `redfish:https://BMC`, `none`; of several, the first measures.

    `auto` takes what the host has for the platform's family, and nothing for a device in a network. A run's
    power is not valid without every rail of `rails`. `analyser` is the calibrated instrument behind the meter
    `file` or `command`.
    """

    meter: str | list[str] = "auto"
    rails: list[str] = []
    analyser: str = ""
    rate_hz: Annotated[float, Field(gt=0, le=1000)] = 10.0

    @property
    def meters(self) -> list[str]:
        return [self.meter] if isinstance(self.meter, str) else self.meter


class WorkerLimits(StrictModel):
    """Limits of a worker: `memory_gb` of resident memory, with all of its processes (1 GB is 1e9 bytes).

    A run that exceeds it is ended and fails, and the next one goes on.
    """

    memory_gb: Annotated[float, Field(gt=0, le=1e6)] | None = None


class Verified(StrictModel):
    """The date and version of the last run of this file on its hardware."""

    date: str
    version: str


class SystemUnderTest(StrictModel):
    """One accelerator through one runtime; `adapter` is a registered name or `file.py:Class`.

    `model_suffixes` selects a format of the workload's model, in this order of preference, for adapters that
    load several formats.
    """

    name: str
    title: str
    adapter: str
    options: Settings = {}
    model_suffixes: list[str] = []
    deployment: Deployment = Deployment()
    operating_modes: dict[str, OperatingMode] = {"default": OperatingMode()}
    platform: Platform
    power: Power = Power()
    limits: WorkerLimits = WorkerLimits()
    description: dict[str, str] = {}
    verified_on_hardware: Verified | None = None


def load_sut(name: str, beside: Path | None = None) -> tuple[SystemUnderTest, CatalogFile]:
    """Resolves an adapter's path relative to the SUT file; raises InputError if the file is invalid."""
    file = read("sut", name, beside)
    adapter = file.data.get("adapter")
    if isinstance(adapter, str) and ".py:" in adapter:
        file.data["adapter"] = str(file.path.parent / adapter)
    return parse_model(SystemUnderTest, file.data, str(file.path)), file
