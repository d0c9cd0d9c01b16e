"""`qutiperf microbench layers`, `show`, `evaluate` and `compare`: layers of networks and results of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qutiperf.microbench.evaluation import NetworkPoint, SideScore
    from qutiperf.microbench.measured_parts import MeasuredParts
    from qutiperf.microbench.network_layers import NetworkLayers
    from qutiperf.microbench.stacks import Stacks
    from qutiperf.results.record import RunRecord
    from qutiperf.spec.part import BuiltPart

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SutOption = Annotated[str, typer.Option("--sut", help="A system's name or file.")]
OneSut = Annotated[str | None, typer.Option("--sut", help="Only this system; default: the most measured.")]
DEFAULT_SUT = "cpu-onnxruntime"
MOST_SHOWN = 10


def report_uncovered(names: "Sequence[str]", shares: "Sequence[Mapping[str, float]]") -> None:
    for name, uncovered in zip(names, shares, strict=True):
        if uncovered:
            listed = ", ".join(f"{operator} {share:.1f} %" for operator, share in uncovered.items())
            console.note(f"{name}: no layer stands for {listed} of its operations")


def layers(
    model: Annotated[str, typer.Argument(help="A workload, an .onnx file or a topology (resnet50@50).")],
    sut: SutOption = DEFAULT_SUT,
    measured: Annotated[
        Path | None, typer.Option("--layers", help="A results folder: what was measured of them.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="With --layers: the batch size.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """List the distinct layers of a network as the system's runtime fuses them, and pairs of unlike ones."""
    from qutiperf.microbench.networks import whole_network
    from qutiperf.spec.sut import load_sut

    network = whole_network(model, load_sut(sut)[0]).layers
    stacks = None if measured is None else _stacks(measured, sut)
    rows, pairs = _layer_rows(network, stacks, batch), _pair_rows(network, stacks, batch)
    if as_json:
        console.out_json(
            {
                "network": network.name,
                "fused_by": network.runtime,
                "weight_bytes": network.weight_bytes,
                "uncovered_percent": dict(network.uncovered),
                "layers": [
                    {**row, "part": part.model_dump(mode="json", exclude_none=True)}
                    for row, (part, _) in zip(rows, network.distinct, strict=True)
                ],
                "pairs": pairs,
            }
        )
        return
    fused = f"fused as {network.runtime} does" if network.runtime else "not fused: this runtime is not read"
    title = f"{network.name}: {len(rows)} distinct of {len(network.layers)} layers, {fused}"
    console.table(title, list(rows[0]) if rows else ["layer"], [list(row.values()) for row in rows])
    if pairs:
        titles = list(pairs[0])
        console.table("pairs of unlike layers", titles, [list(row.values()) for row in pairs])
    report_uncovered([network.name], [dict(network.uncovered)])


def _stacks(results: Path, sut: str) -> "Stacks":
    from qutiperf.cli.results import read_results
    from qutiperf.microbench.measured_parts import measured_parts
    from qutiperf.microbench.stacks import Stacks
    from qutiperf.spec.sut import load_sut

    name = load_sut(sut)[0].name
    return Stacks(measured_parts(read_results(results).records, str(results), name).parts)


def _layer_rows(network: "NetworkLayers", stacks: "Stacks | None", batch: int) -> list[dict[str, object]]:
    from qutiperf.spec.microbench import label_of

    rows: list[dict[str, object]] = []
    for part, count in network.distinct:
        same = [layer for layer in network.layers if layer.part == part]
        row = {
            "layer": label_of(part),
            "datatype": part.build.datatype,
            "count": count,
            "mops": same[0].ops / 1e6,
            "weights": int(same[0].weights),
            "first": same[0].name,
        }
        rows.append({**row, **_figures(part, stacks, batch)})
    return rows


def _pair_rows(network: "NetworkLayers", stacks: "Stacks | None", batch: int) -> list[dict[str, object]]:
    from qutiperf.microbench.selection import pair_of
    from qutiperf.microbench.stacks import name_of

    counts: dict[str, int] = {}
    parts = {}
    for first, second in network.pairs:
        pair = pair_of(first.part, second.part)
        if pair is not None:
            parts[pair.digest] = pair
            counts[pair.digest] = counts.get(pair.digest, 0) + 1
    return [
        {
            "pair": name_of(pair),
            "datatype": pair.build.label,
            "count": counts[digest],
            **_figures(pair, stacks, batch),
        }
        for digest, pair in parts.items()
    ]


def _figures(part: "BuiltPart", stacks: "Stacks | None", batch: int) -> dict[str, object]:
    """With resident weights; nothing without measured layers."""
    if stacks is None:
        return {}
    seconds = stacks.seconds(part, 1, "resident", batch)
    return {
        "latency_ms": None if seconds is None else 1e3 * seconds,
        "marginal_latency_ms": stacks.marginal_ms(part, "resident", batch),
        "edge_latency_ms": stacks.edge_ms(part, "resident", batch),
        "excess": stacks.excess(part, "resident", batch),
    }


def show(
    results: Annotated[Path, typer.Argument(help="A results folder with layers.")],
    sut: OneSut = None,
    as_json: JsonOption = False,
) -> None:
    """Show measured layers, stacks and blocks: time, how they ran, and what stacks show of their layers.

    Layers that failed or that the runtime refused are listed with the reason.
    """
    from dataclasses import asdict

    from qutiperf.cli.results import read_results
    from qutiperf.microbench.measured_parts import measured_parts
    from qutiperf.microbench.stacks import part_rows

    records = read_results(results).records
    measured = measured_parts(records, str(results), sut)
    rows = [asdict(row) for row in part_rows(measured.parts)]
    failures = [_failure(record) for record in records if record.failure and sut in (None, record.point.sut)]
    if as_json:
        console.out_json({"conditions": measured.conditions.label, "parts": rows, "failures": failures})
        return
    console.note(f"{measured.conditions.label}; {len(measured.parts)} parts, {measured.failed} failed")
    console.table("", list(rows[0]), [list(row.values()) for row in rows])
    if failures:
        console.table("failed", list(failures[0]), [list(row.values()) for row in failures])


