"""The accuracy and speed of level 0; prints one JSON object.

    python benchmarks/level0.py [--skip-evaluation]

Requirements of a 100 MB ResNet-50 and of a transformer of 3,000 nodes, beside onnx-tool (if installed) on the
same files in the same run; 10,000 predictions; and the protocol of `level0 evaluate` (about a minute).
"""

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from onnx import TensorProto, helper

from qutiperf.cli.level0_fit import scores
from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.evaluate import evaluate, interval_coverage
from qutiperf.level0.graph import read_model
from qutiperf.level0.network import network_of
from qutiperf.level0.prediction import PredictionTarget, predict_many
from qutiperf.level0.reference import published_measurements
from qutiperf.models.topologies import declare, write
from qutiperf.spec.sut import load_sut

REPEATS = 7
PREDICTIONS = 10_000
BLOCKS, WIDTH, STEPS = 250, 64, 128


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--skip-evaluation", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        report = requirements_speed(Path(scratch)) | prediction_speed()
    if not options.skip_evaluation:
        report |= quality()
    print(json.dumps(report, indent=1))


def requirements_speed(scratch: Path) -> dict[str, object]:
    """Median seconds in addition to reading the protobuf, and the counts of both tools."""
    resnet, transformer = scratch / "resnet50.onnx", scratch / "transformer.onnx"
    write(resnet, "resnet50", batch=1)
    onnx.save(_transformer(), str(transformer))
    report: dict[str, object] = {}
    for path in (resnet, transformer):
        model = read_model(path)
        seconds = _median_seconds(lambda model=model: requirements_of_model(model, "it"))  # type: ignore[misc]  # bound now
        counted = requirements_of_model(model, path.stem)
        report[path.stem] = {
            "file_mb": round(path.stat().st_size / 1e6, 1),
            "nodes": counted.nodes,
            "read_s": round(_median_seconds(lambda path=path: read_model(path)), 4),  # type: ignore[misc]  # bound now
            "requirements_s": round(seconds, 4),
            "gop": counted.ops / 1e9,
            "onnx_tool": _onnx_tool(path),
        }
    return report


def _onnx_tool(path: Path) -> dict[str, float] | str:
    """Seconds and multiply-accumulates of onnx-tool for the same file, including reading."""
    try:
        tool = importlib.import_module("onnx_tool")
    except ImportError:
        return "not installed: pip install onnx-tool"

    def profile() -> float:
        model = tool.Model(str(path), {"verbose": False})
        model.graph.shape_infer()
        model.graph.profile()
        return float(model.graph.macs[0])

    begin = time.perf_counter()
    macs = profile()
    return {"read_and_profile_s": round(time.perf_counter() - begin, 4), "gmac": macs / 1e9}


def _transformer() -> onnx.ModelProto:
    """BLOCKS blocks of 12 nodes: projections, attention products, softmax, addition, normalisation."""
    nodes, weights, tensor = [], [], "x"
    weights += [_tensor("s", [WIDTH]), _tensor("b", [WIDTH])]
    for block in range(BLOCKS):
        name = f"n{block}_"
        weights += [_tensor(f"{name}{key}", [WIDTH, WIDTH]) for key in "qkvou"]
        steps = [
            ("MatMul", [tensor, f"{name}q"], "Q"),
            ("MatMul", [tensor, f"{name}k"], "K"),
            ("MatMul", [tensor, f"{name}v"], "V"),
            ("Transpose", [f"{name}K"], "T"),
            ("MatMul", [f"{name}Q", f"{name}T"], "A"),
            ("Softmax", [f"{name}A"], "P"),
            ("MatMul", [f"{name}P", f"{name}V"], "C"),
            ("MatMul", [f"{name}C", f"{name}o"], "O"),
            ("Add", [tensor, f"{name}O"], "R"),
            ("LayerNormalization", [f"{name}R", "s", "b"], "N"),
            ("MatMul", [f"{name}N", f"{name}u"], "U"),
            ("Relu", [f"{name}U"], "Y"),
        ]
        for operator, inputs, output in steps:
            node = helper.make_node(operator, inputs, [name + output], name=name + output)
            if operator == "Transpose":
                node.attribute.append(helper.make_attribute("perm", [0, 2, 1]))
            nodes.append(node)
        tensor = f"{name}Y"
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, STEPS, WIDTH])
    out = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [1, STEPS, WIDTH])
    graph = helper.make_graph(nodes, "transformer", [source], [out], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _tensor(name: str, shape: list[int]) -> onnx.TensorProto:
    values = np.zeros(shape, np.float32)
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values.tobytes(), raw=True)


def prediction_speed() -> dict[str, object]:
    target = PredictionTarget(load_sut("TX2")[0].platform, "TX2", "fp16", "maxn")
    names = ("mlp", "cnv", "resnet50", "googlenet")
    networks = [network_of(requirements_of_model(declare(name), name)) for name in names]
    settings = [(number % len(names), 1 + number % 128, 1) for number in range(PREDICTIONS)]
    seconds = _median_seconds(lambda: predict_many(networks, target, settings))
    return {"predictions": PREDICTIONS, "predictions_s": round(seconds, 4)}


def quality() -> dict[str, object]:
    """Scores under all protocols, with and without the rows above peak."""
    begin = time.perf_counter()
    evaluation = evaluate(published_measurements())
    seconds = time.perf_counter() - begin
    return {
        "evaluate_s": round(seconds, 1),
        "scores": scores(evaluation),
        "interval_coverage_percent": round(interval_coverage(evaluation), 1),
        "fitted_constants": sum(len(values) for values in evaluation.constants.values()),
    }


def _median_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


if __name__ == "__main__":
    main()
