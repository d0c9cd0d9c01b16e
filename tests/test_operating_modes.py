"""A system's operating modes are entered and left by their commands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from tests.conftest import SutFile

SweepFile = Callable[..., Path]


@pytest.mark.slow
def test_a_mode_is_entered_before_and_left_after(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    log = tmp_path / "log"
    modes = "\n".join(
        f'  {mode}: {{enter: [sh, -c, "echo {mode} on >> {log}"],'
        f' leave: [sh, -c, "echo {mode} off >> {log}"]}}'
        for mode in ("fast", "slow")
    )
    sut = sut_file("simulated", extra=f"options: {{latency_us: 100}}\noperating_modes:\n{modes}\n")
    sweep = sweep_file(sut)
    chosen = ["--set", "deployment.operating_mode=slow,fast", "--out", str(tmp_path / "out")]
    assert main(["run", str(sweep), *chosen], debug=False) == 0
    assert log.read_text().split("\n") == ["slow on", "slow off", "fast on", "fast off", ""]


@pytest.mark.slow
def test_a_mode_that_cannot_be_entered_tells_why_in_the_commands_words(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = '[sh, -c, "echo first >&2; echo no such board >&2; exit 255"]'
    sut = sut_file(
        "simulated", extra=f"operating_modes:\n  fast: {{enter: {failing}}}\n  dumb: {{enter: ['false']}}\n"
    )
    run = ["run", str(sweep_file(sut)), "--out", str(tmp_path / "out"), "--set"]
    assert main([*run, "deployment.operating_mode=fast"], debug=False) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert "device: operating_modes.fast.enter: sh -c" in told
    assert told.endswith("exit 255: first no such board")
    assert main([*run, "deployment.operating_mode=dumb"], debug=False) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.endswith("false: Command '['false']' returned non-zero exit status 1.")
