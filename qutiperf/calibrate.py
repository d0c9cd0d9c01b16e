"""Measures the peaks and the memory bandwidth of this host, and computes its theoretical peaks.

Peaks: square matrix products through ONNX Runtime, one per datatype. Bandwidth: the sum of large arrays,
which only reads, as a layer does its weights; beside it the triad a = b + s x c of STREAM (McCalpin 1995),
3 x 8 bytes per element as there, although a processor may read what it is about to overwrite. The larger rate
is the memory bandwidth. All use all cores that this process may use, and are repeated in blocks until the
best rates of the last blocks agree. If they do not agree, or other processes use the cores, the result is
marked doubtful.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper

from qutiperf.host import available_cores, last_level_cache_mb
from qutiperf.results.metrics import NOISY_FOREIGN_PERCENT
from qutiperf.surroundings import Surroundings
from qutiperf.units import format_number, seconds_from_ns

GEMM_SIZE = 1024
REPEATS = 12
AGREEING_BLOCKS = 3
AGREE_PERCENT = 5.0
MOST_BLOCKS = 20
MOST_SECONDS = 20.0
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
class Repeated:
    """The best rate of each block, and whether the last blocks agree with the best of all."""

    rates: tuple[float, ...]
    agrees: bool

    @property
    def best(self) -> float:
        return max(self.rates)


def agree(rates: Sequence[float]) -> bool:
    """True if the last blocks are all within 5 % of the best block."""
    last = rates[-AGREEING_BLOCKS:]
    return len(last) == AGREEING_BLOCKS and min(last) >= (1 - AGREE_PERCENT / 100) * max(rates)


def until_agreed(block: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> Repeated:
    """Repeats `block`, which returns a rate, until the rates agree, for 20 blocks or 20 s at most."""
    rates, end = [block()], clock() + MOST_SECONDS
    while not agree(rates):
        if len(rates) >= MOST_BLOCKS or (clock() >= end and len(rates) >= AGREEING_BLOCKS):
            return Repeated(tuple(rates), agrees=False)
        rates.append(block())
    return Repeated(tuple(rates), agrees=True)


@dataclass(frozen=True, slots=True)
class HostPeaks:
    """TOP/s per datatype, measured and theoretical (None if flags or frequency are unknown), and GB/s.

    `read_gb_s` and `triad_gb_s` are those of reading alone and of STREAM's triad. `doubts` are the reasons
    why the measured figures may be too low.
    """

    measured_tops: Mapping[str, float]
    theoretical_tops: Mapping[str, float]
    read_gb_s: float
    triad_gb_s: float
    memory_capacity_gb: float
    on_chip_memory_mb: float | None
    cores: int
    frequency_ghz: float | None
    doubts: Sequence[str] = field(default=())

    @property
    def bandwidth_gb_s(self) -> float:
        return max(self.read_gb_s, self.triad_gb_s)

    @property
    def source(self) -> str:
        frequency = f"{self.frequency_ghz:.2f} GHz" if self.frequency_ghz else "unknown frequency"
        marked = f"; doubtful: {'; '.join(self.doubts)}" if self.doubts else ""
        how = f"{self.cores} cores, {frequency}; onnxruntime products, reads of large arrays"
        return f"measured on this host: {how}{marked}"


def host_peaks() -> HostPeaks:
    """Uses all cores for a few seconds, or for about a minute if the rates do not agree."""
    frequency = _frequency_ghz()
    surroundings, begin, own_s = Surroundings(), time.monotonic(), sum(os.times()[:2])
    products = {datatype: gemm_tops(datatype) for datatype in BITS}
    reads, triads = read_gb_s(), stream_gb_s()
    seen = surroundings.look(sum(os.times()[:2]) - own_s, time.monotonic() - begin)
    blocks = {f"{name} products": rates for name, rates in products.items()} | {
        "reads": reads,
        "the triad": triads,
    }
    return HostPeaks(
        measured_tops={datatype: rates.best for datatype, rates in products.items()},
        theoretical_tops=theoretical_tops(_flags(), available_cores(), frequency),
        read_gb_s=reads.best,
        triad_gb_s=triads.best,
        memory_capacity_gb=psutil.virtual_memory().total / BYTES_PER_GB,
        on_chip_memory_mb=last_level_cache_mb(),
        cores=available_cores(),
        frequency_ghz=frequency,
        doubts=doubts(seen["foreign_cpu_percent"], blocks),
    )


def busy_reason(other_percent: float | None) -> str | None:
    """The reason why a host is too busy to be measured; None if it is quiet or its use is unknown."""
    if other_percent is None or other_percent <= NOISY_FOREIGN_PERCENT:
        return None
    return f"other processes used {other_percent:.0f} % of the cores"


def doubts(other_percent: float | None, measured: Mapping[str, Repeated]) -> list[str]:
    """The reasons to doubt the rates: a busy host, and blocks that do not agree."""
    busy = busy_reason(other_percent)
    unsteady = [_disagreement(name, rates) for name, rates in measured.items() if not rates.agrees]
    return [*([busy] if busy else []), *unsteady]


def _disagreement(name: str, rates: Repeated) -> str:
    lowest, best = format_number(min(rates.rates), 3), format_number(rates.best, 3)
    return (
        f"{len(rates.rates)} blocks of {name} do not agree within {AGREE_PERCENT:.0f} %: {lowest} to {best}"
    )


def theoretical_tops(flags: frozenset[str], cores: int, frequency_ghz: float | None) -> dict[str, float]:
    """cores x frequency x 2 x multiply-accumulates per cycle of the first flag that the CPU has."""
    tops: dict[str, float] = {}
    if frequency_ghz is None:
        return tops
    for flag, rates in MACS_PER_CYCLE.items():
        for datatype, macs in rates.items():
            if flag in flags and datatype not in tops:
                tops[datatype] = cores * frequency_ghz * 1e9 * 2 * macs / OPS_PER_TOP
    return tops


def gemm_tops(datatype: str, size: int = GEMM_SIZE, repeats: int = REPEATS) -> Repeated:
    """Rates of a size x size x size product through ONNX Runtime, in TOP/s."""
    run = product_runner(datatype, size)
    return until_agreed(lambda: 2.0 * size**3 / best_seconds(run, repeats) / OPS_PER_TOP)


def product_runner(datatype: str, size: int) -> Callable[[], Sequence[object]]:
    """Computes one product of ones on all cores and returns it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(
        _product(datatype, size).SerializeToString(), options, providers=providers
    )
    feed = {"x": _left(datatype, size)}

    def run() -> Sequence[object]:
        outputs: Sequence[object] = session.run(None, feed)
        return outputs

    return run


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


