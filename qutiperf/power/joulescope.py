"""Joulescope JS110 and JS220: DC energy analysers on USB, by their accumulated energy.

https://joulescope.readthedocs.io statistics_callback_register: the device sends statistics at its own rate.
"""

from collections.abc import Mapping
from threading import Event, Lock
from time import time_ns
from typing import Protocol

from qutiperf.errors import SetupError
from qutiperf.power.meter import Coverage, PowerMeter, Rail, Reading

_RAIL = "supply"
_FIRST_S = 5.0
_UPDATE_S = 0.5  # two statistics a second is the default of both devices
_SILENT_S = 5.0


class _Analyser(Protocol):
    """The part of joulescope's Device that is used."""

    def open(self) -> None: ...
    def statistics_callback_register(self, callback: object, source: str) -> None: ...
    def close(self) -> None: ...


class Joulescope(PowerMeter):
    """`joulescope` with one device connected."""

    name = "joulescope"
    title = "Joulescope JS110 or JS220 in the supply of the device"
    verified = "untried"
    stamped = True

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._device: _Analyser | None = None
        self._lock, self._first = Lock(), Event()
        self._readings: list[Reading] = []
        self._last_ns = 0

    def start(self) -> list[Rail]:
        try:
            import joulescope
        except ImportError:
            cure = "pip install 'qutiperf[joulescope]'"
            raise SetupError("the package is not installed", where="joulescope", cure=cure) from None
        cure = "connect one Joulescope, install its udev rules, and close other programs that use it"
        try:
            self._device = joulescope.scan_require_one(config="auto")
            self._device.open()
            self._device.statistics_callback_register(self._take, "sensor")
        except (OSError, RuntimeError, ValueError) as error:
            raise SetupError(str(error), where="joulescope", cure=cure) from None
        if not self._first.wait(_FIRST_S):
            raise SetupError(f"no reading within {_FIRST_S:.0f} s", where="joulescope", cure=cure)
        return [Rail(_RAIL, "energy", update_s=_UPDATE_S)]

    def _take(self, statistics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
        """Called from the driver's thread."""
        moment = time_ns()
        with self._lock:
            energy = float(statistics["accumulators"]["energy"]["value"])
            self._readings.append(Reading(moment, _RAIL, energy))
            self._last_ns = moment
        self._first.set()

    def read(self) -> list[Reading]:
        with self._lock:
            readings, self._readings = self._readings, []
        if time_ns() - self._last_ns > _SILENT_S * 1e9:
            raise OSError(f"joulescope: no reading for {_SILENT_S:.0f} s")
        return readings

    @property
    def coverage(self) -> Coverage:
        return "analyser"

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None
