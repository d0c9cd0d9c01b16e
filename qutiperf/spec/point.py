"""Points of measurement: the expansion of a sweep by one pure function, with stable ids."""

import fnmatch
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

from qutiperf.errors import InputError
from qutiperf.spec.config import StrictModel, nearest, sha256_of, shortened, whole_number
from qutiperf.spec.limits import MOST_POINTS, MOST_THREADS_OF_ALL_STREAMS, check_deployment
from qutiperf.spec.scenario import Mode, Profile, RunSettings, Scenario, ScenarioName
from qutiperf.spec.sut import Setting, Settings, SystemUnderTest, core_numbers
from qutiperf.spec.sweep import Sweep
from qutiperf.spec.workload import Workload

Axes = dict[str, list[Setting]]
ALL = "all"
IMAGE_AXES = 3  # channels, height, width
_KINDS = ("topology", "channel_scale_percent", "weight_datatype", "sparsity_percent", "input_size")
_COUNTS = ("batch_size", "threads", "streams")
_ALONE = (ScenarioName.SINGLE_STREAM, ScenarioName.MULTI_STREAM)


class Point(StrictModel):
    """One run: everything that determines its result, except for the contents of the files that it names."""

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
        """The parameters whose change requires loading the model again."""
        return {name: value for name, value in self.deployment.items() if name != "batch_size"}


@dataclass(frozen=True, slots=True)
class System:
    """A SUT with the options of its adapter that a sweep may vary."""

    sut: SystemUnderTest
    options: frozenset[str]
    cores: int


def point_id(point: Point, digests: Mapping[str, str], host_fingerprint: str) -> str:
    """12 hex digits of a hash of everything that can change the result."""
    whole = {"point": point.model_dump(mode="json"), "files": dict(digests), "host": host_fingerprint}
    return sha256_of(whole)[:12]


def expand(
    sweep: Sweep,
    systems: Mapping[str, System],
    workloads: Mapping[str, Workload],
    scenarios: Mapping[ScenarioName, Scenario],
    with_labels: frozenset[str],
) -> list[Point]:
    """Every point of the sweep, grouped by load, accuracy first; raises InputError."""
    axes = {name: _axes_of_modes(sweep, system) for name, system in systems.items()}
    _check_size(sweep, list(chain.from_iterable(axes.values())), len(workloads) * len(scenarios))
    points: list[Point] = []
    for sut_name, workload_name in product(systems, workloads):
        for load, tune, load_values in _loads(axes[sut_name]):
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
            kinds = _kinds(workloads[workload_name])
            points += [point for point in group if not _excluded(point, kinds, sweep.exclude)]
    return list({sha256_of(point.model_dump(mode="json")): point for point in points}.values())


def _check_size(sweep: Sweep, axes: Sequence[tuple[Axes, Axes]], tests: int) -> None:
    """Raises InputError if there would be too many points; creates none of them."""
    loads = sum(math.prod(len(values) for axis in both for values in axis.values()) for both in axes)
    count = loads * tests * sweep.most_repeats
    if count > MOST_POINTS:
        problem = f"has {count:,} points, more than the limit of {MOST_POINTS:,}"
        raise InputError(problem, where=f"sweep {sweep.name}", cure="split it, or name fewer values")


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
    for repeat, (name, scenario) in product(range(1, sweep.most_repeats + 1), scenarios.items()):
        if name in _ALONE and load_values["streams"] != min(load["streams"], key=int):
            continue  # one batch in flight keeps one stream busy
        settings = scenario.profiles[sweep.profile].overridden_by(sweep.settings).held
        for values in tuned:
            batch = {"batch_size": 1} if name is ScenarioName.SINGLE_STREAM else {}
            yield name, Mode.PERFORMANCE, settings, {**load_values, **values, **batch}, repeat


def _loads(axes: Sequence[tuple[Axes, Axes]]) -> Iterable[tuple[Axes, Axes, Settings]]:
    return ((load, tune, values) for load, tune in axes for values in _combinations(load))


def _axes_of_modes(sweep: Sweep, system: System) -> list[tuple[Axes, Axes]]:
    """The axes of a system; several if its modes have different cores, because `all` is their number."""
    load, tune = _axes(sweep, system)
    modes: dict[int, list[Setting]] = {}
    for mode in load["operating_mode"]:
        cores = system.sut.operating_modes[str(mode)].cores
        modes.setdefault(system.cores if cores is None else len(core_numbers(cores)), []).append(mode)
    if list(modes) == [system.cores]:
        return [(load, tune)]
    pairs = [(_axes(sweep, replace(system, cores=count)), names) for count, names in modes.items()]
    return [({**each, "operating_mode": names}, tuned) for (each, tuned), names in pairs]


