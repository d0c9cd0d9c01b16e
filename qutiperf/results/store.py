"""The results folder: staging, atomic storing of finished runs, and reading them."""

import contextlib
import errno
import gc
import json
import os
import re
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import ValidationError

from qutiperf.errors import InputError, SetupError
from qutiperf.printable import bounded
from qutiperf.results.lock import LOCK, locked
from qutiperf.results.record import SCHEMA_VERSION, Described, RunRecord
from qutiperf.spec.config import canonical_json

MARKER = "qutiperf-results.json"
PROBES = "probes"
LEFT_OUT = "left_out.json"
_STAGING = ".staging"
_TEMPORARY = ".qutiperf-"
RECORD = "record.json"
MAX_ATTEMPTS = 2
_MOST_BYTES = 64 << 20  # of a file that is read; a record has some 10 kB
_RUN_FOLDER = re.compile(r"([0-9a-f]{12})-([1-9][0-9]{0,8})")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a results folder: records by run and attempt, and an error for each damaged part."""

    records: list[RunRecord]
    damaged: list[InputError]


class Store:
    """One results folder; a run is stored completely or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> "Store":
        """Creates, opens or repairs a folder for writing; raises SetupError, InputError for a foreign one."""
        try:
            marked = _is_marked(folder)
            if not marked:
                _check_is_free(folder)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            if not marked:
                _mark(folder)
        except OSError as error:
            cure = "name another folder with --out"
            raise SetupError(
                f"cannot be written to: {error.strerror}", where=str(folder), cure=cure
            ) from None
        return cls(folder)

    @staticmethod
    def is_one(folder: Path) -> bool:
        return (folder / MARKER).is_file()

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Opens a folder for reading; raises InputError if it has no results or another schema version."""
        store = cls(folder)
        if not cls.is_one(folder):
            cure = "give the folder that `qutiperf run --out` wrote"
            raise InputError("is not a results folder", where=str(folder), cure=cure)
        if not _is_marked(folder) and not store.run_folders():
            raise _damaged_marker(folder)
        return store

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the folder against other measuring processes; raises SetupError if one holds it."""
        with locked(self.folder):
            yield

    @property
    def probes(self) -> "Store":
        """The folder inside this one for the probes of a search, which no other reader looks into."""
        return Store(self.folder / PROBES)

    def write(self, name: str, text: str) -> None:
        """Writes a file of the folder completely or not at all; raises SetupError if it cannot be stored."""
        try:
            _write_whole(self.folder / name, text)
        except OSError as error:
            raise self._lost(f"{name} could not be stored", error) from None

    def stage(self) -> Path:
        """A new folder for one worker, on the same file system; its path is absolute."""
        try:
            (self.folder / _STAGING).mkdir(exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=(self.folder / _STAGING).resolve()))
        except OSError as error:
            raise self._lost("no run can be started", error) from None

    def discard(self, staging: Path) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    def place(self, run_folder: Path, record: RunRecord) -> Path:
        """Writes record.json into `run_folder`, syncs it, and renames the folder into place.

        If the record's attempt already has a folder, the next free number is used. A deleted run folder is
        recreated for the record alone. Raises SetupError if the run cannot be stored.
        """
        try:
            return self._placed(run_folder, record)
        except OSError as error:
            raise self._lost(f"run {record.run_id} could not be stored", error) from None

    def _placed(self, run_folder: Path, record: RunRecord) -> Path:
        if self.folder.is_dir():
            run_folder.mkdir(parents=True, exist_ok=True)
        while True:
            _write_synced(run_folder / RECORD, record.model_dump_json(indent=1) + "\n")
            _sync_folder(run_folder)
            target = self.folder / f"{record.run_id}-{record.attempt}"
            try:
                run_folder.rename(target)
            except OSError as error:
                if error.errno not in _TAKEN or not os.path.lexists(target):
                    raise
                number = self.last_attempts().get(record.run_id, record.attempt) + 1
                record = record.model_copy(update={"attempt": number})
                continue
            _sync_folder(self.folder)
            return target

    def _lost(self, what: str, error: OSError) -> SetupError:
        """The error for a folder that can no longer be written to; it says what is kept."""
        kept = "finished runs are kept"
        if error.errno in _FULL:
            cure = f"{kept}; free some space and repeat the command"
        elif error.errno in _GONE and not self.folder.is_dir():
            what = f"was moved or deleted while runs were measured: {what}"
            cure = "if it was moved, move it back and repeat the command"
            return SetupError(what, where=str(self.folder), cure=cure)
        else:
            cure = f"{kept}; fix this and repeat the command"
        return SetupError(f"{what}: {error.strerror}", where=str(self.folder), cure=cure)

    def run_folders(self) -> list[Path]:
        """Folders of runs, including damaged ones, by run and attempt."""
        try:
            folders = [path for path in self.folder.iterdir() if _is_run_folder(path)]
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(self.folder)) from None
        return sorted(folders, key=_run_and_attempt)

    def read(self) -> Contents:
        """Everything that can be read, and what cannot."""
        records: list[RunRecord] = []
        damaged = [] if _is_marked(self.folder) else [_damaged_marker(self.folder)]
        described = Described()
        with _without_collection():
            for folder in self.run_folders():
                try:
                    records.append(_own_record(folder, described))
                except InputError as error:
                    damaged.append(error)
        return Contents(records, damaged)

    def records(self) -> Iterator[RunRecord]:
        """Every readable record, by run and attempt."""
        yield from self.read().records

    def latest(self) -> list[RunRecord]:
        """The last readable attempt of every run, in the order of their start."""
        return latest(self.read().records)

    def attempts(self) -> dict[str, list[RunRecord]]:
        """The readable attempts of every run, in their order."""
        attempts: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for record in self.records():
            attempts[record.run_id].append(record)
        return attempts

    def last_attempts(self) -> dict[str, int]:
        """The highest attempt of every run that has a folder, readable or not."""
        names = [match for path in self.run_folders() if (match := _RUN_FOLDER.fullmatch(path.name))]
        highest: dict[str, int] = {}
        for run_id, attempt in (match.groups() for match in names):
            highest[run_id] = max(highest.get(run_id, 0), int(attempt))
        return highest

    def clean(self) -> None:
        """Removes what killed processes left in the staging folder, and that folder if it is then empty."""
        for staging in (self.folder / _STAGING).glob("*-*"):
            if not _is_running(staging):
                self.discard(staging)
        with contextlib.suppress(OSError):
            (self.folder / _STAGING).rmdir()


