"""systems/*.json of a tree: what the machine reports, under what the SUT file says of the system."""

import json
from collections.abc import Mapping, Sequence

from qutiperf import host
from qutiperf.results.record import RunRecord
from qutiperf.spec.round_rules import RoundRules
from qutiperf.submission.host_facts import host_fields
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.rehearsal_rule import REHEARSAL
from qutiperf.unverified import UNVERIFIED

_NO_ACCELERATOR = {
    "accelerators_per_node": "0",
    **dict.fromkeys(
        (
            *("accelerator_model_name", "accelerator_memory_capacity", "accelerator_memory_configuration"),
            *("accelerator_host_interconnect", "accelerator_interconnect"),
        ),
        "N/A",
    ),
}
_RUNTIMES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "torch": "PyTorch",
    "simulated": "simulated",
}


def system_fields(
    record: RunRecord, described: Mapping[str, str], division: str, submitter: str, rules: RoundRules
) -> dict[str, str]:
    """Every field that is known, in the round's order; `described` has the user's own, which come first."""
    known = {
        **_from_record(record),
        **(host_fields() if _measured_here(record) else {}),
        **{name: value for name, value in described.items() if value},
        "division": division,
        "submitter": submitter,
    }
    if record.inputs.workload.rehearsal:
        known |= _marked(known)
    allowed = [*rules.system.present, *rules.system.network, "system_power_capacity"]
    optional = set(rules.system.present) - set(rules.system.filled)
    fields = {name: known.get(name, "") for name in allowed if name in known or name in optional}
    return {name: " ".join(value.split()) for name, value in fields.items()}


def _measured_here(record: RunRecord) -> bool:
    return host.fingerprint(record.host) == host.fingerprint(host.facts())


def _from_record(record: RunRecord) -> dict[str, str]:
    """What was noted when the run was measured, on any machine."""
    facts, sut = record.host, record.inputs.sut
    known: dict[str, object] = {
        "system_name": sut.title,
        "number_of_nodes": "1",  # LoadGen and the harness measure one machine
        "host_processor_model_name": facts.get("cpu_model"),
        "host_memory_capacity": f"{facts['memory_gb']} GB" if facts.get("memory_gb") else None,
        "operating_system": f"{facts.get('system')} {facts.get('kernel')}",
        "framework": framework(record),
        "other_software_stack": software(record),
        "sw_notes": UNVERIFIED,
    }
    if sut.platform.family == "cpu":
        known |= _NO_ACCELERATOR
    elif isinstance(sut.platform.memory_capacity_gb, float | int):
        known["accelerator_memory_capacity"] = f"{sut.platform.memory_capacity_gb:g} GB"
    return {name: str(value) for name, value in known.items() if value}


def framework(record: RunRecord) -> str:
    """`ONNX Runtime 1.32.0`."""
    adapter = record.inputs.sut.adapter.rsplit("/", 1)[-1]
    described = record.observed.adapter if record.observed else {}
    version = described.get("version") or record.versions.get(adapter, "")
    return f"{_RUNTIMES.get(adapter, adapter)} {version}".strip()


def software(record: RunRecord) -> str:
    versions = {name: value for name, value in record.versions.items() if name != "qutiperf"}
    own = record.versions.get("qutiperf")
    parts = [
        f"qutiperf {own}" if own else "qutiperf",
        f"Python {record.host.get('python')}",
        *(f"{name} {value}" for name, value in sorted(versions.items())),
    ]
    return ", ".join(parts)


def _marked(known: Mapping[str, str]) -> dict[str, str]:
    """Nobody can take a rehearsal for a result."""
    marked = {}
    for name in ("system_name", "sw_notes"):
        text = known.get(name, "")
        marked[name] = text if REHEARSAL in text else f"{REHEARSAL}, {text}".strip(", ")
    return marked


def system_obstacles(fields: Mapping[str, str], system: str, rules: RoundRules) -> list[Obstacle]:
    """Fields that nobody gave, and values that the round does not have."""
    where = f"system {system}"
    obstacles = []
    if absent := [name for name in rules.system.filled if not fields.get(name)]:
        example = ", ".join(f"{name}: ..." for name in absent)
        what = f"{len(absent)} fields are not known: {', '.join(absent)}"
        cure = f"add to the SUT file `description: {{{example}}}`, or give --field NAME=TEXT for each"
        obstacles.append(Obstacle(where, what, cure))
    for name, allowed in rules.system.vocabularies.items():
        value = fields.get(name)
        if value and value.lower() not in allowed:
            obstacles.append(Obstacle(where, f"{name} is '{value}'", f"allowed: {'; '.join(allowed)}"))
    for name in rules.system.whole_numbers:
        value = fields.get(name)
        if value and not value.isdigit():
            obstacles.append(Obstacle(where, f"{name} is '{value}'", "write a whole number"))
    return obstacles


def as_json(fields: Mapping[str, str]) -> str:
    return json.dumps(fields, indent=2, ensure_ascii=True) + "\n"


def known_names(rules: RoundRules) -> Sequence[str]:
    """Names that `description` and --field may have for the system."""
    return [*rules.system.present, *rules.system.network, "system_power_capacity"]
