"""Compares the results of one model on several runtimes.

Each system runs in its own process (`python -m qutiperf.conformance.agree FOLDER`), because runtimes cannot
always share one; the answers are compared here.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from qutiperf.adapters.base import Array
from qutiperf.datasets import open_samples
from qutiperf.datasets.base import Labels
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import InputError, QutiperfError, RunError, SetupError
from qutiperf.harness.load import load_instances, model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.run.child import Nursery, Replies, end_now, read_task
from qutiperf.run.child import ask as ask_child
from qutiperf.run.pairing import Pairing
from qutiperf.spec.config import StrictModel
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import CLASSIFICATION, OutputSpec, Workload

_ANSWERS = "answers.npy"


class Question(StrictModel):
    """The task of one process: the first `count` samples, in batches."""

    sut: SystemUnderTest
    workload: Workload
    batch_size: int
    count: int


class Reply(StrictModel):
    """The reply of one process: the adapter's description, or the failure and its exit code."""

    adapter: dict[str, str] = {}
    failure: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs [count, ...] of one system as real numbers, with classes numbered as in the dataset.

    Of a model with several outputs these are of the first; [numbers] where its first axis is not the batch.
    Texts are numbers that stand for each of them, with `texts`: only whether they are the same counts.
    """

    sut: str
    model: str
    adapter: dict[str, str]
    outputs: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64] | None
    top1_percent: float | None
    count: int
    texts: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """Comparison of one system's answers with the first one's; `differing` are sorted sample indices."""

    same_label_percent: float | None
    largest_difference: float | None
    differing: list[int]


def ask(pairing: Pairing, batch_size: int, count: int | None, limit_s: float) -> Answers:
    """Answers of a system; raises its adapter's errors, or RunError if its process dies or times out."""
    workload = pairing.workload
    dataset = open_samples(workload)
    samples = min(count or dataset.count, dataset.count)
    fixed = workload.model.fixed_batch
    question = Question(
        sut=pairing.sut, workload=workload, batch_size=min(batch_size, fixed or batch_size), count=samples
    )
    with tempfile.TemporaryDirectory(prefix="qutiperf-") as name:
        folder = Path(name)
        reply = _reply_of(question, folder, limit_s)
        outputs = np.load(folder / _ANSWERS, allow_pickle=False)
    judged = workload.task == CLASSIFICATION
    truth = None if dataset.labels is None or not judged else dataset.labels[:samples]
    texts = outputs.dtype.kind == "U"
    numbers = _codes(outputs) if texts else outputs
    real, classes = _as_numbers(numbers, workload.model.output, judged and not texts)
    model, top1 = Path(workload.model.file or "a built topology").name, _top1(classes, truth)
    return Answers(pairing.sut.name, model, reply.adapter, real, classes, top1, samples, texts)


def compare(first: Answers, other: Answers) -> Agreement:
    """Raises InputError if the outputs have different shapes and cannot be compared."""
    if first.outputs.shape != other.outputs.shape:
        problem = (
            f"its outputs are {list(other.outputs.shape)}, those of {first.sut} {list(first.outputs.shape)}"
        )
        raise InputError(
            problem, where=other.sut, cure="check that both are the same model, and their label_offset"
        )
    if first.texts or other.texts:
        same = (first.outputs == other.outputs).reshape(len(first.outputs), -1).all(axis=1)
        return Agreement(100.0 * float(same.mean()), None, np.flatnonzero(~same).tolist())
    largest = float(np.abs(first.outputs - other.outputs).max(initial=0.0))
    if first.classes is None or other.classes is None:
        return Agreement(None, largest, [])
    differing = np.flatnonzero(first.classes != other.classes)
    share = 100.0 * (1 - len(differing) / len(first.classes))
    return Agreement(share, largest, [int(index) for index in differing])


def _codes(texts: Array) -> npt.NDArray[np.float64]:
    """A number for each text, the same in all processes; exact in a float, as it has 48 bits."""
    flat = [sha256(str(text).encode()).digest()[:6] for text in texts.ravel().tolist()]
    return np.array([int.from_bytes(each) for each in flat], np.float64).reshape(texts.shape)


