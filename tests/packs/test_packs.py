"""A results folder becomes one file and a folder again."""

import json
import os
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.packs.contribution import contribution
from qutiperf.packs.manifest import MANIFEST
from qutiperf.packs.reading import import_pack
from qutiperf.packs.writing import write_pack
from qutiperf.results.selection import select
from qutiperf.results.store import MARKER
from tests.conftest import fails
from tests.packs.conftest import RUN, tree
from tests.report.folders import stored


def test_a_folder_is_the_same_after_pack_and_import(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "sub/mine.zip", tmp_path / "again"
    words = ["--licence", "CC-BY-4.0", "--creator", "A. Author", "--json"]
    assert main(["contribute", str(results), "--out", str(out), *words], debug=False) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["runs"], facts["hosts"], facts["licence"]) == (3, ["lab7"], "CC-BY-4.0")
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert main(["import", str(out), "--out", str(again)], debug=False) == 0
    assert "3 runs by A. Author, CC-BY-4.0" in capsys.readouterr().err
    assert {name: content for name, content in tree(again).items() if name != MANIFEST} == tree(results)
    assert select(again).records == select(results).records
    assert main(["report", str(again), "--out", str(tmp_path / "site")], debug=False) == 0
    origin = "again: mine, by A. Author, CC-BY-4.0, imported"
    assert origin in (tmp_path / "site/index.html").read_text()
    assert json.loads((tmp_path / "site/data/datapackage.json").read_text())["sources"] == [{"title": origin}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "mine", "site", "sub"]
    assert [path.name for path in out.parent.iterdir()] == ["mine.zip"]


def test_equal_folders_give_equal_bytes(results: Path, tmp_path: Path) -> None:
    packs = []
    for number in (1, 2):
        for path in results.rglob("*"):
            os.utime(path, (number * 1e8, number * 1e8))
        out = tmp_path / f"{number}.zip"
        write_pack(contribution(results), out, None, None)
        packs.append(out.read_bytes())
    assert packs[0] == packs[1]


def test_a_pack_has_its_tables_for_readers_without_qutiperf(pack: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        package = json.loads(archive.read("data/datapackage.json"))
        assert names[0] == MANIFEST
        assert archive.read("data/rows.csv").count(b"\n") == 4
    assert package["licenses"][0]["name"] == "CC-BY-4.0"
    assert {f"{RUN}/record.json", MARKER, f"audit/recompute/{'0' * 12}.verdict.json"} <= set(names)


def test_what_is_left_out_and_missing_is_said(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "notes.txt").write_text("mine")
    (results / ".staging/1-x").mkdir(parents=True)
    (results / "audit/recompute/111111111111-1.verdict.json").write_text(
        AuditVerdict(audit="recompute", run_id="1" * 12, scenario="Offline", outcome="fail").model_dump_json()
    )
    assert main(["contribute", str(results), "--out", str(tmp_path / "x.zip")], debug=False) == 0
    said = capsys.readouterr().err
    for text in (
        "3 runs, 1 audits fail",
        "name the machine: lab7",
        "left out, as no part of the results: notes.txt",
    ):
        assert text in said
    assert "no licence is stated" in said
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert not [name for name in archive.namelist() if "notes" in name or "staging" in name]


def damage_record(folder: Path) -> None:
    (folder / RUN / "record.json").write_text("{")


def damage_verdict(folder: Path) -> None:
    (folder / "audit/recompute/0.verdict.json").write_text("{")


def link_out(folder: Path) -> None:
    (folder / RUN / "secret").symlink_to("/etc/passwd")


def add_pipe(folder: Path) -> None:
    os.mkfifo(folder / RUN / "pipe")


def odd_name(folder: Path) -> None:
    (folder / RUN / "a b\n").write_text("")


def two_of_one_name(folder: Path) -> None:
    for name in ("Log", "log"):
        (folder / RUN / name).write_text("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_record, "is not complete: "),
        (damage_verdict, "is not complete: "),
        (link_out, "secret: is a link"),
        (add_pipe, "pipe: is not a file"),
        (odd_name, "has a file with an unsafe name: 000000000000-1/a b\\n"),
        (two_of_one_name, "has a file twice: 000000000000-1/log"),
    ],
)
def test_a_folder_that_is_not_sound_is_not_packed(
    damage: Callable[[Path], None],
    message: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(results)
    assert message in fails(capsys, ["contribute", str(results), "--out", str(tmp_path / "x.zip")], 2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_contribute_refuses_what_is_no_folder_and_replaces_nothing(
    pack: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = pack.read_bytes()
    words = ["contribute", str(results), "--out", str(pack)]
    assert "exists already" in fails(capsys, words, 2)
    assert pack.read_bytes() == before
    assert "is not a results folder" in fails(capsys, ["contribute", str(tmp_path), "--out", "x"], 2)
    empty = stored(tmp_path / "empty", [])
    assert "holds no runs" in fails(capsys, ["contribute", str(empty), "--out", str(tmp_path / "y")], 2)
    assert "is not a known licence" in fails(capsys, [*words, "--licence", "mine"], 2)
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file/x.zip")
    assert "cannot be written" in fails(capsys, ["contribute", str(results), "--out", out], 3)


def test_of_two_at_once_one_writes(results: Path, tmp_path: Path) -> None:
    outcomes: list[str] = []

    def write() -> None:
        try:
            write_pack(contribution(results), tmp_path / "x.zip", None, None)
            outcomes.append("written")
        except InputError as error:
            outcomes.append(error.what)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["exists already", "written"]
    import_pack(tmp_path / "x.zip", tmp_path / "again")
