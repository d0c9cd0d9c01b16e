"""qutiperf check beside MLCommons' own checker on one tree: verdicts of every result, times and memory.

    git clone https://github.com/mlcommons/inference
    python benchmarks/check_corpus.py TREE --round v6.0 --official inference/tools/submission \
        [--unavailable paths.txt] [--rows rows.csv]

Prints one JSON object. The official checker ends in an exception where a result lacks a log, so it gets a
copy (of hard links) without the benchmarks of a system that lack one. Both read the tree from a warm cache.
"""

import argparse
import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qutiperf.submission.check import CheckReport, check_tree, rules_of

_DETAIL = "mlperf_log_detail.txt"
_VERDICT = re.compile(r"(Results|NoResults) (\S.*?)/performance/run_1/mlperf_log_detail\.txt")


def main() -> int:
    options = arguments()
    if options.tree is None or options.round is None:
        print("needs a published tree and --round", file=sys.stderr)
        return 3
    missing = paths_in(options.unavailable)
    started = time.perf_counter()
    report = check_tree(options.tree, options.round, unavailable=missing)
    ours_s = time.perf_counter() - started
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    official, official_s = run_official(options) if options.official else ({}, None)
    rows = list(side_by_side(report, official, options.official is not None))
    if options.rows:
        write_rows(rows, options.rows)
    print(json.dumps(summary(report, rows, ours_s, official_s, max(peaks)), indent=1))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path, nargs="?")
    parser.add_argument("--round")
    parser.add_argument("--official", type=Path, help="tools/submission of mlcommons/inference")
    parser.add_argument("--unavailable", type=Path, help="paths that this copy of the tree lacks, one a line")
    parser.add_argument("--rows", type=Path, help="write the verdicts of every result to this CSV")
    return parser.parse_args()


def paths_in(file: Path | None) -> frozenset[str]:
    return frozenset(file.read_text().splitlines()) - {""} if file else frozenset()


def run_official(options: argparse.Namespace) -> tuple[dict[str, bool], float]:
    """Verdict by scenario folder, and the seconds it took."""
    with tempfile.TemporaryDirectory(dir=options.tree.resolve().parent) as scratch:
        tree = complete_part(options.tree, options.round, Path(scratch) / "tree")
        command = [sys.executable, "-m", "submission_checker.main", "--input", str(tree)]
        command += ["--version", options.round, "--csv", str(Path(scratch) / "summary.csv")]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=options.official, capture_output=True, text=True, check=False)
        took = time.perf_counter() - started
        verdicts = {
            match.group(2).removeprefix(f"{tree}/"): match.group(1) == "Results"
            for match in _VERDICT.finditer(done.stderr)
        }
    if not verdicts:
        sys.exit(f"the official checker has no verdict:\n{done.stderr[-2000:]}")
    return verdicts, took


def complete_part(tree: Path, round_name: str, target: Path) -> Path:
    """A copy of the divisions by hard links, without what would end the official checker."""
    divisions = rules_of(round_name)[1].divisions
    for division in divisions:
        if (tree / division).is_dir():
            shutil.copytree(tree / division, target / division, symlinks=True, copy_function=os.link)
    for accuracy in list(target.glob("*/*/results/*/*/*")):
        runs = (
            accuracy / "performance" / "run_1",
            accuracy / "accuracy",
            *accuracy.glob("TEST0[14]/performance/run_1"),
        )
        if accuracy.is_dir() and not all((run / _DETAIL).exists() for run in runs):
            shutil.rmtree(accuracy.parent, ignore_errors=True)
    return target


def side_by_side(
    report: CheckReport, official: dict[str, bool], compared: bool
) -> Iterator[dict[str, object]]:
    by_folder: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.severity == "error":
            for row in report.rows:
                folder = str(row["folder"])
                if finding.path == folder or finding.path.startswith(f"{folder}/"):
                    by_folder.setdefault(folder, []).append(finding.rule)
    for row in report.rows:
        folder = str(row["folder"])
        verdict = official.get(folder)
        theirs = "not run" if verdict is None else ("ok" if verdict else "error")
        yield {
            "folder": folder,
            "qutiperf": "error" if row["errors"] else "ok",
            "official": theirs if compared else None,
            "rules": " ".join(sorted(set(by_folder.get(folder, [])))),
        }


def write_rows(rows: list[dict[str, object]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summary(
    report: CheckReport,
    rows: list[dict[str, object]],
    ours_s: float,
    official_s: float | None,
    peak_kb: int,
) -> dict[str, object]:
    verdicts = Counter(f"qutiperf {row['qutiperf']}, official {row['official']}" for row in rows)
    errors = Counter(finding.rule for finding in report.findings if finding.severity == "error")
    return {
        "results": report.results,
        "results_without_error": report.clean,
        "verdicts": dict(verdicts),
        "errors_by_rule": dict(errors.most_common()),
        "qutiperf_s": round(ours_s, 2),
        "official_s": round(official_s, 2) if official_s is not None else None,
        "qutiperf_to_official": round(ours_s / official_s, 2) if official_s else None,
        "qutiperf_peak_mb_of_one_process": peak_kb // 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
