"""Writes a pack: a zip whose bytes follow from the results folder alone, completely or not at all."""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from qutiperf import __version__
from qutiperf.errors import InputError, SetupError
from qutiperf.packs.contribution import Contribution
from qutiperf.packs.manifest import DATA, MANIFEST, PackedFile, PackManifest, check_names, check_size
from qutiperf.report.columns import columns_of
from qutiperf.report.data_package import Publication, data_package
from qutiperf.report.downloads import write_tables
from qutiperf.report.sources import read_sources
from qutiperf.report.tables import data_tables
from qutiperf.submission.staged_folder import staging

_DATE = (1980, 1, 1, 0, 0, 0)  # the first that zip has: a pack has no times of its own
_FILE_MODE = 0o100644 << 16
_UNIX = 3
_LEVEL = 6
_CHUNK = 1 << 20


def write_pack(given: Contribution, out: Path, licence: str | None, creator: str | None) -> PackManifest:
    """Raises InputError if `out` exists or a file is unfit, SetupError if nothing can be written."""
    if os.path.lexists(out):
        raise InputError("exists already", where=str(out), cure="name another file with --out")
    try:
        with staging(out.parent) as folder:
            data = folder / DATA
            data.mkdir()
            _write_data(data, given, licence, creator)
            files = given.files | {f"{DATA}/{path.name}": path for path in sorted(data.iterdir())}
            manifest = _manifest(given, files, licence, creator)
            staged = folder / "pack"
            _write_zip(staged, files, manifest)
            _put(staged, out)
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out)) from None
    return manifest


def _write_data(data: Path, given: Contribution, licence: str | None, creator: str | None) -> None:
    """The tables of a report of this folder, for readers without qutiperf."""
    sources = read_sources([str(given.folder)])
    # steps of the gap may depend on the cache of the host that computes them
    rows = [{name: cell for name, cell in row.items() if not name.startswith("gap_")} for row in sources.rows]
    sources = replace(sources, rows=rows)
    downloads = write_tables(data, data_tables(sources, columns_of(sources.rows), ()), parquet=False)
    day = given.measured[1][:10]
    published = Publication(given.folder.resolve().name, day, sources.labels, licence, creator)
    text = json.dumps(data_package(published, downloads), indent=1) + "\n"
    (data / "datapackage.json").write_text(text, encoding="utf-8")


def _manifest(
    given: Contribution, files: dict[str, Path], licence: str | None, creator: str | None
) -> PackManifest:
    where = str(given.folder)
    check_names(list(files), where)
    check_size(len(files), sum(path.stat().st_size for path in files.values()), where)
    return PackManifest(
        qutiperf=__version__,
        title=given.folder.resolve().name,
        licence=licence,
        creator=creator,
        runs=len(given.records),
        measured=given.measured,
        hosts=given.hosts,
        files={name: _packed(path) for name, path in sorted(files.items())},
    )


def _packed(path: Path) -> PackedFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return PackedFile(size=stream.tell(), sha256=digest)


def _write_zip(staged: Path, files: dict[str, Path], manifest: PackManifest) -> None:
    with zipfile.ZipFile(staged, "w") as archive:
        text = manifest.model_dump_json(indent=1) + "\n"
        archive.writestr(_entry(MANIFEST), text, zipfile.ZIP_DEFLATED, _LEVEL)
        for name, packed in manifest.files.items():
            with _opened(archive, name, packed.size) as target, files[name].open("rb") as source:
                _copy(source, target, packed, files[name])
    with staged.open("rb") as stream:
        os.fsync(stream.fileno())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr, entry.create_system = _FILE_MODE, _UNIX
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


@contextlib.contextmanager
def _opened(archive: zipfile.ZipFile, name: str, size: int) -> Iterator[IO[bytes]]:
    entry = _entry(name)
    entry._compresslevel = _LEVEL  # type: ignore[attr-defined]  # not public before Python 3.13
    entry.file_size = size  # says whether the entry needs 64-bit sizes
    with archive.open(entry, "w") as stream:
        yield stream


def _copy(source: IO[bytes], target: IO[bytes], packed: PackedFile, path: Path) -> None:
    """Raises InputError if the file is not the one that was hashed: somebody is measuring into the folder."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
    if digest.hexdigest() != packed.sha256:
        raise InputError("changed while it was packed", where=str(path), cure="wait until runs have ended")


def _put(staged: Path, out: Path) -> None:
    """Without replacing a file that has appeared meanwhile, where the file system has links."""
    try:
        os.link(staged, out)
    except FileExistsError:
        raise InputError("exists already", where=str(out), cure="name another file with --out") from None
    except OSError:
        shutil.move(staged, out)
    out.chmod(0o644)
