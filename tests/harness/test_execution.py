"""How parts ran, by hand and by the runtimes' own profilers."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from qutiperf.adapters.base import ProfiledNode
from qutiperf.adapters.onnxruntime_profile import profiled_nodes
from qutiperf.harness.correctness import random_inputs
from qutiperf.harness.execution import execution_of, profile_of, ran_as
from qutiperf.harness.load import load_instances
from qutiperf.harness.rotation import Rotation
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import ModelSpec, Workload

DENSE = {"kind": "dense", "inputs": 64, "outputs": 64, "rows": 5}
CONVOLUTION = {"kind": "convolution", "in_channels": 8, "out_channels": 8, "size": 8, "kernel": 3}
THRESHOLD = {"kind": "threshold", "shape": [8]}
RELU = {"kind": "function", "operator": "relu", "shape": [8]}


def part(layer: Mapping[str, object], datatype: str) -> BuiltPart:
    return BuiltPart.model_validate({"layer": layer, "build": {"datatype": datatype}})


def node(operator: str, datatype: str, weights: str | None = None) -> ProfiledNode:
    return ProfiledNode("it", operator, datatype, weights, 1.0)


@pytest.mark.parametrize(
    ("layer", "datatype", "nodes", "expected"),
    [
        (CONVOLUTION, "fp32", [("ReorderInput", "fp32"), ("Conv", "fp32")], "native"),
        (CONVOLUTION, "fp16", [("Cast", "fp16"), ("Conv", "fp32"), ("Cast", "fp32")], "emulated"),
        (CONVOLUTION, "fp16", [("Convolution", "bf16")], "reduced"),
        (CONVOLUTION, "fp32", [("Convolution", "bf16")], "reduced"),
        (CONVOLUTION, "int8", [("QLinearConv", "int8"), ("Softmax", "fp32")], "native"),
        (CONVOLUTION, "int8", [("DequantizeLinear", "int8"), ("Conv", "fp32")], "emulated"),
        (CONVOLUTION, "int8", [("FullyConnected", "fp32", "int8")], "weights only"),
        (CONVOLUTION, "int8", [("Conv", "int8"), ("MatMul", "fp32")], "partly native"),
        (DENSE, "int4", [("MatMulNBits", "fp32", "packed")], "weights only"),
        (DENSE, "int4", [("FullyConnected", "fp32", "int4")], "weights only"),
        (DENSE, "int4", [("DequantizeLinear", "int4"), ("MatMul", "fp32")], "emulated"),
        (RELU, "fp16", [("Cast", "fp16"), ("Relu", "fp32"), ("Clip", "fp16")], "partly native"),
        (RELU, "int8", [("DequantizeLinear", "int8"), ("Relu", "fp32")], "emulated"),
        (THRESHOLD, "fp32", [("GreaterOrEqual", "fp32"), ("ReduceSum", "fp32")], "emulated"),
    ],
)
def test_by_hand(
    layer: dict[str, object], datatype: str, nodes: list[tuple[str, ...]], expected: str
) -> None:
    assert ran_as(part(layer, datatype), [node(*each) for each in nodes]) == expected


def test_each_layer_of_a_stack_counts() -> None:
    stack = {"stack": [{**DENSE, "rows": None}] * 2}
    mixed = BuiltPart.model_validate({**stack, "build": {"datatypes": ["int8", "fp32"]}})
    assert ran_as(mixed, [node("QGemm", "int8"), node("Gemm", "fp32")]) == "native"
    assert ran_as(mixed, [node("Gemm", "fp32"), node("Gemm", "fp32")]) == "partly native"
    few = BuiltPart.model_validate({**stack, "build": {"datatype": "int4"}})
    packed = node("MatMulNBits", "fp32", "packed")
    assert ran_as(few, [packed, packed]) == "weights only"
    assert ran_as(few, [node("Gemm", "fp32"), packed]) == "partly native"


def loaded(
    sut: str, layer: Mapping[str, object], datatype: str, folder: Path, copies: int = 1
) -> tuple[BuiltPart, ModelSpec, object]:
    build = {"datatype": datatype, "weight_copies": copies}
    spec = ModelSpec.model_validate({"layer": layer, "build": build})
    workload = Workload(name="it", task="none", dataset=DatasetSpec(name="synthetic", count=2), model=spec)
    [adapter] = load_instances(load_sut(sut)[0], workload, {"threads": 1}, 1, folder)
    return part(layer, datatype), spec, adapter


@pytest.mark.parametrize(
    ("sut", "layer", "datatype", "expected", "node"),
    [
        ("cpu-onnxruntime", CONVOLUTION, "int8", "native", "QLinearConv int8"),
        ("cpu-onnxruntime", CONVOLUTION, "fp16", "emulated", "Conv fp32"),
        ("cpu-onnxruntime", DENSE, "int4", "weights only", "MatMulNBits fp32, packed weights"),
        ("cpu-openvino", CONVOLUTION, "int8", "native", "Convolution int8, int8 weights"),
        ("cpu-openvino", DENSE, "int4", "weights only", "FullyConnected fp32, int4 weights"),
        ("cpu-openvino", CONVOLUTION, "fp32", "native", "Convolution fp32"),
    ],
)
def test_runtimes_report_how_they_run(
    sut: str, layer: dict[str, object], datatype: str, expected: str, node: str, tmp_path: Path
) -> None:
    if sut == "cpu-openvino":
        pytest.importorskip("openvino")
    made, spec, adapter = loaded(sut, layer, datatype, tmp_path)
    execution = execution_of(made, spec, adapter)  # type: ignore[arg-type]  # an adapter
    assert execution is not None
    assert execution.ran_as == expected
    assert execution.nodes[node] == 1


def test_times_are_those_of_the_calls_after_the_first(tmp_path: Path) -> None:
    _, spec, adapter = loaded("cpu-onnxruntime", {**DENSE, "rows": 200}, "fp32", tmp_path, copies=2)
    assert isinstance(adapter, Rotation)
    nodes = adapter.profile(random_inputs(spec, 4), 3)
    assert nodes is not None
    assert [each.operator for each in nodes] == ["MatMul", "Add"]
    assert all(0 < each.time_ns < 1e9 for each in nodes)
    assert [each.name for each in profile_of(spec, adapter, 4, 1e3)] == [each.name for each in nodes]


def test_without_a_profiler_nothing_is_reported(tmp_path: Path) -> None:
    sut = load_sut("cpu-onnxruntime")[0].model_copy(update={"adapter": "simulated"})
    spec = ModelSpec.model_validate({"layer": RELU})
    workload = Workload(name="it", task="none", dataset=DatasetSpec(name="synthetic", count=2), model=spec)
    [adapter] = load_instances(sut, workload, {}, 1, tmp_path)
    assert execution_of(part(RELU, "fp32"), spec, adapter) is None
    assert profile_of(spec, adapter, 1, 1e3) == []


def test_a_profile_by_hand(tmp_path: Path) -> None:
    """The first call does not count; a node inside a loop has two events for each call."""

    def event(name: str, duration: float, kind: str = "float") -> dict[str, object]:
        arguments = {"op_name": "MatMul", "input_type_shape": [{kind: [1, 2]}, {"Int4x2": [2, 2]}]}
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": duration, "args": arguments}

    calls = [(900, 800), (10, 20), (12, 28), (500, 24)]
    events = [each for first, last in calls for each in (event("a", first), event("b", 1), event("b", last))]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps([{"cat": "Session", "name": "run"}, *events]))
    assert profiled_nodes(str(path), 3) == [
        ProfiledNode("a", "MatMul", "fp32", "int4", 12_000.0),
        ProfiledNode("b", "MatMul", "fp32", "int4", 25_000.0),
    ]
