"""ONNX files whose classes are permuted, in the last layer where it can be found, else behind it."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qutiperf.errors import InputError
from qutiperf.models.damage import reading

APPENDED = "a Gather behind its scores, as its last layer is not a plain fully connected one"
Order = npt.NDArray[np.int64]
# operators that treat each score alike, or all scores of a sample together
_PASSED = frozenset({"Softmax", "LogSoftmax", "Identity", "Sigmoid", "Relu", "Tanh", "Clip", "Cast"})
_BIASES = frozenset({"Add", "Mul"})
_LAYERS = frozenset({"Gemm", "MatMul", "MatMulNBits"})
_ROUNDED = frozenset({"QuantizeLinear", "DequantizeLinear"})
_ROWS = -1  # all constants of the layer start with a row for each class


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
        self._changes: list[tuple[onnx.NodeProto, int, int]] = []

    def permute(self, output: str) -> str | None:
        """Where the classes are permuted; None, and nothing changed, where that is not known to be right."""
        layer = self._find(output)
        if layer is None:
            return None
        for node, place, axis in self._changes:
            node.input[place] = self._permuted(node.input[place], axis)
        self._drop_unread()
        return f"the weights of its last layer, {layer.op_type}"

    def _find(self, name: str) -> onnx.NodeProto | None:
        while (node := self._makers.get(name)) is not None and self._feeds_one(name):
            if node.op_type in _LAYERS:
                return node if self._take_layer(node) else None
            if node.op_type in _BIASES:
                constant = next((place for place in (0, 1) if self._sizes(node.input[place])), None)
                if constant is None or not self._take_bias(node, constant):
                    return None
                name = node.input[1 - constant]
            elif node.op_type in _PASSED or (node.op_type in _ROUNDED and self._is_uniform(node)):
                name = node.input[0]
            else:
                return None
        return None

    def _feeds_one(self, name: str) -> bool:
        """Whether the scores go nowhere else, where they would be permuted too."""
        outputs = [value.name for value in self._graph.output]
        return self._readers.count(name) + outputs.count(name) == 1

    def _is_uniform(self, node: onnx.NodeProto) -> bool:
        """Whether all scores are quantised alike."""
        sizes = [self._sizes(name) for name in node.input[1:] if name]
        return all(each is not None and prod(each) == 1 for each in sizes)

    def _take_layer(self, node: onnx.NodeProto) -> bool:
        classes = len(self._order)
        if node.op_type == "MatMulNBits":  # rows of blocks, [classes, ...], some of them flat
            places = [place for place in (1, 2, 3, 5) if place < len(node.input) and node.input[place]]
            sizes = [self._sizes(node.input[place]) or (1,) for place in places]
            self._changes += [(node, place, _ROWS) for place in places]
            return sizes[0][0] == classes and all(prod(each) % classes == 0 for each in sizes)
        weights = self._sizes(node.input[1])
        transposed = any(each.name == "transB" and each.i for each in node.attribute)
        axis = 0 if node.op_type == "Gemm" and transposed else 1
        if weights is None or len(weights) != 2 or weights[axis] != classes:
            return False
        self._changes.append((node, 1, axis))
        if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2]:
            return self._take_bias(node, 2)
        return True

    def _take_bias(self, node: onnx.NodeProto, place: int) -> bool:
        sizes = self._sizes(node.input[place])
        if sizes is None:
            return False
        if not sizes or sizes[-1] == 1:
            return all(size == 1 for size in sizes)
        if sizes[-1] != len(self._order):
            return False
        self._changes.append((node, place, len(sizes) - 1))
        return True

    def _sizes(self, name: str) -> tuple[int, ...] | None:
        """Of a constant, which may be stored quantised; None for what is computed."""
        if name in self._constants:
            return tuple(self._constants[name].dims)
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        if any(each and each not in self._constants for each in maker.input):
            return None
        return tuple(self._constants[maker.input[0]].dims)

    def _permuted(self, name: str, axis: int) -> str:
        """The name of a constant of its own, since another layer may read the same one."""
        if name in self._constants:
            return self._permuted_tensor(name, axis)
        maker = self._makers[name]
        fresh = onnx.NodeProto()
        fresh.CopyFrom(maker)
        fresh.name, fresh.output[0] = "", self._free(f"{name}_permuted")
        along = next((each.i for each in maker.attribute if each.name == "axis"), 1)
        dimensions = len(self._constants[maker.input[0]].dims)
        each_class = along % max(dimensions, 1) == axis
        for place, each in enumerate(maker.input):
            if each and (place == 0 or (each_class and len(self._constants[each].dims) == 1)):
                fresh.input[place] = self._permuted_tensor(each, axis if place == 0 else 0)
        self._graph.node.insert(list(self._graph.node).index(maker) + 1, fresh)
        return str(fresh.output[0])

    def _permuted_tensor(self, name: str, axis: int) -> str:
        values, classes = numpy_helper.to_array(self._constants[name]), len(self._order)
        if axis == _ROWS:
            changed = values.reshape(classes, -1)[self._order].reshape(values.shape)
        elif values.ndim and values.shape[axis] == classes:
            changed = np.take(values, self._order, axis)
        else:  # one number for all classes
            return name
        fresh = self._free(f"{name}_permuted")
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(changed), fresh))
        return fresh

    def _free(self, name: str) -> str:
        taken = {*self._constants, *self._makers, *(tensor.name for tensor in self._graph.initializer)}
        while name in taken:
            name += "_"
        return name

    def _drop_unread(self) -> None:
        """Without the constants that nothing reads any more."""
        outputs = {value.name for value in self._graph.output}
        for unread in (self._graph.node, self._graph.initializer):
            read = outputs | {name for node in self._graph.node for name in node.input}
            for each in list(unread):
                names = [each.name] if isinstance(each, onnx.TensorProto) else each.output
                if not read.intersection(names):
                    unread.remove(each)


def _append_gather(graph: onnx.GraphProto, output: str, order: Order) -> str:
    before, indices = f"{output}_before_gather", f"{output}_gathered_classes"
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = before
    graph.initializer.append(numpy_helper.from_array(order, indices))
    graph.node.append(onnx.helper.make_node("Gather", [before, indices], [output], axis=1))
    return APPENDED
