"""Tasks by name and from files; the answers of a task of any kind, through LoadGen and read back."""

import ctypes
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from qutiperf.cli import main
from qutiperf.datasets import open_dataset, open_samples
from qutiperf.datasets.classification import Classification, Unjudged
from qutiperf.datasets.task import answers_of
from qutiperf.datasets.tasks import task_class, task_for
from qutiperf.errors import InputError, RunError
from qutiperf.harness.samples import PreparedSamples
from qutiperf.harness.streams import Completers, FirstError, Serving, Stream, Streams
from qutiperf.results.store import Store
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, Workload, load_workload
from tests import graphs, own_task
from tests.own_task import Selected
from tests.places import CHECKOUT

FILE = str(own_task.__file__)
WORKLOAD = """\
kind: workload
schema_version: 1
name: selected
task: own_task.py:Selected
dataset: {name: npz, file: data.npz}
model:
  file: m.onnx
  inputs:
    - {name: a, dtype: float32, shape: [batch, 3]}
    - {name: b, dtype: float32, shape: [batch, 3]}
  outputs:
    - {name: sum, kind: tensor}
    - {name: product, kind: tensor}
"""


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    """Seven samples; the truth of the last is wrong. The task's file is beside the workload."""
    graphs.sum_and_product(tmp_path / "m.onnx")
    rng = np.random.default_rng(3)
    a, b = (rng.normal(size=(7, 3)).astype(np.float32) for _ in range(2))
    truth = np.full((7, 3), np.nan, np.float32)
    for row, (sums, kept) in enumerate(zip(a + b, a * b > 0, strict=True)):
        truth[row, : kept.sum()] = sums[kept]
    truth[6] = 1
    np.savez(tmp_path / "data.npz", a=a, b=b, label=truth)
    (tmp_path / "own_task.py").write_text(Path(FILE).read_text())
    path = tmp_path / "selected.yaml"
    path.write_text(WORKLOAD)
    return path


class Completed:
    """Stands in for LoadGen: reads the bytes of every response while they are valid."""

    def __init__(self) -> None:
        self.responses: dict[int, bytes] = {}

    def complete(self, ids: Sequence[int], address: int, size: int) -> None:
        for number, identity in enumerate(ids):
            assert identity not in self.responses
            self.responses[identity] = ctypes.string_at(address + number * size, size)


def answered(infer: Callable[..., object], failure: FirstError, count: int = 5) -> dict[int, bytes]:
    dataset = open_dataset(
        DatasetSpec(name="synthetic", count=count), InputSpec(name="x", dtype="float32", shape=["batch", 3])
    )
    samples, completed = PreparedSamples(dataset), Completed()
    samples.load(range(count))
    completers = Completers(completed.complete, completed.complete)
    stream = Stream(infer, Selected(), samples, 2, completers, failure)  # type: ignore[arg-type]  # a tuple
    streams = Streams([stream], samples, Serving(2), failure)
    streams.issue(list(range(count)), list(range(count)))
    streams.close()
    return completed.responses


def numbers(found: bytes) -> list[float]:
    return [float(value) for value in np.frombuffer(found, np.float32)]


def test_each_response_has_its_own_length() -> None:
    rows = iter(np.arange(15, dtype=np.float32).reshape(5, 3))

    def infer(batch: npt.NDArray[np.float32]) -> tuple[tuple[object, object], None]:
        sums = np.stack([next(rows) for _ in batch])
        return (sums, sums - 4), None

    found = answered(infer, FirstError(lambda error: pytest.fail(str(error))))
    assert [numbers(found[number]) for number in range(5)] == [
        [],
        [5.0],
        [6.0, 7.0, 8.0],
        [9.0, 10.0, 11.0],
        [12.0, 13.0, 14.0],
    ]


