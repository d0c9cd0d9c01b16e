"""Measuring from Python: rows, progress, threads, event loops, interruption."""

import asyncio
import ctypes
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

import qutiperf
from qutiperf import Progress
from qutiperf.results.store import Store
from tests import graphs
from tests.conftest import SutFile
from tests.places import CHECKOUT

MODEL = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
SHORT = {"settings.min_duration_s": 0.05}
LONG = {"settings.min_duration_s": 600}


def living(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that still run a few seconds later."""
    return psutil.wait_procs(processes, timeout=5)[1]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.mark.slow
def test_rows_progress_and_no_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, events = tmp_path / "out", list[Progress]()
    sizes: list[int] = np.array([1, 8])  # type: ignore[assignment]  # as a user may
    frame = qutiperf.measure(
        MODEL, scenarios="offline", batch=sizes, set=SHORT, out=out, progress=events.append
    )
    assert frame["batch_size"].tolist() == [1, 8]
    assert frame["valid"].tolist() == [True, True]
    assert (frame["system_throughput_ips"] > 0).all()
    steps = [(event.event, event.done, event.outcome) for event in events if event.event != "running"]
    assert steps == [
        ("planned", 0, None),
        ("started", 0, None),
        ("finished", 1, "valid"),
        ("started", 1, None),
        ("finished", 2, "valid"),
    ]
    assert {(event.total, event.done_before, event.sweep) for event in events} == {(2, 0, MODEL.stem)}
    assert events[-1].run == f"{MODEL.stem} Offline batch 8"
    assert events[0].remaining_s > events[-1].remaining_s == 0
    events.clear()
    again = qutiperf.measure(
        MODEL, scenarios="offline", batch=(1, 8), set=SHORT, out=out, progress=events.append
    )
    assert [(event.event, event.total, event.done_before) for event in events] == [("planned", 0, 2)]
    assert again.equals(frame)
    assert qutiperf.load(out).equals(frame)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_sweep_with_settings(tmp_path: Path, sut_file: SutFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {
        **SHORT,
        "name": "mine",
        "suts": sut_file("simulated"),
        "workloads": "digits-mlp-12.5-fp32",
        "scenarios": ["Offline"],
        "modes": ["PerformanceOnly"],
        "deployment": {"batch_size": range(1, 3), "streams": 1},
    }
    frame = qutiperf.run("quickstart", set=changes)
    assert frame["batch_size"].tolist() == [1, 2]
    assert len(qutiperf.load("results/mine")) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nonsense": 1}, "nonsense: unknown key"),
        ({"": 1}, "'' is not key=value"),
        ({"name.x": 1}, "'name' holds a value, not keys"),
        (
            {"deployment.batch_size": object()},
            "set: deployment.batch_size: a value of type object cannot be a setting",
        ),
        ({"settings.min_duration_s": float("nan")}, "quickstart.yaml"),
        ({"settings.min_duration_s": "1"}, 'settings.min_duration_s: should be a valid number, not "1"'),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(qutiperf.InputError) as caught:
        qutiperf.run("quickstart", tmp_path / "out", set=changes)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_wrong_arguments(tmp_path: Path) -> None:
    for words in ({"sut": "nowhere"}, {"scenarios": "Sideways"}, {"batch": 0}, {"shape": {"x": [1, 2]}}):
        with pytest.raises(qutiperf.InputError):
            qutiperf.measure(MODEL, out=tmp_path / "out", **words)
    with pytest.raises(qutiperf.InputError, match="there is no such file"):
        qutiperf.measure("nowhere.onnx")
    with pytest.raises(qutiperf.InputError, match="there is no such file"):
        qutiperf.run("quickstart", tmp_path / "out", audit_config="nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_in_threads_and_in_an_event_loop(tmp_path: Path, sut_file: SutFile) -> None:
    """Two at once from threads, and one in the thread of the running loop."""
    device = sut_file("simulated")

    def offline(name: str) -> bool:
        frame = qutiperf.measure(MODEL, sut=device, scenarios="Offline", set=SHORT, out=tmp_path / name)
        return frame["valid"].tolist() == [True]

    async def main() -> list[bool]:
        both = await asyncio.gather(asyncio.to_thread(offline, "a"), asyncio.to_thread(offline, "b"))
        return [*both, offline("c")]

    assert asyncio.run(main()) == [True, True, True]


class Stopped(Exception):  # noqa: N818 - a user's own
    pass


@pytest.mark.slow
def test_an_exception_of_the_callback_ends_the_worker(tmp_path: Path) -> None:
    seen: list[psutil.Process] = []

    def stop(progress: Progress) -> None:
        if progress.event == "started":
            seen.extend(children())
            raise Stopped

    with pytest.raises(Stopped):
        qutiperf.measure(MODEL, set=LONG, out=tmp_path / "out", progress=stop)
    assert len(seen) >= 2
    assert living(seen) == []
    assert list(Store.open(tmp_path / "out").records()) == []


def interrupt_thread(thread: threading.Thread) -> None:
    """KeyboardInterrupt in that thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
    )


