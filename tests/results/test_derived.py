"""Figures that follow from measured ones, by hand."""

import json
from dataclasses import asdict, fields

import pytest

from qutiperf.level0.prediction import Prediction
from qutiperf.results.analysed import record_rows
from qutiperf.results.derived import Basis, Derived, derived, derived_of, efficiency_reason
from qutiperf.results.record import Figures, RunRecord, StoredPrediction
from qutiperf.results.table import rows
from tests.results.test_metrics import a_record

EXCESS = "measured compute throughput is {} % of the predicted, so there is no efficiency"


def measured(throughput_ips: float, **prediction: object) -> RunRecord:
    """A run at so many inputs/s; predicted are 200 at a peak of 1 TOP/s, one input is 1 GOP."""
    known: dict[str, object] = {
        **{"model": "plain", "bound": "memory", "batch_size": 8, "datatype": "fp32", "carrier": "fp32"},
        **{"predicted_throughput_ips": 200.0, "ops": 1e9, "peak_tops": 1.0},
    }
    return a_record(
        figures=Figures(compute_throughput_ips=throughput_ips, system_throughput_ips=40.0),
        prediction=StoredPrediction.model_validate(known | prediction),
    )


def test_every_figure_by_hand() -> None:
    basis = Basis(
        compute_throughput_ips=50.0,
        system_throughput_ips=40.0,
        compute_latency_ms=20.0,
        full_power_w=10.0,
        ops=1e9,
        peak_tops=0.5,
        predicted_throughput_ips=200.0,
    )
    assert derived(basis) == Derived(
        system_gops=40.0,
        compute_gops=50.0,
        utilisation_percent=10.0,
        compute_efficiency_percent=25.0,
        energy_per_input_mj=250.0,
        ips_per_watt=4.0,
        energy_delay_mj_ms=5000.0,
    )


@pytest.mark.parametrize(
    ("unknown", "left"),
    [
        (
            "compute_throughput_ips",
            {"system_gops", "energy_per_input_mj", "ips_per_watt", "energy_delay_mj_ms"},
        ),
        ("system_throughput_ips", {field.name for field in fields(Derived)} - {"system_gops"}),
        ("compute_latency_ms", {field.name for field in fields(Derived)} - {"energy_delay_mj_ms"}),
        (
            "full_power_w",
            {"system_gops", "compute_gops", "utilisation_percent", "compute_efficiency_percent"},
        ),
        ("peak_tops", {field.name for field in fields(Derived)} - {"utilisation_percent"}),
    ],
)
def test_what_is_unknown_stays_unknown(unknown: str, left: set[str]) -> None:
    basis = Basis(**{field.name: 1.0 for field in fields(Basis) if field.name != unknown})
    assert {name for name, value in asdict(derived(basis)).items() if value is not None} == left


def test_overflow_is_unknown() -> None:
    assert derived(Basis(compute_throughput_ips=1e308, ops=1e308)).compute_gops is None


@pytest.mark.parametrize(
    ("throughput", "prediction", "reason"),
    [
        (200.0, {}, None),
        (50.0, {"predicted_throughput_ips": None}, None),
        (
            600.0,
            {},
            f"{EXCESS.format(300)}: the plain model reads the weights from memory for every input, "
            "the device once per batch; fit a model that reads them once per batch with "
            "`qutiperf level0 fit`",
        ),
        (
            600.0,
            {"batch_size": 2},
            f"{EXCESS.format(300)}: the weights stay in a cache, or the SUT file's memory bandwidth is too "
            "low; measure the memory bandwidth with `qutiperf calibrate`",
        ),
        (
            600.0,
            # 0.1 GB/s x 1 ops/byte / 1 GOP = 0.1 inputs/s if read for every input
            {"memory_bandwidth_gb_s": 0.1, "operational_intensity_ops_per_byte": 1.0},
            f"{EXCESS.format(300)}: the weights stay in a cache, or the SUT file's memory bandwidth is too "
            "low; measure the memory bandwidth with `qutiperf calibrate`",
        ),
        (
            600.0,
            {"bound": "compute"},
            f"{EXCESS.format(300)}: the SUT file's peak is too low; "
            "measure the peak with `qutiperf calibrate`",
        ),
        (
            600.0,
            {"model": "refined"},
            f"{EXCESS.format(300)}: the calibration does not describe this system; "
            "fit it again with `qutiperf level0 fit`",
        ),
        (
            1500.0,
            {},
            "measured compute throughput needs 150 % of the peak, which is impossible: the SUT file's "
            "1 TOP/s for fp32 is too low; measure the peak with `qutiperf calibrate`",
        ),
    ],
)
def test_an_efficiency_above_100_percent_is_a_reason_and_no_figure(
    throughput: float, prediction: dict[str, object], reason: str | None
) -> None:
    record = measured(throughput, **prediction)
    assert efficiency_reason(record) == reason
    [row] = rows([record])
    assert row["reasons"] == ([reason] if reason else [])
    [analysed] = record_rows([record])
    if reason:
        assert row["compute_efficiency_percent"] is None
        assert "compute_efficiency_percent" not in analysed.figures
    assert ("compute_efficiency_percent" in analysed.impossible) is bool(reason)


def test_the_table_and_the_analyses_have_the_same_figures() -> None:
    record = measured(50.0)
    known = {name: value for name, value in asdict(derived_of(record)).items() if value is not None}
    assert known == {
        "system_gops": 40.0,
        "compute_gops": 50.0,
        "utilisation_percent": 5.0,
        "compute_efficiency_percent": 25.0,
    }
    [row], [analysed] = rows([record]), record_rows([record])
    assert {name: row[name] for name in known} == known
    assert {name: analysed.figures[name] for name in known} == known


def test_a_record_can_hold_every_prediction() -> None:
    assert set(Prediction.model_fields) == set(StoredPrediction.model_fields)


@pytest.mark.parametrize(
    "prediction", [None, {"note": "n"}, {"ops": 2.0, "weights": 1.0, "note": None}, {"batch_size": 8.0}]
)
def test_predictions_of_older_records_are_read(prediction: dict[str, object] | None) -> None:
    data = json.loads(a_record().model_dump_json()) | {"prediction": prediction}
    found = RunRecord.model_validate_json(json.dumps(data)).prediction
    assert (found and found.model_dump(exclude_unset=True)) == prediction


def test_fields_of_older_records_that_were_never_filled_are_dropped() -> None:
    assert Figures.model_validate_json('{"system_gops": null, "top1_percent": 90.0}') == Figures(
        top1_percent=90.0
    )
    with pytest.raises(ValueError, match="system_gops"):
        Figures.model_validate_json('{"system_gops": 3.0}')
