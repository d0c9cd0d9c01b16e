"""Edits that leave a good tree good: none may be an error."""

import os
from pathlib import Path

from tests.submission.edit_steps import (
    ACCURACY,
    DETAIL,
    PERFORMANCE,
    SETTINGS,
    SUMMARY,
    TEST,
    Edit,
    put_instead,
    rename_everywhere,
    replace,
    set_field,
    write_bytes,
)
from tests.submission.good_tree import SCENARIOS, build_scenario, copy


def _crlf(path: str) -> Edit:
    def edit(root: Path) -> None:
        (root / path).write_bytes((root / path).read_bytes().replace(b"\n", b"\r\n"))

    return edit


def _lower_case(root: Path) -> None:
    for scenario in SCENARIOS:
        rename_everywhere(scenario, scenario.lower())(root)


def _inferred(root: Path) -> None:
    """MultiStream from SingleStream, with all its files, as an edge system may."""
    put_instead("SingleStream", "MultiStream")(root)
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
        "the benchmark's other name": rename_everywhere("digits-99", "digits"),
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
