"""Builds layers, stacks and blocks as ONNX models."""

from pathlib import Path

import onnx

from qutiperf.errors import InputError, SetupError
from qutiperf.models.part_builder import PartBuilder, PartTensor
from qutiperf.models.part_composed import attention, thresholded
from qutiperf.spec.block import Block, Part
from qutiperf.spec.layer import (
    Attention,
    Convolution,
    Dense,
    Elementwise,
    Function,
    Pool,
    Product,
    Recurrent,
    Threshold,
)
from qutiperf.spec.part import BuiltPart


def declare_part(part: BuiltPart) -> onnx.ModelProto:
    """Without the weights' values: enough to count; raises InputError if it cannot be built."""
    return _built(part, declare=True)


def build_part(part: BuiltPart) -> onnx.ModelProto:
    """With seeded random weights, the same on every machine; raises InputError if it cannot be built."""
    return _built(part, declare=False)


def write_part(part: BuiltPart, path: Path) -> None:
    """Raises InputError, or SetupError if the file cannot be written."""
    model = build_part(part)
    try:
        path.write_bytes(model.SerializeToString())
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _built(part: BuiltPart, *, declare: bool) -> onnx.ModelProto:
    check_datatype(part)
    builder = PartBuilder(part.build, declare=declare)
    names = [str(spec["name"]) for spec in _inputs(part)]
    tensors = [
        builder.input(name, shape) for name, shape in zip(names, part.parts[0].input_shapes, strict=True)
    ]
    for layer, datatype in zip(part.parts, part.datatypes, strict=True):
        builder.datatype = datatype
        tensors = [_added(builder, layer, [builder.converted(tensor) for tensor in tensors])]
    return builder.model(tensors[0], part.parts[0].kind)


def check_datatype(part: BuiltPart) -> None:
    """Raises InputError for a layer that is not built in the part's datatype."""
    if (reason := part.unbuildable) is not None:
        raise InputError(f"build.datatype: {reason}", cure="measure it in fp32 or fp16")


def _inputs(part: BuiltPart) -> list[dict[str, object]]:
    inputs = part.tensors["inputs"]
    return inputs if isinstance(inputs, list) else []


def _added(builder: PartBuilder, layer: Part, tensors: list[PartTensor]) -> PartTensor:
    """The result of one layer or block."""
    first = tensors[0]
    if isinstance(layer, Block):
        return _BLOCKS[layer.kind](builder, layer, first)
    if isinstance(layer, Attention):
        return attention(builder, layer, tensors)
    if isinstance(layer, Product):
        return builder.product(first, tensors[1], layer.output_shape)
    if isinstance(layer, Elementwise):
        return builder.elementwise(layer.operator, first, tensors[1], layer.activation)
    if isinstance(layer, Convolution | Dense | Recurrent):
        return _weighted(builder, layer, first)
    return _unweighted(builder, layer, first)


def _weighted(builder: PartBuilder, layer: Convolution | Dense | Recurrent, source: PartTensor) -> PartTensor:
    if isinstance(layer, Convolution):
        return _convolved(builder, layer, source)
    if isinstance(layer, Recurrent):
        return builder.recurrent(layer.operator, source, layer.hidden, layer.gates)
    shape = layer.output_shape
    return builder.dense(source, layer.outputs, shape, bias=layer.bias, activation=layer.activation)


def _unweighted(builder: PartBuilder, layer: Pool | Function | Threshold, source: PartTensor) -> PartTensor:
    if isinstance(layer, Threshold):
        return thresholded(builder, layer, source)
    if isinstance(layer, Pool):
        return _pooled(builder, layer, source)
    return builder.function(layer.operator, source)


def _convolved(builder: PartBuilder, layer: Convolution, source: PartTensor) -> PartTensor:
    return builder.convolution(
        source,
        layer.out_channels,
        layer.output_shape,
        kernel=layer.kernel,
        stride=layer.stride,
        pads=layer.pads,
        groups=layer.groups,
        bias=layer.bias,
        activation=layer.activation,
    )


def _pooled(builder: PartBuilder, layer: Pool, source: PartTensor) -> PartTensor:
    return builder.pool(
        source,
        layer.output_shape,
        operator=layer.operator,
        kernel=layer.window,
        stride=layer.steps,
        pads=layer.padding,
        ceil=layer.ceil,
    )


def _residual(builder: PartBuilder, block: Block, source: PartTensor) -> PartTensor:
    layers = block.layers
    main = source
    for layer in layers[:3]:
        main = _convolved(builder, layer, main)
    shortcut = _convolved(builder, layers[3], source) if block.projects else source
    return builder.elementwise("add", main, shortcut, "relu")


def _fire(builder: PartBuilder, block: Block, source: PartTensor) -> PartTensor:
    squeeze, one, three = block.layers
    squeezed = _convolved(builder, squeeze, source)
    return builder.concatenation([_convolved(builder, layer, squeezed) for layer in (one, three)])


def _inverted(builder: PartBuilder, block: Block, source: PartTensor) -> PartTensor:
    main = source
    for layer in block.layers:
        main = _convolved(builder, layer, main)
    return main if block.projects else builder.elementwise("add", main, source, "none")


def _squeeze(builder: PartBuilder, block: Block, source: PartTensor) -> PartTensor:
    channels = source.shape[0]
    scales = builder.pool(
        source,
        (channels, 1, 1),
        operator="global_average",
        kernel=[],
        stride=[],
        pads=[],
        ceil=False,
    )
    for layer in block.layers:
        scales = _convolved(builder, layer, scales)
    return builder.elementwise("multiply", source, scales, "none")


_BLOCKS = {"residual": _residual, "fire": _fire, "inverted_bottleneck": _inverted, "squeeze": _squeeze}
