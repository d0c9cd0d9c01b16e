"""A seal lists every file; afterwards no change goes unseen."""

import json
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.submission.check import check_tree
from qutiperf.submission.seal import MANIFEST, seal_tree
from tests.submission.good_tree import ROUND, build

# agrees with everything else in the tree, so only a seal shows it
INVISIBLE = "closed/Acme/settings/board/digits-99/Offline/README.md"


def test_a_sealed_tree_still_passes(tmp_path: Path) -> None:
    build(tmp_path)
    seal_tree(tmp_path, "v9.9")
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["kind"] == "seal"
    assert len(manifest["files"]) == sum(path.is_file() for path in tmp_path.rglob("*")) - 1
    report = check_tree(tmp_path, ROUND)
    assert report.sealed
    assert report.findings == []


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda path: path.write_text("other"), "has changed since the tree was sealed"),
        (lambda path: path.unlink(), "was sealed and is gone"),
        (lambda path: path.with_name("new.txt").write_text("x"), "came after the tree was sealed"),
    ],
)
def test_every_later_edit_is_seen(edit: object, what: str, tmp_path: Path) -> None:
    build(tmp_path)
    seal_tree(tmp_path, "v9.9")
    assert callable(edit)
    edit(tmp_path / INVISIBLE)
    assert what in [each.what for each in check_tree(tmp_path, ROUND).findings if each.rule == "seal"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "seal", "schema_version": 2, "files": {}}', "\0"])
def test_a_damaged_seal_is_an_error(text: str, tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / MANIFEST).write_text(text)
    assert "is not a seal that this version reads" in [
        each.what for each in check_tree(tmp_path, ROUND).findings
    ]


def test_a_tree_is_sealed_once(tmp_path: Path) -> None:
    build(tmp_path)
    seal_tree(tmp_path, "v9.9")
    with pytest.raises(InputError, match="is sealed already"):
        seal_tree(tmp_path, "v9.9")
