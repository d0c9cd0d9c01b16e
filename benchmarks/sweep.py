"""What a sweep costs beyond its runs, as ratios; prints one JSON object. Run it on a quiet machine.

    python benchmarks/sweep.py [--points 40] [--loads 6] [--runs 10000] [--pairs 3]

- `over_bare_percent`: the whole command `qutiperf run` with points of 1 s that share a load, over a bare loop
  of LoadGen tests with the same model, settings and expected latency (goal 5), alternating. `fixed_s` is what
  the command takes beyond the loop, most of it once, however many points there are.
- `per_load_s`: seconds that one more load takes, on top of loading the model and of the test (goal 1.5).
- `parent_percent`: CPU time of the parent in percent of a core while a run is measured (goal 1).
- `read_s`: seconds in which `qutiperf show` reads and prints a folder of `--runs` runs (goal 5).

Exits with 1 if a goal is missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from qutiperf.results.store import Store
from tests.report.folders import performance, stored

GOALS = {"over_bare_percent": 5.0, "per_load_s": 1.5, "parent_percent": 1.0, "read_s": 5.0}
MODEL = "digits-mlp-12.5-fp32"
SECONDS = 1.0
QUTIPERF = [sys.executable, "-m", "qutiperf"]
# The model alone: one session, one sample a query, as `qutiperf run` measures SingleStream.
BARE = """
import sys, tempfile, time
import mlperf_loadgen, numpy as np, onnxruntime
model, seconds, points, expected_ns = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options)
name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape[1:]
rows = np.random.default_rng(1).random((64, *shape), np.float32)
response = np.zeros(1, np.float32)
def issue(samples):
    for sample in samples:
        session.run(None, {name: rows[sample.index : sample.index + 1]})
        answer = mlperf_loadgen.QuerySampleResponse(sample.id, response.ctypes.data, 4)
        mlperf_loadgen.QuerySamplesComplete([answer])
begin = time.perf_counter()
for _ in range(points):
    settings = mlperf_loadgen.TestSettings()
    settings.scenario = mlperf_loadgen.TestScenario.SingleStream
    settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms, settings.min_query_count = round(1000 * seconds), 1
    settings.single_stream_expected_latency_ns = expected_ns
    log = mlperf_loadgen.LogSettings()
    output = mlperf_loadgen.LogOutputSettings()
    output.outdir = tempfile.mkdtemp()
    log.log_output, log.enable_trace = output, False
    library = mlperf_loadgen.ConstructQSL(64, 64, lambda _: None, lambda _: None)
    system = mlperf_loadgen.ConstructSUT(issue, lambda: None)
    mlperf_loadgen.StartTestWithLogSettings(system, library, settings, log, "/dev/null/none")
    mlperf_loadgen.DestroySUT(system)
    mlperf_loadgen.DestroyQSL(library)
print(time.perf_counter() - begin)
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--loads", type=int, default=6)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        measured = {
            **over_bare(scratch, options.points, options.pairs),
            **per_load(scratch, options.loads),
            "parent_percent": parent_percent(scratch),
            "read_s": read_s(scratch, options.runs),
        }
    print(json.dumps({**measured, "goals": GOALS}, indent=1))
    return int(any(float(str(measured[name])) > goal for name, goal in GOALS.items()))


def sweep(scratch: Path, name: str, threads: str, repeats: int, seconds: float = SECONDS) -> Path:
    path = scratch / f"{name}.yaml"
    path.write_text(
        f"kind: sweep\nschema_version: 1\nname: {name}\nsuts: [cpu-onnxruntime]\nworkloads: [{MODEL}]\n"
        f"scenarios: [SingleStream]\nmodes: [PerformanceOnly]\nrepeats: {repeats}\n"
        f"settings: {{min_duration_s: {seconds}, min_query_count: 1}}\n"
        f"deployment: {{batch_size: [1], threads: {threads}, streams: [1]}}\n"
    )
    return path


def measured_s(sweep_file: Path, out: Path) -> float:
    begin = time.perf_counter()
    subprocess.run([*QUTIPERF, "--quiet", "run", sweep_file, "--out", out], check=True, capture_output=True)
    return time.perf_counter() - begin


def over_bare(scratch: Path, points: int, pairs: int) -> dict[str, object]:
    file = sweep(scratch, "shared", "[1]", points)
    model = Path(__file__).parent.parent / f"scenarios/workloads/models/{MODEL}.onnx"
    mine, bare = [], []
    for pair in range(pairs):
        mine.append(measured_s(file, scratch / f"shared-{pair}"))
        expected_ns = str(expected_latency_ns(scratch / f"shared-{pair}"))
        words = [sys.executable, "-c", BARE, str(model), str(SECONDS), str(points), expected_ns]
        bare.append(float(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    each = [100 * (first / second - 1) for first, second in zip(mine, bare, strict=True)]
    return {
        "points": points,
        "over_bare_percent": round(median(each), 2),
        "over_bare_percent_each": [round(one, 2) for one in each],
        "fixed_s": round(median(first - second for first, second in zip(mine, bare, strict=True)), 2),
    }


def expected_latency_ns(folder: Path) -> int:
    """What LoadGen was told to expect: it prepares queries for twice the duration at this latency."""
    probes = [record.observed.probe for record in Store.open(folder).records() if record.observed]
    return round(median(probe.latency_ns for probe in probes if probe and probe.latency_ns))


def per_load(scratch: Path, loads: int) -> dict[str, object]:
    """One point in each of `loads` loads (one process each) against as many points in one."""
    file = sweep(scratch, "loads", "[1]", loads)
    file.write_text(file.read_text() + "order: balanced\n")  # a process for every repeat
    several = measured_s(file, scratch / "loads")
    one = measured_s(sweep(scratch, "one", "[1]", loads), scratch / "one")
    records = Store.open(scratch / "loads").read().records
    loaded = [record.observed.load_s or 0.0 for record in records if record.observed]
    return {
        "per_load_s": round((several - one) / (loads - 1) - median(loaded), 3),
        "model_load_s": round(median(loaded), 3),
    }


def parent_percent(scratch: Path) -> float:
    """Between the fifth and the fifteenth second of a run of 18 s."""
    file = sweep(scratch, "long", "[1]", 1, 18)
    command = [*QUTIPERF, "run", str(file), "--out", str(scratch / "long"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["event"] == "started":
            break
    parent = psutil.Process(process.pid)
    time.sleep(5)
    before, begin = parent.cpu_times(), time.perf_counter()
    time.sleep(10)
    after, elapsed = parent.cpu_times(), time.perf_counter() - begin
    process.communicate()
    return round(100 * (after.user + after.system - before.user - before.system) / elapsed, 3)


def read_s(scratch: Path, count: int) -> float:
    stored(scratch / "many", [performance(number, 100.0 + number) for number in range(count)])
    begin = time.perf_counter()
    subprocess.run([*QUTIPERF, "show", scratch / "many", "--json"], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - begin, 2)


if __name__ == "__main__":
    sys.exit(main())
