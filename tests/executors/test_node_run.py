"""What becomes of the runs of a job by its events and by the state that Slurm lists."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.api.progress import Tracker
from qutiperf.errors import SetupError
from qutiperf.executors.lent_store import LentStore
from qutiperf.executors.node_events import EventReader, EventWriter, NodeEvent
from qutiperf.executors.node_job import EVENTS, check_alike
from qutiperf.executors.node_run import NodeRun
from qutiperf.executors.slurm_queue import JobState
from qutiperf.results.store import Store
from tests.results.test_metrics import a_record
from tests.run.test_repeats import planned


def silent() -> Tracker:
    return Tracker(lambda _: None, lambda _: None, lambda _: None)


def a_job(folder: Path, state: str, events: Sequence[NodeEvent] = ()) -> NodeRun:
    """A job with two runs, of which `events` have been read."""
    _, [group] = planned()
    job = NodeRun(folder, "7_1", group, list(group.runs), state=JobState(state, "", "n4") if state else None)
    with EventWriter(folder / EVENTS) as writer:
        for event in events:
            writer.send(event)
    job.read(silent(), lambda _: None)
    return job


@pytest.mark.parametrize(
    ("state", "kind", "counts", "reason"),
    [
        ("CANCELLED", "error", False, "job 7_1 on n4 was cancelled"),
        ("NODE_FAIL", "error", False, "job 7_1 on n4 lost its node"),
        ("PREEMPTED", "error", False, "job 7_1 on n4 was preempted"),
        (
            "TIMEOUT",
            "time_limit",
            True,
            "job 7_1 on n4 reached its time limit of 30 min",
        ),
        ("OUT_OF_MEMORY", "memory", True, "job 7_1 on n4 ran out of memory"),
        ("FAILED", "crash", True, "job 7_1 on n4 crashed or was killed: its state is FAILED"),
        ("", "error", False, "job 7_1 is lost: Slurm no longer lists it, and it left no result"),
    ],
)
def test_the_reason_of_a_job_that_ended(
    state: str, kind: str, counts: bool, reason: str, tmp_path: Path
) -> None:
    failure = a_job(tmp_path, state).failure("the log", 30)
    assert reason in failure.reason
    assert (failure.kind, failure.setup_missing, failure.log_tail) == (kind, not counts, "the log")


def test_a_crash_takes_the_current_run_and_leaves_the_others(tmp_path: Path) -> None:
    _, [group] = planned()
    job = a_job(tmp_path, "FAILED", [NodeEvent(event="started", run_id=group.runs[0].run_id)])
    first, second = job.group.runs
    assert job.split() == ([first], [second])


def test_a_job_that_never_started_a_run_takes_all(tmp_path: Path) -> None:
    job = a_job(tmp_path, "FAILED", [NodeEvent(event="began", machine=host.facts())])
    assert job.split() == (job.group.runs, [])


def test_a_cancelled_job_is_not_repeated(tmp_path: Path) -> None:
    _, [group] = planned()
    job = a_job(tmp_path, "CANCELLED", [NodeEvent(event="started", run_id=group.runs[0].run_id)])
    assert job.split() == (job.group.runs, [])


def test_finished_runs_are_no_longer_waited_for(tmp_path: Path) -> None:
    _, [group] = planned()
    record = a_record(group.runs[0].run_id)
    job = a_job(tmp_path, "RUNNING", [NodeEvent(event="finished", run_id=record.run_id, record=record)])
    assert (job.records, job.waiting) == ([record], job.group.runs[1:])


def test_what_a_job_reports_comes_before_what_slurm_lists(tmp_path: Path) -> None:
    ended = NodeEvent(event="ended", text="board.yaml: no such meter", setup_missing=True)
    job = a_job(tmp_path, "COMPLETED", [ended])
    assert job.is_over(0.0)
    assert (job.failure("", 1).reason, job.failure("", 1).setup_missing) == (
        "board.yaml: no such meter",
        True,
    )
    assert job.split() == (job.group.runs, [])


def test_a_job_that_slurm_stopped_waits_for_the_reason(tmp_path: Path) -> None:
    """SIGTERM comes before a time limit, a cancellation and a preemption: only Slurm says which."""
    job = a_job(tmp_path, "COMPLETING", [NodeEvent(event="ended", text="stopped", interrupted=True)])
    assert not job.is_over(1e9)
    job.state, job.ended_s = JobState("TIMEOUT"), 5.0
    assert job.is_over(5.0)
    assert "time limit" in job.failure("", 1).reason


def test_the_last_events_may_come_after_the_end_of_the_job(tmp_path: Path) -> None:
    job = a_job(tmp_path, "COMPLETED")
    job.ended_s = 100.0
    assert [job.is_over(101.0), job.is_over(106.0)] == [False, True]


def test_an_event_in_two_halves_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    line = NodeEvent(event="note", text="é").model_dump_json().encode() + b"\n"
    reader = EventReader(path)
    assert reader.read() == []
    path.write_bytes(line + line[:30])
    assert [event.text for event in reader.read()] == ["é"]
    path.write_bytes(line + line)
    assert [event.text for event in reader.read()] == ["é"]
    assert reader.read() == []


def test_a_file_of_events_that_something_else_wrote_to_ends_the_job(tmp_path: Path) -> None:
    job = a_job(tmp_path, "RUNNING")
    (tmp_path / EVENTS).write_text("Segmentation fault\n")
    job.read(silent(), lambda _: None)
    assert job.is_over(0.0)
    assert job.failure("", 1).reason == "something else wrote to the file of its events"


def test_a_job_whose_command_has_ended_stores_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "out")
    lent = store.stage()
    borrowed = LentStore(store.folder, lent)
    staging = borrowed.stage()
    record = a_record("0123456789ab")
    first = staging / "run"
    first.mkdir()
    assert borrowed.place(first, record).name == "0123456789ab-1"
    store.discard(lent)
    with pytest.raises(SetupError, match="the command that started this job has ended"):
        borrowed.place(staging / "run", record)
    with pytest.raises(SetupError, match="the command that started this job has ended"):
        borrowed.stage()
    assert [path.name for path in store.run_folders()] == ["0123456789ab-1"]


def test_two_jobs_that_store_the_same_attempt_keep_both(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "out")
    record = a_record("0123456789ab")
    for _ in range(2):
        borrowed = LentStore(store.folder, store.stage())
        borrowed.place(borrowed.stage(), record)
    assert [each.attempt for each in store.records()] == [1, 2]


def test_a_node_of_another_kind_measures_nothing() -> None:
    here = host.facts()
    check_alike({**here, "hostname": "n8"}, here)
    check_alike({**here, "memory_gb": 515}, {**here, "memory_gb": 516})
    with pytest.raises(SetupError, match=r"node n9: is not like .*: cores is 64, not 2"):
        check_alike({**here, "hostname": "n9", "cores": 64}, {**here, "cores": 2})
    with pytest.raises(SetupError, match="memory_gb is 256, not 512"):
        check_alike({**here, "memory_gb": 256}, {**here, "memory_gb": 512})
