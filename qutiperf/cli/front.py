"""The Pareto front of accuracy and throughput in the terminal, with bars."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.units import format_number

if TYPE_CHECKING:
    from qutiperf.results.table import BestOfModel

_WIDTH = 32
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MOST_LINES = 20


def print_front(lines: "Sequence[BestOfModel]") -> None:
    """Models that no other beats in both, the most accurate first; nothing if fewer than two are known."""
    front = front_of(lines)
    known = sum(line.top1_percent is not None and line.offline_ips is not None for line in lines)
    if known < 2:
        return
    console.out(f"Pareto front of top-1 and best Offline throughput: {len(front)} of {known} models")
    shown, fastest = front[:_MOST_LINES], max(line.offline_ips or 0.0 for line in front)
    several = len({line.sut for line in lines}) > 1
    names = [f"{line.sut} {line.workload}" if several else line.workload for line in shown]
    wide = min(max(map(len, names)), 60)
    for name, line in zip(names, shown, strict=True):
        rate = line.offline_ips or 0.0
        figures = f"{format_number(line.top1_percent):>6} %  {format_number(rate):>10} ips"
        console.out_line(f"  {name[:60]:<{wide}}  {figures}  {bar(rate / fastest)}")


def front_of(lines: "Sequence[BestOfModel]") -> "list[BestOfModel]":
    """In the order of falling accuracy; models without accuracy or valid Offline run are left out."""
    known = [line for line in lines if line.top1_percent is not None and line.offline_ips]
    known.sort(key=lambda line: (-(line.top1_percent or 0.0), -(line.offline_ips or 0.0)))
    front: list[BestOfModel] = []
    for line in known:
        if not front or (line.offline_ips or 0.0) > (front[-1].offline_ips or 0.0):
            front.append(line)
    return front


def bar(share: float, *, plain: bool | None = None) -> str:
    """A bar from zero; of signs that the output's encoding has."""
    if _only_ascii() if plain is None else plain:
        return "#" * round(_WIDTH * share)
    eighths = round(8 * _WIDTH * share)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _only_ascii() -> bool:
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
