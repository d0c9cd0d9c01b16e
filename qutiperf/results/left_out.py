"""What a sweep with a budget or a search has left out, and why: left_out.json of the results folder."""

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from qutiperf.errors import InputError
from qutiperf.printable import bounded
from qutiperf.results.store import LEFT_OUT, Store
from qutiperf.spec.config import SchemaVersion, StrictModel
from qutiperf.spec.scenario import Mode, ScenarioName
from qutiperf.spec.sut import Settings

Kind = Literal["dominated", "unpromising", "negligible", "failed", "budget"]
KINDS: dict[Kind, str] = {
    "dominated": "a probe was behind another setting",
    "unpromising": "expected behind another setting",
    "negligible": "would add next to nothing to the front",
    "failed": "a batch of this size or a smaller one failed",
    "budget": "not within the budget",
}
_MOST_BYTES = 64 << 20


class LeftOutSetting(StrictModel):
    """Runs of one setting that were not measured, and why."""

    run_ids: list[str]
    sut: str
    workload: str
    scenario: ScenarioName
    mode: Mode
    deployment: Settings
    kind: Kind
    reason: str


class LeftOut(StrictModel):
    """The last command with a budget or a search: what it left out; seconds of that command."""

    schema_version: SchemaVersion = 1
    strategy: Literal["full", "pareto"]
    budget_s: float | None
    elapsed_s: float
    probes: int
    settings: list[LeftOutSetting]

    def without(self, measured: Container[str]) -> "LeftOut":
        """Without the runs that have been measured since."""
        left = [
            each.model_copy(update={"run_ids": [one for one in each.run_ids if one not in measured]})
            for each in self.settings
        ]
        return self.model_copy(update={"settings": [each for each in left if each.run_ids]})

    def counts(self) -> dict[str, int]:
        """Settings by the reason why they were left out."""
        kinds = [each.kind for each in self.settings]
        return {text: kinds.count(kind) for kind, text in KINDS.items() if kind in kinds}

    @property
    def line(self) -> str | None:
        """`12 settings were left out: 10 a probe was behind another setting, 2 not within the budget`."""
        if not self.settings:
            return None
        count = len(self.settings)
        reasons = "; ".join(f"{text}: {number:,}" for text, number in self.counts().items())
        return f"{'1 setting is' if count == 1 else f'{count:,} settings are'} left out ({reasons})"


def read_left_out(folder: Path, measured: Iterable[str]) -> LeftOut | None:
    """What is still left out; None if nothing was. Raises InputError if the file is damaged."""
    path = folder / LEFT_OUT
    try:
        if not path.is_file():
            return None
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise InputError(f"has {size:,} bytes", where=str(path), cure=_CURE)
        return LeftOut.model_validate_json(path.read_bytes()).without(frozenset(measured))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InputError(bounded(f"is damaged: {first['msg']}"), where=str(path), cure=_CURE) from None


_CURE = "delete it; it only says what was not measured"


def write_left_out(store: Store, left_out: LeftOut) -> None:
    """Raises SetupError if it cannot be stored."""
    store.write(LEFT_OUT, left_out.model_dump_json(indent=1) + "\n")