def _axes(sweep: Sweep, system: System) -> tuple[Axes, Axes]:
    """Values of the load and of the tune parameters, by name."""
    sut, offered = system.sut, system.sut.deployment
    _check_parameters({**offered.load, **offered.tune}, sut.name, system)
    if "batch_size" in offered.load:
        cure = "move it to deployment.tune"
        raise InputError(
            "deployment.load.batch_size: does not require loading the model again", where=sut.name, cure=cure
        )
    chosen = {name: value for name, value in sweep.deployment.items() if not _pointless(name, value, system)}
    _check_parameters(chosen, sweep.name, system)
    default: Axes = {"streams": [1], "operating_mode": ["default"]}
    if "threads" in system.options:
        default = {"threads": [1], **default}
    single: Axes = {"batch_size": [1]}
    load = {name: _values(name, values, system) for name, values in (default | offered.load).items()}
    tune = {name: _values(name, values, system) for name, values in (single | offered.tune).items()}
    for name, values in chosen.items():
        axis = tune if name in tune else load
        axis[name] = _values(name, values if isinstance(values, list) else [values], system)
    _check_modes(load["operating_mode"], system)
    _check_threads(load, system)
    _check_exclude(sweep, {*_COUNTS, *load, *tune, *system.options, "sut", "workload", "scenario", *_KINDS})
    return load, tune


def _pointless(name: str, value: Setting | list[Setting], system: System) -> bool:
    """True for `threads: all` if the adapter chooses its threads by itself."""
    return name == "threads" and name not in system.options and value in (ALL, [ALL])


def _check_parameters(names: Iterable[str], where: str, system: System) -> None:
    """Raises InputError for a parameter of neither the harness nor the system's adapter."""
    known = {"batch_size", "streams", "operating_mode", *system.options}
    for name in names:
        if name not in known:
            adapter = system.sut.adapter.rsplit("/", 1)[-1]
            problem = f"deployment.{shortened(name, 80)}: {system.sut.name} ({adapter}) has no such parameter"
            raise InputError(problem, where=where, cure=nearest(name, known))


def _check_threads(load: Axes, system: System) -> None:
    """Raises InputError if all streams together would have more threads than Linux allows by default."""
    threads, streams = (max(int(value) for value in load.get(name, [1])) for name in ("threads", "streams"))
    if threads * streams > MOST_THREADS_OF_ALL_STREAMS:
        problem = f"deployment.threads: {threads:,} in each of {streams:,} streams is above the limit"
        cure = f"threads x streams may be up to {MOST_THREADS_OF_ALL_STREAMS:,}"
        raise InputError(problem, where=system.sut.name, cure=cure)


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
    """The values with ranges expanded; raises InputError if there are none, too many, or an invalid one."""
    ranges = [_range(name, value, system.cores) for value in values]
    count = sum(map(len, ranges))
    if count > MOST_POINTS:
        problem = f"deployment.{name}: {count:,} values, more than the limit of {MOST_POINTS:,}"
        raise InputError(problem, cure="name fewer, or a range with a larger step")
    expanded = list(chain.from_iterable(ranges))
    if not expanded:
        raise InputError(f"deployment.{name}: has no value", cure="name at least one, or leave the key out")
    for value in expanded if name in _COUNTS else ():
        if type(value) is not int or value < 1:
            shown = shortened(repr(value), 80)
            cure = "write 1, 8 or 1:128:x2"
            raise InputError(f"deployment.{name}: {shown} is not a whole number >= 1", cure=cure)
        check_deployment(name, value)
    return list(dict.fromkeys(expanded))


def _range(name: str, value: Setting, cores: int) -> Sequence[Setting]:
    """`all` is the number of cores; `1:128:x2` doubles, `1:9:2` adds; raises InputError."""
    if value == ALL and name in ("threads", "streams"):
        return [cores]
    if name not in _COUNTS or not isinstance(value, str) or ":" not in value:
        return [value]
    first, last, *steps = value.split(":")
    factor = bool(steps) and steps[0].startswith("x")
    step = whole_number(steps[0].removeprefix("x")) if steps else 1
    low, high = whole_number(first), whole_number(last)
    if low is None or high is None or step is None or len(steps) > 1 or not 1 <= low <= high:
        raise _no_range(name, value)
    if step < (2 if factor else 1):
        raise _no_range(name, value)
    check_deployment(name, high)
    if factor:
        return [low * step**power for power in range(64) if low * step**power <= high]
    return range(low, high + 1, step)


def _no_range(name: str, value: str) -> InputError:
    problem = f"deployment.{name}: '{shortened(value, 80)}' is not a range"
    return InputError(problem, cure="write 1:128:x2 or 1:9:2")


def _combinations(axes: Mapping[str, Sequence[Setting]]) -> Iterable[Settings]:
    return (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


def _kinds(workload: Workload) -> Settings:
    """What the workload is, by the keys of `exclude`; sizes and shares as they are written in a sweep."""
    variant, shape = workload.variant, workload.model.input.sample_shape
    numbers: dict[str, float | None] = {
        "channel_scale_percent": variant.channel_scale_percent,
        "sparsity_percent": variant.sparsity_percent,
        "input_size": shape[-1] if len(shape) == IMAGE_AXES else None,
    }
    if workload.model.topology is not None and len(shape) == 1:
        numbers["input_size"] = math.isqrt(shape[0])
    texts = {"topology": variant.topology, "weight_datatype": variant.weight_datatype}
    written = {name: "" if value is None else f"{value:g}" for name, value in numbers.items()}
    return {**written, **{name: value or "" for name, value in texts.items()}}


def _excluded(point: Point, kinds: Settings, rules: Sequence[Settings]) -> bool:
    facts: Settings = {
        "sut": point.sut,
        "workload": point.workload,
        "scenario": point.scenario.value,
        **kinds,
        **point.deployment,
    }
    return any(
        all(fnmatch.fnmatch(str(facts.get(key)), str(value)) for key, value in rule.items())
        for rule in rules
        if rule
    )
