"""What replay and perturb conclude from answers, on copies of a committed run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qutiperf.audit.answers import same_answer
from qutiperf.audit.evidence import RESPONSES
from qutiperf.audit.new_run import NewRunCase, accuracy_with_answers
from qutiperf.audit.registry import NEW_RUNS
from qutiperf.audit.stored_run import StoredRun, stored_runs
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.datasets.classification import classes_of
from qutiperf.datasets.task import Task
from qutiperf.datasets.tasks import task_for
from qutiperf.harness.fresh_samples import fresh_samples
from qutiperf.results.store import Store
from qutiperf.spec.audits import load_audit
from tests.audit.test_finished_runs import OLD, SINGLE, edit

SAMPLES, SEED, DIGEST = 500, 77, "ab" * 32
PERMUTATION = [3, 0, 9, 5, 1, 2, 8, 4, 7, 6]
Answers = Callable[[int, int], int]  # the answer for a number of LoadGen, and the class of the accuracy run


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> NewRunCase:
    """The audit of the committed run, by name."""
    shutil.copytree(OLD, tmp_path / "results")
    runs, _ = stored_runs([tmp_path / "results"])
    by_id = {run.record.run_id: run for run in runs}
    accuracy = accuracy_with_answers(by_id[SINGLE], by_id)
    assert accuracy is not None
    return NewRunCase(load_audit(request.param), by_id[SINGLE], accuracy)


def judged(case: NewRunCase, answers: Answers, *, slower: float = 1.0) -> AuditVerdict:
    """The verdict for a new run with these answers."""
    Store.create(case.folder)
    folder = case.folder / f"{SINGLE}-1"
    shutil.copytree(case.run.folder, folder)
    shown = case.run.record.figures.system_latency_p90_ms
    assert shown is not None
    edit(
        folder,
        {
            "loadgen/seeds/qsl_rng_seed": SEED,
            "inputs/files_sha256": {"model:changed.onnx": DIGEST},
            "figures/system_latency_p90_ms": shown * slower,
        },
    )
    reference = case.answers()
    assert reference is not None
    classes = classes_of(reference, SAMPLES).tolist()
    lines = []
    for number in range(0, 200):
        data = np.float32(answers(number, classes[number])).tobytes().hex()
        lines.append(f'{{ "seq_id" : {number}, "qsl_idx" : {number}, "data" : "{data}" }}')
    (folder / RESPONSES).write_text("[\n" + ",\n".join(lines) + "\n]\n")
    kept = {"changed": "the weights", "permutation": PERMUTATION}
    (case.folder / f"permutation-{DIGEST[:16]}.json").write_text(json.dumps(kept))
    other = {"changed": "a later try", "permutation": PERMUTATION[::-1]}
    (case.folder / f"permutation-{'cd' * 8}.json").write_text(json.dumps(other))
    return NEW_RUNS[case.rule.name].judge(case)


@pytest.mark.parametrize("case", ["perturb"], indirect=True)
def test_answers_that_follow_the_model_pass(case: NewRunCase) -> None:
    verdict = judged(case, lambda _, before: PERMUTATION[before])
    assert verdict.outcome == "pass"
    assert verdict.evidence[0] == "200 of 200 answers follow a change of the weights"


@pytest.mark.parametrize("case", ["perturb"], indirect=True)
def test_answers_that_stay_fail(case: NewRunCase) -> None:
    verdict = judged(case, lambda _, before: before)
    assert verdict.outcome == "fail"
    assert verdict.evidence == ["0 of 200 answers follow a change of the weights, 200 are as before"]
    assert verdict.cure == "find out where the answers come from, if not from the model"


@pytest.mark.parametrize(
    ("case", "wrong", "outcome"),
    [("perturb", 4, "pass"), ("perturb", 9, "inconclusive"), ("perturb", 30, "fail")],
    indirect=["case"],
)
def test_few_answers_may_be_ties(case: NewRunCase, wrong: int, outcome: str) -> None:
    verdict = judged(case, lambda number, before: PERMUTATION[before] if number >= wrong else 0)
    assert verdict.outcome == outcome


@pytest.mark.parametrize("case", ["perturb", "replay"], indirect=True)
def test_a_speed_that_needs_more_tries_is_open(case: NewRunCase) -> None:
    numbers = sample_numbers(case)
    classes = classes_of(case.answers() or Path(), SAMPLES)
    perturb = case.rule.name == "perturb"
    verdict = judged(
        case, lambda number, before: PERMUTATION[before] if perturb else classes[numbers[number]], slower=3.0
    )
    assert verdict.outcome == "inconclusive"
    assert "3.0 times slower" in verdict.evidence[1]
    assert verdict.cure == "measure longer, on a quiet machine, and audit again"


def sample_numbers(case: NewRunCase) -> list[int]:
    assert case.run.record.loadgen is not None
    used = int(case.run.record.loadgen.effective_number("performance_sample_count"))
    return [int(each) for each in fresh_samples(SAMPLES, used, SEED)]


@pytest.mark.parametrize("case", ["replay"], indirect=True)
def test_the_answers_to_the_samples_of_the_dataset_count(case: NewRunCase) -> None:
    """LoadGen's numbers stand for other samples in the new run."""
    numbers, classes = sample_numbers(case), classes_of(case.answers() or Path(), SAMPLES)
    verdict = judged(case, lambda number, _: classes[numbers[number]])
    assert verdict.outcome == "pass"
    assert verdict.evidence[0] == "0 of 200 answers to 200 samples differ, all of which the run had too"


