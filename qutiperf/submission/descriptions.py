"""systems/*.json and measurements.json: fields, vocabularies, and agreement with the folders."""

from collections.abc import Iterator, Mapping

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.spec.round_rules import Fields, RoundRules, Suite
from qutiperf.submission.entries import Submitter
from qutiperf.submission.json_file import shown

_NETWORK = "is_network"
System = Mapping[str, object]


def system_findings(
    system: System, submitter: Submitter, rules: RoundRules, make: FindingMaker
) -> Iterator[AuditFinding]:
    yield from field_findings(system, rules.system, make)
    for key, folder in (("submitter", submitter.name), ("division", submitter.division)):
        value = system.get(key)
        if isinstance(value, str) and value and value.lower() != folder.lower():
            what = f"{key} is {shown(value)}, and the folder is {shown(folder)}"
            yield make.error("system-folder", what, "make them the same", source="checker")
    yield from _network(system, submitter, rules, make)


def field_findings(data: System, fields: Fields, make: FindingMaker) -> Iterator[AuditFinding]:
    absent = [name for name in fields.present if name not in data]
    if absent:
        what = f"lacks {', '.join(absent)}"
        yield make.error(
            "field-missing", what, "add the fields; text may be empty where unknown", source="checker"
        )
    blank = [name for name in fields.filled if name in data and _is_blank(data[name])]
    if blank:
        what = f"has nothing in {', '.join(blank)}"
        cure = 'write what it is; a count of none is "0" or "N/A" as text'
        yield make.error("field-empty", what, cure, source="checker")
    spaces = [name for name in fields.filled if name not in blank and _is_spaces(data.get(name))]
    if spaces:
        what = f"has only spaces in {', '.join(spaces)}"
        yield make.warning("field-empty", what, "write what it is", source="checker")
    for name in fields.whole_numbers:
        if name in data and not _is_blank(data[name]) and not _is_whole(data[name]):
            what = f"{name} is {shown(data[name])}, not a whole number"
            yield make.error("field-number", what, source="checker")
    for name, allowed in fields.vocabularies.items():
        value = data.get(name)
        if name in data and not _is_blank(value) and str(value).lower() not in allowed:
            what = f"{name} is {shown(value)}"
            yield make.error("field-vocabulary", what, f"allowed: {', '.join(allowed)}", source="checker")


def _is_blank(value: object) -> bool:
    """As the official checker counts: the number 0 is blank too, the text "0" is not."""
    return not value


def _is_spaces(value: object) -> bool:
    return isinstance(value, str) and value != "" and not value.strip()


def _is_whole(value: object) -> bool:
    try:
        return float(str(value)) == int(float(str(value)))
    except (ValueError, OverflowError):
        return False


def _network(
    system: System, submitter: Submitter, rules: RoundRules, make: FindingMaker
) -> Iterator[AuditFinding]:
    networked = is_network(system)
    if submitter.division == "network" and not networked:
        what = "is_network is not true, and the tree is in the network division"
        yield make.error("network", what, 'write "is_network": "true"', source="inference_rules")
    if submitter.division == "closed" and networked:
        what = "is_network is true in the closed division"
        yield make.error("network", what, "move it to network/", source="inference_rules")
    if networked:
        absent = [name for name in rules.system.network if name not in system]
        if absent:
            yield make.error("field-missing", f"lacks {', '.join(absent)}", source="checker")
    if submitter.division == "network" and "edge" in suites_of(system):
        what = "system_type names edge; the network division has the datacenter suite only"
        yield make.error("network", what, 'write "system_type": "datacenter"', source="inference_rules")


def is_network(system: System) -> bool:
    return str(system.get(_NETWORK, "")).lower() == "true"


def hardware_of(system: System) -> tuple[str, ...]:
    """What two descriptions of one machine have in common; empty where nothing is described."""
    names = (
        "host_processor_model_name",
        "accelerator_model_name",
        "accelerators_per_node",
        "number_of_nodes",
    )
    return tuple(str(system.get(name)) for name in names) if system else ()


def suites_of(system: System) -> list[Suite]:
    """Of system_type `datacenter,edge` both."""
    parts = str(system.get("system_type", "")).lower().split(",")
    names: tuple[Suite, ...] = ("datacenter", "edge")
    return [name for name in names if name in [part.strip() for part in parts]]