def _failure(record: "RunRecord") -> dict[str, object]:
    from qutiperf.results.derived import ran_as

    part, variant = record.inputs.workload.model.part, record.inputs.workload.variant
    return {
        "part": variant.topology or record.point.workload,
        "datatype": part.build.label if part else variant.weight_datatype,
        "batch_size": record.point.deployment["batch_size"],
        "ran_as": ran_as(record),
        "reason": record.failure.reason if record.failure else None,
    }


def evaluate(
    results: Annotated[Path, typer.Argument(help="A results folder with layers and whole networks.")],
    sut: OneSut = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what layers predict with measured networks, beside level 0, plain sums and the profiler."""
    from qutiperf.cli.results import read_results
    from qutiperf.microbench.evaluation import cause, evaluate_layers, side_scores, worst
    from qutiperf.microbench.measured_parts import measured_parts

    where = str(results)
    measured = measured_parts(read_results(results).records, where, sut)
    if any(isinstance(record.inputs.sut.platform.peaks_tops, dict) for record in measured.networks[:1]):
        console.note("fits level 0 without each network in turn, which takes a while")
    points = evaluate_layers(measured, cache_of(measured.networks), where, refined=True)
    lines = side_scores(points, measured.parts)
    if as_json:
        console.out_json(
            {
                "conditions": measured.conditions.label,
                "networks": len({point.network for point in points}),
                "failed_layers": measured.failed,
                "sides": [_side(line) for line in lines],
                "points": [_point(point) for point in points],
            }
        )
        return
    console.note(f"{measured.conditions.label}; {len(measured.parts)} parts, {measured.failed} failed")
    rows = [_side(line) for line in lines]
    console.table(f"{len(points)} points", list(rows[0]), [list(row.values()) for row in rows])
    last = [
        [point.network, point.batch_size, point.measured_s * 1e3, point.error(point.used), cause(point)]
        for point in worst(points)
    ]
    titles = ["network", "batch", "ms", "predicted / measured", "cause"]
    console.table(f"worst of {points[0].used}, which `level0 predict` uses", titles, last)


def compare(
    results: Annotated[Path, typer.Argument(help="A results folder with layers.")],
    beside: Annotated[
        str,
        typer.Option(
            "--with", help="qutibench: published layers and blocks; profiler: the same in networks."
        ),
    ],
    sut: OneSut = None,
    as_json: JsonOption = False,
) -> None:
    """Set measured layers beside published ones, or beside the same layers inside measured networks."""
    from qutiperf.cli.results import read_results
    from qutiperf.microbench.measured_parts import measured_parts

    if beside not in _COMPARED:
        cure = f"allowed: {', '.join(_COMPARED)}"
        raise InputError(f"no layers named '{beside[:80]}'", where="--with", cure=cure)
    measured = measured_parts(read_results(results).records, str(results), sut)
    _COMPARED[beside](measured, str(results), as_json)


def _with_published(measured: "MeasuredParts", where: str, as_json: bool) -> None:
    from dataclasses import asdict

    from qutiperf.microbench.published_layers import agreements, compare_parts

    rows = compare_parts(measured.parts, where)
    lines = agreements(rows)
    if as_json:
        console.out_json({"rows": [asdict(row) for row in rows], "devices": [asdict(line) for line in lines]})
        return
    console.table("", list(asdict(rows[0])), [list(asdict(row).values()) for row in rows])
    console.table(
        "GOP/s of the same parts", list(asdict(lines[0])), [list(asdict(line).values()) for line in lines]
    )
    console.note("caveats are explained in reports/reference/SOURCES.md")


def _with_profiler(measured: "MeasuredParts", where: str, as_json: bool) -> None:
    from dataclasses import asdict

    from qutiperf.microbench.profiled import profiled_layers

    found, rows = profiled_layers(measured, where)
    networks = [asdict(network) for network in found]
    if as_json:
        console.out_json({"networks": networks, "layers": [asdict(row) for row in rows]})
        return
    console.table("networks", list(networks[0]), [list(row.values()) for row in networks])
    worst = [asdict(row) for row in rows if row.difference_ms is not None][:MOST_SHOWN]
    if worst:
        title = f"the {len(worst)} of {len(rows)} layers that differ most"
        console.table(title, list(worst[0]), [list(row.values()) for row in worst])
    unmeasured = sum(row.difference_ms is None for row in rows)
    if unmeasured:
        console.note(f"{unmeasured} of {len(rows)} layers were not measured alone")


_COMPARED: "Mapping[str, Callable[[MeasuredParts, str, bool], None]]" = {
    "qutibench": _with_published,
    "profiler": _with_profiler,
}


def _side(line: "SideScore") -> dict[str, object]:
    from dataclasses import asdict

    kept = ("n", "gm", "spearman", "within_1_25x_percent")
    scores = {name: value for name, value in asdict(line.scores).items() if name in kept}
    return {"side": line.side, "minutes": line.minutes, **scores, "interval_factor": line.interval_factor}


def _point(point: "NetworkPoint") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(point)


def cache_of(records: "Sequence[RunRecord]") -> float | None:
    """The cache of the system that measured the records."""
    from qutiperf.microbench.suite_plan import cache_bytes

    return cache_bytes(records[0].inputs.sut) if records else None
