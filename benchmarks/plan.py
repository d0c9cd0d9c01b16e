"""Time that `qutiperf plan` announces over the time that `qutiperf run` takes; prints one JSON object.

    python benchmarks/plan.py [--seconds 2] [--only NAME]

Run it on a quiet machine. Each sweep has fixed repeats, of tests of `--seconds`:

- `usual`: accuracy, SingleStream and Offline with two batch sizes, twice
- `server`: Server, whose probe takes half a second eight times
- `careful`: a warm-up, a pause before each run, and the model loaded anew for each of three repeats
- `power`: the same loads with a meter, and its pauses for base and idle power

Exits with 1 if an estimate differs from the time taken by more than 25 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_PERCENT = 25.0
QUTIPERF = [sys.executable, "-m", "qutiperf"]
_METER = ["--power", "command:sh -c 'while sleep 0.1; do echo 5; done'"]
_LOADS = {"scenarios": "[SingleStream, Offline]", "order": "balanced", "repeats": "3"}
SWEEPS: dict[str, tuple[dict[str, str], list[str]]] = {
    "usual": (
        {"scenarios": "[SingleStream, Offline]", "modes": "[AccuracyOnly, PerformanceOnly]", "repeats": "2"},
        [],
    ),
    "server": ({"scenarios": "[Server]"}, []),
    "careful": ({**_LOADS, "before": "{pause_s: 1}"}, ["--set", "settings.warm_up_s=0.5"]),
    "power": (_LOADS, _METER),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", choices=list(SWEEPS))
    options = parser.parse_args()
    names = [options.only] if options.only else list(SWEEPS)
    with tempfile.TemporaryDirectory() as scratch:
        measured = {name: compared(name, options.seconds, Path(scratch)) for name in names}
    print(json.dumps({"sweeps": measured, "goal_percent": GOAL_PERCENT}, indent=1))
    return int(any(abs(each["over_taken"] - 1) > GOAL_PERCENT / 100 for each in measured.values()))


def compared(name: str, seconds: float, scratch: Path) -> dict[str, float]:
    keys, more = SWEEPS[name]
    keys = {"modes": "[PerformanceOnly]", **keys}
    path, out = scratch / f"{name}.yaml", scratch / name
    path.write_text(
        f"kind: sweep\nschema_version: 1\nname: {name}\nsuts: [cpu-onnxruntime]\n"
        "workloads: [digits-cnv-100-fp32]\n"
        f"settings: {{min_duration_s: {seconds}, min_query_count: 1, server_target_latency_ms: 20}}\n"
        "deployment: {batch_size: [1, 8], threads: [1], streams: [1]}\n"
        + "".join(f"{key}: {value}\n" for key, value in keys.items())
    )
    planned = json.loads(output(["plan", str(path), "--json", "--out", str(out), *more]))
    begin = time.perf_counter()
    output(["--quiet", "run", str(path), "--out", str(out), *more])
    taken_s, planned_s = time.perf_counter() - begin, planned["estimated_s"]
    return {
        "runs": len(planned["runs"]),
        "planned_s": round(planned_s, 1),
        "taken_s": round(taken_s, 1),
        "over_taken": round(planned_s / taken_s, 3),
    }


def output(arguments: list[str]) -> str:
    ended = subprocess.run([*QUTIPERF, *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(arguments)}: {ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
