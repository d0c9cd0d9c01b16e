"""The results folder: staging, atomic placing of finished runs, and reading them back."""

import contextlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydantic import ValidationError

from qutiperf.config import canonical_json, read_yaml
from qutiperf.errors import InputError, SetupError
from qutiperf.record import SCHEMA_VERSION, RunRecord

_MARKER = "qutiperf-results.json"
_STAGING = ".staging"
RECORD = "record.json"
MAX_ATTEMPTS = 2


class Store:
    """One results folder; a run is there as a whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> "Store":
        """Makes or opens a folder to write to; raises SetupError, or InputError if it holds other things."""
        try:
            _check_before_writing(folder)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            if not cls.is_one(folder):
                text = canonical_json({"schema_version": SCHEMA_VERSION}) + "\n"
                (folder / _MARKER).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SetupError(
                f"cannot be written to: {error.strerror}", where=str(folder), cure="name another with --out"
            ) from None
        return cls(folder)

    @staticmethod
    def is_one(folder: Path) -> bool:
        return (folder / _MARKER).is_file()

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Opens a folder to read; raises InputError if it is none or of another schema version."""
        if not cls.is_one(folder):
            raise InputError(
                "is no results folder", where=str(folder), cure="name what was given to run --out"
            )
        version = read_yaml(folder / _MARKER).get("schema_version")
        if version != SCHEMA_VERSION:
            cure = f"this qutiperf reads {SCHEMA_VERSION}: use the one that wrote it, or another --out"
            raise InputError(f"has schema_version {version}", where=str(folder), cure=cure)
        return cls(folder)

    def stage(self) -> Path:
        """A fresh folder for one worker, on the same file system; its path is absolute."""
        (self.folder / _STAGING).mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=(self.folder / _STAGING).resolve()))

    def discard(self, staging: Path) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    def place(self, run_folder: Path, record: RunRecord) -> Path:
        """Writes record.json into `run_folder`, syncs it, and renames the folder into place."""
        target = self.folder / f"{record.run_id}-{record.attempt}"
        path = run_folder / RECORD
        with path.open("w", encoding="utf-8") as stream:
            stream.write(record.model_dump_json(indent=1) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(run_folder)
        run_folder.rename(target)
        _sync_folder(self.folder)
        return target

    def run_folders(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob(f"*/{RECORD}"))

    def records(self) -> Iterator[RunRecord]:
        """Every record, oldest attempt first; raises InputError for one that cannot be read."""
        for folder in self.run_folders():
            yield read_record(folder)

    def latest(self) -> list[RunRecord]:
        """The last attempt of every run, in the order they were started."""
        last = {record.run_id: record for record in self.records()}
        return sorted(last.values(), key=lambda record: record.started_utc)

    def attempts(self) -> dict[str, list[RunRecord]]:
        found: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for record in self.records():
            found[record.run_id].append(record)
        return found

    def clean(self) -> None:
        """Removes what killed processes left staged, and the staging folder if that empties it."""
        for staging in (self.folder / _STAGING).glob("*-*"):
            if not psutil.pid_exists(int(staging.name.partition("-")[0])):
                self.discard(staging)
        with contextlib.suppress(OSError):
            (self.folder / _STAGING).rmdir()


def _check_before_writing(folder: Path) -> None:
    """Raises InputError for a folder that is there and holds anything but results of this version."""
    if Store.is_one(folder):
        Store.open(folder)
    elif folder.is_dir():
        others = sorted(entry.name for entry in folder.iterdir() if entry.name != _STAGING)
        if others:
            raise InputError(
                f"is no results folder, it holds {others[0]}",
                where=str(folder),
                cure="name an empty or new folder with --out",
            )


def read_record(folder: Path) -> RunRecord:
    """Raises InputError if the record is missing, damaged or of another schema version."""
    path = folder / RECORD
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        cure = f"this qutiperf reads schema_version {SCHEMA_VERSION}"
        what = f"{key}: {first['msg']}" if key else first["msg"]
        raise InputError(what, where=str(path), cure=cure) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
