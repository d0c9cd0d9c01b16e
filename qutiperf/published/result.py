"""The one schema of a published result, and its CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from qutiperf.errors import InputError
from qutiperf.printable import spreadsheet_text
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import StrictModel, parse_model

FigureUnit = Literal["ms", "samples/s", "queries/s", "tokens/s", "tasks/s", "streams"]
Source = Literal["mlperf", "qutibench"]
_MOST_BYTES = 100_000_000


class PublishedResult(StrictModel):
    """One result as published; None is what its publisher does not say, nothing is estimated.

    `figure` is in `unit`, which may be a conversion of the publisher's; None where only compute figures
    are published. A latency's `percentile` is None
    where it is a mean. `inferred`: computed by MLPerf's rules from a run of another scenario, or another
    accuracy class's run. `design_power_w` is the nameplate, declared and not measured. `gop` are billions of
    operations of an input, `system_gops` and `compute_gops` those per second.
    """

    source: Source
    round: str | None = None
    result_id: str | None = None
    division: str | None = None
    suite: str | None = None
    availability: str | None = None
    submitter: str | None = None
    system: str
    platform: str | None = None
    processor: str | None = None
    accelerator: str | None = None
    accelerators_per_node: int | None = None
    nodes: int | None = None
    benchmark: str
    model: str | None = None
    channel_scale_percent: float | None = None
    datatype: str | None = None
    scenario: str
    deployment: str | None = None
    figure: float | None = None
    unit: FigureUnit | None = None
    percentile: float | None = None
    compute_latency_ms: float | None = None
    compute_throughput_ips: float | None = None
    system_latency_ms: float | None = None
    gop: float | None = None
    system_gops: float | None = None
    compute_gops: float | None = None
    accuracy: str | None = None
    top1_percent: float | None = None
    top5_percent: float | None = None
    valid: bool | None = None
    inferred: bool | None = None
    has_power: bool | None = None
    base_power_w: float | None = None
    idle_power_w: float | None = None
    full_power_w: float | None = None
    energy_per_query_mj: float | None = None
    design_power_w: float | None = None
    software: str | None = None
    location: str | None = None
    url: str | None = None
    commit: str | None = None
    date: str | None = None
    notes: str | None = None

    @property
    def name(self) -> str:
        """Short, for a finding: who, with what, which benchmark."""
        if self.source == "qutibench":
            parts = [self.system, self.platform, self.benchmark, self.datatype, self.deployment]
        else:
            parts = [self.round, self.division, self.submitter, self.platform or self.system]
            parts += [self.benchmark, self.scenario]
        return " ".join(part for part in parts if part)

    @property
    def accelerator_total(self) -> int | None:
        if self.accelerators_per_node is None:
            return None
        return self.accelerators_per_node * (self.nodes or 1)


COLUMNS = tuple(PublishedResult.model_fields)


def to_csv(results: Iterable[PublishedResult], columns: Iterable[str] = COLUMNS) -> str:
    """Rows as CSV; unknown is an empty cell, true is 1."""
    names = list(columns)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for result in results:
        writer.writerow([_cell(getattr(result, name)) for name in names])
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    return spreadsheet_text(value) if isinstance(value, str) else value


def read_csv(path: Path, constants: Mapping[str, str] | None = None) -> list[PublishedResult]:
    """The rows of `to_csv`; `constants` fill columns that every row would repeat; raises InputError."""
    if problem := unreadable(path, _MOST_BYTES):
        raise InputError(problem, where=str(path))
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(_parsed(csv.DictReader(stream), str(path), constants or {}))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not CSV in UTF-8: {error}", where=str(path)) from None


def _parsed(
    rows: Iterable[dict[str, str]], where: str, constants: Mapping[str, str]
) -> Iterator[PublishedResult]:
    for number, row in enumerate(rows, 2):
        filled = {**constants, **{name: text for name, text in row.items() if name is not None and text}}
        typed = {name: _typed(name, text) for name, text in filled.items()}
        yield parse_model(PublishedResult, typed, f"{where}:{number}")


def _typed(name: str, text: str) -> object:
    """The text as its field's type wants it; left as it is where it does not fit, for the model to refuse."""
    field = PublishedResult.model_fields.get(name)
    types = get_args(field.annotation) or (field.annotation,) if field else ()
    try:
        if bool in types:
            return {"1": True, "0": False}.get(text, text)
        if int in types:
            return int(text)
        if float in types:
            return float(text)
    except ValueError:
        return text
    return text.removeprefix("'") if text.startswith(("'=", "'+", "'-", "'@")) else text