@pytest.mark.slow
def test_interrupting_a_thread_ends_its_worker(tmp_path: Path) -> None:
    seen: list[psutil.Process] = []
    ended: list[BaseException] = []
    started = threading.Event()

    def work() -> None:
        try:
            qutiperf.measure(MODEL, set=LONG, out=tmp_path / "out", progress=watch)
        except KeyboardInterrupt as error:
            ended.append(error)

    def watch(progress: Progress) -> None:
        if progress.event == "started":
            seen.extend(children())
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(60)
    time.sleep(0.2)
    interrupt_thread(thread)
    thread.join(20)
    assert len(ended) == 1
    assert len(seen) >= 2
    assert living(seen) == []


INTERRUPTED = """
import _thread, os, signal, sys, threading, psutil, qutiperf

def watch(progress):
    if progress.event == "started":
        children = psutil.Process().children(recursive=True)
        print(*[child.pid for child in children], flush=True)
        threading.Timer(0.2, {interrupt}).start()

try:
    qutiperf.measure(sys.argv[1], set={{"settings.min_duration_s": 600}}, out=sys.argv[2], progress=watch)
except KeyboardInterrupt:
    print("interrupted", len(psutil.Process().children(recursive=True)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "interrupt",
    ["lambda: os.kill(os.getpid(), signal.SIGINT)", "_thread.interrupt_main"],
)
def test_interrupting_the_main_thread_ends_the_worker(interrupt: str, tmp_path: Path) -> None:
    code = INTERRUPTED.format(interrupt=interrupt)
    command = [sys.executable, "-c", code, str(MODEL), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    processes, last = done.stdout.splitlines()
    assert last == "interrupted 0"
    ids = [int(word) for word in processes.split()]
    assert len(ids) >= 2
    assert [pid for pid in ids if psutil.pid_exists(pid)] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_ending_the_process_ends_the_worker(number: str, tmp_path: Path) -> None:
    """A program of the user has no handlers of ours."""
    code = INTERRUPTED.format(interrupt=f"lambda: os.kill(os.getpid(), signal.{number})")
    command = [sys.executable, "-c", code, str(MODEL), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    ids = [int(word) for word in done.stdout.split()]
    assert len(ids) >= 2
    limit = time.monotonic() + 10
    while (left := [pid for pid in ids if psutil.pid_exists(pid)]) and time.monotonic() < limit:
        time.sleep(0.05)
    assert left == []


KEPT = """
import os, signal, sys, threading, time, psutil, qutiperf

qutiperf.measure
threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    qutiperf.measure(sys.argv[1], set={"settings.min_duration_s": 600}, out=sys.argv[2])
except KeyboardInterrupt as error:
    kept = error  # with its frames, as a notebook keeps the last one
limit = time.monotonic() + 5
while (left := psutil.Process().children(recursive=True)) and time.monotonic() < limit:
    time.sleep(0.02)
print(type(kept).__name__, len(left), os.path.exists(sys.argv[2] + "/.qutiperf-lock"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.1, 0.4, 0.8, 1.5, 3.0])
def test_an_interruption_at_any_moment_leaves_nothing(delay_s: float, tmp_path: Path) -> None:
    """While files are read, the supervisor starts, the overhead is measured, the model is loaded, it runs."""
    command = [sys.executable, "-c", KEPT, str(MODEL), str(tmp_path / "out"), str(delay_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("KeyboardInterrupt 0 False\n", "")


@pytest.mark.slow
def test_a_model_with_several_inputs(tmp_path: Path) -> None:
    path, data = graphs.tokens(tmp_path / "m.onnx"), tmp_path / "data.npz"
    np.savez(data, ids=np.full((4, 5), 6), mask=np.ones((4, 5), bool))
    frame = qutiperf.measure(
        path,
        scenarios="Offline",
        batch=2,
        dim={"seq": 5},
        constant={"size": 5},
        data=data,
        set=SHORT,
        out=tmp_path / "out",
    )
    assert frame[["batch_size", "valid"]].to_numpy().tolist() == [[2, True]]
    with pytest.raises(qutiperf.InputError, match="--dim sq=5: no such dimension; did you mean 'seq'"):
        qutiperf.measure(path, dim={"sq": 5})
