"""Durations as people write them."""

import pytest

from qutiperf.errors import InputError
from qutiperf.spec.duration import seconds_of, seconds_of_option


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), (" 2m5s ", 125), ("0.5", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "30 min", "-5", "1e3", "5m1h", "nan", "inf", "1:30", "\uff19\uff10", "9" * 99]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 90s, 30m or 1h30m"):
        seconds_of(text)
    with pytest.raises(InputError, match="--sustained: '"):
        seconds_of_option("--sustained", text)


def test_an_option_of_no_time_is_an_error() -> None:
    with pytest.raises(InputError, match="--sustained: the duration is 0"):
        seconds_of_option("--sustained", "0m")
