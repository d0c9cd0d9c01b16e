"""What an attack is, and what it means that the package held.

A command holds if it ends within its time limit with one of the exit codes that the attack expects,
prints no traceback, tells an error in one short line without control characters, writes only into its
results folder, and leaves nothing running.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attack.ground import Ground

OK, VERDICT, INPUT, SETUP, RUN, INTERRUPTED = 0, 1, 2, 3, 4, 130
REFUSED = (INPUT, SETUP)
LONGEST_LINE = 2_100  # the command line bounds an error at 2,000 and says how much more there was
LARGEST_OUTPUT = 1_000_000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TRACEBACK = "Traceback (most recent call last)"
_SHOWN = 240


class NotHeldError(Exception):
    """The package did not hold; the text says why."""


class SkippedError(Exception):
    """The attack needs something that this machine does not allow."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One named attack; `run` gets ground of its own and raises NotHeldError or SkippedError."""

    name: str
    run: Callable[["Ground"], None]
    limit_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


def shown(text: str) -> str:
    """A text as a reason quotes it: printable, short, both ends of a long one."""
    plain = text if text.isprintable() else ascii(text)[1:-1]
    half = _SHOWN // 2
    return plain if len(plain) <= _SHOWN else f"{plain[:half]} ... {plain[-half:]}"


def require(holds: object, reason: str) -> None:
    if not holds:
        raise NotHeldError(reason)


def check_outcome(outcome: Outcome, codes: Collection[int]) -> None:
    """Exit code, traceback, size and control characters of what a command printed."""
    last = next((line for line in reversed(outcome.err.splitlines()) if line.strip()), "")
    require(_TRACEBACK not in outcome.err, f"traceback: {shown(last)}")
    expected = " or ".join(map(str, sorted(codes)))
    require(outcome.code in codes, f"exit code {outcome.code}, not {expected}: {shown(last)}")
    for name, text in (("stdout", outcome.out), ("stderr", outcome.err)):
        require(len(text) <= LARGEST_OUTPUT, f"{len(text):,} characters on {name}")
        found = _CONTROL.search(text)
        around = shown(text[max(found.start() - 30, 0) : found.end() + 30]) if found else ""
        require(found is None, f"control character on {name}: {around}")
    for line in outcome.err.splitlines():
        require(len(line) <= LONGEST_LINE, f"a line of {len(line):,} characters on stderr: {shown(line)}")


def check_refusal(outcome: Outcome) -> None:
    """A command that is refused prints one line on stderr and nothing else."""
    lines = outcome.err.splitlines()
    require(len(lines) == 1, f"{len(lines)} lines on stderr, not 1: {shown(' | '.join(lines))}")
    require(lines[0].startswith("qutiperf: "), f"the error is not qutiperf's: {shown(lines[0])}")
    require(len(lines[0]) > len("qutiperf: "), "the error is empty")
    require(not outcome.out, f"a refused command prints on stdout: {shown(outcome.out)}")


def unique(attacks: Iterable[Attack]) -> list[Attack]:
    """As a list; two attacks with one name are a mistake in the row."""
    found = list(attacks)
    names = [attack.name for attack in found]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ValueError(f"two attacks are called {doubles[0]!r}")
    return found
