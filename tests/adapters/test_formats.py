"""One workload, its model in several formats, and integers that stand for real numbers."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters.base import Adapter
from qutiperf.adapters.onnxruntime import OnnxRuntime
from qutiperf.adapters.registry import require_runtime
from qutiperf.datasets import open_dataset
from qutiperf.errors import InputError, SetupError
from qutiperf.harness.load import model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.level0.subject import subject_of_workload
from qutiperf.models.workload_of import workload_of_file
from qutiperf.run.pairing import pair
from qutiperf.spec import catalog
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.formats import for_suffixes
from qutiperf.spec.source import LengthSource, StateSource
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import InputSpec, QuantizationSpec, Workload, load_workload

ONNX = catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
TEXT = f"""
kind: workload
schema_version: 1
name: both
task: image-classification
dataset: {{name: digits}}
model:
  file: {ONNX}
  input: {{name: image, dtype: float32, shape: [batch, 1, 8, 8]}}
  output: {{name: scores, kind: scores}}
  other_files:
    - file: other.tflite
      converter: somebody's 1.0
      input: {{name: args_0, dtype: int8, shape: [batch, 1, 8, 8],
              quantization: {{scale: 0.0625, zero_point: -128}}}}
      output: {{name: output_0, kind: scores, quantization: {{scale: 0.5}}}}
    - {{file: other.pt2}}
variant: {{converter: mine}}
"""


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    path = tmp_path / "both.yaml"
    path.write_text(TEXT)
    return load_workload(str(path))[0]


def test_the_adapter_picks_the_format(workload: Workload, tmp_path: Path) -> None:
    assert for_suffixes(workload, ()) is workload
    assert for_suffixes(workload, (".onnx", ".tflite")) is workload
    chosen = for_suffixes(workload, (".xml", ".tflite", ".onnx"))
    assert chosen.model.file == str(tmp_path / "other.tflite")
    assert chosen.variant.converter == "somebody's 1.0"
    model = model_for(chosen, tmp_path)
    assert (model.input_name, model.input_dtype, model.output_name) == ("args_0", "int8", "output_0")
    assert (model.input_quantization, model.output_quantization) == ((0.0625, -128), (0.5, 0))
    program = for_suffixes(workload, (".pt2",)).model
    assert (program.input, program.file) == (workload.model.input, str(tmp_path / "other.pt2"))


def test_the_network_is_counted_in_onnx_whatever_is_loaded(workload: Workload) -> None:
    chosen = for_suffixes(workload, (".tflite",))
    assert [Path(file).name for file in chosen.model.files] == ["other.tflite", ONNX.name, "other.pt2"]
    assert (
        subject_of_workload(chosen).network.total_ops == subject_of_workload(workload).network.total_ops > 0
    )


def test_a_format_that_is_not_there(workload: Workload) -> None:
    with pytest.raises(
        InputError,
        match=r"both: model: the adapter does not load digits-mlp-12.5-fp32.onnx, other.tflite, "
        r"other.pt2; it loads .xml: choose another system, or add such a file",
    ):
        for_suffixes(workload, (".xml",))


def test_a_topology_is_onnx() -> None:
    built = load_workload("digits-mlp-12.5-fp32")[0].model_dump()
    built["model"] |= {"file": None, "sha256": None, "other_files": [], "topology": {"name": "resnet50"}}
    workload = Workload.model_validate(built)
    assert for_suffixes(workload, (".onnx",)) is workload
    with pytest.raises(InputError, match=r"not load a topology, which is built as ONNX; it loads .tflite"):
        for_suffixes(workload, (".tflite",))


def test_samples_are_rounded_to_the_inputs_integers() -> None:
    plain = InputSpec(name="image", dtype="float32", shape=["batch", 1, 8, 8])
    quantization = QuantizationSpec(scale=0.03, zero_point=-100)
    spec = plain.model_copy(update={"dtype": "int8", "quantization": quantization})
    integers = open_dataset(DatasetSpec(name="digits"), spec)
    real = open_dataset(DatasetSpec(name="digits"), plain).load(range(20)).astype(np.float64)
    expected = np.clip(np.rint(real / 0.03) - 100, -128, 127)
    found = integers.load(range(20))
    assert found.dtype == integers.dtype == np.int8
    assert (found == expected).all()
    assert (integers.prepare(integers.raw(3)) == expected[3]).all()
    assert integers.labels is not None


def test_quantized_inputs_are_integers() -> None:
    spec = InputSpec.model_validate(
        {"name": "x", "dtype": "float32", "shape": ["batch", 1, 8, 8], "quantization": {"scale": 0.5}}
    )
    with pytest.raises(InputError, match=r"model.input.quantization: the input is float32, not an integer"):
        open_dataset(DatasetSpec(name="digits"), spec)


class Asks(OnnxRuntime):
    extra = "dev"  # pytest is among its packages


def test_a_runtime_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require_runtime(Asks, "asks")  # type: ignore[arg-type]  # its options are its own
    from importlib import metadata

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "7.4" if name == "pytest" else real(name))
    with pytest.raises(
        SetupError, match=r"asks: pytest 7.4 is installed, but >=8.3 is required; pip install"
    ):
        require_runtime(Asks, "asks")  # type: ignore[arg-type]  # its options are its own


class Counting(Adapter[object]):
    """Tells two numbers, one of them a time."""

    options_type = object

    def __init__(self, retries: float, link_us: float) -> None:
        self._told = {"retries": retries, "link_round_trip_us": link_us}

    def load(self, model: object, options: object) -> None: ...

    def infer(self, batch: np.ndarray) -> tuple[np.ndarray, None]:
        return batch, None

    def figures(self) -> dict[str, float]:
        return self._told


def test_counts_are_added_and_times_averaged() -> None:
    dataset = open_dataset(
        DatasetSpec(name="digits"), InputSpec(name="i", dtype="float32", shape=["batch", 64])
    )
    device = LoadedModel([Counting(1, 100), Counting(2, 300)], dataset, None, None)  # type: ignore[arg-type]  # no task
    assert device.figures() == {"retries": 3, "link_round_trip_us": 200}


SEVERAL = """
kind: workload
schema_version: 1
name: several
task: none
dataset: {name: synthetic, count: 4}
model:
  file: m.onnx
  steps: 2
  inputs:
    - {name: x, dtype: float32, shape: [batch, 2], source: random}
    - {name: state, dtype: float32, shape: [1, batch, 2], source: {state: next}}
    - {name: sizes, dtype: int64, shape: [batch], source: {length: x}}
  outputs:
    - {name: out, kind: tensor}
    - {name: next, kind: tensor}
  other_files:
    - file: m.tflite
      inputs:
        - {name: args_0, dtype: int8, shape: [batch, 2], quantization: {scale: 0.5}}
        - {name: args_1, dtype: float32, shape: [1, batch, 2]}
        - {name: args_2, dtype: int32, shape: [batch]}
      outputs: [{name: output_0, kind: tensor}, {name: output_1, kind: tensor}]
    - {file: m.pt2}
