"""What of a results folder goes into a pack: its runs and audits, complete and readable, with tables."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.printable import bounded, one_line
from qutiperf.report.verdicts import FOLDER as AUDITS
from qutiperf.report.verdicts import Verdicts, stored_verdicts
from qutiperf.results.record import RunRecord
from qutiperf.results.store import MARKER, Store

_NOT_PACKED = (".staging", ".qutiperf-")


@dataclass(frozen=True, slots=True)
class Contribution:
    """Records, verdicts by run id, and the files by their path in the pack; `left_out` are other entries."""

    folder: Path
    records: Sequence[RunRecord]
    verdicts: Verdicts
    files: dict[str, Path]
    left_out: list[str]

    @property
    def hosts(self) -> list[str]:
        return sorted(
            {str(record.host["hostname"]) for record in self.records if record.host.get("hostname")}
        )

    @property
    def measured(self) -> tuple[str, str]:
        times = sorted(record.started_utc for record in self.records)
        return times[0], times[-1]


def contribution(folder: Path) -> Contribution:
    """Raises InputError for a folder that is not complete: a damaged record or verdict, a link, no run."""
    store = Store.open(folder)
    contents = store.read()
    verdicts, damaged = stored_verdicts(folder)
    broken = [*contents.damaged, *damaged]
    if broken:
        more = f"; {len(broken) - 1} more parts are damaged" if len(broken) > 1 else ""
        raise InputError(f"is not complete: {broken[0]}{more}", where=str(folder))
    if not contents.records:
        raise InputError("holds no runs", where=str(folder), cure="qutiperf run SWEEP")
    tops = [MARKER, *(path.name for path in store.run_folders())]
    tops += [AUDITS] if os.path.lexists(folder / AUDITS) else []
    files = {name: path for top in tops for name, path in _files(folder, folder / top)}
    others = sorted({path.name for path in folder.iterdir()} - set(tops))
    left_out = [name for name in others if not name.startswith(_NOT_PACKED)]
    return Contribution(folder, contents.records, verdicts, files, left_out)


def _files(folder: Path, path: Path) -> Iterator[tuple[str, Path]]:
    """Regular files at or below `path` by their path in the folder; raises InputError for links and pipes."""
    name = path.relative_to(folder).as_posix()
    if path.name.startswith(_NOT_PACKED):
        return
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        for entry in sorted(path.iterdir()):
            yield from _files(folder, entry)
    elif stat.S_ISREG(mode):
        yield name, path
    else:
        kind = "a link" if stat.S_ISLNK(mode) else "not a file"
        cure = "replace it with the file itself, or delete it"
        raise InputError(f"is {kind}", where=one_line(bounded(str(path), 300)), cure=cure)
