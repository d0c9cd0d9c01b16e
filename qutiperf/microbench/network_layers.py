"""The layers of a network, fused as its runtime fuses them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
from pydantic import JsonValue, ValidationError

from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.graph import Graph, Shapes, read_graph
from qutiperf.level0.requirements import LayerRequirement
from qutiperf.microbench.fusion import MOVES, Fusion
from qutiperf.microbench.node_layers import (
    ACTIVATIONS,
    FEW_BITS,
    LAYERS_OF_NODES,
    WEIGHTS_OF_BITS,
    Data,
    ShapedNode,
)
from qutiperf.spec.build import DatatypeName
from qutiperf.spec.part import BuiltPart

_DENSE = ("Gemm", "MatMul", FEW_BITS)
_BITS: Mapping[int, DatatypeName] = {32: "fp32", 8: "int8"}
# operators that are layers of their own, whatever they are computed together with
_STARTS = frozenset(
    {
        *("Conv", "Gemm", "MatMul", FEW_BITS, "MaxPool", "AveragePool", "GlobalAveragePool", "LSTM", "GRU"),
        *("Softmax", "LayerNormalization", "SkipLayerNormalization"),
    }
)


@dataclass(frozen=True, slots=True)
class NetworkLayer:
    """One node of the runtime: the layer that stands for it, in its datatype, with its requirements.

    `ops` counts all arithmetic of one input, `elements` the activations that it reads and writes.
    `runtime_nodes` are the nodes that compute it in the runtime, empty where they are not known.
    """

    name: str
    part: BuiltPart
    ops: float
    weights: float
    elements: float
    runtime_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkLayers:
    """A network as layers; `uncovered` has the share of operations of operators that no layer stands for.

    `runtime` is None where the fusion could not be read: every node is then on its own. `edges` are pairs of
    positions in `layers`, of a layer and one that takes its output as its only input.
    """

    name: str
    layers: tuple[NetworkLayer, ...]
    uncovered: Mapping[str, float]
    runtime: str | None
    weight_bytes: float
    edges: tuple[tuple[int, int], ...] = ()

    @property
    def pairs(self) -> list[tuple[NetworkLayer, NetworkLayer]]:
        """Layers that follow each other and differ."""
        pairs = [(self.layers[first], self.layers[second]) for first, second in self.edges]
        return [(first, second) for first, second in pairs if first.part != second.part]

    @property
    def distinct(self) -> list[tuple[BuiltPart, int]]:
        """Each layer once, with the times that the network has it."""
        counts: dict[str, list[BuiltPart]] = {}
        for layer in self.layers:
            counts.setdefault(layer.part.model_dump_json(), []).append(layer.part)
        return [(parts[0], len(parts)) for parts in counts.values()]


def layers_of_model(
    model: onnx.ModelProto, name: str, shapes: Shapes | None, fusion: Fusion | None
) -> NetworkLayers:
    """Raises InputError for shapes that cannot be inferred."""
    graph = read_graph(model, name, shapes)
    counted = {layer.name: layer for layer in requirements_of_model(model, name, shapes).layers}
    groups = _groups(graph, fusion)
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    sixteen: DatatypeName = "bf16" if onnx.TensorProto.BFLOAT16 in kinds else "fp16"
    layers: list[NetworkLayer] = []
    uncovered: dict[str, float] = {}
    made: dict[str, int] = {}
    taken: list[list[str]] = []
    for runtime_nodes, nodes in groups:
        found = _Group(graph, nodes, counted, sixteen)
        part = found.part()
        if part is not None:
            made.update(dict.fromkeys((output for node in nodes for output in node.output), len(layers)))
            taken.append(found.inputs())
            layers.append(found.layer(part, runtime_nodes))
        else:
            for operator, ops in found.operations().items():
                uncovered[operator] = uncovered.get(operator, 0.0) + ops
    total = sum(layer.ops for layer in layers) + sum(uncovered.values())
    shares = {operator: 100 * ops / total for operator, ops in uncovered.items() if total}
    stored = sum(layer.weights * layer.part.build.weight_bytes for layer in layers)
    edges = tuple(_edges(graph, layers, made, taken))
    return NetworkLayers(name, tuple(layers), shares, fusion.runtime if fusion else None, stored, edges)


def _edges(
    graph: Graph, layers: Sequence[NetworkLayer], made: Mapping[str, int], taken: Sequence[Sequence[str]]
) -> Iterator[tuple[int, int]]:
    """Where the one input of a layer is the output of another, perhaps moved in between."""
    producers = {output: node for node in graph.nodes for output in node.output}
    for second, names in enumerate(taken):
        source = names[0] if len(names) == 1 else None
        while source is not None and source not in made:
            before = producers.get(source)
            source = before.input[0] if before is not None and before.op_type in MOVES else None
        if source is None or made[source] == second:
            continue
        first = made[source]
        if layers[second].part.parts[0].input_shapes == [layers[first].part.parts[-1].output_shape]:
            yield first, second


def _groups(graph: Graph, fusion: Fusion | None) -> list[tuple[tuple[str, ...], list[onnx.NodeProto]]]:
    """Nodes that are computed together and those of the runtime, in the order of their first one."""
    if fusion is None:
        return [((), [node]) for node in graph.nodes]
    members: dict[object, list[onnx.NodeProto]] = {}
    for number, (node, group) in enumerate(zip(graph.nodes, fusion.group_of, strict=True)):
        members.setdefault(("alone", number) if group is None else group, []).append(node)
    return [
        (names if len(split) == 1 else (), part)
        for key, nodes in members.items()
        for names in [fusion.names[key] if isinstance(key, int) and key < len(fusion.names) else ()]
        for split in [_split(nodes)]
        for part in split
    ]


def _split(nodes: Sequence[onnx.NodeProto]) -> list[list[onnx.NodeProto]]:
    """The layers of a node that computes several, such as a whole perceptron or attention."""
    parts: list[list[onnx.NodeProto]] = [[]]
    begun = False
    for node in nodes:
        if node.op_type in _STARTS and begun:
            parts.append([])
        begun = begun or node.op_type in _STARTS
        parts[-1].append(node)
    return parts


class _Group:
    """The nodes of one group of a graph, and the layer that they are."""

    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[onnx.NodeProto],
        counted: Mapping[str, LayerRequirement],
        sixteen: DatatypeName,
    ) -> None:
        self._graph, self._nodes, self._counted, self._sixteen = graph, nodes, counted, sixteen
        self._work = [node for node in nodes if node.op_type not in MOVES]

    def part(self) -> BuiltPart | None:
        """The layer with its activation function; None for operators without one."""
        if not self._work:
            return None
        main = next((node for node in self._work if node.op_type in LAYERS_OF_NODES), self._work[0])
        data = self._data(main)
        if data is None:
            return None
        activation = self._activation(main)
        if activation != "none" and data["kind"] in ("convolution", "dense", "elementwise"):
            data["activation"] = activation
        try:
            made = BuiltPart.model_validate_json(
                _json({"layer": data, "build": {"datatype": self._datatype(main)}})
            )
        except ValidationError:
            return None  # sizes that a layer cannot have, such as three-dimensional windows
        return made if made.unbuildable is None else None

    def inputs(self) -> list[str]:
        """Tensors that come from outside, without constants."""
        own = {output for node in self._nodes for output in node.output}
        names = [name for node in self._nodes for name in node.input if name and name not in own]
        return list(dict.fromkeys(name for name in names if name not in self._graph.constants))

    def layer(self, part: BuiltPart, runtime_nodes: tuple[str, ...]) -> NetworkLayer:
        known = [self._counted[name] for node in self._work if (name := _name(node)) in self._counted]
        return NetworkLayer(
            name=_name(next((node for node in self._work if node.op_type in LAYERS_OF_NODES), self._work[0])),
            part=part,
            ops=sum(each.ops + each.other_ops for each in known) / self._graph.batch,
            weights=sum(each.weights for each in known),
            elements=sum(
                math.prod(shape) for shape in (*part.parts[0].input_shapes, part.parts[0].output_shape)
            ),
            runtime_nodes=runtime_nodes,
        )

    def operations(self) -> dict[str, float]:
        """By operator; operators that only move data have none."""
        found: dict[str, float] = {}
        for node in self._nodes:
            counted = self._counted.get(_name(node))
            ops = 0.0 if counted is None else counted.ops + counted.other_ops
            found[node.op_type] = found.get(node.op_type, 0.0) + ops
        return {operator: ops for operator, ops in found.items() if operator not in MOVES or ops}

    def _data(self, main: onnx.NodeProto) -> Data | None:
        read = LAYERS_OF_NODES.get(main.op_type)
        shapes = [self._graph.shapes.get(name, ()) for name in main.input]
        output = self._graph.shapes.get(main.output[0], ())
        if read is None or not shapes or not shapes[0] or not output:
            return None
        constants = [name in self._graph.constants for name in main.input]
        return read(ShapedNode(main, shapes, output, constants))

    def _activation(self, main: onnx.NodeProto) -> str:
        followers = [node.op_type for node in self._work if node is not main]
        if "Sigmoid" in followers and "Mul" in followers:
            return "silu"
        return next((ACTIVATIONS[name] for name in followers if name in ACTIVATIONS), "none")

    def _datatype(self, main: onnx.NodeProto) -> DatatypeName:
        """int8 where the layer's input is dequantised, int4 or int2 by the weights of a product, else that of
        its input."""
        if main.op_type in _DENSE and len(main.input) > 1:
            stored = self._graph.constants.get(main.input[1])
            bits = stored.bits if stored is not None else None
            bits = ShapedNode(main, [], (), []).integer("bits") if main.op_type == FEW_BITS else bits
            if bits in WEIGHTS_OF_BITS:
                return WEIGHTS_OF_BITS[bits]
        producers = {name: node for node in self._graph.nodes for name in node.output}
        source = producers.get(main.input[0])
        if source is not None and source.op_type == "DequantizeLinear":
            return "int8"
        bits = self._graph.bits.get(main.input[0], 32)
        return self._sixteen if bits == 16 else _BITS.get(bits, "fp32")


def _name(node: onnx.NodeProto) -> str:
    return node.name or (node.output[0] if node.output else node.op_type)


def _json(data: Mapping[str, JsonValue]) -> str:
    import json

    return json.dumps(data)
