"""The time and memory of qutiperf check on trees that this command makes, and the official checker beside it.

    git clone https://github.com/mlcommons/inference
    python benchmarks/check_speed.py [--official inference/tools/submission] [--scenarios 1000]

One tree is of 12 MB (the target is 2 s), one has 1,000 scenario folders (60 s on two cores, and no more
memory than for a tenth of them). They are the tests' recorded runs of an invented round under many systems,
each with process ids of its own, so that no two logs are the same. Prints one JSON object; run it on a quiet
machine, or compare only the ratio.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tests.submission.good_tree import ROUND, SCENARIOS, build, build_scenario  # noqa: E402

FOLDERS = {"runs": "results", "audits": "compliance", "settings": "measurements", "machines": "systems"}
# one process, so that its peak is that of the check and not of this command
CHECK = """
import json, resource, sys, time
from pathlib import Path
from qutiperf.submission.check import check_tree
started = time.perf_counter()
report = check_tree(Path(sys.argv[1]), sys.argv[2])
seconds = time.perf_counter() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
peak = max(each.ru_maxrss for each in used)
cpu_s = sum(each.ru_utime + each.ru_stime for each in used)
print(json.dumps([seconds, cpu_s, peak / 1024, report.results, report.count("error")]))
"""
_PID = re.compile(r'"pid": \d+')


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--official", type=Path, help="mlcommons/inference: tools/submission")
    parser.add_argument("--scenarios", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measured(Path(folder), name, system_count, options.official)
            for name, system_count in (
                ("12 MB", 30),
                (f"{options.scenarios // 10} scenarios", options.scenarios // 10 // len(SCENARIOS)),
                (f"{options.scenarios} scenarios", -(-options.scenarios // len(SCENARIOS))),
            )
        ]
    print(json.dumps({"cores": len(os.sched_getaffinity(0)), "trees": rows}, indent=1))
    return 0


def measured(folder: Path, name: str, system_count: int, official: Path | None) -> dict[str, object]:
    root = folder / str(system_count)
    submitter = make_tree(root, system_count)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    command = [sys.executable, "-c", CHECK, str(root), ROUND]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    seconds, cpu_s, peak_mb, results, errors = json.loads(done.stdout)
    official_s = time_official(submitter, root, official) if official else None
    return {
        "tree": name,
        "size_mb": round(size / 1e6, 1),
        "results": results,
        "errors": errors,
        "qutiperf_s": round(seconds, 2),
        "qutiperf_cpu_s": round(cpu_s, 2),
        "peak_mb_of_one_process": round(peak_mb),
        "official_s": round(official_s, 2) if official_s else None,
        "qutiperf_to_official": round(seconds / official_s, 2) if official_s else None,
    }


def make_tree(root: Path, system_count: int) -> Path:
    submitter = build(root, system="board0")
    described = (submitter / "machines" / "board0.json").read_text()
    for number in range(1, system_count):
        system = f"board{number}"
        (submitter / "machines" / f"{system}.json").write_text(described)
        for scenario in SCENARIOS:
            build_scenario(submitter, system, "digits-99", scenario)
        for path in submitter.glob(f"*/{system}/**/mlperf_log_detail.txt"):
            path.write_text(_PID.sub(f'"pid": {number}', path.read_text()))
    return submitter


def time_official(submitter: Path, root: Path, official: Path) -> float:
    for own, theirs in FOLDERS.items():
        (submitter / own).rename(submitter / theirs)
    command = [sys.executable, str(CHECKOUT / "benchmarks/official/checker_of_round.py"), str(root)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--round", ROUND], cwd=official, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if "SUMMARY: submission looks OK" not in done.stderr:
        sys.exit(f"the official checker does not pass the tree:\n{done.stderr[-2000:]}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
