"""Devices by their numbers."""

import pytest

from qutiperf.errors import SetupError
from qutiperf.power.gpu import GpuMeter, chosen_devices
from qutiperf.power.meter import Rail


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


class Counted(GpuMeter):
    """A device whose counter or power reading may be absent."""

    name = "counted"
    title = "made for tests"
    verified = "untried"
    broken = False

    def start(self) -> list[Rail]:
        self.add("gpu-0 board", lambda: 5.0, self.watts, lambda read: read() > float(self.argument), 0.1)
        return self.rails("name another device")

    def watts(self) -> float:
        if self.broken:
            raise ZeroDivisionError("it is gone")
        return 40.0

    def errors(self) -> tuple[type[Exception], ...]:
        return (ZeroDivisionError,)

    def shut_down(self) -> None:
        self.broken = True


def test_the_counter_counts_and_the_power_reading_checks_it() -> None:
    meter = Counted("0")
    assert meter.open() == [
        Rail("gpu-0 board", "energy", update_s=0.1),
        Rail("gpu-0 board power", "power", counts=False, checks="gpu-0 board"),
    ]
    assert [(each.rail, each.value) for each in meter.read()] == [
        ("gpu-0 board", 5.0),
        ("gpu-0 board power", 40.0),
    ]
    meter.broken = True
    with pytest.raises(OSError, match="counted: it is gone"):
        meter.read()
    meter.close()
    assert meter.read() == []


def test_without_a_counter_the_power_reading_counts() -> None:
    assert Counted("10").open() == [Rail("gpu-0 board power", "power")]
    with pytest.raises(SetupError, match="counted has no power reading for this device; name another device"):
        Counted("100").open()
