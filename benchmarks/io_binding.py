"""The reason why the onnxruntime adapter does not bind its tensors on the CPU; prints one JSON object.

    python benchmarks/io_binding.py [--pairs 9] [--model FILE]

Alternates between `run` and `run_with_iobinding` with preallocated outputs; prints the median ratio
of their times, binding over run, at several batch sizes.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

from qutiperf.spec import catalog

DEFAULT = "scenarios/workloads/models/digits-cnv-100-fp32.onnx"
CALLS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--model", type=Path, default=catalog.root() / DEFAULT, help="a model of digits")
    options = parser.parse_args()
    ratios = {f"batch_{batch}": binding_over_run(options.model, batch, options.pairs) for batch in (1, 8, 64)}
    print(
        json.dumps(
            {"pairs": options.pairs, "model": options.model.name, "binding_over_run": ratios}, indent=1
        )
    )


def binding_over_run(model: Path, batch: int, pairs: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    rows = np.random.default_rng(1).random((batch, 1, 8, 8), np.float32)
    outputs = np.zeros((batch, 10), np.float32)
    bound = session.io_binding()
    # onnxruntime leaves the methods of a binding without annotations
    bound.bind_output("scores", "cpu", 0, np.float32, outputs.shape, outputs.ctypes.data)  # type: ignore[no-untyped-call]
    address = rows.ctypes.data

    def bind() -> None:
        bound.bind_input("image", "cpu", 0, np.float32, rows.shape, address)  # type: ignore[no-untyped-call]
        session.run_with_iobinding(bound)  # type: ignore[no-untyped-call]

    def run() -> None:
        session.run(["scores"], {"image": rows})

    ratios = [median_ns(bind) / median_ns(run) for _ in range(pairs + 1)]
    return round(median(ratios[1:]), 3)


def median_ns(call: Callable[[], None]) -> float:
    durations = []
    for _ in range(CALLS):
        before = time.perf_counter_ns()
        call()
        durations.append(time.perf_counter_ns() - before)
    return median(durations)


if __name__ == "__main__":
    main()
