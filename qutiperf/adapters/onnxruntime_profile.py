"""What ONNX Runtime's profiler reports of a session: its nodes, their types and their times.

Standard library and numpy only, in Python 3.9 syntax.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Optional

from qutiperf.adapters.base import ProfiledNode

DATATYPES = {
    **{"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "uint8": "int8", "int8": "int8"},
    **{"Int4x2": "int4", "UInt4x2": "int4", "Int2x4": "int2", "UInt2x4": "int2"},
}
_SUFFIX = "_kernel_time"
# its packed weights are bytes, and are not listed once they are packed again for the processor
_PACKED = "MatMulNBits"
_FEW_BITS = ("int8", "int4", "int2")


def profiled_nodes(path: str, repeats: int) -> list[ProfiledNode]:
    """Those of a profile of `repeats` calls after one that does not count."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        events = json.load(file)
    calls: dict[str, list[dict[str, object]]] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX):
            calls.setdefault(name[: -len(_SUFFIX)], []).append(event)
    return [_node(name, same, repeats) for name, same in calls.items()]


def _node(name: str, same: list[dict[str, object]], repeats: int) -> ProfiledNode:
    each = len(same) // (repeats + 1)  # more than one for a node inside a loop
    calls = [same[first : first + each] for first in range(each, len(same), max(each, 1))]
    times_us = [sum(float(str(event["dur"])) for event in call) for call in calls]
    arguments = same[0]["args"]
    found = arguments if isinstance(arguments, dict) else {}
    operator = str(found.get("op_name", ""))
    kinds = [_kind(each) for each in found.get("input_type_shape", [])]
    datatype = kinds[0][0] if kinds else "none"
    return ProfiledNode(name, operator, datatype, _weights(operator, kinds), median(times_us or [0.0]) * 1e3)


def _kind(tensor: dict[str, list[int]]) -> tuple[str, int]:
    """The type of a tensor, and its dimensions."""
    name, shape = next(iter(tensor.items()), ("none", []))
    return DATATYPES.get(name, name), len(shape)


def _weights(operator: str, kinds: list[tuple[str, int]]) -> Optional[str]:
    if operator == _PACKED:
        return "packed"
    return next((kind for kind, dims in kinds[1:] if kind in _FEW_BITS and dims > 1), None)
