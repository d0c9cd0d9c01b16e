"""What a sweep names: paths and globs beside it, names that must differ, parameters that adapters have."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.host import available_cores, facts
from qutiperf.models.workload_of import workload_of_file
from qutiperf.results.store import Store
from qutiperf.run.plan import gather, make_plan
from qutiperf.run.sweep import parts_of_model
from qutiperf.spec.sweep import load_sweep
from tests.cli.test_cli import model
from tests.conftest import SutFile, fails

SweepFile = Callable[..., Path]


def workload(path: Path, name: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"kind: workload\nschema_version: 1\nname: {name}\ntask: none\n"
        "dataset: {name: synthetic, count: 4}\nmodel:\n"
        "  input: {name: x, dtype: float32, shape: [batch, 2]}\n  output: {name: y, kind: tensor}\n"
    )
    return path


def sweep_of(path: Path, suts: str, workloads: str) -> str:
    path.write_text(
        "kind: sweep\nschema_version: 1\nname: mine\nscenarios: Offline\n"
        f"suts: {suts}\nworkloads: {workloads}\n"
    )
    return str(path)


def test_a_glob_of_paths_is_relative_to_the_sweep(
    tmp_path: Path, sut_file: SutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "a"):
        workload(tmp_path / f"mine/{name}.yaml", f"workload-{name}")
    sut_file("simulated")
    path = sweep_of(tmp_path / "sweep.yaml", "device.yaml", "[mine/*.yaml]")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sweep, file = load_sweep(path, [])
    found = gather(sweep, beside=file.path.parent)
    assert list(found.suts) == ["device"]
    assert list(found.workloads) == ["workload-a", "workload-b"]
    assert list(found.digests) == [
        "sut:device",
        "workload:workload-a",
        "workload:workload-b",
        "scenario:Offline",
    ]


def test_the_working_directory_comes_first(
    tmp_path: Path, sut_file: SutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload(tmp_path / "mine/a.yaml", "beside")
    (tmp_path / "here").mkdir()
    workload(tmp_path / "here/mine/a.yaml", "here")
    sut_file("simulated")
    path = sweep_of(tmp_path / "sweep.yaml", "device.yaml", "mine/*.yaml")
    monkeypatch.chdir(tmp_path / "here")
    sweep, file = load_sweep(path, [])
    assert list(gather(sweep, beside=file.path.parent).workloads) == ["here"]


def test_two_files_of_one_name_are_refused(tmp_path: Path, sut_file: SutFile) -> None:
    one, two = workload(tmp_path / "one.yaml", "same"), workload(tmp_path / "two.yaml", "same")
    device = sut_file("simulated")
    sweep, _ = load_sweep(sweep_of(tmp_path / "sweep.yaml", str(device), f"[{one}, {two}]"), [])
    with pytest.raises(InputError) as caught:
        gather(sweep)
    line = f"{two}: name: 'same' is also that of the workload {one}; give each its own name"
    assert str(caught.value) == line
    twice, _ = load_sweep(
        sweep_of(tmp_path / "sweep.yaml", str(device), f"[{one}, '{tmp_path}/o*.yaml']"), []
    )
    assert list(gather(twice).workloads) == ["same"]


def test_a_parameter_that_the_adapter_lacks(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(sweep_file(sut_file("simulated"))), "--out", str(tmp_path / "out"), "--set"]
    for name in ("threads", "provider", "batch-size"):
        line = fails(capsys, [*words, f"deployment.{name}=1"], 2)
        assert f"short: deployment.{name}: device (simulated) has no such parameter; " in line
        assert line.endswith(
            "allowed: batch_size, classes, latency_per_input_us, latency_us, operating_mode, streams"
        )
    sweep, _ = load_sweep(words[1], ["deployment.threads=all"])
    [group] = make_plan(sweep, gather(sweep), facts()).groups
    assert "threads" not in group.runs[0].point.deployment
    device = sut_file("simulated", extra="deployment: {load: {threads: [1, 2]}}\n")
    line = fails(capsys, ["run", str(sweep_file(device)), "--out", str(tmp_path / "out")], 2)
    assert "device: deployment.threads: device (simulated) has no such parameter" in line
    device = sut_file("simulated", extra="deployment: {load: {batch_size: [1, 2]}}\n")
    line = fails(capsys, ["run", str(sweep_file(device)), "--out", str(tmp_path / "out")], 2)
    assert (
        line == "qutiperf: device: deployment.load.batch_size: does not require loading the model again; "
        "move it to deployment.tune"
    )
    assert not (tmp_path / "out").exists()


def test_every_system_of_a_model_is_a_part(tmp_path: Path, sut_file: SutFile) -> None:
    path, device = model(tmp_path / "mine.onnx", ["batch", 3]), str(sut_file("simulated"))
    suts, workload = ["cpu-onnxruntime", device, device], workload_of_file(path)
    whole, parts = parts_of_model(workload, suts, ["Offline"], [1, 8], ["settings.min_duration_s=2"])
    assert whole.name == "mine"
    assert [(list(material.suts), part.deployment) for part, material in parts] == [
        (["cpu-onnxruntime"], {"threads": "all", "batch_size": [1, 8], "streams": 1}),
        (["device"], {"batch_size": [1, 8], "streams": 1}),
    ]
    assert [part.settings.min_duration_s for part, _ in parts] == [2, 2]
    _, parts = parts_of_model(workload, ["cpu-onnxruntime"], ["Offline"], [1], ["deployment.threads=2"])
    assert parts[0][0].deployment == {"threads": 2, "batch_size": [1], "streams": 1}


@pytest.mark.slow
def test_every_system_of_a_model_is_measured(
    tmp_path: Path, sut_file: SutFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path, device = model(tmp_path / "mine.onnx", ["batch", 3]), sut_file("simulated")
    words = ["run", "--model", str(path), "--sut", "cpu-onnxruntime", "--sut", str(device), "--json"]
    short = ["--set", "settings.min_duration_s=0.05", "--scenario", "Offline", "--out", str(tmp_path / "out")]
    assert main([*words, *short], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["sut"], row["valid"]) for row in rows] == [("cpu-onnxruntime", True), ("device", True)]
    points = {record.point.sut: record.point for record in Store.open(tmp_path / "out").latest()}
    assert "threads" not in points["device"].deployment
    assert points["cpu-onnxruntime"].deployment["threads"] == available_cores()
