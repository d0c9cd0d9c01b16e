"""Networks as layers: the runtime's fusion, layers by hand, what no layer stands for."""

from collections import Counter

import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError
from qutiperf.microbench.fusion import Fusion, fusion_of, grouped
from qutiperf.microbench.network_layers import NetworkLayers, layers_of_model
from qutiperf.microbench.networks import layers_on, workload_named
from qutiperf.microbench.selection import parts_of_networks, shares_of
from qutiperf.models.topologies import build, declare
from qutiperf.spec.microbench import MicrobenchSuite, label_of
from qutiperf.spec.sut import load_sut


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
    ]
