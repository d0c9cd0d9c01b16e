"""Properties and current load of this machine."""

import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import psutil

from qutiperf.spec.config import sha256_of

Facts = dict[str, str | int | float | bool | None]
_PACKAGES = ("qutiperf", "mlcommons-loadgen", "numpy", "onnx", "onnxruntime", "pydantic")
REACHED_OVER = "reached_over"  # how LoadGen's machine reached another one
_IDENTITY = ("machine", "cpu_model", "cores", "memory_gb", "system")


def facts() -> Facts:
    """Properties that do not change during a sweep; None if the system does not report one."""
    return {
        "hostname": platform.node() or None,
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": cpu_model(),
        "cores": available_cores(),
        "cores_of_machine": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "governor": governor(),
        "turbo": turbo(),
        "hypervisor": "hypervisor" in _cpu_flags(),
        "python": platform.python_version(),
    }


def fingerprint(machine: Mapping[str, object]) -> str:
    """A hash of the hardware and the kind of system, regardless of the kernel's patch level.

    A machine that was reached through a network is not the same as the machine on its own.
    """
    return _digest(machine.get(REACHED_OVER), *(machine.get(name) for name in _IDENTITY))


@lru_cache(maxsize=1024, typed=True)  # records are many, and machines few
def _digest(reached_over: object, *values: object) -> str:
    identity = dict(zip(_IDENTITY, values, strict=True))
    if reached_over is not None:
        identity[REACHED_OVER] = reached_over
    return sha256_of(identity)[:12]


def versions() -> dict[str, str]:
    """Versions of the installed packages that results depend on."""
    installed: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def available_cores() -> int:
    """Cores this process may use."""
    return len(available_core_numbers())


def available_core_numbers() -> list[int]:
    """Numbers of the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_model() -> str | None:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith(("model name", "Hardware", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def last_level_cache_mb() -> float | None:
    """The largest cache of the first core if Linux reports it; the format is 8192K."""
    paths = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    sizes = ["".join(_lines(str(path))).strip() for path in paths]
    kibibytes = [int(size[:-1]) for size in sizes if size.endswith("K") and size[:-1].isdigit()]
    return max(kibibytes) * 1024 / 1e6 if kibibytes else None


def governor() -> str | None:
    """The frequency governor of the first core; None if there is none (virtual machines)."""
    lines = _lines("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return lines[0].strip() if lines else None


def turbo() -> bool | None:
    boost = _lines("/sys/devices/system/cpu/cpufreq/boost")
    if boost:
        return boost[0].strip() == "1"
    no_turbo = _lines("/sys/devices/system/cpu/intel_pstate/no_turbo")
    return no_turbo[0].strip() == "0" if no_turbo else None


def _cpu_flags() -> list[str]:
    flags = (line for line in _lines("/proc/cpuinfo") if line.startswith("flags"))
    return next(flags, "").split()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def busy_percent() -> float:
    """Share of all cores in use now, over half a second."""
    return psutil.cpu_percent(interval=0.5)
