"""AMD GPUs: the energy accumulator of AMD SMI, checked against its power reading.

https://rocm.docs.amd.com/projects/amdsmi amdsmi_get_energy_count (accumulator times resolution in uJ),
amdsmi_get_power_info (W).
"""

from collections.abc import Callable

from qutiperf.errors import SetupError
from qutiperf.power.gpu import GpuMeter, chosen_devices
from qutiperf.power.meter import Rail

_FROM_MICRO = 1e-6
_POWER_KEYS = ("current_socket_power", "average_socket_power", "socket_power")


class AmdSmi(GpuMeter):
    """`amdsmi` with one GPU, `amdsmi:0,1` with several."""

    name = "amdsmi"
    title = "energy accumulator of AMD GPUs (AMD SMI)"
    verified = "untried"

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
        return self.rails("virtual functions of a GPU have none: name another device")

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

        self.add(name, joules, watts, _works)

    def errors(self) -> tuple[type[Exception], ...]:
        import amdsmi

        return (amdsmi.AmdSmiException,)

    def shut_down(self) -> None:
        import amdsmi

        amdsmi.amdsmi_shut_down()


def _works(read: Callable[[], float]) -> bool:
    import amdsmi

    try:
        return read() > 0
    except (amdsmi.AmdSmiException, OSError, KeyError, TypeError, ValueError):
        return False
