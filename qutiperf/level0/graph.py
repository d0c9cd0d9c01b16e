"""Reads an ONNX graph's structure: shapes, types and constants, never the values of its weights."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, shape_inference

from qutiperf.errors import InputError
from qutiperf.level0.standins import stand_in
from qutiperf.models.tensors import EXAMPLE_SIZE

Shape = tuple[int, ...]
Shapes = Mapping[str, Sequence[int]]
# constants up to this size may be shapes, axes or repeats, which shape inference needs
SMALL_CONSTANT_ELEMENTS = 1024
BITS: Mapping[int, int] = {
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64, TensorProto.COMPLEX64), 64),
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 32),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), 8),
    **dict.fromkeys((TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ), 8),
    **dict.fromkeys((TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ), 8),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1), 4),
    **dict.fromkeys((25, 26), 2),  # UINT2 and INT2, which onnx names from 1.20 on
}
# nodes that keep the set of values of a constant
_PASSES_CONSTANTS = frozenset(
    {
        "DequantizeLinear",
        "QuantizeLinear",
        "Cast",
        "Transpose",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
    }
)

# activation functions that a QDQ layer computes before it rounds
_ACTIVATIONS = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSwish"})


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor known before any input arrives; `bits` as stored, before it is dequantised."""

    elements: int
    bits: int | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in order, with the shape of every tensor and the constants."""

    name: str
    nodes: tuple[onnx.NodeProto, ...]
    shapes: Mapping[str, Shape]
    bits: Mapping[str, int]
    constants: Mapping[str, Constant]
    batch: int


def read_model(path: Path) -> onnx.ModelProto:
    """Parses the file without its external data; raises InputError if it is not an ONNX model."""
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except DecodeError:
        raise InputError(
            "is not an ONNX model", where=str(path), cure="give an .onnx or .tflite file"
        ) from None
    if not model.graph.node:
        raise InputError("has no ONNX graph", where=str(path), cure="give an .onnx or .tflite file")
    return model


@dataclass(frozen=True, slots=True)
class Seen:
    """Shapes and bits of tensors that inference does not find, as seen when the model ran."""

    shapes: Shapes
    bits: Mapping[str, int]


NOTHING_SEEN = Seen({}, {})


def read_graph(
    model: onnx.ModelProto,
    name: str,
    input_shapes: Shapes | None = None,
    observed: Seen = NOTHING_SEEN,
) -> Graph:
    """Infers every shape without reading weights; raises InputError if the shapes contradict each other.

    A first dimension without a size is a batch of 1; any other needs an entry in `input_shapes`.
    """
    skeleton = _skeleton(model, name, input_shapes or {})
    try:
        inferred = shape_inference.infer_shapes(skeleton, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise InputError(f"shapes do not fit: {str(error)[:200]}", where=name) from None
    # the file's shapes come first; shapes implied by the given ones override them
    stated = () if input_shapes else model.graph.value_info
    values = (*stated, *inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    shapes: dict[str, Shape] = {}
    for value in values:
        shape = _shape(value)
        if shape is not None:
            shapes[value.name] = shape
    shapes = {**{key: tuple(sizes) for key, sizes in observed.shapes.items()}, **shapes}
    bits = {value.name: BITS[kind] for value in values if (kind := value.type.tensor_type.elem_type) in BITS}
    bits = {**observed.bits, **bits}
    for tensor in model.graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
        bits[tensor.name] = BITS.get(tensor.data_type, 0) or bits.get(tensor.name, 32)
    bits |= _quantised(model.graph, bits)
    constants = _constants(model.graph)
    return Graph(name, tuple(model.graph.node), shapes, bits, constants, _batch(skeleton))


def _skeleton(model: onnx.ModelProto, name: str, input_shapes: Shapes) -> onnx.ModelProto:
    """The model with large initialisers replaced by typed inputs, to avoid large copies."""
    source = model.graph
    small = [
        tensor
        for tensor in source.initializer
        if math.prod(tensor.dims) <= SMALL_CONSTANT_ELEMENTS and _has_data(tensor)
    ]
    kept = {tensor.name for tensor in small}
    declared = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in source.initializer
        if tensor.name not in kept
    ]
    large = {node.output[0]: tensor for node in source.node if (tensor := _large_constant(node)) is not None}
    declared += [
        helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        for name, tensor in large.items()
    ]
    weights = {tensor.name for tensor in source.initializer}
    runtime = [value for value in source.input if value.name not in weights]
    _check_names(input_shapes, [value.name for value in runtime], name)
    inputs = [_sized(value, input_shapes.get(value.name), name) for value in runtime]
    outputs = [_unsized(value) for value in source.output]
    nodes = [stand_in(node) for node in source.node if node.output and node.output[0] not in large]
    declared += [value for _, values in nodes for value in values]
    graph = helper.make_graph([], source.name or "graph", [*inputs, *declared], outputs, initializer=small)
    graph.node.extend(node for node, _ in nodes)
    return helper.make_model(graph, opset_imports=_opsets(model), ir_version=model.ir_version)


def _opsets(model: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The model's operator sets, and one for each domain that it uses without declaring it."""
    known = {opset.domain for opset in model.opset_import}
    missing = sorted({node.domain for node in model.graph.node} - known - {"", "ai.onnx"})
    return [*model.opset_import, *(helper.make_opsetid(domain, 1) for domain in missing)]


