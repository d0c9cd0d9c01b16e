"""The overhead of the harness over a bare LoadGen callback, as ratios; prints one JSON object.

    python benchmarks/harness_overhead.py [--pairs 7] [--seconds 1] [--reference CHECKOUT] [--memory MINUTES]

The model is one average-pooling layer over 3x224x224 floats, which leaves little time to hide overhead in.
All sides alternate in one run, over the same samples in random order. CHECKOUT is a checkout of
mlcommons/inference (needs opencv-python-headless, pillow, pycocotools) to include its reference application.
--memory instead runs a model of 5 us and prints the growth of resident memory; LoadGen keeps about 380 bytes
for every query of a test, so this uses tests of one minute in one process.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from statistics import median

import mlperf_loadgen
import numpy as np
import psutil

from qutiperf.adapters.base import Model
from qutiperf.adapters.registry import adapter_class, make_options
from qutiperf.datasets import open_dataset
from qutiperf.datasets.tasks import task_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.run import Trial
from qutiperf.harness.streams import FirstError
from qutiperf.mlperf_logs import LoadGenResult, read_result
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload

SAMPLES = 64
STREAMS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Side = Callable[[], LoadGenResult]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--memory", type=int, metavar="MINUTES")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = (
            memory(options.memory, Path(scratch))
            if options.memory
            else overhead(Path(scratch), options.pairs, options.seconds, options.reference)
        )
    print(json.dumps(report, indent=1))


def overhead(scratch: Path, pairs: int, seconds: float, reference: Path | None) -> dict[str, object]:
    """Medians over the pairs, and the ratios of each pair."""
    model = pooling_model(scratch)
    workload = pooling_workload(model)
    mine, null = load("onnxruntime", workload, STREAMS), load("simulated", null_workload(), STREAMS)
    bare = Bare(model, mine)
    sides: dict[str, Side] = {
        "bare_single_stream": lambda: bare.single_stream(seconds, scratch),
        "qutiperf_single_stream": lambda: run(mine, ScenarioName.SINGLE_STREAM, 1, seconds, scratch),
        "bare_offline": lambda: bare.offline(seconds, scratch),
        "qutiperf_offline": lambda: run(mine, ScenarioName.OFFLINE, 1, seconds, scratch),
        "null_offline": lambda: run(null, ScenarioName.OFFLINE, 1024, seconds, scratch),
        "null_single_stream": lambda: run(null, ScenarioName.SINGLE_STREAM, 1, seconds, scratch),
    }
    if reference is not None:
        application = Reference(reference, model, scratch)
        sides["reference_single_stream"] = lambda: application.run("SingleStream", seconds)
        sides["reference_offline"] = lambda: application.run("Offline", seconds)
    results = take_turns(sides, pairs)
    return summary(results, reference is not None)


def take_turns(sides: dict[str, Side], pairs: int) -> dict[str, list[LoadGenResult]]:
    """Every side once per round, after one warm-up round."""
    results: dict[str, list[LoadGenResult]] = {name: [] for name in sides}
    for number in range(pairs + 1):
        for name, side in sides.items():
            result = side()
            if number:
                results[name].append(result)
            print(f"round {number} of {pairs} {name}", file=sys.stderr)
    return results


def summary(results: dict[str, list[LoadGenResult]], reference: bool) -> dict[str, object]:
    latency = {
        name: [each.latency_ns["p50"] for each in results[name]] for name in results if "single" in name
    }
    rate = {
        name: [each.samples_per_second or 0 for each in results[name]]
        for name in results
        if "offline" in name
    }
    added = [
        mine - bare
        for mine, bare in zip(latency["qutiperf_single_stream"], latency["bare_single_stream"], strict=True)
    ]
    report: dict[str, object] = {
        "pairs": len(added),
        "streams": STREAMS,
        "single_stream_p50_ns": {name: median(values) for name, values in latency.items()},
        "single_stream_added_ns": {
            "median": median(added),
            "least": min(added),
            "most": max(added),
            "goal": 2000,
        },
        "offline_ips": {name: round(median(values)) for name, values in rate.items()},
        "offline_ratio_to_bare": {**ratios(rate["qutiperf_offline"], rate["bare_offline"]), "goal": 0.95},
        "null_offline_ips_goal": 1_000_000,
    }
    if reference:
        report["offline_ratio_to_reference"] = {
            **ratios(rate["qutiperf_offline"], rate["reference_offline"]),
            "goal": 3,
        }
    return report


def ratios(mine: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    each = [first / second for first, second in zip(mine, other, strict=True)]
    return {"median": round(median(each), 4), "least": round(min(each), 4), "most": round(max(each), 4)}


def pooling_model(scratch: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    path = scratch / "pooling.onnx"
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        "pooling",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def pooling_workload(model: Path) -> Workload:
    return Workload(
        name="pooling",
        task="image-classification",
        dataset=DatasetSpec(name="synthetic", count=SAMPLES),
        model=ModelSpec(
            file=str(model),
            inputs=[InputSpec(name="image", dtype="float32", shape=["batch", 3, 224, 224])],
            outputs=[OutputSpec(name="scores", kind="scores")],
        ),
    )


def null_workload() -> Workload:
    return Workload(
        name="null",
        task="image-classification",
        dataset=DatasetSpec(name="synthetic", count=1024),
        model=ModelSpec(
            inputs=[InputSpec(name="image", dtype="float32", shape=["batch", 4])],
            outputs=[OutputSpec(name="scores", kind="scores")],
        ),
    )


def load(adapter: str, workload: Workload, streams: int, **options: object) -> LoadedModel:
    """`streams` instances, as a worker loads them."""
    kind = adapter_class(adapter)
    spec = workload.model
    adapters = []
    for _ in range(streams):
        instance = kind()
        instance.load(
            Model(
                spec.file or "", spec.input.name, spec.input.dtype, spec.input.sample_shape, spec.output.name
            ),
            make_options(kind, dict(options), adapter),
        )
        adapters.append(instance)
    return LoadedModel(adapters, open_dataset(workload.dataset, spec.input), task_for(workload), None)


def run(
    model: LoadedModel, scenario: ScenarioName, batch: int, seconds: float, scratch: Path
) -> LoadGenResult:
    """One run exactly as in a worker."""

    def fail(error: BaseException) -> None:
        raise SystemExit(f"the harness failed: {error}")

    point = Point(
        sut="benchmark",
        workload="benchmark",
        scenario=scenario,
        mode=Mode.PERFORMANCE,
        profile=Profile.STANDARD,
        settings=RunSettings(min_duration_s=seconds, min_query_count=1),
        deployment={"batch_size": batch},
    )
    model.tune(batch)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    Trial(model, point, 1, folder, FirstError(fail), None).run(lambda seconds: None)
    return read_result(folder)


class Bare:
    """A minimal Python system under test: callbacks around session.run."""

    def __init__(self, model: Path, like: LoadedModel) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = [onnxruntime.InferenceSession(str(model), options) for _ in range(STREAMS)]
        self._rows = like.dataset.load(range(SAMPLES))
        self._response = np.zeros(1, np.float32)
        self._rate = 1000.0

    def single_stream(self, seconds: float, scratch: Path) -> LoadGenResult:
        session, rows, address = self._sessions[0], self._rows, self._response.ctypes.data

        def issue(samples: "Sequence[mlperf_loadgen.QuerySample]") -> None:
            for sample in samples:
                session.run(["scores"], {"image": rows[sample.index : sample.index + 1]})
                mlperf_loadgen.QuerySamplesComplete(
                    [mlperf_loadgen.QuerySampleResponse(sample.id, address, 4)]
                )

        return self._test(issue, "SingleStream", seconds, scratch)

    def offline(self, seconds: float, scratch: Path) -> LoadGenResult:
        """As many threads as cores, one sample at a time from a queue."""
        queue: SimpleQueue[mlperf_loadgen.QuerySample | None] = SimpleQueue()
        rows, address = self._rows, self._response.ctypes.data

        def serve(session: "object") -> None:
            while (sample := queue.get()) is not None:
                session.run(["scores"], {"image": rows[sample.index : sample.index + 1]})  # type: ignore[attr-defined]
                mlperf_loadgen.QuerySamplesComplete(
                    [mlperf_loadgen.QuerySampleResponse(sample.id, address, 4)]
                )

        def issue(samples: "Sequence[mlperf_loadgen.QuerySample]") -> None:
            for sample in samples:
                queue.put(sample)

        threads = [threading.Thread(target=serve, args=(session,)) for session in self._sessions]
        for thread in threads:
            thread.start()
        result = self._test(issue, "Offline", seconds, scratch)
        for _ in threads:
            queue.put(None)
        for thread in threads:
            thread.join()
        self._rate = result.samples_per_second or self._rate
        return result

    def _test(
        self, issue: Callable[..., None], scenario: str, seconds: float, scratch: Path
    ) -> LoadGenResult:
        settings = mlperf_loadgen.TestSettings()
        settings.scenario = getattr(mlperf_loadgen.TestScenario, scenario)
        settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
        settings.min_duration_ms, settings.min_query_count = round(1000 * seconds), 1
        settings.single_stream_expected_latency_ns = 20_000
        settings.offline_expected_qps = self._rate * 1.15
        output = mlperf_loadgen.LogOutputSettings()
        output.outdir = tempfile.mkdtemp(dir=scratch)
        log = mlperf_loadgen.LogSettings()
        log.log_output, log.enable_trace = output, False
        library = mlperf_loadgen.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
        system = mlperf_loadgen.ConstructSUT(issue, lambda: None)
        mlperf_loadgen.StartTestWithLogSettings(system, library, settings, log, "/dev/null/none")
        mlperf_loadgen.DestroySUT(system)
        mlperf_loadgen.DestroyQSL(library)
        return read_result(Path(output.outdir))


class Reference:
    """MLPerf's reference application on the same model, with as many threads, one sample at a time."""

    def __init__(self, checkout: Path, model: Path, scratch: Path) -> None:
        self._folder = (checkout / "vision/classification_and_detection").resolve()
        self._model, self._scratch = model, scratch
        self._images = scratch / "images"
        self._make_images()

    def _make_images(self) -> None:
        import cv2

        self._images.mkdir()
        random = np.random.default_rng(1)
        names = [f"{number}.jpg" for number in range(SAMPLES)]
        for name in names:
            cv2.imwrite(str(self._images / name), random.integers(0, 255, (256, 256, 3), np.uint8))
        (self._images / "val_map.txt").write_text("".join(f"{name} 0\n" for name in names))

    def run(self, scenario: str, seconds: float) -> LoadGenResult:
        output = Path(tempfile.mkdtemp(dir=self._scratch))
        user = output / "user.conf"
        user.write_text(
            f"*.*.min_duration = {round(1000 * seconds)}\n*.*.min_query_count = 1\n"
            "*.SingleStream.target_latency = 0.02\n*.Offline.target_qps = 12000\n"
        )
        command = [
            sys.executable,
            "python/main.py",
            "--profile",
            "resnet50-onnxruntime",
            "--backend",
            "onnxruntime",
        ]
        command += [
            "--model",
            str(self._model),
            "--inputs",
            "image",
            "--outputs",
            "scores",
            "--scenario",
            scenario,
        ]
        command += [
            "--dataset-path",
            str(self._images),
            "--cache_dir",
            str(self._scratch),
            "--output",
            str(output),
        ]
        command += ["--user_conf", str(user), "--threads", str(STREAMS), "--max-batchsize", "1"]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        if not (output / "mlperf_log_detail.txt").is_file():
            raise SystemExit(f"the reference application failed: {done.stderr[-800:]}")
        return read_result(output)


def memory(minutes: int, scratch: Path) -> dict[str, object]:
    """Resident memory in MB after each minute of a simulated model of 5 us."""
    model = load("simulated", null_workload(), 1, latency_us=5.0)
    process, resident = psutil.Process(), []
    for minute in range(1, minutes + 1):
        result = run(model, ScenarioName.SINGLE_STREAM, 1, 60, scratch)
        ctypes.CDLL(None).malloc_trim(0)  # memory that LoadGen freed does not belong to the harness
        resident.append(round(process.memory_info().rss / 1e6, 1))
        print(f"minute {minute}: {resident[-1]} MB after {result.query_count} queries", file=sys.stderr)
    return {"resident_mb": resident, "grown_mb": round(resident[-1] - resident[0], 1), "goal_mb": 20}


if __name__ == "__main__":
    main()
