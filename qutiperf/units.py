"""Conversion between units and their printed form; nothing else multiplies by a power of ten."""

NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000
NANOSECONDS_PER_MICROSECOND = 1_000
MILLISECONDS_PER_SECOND = 1_000
MILLIJOULES_PER_JOULE = 1_000
SECONDS_PER_MINUTE = 60
BYTES_PER_GB = 1e9

NOT_MEASURED = "-"


def milliseconds_from_ns(nanoseconds: float) -> float:
    return nanoseconds / NANOSECONDS_PER_MILLISECOND


def milliseconds(seconds: float | None) -> float | None:
    """None where the seconds are unknown."""
    return None if seconds is None else seconds * MILLISECONDS_PER_SECOND


def seconds_from_ns(nanoseconds: float) -> float:
    return nanoseconds / NANOSECONDS_PER_SECOND


def ns_from_seconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS_PER_SECOND)


def format_number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits with thousands separators; the sign for "not measured" if it is None."""
    if value is None:
        return NOT_MEASURED
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def format_duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
