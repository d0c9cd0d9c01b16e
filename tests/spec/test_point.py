"""Expansion of sweeps, pure."""

import hashlib

import pytest

from qutiperf.errors import InputError
from qutiperf.spec.point import Point, System, expand, point_id
from qutiperf.spec.scenario import Mode, ScenarioName, load_scenario
from qutiperf.spec.sut import load_sut
from qutiperf.spec.sweep import parse_sweep
from qutiperf.spec.workload import load_workload

WORKLOADS = {name: load_workload(name)[0] for name in ("digits-mlp-25-fp32", "digits-cnv-25-fp32")}


def points(scenarios: str = "Offline", labels: bool = False, **more: object) -> list[Point]:
    sut, _ = load_sut("cpu-onnxruntime")
    data = {"name": "s", "suts": "x", "workloads": "x", "scenarios": scenarios.split(), "modes": None, **more}
    sweep = parse_sweep({key: value for key, value in data.items() if value is not None}, "here")  # type: ignore[misc]
    wanted = {name: load_scenario(name)[0] for name in sweep.scenarios}
    systems = {"cpu": System(sut, frozenset({"threads", "provider"}), cores=2)}
    one = {"digits-mlp-25-fp32": WORKLOADS["digits-mlp-25-fp32"]}
    return expand(sweep, systems, one, wanted, frozenset(one) if labels else frozenset())


def axis(name: str, value: object) -> list[object]:
    fixed: dict[str, object] = {"threads": 1, "streams": 1, "batch_size": 1, name: value}
    return [point.deployment[name] for point in points(deployment=fixed)]


def test_ranges() -> None:
    assert axis("batch_size", "1:128:x2") == [1, 2, 4, 8, 16, 32, 64, 128]
    assert axis("batch_size", "1:9:4") == [1, 5, 9]
    assert axis("batch_size", "2:4") == [2, 3, 4]
    assert axis("batch_size", ["1:4:x2", 4, 64]) == [1, 2, 4, 64]
    assert axis("threads", [1, "all", 2]) == [1, 2]


@pytest.mark.parametrize("value", ["1:8:x1", "8:x", "0:4", "8:1", "1:2:3:4", "a:b", 1.5, True, "many", []])
def test_no_ranges(value: object) -> None:
    with pytest.raises(InputError, match=r"deployment.batch_size"):
        axis("batch_size", value)


def test_what_a_sweep_leaves_out_the_sut_offers() -> None:
    found = points()
    assert len(found) == 2 * 2 * 8
    assert {point.deployment["operating_mode"] for point in found} == {"default"}


def test_one_batch_in_flight_needs_one_stream() -> None:
    found = points("SingleStream MultiStream Offline", deployment={"batch_size": [1, 8], "threads": 1})
    seen = [(p.scenario.value, p.deployment["streams"], p.deployment["batch_size"]) for p in found]
    assert seen == [
        ("SingleStream", 1, 1),
        ("MultiStream", 1, 1),
        ("MultiStream", 1, 8),
        ("Offline", 1, 1),
        ("Offline", 1, 8),
        ("Offline", 2, 1),
        ("Offline", 2, 8),
    ]


def test_accuracy_once_a_load_and_first() -> None:
    found = points(labels=True, deployment={"batch_size": [1, 8], "threads": [1, 2], "streams": 1}, repeats=2)
    modes = [
        (point.mode.value, point.deployment["threads"], point.deployment["batch_size"]) for point in found
    ]
    assert [mode for mode in modes if mode[0] == "AccuracyOnly"] == [
        ("AccuracyOnly", 1, 8),
        ("AccuracyOnly", 2, 8),
    ]
    assert modes[0][0] == modes[5][0] == "AccuracyOnly"
    assert len(found) == 2 + 2 * 2 * 2
    only = points(
        labels=True, modes=["AccuracyOnly"], deployment={"batch_size": 8, "threads": 1, "streams": 1}
    )
    assert [point.mode for point in only] == [Mode.ACCURACY]


def test_exclude() -> None:
    deployment = {"batch_size": [1, 8], "threads": 1, "streams": 1}
    found = points(
        "MultiStream Offline", deployment=deployment, exclude=[{"scenario": "Multi*", "batch_size": 8}, {}]
    )
    assert [(p.scenario, p.deployment["batch_size"]) for p in found] == [
        (ScenarioName.MULTI_STREAM, 1),
        (ScenarioName.OFFLINE, 1),
        (ScenarioName.OFFLINE, 8),
    ]


def test_exclude_with_an_unknown_key_would_exclude_nothing() -> None:
    with pytest.raises(InputError, match=r"s: exclude.1.scenari: unknown key; did you mean 'scenario'\?"):
        points(exclude=[{"threads": 9}, {"scenari": "Offline"}])


def test_settings_of_the_sweep_win() -> None:
    [point] = points(deployment={"batch_size": 1, "threads": 1, "streams": 1}, settings={"min_duration_s": 3})
    assert (point.settings.min_duration_s, point.settings.min_query_count) == (3, 1)


def test_an_id_is_the_digest_of_its_point() -> None:
    """Written out, so that an id which changes by accident is noticed: stored results would be lost."""
    [point] = points(deployment={"batch_size": 2, "threads": 1, "streams": 1})
    text = (
        '{"files":{"model":"a"},"host":"host","point":{'
        '"deployment":{"batch_size":2,"operating_mode":"default","streams":1,"threads":1},'
        '"mode":"PerformanceOnly","profile":"standard","repeat":1,"scenario":"Offline",'
        '"settings":{"end_to_end":false,"feed_threads":0,"max_duration_s":null,"max_query_count":null,'
        '"min_duration_s":10.0,"min_query_count":1,"performance_sample_count":null,'
        '"server_target_latency_ms":null,"target_latency_ms":null,"target_latency_percentile":null,'
        '"target_qps":null,"time_limit_s":null},"sut":"cpu","workload":"digits-mlp-25-fp32"}}'
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "8a04de3e82de"
    assert point_id(point, {"model": "a"}, "host") == "8a04de3e82de"


def test_ids_change_with_what_could_change_the_result() -> None:
    first, second = points(deployment={"batch_size": [1, 2], "threads": 1, "streams": 1})
    same = point_id(first, {"model": "a"}, "host")
    assert same == point_id(first.model_copy(), {"model": "a"}, "host")
    others = {
        point_id(second, {"model": "a"}, "host"),
        point_id(first, {"model": "b"}, "host"),
        point_id(first, {"model": "a"}, "other"),
        point_id(first.model_copy(update={"repeat": 2}), {"model": "a"}, "host"),
    }
    assert len(others | {same}) == 5
    assert len(same) == 12
