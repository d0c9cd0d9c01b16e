"""Draws docs/quickstart.svg: the terminal after `qutiperf run quickstart`, measured on this machine.

    python docs/make_picture.py [RESULTS]

RESULTS is the results folder; runs that it holds already are not measured again. Close other programs first:
the picture has no column that tells whether the machine was busy, `qutiperf show` has one.
"""

import io
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from qutiperf import host

PICTURE = Path(__file__).parent / "quickstart.svg"
COMMAND = "qutiperf run quickstart"


def main(results: str | None) -> None:
    """Draws standard output; progress stays on the terminal."""
    words = [*COMMAND.split()[1:], *(["--out", results] if results else [])]
    command = [sys.executable, "-P", "-m", "qutiperf", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [f"$ {COMMAND}", *(line.rstrip() for line in done.stdout.strip().splitlines())]
    drawn = Console(record=True, width=max(map(len, lines)), file=io.StringIO())
    for line in lines:
        drawn.print(Text(line), no_wrap=True)
    facts = host.facts()
    drawn.save_svg(str(PICTURE), title=f"{facts['cpu_model']}, {facts['cores']} cores")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
