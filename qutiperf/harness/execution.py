"""How a part ran in its datatype, from the nodes that the runtime's profiler reports."""

from collections import Counter
from collections.abc import Sequence

from qutiperf.adapters.base import ProfiledNode
from qutiperf.adapters.registry import AnyAdapter
from qutiperf.harness.correctness import random_inputs
from qutiperf.results.record import Execution, NodeTime, RanAs
from qutiperf.spec.build import WEIGHTS_ALONE
from qutiperf.spec.layer import Threshold
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.workload import ModelSpec

MOST_PROFILED = 500  # calls; the threads of a runtime are slow to answer in the first of them
_PROFILED_NS, _PART_PROFILED_NS = 5e8, 4e7  # of all calls of a profile together, about
# nodes that move or convert values; the rest computes
MOVING_NODES = frozenset(
    {
        *("Cast", "Concat", "Convert", "DequantizeLinear", "FakeQuantize", "Gather", "Identity"),
        *("QuantizeLinear", "Reorder", "ReorderInput", "ReorderOutput", "Reshape", "Slice", "Split"),
        *("Squeeze", "Transpose", "Unsqueeze"),
    }
)
_PRODUCTS = ("conv", "gemm", "matmul", "fullyconnected", "lstm", "gru", "rnn", "attention")
_MATRICES = {"dense": 1, "attention": 4}
_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8}


def execution_of(part: BuiltPart, spec: ModelSpec, adapter: AnyAdapter) -> Execution | None:
    """Of one call on one input; None where the runtime does not report its nodes."""
    nodes = adapter.profile(random_inputs(spec, 1), 1)
    if not nodes:
        return None
    kinds = Counter(
        f"{node.operator} {node.datatype}{f', {node.weights} weights' if node.weights else ''}"
        for node in nodes
    )
    return Execution(ran_as=ran_as(part, nodes), nodes=dict(kinds))


def ran_as(part: BuiltPart, nodes: Sequence[ProfiledNode]) -> RanAs:
    """Judged by the nodes that add up products, or by all that compute if there are none."""
    if any(isinstance(layer, Threshold) for layer in part.parts):
        return "emulated"
    working = [node for node in nodes if node.operator not in MOVING_NODES]
    products = [node for node in working if any(word in node.operator.lower() for word in _PRODUCTS)]
    judged = products or working
    computed = {node.datatype for node in judged}
    few = set(part.datatypes) & set(WEIGHTS_ALONE)
    declared: set[str] = {"fp32" if datatype in WEIGHTS_ALONE else datatype for datatype in part.datatypes}
    if few and (missing := _missing(part, judged)) is not None:
        return missing
    if computed == declared or (computed and computed < declared and not few):
        return _whole(computed == declared, few=bool(few))
    return _part(judged, computed, declared)


def _missing(part: BuiltPart, judged: Sequence[ProfiledNode]) -> RanAs | None:
    """None if there are as many nodes with weights of few bits as the part has matrices of them."""
    pairs = zip(part.parts, part.datatypes, strict=True)
    expected = sum(
        _MATRICES.get(layer.kind, 0)
        for layer, datatype in pairs
        if datatype in WEIGHTS_ALONE and layer.weights
    )
    stored = sum(node.weights in ("packed", *WEIGHTS_ALONE) for node in judged)
    if stored >= expected:
        return None
    return "partly native" if stored else "emulated"


def _whole(complete: bool, *, few: bool) -> RanAs:
    """All nodes compute in a declared datatype; in each of them if `complete`."""
    if not complete:
        return "partly native"
    return "weights only" if few else "native"


def _part(judged: Sequence[ProfiledNode], computed: set[str], declared: set[str]) -> RanAs:
    """Some or all nodes compute in a datatype that is not declared."""
    if computed & declared:
        return "partly native"
    if declared == {"int8"} and any(node.weights == "int8" for node in judged):
        return "weights only"
    least = min(_BITS[datatype] for datatype in declared)
    narrow = bool(computed) and all(_BITS.get(datatype, 64) < least for datatype in computed)
    precise = declared <= {"fp16"} and computed == {"bf16"}  # as many bits, but fewer of them for digits
    return "reduced" if narrow or precise else "emulated"


def profile_of(spec: ModelSpec, adapter: AnyAdapter, batch_size: int, call_ns: float) -> list[NodeTime]:
    """The nodes of a network or part with their times; empty without a profiler.

    Networks of several tensors are left out: what their inputs have to be is not known here. `call_ns` is the
    time of a batch, which limits the number of calls.
    """
    if spec.many and spec.part is None:
        return []
    longest_ns = _PROFILED_NS if spec.part is None else _PART_PROFILED_NS
    repeats = max(3, min(MOST_PROFILED, round(longest_ns / max(call_ns, 1.0))))
    nodes = adapter.profile(random_inputs(spec, spec.fixed_batch or batch_size), repeats) or []
    return [NodeTime.model_validate(node._asdict()) for node in nodes]
