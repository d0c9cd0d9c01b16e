"""Runs that repeat a stored one, as it was or in another scenario or mode, from what its record holds."""

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, make_options, option_names
from qutiperf.errors import InputError
from qutiperf.host import REACHED_OVER
from qutiperf.results.record import Inputs, RunRecord
from qutiperf.run.pairing import pair
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import sha256_of
from qutiperf.spec.point import Point, point_id
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName, load_scenario
from qutiperf.spec.sut import Settings


def same_run(record: RunRecord) -> Group:
    """The run of a record, with its own id; raises InputError or SetupError if it cannot be repeated here."""
    return _group(record, record.point, record.inputs, record.run_id)


def other_run(record: RunRecord, scenario: ScenarioName, mode: Mode, settings: RunSettings) -> Group:
    """A submission run of a record's system and model; raises InputError or SetupError as `same_run`."""
    deployment = dict(record.point.deployment)
    if scenario is ScenarioName.SINGLE_STREAM:
        deployment["batch_size"] = 1
    point = Point(
        sut=record.point.sut,
        workload=record.point.workload,
        scenario=scenario,
        mode=mode,
        profile=Profile.SUBMISSION,
        settings=settings,
        deployment=deployment,
    )
    inputs = _inputs(record.inputs, point)
    return _group(record, point, inputs, point_id(point, inputs.files_sha256, _fingerprint()))


def _fingerprint() -> str:
    return host.fingerprint(host.facts())


def _inputs(before: Inputs, point: Point) -> Inputs:
    """The inputs with another scenario, as the planner would have made them."""
    scenario, file = load_scenario(point.scenario)
    files = {name: sha for name, sha in before.files_sha256.items() if not name.startswith("scenario:")}
    resolved = {
        "point": point.model_dump(mode="json"),
        "sut": before.sut.model_dump(mode="json"),
        "workload": before.workload.model_dump(mode="json"),
        "scenario": scenario.model_dump(mode="json"),
        "dataset": before.dataset,
    }
    return before.model_copy(
        update={
            "scenario": scenario,
            "files_sha256": {**files, f"scenario:{scenario.name}": file.sha256},
            "resolved_sha256": sha256_of(resolved),
        }
    )


def _group(record: RunRecord, point: Point, inputs: Inputs, run_id: str) -> Group:
    sut = inputs.sut
    if (over := record.host.get(REACHED_OVER)) is not None:
        what = f"run {record.run_id} was measured over {over} on {record.host.get('hostname')}"
        raise InputError(what, where=sut.name, cure="only runs of this machine can be repeated here")
    pairing = pair(sut, inputs.workload)
    for name, digest in pairing.files_sha256.items():
        if inputs.files_sha256.get(name, digest) != digest:
            what = f"{name} is not the file of run {record.run_id}"
            raise InputError(what, where=inputs.workload.name, cure="restore it, or measure everything again")
    return Group(
        sut=sut,
        workload=pairing.workload,
        options=_options(inputs, point),
        streams=int(point.deployment["streams"]),
        operating_mode=str(point.deployment["operating_mode"]),
        runs=[PlannedRun(run_id, point, inputs, None)],
    )


def _options(inputs: Inputs, point: Point) -> Settings:
    adapter = adapter_class(inputs.sut.adapter)
    names = set(option_names(adapter))
    swept = {name: value for name, value in point.deployment.items() if name in names}
    options = {**inputs.sut.options, **swept}
    make_options(adapter, dict(options), inputs.sut.name)
    return options