"""


def test_any_tensor_may_differ_in_another_format(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(SEVERAL)
    workload, _ = load_workload(str(tmp_path / "w.yaml"))
    chosen = for_suffixes(workload, (".tflite",)).model
    assert [(each.name, each.dtype) for each in chosen.inputs] == [
        *(("args_0", "int8"), ("args_1", "float32"), ("args_2", "int32"))
    ]
    assert [each.name for each in chosen.outputs] == ["output_0", "output_1"]
    assert chosen.inputs[0].source == "random"
    assert chosen.inputs[1].source == StateSource(state="output_1")
    assert chosen.inputs[2].source == LengthSource(length="args_0")
    assert [Path(file).name for file in chosen.files] == ["m.tflite", "m.onnx", "m.pt2"]
    again = for_suffixes(workload.model_copy(update={"model": chosen}), (".pt2",)).model
    assert (again.inputs, again.outputs) == (workload.model.inputs, workload.model.outputs)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "outputs: [{name: output_0, kind: tensor}, ",
            "outputs: [",
            "other_files.0.outputs: 1, but the model has 2",
        ),
        (
            "    - {file: m.pt2}",
            "      input: {name: a, dtype: int8, shape: [batch, 2]}",
            "has both input and inputs",
        ),
    ],
)
def test_tensors_of_another_format_that_do_not_fit(old: str, new: str, problem: str, tmp_path: Path) -> None:
    assert old in SEVERAL
    (tmp_path / "w.yaml").write_text(SEVERAL.replace(old, new))
    with pytest.raises(InputError, match=problem):
        load_workload(str(tmp_path / "w.yaml"))


def test_everything_that_a_tflite_file_has_otherwise_is_listed_before_a_run(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from tests.tflite_graphs import copies

    path = copies(tmp_path / "m.tflite", [("a", "float32", (-1, 2)), ("b", "int32", (4, 2))])
    made = workload_of_file(path)
    system, _ = load_sut("cpu-litert")
    assert pair(system, made).samples == 256
    data = made.model_dump(mode="json")
    data["model"]["inputs"][0] |= {"dtype": "int8", "quantization": {"scale": 0.5}}
    data["model"]["inputs"][1] |= {"shape": ["batch", 3]}
    data["model"]["outputs"][1] |= {"name": "c"}
    with pytest.raises(InputError) as caught:
        pair(system, Workload.model_validate(data))
    assert str(caught.value) == (
        "m: model.outputs.1.name: 'c', but m.tflite has ['a_copy', 'b_copy']; "
        "model.inputs.0.dtype: int8, but m.tflite takes float32; "
        "model.inputs.0.quantization: m.tflite has none; "
        "model.inputs.1.shape: ['batch', 3], but m.tflite takes [4, 2]; "
        "`qutiperf workload new m.tflite` writes what fits the model"
    )
    del data["model"]["inputs"][1]
    with pytest.raises(InputError, match=r"model\.inputs: b of m\.tflite is not listed"):
        pair(system, Workload.model_validate(data))
