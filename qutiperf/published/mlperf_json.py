"""MLPerf's tables: summary_results.json (to v6.0), summary.json (v6.1), Endpoints' result_summary.json."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from qutiperf.errors import InputError
from qutiperf.published.result import PublishedResult
from qutiperf.published.units import converted, latency_percentile, scenario_name

Row = Mapping[str, object]
_REPOSITORY = "https://github.com/mlcommons/inference_results_{}"
_NANOSECONDS_PER_MS = 1e6


def is_old_summary(data: object) -> bool:
    """A list of rows with `Performance_Result`, as published to v6.0."""
    return (
        isinstance(data, list)
        and bool(data)
        and isinstance(data[0], dict)
        and "Performance_Result" in data[0]
    )


def is_new_summary(data: object) -> bool:
    """An object of rows with `Organization`, as published from v6.1."""
    return isinstance(data, dict) and any(
        isinstance(row, dict) and "Organization" in row for row in list(data.values())[:3]
    )


def is_endpoints(data: object) -> bool:
    """One Endpoints run's result_summary.json."""
    return isinstance(data, dict) and "n_samples_issued" in data and ("qps" in data or "latency" in data)


def old_summary(data: list[Row], where: str) -> Iterator[PublishedResult]:
    for number, row in enumerate(data):
        yield _guarded(_old_row, row, f"{where}: row {number}")


def new_summary(data: Mapping[str, Row], where: str) -> Iterator[PublishedResult]:
    for key, row in data.items():
        yield _guarded(_new_row, {**row, "_key": key}, f"{where}: row {key}")


def _guarded(read: Callable[[Row, str], PublishedResult], row: object, where: str) -> PublishedResult:
    if not isinstance(row, Mapping):
        raise InputError("is not a row of results", where=where)
    try:
        return read(row, where)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is not a row of results: {error}", where=where) from None


def _old_row(row: Row, where: str) -> PublishedResult:
    version, scenario = str(row["version"]), scenario_name(str(row["Scenario"]))
    power_unit = str(row.get("Power_Units") or row.get("Power_Unit") or "").lower()
    power = _number(row.get("Power_Result"))
    return PublishedResult.model_validate(
        {
            **_common(row, scenario, str(row["Performance_Units"]), row["Performance_Result"], where),
            "round": version,
            "result_id": _text(row.get("ID")),
            "division": _text(row.get("Category")),
            "suite": _text(row.get("Suite")),
            "availability": _text(row.get("Availability")),
            "submitter": _text(row.get("Submitter")),
            "system": str(row["System"]),
            "benchmark": str(row["Model"]),
            "model": _text(row.get("UsedModel")),
            "processor": _text(row.get("Processor")),
            "accelerator": _text(row.get("Accelerator")),
            "accelerators_per_node": _whole(row.get("a#")),
            "nodes": _whole(row.get("Nodes")),
            "software": _text(row.get("Software")),
            "full_power_w": power if power_unit.startswith("watt") else None,
            "energy_per_query_mj": power if "joule" in power_unit else None,
            "url": _text(row.get("Details")) or _REPOSITORY.format(version),
            "notes": _text(row.get("Notes")),
        }
    )


def _new_row(row: Row, where: str) -> PublishedResult:
    version, scenario = str(row["version"]), scenario_name(str(row["Scenario"]))
    return PublishedResult.model_validate(
        {
            **_common(row, scenario, str(row["Units"]), row["Result"], where),
            "round": version,
            "result_id": f"summary.json#{row['_key']}",
            "division": _text(row.get("Division")),
            "suite": _text(row.get("SystemType")),
            "availability": _text(row.get("Availability")),
            "submitter": _text(row.get("Organization")),
            "system": str(row["SystemName"]),
            "benchmark": _benchmark(row),
            "model": _text(row.get("MlperfModel")),
            "processor": _text(row.get("host_processor_model_name")),
            "accelerator": _text(row.get("accelerator_model_name")),
            "accelerators_per_node": _whole(row.get("accelerators_per_node")),
            "nodes": _whole(row.get("number_of_nodes")),
            "software": _text(row.get("framework")),
            "design_power_w": _number(row.get("design_power_watts")),
            "url": _REPOSITORY.format(version),
            "notes": _text(row.get("notes")),
        }
    )


def _benchmark(row: Row) -> str:
    """`MlperfModel` names a task in v6.1 ("text_to_video"); the folder's name says the benchmark."""
    model = str(row["Model"])
    return "resnet" if model == "resnet50" else model


def _common(row: Row, scenario: str, unit: str, figure: object, where: str) -> dict[str, object]:
    """The columns that both tables have under one name."""
    number = _number(figure)
    quantity = converted(number, unit) if number is not None else None
    if quantity is None:
        raise InputError(f"has no figure with a known unit: {figure!r} {unit!r}", where=where)
    return {
        "source": "mlperf",
        "scenario": scenario,
        "figure": quantity[0],
        "unit": quantity[1],
        "percentile": latency_percentile(scenario, quantity[1]),
        "platform": _text(row.get("Platform")),
        "accuracy": _text(row.get("Accuracy")),
        "datatype": _text(row.get("weight_data_types")),
        "inferred": bool(row["inferred"]) if row.get("inferred") is not None else None,
        "has_power": row["has_power"] if isinstance(row.get("has_power"), bool) else None,
        "location": _location(row.get("Location")),
        "top1_percent": _top1(row),
    }


def _top1(row: Row) -> float | None:
    match = re.fullmatch(r"acc: ([\d.]+)", str(row.get("Accuracy") or "").strip())
    resnet = "resnet" in str(row.get("Model") or "")
    return _number(match.group(1)) if match and resnet else None


def _location(value: object) -> str | None:
    """The scenario's folder, without `./` and the run's."""
    text = _text(value)
    if text is None:
        return None
    path = PurePosixPath(text)
    return str(path.parent.parent if path.name.startswith("run_") else path)


def _text(value: object) -> str | None:
    text = " ".join(str(value).split()) if value is not None else ""
    return text or None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def endpoints(data: Row, where: str) -> Iterator[PublishedResult]:
    """One run: its throughput, or its latency where it is a single stream."""
    rate, tokens = _number(data.get("qps")), _number(data.get("tps"))
    latency = data.get("latency")
    mean_ns = _number(latency.get("avg")) if isinstance(latency, Mapping) else None
    scenario = scenario_name(str(data.get("scenario") or data.get("type") or "Offline"))
    figure, unit = (tokens, "tokens/s") if tokens is not None else (rate, "samples/s")
    if scenario == "SingleStream" and mean_ns is not None:
        figure, unit = mean_ns / _NANOSECONDS_PER_MS, "latency (ms)"
    quantity = converted(figure, unit) if figure is not None else None
    if quantity is None:
        raise InputError("has neither qps, tps nor a latency", where=where)
    yield PublishedResult(
        source="mlperf",
        system=str(data.get("system") or where),
        benchmark=str(data.get("model") or data.get("model_name") or "unknown"),
        scenario=scenario,
        figure=quantity[0],
        unit=quantity[1],
        system_latency_ms=mean_ns / _NANOSECONDS_PER_MS if mean_ns is not None else None,
        date=_text(data.get("test_datetime")),
    )
