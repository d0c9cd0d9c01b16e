"""AMD GPUs: the energy accumulator of AMD SMI, checked against its power reading.

https://rocm.docs.amd.com/projects/amdsmi amdsmi_get_energy_count (accumulator times resolution in uJ),
amdsmi_get_power_info (W).
"""

from collections.abc import Callable
from time import time_ns

from qutiperf.errors import SetupError
from qutiperf.power.gpu import GpuSource, chosen_devices
from qutiperf.power.meter import Coverage, PowerMeter, Rail, Reading

_FROM_MICRO = 1e-6
_POWER_KEYS = ("current_socket_power", "average_socket_power", "socket_power")


class AmdSmi(PowerMeter):
    """`amdsmi` with one GPU, `amdsmi:0,1` with several."""

    name = "amdsmi"
    title = "energy accumulator of AMD GPUs (AMD SMI)"
    verified = "untried"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._sources: list[GpuSource] = []

    def start(self) -> list[Rail]:
        try:
            import amdsmi
        except (ImportError, OSError, KeyError):  # it loads the driver's library when it is imported
            cure = "install ROCm's amdsmi of the same version as the driver: pip install 'qutiperf[amd]'"
            raise SetupError("the package amdsmi cannot be imported", where="amdsmi", cure=cure) from None
        try:
            amdsmi.amdsmi_init()
            handles = amdsmi.amdsmi_get_processor_handles()
            for index in chosen_devices(self.argument, len(handles), "amdsmi"):
                self._add(index, handles[index])
        except amdsmi.AmdSmiException as error:
            cure = "install AMD's driver, and add the user to the groups render and video"
            raise SetupError(str(error), where="amdsmi", cure=cure) from None
        if not self._sources:
            cure = "virtual functions of a GPU have no power reading"
            raise SetupError("no power reading for this device", where="amdsmi", cure=cure)
        return [source.rail for source in self._sources]

    def _add(self, index: int, handle: object) -> None:
        import amdsmi

        name = f"gpu-{index} board"

        def joules() -> float:
            count = amdsmi.amdsmi_get_energy_count(handle)
            return float(count["energy_accumulator"]) * float(count["counter_resolution"]) * _FROM_MICRO

        def watts() -> float:
            info = amdsmi.amdsmi_get_power_info(handle)
            value = next((info[key] for key in _POWER_KEYS if isinstance(info.get(key), int)), None)
            if value is None:
                raise OSError("no power reading")
            return float(value)

        counter = _works(joules)
        if counter:
            self._sources.append(GpuSource(Rail(name, "energy"), joules))
        if _works(watts):
            rail = Rail(f"{name} power", "power", counts=not counter, checks=name if counter else None)
            self._sources.append(GpuSource(rail, watts))

    def read(self) -> list[Reading]:
        import amdsmi

        try:
            return [Reading(time_ns(), source.rail.name, source.value()) for source in self._sources]
        except amdsmi.AmdSmiException as error:
            raise OSError(f"amdsmi: {error}") from None

    @property
    def coverage(self) -> Coverage:
        return "device"

    def close(self) -> None:
        if self._sources:
            import amdsmi

            amdsmi.amdsmi_shut_down()
            self._sources.clear()


def _works(read: Callable[[], float]) -> bool:
    import amdsmi

    try:
        return read() > 0
    except (amdsmi.AmdSmiException, OSError, KeyError, TypeError, ValueError):
        return False
