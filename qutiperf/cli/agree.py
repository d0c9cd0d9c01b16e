"""`qutiperf agree WORKLOAD --sut A --sut B`: compare the answers of several systems."""

from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.conformance.agree import Agreement, Answers

_SHOWN = 8


def agree(
    workload: Annotated[str, typer.Argument(help="A shipped workload or a workload file.")],
    sut: Annotated[
        list[str], typer.Option("--sut", help="Two or more systems; the first one is the reference.")
    ],
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 32,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Number of samples to compare, from the first one on; default: all."),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0, max=100, help="Percentage of samples that must get the same label.")
    ] = 99.0,
    time_limit: Annotated[float, typer.Option(min=1, help="Time limit for each system, in seconds.")] = 600.0,
    as_json: bool = typer.Option(False, "--json", help="Print an array with one object per system."),
) -> int:
    """Compare the answers of several systems to the same samples; exit code 1 if too many labels differ.

    Speeds are only comparable between systems with the same answers.
    """
    from qutiperf.conformance.agree import ask, compare
    from qutiperf.errors import InputError
    from qutiperf.run.pairing import pair
    from qutiperf.spec.sut import load_sut
    from qutiperf.spec.workload import load_workload

    if len(sut) < 2:
        raise InputError("--sut: name two systems or more", cure="--sut cpu-onnxruntime --sut cpu-openvino")
    loaded, _ = load_workload(workload)
    pairings = [pair(load_sut(name)[0], loaded) for name in sut]
    answers = []
    for pairing in pairings:
        console.note(f"running {pairing.sut.name}")
        answers.append(ask(pairing, batch, count, time_limit))
    compared = [None, *(compare(answers[0], other) for other in answers[1:])]
    rows = [_row(each, agreement) for each, agreement in zip(answers, compared, strict=True)]
    if as_json:
        console.out_json(rows)
    else:
        _print(loaded.name, rows)
    return _verdict(rows, at_least)


def _verdict(rows: list[dict[str, object]], at_least: float) -> int:
    """1 if a system gives too many samples another label; prints which system."""
    below = [
        row for row in rows if isinstance(share := row["same_label_percent"], float) and share < at_least
    ]
    for row in below:
        same = f"{row['same_label_percent']:.4g} % of the labels agree with {rows[0]['sut']}"
        console.error(f"{row['sut']}: {same}, fewer than --at-least {at_least:g}; do not compare their speed")
    return int(bool(below))


def _row(each: "Answers", agreement: "Agreement | None") -> dict[str, object]:
    return {
        "sut": each.sut,
        "model": each.model,
        "adapter": each.adapter,
        "samples": each.count,
        "top1_percent": each.top1_percent,
        "same_label_percent": agreement.same_label_percent if agreement else None,
        "largest_output_difference": agreement.largest_difference if agreement else None,
        "differing_samples": agreement.differing if agreement else None,
    }


def _print(workload: str, rows: list[dict[str, object]]) -> None:
    titles = ["sut", "model", "samples", "top-1 %", "same label %", "largest difference", "differing samples"]
    shown = [
        [
            row["sut"],
            row["model"],
            row["samples"],
            row["top1_percent"],
            row["same_label_percent"],
            row["largest_output_difference"],
            _some(row["differing_samples"]),
        ]
        for row in rows
    ]
    console.table(f"{workload}, compared with {rows[0]['sut']}", titles, shown)


def _some(indices: object) -> str | None:
    if not isinstance(indices, list):
        return None
    more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
    return ", ".join(map(str, indices[:_SHOWN])) + more if indices else "none"
