"""Runs beside published results: the choice of entries, ratios by hand, and what is said of each."""

import json
from pathlib import Path

import pytest

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.published.result import PublishedResult
from qutiperf.report.beside import Beside, beside, device_class, nearest_entries, own_figures
from qutiperf.results.record import RunRecord
from tests.conftest import fails
from tests.report.folders import kept, performance, stored


def resnet(rate_ips: float = 500.0, number: int = 0) -> RunRecord:
    """An Offline run of ResNet-50 in int8 on a CPU."""
    record = performance(number, rate_ips)
    workload = record.inputs.workload
    changes = {"topology": "resnet50", "channel_scale_percent": None, "weight_datatype": "int8"}
    variant = workload.variant.model_copy(update=changes)
    inputs = record.inputs.model_copy(
        update={"workload": workload.model_copy(update={"name": "resnet50-int8", "variant": variant})}
    )
    point = record.point.model_copy(update={"workload": "resnet50-int8"})
    return record.model_copy(update={"inputs": inputs, "point": point})


def entry(**more: object) -> PublishedResult:
    fields: dict[str, object] = {
        **{"source": "mlperf", "round": "v6.0", "division": "closed", "system": "s", "benchmark": "resnet"},
        **{"scenario": "Offline", "figure": 1000.0, "unit": "samples/s", "datatype": "int8"},
    }
    return PublishedResult.model_validate(fields | more)


def test_the_nearest_entries_of_v6_0_have_the_expected_ids() -> None:
    [compared] = beside([resnet()], ["mlperf-v6.0", "qutibench"], most=2)
    assert [
        (each.source, each.result_id, each.system, each.scenario) for each in compared.entries
    ] == EXPECTED


EXPECTED = [
    ("mlperf", "6.0-0067", "SE100", "Offline"),
    ("mlperf", "6.0-0055", "HPE_PROLIANT_DL145_RTX_PRO_4500_PCIE_32GBx1_TRT_TRT", "Offline"),
    ("qutibench", None, "EdgeTPU", "Offline"),
    ("qutibench", None, "EdgeTPU", "Offline"),
]


def test_the_choice_goes_by_class_datatype_accelerators_and_round() -> None:
    [own] = own_figures([resnet()])
    gpu = {"accelerator": "NVIDIA T4", "accelerators_per_node": 1}
    table = {
        "other network": entry(benchmark="bert-99"),
        "other scenario": entry(scenario="Server"),
        "other unit": entry(figure=3.0, unit="ms"),
        "older": entry(round="v5.1"),
        "newest": entry(round="v10.0"),
        "fp32": entry(datatype="fp32"),
        "gpu": entry(**gpu),
        "eight gpus": entry(**{**gpu, "accelerators_per_node": 8}),
        "open": entry(division="open"),
    }
    chosen = nearest_entries(own, table.values(), None, 9)
    names = [next(name for name, result in table.items() if result is each) for each in chosen]
    assert names == ["newest", "older", "fp32", "gpu", "eight gpus", "open"]


def test_ratios_and_derived_figures_by_hand() -> None:
    records = [resnet(500.0), resnet(400.0, 1)]
    [own] = own_figures(records)
    assert (own.figure, own.setting, own.unit) == (500.0, "batch 1", "samples/s")
    eight = entry(
        figure=4000.0, accelerator="NVIDIA T4", accelerators_per_node=4, nodes=2, full_power_w=500.0
    )
    [neighbour] = _beside(records, [eight]).entries
    assert (neighbour.speed_ratio, neighbour.per_accelerator, neighbour.per_watt) == (0.125, 500.0, 8.0)
    # at most 8 x 130 TOP/s in int8, the peak that the file of the T4 cites, and 7.72 GOP
    assert neighbour.roofline_percent == pytest.approx(100 * 4000 * 7.72e9 / (8 * 260e12))
    assert neighbour.because == ["network resnet", "scenario Offline", "datatype int8"]
    assert neighbour.differs == [
        "class cpu, published gpu",
        "8 accelerators",
        "accuracy: not known for both",
        "the own run is not by MLPerf's rules (profile submission)",
    ]


def _beside(records: list[RunRecord], results: list[PublishedResult]) -> Beside:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qutiperf.report.beside.results_of_name", lambda _: results)
        [compared] = beside(records, ["mlperf-v6.0"])
    return compared


