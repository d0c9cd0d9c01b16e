"""Networks as layers: the runtime's fusion, layers by hand, what no layer stands for."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError
from qutiperf.harness.execution import profile_of
from qutiperf.harness.load import load_instances
from qutiperf.microbench.fusion import Fusion, fusion_of, grouped
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers, layers_of_model
from qutiperf.microbench.networks import layers_on, workload_named
from qutiperf.microbench.selection import pairs_of, parts_of_networks, shares_of
from qutiperf.models.parts import build_part
from qutiperf.models.topologies import build, declare
from qutiperf.spec.build import Build, DatatypeName
from qutiperf.spec.layer import Dense
from qutiperf.spec.microbench import MicrobenchSuite, label_of
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.sut import load_sut

WIDE, NARROW = Dense(inputs=8, outputs=16), Dense(inputs=16, outputs=8)


def network(name: str = "cnv", adapter: str = "onnxruntime") -> NetworkLayers:
    model = build(name, 12.5, None, 1)
    return layers_of_model(model, name, None, fusion_of(model, adapter, {}))


@pytest.mark.parametrize("adapter", ["onnxruntime", "openvino"])
def test_activation_functions_are_fused_as_the_runtime_does(adapter: str) -> None:
    if adapter == "openvino":
        pytest.importorskip("openvino")
    found = network(adapter=adapter)
    assert found.runtime == adapter
    assert [label_of(layer.part) for layer in found.layers] == [
        "convolution-3x32x32-16x30x30-k3x3-s1-relu",
        "convolution-16x30x30-16x28x28-k3x3-s1-relu",
        "max-16x28x28-16x14x14-k2x2-s2",
        "convolution-16x14x14-32x12x12-k3x3-s1-relu",
        "convolution-32x12x12-32x10x10-k3x3-s1-relu",
        "max-32x10x10-32x5x5-k2x2-s2",
        "convolution-32x5x5-64x3x3-k3x3-s1-relu",
        "convolution-64x3x3-64x1x1-k3x3-s1-relu",
        "dense-64-128-relu",
        "dense-128-128-relu",
        "dense-128-10",
    ]
    assert found.uncovered == {}
    assert found.weight_bytes == 4 * 97_712


def test_without_a_runtime_every_node_is_on_its_own() -> None:
    found = layers_of_model(declare("mlp", 12.5, batch=1), "mlp", None, None)
    kinds = Counter(layer.part.parts[0].kind for layer in found.layers)
    assert (found.runtime, kinds) == (None, {"dense": 4, "function": 3})


def test_sums_are_fused_into_the_layer_before_them() -> None:
    """Conv -> Add with a shortcut -> Relu: one node that claims the convolution alone."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="main"),
        node("Conv", ["x", "v"], ["b"], name="shortcut"),
        node("Add", ["a", "b"], ["s"], name="sum"),
        node("Relu", ["s"], ["r"], name="relu"),
        node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        node("Flatten", ["p"], ["f"], name="flat"),
        node("Softmax", ["f"], ["y"], name="ending"),
    ]
    model = onnx.ModelProto(graph=onnx.GraphProto(node=nodes))
    assert grouped(model, [["a"], ["b"], ["p"], ["y"]]) == (0, 1, 1, 1, 2, 3, 3)
    assert grouped(model, [["b"], ["r"], ["p"], ["y"]]) == (1, 0, 1, 1, 2, 3, 3)


def test_operators_without_a_layer_are_named_with_their_share() -> None:
    shape = [1, 4, 6, 6]
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("LRN", ["a"], ["y"], name="lrn", size=3),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "it", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)]
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    found = layers_of_model(model, "it", None, Fusion("test", (0, 1), 2))
    assert [label_of(layer.part) for layer in found.layers] == ["relu-4x6x6-4x6x6"]
    assert found.uncovered == pytest.approx({"LRN": 100 * 5 / 6})


