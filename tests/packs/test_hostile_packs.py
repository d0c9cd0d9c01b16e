"""A pack that somebody tampered with leaves nothing."""

import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qutiperf.errors import InputError
from qutiperf.packs import manifest as limits
from qutiperf.packs import reading
from qutiperf.packs.contribution import contribution
from qutiperf.packs.manifest import MANIFEST, check_names
from qutiperf.packs.reading import import_pack
from qutiperf.packs.writing import write_pack
from qutiperf.report.origin import origin_of
from qutiperf.results.selection import select
from qutiperf.results.store import MARKER
from tests.conftest import fails
from tests.packs.conftest import RUN, tree

Files = dict[str, bytes]


def opened(pack: Path) -> tuple[dict[str, Any], Files]:
    with zipfile.ZipFile(pack) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop(MANIFEST)), files


def written(pack: Path, manifest: object, files: Files, more: dict[str, int] | None = None) -> None:
    """A zip with these contents; `more` are unix modes of entries by name."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, text)
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (more or {}).get(name, 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def listed(manifest: dict[str, Any], files: Files) -> None:
    """Gives every file its true size and hash."""
    manifest["files"] = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }


def add(name: str, content: bytes = b"x", mode: int = 0o100644) -> Callable[[Path], None]:
    """An honest entry of the manifest for one more file."""

    def tamper(pack: Path) -> None:
        manifest, files = opened(pack)
        files[name] = content
        listed(manifest, files)
        written(pack, manifest, files, {name: mode})

    return tamper


def change(name: str, content: bytes, *, honest: bool) -> Callable[[Path], None]:
    def tamper(pack: Path) -> None:
        manifest, files = opened(pack)
        files[name] = content
        if honest:
            listed(manifest, files)
        written(pack, manifest, files)

    return tamper


def remove(name: str, *, honest: bool) -> Callable[[Path], None]:
    def tamper(pack: Path) -> None:
        manifest, files = opened(pack)
        del files[name]
        if honest:
            listed(manifest, files)
        written(pack, manifest, files)

    return tamper


def manifest_with(**changes: object) -> Callable[[Path], None]:
    def tamper(pack: Path) -> None:
        manifest, files = opened(pack)
        written(pack, manifest | changes, files)

    return tamper


def manifest_text(text: bytes) -> Callable[[Path], None]:
    def tamper(pack: Path) -> None:
        written(pack, text, opened(pack)[1])

    return tamper


def truncated(pack: Path) -> None:
    pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])


def flipped(pack: Path) -> None:
    """A byte of the compressed data of the last file."""
    content = bytearray(pack.read_bytes())
    with zipfile.ZipFile(pack) as archive:
        info = archive.infolist()[-1]
    content[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0xFF
    pack.write_bytes(content)


def huge_directory(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    place = content.rfind(b"PK\x05\x06")
    content[place + 12 : place + 16] = struct.pack("<I", 0xFFFFFFF0)
    pack.write_bytes(content)


def encrypted(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    pack.write_bytes(content)


def hidden_name(pack: Path) -> None:
    """A name with a NUL, which zipfile cuts."""
    add("aaaaaaaaaaaa-1/x0y")(pack)
    pack.write_bytes(pack.read_bytes().replace(b"aaaaaaaaaaaa-1/x0y", b"aaaaaaaaaaaa-1/x\0y"))


def no_zip(pack: Path) -> None:
    pack.write_bytes(b"not a zip")


TAMPERED: list[tuple[Callable[[Path], None], str]] = [
    (add("../evil"), "unsafe name: ../evil"),
    (add("/tmp/evil"), "unsafe name: /tmp/evil"),
    (add(f"{RUN}/../../evil"), "unsafe name"),
    (add(f"{RUN}/..\\evil"), "unsafe name"),
    (add("C:/evil"), "unsafe name"),
    (add(f"{RUN}/nul.txt"), "unsafe name"),
    (add(f"{RUN}/a\u202eb"), "unsafe name: 000000000000-1/a\\u202eb"),
    (add("/".join("abcdefghi")), "unsafe name"),
    (add("x" * 151), "unsafe name"),
    (add(f"{RUN}/RECORD.json"), "has a file twice: 000000000000-1/record.json"),
    (add(f"{RUN}/record.json/x"), "has a file and a folder of one name: 000000000000-1/record.json"),
    (hidden_name, "unsafe name"),
    (add(f"{RUN}/link", b"/etc/passwd", stat.S_IFLNK | 0o777), "000000000000-1/link is a link"),
    (add(f"{RUN}/pipe", b"", stat.S_IFIFO | 0o644), "000000000000-1/pipe is not a file"),
    (add("notes.txt"), "notes.txt is not a part of a results folder"),
    (add(f"{'a' * 12}-1/x"), "there is no record"),
    (change(f"{RUN}/mlperf_log_detail.txt", b"b log\n" * 1000, honest=False), "does not have the hash"),
    (change(f"{RUN}/mlperf_log_detail.txt", b"short", honest=False), "has 5 bytes, not 6,000"),
    (change("data/rows.csv", b"", honest=False), "data/rows.csv has 0 bytes"),
    (change(f"{RUN}/record.json", b"{", honest=True), "is not complete"),
    (change(MARKER, b'{"schema_version": 9}', honest=True), "has schema_version 9"),
    (remove(f"{RUN}/record.json", honest=False), "the pack lacks 000000000000-1/record.json"),
    (remove(MARKER, honest=True), "has no results folder"),
    (manifest_with(files={}), "the manifest lacks"),
    (manifest_with(runs=2), "its manifest does not describe its runs"),
    (manifest_with(hosts=["other"]), "its manifest does not describe its runs"),
    (manifest_with(schema_version=2), "has schema_version 2; this qutiperf reads 1"),
    (manifest_with(schema_version=True), "has schema_version true"),
    (manifest_with(kind="other"), "is not that of a pack"),
    (manifest_with(surprise=1), "surprise"),
    (manifest_with(runs="many"), "runs"),
    (manifest_text(b"{"), "is not JSON"),
    (manifest_text(b"[" * 100_000), "is not JSON"),
    (manifest_text(b"\xff\xfe"), "is not JSON"),
    (manifest_text(b"[]"), "is not that of a pack"),
    (truncated, "is damaged or not a pack: it has no end of a zip"),
    (flipped, "is damaged or not a pack"),
    (huge_directory, "is damaged or not a pack: its directory has"),
    (encrypted, "is encrypted"),
    (no_zip, "is damaged or not a pack"),
]


@pytest.mark.parametrize(("tamper", "message"), TAMPERED)
def test_a_pack_that_was_tampered_with_leaves_nothing(
    tamper: Callable[[Path], None],
    message: str,
    pack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tamper(pack)
    before = set(tmp_path.iterdir())
    line = fails(capsys, ["import", str(pack), "--out", str(tmp_path / "again")], 2)
    assert message in line
    assert "mine.zip" in line
    assert set(tmp_path.iterdir()) == before


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ALWAYS_ALLOWED", 1 << 20)


@pytest.mark.usefixtures("small_limits")
def test_a_bomb_is_refused_before_it_expands(pack: Path, tmp_path: Path) -> None:
    add(f"{RUN}/zeros", bytes(20 << 20))(pack)
    with pytest.raises(InputError, match=r"would expand from [\d,]+ to 2\d,\d\d\d,\d\d\d bytes"):
        import_pack(pack, tmp_path / "again")


def test_limits_hold_for_both_directions(
    pack: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value, message in (("MOST_BYTES", 100, "at most 100"), ("MOST_FILES", 2, "at most 2")):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, value)
            with pytest.raises(InputError, match=message):
                import_pack(pack, tmp_path / "again")
            with pytest.raises(InputError, match=message):
                write_pack(contribution(results), tmp_path / "x.zip", None, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.zip"]


def test_a_name_that_repeats_in_the_zip_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(pack, "a") as archive:
        archive.writestr(MARKER, "{}")
    with pytest.raises(InputError, match="has a file twice"):
        import_pack(pack, tmp_path / "again")


def test_a_folder_that_holds_anything_is_kept(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.tex").write_text("years of work")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("taken", "link", "taken/thesis.tex"):
        assert "exists already" in fails(capsys, ["import", str(pack), "--out", str(tmp_path / name)], 2)
    assert (taken / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    import_pack(pack, tmp_path / "empty")
    assert len(select(tmp_path / "empty").records) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "mine.zip: is a pack of results, which needs a folder; qutiperf import "),
        (["--out", "x", "--round", "v6.0"], "--round: has no effect on a pack of results"),
        (["--out", "x", "--plausibility"], "--plausibility: has no effect on a pack of results"),
        (["reference", "--out", "x"], "is a pack of results, which is imported alone"),
    ],
)
def test_options_of_tables_do_not_fit_a_pack(
    words: list[str], message: str, pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, ["import", str(pack), *words], 2)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"title": 5}', None])
def test_a_damaged_origin_is_left_out(content: str | None, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / MANIFEST).mkdir()
    else:
        (tmp_path / MANIFEST).write_text(content)
    assert origin_of(tmp_path) in (None, "no licence stated, imported")


def test_names_of_real_runs_are_allowed() -> None:
    names = [f"{RUN}/mlperf_log_detail.txt", f"{RUN}/phases.npz", "audit/TEST01/0123456789ab.audit.config"]
    check_names(names, "here")


@pytest.mark.slow
def test_no_changed_byte_gives_other_results(pack: Path, results: Path, tmp_path: Path) -> None:
    """Any byte flipped: refused with an InputError, or the import is what was packed."""
    original, refused = pack.read_bytes(), 0
    expected = tree(results)
    for place in range(0, len(original), max(1, len(original) // 150)):
        content = bytearray(original)
        content[place] ^= 0x41
        pack.write_bytes(content)
        out = tmp_path / f"out-{place}"
        try:
            import_pack(pack, out)
        except InputError:
            refused += 1
            assert not out.exists()
        else:
            assert {name: text for name, text in tree(out).items() if name != MANIFEST} == expected
    assert refused > 75
