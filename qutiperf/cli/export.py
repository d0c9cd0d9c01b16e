"""`qutiperf export`: copies of the shipped files for editing, or the device server as one file."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError


def export(
    folder: Annotated[
        Path | None, typer.Argument(help="The new folder for copies of scenarios/, sut/, audit/, reports/.")
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
) -> None:
    """Copy the shipped files for editing, or write the device server for a board as one file.

    The device server needs Python 3.9 or newer, numpy and the adapter's runtime. With --sut and --workload it
    includes the configuration and the model.
    """
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
