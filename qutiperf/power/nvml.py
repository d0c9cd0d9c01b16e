"""NVIDIA GPUs: the energy counter of NVML, checked against its power reading.

https://docs.nvidia.com/deploy/nvml-api/ nvmlDeviceGetTotalEnergyConsumption (mJ, Volta or newer),
nvmlDeviceGetPowerUsage (mW). On Grace Hopper and Grace Blackwell the counter is that of the module.
"""

from collections.abc import Callable

from qutiperf.errors import SetupError
from qutiperf.power.gpu import GpuMeter, chosen_devices
from qutiperf.power.meter import Rail

_FROM_MILLI = 1e-3
_MODULES = ("GH200", "GB200", "GB300", "GB10", "Grace")
_UPDATE_S = 0.1  # of the counter, measured by others on A100 and H100 as 20 to 100 ms


class Nvml(GpuMeter):
    """`nvml` with one GPU, `nvml:0,1` with several."""

    name = "nvml"
    title = "energy counter of NVIDIA GPUs (NVML)"
    verified = "untried"

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
        return self.rails("on a Jetson use the meter ina")

    def _add(self, index: int) -> None:
        """GPUs before Volta have no counter."""
        import pynvml

        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        product = str(pynvml.nvmlDeviceGetName(handle))
        whole = "module" if any(name in product for name in _MODULES) else "board"
        name = f"gpu-{index} {whole}"

        def joules() -> float:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * _FROM_MILLI

        def watts() -> float:
            return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * _FROM_MILLI

        self.add(name, joules, watts, _works, _UPDATE_S)

    def errors(self) -> tuple[type[Exception], ...]:
        import pynvml

        return (pynvml.NVMLError,)

    def shut_down(self) -> None:
        import pynvml

        pynvml.nvmlShutdown()


def _works(read: Callable[[], float]) -> bool:
    import pynvml

    try:
        read()
    except pynvml.NVMLError:
        return False
    return True
