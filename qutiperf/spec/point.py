"""Points of measurement: what a sweep crosses, expanded by one pure function, with stable ids."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from qutiperf.errors import InputError
from qutiperf.spec.config import StrictModel, nearest, sha256_of
from qutiperf.spec.scenario import Mode, Profile, RunSettings, Scenario, ScenarioName
from qutiperf.spec.sut import Setting, Settings, SystemUnderTest
from qutiperf.spec.sweep import Sweep
from qutiperf.spec.workload import Workload

ALL = "all"
_COUNTS = ("batch_size", "threads", "streams")
_ALONE = (ScenarioName.SINGLE_STREAM, ScenarioName.MULTI_STREAM)


class Point(StrictModel):
    """One run: everything that decides its outcome but the contents of the files it names."""

    sut: str
    workload: str
    scenario: ScenarioName
    mode: Mode
    profile: Profile
    settings: RunSettings
    deployment: Settings
    repeat: int = 1

    @property
    def load_parameters(self) -> Settings:
        """What must be loaded anew when it changes."""
        return {name: value for name, value in self.deployment.items() if name != "batch_size"}


@dataclass(frozen=True, slots=True)
class System:
    """A SUT with what its adapter makes of the options: which of them a sweep may vary."""

    sut: SystemUnderTest
    options: frozenset[str]
    cores: int


def point_id(point: Point, digests: Mapping[str, str], host_fingerprint: str) -> str:
    """12 hex digits that change with anything that could change the result."""
    whole = {"point": point.model_dump(mode="json"), "files": dict(digests), "host": host_fingerprint}
    return sha256_of(whole)[:12]


def expand(
    sweep: Sweep,
    systems: Mapping[str, System],
    workloads: Mapping[str, Workload],
    scenarios: Mapping[ScenarioName, Scenario],
    with_labels: frozenset[str],
) -> list[Point]:
    """Every point of the sweep, those of one load together, accuracy first; raises InputError."""
    points: list[Point] = []
    for (sut_name, system), workload_name in product(systems.items(), workloads):
        load, tune = _axes(sweep, system)
        for load_values in _combinations(load):
            group = [
                Point(
                    sut=sut_name,
                    workload=workload_name,
                    scenario=name,
                    mode=mode,
                    profile=sweep.profile,
                    settings=settings,
                    deployment=deployment,
                    repeat=repeat,
                )
                for name, mode, settings, deployment, repeat in _runs(
                    sweep, scenarios, load_values, tune, load, workload_name in with_labels
                )
            ]
            points += [point for point in group if not _excluded(point, sweep.exclude)]
    return list({sha256_of(point.model_dump(mode="json")): point for point in points}.values())


Run = tuple[ScenarioName, Mode, RunSettings, Settings, int]


def _runs(
    sweep: Sweep,
    scenarios: Mapping[ScenarioName, Scenario],
    load_values: Settings,
    tune: Mapping[str, Sequence[Setting]],
    load: Mapping[str, Sequence[Setting]],
    labels: bool,
) -> Iterable[Run]:
    tuned = list(_combinations(tune))
    if labels and Mode.ACCURACY in sweep.modes:
        settings = RunSettings(
            end_to_end=sweep.settings.end_to_end,
            feed_threads=sweep.settings.feed_threads,
            time_limit_s=sweep.settings.time_limit_s,
        )
        largest = max(tuned, key=lambda values: int(values["batch_size"]))
        yield ScenarioName.OFFLINE, Mode.ACCURACY, settings, {**load_values, **largest}, 1
    if Mode.PERFORMANCE not in sweep.modes:
        return
    for repeat, (name, scenario) in product(range(1, sweep.repeats + 1), scenarios.items()):
        if name in _ALONE and load_values["streams"] != min(load["streams"], key=int):
            continue  # one batch in flight keeps one stream busy
        settings = scenario.profiles[sweep.profile].overridden_by(sweep.settings)
        for values in tuned:
            batch = {"batch_size": 1} if name is ScenarioName.SINGLE_STREAM else {}
            yield name, Mode.PERFORMANCE, settings, {**load_values, **values, **batch}, repeat


def _axes(sweep: Sweep, system: System) -> tuple[dict[str, list[Setting]], dict[str, list[Setting]]]:
    """Values of the load and of the tune parameters, by name."""
    offered = system.sut.deployment
    known = {*_COUNTS, "operating_mode", *offered.load, *offered.tune, *system.options}
    for name in sweep.deployment:
        if name not in known:
            where = f"{sweep.name}: deployment.{name}"
            raise InputError("unknown parameter", where=where, cure=f"allowed: {', '.join(sorted(known))}")
    default: dict[str, list[Setting]] = {"threads": [1], "streams": [1], "operating_mode": ["default"]}
    if "threads" not in system.options:
        del default["threads"]
    single: dict[str, list[Setting]] = {"batch_size": [1]}
    load = {name: _values(name, values, system) for name, values in (default | offered.load).items()}
    tune = {name: _values(name, values, system) for name, values in (single | offered.tune).items()}
    for name, values in sweep.deployment.items():
        axis = tune if name in tune else load
        if name == "threads" and "threads" not in system.options:
            continue
        axis[name] = _values(name, values if isinstance(values, list) else [values], system)
    _check_modes(load["operating_mode"], system)
    _check_exclude(sweep, {*known, "sut", "workload", "scenario"})
    return load, tune


def _check_exclude(sweep: Sweep, known: Iterable[str]) -> None:
    for number, rule in enumerate(sweep.exclude):
        for key in rule:
            if key not in known:
                where = f"{sweep.name}: exclude.{number}.{key}"
                raise InputError("unknown key", where=where, cure=nearest(key, known))


def _check_modes(modes: Sequence[Setting], system: System) -> None:
    for mode in modes:
        if mode not in system.sut.operating_modes:
            allowed = ", ".join(system.sut.operating_modes)
            raise InputError(
                f"deployment.operating_mode: '{mode}' is unknown", cure=f"{system.sut.name} has: {allowed}"
            )


def _values(name: str, values: Sequence[Setting], system: System) -> list[Setting]:
    expanded: list[Setting] = []
    for value in values:
        expanded += _range(name, value, system.cores)
    if not expanded:
        raise InputError(f"deployment.{name}: has no value", cure="name at least one, or leave the key out")
    for value in expanded:
        if name in _COUNTS and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InputError(
                f"deployment.{name}: {value!r} is not a whole number >= 1", cure="write 1, 8 or 1:128:x2"
            )
    return list(dict.fromkeys(expanded))


def _range(name: str, value: Setting, cores: int) -> list[Setting]:
    """`all` is every core; `1:128:x2` doubles, `1:9:2` adds."""
    if value == ALL and name in ("threads", "streams"):
        return [cores]
    if name not in _COUNTS or not isinstance(value, str) or ":" not in value:
        return [value]
    parts = value.split(":")
    factor = parts[-1].startswith("x")
    try:
        first, last, step = (
            int(parts[0]),
            int(parts[1]),
            int(parts[2].removeprefix("x")) if len(parts) > 2 else 1,
        )
    except ValueError:
        raise InputError(
            f"deployment.{name}: '{value}' is no range", cure="write 1:128:x2 or 1:9:2"
        ) from None
    if len(parts) > 3 or not 1 <= first <= last or step < 1 or (factor and step < 2):
        raise InputError(f"deployment.{name}: '{value}' is no range", cure="write 1:128:x2 or 1:9:2")
    numbers: list[Setting] = []
    while first <= last:
        numbers.append(first)
        first = first * step if factor else first + step
    return numbers


def _combinations(axes: Mapping[str, Sequence[Setting]]) -> Iterable[Settings]:
    return (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


def _excluded(point: Point, rules: Sequence[Settings]) -> bool:
    facts: Settings = {
        "sut": point.sut,
        "workload": point.workload,
        "scenario": point.scenario.value,
        **point.deployment,
    }
    return any(
        all(fnmatch.fnmatch(str(facts.get(key)), str(value)) for key, value in rule.items())
        for rule in rules
        if rule
    )
