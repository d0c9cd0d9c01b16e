"""MLPerf's and QuTiBench's words for units and scenarios, in ours."""

from qutiperf.published.result import FigureUnit
from qutiperf.units import MILLISECONDS_PER_SECOND

_UNITS: dict[str, tuple[FigureUnit, float]] = {
    "latency (ms)": ("ms", 1),
    "latency (s)": ("ms", MILLISECONDS_PER_SECOND),
    "latency (ns)": ("ms", 1e-6),
    "samples/s": ("samples/s", 1),
    "queries/s": ("queries/s", 1),
    "tokens/s": ("tokens/s", 1),
    "tasks/s": ("tasks/s", 1),
    "streams": ("streams", 1),
}
_SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline", "Interactive")
_PERCENTILES = {"SingleStream": 0.9, "MultiStream": 0.99}


def converted(figure: float, unit: str) -> tuple[float, FigureUnit] | None:
    """The figure in our unit; None for a unit that nobody here knows."""
    known = _UNITS.get(unit.strip().lower())
    return (round(figure * known[1], 12), known[0]) if known else None


def scenario_name(text: str) -> str:
    """As LoadGen writes it, from any case; others are kept."""
    return next((name for name in _SCENARIOS if name.lower() == text.lower()), text)


def latency_percentile(scenario: str, unit: FigureUnit) -> float | None:
    return _PERCENTILES.get(scenario) if unit == "ms" else None
