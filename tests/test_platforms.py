"""Every system that ships says truly how it is reached."""

import re

import pytest

from qutiperf.adapters.registry import adapter_class, make_options, option_names
from qutiperf.cli import main
from qutiperf.level0.capability import peaks_of
from qutiperf.spec import catalog
from qutiperf.spec.sut import SystemUnderTest, load_sut
from tests.places import CHECKOUT

SUTS = catalog.names("sut")
BOARDS = [name for name in SUTS if not name.startswith(("cpu-", "cuda-", "examples/", "open-inference"))]
PAGE = CHECKOUT / "docs/platforms.md"


@pytest.mark.parametrize("name", SUTS)
def test_every_system_can_be_reached(name: str) -> None:
    """Its adapter exists and takes its options, every deployment parameter is one, every mode is there."""
    system, file = load_sut(name)
    adapter = adapter_class(system.adapter)
    make_options(adapter, dict(system.options), str(file.path))
    offered = {**system.deployment.load, **system.deployment.tune}
    assert set(offered) <= {"batch_size", "streams", "operating_mode", *option_names(adapter)}
    assert set(offered.get("operating_mode", [])) <= set(system.operating_modes)
    assert set(system.model_suffixes) <= set(adapter.model_suffixes)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_says_how_and_what(name: str) -> None:
    system, file = load_sut(name)
    assert file.path.read_text().startswith("# Reached ")
    assert set(system.description) == {"accelerator_model_name", "framework"}
    assert system.verified_on_hardware is None


def hosts(system: SystemUnderTest) -> set[str]:
    """Where the system's address and the commands of its modes lead."""
    words = [word for mode in system.operating_modes.values() for word in [*mode.enter, *mode.leave]]
    return set(
        re.findall(r"[\w-]+\.invalid|127\.0\.0\.1", f"{system.options.get('url', '')} {' '.join(words)}")
    )


@pytest.mark.parametrize("name", [name for name in BOARDS if load_sut(name)[0].adapter == "open_inference"])
def test_a_placeholder_is_one_host_that_leads_nowhere(name: str) -> None:
    [host] = hosts(load_sut(name)[0])
    assert host.endswith(".invalid") or name == "NCS"


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("TX2", {"maxn": "0", "maxp": "2", "maxq": "1"}),
        ("Jetson-Nano", {"maxn": "0", "5w": "1"}),
        ("Jetson-AGX-Xavier", {"maxn": "0", "30w": "3", "15w": "2", "10w": "1"}),
        ("Jetson-AGX-Orin", {"maxn": "0", "50w": "3", "30w": "2", "15w": "1"}),
    ],
)
def test_modes_of_jetsons_are_those_of_nvpmodel(name: str, modes: dict[str, str]) -> None:
    found = load_sut(name)[0].operating_modes
    assert {mode: command.enter[-1] for mode, command in found.items()} == modes


def test_peaks_are_stated_for_the_modes_that_have_them() -> None:
    orin = load_sut("Jetson-AGX-Orin")[0].platform
    assert peaks_of(orin, "maxn", "here") == {"int8": 85.0, "fp16": 42.5, "fp32": 5.3}
    assert orin.peaks_tops is None
    assert set(orin.operating_mode_peaks_tops) == {"maxn"}


def test_the_page_lists_every_board_and_its_adapter() -> None:
    rows = re.findall(r"^\| ([\w-]+) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == {name: load_sut(name)[0].adapter for name in BOARDS}


def test_the_list_of_systems_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "suts"], debug=False) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 120
    [line] = [line for line in lines if line.lstrip().startswith("TX2 ")]
    assert line.split() == ["TX2", "NVIDIA", "Jetson", "TX2", "open_inference", "never"]
