"""Adapters that fail: what goes wrong in one is in its record, and the sweep goes on."""

import random
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from qutiperf.results.record import Failure, RunRecord
from qutiperf.run import worker_end
from tests.attack import wicked
from tests.attack.attack import INPUT, OK, REFUSED, RUN, Attack, require
from tests.attack.ground import Ground
from tests.attack.processes import nothing_running
from tests.attack.sweeps import check_shown, check_tidy, records, write_sut, write_sweep
from tests.places import TESTS

_FILE = TESTS / "attack/wicked.py"
_LOADING = ("load", "describe")
_HANG_S, _LIMIT_S = 8, 60  # of a run, its load, and a close; short where that is what hangs
_DEADLY = ("load", "infer", "later", "close")


def attacks(chance: random.Random) -> list[Attack]:
    return [
        *_faults(wicked.ERRORS, wicked.PLACES, 3, "error", chance),
        *_faults(wicked.CRASHES, _DEADLY, 3, "crash", chance),
        *_faults(wicked.HANGS, _DEADLY, 2, "time_limit", chance),
        *_faults(wicked.DEAF, ["load", "close"], 1, "time_limit", chance),
        *_faults(wicked.HARMLESS, ["load", "close"], 1, None, chance),
        Attack("garbage on its pipes", partial(_fault, "writes to pipes", "later", "error"), 120),
        Attack("deletes its folder", partial(_fault, "deletes its folder", "later", "error"), 120),
        *(Attack(f"answers {name}", partial(_answer, name), 120) for name in wicked.WRONG),
        *(Attack(f"answers with {name}", partial(_clock, name), 120) for name in wicked.CLOCKS),
        *(Attack(f"file: {name}", partial(_refused_file, text), 60) for name, text in _FILES.items()),
        Attack("file: __init__ raises", _init_raises, 120),
    ]


def _faults(
    faults: Collection[str], places: Sequence[str], count: int, kind: str | None, chance: random.Random
) -> Iterator[Attack]:
    """Each fault in so many of the places."""
    for fault in faults:
        for place in chance.sample(places, count):
            yield Attack(f"{fault} in {place}", partial(_fault, fault, place, kind), 120)


def _measured(options: str, codes: Collection[int], ground: Ground, limit_s: int = _LIMIT_S) -> RunRecord:
    """The record of the wicked system; that of a healthy one after it must be valid."""
    bad = write_sut(ground, f"{_FILE}:Wicked", more=f"options: {options}\n")
    return _swept(bad, codes, ground, limit_s)


def _swept(bad: Path, codes: Collection[int], ground: Ground, limit_s: int = _LIMIT_S) -> RunRecord:
    healthy = write_sut(ground, "simulated", "healthy", "options: {latency_us: 100.0}\n")
    arguments = write_sweep(ground, [bad, healthy])
    arguments += ["--set", f"settings.time_limit_s={limit_s}"]
    worker_end.CLOSE_LIMIT_S = limit_s  # this process is the attack's own
    ground.call(arguments, codes, limit_s=100)
    nothing_running()
    check_tidy(ground)
    check_shown(ground)
    found = {record.point.sut: record for record in records(ground)}
    require(len(records(ground)) == 2, f"{len(records(ground))} records of 2 runs")
    require(found["healthy"].valid, "the run of the healthy system is not valid")
    return found["device"]


def _fault(fault: str, place: str, kind: str | None, ground: Ground) -> None:
    code = OK if kind is None else RUN
    limit_s = _HANG_S if kind == "time_limit" else _LIMIT_S
    record = _measured(f"{{place: {place}, fault: {fault}}}", [code], ground, limit_s)
    if kind is None:
        require(record.valid and not record.failure and not record.close_failure, "its run is not valid")
        expected = ["sleep 3472"] if fault == "starts a daemon" else []
        require(record.left_running == expected, f"left running: {record.left_running}")
    elif place == "close":
        require(record.valid, "a failing close spoils its run")
        _check_failure(record.close_failure, "close", kind)
    else:
        require(not record.valid, "its run is valid")
        _check_failure(record.failure, "load" if place in _LOADING else "run", kind)


def _check_failure(failure: Failure | None, stage: str, kind: str) -> None:
    require(failure is not None, "there is no failure in its record")
    if failure is None:
        return
    found = f"{failure.kind} in {failure.stage}: {failure.reason[:100]}"
    require((failure.stage, failure.kind) == (stage, kind), f"not {kind} in {stage}: {found}")
    require(0 < len(failure.reason) <= 1100, f"a reason of {len(failure.reason)} characters")


def _answer(name: str, ground: Ground) -> None:
    record = _measured(f"{{answer: {name}}}", [RUN], ground)
    require(not record.valid, "its run is valid")
    _check_failure(record.failure, "run", "error")


def _clock(name: str, ground: Ground) -> None:
    """An impossible clock is an error, or is not believed: it never gives a figure."""
    record = _measured(f"{{answer: {name}}}", [OK, RUN], ground)
    if record.failure is not None:
        _check_failure(record.failure, "run", "error")
        return
    require(record.observed is not None, "there is no observation")
    if record.observed is not None:
        require(record.observed.compute_clock == "host_wall", "its clock is believed")


# --- files that are no adapters

_CLASS = "from qutiperf.adapters.base import Adapter\n\nclass Mine(Adapter):\n"
_FILES = {
    "syntax error": "class Mine(:\n",
    "not UTF-8": "# \udcff\nclass Mine: pass\n",
    "zero byte": "class Mine: pass\x00\n",
    "raises": "raise RuntimeError('at import')\n",
    "raises silently": "class E(Exception):\n def __str__(self): raise ValueError\nraise E\n",
    "raises 5 MB": "raise RuntimeError('x' * 5_000_000)\n",
    "raises escapes": "raise RuntimeError('\\x1b[2J\\x07')\n",
    "exits": "import sys\nsys.exit(0)\n",
    "recurses": "def f(): f()\nf()\n",
    "no such class": "class Other: pass\n",
    "not an adapter": "class Mine: pass\n",
    "a function": "def Mine(): pass\n",
    "no methods": f"{_CLASS}    pass\n",
    "options of no dataclass": (
        f"{_CLASS}    options_type = 3\n    def load(self, m, o): pass\n    def infer(self, b): pass\n"
    ),
    "imports what is missing": "import a_module_that_nobody_has\nclass Mine: pass\n",
}


def _refused_file(text: str, ground: Ground) -> None:
    path = ground.write("mine.py", text.encode("utf-8", "surrogateescape"))
    arguments = write_sweep(ground, [write_sut(ground, f"{path}:Mine")])
    outcome = ground.call(arguments, REFUSED, makes_results=True)
    require(outcome.code == INPUT or "a_module" in text, f"exit code {outcome.code} for a bad file")
    require(not records(ground), "it is measured")


def _init_raises(ground: Ground) -> None:
    path = ground.write(
        "mine.py",
        "from dataclasses import dataclass\nfrom qutiperf.adapters.base import Adapter\n\n"
        "@dataclass(frozen=True)\nclass O:\n    x: int = 0\n\nclass Mine(Adapter):\n    options_type = O\n"
        "    def __init__(self): raise RuntimeError('no')\n"
        "    def load(self, m, o): pass\n    def infer(self, b): pass\n",
    )
    record = _swept(write_sut(ground, f"{path}:Mine"), [RUN], ground)
    _check_failure(record.failure, "load", "error")
