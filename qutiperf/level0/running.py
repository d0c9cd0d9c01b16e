"""Runs an ONNX model once for what inference cannot know: shapes made of values, branches, repetitions.

The branch that an If takes and the body of a Loop or Scan are copied beside it, so that their nodes are
counted like any others; If, Loop and Scan stay, as the rest of the model needs their results.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from qutiperf.adapters.onnxruntime_values import value_of
from qutiperf.element_type import BFLOAT16
from qutiperf.errors import RunError
from qutiperf.level0.graph import ObservedTensors, Shapes

if TYPE_CHECKING:
    import onnxruntime

_MOST_DEPTH = 8  # of branches inside branches
_LOOP_INPUTS = 2  # its trip count and condition, before the state
_PREFIX = "qutiperf_seen_"
_BFLOAT16 = "tensor(bfloat16)"
EXPANDED = frozenset({"If", "Loop", "Scan"})
_GIVE_SEQUENCES = frozenset(
    {
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceMap",
        "SplitToSequence",
    }
)
Values = dict[str, NDArray[np.generic]]


@dataclass(slots=True)
class Ran:
    """The model with the bodies that run, what was seen of its tensors, and how often nodes run.

    `expanded` are the nodes whose bodies are beside them, by their first output.
    """

    model: onnx.ModelProto
    observed: ObservedTensors
    times: dict[str, int] = field(default_factory=dict)
    expanded: set[str] = field(default_factory=set)


def has_branches(graph: onnx.GraphProto) -> bool:
    return any(node.op_type in EXPANDED for node in graph.node)


def run_once(path: Path, input_shapes: Shapes, constants: Mapping[str, float]) -> Ran:
    """On the processor, with inputs of zeros, ones for numbers; raises RunError if the model does not run."""
    try:
        model = onnx.load(str(path))
        inputs = _inputs(model.graph, input_shapes, constants)
        times: dict[str, int] = {}
        expanded: set[str] = set()
        open_nodes = [node for node in model.graph.node if node.op_type in EXPANDED]
        for _ in range(_MOST_DEPTH):
            if not open_nodes:
                break
            open_nodes = _copy_bodies(model, open_nodes, inputs, times, expanded)
        tensors = [node for node in model.graph.node if node.op_type not in _GIVE_SEQUENCES]
        names = [name for node in tensors for name in node.output if name]
        seen = _values(model, inputs, names)
    except Exception as error:
        # the file and the runtime may raise anything for values that the model does not expect
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{type(error).__name__}: {reason}", where=path.name) from error
    shapes = {name: array.shape for name, array in seen.items()}
    bits = {name: 8 * array.dtype.itemsize for name, array in seen.items()}
    return Ran(model, ObservedTensors(shapes, bits), times, expanded)


def _inputs(graph: onnx.GraphProto, input_shapes: Shapes, constants: Mapping[str, float]) -> Values:
    weights = {tensor.name for tensor in graph.initializer}
    made: Values = {}
    for value in graph.input:
        if value.name in weights:
            continue
        kind = value.type.tensor_type
        dtype = _array_type(kind.elem_type)
        sizes = input_shapes.get(value.name) or [max(size.dim_value, 1) for size in kind.shape.dim]
        filling: float | str = constants.get(value.name, 0 if len(sizes) else 1)
        made[value.name] = np.full(tuple(sizes), "" if dtype.hasobject else filling, dtype)
    return made


def _array_type(kind: int) -> np.dtype[np.generic]:
    """Of bits for bfloat16, which is 0 as a number too."""
    if kind == onnx.TensorProto.BFLOAT16:
        return np.dtype(np.uint16)
    return np.dtype(helper.tensor_dtype_to_np_dtype(kind))


def _values(model: onnx.ModelProto, inputs: Values, names: Sequence[str]) -> Values:
    """Of tensors by name, through nodes of their own: a name may be an input or a constant as well."""
    import onnxruntime

    observed = copy.deepcopy(model)
    del observed.graph.output[:]
    for number, name in enumerate(names):
        observed.graph.node.append(helper.make_node("Identity", [name], [f"{_PREFIX}{number}"]))
        observed.graph.output.append(onnx.ValueInfoProto(name=f"{_PREFIX}{number}"))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    # without enable_fallback=0 onnxruntime prints an error, and tries the CPU again
    session = onnxruntime.InferenceSession(
        observed.SerializeToString(), options, ["CPUExecutionProvider"], enable_fallback=0
    )
    kinds = {each.name: each.type for each in session.get_inputs()}
    given = {name: array for name, array in inputs.items() if name in kinds}
    if _BFLOAT16 in [*kinds.values(), *(each.type for each in session.get_outputs())]:
        values: Sequence[object] = _run_with_bfloat16(session, given, kinds)
    else:
        values = session.run(None, given)
    return {name: array for name, array in zip(names, values, strict=True) if isinstance(array, np.ndarray)}


def _run_with_bfloat16(
    session: "onnxruntime.InferenceSession", given: Values, kinds: Mapping[str, str]
) -> list[object]:
    """numpy has no such arrays: of an output only its shape, in arrays of as many bits."""
    values = {
        name: value_of(array, BFLOAT16 if kinds[name] == _BFLOAT16 else "") for name, array in given.items()
    }
    names = [each.name for each in session.get_outputs()]
    return [
        np.zeros(tuple(value.shape()), np.uint16)
        if value.is_tensor() and value.data_type() == _BFLOAT16
        else value.numpy()
        if value.is_tensor()
        else None
        for value in session.run_with_ort_values(names, values)
    ]


def _copy_bodies(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Values,
    times: dict[str, int],
    expanded: set[str],
) -> list[onnx.NodeProto]:
    """Puts what each node runs before it; returns the If, Loop and Scan among those."""
    requested = [name for node in nodes for name in (*_deciding(node), *node.output) if name]
    seen = _values(model, inputs, list(dict.fromkeys(requested)))
    inner: list[onnx.NodeProto] = []
    for node in nodes:
        body = _body(node, seen)
        if body is None:
            continue
        expanded.add(node.output[0])
        repeated = times.get(node.output[0], 1) * _trips(node, seen)
        copied = list(_copied(model.graph, node, body, f"{node.output[0]}/"))
        place = list(model.graph.node).index(node)
        rest = list(model.graph.node)[place:]
        del model.graph.node[place:]
        model.graph.node.extend([*copied, *rest])
        times.update({each.output[0]: repeated for each in copied if each.output})
        last = model.graph.node[place : place + len(copied)]
        inner += [each for each in last if each.op_type in EXPANDED]
    return inner


def _body(node: onnx.NodeProto, seen: Values) -> onnx.GraphProto | None:
    graphs: dict[str, onnx.GraphProto] = {attribute.name: attribute.g for attribute in node.attribute}
    if node.op_type == "Loop":
        return graphs["body"]
    if node.op_type == "Scan":  # before opset 9 it had another first input, and a batch
        return graphs["body"] if len(node.input) == len(graphs["body"].input) else None
    condition = seen.get(node.input[0])
    return None if condition is None else graphs["then_branch" if condition.any() else "else_branch"]


def _trips(node: onnx.NodeProto, seen: Values) -> int:
    """The length of what it stacks, else its limit; of a Scan that of its first sequence; 1 if not known."""
    if node.op_type == "Scan":
        name, axis = _sequences(node)[0]
        return int(seen[name].shape[axis]) if name in seen else 1
    if node.op_type != "Loop":
        return 1
    states = len(node.input) - _LOOP_INPUTS
    stacked = [seen[name] for name in node.output[states:] if name in seen]
    if stacked:
        return int(stacked[0].shape[0])
    limit = seen.get(node.input[0]) if node.input[0] else None
    return int(limit.item()) if limit is not None and limit.size == 1 and 0 < limit.item() < 1 << 31 else 1


def _deciding(node: onnx.NodeProto) -> Sequence[str]:
    """The inputs that decide what runs, and how often."""
    return list(node.input if node.op_type == "Scan" else node.input[:1])


def _sequences(node: onnx.NodeProto) -> list[tuple[str, int]]:
    """The sequences that a Scan goes through, each with its axis: the last of its inputs."""
    numbers = {each.name: each for each in node.attribute}
    count = int(numbers["num_scan_inputs"].i)
    axes = list(numbers["scan_input_axes"].ints) if "scan_input_axes" in numbers else [0] * count
    return list(zip(node.input[-count:], axes, strict=True))


def _copied(
    graph: onnx.GraphProto, node: onnx.NodeProto, body: onnx.GraphProto, prefix: str
) -> Iterator[onnx.NodeProto]:
    """The body's nodes under names of their own; that of a Loop or Scan sees what its first round sees."""
    own = [name for each in body.node for name in each.output] + [each.name for each in body.initializer]
    names = {name: prefix + name for name in own if name}
    for tensor in body.initializer:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = names[tensor.name]
    if node.op_type == "Loop":
        number, condition = (f"{prefix}{each}" for each in ("round", "condition"))
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), number))
        graph.initializer.append(numpy_helper.from_array(np.array(True), condition))
        given = [number, condition, *node.input[_LOOP_INPUTS:]]
        names |= {each.name: name for each, name in zip(body.input, given, strict=True)}
    if node.op_type == "Scan":
        sequences = _sequences(node)
        index = f"{prefix}round"
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), index))
        outside = list(node.input[: -len(sequences)])
        for name, axis in sequences:
            outside.append(f"{prefix}element/{len(outside)}")
            yield helper.make_node("Gather", [name, index], outside[-1:], axis=axis)
        names |= {each.name: name for each, name in zip(body.input, outside, strict=True)}
    for each in body.node:
        copied = copy.deepcopy(each)
        _rename(copied, names)
        copied.name = ""  # each name may be there once
        yield copied


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Also in the bodies inside, which may use names from outside."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for each in attribute.g.node:
                _rename(each, names)
            for value in attribute.g.output:
                value.name = names.get(value.name, value.name)
