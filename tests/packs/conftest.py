"""A results folder and its pack, made once a module and copied for each test."""

import shutil
from pathlib import Path

import pytest

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.packs.contribution import contribution
from qutiperf.packs.writing import write_pack
from tests.report.folders import accuracy, kept, performance, stored

RUN = f"{0:012x}-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    host = {"hostname": "lab7", "cores": 2}
    folder = stored(
        tmp_path_factory.mktemp("made") / "mine",
        [performance(0, 100.0, host=host), performance(1, 200.0), accuracy(97.5)],
    )
    (folder / RUN / "mlperf_log_detail.txt").write_text("a log\n" * 1000)
    kept(folder, AuditVerdict(audit="recompute", run_id="0" * 12, scenario="Offline", outcome="pass"))
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "mine")


@pytest.fixture(scope="module")
def packed(made: Path) -> bytes:
    pack = made.parent / "mine.zip"
    write_pack(contribution(made), pack, "CC-BY-4.0", "A. Author")
    return pack.read_bytes()


@pytest.fixture
def pack(packed: bytes, tmp_path: Path) -> Path:
    (tmp_path / "mine.zip").write_bytes(packed)
    return tmp_path / "mine.zip"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
