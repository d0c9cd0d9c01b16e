"""`qutiperf calibrate SUT --out FILE`: what this host reaches, written as a SUT file."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console


def calibrate(
    sut: Annotated[str, typer.Argument(help="A system whose device is this host's CPU.")],
    out: Annotated[Path, typer.Option("--out", help="The SUT file to write.")],
) -> None:
    """Measure peaks and bandwidth of this host; writes a SUT file that extends SUT."""
    from qutiperf.calibrate import host_peaks
    from qutiperf.errors import InputError
    from qutiperf.level0.calibration_file import write_platform
    from qutiperf.spec.config import Yaml
    from qutiperf.spec.sut import load_sut

    system, file = load_sut(sut)
    if system.platform.family != "cpu":
        cure = "give its peaks by hand, and fit the rest with `qutiperf level0 fit`"
        raise InputError(
            f"is a {system.platform.family}: only this host can be measured", where=sut, cure=cure
        )
    if out.exists():
        raise InputError("exists already", where=str(out), cure="name another file")
    console.note("measuring for some seconds; keep the machine quiet")
    found = host_peaks()
    platform: Yaml = {
        "peaks_tops": {name: round(value, 4) for name, value in found.measured_tops.items()},
        "memory_bandwidth_gb_s": round(found.bandwidth_gb_s, 2),
        "memory_capacity_gb": round(found.memory_capacity_gb, 1),
        "on_chip_memory_mb": round(found.on_chip_memory_mb, 3) if found.on_chip_memory_mb else None,
        "source": found.source,
    }
    write_platform(out, file, f"{system.name}-calibrated", platform)
    rows = [
        [name, tops, found.theoretical_tops.get(name), _share(tops, found.theoretical_tops.get(name))]
        for name, tops in found.measured_tops.items()
    ]
    console.table(str(out), ["datatype", "measured TOP/s", "theoretical TOP/s", "reached %"], rows)
    if any(tops > found.theoretical_tops.get(name, tops) for name, tops in found.measured_tops.items()):
        console.out(
            "above 100 %: the CPU ran faster than the frequency, or has units besides the flags, it names"
        )
    console.out(f"memory bandwidth {found.bandwidth_gb_s:.1f} GB/s")


def _share(measured: float, theoretical: float | None) -> float | None:
    return 100 * measured / theoretical if theoretical else None
