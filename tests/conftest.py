"""What several tests start from."""

import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from qutiperf.cli import main
from tests.places import TESTS

FAULTY = TESTS / "faulty.py"
SutFile = Callable[..., Path]
# ignored under nohup and in the background of a script, which the tests' processes would inherit
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    """The one line on standard error of a command that must fail."""
    capsys.readouterr()
    assert main(arguments, debug=False) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each test, made when it is used: pytest's own way takes longer the more there are."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_home(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the undo journal of operating modes and the cache of samples out of the user's home."""
    home = next(_homes)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture
def sut_file(tmp_path: Path) -> SutFile:
    """Writes a SUT file for an adapter and its options; gives its path."""

    def write(adapter: str, name: str = "device", extra: str = "") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            f"kind: sut\nschema_version: 1\nname: {name}\ntitle: a device\nadapter: {adapter}\n"
            f"platform: {{family: test, source: test}}\n{extra}"
        )
        return path

    return write


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a short sweep over one system; gives its path."""

    def write(sut: str | Path, scenarios: str = "[Offline]", extra: str = "") -> Path:
        path = tmp_path / "sweep.yaml"
        threads = "threads: [1], " if str(sut).startswith("cpu-") else ""  # the others' adapters have none
        path.write_text(
            "kind: sweep\nschema_version: 1\nname: short\n"
            f"suts: [{sut}]\nworkloads: [digits-mlp-12.5-fp32]\nscenarios: {scenarios}\n"
            "settings: {min_duration_s: 0.1}\n"
            f"deployment: {{batch_size: [8], {threads}streams: [1]}}\n{extra}"
        )
        return path

    return write
