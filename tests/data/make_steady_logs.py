"""Records MultiStream logs whose scores agree: `python -m tests.data.make_steady_logs`.

As make_submission_logs.py, whose MultiStream runs are short and differ by chance, with answers after
60 ms and 1,500 queries. The tests of MLPerf compare the runs: they are repeated until all are within 5 %.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.data import make_submission_logs as short

LOGS = Path(__file__).parent / "steady_logs" / "MultiStream"
_SLEEP_S = 0.06
_TRIES = 20
_KINDS = ("performance", "TEST01", "TEST04")


def issue(samples: list[object]) -> None:
    time.sleep(_SLEEP_S)
    short.answer(samples)


def estimate_ns(folder: Path) -> float:
    lines = (folder / "mlperf_log_detail.txt").read_text().splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    return float(next(each["value"] for each in entries if each["key"] == "early_stopping_latency_ms"))


def record(kind: str) -> None:
    target = LOGS / kind
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "tests.data.make_steady_logs", kind, scratch], check=True, timeout=600
        )
        for path in sorted(Path(scratch).glob("mlperf_log_*")):
            if path.stat().st_size > 4 and path.name != "mlperf_log_trace.json":
                shutil.copyfile(path, target / path.name)


def main(arguments: list[str]) -> None:
    """`RUN FOLDER` is the child's call; without arguments all are recorded."""
    if arguments:
        short.issue = issue
        short.SCENARIOS["MultiStream"] = {
            "multi_stream_expected_latency_ns": 30_000_000,
            "min_query_count": 1500,
        }
        short.run("MultiStream", arguments[0], Path(arguments[1]))
        return
    record("accuracy")
    for _ in range(_TRIES):
        with ThreadPoolExecutor() as pool:
            list(pool.map(record, _KINDS))
        found = [estimate_ns(LOGS / kind) for kind in _KINDS]
        if max(found) < 1.05 * min(found):
            return
    raise SystemExit("this machine is too busy: the runs differ by more than 5 %")


if __name__ == "__main__":
    main(sys.argv[1:])
