"""`qutiperf best RESULTS`: the best setting under requirements."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.units import format_number
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from qutiperf.results.choice import Candidate, Choice
    from qutiperf.results.spread import Spread
    from qutiperf.results.table import Row

_PARAMETERS = ("batch_size", "threads", "streams", "operating_mode")


def best(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    require: Annotated[
        list[str] | None,
        typer.Option(
            help='"system_latency_p99_ms <= 5", "top1_percent >= 99% of fp32", "sut == cpu-*"; repeatable.'
        ),
    ] = None,
    maximise: Annotated[str | None, typer.Option(help="The figure to maximise.")] = None,
    minimise: Annotated[str | None, typer.Option(help="The figure to minimise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Name the best setting that meets every requirement, the runner-up, and what each requirement costs.

    Exit code 1 if no setting meets all requirements.
    """
    from qutiperf.api.choices import best_of
    from qutiperf.cli.results import read_results

    choice = best_of(read_results(results), require or [], maximise, minimise)
    if as_json:
        console.out_json(_data(choice))
    else:
        _print(choice)
    return 0 if choice.winner else 1


def _print(choice: "Choice") -> None:
    from qutiperf.results.table import COLUMNS

    goal = choice.goal
    settings = [("winner", choice.winner), ("runner-up", choice.runner_up)]
    chosen = [(title, one) for title, one in settings if one]
    columns = [name for name in chosen[0][1].figures if COLUMNS.get(name) is not int] if chosen else []
    if chosen:
        lines = [
            [title, *_named(one), *(_interval(one.figures.get(name)) for name in columns)]
            for title, one in chosen
        ]
        console.table("", ["", "setting", "parameters", *columns], lines)
    if choice.costs:
        titles = ["requirement", "bound", "settings that meet it", f"best {goal.column} without", "cost %"]
        console.table("", titles, [_cost(choice, number) for number in range(len(choice.costs))])
    for reason, count in choice.left_out.items():
        console.out_line(f"left out: {_settings(count)}, {reason}")
    console.out_line(_verdict(choice))
    if choice.winner and choice.winner.row["quality"] not in (None, "ok"):
        console.out_line(_doubt(choice.winner.row))
    console.out(UNVERIFIED)


def _doubt(row: "Row") -> str:
    """The mark of the winner's quality, with its first reason."""
    reasons = row["reasons"]
    reason = f" ({reasons[0]})" if isinstance(reasons, list) and reasons else ""
    return f"the winner's quality is {row['quality']}{reason}; see `qutiperf explain`"


def _verdict(choice: "Choice") -> str:
    if choice.winner is None:
        return f"none of {_settings(choice.settings)} meets all requirements"
    if choice.undecided:
        text = "; ".join(choice.undecided)
        assumed = choice.winner.figures[choice.goal.column].assumed
        cure = "three repeats or more replace the 2 % that are assumed" if assumed else "more repeats"
        return f"undecided: {text}; {cure}: --set repeats=5"
    if choice.runner_up is None:
        return "decided: no other setting meets all requirements"
    return "decided: no other setting is within the noise"


def _settings(count: int) -> str:
    return "1 setting" if count == 1 else f"{count:,} settings"


def _named(candidate: "Candidate") -> tuple[str, str]:
    row = candidate.row
    setting = f"{row['workload']} on {row['sut']}, {row['scenario']}"
    columns = list(row)
    own = columns[columns.index("operating_mode") + 1 : columns.index("valid")]
    known = [(name, row[name]) for name in (*_PARAMETERS, *own) if row[name] not in (None, "default")]
    return setting, ", ".join(f"{name} {value}" for name, value in known)


def _interval(figure: "Spread | None") -> str | None:
    if figure is None:
        return None
    half = (figure.high - figure.low) / 2
    text = format_number(figure.value)
    return text if half == 0 else f"{text} ± {format_number(half)}{' (assumed)' if figure.assumed else ''}"


def _cost(choice: "Choice", number: int) -> list[object]:
    cost, column = choice.costs[number], choice.goal.column
    without = cost.without.figures[column].value if cost.without else None
    met = f"{cost.satisfied} of {choice.settings}"
    bound = format_number(cost.bound) if isinstance(cost.bound, float) else cost.bound
    return [cost.requirement, bound, met, without, cost.cost_percent]


def _data(choice: "Choice") -> dict[str, object]:
    return {
        "goal": {"figure": choice.goal.column, "direction": "highest" if choice.goal.highest else "lowest"},
        "verdict": "none" if not choice.winner else "undecided" if choice.undecided else "decided",
        "undecided": choice.undecided,
        "winner": _candidate(choice.winner),
        "runner_up": _candidate(choice.runner_up),
        "requirements": [
            {
                "requirement": cost.requirement,
                "bound": cost.bound,
                "settings_that_meet_it": cost.satisfied,
                "winner_without_it": _candidate(cost.without),
                "cost_percent": cost.cost_percent,
            }
            for cost in choice.costs
        ],
        "settings": choice.settings,
        "left_out": choice.left_out,
        "note": UNVERIFIED,
    }


def _candidate(candidate: "Candidate | None") -> dict[str, object] | None:
    if candidate is None:
        return None
    columns = list(candidate.row)
    kept = ("sut", "workload", "scenario", "profile", *columns[columns.index("batch_size") :])
    row = {name: candidate.row[name] for name in kept[: kept.index("valid")]}
    figures = {name: asdict(figure) for name, figure in candidate.figures.items()}
    row |= {name: candidate.row[name] for name in ("quality", "reasons")}
    return {**row, "run_ids": candidate.run_ids, "figures": figures}
