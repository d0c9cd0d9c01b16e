"""The nodes of an ONNX model that a runtime computes together, read from the runtime's own graph."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import onnx

from qutiperf.adapters.openvino_checks import needed_properties
from qutiperf.adapters.openvino_options import Options
from qutiperf.adapters.registry import adapter_class, make_options
from qutiperf.errors import SetupError

# layers in the runtime's blocked layout have tensors of their own; the node's name keeps that of the output
_REPLACED = re.compile(r"_token_\d+$")  # the end of the name of a node that takes the place of another
_BLOCKED = re.compile(r"(.+)_nchwc(?:_\w+)?")
# operators that runtimes compute together with the layer before them
FOLLOWERS = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Elu"),
        *("Add", "Mul", "Sub", "Div", "Erf", "BatchNormalization"),
    }
)
MOVES = frozenset(
    {
        *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Pad", "Cast", "Dropout"),
        *("QuantizeLinear", "DequantizeLinear", "Concat", "Split", "Slice", "Constant", "Shape", "Gather"),
    }
)


@dataclass(frozen=True, slots=True)
class Fusion:
    """For each node of the model, by position, the number of the runtime's node that computes it.

    None for nodes that the runtime removed or that cannot be traced back. `runtime` says whose graph
    it is, `nodes` how many nodes the runtime has, `names` which of its nodes compute the same
    tensors, by their number: a layer, and the conversion of its output.
    """

    runtime: str
    group_of: tuple[int | None, ...]
    nodes: int
    names: tuple[tuple[str, ...], ...] = ()


def fusion_of(model: onnx.ModelProto, adapter: str, options: Mapping[str, object]) -> Fusion | None:
    """The runtime's fusion of a model with weights; None for a runtime whose graph cannot be read.

    Raises SetupError if the runtime does not load the model.
    """
    read = _READERS.get(adapter)
    return None if read is None else read(model, options)


def _onnxruntime(model: onnx.ModelProto, options: Mapping[str, object]) -> Fusion:
    """ONNX Runtime writes the graph that it runs."""
    import onnxruntime

    levels = onnxruntime.GraphOptimizationLevel
    with tempfile.TemporaryDirectory() as folder:
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        settings.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        if options.get("graph_optimization_level") == "disabled":
            settings.graph_optimization_level = levels.ORT_DISABLE_ALL
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), settings, ["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:
            # a class of its own for each status code, all derived from Exception
            raise SetupError(f"onnxruntime cannot load it: {str(error)[:200]}") from error
        optimised = onnx.load(settings.optimized_model_filepath, load_external_data=False)
    known = {name for node in model.graph.node for name in node.output}
    owners = _owners(model)
    named = {node.name: node.output[0] for node in model.graph.node if node.name}
    claims = [_claimed(node, known, owners, named) for node in optimised.graph.node]
    names = _same([node.name for node in optimised.graph.node], claims)
    return Fusion("onnxruntime", grouped(model, claims), len(claims), names)


def _same(names: Sequence[str], claims: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """For each runtime node, the names of all that compute one of its tensors."""
    by_tensor: dict[str, list[str]] = {}
    for name, tensors in zip(names, claims, strict=True):
        for tensor in tensors:
            by_tensor.setdefault(tensor, []).append(name)
    return tuple(
        tuple(dict.fromkeys(name for tensor in tensors for name in by_tensor[tensor])) for tensors in claims
    )


def _owners(model: onnx.ModelProto) -> dict[str, str]:
    """For each constant that one layer uses, perhaps dequantised, the output of that layer."""
    users: dict[str, list[str]] = {}
    through: dict[str, str] = {}
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            through[node.output[0]] = node.input[0]
            continue
        for name in node.input:
            stored = through.get(name, name)
            if stored in constants:
                users.setdefault(stored, []).append(node.output[0])
    return {name: outputs[0] for name, outputs in users.items() if len(outputs) == 1}


def _claimed(
    node: onnx.NodeProto, known: set[str], owners: Mapping[str, str], named: Mapping[str, str]
) -> list[str]:
    """The tensors of the original model that an optimised node computes."""
    outputs = [name for name in node.output if name in known]
    if outputs:
        return outputs
    blocked = _BLOCKED.fullmatch(node.name)
    if blocked and blocked[1] in known:
        return [blocked[1]]
    owned = list(dict.fromkeys(owners[name] for name in node.input if name in owners))[:1]
    renamed = named.get(_REPLACED.sub("", node.name))
    return owned or ([renamed] if renamed is not None else [])


def _openvino(model: onnx.ModelProto, options: Mapping[str, object]) -> Fusion:
    """OpenVINO's runtime model names the layers that each of its nodes was made of."""
    import openvino

    core = openvino.Core()
    chosen = cast("Options", make_options(adapter_class("openvino"), dict(options), "openvino"))
    try:
        properties = needed_properties(core, chosen)
        compiled = core.compile_model(core.read_model(model.SerializeToString()), chosen.device, properties)
    except RuntimeError as error:
        raise SetupError(f"openvino cannot compile it: {str(error)[:200]}") from error
    runtime = compiled.get_runtime_model()
    by_name: dict[str, int] = {}
    for number, node in enumerate(model.graph.node):
        by_name.update(dict.fromkeys([*([node.name] if node.name else []), *node.output], number))
    members: list[list[int]] = []
    called: list[tuple[str, ...]] = []
    for node in runtime.get_ordered_ops():
        info = node.get_rt_info()
        text = str(info["originalLayersNames"].astype(str)) if "originalLayersNames" in info else ""
        names = [name if name in by_name else name.rpartition("/")[0] for name in text.split(",")]
        members.append([by_name[name] for name in names if name in by_name])
        called.append((node.get_friendly_name(),))
    group_of: list[int | None] = [None] * len(model.graph.node)
    for number, positions in enumerate(members):
        for position in positions:
            group_of[position] = number if group_of[position] is None else group_of[position]
    return Fusion("openvino", tuple(group_of), len(members), tuple(called))


