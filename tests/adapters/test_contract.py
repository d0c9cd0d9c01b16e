"""What every adapter must do, whoever wrote it."""

import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.adapters.base import Array, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime, _provider_options
from qutiperf.adapters.onnxruntime import Options as OnnxRuntimeOptions
from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options
from qutiperf.datasets import open_dataset
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.classification import Classification
from qutiperf.errors import InputError, QutiperfError, SetupError
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.phases import combine
from qutiperf.harness.samples import PreparedSamples, RawSamples
from qutiperf.harness.streams import Completers, FirstError, Serving, Stream, Streams
from qutiperf.spec import catalog
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, OutputSpec

DIGITS = Model(
    path=str(catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"),
    input_name="image",
    input_dtype="float32",
    input_shape=(1, 8, 8),
    output_name="scores",
)
DIGITS_TFLITE = replace(
    DIGITS,
    path=DIGITS.path.replace(".onnx", ".tflite"),
    input_name="serving_default_args_0",
    output_name="serving_default_output_0_output",
)
EXAMPLE = f"{catalog.root() / 'sut/examples/my_adapter.py'}:MyAdapter"
ADAPTERS: dict[str, tuple[str, dict[str, object]]] = {
    "litert": ("litert", {}),
    "litert, built-in kernels, 2 threads": ("litert", {"xnnpack": False, "threads": 2}),
    "onnxruntime": ("onnxruntime", {"threads": 1}),
    "onnxruntime, 2 threads": ("onnxruntime", {"threads": 2}),
    "openvino": ("openvino", {"threads": 1}),
    "torch": ("torch", {}),
    "simulated": ("simulated", {"latency_us": 50.0, "latency_per_input_us": 5.0}),
    "example": (EXAMPLE, {}),
}
INPUT = InputSpec(name="image", dtype="float32", shape=["batch", 1, 8, 8])
SCORES = OutputSpec(name="scores", kind="scores")


@pytest.fixture(params=list(ADAPTERS))
def name(request: pytest.FixtureRequest) -> str:
    runtime = adapter_class(ADAPTERS[str(request.param)][0]).runtime_module
    if runtime is not None:
        pytest.importorskip(runtime)
    return str(request.param)


def loaded(name: str, model: Model | None = None) -> AnyAdapter:
    adapter, options = ADAPTERS[name]
    found = adapter_class(adapter)
    digits = DIGITS_TFLITE if found.model_suffixes == (".tflite",) else DIGITS
    instance = found()
    instance.load(model or digits, make_options(found, options, name))
    instance.tune(64)
    return instance


def digits() -> Dataset:
    return open_dataset(DatasetSpec(name="digits"), INPUT)


def assert_close(first: Array, second: Array, atol: float) -> None:
    np.testing.assert_allclose(first.astype(np.float64), second.astype(np.float64), atol=atol)


def answers(adapter: AnyAdapter, batches: Sequence[Array]) -> list[Array]:
    return [np.array(adapter.infer(batch)[0]) for batch in batches]


@pytest.mark.slow
def test_a_batch_equals_its_samples(name: str) -> None:
    adapter, images = loaded(name), digits().load(range(32))
    whole = np.array(adapter.infer(images)[0])
    single = np.concatenate(answers(adapter, [images[row : row + 1] for row in range(32)]))
    assert whole.shape == single.shape == (32, 10)
    assert (whole.argmax(axis=1) == single.argmax(axis=1)).all()
    assert_close(whole, single, atol=1e-5)


@pytest.mark.slow
def test_instances_work_side_by_side(name: str) -> None:
    images = digits().load(range(64))
    expected = np.array(loaded(name).infer(images)[0])
    adapters, found = [loaded(name), loaded(name)], {}

    def work(number: int) -> None:
        batches = [images[start : start + 8] for start in range(0, 64, 8)] * 3
        found[number] = np.concatenate(answers(adapters[number], batches))

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        assert_close(found[number], np.tile(expected, (3, 1)), atol=1e-4)


def test_the_device_clock_is_within_the_wall(name: str) -> None:
    import time

    adapter, images = loaded(name), digits().load(range(8))
    for _ in range(5):
        before = time.perf_counter_ns()
        compute_ns = adapter.infer(images)[1]
        wall = time.perf_counter_ns() - before
        assert compute_ns is None or 0 <= compute_ns <= wall


@pytest.mark.slow
def test_it_can_be_closed_and_loaded_again(name: str) -> None:
    images = digits().load(range(4))
    first = loaded(name)
    expected = np.array(first.infer(images)[0])
    assert all(isinstance(value, str) for value in first.describe().values())
    first.close()
    assert_close(np.array(loaded(name).infer(images)[0]), expected, atol=1e-6)


def test_a_second_close_does_nothing(name: str) -> None:
    adapter = loaded(name)
    adapter.infer(digits().load(range(2)))
    adapter.close()
    adapter.close()


def test_an_adapter_that_was_never_loaded_can_be_closed(name: str) -> None:
    adapter_class(ADAPTERS[name][0])().close()


@dataclass
class Answered:
    """Stands in for LoadGen: every id that was completed, until all are."""

    expected: int
    ids: Counter[int] = field(default_factory=Counter)
    done: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, ids: Sequence[int], address: int, size: int) -> None:
        assert (address > 0, size) == (True, 4)
        with self.lock:
            self.ids.update(ids)
            if self.ids.total() >= self.expected:
                self.done.set()


