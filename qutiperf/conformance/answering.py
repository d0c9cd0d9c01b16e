"""Checks of an adapter's answers: form, batches, two instances, and classes."""

import threading
from time import monotonic

import numpy as np

from qutiperf.adapters.base import Array
from qutiperf.conformance.finding import CheckFinding, failed, passed, skipped
from qutiperf.conformance.subject import Loaded, LoadedAdapter

_LABELLED = 200
_NEEDED_PERCENT = 50.0  # of the labelled images; guessing among ten classes gives 10


def answers(subject: LoadedAdapter) -> CheckFinding:
    """Load and describe() work, and a batch is answered with one row of finite numbers per sample."""
    before = monotonic()
    loaded = subject.load()
    load_s = monotonic() - before
    described = loaded.instance.describe()
    if any(not isinstance(text, str) for pair in described.items() for text in pair):
        raise failed(f"describe() returns {described!r}, not a dict of strings")
    before = monotonic()
    outputs = loaded.timed(subject.inputs(subject.batch))[0]
    infer_s = monotonic() - before
    _check_output(outputs, None if subject.many else subject.batch)
    seen = f"{subject.batch} samples: outputs {list(outputs.shape)} of {outputs.dtype}"
    if subject.many:
        seen += f", the first of {_check_all_outputs(subject, loaded)}"
    return passed(seen, load_s=load_s, infer_s=infer_s, **described)


def _check_all_outputs(subject: LoadedAdapter, loaded: Loaded) -> int:
    """The number of outputs, each an array of numbers or texts."""
    step = subject.first_step(subject.tensors_of(subject.inputs(subject.batch)))
    outputs = loaded.instance.infer_many(step)[0]
    subject.calls += 1
    names = subject.model.outputs
    if not isinstance(outputs, tuple) or len(outputs) != len(names):
        raise failed(f"infer_many() gives {len(outputs)} outputs, not a tuple of {len(names)}")
    for each in outputs:
        _check_output(each, None)
    return len(outputs)


def _check_output(outputs: object, count: int | None) -> None:
    """With a `count` there is a row for each sample; models with several tensors may have others."""
    if not isinstance(outputs, np.ndarray):
        raise failed(f"outputs are a {type(outputs).__name__}, not a numpy array")
    if outputs.dtype.kind not in ("fiu" if count is not None else "fiubO"):
        raise failed(f"outputs are of {outputs.dtype}, not real numbers")
    if count is not None and (outputs.ndim == 0 or len(outputs) != count):
        raise failed(f"outputs of shape {list(outputs.shape)} for {count} samples")
    if outputs.dtype.kind != "O" and not np.isfinite(outputs.astype(np.float64)).all():
        raise failed("outputs contain NaN or infinity")


def batch(subject: LoadedAdapter) -> CheckFinding:
    """A batch has the same answers as its samples: alone, in part, in another order, after tune()."""
    size = subject.batch
    if size == 1:
        raise skipped("batch_size is never above 1")
    images, loaded = subject.inputs(size), subject.load(1)
    if subject.many and loaded.answer(images[:1]).shape[:1] != (1,):
        raise skipped("the first output does not have a row for each sample")
    alone = np.concatenate([loaded.answer(images[row : row + 1]) for row in range(size)])
    loaded.tune(size)
    _same(subject, loaded, images, alone, f"a batch of {size}")
    _same(subject, loaded, images[::-1], alone[::-1], "the batch in the opposite order")
    for part in sorted({1, size // 2, size - 1}):
        _same(subject, loaded, images[:part], alone[:part], f"{part} of {size}")
    for tuned in (2 * size, max(size // 2, 1)):
        loaded.tune(tuned)
        _same(subject, loaded, images[:tuned], alone[:tuned], f"a batch after tune({tuned})")
    loaded.close()
    return passed(f"{size} samples alone, whole, in part, reversed and after tune() give the same answers")


def _same(subject: LoadedAdapter, loaded: Loaded, images: Array, expected: Array, what: str) -> None:
    try:
        outputs = loaded.answer(images)
    except Exception as error:
        raise failed(f"{what}: {type(error).__name__}: {error}") from error
    if problem := subject.difference(expected, outputs):
        raise failed(f"{what}: {problem}")


def threads(subject: LoadedAdapter) -> CheckFinding:
    """Two instances on two threads with different inputs give the same answers as each one alone."""
    size = subject.batch
    images = subject.inputs(8 * size)
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    pair = [subject.load(), subject.load()]
    alone = [pair[0].answer(each) for each in batches]
    problems: list[str] = []
    rounds = [0, 0]

    def work(mine: int) -> None:
        try:
            while not problems and (rounds[mine] == 0 or (subject.in_time(0.5) and rounds[mine] < 100)):
                for step in range(len(batches)):
                    number = step if mine == 0 else len(batches) - 1 - step
                    if problem := subject.difference(alone[number], pair[mine].answer(batches[number])):
                        problems.append(problem)
                rounds[mine] += 1
        except Exception as error:  # noqa: BLE001 - an exception would be lost in the thread
            problems.append(f"{type(error).__name__}: {error}")

    workers = [threading.Thread(target=work, args=(mine,), daemon=True) for mine in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if problems:
        raise failed(f"two instances in parallel: {problems[0]}")
    for each in pair:
        each.close()
    return passed(f"{sum(rounds) * len(batches)} batches on two threads, same answers as alone")


def labels(subject: LoadedAdapter) -> CheckFinding:
    """Images have their known labels at the workload's label_offset, and no other offset matches more."""
    truth, output = subject.dataset.labels, subject.workload.model.output
    if not subject.runs_models:
        raise skipped("the adapter's answers do not come from the model")
    if truth is None or output.kind == "tensor":
        raise skipped("the workload has no labels to compare with")
    loaded, classes = subject.load(1), list[int]()
    while len(classes) < min(_LABELLED, len(truth)) and (subject.in_time() or len(classes) < 10):
        answer = loaded.answer(subject.inputs_at([len(classes)]))
        classes.append(int(answer.argmax() if output.kind == "scores" else answer.item()))
    loaded.close()
    right = {
        shift: 100.0
        * float(np.mean(np.array(classes) - output.label_offset - shift == truth[: len(classes)]))
        for shift in (0, 1, -1)
    }
    best = max(right, key=lambda shift: right[shift])
    seen = f"{right[0]:.1f} % of {len(classes)} images right at label_offset {output.label_offset}"
    if best != 0:
        raise failed(f"{seen}, but {right[best]:.1f} % at {output.label_offset + best}")
    if right[0] < _NEEDED_PERCENT and subject.workload.dataset.name == "digits":
        raise failed(f"{seen}, and no more at {output.label_offset - 1} or {output.label_offset + 1}")
    return passed(seen, right_percent=right[0])
