"""Counts a TFLite file through the LiteRT interpreter, which lists its tensors and operators."""

import importlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np

from qutiperf.errors import InputError, SetupError
from qutiperf.level0.graph import Shapes
from qutiperf.level0.operators import NORMALISATION_OPS, OPS_PER_MAC, QUANTISE_OPS
from qutiperf.level0.requirements import BITS_PER_BYTE, LayerRequirement, Requirements

Shape = tuple[int, ...]


class TensorDetails(TypedDict):
    index: int
    name: str
    shape: Sequence[int]
    dtype: type[np.generic]


class OperationDetails(TypedDict):
    index: int
    op_name: str
    inputs: Sequence[int]
    outputs: Sequence[int]


class DetailedInterpreter(Protocol):
    """The part of ai_edge_litert.interpreter.Interpreter that counting uses."""

    def allocate_tensors(self) -> None: ...
    def resize_tensor_input(self, index: int, sizes: list[int]) -> None: ...
    def get_tensor_details(self) -> list[TensorDetails]: ...
    def get_input_details(self) -> list[TensorDetails]: ...
    def _get_ops_details(self) -> list[OperationDetails]: ...


@dataclass(frozen=True, slots=True)
class _Node:
    """One operation with the shapes and types of its tensors; optional inputs are omitted."""

    operation: OperationDetails
    tensors: Mapping[int, TensorDetails]

    def input(self, index: int) -> Shape:
        number = self.operation["inputs"][index]
        return tuple(int(size) for size in self.tensors[number]["shape"])

    @property
    def output(self) -> Shape:
        return tuple(int(size) for size in self.tensors[self.operation["outputs"][0]]["shape"])

    def bits(self, index: int) -> int:
        """Bits of an element as reported by the interpreter, also for packed int4."""
        return np.dtype(self.tensors[self.operation["inputs"][index]]["dtype"]).itemsize * BITS_PER_BYTE

    @property
    def layer(self) -> LayerRequirement:
        out = self.tensors[self.operation["outputs"][0]]
        return LayerRequirement(
            name=out["name"],
            operator=self.operation["op_name"],
            kind="other",
            input_activations=math.prod(self.input(0)) if len(self.operation["inputs"]) else 0,
            activations=math.prod(self.output),
            activation_bits=np.dtype(out["dtype"]).itemsize * BITS_PER_BYTE,
        )


Rule = Callable[[_Node], LayerRequirement]


