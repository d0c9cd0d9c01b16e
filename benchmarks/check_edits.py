"""qutiperf check beside MLCommons' own checker: how many dishonest edits of a good tree each of them catches.

    git clone https://github.com/mlcommons/inference
    python benchmarks/check_edits.py --official inference/tools/submission [--rows rows.csv]

The tree and its edits are those of tests/submission: LoadGen's own logs of an invented round. Both checkers
get the same tree; for the official one its folders are renamed to v5.1's, and its constants are the round's.
Prints one JSON object. An exception in the official checker counts as caught, and is counted by itself too.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qutiperf.submission.check import check_tree

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tests.submission.dishonest_edits import dishonest  # noqa: E402
from tests.submission.good_tree import ROUND, build  # noqa: E402
from tests.submission.harmless_edits import harmless  # noqa: E402

FOLDERS = {"runs": "results", "audits": "compliance", "settings": "measurements", "machines": "systems"}
Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Verdict:
    """`exception`: the official checker ended in one, and so has no summary."""

    edit: str
    honest: bool
    qutiperf: bool
    official: bool
    exception: bool


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--official", type=Path, required=True, help="tools/submission of mlcommons/inference"
    )
    parser.add_argument("--rows", type=Path, help="write the verdicts about every edit to this CSV")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.official is None:
        print("needs --official, a clone of mlcommons/inference", file=sys.stderr)
        return 3
    unedited = verdict(options.official, "none", lambda root: None, honest=True)
    if not (unedited.qutiperf and unedited.official):
        sys.exit(f"the tree without an edit does not pass: {unedited}")
    edits = [(name, edit, False) for name, edit in dishonest().items()]
    edits += [(name, edit, True) for name, edit in harmless().items()]
    judge = partial(verdict, options.official)
    with ThreadPoolExecutor(options.workers) as pool:
        verdicts = list(pool.map(lambda each: judge(each[0], each[1], honest=each[2]), edits))
    if options.rows:
        write_rows(verdicts, options.rows)
    print(json.dumps(summary(verdicts), indent=1))
    return 0


def verdict(official: Path, name: str, edit: Edit, *, honest: bool) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        submitter = build(root)
        edit(submitter)
        ours = check_tree(root, ROUND, workers=1).passed
        for own, theirs in FOLDERS.items():
            if (submitter / own).exists():
                (submitter / own).rename(submitter / theirs)
        passed, exception = run_official(official, root)
    return Verdict(name, honest, ours, passed, exception)


def run_official(official: Path, root: Path) -> tuple[bool, bool]:
    """Whether it calls the tree OK, and whether it ended in an exception."""
    command = [
        sys.executable,
        str(CHECKOUT / "benchmarks/official/checker_of_round.py"),
        str(root),
        "--round",
        ROUND,
    ]
    done = subprocess.run(
        command, cwd=official, capture_output=True, text=True, check=False, errors="replace"
    )
    ok = done.returncode == 0 and "SUMMARY: submission looks OK" in done.stderr
    return ok, "SUMMARY:" not in done.stderr


def write_rows(verdicts: list[Verdict], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["edit", "honest", "qutiperf", "official", "exception"])
        for each in verdicts:
            row = (
                each.edit,
                each.honest,
                *("ok" if ok else "error" for ok in (each.qutiperf, each.official)),
            )
            writer.writerow([*row, each.exception])


def summary(verdicts: list[Verdict]) -> dict[str, object]:
    dishonest_edits = [each for each in verdicts if not each.honest]
    honest_edits = [each for each in verdicts if each.honest]
    kinds = Counter(kind(each) for each in dishonest_edits)
    return {
        "dishonest_edits": len(dishonest_edits),
        "caught_by_qutiperf": sum(not each.qutiperf for each in dishonest_edits),
        "caught_by_official": sum(not each.official for each in dishonest_edits),
        "of_which_by_an_exception": sum(each.exception for each in dishonest_edits),
        "harmless_edits": len(honest_edits),
        "flagged_by_qutiperf": sum(not each.qutiperf for each in honest_edits),
        "flagged_by_official": sum(not each.official for each in honest_edits),
        "official_by_class": {
            name: f"{sum(not each.official for each in dishonest_edits if kind(each) == name)} of {count}"
            for name, count in kinds.items()
        },
    }


def kind(each: Verdict) -> str:
    return each.edit.split(":")[0]


if __name__ == "__main__":
    sys.exit(main())
