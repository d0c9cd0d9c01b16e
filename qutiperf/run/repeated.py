"""Runs that repeat a stored one, as it was or in another scenario or mode, from what its record holds."""

from dataclasses import dataclass, replace
from pathlib import Path

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, make_options, option_names
from qutiperf.errors import InputError
from qutiperf.host import REACHED_OVER
from qutiperf.results.record import Inputs, RunRecord
from qutiperf.run.pairing import pair
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import sha256_of, sha256_of_file
from qutiperf.spec.point import Point, point_id
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, Profile, RunSettings, Scenario, ScenarioName, load_scenario
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


@dataclass(frozen=True, slots=True)
class RunChange:
    """What is different in a run that an audit compares with a stored one; None leaves it as it was.

    `seeds` and `fresh_after` are those of a job; `model` is a changed file with the name of the model's.
    """

    mode: Mode | None = None
    target_qps: float | None = None
    seeds: Seeds | None = None
    fresh_after: int | None = None
    model: Path | None = None


def changed_run(record: RunRecord, change: RunChange) -> Group:
    """The run of a record with a change; seeds alone leave its id. Raises InputError or SetupError."""
    point, before = record.point, record.inputs
    settings = point.settings
    if change.target_qps is not None:
        settings = settings.model_copy(update={"target_qps": change.target_qps})
    point = point.model_copy(update={"mode": change.mode or point.mode, "settings": settings})
    if change.model is not None:
        before = _with_model(before, change.model)
    inputs = before.model_copy(update={"resolved_sha256": _resolved(before, point, before.scenario)})
    group = _group(record, point, inputs, point_id(point, inputs.files_sha256, _fingerprint()))
    return replace(group, seeds=change.seeds, fresh_after=change.fresh_after)


def _with_model(before: Inputs, path: Path) -> Inputs:
    digest = sha256_of_file(path)
    update: dict[str, object] = {"file": str(path), "sha256": digest, "other_files": [], "topology": None}
    model = before.workload.model.model_copy(update=update)
    others = {name: sha for name, sha in before.files_sha256.items() if not name.startswith("model:")}
    return before.model_copy(
        update={
            "workload": before.workload.model_copy(update={"model": model}),
            "files_sha256": {**others, f"model:{path.name}": digest},
        }
    )


def _fingerprint() -> str:
    return host.fingerprint(host.facts())


def _inputs(before: Inputs, point: Point) -> Inputs:
    """The inputs with another scenario, as the planner would have made them."""
    scenario, file = load_scenario(point.scenario)
    files = {name: sha for name, sha in before.files_sha256.items() if not name.startswith("scenario:")}
    return before.model_copy(
        update={
            "scenario": scenario,
            "files_sha256": {**files, f"scenario:{scenario.name}": file.sha256},
            "resolved_sha256": _resolved(before, point, scenario),
        }
    )


def _resolved(before: Inputs, point: Point, scenario: Scenario) -> str:
    resolved = {
        "point": point.model_dump(mode="json"),
        "sut": before.sut.model_dump(mode="json"),
        "workload": before.workload.model_dump(mode="json"),
        "scenario": scenario.model_dump(mode="json"),
        "dataset": before.dataset,
    }
    return sha256_of(resolved)


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
