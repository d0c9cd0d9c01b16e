"""`qutiperf run`: measures a sweep, or one model at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.combinations import check_unused
from qutiperf.cli.plan import print_plan
from qutiperf.cli.sweep_options import OnlyRuns, Out, Power, ProfileName, Set, Sustained, overrides_of
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from qutiperf.results.record import RunRecord
    from qutiperf.run.effort import Effort
    from qutiperf.run.executor import Executor
    from qutiperf.run.sweep import PlannedSweep
    from qutiperf.spec.config import YamlValue

_LIST = "comma-separated"


def run(
    sweep: Annotated[str | None, typer.Argument(help="A shipped sweep (quickstart) or a sweep file.")] = None,
    out: Out = None,
    settings: Set = None,
    profile: ProfileName = None,
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
        str | None, typer.Option(help=f"With --model: scenarios, {_LIST}. Default: SingleStream,Offline.")
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
        typer.Option(
            help="With --model: an .npz file, an array of samples by input name, and `label` for accuracy."
        ),
    ] = None,
    power: Power = None,
    mlperf_round: Annotated[
        str | None, typer.Option("--round", help="Require the LoadGen whose seeds this round asks for: v6.1")
    ] = None,
    audit_config: Annotated[
        Path | None, typer.Option(help="An audit.config for LoadGen; none is ever found by chance.")
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="Where runs are measured: local (this machine), slurm (jobs on a cluster) or ssh (boards)."
        ),
    ] = "local",
    executor_options: Annotated[
        Path | None,
        typer.Option(
            "--executor-options",
            "--hosts",
            help="A YAML file with the options of the executor, or its hosts.",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="With --executor slurm: jobs at a time. Default: 4.")
    ] = None,
    only: OnlyRuns = None,
    sustained: Sustained = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="full (default): every setting; pareto: those that may be on the front."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for this command, 90s, 30m, 1h30m: what does not fit is left out."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Measure what is done once more, as another attempt.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; measure nothing.")] = False,
    keep_answers: Annotated[
        bool, typer.Option("--keep-answers", help="Store the answer to each sample of accuracy runs.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as JSON instead of a table.")
    ] = False,
) -> int:
    """Measure a sweep, or with --model one model on random data.

    Finished runs are stored one by one: the same command goes on where it stopped, repeats nothing that
    is valid, and tries what failed once more.
    """
    from qutiperf.api.sweeps import DEFAULT_SCENARIOS, default_sut, machine_for
    from qutiperf.executors.registry import ExecutorChoice, make_executor
    from qutiperf.models.workload_of import Given
    from qutiperf.run.effort import effort_of
    from qutiperf.run.model_workload import workload_of_model
    from qutiperf.run.sweep import check_effort, plan_model, plan_sweep

    effort = effort_of(strategy, budget)
    if (sweep is None) == (model is None):
        raise InputError("name a sweep or --model FILE", cure="qutiperf run quickstart; qutiperf list sweeps")
    overrides = overrides_of(settings, profile, sustained)
    overrides += ["keep_answers=true"] if keep_answers else []
    where = make_executor(ExecutorChoice(executor, executor_options, jobs), console.note)
    machine = machine_for(where, out)
    if model is None:
        of_a_model: dict[str, object] = {
            "--sut": sut,
            "--batch": batch,
            "--scenario": scenario,
            "--shape": shape,
        }
        of_a_model |= {"--dim": dim, "--constant": constant, "--data": data}
        check_unused(of_a_model, "a sweep names its own", "use --set, or --model FILE instead of the sweep")
        planned = plan_sweep(str(sweep), overrides, power or (), machine, where.devices)
    else:
        scenarios, sizes = _listed(scenario or ",".join(DEFAULT_SCENARIOS)), _listed(batch or "1")
        workload = workload_of_model(model, Given(shape or (), dim or (), constant or (), data))
        suts = sut or [_noted(model, default_sut(model))]
        planned = plan_model(workload, suts, scenarios, sizes, overrides, power or (), machine, where.devices)
    planned = planned.only(only or [])
    if dry_run:
        from qutiperf.api.sweeps import default_folder

        folder = out or default_folder(planned.sweep)
        check_effort(planned, folder, effort, where, again=again)
        print_plan(planned, folder, as_json=as_json, again=again, effort=effort)
        return 0
    return _measure(planned, out, where, mlperf_round, audit_config, effort, as_json=as_json, again=again)


def _noted(model: Path, sut: str) -> str:
    """The system that is picked for a file, with a note where it is not the usual one."""
    from qutiperf.api.sweeps import DEFAULT_SUT

    if sut != DEFAULT_SUT:
        console.note(f"{model.name} runs on {sut}; --sut names another system")
    return sut


def _listed(text: str) -> "YamlValue":
    """The values of a comma-separated option."""
    from qutiperf.spec.config import apply_overrides

    return apply_overrides({}, [f"values=[{text}]"])["values"]


def _measure(
    planned: "PlannedSweep",
    out: Path | None,
    executor: "Executor",
    mlperf_round: str | None,
    audit_config: Path | None,
    effort: "Effort",
    *,
    as_json: bool,
    again: bool,
) -> int:
    from qutiperf.api.sweeps import default_folder
    from qutiperf.cli.progress import following
    from qutiperf.run.sweep import measure_sweep

    folder = out or default_folder(planned.sweep)
    with following(as_json=as_json) as tracker:
        records = measure_sweep(
            planned,
            folder,
            tracker,
            audit_config=audit_config,
            round_name=mlperf_round,
            again=again,
            executor=executor,
            effort=effort,
        )
    _report(records, folder, as_json)
    return exit_code(records, planned.sweep.profile.value)


def _report(records: "Sequence[RunRecord]", folder: Path, as_json: bool) -> None:
    from qutiperf.cli.show import print_summary
    from qutiperf.results.table import rows, summarise

    if as_json:
        console.out_json_rows(rows(records))
        return
    print_summary(summarise(records))
    console.note(f"every run: qutiperf show {folder}    why: qutiperf explain {folder}")


def exit_code(records: "Sequence[RunRecord]", profile: str) -> int:
    """3 if the machine lacked something, 4 if a run failed, 1 if a submission run is INVALID, else 0."""
    failures = [found for record in records for found in (record.failure, record.close_failure) if found]
    if failures:
        return 3 if any(failure.setup_missing for failure in failures) else 4
    return int(profile == "submission" and any(not record.valid for record in records))
