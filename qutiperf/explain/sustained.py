"""What a held run shows: its throughput at the end, and when it throttled."""

from qutiperf.explain.finding import Finding
from qutiperf.explain.wording import time_text
from qutiperf.results.record import RunRecord, Sustained

_RULE = "throttled while it was held"
_CURE = "improve the cooling, raise the power limit, or measure in a slower operating mode"


def sustained(record: RunRecord) -> list[Finding]:
    """How the throughput held; a finding for the first sign of throttling, a note for any other drop."""
    held = record.sustained
    if held is None:
        return []
    findings = [Finding("valid", "held", held_text(held))]
    for sign in held.signs:
        what = f"after {time_text(sign.at_s)}: {sign.text}; {held_text(held)}"
        if sign.at_s == held.throttled_s and sign.kind != "other programs":
            because = "sustained.csv has the throughput over time, environment.csv clock and temperature"
            return [Finding("slow", _RULE, what, because, _CURE)]
    others = [Finding("note", "throughput fell", f"after {time_text(s.at_s)}: {s.text}") for s in held.signs]
    return [*findings, *others]


def held_text(held: Sustained) -> str:
    """`held for 30 min 2 s: the last 60 s at 87.1 % of the first 60 s`."""
    share, window = held.last_over_first_percent, time_text(held.window_s)
    kept = "" if share is None else f": the last {window} at {share:.1f} % of the first {window}"
    return f"held for {time_text(held.held_s)}{kept}"
