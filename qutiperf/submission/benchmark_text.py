"""What a tree says of a benchmark in words: measurements.json, README.md and calibration.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qutiperf.results.record import RunRecord
from qutiperf.spec.round_rules import RoundRules
from qutiperf.spec.rounds import Round
from qutiperf.submission.chosen import ChosenBenchmark, ChosenScenario
from qutiperf.submission.code_files import sweep_file
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.system_text import framework, software
from qutiperf.unverified import UNVERIFIED

OPTIONAL = ("model_url", "calibration_list", "licence")


def measurement_fields(record: RunRecord, given: Mapping[str, str]) -> dict[str, str]:
    """Names as in measurements.json; `given` has the user's own texts. Unknown ones are left out."""
    workload = record.inputs.workload
    variant, model = workload.variant, workload.model
    topology = (
        f"topology {model.topology.name}, random, seed {model.topology.seed}" if model.topology else None
    )
    weights = Path(model.file).name if model.file else topology
    known = {
        "input_data_types": ", ".join(dict.fromkeys(spec.dtype for spec in model.inputs)),
        "retraining": variant.tuning,
        "starting_weights_filename": weights or ("none" if workload.rehearsal else None),
        "weight_data_types": variant.weight_datatype,
        "weight_transformations": variant.converter,
    }
    return {name: text for name, value in known.items() if (text := given.get(name) or value)}


def measurement_obstacles(fields: Mapping[str, str], where: str, rules: RoundRules) -> list[Obstacle]:
    absent = [name for name in rules.measurements.filled if not fields.get(name)]
    if not absent:
        return []
    example = " ".join(f"--field {name}=..." for name in absent)
    what = f"{len(absent)} fields of measurements.json are not known: {', '.join(absent)}"
    return [Obstacle(where, what, f"give {example}, or set variant in the workload before measuring")]


def measurements_json(fields: Mapping[str, str]) -> str:
    return json.dumps(fields, indent=2, ensure_ascii=True) + "\n"


def readme(
    chosen: ChosenBenchmark, scenario: ChosenScenario, mlperf_round: Round, options: SubmissionOptions
) -> str:
    """How to obtain the result again: versions, model, data, exact commands."""
    return "\n".join(_readme(chosen, scenario, mlperf_round, options)) + "\n"


def _readme(
    chosen: ChosenBenchmark, scenario: ChosenScenario, mlperf_round: Round, options: SubmissionOptions
) -> Iterator[str]:
    record = scenario.performance.record
    given = {**record.inputs.sut.description, **options.fields}
    yield f"# {chosen.folder}, {scenario.scenario}, on {chosen.system}\n"
    yield f"{UNVERIFIED}\n"
    if record.inputs.workload.rehearsal:
        yield "REHEARSAL: synthetic data and no trained model. Not for submission.\n"
    if scenario.inferred_from:
        yield f"Inferred from the {scenario.inferred_from} run, whose logs stand here; not measured.\n"
    yield f"## Software\n\n{framework(record)}; {software(record)}; {record.host.get('system')} "
    yield f"{record.host.get('kernel')}. LoadGen with the seeds of {mlperf_round.name}:\n"
    yield f"```\npip install '{mlperf_round.loadgen_requirement}'\n```\n"
    yield from _model(record, given)
    yield from _data(record, given)
    yield from _commands(scenario, options)
    licence = given.get("licence") or "qutiperf: Apache-2.0"
    yield f"## Licence\n\n{licence}. The code that ran is in this submitter's code folder."


def _model(record: RunRecord, given: Mapping[str, str]) -> Iterator[str]:
    model, variant = record.inputs.workload.model, record.inputs.workload.variant
    yield "## Model\n"
    if model.file:
        yield f"- file: {Path(model.file).name}"
    elif model.topology:
        scale = model.topology.channel_scale_percent
        yield f"- network {model.topology.name}, {scale:g} % of its channels, random weights, "
        yield f"  seed {model.topology.seed}; qutiperf builds it"
    else:
        yield "- none: the system is simulated"
    for name, digest in sorted(record.inputs.files_sha256.items()):
        if name.startswith("model:"):
            yield f"- sha256 of {name.removeprefix('model:')}: {digest}"
    yield f"- URL: {given.get('model_url') or 'not given'}"
    weights, activations = variant.weight_datatype or "unknown", variant.activation_datatype or "unknown"
    yield f"- weights {weights}, activations {activations}\n"


def _data(record: RunRecord, given: Mapping[str, str]) -> Iterator[str]:
    yield "## Data\n"
    for name, value in record.inputs.dataset.items():
        if value is not None:
            yield f"- {name}: {value}"
    calibration = given.get("calibration_list") or record.inputs.workload.variant.calibration
    yield f"- calibration: {calibration or 'none'}\n"


def _commands(scenario: ChosenScenario, options: SubmissionOptions) -> Iterator[str]:
    """In the code folder; the second command measures accuracy and the tests, and writes the tree."""
    yield "## Commands\n\nIn this submitter's code folder:\n\n```"
    yield command(scenario.performance.record, options.round_name)
    yield f"qutiperf submit results --complete --round {options.round_name} \\"
    yield f"  --division {options.division} --submitter {options.submitter} --out tree\n```\n"
    for run in (scenario.performance, scenario.accuracy):
        record = run.record
        settings = ", ".join(f"{name} {value}" for name, value in record.point.deployment.items())
        yield f"- {record.point.mode.value}: run {record.run_id}, {record.started_utc}, {settings}"
    yield ""


def command(record: RunRecord, round_name: str) -> str:
    """The command that measures a record's run again."""
    point = record.point
    parts = [
        f"qutiperf run {sweep_file(record)} --out results --round {round_name}",
        f"--set scenarios={point.scenario.value}",
        *(f"--set deployment.{name}={value}" for name, value in point.deployment.items()),
        *(
            f"--set settings.{name}={value}"
            for name, value in point.settings.model_dump(exclude_defaults=True).items()
        ),
    ]
    return " \\\n  ".join(parts)


def calibration_text(benchmarks: Sequence[ChosenBenchmark], given: Mapping[str, str]) -> str:
    """documentation/calibration.md: how each model was quantized."""
    lines = ["# Calibration and quantization\n", f"{UNVERIFIED}\n"]
    for chosen in benchmarks:
        variant = chosen.record.inputs.workload.variant
        calibration = given.get("calibration_list") or variant.calibration
        lines.append(f"## {chosen.where}\n")
        lines.append(f"- weights: {variant.weight_datatype or 'unknown'}")
        lines.append(f"- activations: {variant.activation_datatype or 'unknown'}")
        lines.append(f"- calibration data: {calibration or 'none was used, as far as is known'}")
        lines.append(f"- converter: {variant.converter or 'none, as far as is known'}\n")
    return "\n".join(lines)
