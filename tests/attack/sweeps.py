"""Small sweeps to attack while they run, and what must hold of their results folder afterwards."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from qutiperf.errors import QutiperfError
from qutiperf.results.lock import LOCK
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from tests.attack.attack import OK, require
from tests.attack.ground import Ground
from tests.places import TESTS

FAULTY = TESTS / "faulty.py"
MODES = ("fast", "slow")
Snapshot = dict[Path, bytes]


def write_sut(ground: Ground, adapter: str, name: str = "device", more: str = "") -> Path:
    text = f"kind: sut\nschema_version: 1\nname: {name}\ntitle: a device\nadapter: {adapter}\n"
    return ground.write(f"{name}.yaml", f"{text}platform: {{family: test, source: test}}\n{more}")


def write_sweep(
    ground: Ground, suts: Sequence[Path], batches: str = "[8]", seconds: float = 0.1, more: str = ""
) -> list[str]:
    """Writes a sweep of Offline runs; the command line that measures it into `ground.out`."""
    path = ground.write(
        "sweep.yaml",
        "kind: sweep\nschema_version: 1\nname: short\nworkloads: [digits-mlp-12.5-fp32]\n"
        f"suts: [{', '.join(map(str, suts))}]\nscenarios: [Offline]\nmodes: [PerformanceOnly]\n"
        f"settings: {{min_duration_s: {seconds}}}\n"
        f"deployment: {{batch_size: {batches}, streams: [1]}}\n{more}",
    )
    return ["run", str(path), "--out", str(ground.out)]


def write_switches(ground: Ground) -> str:
    """Operating modes for a SUT file, each a switch: a file that its commands set on and off."""
    lines = ["operating_modes:"]
    for mode in MODES:
        path = ground.write(f"switch-{mode}", "off\n")
        commands = [
            f"{do}: [sh, -c, 'echo {state} > {path}']" for do, state in (("enter", "on"), ("leave", "off"))
        ]
        lines.append(f"  {mode}: {{{', '.join(commands)}}}")
    return "\n".join(lines) + "\n"


def check_switches(ground: Ground) -> None:
    """No mode is on, and the undo journal is empty."""
    for mode in MODES:
        state = (ground.work / f"switch-{mode}").read_text().strip()
        require(state == "off", f"the operating mode '{mode}' is left on")
    left = list((ground.state / "qutiperf/modes").glob("*"))
    require(not left, "the undo journal is not empty")


def records(ground: Ground, folder: Path | None = None) -> list[RunRecord]:
    """Every record; none of a folder that is not there; each must be readable."""
    folder = folder or ground.out
    if not folder.is_dir() or not Store.is_one(folder):
        return []
    try:
        found = Store.open(folder).read()
    except QutiperfError as error:
        require(False, f"the results cannot be read: {error}")
        raise
    require(not found.damaged, f"damaged: {', '.join(map(str, found.damaged))[:200]}")
    return found.records


def snapshot(folder: Path) -> Snapshot:
    """Contents of every file of the finished runs, by paths relative to the results folder."""
    done = [path.parent for path in folder.glob("*/record.json")]
    return {
        path.relative_to(folder): path.read_bytes()
        for run in done
        for path in run.rglob("*")
        if path.is_file()
    }


def check_kept(before: Mapping[Path, bytes], folder: Path) -> None:
    """Nothing of the finished runs is lost or changed."""
    now = snapshot(folder)
    lost = sorted(str(path) for path, data in before.items() if now.get(path) != data)
    require(not lost, f"lost or changed: {', '.join(lost[:3])}")


def check_shown(ground: Ground) -> None:
    """`show` lists every run that has a record."""
    ids = {record.run_id for record in records(ground)}
    outcome = ground.call(["show", str(ground.out), "--json"], [OK])
    shown = {row["run_id"] for row in json.loads(outcome.out)}
    require(shown == ids, f"show lists {len(shown)} runs of {len(ids)}")


def check_tidy(ground: Ground, also: Collection[str] = ()) -> None:
    """No staging folder, lock or part of a run is left; `also` may be there."""
    allowed = {
        "qutiperf-results.json",
        *also,
        *(path.parent.name for path in ground.out.glob("*/record.json")),
    }
    left = sorted(path.name for path in ground.out.iterdir() if path.name not in allowed)
    require(not left, f"left in the results folder: {', '.join(left[:3])}{' (the lock)' * (LOCK in left)}")


def check_complete(ground: Ground, runs: int) -> None:
    """Every run has a valid record, and nothing else is left."""
    valid = {record.run_id for record in records(ground) if record.valid}
    require(len(valid) == runs, f"{len(valid)} of {runs} runs are valid after the same command once more")
    check_tidy(ground)
    check_shown(ground)
