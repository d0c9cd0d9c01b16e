"""The command line on layers, pairs and a whole network, measured for real."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.results.store import Store
from tests.conftest import fails

NETWORK = "digits-mlp-12.5-fp32"
STEPS = (
    *("roofline_ms", "calibrated_ms", "layers_ms", "between_ms"),
    *("call_ms", "unexplained_ms", "system_ms"),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "mine"
    options = ["--for", NETWORK, "--whole", "--batch", "1", "--threads", "1", "--out", str(folder)]
    assert main(["microbench", "run", *options], debug=True) == 0
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[dict[str, object]]]:
    assert main([*arguments, "--json"], debug=True) == 0
    found: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def gap(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """The only network's."""
    assert main(["analyse", "gap", *arguments, "--json"], debug=True) == 0
    [found] = json.loads(capsys.readouterr().out)
    return dict(found)


@pytest.mark.slow
def test_every_table(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(results)
    capsys.readouterr()
    parts = printed(capsys, "microbench", "show", folder)["parts"]
    assert {part["ran_as"] for part in parts} == {"native"}
    pairs = [part for part in parts if "+" in str(part["part"])]
    assert len(pairs) >= 2
    assert all(isinstance(part["excess"], float) for part in pairs)
    stacks = [part for part in parts if str(part["part"]).startswith("2 x ")]
    assert stacks
    assert all(isinstance(part["marginal_latency_ms"], float) for part in stacks)
    listed = printed(capsys, "microbench", "layers", NETWORK, "--layers", folder)
    assert all(isinstance(row["latency_ms"], float) for row in (*listed["layers"], *listed["pairs"]))
    compared = printed(capsys, "microbench", "compare", folder, "--with", "profiler")
    [network] = compared["networks"]
    assert 30 < float(str(network["matched_percent"])) <= 100
    assert len(compared["layers"]) == 4
    for row in compared["layers"]:
        assert 0 < float(str(row["alone_nodes_ms"])) < 2 * float(str(row["alone_ms"]))
    differences = [abs(float(str(row["difference_ms"]))) for row in compared["layers"]]
    assert differences == sorted(differences, reverse=True)
    sides = [side["side"] for side in printed(capsys, "microbench", "evaluate", folder)["sides"]]
    assert sides[-6:] == [
        *("naive sum", "layers", "layers and stacks", "layers and pairs", "layers, stacks and pairs"),
        "profiler's sum",
    ]
    peaks = tmp_path / "peaks.yaml"
    platform = "{peaks_tops: {fp32: 0.5, int8: 1.0}, memory_bandwidth_gb_s: 20.0}"
    head = "kind: sut\nschema_version: 1\nextends: cpu-onnxruntime\nname: measured\n"
    peaks.write_text(f"{head}platform: {platform}\n", encoding="utf-8")
    gaps = [gap(capsys, folder), gap(capsys, folder, "--calibrated", str(peaks))]
    assert gaps[0]["calibrated_ms"] is None
    assert float(str(gaps[1]["calibrated_ms"])) > 0
    for row in gaps:
        steps = [value for name, value in row.items() if name in STEPS and value is not None]
        assert sum(map(float, map(str, steps))) == pytest.approx(row["loadgen_ms"])
    assert "gives no prediction" in fails(
        capsys, ["analyse", "gap", folder, "--calibrated", "cpu-onnxruntime"], 2
    )
    command = ["level0", "predict", "--model", "layers", "--layers", folder, "--sut", "cpu-onnxruntime"]
    assert main([*command, "--workload", NETWORK], debug=True) == 0
    assert "pairs %" in capsys.readouterr().out
    for words in (["show", folder], ["layers", NETWORK], ["compare", folder, "--with", "profiler"]):
        assert main(["microbench", *words], debug=True) == 0


@pytest.mark.slow
def test_records_have_profiles_and_how_layers_ran(results: Path) -> None:
    for record in Store.open(results).latest():
        assert record.observed is not None
        part = record.inputs.workload.model.part
        whole = part is None
        assert bool(record.observed.profile) == (part is None or part.build.weight_copies == 1)
        assert (record.observed.execution is None) == whole


@pytest.mark.slow
def test_bad_input_for_results_is_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(results)
    capsys.readouterr()
    line = fails(capsys, ["microbench", "compare", folder, "--with", "nothing"], 2)
    assert "--with: no layers named 'nothing'; allowed: qutibench, profiler" in line
    line = fails(capsys, ["microbench", "show", folder, "--sut", "other"], 2)
    assert "has no layers of other; it has cpu-onnxruntime with 1 threads" in line
    line = fails(capsys, ["microbench", "layers", NETWORK, "--layers", str(tmp_path)], 2)
    assert str(tmp_path) in line
    for verb in ("show", "evaluate"):
        assert str(tmp_path) in fails(capsys, ["microbench", verb, str(tmp_path)], 2)
