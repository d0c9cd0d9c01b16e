"""One system with one workload, checked: the model file for its adapter, the data, the options.

Nothing is loaded, and no runtime is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options, require_runtime
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.inputs import bytes_of_sample
from qutiperf.datasets.tasks import task_for
from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import ImpossiblePointError, InputError
from qutiperf.harness.sample_cache import sample_key
from qutiperf.models.parts import check_datatype
from qutiperf.models.topology_spec import declare_for
from qutiperf.regular_file import unreadable
from qutiperf.run.model_tensors import check_tensors, open_fitting
from qutiperf.spec.config import nearest, sha256_of_file, shortened
from qutiperf.spec.formats import for_suffixes
from qutiperf.spec.limits import check_sample
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.topology import Topology
from qutiperf.spec.workload import Workload


@dataclass(frozen=True, slots=True)
class Pairing:
    """A workload on a system; `workload` has the first file that the adapter loads.

    `preparation_s` is the time to prepare one of the `samples` of the dataset, measured with the first;
    `sample_key` is theirs in the cache of prepared samples, None for those that are not kept there.
    """

    sut: SystemUnderTest
    workload: Workload
    dataset: dict[str, int | str | None]
    files_sha256: Mapping[str, str]
    samples: int
    preparation_s: float
    sample_key: str | None = None


def runnable(sut: SystemUnderTest, *, here: bool = True) -> type[AnyAdapter]:
    """The adapter of a system; raises InputError for wrong options, SetupError for a missing runtime.

    The runtime of a system that does not run `here` is not looked for.
    """
    adapter = adapter_class(sut.adapter)
    options = make_options(adapter, dict(sut.options), sut.name)
    if here:
        require_runtime(adapter, sut.adapter, options)
    return adapter


def _suffixes(sut: SystemUnderTest, adapter: type[AnyAdapter]) -> Sequence[str]:
    offered = adapter.model_suffixes
    for suffix in sut.model_suffixes if offered else []:
        if suffix not in offered:
            problem = f"model_suffixes: the adapter {sut.adapter} does not load {suffix}"
            raise InputError(problem, where=sut.name, cure=nearest(suffix, offered))
    return sut.model_suffixes or offered


def has_truth(workload: Workload) -> bool:
    """Whether there are labels for accuracy; raises InputError or SetupError if the data cannot be opened."""
    return task_for(workload).judged and open_fitting(workload).truth is not None


def pair(sut: SystemUnderTest, workload: Workload, *, here: bool = True) -> Pairing:
    """Raises InputError or SetupError if the system cannot run the workload; `here` as in `runnable`."""
    adapter = runnable(sut, here=here)
    chosen = chosen_for(sut, workload)
    check_taken(sut, chosen)
    if chosen.model.padded and not (adapter.open_sizes or chosen.model.one_size):
        problem = f"model.inputs: padding: {sut.name} only takes batches of one size"
        sizes = sorted({each.most_length for each in chosen.model.inputs if each.most_length})
        cure = f"pad all to the longest: buckets: [{sizes[0]}]" if len(sizes) == 1 else "give one bucket each"
        raise ImpossiblePointError(problem, where=workload.name, cure=f"{cure}, or measure on another system")
    dataset = open_fitting(chosen)
    check_sample(bytes_of_sample(chosen.model), workload.name)
    files = _checked_files(chosen, dataset)
    preparation_s = _preparation_s(dataset)
    key = sample_key(dataset, chosen)
    return Pairing(sut, chosen, dataset.describe(), files, dataset.count, preparation_s, key)


def check_taken(sut: SystemUnderTest, workload: Workload) -> None:
    """Raises InputError if the system's adapter does not take the number of tensors or a type of input."""
    adapter, name = adapter_class(sut.adapter), f"{sut.name} ({sut.adapter.rsplit('/', 1)[-1]})"
    cure = "measure it on another system"
    if workload.model.many and not adapter.many_tensors:
        problem = f"{name} only takes models with one input and one output"
        raise ImpossiblePointError(problem, where=workload.name, cure=cure)
    others = [
        f"'{spec.name}' is {spec.dtype}"
        for spec in workload.model.inputs
        if spec.dtype in BEYOND_NUMPY and spec.dtype not in adapter.element_types
    ]
    if others:
        taken = ", ".join(["the types of numpy", *adapter.element_types])
        problem = f"{name} takes {taken}, but input {', '.join(others)}"
        raise ImpossiblePointError(problem, where=workload.name, cure=cure)


def _preparation_s(dataset: Dataset) -> float:
    """Seconds of one sample; the second call, as the first may import a decoder."""
    dataset.load([0])
    started = perf_counter()
    dataset.load([0])
    return perf_counter() - started


def chosen_for(sut: SystemUnderTest, workload: Workload) -> Workload:
    """The workload with the file that the system loads, without its runtime; raises InputError."""
    return for_suffixes(workload, _suffixes(sut, adapter_class(sut.adapter)))


def _checked_files(workload: Workload, dataset: Dataset) -> dict[str, str]:
    """Digest of the model file by name; raises InputError if it does not match the workload."""
    spec = workload.model
    if spec.topology is not None:
        _check_topology(workload, spec.topology)
        return {}
    if spec.part is not None:
        check_datatype(spec.part)
        return {"model:part": spec.part.digest}
    if spec.file is None:
        return {}
    path = Path(spec.file)
    if (problem := unreadable(path)) is not None:
        cure = "the path is relative to the workload file"
        raise InputError(f"model.file: {shortened(spec.file)}: {problem}", where=workload.name, cure=cure)
    digest = sha256_of_file(path)
    if spec.sha256 not in (None, digest):
        raise InputError(
            f"model.sha256: {path.name} has {digest}",
            where=workload.name,
            cure="is it the right file?",
        )
    if path.suffix in (".onnx", ".tflite"):
        check_tensors(workload, path, dataset)
    return {f"model:{path.name}": digest}


def _check_topology(workload: Workload, topology: Topology) -> None:
    """Raises ImpossiblePointError if the network cannot be built, InputError if it is another one."""
    spec = workload.model
    try:
        model = declare_for(topology, spec.input)
    except InputError as error:
        raise ImpossiblePointError(error.what, where=workload.name, cure=error.cure) from None
    source, result = model.graph.input[0], model.graph.output[0].name
    sizes = tuple(dim.dim_value for dim in source.type.tensor_type.shape.dim)[1:]
    expected = (source.name, sizes, result)
    given = (spec.input.name, spec.input.sample_shape, spec.output.name)
    if given != expected:
        problem = f"model: input, sizes and output are {given}, but the topology has {expected}"
        raise InputError(problem, where=workload.name, cure="use these")
