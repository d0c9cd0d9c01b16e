"""`qutiperf adapter new|test`: create an adapter, and check that it follows the contract."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console

app = typer.Typer(no_args_is_help=True, help="Write an adapter for your accelerator, and test it.")


@app.command("new")
def start(
    name: Annotated[str, typer.Argument(help="Name of the adapter: letters, digits, - or _.")],
    folder: Annotated[Path, typer.Option("--folder", help="The folder to write to.")] = Path(),
) -> None:
    """Write an adapter, its SUT file and its test from the shipped example, ready to run."""
    from qutiperf.conformance.scaffold import write

    module, system, test = write(name, folder)
    console.out(f"wrote {module}, {system} and {test}; next:")
    console.out(f"  qutiperf adapter test {system}")
    console.out(f"  qutiperf run quickstart --set suts={system} --set workloads=digits-mlp-25-fp32")


@app.command("test")
def keeps_to_the_contract(
    sut: Annotated[str, typer.Argument(help="A SUT file, or a name from `list suts`.")],
    workload: Annotated[
        str | None, typer.Option("--workload", help="Default: a shipped digits model that it loads.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the JSON to this file.")] = None,
) -> int:
    """Check an adapter: ids, threads, batches, labels, layout, time, caching, memory, reload.

    Exit code 1 if a check fails.
    """
    from qutiperf.conformance.kit import job_for, run_kit
    from qutiperf.errors import InputError

    if out is not None and (out.exists() or not out.parent.is_dir()):
        raise InputError(
            "exists already, or its folder does not exist", where=str(out), cure="name another file"
        )
    report = run_kit(job_for(sut, workload), lambda check: console.note(f"checking {check}"))
    written = {**report.model_dump(mode="json"), "passed": report.passed}
    if out is not None:
        import json

        out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if as_json:
        console.out_json(written)
    else:
        rows = [[each.check, each.verdict, each.calls, each.seen] for each in report.findings]
        title = f"{report.sut} with {report.workload}, {report.seconds:.0f} s"
        console.table(title, ("check", "verdict", "calls", "seen"), rows)
    return 0 if report.passed else 1
