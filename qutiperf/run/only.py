"""`--only KEY=VALUE`: the runs of a plan that are chosen by their parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from qutiperf.errors import InputError
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import nearest, shortened


@dataclass(frozen=True, slots=True)
class Only:
    """One condition: the key, and globs of which one must match, without case."""

    key: str
    values: list[str]

    def matches(self, facts: dict[str, str]) -> bool:
        value = facts.get(self.key)
        return value is not None and any(fnmatchcase(value, each) for each in self.values)


def chosen_groups(groups: Sequence[Group], conditions: Sequence[str]) -> list[Group]:
    """The groups with the runs that match all conditions; raises InputError if none does."""
    parsed = [_parsed(text) for text in conditions]
    facts = {run.run_id: _facts(run) for group in groups for run in group.runs}
    known = list(dict.fromkeys(key for each in facts.values() for key in each))
    for one in parsed:
        if one.key not in known:
            problem = f"unknown key '{shortened(one.key, 80)}'"
            raise InputError(problem, where="--only", cure=nearest(one.key, known))
        if not any(one.matches(each) for each in facts.values()):
            values = list(dict.fromkeys(each[one.key] for each in facts.values() if one.key in each))
            problem = f"no run has {one.key}={','.join(one.values)}"
            raise InputError(
                problem, where="--only", cure=f"the sweep has: {shortened(', '.join(values), 300)}"
            )
    chosen = [
        group.only([run for run in group.runs if all(one.matches(facts[run.run_id]) for one in parsed)])
        for group in groups
    ]
    left = [group for group in chosen if group.runs]
    if not left:
        raise InputError("no run matches all conditions", where="--only", cure="see `qutiperf plan`")
    return left


def _parsed(text: str) -> Only:
    key, equals, values = text.partition("=")
    globs = [each.strip().lower() for each in values.split(",") if each.strip()]
    if not equals or not key.strip() or not globs:
        problem = f"'{shortened(text, 80)}' is not KEY=VALUE"
        raise InputError(problem, where="--only", cure="scenario=Offline, batch_size=8,16, workload=digits-*")
    return Only(key.strip(), globs)


def _facts(run: PlannedRun) -> dict[str, str]:
    point = run.point
    facts = {
        "run_id": run.run_id,
        "sut": point.sut,
        "workload": point.workload,
        "scenario": point.scenario.value,
        "mode": point.mode.value,
        "repeat": point.repeat,
        **point.deployment,
    }
    return {key: str(value).lower() for key, value in facts.items()}
