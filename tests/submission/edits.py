"""Edits of a good tree: dishonest ones, each of which must be caught, and harmless ones."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.submission.good_tree import SCENARIOS, build_scenario, copy

Edit = Callable[[Path], None]
DETAIL, SUMMARY, RESPONSES = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
PERFORMANCE = "runs/board/digits-99/{}/performance/run_1"
ACCURACY = "runs/board/digits-99/{}/accuracy"
TEST = "audits/board/digits-99/{}/{}"
SETTINGS = "settings/board/digits-99/{}"


def runs_of(scenario: str) -> dict[str, str]:
    """Folders with LoadGen's logs, by what they are."""
    return {
        "performance": PERFORMANCE.format(scenario),
        "accuracy": ACCURACY.format(scenario),
        **{name: f"{TEST.format(scenario, name)}/performance/run_1" for name in ("TEST01", "TEST04")},
    }


def swap(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        first, second = (root / one).read_bytes(), (root / two).read_bytes()
        (root / one).write_bytes(second)
        (root / two).write_bytes(first)

    return edit


def swap_folders(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        (root / one).rename(root / "aside")
        (root / two).rename(root / one)
        (root / "aside").rename(root / two)

    return edit


def set_value(path: str, key: str, change: Callable[[object], object]) -> Edit:
    """Changes one value of a detail log as a text editor would."""

    def edit(root: Path) -> None:
        lines = (root / path).read_text().splitlines(keepends=True)
        for number, line in enumerate(lines):
            if f'"key": "{key}"' in line:
                entry = json.loads(line.removeprefix(":::MLLOG "))
                old, new = json.dumps(entry["value"]), json.dumps(change(entry["value"]))
                assert old != new
                lines[number] = line.replace(f'"value": {old}', f'"value": {new}', 1)
                assert lines[number] != line, line
                break
        else:
            raise AssertionError(f"{path} has no {key}")
        (root / path).write_text("".join(lines))

    return edit


def replace(path: str, pattern: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        changed, count = re.subn(pattern, text, (root / path).read_text(), flags=re.M)
        assert count, f"{path}: no {pattern}"
        (root / path).write_text(changed)

    return edit


def all_of(*edits: Edit) -> Edit:
    def edit(root: Path) -> None:
        for each in edits:
            each(root)

    return edit


def write_bytes(path: str, content: bytes) -> Edit:
    def edit(root: Path) -> None:
        (root / path).write_bytes(content)

    return edit


def remove(path: str) -> Edit:
    def edit(root: Path) -> None:
        target = root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return edit


def rename(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        (root / two).parent.mkdir(parents=True, exist_ok=True)
        (root / one).rename(root / two)

    return edit


def without_line(path: str, key: str) -> Edit:
    return replace(path, rf'^.*"key": "{re.escape(key)}".*\n', "")


def moved_line(path: str, key: str, before: str) -> Edit:
    def edit(root: Path) -> None:
        lines = (root / path).read_text().splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if f'"key": "{key}"' in line)
        line = lines.pop(at)
        lines.insert(next(n for n, each in enumerate(lines) if f'"key": "{before}"' in each), line)
        (root / path).write_text("".join(lines))

    return edit


def set_field(path: str, key: str, value: object) -> Edit:
    def edit(root: Path) -> None:
        data = json.loads((root / path).read_text())
        if value is None:
            del data[key]
        else:
            data[key] = value
        (root / path).write_text(json.dumps(data))

    return edit


def scaled(factor: float) -> Callable[[object], object]:
    def change(value: object) -> object:
        assert isinstance(value, int | float)
        return int(value * factor) if isinstance(value, int) else round(value * factor, 6)

    return change


def text_files(scenario: str) -> list[str]:
    """Every file that a scenario needs, below the submitter's folder."""
    audits = [f"{TEST.format(scenario, name)}/verify_performance.txt" for name in ("TEST01", "TEST04")]
    return [
        *(f"{folder}/{name}" for folder in runs_of(scenario).values() for name in (DETAIL, SUMMARY)),
        *(f"{ACCURACY.format(scenario)}/{name}" for name in ("accuracy.txt", RESPONSES)),
        *(f"{SETTINGS.format(scenario)}/{name}" for name in ("board.json", "user.conf", "README.md")),
        *audits,
        f"{TEST.format(scenario, 'TEST01')}/verify_accuracy.txt",
    ]


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
        edits[f"an older LoadGen, {scenario}"] = replace(
            performance, r'"loadgen_version", "value": "6', '"loadgen_version", "value": "4'
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
        "benchmark of another data set": _rename_everywhere("digits-99", "letters"),
        "benchmark that there is not": _rename_everywhere("digits-99", "digits-98"),
        "scenario that there is not": rename(
            PERFORMANCE.format("Offline")[:-18], "runs/board/digits-99/Batch"
        ),
        "system without description": _rename_everywhere("board", "other"),
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
        edits[f"{one} as {two}"] = _instead(one, two)
    return edits


def _rename_everywhere(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        for path in sorted(root.rglob(one), key=lambda each: -len(each.parts)):
            path.rename(path.with_name(two))

    return edit


def _instead(one: str, two: str) -> Edit:
    """The runs of one scenario under the name of another."""

    def edit(root: Path) -> None:
        for source, target in zip(runs_of(one).values(), runs_of(two).values(), strict=True):
            for name in (DETAIL, SUMMARY):
                (root / target / name).write_bytes((root / source / name).read_bytes())

    return edit


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


def _crlf(path: str) -> Edit:
    def edit(root: Path) -> None:
        (root / path).write_bytes((root / path).read_bytes().replace(b"\n", b"\r\n"))

    return edit


def _lower_case(root: Path) -> None:
    for scenario in SCENARIOS:
        _rename_everywhere(scenario, scenario.lower())(root)


def _inferred(root: Path) -> None:
    """MultiStream from SingleStream, with all its files, as an edge system may."""
    _instead("SingleStream", "MultiStream")(root)
    for test in ("TEST01", "TEST04"):
        for path in (root / TEST.format("SingleStream", test)).glob("verify_*.txt"):
            (root / TEST.format("MultiStream", test) / path.name).write_bytes(path.read_bytes())


def _other_dates(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (0, 0))


def _higher_class(root: Path) -> None:
    for scenario in SCENARIOS:
        build_scenario(root, "board", "digits-99.9", scenario)


def harmless() -> dict[str, Edit]:
    performance = PERFORMANCE.format("Offline")
    system = "machines/board.json"
    return {
        "a note beside the logs": write_bytes(f"{performance}/notes.txt", b"hello"),
        "a second run": lambda root: copy(root / performance, root / performance.replace("run_1", "run_2")),
        "line ends of accuracy.txt": _crlf(f"{ACCURACY.format('Offline')}/accuracy.txt"),
        "line ends of a detail log": _crlf(f"{performance}/{DETAIL}"),
        "line ends of a summary": _crlf(f"{performance}/{SUMMARY}"),
        "blank line after a detail log": replace(f"{performance}/{DETAIL}", r"\Z", "\n"),
        "scenario folders in lower case": _lower_case,
        "the benchmark's other name": _rename_everywhere("digits-99", "digits"),
        "another field of the system": set_field(system, "colour", "green"),
        "another field of the measurements": set_field(
            f"{SETTINGS.format('Offline')}/board.json", "note", "x"
        ),
        "status in capitals": set_field(system, "status", "Available"),
        "text before the accuracy": replace(
            f"{ACCURACY.format('Offline')}/accuracy.txt", r"\A", "warning: slow\n"
        ),
        "no final newline": replace(
            f"{TEST.format('Offline', 'TEST04')}/verify_performance.txt", r"\n\Z", ""
        ),
        "spaces round the pass": replace(
            f"{TEST.format('Offline', 'TEST01')}/verify_accuracy.txt", r"^TEST PASS$", "  TEST PASS  "
        ),
        "MultiStream inferred from SingleStream": _inferred,
        "the higher accuracy class of the same runs": _higher_class,
        "other dates": _other_dates,
        "src beside code": lambda root: (root / "src").mkdir(),
        "README of the submitter": write_bytes("README.md", b"# Acme\n"),
        "a longer user.conf": replace(f"{SETTINGS.format('Offline')}/user.conf", r"\Z", "# fast\n"),
    }
