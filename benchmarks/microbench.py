"""How well, how fast and at what cost networks are predicted from layers; prints one JSON object.

    python benchmarks/microbench.py --out FOLDER [--sut cpu-onnxruntime] [--batch 1,8,64] [--budget 20m]

To be run on a quiet machine: it takes about an hour for each system. It measures the networks below twice,
then their layers and stacks, and evaluates the predictions. The networks were named before any of them was
measured; a second call into the same folder measures nothing again. Goals: GM <= 1.12 with every layer
measured, <= 1.20 with the network's own layers left out, >= 85 % within 1.25 x, Spearman >= 0.98, a layer
point <= 60 ms outside its measured window, 10,000 predictions <= 1 s. Beside them is the repeat error of the
networks themselves, which no prediction beats.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

from qutiperf.microbench.evaluation import evaluate_layers, side_scores
from qutiperf.microbench.layer_model import layer_model
from qutiperf.microbench.measured_parts import MeasuredParts, measured_parts
from qutiperf.microbench.networks import layers_on
from qutiperf.microbench.suite_plan import cache_bytes
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import load_workload

# Named before they were measured: five kinds of network at several scales, and trained ones in two datatypes.
DECIDING = (
    *("mlp@100", "mlp@25", "cnv@100", "cnv@50", "resnet50@100", "resnet50@50", "resnet50-v1@25"),
    *("googlenet@100", "mobilenet@100", "mobilenet@50", "efficientnet-edgetpu-s@100"),
    *("efficientnet-edgetpu-m@50", "digits-cnv-100-fp32", "digits-cnv-50-int8", "digits-mlp-100-fp32"),
    *("digits-mlp-100-int8",),
)
TIMED = "digits-cnv-100-fp32"
PREDICTIONS = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sut", default="cpu-onnxruntime")
    parser.add_argument("--batch", default="1,8,64")
    parser.add_argument("--budget")
    parser.add_argument("--networks", nargs="+", default=list(DECIDING))
    options = parser.parse_args()
    budget = ["--budget", options.budget] if options.budget else []
    _measure(options, options.out / "again", ["--budget", "1s"])
    _measure(options, options.out / "layers", budget)
    where = str(options.out / "layers")
    system, _ = load_sut(options.sut)
    measured = measured_parts(Store.open(options.out / "layers").latest(), where)
    cache = cache_bytes(system)
    points = evaluate_layers(measured, cache, where, refined=True)
    report = {
        "conditions": measured.conditions.label,
        "networks": sorted({point.network for point in points}),
        "points": len(points),
        "repeat_error_gm": _repeat_error(measured, Store.open(options.out / "again").latest()),
        "sides": {
            line.side: {"minutes": line.minutes, **line.scores.as_row()}
            for line in side_scores(points, measured.parts)
        },
        "outside_window_ms": _outside_ms(Store.open(options.out / "layers").latest()),
        f"{PREDICTIONS}_predictions_s": _prediction_s(measured, cache),
    }
    print(json.dumps(report, indent=1))
    return 0


def _measure(options: argparse.Namespace, folder: Path, budget: list[str]) -> None:
    """One `microbench run`; failed layers are recorded and do not end it."""
    networks = [word for name in options.networks for word in ("--for", name)]
    words = ["microbench", "run", *networks, "--whole", "--sut", options.sut, "--batch", options.batch]
    command = [sys.executable, "-m", "qutiperf", *words, "--out", str(folder), *budget, "--json"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def _repeat_error(measured: MeasuredParts, again: list[RunRecord]) -> float | None:
    """exp(mean |ln(first / second)|) of the compute times of networks that were measured twice."""
    second = {record.run_id: record.figures.compute_latency_p50_ms for record in again}
    ratios = [
        abs(math.log(first / other))
        for record in measured.networks
        if (first := record.figures.compute_latency_p50_ms) and (other := second.get(record.run_id))
    ]
    return math.exp(statistics.mean(ratios)) if ratios else None


def _outside_ms(records: list[RunRecord]) -> dict[str, float | int | None]:
    """Time of a layer point beyond its measured window, LoadGen's last test; medians in ms.

    `preparation` of it are samples, and `load` is the load with the check of the output, beside the run.
    `repeated` counts the runs whose window was too short at first.
    """
    layers = [record for record in records if record.inputs.workload.model.part and not record.failure]
    observed = [(record, record.observed, record.loadgen) for record in layers]
    windows = [
        (record.elapsed_s, seen.inputs / loadgen.samples_per_second)
        for record, seen, loadgen in observed
        if seen and seen.inputs and loadgen and loadgen.samples_per_second
    ]
    loads = [seen.load_s for _, seen, _ in observed if seen and seen.load_s]
    attempts = [seen.probe.attempts for _, seen, _ in observed if seen and seen.probe]
    return {
        "points": len(layers),
        "window": 1e3 * statistics.median(window_s for _, window_s in windows),
        "median": 1e3 * statistics.median(whole_s - window_s for whole_s, window_s in windows),
        "preparation": 1e3 * statistics.median(record.preparation_s or 0.0 for record in layers),
        "load": 1e3 * statistics.median(loads) if loads else None,
        "repeated": sum(each > 1 for each in attempts),
    }


def _prediction_s(measured: MeasuredParts, cache: float | None) -> float:
    model = layer_model(measured, cache)
    network = layers_on(load_workload(TIMED)[0], load_sut("cpu-onnxruntime")[0])
    begin = time.perf_counter()
    model.predict(network, range(1, PREDICTIONS + 1))
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
