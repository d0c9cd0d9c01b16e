"""`qutiperf list`: shipped files, and adapters with the state of their runtimes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.spec.round_rules import BenchmarkRule, ScenarioSet, Score

_KINDS = (
    *("suts", "workloads", "scenarios", "sweeps", "datasets", "adapters", "meters", "rounds", "audits"),
    "microbench",
)


def list_files(
    kind: str = typer.Argument("all", help=f"One of: {', '.join(_KINDS)}, all."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """List systems, workloads, scenarios, sweeps, datasets, adapters, meters, rounds, audits and suites."""
    from qutiperf.errors import InputError
    from qutiperf.spec.config import nearest

    if kind not in (*_KINDS, "all"):
        raise InputError(f"nothing named '{kind}' to list", cure=nearest(kind, [*_KINDS, "all"]))
    kinds = _KINDS if kind == "all" else (kind,)
    listed = {name: _ROWS[name]() for name in kinds}
    if as_json:
        console.out_json(listed if kind == "all" else listed[kind])
        return
    for name, rows in listed.items():
        columns = list(rows[0]) if rows else ["name"]
        console.table(name, columns, [[_shown(row, column) for column in columns] for row in rows])


def _shown(row: Mapping[str, object], column: str) -> object:
    """A cell; `never` for a system that was not verified on hardware, which is not unknown."""
    return "never" if column == "verified_on_hardware" and row[column] is None else row[column]


Rows = list[dict[str, object]]


def _suts() -> Rows:
    from qutiperf.spec import catalog
    from qutiperf.spec.sut import load_sut

    rows: Rows = []
    for name in catalog.names("sut"):
        sut, _ = load_sut(name)
        verified = sut.verified_on_hardware
        rows.append(
            {
                "name": name,
                "title": sut.title,
                "adapter": sut.adapter.rsplit("/", 1)[-1].partition(":")[0],
                "verified_on_hardware": f"{verified.date}, {verified.version}" if verified else None,
            }
        )
    return rows


def _workloads() -> Rows:
    from qutiperf.spec import catalog
    from qutiperf.spec.workload import load_workload

    rows: Rows = []
    for name in catalog.names("workload"):
        workload, _ = load_workload(name)
        rows.append(
            {
                "name": name,
                "task": workload.task,
                "dataset": workload.dataset.name,
                "topology": workload.variant.topology,
                "channel_scale_percent": workload.variant.channel_scale_percent,
                "weight_datatype": workload.variant.weight_datatype,
            }
        )
    return rows


def _scenarios() -> Rows:
    from qutiperf.spec import catalog
    from qutiperf.spec.scenario import load_scenario

    loaded = [load_scenario(name)[0] for name in catalog.names("scenario")]
    return [
        {"name": each.name.value, "description": each.description, "judged_by": each.metric.figure}
        for each in loaded
    ]


def _sweeps() -> Rows:
    from qutiperf.spec import catalog
    from qutiperf.spec.sweep import load_sweep

    loaded = [load_sweep(name, [])[0] for name in catalog.names("sweep")]
    return [
        {
            "name": each.name,
            "suts": ", ".join(each.suts),
            "workloads": ", ".join(each.workloads),
            "scenarios": ", ".join(each.scenarios),
        }
        for each in loaded
    ]


def _datasets() -> Rows:
    from qutiperf.datasets import names

    return [{"name": name} for name in names()]


def adapter_rows() -> Rows:
    """Every adapter, with the state of its runtime or the command that installs it."""
    from qutiperf.adapters.registry import adapter_class, registered, require_runtime
    from qutiperf.errors import SetupError

    rows: Rows = []
    for name in registered():
        try:
            require_runtime(adapter_class(name), name)
            state = "installed"
        except SetupError as error:
            state = error.cure
        rows.append({"name": name, "runtime": state})
    return rows


def meter_rows() -> Rows:
    """Every power meter: how its code was tried, and its rails here or what it needs."""
    from qutiperf.power.registry import states

    return [
        {"name": each.name, "verified": each.verified, "state": each.state, "title": each.title}
        for each in states()
    ]


def _rounds() -> Rows:
    from qutiperf.spec.rounds import shipped_rounds

    rows: Rows = []
    for loaded in shipped_rounds():
        common: dict[str, object] = {"name": loaded.name, "loadgen": loaded.loadgen_requirement}
        if loaded.rules is None:
            rows.append({**common, **dict.fromkeys(("benchmark", *_ASKED))})
            continue
        for benchmark, rule in loaded.rules.benchmarks.items():
            rows.append({**common, "benchmark": benchmark, **_asked(rule)})
    return rows


_ASKED = ("datacenter", "edge", "accuracy", "samples", "tests")


def _asked(rule: "BenchmarkRule") -> dict[str, object]:
    """What a round asks of one benchmark: scenarios of each suite, targets, samples and tests."""
    suites = {name: _suite(each) for name, each in rule.scenarios.items()}
    return {
        "datacenter": suites.get("datacenter"),
        "edge": suites.get("edge"),
        "accuracy": ", ".join(_target(score) for score in rule.accuracy),
        "samples": rule.samples.accuracy,
        "tests": ", ".join(rule.tests) or None,
    }


def _suite(each: "ScenarioSet") -> str:
    optional = f" ({', '.join(each.optional)})" if each.optional else ""
    return ", ".join(each.required) + optional


def _target(score: "Score") -> str:
    least = f" >= {score.at_least:g}" if score.at_least is not None else ""
    most = f" <= {score.at_most:g}" if score.at_most is not None else ""
    return f"{score.metric}{least}{most}"


def _audits() -> Rows:
    from qutiperf.spec.audits import audit_names, load_audit

    audits = [load_audit(name) for name in audit_names()]
    return [{"name": each.name, "shows": each.title, "source": each.source} for each in audits]


def _microbench() -> Rows:
    from qutiperf.spec import catalog
    from qutiperf.spec.microbench import load_suite

    loaded = [load_suite(name)[0] for name in catalog.names("microbench")]
    return [
        {
            "name": each.name,
            "description": each.description,
            "datatypes": ", ".join(each.datatypes),
            "batch_sizes": ", ".join(map(str, each.batch_sizes)),
        }
        for each in loaded
    ]


_ROWS = {
    "suts": _suts,
    "workloads": _workloads,
    "scenarios": _scenarios,
    "sweeps": _sweeps,
    "datasets": _datasets,
    "adapters": adapter_rows,
    "meters": meter_rows,
    "rounds": _rounds,
    "audits": _audits,
    "microbench": _microbench,
}
