"""Tensors of a torch module: its arguments by name, its outputs as a list, arrays as tensors.

Standard library and numpy only, in Python 3.9 syntax: the torch module is passed as an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qutiperf.adapters.base import Array, Model
from qutiperf.element_type import BFLOAT16
from qutiperf.errors import InputError

if TYPE_CHECKING:
    import torch


def argument_order(module: Any, model: Model) -> list[int]:
    """For each argument of the module, the number of the workload's input; raises InputError."""
    names, arguments = [tensor.name for tensor in model.inputs], _arguments(module)
    if sorted(names) != sorted(arguments):
        raise InputError(f"its inputs are {arguments}, not {names}", where=model.path)
    return [names.index(argument) for argument in arguments]


def _arguments(module: Any) -> list[str]:
    """Of TorchScript, else of an exported program's module, by its signature."""
    schema = getattr(getattr(module, "forward", None), "schema", None)
    if schema is not None:
        return [argument.name for argument in schema.arguments if argument.name != "self"]
    graph = getattr(module, "graph", None)
    nodes = [node for node in graph.nodes if node.op == "placeholder"] if graph is not None else []
    return [str(node.target) for node in nodes]


def listed(outputs: Any, names: Sequence[str]) -> list[torch.Tensor]:
    """As many outputs as there are names; raises ValueError for what is not a tensor or missing."""
    if isinstance(outputs, dict):
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ValueError(f"it has no output '{missing[0]}', but {list(outputs)}")
        chosen = [outputs[name] for name in names]
    else:
        chosen = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    if len(chosen) < len(names):
        raise ValueError(f"it has {len(chosen)} outputs, not {len(names)}")
    for output in chosen[: len(names)]:
        if not hasattr(output, "is_floating_point"):
            raise ValueError(f"an output is a {type(output).__name__}, not a tensor")
    return chosen[: len(names)]


def tensor_of(torch: Any, array: Array, dtype: str) -> torch.Tensor:
    """In place; a copy of a read-only array, which torch does not support."""
    given = torch.from_numpy(array if array.flags.writeable else array.copy())
    tensor: torch.Tensor = given.view(torch.bfloat16) if dtype == BFLOAT16 else given
    return tensor
