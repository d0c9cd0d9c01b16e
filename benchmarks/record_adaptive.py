"""Records the sweeps that benchmarks/adaptive.py replays: each setting in full and by probes.

    python benchmarks/record_adaptive.py a RESULTS

Measures benchmarks/data/recorded-a.yaml twice, in full and with short runs, into RESULTS/full and
RESULTS/probe, and writes benchmarks/data/recorded-a.csv.gz. Takes about nine minutes a sweep.
"""

import csv
import gzip
import io
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = CHECKOUT / "benchmarks/data"
sys.path.insert(0, str(CHECKOUT))

from qutiperf.results.record import RunRecord  # noqa: E402
from qutiperf.results.store import Store  # noqa: E402
from qutiperf.spec.scenario import Mode  # noqa: E402

# The probes of `--strategy pareto`: a tenth of the duration, and of the queries
PROBE = ["--set", "settings.min_duration_s=0.05", "--set", "modes=PerformanceOnly"]
QUERIES = {"b": ["--set", "settings.min_query_count=10"]}
COLUMNS = (
    *("kind", "sut", "workload", "threads", "streams", "scenario", "batch_size", "repeat"),
    *("throughput_ips", "latency_p99_ms", "top1_percent", "seconds"),
)


def main(name: str, results: str) -> int:
    rows: list[dict[str, object]] = []
    for kind, settings in (("full", []), ("probe", [*PROBE, *QUERIES.get(name, [])])):
        folder = Path(results) / kind
        command = [sys.executable, "-m", "qutiperf", "run", str(DATA / f"recorded-{name}.yaml")]
        subprocess.run([*command, "--out", str(folder), *settings], check=True)
        rows += rows_of(Store.open(folder).latest(), kind)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    packed = gzip.compress(text.getvalue().encode(), mtime=0)
    (DATA / f"recorded-{name}.csv.gz").write_bytes(packed)
    print(f"recorded-{name}.csv.gz: {len(rows)} rows, {len(packed)} bytes")
    return 0


def rows_of(records: Sequence[RunRecord], kind: str) -> list[dict[str, object]]:
    """Runs in the order of their start, and the seconds that each load took before its first run.

    LoadGen's verdict does not count: a p99 of few queries is INVALID, and such runs are compared here.
    """
    rows: list[dict[str, object]] = []
    loads: list[tuple[dict[str, object], float]] = []
    before: RunRecord | None = None
    for number, record in enumerate(records):
        fresh = before is None or load_of(before) != load_of(record)
        if fresh and kind == "full":
            pause_s = None if before is None else starts_in(before, record) - before.elapsed_s
            loads.append((load_of(record), pause_s if pause_s is not None else 0.0))
        after = records[number + 1] if number + 1 < len(records) else None
        same = after is not None and load_of(after) == load_of(record)
        seconds = starts_in(record, after) if after is not None and same else record.elapsed_s
        accuracy = record.point.mode is Mode.ACCURACY
        if record.failure is None:
            rows.append(
                {
                    **load_of(record),
                    "kind": "accuracy" if accuracy else kind,
                    "scenario": record.point.scenario.value,
                    "batch_size": record.point.deployment["batch_size"],
                    "repeat": record.point.repeat,
                    "throughput_ips": short(record.figures.system_throughput_ips),
                    "latency_p99_ms": short(record.figures.system_latency_p99_ms),
                    "top1_percent": record.figures.top1_percent,
                    "seconds": short(seconds),
                }
            )
        before = record
    usual = statistics.median(seconds for _, seconds in loads[1:]) if loads else 0.0
    return [{**load, "kind": "load", "seconds": short(each or usual)} for load, each in loads] + rows


def load_of(record: RunRecord) -> dict[str, object]:
    point = record.point
    parameters = {name: point.deployment[name] for name in ("threads", "streams")}
    return {"sut": point.sut, "workload": point.workload, **parameters}


def starts_in(first: RunRecord, second: RunRecord) -> float:
    """Seconds between the starts of two runs."""
    starts = [datetime.fromisoformat(each.started_utc) for each in (first, second)]
    return (starts[1] - starts[0]).total_seconds()


def short(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
