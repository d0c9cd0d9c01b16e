"""ResNet-50 on a CUDA device through PyTorch, with board power by NVML; prints one JSON object.

    python benchmarks/torch_cuda.py [--out results/resnet50-cuda] [--index 0] [--set KEY=VALUE ...]

Runs the sweep resnet50-cuda through the command line while sampling nvmlDeviceGetPowerUsage, whose
averaging window is unknown. `board_power_mean_w` is the mean of the samples between the start and the end of
a run, including its warm-up; null if there was no sample. Needs torch built for CUDA and 'qutiperf[nvidia]';
without them it reports this and exits with 3.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

SWEEP = "resnet50-cuda"
SOURCE = "nvmlDeviceGetPowerUsage, averaging window unknown"
PERIOD_S = 0.05
MISSING = 3  # qutiperf's exit code if the machine lacks something

Sample = tuple[float, float]  # seconds since the epoch, W


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results") / SWEEP)
    parser.add_argument("--index", type=int, default=0, help="NVML's number of the board")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for qutiperf run")
    options = parser.parse_args()
    problem = missing()
    if problem is not None:
        sys.stderr.write(f"torch_cuda: {problem}\n")
        return MISSING
    try:
        read_w = power_reader(options.index)
    except OSError as error:
        sys.stderr.write(f"torch_cuda: NVML cannot read board {options.index}: {error}\n")
        return MISSING
    command = [sys.executable, "-m", "qutiperf", "run", SWEEP, "--out", str(options.out)]
    command += [part for pair in options.set for part in ("--set", pair)]
    samples, code = sampled(command, read_w)
    rows = [row(json.loads(path.read_text()), samples) for path in sorted(options.out.glob("*/record.json"))]
    print(json.dumps({"sweep": SWEEP, "power_source": SOURCE, "exit_code": code, "runs": rows}, indent=1))
    return code


def missing() -> str | None:
    """The missing package or device."""
    try:
        import torch
    except ImportError:
        return "torch is not installed; install a CUDA build"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device (torch.cuda.is_available() is False)"
    try:
        import pynvml  # noqa: F401
    except ImportError:
        return "nvidia-ml-py is not installed; pip install 'qutiperf[nvidia]'"
    return None


def power_reader(index: int) -> Callable[[], float]:
    """Reads the board's power in W; raises OSError if NVML does not report it."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pynvml.nvmlDeviceGetPowerUsage(handle)
    except pynvml.NVMLError as error:
        raise OSError(str(error)) from error
    return lambda: float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000  # mW


def sampled(command: Sequence[str], read_w: Callable[[], float]) -> tuple[list[Sample], int]:
    """Power while the command runs, with its output on standard error, and its exit code."""
    samples: list[Sample] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(PERIOD_S):
            samples.append((time.time(), read_w()))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    finally:
        done.set()
        sampler.join()
    return samples, code


def row(record: dict[str, Any], samples: Iterable[Sample]) -> dict[str, object]:
    """The figures of one run."""
    point, figures = record["point"], record["figures"] or {}
    deployment, observed = point["deployment"], record.get("observed") or {}
    started = datetime.fromisoformat(record["started_utc"]).timestamp()
    watts = power_during(samples, started, started + record["elapsed_s"])
    return {
        "scenario": point["scenario"],
        "batch_size": deployment["batch_size"],
        "dtype": deployment["dtype"],
        "valid": record["valid"],
        **{name: value for name, value in figures.items() if value is not None},
        "copies": observed.get("adapter_figures"),
        "board_power_mean_w": mean(watts) if watts else None,
        "board_power_samples": len(watts),
    }


def power_during(samples: Iterable[Sample], begin_s: float, end_s: float) -> list[float]:
    """In W, between two times."""
    return [watts for seconds, watts in samples if begin_s <= seconds <= end_s]


if __name__ == "__main__":
    sys.exit(main())
