"""The answers of a run by sample: JSON lines beside its record, written and read one at a time."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from qutiperf.errors import InputError
from qutiperf.regular_file import unreadable
from qutiperf.results.record import RunRecord

ANSWERS = "answers.jsonl"
_HEADER = {"kind": "answers", "schema_version": 1}
_MOST_BYTES = 4 << 30
_MOST_LINE = 16 << 20  # of one sample, in characters
_CURE = "delete the run's folder to measure it again"
Value = int | float | str


class SampleAnswer(NamedTuple):
    """What a model answered to one sample; label and verdict are None where they are not known."""

    sample: int
    label: int | None
    values: list[Value]
    correct: bool | None


class AnsweredRun(NamedTuple):
    """A run with the file of its answers."""

    record: RunRecord
    path: Path


def write_answers(path: Path, answers: Iterable[SampleAnswer]) -> None:
    """A header, a line for each answer, and their number; no file if there are none."""
    count = 0
    stream = None
    try:
        for answer in answers:
            if stream is None:
                stream = path.open("w", encoding="utf-8")
                stream.write(json.dumps(_HEADER) + "\n")
            stream.write(json.dumps(answer._asdict(), allow_nan=False) + "\n")
            count += 1
        if stream is not None:
            stream.write(json.dumps({"count": count}) + "\n")
    finally:
        if stream is not None:
            stream.close()


def read_answers(path: Path) -> Iterator[SampleAnswer]:
    """One after the other; raises InputError for another schema version, and where the file is damaged."""
    if (problem := unreadable(path, _MOST_BYTES)) is not None:
        raise InputError(problem, where=str(path), cure=_CURE)
    count, end = 0, None
    for number, data in enumerate(_lines(path), 1):
        if number == 1:
            _check_header(data, path)
        elif end is not None:
            raise _damaged(path, number, "something follows the end")
        elif data.keys() == {"count"}:
            end = data["count"]
        else:
            count += 1
            yield _answer(data, path, number)
    if end != count or isinstance(end, bool):
        raise InputError(f"is incomplete: {count:,} answers and no end", where=str(path), cure=_CURE)


def _lines(path: Path) -> Iterator[dict[str, object]]:
    number = 0
    try:
        with path.open(encoding="utf-8") as stream:
            while text := stream.readline(_MOST_LINE):
                number += 1
                data = json.loads(text)
                if not isinstance(data, dict):
                    raise ValueError("is not an object")
                yield data
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, number, " ".join(str(error).split())[:80]) from None


def _check_header(data: dict[str, object], path: Path) -> None:
    version = data.get("schema_version")
    if data.get("kind") != _HEADER["kind"] or version is None:
        raise _damaged(path, 1, "is not the header of answers")
    if version != _HEADER["schema_version"] or isinstance(version, bool):
        problem = f"has schema_version {json.dumps(version)[:40]}"
        raise InputError(problem, where=str(path), cure="this qutiperf reads 1: use the one that wrote it")


def _answer(data: dict[str, object], path: Path, number: int) -> SampleAnswer:
    sample, label, values, correct = (data.get(name) for name in SampleAnswer._fields)
    fits = (
        _is_whole(sample)
        and (label is None or _is_whole(label))
        and (correct is None or isinstance(correct, bool))
        and isinstance(values, list)
        and all(isinstance(value, int | float | str) for value in values)
    )
    if not fits or len(data) != len(SampleAnswer._fields):
        raise _damaged(path, number, f"is not an answer with {', '.join(SampleAnswer._fields)}")
    return SampleAnswer(sample, label, values, correct)  # type: ignore[arg-type]  # checked above


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _damaged(path: Path, number: int, problem: str) -> InputError:
    return InputError(f"line {number}: {problem}", where=str(path), cure=_CURE)


def answered_runs(folder: Path, records: Iterable[RunRecord]) -> list[AnsweredRun]:
    """The runs of a results folder whose answers were kept, in the order of the records."""
    runs = [AnsweredRun(record, folder / f"{record.run_id}-{record.attempt}" / ANSWERS) for record in records]
    return [run for run in runs if run.path.exists()]


def counted(run: AnsweredRun) -> tuple[int, int | None]:
    """The number of answers, and of correct ones, None where no label is known; raises InputError."""
    count, right, judged = 0, 0, False
    for answer in read_answers(run.path):
        count += 1
        judged = judged or answer.correct is not None
        right += bool(answer.correct)
    return count, right if judged else None


def rows_of(run: AnsweredRun) -> Iterator[dict[str, object]]:
    """Flat rows: a single value as it is, several as a list; raises InputError."""
    record = run.record
    for answer in read_answers(run.path):
        yield {
            "run_id": record.run_id,
            "sut": record.point.sut,
            "workload": record.point.workload,
            "sample": answer.sample,
            "label": answer.label,
            "answer": answer.values[0] if len(answer.values) == 1 else answer.values,
            "correct": answer.correct,
        }


def without_answers(folder: Path, runs: Iterable[RunRecord]) -> frozenset[str]:
    """Ids of valid runs none of whose attempts has answers."""
    listed = list(runs)
    kept = {run.record.run_id for run in answered_runs(folder, listed)}
    return frozenset(record.run_id for record in listed if record.valid) - kept
