"""`qutiperf serve`: run the device server on this machine."""

import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console


def serve(
    sut: Annotated[str, typer.Option("--sut", help="The system to serve: a shipped name or a file.")],
    workload: Annotated[
        str, typer.Option("--workload", help="The workload whose model to serve: a shipped name or a file.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set an adapter option, streams or batch_size, such as threads=2"),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 selects a free port.")] = 8123,
    token_file: Annotated[
        str, typer.Option(help="A file with the bearer token that requests must have.")
    ] = "",
    certificate: Annotated[
        str, typer.Option(help="PEM file of the certificate; enables TLS, needs --key.")
    ] = "",
    key: Annotated[str, typer.Option(help="PEM file of the certificate's key.")] = "",
) -> None:
    """Serve a system over the Open Inference Protocol, so that another machine can measure it.

    Stop it with Ctrl-C. On a board without qutiperf, use the file from `qutiperf export --device`.
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
        configuration = configuration_for(system, load_workload(workload)[0], Path(folder), changes)
        configuration = replace(
            configuration, host=host, port=port, token_file=token_file, certificate=certificate, key=key
        )
        check_configuration(configuration, "flags")
        with loaded_adapters(configuration) as adapters, DeviceServer(configuration, adapters) as server:
            if server.warning():
                console.note(f"warning: {server.warning()}")
            sut_file = "--set suts=open-inference --set workloads=" + workload
            with contextlib.suppress(KeyboardInterrupt):
                console.out(f"serving {configuration.model_name} at {server.url}")
                console.note(f"measure it: qutiperf run quickstart {sut_file}")
                server.serve_forever()
