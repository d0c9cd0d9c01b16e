"""Reads the summary: the verdict and the recommendations as LoadGen words them."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError

_LONGEST_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True)
class SummaryLines:
    """The lines of the summary that the detail log words differently."""

    validity: str | None = None
    recommendations: tuple[str, ...] = ()
    early_stopping: str | None = None


def read_summary(path: Path) -> SummaryLines:
    """Empty if there is no summary; an accuracy run's summary has no such lines either."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_LONGEST_CHARACTERS).splitlines()
    except FileNotFoundError:
        return SummaryLines()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    verdict = next((line.partition(":")[2].strip() for line in lines if line.startswith("Result is")), None)
    stopping = _items(lines, "Early Stopping Result:")
    return SummaryLines(verdict, tuple(_items(lines, "Recommendations:")), " ".join(stopping) or None)


def _items(lines: list[str], heading: str) -> list[str]:
    """The ` * ` items below a heading, each with its continuation lines, until a line of another kind."""
    items: list[str] = []
    start = lines.index(heading) + 1 if heading in lines else len(lines)
    for line in lines[start:]:
        if not line.startswith(" "):
            break
        if line.startswith(" * ") or not items:
            items.append(line.strip(" *"))
        else:
            items[-1] += " " + line.strip()
    return items
