"""Durations as people write them: 90, 90s, 30m, 1h30m."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from qutiperf.errors import InputError
from qutiperf.spec.config import shortened

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = "([0-9]{1,9}(?:[.][0-9]{1,9})?)"
_TEXT = re.compile(f"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s?)?")


def seconds_of(text: str) -> float:
    """Seconds of `90`, `90s`, `30m` or `1h30m`; raises ValueError."""
    match = _TEXT.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError("is not a duration such as 90s, 30m or 1h30m")
    return sum(float(part or 0) * _SECONDS[unit] for part, unit in zip(match.groups(), "hms", strict=True))


def seconds_of_option(option: str, text: str) -> float:
    """As `seconds_of`, of a command's option; raises InputError for anything but a positive duration."""
    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise InputError(f"'{shortened(text, 80)}' {error}", where=option) from None
    if not seconds:
        raise InputError("the duration is 0", where=option, cure="give 90s, 30m or 1h30m")
    return seconds


def _from_text(value: object) -> object:
    return seconds_of(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_from_text), Field(gt=0)]
