"""ONNX files whose classes are permuted, in the last layer where it can be found, else behind it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qutiperf.errors import InputError
from qutiperf.models.damage import reading

Order = npt.NDArray[np.int64]
# operators that treat each score alike, or all scores of a sample together
_PASSED = frozenset({"Softmax", "LogSoftmax", "Identity", "Sigmoid", "Relu", "Tanh", "Clip", "Cast"})
_BIASES = frozenset({"Add", "Mul"})
_LAYERS = frozenset({"Gemm", "MatMul"})


def permute_classes(path: Path, target: Path, output: str, permutation: Sequence[int]) -> str:
    """Writes a model whose class `permutation[c]` has what class c had, and says where it was changed.

    `output` holds scores [n, classes]. Weights and biases of the last fully connected layer are permuted;
    where it cannot be found, a Gather of the scores is appended. Raises InputError for a file that is
    damaged, too large for one file, or that has no such output.
    """
    with reading(path):
        model = onnx.load(str(path))
    if output not in {value.name for value in model.graph.output}:
        raise InputError(f"has no output '{output[:80]}'", where=str(path))
    order = np.argsort(np.asarray(permutation, np.int64))
    where = _LastLayer(model.graph, order).permute(output) or _append_gather(model.graph, output, order)
    try:
        onnx.save(model, str(target))
    except ValueError:
        raise InputError("is larger than the 2 GB of one ONNX file", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(target)) from None
    return where


def class_count(path: Path, output: str) -> int | None:
    """The size of the last axis of an output of two axes; None where the file leaves it open."""
    with reading(path):
        model = onnx.load(str(path), load_external_data=False)
    for value in model.graph.output:
        sizes = value.type.tensor_type.shape.dim
        if value.name == output and len(sizes) == 2 and sizes[1].dim_value > 0:
            return int(sizes[1].dim_value)
    return None


class _LastLayer:
    """Follows scores back to the layer that makes them, and permutes its constants on the way."""

    def __init__(self, graph: onnx.GraphProto, order: Order) -> None:
        self._graph, self._order = graph, order
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._readers = [name for node in graph.node for name in node.input]
        self._changes: list[tuple[onnx.NodeProto, int, str, int]] = []

    def permute(self, output: str) -> str | None:
        """Where the classes are permuted; None, and nothing changed, where that is not known to be right."""
        layer = self._find(output)
        if layer is None:
            return None
        for node, place, name, axis in self._changes:
            self._replace(node, place, name, axis)
        return f"the weights of its last layer, {layer.op_type}"

    def _find(self, name: str) -> onnx.NodeProto | None:
        while (node := self._makers.get(name)) is not None and self._feeds_one(name):
            if node.op_type in _LAYERS:
                return node if self._take_layer(node) else None
            if node.op_type in _BIASES:
                constant = next((place for place in (0, 1) if node.input[place] in self._constants), None)
                if constant is None or not self._take_bias(node, constant):
                    return None
                name = node.input[1 - constant]
            elif node.op_type in _PASSED:
                name = node.input[0]
            else:
                return None
        return None

    def _feeds_one(self, name: str) -> bool:
        """Whether the scores go nowhere else, where they would be permuted too."""
        outputs = [value.name for value in self._graph.output]
        return self._readers.count(name) + outputs.count(name) == 1

    def _take_layer(self, node: onnx.NodeProto) -> bool:
        weights = self._constants.get(node.input[1])
        if weights is None or len(weights.dims) != 2:
            return False
        transposed = any(each.name == "transB" and each.i for each in node.attribute)
        axis = 0 if node.op_type == "Gemm" and transposed else 1
        if weights.dims[axis] != len(self._order):
            return False
        self._changes.append((node, 1, weights.name, axis))
        if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2]:
            return self._take_bias(node, 2)
        return True

    def _take_bias(self, node: onnx.NodeProto, place: int) -> bool:
        bias = self._constants.get(node.input[place])
        if bias is None:
            return False
        sizes = list(bias.dims)
        if not sizes or sizes[-1] == 1:
            return all(size == 1 for size in sizes)
        if sizes[-1] != len(self._order):
            return False
        self._changes.append((node, place, bias.name, len(sizes) - 1))
        return True

    def _replace(self, node: onnx.NodeProto, place: int, name: str, axis: int) -> None:
        """A constant of its own, since another layer may read the same one."""
        values = np.take(numpy_helper.to_array(self._constants[name]), self._order, axis)
        fresh = f"{name}_of_{node.op_type}_{place}"
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), fresh))
        node.input[place] = fresh
        if name not in {each for other in self._graph.node for each in other.input}:
            self._graph.initializer.remove(self._constants[name])


def _append_gather(graph: onnx.GraphProto, output: str, order: Order) -> str:
    before, indices = f"{output}_before_gather", f"{output}_gathered_classes"
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = before
    graph.initializer.append(numpy_helper.from_array(order, indices))
    graph.node.append(onnx.helper.make_node("Gather", [before, indices], [output], axis=1))
    return "a Gather behind its scores, as its last layer is not a plain fully connected one"
