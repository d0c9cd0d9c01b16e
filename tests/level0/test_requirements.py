"""Requirements: exact on the published formulas, explained on the ImageNet networks, honest on the rest."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_file, requirements_of_model
from qutiperf.models.topologies import build, declare


@pytest.mark.parametrize(
    ("name", "scale", "gop", "weights"),
    [
        ("mlp", 100.0, 0.02002944, 10_014_720),
        ("mlp", 50.0, 0.005820416, 2_910_208),
        ("mlp", 25.0, 0.001861632, 930_816),
        ("mlp", 12.5, 0.000668672, 334_336),
        ("cnv", 100.0, 0.469449728, 6_157_696),
        ("cnv", 50.0, 0.118922752, 1_542_848),
        ("cnv", 25.0, 0.030510848, 387_424),
        ("cnv", 12.5, 0.008017792, 97_712),
    ],
)
def test_mlp_and_cnv_are_exact(name: str, scale: float, gop: float, weights: int) -> None:
    found = requirements_of_model(declare(name, scale), name)
    assert found.ops == round(gop * 1e9)
    assert found.weights == weights


@pytest.mark.parametrize(
    ("name", "gop", "published_gop", "weights", "published_weights"),
    [
        ("resnet50-v1", 7.715946496, 7.72, 25_502_912, 25.503e6),
        ("resnet50", 8.178368512, 8.2, 25_502_912, 25.503e6),
        # 5.979 million published leaves out the classifier of 1.024 million
        ("googlenet", 3.165343744, 3.13, 6_990_272, 5.979e6 + 1.024e6),
        # 4.240 million published counts batch normalisation and biases, which are folded here
        ("mobilenet", 1.137480704, 1.14, 4_209_088, 4.240e6),
        ("efficientnet-edgetpu-s", 4.70461568, 4.7, 5_385_952, 5.4e6),
        ("efficientnet-edgetpu-m", 7.320568576, 7.4, 6_830_688, 6.9e6),
        ("efficientnet-edgetpu-l", 19.323788096, 19.38, 10_496_504, 10.6e6),
    ],
)
def test_imagenet_networks_are_near_the_published_totals(
    name: str, gop: float, published_gop: float, weights: int, published_weights: float
) -> None:
    found = requirements_of_model(declare(name), name)
    assert found.ops == round(gop * 1e9)
    assert found.weights == weights
    assert found.ops / 1e9 == pytest.approx(published_gop, rel=0.012)
    assert found.weights == pytest.approx(published_weights, rel=0.011)


def test_totals_are_per_input_whatever_the_batch() -> None:
    one, eight = (requirements_of_model(declare("cnv", 25.0, batch=batch), "cnv") for batch in (1, 8))
    assert eight.batch == 8
    assert (eight.ops, eight.activations, eight.weights) == (one.ops, one.activations, one.weights)
    assert one.activations == 71_306
    assert sum(layer.positions for layer in one.layers if layer.weights) == 1941


def test_training_and_intensity() -> None:
    found = requirements_of_model(declare("mlp", 12.5), "mlp")
    assert found.training.ops == 3 * 668_672 + 334_336
    assert found.training.weight_elements == 3 * 334_336
    assert found.operational_intensity(8) == 2.0
    assert found.operational_intensity(32, batch=16) == 8.0


def _model(
    nodes: list[onnx.NodeProto], shapes: dict[str, list[int]], weights: dict[str, list[int]]
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    data = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, np.ones(shape, np.float32).ravel())
        for name, shape in weights.items()
    ]
    output = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, [output], data), opset_imports=opsets)


def test_recurrent_layers_count_gates_and_state() -> None:
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4)
    found = requirements_of_model(
        _model([node], {"x": [5, 1, 3]}, {"w": [1, 16, 3], "r": [1, 16, 4]}), "lstm", {"x": (5, 1, 3)}
    )
    assert sum(layer.ops for layer in found.layers) == 2 * 5 * 16 * (3 + 4)
    assert found.weights == 16 * 7
    assert sum(layer.state for layer in found.layers) == 8


def test_attention_products_have_no_weights() -> None:
    node = helper.make_node("MatMul", ["q", "k"], ["y"])
    found = requirements_of_model(_model([node], {"q": [1, 2, 7, 8], "k": [1, 2, 8, 7]}, {}), "attention")
    assert (found.ops, found.weights) == (2 * 2 * 7 * 7 * 8, 0)


def test_transposed_and_depthwise_convolutions() -> None:
    up = helper.make_node("ConvTranspose", ["x", "w"], ["u"], strides=[2, 2])
    deep = helper.make_node("Conv", ["u", "d"], ["y"], group=3)
    found = requirements_of_model(
        _model([up, deep], {"x": [1, 4, 5, 5]}, {"w": [4, 3, 2, 2], "d": [3, 1, 3, 3]}), "up"
    )
    assert [layer.ops for layer in found.layers] == [2 * 100 * 12, 2 * 3 * 64 * 9]
    assert [layer.kind for layer in found.layers] == ["convolution", "depthwise"]


def test_quantised_weights_keep_their_bits() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["wq", "s"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    model = _model(nodes, {"x": [1, 6]}, {})
    model.graph.initializer.append(helper.make_tensor("wq", TensorProto.INT8, [6, 2], [1] * 12))
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.FLOAT, [], [0.5]))
    found = requirements_of_model(model, "qdq")
    assert (found.weights, found.weight_bits, found.activation_bits, found.ops) == (12, 8.0, 32.0, 24)
    assert found.other_ops == 0


def test_outputs_that_are_rounded_at_once_have_those_bits() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    model = _model(nodes, {"x": [1, 6]}, {"w": [6, 2]})
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.FLOAT, [], [0.5]))
    model.graph.initializer.append(helper.make_tensor("z", TensorProto.INT8, [], [0]))
    found = requirements_of_model(model, "qdq")
    assert (found.activation_bits, found.weight_bits) == (8.0, 32.0)
    model.graph.node.append(helper.make_node("Add", ["m", "y"], ["also"]))
    assert requirements_of_model(model, "qdq").activation_bits == 32.0


def test_packed_weights_of_four_bits() -> None:
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=4, bits=4, block_size=32
    )
    model = _model([node], {"x": [1, 32]}, {"s": [4]})
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.UINT8, [4, 1, 16], [0] * 64))
    model.graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4]))
    found = requirements_of_model(model, "int4")
    assert (found.ops, found.weights, found.weight_bits) == (2 * 4 * 32, 128, 4.0)


def test_tables_are_parameters_and_shapes_are_not() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["rows"]),
        helper.make_node("Reshape", ["rows", "shape"], ["y"]),
    ]
    model = _model(nodes, {"x": [1, 3]}, {"table": [50, 4]})
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [3, 4]))
    found = requirements_of_model(model, "embedding")
    assert (found.other_parameters, found.weights, found.ops, found.other_ops) == (200, 0, 0, 0)


def test_unknown_operators_are_listed_with_their_share() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Mystery", ["a"], ["y"], domain="example"),
    ]
    found = requirements_of_model(_model(nodes, {"x": [1, 4]}, {}), "odd")
    assert found.unknown_operators == {"example.Mystery": 1}
    assert found.unknown_share_percent == 50.0


def test_external_weights_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "cnv.onnx"
    onnx.save(build("cnv", 25.0), str(path), save_as_external_data=True, location="weights.bin")
    (tmp_path / "weights.bin").unlink()
    assert requirements_of_file(path).weights == 387_424


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"\x00\x01garbage", "is not an ONNX model"),
        (b"", "has no ONNX graph"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        requirements_of_file(path)


def test_unknown_shapes_are_an_error_with_the_option() -> None:
    model = _model([helper.make_node("Relu", ["x"], ["y"])], {}, {})
    model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "c", 4]))
    with pytest.raises(
        InputError,
        match=r"'x' has the unknown shape \[n,c,4\]; give .* --shape, for instance x=1,16,4$",
    ):
        requirements_of_model(model, "dynamic")
    assert requirements_of_model(model, "dynamic", {"x": (1, 2, 4)}).other_ops == 8
    with pytest.raises(InputError, match="has no input 'z'"):
        requirements_of_model(model, "dynamic", {"z": (1,)})
    with pytest.raises(InputError, match="does not fit input 'x'"):
        requirements_of_model(model, "dynamic", {"x": (1, 2)})


def test_tflite_counts_like_onnx(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"not a model at all, and longer than a header")
    with pytest.raises(InputError, match="LiteRT cannot open it"):
        requirements_of_file(broken)
