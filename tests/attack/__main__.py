"""`python -m tests.attack`: prints tried and held per row, every failure, and what repeats it.

`python -m tests.attack kills --count 100` is the row `signals` alone, as long as its count.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence

from tests.attack.attack import Attack
from tests.attack.lane import Result, run_attacks
from tests.attack.rows import ROWS, attacks_of, chosen, kills


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 if anything did not hold."""
    given = _parser().parse_args(arguments)
    if given.test == "kills":
        planned = {"signals": chosen(kills(given.seed, given.count), given.only)}
    else:
        names = given.row or list(ROWS)
        planned = {name: chosen(attacks_of(name, given.seed, given.share), given.only) for name in names}
    if not any(planned.values()):
        print(f"no attack is called '{given.only}'", file=sys.stderr)
        return 2
    found = {name: _tried(name, attacks) for name, attacks in planned.items()}
    print(_as_text(found, given))
    return int(any(not result.held for results in found.values() for result in results))


def _parser() -> argparse.ArgumentParser:
    summary = "Attacks the package; exit code 1 if it does not hold."
    parser = argparse.ArgumentParser("python -m tests.attack", description=summary)
    parser.add_argument("test", nargs="?", choices=["rows", "kills"], default="rows", help="default rows")
    parser.add_argument(
        "--row", action="append", choices=list(ROWS), help="this row; default all; repeatable"
    )
    parser.add_argument("--share", type=_share, default=1.0, help="of each row, drawn by the seed: 0.1")
    parser.add_argument("--count", type=int, default=100, help="of kills; default 100")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is random; default 0")
    parser.add_argument("--only", default="", help="the attack of this name, or those whose name contains it")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("is over 0 and at most 1")
    return share


def _tried(name: str, attacks: Sequence[Attack]) -> list[Result]:
    """Failures are printed on stderr as they come: a long row may be stopped."""
    started, found = time.monotonic(), []
    for result in run_attacks(attacks, in_process=ROWS[name].in_process):
        found.append(result)
        if not result.held:
            print(f"{name}: {result.name}: {result.reason}", file=sys.stderr, flush=True)
    print(f"{name}: {len(found)} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def _as_text(found: Mapping[str, Sequence[Result]], given: argparse.Namespace) -> str:
    lines = [f"{'row':10}{'tried':>7}{'held':>7}{'skipped':>9}"]
    for name, results in found.items():
        tried = [result for result in results if not result.skipped]
        held = sum(result.held for result in tried)
        lines.append(f"{name:10}{len(tried):7}{held:7}{len(results) - len(tried):9}")
    for name, results in found.items():
        lines += [f"skipped {name}: {each.name}: {each.reason}" for each in results if each.skipped]
        lines += [line for each in results if not each.held for line in _failure(name, each, given)]
    return "\n".join(lines)


def _failure(row: str, result: Result, given: argparse.Namespace) -> list[str]:
    part = f"kills --count {given.count}" if given.test == "kills" else f"--row {row}"
    again = f"python -m tests.attack {part} --seed {given.seed} --only {shlex.quote(result.name)}"
    return [f"NOT HELD {row}: {result.name}: {result.reason}", f"  repeat: {again}"]


if __name__ == "__main__":
    sys.exit(main())
