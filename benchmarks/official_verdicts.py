"""MLPerf's own TEST01 and TEST04 scripts beside ours, on the same logs: `official_verdicts.py CLONE`.

CLONE is a clone of https://github.com/mlcommons/inference. The logs are the recorded ones of the tests, as
they are and changed: wrong answers, other scores, INVALID runs. Prints a line each, and how many differ.
"""

import argparse
import itertools
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from qutiperf.audit import test01, test04
from qutiperf.audit.evidence import DETAIL, RESPONSES, SUMMARY
from qutiperf.audit.tested_run import TestedRun
from qutiperf.spec.audits import load_audit

LOGS = Path(__file__).parents[1] / "tests" / "data" / "submission_logs"
Change = Callable[[Path], None]


def wrong_answers(folder: Path, share: float = 1.0) -> None:
    path = folder / RESPONSES
    entries = json.loads(path.read_text())
    for each in entries[: max(int(len(entries) * share), 1)]:
        label = struct.unpack("<f", bytes.fromhex(each["data"]))[0]
        each["data"] = struct.pack("<f", label + 1).hex().upper()
    path.write_text("[\n" + ",\n".join(json.dumps(each) for each in entries) + "\n]\n")


def one_wrong(folder: Path) -> None:
    wrong_answers(folder, 0.0)


def invalid(folder: Path) -> None:
    for name, text in ((DETAIL, '"result_validity", "value": "VALID"'), (SUMMARY, "Result is : VALID")):
        path = folder / name
        path.write_text(path.read_text().replace(text, text.replace("VALID", "INVALID")))


def score(factor: float) -> Change:
    """Multiplies what the scripts take for the score, in both logs."""

    def change(folder: Path) -> None:
        lines = []
        for line in (folder / DETAIL).read_text().splitlines():
            entry = json.loads(line.removeprefix(":::MLLOG "))
            if entry["key"] in _SCORES and isinstance(entry["value"], int | float):
                entry["value"] *= factor
            lines.append(f":::MLLOG {json.dumps(entry)}")
        (folder / DETAIL).write_text("\n".join(lines) + "\n")
        lines = []
        for line in (folder / SUMMARY).read_text().splitlines():
            label, colon, value = line.partition(": ")
            scored = "Early stopping 9" in label or label.startswith(("Samples per", "Completed samples"))
            lines.append(f"{label}{colon}{float(value) * factor}" if scored else line)
        (folder / SUMMARY).write_text("\n".join(lines) + "\n")

    return change


_SCORES = ("early_stopping_latency_ss", "early_stopping_latency_ms", "result_samples_per_second")
CHANGES: dict[str, Change] = {
    "as recorded": lambda _: None,
    "all answers wrong": wrong_answers,
    "one answer wrong": one_wrong,
    "INVALID": invalid,
    **{
        f"score x {factor:g}": score(factor)
        for factor in (0.5, 0.79, 0.82, 0.89, 0.92, 1.08, 1.12, 1.18, 1.3, 2)
    },
}


def cases() -> Iterator[tuple[str, str, str]]:
    yield from itertools.product(("TEST01", "TEST04"), ("SingleStream", "MultiStream", "Offline"), CHANGES)


def prepared(root: Path, test: str, scenario: str, change: str) -> TestedRun:
    """The layout that run_verification.py wants, the test's logs changed."""
    folders = {
        "performance": root / "results" / "performance" / "run_1",
        "accuracy": root / "results" / "accuracy",
        test: root / "test",
    }
    for kind, folder in folders.items():
        folder.mkdir(parents=True)
        for path in (LOGS / scenario / kind).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    if (folders[test] / RESPONSES).exists() or "answer" not in change:
        CHANGES[change](folders[test])
    return TestedRun("0" * 12, scenario, folders["performance"], folders["accuracy"], folders[test])


def official(clone: Path, root: Path, test: str) -> bool:
    """Passes if every text that the script writes has a pass."""
    (root / "cwd").mkdir()
    command = [
        *(sys.executable, str(clone / "compliance" / test / "run_verification.py")),
        *("-r", str(root / "results"), "-c", str(root / "test"), "-o", str(root / "out")),
        *(("--dtype", "float32") if test == "TEST01" else ()),
    ]
    subprocess.run(command, cwd=root / "cwd", capture_output=True, check=False)
    texts = [path.read_text() for path in (root / "out" / test).glob("verify_*.txt")]
    return bool(texts) and all("TEST PASS" in text for text in texts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path, help="a clone of mlcommons/inference")
    clone = parser.parse_args().clone.resolve()
    judges = {"TEST01": test01.judge, "TEST04": test04.judge}
    differences = count = 0
    for test, scenario, change in cases():
        with tempfile.TemporaryDirectory() as scratch:
            run = prepared(Path(scratch), test, scenario, change)
            ours = judges[test](load_audit(test), run).outcome == "pass"
            theirs = official(clone, Path(scratch), test)
        differences, count = differences + (ours != theirs), count + 1
        verdicts = f"ours {'pass' if ours else 'fail'}, official {'pass' if theirs else 'fail'}"
        print(f"{test} {scenario}, {change}: {verdicts}{'' if ours == theirs else '   DIFFERENT'}")
    print(f"{count} pairs of logs, {differences} verdicts differ")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