@pytest.mark.parametrize("feed_threads", [0, 2])
@pytest.mark.parametrize("collect", [False, True])
def test_every_query_is_answered_once(name: str, feed_threads: int, collect: bool) -> None:
    dataset, count = digits(), 131
    samples = RawSamples(dataset) if feed_threads else PreparedSamples(dataset)
    samples.load(range(50))
    answered, errors = Answered(count), list[BaseException]()
    failure = FirstError(errors.append)
    completers = Completers(answered.complete, answered.complete)
    device = LoadedModel([loaded(name), loaded(name)], dataset, Classification(SCORES), None)
    members = [Stream(infer, device.task, samples, 8, completers, failure) for infer in device.infers()]
    streams = Streams(members, samples, Serving(8, collect, feed_threads, one_by_one=collect), failure)
    if collect:
        for number in range(count):
            streams.issue([number], [number % 50])
    else:
        streams.issue(list(range(count)), [number % 50 for number in range(count)])
    assert answered.done.wait(20)
    streams.close()
    assert errors == []
    assert answered.ids == Counter(range(count))
    recorders = [member.recorder for member in members]
    assert combine(recorders).inputs == count
    numbers = [
        number for recorder in recorders for part in recorder.answered for number in part[:, 0].tolist()
    ]
    assert sorted(numbers) == (list(range(count)) if collect else [])


def fixed_model(folder: Path) -> Model:
    """Flattens four samples of three values at a time."""
    path = folder / "fixed.onnx"
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return Model(str(path), "x", "float32", (3,), "y", fixed_batch=4)


def test_a_fixed_batch_is_padded(tmp_path: Path) -> None:
    dataset = open_dataset(
        DatasetSpec(name="synthetic", count=8), InputSpec(name="x", dtype="float32", shape=[4, 3])
    )
    adapter = loaded("onnxruntime", fixed_model(tmp_path))
    [infer] = LoadedModel([adapter], dataset, Classification(SCORES), 4).infers()
    samples = dataset.load(range(8))
    for count in (1, 3, 4):
        outputs, _ = infer(samples[:count])
        assert (outputs == samples[:count]).all()
    with pytest.raises(ValueError, match="broadcast"):
        infer(samples)


def test_the_simulated_device_takes_exactly_its_time() -> None:
    adapter = loaded("simulated")
    compute = [adapter.infer(digits().load(range(count)))[1] for count in (1, 8)]
    assert compute == [55_000, 90_000]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"provider": "NoSuchProvider"},
            SetupError,
            "this onnxruntime has no provider NoSuchProvider; it offers: ",
        ),
    ],
)
def test_onnxruntime_says_what_is_wrong(
    options: dict[str, object], error: type[QutiperfError], message: str
) -> None:
    with pytest.raises(error, match=message):
        OnnxRuntime().load(DIGITS, OnnxRuntimeOptions(**options))  # type: ignore[arg-type]  # texts only


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": __file__}, "onnxruntime cannot load it"),
        ({"path": ""}, "no model file"),
        ({"input_name": "x"}, r"its inputs are \['image'\], not \['x'\]"),
        ({"output_name": "x"}, "it has no output 'x'"),
        ({"input_dtype": "uint8"}, "its input is float32, not uint8"),
    ],
)
def test_onnxruntime_refuses_another_model(change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OnnxRuntime().load(Model(**{**vars(DIGITS), **change}), OnnxRuntimeOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "sut: options: threads and inter_op_threads must be at least 1, not {'threads': 0}"),
        ({"provider_options": "device_id"}, "sut: options: provider_options 'device_id' is not key=value;"),
        ({"provider_options": "a=1;;b"}, "provider_options 'a=1;;b' is not key=value;key=value"),
        ({"graph_optimization_level": "most"}, "sut: options.graph_optimization_level: Input should be 'dis"),
        ({"threads": "2"}, "sut: options.threads: Input should be a valid integer, not '2'"),
        ({"thread": 2}, "sut: options.thread: unknown option; did you mean 'threads'?"),
    ],
)
def test_wrong_options_are_refused_before_any_run(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_options(OnnxRuntime, options, "sut")  # type: ignore[arg-type]  # its options are its own


def test_provider_options_are_pairs() -> None:
    assert _provider_options("device_id=0; mode = a=b;") == {"device_id": "0", "mode": "a=b"}
