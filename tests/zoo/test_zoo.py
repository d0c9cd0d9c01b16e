"""Each cheat is caught by its audit, and its honest twin by none."""

import importlib
from pathlib import Path

import pytest

from qutiperf.audit.finished_runs import FinishedRuns
from qutiperf.audit.new_runs import decide, new_run_cases
from qutiperf.audit.registry import COMPLIANCE, FINISHED, NEW_RUNS
from qutiperf.spec.audits import load_audit
from tests.places import TESTS
from tests.zoo.__main__ import main
from tests.zoo.catalogue import ACCURACY_CHECK, ADAPTER_TEST, CHEATS, Cheat
from tests.zoo.device import Device
from tests.zoo.enclosure import SILENT, Enclosure, Sight, simulated_runs

_TRIES = 3  # on a machine that is busy with other work
_RUNS = 20


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.animal)
def test_the_cheat_is_caught_and_its_twin_is_not(cheat: Cheat, tmp_path: Path) -> None:
    """Only noise that the runs themselves report excuses another try, and at last a skip."""
    wrong: list[Sight] = []
    for number in range(_TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        enclosure = Enclosure(cheat, folder)
        caught, honest = enclosure.sights()
        assert not honest.shows(cheat.evidence), honest
        sights = [honest]
        if cheat.audit != ADAPTER_TEST:
            sights += [enclosure.sight(enclosure.names[1], each) for each in (ACCURACY_CHECK, *FINISHED)]
        wrong = [each for each in sights if each.outcome == "fail"]
        wrong += [] if caught.shows(cheat.evidence) else [caught]
        if not wrong:
            return
        assert all(each.noisy for each in wrong), wrong
    pytest.skip(f"other processes keep the machine too busy to tell: {wrong[0].evidence}")


@pytest.mark.slow
def test_honest_devices_are_caught_by_no_audit(tmp_path: Path) -> None:
    """Twenty runs of a simulated device of 2 ms; two of them are measured again, which takes longer."""
    runs = simulated_runs(tmp_path, _RUNS)
    assert len(runs) == _RUNS
    finished = FinishedRuns(runs)
    verdicts = [judge(load_audit(name), run, finished) for name, judge in FINISHED.items() for run in runs]
    cases = new_run_cases(finished, ["repeat", "replay"])
    verdicts += [decide(case, SILENT).verdict for case in (cases[0], cases[-1])]
    assert len(verdicts) == _RUNS * len(FINISHED) + 2
    assert [each for each in verdicts if each.outcome == "fail"] == []


def test_the_page_has_the_table_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(CHEATS) + 2
    assert printed in (TESTS / "zoo" / "README.md").read_text()


def test_the_command_knows_its_cheats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "Dodo"]) == 2
    assert "names: CheapModel, " in capsys.readouterr().err


def test_every_cheat_has_a_class_of_its_own() -> None:
    modules = {each.module: importlib.import_module(f"tests.zoo.{each.module}") for each in CHEATS}
    assert len({each.animal for each in CHEATS}) == len(CHEATS) >= 14
    for each in CHEATS:
        assert issubclass(vars(modules[each.module])[each.animal], Device)
        assert each.audit in {ADAPTER_TEST, ACCURACY_CHECK, *COMPLIANCE, *FINISHED, *NEW_RUNS}


def test_a_sight_shows_only_what_failed() -> None:
    assert Sight("fail", ("2 of 9 answers differ",)).shows("answers differ")
    assert not Sight("pass", ("0 of 9 answers differ",)).shows("answers differ")
    assert not Sight("fail", ("too slow",)).shows("answers differ")
