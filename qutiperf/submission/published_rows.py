"""The results of a checked tree as published rows, so that a tree is read like any other table."""

import json
from pathlib import Path

from qutiperf.published.result import PublishedResult
from qutiperf.published.units import converted
from qutiperf.spec.round_rules import RoundRules
from qutiperf.submission.check import CheckReport, check_tree, rules_of

_LATENCY_UNIT = "latency (ns)"


def tree_results(root: Path, round_name: str) -> list[PublishedResult]:
    """One row for each scenario folder whose figure can be read; `valid` is that it has no error."""
    report = check_tree(root, round_name)
    mlperf_round, rules = rules_of(round_name)
    return [
        result
        for row in report.rows
        if (result := _result(row, root, mlperf_round.name, rules, report)) is not None
    ]


def _result(
    row: dict[str, object], root: Path, round_name: str, rules: RoundRules, report: CheckReport
) -> PublishedResult | None:
    benchmark, scenario, ran = str(row["benchmark"]), str(row["scenario"]), str(row["ran"])
    figure = row["figure"]
    if not isinstance(figure, float) or scenario not in rules.scenarios:
        return None
    known = benchmark in rules.benchmarks
    rule = rules.scenario_rule(benchmark, ran) if known else rules.scenarios.get(ran)
    if rule is None:
        return None
    quantity = converted(figure, _LATENCY_UNIT if rule.unit == "ns" else rule.unit)
    if quantity is None:
        return None
    system = _system(root, row, rules)
    inferred = ran != scenario and (ran, scenario) != ("Server", "Interactive")
    return PublishedResult(
        source="mlperf",
        round=round_name,
        division=str(row["division"]),
        suite=_text(system, "system_type"),
        availability=_text(system, "status"),
        submitter=str(row["submitter"]),
        system=_text(system, "system_name") or str(row["system"]),
        platform=str(row["system"]),
        processor=_text(system, "host_processor_model_name"),
        accelerator=_text(system, "accelerator_model_name"),
        benchmark=benchmark,
        scenario=scenario,
        figure=quantity[0],
        unit=quantity[1],
        percentile=rule.percentile if quantity[1] == "ms" else None,
        inferred=inferred,
        has_power=isinstance(row["mean_power_w"], float),
        full_power_w=None if quantity[1] == "ms" else _number(row["mean_power_w"]),
        energy_per_query_mj=_number(row["energy_per_query_mj"]),
        valid=row["errors"] == 0,
        software=_text(system, "framework"),
        location=str(row["folder"]),
        notes=f"the figure is that of the {ran} run it is inferred from" if inferred else None,
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _system(root: Path, row: dict[str, object], rules: RoundRules) -> dict[str, object]:
    name = rules.layout.system.replace("{system}", str(row["system"]))
    path = root / str(row["division"]) / str(row["submitter"]) / name
    try:
        data = json.loads(path.read_bytes()[:5_000_000]) if not path.is_symlink() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(data: dict[str, object], key: str) -> str | None:
    value = data.get(key)
    return " ".join(str(value).split()) or None if value is not None else None
