"""`qutiperf serve`: the device side, on this machine."""

import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console


def serve(
    sut: Annotated[str, typer.Option("--sut", help="The system to serve: a shipped name or a file.")],
    workload: Annotated[str, typer.Option("--workload", help="Whose model: a shipped name or a file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An adapter option, streams or batch_size: threads=2"),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8123,
    token_file: Annotated[str, typer.Option(help="A file with the bearer token requests must carry.")] = "",
    certificate: Annotated[str, typer.Option(help="A PEM file: serve TLS, with --key.")] = "",
    key: Annotated[str, typer.Option(help="The PEM file of its key.")] = "",
) -> None:
    """Expose a system over the Open Inference Protocol, for another machine to measure it.

    Ends with Ctrl-C. On a board without qutiperf use the one file of `qutiperf export --device`.
    """
    from dataclasses import replace

    from qutiperf.device.configuration import check_configuration, loaded_adapters
    from qutiperf.device.server import DeviceServer
    from qutiperf.device_file import configuration_for
    from qutiperf.run.pairing import runnable
    from qutiperf.spec.config import apply_overrides
    from qutiperf.spec.sut import load_sut
    from qutiperf.spec.workload import load_workload

    with tempfile.TemporaryDirectory(prefix="qutiperf-") as folder:
        system, changes = load_sut(sut)[0], apply_overrides({}, settings or [])
        runnable(system)
        found = configuration_for(system, load_workload(workload)[0], Path(folder), changes)
        found = replace(found, host=host, port=port, token_file=token_file, certificate=certificate, key=key)
        check_configuration(found, "flags")
        with loaded_adapters(found) as adapters, DeviceServer(found, adapters) as server:
            if server.warning():
                console.note(f"warning: {server.warning()}")
            sut_file = "--set suts=open-inference --set workloads=" + workload
            with contextlib.suppress(KeyboardInterrupt):
                console.out(f"serving {found.model_name} at {server.url}")
                console.note(f"measure it: qutiperf run quickstart {sut_file}")
                server.serve_forever()
