"""Relations that published figures cannot all break: what follows from LoadGen's scenarios, and from physics.

A broken relation does not say which figure is wrong, only that two do not fit; docs/published.md lists the
assumptions of each. An inferred row is computed from another, so it is never compared.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qutiperf.published.result import PublishedResult
from qutiperf.units import MILLISECONDS_PER_SECOND

_MULTI_STREAM_SAMPLES = 8
_NOISE = 0.05
_FLOOR_MS = 0.001
_ACCURACY_SHARE = 0.01
Group = Mapping[str, PublishedResult]


@dataclass(frozen=True, slots=True)
class Implausible:
    """Two figures that do not fit: `short_by_percent` is how far the relation is from holding."""

    relation: str
    first: PublishedResult
    second: PublishedResult | None
    what: str
    short_by_percent: float
    likely: str

    def as_row(self) -> dict[str, object]:
        return {
            "relation": self.relation,
            "round": self.first.round,
            "name": self.first.name,
            "scenario": self.first.scenario,
            "other_scenario": self.second.scenario if self.second else None,
            "result_id": self.first.result_id,
            "location": self.first.location,
            "short_by_percent": round(self.short_by_percent, 1),
            "what": self.what,
            "likely": self.likely,
        }


def implausible(
    results: Sequence[PublishedResult],
    peaks: Callable[[PublishedResult], float | None] | None = None,
    ops: Callable[[PublishedResult], float | None] | None = None,
) -> list[Implausible]:
    """Every broken relation. `peaks` is a result's cited peak in ops/s, `ops` its network's for one input."""
    broken: list[Implausible] = []
    for group in _groups(results).values():
        for relation in _BETWEEN:
            broken += relation(group)
    broken += _classes(results)
    for result in results:
        broken += _alone(result)
        if peaks is not None and ops is not None:
            broken += _roofline(result, peaks(result), ops(result))
    return broken


def _groups(results: Sequence[PublishedResult]) -> dict[tuple[str | None, ...], dict[str, PublishedResult]]:
    """Scenarios of one system and benchmark; where two rows share all names, none is compared."""
    groups: dict[tuple[str | None, ...], dict[str, PublishedResult]] = defaultdict(dict)
    doubled: set[tuple[tuple[str | None, ...], str]] = set()
    for result in results:
        if result.source != "mlperf" or result.inferred or result.figure is None:
            continue
        key = _system(result)
        if result.scenario in groups[key]:
            doubled.add((key, result.scenario))
        groups[key][result.scenario] = result
    for key, scenario in doubled:
        del groups[key][scenario]
    return groups


def _system(result: PublishedResult) -> tuple[str | None, ...]:
    folder = result.location.rsplit("/", 1)[0] if result.location else None
    return (
        *(result.round, result.division, result.submitter, result.platform or result.system),
        *(result.benchmark, result.model, folder),
    )


def _rates(group: Group, slow: str, fast: str, why: str, likely: str) -> Iterator[Implausible]:
    """`fast` may not be slower than `slow`."""
    lower, upper = group.get(slow), group.get(fast)
    if lower is None or upper is None or lower.unit == "ms" or upper.unit == "ms":
        return
    if not lower.figure or not upper.figure or not _comparable(lower, upper):
        return
    if upper.figure < lower.figure * (1 - _NOISE):
        short = 100 * (1 - upper.figure / lower.figure)
        what = (
            f"{fast} {upper.figure:,.6g} {upper.unit} is below {slow} {lower.figure:,.6g} {lower.unit}: {why}"
        )
        yield Implausible(f"{fast} >= {slow}", upper, lower, what, short, likely)


def _comparable(one: PublishedResult, two: PublishedResult) -> bool:
    per_input = {"samples/s", "queries/s"}
    return one.unit == two.unit or {one.unit, two.unit} <= per_input


def _offline_server(group: Group) -> Iterator[Implausible]:
    why = "Offline hands over all samples at once, with no bound on latency"
    return _rates(group, "Server", "Offline", why, "Offline was tuned less, or ran with other software")


def _offline_interactive(group: Group) -> Iterator[Implausible]:
    why = "Offline hands over all samples at once, with no bound on latency"
    return _rates(group, "Interactive", "Offline", why, "Offline was tuned less, or ran with other software")


def _server_interactive(group: Group) -> Iterator[Implausible]:
    why = "Interactive has the tighter bounds, so its run would be a valid Server run"
    return _rates(group, "Interactive", "Server", why, "Server was tuned less, or ran with other software")


def _offline_streams(group: Group) -> Iterator[Implausible]:
    """A system that answers one query after the other already reaches samples by latency."""
    offline = group.get("Offline")
    if offline is None or offline.unit != "samples/s" or not offline.figure:
        return
    for name, samples in (("SingleStream", 1), ("MultiStream", _MULTI_STREAM_SAMPLES)):
        stream = group.get(name)
        if stream is None or stream.unit != "ms" or not stream.figure:
            continue
        rate = samples * MILLISECONDS_PER_SECOND / stream.figure
        if offline.figure < rate * (1 - _NOISE):
            short = 100 * (1 - offline.figure / rate)
            what = (
                f"Offline {offline.figure:,.6g} samples/s is below the {rate:,.6g} samples/s that "
                f"{name}'s {stream.figure:,.6g} ms amount to in sequence"
            )
            likely = "Offline ran with other settings or fewer streams than it could"
            yield Implausible(f"Offline >= {samples} / {name}", offline, stream, what, short, likely)


def _streams(group: Group) -> Iterator[Implausible]:
    """Eight samples take at least as long as one."""
    single, multi = group.get("SingleStream"), group.get("MultiStream")
    if single is None or multi is None or single.unit != "ms" or multi.unit != "ms":
        return
    if single.figure and multi.figure and multi.figure < single.figure * (1 - _NOISE):
        short = 100 * (1 - multi.figure / single.figure)
        what = (
            f"MultiStream {multi.figure:,.6g} ms (p99 of 8 samples) is below "
            f"SingleStream {single.figure:,.6g} ms (p90 of one)"
        )
        likely = "SingleStream was tuned less, or its clocks were lower between two queries"
        yield Implausible("MultiStream >= SingleStream", multi, single, what, short, likely)


def _accuracies(group: Group) -> Iterator[Implausible]:
    """One model with one data set has one accuracy, but for chance."""
    known = [(each, value) for each in group.values() if (value := _main_accuracy(each)) is not None]
    for number, (one, first) in enumerate(known):
        for two, second in known[number + 1 :]:
            largest = max(first, second)
            if one.datatype != two.datatype or largest <= 0:
                continue
            share = abs(first - second) / largest
            if share > _ACCURACY_SHARE:
                what = f"accuracy is {first:g} in {one.scenario} and {second:g} in {two.scenario}"
                likely = "other weights, or another build of the network"
                yield Implausible("one accuracy", one, two, what, 100 * share, likely)


def _main_accuracy(result: PublishedResult) -> float | None:
    """The first figure of accuracies that do not vary with sampling; text scores are left out."""
    match = re.match(r"(acc|mAP|F1|AUC|DICE|ACCURACY): ([\d.]+)", result.accuracy or "")
    return float(match.group(2)) if match and match.group(2).count(".") <= 1 else None


_BETWEEN: tuple[Callable[[Group], Iterator[Implausible]], ...] = (
    _offline_server,
    _offline_interactive,
    _server_interactive,
    _offline_streams,
    _streams,
    _accuracies,
)


def _classes(results: Sequence[PublishedResult]) -> Iterator[Implausible]:
    """A run that reaches 99.9 % of the accuracy reaches 99 %, so the lower class is not slower."""
    by_place: dict[tuple[str | None, ...], PublishedResult] = {}
    for result in results:
        if not result.inferred and result.figure:
            place = (*_system(result)[:4], result.benchmark, result.scenario)
            by_place.setdefault(place, result)
    for place, high in by_place.items():
        benchmark = place[4]
        if benchmark is None or not benchmark.endswith("-99.9"):
            continue
        low = by_place.get((*place[:4], benchmark.removesuffix(".9"), place[5]))
        if low is None or low.unit != high.unit or not low.figure or not high.figure:
            continue
        better = low.figure / high.figure if low.unit == "ms" else high.figure / low.figure
        if better > 1 / (1 - _NOISE):
            what = (
                f"{low.benchmark} with {low.figure:,.6g} {low.unit} is slower than "
                f"{high.benchmark} with {high.figure:,.6g} {high.unit}, whose run it may use"
            )
            short = 100 * (1 - 1 / better)
            yield Implausible("99 >= 99.9", low, high, what, short, "the lower class was tuned less")


def _alone(result: PublishedResult) -> Iterator[Implausible]:
    compute, system = result.compute_throughput_ips, result.figure
    if compute and system and result.unit == "samples/s" and compute < system * (1 - _NOISE):
        what = f"compute reaches {compute:,.6g} inputs/s, below the system's {system:,.6g}"
        likely = "the two are of different runs or batch sizes"
        yield Implausible("compute >= system", result, None, what, 100 * (1 - compute / system), likely)
    own, whole = result.compute_latency_ms, result.system_latency_ms
    if own and whole and own > whole * (1 + _NOISE):
        what = f"compute takes {own:,.6g} ms, more than the system's {whole:,.6g} ms"
        likely = "the two are of different runs or batch sizes"
        yield Implausible("compute <= system", result, None, what, 100 * (1 - whole / own), likely)
    if result.unit == "ms" and result.figure is not None and 0 < result.figure < _FLOOR_MS:
        what = f"{result.figure * 1e6:,.3g} ns is below what LoadGen needs for a query that does nothing"
        yield Implausible("latency floor", result, None, what, 100.0, "a unit that was mixed up")


def _roofline(result: PublishedResult, peak: float | None, ops: float | None) -> Iterator[Implausible]:
    rates = [result.compute_throughput_ips, result.figure if result.unit == "samples/s" else None]
    rate = max((each for each in rates if each), default=None)
    if peak is None or ops is None or rate is None or result.inferred:
        return
    if rate * ops > peak:
        what = (
            f"{rate:,.6g} inputs/s of {ops / 1e9:,.3g} GOP are {rate * ops / 1e12:,.4g} TOP/s; "
            f"the cited peak is {peak / 1e12:,.4g}"
        )
        likely = "fewer operations than the network has, or a peak of another mode"
        yield Implausible("roofline", result, None, what, 100 * (1 - peak / (rate * ops)), likely)
