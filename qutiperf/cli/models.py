"""`qutiperf models list|build`: networks built in code."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console

app = typer.Typer(no_args_is_help=True, help="Networks built in code, with seeded random weights.")


@app.command("list")
def list_topologies(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the topologies with their published input size and source."""
    from qutiperf.models.topologies import TOPOLOGIES

    rows = [
        {"topology": name, "input_pixels": entry.input_size, "source": entry.source}
        for name, entry in TOPOLOGIES.items()
    ]
    if as_json:
        console.out_json(rows)
    else:
        console.table("", ("topology", "input pixels", "source"), [list(row.values()) for row in rows])


@app.command("build")
def build(
    topology: Annotated[str, typer.Argument(help="A name from `models list`.")],
    out: Annotated[Path, typer.Option("--out", help="The ONNX file to write.")],
    scale: Annotated[
        float, typer.Option("--scale", help="Channels in percent of the published number.")
    ] = 100.0,
    size: Annotated[
        int | None, typer.Option("--size", help="Height and width of the input in pixels.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="A fixed batch size; default: any.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random weights.")] = 1,
) -> None:
    """Write a network with random weights as ONNX: realistic speed, no meaningful accuracy."""
    from qutiperf.models.topologies import write

    write(out, topology, scale, size, "batch" if batch is None else batch, seed)
    console.out(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
