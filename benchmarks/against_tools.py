"""qutiperf beside the runtimes' own tools, on the same models and settings; prints one JSON object.

    python benchmarks/against_tools.py [--pairs 7] [--seconds 1] [--batch 1] [--tools A,B] [--models C,D]

Tools: benchmark_app (OpenVINO's own), and plain loops of session.run and interpreter.invoke for ONNX Runtime
and LiteRT, whose Python packages have no tool with the same settings. The two sides alternate in pairs, and
the order within a pair alternates too. One thread per stream. Latency: the median of a synchronous loop
beside the compute and the system latency of SingleStream. Throughput: 1 and 2 streams beside Offline. A ratio
is qutiperf's figure over the tool's; its interval is that of the median over the pairs (bootstrap, 95 %).
`agrees` is true if the interval includes 1, or if the medians differ by no more than 2 us + 1 % (latency) or
2 % (throughput). A wide interval agrees with everything, so look at it. benchmark_app's latency is the
runtime's own, without Python, and its durations are whole seconds.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from qutiperf.adapters.base import Array, Model
from qutiperf.adapters.registry import adapter_class, make_options, require_runtime
from qutiperf.datasets import open_dataset
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import QutiperfError
from qutiperf.harness.load import model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.run import Trial
from qutiperf.harness.streams import FirstError
from qutiperf.mlperf_logs import read_result
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.formats import for_suffixes
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.topology import Topology
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload, load_workload

ADAPTERS = {"benchmark_app": "openvino", "onnxruntime": "onnxruntime", "litert": "litert"}
MODELS = "digits-cnv-100-fp32,digits-mlp-50-int8,resnet50"
THROUGHPUTS = {"throughput_1_stream": 1, "throughput_2_streams": 2}
RESAMPLES = 10_000
Figures = dict[str, float]
Call = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tools", default=",".join(ADAPTERS))
    parser.add_argument("--models", default=MODELS, help="workloads, or resnet50, built with random weights")
    options = parser.parse_args()
    if options.pairs < 2 or not set(options.tools.split(",")) <= set(ADAPTERS):
        parser.error(f"--pairs is at least 2, --tools are of {', '.join(ADAPTERS)}")
    results = {}
    for tool in options.tools.split(","):
        for name in options.models.split(","):
            with tempfile.TemporaryDirectory() as scratch:
                results[f"{tool} {name}"] = compared(tool, name, options, Path(scratch))
    settings = {"pairs": options.pairs, "seconds": options.seconds, "batch": options.batch}
    print(json.dumps({**settings, "threads_per_stream": 1, "results": results}, indent=1))


def compared(tool: str, name: str, options: argparse.Namespace, scratch: Path) -> dict[str, object]:
    """Every figure of one model, or the reason why there is none."""
    try:
        side = Side(tool, name, options.batch, scratch)
    except QutiperfError as error:
        return {"skipped": str(error)}
    if tool == "benchmark_app" and importlib.util.find_spec("openvino.tools.benchmark") is None:
        return {"skipped": "this openvino has no benchmark_app"}
    rows: list[tuple[Figures, Figures]] = []
    for number in range(options.pairs + 1):
        sides = [lambda: qutiperf_figures(side, options.seconds), lambda: tool_figures(side, options.seconds)]
        order = (0, 1) if number % 2 else (1, 0)
        values = {place: sides[place]() for place in order}
        if number:  # the first pair warms up
            rows.append((values[0], values[1]))
        print(f"{tool} {name}: pair {number} of {options.pairs}", file=sys.stderr)
    return summary(rows)


def summary(rows: Sequence[tuple[Figures, Figures]]) -> dict[str, object]:
    return {
        name: comparison(
            [mine[name] for mine, _ in rows], [other[name] for _, other in rows], "latency" in name
        )
        for name in rows[0][0]
    }


def comparison(mine: Sequence[float], other: Sequence[float], is_latency: bool) -> dict[str, object]:
    """Medians, the ratio with its interval, and the verdict; latencies in us."""
    ratios = np.array(mine) / np.array(other)
    low, high = interval(ratios)
    first, second = median(mine), median(other)
    includes_1 = low <= 1 <= high
    within = abs(first - second) <= (2 + 0.01 * second if is_latency else 0.02 * second)
    return {
        "qutiperf": round(first, 3),
        "tool": round(second, 3),
        "ratio": round(float(np.median(ratios)), 4),
        "interval": [round(low, 4), round(high, 4)],
        "includes_1": includes_1,
        "within_tolerance": within,
        "agrees": includes_1 or within,
    }


def interval(ratios: "np.typing.NDArray[np.float64]") -> tuple[float, float]:
    """95 % of the medians of resamples; equal numbers always give the same interval."""
    chosen = np.random.default_rng(1).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[chosen], axis=1), [2.5, 97.5])
    return float(low), float(high)


class Side:
    """One model for one tool: the workload, its file, a batch of it, and qutiperf's own instances."""

    def __init__(self, tool: str, name: str, batch: int, scratch: Path) -> None:
        adapter = ADAPTERS[tool]
        kind = adapter_class(adapter)
        require_runtime(kind, adapter)
        self.tool, self.scratch = tool, scratch
        self.workload = for_suffixes(
            resnet50() if name == "resnet50" else load_workload(name)[0], kind.model_suffixes
        )
        self.model: Model = model_for(self.workload, scratch)
        self.batch = self.model.fixed_batch or batch
        dataset = open_dataset(self.workload.dataset, self.workload.model.input)
        self.rows: Array = dataset.load(range(self.batch))
        self.devices = {}
        for streams in (1, 2):
            instances = [kind() for _ in range(streams)]
            for instance in instances:
                instance.load(self.model, make_options(kind, {"threads": 1}, adapter))
            task = task_for(self.workload)
            self.devices[streams] = LoadedModel(instances, dataset, task, self.model.fixed_batch)


