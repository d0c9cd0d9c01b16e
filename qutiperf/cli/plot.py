"""`qutiperf plot RESULTS --x ... --y ... --out f.svg`: one figure for a paper."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError
from qutiperf.unverified import UNVERIFIED


def plot(
    results: Annotated[list[str], typer.Argument(help="As for `report`: folders, tables or files.")],
    out: Annotated[Path, typer.Option(help="The picture: .svg, .pdf or .png.")],
    x: Annotated[
        str, typer.Option("--x", help="The figure on the horizontal axis.")
    ] = "system_throughput_ips",
    y: Annotated[str, typer.Option("--y", help="The figure on the vertical axis.")] = "top1_percent",
    where: Annotated[
        list[str] | None, typer.Option(help="Keep rows with this value: task=imagenet; repeatable.")
    ] = None,
) -> None:
    """Draw two figures of merit with their Pareto front; needs `pip install 'qutiperf[plot]'`."""
    from qutiperf.api.figures import plot as draw

    draw(results, x=x, y=y, where=dict(map(_condition, where or [])), out=out)
    console.out_line(str(out))
    console.out(UNVERIFIED)


def _condition(text: str) -> "tuple[str, str | int | float]":
    """`batch_size=8`: a number where the column is one."""
    from qutiperf.report.columns import BY_NAME
    from qutiperf.spec.config import nearest, shortened

    name, sign, value = text.partition("=")
    if not sign or name not in BY_NAME:
        what = f"'{shortened(text, 80)}' is not column=value"
        raise InputError(what, where="--where", cure=nearest(name, BY_NAME))
    if BY_NAME[name].kind == "string":
        return name, value
    try:
        return name, float(value)
    except ValueError:
        raise InputError(f"{name}: '{shortened(value, 80)}' is not a number", where="--where") from None
