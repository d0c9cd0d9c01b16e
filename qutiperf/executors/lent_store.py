"""A results folder in which a command elsewhere has the lock: how the jobs of that command store their runs.

The command lends each job a folder in its own staging folder. Storing is a rename, which is atomic between
machines as well, and an attempt that is taken gets the next number. A job whose folder is gone stores
nothing: its command has ended, and another one may be measuring now.
"""

import tempfile
from pathlib import Path

from qutiperf.errors import SetupError
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store


class LentStore(Store):
    """Stages in the folder that was lent, and stores as long as that exists."""

    def __init__(self, folder: Path, lent: Path) -> None:
        super().__init__(folder)
        self._lent = lent

    def stage(self) -> Path:
        try:
            return Path(tempfile.mkdtemp(prefix="run-", dir=self._lent))
        except OSError:
            self._check()
            raise

    def place(self, run_folder: Path, record: RunRecord) -> Path:
        self._check()
        return super().place(run_folder, record)

    def clean(self) -> None:
        """The command that holds the lock cleans."""

    def _check(self) -> None:
        if not self._lent.is_dir():
            raise SetupError("the command that started this job has ended", where=str(self.folder))
