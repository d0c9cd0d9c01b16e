"""Conditions before a run: read from recorded trees, waited for, and given up with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.errors import RunError, SetupError
from qutiperf.results.store import Store
from qutiperf.run.preconditions import Readiness, battery_percent, check_before
from qutiperf.spec.before import Before
from tests.conftest import SutFile, fails

SweepFile = Callable[..., Path]


class Tree:
    """A machine's files; `then` are changed before each further look."""

    def __init__(self, root: Path) -> None:
        self.root, self.slept, self._changes = root, 0.0, list[dict[str, str]]()

    def write(self, **files: str) -> None:
        names = {
            "temperature": "sys/class/thermal/thermal_zone0/temp",
            "stat": "proc/stat",
            "battery": "sys/class/power_supply/BAT0/capacity",
        }
        for name, text in files.items():
            path = self.root / names[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
            if name == "battery":
                (path.parent / "type").write_text("Battery\n")

    def then(self, *changes: dict[str, str]) -> None:
        self._changes = list(changes)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self._changes:
            self.write(**self._changes.pop(0))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "machine")


def test_it_waits_until_the_machine_is_cool_and_says_so_once(tree: Tree) -> None:
    tree.write(temperature="71000")
    tree.then({"temperature": "65000"}, {"temperature": "60000"}, {"temperature": "59500"})
    said: list[str] = []
    waited = Readiness(Before(temperature_below_c=60), tree.root, tree.sleep).wait(said.append)
    assert waited.met == {"temperature_below_c": 59.5}
    assert tree.slept == 3
    assert said == ["waits up to 5 min 0 s: the temperature is 65 °C, not below 60 °C"]


def test_a_machine_that_is_ready_is_not_waited_for(tree: Tree) -> None:
    tree.write(temperature="40000", battery="80", stat="cpu 10 0 10 100 0 0 0 0 0 0")
    tree.then({"stat": "cpu 12 0 13 195 0 0 0 0 0 0"})
    said: list[str] = []
    before = Before(temperature_below_c=60, busy_below_percent=10, battery_above_percent=50)
    waited = Readiness(before, tree.root, tree.sleep).wait(said.append)
    assert waited.met == {
        "temperature_below_c": 40,
        "busy_below_percent": 5,
        "battery_above_percent": 80,
    }
    assert (tree.slept, said) == (1, [])


def test_the_cores_are_busy_since_the_last_look(tree: Tree) -> None:
    tree.write(stat="cpu 100 0 0 100 0 0 0 0 0 0")
    tree.then({"stat": "cpu 150 0 0 150 0 0 0 0 0 0"}, {"stat": "cpu 150 0 0 250 0 0 0 0 0 0"})
    waited = Readiness(Before(busy_below_percent=10), tree.root, tree.sleep).wait(print)
    assert waited.met == {"busy_below_percent": 0}
    assert tree.slept == 2


def test_it_gives_up_after_the_limit_with_every_reason(tree: Tree) -> None:
    tree.write(temperature="71000", battery="20")
    before = Before(temperature_below_c=60, battery_above_percent=50, pause_s=2, wait_limit_s=4)
    with pytest.raises(RunError) as caught:
        Readiness(before, tree.root, tree.sleep).wait(lambda _: None)
    assert str(caught.value) == (
        "was not started: after 4 s, the temperature is 71 °C, not below 60 °C and the battery is 20 %, "
        "not above 50 %; see before.temperature_below_c, before.battery_above_percent and before.wait_limit_s"
    )
    assert tree.slept == 2 + 5


def test_a_sensor_that_vanishes_is_unknown(tree: Tree) -> None:
    before = Before(temperature_below_c=60, wait_limit_s=0)
    with pytest.raises(RunError, match="the temperature is unknown, not below 60 °C"):
        Readiness(before, tree.root, tree.sleep).wait(lambda _: None)


