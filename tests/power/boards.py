"""Sysfs trees with the layout of real boards, in a temporary folder.

RAPL: https://docs.kernel.org/power/powercap/powercap.html (intel-rapl:0 and its subzones). Jetson Orin NX and
Nano (VDD_IN, VDD_CPU_GPU_CV, VDD_SOC on one INA3221 at 1-0040) and AGX Orin (VDD_GPU_SOC, VDD_CPU_CV,
VIN_SYS_5V0 at 1-0040; NC, VDDQ_VDD2_1V8AO, NC at 1-0041): Jetson Linux developer guide, power chapters.
INA3221's other files, shunt voltages and sums: https://docs.kernel.org/hwmon/ina3221.html. Power supply:
https://docs.kernel.org/hwmon/corsair-psu.html. AMD: https://docs.kernel.org/hwmon/amd_energy.html.
"""

from collections.abc import Mapping
from pathlib import Path


def write(folder: Path, files: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def zone(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = 262_143_328_850) -> Path:
    path = root / "class/powercap" / folder
    write(path, {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": range_uj})
    return path


def xeon(root: Path, sockets: int = 2) -> None:
    """Two packages with core and dram, a second view of package 0 by mmio, and the platform's psys."""
    for number in range(sockets):
        zone(root, f"intel-rapl:{number}", f"package-{number}", 1_000_000 * (number + 1))
        zone(root, f"intel-rapl:{number}:0", "core", 400_000)
        zone(root, f"intel-rapl:{number}:1", "dram", 250_000)
        write(root / f"devices/system/cpu/cpu{number}/topology", {"physical_package_id": number})
    zone(root, "intel-rapl-mmio:0", "package-0", 1_000_000)
    zone(root, f"intel-rapl:{sockets}", "psys", 9_000_000)


def hwmon(root: Path, number: int, name: str, files: Mapping[str, object]) -> Path:
    path = root / "class/hwmon" / f"hwmon{number}"
    write(path, {"name": name, **files})
    return path


def ina3221(root: Path, number: int, rails: Mapping[str, tuple[int, int]]) -> Path:
    """Channels by label: mV and mA; with the shunt voltages and sums that the driver also shows."""
    files: dict[str, object] = {"update_interval": 13, "in7_label": "sum of shunt voltages", "in7_input": 640}
    files["curr4_input"] = sum(current for _, current in rails.values())
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), 1):
        files |= {f"in{channel}_label": label.partition("#")[0], f"in{channel}_input": millivolts}
        files |= {f"curr{channel}_input": milliamperes, f"in{channel + 3}_input": 64}
    return hwmon(root, number, "ina3221", files)


def orin_nx(root: Path) -> Path:
    return ina3221(root, 1, {"VDD_IN": (5000, 1600), "VDD_CPU_GPU_CV": (5000, 400), "VDD_SOC": (5000, 300)})


def agx_orin(root: Path) -> None:
    ina3221(root, 1, {"VDD_GPU_SOC": (20000, 200), "VDD_CPU_CV": (20000, 50), "VIN_SYS_5V0": (5000, 800)})
    ina3221(root, 2, {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 100), "NC#": (0, 0)})


def power_supply(root: Path, number: int = 5) -> Path:
    files = {
        "power1_label": "power total",
        "power1_input": 98_000_000,
        "in1_input": 12_000,
        "curr1_input": 7000,
    }
    return hwmon(root, number, "corsairpsu", files)
