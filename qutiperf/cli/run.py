"""`qutiperf run`: measures a sweep, or one model at once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.combinations import check_unused
from qutiperf.errors import InputError, SetupError

if TYPE_CHECKING:
    from qutiperf.results.record import HarnessTax, RunRecord
    from qutiperf.results.store import Store
    from qutiperf.run.child import Nursery
    from qutiperf.run.plan import Group, Material
    from qutiperf.spec.sweep import Sweep
    from qutiperf.spec.workload import Workload

    Parts = list[tuple[Sweep, Material]]

_LIST = "comma-separated"
_SUT, _BATCH, _SCENARIOS = "cpu-onnxruntime", "1", "SingleStream,Offline"
_TFLITE_SUT = "cpu-litert"


def run(
    sweep: Annotated[str | None, typer.Argument(help="A shipped sweep (quickstart) or a sweep file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Results folder; default results/<sweep>.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a key of the sweep: deployment.batch_size=1,8,64"),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="submission, standard or test_run (short).")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Measure this ONNX or TFLite model instead of a sweep.")
    ] = None,
    sut: Annotated[
        list[str] | None,
        typer.Option(
            help="With --model: a system under test; repeatable. Default: by the file, cpu-onnxruntime."
        ),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help=f"With --model: batch sizes, {_LIST}. Default: 1.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help=f"With --model: scenarios, {_LIST}. Default: {_SCENARIOS}.")
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(help="With --model: input=batch,3,224,224 where the file leaves sizes open."),
    ] = None,
    dim: Annotated[
        list[str] | None,
        typer.Option(help="With --model: the size of a named dimension, seq=128; repeatable."),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option(help="With --model: the value of an input, sr=16000; repeatable."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="With --model: an .npz file, an array of samples by input name."),
    ] = None,
    mlperf_round: Annotated[
        str | None, typer.Option("--round", help="Require the LoadGen whose seeds this round asks for: v6.1")
    ] = None,
    audit_config: Annotated[
        Path | None, typer.Option(help="An audit.config for LoadGen; none is ever found by chance.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as JSON instead of a table.")
    ] = False,
) -> int:
    """Measure a sweep, or with --model one model on random data.

    Finished runs are stored one by one: the same command goes on where it stopped, repeats nothing that
    is valid, and tries what failed once more.
    """
    from qutiperf import host
    from qutiperf.models.workload_of import Given, workload_of_file
    from qutiperf.regular_file import unreadable
    from qutiperf.results.store import Store
    from qutiperf.run.plan import make_plan
    from qutiperf.spec.config import shortened

    if (sweep is None) == (model is None):
        raise InputError("name a sweep or --model FILE", cure="qutiperf run quickstart; qutiperf list sweeps")
    if model is None:
        of_a_model: dict[str, object] = {
            "--sut": sut,
            "--batch": batch,
            "--scenario": scenario,
            "--shape": shape,
        }
        of_a_model |= {"--dim": dim, "--constant": constant, "--data": data}
        check_unused(of_a_model, "a sweep names its own", "use --set, or --model FILE instead of the sweep")
    overrides = [*(settings or []), *([f"profile={profile}"] if profile else [])]
    if audit_config is not None and (problem := unreadable(audit_config)) is not None:
        raise InputError(problem, where=shortened(str(audit_config)), cure="give --audit-config another file")
    loaded, parts = (
        parts_of_model(
            workload_of_file(model, Given(shape or (), dim or (), constant or (), data)),
            sut or [_system_for(model)],
            batch or _BATCH,
            scenario or _SCENARIOS,
            overrides,
        )
        if model
        else _of_sweep(str(sweep), overrides)
    )
    require_loadgen(mlperf_round)
    machine = host.facts()
    groups = [group for part, material in parts for group in make_plan(part, material, machine)]
    store = Store.create(out or Path("results") / loaded.name)
    return _measure(loaded, groups, store, machine, audit_config, as_json)


def _system_for(model: Path) -> str:
    """ONNX Runtime, but LiteRT for the file that only it loads of the two."""
    if model.suffix != ".tflite":
        return _SUT
    console.note(f"{model.name} runs on {_TFLITE_SUT}; --sut names another system")
    return _TFLITE_SUT


def _of_sweep(name: str, overrides: list[str]) -> "tuple[Sweep, Parts]":
    from qutiperf.run.plan import gather
    from qutiperf.spec.sweep import load_sweep

    sweep, file = load_sweep(name, overrides)
    return sweep, [(sweep, gather(sweep, beside=file.path.parent))]


def parts_of_model(
    workload: "Workload", suts: list[str], batch: str, scenario: str, overrides: list[str]
) -> "tuple[Sweep, Parts]":
    """A sweep over one model that has no workload file: shapes from its graph, random data, no accuracy.

    Each system is a part of its own, with all cores as threads where its adapter has threads.
    """
    from qutiperf.adapters.registry import adapter_class, option_names
    from qutiperf.run.plan import gather
    from qutiperf.spec.config import Yaml, apply_overrides
    from qutiperf.spec.sweep import parse_sweep

    start: Yaml = {"name": workload.name, "workloads": workload.name, "suts": list(suts)}
    given = [f"scenarios=[{scenario}]", f"deployment.batch_size=[{batch}]", "deployment.streams=1"]
    whole = parse_sweep(apply_overrides(start, [*given, *overrides]), "--model")
    material = gather(whole, {workload.name: workload})
    parts: Parts = []
    for name, system in material.suts.items():
        threads = "threads" in option_names(adapter_class(system.adapter))
        deployment = {**({"threads": "all"} if threads else {}), **whole.deployment}
        part = whole.model_copy(update={"deployment": deployment})
        parts.append((part, replace(material, suts={name: system})))
    return whole, parts


def require_loadgen(mlperf_round: str | None) -> None:
    """Raises SetupError if LoadGen is missing, or is not the one that carries the round's seeds."""
    from importlib import metadata
    from importlib.util import find_spec

    from qutiperf.spec.rounds import load_round

    if find_spec("mlperf_loadgen") is None:
        cure = "pip install mlcommons-loadgen (no wheel for Linux on Arm: use x86-64; Python 3.11 to 3.13)"
        raise SetupError("MLPerf LoadGen is not installed", cure=cure)
    if mlperf_round is None:
        return
    version = metadata.version("mlcommons-loadgen")
    wanted, _ = load_round(mlperf_round)
    if version not in wanted.loadgen_versions:
        what = f"LoadGen {version} does not carry the seeds of {mlperf_round}"
        raise SetupError(what, where="--round", cure=f"pip install '{wanted.loadgen_requirement}'")


