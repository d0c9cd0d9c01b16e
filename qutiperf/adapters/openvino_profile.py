"""What OpenVINO reports of a compiled model: its nodes, their types and their times.

Standard library and numpy only, in Python 3.9 syntax.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Optional

from qutiperf.adapters.base import ProfiledNode

if TYPE_CHECKING:
    import openvino

PERF_COUNT = {"PERF_COUNT": "YES"}
_DATATYPES = {
    **{"f32": "fp32", "f16": "fp16", "bf16": "bf16", "u8": "int8", "i8": "int8"},
    **{"u4": "int4", "i4": "int4", "u2": "int2", "i2": "int2"},
}
_FEW_BITS = ("int8", "int4", "int2")
_NOTHING = ("Const", "Input", "Output", "Parameter", "Result")


def run_profiled(request: openvino.InferRequest, repeats: int) -> list[ProfiledNode]:
    """The nodes of a request whose model was compiled with PERF_COUNT, in the order of the runtime model.

    Nodes that were fused into others have no time of their own and are left out.
    """
    request.infer()
    times_ns: dict[str, list[float]] = {}
    for _ in range(repeats):
        request.infer()
        for info in request.get_profiling_info():
            if str(info.status).rpartition(".")[2] == "EXECUTED":
                times_ns.setdefault(info.node_name, []).append(info.real_time.total_seconds() * 1e9)
    nodes = request.get_compiled_model().get_runtime_model().get_ordered_ops()
    return [
        ProfiledNode(name, operator, _computes_in(node), _weights(node), median(times_ns[name]))
        for node in nodes
        if (name := node.get_friendly_name()) in times_ns and (operator := _operator(node)) not in _NOTHING
    ]


def _info(node: openvino.Node, key: str) -> str:
    information = node.get_rt_info()
    return str(information[key].astype(str)) if key in information else ""


def _operator(node: openvino.Node) -> str:
    """Convert for a generated kernel that only converts."""
    operator, sources = _info(node, "layerType"), _info(node, "originalLayersNames").split(",")
    only = operator == "Subgraph" and all(name.startswith("Convert") for name in sources)
    return "Convert" if only else operator


def _computes_in(node: openvino.Node) -> str:
    """By the name of its kernel (brgconv_avx512_amx_bf16), else the type of its first input."""
    kernel = _info(node, "primitiveType").rpartition("_")[2].lower()
    if kernel in _DATATYPES:
        return _DATATYPES[kernel]
    values = node.input_values()
    kind = _output_type(values[0]) if values else _info(node, "outputPrecisions")
    return _DATATYPES.get(kind, kind)


def _output_type(value: openvino.Output) -> str:
    kinds = _info(value.get_node(), "outputPrecisions").split(",")
    return str(kinds[min(value.get_index(), len(kinds) - 1)])


def _weights(node: openvino.Node) -> Optional[str]:
    """The type of constants of few bits among its inputs, perhaps transposed or reordered before."""
    for value in node.input_values()[1:]:
        kind = _DATATYPES.get(_output_type(value), "")
        if kind in _FEW_BITS and _is_constant(value.get_node()):
            return kind
    return None


def _is_constant(node: openvino.Node) -> bool:
    if _info(node, "layerType") == "Const":
        return True
    inputs = [value.get_node() for value in node.input_values()]
    return bool(inputs) and all(_is_constant(each) for each in inputs)
