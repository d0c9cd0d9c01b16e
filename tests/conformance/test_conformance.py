"""The conformance kit finds each planted fault by its own check, and none in honest adapters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qutiperf.conformance import kit
from qutiperf.conformance.checks import CHECKS, check
from qutiperf.conformance.finding import CheckFinding
from qutiperf.conformance.lasting import robust_slope
from qutiperf.conformance.timing import ratio_interval
from qutiperf.run.child import Nursery
from qutiperf.spec import catalog
from tests.conftest import FAULTY, SutFile, fails
from tests.offenders import PLANTED
from tests.places import TESTS

OFFENDERS = TESTS / "offenders.py"
BUDGET_S = 0.15
SEEN = {
    "ThroughAGlobal": "two instances in parallel: outputs differ by up to ",
    "BatchDependent": "a batch of 8: outputs differ by up to ",
    "RaisesOnPartial": "1 of 8: ValueError: 1 samples, built for 8",
    "LabelShifted": "right at label_offset 0, but ",
    "SwapsChannels": "NCHW: red and blue are swapped (RGB read as BGR)",
    "MisreadsLayout": "NHWC: the layout is read as NCHW",
    "Mirrors": "the answer to a bright pixel at 0 differs from onnxruntime's",
    "LosesFraction": "float32 input 0.02 reaches the model as 0",
    "ChangesInput": "infer() changes its input",
    "SharesOutputs": "a call of a second instance overwrites the outputs of the first",
    "SlowClock": "compute_ns is 1000000000000, but the call took ",
    "ConstantClock": "compute_ns is 1 every time, for every batch",
    "FlatClock": "times as long, compute_ns 1.00 times",
    "Caches": "answers are cached",
    "Leaks": "memory grows by ",
    "LoadsOnce": "load() after close(): RuntimeError: the device is busy",
    "LeavesFilesOpen": "each load() and close() leaves 1 open files behind",
}


def found(sut: Path, name: str, folder: Path, budget_s: float = BUDGET_S) -> CheckFinding:
    longer = {"memory": 30.0, "caching": 4 * budget_s}.get(name, budget_s)  # memory ends after its calls
    job = kit.job_for(str(sut), None, longer)
    if name != "memory":
        return check(name, job, folder)
    with Nursery() as nursery:  # memory that earlier tests have freed here would hide a leak
        return kit.in_process(nursery, name, job, folder, 60.0)


@pytest.mark.slow
@pytest.mark.parametrize("offender", [each.__name__ for each in PLANTED])
def test_each_fault_is_found(offender: str, tmp_path: Path, sut_file: SutFile) -> None:
    planted = {each.__name__: name for each, name in PLANTED.items()}[offender]
    finding = found(sut_file(f"{OFFENDERS}:{offender}"), planted, tmp_path)
    assert (finding.check, finding.verdict) == (planted, "FAIL")
    assert SEEN[offender] in finding.seen


@pytest.mark.slow
@pytest.mark.parametrize("offender", [each.__name__ for each in PLANTED])
def test_each_fault_fails_one_check_alone(offender: str, sut_file: SutFile) -> None:
    planted = {each.__name__: name for each, name in PLANTED.items()}[offender]
    report = kit.run_kit(kit.job_for(str(sut_file(f"{OFFENDERS}:{offender}")), None), lambda _: None)
    failed = {each.check for each in report.findings if each.verdict == "FAIL"}
    if offender == "SharesOutputs":  # two threads share them too, and now and then read the other's answers
        failed.discard("threads")
    assert failed == {planted}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHECKS))
def test_an_honest_adapter_passes(name: str, tmp_path: Path, sut_file: SutFile) -> None:
    finding = found(sut_file(f"{OFFENDERS}:Honest"), name, tmp_path)
    assert finding.verdict == ("skipped" if name == "timers" else "pass"), finding.seen
    assert finding.calls > 0


def test_another_format_is_held_against_the_onnx_file(tmp_path: Path, sut_file: SutFile) -> None:
    finding = found(sut_file(f"{OFFENDERS}:OtherFormat"), "layout", tmp_path, budget_s=2)
    seen = "64 images with one bright pixel: same answers as onnxruntime"
    assert (finding.verdict, finding.seen) == ("pass", seen)
    skipped = found(sut_file(f"{OFFENDERS}:OtherFormat"), "values", tmp_path)
    assert (skipped.verdict, skipped.seen) == (
        "skipped",
        "the probe is an ONNX file; the adapter loads .tflite",
    )


@pytest.mark.slow
def test_the_simulated_device_passes_where_it_applies(tmp_path: Path, sut_file: SutFile) -> None:
    options = "options: {latency_us: 300.0, latency_per_input_us: 100.0}\n"
    sut = sut_file("simulated", extra=options)
    verdicts = {name: found(sut, name, tmp_path).verdict for name in CHECKS if name != "memory"}
    skipped = {name for name, verdict in verdicts.items() if verdict == "skipped"}
    assert skipped == {"labels", "layout", "values"}
    assert "FAIL" not in verdicts.values()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offender", "seen"),
    [
        ("Exits", "the process ended with exit status 5"),
        ("NoNumbers", "outputs contain NaN or infinity"),
    ],
)
def test_an_adapter_that_does_not_answer_leaves_nothing_to_check(
    offender: str, seen: str, sut_file: SutFile
) -> None:
    report = kit.run_kit(kit.job_for(str(sut_file(f"{OFFENDERS}:{offender}")), None), lambda _: None)
    assert (report.findings[0].verdict, report.findings[0].seen) == ("FAIL", seen)
    assert {each.verdict for each in report.findings[1:]} == {"skipped"}
    assert [each.check for each in report.findings] == list(CHECKS)


@pytest.mark.slow
def test_a_hang_is_a_verdict(tmp_path: Path, sut_file: SutFile) -> None:
    job = kit.job_for(str(sut_file(f"{OFFENDERS}:Hangs")), None, 0.1)
    with Nursery() as nursery:
        finding = kit.in_process(nursery, "reload", job, tmp_path, limit_s=2)
    assert (finding.verdict, finding.seen) == ("FAIL", "did not finish within 2 s: it hangs")


@pytest.mark.slow
@pytest.mark.parametrize("sut", ["cpu-onnxruntime", "examples/my_adapter"])
def test_shipped_adapters_pass_through_the_command_line(sut: str, tmp_path: Path) -> None:
    out = tmp_path / "verdict.json"
    command = [sys.executable, "-m", "qutiperf", "adapter", "test", sut, "--json", "--out", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    verdict = json.loads(done.stdout)
    assert verdict == json.loads(out.read_text())
    assert (verdict["schema_version"], verdict["kind"], verdict["passed"]) == (1, "conformance", True)
    assert [each["check"] for each in verdict["findings"]] == list(CHECKS)
    assert "FAIL" not in {each["verdict"] for each in verdict["findings"]}


def test_bad_input_has_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sut_file: SutFile
) -> None:
    line = fails(capsys, ["adapter", "test", "cpu-onnxruntim"], 2)
    assert "no sut named 'cpu-onnxruntim', and no file with that path" in line
    (tmp_path / "there.json").touch()
    line = fails(capsys, ["adapter", "test", "cpu-onnxruntime", "--out", str(tmp_path / "there.json")], 2)
    assert "exists already" in line
    missing = sut_file(f"{FAULTY}:NotInstalled")
    assert "a_runtime_that_nobody_has is not installed" in fails(capsys, ["adapter", "test", str(missing)], 3)


@pytest.mark.slow
def test_one_failure_is_exit_code_1(capsys: pytest.CaptureFixture[str], sut_file: SutFile) -> None:
    from qutiperf.cli import main

    assert main(["adapter", "test", str(sut_file(f"{OFFENDERS}:Exits"))], debug=False) == 1
    shown = capsys.readouterr().out
    assert "exit status 5" in shown
    assert shown.count("skipped") == len(CHECKS) - 1


def test_slope_and_interval_by_hand() -> None:
    assert robust_slope([(0, 0), (10, 40), (20, 80), (30, 1_000_000), (40, 160)]) == 4.0
    assert ratio_interval([5] * 30, [10] * 30) == (0.5, 0.5, 0.5)


@pytest.mark.slow
def test_new_writes_what_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from qutiperf.cli import main

    assert main(["adapter", "new", "my-npu", "--folder", str(tmp_path)], debug=False) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"  qutiperf adapter test {tmp_path / 'my_npu.yaml'}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_npu.py", "my_npu.yaml", "test_my_npu.py"]
    assert "adapter: my_npu.py:MyNpu " in (tmp_path / "my_npu.yaml").read_text()
    assert "verified_on_hardware" not in (tmp_path / "my_npu.yaml").read_text()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
    assert "exists already" in fails(capsys, ["adapter", "new", "my-npu", "--folder", str(tmp_path)], 2)


@pytest.mark.slow
def test_what_new_writes_passes_the_kit(tmp_path: Path) -> None:
    from qutiperf.conformance.scaffold import write

    _, system, _ = write("my-npu", tmp_path)
    assert kit.run_kit(kit.job_for(str(system), None), lambda _: None).passed


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("2fast", "'2fast' cannot name an adapter"),
        ("a b", "'a b' cannot name an adapter"),
        ("class", "'class' cannot name an adapter"),
        ("../x", "'../x' cannot name an adapter"),
        ("onnxruntime", "'onnxruntime' is the name of a shipped adapter"),
        ("cpu-onnxruntime", "'cpu-onnxruntime' is the name of a shipped adapter"),
        ("my_adapter", "'my_adapter' is the name of a shipped adapter"),
    ],
)
def test_new_refuses_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, problem: str
) -> None:
    assert problem in fails(capsys, ["adapter", "new", name, "--folder", str(tmp_path)], 2)
    assert list(tmp_path.iterdir()) == []


def test_the_example_ships() -> None:
    assert (catalog.root() / "sut/examples/test_my_adapter.py").is_file()