def latest(records: list[RunRecord]) -> list[RunRecord]:
    """The last attempt of every run, in the order of their start."""
    last: dict[str, RunRecord] = {}
    for record in records:
        before = last.get(record.run_id)
        if before is None or record.attempt >= before.attempt:
            last[record.run_id] = record
    return sorted(last.values(), key=lambda record: record.started_utc)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Records have no cycles, but the garbage collector would look through all of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_record(folder: Path, described: Described | None = None) -> RunRecord:
    """Raises InputError if the record is missing, damaged or of another schema version."""
    path = folder / RECORD
    try:
        return RunRecord.model_validate_json(_read_bounded(path), context=described)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = bounded(".".join(str(part) for part in first["loc"]), 100)
        cure = (
            f"this qutiperf reads schema_version {SCHEMA_VERSION}: use the one that wrote it" if key else ""
        )
        what = bounded(f"{key}: {first['msg']}" if key else first["msg"])
        raise InputError(what, where=str(path), cure=cure) from None


def _own_record(folder: Path, described: Described) -> RunRecord:
    """The record of a folder in a results folder; raises InputError with the cure if it is damaged."""
    try:
        record = read_record(folder, described)
    except InputError as error:
        again = f"delete the folder {folder} to let `qutiperf run` measure it again"
        cure = f"{error.cure}, or {again}" if error.cure else again
        raise InputError(f"skipped, {error.what}", where=error.where, cure=cure) from None
    name = f"{record.run_id}-{record.attempt}"
    if folder.name != name:
        what = f"skipped, its record is that of {bounded(name, 60)}"
        raise InputError(what, where=str(folder), cure="delete the copy, or rename it back")
    return record


def _read_bounded(path: Path) -> bytes:
    """The contents of a regular file; raises InputError for anything else, and for a very large one."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a file", where=str(path))
        if status.st_size > _MOST_BYTES:
            raise InputError(f"has {status.st_size:,} bytes, which is not a record's size", where=str(path))
        return path.read_bytes()
    except OSError as error:
        reason = "there is no record" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
        raise InputError(reason, where=str(path)) from None


def _is_run_folder(path: Path) -> bool:
    """Recognised by its name (also a broken link), or by a record in it."""
    if _RUN_FOLDER.fullmatch(path.name):
        return path.is_dir() or path.is_symlink()
    return not path.name.startswith(".") and os.path.lexists(path / RECORD)


def _is_run_with_record(path: Path) -> bool:
    return _RUN_FOLDER.fullmatch(path.name) is not None and (path / RECORD).is_file()


def _run_and_attempt(path: Path) -> tuple[str, int]:
    match = _RUN_FOLDER.fullmatch(path.name)
    return (match[1], int(match[2])) if match else (path.name, 0)


def _is_marked(folder: Path) -> bool:
    """False if the marker is missing or damaged; raises InputError if it names another schema version."""
    if not Store.is_one(folder):
        return False
    try:
        marker = json.loads(_read_bounded(folder / MARKER))
    except (ValueError, RecursionError):
        return False
    if not isinstance(marker, dict) or "schema_version" not in marker:
        return False
    version = marker["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:  # True == 1
        cure = f"this qutiperf reads {SCHEMA_VERSION}: use the one that wrote it, or another --out"
        shown = bounded(json.dumps(version), 40)
        raise InputError(f"has schema_version {shown}", where=str(folder), cure=cure)
    return True


def _damaged_marker(folder: Path) -> InputError:
    cure = "`qutiperf run` into this folder rewrites it"
    return InputError("is damaged", where=str(folder / MARKER), cure=cure)


def _check_is_free(folder: Path) -> None:
    """Raises InputError for an unmarked folder with anything that this package did not leave in it."""
    if not folder.is_dir() or (Store.is_one(folder) and Store(folder).run_folders()):
        return
    entries = list(folder.iterdir())
    beside_runs = (PROBES, LEFT_OUT) if any(map(_is_run_with_record, entries)) else ()
    others = sorted(
        entry.name
        for entry in entries
        if entry.name not in (_STAGING, LOCK, *beside_runs)
        and not entry.name.startswith(_TEMPORARY)
        and not _is_run_with_record(entry)  # a results folder that lost its marker gets a new one
        and not (entry.name == MARKER and entry.is_file())
    )
    if others:
        raise InputError(
            f"is not a results folder; it contains {others[0]}",
            where=str(folder),
            cure="name an empty or new folder with --out",
        )


def _mark(folder: Path) -> None:
    _write_whole(folder / MARKER, canonical_json({"schema_version": SCHEMA_VERSION}) + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Writes the file completely or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        _write_synced(temporary, text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _is_running(staging: Path) -> bool:
    """Whether the process that made the folder is running; a process started later just has the same id."""
    number = staging.name.partition("-")[0]
    try:
        return psutil.Process(int(number)).create_time() <= staging.lstat().st_ctime + 1
    except (ValueError, OverflowError, OSError, psutil.Error):
        return False


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Syncs the entries of a folder, if its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
