"""Layers, stacks and blocks as ONNX: counts by hand, outputs against the reference, planted errors."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from qutiperf.element_type import bits_of_bfloat16, reals_of_bfloat16
from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_model
from qutiperf.models.part_reference import Verdict, compare, reference_outputs
from qutiperf.models.parts import build_part, declare_part
from qutiperf.spec.block import Block
from qutiperf.spec.build import Build, DatatypeName
from qutiperf.spec.layer import (
    Attention,
    Convolution,
    Dense,
    Elementwise,
    Function,
    Pool,
    Recurrent,
    Threshold,
)
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.workload import ModelSpec

CONVOLUTION = Convolution(in_channels=4, out_channels=6, size=[8, 8], kernel=[3, 3], activation="relu")
PARTS: dict[str, dict[str, object]] = {
    "convolution": {"layer": CONVOLUTION},
    "strided": {"layer": CONVOLUTION.model_copy(update={"stride": [2, 2], "kernel": [5, 5]})},
    "depthwise": {"layer": CONVOLUTION.model_copy(update={"out_channels": 4, "groups": 4})},
    "dense": {"layer": Dense(inputs=32, outputs=10, activation="relu")},
    "rows": {"layer": Dense(inputs=16, outputs=10, rows=3, activation="gelu")},
    "product": {"layer": {"kind": "product", "heads": 2, "rows": 3, "inner": 4, "columns": 5}},
    "pool": {"layer": Pool(channels=3, size=[7, 7], kernel=[3, 3], stride=[2, 2], ceil=True)},
    "average": {"layer": Pool(channels=3, size=[7, 7], operator="global_average")},
    "sum": {"layer": {"kind": "elementwise", "shape": [3, 4, 4], "activation": "relu6"}},
    "softmax": {"layer": Function(operator="softmax", shape=[5, 8])},
    "normalisation": {"layer": Function(operator="layer_normalisation", shape=[5, 8])},
    "lstm": {"layer": Recurrent(inputs=6, hidden=8, steps=3)},
    "gru": {"layer": Recurrent(operator="gru", inputs=6, hidden=8, steps=3)},
    "attention": {"layer": Attention(rows=6, width=64, heads=4)},
    "heads": {"layer": Attention(rows=6, width=16, heads=2, projections=False)},
    "threshold": {"layer": Threshold(shape=[4, 5, 5], bits=3)},
    "attentions": {"stack": [Attention(rows=6, width=64, heads=4)] * 2},
    "thresholds": {
        "stack": [CONVOLUTION, Threshold(shape=[6, 8, 8]), CONVOLUTION.model_copy(update={"in_channels": 6})]
    },
    "mixed": {"stack": [Dense(inputs=64, outputs=64, activation="relu")] * 2},
    "stack": {"stack": [CONVOLUTION.model_copy(update={"in_channels": 6})] * 2},
    "residual": {
        "block": Block(kind="residual", in_channels=4, channels=2, out_channels=8, size=[6, 6], stride=[2, 2])
    },
    "fire": {"block": Block(kind="fire", in_channels=4, channels=2, out_channels=8, size=[6, 6])},
    "inverted": {
        "block": Block(kind="inverted_bottleneck", in_channels=4, channels=8, out_channels=4, size=[6, 6])
    },
    "squeeze": {"block": Block(kind="squeeze", in_channels=4, channels=2, out_channels=4, size=[6, 6])},
}


def spec(name: str, **build: object) -> ModelSpec:
    return ModelSpec.model_validate({**PARTS[name], "build": build})


def part_of(name: str, **build: object) -> BuiltPart:
    part = spec(name, **build).part
    assert part is not None
    return part


def inputs_of(model: ModelSpec, batch: int = 2) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    generator = np.random.default_rng(7)
    shapes = [(batch, *each.sample_shape) for each in model.inputs]
    if model.input.dtype == "uint8":
        return [generator.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    return [generator.random(shape).astype(model.input.dtype) for shape in shapes]


def run(
    model: onnx.ModelProto, tensors: ModelSpec
) -> tuple[
    np.ndarray[tuple[int, ...], np.dtype[np.generic]], list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]
]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
    inputs = inputs_of(tensors)
    feeds = {each.name: array for each, array in zip(tensors.inputs, inputs, strict=True)}
    return np.asarray(session.run(None, feeds)[0]), inputs


@pytest.mark.parametrize("datatype", ["fp32", "int8"])
@pytest.mark.parametrize("name", PARTS)
def test_a_runtime_computes_what_the_reference_computes(name: str, datatype: str) -> None:
    if datatype == "int8" and name in ("lstm", "gru"):
        with pytest.raises(InputError, match="recurrent layers are not built in int8"):
            build_part(part_of(name, datatype=datatype))
        return
    part, tensors = part_of(name, datatype=datatype), spec(name, datatype=datatype)
    model = build_part(part)
    onnx.checker.check_model(model)
    output, inputs = run(model, tensors)
    reference = reference_outputs(model, inputs)
    assert output.shape == (2, *(part.parts[-1].output_shape))
    assert float(np.std(reference.astype(np.float64))) > 0
    assert compare(part, output, reference).right


@pytest.mark.parametrize("datatype", ["int4", "int2"])
@pytest.mark.parametrize("name", ["mixed", "attention"])
def test_weights_of_few_bits(name: str, datatype: str) -> None:
    part, tensors = part_of(name, datatype=datatype), spec(name, datatype=datatype)
    model = build_part(part)
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 2}
    assert kinds == {getattr(TensorProto, datatype.upper()), TensorProto.FLOAT}
    output, inputs = run(model, tensors)
    reference = reference_outputs(model, inputs)
    verdict = compare(part, output, reference)
    assert verdict.right
    assert not compare(part, output[..., ::-1], reference).right
    assert requirements_of_model(declare_part(part), "it").weight_bits == int(datatype[3:])


def test_bits_are_packed_as_onnx_reads_them() -> None:
    """The values that onnx unpacks are whole numbers in range, and not all alike."""
    for datatype, least, most in (("int4", -8, 7), ("int2", -2, 1)):
        model = build_part(part_of("mixed", datatype=datatype))
        values = numpy_helper.to_array(model.graph.initializer[0]).astype(np.int64)
        assert (values.min(), values.max()) == (least, most)
        assert len(np.unique(values)) == most - least + 1


FIRSTS: list[DatatypeName] = ["fp32", "fp16", "int8", "int4"]


@pytest.mark.parametrize("first", FIRSTS)
@pytest.mark.parametrize("second", FIRSTS)
def test_layers_of_unlike_datatypes_follow_each_other(first: DatatypeName, second: DatatypeName) -> None:
    part = part_of("mixed", datatypes=[first, second])
    model = build_part(part)
    onnx.checker.check_model(model)
    output, inputs = run(model, spec("mixed", datatypes=[first, second]))
    assert output.dtype == np.dtype(part.build.output_dtype)
    reference = reference_outputs(model, inputs)
    assert compare(part, output, reference).right
    assert not compare(part, output[:, ::-1], reference).right


def test_bf16_is_computed_by_the_reference_and_refused_by_a_runtime_without_it() -> None:
    """OpenVINO has the operators; tests/adapters run it."""
    part, tensors = part_of("dense", datatype="bf16"), spec("dense", datatype="bf16")
    model = build_part(part)
    onnx.checker.check_model(model)
    bits = bits_of_bfloat16(np.random.default_rng(7).random((2, 32), np.float32))
    wide = reference_outputs(model, [bits])
    weights, bias = (numpy_helper.to_array(each).astype(np.float64) for each in model.graph.initializer)
    by_hand = np.maximum(reals_of_bfloat16(bits).astype(np.float64) @ weights + bias, 0)
    assert wide == pytest.approx(by_hand)
    assert tensors.input.dtype == "bfloat16"
    rounded = reals_of_bfloat16(bits_of_bfloat16(by_hand.astype(np.float32)))
    assert compare(part, rounded, wide).right
    with pytest.raises(Exception, match="NOT_IMPLEMENTED"):
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_thresholds_are_exact_and_use_every_count() -> None:
    for datatype in ("fp32", "fp16", "int8"):
        part, tensors = part_of("threshold", datatype=datatype), spec("threshold", datatype=datatype)
        model = build_part(part)
        output, inputs = run(model, tensors)
        reference = reference_outputs(model, inputs)
        assert np.array_equal(output, reference)
        assert compare(part, output, reference).tolerance == 0.0
        assert set(np.unique(output).tolist()) == set(range(8))


def test_attention_by_hand() -> None:
    """softmax(Q K^T / sqrt(8)) V of two heads of eight."""
    part, tensors = part_of("heads"), spec("heads")
    _, inputs = run(build_part(part), tensors)
    query, key, value = (each.astype(np.float64) for each in inputs)
    scores = np.exp(query @ key.swapaxes(2, 3) / 8**0.5)
    by_hand = scores / scores.sum(axis=3, keepdims=True) @ value
    assert reference_outputs(build_part(part), inputs) == pytest.approx(by_hand)
    counted = requirements_of_model(declare_part(part_of("attention")), "it")
    assert counted.weights == 4 * 64 * 64
    assert counted.ops == 2 * (4 * 6 * 64 * 64 + 2 * 4 * 6 * 6 * 16)


@pytest.mark.parametrize(
    ("layer", "datatype", "message"),
    [
        (CONVOLUTION, "int4", "convolution layers are not built in int4: runtimes have it for matrix"),
        (
            Dense(inputs=20, outputs=8),
            "int2",
            "int2 weights have a scale for 32 inputs, which 20 is no multi",
        ),
        (Elementwise(shape=[4]), "int4", "elementwise layers have no weights, which alone are int4"),
        (Recurrent(inputs=6, hidden=8, steps=3), "int8", "recurrent layers are not built in int8"),
    ],
)
def test_a_datatype_that_a_layer_cannot_have_is_refused(
    layer: Convolution | Dense | Elementwise | Recurrent, datatype: DatatypeName, message: str
) -> None:
    part = BuiltPart(layer=layer, build=Build(datatype=datatype))
    with pytest.raises(InputError, match=f"build.datatype: {message}.*measure it in fp32 or fp16"):
        build_part(part)


def changed(model: onnx.ModelProto, *, bias: bool) -> onnx.ModelProto:
    """Without its bias, or with its weights transposed."""
    wrong = onnx.ModelProto()
    wrong.CopyFrom(model)
    for tensor in wrong.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == (1 if bias else 2):
            values = np.zeros_like(values) if bias else values.T.reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return wrong


@pytest.mark.parametrize("datatype", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_dropped_bias_and_transposed_weights_are_wrong(datatype: str, bias: bool) -> None:
    part, tensors = part_of("dense", datatype=datatype), spec("dense", datatype=datatype)
    model = build_part(part)
    output, inputs = run(changed(model, bias=bias), tensors)
    assert not compare(part, output, reference_outputs(model, inputs)).right


def test_tolerances_by_hand() -> None:
    """8 x 2^-23 x sqrt(32) x 4 in fp32; one step for each layer in int8."""
    reference = np.array([[4.0, -2.0]])
    dense = part_of("dense")
    verdict = compare(dense, reference.astype(np.float32), reference)
    assert verdict.error == 0.0
    assert verdict.tolerance == pytest.approx(8 * 2.0**-23 * 32**0.5 * 4)
    assert compare(dense, np.array([[4.0, np.nan]], np.float32), reference).error == float("inf")
    assert compare(dense, reference.astype(np.float32).T, reference).error == float("inf")
    whole = np.array([[4, 9]], np.uint8)
    stack = part_of("stack", datatype="int8")
    assert compare(stack, np.array([[6, 9]], np.uint8), whole) == Verdict(2.0, 2.0)
    assert not compare(stack, np.array([[7, 9]], np.uint8), whole).right


def test_counts_by_hand() -> None:
    counted = requirements_of_model(declare_part(part_of("convolution")), "it")
    assert counted.ops == 2 * 8 * 8 * 6 * 4 * 9
    assert counted.weights == 6 * 4 * 9 == CONVOLUTION.weights
    integers = requirements_of_model(declare_part(part_of("convolution", datatype="int8")), "it")
    assert (integers.ops, integers.weight_bits) == (counted.ops, 8)
    residual = requirements_of_model(declare_part(part_of("residual")), "it")
    assert residual.weights == 4 * 2 + 2 * 2 * 9 + 2 * 8 + 4 * 8


def test_weights_are_the_same_for_the_same_seed() -> None:
    first = build_part(part_of("dense", seed=3)).SerializeToString()
    assert build_part(part_of("dense", seed=3)).SerializeToString() == first
    assert build_part(part_of("dense", seed=4)).SerializeToString() != first


@pytest.mark.parametrize(("sparsity", "share"), [(50, 0.5), (90, 0.9), ("2:4", 0.5)])
def test_sparse_weights(sparsity: int | str, share: float) -> None:
    layer = {"layer": Dense(inputs=256, outputs=64), "build": {"sparsity": sparsity}}
    part = ModelSpec.model_validate(layer).part
    assert part is not None
    weights = numpy_helper.to_array(build_part(part).graph.initializer[0])
    assert float(np.mean(weights == 0)) == pytest.approx(share, abs=0.02)
    if sparsity == "2:4":
        assert set((weights.reshape(-1, 4) == 0).sum(axis=1).tolist()) == {2}
