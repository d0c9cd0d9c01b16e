"""The fields of MLPerf's system description that this machine reports itself; nothing is guessed."""

import platform
from collections.abc import Iterator
from pathlib import Path

import psutil

from qutiperf import host
from qutiperf.units import BYTES_PER_GB

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_BLOCKS = Path("/sys/block")
_NETWORKS = Path("/sys/class/net")
_RELEASE = Path("/etc/os-release")
_LARGEST_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
_SECTOR_BYTES = 512
_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_KHZ_PER_MHZ = 1000


def host_fields() -> dict[str, str]:
    """Names as in MLPerf's systems/*.json; nothing is guessed."""
    fields = {
        "host_processor_model_name": host.cpu_model(),
        **_processors(),
        "host_processor_frequency": _frequency(),
        "host_processor_caches": _caches(),
        "host_memory_capacity": f"{psutil.virtual_memory().total / BYTES_PER_GB:.0f} GB",
        **_storage(),
        **_network(),
        "operating_system": operating_system(),
    }
    return {name: value for name, value in fields.items() if value}


def _processors() -> dict[str, str | None]:
    """Sockets, cores of each, threads of each, by the kernel's list of processors."""
    entries = _processor_entries()
    sockets = {entry["physical id"] for entry in entries if "physical id" in entry}
    cores = {(entry["physical id"], entry["core id"]) for entry in entries if "core id" in entry}
    if not sockets or not cores:
        count = psutil.cpu_count(logical=False)
        return {"host_processor_core_count": str(count) if count else None}
    return {
        "host_processors_per_node": str(len(sockets)),
        "host_processor_core_count": str(len(cores) // len(sockets)),
        "host_processor_vcpu_count": str(len(entries)),
    }


def _processor_entries() -> list[dict[str, str]]:
    entries = []
    for block in _text(_CPUINFO).split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        entry = {key.strip(): value.strip() for key, _, value in pairs}
        if "processor" in entry:
            entries.append(entry)
    return entries


def _frequency() -> str | None:
    text = _text(_LARGEST_FREQUENCY).strip()
    if text.isdigit():
        return f"{int(text) / _KHZ_PER_MHZ:.0f} MHz"
    return None


def _caches() -> str | None:
    """`L1d 32K, L1i 32K, L2 512K, L3 16384K`, of the first core."""
    found = []
    for folder in sorted(_CACHES.glob("index*")) if _CACHES.is_dir() else ():
        level, size = _text(folder / "level").strip(), _text(folder / "size").strip()
        kind = {"Data": "d", "Instruction": "i"}.get(_text(folder / "type").strip(), "")
        if level and size:
            found.append(f"L{level}{kind} {size}")
    return ", ".join(found) or None


def _storage() -> dict[str, str | None]:
    """All disks; their kind where the kernel knows it."""
    sizes, kinds = 0, set()
    for folder in sorted(_BLOCKS.iterdir()) if _BLOCKS.is_dir() else ():
        sectors = _text(folder / "size").strip()
        if folder.name.startswith(_NOT_DISKS) or not sectors.isdigit() or sectors == "0":
            continue
        sizes += int(sectors) * _SECTOR_BYTES
        kinds.add(_kind_of_disk(folder))
    capacity = f"{sizes / BYTES_PER_GB:.0f} GB" if sizes else None
    return {"host_storage_capacity": capacity, "host_storage_type": ", ".join(sorted(kinds)) or None}


def _kind_of_disk(folder: Path) -> str:
    if folder.name.startswith("nvme"):
        return "NVMe SSD"
    if folder.name.startswith("mmcblk"):
        return "eMMC or SD card"
    if folder.name.startswith(("vd", "xvd")):
        return "virtual disk"
    return "HDD" if _text(folder / "queue/rotational").strip() == "1" else "SSD"


def _network() -> dict[str, str | None]:
    """Interfaces with hardware (or a virtual machine's) behind them, with their speed where it is known."""
    cards = [folder for folder in _interfaces() if (folder / "device").exists()]
    speeds = sorted({speed for folder in cards if (speed := _speed(folder))})
    return {
        "host_network_card_count": str(len(cards)) if cards else None,
        "host_networking": ", ".join(f"Ethernet {speed} Mbit/s" for speed in speeds) or None,
    }


def _interfaces() -> Iterator[Path]:
    if _NETWORKS.is_dir():
        yield from sorted(_NETWORKS.iterdir())


def _speed(folder: Path) -> int | None:
    text = _text(folder / "speed").strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def operating_system() -> str | None:
    """`Ubuntu 24.04.1 LTS, Linux 6.8.0`."""
    pairs = (line.partition("=") for line in _text(_RELEASE).splitlines())
    names = {key: value.strip('"') for key, _, value in pairs}
    parts = [names.get("PRETTY_NAME"), f"{platform.system()} {platform.release()}"]
    return ", ".join(part for part in parts if part) or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
