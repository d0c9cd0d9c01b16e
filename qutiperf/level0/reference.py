"""Measured points from a CSV file in the schema of reports/reference: the published ones, or others."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.network import Network, network_of
from qutiperf.models.topologies import declare
from qutiperf.spec import catalog

FOLDER = "reports/reference"
REQUIRED = (
    *("sut", "operating_mode", "task", "topology", "channel_scale_percent", "datatype"),
    *("batch_size", "streams", "compute_throughput_ips"),
)
FIGURES = (
    *("system_latency_ms", "compute_latency_ms", "system_throughput_ips", "compute_throughput_ips"),
    *("base_power_w", "idle_power_w", "full_power_w", "top1_percent", "top5_percent"),
)
MILLION, BILLION = 1e6, 1e9
ZCU104_LUTS = 230_400.0  # vendor data sheet


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row; `figures` has the measured figures, `caveats` the known defects."""

    sut: str
    operating_mode: str
    task: str
    topology: str
    channel_scale_percent: float
    datatype: str
    batch_size: int
    streams: int
    figures: Mapping[str, float]
    caveats: tuple[str, ...] = ()

    @property
    def network(self) -> str:
        return f"{self.topology} {self.channel_scale_percent:g} %"

    @property
    def configuration(self) -> tuple[str, str, str, str]:
        """The key of rows that differ only in batch or streams."""
        return (self.sut, self.operating_mode, self.network, self.datatype)

    @property
    def throughput_ips(self) -> float | None:
        return self.figures.get("compute_throughput_ips")


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """Totals as published (GOP, million weights) and the topology of this project that represents it."""

    task: str
    topology: str
    channel_scale_percent: float
    gop: float
    weights_me: float | None
    gop_printed: float | None
    operational_intensity_int8_printed: float | None
    built_topology: str
    built_channel_scale_percent: float

    @property
    def name(self) -> str:
        return f"{self.topology} {self.channel_scale_percent:g} %"


def folder() -> Path:
    return catalog.root() / FOLDER


def read_measurements(path: Path) -> list[Measurement]:
    """Raises InputError for missing columns and for values that are not positive numbers."""
    return [
        _measurement(row, f"{path}: line {number}")
        for number, row in enumerate(_rows(path, REQUIRED), start=2)
    ]


def published_measurements() -> list[Measurement]:
    return read_measurements(folder() / "qutibench_measurements.csv")


@cache
def published_networks() -> Mapping[str, PublishedNetwork]:
    """By name, in the order of the published table."""
    rows = _rows(folder() / "qutibench_networks.csv", ("topology", "gop", "built_topology"))
    return {row.name: row for row in map(_network_row, rows)}


@cache
def network(topology: str, channel_scale_percent: float) -> Network:
    """Layers of a published network scaled to its published totals, or of a topology; raises InputError."""
    name = f"{topology} {channel_scale_percent:g} %"
    published = published_networks().get(name)
    if published is None:
        model = declare(topology, channel_scale_percent)
        return network_of(requirements_of_model(model, name), topology)
    model = declare(published.built_topology, published.built_channel_scale_percent)
    layers = network_of(requirements_of_model(model, name), topology)
    # only the pruned networks have totals that differ from those of their layers
    pruned = published.built_channel_scale_percent != published.channel_scale_percent
    if not pruned or published.weights_me is None:
        return layers
    return layers.matched(published.gop * BILLION, published.weights_me * MILLION)


def share_of_fabric(sut: str, topology: str, channel_scale_percent: float, datatype: str) -> float:
    """LUTs of a published dataflow design over those of the FPGA; 1 for any other."""
    used = luts_used().get((sut, topology, channel_scale_percent, datatype))
    return used / ZCU104_LUTS if used else 1.0


@cache
def luts_used() -> Mapping[tuple[str, str, float, str], float]:
    """LUTs of a dataflow design by (sut, topology, channel scale, datatype)."""
    rows = _rows(folder() / "qutibench_luts.csv", ("sut", "luts_used"))
    return {
        (row["sut"], row["topology"], float(row["channel_scale_percent"]), row["datatype"]): float(
            row["luts_used"]
        )
        for row in rows
    }


def _rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in required if name not in (reader.fieldnames or [])]
            if missing:
                cure = f"columns needed: {', '.join(required)}"
                raise InputError(f"has no column '{missing[0]}'", where=str(path), cure=cure)
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None


def _measurement(row: Mapping[str, str], where: str) -> Measurement:
    figures = {name: value for name in FIGURES if (value := _positive(row, name, where)) is not None}
    return Measurement(
        sut=row["sut"],
        operating_mode=row["operating_mode"] or "default",
        task=row["task"],
        topology=row["topology"],
        channel_scale_percent=_needed(row, "channel_scale_percent", where),
        datatype=row["datatype"],
        batch_size=int(_needed(row, "batch_size", where)),
        streams=int(_needed(row, "streams", where)),
        figures=figures,
        caveats=tuple((row.get("caveats") or "").split()),
    )


def _positive(row: Mapping[str, str], name: str, where: str) -> float | None:
    """The number in a cell, None if it is empty; raises InputError unless it is positive."""
    text = row.get(name) or ""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(
            f"{name}: should be a positive number, not '{text}'", where=where, cure="or leave it empty"
        )
    return value


def _needed(row: Mapping[str, str], name: str, where: str) -> float:
    value = _positive(row, name, where)
    if value is None:
        raise InputError(f"{name}: is empty", where=where, cure="give a positive number")
    return value


def _network_row(row: Mapping[str, str]) -> PublishedNetwork:
    def number(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return PublishedNetwork(
        task=row["task"],
        topology=row["topology"],
        channel_scale_percent=float(row["channel_scale_percent"]),
        gop=float(row["gop"]),
        weights_me=number("weights_me"),
        gop_printed=number("gop_printed"),
        operational_intensity_int8_printed=number("operational_intensity_int8_printed"),
        built_topology=row["built_topology"],
        built_channel_scale_percent=float(row["built_channel_scale_percent"]),
    )
