"""`python -m tests.zoo`: the table of the cheats; `python -m tests.zoo run [NAME ...]` measures them."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.zoo.catalogue import BY_NAME, CHEATS
from tests.zoo.enclosure import Enclosure, Sight


def table() -> str:
    """Markdown, a row for each cheat."""
    rows = [f"| `{each.animal}` | {each.does} | {each.caught_by} |" for each in CHEATS]
    return "\n".join(["| cheat | what it does | caught by |", "|---|---|---|", *rows]) + "\n"


def run(names: Sequence[str]) -> int:
    """Prints what the audits say; 1 if a cheat is not caught, or its twin is."""
    wrong = 0
    for cheat in [BY_NAME[name] for name in names] if names else CHEATS:
        with tempfile.TemporaryDirectory() as folder:
            caught, honest = Enclosure(cheat, Path(folder)).sights()
        right = caught.shows(cheat.evidence) and honest.outcome != "fail"
        unsure = not right and (caught.noisy or honest.noisy)
        wrong += not (right or unsure)
        word = "as it must be" if right else "too noisy to tell" if unsure else "WRONG"
        print(f"{word}: {cheat.animal}, {cheat.caught_by}")
        print(f"  cheat:       {_shown(caught)}\n  honest twin: {_shown(honest)}", flush=True)
    return int(wrong > 0)


def _shown(sight: Sight) -> str:
    busy = " (other processes were busy)" if sight.noisy else ""
    return f"{sight.outcome}{busy}: {'; '.join(sight.evidence)}"


def main(words: Sequence[str]) -> int:
    if not words:
        print(table(), end="")
        return 0
    unknown = [name for name in words[1:] if name not in BY_NAME]
    if words[0] != "run" or unknown:
        print(f"usage: python -m tests.zoo [run [NAME ...]]; names: {', '.join(BY_NAME)}", file=sys.stderr)
        return 2
    return run(words[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
