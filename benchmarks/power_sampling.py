"""CPU time of a power sampler, in percent of a core; prints one JSON object, fails above 1 %.

    python benchmarks/power_sampling.py [--seconds 20] [--rate 10] [--meter METER]

Without --meter, the sampler reads files as those of RAPL on two sockets, in a temporary folder: their
contents stand still, but opening, reading, stamping and writing are those of a real measurement. Run it on a
quiet machine; the time of the sampler's start is left out.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from qutiperf.power.sampling import MeterProcess

LIMIT_PERCENT = 1.0
_ZONES = {"0": "package-0", "0:0": "core", "0:1": "dram", "1": "package-1", "1:0": "core", "1:1": "dram"}


def two_sockets(root: Path) -> None:
    for number, name in _ZONES.items():
        folder = root / f"class/powercap/intel-rapl:{number}"
        folder.mkdir(parents=True)
        for file, value in {
            "name": name,
            "energy_uj": 123_456_789,
            "max_energy_range_uj": 262_143_328_850,
        }.items():
            (folder / file).write_text(f"{value}\n")


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--meter")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        two_sockets(Path(folder))
        process = MeterProcess(options.meter or f"rapl:{folder}", 1 / options.rate, Path(folder) / "readings")
        before, begin = cpu_s(process.pid), time.perf_counter()
        time.sleep(options.seconds)
        used, elapsed = cpu_s(process.pid) - before, time.perf_counter() - begin
        process.collect(time.time_ns())
        process.close()
    percent = 100 * used / elapsed
    readings = sum(map(len, process.trace.times.values()))
    result = {"meter": process.facts.name, "rails": len(process.facts.rails), "readings": readings}
    print(json.dumps({**result, "percent_of_a_core": round(percent, 3), "limit_percent": LIMIT_PERCENT}))
    return int(percent > LIMIT_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
