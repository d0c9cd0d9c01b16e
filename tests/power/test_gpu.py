"""Devices by their numbers."""

import pytest

from qutiperf.errors import SetupError
from qutiperf.power.gpu import chosen_devices


def test_the_only_device_needs_no_name() -> None:
    assert chosen_devices("", 1, "nvml") == [0]
    assert chosen_devices("2,0", 3, "nvml") == [2, 0]


@pytest.mark.parametrize("argument", ["3", "-1", "0,0", "a", "0,", "²"])
def test_a_device_that_is_not_there(argument: str) -> None:
    with pytest.raises(SetupError, match="are not devices of this machine; name devices of 0 to 2"):
        chosen_devices(argument, 3, "nvml")


def test_of_several_devices_those_of_the_run_are_named() -> None:
    with pytest.raises(SetupError, match="4 devices; name those that the runs use: --power nvml:0"):
        chosen_devices("", 4, "nvml")


def test_no_device_is_a_setup_error() -> None:
    with pytest.raises(SetupError, match="no device; check its driver"):
        chosen_devices("", 0, "amdsmi")
