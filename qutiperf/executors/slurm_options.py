"""The options of the Slurm executor, from a YAML file."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qutiperf.errors import InputError
from qutiperf.spec.config import StrictModel, parse_model, read_yaml, shortened

SLURM = "slurm"
# Options of sbatch that the executor sets, or that would change what it relies on.
_OWN = {
    *("array", "begin", "chdir", "dependency", "error", "exclusive", "export", "help", "hold", "input"),
    *("job-name", "nodes", "no-requeue", "ntasks", "ntasks-per-node", "open-mode", "output", "oversubscribe"),
    *("overcommit", "parsable", "requeue", "signal", "test-only", "time", "time-min", "wait", "wrap"),
}
_LONG_NAME = re.compile(r"[a-z][a-z-]{0,40}")


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("should be one line of text")
    return text


def _of_sbatch(name: str) -> str:
    if not _LONG_NAME.fullmatch(name):
        raise ValueError("should be a long option of sbatch without its dashes, such as mail-user")
    if name in _OWN:
        raise ValueError("is set by the executor, or would change what it relies on")
    return name


Line = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
SbatchOption = Annotated[str, AfterValidator(_of_sbatch)]


class SlurmOptions(StrictModel):
    """What every job asks for, as the options of sbatch; `setup` are shell lines before Python starts.

    At most `jobs` jobs run at a time. `time_min` is a job's time limit in minutes, by default from the
    estimate of its runs. `sbatch` has any other option by its long name.
    """

    kind: Literal["slurm"] = "slurm"
    schema_version: Literal[1] = 1
    partition: Line | None = None
    account: Line | None = None
    qos: Line | None = None
    constraint: Line | None = None
    gres: Line | None = None
    nodelist: Line | None = None
    exclude: Line | None = None
    time_min: Annotated[int, Field(ge=1, le=525_600)] | None = None
    jobs: Annotated[int, Field(ge=1, le=1000)] = 4
    setup: list[Line] = []
    sbatch: dict[SbatchOption, Line | int | Literal[True]] = {}


def read_slurm_options(path: Path | None, jobs: int | None) -> SlurmOptions:
    """Raises InputError for a wrong file, or a wrong number of jobs; `jobs` replaces that of the file."""
    data = {} if path is None else read_yaml(path)
    where = shortened(str(path))
    if path is not None and data.get("kind") != SLURM:
        cure = f"a file for this executor starts with kind: {SLURM}"
        raise InputError(f"kind: is not '{SLURM}'", where=where, cure=cure)
    if path is not None and "schema_version" not in data:
        raise InputError("schema_version: missing", where=where, cure="add schema_version: 1")
    options = parse_model(SlurmOptions, data, where)
    if jobs is None:
        return options
    if not 1 <= jobs <= 1000:
        raise InputError(f"{jobs} is not a number of jobs", where="--jobs", cure="use 1 to 1000")
    return options.model_copy(update={"jobs": jobs})