Reader = Callable[[onnx.ModelProto, Mapping[str, object]], Fusion]
_READERS: Mapping[str, Reader] = {"onnxruntime": _onnxruntime, "openvino": _openvino}


def grouped(model: onnx.ModelProto, claims: Sequence[Sequence[str]]) -> tuple[int | None, ...]:
    """The group of each node, from the tensors that the runtime's nodes compute.

    A node whose output no runtime node computes belongs to the one that follows it, up to and including the
    layer that activation functions and additions follow; those that are left over were fused into the node
    before them, and any other node is a group of its own.
    """
    nodes = list(model.graph.node)
    producer = {name: number for number, node in enumerate(nodes) for name in node.output}
    claimed = {name: group for group, names in enumerate(claims) for name in names}
    group_of: list[int | None] = [None] * len(nodes)
    for name, group in claimed.items():
        group_of[producer[name]] = group
    for name, group in claimed.items():
        _absorb(nodes, producer, group_of, producer[name], group)
    for number, node in enumerate(nodes):
        if group_of[number] is None and node.op_type not in MOVES | FOLLOWERS:
            group_of[number] = len(claims) + number
        if group_of[number] is None and node.op_type in FOLLOWERS:
            before = [producer[name] for name in node.input if name in producer]
            known = [position for position in before if group_of[position] is not None]
            group_of[number] = group_of[max(known)] if known else None
    return tuple(group_of)


def _absorb(
    nodes: Sequence[onnx.NodeProto],
    producer: Mapping[str, int],
    group_of: list[int | None],
    root: int,
    group: int,
) -> None:
    """Gives the unclaimed nodes before `root` its group; beyond the layer only those that move data."""
    waiting = [(root, nodes[root].op_type not in FOLLOWERS | MOVES)]
    while waiting:
        number, beyond = waiting.pop()
        for name in nodes[number].input:
            before = producer.get(name)
            if before is None or group_of[before] is not None:
                continue
            operator = nodes[before].op_type
            if beyond and operator not in MOVES:
                continue
            group_of[before] = group
            waiting.append((before, beyond or operator not in FOLLOWERS | MOVES))