def _measure(
    sweep: "Sweep",
    groups: "Sequence[Group]",
    store: "Store",
    machine: "dict[str, str | int | float | bool | None]",
    audit: Path | None,
    as_json: bool,
) -> int:
    """Holds the folder's lock from before the look at what is done until the last run is stored."""
    with store.lock():
        store.clean()
        _measure_rest(sweep, groups, store, machine, audit)
    return _report(sweep, groups, store, as_json)


def _measure_rest(
    sweep: "Sweep",
    groups: "Sequence[Group]",
    store: "Store",
    machine: "dict[str, str | int | float | bool | None]",
    audit: Path | None,
) -> None:
    """Measures what is not done yet; raises SetupError if the folder cannot be written to any more."""
    from qutiperf.cli.progress import Progress
    from qutiperf.cli.results import report_damaged
    from qutiperf.run import operating_mode
    from qutiperf.run.child import Nursery
    from qutiperf.run.runner import Runner, runs_to_measure
    from qutiperf.units import format_duration

    report_damaged(store.read().damaged)
    attempts = store.attempts()
    todo = [(group, runs_to_measure(group, attempts)) for group in groups]
    total, runs = sum(len(group.runs) for group in groups), [run for _, left in todo for run in left]
    if len(runs) < total:
        console.note(f"{total - len(runs)} of {total} runs are done already in {store.folder}")
    seconds = sum(run.estimated_s for run in runs) + len(groups)
    console.note(f"{sweep.name}: {len(runs)} runs, about {format_duration(seconds)}, to {store.folder}")
    operating_mode.check_commands((group.sut, group.operating_mode) for group, left in todo if left)
    for line in operating_mode.undo_left_on():
        console.note(line)
    with Progress(runs) as progress, Nursery() as nursery:
        runner = Runner(store, progress, machine, nursery, str(audit.resolve()) if audit else None)
        try:
            if runs:
                runner.tax = _tax(machine, store, nursery)
            for group, left in todo:
                if left:
                    runner.run(group.only(left))
        finally:
            store.clean()


def _tax(
    machine: "dict[str, str | int | float | bool | None]", store: "Store", nursery: "Nursery"
) -> "HarnessTax | None":
    """What the harness costs by itself; None, with a note, where that cannot be measured."""
    from qutiperf.errors import RunError
    from qutiperf.run.overhead import measure_tax

    try:
        return measure_tax(machine, store, nursery)
    except RunError as error:
        console.note(f"{error}; runs are not checked for being limited by the load generator")
        return None


def _report(sweep: "Sweep", groups: "Sequence[Group]", store: "Store", as_json: bool) -> int:
    from qutiperf.cli.show import print_summary
    from qutiperf.results.table import rows, summarise

    planned = {run.run_id for group in groups for run in group.runs}
    records = [record for record in store.latest() if record.run_id in planned]
    if as_json:
        console.out_json(rows(records))
    else:
        print_summary(summarise(records))
        console.note(f"every run: qutiperf show {store.folder}    why: qutiperf explain {store.folder}")
    return exit_code(records, sweep.profile.value)


def exit_code(records: "Sequence[RunRecord]", profile: str) -> int:
    """3 if the machine lacked something, 4 if a run failed, 1 if a submission run is INVALID, else 0."""
    failures = [found for record in records for found in (record.failure, record.close_failure) if found]
    if failures:
        return 3 if any(failure.setup_missing for failure in failures) else 4
    return int(profile == "submission" and any(not record.valid for record in records))
