"""`qutiperf export`: the shipped files for editing, the device server as one file, QuTiBench's columns."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError


def export(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The new folder for copies of scenarios/, sut/, audit/, reports/; see --qutibench."
        ),
    ] = None,
    device: Annotated[
        Path | None, typer.Option(help="Write the device server to this file instead: qutiperf-device.pyz")
    ] = None,
    sut: Annotated[str | None, typer.Option("--sut", help="With --device: the system to include.")] = None,
    workload: Annotated[
        str | None,
        typer.Option("--workload", help="With --device and --sut: the workload whose model to include."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="With --sut: set an adapter option, streams or batch_size, such as threads=4"
        ),
    ] = None,
    qutibench: Annotated[
        Path | None,
        typer.Option(
            help="Write the results FOLDER (or a published table) in QuTiBench's columns to this CSV."
        ),
    ] = None,
) -> None:
    """Copy the shipped files for editing, or write the device server for a board as one file.

    With --qutibench FOLDER is a results folder, whose rows are written in the columns of QuTiBench's portal.
    The device server needs Python 3.9 or newer, numpy and the adapter's runtime. With --sut and --workload it
    includes the configuration and the model.
    """
    if qutibench is not None:
        if folder is None or device or sut or workload or settings:
            cure = "qutiperf export results/mine --qutibench mine.csv"
            raise InputError("goes together with a results folder alone", where="--qutibench", cure=cure)
        _export_qutibench(str(folder), qutibench)
        return
    if (folder is None) == (device is None):
        raise InputError("name a folder or --device FILE", cure="qutiperf export mine")
    if (sut is None) != (workload is None) or (sut and device is None) or (settings and sut is None):
        raise InputError("--sut, --workload and --set go together with --device", cure="give both or none")
    if folder is not None:
        _export_files(folder)
    elif device is not None:
        _export_device(device, sut, workload, settings or [])


def _export_files(folder: Path) -> None:
    from qutiperf.spec import catalog

    for copied in catalog.export(folder):
        console.out(str(copied))
    console.note(f"run an edited sweep with: qutiperf run {folder}/scenarios/sweeps/quickstart.yaml")


def _export_qutibench(source: str, out: Path) -> None:
    """One row a setting, and what the columns cannot hold on standard error."""
    from qutiperf.cli.results import report_damaged
    from qutiperf.errors import SetupError
    from qutiperf.published.qutibench import portal_csv
    from qutiperf.report.portal import portal_results
    from qutiperf.report.sources import read_sources

    if out.exists():
        raise InputError("exists already", where=str(out), cure="name another file")
    sources = read_sources([source])
    report_damaged(sources.damaged)
    rows = portal_results(sources.rows)
    if not rows.results:
        cure = "measure in Offline: the columns have no scenario"
        raise InputError("has no valid Offline run with a throughput", where=source, cure=cure)
    try:
        out.write_text(portal_csv(rows.results), encoding="utf-8")
    except OSError as error:
        out.unlink(missing_ok=True)
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out)) from None
    console.out(str(out))
    console.note(f"{len(rows.results):,} rows; without scenario, percentiles, host, versions and run ids")
    for count, what in (
        (rows.other_scenarios, "of other scenarios are left out"),
        (rows.not_valid, "INVALID, failed or without a throughput are left out"),
        (rows.marked, "are marked (noisy, doubtful); the columns have no mark"),
    ):
        if count:
            console.note(f"{count:,} rows {what}")


def _export_device(device: Path, sut: str | None, workload: str | None, settings: list[str]) -> None:
    from qutiperf.device_file import configuration_for, pack_device
    from qutiperf.spec.config import apply_overrides
    from qutiperf.spec.sut import load_sut
    from qutiperf.spec.workload import load_workload

    if device.exists():
        raise InputError("exists already", where=str(device), cure="name another file")
    with tempfile.TemporaryDirectory(prefix="qutiperf-") as name:
        packed = None
        if sut is not None and workload is not None:
            changes = apply_overrides({}, settings)
            packed = configuration_for(load_sut(sut)[0], load_workload(workload)[0], Path(name), changes)
        pack_device(device, packed)
    console.out(str(device))
    flags = "" if packed else " --adapter ... (see --help)"
    console.note(f"on the device: python3 {device.name} --host 0.0.0.0{flags}")
