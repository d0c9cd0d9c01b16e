"""Power measured by MLPerf's own client and server: its folders are taken over as they are.

`check` verifies them and computes the metric; nothing here reads a sample.
"""

from collections.abc import Iterator
from pathlib import Path

from qutiperf.audit.evidence import DETAIL
from qutiperf.errors import InputError
from qutiperf.mlperf_logs.trace import read_trace
from qutiperf.spec.round_rules import RoundRules

_POWER, _RANGING, _RUN = "power", "ranging", "run_1"


def power_files(folder: Path, rules: RoundRules) -> Iterator[tuple[str, Path]]:
    """Paths below the scenario's performance folder, with their sources; raises InputError."""
    if rules.power is None:
        raise InputError("the round has no rules for power", where=str(folder), cure="leave --power out")
    run_files = [*rules.files.performance, *rules.power.run_files]
    for name, required in ((_POWER, rules.power.files), (_RANGING, run_files), (_RUN, run_files)):
        inner = folder / name
        absent = [each for each in required if not (inner / each).is_file()]
        if absent:
            cure = "name the folder with power/, ranging/ and run_1/ that MLPerf's power client wrote"
            raise InputError(f"lacks {', '.join(absent)}", where=str(inner), cure=cure)
        for each in required:
            yield f"{name}/{each}", inner / each


def same_run(folder: Path, log: Path) -> bool:
    """Whether the client's run_1 has the log of a stored run; raises InputError if it cannot be read."""
    try:
        return read_trace(folder / _RUN / DETAIL).sha256 == read_trace(log / DETAIL).sha256
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(error.filename)) from None