def resnet50() -> Workload:
    return Workload(
        name="resnet50",
        task="none",
        dataset=DatasetSpec(name="synthetic", count=64),
        model=ModelSpec(
            topology=Topology(name="resnet50"),
            inputs=[InputSpec(name="image", dtype="float32", shape=["batch", 3, 224, 224])],
            outputs=[OutputSpec(name="scores", kind="scores")],
        ),
    )


def qutiperf_figures(side: Side, seconds: float) -> Figures:
    result, phases = trial(side, 1, ScenarioName.SINGLE_STREAM, seconds)
    figures = {"compute_latency_us": phases / 1000, "system_latency_us": result / 1000}
    for name, streams in THROUGHPUTS.items():
        figures[name] = trial(side, streams, ScenarioName.OFFLINE, seconds)[0]
    return figures


def trial(side: Side, streams: int, scenario: ScenarioName, seconds: float) -> tuple[float, float]:
    """LoadGen's p50 latency in ns, or samples per second, and the compute p50 in ns; run as in a worker."""

    def fail(error: BaseException) -> None:
        raise SystemExit(f"the harness failed: {error}")

    single = scenario is ScenarioName.SINGLE_STREAM
    point = Point(
        sut="benchmark",
        workload="benchmark",
        scenario=scenario,
        mode=Mode.PERFORMANCE,
        profile=Profile.STANDARD,
        settings=RunSettings(min_duration_s=seconds, min_query_count=1),
        deployment={"batch_size": 1 if single else side.batch},
    )
    model, folder = side.devices[streams], Path(tempfile.mkdtemp(dir=side.scratch))
    model.tune(int(point.deployment["batch_size"]))
    outcome = Trial(model, point, 1, folder, FirstError(fail), None).run(lambda _: None)
    result = read_result(folder)
    figure = result.latency_ns["p50"] if single else result.samples_per_second
    return float(figure or 0), outcome.phases.histograms["compute"].percentile(50) or 0.0


def tool_figures(side: Side, seconds: float) -> Figures:
    """Compares the tool's median latency with both of qutiperf's."""
    if side.tool == "benchmark_app":
        latency_us = benchmark_app(side, 1, seconds, 1)["latency_us"]
        rates = {name: benchmark_app(side, n, seconds, side.batch)["ips"] for name, n in THROUGHPUTS.items()}
    else:
        latency_us = 1000 * loop_ms([caller(side, side.rows[:1])], seconds)[0]
        calls = [caller(side, side.rows) for _ in range(2)]
        rates = {name: side.batch * loop_ms(calls[:n], seconds)[1] for name, n in THROUGHPUTS.items()}
    return {"compute_latency_us": latency_us, "system_latency_us": latency_us, **rates}


def benchmark_app(side: Side, streams: int, seconds: float, batch: int) -> Figures:
    shape = str([batch, *side.model.input_shape]).replace(" ", "")
    command = [sys.executable, "-c", "from openvino.tools.benchmark.main import main; main()"]
    command += ["-m", side.model.path, "-shape", shape, "-d", "CPU", "-hint", "none", "-pin", "NO"]
    command += ["-infer_precision", "f32", "-t", str(max(1, round(seconds)))]
    command += ["-nstreams", str(streams), "-nireq", str(streams), "-nthreads", str(streams)]
    command += ["-api", "sync" if streams == 1 else "async"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return parsed(done.stdout + done.stderr)


def parsed(text: str) -> Figures:
    """Median latency and throughput from the output of benchmark_app."""
    latency = re.search(r"Median:\s+([\d.]+) (us|ms)", text)
    rate = re.search(r"Throughput:\s+([\d.]+) FPS", text)
    if latency is None or rate is None:
        raise SystemExit(f"benchmark_app failed: {text.strip().splitlines()[-1:]}")
    scale = {"us": 1.0, "ms": 1000.0}[latency[2]]
    return {"latency_us": scale * float(latency[1]), "ips": float(rate[1])}


def caller(side: Side, rows: Array) -> Call:
    return (
        onnxruntime_caller(side.model, rows)
        if side.tool == "onnxruntime"
        else litert_caller(side.model, rows)
    )


def onnxruntime_caller(model: Model, rows: Array) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model.path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run([model.output_name], {model.input_name: rows})


def litert_caller(model: Model, rows: Array) -> Call:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model.path, num_threads=1)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], rows.shape)
    interpreter.allocate_tensors()

    def call() -> None:
        interpreter.set_tensor(source["index"], rows)
        interpreter.invoke()
        interpreter.get_tensor(result["index"])

    return call


def loop_ms(calls: Sequence[Call], seconds: float) -> tuple[float, float]:
    """Median duration of a call in ms, and calls per second, with one thread for each of `calls`."""
    durations: list[list[float]] = [[] for _ in calls]

    def work(number: int) -> None:
        call, own, now = calls[number], durations[number], time.perf_counter
        end = (before := now()) + seconds
        while before < end:
            call()
            after = now()
            own.append(after - before)
            before = after

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(calls))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    every = [value for values in durations for value in values]
    return 1000 * median(every), len(every) / elapsed


if __name__ == "__main__":
    main()
