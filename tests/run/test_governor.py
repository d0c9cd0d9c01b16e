"""The frequency governor, on a tree with the layout of cpufreq."""

import os
import subprocess
from pathlib import Path

import pytest

from qutiperf.errors import SetupError
from qutiperf.run import governor as module
from qutiperf.run.governor import apply, check_governor, commands, governors, main

AVAILABLE = "performance powersave schedutil"


def cpus(root: Path, *current: str) -> Path:
    for number, governor in enumerate(current):
        folder = root / f"cpu{number}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
        (folder / "scaling_available_governors").write_text(f"{AVAILABLE}\n")
    (root / "cpufreq").mkdir(exist_ok=True)  # beside them, with the settings of all
    return root


def test_a_governor_is_set_on_every_cpu_and_each_gets_its_own_back(tmp_path: Path) -> None:
    root = cpus(tmp_path, "powersave", "schedutil", "powersave")
    enter, leave = commands("performance", root)
    assert enter[-1] == "performance=0,1,2"
    assert leave[-2:] == ["powersave=0,2", "schedutil=1"]
    assert main(enter[4:]) == 0
    assert governors(root) == {0: "performance", 1: "performance", 2: "performance"}
    assert main(leave[4:]) == 0
    assert governors(root) == {0: "powersave", 1: "schedutil", 2: "powersave"}


def test_more_than_ten_cpus_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = cpus(tmp_path, *["powersave"] * 12)
    assert list(governors(root)) == list(range(12))


@pytest.mark.slow
def test_the_commands_are_those_of_a_process(tmp_path: Path) -> None:
    root = cpus(tmp_path, "powersave")
    enter, leave = commands("schedutil", root)
    assert subprocess.run(enter, check=False).returncode == 0
    assert governors(root) == {0: "schedutil"}
    assert subprocess.run(leave, check=False).returncode == 0
    assert governors(root) == {0: "powersave"}


def test_a_cpu_that_is_gone_is_a_setup_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetupError, match="cpu7/cpufreq/scaling_governor: cannot be set: No such file"):
        apply(["performance=7"], tmp_path)
    assert main([f"--root={tmp_path}", "performance=7"]) == 3
    assert "cannot be set" in capsys.readouterr().err
    assert main([f"--root={tmp_path}", "performance=x"]) == 2


def test_what_a_machine_lacks_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="here: this machine has no frequency governor; choose another mode"):
        check_governor("performance", "here", tmp_path)
    root = cpus(tmp_path, "powersave")
    check_governor("schedutil", "here", root)
    with pytest.raises(SetupError, match="CPU 0 has no governor 'performence'; did you mean 'performance'"):
        check_governor("performence", "here", root)
    if os.geteuid():
        (root / "cpu0/cpufreq/scaling_governor").chmod(0o444)
    else:  # root writes everything
        monkeypatch.setattr(module, "_writable", lambda _: False)
    with pytest.raises(SetupError, match="only root may set the frequency governor; run as root"):
        check_governor("schedutil", "here", root)