def _as_numbers(
    outputs: Array, spec: OutputSpec, judged: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    """Dequantized outputs without the classes below the label offset, and the class of each sample."""
    real = outputs.astype(np.float64)
    if spec.quantization is not None:
        real = spec.quantization.scale * (real - spec.quantization.zero_point)
    if not judged or spec.kind == "tensor":
        return real, None
    if spec.kind == "class_id":
        ids = real.reshape(len(real)) - spec.label_offset
        return ids, ids.astype(np.int64)
    scores = real[:, spec.label_offset :]
    return scores, np.asarray(scores.argmax(axis=1), np.int64)


def _top1(classes: npt.NDArray[np.int64] | None, truth: Labels | None) -> float | None:
    return None if classes is None or truth is None else 100.0 * float((classes == truth).mean())


def _reply_of(question: Question, folder: Path, limit_s: float) -> Reply:
    name = question.sut.name
    with Nursery() as nursery:
        answer = ask_child(nursery, "qutiperf.conformance.agree", question, folder, limit_s)
    if answer.ending is None:
        raise RunError(f"no answers within {limit_s:.0f} s", where=name, cure="give --count")
    if answer.reply is None:
        raise RunError(": ".join([str(answer.ending), *answer.log_tail.splitlines()[-1:]]), where=name)
    try:
        reply = Reply.model_validate_json(answer.reply)
    except ValidationError:
        raise RunError("its adapter wrote to the reply pipe", where=name) from None
    if reply.failure is not None:
        kinds: dict[int, type[QutiperfError]] = {2: InputError, 3: SetupError}
        raise kinds.get(reply.exit_code, RunError)(reply.failure, where=name)
    return reply


def answer(question: Question, folder: Path) -> dict[str, str]:
    """Loads the system, writes the outputs of all samples, and returns the adapter's description."""
    workload = question.workload
    dataset = open_samples(workload)
    instances = load_instances(question.sut, workload, question.sut.options, 1, folder)
    spec, loaded = workload.model, model_for(workload, folder)
    model = LoadedModel(instances, dataset, task_for(workload), spec.fixed_batch, spec=spec, model=loaded)
    model.tune(question.batch_size)
    [infer] = model.infers()
    outputs_of_batches = []
    for batch in _batches(question):
        outputs = infer(_inputs(model, batch))[0]
        model.task.responses(outputs, len(batch))  # raises for impossible outputs
        outputs_of_batches.append(np.array(outputs[0] if model.task.takes_all else outputs))
    joined = _joined(outputs_of_batches, _batches(question))
    np.save(folder / _ANSWERS, joined.astype(np.str_) if joined.dtype.kind == "O" else joined)
    described = instances[0].describe()
    model.close()
    return described


def _inputs(model: LoadedModel, batch: Sequence[int]) -> Array:
    """A batch of the model's samples, for one of its callables."""
    if not isinstance(model.dataset, ManyInputs):
        return model.dataset.load(batch)
    samples = model.samples(False)
    samples.load(batch)
    return samples.gather(batch, samples.scratch(len(batch)))


def _joined(outputs: list[Array], batches: list[Sequence[int]]) -> Array:
    """One array of all batches; a plain list of numbers where their first axis is not the batch."""
    if all(array.shape[:1] == (len(batch),) for array, batch in zip(outputs, batches, strict=True)):
        return np.concatenate(outputs)
    return np.concatenate([array.ravel() for array in outputs])


def _batches(question: Question) -> list[Sequence[int]]:
    size, count = question.batch_size, question.count
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def main(name: str, descriptor: str) -> None:
    folder, replies = Path(name), Replies(int(descriptor))
    question = read_task(Question, folder)
    try:
        reply = Reply(adapter=answer(question, folder))
    except QutiperfError as error:
        reply = Reply(failure=str(error), exit_code=error.exit_code)
    replies.send(reply)
    end_now()


if __name__ == "__main__":
    main(*sys.argv[1:])
