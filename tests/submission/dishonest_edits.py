"""Edits that break a rule or leave two pieces of evidence in disagreement: each must be an error."""

import json
import random
import re
from pathlib import Path

from tests.submission.edit_steps import (
    ACCURACY,
    DETAIL,
    PERFORMANCE,
    SETTINGS,
    SUMMARY,
    TEST,
    Edit,
    all_of,
    moved_line,
    put_instead,
    remove,
    rename,
    rename_everywhere,
    replace,
    runs_of,
    scaled,
    set_field,
    set_value,
    swap,
    swap_folders,
    text_files,
    without_line,
    write_bytes,
)
from tests.submission.good_tree import SCENARIOS, build_scenario


def _swapped() -> dict[str, Edit]:
    edits: dict[str, Edit] = {}
    for scenario in SCENARIOS:
        runs = runs_of(scenario)
        edits[f"performance and accuracy, {scenario}"] = swap_folders(runs["performance"], runs["accuracy"])
        edits[f"performance and TEST01, {scenario}"] = swap_folders(runs["performance"], runs["TEST01"])
        edits[f"performance and TEST04, {scenario}"] = swap_folders(runs["performance"], runs["TEST04"])
        edits[f"TEST01 and TEST04, {scenario}"] = swap_folders(runs["TEST01"], runs["TEST04"])
        edits[f"detail logs of two runs, {scenario}"] = swap(
            f"{runs['performance']}/{DETAIL}", f"{runs['TEST01']}/{DETAIL}"
        )
    for one, two in (
        ("SingleStream", "Offline"),
        ("MultiStream", "Offline"),
        ("SingleStream", "MultiStream"),
    ):
        for kind in ("performance", "TEST01", "TEST04"):
            edits[f"{kind} of {one} and {two}"] = swap_folders(runs_of(one)[kind], runs_of(two)[kind])
        summaries = (f"{PERFORMANCE.format(each)}/{SUMMARY}" for each in (one, two))
        edits[f"summaries of {one} and {two}"] = swap(*summaries)
        scores = (f"{TEST.format(each, 'TEST01')}/verify_performance.txt" for each in (one, two))
        edits[f"verify_performance of {one} and {two}"] = swap(*scores)
    return edits


FIGURES = {
    "SingleStream": ("early_stopping_latency_ss", "result_qps_without_loadgen_overhead"),
    "MultiStream": ("early_stopping_latency_ms", "result_mean_query_latency_ns"),
    "Offline": ("result_samples_per_second", "result_max_latency_ns"),
}


def _forged(dice: random.Random) -> dict[str, Edit]:
    edits: dict[str, Edit] = {}
    for scenario in SCENARIOS:
        detail = f"{PERFORMANCE.format(scenario)}/{DETAIL}"
        for key in (*FIGURES[scenario], "result_50.00_percentile_latency_ns", "result_min_latency_ns"):
            factor = dice.choice([0.5, 0.8, 1.3, 2.0, 5.0])
            edits[f"{key} by {factor}, {scenario}"] = set_value(detail, key, scaled(factor))
        edits[f"query count, {scenario}"] = set_value(detail, "result_query_count", scaled(3))
        edits[f"an error line turned to none, {scenario}"] = set_value(detail, "num_errors", lambda _: 1)
        edits[f"INVALID beside good flags, {scenario}"] = set_value(
            detail, "result_validity", lambda _: "INVALID"
        )
        edits[f"a flag, {scenario}"] = set_value(detail, "result_min_queries_met", lambda _: False)
        edits[f"a seed, {scenario}"] = set_value(detail, "effective_qsl_rng_seed", lambda _: 7)
        edits[f"all seeds, {scenario}"] = all_of(
            *(
                set_value(f"{folder}/{DETAIL}", f"{prefix}_sample_index_rng_seed", lambda _: 7)
                for folder in runs_of(scenario).values()
                for prefix in ("requested", "effective")
            )
        )
        accuracy = f"{ACCURACY.format(scenario)}/accuracy.txt"
        edits[f"accuracy percent, {scenario}"] = replace(accuracy, r"accuracy=[\d.]+%", "accuracy=99.900%")
        edits[f"accuracy count, {scenario}"] = replace(accuracy, r"good=\d+", "good=256")
        edits[f"accuracy below target, {scenario}"] = replace(
            accuracy, r"^.*good=.*$", "accuracy=96.875%, good=248, total=256"
        )
        edits[f"hash, {scenario}"] = replace(accuracy, r"^hash=.*$", "hash=none")
        verify = TEST.format(scenario, "TEST01")
        edits[f"TEST FAIL renamed, {scenario}"] = replace(
            f"{verify}/verify_accuracy.txt", "TEST PASS", "TEST FAIL"
        )
        edits[f"a pass with mismatches, {scenario}"] = replace(
            f"{verify}/verify_accuracy.txt", r"data_mismatch = 0", "data_mismatch = 3"
        )
        edits[f"reference score, {scenario}"] = replace(
            f"{verify}/verify_performance.txt", r"reference score = .*", "reference score = 123.0"
        )
        edits[f"test score, {scenario}"] = replace(
            f"{TEST.format(scenario, 'TEST04')}/verify_performance.txt",
            r"test score = .*",
            "test score = 77.5",
        )
    return edits


