"""`python -m tests.attack`: attacks the package; prints tried and held per row, then every failure by name."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tests.attack.lane import Result
from tests.attack.rows import ROWS, run_row


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 if anything did not hold."""
    given = _parser().parse_args(arguments)
    unknown = sorted(set(given.rows) - set(ROWS))
    if unknown:
        print(f"no row named '{unknown[0]}'; rows: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    found = {name: _row(name, given) for name in given.rows}
    print(json.dumps(_as_json(found), indent=1) if given.json else _as_text(found))
    return int(any(not result.held for results in found.values() for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.attack", description=__doc__)
    rows = {"type": lambda text: text.split(","), "default": list(ROWS)}
    parser.add_argument("--rows", help=f"comma-separated, of {', '.join(ROWS)}; default all", **rows)
    parser.add_argument("--share", type=float, default=1.0, help="of each row, by lot; 10 is ten times as many")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is left to chance")
    parser.add_argument("--only", default="", help="attacks whose name holds this text")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _row(name: str, given: argparse.Namespace) -> list[Result]:
    """Failures are told on stderr as they come: a long row may be stopped."""
    started, found = time.monotonic(), []
    for result in run_row(name, given.seed, given.share, given.only):
        found.append(result)
        if not result.held:
            print(f"{name}: {result.name}: {result.reason}", file=sys.stderr, flush=True)
    print(f"{name}: {len(found)} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def _as_json(found: Mapping[str, Sequence[Result]]) -> dict[str, object]:
    return {name: [asdict(result) for result in results] for name, results in found.items()}


def _as_text(found: Mapping[str, Sequence[Result]]) -> str:
    lines = [f"{'row':10}{'tried':>7}{'held':>7}{'skipped':>9}"]
    for name, results in found.items():
        tried = [result for result in results if not result.skipped]
        held = sum(result.held for result in tried)
        lines.append(f"{name:10}{len(tried):7}{held:7}{len(results) - len(tried):9}")
    for name, results in found.items():
        lines += [f"skipped {name}: {each.name}: {each.reason}" for each in results if each.skipped]
        lines += [f"NOT HELD {name}: {each.name}: {each.reason}" for each in results if not each.held]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
