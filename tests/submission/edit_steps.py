"""Steps that edits of a good tree are made of, and where its files are."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

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


def rename_everywhere(one: str, two: str) -> Edit:
    def edit(root: Path) -> None:
        for path in sorted(root.rglob(one), key=lambda each: -len(each.parts)):
            path.rename(path.with_name(two))

    return edit


def put_instead(one: str, two: str) -> Edit:
    """The runs of one scenario under the name of another."""

    def edit(root: Path) -> None:
        for source, target in zip(runs_of(one).values(), runs_of(two).values(), strict=True):
            for name in (DETAIL, SUMMARY):
                (root / target / name).write_bytes((root / source / name).read_bytes())

    return edit
