"""The type of a sweep: which systems, workloads and scenarios to cross, and at which settings."""

import unicodedata
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from qutiperf.errors import InputError
from qutiperf.spec.before import Before
from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import Overrides, StrictModel, Yaml, apply_overrides, parse_model, shortened
from qutiperf.spec.limits import MOST_POINTS, check_settings
from qutiperf.spec.networks import Networks
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sut import Setting, WorkerLimits

MOST_CACHE_GB = 1_000_000
AUTO_REPEATS = "auto"
_FEWEST_REPEATS = 3  # that have an interval
MOST_NAME_BYTES = 200  # file systems allow 255


class Order(StrEnum):
    """In which order the points of one load, and the loads, are measured."""

    RANDOM = "random"
    LISTED = "listed"
    BALANCED = "balanced"


class RepeatUntil(StrictModel):
    """Further repeats of a point, up to `most` in all, until the 95 % interval of `figure` is narrow enough.

    It is narrow enough within `within_percent` of the median on each side.
    """

    figure: str = "system_throughput_ips"
    within_percent: Annotated[float, Field(gt=0, le=100)] = 2.0
    most: Annotated[int, Field(ge=4, le=MOST_POINTS)] = 10


Names = Annotated[list[str], Field(min_length=1)]


class CacheSettings(StrictModel):
    """Where prepared samples are kept for later runs, and how much of them.

    `folder` is by default qutiperf/samples in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache). What
    was used least recently makes room; with 0 nothing is kept, and each worker prepares its samples.
    """

    folder: str | None = None
    most_gb: Annotated[float, Field(ge=0, le=MOST_CACHE_GB)] = 20


class Sweep(StrictModel):
    """`deployment` names the values of each deployment parameter, numbers also as ranges (1:128:x2, 1:9:2).

    Parameters it leaves out take the values that the SUT file offers. `exclude` drops every point that
    matches all keys of one of its entries: sut, workload (globs), scenario, a deployment parameter, or of
    the workload's variant topology, channel_scale_percent, weight_datatype, sparsity_percent, or input_size.
    `networks` are built on demand, beside the `workloads` or instead of them.
    `repeats: auto` stands for 3 repeats and `repeat_until: {}`. `order` is that of the points: random with
    `order_seed`, as listed, or balanced, which loads the model anew for every repeat and reverses the
    compared loads in every other repeat.
    `stable_within_percent` bounds the difference between the lowest and the highest repeat of a point, 10 by
    default; runs of repeats that differ by more are `unstable`.
    `power` replaces the meters of the SUT files.
    `before` has the conditions of each performance run, `limits` replaces those of the SUT files.
    `keep_answers` stores the answer to each sample of accuracy runs, and of performance runs where an
    audit.config has LoadGen log some.
    """

    name: str
    suts: Names
    workloads: Names = []
    networks: Networks | None = None
    scenarios: Annotated[list[ScenarioName], Field(min_length=1)]
    modes: Annotated[list[Mode], Field(min_length=1)] = [Mode.PERFORMANCE, Mode.ACCURACY]
    profile: Profile = Profile.STANDARD
    settings: RunSettings = RunSettings()
    deployment: dict[str, Setting | list[Setting]] = {}
    sample_cache: CacheSettings = CacheSettings()
    repeats: Annotated[int, Field(ge=1, le=MOST_POINTS)] = 1
    repeat_until: RepeatUntil | None = None
    stable_within_percent: Annotated[float, Field(gt=0, le=1000)] | None = None
    order: Order = Order.RANDOM
    order_seed: int = 0
    exclude: list[dict[str, Setting]] = []
    power: str | Annotated[list[str], Field(min_length=1)] | None = None
    keep_answers: bool = False
    before: Before | None = None
    limits: WorkerLimits | None = None

    @property
    def most_repeats(self) -> int:
        return max(self.repeats, self.repeat_until.most) if self.repeat_until else self.repeats

    @model_validator(mode="before")
    @classmethod
    def _automatic(cls, data: object) -> object:
        """`repeats: auto` is three repeats, and more until the interval is narrow enough."""
        if not isinstance(data, dict) or data.get("repeats") != AUTO_REPEATS:
            return data
        return {"repeat_until": {}, **data, "repeats": _FEWEST_REPEATS}

    @model_validator(mode="after")
    def _something_to_measure(self) -> "Sweep":
        if not self.workloads and self.networks is None:
            raise ValueError("has neither workloads nor networks")
        return self

    @model_validator(mode="after")
    def _enough_for_an_interval(self) -> "Sweep":
        if self.repeat_until and self.repeats < _FEWEST_REPEATS:
            raise ValueError(f"repeat_until needs repeats of {_FEWEST_REPEATS} or more, not {self.repeats}")
        return self

    @field_validator("scenarios", mode="before")
    @classmethod
    def _any_case(cls, names: object) -> object:
        """Accepts a scenario in any case, as MLPerf's own tools do."""
        spelled = {name.value.lower(): name.value for name in ScenarioName}
        if not isinstance(names, list):
            return names
        return [spelled.get(name.lower(), name) if type(name) is str else name for name in names]


def load_sweep(name: str, overrides: Overrides) -> tuple[Sweep, CatalogFile]:
    """The sweep after the overrides; raises InputError if its file or an override is wrong."""
    file = read("sweep", name)
    return parse_sweep(apply_overrides(file.data, overrides), str(file.path)), file


def parse_sweep(data: Yaml, where: str) -> Sweep:
    """As `load_sweep`, of data; one value where a list is asked for is a list of one."""
    for key in ("suts", "workloads", "scenarios", "modes"):
        if key in data and not isinstance(data[key], list):
            data = {**data, key: [data[key]]}
    sweep = parse_model(Sweep, data, where)
    _check_name(sweep.name, where)
    check_settings(sweep.settings, f"{where}: settings")
    return sweep


def _check_name(name: str, where: str) -> None:
    """Raises InputError unless the name can be that of one folder below results/."""
    problem = None
    if not name.strip():
        problem = "is empty"
    elif name in (".", "..") or "/" in name or "\\" in name:
        problem = f"'{shortened(name, 80)}' is a path"
    elif any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name):
        problem = f"{shortened(ascii(name), 80)} holds a control character"
    elif len(name.encode()) > MOST_NAME_BYTES:
        problem = f"'{shortened(name, 40)}' is longer than {MOST_NAME_BYTES} bytes"
    if problem:
        cure = "it names the results folder: letters, digits, - and _ will do"
        raise InputError(f"name: {problem}", where=where, cure=cure)
