"""A notebook: measuring in a cell, below the kernel's event loop, and interrupting the kernel."""

import asyncio
import inspect
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.places import CHECKOUT

if TYPE_CHECKING:
    from nbclient import NotebookClient

pytestmark = pytest.mark.slow
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

MODEL = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
MEASURES = f"""\
import qutiperf
short = {{"settings.min_duration_s": 0.1}}
frame = qutiperf.measure({str(MODEL)!r}, scenarios="Offline", set=short, out="out")
frame[["scenario", "valid"]]
"""
HANGS = f"""\
import pathlib, psutil, qutiperf

def watch(progress):
    if progress.event == "started":
        ids = [child.pid for child in psutil.Process().children(recursive=True)]
        pathlib.Path("started").write_text(" ".join(map(str, ids)))

qutiperf.measure({str(MODEL)!r}, set={{"settings.min_duration_s": 600}}, out="long", progress=watch)
"""
AFTERWARDS = "print(sum('supervisor' in str(c.cmdline()) for c in psutil.Process().children(recursive=True)))"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "NotebookClient":
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (MEASURES, HANGS, AFTERWARDS)]
    resources = {"metadata": {"path": str(tmp_path)}}
    made: NotebookClient = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources=resources
    )
    return made


async def interrupt_once_it_runs(client: "NotebookClient", mark: Path) -> list[int]:
    """Ids of the processes that the cell had started when it was interrupted."""
    limit = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < limit:
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    ids = [int(word) for word in mark.read_text().split()]
    assert client.km is not None
    interrupting: object = client.km.interrupt_kernel()
    if inspect.isawaitable(interrupting):
        await interrupting
    return ids


def test_a_notebook(client: "NotebookClient", tmp_path: Path) -> None:
    async def execute() -> list[int]:
        async with client.async_setup_kernel():
            measured = await client.async_execute_cell(client.nb.cells[0], 0)
            assert "Offline   True" in measured.outputs[-1].data["text/plain"]
            assert [output.output_type for output in measured.outputs] == ["execute_result"]
            interruption = asyncio.create_task(interrupt_once_it_runs(client, tmp_path / "started"))
            with pytest.raises(nbclient.exceptions.CellExecutionError, match="KeyboardInterrupt"):
                await client.async_execute_cell(client.nb.cells[1], 1)
            ids = await interruption
            after = await client.async_execute_cell(client.nb.cells[2], 2)
            assert after.outputs[0].text == "0\n"
            return ids

    ids = asyncio.run(execute())
    assert len(ids) >= 2
    assert [pid for pid in ids if pid != os.getpid() and psutil.pid_exists(pid)] == []
