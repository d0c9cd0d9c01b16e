"""Results folders written for tests: stored records without measuring anything."""

from collections.abc import Iterable
from pathlib import Path

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.results.record import Failure, Figures, RunRecord
from qutiperf.results.store import Store
from qutiperf.spec.scenario import Mode, ScenarioName
from tests.results.test_metrics import a_record

HOSTILE = [
    "<script>window.harmed=1</script>",
    "\"><img src=x onerror='window.harmed=2'>",
    "</script><b>bold",
    "=HYPERLINK(1)",
    "\u202eevil\u2066",
    "{{ 7 * 7 }}",
    "a" * 300,
    "../../etc",
]


def stored(folder: Path, records: Iterable[RunRecord]) -> Path:
    store = Store.create(folder)
    for record in records:
        store.place(store.stage() / record.run_id, record)
    store.clean()
    return folder


def kept(results: Path, verdict: AuditVerdict) -> None:
    """Stores a verdict where `audit` does."""
    folder = results / "audit" / verdict.audit
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{verdict.run_id}.verdict.json").write_text(verdict.model_dump_json())


def performance(number: int, rate_ips: float, **more: object) -> RunRecord:
    """An Offline run of batch `number` + 1 with an id of its own and a compute rate of 1.25 times its own."""
    figures = Figures(
        system_throughput_ips=rate_ips,
        compute_throughput_ips=1.25 * rate_ips,
        compute_latency_p50_ms=1000.0 * (number + 1) / rate_ips,
    )
    record = a_record(f"{number:012x}", batch_size=number + 1, figures=figures, accuracy_run_id="f" * 12)
    return RunRecord.model_validate(record.model_dump() | more)


def accuracy(top1_percent: float) -> RunRecord:
    figures = Figures(top1_percent=top1_percent)
    return a_record("f" * 12, mode=Mode.ACCURACY, scenario=ScenarioName.OFFLINE, figures=figures)


def hostile_records() -> list[RunRecord]:
    """Hostile text in every name, reason, host and version; one run failed and one is INVALID."""
    records = []
    for number, text in enumerate(HOSTILE):
        record = performance(number, 100.0 + number)
        point = record.point.model_copy(update={"sut": text, "workload": HOSTILE[-1 - number]})
        workload = record.inputs.workload.model_copy(
            update={
                "name": text,
                "dataset": record.inputs.workload.dataset.model_copy(update={"name": HOSTILE[0]}),
            }
        )
        inputs = record.inputs.model_copy(update={"workload": workload})
        changes = {
            "point": point,
            "inputs": inputs,
            "host": {"hostname": text},
            "versions": {text: text},
            "reasons": [text],
            "valid": number != 1,
        }
        records.append(record.model_copy(update=changes))
    failure = Failure(stage="run", kind="error", reason=HOSTILE[0], log_tail=HOSTILE[2])
    failed = performance(99, 1.0, failure=failure, valid=False, figures=Figures())
    return [*records, failed, accuracy(97.5)]
