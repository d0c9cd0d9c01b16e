"""Layers alone beside the same layers in their networks, by the runtime's profiler."""

from collections.abc import Sequence
from dataclasses import dataclass

from qutiperf.errors import InputError
from qutiperf.microbench.measured_parts import MeasuredParts
from qutiperf.microbench.network_layers import NetworkLayers
from qutiperf.microbench.networks import layers_on
from qutiperf.microbench.stacks import Stacks, name_of
from qutiperf.results.record import RunRecord
from qutiperf.units import NANOSECONDS_PER_MILLISECOND, milliseconds


@dataclass(frozen=True, slots=True)
class ProfiledLayer:
    """A layer of a network at a batch size; times in ms, None where it was not measured.

    `alone_ms` is its time alone with resident weights, `alone_nodes_ms` the profiler's for the nodes that
    compute it there, without conversions of its input and output; `marginal_ms` that of one more layer in its
    stacks; `in_network_ms` the profiler's for the nodes that compute it in the network. `difference_ms` is
    what its nodes alone take beyond them, or its time alone where they are not known.
    """

    network: str
    batch_size: int
    layer: str
    node: str
    alone_ms: float | None
    alone_nodes_ms: float | None
    marginal_ms: float | None
    in_network_ms: float
    difference_ms: float | None


@dataclass(frozen=True, slots=True)
class ProfiledNetwork:
    """A network at a batch size: its compute time, the sum of its nodes, and what layers account for.

    Times in ms. `matched_percent` is the share of the profiled time of nodes that a layer stands for, the
    rest being conversions and operators without a layer. `alone_ms` is the sum of these layers alone, None if
    one was not measured.
    """

    network: str
    batch_size: int
    compute_ms: float
    profiled_ms: float
    matched_percent: float
    alone_ms: float | None


def profiled_layers(measured: MeasuredParts, where: str) -> tuple[list[ProfiledNetwork], list[ProfiledLayer]]:
    """Of every measured network with a profile; layers with the largest difference first.

    Raises InputError if there is no profile, or no layer of a network can be found in it.
    """
    profiled = [record for record in measured.networks if record.observed and record.observed.profile]
    if not profiled:
        problem = "has no network with a profile" if measured.networks else "has no measured network"
        cure = "run `qutiperf microbench run --for NETWORK --whole` with ONNX Runtime or OpenVINO"
        raise InputError(problem, where=where, cure=cure)
    stacks = Stacks(measured.parts)
    networks: list[ProfiledNetwork] = []
    layers: list[ProfiledLayer] = []
    read: dict[str, NetworkLayers] = {}
    for record in profiled:
        name = record.point.workload
        if name not in read:
            read[name] = layers_on(record.inputs.workload, record.inputs.sut)
        rows = _layers(record, read[name], stacks)
        networks.append(_network(record, rows))
        layers += rows
    if not layers:
        problem = "no layer of its networks is a node of their profiles"
        raise InputError(problem, where=where, cure="measure them with the installed version of the runtime")
    order = sorted(layers, key=lambda row: -abs(row.difference_ms or 0.0))
    return sorted(networks, key=lambda row: (row.network, row.batch_size)), order


def _layers(record: RunRecord, network: NetworkLayers, stacks: Stacks) -> list[ProfiledLayer]:
    batch, times = _batch(record), _times_ms(record)
    rows = []
    for layer in network.layers:
        nodes = [name for name in layer.runtime_nodes if name in times]
        if not nodes:
            continue
        inside = sum(times[name] for name in nodes)
        alone_ms = milliseconds(stacks.seconds(layer.part, 1, "resident", batch))
        nodes_ms = milliseconds(stacks.computing_s(layer.part, batch))
        compared = alone_ms if nodes_ms is None else nodes_ms
        rows.append(
            ProfiledLayer(
                network=record.point.workload,
                batch_size=batch,
                layer=name_of(layer.part),
                node=" + ".join(nodes),
                alone_ms=alone_ms,
                alone_nodes_ms=nodes_ms,
                marginal_ms=stacks.marginal_ms(layer.part, "resident", batch),
                in_network_ms=inside,
                difference_ms=None if compared is None else compared - inside,
            )
        )
    return rows


def _network(record: RunRecord, rows: Sequence[ProfiledLayer]) -> ProfiledNetwork:
    whole = sum(_times_ms(record).values())
    alone = [row.alone_ms for row in rows]
    return ProfiledNetwork(
        network=record.point.workload,
        batch_size=_batch(record),
        compute_ms=record.figures.compute_latency_p50_ms or 0.0,
        profiled_ms=whole,
        matched_percent=100 * sum(row.in_network_ms for row in rows) / whole if whole else 0.0,
        alone_ms=sum(each for each in alone if each is not None) if None not in alone else None,
    )


def _batch(record: RunRecord) -> int:
    return int(record.point.deployment["batch_size"])


def _times_ms(record: RunRecord) -> dict[str, float]:
    """By the name of the node."""
    times: dict[str, float] = {}
    for node in record.observed.profile if record.observed else []:
        times[node.name] = times.get(node.name, 0.0) + node.time_ns / NANOSECONDS_PER_MILLISECOND
    return times
