"""`qutiperf calibrate SUT --out FILE`: measured peaks and bandwidth of this host, as a SUT file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qutiperf.calibrate import HostPeaks
    from qutiperf.errors import SetupError
    from qutiperf.spec.config import Yaml

_CURE = "stop other programs and run the command again, or accept doubtful figures with --force"


def calibrate(
    sut: Annotated[str, typer.Argument(help="A system that runs on this host's CPU.")],
    out: Annotated[Path, typer.Option("--out", help="The SUT file to write.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also write the file if the host is busy; it is then marked as doubtful."
        ),
    ] = False,
) -> None:
    """Measure peaks and bandwidth of this host; writes a SUT file that extends SUT.

    Repeats every measurement until the results agree within 5 %. If they do not, or other processes use more
    than 10 % of the cores, no file is written and the exit code is 3.
    """
    from qutiperf import host
    from qutiperf.calibrate import busy_reason, host_peaks
    from qutiperf.errors import InputError
    from qutiperf.level0.calibration_file import write_platform
    from qutiperf.spec.sut import load_sut

    system, file = load_sut(sut)
    if system.platform.family != "cpu":
        cure = "enter its peaks by hand, and fit the rest with `qutiperf level0 fit`"
        raise InputError(
            f"is a {system.platform.family}: only this host can be measured", where=sut, cure=cure
        )
    if out.exists():
        raise InputError("exists already", where=str(out), cure="name another file")
    busy = None if force else busy_reason(host.busy_percent())
    if busy:
        raise _refusal([busy])
    console.note("measuring for a few seconds; leave the machine idle")
    peaks = host_peaks()
    if peaks.doubts and not force:
        raise _refusal(peaks.doubts)
    write_platform(out, file, f"{system.name}-calibrated", _platform(peaks))
    _print(out, peaks)


def _refusal(doubts: "Sequence[str]") -> "SetupError":
    from qutiperf.errors import SetupError

    return SetupError(f"the measurements are doubtful: {'; '.join(doubts)}", cure=_CURE)


def _platform(peaks: "HostPeaks") -> "Yaml":
    return {
        "peaks_tops": {name: round(value, 4) for name, value in peaks.measured_tops.items()},
        "memory_bandwidth_gb_s": round(peaks.bandwidth_gb_s, 2),
        "memory_capacity_gb": round(peaks.memory_capacity_gb, 1),
        "on_chip_memory_mb": round(peaks.on_chip_memory_mb, 3) if peaks.on_chip_memory_mb else None,
        "source": peaks.source,
    }


def _print(out: Path, peaks: "HostPeaks") -> None:
    theoretical = peaks.theoretical_tops
    rows = [
        [name, tops, theoretical.get(name), _share(tops, theoretical.get(name))]
        for name, tops in peaks.measured_tops.items()
    ]
    console.table(str(out), ["datatype", "measured TOP/s", "theoretical TOP/s", "reached %"], rows)
    if any(tops > theoretical.get(name, tops) for name, tops in peaks.measured_tops.items()):
        console.out(
            "above 100 %: the CPU exceeds its nominal frequency, or has units that its flags do not list"
        )
    console.out(
        f"memory bandwidth {peaks.bandwidth_gb_s:.1f} GB/s "
        f"(reads {peaks.read_gb_s:.1f}, STREAM's triad {peaks.triad_gb_s:.1f})"
    )
    for doubt in peaks.doubts:
        console.out(f"doubtful, perhaps too low: {doubt}")


def _share(measured: float, theoretical: float | None) -> float | None:
    return 100 * measured / theoretical if theoretical else None
