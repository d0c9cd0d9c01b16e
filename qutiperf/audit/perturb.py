"""The audit `perturb`: the model's classes permuted, which answers that come from the model follow."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qutiperf.audit.answers import AnswerComparison, compare_answers
from qutiperf.audit.evidence import RESPONSES
from qutiperf.audit.new_run import NewRunCase, NextRun
from qutiperf.audit.repeat import CURES
from qutiperf.audit.speed import compare_speed
from qutiperf.audit.stored_run import StoredRun, model_digests
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError, RunError, SetupError
from qutiperf.models.built import write_built
from qutiperf.models.permuted import APPENDED, class_count, permute_classes
from qutiperf.results.store import Store
from qutiperf.run.repeated import RunChange, changed_run
from qutiperf.spec.config import sha256_of_file
from qutiperf.spec.scenario import ScenarioName
from qutiperf.spec.workload import CLASSIFICATION

_CURE = "find out where the answers come from, if not from the model"
_PERMUTATION, MODEL_FOLDER = "permutation-{}.json", "model"
_DIGITS = 16
_ONNX, _SIMULATED = ".onnx", "simulated"


def next_run(case: NewRunCase) -> NextRun:
    """Raises InputError for a model that cannot be changed."""
    record = case.run.record
    model = _permuted_model(case)
    server = record.point.scenario is ScenarioName.SERVER
    rate = record.loadgen.target_qps if record.loadgen and server else None
    group = changed_run(record, RunChange(target_qps=rate, model=model))
    return NextRun(group, case.rule.config("", record.point.scenario))


def obstacle(case: NewRunCase) -> str | None:
    """Why the classes of the model cannot be permuted here; None if they can."""
    record = case.run.record
    workload, spec = record.inputs.workload, record.inputs.workload.model
    if workload.task != CLASSIFICATION or spec.output.kind != "scores":
        return "only image classification with scores has classes to permute"
    if record.observed is not None and record.observed.over_network:
        return "the device at the other end of the network has its own copy of the model"
    if record.inputs.sut.adapter == _SIMULATED or (spec.file is None and spec.topology is None):
        return "its answers are simulated: there is no model to change"
    if spec.file is not None and Path(spec.file).suffix != _ONNX:
        return f"{Path(spec.file).suffix} files are not changed, only ONNX files are: audit an ONNX runtime"
    return None


def _permuted_model(case: NewRunCase) -> Path:
    """The changed file, under the name of the original; raises InputError or SetupError."""
    spec = case.run.record.inputs.workload.model
    folder = case.folder / MODEL_FOLDER
    Store.create(case.folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(folder)) from None
    original = Path(spec.file) if spec.file is not None else folder / f"original{_ONNX}"
    if spec.file is None:
        write_built(spec, original)
    count = class_count(original, spec.output.name)
    if count is None:
        raise InputError("the number of its classes is not in the model file", where=str(original))
    target = folder / (original.name if spec.file is not None else f"topology{_ONNX}")
    permutation = _permutation(count, max(spec.output.label_offset, 0))
    where = permute_classes(original, target, spec.output.name, permutation)
    _keep(case, sha256_of_file(target), permutation, where)
    return target


def _permutation(count: int, first: int) -> list[int]:
    """Of the classes from `first` on, without one that stays; raises InputError for fewer than two."""
    if count - first < 2:
        raise InputError(f"a model with {count - first} classes has nothing to permute")
    random = np.random.default_rng(secrets.randbits(128))
    order = random.permutation(np.arange(first, count))
    permutation = np.arange(count)
    permutation[order] = np.roll(order, 1)  # one cycle
    return [int(each) for each in permutation]


def _keep(case: NewRunCase, digest: str, permutation: Sequence[int], where: str) -> None:
    """By the digest of the changed model, which the record of its run has."""
    path = case.folder / _PERMUTATION.format(digest[:_DIGITS])
    try:
        path.write_text(json.dumps({"changed": where, "permutation": permutation}) + "\n", encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _kept(case: NewRunCase, run: StoredRun) -> tuple[str, list[int]]:
    """Raises ValueError, KeyError or OSError."""
    [digest] = model_digests(run.record).values()
    data = json.loads((case.folder / _PERMUTATION.format(digest[:_DIGITS])).read_bytes())
    return str(data["changed"]), [int(each) for each in data["permutation"]]


def judge(case: NewRunCase) -> AuditVerdict:
    """By the last run's answers, and the speed of all tries."""
    new, reference = case.made(), case.answers()
    if not new or reference is None:
        what = "it has not been measured with a changed model" if not new else "there is no accuracy run"
        return case.verdict("inconclusive", [what], "run `qutiperf audit`")
    try:
        where, permutation = _kept(case, new[-1])
        counts = compare_answers(
            reference,
            new[-1].folder / RESPONSES,
            lambda number: number,
            lambda data: _follow(data, permutation, _offset_of(case)),
        )
    except (RunError, OSError, ValueError, KeyError, TypeError) as error:
        return case.verdict("inconclusive", [f"the answers cannot be compared: {error}"], "audit again")
    line = f"{counts.compared - counts.different:,} of {counts.compared:,} answers follow a change of {where}"
    if counts.unchanged:
        line += f", {counts.unchanged:,} are as before"
    return _judged(case, new, counts, line, appended=where == APPENDED)


def _judged(
    case: NewRunCase, new: Sequence[StoredRun], counts: AnswerComparison, line: str, *, appended: bool
) -> AuditVerdict:
    limits = case.rule.limits
    if counts.compared == 0:
        return case.verdict("inconclusive", ["no answers were kept"], "audit again")
    if counts.different_percent > limits["wrong_percent"]:
        return case.verdict("fail", [line], _CURE)
    speed = compare_speed(case.run, new, limits, last=len(new) >= case.tries)
    evidence = [text for text in (line, speed.line, speed.noise) if text]
    if counts.different_percent > limits["different_percent"] and speed.outcome == "pass":
        cure = "look at the scores: equal ones may explain the others"
        return case.verdict("inconclusive", evidence, cure)
    if appended and speed.slower and speed.outcome == "fail":
        cure = "the appended operator takes time too: audit a larger model, or larger batches"
        return case.verdict("inconclusive", evidence, cure)
    cure = _CURE if speed.outcome == "fail" else CURES.get(speed.outcome, "")
    return case.verdict(speed.outcome, evidence, cure)


def _offset_of(case: NewRunCase) -> int:
    return case.run.record.inputs.workload.model.output.label_offset


def _follow(data: bytes, permutation: Sequence[int], offset: int) -> bytes:
    """The answer of the changed model for one of the model; raises ValueError for one that is no class."""
    [label] = np.frombuffer(data, np.float32)
    number = int(label) + offset
    if not 0 <= number < len(permutation):
        raise ValueError(f"{number} is not one of {len(permutation)} classes")
    return np.float32(permutation[number] - offset).tobytes()
