"""Reads a pack that anybody may have made: everything is checked, and nothing of a bad one is left."""

import hashlib
import shutil
import stat
import struct
import zipfile
import zlib
from contextlib import nullcontext
from pathlib import Path

from qutiperf.errors import InputError, SetupError
from qutiperf.packs.contribution import contribution
from qutiperf.packs.manifest import (
    DATA,
    MANIFEST,
    MOST_BYTES,
    MOST_FILES,
    PackedFile,
    PackManifest,
    check_names,
    parse_manifest,
)
from qutiperf.printable import bounded, one_line
from qutiperf.regular_file import unreadable
from qutiperf.results.store import Store
from qutiperf.submission.staged_folder import write_folder

# what zipfile and zlib raise for damaged, encrypted or unknown content
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_DAMAGE_ALL = (*_DAMAGE, struct.error, OverflowError)
_MOST_MANIFEST_BYTES = 64 << 20
_MOST_DIRECTORY_BYTES = 64 << 20
_MOST_EXPANSION, _ALWAYS_ALLOWED = 200, 256 << 20
_END = b"PK\x05\x06"
_MAGIC = (b"PK\x03\x04", _END)
_CHUNK = 1 << 20
_CURE = "ask for it again, or write it with `qutiperf contribute`"


def is_pack(path: Path) -> bool:
    """By its name or its first bytes."""
    if path.suffix.lower() == ".zip":
        return True
    if unreadable(path):
        return False
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def import_pack(pack: Path, out: Path) -> PackManifest:
    """Unpacks into the new folder `out`; raises InputError for a pack that is incomplete or unsafe."""
    if problem := unreadable(pack, MOST_BYTES):
        raise InputError(problem, where=str(pack))
    check_folder(out)
    manifests: list[PackManifest] = []

    def unpacked(staged: Path) -> bool:
        manifests.append(_unpack(pack, staged))
        return True

    write_folder({}, out, unpacked)
    return manifests[0]


def check_folder(out: Path) -> None:
    """Raises InputError unless the folder is new or empty."""
    taken = out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir())))
    if taken:
        raise InputError("exists already", where=str(out), cure="name a new folder with --out")


def _unpack(pack: Path, staged: Path) -> PackManifest:
    where = str(pack)
    try:
        _check_directory(pack)
        with zipfile.ZipFile(pack) as archive:
            entries = _entries(archive, where)
            manifest = _manifest(archive, entries.pop(MANIFEST, None), where)
            _check_entries(entries, manifest, pack, staged)
            for name, entry in entries.items():
                target = None if name.startswith(f"{DATA}/") else staged / name
                _extract(archive, entry, manifest.files[name], target, where)
    except _DAMAGE_ALL as error:
        what = f"is damaged or not a pack: {one_line(bounded(str(error), 120))}"
        raise InputError(what, where=where, cure=_CURE) from None
    _check_results(staged, manifest, where)
    (staged / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def _check_directory(pack: Path) -> None:
    """The directory's size as the end of the file gives it, since zipfile would read it as a whole."""
    with pack.open("rb") as stream:
        stream.seek(max(0, pack.stat().st_size - (1 << 16) - 22))
        tail = stream.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 22:
        raise zipfile.BadZipFile("it has no end of a zip")
    files, size = struct.unpack("<HI", tail[place + 10 : place + 16])
    if size == 0xFFFFFFFF or files == 0xFFFF:
        wide = tail.rfind(b"PK\x06\x06", 0, place)
        files, size = struct.unpack("<QQ", tail[wide + 32 : wide + 48]) if wide >= 0 else (files, 0)
    if size > _MOST_DIRECTORY_BYTES or files > MOST_FILES + 1:
        raise zipfile.BadZipFile(f"its directory has {files:,} entries and {size:,} bytes")


def _entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """By name; raises InputError for links, folders, encryption, unsafe and repeated names."""
    infos, stored = archive.infolist(), Path(where).stat().st_size
    check_names([info.orig_filename for info in infos], where)
    outside = any(not 0 <= info.header_offset < stored for info in infos)
    if outside or sum(info.compress_size for info in infos) > stored:
        raise zipfile.BadZipFile("its entries overlap, or are not in the file")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        shown = bounded(info.filename, 100)
        if kind not in (0, stat.S_IFREG) or info.is_dir():
            what = "a link" if stat.S_ISLNK(kind) else "not a file"
            raise InputError(f"{shown} is {what}", where=where, cure=_CURE)
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            what = f"{shown} is encrypted, or compressed by another method"
            raise InputError(what, where=where, cure=_CURE)
    return {info.filename: info for info in infos}


def _manifest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None, where: str) -> PackManifest:
    if entry is None:
        raise InputError(f"is not a pack: it has no {MANIFEST}", where=where, cure=_CURE)
    if entry.file_size > _MOST_MANIFEST_BYTES:
        raise InputError(f"its {MANIFEST} has {entry.file_size:,} bytes", where=where, cure=_CURE)
    return parse_manifest(archive.read(entry), where)


def _check_entries(
    entries: dict[str, zipfile.ZipInfo], manifest: PackManifest, pack: Path, staged: Path
) -> None:
    """The files are those of the manifest, with its sizes, and there is room for them."""
    where = str(pack)
    if different := sorted(set(entries) ^ set(manifest.files)):
        side = "the manifest lacks" if different[0] in entries else "the pack lacks"
        raise InputError(f"{side} {bounded(different[0], 100)}", where=where, cure=_CURE)
    for name, entry in entries.items():
        if entry.file_size != manifest.files[name].size:
            what = f"{bounded(name, 100)} has {entry.file_size:,} bytes, not {manifest.files[name].size:,}"
            raise InputError(what, where=where, cure=_CURE)
    total, stored = sum(entry.file_size for entry in entries.values()), pack.stat().st_size
    if total > _ALWAYS_ALLOWED and total > _MOST_EXPANSION * stored:
        what = f"would expand from {stored:,} to {total:,} bytes"
        raise InputError(what, where=where, cure="do not trust it")
    if total > shutil.disk_usage(staged).free:
        raise SetupError(f"{total:,} bytes do not fit on the disk", where=where, cure="free some space")


def _extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, packed: PackedFile, target: Path | None, where: str
) -> None:
    """Copies at most the declared bytes, which zipfile keeps to; without `target` only checks the hash."""
    digest = hashlib.sha256()
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") if target else nullcontext() as stream:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            if stream is not None:
                stream.write(chunk)
    if digest.hexdigest() != packed.sha256:
        what = f"{bounded(entry.filename, 100)} does not have the hash of the manifest"
        raise InputError(what, where=where, cure=_CURE)


def _check_results(staged: Path, manifest: PackManifest, where: str) -> None:
    """The unpacked files are a complete results folder with the runs that the manifest names."""
    if not Store.is_one(staged):
        raise InputError("has no results folder", where=where, cure=_CURE)
    try:
        given = contribution(staged)
    except InputError as error:
        what = str(error).replace(f"{staged}/", "").replace(f"{staged}: ", "")
        raise InputError(what, where=where, cure=_CURE) from None
    extra = sorted(
        set(manifest.files) - set(given.files) - {n for n in manifest.files if n.startswith(f"{DATA}/")}
    )
    if extra:
        what = f"{bounded(extra[0], 100)} is not a part of a results folder"
        raise InputError(what, where=where, cure=_CURE)
    if (len(given.records), given.measured, given.hosts) != (
        manifest.runs,
        manifest.measured,
        manifest.hosts,
    ):
        raise InputError("its manifest does not describe its runs", where=where, cure=_CURE)
