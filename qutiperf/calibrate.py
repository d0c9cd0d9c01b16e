"""Measures what this host really reaches, beside what its data sheet would promise.

Peaks: square matrix products through ONNX Runtime, one per datatype, best of several. Bandwidth: the triad
a = b + s x c of STREAM (McCalpin 1995) on arrays far larger than any cache, 3 x 8 bytes an element as STREAM
counts them. Both on all cores that this process may use.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper

from qutiperf.host import available_cores
from qutiperf.units import seconds_from_ns

GEMM_SIZE = 1024
REPEATS = 12
STREAM_ELEMENTS = 1 << 24
STREAM_BLOCK = 1 << 15
STREAM_BYTES = 24
OPS_PER_TOP = 1e12
BYTES_PER_GB = 1e9
BITS = {"fp32": 32, "int8": 8}
# multiply-accumulates per cycle and core of the widest unit that a CPU flag announces, by datatype;
# two vector units are assumed, one matrix unit (vendors' optimisation manuals)
MACS_PER_CYCLE: Mapping[str, Mapping[str, int]] = {
    "amx_int8": {"int8": 1024},
    "avx512_vnni": {"int8": 128},
    "avx_vnni": {"int8": 64},
    "avx512f": {"fp32": 32},
    "fma": {"fp32": 16},
    "avx2": {"int8": 32},
    "asimddp": {"int8": 32},
    "asimd": {"fp32": 8},
}


@dataclass(frozen=True, slots=True)
class HostPeaks:
    """TOP/s per datatype, measured and theoretical (None where flags or frequency are unknown), and GB/s."""

    measured_tops: Mapping[str, float]
    theoretical_tops: Mapping[str, float]
    bandwidth_gb_s: float
    memory_capacity_gb: float
    on_chip_memory_mb: float | None
    cores: int
    frequency_ghz: float | None

    @property
    def source(self) -> str:
        frequency = f"{self.frequency_ghz:.2f} GHz" if self.frequency_ghz else "unknown frequency"
        return f"measured on this host: {self.cores} cores, {frequency}; onnxruntime products, STREAM triad"


def host_peaks() -> HostPeaks:
    """Takes some seconds of all cores."""
    frequency = _frequency_ghz()
    return HostPeaks(
        measured_tops={datatype: gemm_tops(datatype) for datatype in BITS},
        theoretical_tops=theoretical_tops(_flags(), available_cores(), frequency),
        bandwidth_gb_s=stream_gb_s(),
        memory_capacity_gb=psutil.virtual_memory().total / BYTES_PER_GB,
        on_chip_memory_mb=_last_level_cache_mb(),
        cores=available_cores(),
        frequency_ghz=frequency,
    )


def theoretical_tops(flags: frozenset[str], cores: int, frequency_ghz: float | None) -> dict[str, float]:
    """cores x frequency x 2 x multiply-accumulates per cycle of the first flag that is there."""
    found: dict[str, float] = {}
    if frequency_ghz is None:
        return found
    for flag, rates in MACS_PER_CYCLE.items():
        for datatype, macs in rates.items():
            if flag in flags and datatype not in found:
                found[datatype] = cores * frequency_ghz * 1e9 * 2 * macs / OPS_PER_TOP
    return found


def gemm_tops(datatype: str, size: int = GEMM_SIZE, repeats: int = REPEATS) -> float:
    """Best rate of a size x size x size product through ONNX Runtime, in TOP/s."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(
        _product(datatype, size).SerializeToString(), options, providers=providers
    )
    feed = {"x": _left(datatype, size)}
    seconds = _best_seconds(lambda: session.run(None, feed), repeats)
    return 2.0 * size**3 / seconds / OPS_PER_TOP


def _product(datatype: str, size: int) -> onnx.ModelProto:
    """One MatMul or MatMulInteger with constant weights, as layers have."""
    integer = datatype == "int8"
    kind = TensorProto.INT8 if integer else TensorProto.FLOAT
    values = np.ones((size, size), np.int8 if integer else np.float32)
    weights = helper.make_tensor("w", kind, [size, size], values.tobytes(), raw=True)
    node = helper.make_node("MatMulInteger" if integer else "MatMul", ["x", "w"], ["y"])
    source = helper.make_tensor_value_info(
        "x", TensorProto.UINT8 if integer else TensorProto.FLOAT, [size, size]
    )
    out = helper.make_tensor_value_info(
        "y", TensorProto.INT32 if integer else TensorProto.FLOAT, [size, size]
    )
    graph = helper.make_graph([node], "product", [source], [out], [weights])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _left(datatype: str, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.generic]]:
    return np.ones((size, size), np.uint8 if datatype == "int8" else np.float32)


def stream_gb_s(elements: int = STREAM_ELEMENTS, repeats: int = REPEATS) -> float:
    """Best rate of the triad over all cores in GB/s; numpy releases the lock while it adds."""
    workers = available_cores()
    parts = [np.full((3, elements // workers), 1.0) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        seconds = _best_seconds(lambda: list(pool.map(_triad, parts)), repeats)
    return STREAM_BYTES * workers * (elements // workers) / seconds / BYTES_PER_GB


def _triad(part: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    """a = b + s x c block by block, so that the product stays in cache and memory sees three streams."""
    product = np.empty(STREAM_BLOCK)
    for start in range(0, part.shape[1], STREAM_BLOCK):
        stop = min(start + STREAM_BLOCK, part.shape[1])
        scaled = product[: stop - start]
        np.multiply(part[2, start:stop], 3.0, out=scaled)
        np.add(part[1, start:stop], scaled, out=part[0, start:stop])


def _best_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - begin)
    return seconds_from_ns(min(times))


def _frequency_ghz() -> float | None:
    """The highest frequency that the system names, else the present one."""
    found = psutil.cpu_freq()
    if found is None:
        return None
    return (found.max or found.current) / 1e3 or None


def _flags() -> frozenset[str]:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _last_level_cache_mb() -> float | None:
    """Of the first core, where Linux names it; sizes are written as 8192K."""
    sizes = [_text(path).strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    kibibytes = [int(size[:-1]) for size in sizes if size.endswith("K") and size[:-1].isdigit()]
    return max(kibibytes) * 1024 / 1e6 if kibibytes else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
