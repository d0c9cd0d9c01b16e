"""The data of an MLPerf round: its seeds and the LoadGen versions that contain them."""

from functools import cache
from pathlib import Path

from qutiperf.spec.catalog import CatalogFile, names, read
from qutiperf.spec.config import StrictModel, parse_model
from qutiperf.spec.round_rules import RoundRules


class Seeds(StrictModel):
    """The three seeds that LoadGen must report as effective."""

    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int


class Round(StrictModel):
    """One round; `loadgen_versions` are the released wheels whose built-in mlperf.conf has its seeds.

    A round without `rules` can be measured for, but its trees cannot be checked.
    """

    name: str
    seeds: Seeds
    loadgen_versions: list[str]
    loadgen_requirement: str
    source: str
    rules: RoundRules | None = None


def load_round(name: str) -> tuple[Round, CatalogFile]:
    """Raises InputError if the round does not exist or its file is invalid."""
    file = read("round", name)
    return parse_model(Round, file.data, str(file.path)), file


@cache
def shipped_rounds() -> tuple[Round, ...]:
    """Read once in a process: they are long, and every run that is explained needs their seeds."""
    return tuple(load_round(name)[0] for name in names("round"))


def round_named(name: str) -> Round:
    """As `load_round`, which is called only for files of the user's own."""
    shipped = () if Path(name).exists() else shipped_rounds()
    return next((each for each in shipped if each.name == name), None) or load_round(name)[0]


def round_of_version(version: str) -> str | None:
    """The round whose seeds are built into a LoadGen version; None if no shipped round lists it."""
    return next((entry.name for entry in shipped_rounds() if version in entry.loadgen_versions), None)
