"""`qutiperf doctor`: the equipment of this machine, and what would disturb a measurement."""

from collections.abc import Mapping
from importlib import metadata
from typing import TypedDict

import typer

from qutiperf.cli import console
from qutiperf.cli.listing import Rows, adapter_rows, meter_rows

_SURROUNDINGS = {"temperature_c": "C", "steal_percent": "%", "memory_pressure_percent": "%"}


class DoctorReport(TypedDict):
    """The output of `qutiperf doctor --json`."""

    host: dict[str, str | int | float | bool | None]
    loadgen: dict[str, str | None] | None
    versions: dict[str, str]
    adapters: Rows
    power_meters: Rows
    busy_percent: float
    surroundings: dict[str, float | None]
    warnings: list[str]


def doctor(as_json: bool = typer.Option(False, "--json", help="Print one JSON object.")) -> int:
    """Check runtimes, meters, cores, governor, load, LoadGen round; exit code 3 if LoadGen is missing."""
    from qutiperf import host
    from qutiperf.run import operating_mode
    from qutiperf.surroundings import look_around

    undone = operating_mode.undo_left_on()
    machine, around = host.facts(), look_around()
    report: DoctorReport = {
        "host": machine,
        "loadgen": _loadgen(),
        "versions": host.versions(),
        "adapters": adapter_rows(),
        "power_meters": meter_rows(),
        "busy_percent": (busy := around["foreign_cpu_percent"] or 0.0),
        "surroundings": around,
        "warnings": [*undone, *_warnings(machine, busy), *_disturbances(around)],
    }
    if as_json:
        console.out_json(report)
    else:
        _print(report)
    return 0 if report["loadgen"] else 3


def _loadgen() -> dict[str, str | None] | None:
    """Version and round of the installed LoadGen; None if it is not installed."""
    from qutiperf.spec.rounds import round_of_version

    try:
        version = metadata.version("mlcommons-loadgen")
    except metadata.PackageNotFoundError:
        return None
    return {"version": version, "round": round_of_version(version)}


def _warnings(machine: dict[str, str | int | float | bool | None], busy: float) -> list[str]:
    """Cause and cure of everything that makes times vary on this machine."""
    warnings: list[str] = []
    cores = machine["cores"]
    if busy > 10:
        warnings.append(
            f"other processes use {busy:.0f} % of the cores: stop them, or results are marked noisy"
        )
    governor = machine["governor"]
    if governor not in (None, "performance"):
        warnings.append(f"the frequency governor is '{governor}': sudo cpupower frequency-set -g performance")
    if machine["hypervisor"]:
        warnings.append("this is a virtual machine: other guests on its host can change times unnoticed")
    if cores == 1:
        warnings.append("one core only: LoadGen and the model share it")
    if cores != machine["cores_of_machine"]:
        warnings.append(
            f"only {cores} of {machine['cores_of_machine']} cores are available (affinity or container)"
        )
    return warnings


def _disturbances(around: "Mapping[str, float | None]") -> list[str]:
    """What else disturbs this machine now, beside the load of other processes."""
    from qutiperf.results.metrics import MEMORY_PRESSURE_PERCENT, STOLEN_PERCENT

    steal, pressure = around["steal_percent"] or 0.0, around["memory_pressure_percent"] or 0.0
    warnings: list[str] = []
    if steal > STOLEN_PERCENT:
        warnings.append(f"other guests of the host take {steal:.0f} % of the CPU time: use another machine")
    if pressure > MEMORY_PRESSURE_PERCENT:
        warnings.append(f"processes wait for memory {pressure:.0f} % of the time: free some")
    if around["throttle_count"]:
        warnings.append("the processor is being throttled: let it cool down, or improve its cooling")
    return warnings


def _print(report: "DoctorReport") -> None:
    machine, loadgen = report["host"], report["loadgen"]
    for name, value in machine.items():
        console.out(f"{name:18}{'unknown' if value is None else value}")
    console.out(f"{'load':18}{report['busy_percent']:.0f} % of the cores")
    for name, unit in _SURROUNDINGS.items():
        value = report["surroundings"][name]
        title = name.rpartition("_")[0].replace("_", " ")
        console.out(f"{title:18}{'unknown' if value is None else f'{value:.3g} {unit}'}")
    if loadgen is None:
        console.out(
            "LoadGen           missing: pip install mlcommons-loadgen (x86-64 or macOS, Python 3.11 to 3.13)"
        )
    else:
        known = loadgen["round"] or "an unknown round"
        console.out(f"LoadGen           {loadgen['version']}, seeds of {known}")
    for adapter in report["adapters"]:
        console.out(f"adapter           {adapter['name']}: {adapter['runtime']}")
    for meter in report["power_meters"]:
        console.out(f"{'power meter':18}{meter['name']} ({meter['verified']}): {meter['state']}")
    for warning in report["warnings"]:
        console.out(f"warning           {warning}")