def read_gb_s(elements: int = 3 * STREAM_ELEMENTS, repeats: int = REPEATS) -> Repeated:
    """Rates of reading arrays over all cores in GB/s, by adding up their elements of 8 bytes."""
    workers = available_cores()
    parts = [np.full(elements // workers, 1.0) for _ in range(workers)]
    gigabytes = sum(part.nbytes for part in parts) / BYTES_PER_GB
    with ThreadPoolExecutor(workers) as pool:
        return until_agreed(lambda: gigabytes / best_seconds(lambda: list(pool.map(np.sum, parts)), repeats))


def stream_gb_s(elements: int = STREAM_ELEMENTS, repeats: int = REPEATS) -> Repeated:
    """Rates of the triad over all cores in GB/s; numpy releases the global lock during arithmetic."""
    workers = available_cores()
    parts = [np.full((3, elements // workers), 1.0) for _ in range(workers)]
    gigabytes = STREAM_BYTES * workers * (elements // workers) / BYTES_PER_GB
    with ThreadPoolExecutor(workers) as pool:
        return until_agreed(lambda: gigabytes / best_seconds(lambda: list(pool.map(triad, parts)), repeats))


def triad(part: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    """a = b + s x c block by block, so that the product stays in cache and memory sees three streams."""
    product = np.empty(STREAM_BLOCK)
    for start in range(0, part.shape[1], STREAM_BLOCK):
        stop = min(start + STREAM_BLOCK, part.shape[1])
        scaled = product[: stop - start]
        np.multiply(part[2, start:stop], 3.0, out=scaled)
        np.add(part[1, start:stop], scaled, out=part[0, start:stop])


def best_seconds(
    work: Callable[[], object], repeats: int, clock_ns: Callable[[], int] = time.perf_counter_ns
) -> float:
    """The shortest of `repeats` calls."""
    times = []
    for _ in range(repeats):
        begin = clock_ns()
        work()
        times.append(clock_ns() - begin)
    return seconds_from_ns(min(times))


def _frequency_ghz() -> float | None:
    """The highest frequency that the system reports, else the current one."""
    frequency = psutil.cpu_freq()
    if frequency is None:
        return None
    return (frequency.max or frequency.current) / 1e3 or None


def _flags() -> frozenset[str]:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