def _shortened() -> dict[str, Edit]:
    edits: dict[str, Edit] = {}
    for scenario in SCENARIOS:
        for kind, folder in runs_of(scenario).items():
            detail = f"{folder}/{DETAIL}"
            edits[f"half of the {kind} log, {scenario}"] = _cut(detail)
            key = "power_end" if kind == "accuracy" else "result_query_count"
            edits[f"{key} left out of {kind}, {scenario}"] = without_line(detail, key)
        performance = f"{PERFORMANCE.format(scenario)}/{DETAIL}"
        edits[f"requested duration, {scenario}"] = all_of(
            *(
                set_value(performance, f"{name}_min_duration_ms", lambda _: 30)
                for name in ("requested", "effective")
            )
        )
        edits[f"duration elapsed, {scenario}"] = _ends_early(performance)
        edits[f"an older LoadGen, {scenario}"] = all_of(
            replace(performance, r'"loadgen_version", "value": "6', '"loadgen_version", "value": "4'),
            replace(performance, r"^.*sample_concatenate_permutation.*\n", ""),
        )
        edits[f"lines moved, {scenario}"] = moved_line(performance, "result_query_count", "result_validity")
        edits[f"summary cut, {scenario}"] = write_bytes(
            f"{PERFORMANCE.format(scenario)}/{SUMMARY}", b"Result\n"
        )
        edits[f"TEST01 counts fewer samples, {scenario}"] = replace(
            f"{TEST.format(scenario, 'TEST01')}/verify_accuracy.txt", "entries = 256", "entries = 100"
        )
    return edits


