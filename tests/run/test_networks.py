"""Networks as axes of a sweep: every combination, ranges, excludes, and what cannot be built."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from qutiperf.cli import main
from qutiperf.models.topologies import build
from qutiperf.models.topology_spec import write_for
from qutiperf.results.store import Store
from qutiperf.run.sweep import PlannedSweep, plan_sweep
from qutiperf.spec.networks import values_of
from qutiperf.spec.topology import NetworkDatatype, Topology
from qutiperf.spec.workload import InputSpec
from tests.conftest import SutFile, fails

NetworkSweep = Callable[..., Path]
IMAGE = InputSpec(name="image", dtype="float32", shape=["batch", 3, 32, 32])


@pytest.fixture
def network_sweep(tmp_path: Path, sut_file: SutFile) -> NetworkSweep:
    def write(networks: str, extra: str = "", sut: str = "") -> Path:
        path = tmp_path / "networks.yaml"
        path.write_text(
            "kind: sweep\nschema_version: 1\nname: networks\n"
            f"suts: [{sut or sut_file('simulated')}]\nscenarios: [Offline]\n"
            f"settings: {{min_duration_s: 0.1}}\ndeployment: {{batch_size: 4, streams: 1}}\n"
            f"networks: {networks}\n{extra}"
        )
        return path

    return write


def names(planned: PlannedSweep) -> list[str]:
    return [group.workload.name for group in planned.groups]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ([25, 50.5, 25], [25, 50.5]),
        (["12.5:100:x2"], [12.5, 25, 50, 100]),
        (["160:224:32", 10], [160, 192, 224, 10]),
        (["5:5:1"], [5]),
    ],
)
def test_values(texts: list[int | float | str], values: list[float]) -> None:
    assert values_of(texts) == values


@pytest.mark.parametrize(
    "text", ["", "5", "1:2", "2:1:1", "0:9:x2", "1:9:x1", "1:9:0", "1:nan:1", "1:inf:x2", "a:b:c", "1:2:3:4"]
)
def test_no_values(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a number nor a range such as 25:100:x2"):
        values_of([text])


def test_every_combination_is_a_workload(network_sweep: NetworkSweep) -> None:
    axes = "{topologies: [cnv], scales: ['25:50:x2'], datatypes: [fp32, int8], sparsities: [0, 75]}"
    planned = plan_sweep(str(network_sweep(axes)), [])
    assert names(planned) == [
        *("cnv-25-fp32", "cnv-25-fp32-sparse75", "cnv-25-int8", "cnv-25-int8-sparse75"),
        *("cnv-50-fp32", "cnv-50-fp32-sparse75", "cnv-50-int8", "cnv-50-int8-sparse75"),
    ]
    variant = planned.groups[3].workload.variant
    assert (variant.topology, variant.channel_scale_percent) == ("cnv", 25)
    assert (variant.weight_datatype, variant.sparsity_percent) == ("int8", 75)


def test_the_same_networks_have_the_same_ids(network_sweep: NetworkSweep) -> None:
    axes = "{topologies: [mlp], scales: [25, 50]}"
    runs = [
        {run.run_id for group in plan_sweep(str(network_sweep(axes)), []).groups for run in group.runs}
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 2


def test_exclude_takes_the_axes_also_of_other_workloads(network_sweep: NetworkSweep) -> None:
    rules = (
        "workloads: digits-mlp-*-fp32\nmodes: PerformanceOnly\nexclude:\n"
        "- {channel_scale_percent: 25, topology: cnv}\n- {input_size: 28}\n- {topology: digits-mlp}\n"
        "- {channel_scale_percent: 12.5, weight_datatype: fp*}\n"
    )
    planned = plan_sweep(str(network_sweep("{topologies: [cnv, mlp], scales: [25, 50]}", rules)), [])
    found = set(names(planned))
    assert {name for name in found if name.startswith(("cnv", "mlp"))} == {"cnv-50-fp32"}
    assert "digits-mlp-12.5-fp32" not in found


def test_networks_that_cannot_be_built_are_skipped_with_the_reason(
    network_sweep: NetworkSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network_sweep("{topologies: [cnv], input_sizes: [10, 32], scales: [100, 0.05]}")
    assert main(["plan", str(path)], debug=False) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 point is skipped: cnv-100-fp32-10px: an input of 10 pixels is too small" in printed
    assert "cnv-0.05-fp32-32px: a channel scale of 0.05 %; give 0.1 to 1,000 %" in printed


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ("{topologies: [vgg]}", "topologies: no topology named 'vgg'"),
        ("{topologies: []}", "networks.topologies: "),
        ("{topologies: [cnv], scales: ['1:9']}", "networks.scales: is neither a number nor a range"),
        ("{topologies: [cnv], input_sizes: [1.5]}", "networks.input_sizes: has a value that is not a whole"),
        ("{topologies: [cnv], sparsities: [100]}", "networks.sparsities: has a value that is not from 0"),
        ("{topologies: [cnv], datatypes: [int3]}", "networks.datatypes"),
        ("{topologies: ['*'], scales: ['0.001:100:0.05']}", "networks, more than the limit of 10,000"),
        (
            "{topologies: [cnv], scales: [0]}",
            "networks.scales: has a value that is not above 0 and up to 100",
        ),
        ("null", "has neither workloads nor networks"),
    ],
)
def test_wrong_networks(
    network_sweep: NetworkSweep, capsys: pytest.CaptureFixture[str], networks: str, message: str
) -> None:
    assert message in fails(capsys, ["plan", str(network_sweep(networks))], 2)


def test_a_sparse_network_has_the_zeros_and_otherwise_the_same_weights() -> None:
    dense, sparse = build("cnv", 25), build("cnv", 25, sparsity_percent=75)
    shares = []
    for one, other in zip(dense.graph.initializer, sparse.graph.initializer, strict=True):
        first, second = numpy_helper.to_array(one), numpy_helper.to_array(other)
        kept = second != 0
        assert (first[kept] == second[kept]).all()
        if first.ndim > 1:
            shares.append((float(np.mean(~kept)), first.size))
    zeros = sum(share * size for share, size in shares) / sum(size for _, size in shares)
    assert zeros == pytest.approx(0.75, abs=0.01)


@pytest.mark.slow
def test_an_int8_network_is_quantised_and_keeps_its_zeros(tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    topology = Topology(name="cnv", channel_scale_percent=12.5, datatype="int8", sparsity_percent=50)
    write_for(topology, IMAGE, path)
    graph = onnx.load(path).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    weights = [numpy_helper.to_array(each) for each in graph.initializer if len(each.dims) > 1]
    assert {weight.dtype for weight in weights} == {np.dtype(np.int8)}
    assert sum(np.count_nonzero(weight == 0) for weight in weights) > 0.45 * sum(map(np.size, weights))


def answers(model: onnx.ModelProto, images: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = ReferenceEvaluator(model).run(None, {"image": images})
    assert isinstance(scores, list)
    assert scores[0].dtype == np.float32
    return np.asarray(scores[0], np.float32)


def written(tmp_path: Path, name: str, datatype: NetworkDatatype) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """The network, checked, and the shape of an image."""
    path = tmp_path / "narrow.onnx"
    source = IMAGE if name == "cnv" else InputSpec(name="image", dtype="float32", shape=["batch", 784])
    write_for(Topology(name=name, channel_scale_percent=12.5, datatype=datatype), source, path)
    model, wide = onnx.load(path), build(name, 12.5)
    onnx.checker.check_model(model, full_check=True)
    assert (model.graph.input, model.graph.output) == (wide.graph.input, wide.graph.output)
    return model, source.sample_shape


@pytest.mark.parametrize("name", ["mlp", "cnv"])
def test_a_network_in_fp16_answers_nearly_the_same(tmp_path: Path, name: str) -> None:
    narrow, shape = written(tmp_path, name, "fp16")
    assert {tensor.data_type for tensor in narrow.graph.initializer} == {TensorProto.FLOAT16}
    images = np.random.default_rng(1).random((2, *shape), np.float32)
    expected, answered = answers(build(name, 12.5), images), answers(narrow, images)
    assert 0 < np.abs(answered - expected).max() < 0.003 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["mlp", "cnv"])
def test_a_network_with_int4_weights_computes_with_the_nearest_of_fifteen_values(
    tmp_path: Path, name: str
) -> None:
    narrow, shape = written(tmp_path, name, "int4")
    wide, stored = build(name, 12.5), {tensor.name: tensor for tensor in narrow.graph.initializer}
    for tensor in wide.graph.initializer:
        if len(tensor.dims) > 1:
            weight = numpy_helper.to_array(tensor)
            assert stored[tensor.name].data_type == TensorProto.INT4
            levels = numpy_helper.to_array(stored[tensor.name]).astype(np.float32)
            scale = numpy_helper.to_array(stored[f"{tensor.name}.scale"])
            assert np.abs(levels).max() == 7
            rounded = levels * scale.reshape(-1, *[1] * (weight.ndim - 1))
            steps = np.abs(rounded - weight) / scale.reshape(-1, *[1] * (weight.ndim - 1))
            assert steps.max() < 0.5001
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    images = np.random.default_rng(1).random((2, *shape), np.float32)
    np.testing.assert_allclose(answers(narrow, images), answers(wide, images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_built_networks_are_measured(network_sweep: NetworkSweep, tmp_path: Path) -> None:
    out = tmp_path / "results"
    axes = "{topologies: [cnv, mlp], scales: [12.5], datatypes: [fp32, fp16, int8, int4], sparsities: [50]}"
    path = network_sweep(axes, sut="cpu-onnxruntime")
    assert main(["run", str(path), "--out", str(out), "--set", "deployment.threads=1"]) == 0
    records = Store.open(out).latest()
    assert {record.point.workload for record in records} == {
        f"{name}-12.5-{datatype}-sparse50"
        for name in ("cnv", "mlp")
        for datatype in ("fp32", "fp16", "int8", "int4")
    }
    assert all(record.valid for record in records)
