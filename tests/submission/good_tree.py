"""Builds a submission tree that keeps every rule, from LoadGen's own logs in tests/data/submission_logs."""

import hashlib
import json
import struct
from pathlib import Path

from tests.places import TESTS

LOGS = TESTS / "data" / "submission_logs"
ROUND = str(Path(__file__).parent / "round.yaml")
SCENARIOS = ("SingleStream", "MultiStream", "Offline")
SAMPLES = 256
SYSTEM = {
    "division": "closed",
    "submitter": "Acme",
    "status": "available",
    "system_type": "edge",
    "system_name": "one board",
    "number_of_nodes": "1",
    "accelerators_per_node": "0",
    "hw_notes": "",
    "sw_notes": "",
    # the official checker prints these of every result
    **dict.fromkeys(
        (
            *("host_processor_model_name", "host_processors_per_node", "host_processor_core_count"),
            *("accelerator_model_name", "framework", "operating_system"),
        ),
        "N/A",
    ),
}
MEASUREMENTS = {
    "input_data_types": "fp32",
    "retraining": "no",
    "starting_weights_filename": "digits.onnx",
    "weight_data_types": "fp32",
    "weight_transformations": "none",
}


def build(
    root: Path, *, division: str = "closed", system: str = "board", benchmark: str = "digits-99"
) -> Path:
    """One submitter with one system, every scenario measured by itself; returns the submitter's folder."""
    submitter = root / division / "Acme"
    write(submitter / "code" / "main.py", "print('what ran')\n")
    described = {**SYSTEM, "division": division}
    write(submitter / "machines" / f"{system}.json", json.dumps(described, indent=1))
    for scenario in SCENARIOS:
        build_scenario(submitter, system, benchmark, scenario)
    return submitter


def build_scenario(submitter: Path, system: str, benchmark: str, scenario: str) -> None:
    logs = LOGS / scenario
    run = submitter / "runs" / system / benchmark / scenario
    copy(logs / "performance", run / "performance" / "run_1")
    copy(logs / "accuracy", run / "accuracy")
    write(run / "accuracy" / "accuracy.txt", score(run / "accuracy"))
    settings = submitter / "settings" / system / benchmark / scenario
    write(settings / f"{system}.json", json.dumps(MEASUREMENTS))
    write(settings / "user.conf", f"*.{scenario}.min_duration = 300\n")
    write(settings / "README.md", "How it was measured.\n")
    audits = submitter / "audits" / system / benchmark / scenario
    for test in ("TEST01", "TEST04"):
        copy(logs / test, audits / test / "performance" / "run_1")
        write(audits / test / "verify_performance.txt", verify_performance(logs, test))
    write(audits / "TEST01" / "verify_accuracy.txt", verify_accuracy(logs))


def copy(source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        target.mkdir(parents=True, exist_ok=True)
        (target / path.name).write_bytes(path.read_bytes())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def entries(path: Path) -> list[tuple[int, int]]:
    """Sample index and class of every response."""
    return [
        (each["qsl_idx"], int(struct.unpack("<f", bytes.fromhex(each["data"]))[0]))
        for each in json.loads(path.read_text())
    ]


def score(folder: Path) -> str:
    """accuracy.txt as the reference script writes it; cuts the log as truncate_accuracy_log.py does."""
    log = folder / "mlperf_log_accuracy.json"
    whole = log.read_bytes()
    answers = dict(entries(log))
    good = sum(label == index % 10 for index, label in answers.items())
    log.write_bytes(whole[:4096] + b"\n\n...\n\n" + whole[-4096:])
    share = 100 * good / len(answers)
    digest = hashlib.sha256(whole).hexdigest()
    return f"accuracy={share:.3f}%, good={good}, total={len(answers)}\n\nhash={digest}\n"


def values(folder: Path) -> dict[str, object]:
    lines = (folder / "mlperf_log_detail.txt").read_text().splitlines()
    parsed = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    return {each["key"]: each["value"] for each in parsed}


def verify_performance(logs: Path, test: str) -> str:
    scores = []
    for name in ("performance", test):
        logged = values(logs / name)
        latency = "early_stopping_latency_ms" if logs.name == "MultiStream" else "early_stopping_latency_ss"
        keys = (latency, "result_samples_per_second")
        scores.append(next(logged[key] for key in keys if logged.get(key)))
    return f"Verifying performance.\nreference score = {scores[0]}\ntest score = {scores[1]}\nTEST PASS\n"


def verify_accuracy(logs: Path) -> str:
    all_entries = dict(entries(logs / "accuracy" / "mlperf_log_accuracy.json"))
    sampled = entries(logs / "TEST01" / "mlperf_log_accuracy.json")
    differing = sum(all_entries[index] != label for index, label in sampled)
    assert differing == 0
    return (
        f"Verifying accuracy. This might take a while...\nnum_acc_log_entries = {len(all_entries)}\n"
        f"num_perf_log_entries = {len(sampled)}\nnum_perf_log_qsl_idx_match = {len(sampled)}\n"
        f"num_perf_log_data_mismatch = {differing}\nnum_missing_qsl_idxs = 0\nTEST PASS\n"
    )
