"""`qutiperf doctor`: the equipment of this machine, and what would disturb a measurement."""

from importlib import metadata
from typing import TypedDict

import typer

from qutiperf.cli import console
from qutiperf.cli.listing import Rows, adapter_rows


class DoctorReport(TypedDict):
    """The output of `qutiperf doctor --json`."""

    host: dict[str, str | int | float | bool | None]
    loadgen: dict[str, str | None] | None
    versions: dict[str, str]
    adapters: Rows
    power_meters: list[str]
    busy_percent: float
    warnings: list[str]


def doctor(as_json: bool = typer.Option(False, "--json", help="Print one JSON object.")) -> int:
    """Check runtimes, meters, cores, governor, load, LoadGen round; exit code 3 if LoadGen is missing."""
    from qutiperf import host
    from qutiperf.run import operating_mode

    undone = operating_mode.undo_left_on()
    machine = host.facts()
    report: DoctorReport = {
        "host": machine,
        "loadgen": _loadgen(),
        "versions": host.versions(),
        "adapters": adapter_rows(),
        "power_meters": [],
        "busy_percent": (busy := host.busy_percent()),
        "warnings": [*undone, *_warnings(machine, busy)],
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


def _print(report: "DoctorReport") -> None:
    machine, loadgen = report["host"], report["loadgen"]
    for name, value in machine.items():
        console.out(f"{name:18}{'unknown' if value is None else value}")
    console.out(f"{'load':18}{report['busy_percent']:.0f} % of the cores")
    if loadgen is None:
        console.out(
            "LoadGen           missing: pip install mlcommons-loadgen (x86-64 or macOS, Python 3.11 to 3.13)"
        )
    else:
        known = loadgen["round"] or "an unknown round"
        console.out(f"LoadGen           {loadgen['version']}, seeds of {known}")
    for adapter in report["adapters"]:
        console.out(f"adapter           {adapter['name']}: {adapter['runtime']}")
    console.out("power meters      not supported yet; power columns stay empty")
    for warning in report["warnings"]:
        console.out(f"warning           {warning}")