@pytest.mark.parametrize("case", ["replay"], indirect=True)
def test_answers_by_the_known_order_fail(case: NewRunCase) -> None:
    verdict = judged(case, lambda _, before: before)
    assert verdict.outcome == "fail"
    assert verdict.evidence[0].endswith(" of 200 answers to 200 samples differ, all of which the run had too")


@pytest.mark.parametrize("case", ["perturb", "replay"], indirect=True)
@pytest.mark.parametrize("damage", ["no log", "half a line", "no permutation", "no accuracy"])
def test_damaged_files_are_inconclusive(case: NewRunCase, damage: str) -> None:
    judged(case, lambda _, before: before)
    log = case.folder / f"{SINGLE}-1" / RESPONSES
    if damage == "no log":
        log.unlink()
    elif damage == "half a line":
        log.write_text(log.read_text()[:60])
    elif damage == "no permutation" and case.rule.name == "perturb":
        (case.folder / f"permutation-{DIGEST[:16]}.json").write_text("[]")
    else:
        case = NewRunCase(case.rule, case.run, None)  # replay has no permutation
    verdict = NEW_RUNS[case.rule.name].judge(case)
    assert (verdict.outcome, len(verdict.evidence)) == ("inconclusive", 1)
    assert verdict.cure


@pytest.mark.parametrize("case", ["perturb"], indirect=True)
def test_which_models_cannot_be_changed(case: NewRunCase) -> None:
    def obstacle(*path: str, value: object) -> str | None:
        data = case.run.record.model_dump(mode="json")
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        record = type(case.run.record).model_validate_json(json.dumps(data))
        changed = NewRunCase(case.rule, StoredRun(record, case.run.results))
        return NEW_RUNS["perturb"].obstacle(changed)

    model = ("inputs", "workload", "model")
    assert obstacle("inputs", "sweep", value="any") is None
    assert obstacle(*model, "file", value="m.onnx") is None
    assert str(obstacle(*model, "file", value="m.tflite")).startswith(".tflite files are not changed")
    assert obstacle("inputs", "workload", "task", value="none") is not None
    assert obstacle("observed", "over_network", value=True) is not None
    assert "simulated" in str(obstacle("inputs", "sut", "adapter", value="simulated"))


class Numbers(Task):
    """Two numbers for each sample."""

    response_dtype = np.dtype(np.float32)
    response_length = 2

    def responses(self, outputs: object, count: int) -> list[bytes]:
        return []

    def accuracy(self, log: Path, truth: object) -> None:  # type: ignore[override]  # not needed here
        return None


def test_numbers_may_differ_as_sums_do() -> None:
    runs, _ = stored_runs([OLD])
    exact = same_answer(task_for(runs[0].record.inputs.workload))
    near = same_answer(Numbers())
    one, other = (np.array([1000.0, value], np.float32).tobytes() for value in (2.0, 2.0001))
    assert near(one, other)
    assert not exact(one, other)
    assert exact(one, one)
    assert not near(one, one[:4])
    assert not near(one, np.array([1000.0, 3.0], np.float32).tobytes())
