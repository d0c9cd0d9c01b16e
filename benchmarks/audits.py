"""Times of the audits of finished runs and of a submission tree against their goals; run on a quiet machine.

    python benchmarks/audits.py [--share 0.1]

Prints one JSON object: seconds of `qutiperf audit` over 1,000 records (goal 30), and of `qutiperf submit` for
a tree of three scenarios with their compliance tests (goal 5), and the CPU time of both. The records are
copies of a small sweep that is measured first, each with an id, a time and process ids of its own, so that no
two logs are the same. The tree is made of the recorded runs of ten minutes in tests/data/rehearsal_v6.1.
Exits with 1 if a goal is missed, or if an audit fails. `--share` makes the number of records smaller, to try
the command.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from qutiperf.audit.compliance import folder_of_test  # noqa: E402
from qutiperf.audit.evidence import DETAIL  # noqa: E402
from qutiperf.results.store import Store, read_record  # noqa: E402

GOALS = {"audit_s": 30.0, "tree_s": 5.0}
RECORDS = 1_000
ARCHIVE = CHECKOUT / "tests" / "data" / "rehearsal_v6.1" / "runs.tar.xz"
SWEEP = (
    "kind: sweep\nschema_version: 1\nname: audited\nsuts: [cpu-onnxruntime]\n"
    "workloads: [digits-mlp-12.5-fp32]\nscenarios: [SingleStream, MultiStream, Offline]\n"
    "settings: {min_duration_s: 0.3}\n"
    "deployment: {batch_size: [1, 8, 64], threads: [1], streams: [1]}\n"
)
# what the machine that was measured would report of itself
HOST_FIELDS = (
    *("host_processors_per_node", "host_processor_core_count", "host_storage_capacity", "host_storage_type"),
    "host_network_card_count",
)
_DATES = {
    re.compile(r"\b\d\d-\d\d-\d{4}(?= )"): "%m-%d-%Y",
    re.compile(r"\b\d{4}-\d\d-\d\d(?=T)"): "%Y-%m-%d",
}
_PID = re.compile(r'"pid": (\d+)')


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0)
    share = parser.parse_args().share
    with tempfile.TemporaryDirectory() as name:
        measured = measure(Path(name), max(int(RECORDS * share), 1))
    cores = len(os.sched_getaffinity(0))
    print(json.dumps({"share": share, "cores": cores, **measured, "goals": GOALS}, indent=1))
    missed = [name for name, goal in GOALS.items() if float(str(measured[name])) > goal]
    return int(bool(missed) or measured["failed"] != 0)


def measure(folder: Path, count: int) -> dict[str, object]:
    many = records(folder, count)
    printed, audit = timed(["audit", str(many), "--json"], codes=(0, 1))
    verdicts = json.loads(printed)
    tree = folder / "tree"
    command = ["submit", str(rehearsed(folder)), "--round", "v6.1", "--submitter", "Acme"]
    command += [word for name in HOST_FIELDS for word in ("--field", f"{name}=1")]
    _, written = timed([*command, "--out", str(tree)])
    return {
        "records": count,
        "verdicts": len(verdicts),
        "failed": sum(each["outcome"] == "fail" for each in verdicts),
        "audit_s": audit[0],
        "audit_cpu_s": audit[1],
        "tree_mb": round(sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) / 1e6, 1),
        "tree_s": written[0],
        "tree_cpu_s": written[1],
    }


def timed(words: Sequence[str], codes: Sequence[int] = (0,)) -> tuple[str, tuple[float, float]]:
    """Standard output, and the seconds by the clock and of CPU time."""
    started, before = time.perf_counter(), cpu_s()
    printed = qutiperf(words, codes)
    return printed, (round(time.perf_counter() - started, 2), round(cpu_s() - before, 2))


def cpu_s() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def qutiperf(words: Sequence[str], codes: Sequence[int] = (0,)) -> str:
    """Standard output; raises SystemExit with standard error unless the exit code is one of these."""
    command = [sys.executable, "-m", "qutiperf", "--quiet", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=CHECKOUT)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def records(folder: Path, count: int) -> Path:
    """A results folder with so many runs."""
    sweep, few = folder / "sweep.yaml", folder / "few"
    sweep.write_text(SWEEP)
    qutiperf(["run", str(sweep), "--out", str(few)])
    runs = sorted(path for path in few.iterdir() if (path / "record.json").is_file())
    many = Store.create(folder / "many").folder
    for number in range(count):
        cycle, place = divmod(number, len(runs))
        copied(runs[place], many, number, cycle)
    return many


def copied(run: Path, target: Path, number: int, cycle: int) -> None:
    """A copy of a run, in the cycle whose accuracy run it names; each cycle is a day earlier."""
    data = json.loads(days_earlier((run / "record.json").read_text(), cycle))
    data["run_id"] = run_id(data["run_id"], cycle)
    if data["accuracy_run_id"]:
        data["accuracy_run_id"] = run_id(data["accuracy_run_id"], cycle)
    folder = target / f"{data['run_id']}-1"
    shutil.copytree(run, folder)
    (folder / "record.json").write_text(json.dumps(data))
    log = folder / DETAIL
    text = days_earlier(log.read_text(), cycle)
    log.write_text(_PID.sub(lambda match: f'"pid": {int(match[1]) + 10_000 * (number + 1)}', text))


def days_earlier(text: str, days: int) -> str:
    """The dates of records and of LoadGen's logs, so that the windows of the tests still fit the runs."""
    for pattern, form in _DATES.items():

        def earlier(match: re.Match[str], form: str = form) -> str:
            return (datetime.strptime(match[0], form) - timedelta(days=days)).strftime(form)

        text = pattern.sub(earlier, text)
    return text


def run_id(text: str, cycle: int) -> str:
    return f"{(int(text, 16) + cycle) % 16**12:012x}"


def rehearsed(folder: Path) -> Path:
    """A results folder of the recorded submission runs."""
    scratch, results = folder / "scratch", folder / "results"
    with tarfile.open(ARCHIVE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        archive.extractall(scratch)
    places: Mapping[str, Path] = {"performance": results, "accuracy": results}
    Store.create(results)
    for run in sorted((scratch / "pack").glob("*/*")):
        target = places.get(run.name) or folder_of_test(results, run.name)
        Store.create(target)
        record = read_record(run)
        shutil.move(run, target / f"{record.run_id}-{record.attempt}")
    return results


if __name__ == "__main__":
    raise SystemExit(main())
