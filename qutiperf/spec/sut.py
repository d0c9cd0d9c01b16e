"""The types of who answers: a system under test, its deployment parameters and its platform."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model
from qutiperf.spec.level0_terms import Calibration

Setting = bool | int | float | str
Settings = dict[str, Setting]
Choices = Annotated[list[Setting], Field(min_length=1)]
Measure = Annotated[float, Field(gt=0)]


class Deployment(StrictModel):
    """Parameters that may be swept: `load` ones need the model loaded again, `tune` ones do not."""

    load: dict[str, Choices] = {}
    tune: dict[str, Choices] = {}


class OperatingMode(StrictModel):
    """Commands (argv) that put the device into a mode and take it out again."""

    enter: list[str] = []
    leave: list[str] = []
    description: str = ""


class Platform(StrictModel):
    """What the device could do in theory; `detect` is resolved on the host that runs it.

    `operating_mode_peaks_tops` replaces the peaks in the modes it names; `packed_weights` says whether
    weights of a datatype that the device lacks keep their own width in memory; `cores` work on one input
    each; `calibration` holds the constants of the refined prediction.
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
    """Which meter measures the device."""

    meter: str = "auto"


class Verified(StrictModel):
    """When, and with which version, somebody last ran this file on the hardware it names."""

    date: str
    version: str


class SystemUnderTest(StrictModel):
    """One accelerator through one runtime; `adapter` is a registered name or `file.py:Class`.

    `model_suffixes` picks among the formats a workload has, in this order, for adapters that load several.
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
    description: dict[str, str] = {}
    verified_on_hardware: Verified | None = None


def load_sut(name: str, beside: Path | None = None) -> tuple[SystemUnderTest, CatalogFile]:
    """An adapter's file is resolved against the SUT file; raises InputError if something is wrong."""
    file = read("sut", name, beside)
    adapter = file.data.get("adapter")
    if isinstance(adapter, str) and ".py:" in adapter:
        file.data["adapter"] = str(file.path.parent / adapter)
    return parse_model(SystemUnderTest, file.data, str(file.path)), file