def test_entries_that_do_not_fit_are_marked() -> None:
    system = {"submitter": "x", "platform": "p", "location": "closed/x/results/p/resnet/Offline"}
    server = {**system, "scenario": "Server", "figure": 2000.0, "unit": "queries/s"}
    server["location"] = "closed/x/results/p/resnet/Server"
    [neighbour] = _beside([resnet()], [entry(**system), entry(**server)]).entries
    [doubt] = neighbour.doubts
    assert doubt.startswith("Offline >= Server: ")


def test_open_entries_come_apart_and_say_so() -> None:
    entries = _beside([resnet()], [entry(division="open", figure=501.0), entry(figure=9.0)]).entries
    assert [each.division for each in entries] == ["closed", "open"]
    assert "open division: its own model or accuracy" in entries[1].differs


@pytest.mark.parametrize(
    ("accelerator", "expected"),
    [
        (None, "cpu"),
        ("N/A", "cpu"),
        ("NVIDIA H200", "gpu"),
        ("AMD Instinct MI300X", "gpu"),
        ("Google TPU v6e", "accelerator"),
    ],
)
def test_the_class_of_a_device(accelerator: str | None, expected: str) -> None:
    assert device_class(entry(accelerator=accelerator)) == expected


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(InputError, match="has no valid run to compare"):
        beside([performance(0, 1.0, valid=False)], ["qutibench"])
    with pytest.raises(InputError, match="no published entry of these tables"):
        beside([performance(0, 1.0)], ["mlperf-v6.0"])
    with pytest.raises(InputError, match="no published table named 'mlperf-v9'"):
        beside([performance(0, 1.0)], ["mlperf-v9"])


def test_the_verb_prints_json_and_the_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(stored(tmp_path / "mine", [resnet()]))
    words = ["compare", folder, "--with", "mlperf-v6.0", "--nearest", "1", "--scenario", "offline"]
    assert main([*words, "--json"], debug=False) == 0
    [compared] = json.loads(capsys.readouterr().out)
    assert [each["result_id"] for each in compared["entries"]] == ["6.0-0067"]
    assert compared["entries"][0]["url"] == "https://github.com/mlcommons/inference_results_v6.0"
    assert compared["entries"][0]["retrieved"] == "2026-04-03"
    assert compared["own"]["unverified"] == "Result not verified by MLCommons Association."
    assert main(words, debug=False) == 0
    printed = capsys.readouterr().out
    assert "Result not verified by MLCommons Association." in printed
    assert "derived, not MLPerf metrics" in printed
    site = tmp_path / "site"
    assert main(["report", folder, "--with", "mlperf-v6.0", "--out", str(site)], debug=False) == 0
    page = (site / "beside.html").read_text()
    assert "6.0-0067" in page
    assert "Result not verified by MLCommons Association." in page
    assert 'href="beside.html"' in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--with", "qutibench", "--threshold", "3"], "--threshold has no effect"),
        (["--benchmark", "resnet"], "--benchmark has no effect"),
        (["--with", "mlperf-v6.0", "--nearest", "0"], "--nearest: 0 is not a count"),
        (["--with", "mlperf-v6.0", "--benchmark", "resnet51"], "--benchmark: did you mean"),
    ],
)
def test_bad_options_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(stored(tmp_path / "mine", [resnet()]))
    assert message in fails(capsys, ["compare", folder, *words], 2)


def test_runs_that_fail_an_audit_are_marked_in_every_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [stored(tmp_path / name, [resnet(500.0)]) for name in ("before", "after")]
    evidence = ["more than the platform's peak"]
    verdict = AuditVerdict(
        audit="plausibility", run_id="0" * 12, scenario="Offline", outcome="fail", evidence=evidence
    )
    kept(folders[1], verdict)
    before, after = map(str, folders)
    assert main(["compare", before, after], debug=False) == 0
    line = "second fails an audit: plausibility: more than the platform's peak"
    assert f"differs in 1 of 1 points: {line}" in capsys.readouterr().out
    words = ["compare", after, "--with", "mlperf-v6.0", "--nearest", "1"]
    assert main(words, debug=False) == 0
    assert "the own run fails an audit: plausibility: more than" in capsys.readouterr().out
    assert main([*words, "--json"], debug=False) == 0
    [compared] = json.loads(capsys.readouterr().out)
    assert compared["own"]["doubts"] == ["plausibility: more than the platform's peak"]
    site = tmp_path / "site"
    assert main(["report", after, "--with", "mlperf-v6.0", "--out", str(site)], debug=False) == 0
    assert "The own run fails an audit: plausibility" in (site / "beside.html").read_text()
    capsys.readouterr()
    assert main(["compare", before, "--with", "mlperf-v6.0"], debug=False) == 0
    assert "fails an audit" not in capsys.readouterr().out