def _convolution(node: _Node) -> LayerRequirement:
    """Weights are [out_ch, height, width, in_ch/groups]; activations [batch, height, width, ch]."""
    shape = node.input(1)
    return replace(
        node.layer,
        kind="convolution",
        ops=OPS_PER_MAC * math.prod(node.output) * math.prod(shape[1:]),
        weights=math.prod(shape),
        weight_bits=node.bits(1),
        other_parameters=_bias(node),
        in_channels=shape[3],
        out_channels=shape[0],
        groups=max(1, node.input(0)[3] // shape[3]),
        kernel=shape[1] * shape[2],
        positions=math.prod(node.output[1:3]),
    )


def _depthwise(node: _Node) -> LayerRequirement:
    """Weights are [1, height, width, out_ch]."""
    shape = node.input(1)
    kernel = shape[1] * shape[2]
    return replace(
        _convolution(node),
        kind="depthwise",
        ops=OPS_PER_MAC * math.prod(node.output) * kernel,
        in_channels=1,
        out_channels=shape[3],
        groups=node.input(0)[3],
        kernel=kernel,
    )


def _transposed(node: _Node) -> LayerRequirement:
    """Inputs are the output's shape, the weights [out_ch, height, width, in_ch], the activations."""
    shape, source = node.input(1), node.input(2)
    return replace(
        node.layer,
        kind="convolution",
        ops=OPS_PER_MAC * math.prod(source) * math.prod(shape[:3]),
        weights=math.prod(shape),
        weight_bits=node.bits(1),
        input_activations=math.prod(source),
        in_channels=shape[3],
        out_channels=shape[0],
        kernel=shape[1] * shape[2],
        positions=math.prod(source[1:3]),
    )


def _dense(node: _Node) -> LayerRequirement:
    """Weights are [outputs, inputs]."""
    outputs, inputs = node.input(1)
    rows = math.prod(node.output) // outputs
    return replace(
        node.layer,
        kind="dense",
        ops=OPS_PER_MAC * rows * outputs * inputs,
        weights=outputs * inputs,
        weight_bits=node.bits(1),
        other_parameters=_bias(node),
        in_channels=inputs,
        out_channels=outputs,
        positions=max(1, rows // node.output[0]) if len(node.output) > 2 else 1,
    )


def _bias(node: _Node) -> int:
    inputs = node.operation["inputs"]
    return math.prod(node.input(2)) if len(inputs) > 2 and inputs[2] >= 0 else 0


def _batch_product(node: _Node) -> LayerRequirement:
    out, inner = node.output, node.input(0)[-1]
    ops = OPS_PER_MAC * math.prod(out) * inner
    return replace(
        node.layer,
        kind="dense",
        ops=ops,
        in_channels=inner,
        out_channels=out[-1],
        positions=math.prod(out[1:-1]),
    )


def _per_output(ops: int) -> Rule:
    def rule(node: _Node) -> LayerRequirement:
        return replace(node.layer, other_ops=ops * math.prod(node.output))

    return rule


def _pooling(node: _Node) -> LayerRequirement:
    """The interpreter does not report the window: every input is assumed to be read once."""
    return replace(node.layer, other_ops=math.prod(node.input(0)))


def _plain(node: _Node) -> LayerRequirement:
    return node.layer


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: Mapping[str, Rule] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _batch_product,
    **_table(
        _pooling, "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D MEAN SUM REDUCE_MAX REDUCE_MIN ARG_MAX ARG_MIN"
    ),
    **_table(
        _per_output(NORMALISATION_OPS), "SOFTMAX LOG_SOFTMAX L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION"
    ),
    **_table(_per_output(QUANTISE_OPS), "QUANTIZE DEQUANTIZE"),
    **_table(
        _per_output(1),
        "ADD SUB MUL DIV MAXIMUM MINIMUM RELU RELU6 RELU_N1_TO_1 LEAKY_RELU PRELU ELU GELU "
        "LOGISTIC TANH HARD_SWISH EXP LOG SQRT RSQRT SQUARE SQUARED_DIFFERENCE NEG ABS POW FLOOR "
        "CEIL ROUND SIN COS ADD_N SELECT SELECT_V2 RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR",
    ),
    **_table(
        _plain,
        "RESHAPE SQUEEZE EXPAND_DIMS CONCATENATION SPLIT SPLIT_V SLICE STRIDED_SLICE TRANSPOSE "
        "PAD PADV2 PACK UNPACK GATHER GATHER_ND SHAPE CAST FILL TILE SPACE_TO_DEPTH "
        "DEPTH_TO_SPACE MIRROR_PAD BROADCAST_TO RANGE DELEGATE",
    ),
}


def requirements_of_tflite(path: Path, input_shapes: Shapes | None = None) -> Requirements:
    """Raises SetupError if LiteRT is missing, InputError for a file or shapes that LiteRT rejects."""
    return requirements_of_interpreter(_open(path, input_shapes or {}), path.name)


def requirements_of_interpreter(interpreter: DetailedInterpreter, name: str) -> Requirements:
    """Counts every operation that is not a delegate's stand-in for others."""
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operations = [
        operation for operation in interpreter._get_ops_details() if operation["op_name"] != "DELEGATE"
    ]
    unknown = Counter(operation["op_name"] for operation in operations if operation["op_name"] not in RULES)
    layers = tuple(
        RULES[operation["op_name"]](_Node(operation, tensors))
        for operation in operations
        if operation["op_name"] in RULES
    )
    shape = interpreter.get_input_details()[0]["shape"]
    batch = int(shape[0]) if len(shape) else 1
    return Requirements(name, batch, layers, dict(unknown), len(operations))


def _open(path: Path, input_shapes: Shapes) -> DetailedInterpreter:
    try:
        runtime = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        cure = "pip install 'qutiperf[litert]'"
        raise SetupError("reading TFLite files needs ai-edge-litert", where=str(path), cure=cure) from None
    resolver = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter: DetailedInterpreter = runtime.Interpreter(
            str(path), experimental_op_resolver_type=resolver
        )
        _resize(interpreter, input_shapes, path.name)
        interpreter.allocate_tensors()
    except UnicodeDecodeError:  # a ValueError too
        raise
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"LiteRT cannot open it: {reason}", where=str(path)) from None
    return interpreter


def _resize(interpreter: DetailedInterpreter, input_shapes: Shapes, where: str) -> None:
    """Raises InputError for an unknown input or a wrong number of dimensions."""
    tensors = {tensor["name"]: tensor for tensor in interpreter.get_input_details()}
    for name, sizes in input_shapes.items():
        if name not in tensors:
            raise InputError(f"has no input '{name}'", where=where, cure=f"allowed: {', '.join(tensors)}")
        shape = [int(size) for size in tensors[name]["shape"]]
        if len(sizes) != len(shape) or min(sizes, default=1) < 1:
            cure = f"give {len(shape)} positive sizes"
            raise InputError(f"shape {list(sizes)} does not fit input '{name}'", where=where, cure=cure)
        if list(sizes) != shape:
            interpreter.resize_tensor_input(tensors[name]["index"], list(sizes))
