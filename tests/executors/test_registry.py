"""How an executor is chosen; what is wrong with its options is one line, before anything is written."""

import sys
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.executors.slurm_options import SlurmOptions, read_slurm_options
from tests.conftest import fails

HEAD = "kind: slurm\nschema_version: 1\n"


def test_an_unknown_executor_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, ["run", "quickstart", "--executor", "slrm"], 2)
    assert line.startswith(
        "qutiperf: --executor: there is no executor 'slrm'; did you mean 'slurm'? allowed: local"
    )


@pytest.mark.parametrize("option", [["--executor-options", "cluster.yaml"], ["--jobs", "2"]])
def test_this_machine_takes_no_options(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, ["run", "quickstart", *option], 2)
    assert line.startswith(f"qutiperf: {option[0]}: has no effect: this machine measures one load at a time")


def test_without_slurm_the_cure_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    line = fails(capsys, ["run", "quickstart", "--executor", "slurm", "--out", str(tmp_path / "out")], 3)
    assert line == (
        "qutiperf: --executor slurm: Slurm's command 'sbatch' is not installed; "
        "run this where jobs can be submitted: on a login node of the cluster"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_submitit_the_cure_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sbatch", "squeue", "scancel", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "submitit", None)  # as if it were not installed
    line = fails(capsys, ["run", "quickstart", "--executor", "slurm"], 3)
    assert line == "qutiperf: --executor slurm: submitit is not installed; pip install 'qutiperf[slurm]'"


def test_options_of_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(
        f"{HEAD}partition: gpu\naccount: me\nconstraint: a100&nvlink\ngres: gpu:1\ntime_min: 90\njobs: 2\n"
        "setup: [module load python]\nsbatch: {mail-type: END, nice: 5, reboot: true}\n"
    )
    options = read_slurm_options(path, None)
    assert (options.partition, options.gres, options.time_min, options.jobs) == ("gpu", "gpu:1", 90, 2)
    assert options.sbatch == {"mail-type": "END", "nice": 5, "reboot": True}
    assert read_slurm_options(path, 7).jobs == 7
    assert read_slurm_options(None, None) == SlurmOptions()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: sweep\n", "kind: is not 'slurm'"),
        ("kind: slurm\n", "schema_version: missing"),
        ("kind: slurm\nschema_version: 2\n", "schema_version: should be 1"),
        (f"{HEAD}partion: gpu\n", "partion: unknown key; did you mean 'partition'?"),
        (f'{HEAD}partition: "a\\nrm -rf ~"\n', "partition: should be one line of text"),
        (f"{HEAD}partition: ''\n", "partition: should be one line of text"),
        (f"{HEAD}jobs: 0\n", "jobs: should be greater than or equal to 1"),
        (f"{HEAD}time_min: 999999999\n", "time_min: should be less than or equal to 525600"),
        (f"{HEAD}sbatch: {{array: 1-9}}\n", "is set by the executor"),
        (f"{HEAD}sbatch: {{'x; rm': a}}\n", "should be a long option of sbatch"),
        (f"{HEAD}sbatch: {{nice: false}}\n", "sbatch.nice"),
        ("- a\n", "is not a mapping"),
    ],
)
def test_wrong_options_are_one_line(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_slurm_options(path, None)
    assert problem in str(raised.value)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("jobs", [0, -1, 1001])
def test_a_wrong_number_of_jobs(jobs: int) -> None:
    with pytest.raises(InputError, match=f"--jobs: {jobs} is not a number of jobs"):
        read_slurm_options(None, jobs)
