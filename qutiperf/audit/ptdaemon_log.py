"""ptd_logs.txt: what PTDaemon, SPEC's recorder for power meters, logged while it measured."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from qutiperf.audit.log_checks import moment
from qutiperf.audit.power_samples import LoggedWindow

_LONGEST_LINE_BYTES = 1 << 16
_TIME_LENGTH = len("07-12-2025 23:05:07.533")
_GO = re.compile(r": Go with mark '([^']{1,200})'$")
_UNCERTAINTY_IS_CHECKED = re.compile(r"Uncertainty checking for \S+ is activated")
_ABOVE_LIMIT = re.compile(r"Uncertainty [\d.]+%, which is above [\d.]+% limit")
_REPLY = "Response to client sent: "
_MOST_REPLIES = 100
Logged = tuple[int, str]


@dataclass(slots=True)
class PtdaemonLog:
    """Lines count from 1; of errors the first is kept with its text.

    `replies` are those to `Watts` while a measurement was the latest, by the measurement's mark.
    """

    starts: dict[str, datetime] = field(default_factory=dict)
    completed: dict[str, datetime] = field(default_factory=dict)
    checks_uncertainty_from: datetime | None = None
    error: Logged | None = None
    error_count: int = 0
    ranging_warning: Logged | None = None
    uncertain_count: int = 0
    uncertain_line: int | None = None
    replies: dict[str, list[str]] = field(default_factory=dict)

    def replies_about(self, mark: str, sample_count: int) -> list[str]:
        """Of the measurement `mark`, those after this many samples."""
        return [text for text in self.replies.get(mark, []) if text.split(",")[4:5] == [str(sample_count)]]


def read_ptdaemon_log(path: Path, window: LoggedWindow, ranging: str) -> PtdaemonLog:
    """`window` is that of the measured run, `ranging` the mark of the run before it; raises OSError."""
    log = PtdaemonLog()
    latest = ""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE_BYTES):
            number += 1
            text = line.decode("utf-8", errors="replace").strip()
            logged_at = moment(text[:_TIME_LENGTH])
            if logged_at is None:
                continue
            latest = _take_event(log, text[_TIME_LENGTH:], logged_at, latest)
            _take_trouble(log, text[_TIME_LENGTH:], logged_at, number, window, ranging)
    return log


def _take_event(log: PtdaemonLog, text: str, logged_at: datetime, latest: str) -> str:
    """The mark of the latest measurement."""
    if started := _GO.search(text):
        latest = started.group(1)
        log.starts.setdefault(latest, logged_at)
    elif text == ": Completed test" and latest:
        log.completed.setdefault(latest, logged_at)
    elif text.startswith(f": {_REPLY}Watts,"):
        replies = log.replies.setdefault(latest, [])
        if len(replies) < _MOST_REPLIES:
            replies.append(text[len(_REPLY) + 2 :])
    elif log.checks_uncertainty_from is None and _UNCERTAINTY_IS_CHECKED.search(text):
        log.checks_uncertainty_from = logged_at
    return latest


def _take_trouble(
    log: PtdaemonLog, text: str, logged_at: datetime, number: int, window: LoggedWindow, ranging: str
) -> None:
    """Errors are expected while the meter looks for its ranges, and in no other measurement."""
    if text.startswith(": ERROR:"):
        is_ranging = ranging in log.starts and ranging not in log.completed
        if is_ranging:
            log.ranging_warning = log.ranging_warning or (number, text[9:200].strip())
        else:
            log.error_count += 1
            log.error = log.error or (number, text[9:200].strip())
    elif window.begin < logged_at < window.end and _ABOVE_LIMIT.search(text):
        log.uncertain_count += 1
        log.uncertain_line = log.uncertain_line or number