def _has_data(tensor: onnx.TensorProto) -> bool:
    fields = (tensor.int64_data, tensor.int32_data, tensor.float_data, tensor.double_data, tensor.uint64_data)
    return tensor.data_location != TensorProto.EXTERNAL and (tensor.HasField("raw_data") or any(fields))


def _large_constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    if node.op_type != "Constant":
        return None
    tensors = [attribute.t for attribute in node.attribute if attribute.name == "value"]
    return next((tensor for tensor in tensors if math.prod(tensor.dims) > SMALL_CONSTANT_ELEMENTS), None)


def _check_names(input_shapes: Shapes, known: Sequence[str], where: str) -> None:
    for name in input_shapes:
        if name not in known:
            raise InputError(f"has no input '{name}'", where=where, cure=f"allowed: {', '.join(known)}")


def _sized(value: onnx.ValueInfoProto, given: Sequence[int] | None, where: str) -> onnx.ValueInfoProto:
    kind = value.type.tensor_type
    if given is None:
        dims = [max(dim.dim_value, 0) for dim in kind.shape.dim]  # a named one has 0, an open one 0 or -1
        if dims and not dims[0]:
            dims[0] = 1
        if not kind.HasField("shape") or not all(dims):
            names = ",".join(dim.dim_param or str(max(dim.dim_value, 0) or "?") for dim in kind.shape.dim)
            sizes = ",".join(str(size or EXAMPLE_SIZE) for size in dims) or "1,..."
            cure = f"give its sizes with --shape, for instance {value.name}={sizes}"
            raise InputError(f"input '{value.name}' has the unknown shape [{names}]", where=where, cure=cure)
        given = dims
    elif any(size < 1 for size in given) or (kind.HasField("shape") and len(given) != len(kind.shape.dim)):
        cure = f"give {len(kind.shape.dim)} positive sizes"
        raise InputError(f"shape {list(given)} does not fit input '{value.name}'", where=where, cure=cure)
    return helper.make_tensor_value_info(value.name, kind.elem_type, list(given))


def _unsized(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """The output without its shape, which may declare another batch size."""
    return helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None)


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    if any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in kind.shape.dim):
        return None
    return tuple(dim.dim_value for dim in kind.shape.dim)


def _quantised(graph: onnx.GraphProto, bits: Mapping[str, int]) -> dict[str, int]:
    """Bits that a tensor is rounded to before any other use: QuantizeLinear after a QDQ layer."""
    producers = {name: node for node in graph.node for name in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    rounded: dict[str, int] = {}
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or node.output[0] not in bits:
            continue
        name, width = node.input[0], bits[node.output[0]]
        while uses[name] == 1:
            rounded[name] = width
            producer = producers.get(name)
            if producer is None or producer.op_type not in _ACTIVATIONS:
                break
            name = producer.input[0]
    return rounded


def _batch(skeleton: onnx.ModelProto) -> int:
    """The first dimension of the first input, 1 for a scalar."""
    shape = _shape(skeleton.graph.input[0]) if skeleton.graph.input else None
    return shape[0] if shape else 1


def _constants(graph: onnx.GraphProto) -> dict[str, Constant]:
    constants = {
        tensor.name: Constant(math.prod(tensor.dims), BITS.get(tensor.data_type))
        for tensor in graph.initializer
    }
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant_of(node.attribute)
        elif node.op_type in _PASSES_CONSTANTS and node.input and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
        elif node.input and all(name in constants for name in node.input if name):
            elements = max(constants[name].elements for name in node.input if name)
            constants.update({name: Constant(elements, None) for name in node.output})
    return constants


def _constant_of(attributes: Iterable[onnx.AttributeProto]) -> Constant:
    for attribute in attributes:
        if attribute.name == "value":
            return Constant(math.prod(attribute.t.dims), BITS.get(attribute.t.data_type))
    return Constant(1, None)