def _cut(path: str) -> Edit:
    def edit(root: Path) -> None:
        lines = (root / path).read_text().splitlines(keepends=True)
        (root / path).write_text("".join(lines[: len(lines) // 2]))

    return edit


def _ends_early(path: str) -> Edit:
    """power_end soon after power_begin."""

    def edit(root: Path) -> None:
        text = (root / path).read_text()
        begin = re.search(r'"key": "power_begin", "value": "([^"]*)"', text)
        assert begin
        changed = re.sub(r'("key": "power_end", "value": ")[^"]*', rf"\g<1>{begin.group(1)}", text)
        (root / path).write_text(changed)

    return edit


def _relabelled() -> dict[str, Edit]:
    system = "machines/board.json"
    edits: dict[str, Edit] = {
        "benchmark of another data set": rename_everywhere("digits-99", "letters"),
        "benchmark that there is not": rename_everywhere("digits-99", "digits-98"),
        "scenario that there is not": rename(
            PERFORMANCE.format("Offline")[:-18], "runs/board/digits-99/Batch"
        ),
        "system without description": rename_everywhere("board", "other"),
        "suite": set_field(system, "system_type", "datacenter"),
        "both suites": set_field(system, "system_type", "cloud"),
        "status": set_field(system, "status", "soon"),
        "submitter": set_field(system, "submitter", "Emca"),
        "division": set_field(system, "division", "open"),
        "network": set_field(system, "is_network", "true"),
        "nodes": set_field(system, "number_of_nodes", "one"),
        "empty name": set_field(system, "system_name", ""),
        "field left out": set_field(system, "hw_notes", None),
        "measurements field left out": set_field(
            f"{SETTINGS.format('Offline')}/board.json", "retraining", None
        ),
    }
    for one, two in (
        ("Offline", "SingleStream"),
        ("Offline", "MultiStream"),
        ("MultiStream", "SingleStream"),
    ):
        edits[f"{one} as {two}"] = put_instead(one, two)
    return edits


def _copied() -> dict[str, Edit]:
    edits: dict[str, Edit] = {}
    for scenario in SCENARIOS:
        runs = runs_of(scenario)
        for test in ("TEST01", "TEST04"):
            edits[f"performance as {test}, {scenario}"] = _copy(runs["performance"], runs[test])
            edits[f"{test} as performance, {scenario}"] = _copy(runs[test], runs["performance"])
        edits[f"performance as accuracy, {scenario}"] = _copy(runs["performance"], runs["accuracy"])
        edits[f"accuracy as performance, {scenario}"] = _copy(runs["accuracy"], runs["performance"])
    edits["another system with the same logs"] = _second_system(edited=False)
    edits["another system with edited logs"] = _second_system(edited=True)
    return edits


def _copy(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        for name in (DETAIL, SUMMARY):
            (root / two / name).write_bytes((root / one / name).read_bytes())

    return edit


def _second_system(*, edited: bool) -> Edit:
    def edit(root: Path) -> None:
        described = json.loads((root / "machines/board.json").read_text())
        (root / "machines/twin.json").write_text(json.dumps({**described, "system_name": "its twin"}))
        for scenario in SCENARIOS:
            build_scenario(root, "twin", "digits-99", scenario)
            run = root / "runs/twin/digits-99" / scenario / "performance/run_1" / DETAIL
            if edited:
                run.write_text(
                    run.read_text().replace('"sut_name", "value": "PySUT"', '"sut_name", "value": "Twin"')
                )

    return edit


def _emptied() -> dict[str, Edit]:
    edits = {f"emptied {path}": write_bytes(path, b"") for path in text_files("SingleStream")}
    edits |= {f"removed {path}": remove(path) for path in text_files("Offline")}
    edits["removed machines"] = remove("machines/board.json")
    edits["removed code"] = remove("code")
    edits |= {
        f"removed {name} of MultiStream": remove(TEST.format("MultiStream", name))
        for name in ("TEST01", "TEST04")
    }
    edits |= {f"removed {scenario}": remove(f"runs/board/digits-99/{scenario}") for scenario in SCENARIOS}
    edits["removed results"] = remove("runs")
    return edits


def _crashed_on() -> dict[str, Edit]:
    garbage = bytes(random.Random(3).randbytes(5000))
    edits = {f"binary in {path}": write_bytes(path, garbage) for path in text_files("MultiStream")}
    deep = b"[" * 200_000
    for path in ("machines/board.json", f"{SETTINGS.format('Offline')}/board.json"):
        for name, content in {"deep": deep, "list": b"[]", "text": b"hello", "number": b"1e999"}.items():
            edits[f"{name} in {path}"] = write_bytes(path, content)
    edits["link in place of a log"] = _link(f"{PERFORMANCE.format('Offline')}/{DETAIL}")
    edits["folder in place of a log"] = _folder(f"{PERFORMANCE.format('Offline')}/{DETAIL}")
    edits["lines that are not objects"] = write_bytes(
        f"{PERFORMANCE.format('Offline')}/{DETAIL}", b":::MLLOG []\n:::MLLOG 3\n:::MLLOG null\n"
    )
    return edits


def _link(path: str) -> Edit:
    def edit(root: Path) -> None:
        (root / path).rename(root / "code" / "log.txt")
        (root / path).symlink_to(root / "code" / "log.txt")

    return edit


def _folder(path: str) -> Edit:
    def edit(root: Path) -> None:
        (root / path).unlink()
        (root / path).mkdir()

    return edit


def dishonest(seed: int = 1) -> dict[str, Edit]:
    """By class and name; the seed chooses the forged numbers."""
    classes = {
        "swapped": _swapped(),
        "forged": _forged(random.Random(seed)),
        "shortened": _shortened(),
        "relabelled": _relabelled(),
        "copied": _copied(),
        "emptied": _emptied(),
        "crashed on": _crashed_on(),
    }
    return {f"{kind}: {name}": edit for kind, edits in classes.items() for name, edit in edits.items()}
