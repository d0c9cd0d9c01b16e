"""NVIDIA GPUs: the energy counter of NVML, checked against its power reading.

https://docs.nvidia.com/deploy/nvml-api/ nvmlDeviceGetTotalEnergyConsumption (mJ, Volta or newer),
nvmlDeviceGetPowerUsage (mW). On Grace Hopper and Grace Blackwell the counter is that of the module.
"""

from collections.abc import Callable
from time import time_ns

from qutiperf.errors import SetupError
from qutiperf.power.gpu import GpuSource, chosen_devices
from qutiperf.power.meter import Coverage, PowerMeter, Rail, Reading

_FROM_MILLI = 1e-3
_MODULES = ("GH200", "GB200", "GB300", "GB10", "Grace")
_UPDATE_S = 0.1  # of the counter, measured by others on A100 and H100 as 20 to 100 ms


class Nvml(PowerMeter):
    """`nvml` with one GPU, `nvml:0,1` with several."""

    name = "nvml"
    title = "energy counter of NVIDIA GPUs (NVML)"
    verified = "untried"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._sources: list[GpuSource] = []

    def start(self) -> list[Rail]:
        try:
            import pynvml
        except ImportError:
            cure = "pip install 'qutiperf[nvidia]'"
            raise SetupError("the package nvidia-ml-py is not installed", where="nvml", cure=cure) from None
        try:
            pynvml.nvmlInit()
            for index in chosen_devices(self.argument, pynvml.nvmlDeviceGetCount(), "nvml"):
                self._add(index)
        except pynvml.NVMLError as error:
            cure = "install NVIDIA's driver; on a Jetson use the meter ina"
            raise SetupError(str(error), where="nvml", cure=cure) from None
        if not self._sources:
            cure = "on a Jetson use the meter ina"
            raise SetupError("NVML has no power reading for this device", where="nvml", cure=cure)
        return [source.rail for source in self._sources]

    def _add(self, index: int) -> None:
        """The counter with the power reading as a check, or that alone on GPUs before Volta."""
        import pynvml

        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        product = str(pynvml.nvmlDeviceGetName(handle))
        whole = "module" if any(name in product for name in _MODULES) else "board"
        name = f"gpu-{index} {whole}"

        def joules() -> float:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * _FROM_MILLI

        def watts() -> float:
            return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * _FROM_MILLI

        counter = _works(joules, pynvml.NVMLError)
        if counter:
            self._sources.append(GpuSource(Rail(name, "energy", update_s=_UPDATE_S), joules))
        if _works(watts, pynvml.NVMLError):
            rail = Rail(f"{name} power", "power", counts=not counter, checks=name if counter else None)
            self._sources.append(GpuSource(rail, watts))

    def read(self) -> list[Reading]:
        import pynvml

        try:
            return [Reading(time_ns(), source.rail.name, source.value()) for source in self._sources]
        except pynvml.NVMLError as error:
            raise OSError(f"nvml: {error}") from None

    @property
    def coverage(self) -> Coverage:
        return "device"

    def close(self) -> None:
        if self._sources:
            import pynvml

            pynvml.nvmlShutdown()
            self._sources.clear()


def _works(read: Callable[[], float], error: type[Exception]) -> bool:
    try:
        read()
    except error:
        return False
    return True
