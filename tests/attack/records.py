"""Hostile results folders and logs: what is damaged is named and skipped, everything else is shown."""

import csv
import io
import json
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.attack import logs
from tests.attack.attack import OK, REFUSED, Attack, Outcome, require, shown
from tests.attack.ground import Ground
from tests.places import TESTS

_RESULTS = TESTS / "data/results_862dfec"
_DAMAGED = 12  # records with random bytes
_ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e=1+1"
Change = Callable[[dict[str, object]], object]
Act = Callable[[Path], object]  # on a run's folder


def attacks(chance: random.Random) -> list[Attack]:
    return [
        *(_attack(f"record: {name}", partial(_skipped, act)) for name, act in _UNREADABLE.items()),
        *(_attack(f"record: {name}", partial(_skipped, _edited(edit))) for name, edit in _REFUSED.items()),
        *(_attack(f"record: {name}", partial(_shown, _edited(edit))) for name, edit in _SHOWN.items()),
        *(_attack(f"beside the runs: {name}", partial(_harmless, act)) for name, act in _BESIDE.items()),
        *(_attack(f"marker: {name}", partial(_marker, data, ok)) for name, (data, ok) in _MARKERS.items()),
        *(
            _attack(f"record damaged {n}", partial(_any_record, chance.random()))
            for n in range(1, _DAMAGED + 1)
        ),
        *logs.attacks(chance),
    ]


def _attack(name: str, run: Callable[[Ground], None]) -> Attack:
    return Attack(name, run, limit_s=60)


# --- what must hold


def _folder(ground: Ground) -> Path:
    """A copy of a results folder, and of its runs that of the last."""
    ground.copy(_RESULTS, "out")
    return sorted(path for path in ground.out.iterdir() if path.is_dir())[-1]


def _ids(ground: Ground) -> set[str]:
    return {path.parent.name.partition("-")[0] for path in ground.out.glob("*/record.json")}


def _show(ground: Ground, lines: int) -> list[dict[str, object]]:
    """Rows of `show --json`; every verb goes through with so many damaged parts named."""
    for verb in (["show"], ["show", "--csv"], ["explain"], ["explain", "--json"], ["analyse", "pareto"]):
        outcome = ground.call([*verb, str(ground.out)], [OK, *REFUSED] if verb[0] == "analyse" else [OK])
        if outcome.code == OK:
            _check_named(outcome, lines)
    outcome = ground.call(["show", "--json", str(ground.out)], [OK])
    _check_named(outcome, lines)
    rows: list[dict[str, object]] = json.loads(outcome.out)
    return rows


def _check_named(outcome: Outcome, lines: int) -> None:
    named = [line for line in outcome.err.splitlines() if line.startswith("qutiperf: ")]
    require(len(named) == lines, f"{len(named)} damaged parts are named, not {lines}: {shown(outcome.err)}")


def _skipped(act: Act, ground: Ground) -> None:
    """The run is named and skipped, the others are shown."""
    run = _folder(ground)
    expected = _ids(ground) - {run.name.partition("-")[0]}
    act(run)
    found = {row["run_id"] for row in _show(ground, 1)}
    require(found == expected, f"{len(found)} of {len(expected)} undamaged runs are shown")
    alone = ground.call(["explain", str(run)], [OK, *REFUSED])  # its logs may explain it all the same
    require(alone.code == OK or run.name in alone.err, "the damaged run is not named")


def _shown(act: Act, ground: Ground) -> None:
    """A record that says what no run does is valid: all runs are shown, without harm to a terminal or CSV."""
    run = _folder(ground)
    expected = _ids(ground)
    act(run)
    found = {row["run_id"] for row in _show(ground, 0)}
    require(found == expected, f"{len(found)} of {len(expected)} runs are shown")
    ground.call(["explain", str(run)], [OK])
    csv.field_size_limit(1 << 20)
    cells = csv.reader(io.StringIO(ground.call(["show", "--csv", str(ground.out)], [OK]).out))
    formulas = [cell for row in cells for cell in row if cell.startswith(("=", "+", "@"))]
    require(not formulas, f"a formula in the CSV: {shown(str(formulas[:1]))}")


def _harmless(act: Act, ground: Ground) -> None:
    _folder(ground)
    expected = _ids(ground)
    act(ground.out)
    found = {row["run_id"] for row in _show(ground, 0)}
    require(found == expected, f"{len(found)} of {len(expected)} runs are shown")


def _any_record(place: float, ground: Ground) -> None:
    """Random bytes in a record: it is skipped and named, or, if still a record, shown."""
    run = _folder(ground)
    path = run / "record.json"
    data, chance = bytearray(path.read_bytes()), random.Random(place)
    for _ in range(chance.choice([1, 1, 4, 32])):
        data[chance.randrange(len(data))] = chance.choice(b'\x00\xff"{}[]:,.0-9eE\\ ')
    path.write_bytes(data)
    outcome = ground.call(["show", "--json", str(ground.out)], [OK])
    named = sum(line.startswith("qutiperf: ") for line in outcome.err.splitlines())
    total = len(_ids(ground))
    rows = {row["run_id"] for row in json.loads(outcome.out)}
    require(named <= 1, f"{named} damaged parts are named for one")
    require(len(rows) == total - named, f"{len(rows)} of {total} runs are shown, {named} named")
    ground.call(["explain", str(ground.out), "--all"], [OK])


# --- records that cannot be read


