"""Each relation flags what breaks it and nothing else."""

import pytest

from qutiperf.published.cited_peaks import ops_per_input, peak_ops_per_s
from qutiperf.published.plausibility import implausible
from qutiperf.published.reference import mlperf_results, qutibench_results
from qutiperf.published.result import PublishedResult


def row(scenario: str, figure: float, unit: str = "samples/s", **others: object) -> PublishedResult:
    base = {"source": "mlperf", "round": "v6.0", "submitter": "Acme", "system": "s", "benchmark": "resnet"}
    return PublishedResult.model_validate(
        {**base, "scenario": scenario, "figure": figure, "unit": unit, **others}
    )


def relations(*rows: PublishedResult) -> list[str]:
    return [each.relation for each in implausible(rows, peak_ops_per_s, ops_per_input)]


@pytest.mark.parametrize(
    ("rows", "relation"),
    [
        ([row("Offline", 90), row("Server", 100, "queries/s")], "Offline >= Server"),
        ([row("Server", 90, "tokens/s"), row("Interactive", 100, "tokens/s")], "Server >= Interactive"),
        ([row("Offline", 90, "tokens/s"), row("Interactive", 100, "tokens/s")], "Offline >= Interactive"),
        ([row("Offline", 900), row("SingleStream", 1, "ms")], "Offline >= 1 / SingleStream"),
        ([row("Offline", 900), row("MultiStream", 8, "ms")], "Offline >= 8 / MultiStream"),
        ([row("SingleStream", 10, "ms"), row("MultiStream", 8, "ms")], "MultiStream >= SingleStream"),
        ([row("Offline", 9, accuracy="acc: 76.1"), row("Server", 9, accuracy="acc: 74.9")], "one accuracy"),
        ([row("Offline", 9, benchmark="bert-99"), row("Offline", 10, benchmark="bert-99.9")], "99 >= 99.9"),
        ([row("SingleStream", 1e-4, "ms")], "latency floor"),
        ([row("Offline", 90, compute_throughput_ips=80.0)], "compute >= system"),
        ([row("Offline", 90, compute_latency_ms=8.0, system_latency_ms=7.0)], "compute <= system"),
        (
            [row("Offline", 40_000, accelerator="NVIDIA T4", accelerators_per_node=1, nodes=1)],
            "roofline",  # 40,000 x 7.72 GOP = 309 TOP/s, and the data sheet's INT4 has 260
        ),
    ],
)
def test_a_broken_relation_is_flagged(rows: list[PublishedResult], relation: str) -> None:
    assert relations(*rows) == [relation]


@pytest.mark.parametrize(
    "rows",
    [
        [row("Offline", 100), row("Server", 104, "queries/s")],  # within the noise of two runs
        [row("Offline", 90, inferred=True), row("Server", 100, "queries/s")],
        [row("Offline", 90, "tokens/s"), row("Server", 100, "queries/s")],  # other units
        [row("Offline", 90), row("Server", 100, "queries/s", platform="other")],
        [row("Offline", 1000), row("SingleStream", 1, "ms"), row("MultiStream", 8, "ms")],
        [row("Offline", 90), row("Offline", 80), row("Server", 100, "queries/s")],  # which one is not known
        [row("Offline", 30_000, accelerator="NVIDIA T4", accelerators_per_node=1, nodes=1)],
        [row("Offline", 40_000, accelerator="NVIDIA T4", accelerators_per_node=2, nodes=1)],
    ],
)
def test_nothing_else_is_flagged(rows: list[PublishedResult]) -> None:
    assert relations(*rows) == []


@pytest.mark.slow
def test_the_published_rows_that_do_not_fit() -> None:
    """The numbers of docs/published.md; a new table or relation changes both."""
    broken = implausible([*mlperf_results(), *qutibench_results()], peak_ops_per_s, ops_per_input)
    counts = {
        name: sum(each.relation == name for each in broken) for name in {each.relation for each in broken}
    }
    assert counts == {
        "Offline >= Server": 5,
        "Offline >= 8 / MultiStream": 2,
        "Offline >= 1 / SingleStream": 1,
        "MultiStream >= SingleStream": 1,
        "one accuracy": 3,
        "compute <= system": 1,
        "roofline": 4,
    }