def test_onnx_attention_is_attention_without_projections() -> None:
    shape, value = [1, 2, 8, 16], helper.make_tensor_value_info
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], name="it")
    inputs = [value(name, TensorProto.FLOAT, shape) for name in "qkv"]
    graph = helper.make_graph([node], "it", inputs, [value("y", TensorProto.FLOAT, shape)])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 23)])
    [layer] = layers_of_model(model, "it", None, None).layers
    assert label_of(layer.part) == "attention-2x8x16-2x8x16-alone"
    assert layer.ops >= 2 * 2 * 8 * 8 * 16 * 2


@pytest.mark.parametrize(
    ("bits", "inputs", "labels"), [(4, 64, {"int4"}), (2, 64, {"int2"}), (8, 64, set()), (4, 40, set())]
)
def test_products_with_weights_of_few_bits(bits: int, inputs: int, labels: set[str]) -> None:
    """40 inputs are no multiple of a block, and int8 weights alone are no datatype of a layer."""
    value, blocks = helper.make_tensor_value_info, -(-inputs // 32)
    node = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", name="it")
    for name, size in {"K": inputs, "N": 8, "bits": bits, "block_size": 32}.items():
        node.attribute.append(helper.make_attribute(name, size))
    packed, scales = [8, blocks, 4 * bits], [8, blocks]
    graph = helper.make_graph(
        [node],
        "it",
        [value("x", TensorProto.FLOAT, [1, inputs])],
        [value("y", TensorProto.FLOAT, [1, 8])],
        initializer=[
            helper.make_tensor("w", TensorProto.UINT8, packed, np.zeros(packed, np.uint8).ravel()),
            helper.make_tensor("s", TensorProto.FLOAT, scales, np.ones(scales, np.float32).ravel()),
        ],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    found = layers_of_model(helper.make_model(graph, ir_version=10, opset_imports=opsets), "it", None, None)
    assert {layer.part.build.datatype for layer in found.layers} == labels
    assert set(found.uncovered) == (set() if labels else {"MatMulNBits"})


def test_a_dense_layer_of_int4_weights_is_read_back_as_one() -> None:
    part = BuiltPart(layer=Dense(inputs=64, outputs=32, bias=False), build=Build(datatype="int4"))
    model = build_part(part)
    for fusion in (None, fusion_of(model, "onnxruntime", {})):
        [layer] = layers_of_model(model, "it", {"input": [1, 64]}, fusion).layers
        assert layer.part == part


def test_networks_of_16_bits_have_their_own_datatype() -> None:
    datatypes: list[DatatypeName] = ["fp16", "bf16"]
    for datatype in datatypes:
        part = BuiltPart(layer=Dense(inputs=8, outputs=4), build=Build(datatype=datatype))
        [layer] = layers_of_model(build_part(part), "it", {"input": [1, 8]}, None).layers
        assert layer.part == part


def test_a_node_that_computes_several_layers_is_taken_apart() -> None:
    model = build("mlp", 12.5, None, 1)
    count = len(model.graph.node)
    found = layers_of_model(model, "mlp", None, Fusion("test", (0,) * count, 1, (("all",),)))
    assert [label_of(layer.part) for layer in found.layers] == [
        *("dense-784-256-relu", "dense-256-256-relu", "dense-256-256-relu", "dense-256-10"),
    ]
    assert {layer.runtime_nodes for layer in found.layers} == {()}
    assert found.uncovered == {}


def test_layers_of_an_int8_network_are_int8() -> None:
    sut = load_sut("cpu-onnxruntime")[0]
    found = layers_on(workload_named("digits-cnv-25-int8"), sut)
    assert {layer.part.build.datatype for layer in found.layers} == {"int8"}
    assert len(found.layers) == 11
    assert set(found.uncovered) == {"QuantizeLinear", "DequantizeLinear"}


def test_networks_by_name() -> None:
    assert workload_named("mlp@12.5").name == "mlp-12.5"
    for name in ("mlp@0", "mlp@x", "mlp@"):
        with pytest.raises(InputError, match="has no scale from 0 to 100; write a topology"):
            workload_named(name)
    with pytest.raises(InputError, match="no workload named 'digits-mlp'"):
        workload_named("digits-mlp")


def test_the_layers_that_take_most_come_first() -> None:
    found = network("mlp")
    shares = {label_of(part): share for part, share in shares_of([found]).values()}
    assert shares["dense-784-256-relu"] > shares["dense-256-256-relu"] > shares["dense-256-10"]
    assert sum(shares.values()) == pytest.approx(1.0)
    suite = MicrobenchSuite(name="it", depths=[1, 2, 4])
    labels = [part.label for part in parts_of_networks([found], suite, None)]
    assert labels == [
        *("dense-784-256-relu", "dense-256-256-relu", "dense-256-10"),
        *("2-dense-256-256-relu", "4-dense-256-256-relu"),
        *("dense-784-256-relu+dense-256-256-relu", "dense-256-256-relu+dense-256-10"),
    ]
    profiled = [part.label for part in parts_of_networks([found], suite, None, profiled=True)]
    assert profiled == [*labels[:3], *labels[5:], *labels[3:5]]
    alone = MicrobenchSuite(name="it", depths=[1])
    assert len(parts_of_networks([found], alone, None)) == 3


def test_layers_that_follow_each_other() -> None:
    """A convolution of one input, two of its output, their sum, and a softmax of a flattened one."""
    value, node = helper.make_tensor_value_info, helper.make_node
    shapes = {"w": [4, 4, 1, 1], "v": [8, 4, 1, 1]}
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="a"),
        node("Conv", ["a", "v"], ["b"], name="b"),
        node("Conv", ["a", "v"], ["c"], name="c"),
        node("Add", ["b", "c"], ["d"], name="d"),
        node("Relu", ["d"], ["e"], name="e"),
        node("Flatten", ["e"], ["f"], name="f"),
        node("Softmax", ["f"], ["y"], name="y"),
    ]
    graph = helper.make_graph(
        nodes,
        "it",
        [value("x", TensorProto.FLOAT, [1, 4, 6, 6])],
        [value("y", TensorProto.FLOAT, [1, 288])],
        initializer=[
            helper.make_tensor(name, TensorProto.FLOAT, dims, np.ones(dims, np.float32).ravel())
            for name, dims in shapes.items()
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    found = layers_of_model(model, "it", None, None)
    names = [layer.name for layer in found.layers]
    edges = [(names[first], names[second]) for first, second in found.edges]
    assert edges == [("a", "b"), ("a", "c"), ("d", "e")]
    assert [(first.name, second.name) for first, second in found.pairs] == edges
    suite = MicrobenchSuite(name="it", depths=[2, 4])
    assert [one.label for one in pairs_of([found], suite)] == [
        "convolution-4x6x6-4x6x6-k1x1-s1+convolution-4x6x6-8x6x6-k1x1-s1",
        "add-8x6x6-8x6x6+relu-8x6x6-8x6x6",
    ]


def test_a_pair_that_takes_its_own_output_is_there_twice_too() -> None:
    layers = [NetworkLayer("it", BuiltPart(layer=layer), 1.0, 1.0, 1.0) for layer in (WIDE, NARROW)]
    found = NetworkLayers("it", tuple(layers), {}, None, 0.0, ((0, 1),))
    parts = pairs_of([found], MicrobenchSuite(name="it", depths=[1, 2, 4]))
    assert [len(one.part.parts) for one in parts] == [2, 4]
    assert parts[1].label == "2 x (dense-8-16+dense-16-8)"
    assert parts[1].name.startswith("2-x-dense-8-16-dense-16-8-fp32-")


@pytest.mark.parametrize("sut", ["cpu-onnxruntime", "cpu-openvino"])
def test_the_nodes_of_layers_are_those_of_the_profile(sut: str, tmp_path: Path) -> None:
    if sut == "cpu-openvino":
        pytest.importorskip("openvino")
    system, workload = load_sut(sut)[0], workload_named("digits-cnv-12.5-int8")
    found = layers_on(workload, system)
    [adapter] = load_instances(system, workload, {"threads": 1}, 1, tmp_path)
    profiled = {node.name for node in profile_of(workload.model, adapter, 1, 1e8)}
    # OpenVINO may compute all dense layers in one node, which has the name of the last
    layers = [layer for layer in found.layers if "openvino" not in sut or "gemm" not in layer.name]
    assert len(layers) >= 8
    assert all(set(layer.runtime_nodes) & profiled for layer in layers)
    assert len({layer.runtime_nodes for layer in layers}) == len(layers)