def test_a_pause_alone(tree: Tree) -> None:
    said: list[str] = []
    Readiness(Before(pause_s=5), tree.root, tree.sleep).wait(said.append)
    assert (tree.slept, said) == (5, [])
    Readiness(Before(pause_s=90), tree.root, tree.sleep).wait(said.append)
    assert said == ["pauses for 1 min 30 s"]


def test_batteries_of_devices_do_not_count(tree: Tree) -> None:
    assert battery_percent(tree.root) is None
    tree.write(battery="30")
    mouse = tree.root / "sys/class/power_supply/hidpp_battery_0"
    mouse.mkdir()
    for name, text in (("type", "Battery"), ("scope", "Device"), ("capacity", "5")):
        (mouse / name).write_text(text)
    assert battery_percent(tree.root) == 30
    tree.write(battery="unknown")
    assert battery_percent(tree.root) is None


@pytest.mark.parametrize("key", ["temperature_below_c", "busy_below_percent", "battery_above_percent"])
def test_a_condition_that_the_machine_does_not_report_is_an_error(tree: Tree, key: str) -> None:
    with pytest.raises(SetupError, match=f"before.{key}: this machine does not report it; leave"):
        check_before(Before.model_validate({key: 50.0}), tree.root)
    tree.write(temperature="40000", battery="80", stat="cpu 10 0 10 100 0 0 0 0 0 0")
    check_before(Before.model_validate({key: 50.0}), tree.root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{pause_s: -1}", "before.pause_s: "),
        ("{wait_limit_s: 1e9}", "before.wait_limit_s: "),
        ("{temperature_below_c: hot}", "before.temperature_below_c: "),
        ("{busy_below_percent: 0}", "before.busy_below_percent: "),
        ("{cool: 1}", "before.cool: unknown key"),
        ("5", "before: "),
    ],
)
def test_wrong_conditions(
    sut_file: SutFile,
    sweep_file: SweepFile,
    capsys: pytest.CaptureFixture[str],
    text: str,
    message: str,
) -> None:
    sweep = sweep_file(sut_file("simulated"), extra=f"before: {text}\n")
    assert message in fails(capsys, ["plan", str(sweep)], 2)


@pytest.mark.slow
def test_a_run_waits_and_its_record_says_how_long(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    conditions = "before: {pause_s: 1.5}\n"
    assert main(["run", str(sweep_file(sut_file("simulated"), extra=conditions)), "--out", str(out)]) == 0
    records = {record.point.mode.value: record for record in Store.open(out).latest()}
    performance, accuracy = records["PerformanceOnly"], records["AccuracyOnly"]
    assert performance.observed is not None
    assert performance.observed.waited is not None
    assert performance.observed.waited.seconds >= 1.5
    assert performance.inputs.before == Before(pause_s=1.5)
    assert accuracy.observed is not None
    assert accuracy.observed.waited is None


@pytest.mark.slow
def test_a_run_whose_conditions_do_not_hold_fails_and_the_same_command_tries_again(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    # the worker itself uses more than this of the cores while it looks
    conditions = "before: {busy_below_percent: 0.0001, wait_limit_s: 1}\nmodes: PerformanceOnly\nrepeats: 2\n"
    command = ["run", str(sweep_file(sut_file("simulated"), extra=conditions)), "--out", str(out)]
    assert main(command) == 4
    assert "waits up to 1 s: the use of the cores is " in capsys.readouterr().err
    records = Store.open(out).latest()
    assert len(records) == 2
    for record in records:
        assert record.failure is not None
        assert (record.failure.stage, record.failure.kind) == ("before", "condition")
        assert "was not started: after 1 s, the use of the cores is " in record.failure.reason
    assert main(["explain", str(out), "--details"]) == 0
    assert "failed: a condition did not hold before the run: " in capsys.readouterr().out
    assert main([*command, "--set", "before={pause_s: 0}"]) == 0
    assert all(record.valid for record in Store.open(out).latest())