def _contents(data: bytes) -> Act:
    return lambda run: (run / "record.json").write_bytes(data)


def _replaced(make: Callable[[Path], object]) -> Act:
    def act(run: Path) -> None:
        path = run / "record.json"
        path.unlink()
        make(path)

    return act


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def _cut(run: Path) -> None:
    path = run / "record.json"
    path.write_bytes(path.read_bytes()[:-200])


_UNREADABLE: dict[str, Act] = {
    "empty": _contents(b""),
    "zero bytes": _contents(bytes(5_000)),
    "noise": _contents(bytes(range(256)) * 20),
    "null": _contents(b"null"),
    "a list": _contents(b"[]"),
    "an empty object": _contents(b"{}"),
    "deep lists": _contents(b"[" * 200_000),
    "deep objects": _contents(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "long integer": _contents(b'{"schema_version": ' + b"9" * 100_000 + b"}"),
    "UTF-16": _contents('{"schema_version": 1}'.encode("utf-16")),
    "cut": _cut,
    "missing": _replaced(lambda path: None),
    "a folder": _replaced(Path.mkdir),
    "a pipe": _replaced(os.mkfifo),
    "a device": _replaced(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": _replaced(lambda path: path.symlink_to(path)),
    "a broken link": _replaced(lambda path: path.symlink_to("/nowhere")),
    "1 TB": _replaced(_sparse),
}


# --- records that are well-formed


def _edited(edit: Change) -> Act:
    def act(run: Path) -> None:
        path = run / "record.json"
        data = json.loads(path.read_text())
        edit(data)
        path.write_text(json.dumps(data))

    return act


def _set(keys: str, value: object) -> Change:
    """Sets a key, by its path with dots; of a list, the whole."""

    def edit(data: dict[str, object]) -> None:
        *parents, last = keys.split(".")
        for name in parents:
            data = data[name]  # type: ignore[assignment]  # a record's own structure
        data[last] = value

    return edit


_REFUSED: dict[str, Change] = {
    "version 2": _set("schema_version", 2),
    "version true": _set("schema_version", True),
    "version of text": _set("schema_version", "1"),
    "another run's": _set("run_id", "0123456789ab"),
    "run of a path": _set("run_id", "../../escape"),
    "attempt 0": _set("attempt", 0),
    "attempt of text": _set("attempt", "1"),
    "unknown key": _set("surprise", 1),
    "no point": _set("point", None),
    "valid of text": _set("valid", "yes"),
    "unknown scenario": _set("point.scenario", "Online"),
    "elapsed of text": _set("elapsed_s", "long"),
    "figures of a list": _set("figures", []),
    "NaN": _set("elapsed_s", float("nan")),
}
_SHOWN: dict[str, Change] = {
    "system of escapes": _set("point.sut", _ESCAPES),
    "workload of a formula": _set("point.workload", "=HYPERLINK('x')"),
    "workload of markup": _set("point.workload", "[bold red]x[/bold red][/]"),
    "workload of 100 kB": _set("point.workload", "x" * 100_000),
    "reasons of escapes": _set("reasons", [_ESCAPES, "=1", "a\nb"]),
    "reason of 500 kB": _set("reasons", ["x" * 500_000]),
    "quality with escapes in reasons": _set("reasons", ["\x9b31m"] * 50),
    "huge figures": _set("figures.system_throughput_ips", 1e308),
    "figures of zero": _set("figures.system_throughput_ips", 0.0),
    "figures below zero": _set("figures.system_throughput_ips", -1.0),
    "options of escapes": _set("point.deployment.mode", _ESCAPES),
    "option of a formula": _set("point.deployment.=cmd", "@x"),
    "host of escapes": _set("host.cpu", _ESCAPES),
}


# --- beside the runs


def _many(folder: Path) -> None:
    for number in range(2_000):
        (folder / f"note-{number}").mkdir()


_BESIDE: dict[str, Act] = {
    "a file": lambda folder: (folder / "thesis.tex").write_text(""),
    "a file named as a run": lambda folder: (folder / "0123456789ab-1").write_text(""),
    "a name of escapes": lambda folder: (folder / "\x1b[2J\x07").write_text(""),
    "a name that is not UTF-8": lambda folder: (folder / "\udcff\udc80").write_text(""),
    "a staging folder": lambda folder: (folder / ".staging/1-x").mkdir(parents=True),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "a link to its parent": lambda folder: (folder / "up").symlink_to(".."),
    "2000 folders": _many,
}
_MARKERS: dict[str, tuple[bytes, bool]] = {
    "empty": (b"", True),
    "noise": (b"\xff\xfe\x00", True),
    "deep lists": (b"[" * 100_000, True),
    "a list": (b"[1]", True),
    "version 7": (b'{"schema_version": 7}', False),
    "version true": (b'{"schema_version": true}', False),
    "version of escapes": (b'{"schema_version": "\\u001b[31m"}', False),
}


def _marker(data: bytes, readable: bool, ground: Ground) -> None:
    """A damaged marker is named and the runs are shown; one of another version is refused."""
    _folder(ground)
    (ground.out / "qutiperf-results.json").write_bytes(data)
    if not readable:
        for verb in ("show", "explain"):
            ground.call([verb, str(ground.out)], REFUSED)
        return
    found = {row["run_id"] for row in _show(ground, 1)}
    require(found == _ids(ground), f"{len(found)} runs are shown")
