"""RAPL: the energy counters of x86 processors in Linux's powercap.

Layout: https://docs.kernel.org/power/powercap/powercap.html. Counters are microjoules and start again at 0
after `max_energy_range_uj`. Since kernel 5.10 only root reads them (CVE-2020-8694, PLATYPUS).
"""

from pathlib import Path
from time import time_ns

from qutiperf.errors import SetupError
from qutiperf.power.meter import SYSFS, Coverage, PowerMeter, Rail, Reading
from qutiperf.power.sysfs_number import NumberFile, read_number, read_text

_MICROJOULES_PER_JOULE = 1e6
_UPDATE_S = 0.001  # Intel SDM volume 3B, 15.10.3: energy status is updated every ms
_INSIDE_PACKAGE = ("core", "uncore")  # their energy is in the package's
_AROUND = "psys"  # the whole platform, as far as its board is wired for it


class Rapl(PowerMeter):
    """`rapl`, or `rapl:ROOT` for a sysfs that is mounted elsewhere."""

    name = "rapl"
    title = "RAPL energy counters of an x86 processor (powercap)"
    verified = "replayed"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._root = Path(argument) if argument else SYSFS
        self._files: dict[str, NumberFile] = {}
        self._rails: list[Rail] = []

    def start(self) -> list[Rail]:
        zones = self._zones()
        if not zones:
            cure = "RAPL needs an x86 processor that is not virtual, and `modprobe intel_rapl_msr`"
            raise SetupError("no RAPL counters", where=str(self._root / "class/powercap"), cure=cure)
        self._rails = [self._opened(name, zone) for name, zone in zones.items()]
        return self._rails

    def _zones(self) -> dict[str, Path]:
        """Folders by rail: `package-0`, `package-0/dram`. The mmio interface repeats a package."""
        zones: dict[str, Path] = {}
        folders = sorted((self._root / "class/powercap").glob("intel-rapl:*"))
        for folder in folders:
            own = read_text(folder / "name")
            if own is None or not (folder / "energy_uj").exists():
                continue
            above = folder.with_name(folder.name.rpartition(":")[0])
            outer = read_text(above / "name") if folder.name.count(":") > 1 else None
            zones.setdefault(f"{outer}/{own}" if outer else own, folder)
        return zones

    def _opened(self, name: str, zone: Path) -> Rail:
        path = zone / "energy_uj"
        try:
            self._files[name] = NumberFile(path)
            self._files[name].read()
        except PermissionError:
            cure = (
                f"`sudo chmod a+r {self._root / 'class/powercap'}/intel-rapl:*/energy_uj` until the next "
                "boot (a risk on shared machines, CVE-2020-8694), or run as root"
            )
            raise SetupError("only root may read it", where=str(path), cure=cure) from None
        except OSError as error:
            raise SetupError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
        wraps = read_number(zone / "max_energy_range_uj")
        kind = name.rpartition("/")[2]
        return Rail(
            name,
            "energy",
            counts=kind not in (*_INSIDE_PACKAGE, _AROUND),
            wraps_at_j=wraps / _MICROJOULES_PER_JOULE if wraps else None,
            update_s=_UPDATE_S,
        )

    def read(self) -> list[Reading]:
        return [
            Reading(time_ns(), name, file.read() / _MICROJOULES_PER_JOULE)
            for name, file in self._files.items()
        ]

    @property
    def coverage(self) -> Coverage:
        """The processors with their memory, or without it."""
        names = {rail.name for rail in self._rails}
        packages = {name for name in names if "/" not in name and name.startswith("package")}
        whole = bool(packages) and all(f"{package}/dram" in names for package in packages)
        return "device" if whole else "part"

    @property
    def missing(self) -> list[str]:
        """A package for each socket; a container may show only some."""
        sockets = {
            number
            for path in (self._root / "devices/system/cpu").glob("cpu[0-9]*/topology/physical_package_id")
            if (number := read_number(path)) is not None
        }
        names = {rail.name for rail in self._rails}
        packages = {name for name in names if name.startswith("package")}
        expected = {f"package-{number}" for number in sockets}
        # dies of one socket are package-0-die-0, package-0-die-1
        return sorted(name for name in expected if not any(each.startswith(name) for each in packages))

    def close(self) -> None:
        self._files.clear()
