"""The command line on layers, pairs and a whole network, measured for real."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.results.store import Store
from tests.conftest import fails

NETWORK = "digits-mlp-12.5-fp32"


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


@pytest.mark.slow
def test_every_table(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    differences = [abs(float(str(row["difference_ms"]))) for row in compared["layers"]]
    assert differences == sorted(differences, reverse=True)
    sides = [side["side"] for side in printed(capsys, "microbench", "evaluate", folder)["sides"]]
    assert sides[-5:] == [
        *("naive sum", "layers", "layers and stacks", "layers, stacks and pairs", "profiler's sum"),
    ]
    command = ["level0", "predict", "--model", "layers", "--layers", folder, "--sut", "cpu-onnxruntime"]
    assert main([*command, "--workload", NETWORK], debug=True) == 0
    assert "pairs %" in capsys.readouterr().out
    for words in (["show", folder], ["layers", NETWORK], ["compare", folder, "--with", "profiler"]):
        assert main(["microbench", *words], debug=True) == 0


@pytest.mark.slow
def test_records_have_profiles_and_how_layers_ran(results: Path) -> None:
    for record in Store.open(results).latest():
        assert record.observed is not None
        whole = record.inputs.workload.model.part is None
        assert bool(record.observed.profile) == whole
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
