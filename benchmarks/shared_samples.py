"""The memory of several workers that measure with the same samples at the same time; prints one JSON object.

    python benchmarks/shared_samples.py [--workers 4] [--samples 400]

Starts that many `qutiperf run` commands at once over JPEG-sized samples in one .npz file, with the cache of
prepared samples and without, and adds up the proportional set sizes (PSS) of the worker processes from
/proc/PID/smaps_rollup: memory that n processes share counts 1/n for each. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import psutil

SHAPE = (3, 224, 224)
_WORKER = "qutiperf.run.worker"
_SECONDS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--samples", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = compare(Path(scratch), options.workers, options.samples)
    print(json.dumps(report, indent=1))


def compare(folder: Path, workers: int, samples: int) -> dict[str, object]:
    """The sum of PSS in MB while all workers measure, beside the size of the samples."""
    sweep = write_sweep(folder, samples)
    cached = f"sample_cache.folder={folder / 'cache'}"
    start(sweep, folder / "warm", cached).wait()  # fills the cache
    data_mb = samples * 4 * int(np.prod(SHAPE)) / 1e6
    sums = {
        "mapped": together_mb(sweep, folder / "mapped", cached, workers),
        "prepared_by_each": together_mb(sweep, folder / "each", "sample_cache.most_gb=0", workers),
        "without_samples": together_mb(write_sweep(folder, 1), folder / "none", cached, workers),
    }
    above = {name: (value - sums["without_samples"]) / data_mb for name, value in sums.items()}
    return {
        "workers": workers,
        "samples_mb": round(data_mb, 1),
        "pss_mb": {name: round(value, 1) for name, value in sums.items()},
        "times_the_samples": {name: round(value, 2) for name, value in above.items()},
        "goal_mapped": 1.0,
    }


def together_mb(sweep: Path, out: Path, setting: str, workers: int) -> float:
    """The median over the second half of the time in which all workers exist: then all have loaded."""
    commands = [start(sweep, out / str(number), setting) for number in range(workers)]
    sums = []
    while any(command.poll() is None for command in commands):
        sizes = [size for pid in worker_pids(commands) if (size := pss_mb(pid))]
        if len(sizes) == workers:
            sums.append(sum(sizes))
        time.sleep(0.1)
    if any(command.returncode for command in commands) or not sums:
        raise SystemExit("a run failed, or the workers did not run at the same time")
    return median(sums[len(sums) // 2 :])


def start(sweep: Path, out: Path, setting: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "qutiperf", "run", str(sweep), "--set", setting, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def worker_pids(commands: "list[subprocess.Popen[bytes]]") -> list[int]:
    found = []
    for command in commands:
        try:
            for child in psutil.Process(command.pid).children(recursive=True):
                if _WORKER in child.cmdline():
                    found.append(child.pid)
        except psutil.Error:
            continue
    return found


def pss_mb(pid: int) -> float:
    """0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sum(kilobytes) * 1024 / 1e6


def write_sweep(folder: Path, samples: int) -> Path:
    """A sweep of one run on a simulated device."""
    name = f"data{samples}"
    rng = np.random.default_rng(1)
    np.savez(folder / f"{name}.npz", image=rng.random((samples, *SHAPE), np.float32))
    (folder / "device.yaml").write_text(
        "kind: sut\nschema_version: 1\nname: device\ntitle: a device\nadapter: simulated\n"
        "platform: {family: test, source: test}\noptions: {latency_us: 20000}\n"
    )
    (folder / f"{name}.yaml").write_text(
        f"kind: workload\nschema_version: 1\nname: {name}\ntask: none\n"
        f"dataset: {{name: npz, file: {folder / name}.npz}}\n"
        f"model:\n  input: {{name: image, dtype: float32, shape: [batch, {', '.join(map(str, SHAPE))}]}}\n"
        "  output: {name: y, kind: tensor}\n"
    )
    sweep = folder / f"sweep{samples}.yaml"
    sweep.write_text(
        "kind: sweep\nschema_version: 1\nname: memory\nsuts: [device.yaml]\n"
        f"workloads: [{name}.yaml]\nscenarios: [SingleStream]\nmodes: [PerformanceOnly]\n"
        f"settings: {{min_duration_s: {_SECONDS}, min_query_count: 1}}\ndeployment: {{streams: [1]}}\n"
    )
    return sweep


if __name__ == "__main__":
    main()
