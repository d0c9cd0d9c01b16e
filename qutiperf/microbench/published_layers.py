"""Published layers and blocks of ResNet-50 beside measured ones of the same shape."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from qutiperf.errors import InputError
from qutiperf.level0.scores import correlation
from qutiperf.microbench.measured_parts import MeasuredPart
from qutiperf.microbench.stacks import Stacks
from qutiperf.spec import catalog
from qutiperf.spec.block import Block
from qutiperf.spec.layer import Convolution
from qutiperf.units import MILLISECONDS_PER_SECOND

FOLDER = "reports/reference"
_MEGA = 1e6
_STAGES: Mapping[str, tuple[int, int]] = {"2": (64, 56), "3": (128, 28), "4": (256, 14), "5": (512, 7)}


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """One published row: a convolution of ResNet-50 or one of its blocks, and its shape.

    The shape of a convolution is (in, out, output size, kernel, stride), that of a block (in, out, output
    size, stride). Figures are None where they are not legible.
    """

    name: str
    sut: str
    operating_mode: str
    datatype: str
    batch_size: int
    streams: int
    shape: tuple[int, ...]
    mop: float
    latency_ms: float | None
    gops: float | None
    caveats: tuple[str, ...]

    @property
    def device(self) -> str:
        mode = "" if self.operating_mode == "default" else f" {self.operating_mode}"
        streams = f" {self.streams} streams" if self.streams > 1 else ""
        return f"{self.sut}{mode} {self.datatype}{streams}"


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """A published row beside the measured part of its shape and batch size, with what its stacks show."""

    part: str
    device: str
    batch_size: int
    published_ms: float | None
    published_gops: float | None
    measured_datatype: str
    measured_ms: float
    measured_gops: float
    marginal_latency_ms: float | None
    edge_latency_ms: float | None
    excess: float | None
    caveats: str


@dataclass(frozen=True, slots=True)
class DeviceAgreement:
    """Whether the same parts are slow on both: rank correlation of GOP/s, None for less than three."""

    device: str
    measured_datatype: str
    batch_size: int
    n: int
    spearman: float | None
    published_over_measured: float


@cache
def published_parts() -> tuple[PublishedPart, ...]:
    """208 layers and 384 blocks, in the order of the tables."""
    folder = catalog.root() / FOLDER
    layers = [_published(row, _shape_of_layer(row)) for row in _rows(folder / "qutibench_layers.csv")]
    blocks = [
        _published(row, _shape_of_block(row["block"])) for row in _rows(folder / "qutibench_blocks.csv")
    ]
    return (*layers, *blocks)


def compare_parts(parts: Sequence[MeasuredPart], where: str) -> list[ComparedPart]:
    """Every published row whose shape and batch size were measured; raises InputError if there is none."""
    measured = {
        (shape, part.part.build.datatype): part for part in parts if (shape := _shape_of(part)) is not None
    }
    stacks = Stacks(parts)
    rows = []
    for published in published_parts():
        for (shape, _), part in measured.items():
            seconds = part.seconds.get(published.batch_size)
            if shape == published.shape and seconds is not None:
                rows.append(_compared(published, part, seconds, stacks))
    if not rows:
        cure = "measure some with `qutiperf microbench run resnet50-published`"
        raise InputError("has no published layer or block at a published batch size", where=where, cure=cure)
    return rows


def agreements(rows: Sequence[ComparedPart]) -> list[DeviceAgreement]:
    """One line for each device, datatype and batch size."""
    keys = dict.fromkeys((row.device, row.measured_datatype, row.batch_size) for row in rows)
    return [_agreement(key, rows) for key in keys]


def _agreement(key: tuple[str, str, int], rows: Sequence[ComparedPart]) -> DeviceAgreement:
    same = [
        row
        for row in rows
        if (row.device, row.measured_datatype, row.batch_size) == key and row.published_gops is not None
    ]
    published = np.array([row.published_gops for row in same], np.float64)
    measured = np.array([row.measured_gops for row in same], np.float64)
    ratio = float(np.exp(np.log(published / measured).mean())) if same else float("nan")
    return DeviceAgreement(*key, len(same), correlation(published, measured, "spearman"), ratio)


def _compared(published: PublishedPart, part: MeasuredPart, seconds: float, stacks: Stacks) -> ComparedPart:
    ops = published.mop * _MEGA * published.batch_size
    return ComparedPart(
        part=published.name,
        device=published.device,
        batch_size=published.batch_size,
        published_ms=published.latency_ms,
        published_gops=published.gops,
        measured_datatype=part.part.build.datatype,
        measured_ms=seconds * MILLISECONDS_PER_SECOND,
        measured_gops=ops / seconds / 1e9,
        marginal_latency_ms=stacks.marginal_ms(part.part, part.state, published.batch_size),
        edge_latency_ms=stacks.edge_ms(part.part, part.state, published.batch_size),
        excess=stacks.excess(part.part, part.state, published.batch_size),
        caveats=" ".join(published.caveats),
    )


def _shape_of(part: MeasuredPart) -> tuple[int, ...] | None:
    """As in the published tables; None for anything else than a square convolution or residual block."""
    if part.depth != 1 or part.state != "resident" or part.part.build.sparsity != 0:
        return None
    layer = part.part.parts[0]
    if isinstance(layer, Block) and layer.kind == "residual":
        return (layer.in_channels, layer.out_channels, layer.output_shape[1], layer.stride[0])
    if isinstance(layer, Convolution) and layer.groups == 1 and layer.kernel[0] == layer.kernel[1]:
        sides = (layer.output_shape[1], layer.kernel[0], layer.stride[0])
        return (layer.in_channels, layer.out_channels, *sides)
    return None


def _shape_of_layer(row: Mapping[str, str]) -> tuple[int, ...]:
    names = ("in_channels", "out_channels", "output_size", "kernel", "stride")
    return tuple(int(row[name]) for name in names)


def _shape_of_block(name: str) -> tuple[int, ...]:
    """res3a is the first block of the third stage: it has a stride from there on, and more channels out."""
    channels, size = _STAGES[name[3]]
    out = 4 * channels
    if name[4] != "a":
        return (out, out, size, 1)
    return (64, out, size, 1) if name[3] == "2" else (out // 2, out, size, 2)


def _published(row: Mapping[str, str], shape: tuple[int, ...]) -> PublishedPart:
    return PublishedPart(
        name=row.get("layer") or row["block"],
        sut=row["sut"],
        operating_mode=row["operating_mode"],
        datatype=row["datatype"],
        batch_size=int(row["batch_size"]),
        streams=int(row["streams"]),
        shape=shape,
        mop=float(row["mop"]),
        latency_ms=float(row["compute_latency_ms"]) if row["compute_latency_ms"] else None,
        gops=float(row["compute_gops"]) if row["compute_gops"] else None,
        caveats=tuple(row["caveats"].split()),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
