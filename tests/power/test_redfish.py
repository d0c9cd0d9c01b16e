"""Redfish against a real HTTP server."""

from pathlib import Path

import pytest

from qutiperf.errors import InputError, SetupError
from qutiperf.power.redfish import Redfish
from tests.power.redfish_server import (
    CHASSIS,
    ROOT,
    Resources,
    collection,
    controller,
    with_environment,
    with_power_control,
    with_supplies,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (with_power_control(344.0), {"chassis": 344.0}),
        (with_environment(374.5), {"chassis": 374.5}),
        (with_supplies((120.5, 130.0)), {"supply PSU0": 120.5, "supply PSU1": 130.0}),
    ],
)
@pytest.mark.parametrize("path", ["", CHASSIS])
def test_each_schema_is_read(resources: Resources, expected: dict[str, float], path: str) -> None:
    with controller(resources) as address:
        meter = Redfish(address + path)
        assert [(rail.name, rail.counts) for rail in meter.open()] == [(name, True) for name in expected]
        assert {reading.rail: reading.value for reading in meter.read()} == expected
        assert meter.coverage == "supply"
        meter.close()


def test_a_sample_is_one_request() -> None:
    requests: list[str] = []
    with controller(with_environment(10), look=requests.append) as address:
        meter = Redfish(address)
        meter.open()
        requests.clear()
        meter.read()
        assert requests == [f"{CHASSIS}/EnvironmentMetrics"]
        meter.close()


def test_the_login_is_that_of_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with controller(with_power_control(5.0), login=("root", "calvin")) as address:
        with pytest.raises(SetupError, match=r"HTTP status 401; add to ~/\.netrc: machine HOST login USER"):
            Redfish(address).open()
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login root password calvin\n")
        netrc.chmod(0o600)
        meter = Redfish(address)
        meter.open()
        assert [reading.value for reading in meter.read()] == [5.0]
        meter.close()


def test_a_reading_that_vanishes_is_an_os_error() -> None:
    resources = with_power_control(5.0)
    with controller(resources) as address:
        meter = Redfish(address)
        meter.open()
        resources[f"{CHASSIS}/Power"] = {"PowerControl": [{"PowerConsumedWatts": None}]}
        with pytest.raises(OSError, match="has no power reading any more"):
            meter.read()
        meter.close()


def test_a_controller_that_is_gone_is_an_os_error() -> None:
    with controller(with_power_control(5.0)) as address:
        meter = Redfish(address)
        meter.open()
        meter.close()
    with pytest.raises(OSError, match="no answer"):
        meter.read()


def test_no_reading_and_several_chassis_name_the_cure() -> None:
    with controller(with_power_control(None)) as address, pytest.raises(SetupError, match="no power reading"):
        Redfish(address).open()
    two = with_power_control(1.0)
    two[f"{ROOT}/Chassis"] = collection([CHASSIS, f"{ROOT}/Chassis/2"])
    two[f"{ROOT}/Chassis/2"] = two[CHASSIS]
    with (
        controller(two) as address,
        pytest.raises(SetupError, match=r"several chassis .*; name one: redfish:"),
    ):
        Redfish(address).open()


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("bmc.lab", "is not the address"),
        ("ftp://bmc", "is not the address"),
        ("https://", "is not the address"),
        ("https://[", "is not the address"),
        ("https://root:calvin@bmc", "has a user or password"),
    ],
)
def test_a_wrong_address_is_an_input_error(argument: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as error:
        Redfish(argument)
    assert "calvin" not in str(error.value)
