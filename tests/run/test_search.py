"""The search on made-up settings: what it measures, what it leaves out, and why."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest

from qutiperf.run.search import Findings, Search, Setting
from qutiperf.run.surrogate import Place

THROUGHPUT, LATENCY = "system_throughput_ips", "system_latency_p99_ms"
BATCHES = (1, 4, 16, 64)
RATES = {"slow": 50.0, "middle": 200.0, "fast": 1000.0, "useless": 40.0}
ACCURACIES = {"slow": 99.0, "middle": 97.0, "fast": 90.0, "useless": 80.0}
World = Callable[[Setting], Mapping[str, float] | None]


def setting(workload: str, threads: int, batch: int, figures: Mapping[str, bool]) -> Setting:
    load = f"{workload} {threads}"
    return Setting(
        key=f"{load} {batch}",
        load=load,
        family="all",
        ladder=load,
        accuracy=workload,
        place=Place("sut", workload, "Offline", batch, {"threads": threads}),
        figures=figures,
        probe_s=1.0,
        full_s=10.0,
        load_s=2.0,
    )


def settings(figures: Mapping[str, bool] | None = None) -> list[Setting]:
    compared = figures or {THROUGHPUT: True}
    return [
        setting(name, threads, batch, compared) for name in RATES for threads in (1, 2) for batch in BATCHES
    ]


def device(one: Setting) -> dict[str, float]:
    """Saturates with the batch size; two threads are half as fast again; noise of up to 1 %."""
    threads, batch = int(str(one.place.parameters["threads"])), one.place.batch_size
    noise = 1 + 0.01 * math.sin(hash(one.place.batch_size * 7 + threads))
    rate = RATES[one.place.workload] * batch / (batch + 3) * (1 + 0.5 * (threads - 1)) * noise
    return {THROUGHPUT: rate, LATENCY: 1000 * batch / rate}


def searched(
    wanted: list[Setting], world: World, findings: Findings | None = None, most: int = 1000
) -> tuple[Findings, float]:
    """The findings at the end of a search, and the seconds that it took."""
    by_key, found, spent_s = {one.key: one for one in wanted}, findings or Findings(), 0.0
    for _ in range(most):
        step = Search(wanted).next_step(found)
        if step is None:
            return found, spent_s
        assert step.settings
        spent_s += by_key[step.settings[0]].load_s
        for key in step.settings:
            one = by_key[key]
            assert one.load == step.load
            found.accuracy[str(one.accuracy)] = ACCURACIES[one.place.workload]
            figures = world(one)
            spent_s += one.probe_s if step.kind == "probe" else one.full_s
            if figures is None:
                found.failed[key] = "out of memory"
                break
            if step.kind == "probe":
                found.probes[key] = figures
            else:
                found.full[key] = [figures]
                found.done.add(key)
    assert most < 1000, "the search does not end"
    return found, spent_s


@cache
def whole() -> tuple[Findings, float]:
    """A search to its end, which several tests look at."""
    return searched(settings(), device)


def test_the_fastest_setting_of_every_model_on_the_front_is_measured_in_full() -> None:
    wanted = settings()
    found, spent_s = whole()
    best = {
        name: max((one for one in wanted if one.place.workload == name), key=rate_of).key for name in RATES
    }
    assert {best[name] for name in ("slow", "middle", "fast")} <= found.done
    assert not any(key.startswith("useless") for key in found.done)
    assert spent_s < 0.4 * sum(one.full_s for one in wanted)


def test_the_cheaper_probes_are_beside_full_runs_the_more_there_are() -> None:
    cheap = [replace(one, probe_s=0.02, load_s=0.02) for one in settings()]
    found, _ = searched(cheap, device)
    assert len(found.probes) > len(whole()[0].probes)


def rate_of(one: Setting) -> float:
    return device(one)[THROUGHPUT]


def test_every_setting_is_measured_or_has_a_reason() -> None:
    wanted = settings()
    found, _ = whole()
    dropped = {each.key: each for each in Search(wanted).dropped(found)}
    assert set(dropped) | found.done == {one.key for one in wanted}
    assert not set(dropped) & found.done
    assert {each.kind for each in dropped.values()} == {"dominated", "unpromising"}
    useless = dropped["useless 1 1"]
    assert useless.other is not None
    assert useless.other.startswith(("slow", "middle", "fast"))
    assert useless.behind is not None
    assert 0 < useless.behind < 1


def test_latency_against_throughput_keeps_small_and_large_batches() -> None:
    wanted = [one for one in settings({THROUGHPUT: True, LATENCY: False}) if one.place.workload == "slow"]
    found, _ = searched(wanted, device)
    assert {"slow 2 1", "slow 2 64"} <= found.done


def test_a_batch_that_fails_rules_out_larger_ones_of_its_load() -> None:
    def small(one: Setting) -> dict[str, float] | None:
        return device(one) if one.place.batch_size < 16 or one.load != "fast 2" else None

    wanted = settings()
    found, _ = searched(wanted, small)
    failed = [key for key in found.failed if key.startswith("fast 2")]
    assert len(failed) == len(found.failed) > 0
    tried = {key for key in (*found.probes, *found.done) if key.startswith("fast 2")}
    assert not tried & {"fast 2 16", "fast 2 64"}
    dropped = {each.key: each for each in Search(wanted).dropped(found)}
    assert (dropped["fast 2 64"].kind, dropped["fast 2 64"].other) == ("failed", min(failed, key=batch_of))


def batch_of(key: str) -> int:
    return int(key.rsplit(" ", 1)[1])


def test_where_everything_fails_the_search_ends() -> None:
    wanted = settings()
    found, _ = searched(wanted, lambda _: None)
    assert not found.done
    assert {each.kind for each in Search(wanted).dropped(found)} == {"failed"}


def test_a_search_that_was_stopped_goes_on_where_it_was() -> None:
    """The findings alone decide what follows."""
    wanted = settings()
    part, _ = searched(wanted, device, most=6)
    assert searched(wanted, device, part)[0].done == whole()[0].done


@pytest.mark.parametrize("left_s", [0.5, 2.9])
def test_nothing_is_started_that_does_not_fit(left_s: float) -> None:
    assert Search(settings()).next_step(Findings(), left_s) is None


def test_with_little_time_left_the_front_of_the_probes_is_measured() -> None:
    wanted = settings()
    found, _ = searched(wanted, device, most=3)
    step = Search(wanted).next_step(found, 15.0)
    assert step is not None
    assert (step.kind, len(step.settings)) == ("full", 1)
    dropped = Search(wanted).dropped(found)
    assert "budget" in {each.kind for each in dropped}


def test_without_accuracy_only_figures_count() -> None:
    wanted = [setting(name, 1, batch, {THROUGHPUT: True}) for name in ("slow", "fast") for batch in BATCHES]
    blind = [replace(one, accuracy=None, family=one.place.workload) for one in wanted]
    found, _ = searched(blind, device)
    assert {key.split()[0] for key in found.done} == {"slow", "fast"}
