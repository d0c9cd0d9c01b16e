"""Small ONNX graphs with several tensors, to be run by ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Sizes = Sequence[int | str | None]
FLOAT, INT64, BOOL, FLOAT16 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT16


def tensor(name: str, shape: Sizes | None, kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(
    path: Path,
    nodes: list[NodeProto],
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def sum_and_product(path: Path, batch: int | str = "batch") -> Path:
    """sum = a + b and product = a * b, of [batch, 3]."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    shape: Sizes = [batch, 3]
    return save(
        path,
        nodes,
        [tensor("a", shape), tensor("b", shape)],
        [tensor("sum", shape), tensor("product", shape)],
    )


def decaying(path: Path, batch: int | str = "batch") -> Path:
    """next = state / 2 + x, of [1, batch, 2]; out is the same as [batch, 2], x is [batch, 2]."""
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["halved"]),
        helper.make_node("Unsqueeze", ["x", "zero"], ["raised"]),
        helper.make_node("Add", ["halved", "raised"], ["next"]),
        helper.make_node("Squeeze", ["next", "zero"], ["out"]),
    ]
    return save(
        path,
        nodes,
        [tensor("x", [batch, 2]), tensor("state", [1, batch, 2])],
        [tensor("out", [batch, 2]), tensor("next", [1, batch, 2])],
        {"half": np.array(0.5, np.float32), "zero": np.array([0], np.int64)},
    )


def time_major(path: Path) -> Path:
    """y[batch] sums x[4, batch, 2] over time and channels, and is scaled by the number `gain`."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=0),
        helper.make_node("Cast", ["gain"], ["factor"], to=FLOAT),
        helper.make_node("Mul", ["total", "factor"], ["y"]),
    ]
    return save(
        path,
        nodes,
        [tensor("x", [4, "batch", 2]), tensor("gain", [], INT64)],
        [tensor("y", ["batch"])],
        {"axes": np.array([0, 2], np.int64)},
    )


def tokens(path: Path, rows: int = 7) -> Path:
    """Rows of a table, masked: y = table[ids] * mask, beside the number of tokens."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["found"]),
        helper.make_node("Cast", ["mask"], ["kept"], to=FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["wide"]),
        helper.make_node("Mul", ["found", "wide"], ["y"]),
        helper.make_node("Identity", ["size"], ["sizes"]),
    ]
    table = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    return save(
        path,
        nodes,
        [
            tensor("ids", ["batch", "seq"], INT64),
            tensor("mask", ["batch", "seq"], BOOL),
            tensor("size", ["batch"], INT64),
        ],
        [tensor("y", ["batch", "seq", 2]), tensor("sizes", ["batch"], INT64)],
        {"table": table, "last": np.array([2], np.int64)},
    )


def copies(path: Path, kinds: dict[str, int], shape: Sizes = ("batch", 2)) -> Path:
    """`NAME_copy` = NAME for each name and its kind of elements."""
    return save(
        path,
        [helper.make_node("Identity", [name], [f"{name}_copy"]) for name in kinds],
        [tensor(name, shape, kind) for name, kind in kinds.items()],
        [tensor(f"{name}_copy", shape, kind) for name, kind in kinds.items()],
    )


def twice(path: Path, kinds: dict[str, int]) -> Path:
    """`NAME_copy` = NAME beside itself, [batch, 4], for each name and its kind of elements."""
    return save(
        path,
        [helper.make_node("Concat", [name, name], [f"{name}_copy"], axis=1) for name in kinds],
        [tensor(name, ["batch", 2], kind) for name, kind in kinds.items()],
        [tensor(f"{name}_copy", ["batch", 4], kind) for name, kind in kinds.items()],
    )


def no_batch(path: Path) -> Path:
    """y = a @ b, of [2, 3] and [3]: nothing is a batch."""
    nodes = [helper.make_node("MatMul", ["a", "b"], ["y"])]
    return save(path, nodes, [tensor("a", [2, 3]), tensor("b", [3])], [tensor("y", [2])])
