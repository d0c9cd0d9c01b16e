"""Workloads of the networks that a sweep builds on demand."""

from fnmatch import fnmatchcase

from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.networks import BuiltNetwork, Networks
from qutiperf.spec.workload import Workload

_SAMPLES = 1024
_SEED = 1


def network_workloads(networks: Networks, sweep: str) -> dict[str, Workload]:
    """One for each combination, also for those that cannot be built; raises InputError for unknown names."""
    from qutiperf.models.topologies import TOPOLOGIES

    where = f"sweep {sweep}: networks"
    names: dict[str, None] = {}
    for pattern in networks.topologies:
        matches = [name for name in TOPOLOGIES if fnmatchcase(name, pattern)]
        if not matches:
            problem = f"topologies: no topology named '{pattern[:80]}'"
            raise InputError(problem, where=where, cure=nearest(pattern, list(TOPOLOGIES)))
        names |= dict.fromkeys(matches)
    try:
        points = list(networks.points(list(names)))
    except ValueError as error:
        raise InputError(str(error), where=where, cure="name fewer values") from None
    return {point.name: _workload(point, TOPOLOGIES[point.topology].input_size) for point in points}


def _workload(point: BuiltNetwork, published_size: int) -> Workload:
    """As a workload file would describe it."""
    from qutiperf.models.topologies import is_flat

    size = point.input_size or published_size
    shape = ["batch", size * size] if is_flat(point.topology) else ["batch", 3, size, size]
    topology: dict[str, object] = {
        "name": point.topology,
        "channel_scale_percent": point.channel_scale_percent,
        "seed": _SEED,
        "datatype": None if point.datatype == "fp32" else point.datatype,
        "sparsity_percent": point.sparsity_percent or None,
    }
    return Workload.model_validate(
        {
            "name": point.name,
            "task": "none",
            "dataset": {"name": "synthetic", "count": _SAMPLES},
            "model": {
                "topology": topology,
                "input": {"name": "image", "dtype": "float32", "shape": shape},
                "output": {"name": "scores", "kind": "tensor"},
            },
            "variant": {
                "topology": point.topology,
                "channel_scale_percent": point.channel_scale_percent,
                "weight_datatype": point.datatype,
                "activation_datatype": "fp32" if point.datatype == "int4" else point.datatype,
                "sparsity_percent": point.sparsity_percent,
            },
            "rehearsal": True,
        }
    )