@pytest.mark.parametrize("how", ["raises", "too few"])
def test_after_a_failure_every_query_is_answered_with_nothing(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infer(batch: npt.NDArray[np.float32]) -> tuple[tuple[object, object], None]:
        if how == "raises":
            raise RunError("the device is gone")
        return (batch, batch), None

    if how == "too few":
        monkeypatch.setattr(Selected, "responses", lambda *_: [b"1"])
    errors = list[BaseException]()
    assert answered(infer, FirstError(errors.append)) == dict.fromkeys(range(5), b"")
    assert [str(error) for error in errors] == [
        "the device is gone" if how == "raises" else "the task Selected gave 1 responses for 2 samples"
    ]


def test_names() -> None:
    assert task_class("image-classification", "w") is Classification
    assert task_class("none", "w") is Unjudged
    assert task_class(f"{FILE}:Selected", "w").takes_all


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("image-clasification", "w: task: 'image-clasification' is not known; did you mean 'image-cl"),
        ("missing.py:Selected", "w: task: missing.py: "),
        (f"{FILE}:Path", "w: task: own_task.py:Path is not a qutiperf.datasets.task.Task"),
        (f"{FILE}:Task", "w: task: own_task.py:Task lacks accuracy, responses"),
        (f"{FILE}:Selekted", "defines no 'Selekted'; did you mean 'Selected'"),
        ("\n", "is not known"),
        ("", "is not known"),
    ],
)
def test_tasks_that_are_none(name: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        task_class(name, "w")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1 / 0", "raise SystemExit(3)", "def", "\0"])
def test_a_file_that_cannot_be_imported(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(InputError, match=r"broken.py cannot be imported") as caught:
        task_class(f"{tmp_path}/broken.py:Task", "w")
    assert "\n" not in str(caught.value)


def test_the_path_is_relative_to_the_workload_and_the_task_checks_outputs_and_truth(workload: Path) -> None:
    made, _ = load_workload(str(workload))
    assert made.task == f"{workload.parent}/own_task.py:Selected"
    truth = open_samples(made).truth
    assert truth is not None
    assert (open_samples(made).labels, truth.shape) == (None, (7, 3))
    model = made.model.model_copy(update={"outputs": made.model.outputs[:1]})
    with pytest.raises(InputError, match="selected: task: needs the outputs sum and product"):
        task_for(made.model_copy(update={"model": model}))
    arrays = dict(np.load(workload.parent / "data.npz"))
    np.savez(workload.parent / "data.npz", **{**arrays, "label": arrays["label"].astype(np.float64)})
    with pytest.raises(InputError, match="selected: label: is float64, not float32"):
        open_samples(made)


def test_answers_that_lack_a_sample(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    entry = '{ "seq_id" : 0, "qsl_idx" : %d, "data" : "%s" }'
    log.write_text(f"[\n{entry % (1, 'AB')},\n{entry % (0, '')},\n{entry % (1, 'CD')}\n]\n")
    assert answers_of(log, 2) == [b"", b"\xab"]
    with pytest.raises(RunError, match="1 of 3 samples have no answer"):
        answers_of(log, 3)
    with pytest.raises(RunError, match="sample 1 is not one of 1"):
        answers_of(log, 1)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["Offline", "SingleStream"])
def test_a_task_of_a_file_from_end_to_end(
    scenario: str, workload: Path, sweep_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, out = sweep_file("cpu-onnxruntime", f"[{scenario}]"), workload.parent / "out"
    words = ["run", str(sweep), "--set", f"workloads={workload}", "--set", "deployment.batch_size=3"]
    words += ["--set", "settings.time_limit_s=60"]
    assert main([*words, "--out", str(out), "--json"], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["valid"], row["top1_percent"]) for row in rows} == {(True, None)}
    assert [(row["mode"], row["exact_percent"]) for row in rows] == [
        ("AccuracyOnly", 100 * 6 / 7),
        ("PerformanceOnly", 100 * 6 / 7),
    ]
    [accuracy] = [
        record for record in Store.open(out).records() if record.observed and record.observed.accuracy_figures
    ]
    log = out / f"{accuracy.run_id}-{accuracy.attempt}" / "mlperf_log_accuracy.json"
    arrays = np.load(workload.parent / "data.npz")
    a, b = arrays["a"], arrays["b"]
    expected = [sums[kept].tolist() for sums, kept in zip(a + b, a * b > 0, strict=True)]
    assert [numbers(each) for each in answers_of(log, 7)] == expected
    assert len({len(each) for each in expected}) > 1
    assert "task:own_task.py" in accuracy.inputs.files_sha256


def test_the_task_of_the_documentation(tmp_path: Path) -> None:
    page = (CHECKOUT / "docs/models.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    (tmp_path / "my_task.py").write_text(next(block for block in blocks if "class Words" in block))
    words = task_class(f"{tmp_path}/my_task.py:Words", "w")()
    responses = words.responses(np.array([[1.0, -1.0, 2.0], [-1.0, -1.0, -1.0]]), 2)
    assert responses == [np.array([1, 2], np.int32).tobytes(), b""]
    log = tmp_path / "log.json"
    entries = [f'{{"qsl_idx": {row}, "data": "{data.hex()}"}}' for row, data in enumerate(responses)]
    log.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    truth = np.array([[1, 2, 0], [3, 0, 0]])
    assert words.accuracy(log, truth).figures == {"exact_percent": 50.0}


def test_the_type_of_a_workload_leaves_the_task_open() -> None:
    spec = InputSpec(name="x", dtype="float32", shape=["batch", 3])
    data = {"name": "w", "task": "of-a-package", "dataset": {"name": "synthetic"}}
    model = {"input": spec.model_dump(), "output": {"name": "y", "kind": "tensor"}}
    with pytest.raises(InputError, match="task: 'of-a-package' is not known"):
        task_for(Workload.model_validate({**data, "model": model}))
