"""Formats numbers in explanations, and rounds suggested settings."""

import math
from collections.abc import Callable

from qutiperf.units import format_duration, format_number, milliseconds_from_ns

_DIGITS = 3


def time_text(seconds: float) -> str:
    """`0.31 s`, `7.5 s`, `12 s`, `3 min 20 s`."""
    return f"{format_number(seconds, 2)} s" if seconds < 10 else format_duration(seconds)


def seconds_text(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{format_number(seconds, 3)} s"


def milliseconds_text(nanoseconds: float | None) -> str:
    return (
        "an unknown time" if nanoseconds is None else f"{format_number(milliseconds_from_ns(nanoseconds))} ms"
    )


def percent_text(share: float) -> str:
    return f"{format_number(100 * share, 2)} %"


def rounded_down(value: float) -> float:
    """Rounded down to three significant digits, for upper limits."""
    return _rounded(value, math.floor)


def rounded_up(value: float) -> float:
    """Rounded up to three significant digits, for lower limits."""
    return _rounded(value, math.ceil)


def _rounded(value: float, rounding: Callable[[float], int]) -> float:
    if value <= 0:
        return 0.0
    digits = _DIGITS - 1 - math.floor(math.log10(value))
    scale = 10.0**digits
    return round(rounding(round(value * scale, 6)) / scale, max(digits, 0))
