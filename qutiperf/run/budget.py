"""The time that a command may take, and which runs fit into what is left of it."""

import math
import re
from time import monotonic

from qutiperf.errors import InputError
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import shortened
from qutiperf.units import format_duration

_UNITS_S = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:h|min|m|s)\s*)+")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)")
_LONGEST = 80  # characters
_MOST_S = 366 * 24 * 3600.0
_PRIOR_S = 10.0  # of runs that took as long as estimated, before the first one


def seconds_of_budget(given: str | float) -> float:
    """`90s`, `30m`, `1h30m` or a number of seconds; raises InputError."""
    text = f"{given}s" if isinstance(given, int | float) and type(given) is not bool else str(given)
    whole = text.strip().lower()
    cure = "write 90s, 30m or 1h30m"
    if len(whole) > _LONGEST or not _DURATION.fullmatch(whole):
        raise InputError(f"'{shortened(text, 80)}' is not a duration", where="--budget", cure=cure)
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(whole))
    if not 0 < seconds <= _MOST_S:
        problem = f"'{shortened(text, 80)}' is not between 0 and a year"
        raise InputError(problem, where="--budget", cure=cure)
    return seconds


class Budget:
    """Counts from its creation; without seconds everything fits.

    Estimates are stretched by how much longer the runs so far took. The first run of a command is started
    in any case, so that the same command goes on however often it is repeated.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds, self._started = seconds, monotonic()
        self._mark, self._expected_s, self.has_begun = self._started, 0.0, False
        self._spent_total_s = self._expected_total_s = _PRIOR_S

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self._started

    @property
    def left_s(self) -> float:
        return math.inf if self.seconds is None else self.seconds - self.elapsed_s

    @property
    def pace(self) -> float:
        """Real over estimated seconds."""
        return self._spent_total_s / self._expected_total_s

    def opens(self, group: Group) -> bool:
        """Whether the load of a group and its first run fit; starts their clock."""
        expected_s, is_first = group.only(group.runs[:1]).estimated_s, not self.has_begun
        self.has_begun = True
        self._begin(expected_s)
        return is_first or self._fits(expected_s)

    def go_on(self, run: PlannedRun) -> bool:
        """Whether a further run of the group fits, when the one before it has ended."""
        self.closes()
        self._begin(run.estimated_s)
        return self._fits(run.estimated_s)

    def closes(self) -> None:
        """The last run has ended."""
        self._spent_total_s += monotonic() - self._mark if self._expected_s else 0.0
        self._expected_total_s += self._expected_s
        self._expected_s = 0.0

    def check_first(self, group: Group, before_s: float) -> None:
        """Raises InputError if not even the first run of a group fits; `before_s` is spent before it."""
        needed_s = before_s + group.only(group.runs[:1]).estimated_s
        if self.seconds is not None and needed_s > self.left_s:
            least_s = math.ceil(needed_s + self.elapsed_s + 1)
            about = format_duration(math.ceil(needed_s))
            problem = f"{self.seconds:g} s is shorter than the first run, which takes about {about}"
            cure = f"use --budget {least_s}s or more, or shorter runs"
            raise InputError(problem, where="--budget", cure=cure)

    def _begin(self, expected_s: float) -> None:
        self._mark, self._expected_s = monotonic(), expected_s

    def _fits(self, estimated_s: float) -> bool:
        fits = estimated_s * self.pace <= self.left_s
        if not fits:
            self._expected_s = 0.0
        return fits
