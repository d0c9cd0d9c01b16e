"""Durations as they are written, and what fits into them."""

import pytest

from qutiperf.errors import InputError
from qutiperf.run.budget import seconds_of_budget


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (" 2 h 5 min ", 7500),
        ("1H", 3600),
        (45, 45),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert seconds_of_budget(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "m",
        "-5m",
        "1d",
        "30m extra",
        "0s",
        "1e9h",
        "9" * 100 + "h",
        "nan",
        "infs",
        -3,
        0,
        True,
        float("inf"),
    ],
)
def test_what_is_not_a_duration_is_one_line(text: str | float) -> None:
    with pytest.raises(InputError, match=r"--budget: .*write 90s, 30m or 1h30m"):
        seconds_of_budget(text)
